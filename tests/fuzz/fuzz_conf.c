#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/conf.h"

struct settings {
	uint64_t number, size;
	bool flag;
	char *text, *path, *list;
};

#define AT(member) offsetof(struct settings, member)

static const struct conf_key keys[] = {
	{ "a.number", CONF_UINT, AT(number), 1, 65535, "1", CONF_RESTART, "a number" },
	{ "a.size", CONF_BYTES, AT(size), 0, 0, "4KB", CONF_RELOAD, "a size" },
	{ "a.flag", CONF_BOOL, AT(flag), 0, 0, "no", CONF_RELOAD, "a flag" },
	{ "b.text", CONF_TEXT, AT(text), 0, 80, "", CONF_RELOAD, "some text" },
	{ "b.path", CONF_PATH, AT(path), 0, 0, "/", CONF_RESTART, "a path" },
	{ "b.list", CONF_LIST, AT(list), 0, 0, "x,y", CONF_RELOAD, "some words" },
	{ NULL },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct settings s;
	struct err e = ERR_INIT;
	int rc = conf_parse(keys, (const char *)data, n, "fuzz", &s, &e);
	ASSERT((rc < 0) == (e.msg[0] != '\0'));
	ASSERT(rc < 0 || (s.number >= 1 && s.text && s.path && s.list));
	conf_free(keys, &s);
	return 0;
}
