#include "scheduler/plan_tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "scheduler/plan_balance.h"
#include "scheduler/plan_capacity.h"
#include "scheduler/sched.h"

#define MAX_FILE_BYTES ((size_t)256 << 20)
#define MAX_GUEST_ARGS 1000

struct tool {
	FILE *in, *out, *err;
	const char *command;
	const char *path;
	const char *guests[MAX_GUEST_ARGS];
	size_t guest_count;
	bool wants_all_unplaced;
	bool wants_json;
	bool wants_explanation;
	bool wants_drs;
	struct plan_balance balance;
	struct capacity_ask capacity;
};

static const char usage_text[] =
    "usage: drover-plan place FILE.json (--guest ID ... | --all-unplaced) [--json] "
    "[--explain]\n"
    "       drover-plan check FILE.json\n"
    "       drover-plan balance --format drs [--target SCORE] [--moves N] "
    "[--iterations N] [--seed N] [--cost C] [--spare] FILE.drs\n"
    "       drover-plan capacity --format drs --memory MB [--cpus N] [--failures 0|1] "
    "FILE.drs\n"
    "       drover-plan --help | --version\n";

static const char help_text[] =
    "\n"
    "Runs Drover's scheduler on a snapshot of a cluster.  FILE - is standard input.\n"
    "\n"
    "place            find a host for guests, one after the other\n"
    "  --guest ID     the guest with this id or unique name; may be repeated\n"
    "  --all-unplaced every guest that has no host, by id\n"
    "  --json         print the plan as JSON\n"
    "  --explain      print what became of every host\n"
    "check            say whether the snapshot is in order, and what it holds\n"
    "balance          plan moves until the load is even: \"M seconds guest from to\"\n"
    "  --format drs   FILE is in the plain text of scenarios\n"
    "  --target SCORE good enough: sum of the deviations of CPU and memory load "
    "(default 0)\n"
    "  --moves N      no more guests than that\n"
    "  --iterations N tries for a better plan after the greedy one (default 0)\n"
    "  --seed N       of these (default 1)\n"
    "  --cost C       score that each second of copying must gain (default 0)\n"
    "  --spare        keep room for the guests of any one host that is lost\n"
    "capacity         how many more guests of one size fit, and where\n"
    "  --memory MB    of one\n"
    "  --cpus N       of one, 500 MHz each (default 0: CPU is not asked for)\n"
    "  --failures N   hosts that may be lost: 0 or 1 (default 0)\n"
    "\n"
    "Exit code: 0 done, 1 a guest found no host, 2 bad usage or input.\n";

static int
complain(struct tool *t, const char *about)
{
	fprintf(t->err, "drover-plan: %s\n%s", about, usage_text);
	return PLAN_EXIT_BAD;
}

static int
complain_option(struct tool *t, const char *problem, const char *option)
{
	fprintf(t->err, "drover-plan: %s: %s\n%s", option, problem, usage_text);
	return PLAN_EXIT_BAD;
}

static int
fail(struct tool *t, const struct err *e)
{
	fprintf(t->err, "drover-plan: %s\n", e->msg);
	return PLAN_EXIT_BAD;
}

/* All of a stream, up to a bound that only a mistake exceeds. */
static int
read_stream(FILE *f, const char *path, struct str *ret_text, struct err *e)
{
	char buf[65536];
	size_t n;

	while ((n = fread(buf, 1, sizeof(buf), f)) > 0) {
		if (ret_text->len + n > MAX_FILE_BYTES)
			return err_set(e, ERR_TOO_LARGE, "%s is larger than %zu MB",
			    path, MAX_FILE_BYTES >> 20);
		str_addn(ret_text, buf, n);
	}
	if (ferror(f))
		return err_sys(e, ERR_IO, errno, "cannot read %s", path);
	return 0;
}

static int
read_file(struct tool *t, struct str *ret_text, struct err *e)
{
	bool is_stdin = !strcmp(t->path, "-");
	FILE *f = is_stdin ? t->in : fopen(t->path, "re");
	int rc;

	if (!f)
		return err_sys(e, ERR_IO, errno, "cannot open %s", t->path);
	rc = read_stream(f, t->path, ret_text, e);
	if (!is_stdin)
		fclose(f);
	return rc;
}

static int
load_view(struct tool *t, struct sched_view **ret_view, struct err *e)
{
	AUTO(str) struct str text = STR_INIT;
	int rc = read_file(t, &text, e);

	if (rc)
		return rc;
	return sched_view_from_json(str_cstr(&text), text.len, t->path, ret_view, e);
}

