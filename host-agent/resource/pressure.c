#include "host-agent/resource/pressure.h"

#include <string.h>

#include "base/str.h"

/* One part in 16 of the memory, as far as that is 1 GB; of more, one in 100. */
#define SPARE_PART      16
#define SPARE_KNEE      (UINT64_C(16) << 30)
#define SPARE_REST_PART 100

/* Permille of the time. */
#define SOME_SHORT 100
#define SOME_HARD  400
#define FULL_HARD  100
/* The kernel also counts those who wait within a limit of their own group: where so
 * many times what is to stay free is available, the host is short of nothing. */
#define TIME_COUNTS 4

uint64_t
pressure_spare(uint64_t total_bytes)
{
	uint64_t knee = total_bytes < SPARE_KNEE ? total_bytes : SPARE_KNEE;

	return knee / SPARE_PART + (total_bytes - knee) / SPARE_REST_PART;
}

static uint64_t
permille(uint64_t us, uint64_t span_us)
{
	return span_us ? (us < span_us ? us : span_us) * 1000 / span_us : 0;
}

enum pressure
pressure_decide(const struct pressure_view *v)
{
	uint64_t spare = pressure_spare(v->total_bytes);
	bool counts = v->available_bytes / TIME_COUNTS < spare;
	uint64_t some = counts ? permille(v->some_us, v->span_us) : 0;
	uint64_t full = counts ? permille(v->full_us, v->span_us) : 0;

	if (v->available_bytes < spare / 2 || some >= SOME_HARD || full >= FULL_HARD)
		return PRESSURE_HARD;
	if (v->available_bytes < spare || some >= SOME_SHORT)
		return PRESSURE_SHORT;
	return PRESSURE_NONE;
}

const char *
pressure_name(enum pressure p)
{
	switch (p) {
	case PRESSURE_NONE:
		return "enough";
	case PRESSURE_SHORT:
		return "short";
	case PRESSURE_HARD:
		return "very short";
	}
	return "";
}

static int
total_of(const char *text, const char *line, uint64_t *ret, struct err *e)
{
	const char *at = strstr(text, line);
	const char *total = at ? strstr(at, "total=") : NULL;
	char number[24] = "";

	if (!total)
		return err_set(e, ERR_CORRUPT, "it has no total of \"%s\"", line);
	total += strlen("total=");
	memcpy(number, total, strnlen(total, sizeof(number) - 1));
	number[strspn(number, "0123456789")] = '\0';
	return parse_u64(number, 0, UINT64_MAX, line, ret, e);
}

int
pressure_parse(
    const char *text, uint64_t *ret_some_us, uint64_t *ret_full_us, struct err *e)
{
	uint64_t some = 0, full = 0;
	int rc = total_of(text, "some ", &some, e);

	if (!rc)
		rc = total_of(text, "full ", &full, e);
	if (rc)
		return rc;
	*ret_some_us = some;
	*ret_full_us = full;
	return 0;
}
