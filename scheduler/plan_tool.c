#include "scheduler/plan_tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "scheduler/drs_file.h"
#include "scheduler/plan_int.h"

#define MAX_FILE_BYTES ((size_t)256 << 20)

static const struct plan_option_info {
	const char *name, *value;
	double most;
	const char *text;
} infos[] = {

#define PLAN_OPTION(code, name, value, most, text) \
	[PLAN_BIT_##code##_] = { (name), (value), (double)(most), (text) },
#include "scheduler/plan_option.def"
#undef PLAN_OPTION
};

#define MOVING                                                              \
	(PLAN_FORMAT | PLAN_USE | PLAN_CLUSTER | PLAN_JSON | PLAN_EXPLAIN | \
	    PLAN_SPARE | PLAN_LINK)

static const struct command {
	const char *name;
	uint32_t takes; /* of enum plan_option */
	uint32_t wants; /* one of them has to be there; 0: none */
	int (*run)(
	    const struct plan_args *a, const struct sched_view *v, struct err *e);
	const char *text;
} commands[] = {
	{ "place",
	    PLAN_FORMAT | PLAN_USE | PLAN_CLUSTER | PLAN_GUEST | PLAN_ALL_UNPLACED |
		PLAN_MEMORY | PLAN_CPUS | PLAN_JSON | PLAN_EXPLAIN | PLAN_SPARE,
	    PLAN_GUEST | PLAN_ALL_UNPLACED | PLAN_MEMORY, plan_place,
	    "find a host for guests, one after the other" },
	{ "check", PLAN_FORMAT, 0, plan_check,
	    "say whether the snapshot is in order, and what it holds" },
	{ "balance",
	    MOVING | PLAN_TARGET | PLAN_THRESHOLD | PLAN_MOVES | PLAN_ITERATIONS |
		PLAN_SEED | PLAN_COST | PLAN_PAYS,
	    0, plan_balance, "plan moves until the load is even" },
	{ "evacuate", MOVING | PLAN_HOST, PLAN_HOST, plan_evacuate,
	    "plan moves that empty hosts" },
	{ "make-room", MOVING | PLAN_GUEST, PLAN_GUEST, plan_make_room,
	    "plan moves until a large guest fits somewhere" },
	{ "power", MOVING, 0, plan_power,
	    "say which hosts could be in standby, or are needed" },
	{ "capacity",
	    PLAN_FORMAT | PLAN_CLUSTER | PLAN_MEMORY | PLAN_CPUS | PLAN_FAILURES,
	    PLAN_MEMORY, plan_capacity,
	    "how many more guests of one size fit, and where" },
	{ "admit", PLAN_FORMAT | PLAN_CLUSTER | PLAN_MEMORY | PLAN_MHZ | PLAN_FAILURES,
	    PLAN_MEMORY, plan_admit,
	    "may one more be started so that hosts may be lost" },
	{ "restart",
	    PLAN_FORMAT | PLAN_HOST | PLAN_JSON | PLAN_EXPLAIN | PLAN_APART |
		PLAN_WAITS,
	    PLAN_HOST, plan_restart, "where guests start again after hosts are lost" },
};

static const struct format {
	const char *name;
	int (*read)(const char *text, size_t n, const char *what,
	    struct sched_view **ret_view, struct err *e);
} formats[] = {
	{ "json", sched_view_from_json },
	{ "drs", drs_file_read },
	{ "ganeti", drs_ganeti_read },
};

struct tool {
	FILE *in;
	struct plan_args a;
	const char *word; /* the command's */
	const struct command *command;
};

/* ---- help ---- */

static void
add_usage(const struct command *c, struct str *out)
{
	str_addf(out, "       drover-plan %s", c->name);
	for (unsigned i = 0; i < PLAN_BIT_COUNT_; i++) {
		if (c->takes & 1u << i)
			str_addf(out, " [--%s%s%s]", infos[i].name,
			    infos[i].value ? " " : "",
			    infos[i].value ? infos[i].value : "");
	}
	str_add(out, " FILE\n");
}

static void
print_usage(FILE *f)
{
	fputs("usage: drover-plan COMMAND [OPTION ...] FILE\n"
	      "       drover-plan --help | --version\n",
	    f);
}

static void
print_help(FILE *f)
{
	AUTO(str) struct str text = STR_INIT;

	print_usage(f);
	fputs(
	    "\nRuns Drover's scheduler on a snapshot of a cluster.  FILE - is standard "
	    "input.\n\n",
	    f);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		str_addf(&text, "%-10s %s\n", commands[i].name, commands[i].text);
		add_usage(&commands[i], &text);
	}
	str_addc(&text, '\n');
	for (size_t i = 0; i < ARRAY_SIZE(infos); i++) {
		AUTO(str) struct str name = STR_INIT;

		str_addf(&name, "--%s%s%s", infos[i].name, infos[i].value ? " " : "",
		    infos[i].value ? infos[i].value : "");
		str_addf(&text, "  %-26s %s\n", str_cstr(&name), infos[i].text);
	}
	str_add(&text,
	    "\nMoves are lines \"M seconds guest from to\", starts \"S wave guest from to\", "
	    "advice \"P standby|wake host\"; remarks begin with #.\n"
	    "Exit code: 0 done, 1 a guest found no host, 2 bad usage or input.\n");
	fputs(str_cstr(&text), f);
}

