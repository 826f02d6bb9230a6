#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "proto/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* What is let in can be packed, and read again. */
int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct err e = ERR_INIT;
	AUTO(msg) Drover__Envelope *m = NULL;
	if (msg_unpack(p, n, &m, &e))
		return 0;
	int known = msg_check_known(&m->base, &e);
	ASSERT(known == 0 || known == ERR_UNSUPPORTED);

	uint8_t *again;
	size_t again_n;
	if (msg_pack(m, &again, &again_n, &e))
		return 0;
	AUTO(msg) Drover__Envelope *twin = NULL;
	int rc = msg_unpack(again, again_n, &twin, &e);
	ASSERT(rc == 0 && twin->body_case == m->body_case);
	free(again);
	return 0;
}
