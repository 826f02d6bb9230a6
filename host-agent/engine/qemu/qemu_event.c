#include "host-agent/engine/qemu/qemu_event.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/str.h"

#define MAX_TEXT   256
#define LAST_LINES 3

static const char *
text_of(const json *o, const char *key)
{
	const char *s = "";

	if (!o || json_what(o) != JSON_IS_OBJECT ||
	    json_read_str(o, key, JSON_OPTIONAL, MAX_TEXT, &s, NULL))
		return "";
	return s;
}

static bool
flag_of(const json *o, const char *key)
{
	bool b = false;

	if (!o || json_what(o) != JSON_IS_OBJECT ||
	    json_read_bool(o, key, JSON_OPTIONAL, &b, NULL))
		return false;
	return b;
}

static void
move_to(struct qemu_move *m, enum engine_state to)
{
	m->moves = true;
	m->to = to;
}

static void
tell(struct qemu_move *m, enum engine_event_kind kind, const char *reason)
{
	m->tells = true;
	m->kind = kind;
	snprintf(m->reason, sizeof(m->reason), "%s", reason);
}

static void
take_shutdown(struct qemu_trace *t, const json *data)
{
	t->shutdown_seen = true;
	t->by_guest = flag_of(data, "guest");
	snprintf(t->shutdown, sizeof(t->shutdown), "%s", text_of(data, "reason"));
}

static void
take_io_error(struct qemu_trace *t, const json *data)
{
	const char *disk = text_of(data, "node-name");
	const char *why = text_of(data, "reason");

	if (!str_same(text_of(data, "action"), "stop"))
		return;
	t->io_error = true;
	if (flag_of(data, "nospace"))
		why = "no space left on its datastore";
	snprintf(t->io_reason, sizeof(t->io_reason), "%s: %s failed: %s",
	    *disk ? disk : "a disk", text_of(data, "operation"),
	    *why ? why : "I/O error");
}

static void
take_stop(struct qemu_trace *t, enum engine_state state, bool verb_busy,
    struct qemu_move *out)
{
	/* Everything QEMU does on its own between -S and cont, or at its end. */
	if (state == ENGINE_STARTING || state == ENGINE_SUSPENDING || t->shutdown_seen)
		return;
	/* What a move makes of it is the move's to say. */
	if (state == ENGINE_ARRIVING || state == ENGINE_LEAVING ||
	    state == ENGINE_GIVEN)
		return;
	if (t->io_error) {
		move_to(out, ENGINE_STALLED);
		tell(out, ENGINE_EV_STALLED, t->io_reason);
		return;
	}
	move_to(out, ENGINE_PAUSED);
	if (!verb_busy)
		tell(out, ENGINE_EV_PAUSED,
		    t->panicked ? "the guest's kernel panicked"
				: "stopped from outside");
}

static void
take_resume(struct qemu_trace *t, enum engine_state state, bool verb_busy,
    struct qemu_move *out)
{
	if (state == ENGINE_LEAVING)
		return;
	t->io_error = false;
	if (state == ENGINE_RUNNING)
		return;
	move_to(out, ENGINE_RUNNING);
	if (!verb_busy || state == ENGINE_STALLED)
		tell(out, ENGINE_EV_RESUMED, "");
}

void
qemu_event_take(struct qemu_trace *t, enum engine_state state, bool verb_busy,
    const char *name, const json *data, struct qemu_move *out)
{
	*out = (struct qemu_move){ .moves = false };
	if (str_same(name, "SHUTDOWN"))
		take_shutdown(t, data);
	else if (str_same(name, "BLOCK_IO_ERROR"))
		take_io_error(t, data);
	else if (str_same(name, "STOP"))
		take_stop(t, state, verb_busy, out);
	else if (str_same(name, "RESUME"))
		take_resume(t, state, verb_busy, out);
	else if (str_same(name, "MIGRATION"))
		snprintf(t->saving, sizeof(t->saving), "%s", text_of(data, "status"));
	else if (str_same(name, "GUEST_PANICKED"))
		t->panicked = true;
	else if (str_same(name, "RESET") && flag_of(data, "guest") && !verb_busy)
		tell(out, ENGINE_EV_RESET, "the guest restarted itself");
}

bool
qemu_saving_asks(const struct qemu_trace *t)
{
	return str_same(t->saving, "pre-switchover");
}

bool
qemu_saving_ended(const struct qemu_trace *t)
{
	return str_same(t->saving, "completed") || str_same(t->saving, "failed") ||
	       str_same(t->saving, "cancelled");
}