static int
print_plan(struct tool *t, const struct sched_plan *plan)
{
	AUTO(str) struct str text = STR_INIT;

	if (t->wants_json) {
		AUTO(json) json *j = sched_plan_json(plan);
		AUTO_FREE char *s = json_text_pretty(j);

		str_addf(&text, "%s\n", s);
	} else {
		sched_plan_text(plan, &text);
	}
	fputs(str_cstr(&text), t->out);
	return plan->refused ? PLAN_EXIT_NO_PLACE : PLAN_EXIT_OK;
}

static int
find_guests(
    struct tool *t, const struct sched_view *v, uint64_t *ret_ids, struct err *e)
{
	for (size_t i = 0; i < t->guest_count; i++) {
		int rc = sched_view_find_guest(v, t->guests[i], &ret_ids[i], e);

		if (rc)
			return rc;
	}
	return 0;
}

static int
run_place(struct tool *t, const struct sched_view *v)
{
	enum sched_detail detail = t->wants_explanation ? SCHED_EXPLAIN : SCHED_BRIEF;
	uint64_t named[MAX_GUEST_ARGS];
	const uint64_t *guests = named;
	size_t count = t->guest_count;
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	struct err e = ERR_INIT;

	if (t->wants_all_unplaced)
		guests = sched_view_unplaced(v, &count);
	else if (find_guests(t, v, named, &e))
		return fail(t, &e);
	if (sched_place_many(v, guests, count, detail, &plan, &e))
		return fail(t, &e);
	return print_plan(t, plan);
}

static int
run_check(struct tool *t, const struct sched_view *v)
{
	struct sched_counts n;

	sched_view_counts(v, &n);
	fprintf(t->out,
	    "%s is in order: %zu clusters, %zu hosts, %zu datastores, %zu networks, "
	    "%zu guests, %zu of them without a host\n",
	    t->path, n.clusters, n.hosts, n.datastores, n.networks, n.guests,
	    n.unplaced);
	return PLAN_EXIT_OK;
}

static bool
is_command(const struct tool *t, const char *name)
{
	return t->command && !strcmp(t->command, name);
}

/* The commands that read plain text. */
static int
run_scenario(struct tool *t)
{
	AUTO(str) struct str text = STR_INIT;
	struct err e = ERR_INIT;

	if (read_file(t, &text, &e))
		return fail(t, &e);
	if (is_command(t, "capacity"))
		return plan_capacity_run(
		    &t->capacity, str_cstr(&text), text.len, t->path, t->out, t->err);
	return plan_balance_run(
	    &t->balance, str_cstr(&text), text.len, t->path, t->out, t->err);
}

static bool
is_scenario(const struct tool *t)
{
	return is_command(t, "balance") || is_command(t, "capacity");
}

static int
check_scenario_usage(struct tool *t)
{
	if (!t->path)
		return complain(t, "say which scenario file");
	if (!t->wants_drs)
		return complain_option(t, "wants --format drs", t->command);
	if (t->guest_count || t->wants_all_unplaced || t->wants_json ||
	    t->wants_explanation)
		return complain_option(t, "takes no option of place", t->command);
	if (is_command(t, "capacity") && t->capacity.mem <= 0)
		return complain(t, "say how large one is: --memory MB");
	return PLAN_EXIT_OK;
}

static int
check_usage(struct tool *t)
{
	bool is_place = is_command(t, "place");

	if (!t->command)
		return complain(t, "say what to do: place, check, balance or capacity");
	if (is_scenario(t))
		return check_scenario_usage(t);
	if (!is_place && !is_command(t, "check"))
		return complain_option(t, "is no command", t->command);
	if (!t->path)
		return complain(t, "say which snapshot file");
	if (!is_place && (t->guest_count || t->wants_all_unplaced || t->wants_json ||
			     t->wants_explanation))
		return complain(t, "check takes no options");
	if (is_place && !t->guest_count && !t->wants_all_unplaced)
		return complain(t, "say which guests: --guest ID or --all-unplaced");
	if (t->guest_count && t->wants_all_unplaced)
		return complain(t, "--guest and --all-unplaced exclude each other");
	return PLAN_EXIT_OK;
}

/* The whole of an option's value as a number up to most. */
static int
take_number(struct tool *t, double most, double *ret_x)
{
	char *end;
	double x = strtod(optarg, &end);

	if (end == optarg || *end || !(x >= 0 && x <= most))
		return complain_option(t, "is no number in its range", optarg);
	*ret_x = x;
	return PLAN_EXIT_OK;
}

/* MHz that one vCPU counts for, as in snapshots without a policy. */
#define VCPU_MHZ 500

static int
take_format(struct tool *t)
{
	if (strcmp(optarg, "drs") != 0)
		return complain_option(t, "is no format", optarg);
	t->wants_drs = true;
	return PLAN_EXIT_OK;
}

