#include <stdint.h>
#include <string.h>

#include "server/api/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *q = xstrndup((const char *)data, size);
	struct filter *f = NULL;
	struct err e = ERR_INIT;

	if (filter_parse(q, KIND_VM, &f, &e) == 0)
		filter_free(f);
	return 0;
}
