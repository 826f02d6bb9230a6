/*
 * data: values as JSON and CSV, both ways.
 */
#pragma once
#include "base/json.h"
#include "shell/val.h"

struct json_form {
	unsigned depth; /* what lies deeper is written as text */
	bool compress;
	bool cut; /* out: something was cut by depth */
};

/* One value as JSON, with a newline at the end unless compressed. */
void json_print(struct str *b, struct val v, struct json_form *form);
struct val val_from_json(json *j, enum table_kind kind);
json *val_to_json(struct val v); /* fit for requests */

struct csv_form {
	char delimiter;
	bool header;
	bool as_needed; /* quotes only where they are needed */
};

/* The columns are those of the first record. */
void csv_print(struct str *b, struct val list, const struct csv_form *form);
/* Records with text values; header NULL: the first line has it. */
int csv_parse(const char *s, char delimiter, struct val header, struct val *ret_list,
    struct err *e) WARN_UNUSED;
