#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/stage/stage_int.h"

struct command {
	const char *name;
	int (*run)(char **args, struct err *e);
};

static const struct command commands[] = {
	{ "run", stage_cmd_run },
	{ "nic", stage_cmd_nic },
	{ "nic-out", stage_cmd_nic_out },
	{ "nic-fresh", stage_cmd_nic_fresh },
	{ "flush", stage_cmd_flush },
	{ "exec", stage_cmd_exec },
};

int
stage_word_check(const char *s, const char *what, struct err *e)
{
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return err_set(e, ERR_INVALID, "%s: no blanks please", what);
	return *s ? 0 : err_set(e, ERR_INVALID, "%s is empty", what);
}

int
stage_pid(const char *s, pid_t *ret_pid, struct err *e)
{
	uint64_t pid;
	int rc = parse_u64(s, 1, INT32_MAX, "--pid", &pid, e);

	if (!rc)
		*ret_pid = (pid_t)pid;
	return rc;
}

int
main(int argc, char **argv)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++) {
		if (!str_same(commands[i].name, argv[1]))
			continue;
		if (!commands[i].run(argv + 2, &e))
			return 0;
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	fprintf(stderr, "usage: drover-stage run|nic|nic-out|nic-fresh|flush|exec …\n");
	return 2;
}
