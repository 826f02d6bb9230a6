#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "host-agent/health/health_smart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What a disk and a file say of failing hardware. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	AUTO_FREE char *text = xstrndup((const char *)data, n);
	struct health_list l = { .n = 0 };
	struct err e = ERR_INIT;

	(void)!smart_parse(text, strlen(text), "sda", &l, &e);
	ASSERT(l.n <= 1);
	(void)!health_test_parse(text, &l, &e);
	ASSERT(l.n <= HEALTH_CONDITIONS_MAX);
	for (size_t i = 0; i < l.n; i++)
		ASSERT(l.v[i].source && strlen(l.v[i].text) < HEALTH_TEXT);
	return 0;
}
