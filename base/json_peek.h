/*
 * json_peek: one value of an object that may lack it, as foreign answers may.
 *
 * Where a wrong value is an error to be told, use json_read_*.
 */
#pragma once
#include <stdint.h>

#include "base/json.h"

/* NULL if o is no object (or NULL) or has no text at key.  Borrowed from o. */
const char *json_peek_str(const json *o, const char *key);
/* 0 if o is no object (or NULL) or has no whole number at key. */
int64_t json_peek_int(const json *o, const char *key);
