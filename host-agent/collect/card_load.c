#include "host-agent/collect/card_load.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/record/record.h"
#include "host-agent/resource/net_dev.h"

#define SPEED_FILE_MAX 32u
#define MBIT_MAX       UINT64_C(10000000)
#define BITS           8u /* of a byte: so many µs take 1 Mbit/s */

bool
card_is_real(const char *root, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/sys/class/net/%s/device", root, name);

	return access(path, F_OK) == 0;
}

/* 0: it does not say; one that has no link cannot even be read. */
static uint64_t
mbit_of(const char *root, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/sys/class/net/%s/speed", root, name);
	AUTO(str) struct str text = STR_INIT;
	AUTO_FREE char *line = NULL;
	uint64_t mbit;

	if (!card_is_real(root, name) ||
	    record_file_read(path, SPEED_FILE_MAX, &text, NULL))
		return 0;
	line = xstrndup(str_cstr(&text), strcspn(str_cstr(&text), "\n"));
	return parse_u64(line, 1, MBIT_MAX, "speed", &mbit, NULL) ? 0 : mbit;
}

static uint64_t
more_than(uint64_t is, uint64_t was)
{
	return is > was ? is - was : 0;
}

void
card_load_look(
    struct card_load *c, const char *root, const struct net_dev *links, size_t n)
{
	uint64_t most_us = 0;

	c->is_known = false;
	for (size_t i = 0; i < n; i++) {
		const struct net_dev *is = &links[i],
				     *was = net_dev_find(c->last, c->n_last, is->name);
		uint64_t mbit = mbit_of(root, is->name), in, out, us;

		c->is_known |= mbit != 0;
		if (!mbit || !was)
			continue;
		in = more_than(is->in_bytes, was->in_bytes);
		out = more_than(is->out_bytes, was->out_bytes);
		us = (in > out ? in : out) * BITS / mbit;
		most_us = us > most_us ? us : most_us;
	}
	c->busy_us += most_us;
	free(c->last);
	c->last = n ? xmemdup(links, n * sizeof(*links)) : NULL;
	c->n_last = n;
}

void
card_load_fini(struct card_load *c)
{
	free(c->last);
	*c = (struct card_load){ 0 };
}
