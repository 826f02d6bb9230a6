#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scheduler/plan_tool.h"

#define MAX_ARGS 8

static const char snapshot[] =
    "{\"version\":1,"
    "\"hosts\":[{\"id\":1,\"name\":\"h\",\"cpu_mhz\":2000,\"cpu_cores\":2,"
    "\"memory_mb\":1024}],"
    "\"guests\":[{\"id\":1,\"name\":\"small\",\"num_cpu\":1,\"memory_mb\":512},"
    "{\"id\":2,\"name\":\"large\",\"num_cpu\":1,\"memory_mb\":4096}]}";

struct answer {
	int code;
	char *out;
	char *err;
};

/* drover-plan with a NULL-ended list of arguments and text on its standard input. */
static struct answer
run(const char *in_text, const char *const *args)
{
	struct answer a = { 0 };
	size_t out_size, err_size;
	char *argv[MAX_ARGS + 2] = { strdup("drover-plan") };
	int argc = 1;
	FILE *in = tmpfile(), *out = open_memstream(&a.out, &out_size),
	     *err = open_memstream(&a.err, &err_size);

	assert_true(in && out && err);
	fputs(in_text, in);
	rewind(in);
	for (; args[argc - 1]; argc++)
		argv[argc] = strdup(args[argc - 1]);
	a.code = plan_tool_run(argc, argv, in, out, err);
	fclose(in);
	fclose(out);
	fclose(err);
	/* getopt moves the pointers about, but all stay in the array. */
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return a;
}

#define RUN(in, ...) run((in), (const char *const[]){ __VA_ARGS__, NULL })

static void
expect(struct answer a, int code, const char *out, const char *err)
{
	assert_int_equal(a.code, code);
	assert_non_null(strstr(a.out, out));
	assert_non_null(strstr(a.err, err));
	assert_int_equal(strlen(err) == 0, strlen(a.err) == 0);
	free(a.out);
	free(a.err);
}

static void
test_place(void **state)
{
	expect(RUN(snapshot, "place", "-", "--guest", "small"), PLAN_EXIT_OK,
	    "small (1 vCPU, 512 MB) on h, the only host that fits", "");
	expect(RUN(snapshot, "place", "--guest=1", "-", "--explain"), PLAN_EXIT_OK,
	    "    1. h: cpu 0.0 % -> 25.0 %, memory 0.0 % -> 50.0 %", "");
	expect(RUN(snapshot, "place", "-", "--all-unplaced"), PLAN_EXIT_NO_PLACE,
	    "no host can take large (1 vCPU, 4096 MB): h lacks memory", "");
	expect(RUN(snapshot, "place", "-", "--guest", "1", "--json"), PLAN_EXIT_OK,
	    "\"to_name\": \"h\"", "");
}

static void
test_check(void **state)
{
	expect(RUN(snapshot, "check", "-"), PLAN_EXIT_OK,
	    "- is in order: 0 clusters, 1 hosts, 0 datastores, 0 networks, 2 guests, 2 "
	    "of them without a host, 0 rules\n",
	    "");
	expect(RUN("{", "check", "-"), PLAN_EXIT_BAD, "", "drover-plan: -: is no JSON");
	expect(RUN("", "check", "-"), PLAN_EXIT_BAD, "", "drover-plan: -: is no JSON");
	expect(RUN("", "check", "/nonexistent/view.json"), PLAN_EXIT_BAD, "",
	    "drover-plan: cannot open /nonexistent/view.json: No such file");
}

static void
test_help_and_version(void **state)
{
	expect(RUN("", "--help"), PLAN_EXIT_OK, "usage: drover-plan COMMAND", "");
	expect(RUN("", "--version"), PLAN_EXIT_OK, "drover-plan " DROVER_VERSION, "");
}

static void
test_bad_usage(void **state)
{
	const struct answer nothing = run("", (const char *const[]){ NULL });

	expect(nothing, PLAN_EXIT_BAD, "", "say what to do");
	expect(RUN("", "destroy", "-"), PLAN_EXIT_BAD, "", "destroy: is no command");
	expect(RUN("", "place"), PLAN_EXIT_BAD, "", "place: say which snapshot file");
	expect(RUN("", "place", "-"), PLAN_EXIT_BAD, "",
	    "place: wants --guest or --all-unplaced");
	expect(RUN("", "place", "-", "--guest"), PLAN_EXIT_BAD, "",
	    "--guest: needs a value");
	expect(
	    RUN("", "place", "-", "--frob"), PLAN_EXIT_BAD, "", "--frob: is no option");
	expect(
	    RUN("", "place", "-", "x"), PLAN_EXIT_BAD, "", "x: is one word too many");
	expect(RUN("", "place", "-", "--guest", "1", "--all-unplaced"), PLAN_EXIT_BAD,
	    "", "exclude each other");
	expect(RUN("", "check", "-", "--json"), PLAN_EXIT_BAD, "",
	    "json: is no option of this command");
	expect(RUN(snapshot, "place", "-", "--guest", "nobody"), PLAN_EXIT_BAD, "",
	    "there is no guest nobody");
}

