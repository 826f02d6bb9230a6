#include <stddef.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/inventory/inv.h"

#define ENUM_TABLE(type, ...) static const char *const type##_texts[] = { __VA_ARGS__ };
#define VALUE(e, text)        [e] = text,
#include "server/inventory/inv_enum.def"
#undef ENUM_TABLE
#undef VALUE

static int
parse(const char *const *texts, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++) {
		if (str_same(texts[i], s))
			return (int)i;
	}
	return -1;
}

#define ENUM_TABLE(type, ...)                                            \
	const char *type##_text(enum type v)                             \
	{                                                                \
		return v < type##_COUNT_ ? type##_texts[v] : "";         \
	}                                                                \
	int type##_parse(const char *s)                                  \
	{                                                                \
		return parse(type##_texts, ARRAY_SIZE(type##_texts), s); \
	}
#define VALUE(e, text)
#include "server/inventory/inv_enum.def"
