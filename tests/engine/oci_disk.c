/*
 * The disk of a container that is up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host-agent/engine/engine_device.h"
#include "tests/engine/oci_suite.h"
#include "tests/engine/suite.h"

#define GROWN_BYTES (64 << 20)

static void
verb_grow(struct suite_guest *sg, struct wake w)
{
	const struct engine_device d = { .spec = &sg->spec, .tap_fd = -1 };

	engine_grow_disk(sg->g, &d, w);
}

static void
verb_plug_disk(struct suite_guest *sg, struct wake w)
{
	const struct engine_device d = { .spec = &sg->spec, .tap_fd = -1 };

	engine_plug_disk(sg->g, &d, w);
}

void
oci_disk_grows_or_says_why_not(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 42, NULL, NULL);
	struct err e = ERR_INIT;

	assert_int_equal(suite_start(sg, -1, &e), 0);
	assert_int_equal(truncate(sg->disk_path, GROWN_BYTES), 0);
	sg->disk.size_bytes = GROWN_BYTES;
	/* As the host's rights are. */
	if (suite_run(sg, verb_grow, &e)) {
		assert_int_equal(e.code, ERR_UNSUPPORTED);
		assert_non_null(strstr(e.msg, "needs power off: "));
	}
	assert_int_equal(suite_run(sg, verb_plug_disk, &e), ERR_UNSUPPORTED);
	assert_string_equal(e.msg, "vm-42: a container has the disk of its root alone");
	assert_int_equal(suite_run(sg, verb_reset, &e), 0);
	suite_guest_free(sg);
}
