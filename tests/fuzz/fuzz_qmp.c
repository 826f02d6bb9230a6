#include <string.h>

#include "base/assert.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_event.h"
#include "host-agent/engine/qemu/qmp_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A line of QEMU's, and if it is an event or an answer: what we make of it. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct qemu_trace t = { .shutdown_seen = false };
	struct err e = ERR_INIT;
	struct qemu_move move;
	struct qmp_msg m;

	if (qmp_parse((const char *)data, n, &m, &e)) {
		ASSERT(e.code == ERR_CORRUPT && utf8_valid(e.msg, strlen(e.msg)));
		return 0;
	}
	if (m.kind == QMP_EVENT) {
		qemu_event_take(&t, ENGINE_RUNNING, false, m.name, m.body, &move);
		qemu_event_take(&t, ENGINE_STALLED, true, "STOP", NULL, &move);
		ASSERT(!move.tells || strlen(move.reason) < sizeof(move.reason));
	}
	if (m.kind == QMP_RETURN)
		qemu_event_blocks(&t, m.body);
	qmp_msg_fini(&m);
	return 0;
}