static int
complain(struct tool *t, const char *about, const char *problem)
{
	fprintf(t->a.err, "drover-plan: %s%s%s\n", about, problem ? ": " : "",
	    problem ? problem : "");
	print_usage(t->a.err);
	return PLAN_EXIT_BAD;
}

/* ---- reading ---- */

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
read_file(struct tool *t, const char *path, struct str *ret_text, struct err *e)
{
	bool is_stdin = !strcmp(path, "-");
	FILE *f = is_stdin ? t->in : fopen(path, "re");
	int rc;

	if (!f)
		return err_sys(e, ERR_IO, errno, "cannot open %s", path);
	rc = read_stream(f, path, ret_text, e);
	if (!is_stdin)
		fclose(f);
	return rc;
}

static int
load_view(struct tool *t, struct sched_view **ret_view, struct err *e)
{
	AUTO(str) struct str text = STR_INIT;
	int rc = read_file(t, t->a.path, &text, e);

	for (size_t i = 0; !rc && i < ARRAY_SIZE(formats); i++) {
		if (str_same(t->a.format, formats[i].name))
			return formats[i].read(
			    str_cstr(&text), text.len, t->a.path, ret_view, e);
	}
	return rc;
}

/* Instead of the view, one with other figures. */
static int
load_use(struct tool *t, struct sched_view **view, struct err *e)
{
	AUTO(str) struct str text = STR_INIT;
	struct sched_view *changed;
	int rc = read_file(t, t->a.use, &text, e);

	if (rc)
		return rc;
	AUTO_FREE char *lines = str_take(&text);

	rc = plan_view_with_use(*view, lines, t->a.use, &changed, e);
	if (rc)
		return rc;
	sched_view_free(*view);
	*view = changed;
	return 0;
}

/* ---- arguments ---- */

static int
take_name(struct tool *t, const char **list, size_t *count)
{
	if (*count == PLAN_MAX_NAMES)
		return complain(t, optarg, "is one too many");
	list[(*count)++] = optarg;
	return PLAN_EXIT_OK;
}

static int
take_format(struct tool *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (str_same(optarg, formats[i].name))
			t->a.format = formats[i].name;
	}
	return str_same(optarg, t->a.format) ? PLAN_EXIT_OK
					     : complain(t, optarg, "is no format");
}

/* The whole of an option's value as a number up to its most. */
static int
take_number(struct tool *t, unsigned bit)
{
	char *end;
	double x = strtod(optarg, &end);

	if (end == optarg || *end || !(x >= 0 && x <= infos[bit].most))
		return complain(t, optarg, "is no number in its range");
	t->a.number[bit] = x;
	return PLAN_EXIT_OK;
}

static int
take_option(struct tool *t, unsigned bit)
{
	t->a.given |= 1u << bit;
	if (infos[bit].most > 0)
		return take_number(t, bit);
	if (bit == PLAN_BIT_FORMAT_)
		return take_format(t);
	if (bit == PLAN_BIT_GUEST_)
		return take_name(t, t->a.guests, &t->a.guest_count);
	if (bit == PLAN_BIT_HOST_)
		return take_name(t, t->a.hosts, &t->a.host_count);
	if (bit == PLAN_BIT_USE_)
		t->a.use = optarg;
	if (bit == PLAN_BIT_CLUSTER_)
		t->a.cluster = optarg;
	return PLAN_EXIT_OK;
}

