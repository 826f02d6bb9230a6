#include "scheduler/plan_tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "scheduler/plan_balance.h"
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
};

static const char usage_text[] =
    "usage: drover-plan place FILE.json (--guest ID ... | --all-unplaced) [--json] "
    "[--explain]\n"
    "       drover-plan check FILE.json\n"
    "       drover-plan balance --format drs [--target SCORE] [--moves N] "
    "[--iterations N] [--seed N] [--cost C] [--spare] FILE.drs\n"
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

static int
run_balance(struct tool *t)
{
	AUTO(str) struct str text = STR_INIT;
	struct err e = ERR_INIT;

	if (read_file(t, &text, &e))
		return fail(t, &e);
	return plan_balance_run(
	    &t->balance, str_cstr(&text), text.len, t->path, t->out, t->err);
}

static bool
is_balance(const struct tool *t)
{
	return t->command && !strcmp(t->command, "balance");
}

static int
check_balance_usage(struct tool *t)
{
	if (!t->path)
		return complain(t, "say which scenario file");
	if (!t->wants_drs)
		return complain(t, "balance wants --format drs");
	if (t->guest_count || t->wants_all_unplaced || t->wants_json ||
	    t->wants_explanation)
		return complain(t, "balance takes no option of place");
	return PLAN_EXIT_OK;
}

static int
check_usage(struct tool *t)
{
	bool is_place = t->command && !strcmp(t->command, "place");

	if (!t->command)
		return complain(t, "say what to do: place, check or balance");
	if (is_balance(t))
		return check_balance_usage(t);
	if (!is_place && strcmp(t->command, "check") != 0)
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

static int
take_balance_option(struct tool *t, int option)
{
	double x = 0;
	int rc;

	if (option == 'f') {
		if (strcmp(optarg, "drs") != 0)
			return complain_option(t, "is no format", optarg);
		t->wants_drs = true;
		return PLAN_EXIT_OK;
	}
	if (option == 'S') {
		t->balance.keeps_spare = true;
		return PLAN_EXIT_OK;
	}
	rc = take_number(t, option == 't' || option == 'c' ? 1000 : UINT32_MAX, &x);
	if (option == 't')
		t->balance.target = x;
	else if (option == 'm')
		t->balance.moves = (uint32_t)x;
	else if (option == 'c')
		t->balance.price = x;
	else if (option == 'i')
		t->balance.tries = (uint32_t)x;
	else
		t->balance.seed = (uint64_t)x;
	return rc;
}

static int
take_option(struct tool *t, int option, char **argv)
{
	switch (option) {
	case 'f':
	case 't':
	case 'm':
	case 'i':
	case 's':
	case 'c':
	case 'S':
		return take_balance_option(t, option);
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
	if (is_balance(&t))
		rc = run_balance(&t);
	else if (load_view(&t, &v, &e))
		rc = fail(&t, &e);
	else
		rc = !strcmp(t.command, "check") ? run_check(&t, v) : run_place(&t, v);
	if (fflush(out) || ferror(out)) {
		fputs("drover-plan: cannot write the answer\n", err);
		return PLAN_EXIT_BAD;
	}
	return rc;
}