enum engine_state
qemu_status_state(const char *status)
{
	if (str_same(status, "running"))
		return ENGINE_RUNNING;
	if (str_same(status, "io-error"))
		return ENGINE_STALLED;
	if (str_same(status, "prelaunch") || str_same(status, "inmigrate"))
		return ENGINE_STARTING;
	if (str_same(status, "finish-migrate") || str_same(status, "postmigrate") ||
	    str_same(status, "save-vm"))
		return ENGINE_SUSPENDING;
	return ENGINE_PAUSED;
}

void
qemu_event_blocks(struct qemu_trace *t, const json *blocks)
{
	const json *b, *inserted;
	const char *status, *disk;

	snprintf(t->io_reason, sizeof(t->io_reason),
	    "a disk failed before the agent "
	    "was restarted");
	t->io_error = true;
	if (!blocks || json_what(blocks) != JSON_IS_ARRAY)
		return;
	for (size_t i = 0; i < json_count(blocks); i++) {
		b = json_at(blocks, i);
		status = text_of(b, "io-status");
		if (!*status || str_same(status, "ok"))
			continue;
		inserted =
		    json_what(b) == JSON_IS_OBJECT ? json_get(b, "inserted") : NULL;
		disk = text_of(inserted, "node-name");
		snprintf(t->io_reason, sizeof(t->io_reason), "%s: %s",
		    *disk ? disk : "a disk",
		    str_same(status, "nospace") ? "no space left on its datastore"
						: "I/O error");
		return;
	}
}

/* Start of the last line that ends before end; blank ones are passed over. */
static const char *
line_before(const char *text, const char *end)
{
	while (end > text && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	while (end > text && end[-1] != '\n')
		end--;
	return end;
}

void
qemu_last_lines(const char *text, char *buf, size_t n)
{
	const char *from = text + strlen(text);
	size_t at = 0, step;

	for (int i = 0; i < LAST_LINES && from > text; i++)
		from = line_before(text, from);
	while (*from && at + 1 < n) {
		if (*from == '\n' || *from == '\r') {
			from += strspn(from, "\r\n");
			if (*from && at > 0 && at + 2 < n) {
				buf[at++] = ';';
				buf[at++] = ' ';
			}
			continue;
		}
		step = utf8_seq(from, strlen(from));
		if (step == 0 || (unsigned char)*from < 0x20) {
			buf[at++] = '?';
			from++;
			continue;
		}
		if (at + step + 1 > n)
			break;
		memcpy(buf + at, from, step);
		at += step;
		from += step;
	}
	buf[at] = '\0';
}

static void
describe_death(const struct qemu_end_view *v, char *buf, size_t n)
{
	const char *sig;

	if (!v->status_known)
		snprintf(buf, n, "its process is gone, nobody saw how it ended");
	else if (WIFSIGNALED(v->status)) {
		sig = sigabbrev_np(WTERMSIG(v->status));
		if (sig)
			snprintf(buf, n, "killed by SIG%s", sig);
		else
			snprintf(buf, n, "killed by signal %d", WTERMSIG(v->status));
	} else
		snprintf(buf, n, "exited with %d", WEXITSTATUS(v->status));
}

static enum engine_end
end_by_death(const struct qemu_end_view *v, char *reason)
{
	char how[64], lines[ENGINE_REASON_MAX - sizeof(how) - 2];

	describe_death(v, how, sizeof(how));
	qemu_last_lines(v->log, lines, sizeof(lines));
	snprintf(reason, ENGINE_REASON_MAX, "%s%s%s", how, *lines ? ": " : "", lines);
	return ENGINE_END_DIED;
}

enum engine_end
qemu_end_decide(const struct qemu_end_view *v, char reason[ENGINE_REASON_MAX])
{
	const struct qemu_trace *t = v->trace;

	reason[0] = '\0';
	if (v->suspended)
		return ENGINE_END_SUSPENDED;
	if (t->shutdown_seen && t->by_guest) {
		bool panic = t->panicked || str_same(t->shutdown, "guest-panic");

		snprintf(reason, ENGINE_REASON_MAX, "%s",
		    panic ? "the guest's kernel panicked" : "the guest shut down");
		if (panic)
			return ENGINE_END_DIED;
		return v->asked || v->killed ? ENGINE_END_ORDERED : ENGINE_END_GUEST;
	}
	if (v->killed)
		return ENGINE_END_ORDERED;
	if (v->struck) {
		snprintf(reason, ENGINE_REASON_MAX, "%s", v->struck);
		return ENGINE_END_DIED;
	}
	if (t->shutdown_seen && str_same(t->shutdown, "host-qmp-quit")) {
		snprintf(reason, ENGINE_REASON_MAX,
		    "somebody else ended it over its control socket");
		return ENGINE_END_DIED;
	}
	return end_by_death(v, reason);
}