/* Options and the two words between them; *ret_done when there is nothing more to do.
 */
static int
read_arguments(struct tool *t, int argc, char **argv, bool *ret_done)
{
	struct option options[PLAN_BIT_COUNT_ + 3] = { 0 };
	int option, rc;

	for (int i = 0; i < PLAN_BIT_COUNT_; i++)
		options[i] = (struct option){ infos[i].name,
			infos[i].value ? required_argument : no_argument, NULL,
			1000 + i };
	options[PLAN_BIT_COUNT_] = (struct option){ "help", no_argument, NULL, 'h' };
	options[PLAN_BIT_COUNT_ + 1] =
	    (struct option){ "version", no_argument, NULL, 'V' };
	optind = 0; /* glibc: start afresh, as a test calls more than once */
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			if (option == 'h')
				print_help(t->a.out);
			else
				fputs("drover-plan " DROVER_VERSION "\n", t->a.out);
			*ret_done = true;
			return PLAN_EXIT_OK;
		}
		if (option < 1000)
			return complain(t, argv[optind - 1],
			    option == ':' ? "needs a value" : "is no option");
		rc = take_option(t, (unsigned)option - 1000);
		if (rc)
			return rc;
	}
	if (argc - optind > 2)
		return complain(t, argv[optind + 2], "is one word too many");
	t->word = optind < argc ? argv[optind] : NULL;
	t->a.path = optind + 1 < argc ? argv[optind + 1] : NULL;
	return PLAN_EXIT_OK;
}

static int
complain_missing(struct tool *t)
{
	AUTO(str) struct str text = STR_INIT;

	for (unsigned i = 0; i < PLAN_BIT_COUNT_; i++) {
		if (t->command->wants & 1u << i)
			str_addf(&text, "%s--%s", text.len ? " or " : "wants ",
			    infos[i].name);
	}
	return complain(t, t->word, str_cstr(&text));
}

static int
check_usage(struct tool *t)
{
	uint32_t foreign;

	if (!t->word)
		return complain(t, "say what to do", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (str_same(t->word, commands[i].name))
			t->command = &commands[i];
	}
	if (!t->command)
		return complain(t, t->word, "is no command");
	if (!t->a.path)
		return complain(t, t->word, "say which snapshot file");
	foreign = t->a.given & ~t->command->takes;
	for (unsigned i = 0; i < PLAN_BIT_COUNT_; i++) {
		if (foreign & 1u << i)
			return complain(
			    t, infos[i].name, "is no option of this command");
	}
	if (t->command->wants && !(t->a.given & t->command->wants))
		return complain_missing(t);
	if (t->a.guest_count && t->a.given & PLAN_ALL_UNPLACED)
		return complain(
		    t, "--guest and --all-unplaced exclude each other", NULL);
	if (t->command->takes & PLAN_GUEST && t->a.given & PLAN_MEMORY &&
	    t->a.given & (PLAN_GUEST | PLAN_ALL_UNPLACED))
		return complain(
		    t, "--memory is for a guest that the snapshot does not have", NULL);
	return PLAN_EXIT_OK;
}

int
plan_tool_run(int argc, char **argv, FILE *in, FILE *out, FILE *err)
{
	struct tool t = { .in = in,
		.a = { .out = out, .err = err, .format = formats[0].name } };
	AUTO(sched_view) struct sched_view *v = NULL;
	struct err e = ERR_INIT;
	bool done = false;
	int rc = read_arguments(&t, argc, argv, &done);

	if (rc || done)
		return rc;
	rc = check_usage(&t);
	if (rc)
		return rc;
	rc = load_view(&t, &v, &e);
	if (!rc && t.a.use)
		rc = load_use(&t, &v, &e);
	if (!rc)
		rc = t.command->run(&t.a, v, &e);
	if (rc < 0) {
		fprintf(err, "drover-plan: %s\n", e.msg);
		rc = PLAN_EXIT_BAD;
	}
	if (fflush(out) || ferror(out)) {
		fputs("drover-plan: cannot write the answer\n", err);
		return PLAN_EXIT_BAD;
	}
	return rc;
}
