#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/probe_guest.h"
#include "host-agent/engine/qemu/qemu_int.h"
#include "loop/child.h"

#define ASK_MS        10000
#define GUEST_MS      10000
#define CPUINFO_MAX   65536
#define ANSWER_MAX    1048576u
#define MACHINE_ALIAS "q35"

struct qemu_probe {
	struct qemu *qe;
	struct child *child;
	struct wake child_wake;
	struct wake done; /* who asked */
	struct accel_view view;
	struct accel_choice choice;
};

static void
unusable(struct qemu *qe, const char *why)
{
	struct engine_facts *f = &qe->en.facts;

	f->usable = false;
	snprintf(
	    f->why_not, sizeof(f->why_not), "%.*s", (int)sizeof(f->why_not) - 1, why);
	for (int cap = 0; cap < ENGINE_CAPS_; cap++)
		engine_fact_cap(f, (enum engine_cap)cap, "the engine cannot be used");
}

/* As a guest's process would run: what that may not do must show here. */
static void
drop_rights(const struct qemu *qe, struct child_opts *o)
{
	if (geteuid() != 0)
		return;
	o->uid = qe->uid_base;
	o->gid = qe->gid;
}

/* ---- what QEMU says of itself ---- */

static void
read_version(struct qemu *qe, const json *v)
{
	const json *n = json_what(v) == JSON_IS_OBJECT ? json_get(v, "qemu") : NULL;
	uint64_t major = 0, minor = 0, micro = 0;

	if (!n || json_what(n) != JSON_IS_OBJECT ||
	    json_read_u64(n, "major", JSON_REQUIRED, 0, 9999, &major, NULL) ||
	    json_read_u64(n, "minor", JSON_REQUIRED, 0, 9999, &minor, NULL) ||
	    json_read_u64(n, "micro", JSON_REQUIRED, 0, 9999, &micro, NULL))
		return;
	snprintf(qe->en.facts.version, sizeof(qe->en.facts.version), "%u.%u.%u",
	    (unsigned)major, (unsigned)minor, (unsigned)micro);
}

/* The versioned name behind the alias: what a memory image is loaded into years later.
 */
static void
read_machines(struct qemu *qe, const json *list)
{
	const char *name, *alias;
	const json *m;

	for (size_t i = 0; i < json_count(list); i++) {
		m = json_at(list, i);
		name = alias = "";
		if (json_what(m) != JSON_IS_OBJECT ||
		    json_read_str(m, "alias", JSON_OPTIONAL, 64, &alias, NULL) ||
		    json_read_str(
			m, "name", JSON_REQUIRED, sizeof(qe->machine) - 1, &name, NULL))
			continue;
		str_addf(&qe->machines, "%s\n", name);
		if (str_same(alias, MACHINE_ALIAS))
			snprintf(qe->machine, sizeof(qe->machine), "%s", name);
	}
	snprintf(qe->en.facts.machine, sizeof(qe->en.facts.machine), "%s", qe->machine);
}

static void
read_line(struct qemu *qe, const char *line, size_t n)
{
	struct qmp_msg m;

	if (qmp_parse(line, n, &m, NULL))
		return;
	if (m.kind == QMP_RETURN && json_what(m.body) == JSON_IS_ARRAY)
		read_machines(qe, m.body);
	else if (m.kind == QMP_RETURN)
		read_version(qe, m.body);
	qmp_msg_fini(&m);
}

static void
on_asked(struct child *c, const struct child_result *r, void *arg)
{
	struct qemu_probe *p = arg;
	struct qemu *qe = p->qe;
	struct err e = ERR_INIT;
	const char *line = r->out;
	size_t n;

	p->child = NULL;
	for (; *line; line += n + (line[n] == '\n')) {
		n = strcspn(line, "\n");
		if (n)
			read_line(qe, line, n);
	}
	if (*qe->machine && *qe->en.facts.version)
		err_clear(&e);
	else if (r->status || r->timed_out)
		child_err(r, qe->program, &e);
	else
		err_set(&e, ERR_UNSUPPORTED, "%s does not know machine " MACHINE_ALIAS,
		    qe->program);
	post_wake(qe->en.loop, p->child_wake, e.code, &e);
}

static enum flow_rc
ask_start(struct flow *f, void *arg)
{
	static const char talk[] = "{\"execute\":\"qmp_capabilities\"}\n"
				   "{\"execute\":\"query-version\"}\n"
				   "{\"execute\":\"query-machines\"}\n"
				   "{\"execute\":\"quit\"}\n";
	struct qemu_probe *p = arg;
	const char *argv[] = { p->qe->program, "-machine", "none", "-nodefaults",
		"-no-user-config", "-display", "none", "-S", "-qmp", "stdio", NULL };
	struct child_opts o = { .argv = argv,
		.input = talk,
		.input_len = sizeof(talk) - 1,
		.max_output = ANSWER_MAX,
		.timeout_ms = ASK_MS };

	if (access(p->qe->program, X_OK)) {
		err_sys(flow_err(f), ERR_NOT_FOUND, errno, "%s", p->qe->program);
		return FLOW_FAIL;
	}
	drop_rights(p->qe, &o);
	p->child_wake = flow_wake(f);
	if (child_start(p->qe->en.loop, &o, on_asked, p, &p->child, flow_err(f)))
		return FLOW_FAIL;
	return FLOW_WAIT;
}

/* ---- the accelerator ---- */

/*
 * A guest's process has one group only: it gets the one that /dev/kvm is open to.
 * Nothing else of it hangs on its group, as all files are handed over open.
 */
static void
take_kvm_group(struct qemu *qe, int kvm)
{
	struct stat st;

	if (kvm < 0 || fstat(kvm, &st) || !st.st_gid || (st.st_mode & 0006) == 0006)
		return;
	if ((st.st_mode & 0060) == 0060)
		qe->gid = st.st_gid;
}

