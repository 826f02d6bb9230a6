#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_disk_io.h"

#define STATS                                                                 \
	"\"stats\":{\"rd_bytes\":4096,\"wr_bytes\":8192,\"rd_operations\":1," \
	"\"wr_operations\":2,\"rd_total_time_ns\":1500999,"                   \
	"\"wr_total_time_ns\":7000,\"idle_time_ns\":5}"

static size_t
parse(const char *text, struct engine_disk_io *ret)
{
	AUTO(json) json *o = NULL;

	assert_int_equal(json_parse(text, strlen(text), "answer", &o, NULL), 0);
	qemu_disk_io_parse(o, ret);
	return ret->n;
}

static void
disks_go_by_their_device(void **state)
{
	struct engine_disk_io io = { .n = 9 };

	assert_int_equal(
	    parse("[{\"device\":\"\",\"node-name\":\"disk-0-3\",\"qdev\":"
		  "\"/machine/peripheral/blk-2/virtio-backend\"," STATS "},"
		  "{\"qdev\":\"/machine/peripheral/blk-0/virtio-backend\",\"stats\":{"
		  "\"rd_bytes\":1,\"wr_bytes\":2,\"rd_operations\":3,"
		  "\"wr_operations\":4,\"rd_total_time_ns\":0,"
		  "\"wr_total_time_ns\":0}}]",
		&io),
	    2);
	assert_int_equal(io.disks[0].slot, 2);
	assert_int_equal(io.disks[0].read_bytes, 4096);
	assert_int_equal(io.disks[0].written_bytes, 8192);
	assert_int_equal(io.disks[0].reads, 1);
	assert_int_equal(io.disks[0].writes, 2);
	assert_int_equal(io.disks[0].read_us, 1500);
	assert_int_equal(io.disks[0].write_us, 7);
	assert_int_equal(io.disks[1].slot, 0);
	assert_int_equal(io.disks[1].writes, 4);
}

static void
what_is_no_disk_of_ours_is_passed_over(void **state)
{
	static const char *const none[] = {
		"{}",
		"[]",
		"[1]",
		"[{" STATS "}]",
		"[{\"qdev\":\"seed\"," STATS "}]",
		"[{\"qdev\":\"/machine/peripheral/blk-/virtio-backend\"," STATS "}]",
		"[{\"qdev\":\"/machine/peripheral/blk-1x/virtio-backend\"," STATS "}]",
		"[{\"qdev\":\"/machine/peripheral/blk-999/virtio-backend\"," STATS "}]",
		"[{\"qdev\":\"/machine/peripheral/blk-1\"," STATS "}]",
		"[{\"qdev\":\"/machine/peripheral/blk-1/virtio-backend\"}]",
		"[{\"qdev\":\"/machine/peripheral/blk-1/virtio-backend\",\"stats\":{"
		"\"rd_bytes\":-1,\"wr_bytes\":0,\"rd_operations\":0,"
		"\"wr_operations\":0,\"rd_total_time_ns\":0,"
		"\"wr_total_time_ns\":0}}]",
	};
	struct engine_disk_io io;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(parse(none[i], &io), 0);
}

static void
no_more_than_a_machine_has(void **state)
{
	AUTO(str) struct str text = STR_INIT;
	struct engine_disk_io io;

	for (unsigned i = 0; i < ENGINE_DISKS_MAX + 3; i++)
		str_addf(&text,
		    "%s{\"qdev\":\"/machine/peripheral/blk-%u/virtio-backend\"," STATS
		    "}",
		    i ? "," : "[", i);
	str_addc(&text, ']');
	assert_int_equal(parse(str_cstr(&text), &io), ENGINE_DISKS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disks_go_by_their_device),
		cmocka_unit_test(what_is_no_disk_of_ours_is_passed_over),
		cmocka_unit_test(no_more_than_a_machine_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
