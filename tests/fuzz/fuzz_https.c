#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/enroll/https.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	AUTO(str) struct str body = STR_INIT;
	struct https_reply r = { 0, &body };
	struct err e = ERR_INIT;
	int rc = https_parse_reply((const char *)data, n, &r, &e);

	ASSERT((rc < 0) == (e.msg[0] != '\0'));
	ASSERT(rc < 0 || (r.status >= 100 && r.status <= 999 && body.len <= n));
	return 0;
}