static const char scenario[] = "H 0 a 1000 1 1000\nH 1 b 1000 1 1000\n"
			       "V 0 x 0 1 100 400 0 0 0 1 1 0\n"
			       "V 1 y 0 1 100 400 0 0 0 1 1 0\n";

static void
test_balance(void **state)
{
	expect(RUN(scenario, "balance", "--format", "drs", "-"), PLAN_EXIT_OK,
	    " x a b\n", "");
	expect(RUN(scenario, "balance", "--format", "drs", "--spare", "-"),
	    PLAN_EXIT_OK,
	    "# 0 guests without a place if their host is lost\n# curve 0.00000\n", "");
	expect(RUN(scenario, "balance", "--format", "drs", "--cost", "1", "-"),
	    PLAN_EXIT_OK, ", 0 moves in 0 waves", "");
	expect(RUN(scenario, "balance", "--format", "drs", "--moves", "0", "-"),
	    PLAN_EXIT_OK, ", 0 moves in 0 waves", "");
	expect(RUN("V", "balance", "--format", "drs", "-"), PLAN_EXIT_BAD, "",
	    "-: line 1: wrong number of words for: \"V\"");
	expect(RUN("", "balance", "-"), PLAN_EXIT_BAD, "", "-: is no JSON");
	expect(RUN("", "balance", "--format", "xml", "-"), PLAN_EXIT_BAD, "",
	    "xml: is no format");
	expect(RUN("", "balance", "--format", "drs", "--moves", "-1", "-"),
	    PLAN_EXIT_BAD, "", "-1: is no number in its range");
	expect(RUN("", "balance", "--guest", "x", "-"), PLAN_EXIT_BAD, "",
	    "guest: is no option of this command");
}

static void
test_capacity(void **state)
{
	expect(RUN(scenario, "capacity", "--format", "drs", "--memory", "300", "-"),
	    PLAN_EXIT_OK, "fit 5 of at most 5, 0 hosts may be lost", "");
	expect(RUN(scenario, "capacity", "--format", "drs", "--memory", "300",
		   "--failures", "1", "-"),
	    PLAN_EXIT_OK, "fit 2 of at most 2, 1 hosts may be lost", "");
	expect(RUN(scenario, "capacity", "--format", "drs", "-"), PLAN_EXIT_BAD, "",
	    "capacity: wants --memory");
	expect(RUN(scenario, "capacity", "--format", "drs", "--memory", "1",
		   "--failures", "2", "-"),
	    PLAN_EXIT_BAD, "", "with 0 or 1 lost hosts");
}

static void
test_a_new_guest_is_placed_by_size(void **state)
{
	expect(RUN(snapshot, "place", "--memory", "700", "--cpus", "2", "-"),
	    PLAN_EXIT_OK, "new (2 vCPU, 700 MB) on h", "");
	expect(RUN(snapshot, "place", "--memory", "2000", "-"), PLAN_EXIT_NO_PLACE,
	    "no host can take new (1 vCPU, 2000 MB)", "");
	expect(RUN(snapshot, "place", "--memory", "1", "--guest", "1", "-"),
	    PLAN_EXIT_BAD, "", "--memory is for a guest that the snapshot does not");
}

/* On a snapshot of two hosts, with use from a file. */
static struct answer
run_with_use(const char *use)
{
	char path[] = "/tmp/plan-use-XXXXXX";
	int fd = mkstemp(path);
	struct answer a;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, use, strlen(use)), strlen(use));
	close(fd);
	a = RUN(scenario, "balance", "--format", "drs", "--use", path, "-");
	unlink(path);
	return a;
}

static void
test_use_of_guests_comes_from_a_file(void **state)
{
	expect(run_with_use("nobody 0.5 0 0 0\n"), PLAN_EXIT_BAD, "",
	    "line 1: there is no guest \"nobody\"");
	expect(run_with_use("x much\n"), PLAN_EXIT_BAD, "",
	    "guest \"x\" uses no number of CPU: \"much\"");
	expect(
	    run_with_use("\nx 0 0 0 0\ny 0 0 0 0\n"), PLAN_EXIT_OK, "# score 0.", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_bad_usage),
		cmocka_unit_test(test_balance),
		cmocka_unit_test(test_capacity),
		cmocka_unit_test(test_a_new_guest_is_placed_by_size),
		cmocka_unit_test(test_use_of_guests_comes_from_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
