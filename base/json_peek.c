#include "base/json_peek.h"

static const json *
peek(const json *o, const char *key)
{
	return o && json_what(o) == JSON_IS_OBJECT ? json_get(o, key) : NULL;
}

const char *
json_peek_str(const json *o, const char *key)
{
	const json *v = peek(o, key);

	return v && json_what(v) == JSON_IS_STR ? json_str_value(v, NULL) : NULL;
}

int64_t
json_peek_int(const json *o, const char *key)
{
	const json *v = peek(o, key);

	return v && json_what(v) == JSON_IS_INT ? json_int_value(v) : 0;
}
