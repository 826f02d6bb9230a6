/*
 * Golden cases show whole command lines; here random text shows that no name of a user
 * can become an option.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_args.h"
#include "tests/lib/borrow.h"

#define ROUNDS 2000

static const char uuid[] = "6e9bd5ae-6b9b-4a35-9f0d-2f1a3f6f0a42";

static void
init_spec(Drover__GuestSpec *s, char *name)
{
	drover__guest_spec__init(s);
	s->uuid = borrow(uuid);
	s->name = name;
	s->num_cpu = 1;
	s->memory_mb = 64;
}

static void
build(const Drover__GuestSpec *s, struct qemu_args *out)
{
	struct qemu_shape shape = { .machine = "q35", .accel = "tcg" };
	struct qemu_args_in in = { .program = "/qemu",
		.guest = 1,
		.spec = s,
		.shape = &shape,
		.memory_fd = -1,
		.seed_fd = -1 };

	qemu_shape_plan(&shape, s->num_cpu, s->memory_mb, 2, 1024);
	qemu_args_build(&in, out);
}

/* As QEMU reads an option: values end at single commas. */
static unsigned
count_options(const char *s)
{
	unsigned n = 1;

	for (; *s; s++) {
		if (*s != ',')
			continue;
		if (s[1] == ',')
			s++;
		else
			n++;
	}
	return n;
}

static void
random_name(struct rng *r, char *buf, size_t n)
{
	static const char letters[] = ",,,,==abc -\"'\\%$/:;{}[]\xc3\xa9";
	size_t len = 1 + rng_below(r, n - 4), at = 0;

	while (at < len) {
		char c = letters[rng_below(r, sizeof(letters) - 3)];

		buf[at++] = c;
	}
	buf[at] = '\0';
}

static void
no_name_becomes_an_option(void **state)
{
	struct rng r;
	char name[80];

	rng_seed(&r, 42);
	for (int i = 0; i < ROUNDS; i++) {
		Drover__GuestSpec s;
		struct qemu_args a, plain;

		random_name(&r, name, sizeof(name));
		init_spec(&s, name);
		assert_int_equal(qemu_spec_check(&s, NULL), 0);
		build(&s, &a);
		s.name = borrow("plain");
		build(&s, &plain);
		assert_int_equal(a.n, plain.n);
		for (size_t k = 0; k < a.n; k++) {
			/* Only the identity may differ, and has the same options. */
			if (strcmp(a.argv[k], plain.argv[k]) == 0)
				continue;
			assert_string_equal(a.argv[k - 1], "-smbios");
			assert_int_equal(
			    count_options(a.argv[k]), count_options(plain.argv[k]));
		}
		qemu_args_fini(&a);
		qemu_args_fini(&plain);
	}
}

static void
odd_text_is_refused(void **state)
{
	static const char *const bad[] = { "a\nb", "a\tb", "\x7f", "\xff\xfe", "\xc3" };
	struct err e = ERR_INIT;
	Drover__GuestSpec s;
	char long_name[300];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		init_spec(&s, borrow(bad[i]));
		assert_int_equal(qemu_spec_check(&s, &e), ERR_INVALID);
	}
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	init_spec(&s, long_name);
	assert_int_equal(qemu_spec_check(&s, &e), ERR_INVALID);
}

static void
absurd_sizes_are_refused(void **state)
{
	struct err e = ERR_INIT;
	Drover__GuestSpec s;

	init_spec(&s, borrow("x"));
	s.num_cpu = UINT32_MAX;
	assert_int_equal(qemu_spec_check(&s, &e), ERR_INVALID);
	assert_string_equal(e.msg, "num_cpu: wants 1 to 128, got 4294967295");
	s.num_cpu = 1;
	s.memory_mb = UINT64_MAX;
	assert_int_equal(qemu_spec_check(&s, &e), ERR_INVALID);
	s.memory_mb = 64;
	s.uuid = borrow("6e9bd5ae-6b9b-4a35-9f0d-2f1a3f6f0a4,");
	assert_int_equal(qemu_spec_check(&s, &e), ERR_INVALID);
}

static void
shape_grows_in_steps(void **state)
{
	struct qemu_shape s = { .machine = "q35", .accel = "tcg" };
	struct qemu_growth g;
	struct err e = ERR_INIT;

	qemu_shape_plan(&s, 2, 512, 8, 16384);
	assert_int_equal(s.max_cpus, 8);
	assert_int_equal(qemu_shape_grow(&s, 4, 1024, &g, &e), 0);
	assert_int_equal(g.add_cpus, 2);
	assert_int_equal(g.add_mb, 512);
	assert_int_equal(qemu_shape_grow(&s, 2, 600, &g, &e), ERR_UNSUPPORTED);
	assert_string_equal(e.msg, "needs power off: memory MB from 512 to 600: it can "
				   "be added in steps of 128 MB");
	assert_int_equal(qemu_shape_grow(&s, 9, 512, &g, &e), ERR_UNSUPPORTED);
	assert_int_equal(qemu_shape_grow(&s, 1, 512, &g, &e), ERR_UNSUPPORTED);
	assert_int_equal(
	    qemu_shape_grow(&s, 2, 512 + 128 * 100, &g, &e), ERR_UNSUPPORTED);
	s.n_dimms = QEMU_DIMMS_MAX;
	for (int i = 0; i < QEMU_DIMMS_MAX; i++)
		s.dimm_mb[i] = 128;
	assert_int_equal(
	    qemu_shape_grow(&s, 2, 512 + 128 * 9, &g, &e), ERR_UNSUPPORTED);
}

static void
shape_survives_its_text(void **state)
{
	struct qemu_shape s = { .machine = "pc-q35-7.2", .accel = "kvm" }, back;
	AUTO(json) json *o = NULL;

	qemu_shape_plan(&s, 2, 512, 8, 16384);
	s.num_cpu = 3;
	s.n_dimms = 2;
	s.dimm_mb[0] = 128;
	s.dimm_mb[1] = 256;
	o = qemu_shape_json(&s);
	memset(&back, 0, sizeof(back));
	assert_int_equal(qemu_shape_parse(o, &back, NULL), 0);
	assert_string_equal(back.machine, s.machine);
	assert_string_equal(back.accel, s.accel);
	assert_int_equal(back.num_cpu, 3);
	assert_int_equal(back.n_dimms, 2);
	assert_int_equal(qemu_shape_mb(&back), 512 + 128 + 256);
	json_set_u64(o, "max_cpus", 100000);
	assert_int_not_equal(qemu_shape_parse(o, &back, NULL), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_name_becomes_an_option),
		cmocka_unit_test(odd_text_is_refused),
		cmocka_unit_test(absurd_sizes_are_refused),
		cmocka_unit_test(shape_grows_in_steps),
		cmocka_unit_test(shape_survives_its_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
