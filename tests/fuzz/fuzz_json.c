#include <string.h>

#include "base/assert.h"
#include "base/json.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = ERR_INIT;
	AUTO(json) json *j = NULL;
	if (json_parse((const char *)data, n, "fuzz", &j, &e) < 0) {
		ASSERT(utf8_valid(e.msg, strlen(e.msg)) && !strchr(e.msg, '\n'));
		return 0;
	}
	AUTO_FREE char *text = json_text(j);
	AUTO(json) json *again = NULL;
	ASSERT(json_parse(text, strlen(text), "fuzz", &again, &e) == 0);
	/* Reals may lose digits once, never twice. */
	AUTO_FREE char *text_again = json_text(again);
	ASSERT(strcmp(text, text_again) == 0);

	const char *s = NULL;
	uint64_t v = 0;
	int rc = json_read_str(j, "a", JSON_OPTIONAL, 16, &s, &e);
	ASSERT(rc < 0 || !s || strlen(s) <= 16);
	rc = json_read_u64(j, "n", JSON_OPTIONAL, 0, 9, &v, &e);
	ASSERT(rc <= 0 && v <= 9);
	return 0;
}
