#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/engine/qemu/accel_decide.h"
#include "host-agent/engine/qemu/qemu_event.h"

#define NO_SPACE                                                                 \
	"{\"node-name\":\"disk-0\",\"operation\":\"write\",\"action\":\"stop\"," \
	"\"nospace\":true,\"reason\":\"No space left on device\"}"

static void
take(struct qemu_trace *t, enum engine_state st, bool busy, const char *name,
    const char *data, struct qemu_move *m)
{
	AUTO(json) json *o = NULL;

	if (data)
		assert_int_equal(json_parse(data, strlen(data), "data", &o, NULL), 0);
	qemu_event_take(t, st, busy, name, o, m);
}

static void
full_datastore_stalls(void **state)
{
	struct qemu_trace t = { .shutdown_seen = false };
	struct qemu_move m;

	take(&t, ENGINE_RUNNING, false, "BLOCK_IO_ERROR", NO_SPACE, &m);
	assert_false(m.moves || m.tells);
	take(&t, ENGINE_RUNNING, false, "STOP", NULL, &m);
	assert_true(m.moves && m.tells);
	assert_int_equal(m.to, ENGINE_STALLED);
	assert_int_equal(m.kind, ENGINE_EV_STALLED);
	assert_string_equal(
	    m.reason, "disk-0: write failed: no space left on its datastore");
	take(&t, ENGINE_STALLED, true, "RESUME", NULL, &m);
	assert_int_equal(m.to, ENGINE_RUNNING);
	assert_true(m.tells && m.kind == ENGINE_EV_RESUMED);
	/* The error is over: the next stop is a pause. */
	take(&t, ENGINE_RUNNING, true, "STOP", NULL, &m);
	assert_int_equal(m.to, ENGINE_PAUSED);
	assert_false(m.tells);
}

static void
what_we_ordered_is_not_told(void **state)
{
	struct qemu_trace t = { .shutdown_seen = false };
	struct qemu_move m;

	take(&t, ENGINE_RUNNING, true, "STOP", NULL, &m);
	assert_true(m.moves && !m.tells);
	take(&t, ENGINE_RUNNING, false, "STOP", NULL, &m);
	assert_true(m.moves && m.tells);
	take(&t, ENGINE_STARTING, true, "STOP", NULL, &m);
	assert_false(m.moves || m.tells);
	take(&t, ENGINE_STARTING, true, "RESUME", NULL, &m);
	assert_true(m.moves && !m.tells);
	take(&t, ENGINE_RUNNING, false, "RESET", "{\"guest\":true}", &m);
	assert_true(m.tells && m.kind == ENGINE_EV_RESET);
	take(&t, ENGINE_RUNNING, true, "RESET", "{\"guest\":false}", &m);
	assert_false(m.tells);
	take(&t, ENGINE_RUNNING, false, "RTC_CHANGE", "{\"offset\":1}", &m);
	assert_false(m.moves || m.tells);
}

static void
malformed_data_is_harmless(void **state)
{
	static const char *const names[] = { "STOP", "RESUME", "RESET", "SHUTDOWN",
		"BLOCK_IO_ERROR", "MIGRATION" };
	struct qemu_trace t = { .shutdown_seen = false };
	struct qemu_move m;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		take(&t, ENGINE_RUNNING, false, names[i],
		    "{\"guest\":7,\"reason\":[],\"action\":{},\"status\":1}", &m);
		take(&t, ENGINE_RUNNING, false, names[i], NULL, &m);
	}
	assert_false(t.io_error);
}

struct end_case {
	const char *shutdown; /* data of the event; NULL: none seen */
	bool killed, asked, suspended, known;
	int status;
	const char *log;
	enum engine_end end;
	const char *reason;
};

