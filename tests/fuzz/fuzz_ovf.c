#include <string.h>

#include "base/assert.h"
#include "base/str.h"
#include "host-agent/storage/ovf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The input is a description; what is understood can be written and read again. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = STR_INIT;
	struct err e = ERR_INIT;
	struct ovf first, again;

	if (ovf_parse((const char *)data, n, &first, &e)) {
		ASSERT(e.code && utf8_valid(e.msg, strlen(e.msg)));
		return 0;
	}
	ASSERT(utf8_valid(first.name, strlen(first.name)));
	ASSERT(utf8_valid(first.description, strlen(first.description)));
	if (first.num_nics > 16)
		return 0;
	ovf_write(&first, n, &text);
	ASSERT(ovf_parse(text.s, text.len, &again, &e) == 0);
	ASSERT(again.num_cpu == first.num_cpu && again.memory_mb == first.memory_mb);
	ASSERT(again.disk_bytes == first.disk_bytes);
	str_fini(&text);
	return 0;
}