/* The options whose value is a number, and up to which. */
static int
take_amount(struct tool *t, int option)
{
	static const struct amount {
		int option;
		double most;
	} amounts[] = { { 't', 1000 }, { 'c', 1000 }, { 'm', UINT32_MAX },
		{ 'i', UINT32_MAX }, { 's', UINT32_MAX },
		{ 'M', (double)SCHED_MAX_MEMORY_MB }, { 'C', SCHED_MAX_VCPUS },
		{ 'F', 1 } };

	double x = 0;

	for (size_t i = 0; i < ARRAY_SIZE(amounts); i++) {
		int rc;

		if (amounts[i].option != option)
			continue;
		rc = take_number(t, amounts[i].most, &x);
		if (rc)
			return rc;
	}
	if (option == 't')
		t->balance.target = x;
	else if (option == 'c')
		t->balance.price = x;
	else if (option == 'm')
		t->balance.moves = (uint32_t)x;
	else if (option == 'i')
		t->balance.tries = (uint32_t)x;
	else if (option == 's')
		t->balance.seed = (uint64_t)x;
	else if (option == 'M')
		t->capacity.mem = x;
	else if (option == 'C')
		t->capacity.cpu = x * VCPU_MHZ;
	else
		t->capacity.failures = (uint32_t)x;
	return PLAN_EXIT_OK;
}

static int
take_option(struct tool *t, int option, char **argv)
{
	switch (option) {
	case 'f':
		return take_format(t);
	case 't':
	case 'm':
	case 'i':
	case 's':
	case 'c':
	case 'M':
	case 'C':
	case 'F':
		return take_amount(t, option);
	case 'S':
		t->balance.keeps_spare = true;
		return PLAN_EXIT_OK;
	case 'g':
		if (t->guest_count == MAX_GUEST_ARGS)
			return complain(t, "too many --guest");
		t->guests[t->guest_count++] = optarg;
		return PLAN_EXIT_OK;
	case 'a':
		t->wants_all_unplaced = true;
		return PLAN_EXIT_OK;
	case 'j':
		t->wants_json = true;
		return PLAN_EXIT_OK;
	case 'e':
		t->wants_explanation = true;
		return PLAN_EXIT_OK;
	case ':':
		return complain_option(t, "needs a value", argv[optind - 1]);
	default:
		return complain_option(t, "is no option", argv[optind - 1]);
	}
}

/* Options and the two words between them; *ret_done when there is nothing more to do.
 */
static int
read_arguments(struct tool *t, int argc, char **argv, bool *ret_done)
{
	static const struct option options[] = {
		{ "guest", required_argument, NULL, 'g' },
		{ "all-unplaced", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "explain", no_argument, NULL, 'e' },
		{ "format", required_argument, NULL, 'f' },
		{ "target", required_argument, NULL, 't' },
		{ "moves", required_argument, NULL, 'm' },
		{ "iterations", required_argument, NULL, 'i' },
		{ "seed", required_argument, NULL, 's' },
		{ "cost", required_argument, NULL, 'c' },
		{ "spare", no_argument, NULL, 'S' },
		{ "memory", required_argument, NULL, 'M' },
		{ "cpus", required_argument, NULL, 'C' },
		{ "failures", required_argument, NULL, 'F' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option, rc;

	optind = 0; /* glibc: start afresh, as a test calls more than once */
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			if (option == 'h')
				fprintf(t->out, "%s%s", usage_text, help_text);
			else
				fputs("drover-plan " DROVER_VERSION "\n", t->out);
			*ret_done = true;
			return PLAN_EXIT_OK;
		}
		rc = take_option(t, option, argv);
		if (rc)
			return rc;
	}
	if (argc - optind > 2)
		return complain_option(t, "is one word too many", argv[optind + 2]);
	t->command = optind < argc ? argv[optind] : NULL;
	t->path = optind + 1 < argc ? argv[optind + 1] : NULL;
	return PLAN_EXIT_OK;
}

int
plan_tool_run(int argc, char **argv, FILE *in, FILE *out, FILE *err)
{
	struct tool t = { .in = in,
		.out = out,
		.err = err,
		.balance = { .moves = UINT32_MAX, .seed = 1 } };
	AUTO(sched_view) struct sched_view *v = NULL;
	struct err e = ERR_INIT;
	bool done = false;
	int rc = read_arguments(&t, argc, argv, &done);

	if (rc || done)
		return rc;
	rc = check_usage(&t);
	if (rc)
		return rc;
	if (is_scenario(&t))
		rc = run_scenario(&t);
	else if (load_view(&t, &v, &e))
		rc = fail(&t, &e);
	else
		rc = is_command(&t, "check") ? run_check(&t, v) : run_place(&t, v);
	if (fflush(out) || ferror(out)) {
		fputs("drover-plan: cannot write the answer\n", err);
		return PLAN_EXIT_BAD;
	}
	return rc;
}
