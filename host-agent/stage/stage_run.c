#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/stage/stage_int.h"

static int
take_address(const char *s, const char *what, struct err *e)
{
	struct in6_addr a;

	if (inet_pton(AF_INET, s, &a) == 1 || inet_pton(AF_INET6, s, &a) == 1)
		return 0;
	return err_set(e, ERR_INVALID, "%s: \"%s\" is no IP address", what, s);
}

static int
take_number(const char *s, uint64_t min, uint64_t max, const char *what,
    uint32_t *ret_n, struct err *e)
{
	uint64_t n;
	int rc = parse_u64(s, min, max, what, &n, e);

	if (!rc)
		*ret_n = (uint32_t)n;
	return rc;
}

static int
take_option(struct stage_run *r, const char *name, const char *value, struct err *e)
{
	if (str_same(name, "--dir")) {
		r->dir = value;
		return *value == '/' ? 0
				     : err_set(e, ERR_INVALID, "--dir: wants a path");
	}
	if (str_same(name, "--id-base"))
		return take_number(
		    value, 1, UINT32_MAX - 2 * STAGE_IDS, name, &r->id_base, e);
	if (str_same(name, "--files"))
		return take_number(value, 1, STAGE_FILES_MAX, name, &r->n_files, e);
	if (str_same(name, "--program"))
		return take_number(value, STAGE_FIRST_FD,
		    STAGE_FIRST_FD + STAGE_FILES_MAX, name, &r->program, e);
	if (str_same(name, "--host-name")) {
		r->host_name = value;
		return stage_word_check(value, name, e);
	}
	if (str_same(name, "--address")) {
		r->address = value;
		return take_address(value, name, e);
	}
	if (str_same(name, "--dns")) {
		if (r->n_dns == STAGE_DNS_MAX)
			return err_set(
			    e, ERR_INVALID, "--dns: at most %d", STAGE_DNS_MAX);
		r->dns[r->n_dns++] = value;
		return take_address(value, name, e);
	}
	return err_set(e, ERR_INVALID, "unknown option %s", name);
}

/* ret_program: what comes behind "--". */
static int
take_options(char **args, struct stage_run *r, char ***ret_program, struct err *e)
{
	int rc = 0;

	while (!rc && *args && !str_same(*args, "--")) {
		if (!args[1])
			return err_set(e, ERR_INVALID, "%s: wants a value", *args);
		rc = take_option(r, args[0], args[1], e);
		args += 2;
	}
	if (rc)
		return rc;
	if (!r->dir || !r->id_base || !r->n_files || !*args || !args[1])
		return err_set(e, ERR_INVALID,
		    "run: wants --dir, --id-base, --files and a program");
	if (r->program && r->program != STAGE_FIRST_FD + r->n_files)
		return err_set(
		    e, ERR_INVALID, "--program: wants the descriptor behind the files");
	*ret_program = args + 1;
	return 0;
}

struct mounts {
	int fds[STAGE_FILES_MAX];
	int loop_fds[STAGE_FILES_MAX]; /* hold the devices until they are mounted */
	unsigned loops[STAGE_FILES_MAX];
	unsigned n;
};

static int
mount_files(const struct stage_run *r, int userns, struct mounts *m, struct err *e)
{
	for (unsigned i = 0; i < r->n_files; i++) {
		enum stage_use use = i ? STAGE_READ : STAGE_WRITE;
		int rc = stage_loop(
		    STAGE_FIRST_FD + (int)i, use, &m->loop_fds[i], &m->loops[i], e);

		if (rc)
			return rc;
		rc = stage_fs(m->loops[i], use, userns, &m->fds[i], e);
		if (rc)
			return rc;
		m->n++;
	}
	return 0;
}

static int
own_namespace(struct err *e)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return err_sys(
		    e, ERR_UNAVAILABLE, errno, "cannot make a mount namespace");
	return 0;
}

/* None of our descriptors gets to the runtime. */
static int
keep_to_ourselves(unsigned n, struct err *e)
{
	for (unsigned i = 0; i < n; i++)
		if (fcntl(STAGE_FIRST_FD + (int)i, F_SETFD, FD_CLOEXEC))
			return err_sys(
			    e, ERR_INVALID, errno, "descriptor %u", STAGE_FIRST_FD + i);
	return 0;
}

static int
say_loops(const struct mounts *m, struct err *e)
{
	AUTO(str) struct str line = STR_INIT;

	str_add(&line, "loops");
	for (unsigned i = 0; i < m->n; i++)
		str_addf(&line, " %u", m->loops[i]);
	str_addc(&line, '\n');
	if (write(STDOUT_FILENO, line.s, line.len) != (ssize_t)line.len)
		return err_sys(e, ERR_IO, errno, "cannot tell its loop devices");
	return 0;
}

static int
set_stage(const struct stage_run *r, struct mounts *m, struct err *e)
{
	AUTO_CLOSE int userns = -1;
	int rc = keep_to_ourselves(r->n_files + (r->program ? 1 : 0), e);

	if (!rc)
		rc = stage_userns(r->id_base, &userns, e);
	if (!rc)
		rc = own_namespace(e);
	if (!rc)
		rc = mount_files(r, userns, m, e);
	if (!rc)
		rc = stage_overlay(r->dir, m->fds, m->n, e);
	if (!rc)
		rc = stage_console(r, e);
	if (!rc)
		rc = say_loops(m, e);
	if (!rc)
		stage_names(r);
	return rc;
}

int
stage_cmd_run(char **args, struct err *e)
{
	struct stage_run r = { .dir = NULL };
	struct mounts m = { .n = 0 };
	char **program = NULL;
	int rc = take_options(args, &r, &program, e);

	if (!rc)
		rc = set_stage(&r, &m, e);
	if (rc || !program)
		return rc;
	if (chdir("/"))
		return err_sys(e, ERR_IO, errno, "cannot enter /");
	/* Where this is not allowed, the file is. */
	if (r.program)
		(void)fexecve((int)r.program, program, environ);
	execv(program[0], program);
	return err_sys(e, ERR_IO, errno, "cannot run %s", program[0]);
}
