#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg_int.h"
#include "host-agent/resource/disk_io.h"

static void
reads_a_line(void **state)
{
	struct disk_io d;

	assert_true(disk_io_parse(
	    " 254       0 vda 10 1 80 5 20 2 160 7 0 9 9 0 0 0 0 0 0\n", &d));
	assert_string_equal(d.name, "vda");
	assert_int_equal(d.dev, makedev(254, 0));
	assert_int_equal(d.reads, 10);
	assert_int_equal(d.read_bytes, 80 * 512);
	assert_int_equal(d.writes, 20);
	assert_int_equal(d.written_bytes, 160 * 512);
	assert_int_equal(d.read_us, 5000);
	assert_int_equal(d.write_us, 7000);
	assert_false(disk_io_parse("", &d));
	assert_false(disk_io_parse("254 0 vda 10 1 x\n", &d));
}

static void
leaves_hardware_alone(void **state)
{
	static const char *const names[] = { "loop0", "sda", "sda1", "sda10", "nvme0n1",
		"nvme0n1p1", "dm-0", "md127", "zram0", "sr0", "nbd0", "vdb" };
	struct disk_io all[ARRAY_SIZE(names)] = { 0 };
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		snprintf(all[i].name, sizeof(all[i].name), "%s", names[i]);
	n = disk_io_hardware(all, ARRAY_SIZE(names));
	assert_int_equal(n, 4);
	assert_string_equal(all[0].name, "sda");
	assert_string_equal(all[1].name, "nvme0n1");
	assert_string_equal(all[2].name, "nbd0");
	assert_string_equal(all[3].name, "vdb");
}

static void
put_file(const char *dir, const char *name, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
drop_file(const char *dir, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);

	assert_int_equal(unlink(path), 0);
}

static void
sums_up_a_group(void **state)
{
	static const char bytes[] = "blkio.throttle.io_service_bytes_recursive";
	static const char count[] = "blkio.throttle.io_serviced_recursive";
	char dir[] = "/tmp/test-disk-io-XXXXXX";
	struct disk_io one = { .dev = makedev(254, 0) }, two = one;
	struct err e = ERR_INIT;

	assert_non_null(mkdtemp(dir));
	put_file(dir, bytes,
	    "7:205 Read 20480\n254:0 Read 4096\n254:0 Write 512\n254:0 Sync 1\n"
	    "Total 9\n");
	put_file(dir, count, "254:0 Read 3\n254:0 Write 1\n");
	put_file(dir, "io.stat",
	    "7:205 rbytes=1 wbytes=1 rios=1 wios=1 dbytes=0 dios=0\n"
	    "254:0 rbytes=4096 wbytes=512 rios=3 wios=1 dbytes=0 dios=0\n");
	assert_int_equal(cg_io_v1(dir, &one, 1, &e), 0);
	assert_int_equal(cg_io_v2(dir, &two, 1, &e), 0);
	assert_int_equal(one.read_bytes, 4096);
	assert_int_equal(one.written_bytes, 512);
	assert_int_equal(one.reads, 3);
	assert_int_equal(one.writes, 1);
	assert_memory_equal(&one, &two, sizeof(one));
	drop_file(dir, bytes);
	assert_int_equal(cg_io_v1(dir, &one, 1, &e), ERR_IO);
	drop_file(dir, count);
	drop_file(dir, "io.stat");
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_line),
		cmocka_unit_test(leaves_hardware_alone),
		cmocka_unit_test(sums_up_a_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