static const struct end_case end_cases[] = {
	{ NULL, false, false, false, true, 9, "", ENGINE_END_DIED,
	    "killed by SIGKILL" },
	{ NULL, false, false, false, true, 11, "a\nb\nc\nd\n", ENGINE_END_DIED,
	    "killed by SIGSEGV: b; c; d" },
	{ NULL, false, false, false, true, 256, "qemu: no\n\n", ENGINE_END_DIED,
	    "exited with 1: qemu: no" },
	{ NULL, false, false, false, false, 0, "", ENGINE_END_DIED,
	    "its process is gone, nobody saw how it ended" },
	{ "{\"guest\":true,\"reason\":\"guest-shutdown\"}", false, false, false, true,
	    0, "", ENGINE_END_GUEST, "the guest shut down" },
	{ "{\"guest\":true,\"reason\":\"guest-shutdown\"}", false, true, false, true, 0,
	    "", ENGINE_END_ORDERED, "the guest shut down" },
	{ "{\"guest\":true,\"reason\":\"guest-panic\"}", false, true, false, true, 0,
	    "", ENGINE_END_DIED, "the guest's kernel panicked" },
	{ "{\"guest\":false,\"reason\":\"host-qmp-quit\"}", true, false, false, true, 0,
	    "", ENGINE_END_ORDERED, "" },
	{ "{\"guest\":false,\"reason\":\"host-qmp-quit\"}", false, false, false, true,
	    0, "", ENGINE_END_DIED, "somebody else ended it over its control socket" },
	{ "{\"guest\":false,\"reason\":\"host-qmp-quit\"}", false, false, true, true, 0,
	    "", ENGINE_END_SUSPENDED, "" },
	{ "{\"guest\":false,\"reason\":\"host-signal\"}", false, false, false, true, 0,
	    "qemu: terminating on signal 15 from pid 1\n", ENGINE_END_DIED,
	    "exited with 0: qemu: terminating on signal 15 from pid 1" },
	/* Asked to shut down, but it died of something else. */
	{ NULL, false, true, false, true, 6, "", ENGINE_END_DIED, "killed by SIGABRT" },
};

/* What a guard has ended says why; what was ordered or done by the guest counts more. */
static void
a_guards_stroke_is_a_reason(void **state)
{
	struct qemu_trace t = { .shutdown_seen = false };
	struct qemu_end_view v = { .trace = &t,
		.struck = "its lease was over",
		.status_known = true,
		.status = 9,
		.log = "words\n" };
	char reason[ENGINE_REASON_MAX];

	assert_int_equal(qemu_end_decide(&v, reason), ENGINE_END_DIED);
	assert_string_equal(reason, "its lease was over");
	v.killed = true;
	assert_int_equal(qemu_end_decide(&v, reason), ENGINE_END_ORDERED);
	v.killed = false;
	v.suspended = true;
	assert_int_equal(qemu_end_decide(&v, reason), ENGINE_END_SUSPENDED);
}

static void
ends_have_reasons(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(end_cases); i++) {
		const struct end_case *c = &end_cases[i];
		struct qemu_trace t = { .shutdown_seen = false };
		struct qemu_end_view v = { &t, c->killed, c->asked, c->suspended, NULL,
			c->known, c->status, c->log };
		char reason[ENGINE_REASON_MAX];
		struct qemu_move m;

		if (c->shutdown)
			take(&t, ENGINE_RUNNING, false, "SHUTDOWN", c->shutdown, &m);
		assert_int_equal(qemu_end_decide(&v, reason), c->end);
		assert_string_equal(reason, c->reason);
	}
}

static void
last_lines_are_bounded_text(void **state)
{
	char buf[16], big[5000];

	qemu_last_lines("", buf, sizeof(buf));
	assert_string_equal(buf, "");
	qemu_last_lines("\n\n", buf, sizeof(buf));
	assert_string_equal(buf, "");
	qemu_last_lines("one\r\ntwo\r\n", buf, sizeof(buf));
	assert_string_equal(buf, "one; two");
	qemu_last_lines("a\x01\xff z", buf, sizeof(buf));
	assert_string_equal(buf, "a?? z");
	/* Never half a character. */
	qemu_last_lines("12345678901234\xc3\xa9", buf, sizeof(buf));
	assert_string_equal(buf, "12345678901234");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	qemu_last_lines(big, buf, sizeof(buf));
	assert_int_equal(strlen(buf), sizeof(buf) - 1);
}

