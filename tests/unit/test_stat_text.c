#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "server/api/stat_text.h"
#include "server/stats/stat_query.h"

#define VALUES 3u

static struct stat_answer *
make_answer(void)
{
	static float a[VALUES] = { 1.5f, NAN, 3 }, min[VALUES] = { 1, NAN, 2 },
		     max[VALUES] = { 2, NAN, 4 };
	struct stat_series series[2] = {
		{ obj_id_make(KIND_VM, 1), metric_at(METRIC_CPU_USAGE), { a, min, max },
		    "" },
		{ obj_id_make(KIND_HOST, 2), metric_at(METRIC_CPU_USAGEMHZ),
		    { max, max, max }, "cpu1" },
	};
	const struct stat_answer answer = { 1767323040, 20, VALUES, series, 2 };

	return stat_answer_copy(&answer);
}

/* In pieces of so many bytes and a value; returns how many. */
static unsigned
write_all(struct stat_text *t, size_t least, struct str *out)
{
	struct str piece = STR_INIT;
	unsigned n = 0;
	bool more;

	do {
		str_reset(&piece);
		more = stat_text_more(t, least, &piece);
		str_addn(out, str_cstr(&piece), piece.len);
		n++;
	} while (more);
	str_fini(&piece);
	return n;
}

static void
pieces_make_the_whole(void **state)
{
	struct stat_answer *a = make_answer();

	for (unsigned form = 0; form < 4; form++) {
		const struct stat_text of = { .a = a,
			.csv = form & 1,
			.extremes = form & 2,
			.percentiles = { 50, 100 },
			.n_percentiles = form & 1 ? 0 : 2 };
		AUTO(str) struct str whole = STR_INIT, pieces = STR_INIT;
		struct stat_text t = of;

		assert_int_equal(write_all(&t, SIZE_MAX, &whole), 1);
		for (size_t least = 0; least < 60; least += 7) {
			str_reset(&pieces);
			t = of;
			assert_true(write_all(&t, least, &pieces) > 3);
			assert_string_equal(str_cstr(&pieces), str_cstr(&whole));
		}
	}
	free(a);
}

static void
json_is_json(void **state)
{
	struct stat_answer *a = make_answer();
	struct stat_text t = { .a = a, .percentiles = { 95 }, .n_percentiles = 1 };
	AUTO(str) struct str out = STR_INIT;
	AUTO(json) json *j = NULL;
	struct err e = ERR_INIT;

	write_all(&t, SIZE_MAX, &out);
	assert_int_equal(json_parse(str_cstr(&out), out.len, "it", &j, &e), 0);
	assert_string_equal(str_cstr(&out),
	    "{\"interval_s\":20,\"first\":\"2026-01-02T03:04:00.000Z\",\"count\":3,"
	    "\"series\":[{\"object\":\"vm-1\",\"counter\":\"cpu.usage.average\","
	    "\"unit\":\"%\",\"instance\":\"\",\"values\":[1.5,null,3],"
	    "\"percentiles\":{\"p95\":3}},{\"object\":\"host-2\","
	    "\"counter\":\"cpu.usagemhz.average\",\"unit\":\"MHz\",\"instance\":\"cpu1\","
	    "\"values\":[2,null,4],\"percentiles\":{\"p95\":4}}]}");
	free(a);
}

static void
csv_has_a_line_for_each_value(void **state)
{
	struct stat_answer *a = make_answer();
	struct stat_text t = { .a = a, .csv = true, .extremes = true };
	AUTO(str) struct str out = STR_INIT;

	write_all(&t, 0, &out);
	assert_non_null(strstr(str_cstr(&out),
	    "time,object,counter,instance,unit,value,min,max\r\n"
	    "2026-01-02T03:04:00.000Z,vm-1,cpu.usage.average,,%,1.5,1,2\r\n"
	    "2026-01-02T03:04:20.000Z,vm-1,cpu.usage.average,,%,,,\r\n"));
	assert_non_null(
	    strstr(str_cstr(&out), ",cpu.usagemhz.average,cpu1,MHz,2,2,2\r\n"));
	free(a);
}

static void
nothing_is_an_answer(void **state)
{
	const struct stat_answer a = { .first_s = 20, .interval_s = 20 };
	struct stat_text t = { .a = &a }, c = { .a = &a, .csv = true };
	AUTO(str) struct str out = STR_INIT, csv = STR_INIT;

	assert_int_equal(write_all(&t, SIZE_MAX, &out), 1);
	assert_non_null(strstr(str_cstr(&out), "\"series\":[]}"));
	assert_int_equal(write_all(&c, SIZE_MAX, &csv), 1);
	assert_string_equal(
	    str_cstr(&csv), "time,object,counter,instance,unit,value\r\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_make_the_whole),
		cmocka_unit_test(json_is_json),
		cmocka_unit_test(csv_has_a_line_for_each_value),
		cmocka_unit_test(nothing_is_an_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
