#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "host-agent/session/sess.h"
#include "loop/loop.h"
#include "proto/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int
no_guest(void *arg, uint64_t guest, struct engine_guest **ret_g, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "it is not on this host");
}

static int
take(void *arg, Drover__Envelope *m, struct err *e)
{
	uint8_t *bytes;
	size_t n;
	int rc = msg_pack(m, &bytes, &n, e);

	ASSERT(rc == 0);
	free(bytes);
	return 0;
}

/* Whatever a server says of guests that are not here leaves nothing behind. */
int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(msg) Drover__Envelope *m = NULL;
	struct err e = ERR_INIT;

	if (msg_unpack(p, n, &m, &e))
		return 0;
	struct loop *l = loop_new(clock_system());
	const struct sess_conf c = { .loop = l, .find = no_guest, .send = take };
	struct sess_set *ss = sess_set_new(&c);
	sess_message(ss, m);
	sess_message(ss, m);
	ASSERT(sess_count(ss) == 0);
	sess_set_free(ss);
	loop_free(l);
	return 0;
}