static void
stalled_disk_is_named_after_a_restart(void **state)
{
	static const char blocks[] =
	    "[{\"io-status\":\"ok\"},{\"io-status\":\"nospace\",\"inserted\":"
	    "{\"node-name\":\"disk-1\"}}]";
	struct qemu_trace t = { .shutdown_seen = false };
	AUTO(json) json *o = NULL;

	assert_int_equal(json_parse(blocks, sizeof(blocks) - 1, "x", &o, NULL), 0);
	qemu_event_blocks(&t, o);
	assert_string_equal(t.io_reason, "disk-1: no space left on its datastore");
	qemu_event_blocks(&t, NULL);
	assert_true(t.io_error);
	assert_int_equal(qemu_status_state("io-error"), ENGINE_STALLED);
	assert_int_equal(qemu_status_state("prelaunch"), ENGINE_STARTING);
	assert_int_equal(qemu_status_state("postmigrate"), ENGINE_SUSPENDING);
	assert_int_equal(qemu_status_state("paused"), ENGINE_PAUSED);
}

/* ---- which accelerator ---- */

static void
accelerator_is_never_taken_on_trust(void **state)
{
	struct accel_view v = { .wish = ACCEL_AUTO, .kvm_errno = 2 };
	struct accel_choice c;

	accel_decide(&v, &c);
	assert_int_equal(c.accel, ACCEL_TCG);
	assert_string_equal(
	    c.reason, "/dev/kvm does not open: No such file or directory");
	v.kvm_errno = 0;
	accel_decide(&v, &c);
	assert_int_equal(c.accel, ACCEL_TCG);
	assert_false(c.need_probe);
	v.has_virt = true;
	accel_decide(&v, &c);
	assert_true(c.need_probe);
	v.probed = true;
	snprintf(v.probe_why, sizeof(v.probe_why), "it hangs");
	accel_decide(&v, &c);
	assert_int_equal(c.accel, ACCEL_TCG);
	assert_string_equal(c.reason, "the KVM probe guest did not answer: it hangs");
	v.answered = true;
	accel_decide(&v, &c);
	assert_int_equal(c.accel, ACCEL_KVM);
	v.wish = ACCEL_WANT_TCG;
	accel_decide(&v, &c);
	assert_int_equal(c.accel, ACCEL_TCG);
	v = (struct accel_view){ .wish = ACCEL_WANT_KVM, .kvm_errno = 13 };
	accel_decide(&v, &c);
	assert_int_equal(c.accel, ACCEL_KVM);
}

static void
cpu_flags_are_whole_words(void **state)
{
	assert_true(accel_has_virt("model name\t: x\nflags\t\t: fpu vmx sse\n"));
	assert_true(accel_has_virt("flags\t\t: fpu svm"));
	assert_false(accel_has_virt("flags\t\t: fpu svm_lock vmxx\n"));
	assert_false(accel_has_virt("vmx flags\t: vmx\nbugs\t: svm\n"));
	assert_false(accel_has_virt(""));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_datastore_stalls),
		cmocka_unit_test(what_we_ordered_is_not_told),
		cmocka_unit_test(malformed_data_is_harmless),
		cmocka_unit_test(a_guards_stroke_is_a_reason),
		cmocka_unit_test(ends_have_reasons),
		cmocka_unit_test(last_lines_are_bounded_text),
		cmocka_unit_test(stalled_disk_is_named_after_a_restart),
		cmocka_unit_test(accelerator_is_never_taken_on_trust),
		cmocka_unit_test(cpu_flags_are_whole_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