static void
look_at_host(struct qemu *qe, struct accel_view *v)
{
	AUTO_CLOSE int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int info = -1;
	AUTO_FREE char *buf = xcalloc(1, CPUINFO_MAX + 1);

	v->kvm_errno = kvm < 0 ? errno : 0;
	take_kvm_group(qe, kvm);
	info = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	if (info >= 0 && read(info, buf, CPUINFO_MAX) > 0)
		v->has_virt = accel_has_virt(buf);
}

static void
on_guest_end(struct child *c, const struct child_result *r, void *arg)
{
	struct qemu_probe *p = arg;
	struct accel_view *v = &p->view;
	struct err e = ERR_INIT;

	p->child = NULL;
	v->probed = true;
	v->answered =
	    WIFEXITED(r->status) && WEXITSTATUS(r->status) == PROBE_GUEST_EXIT;
	if (r->timed_out)
		snprintf(v->probe_why, sizeof(v->probe_why), "it hangs");
	else if (!v->answered && child_err(r, "it", &e))
		snprintf(v->probe_why, sizeof(v->probe_why), "%.*s",
		    (int)sizeof(v->probe_why) - 1, e.msg);
	accel_decide(v, &p->choice);
	post_wake(p->qe->en.loop, p->child_wake, 0, NULL);
}

static int
probe_disk(int *ret_fd, struct err *e)
{
	AUTO_CLOSE int fd = memfd_create("probe-guest", MFD_CLOEXEC);

	if (fd < 0 || write(fd, probe_guest_sector, sizeof(probe_guest_sector)) !=
			  (ssize_t)sizeof(probe_guest_sector))
		return err_sys(e, ERR_IO, errno, "cannot make the probe guest's disk");
	*ret_fd = MOVE_FD(fd);
	return 0;
}

static enum flow_rc
guest_start(struct flow *f, void *arg)
{
	struct qemu_probe *p = arg;
	AUTO_CLOSE int disk = -1;
	const char *argv[] = { p->qe->program, "-machine", "pc,accel=kvm", "-cpu",
		"host", "-m", "16", "-nodefaults", "-no-user-config", "-no-reboot",
		"-display", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
		"-add-fd", "fd=3,set=1", "-drive",
		"if=ide,format=raw,file=/dev/fdset/1", NULL };
	struct child_opts o = {
		.argv = argv, .pass_fds = &disk, .n_pass_fds = 1, .timeout_ms = GUEST_MS
	};

	accel_decide(&p->view, &p->choice);
	if (!p->choice.need_probe)
		return FLOW_NEXT;
	if (probe_disk(&disk, flow_err(f)))
		return FLOW_FAIL;
	drop_rights(p->qe, &o);
	p->child_wake = flow_wake(f);
	if (child_start(p->qe->en.loop, &o, on_guest_end, p, &p->child, flow_err(f)))
		return FLOW_FAIL;
	return FLOW_WAIT;
}

static const struct flow_step probe_steps[] = {
	{ "ask", ask_start, NULL, NULL, ASK_MS + 5000 },
	{ "guest", guest_start, NULL, NULL, GUEST_MS + 5000 },
	{ NULL, NULL, NULL, NULL, 0 },
};

static void
fill_facts(struct qemu *qe, const struct accel_choice *c)
{
	struct engine_facts *f = &qe->en.facts;

	f->usable = true;
	f->why_not[0] = '\0';
	qe->accel = c->accel;
	snprintf(f->accelerator, sizeof(f->accelerator), "%s", accel_name(c->accel));
	snprintf(f->accelerator_reason, sizeof(f->accelerator_reason), "%s", c->reason);
	for (int cap = 0; cap < ENGINE_CAPS_; cap++)
		engine_fact_cap(f, (enum engine_cap)cap, NULL);
	engine_guard_probe(&qe->en, qe->guard);
	engine_fact_cap(f, ENGINE_CAP_POST_COPY,
	    "a guest whose memory is on two hosts would be lost with either");
}

static void
on_probed(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct qemu_probe *p = owner;
	struct qemu *qe = p->qe;

	if (rc)
		unusable(qe, e->msg);
	else
		fill_facts(qe, &p->choice);
	post_wake(qe->en.loop, p->done, 0, NULL);
	qemu_probe_drop(qe);
}

void
qemu_probe_drop(struct qemu *qe)
{
	struct qemu_probe *p = MOVE(qe->probe);

	if (p && p->child)
		child_free(p->child);
	free(p);
}

void
qemu_op_probe(struct engine *en, struct wake w)
{
	static const struct flow_hooks hooks = { .ended = on_probed };
	struct qemu *qe = CAST_OBJ(qemu, en, QEMU_MAGIC);
	struct err e = ERR_INIT;
	struct qemu_probe *p;

	if (qe->probe) {
		err_set(&e, ERR_BUSY, "the qemu engine is being probed already");
		post_wake(en->loop, w, e.code, &e);
		return;
	}
	if (geteuid() == 0 && (!qe->uid_base || !qe->gid)) {
		unusable(qe, "engine.qemu.uid_base and engine.qemu.gid are not set: "
			     "guests must not run as root");
		post_wake(en->loop, w, 0, NULL);
		return;
	}
	p = xcalloc(1, sizeof(*p));
	if (accel_wish_parse(qe->accel_wish, &p->view.wish, &e)) {
		free(p);
		unusable(qe, e.msg);
		post_wake(en->loop, w, 0, NULL);
		return;
	}
	p->qe = qe;
	p->done = w;
	qe->probe = p;
	look_at_host(qe, &p->view);
	flow_start(flow_new(qe->flows, "qemu probe", probe_steps, p, &hooks, p));
}
