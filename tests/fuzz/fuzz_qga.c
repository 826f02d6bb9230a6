#include <string.h>

#include "base/assert.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qga_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A line of a guest's, and whatever it may be an answer to. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct engine_inside in = { .answers = false };
	struct err e = ERR_INIT;
	struct qga_msg m;

	if (qga_parse((const char *)data, n, &m, &e)) {
		ASSERT(e.code == ERR_CORRUPT && utf8_valid(e.msg, strlen(e.msg)));
		return 0;
	}
	ASSERT(m.body || utf8_valid(m.text, strlen(m.text)));
	qga_take_host_name(&in, m.body);
	qga_take_os(&in, m.body);
	qga_take_addresses(&in, m.body);
	ASSERT(utf8_valid(in.host_name, strlen(in.host_name)));
	ASSERT(utf8_valid(in.os, strlen(in.os)));
	ASSERT(in.n_addresses <= ENGINE_ADDRESSES_MAX);
	for (size_t i = 0; i < in.n_addresses; i++)
		ASSERT(!in.addresses[i][strspn(
		    in.addresses[i], "0123456789abcdefABCDEF.:")]);
	qga_msg_fini(&m);
	return 0;
}
