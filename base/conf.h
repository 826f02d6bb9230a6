/*
 * conf: an INI file read into a struct by a table.
 *
 *   static const struct conf_key keys[] = {
 *       { "link.port", CONF_UINT, offsetof(struct x, port), 1, 65535, "7443", CONF_RESTART, "where agents dial" },
 *       { NULL } };
 *
 * Sections and keys join with a dot: [link] port = 7443.  An unknown key, a wrong type or
 * a value out of range is an error that names file and line.  Sizes take units (4GB),
 * durations are in the unit that the key's name ends in.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum conf_type {
	CONF_UINT,  /* uint64_t */
	CONF_BOOL,  /* bool: yes/no, true/false, on/off, 1/0 */
	CONF_BYTES, /* uint64_t, with units */
	CONF_TEXT,  /* char *, owned; min/max are lengths */
	CONF_PATH,  /* char *, owned, absolute or empty; min/max are lengths */
	CONF_LIST,  /* char *, owned: "a,b", spaces trimmed; min/max are lengths */
};
enum conf_when { CONF_RESTART, CONF_RELOAD };

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t offset;
	uint64_t min, max; /* max 0: no bound for numbers, 4095 bytes for text */
	const char *preset; /* default, as text */
	enum conf_when when;
	const char *help;
};

/* Fill self with the defaults. */
void conf_defaults(const struct conf_key *keys, void *self);
/* Defaults, then the file. On error self holds nothing that needs conf_free. */
int conf_load(const struct conf_key *keys, const char *path, void *self, struct err *e)
    WARN_UNUSED;
/* The same from text; name stands for the file in errors. Pure. */
int conf_parse(const struct conf_key *keys, const char *text, size_t n,
    const char *name, void *self, struct err *e) WARN_UNUSED;
/* Set one key from a command line: "link.port=7444". */
int conf_set(const struct conf_key *keys, const char *assignment, void *self,
    struct err *e) WARN_UNUSED;
void conf_free(const struct conf_key *keys, void *self);
/*
 * Take over the CONF_RELOAD values of fresh into self (fresh keeps the old ones) and
 * return how many keys of kind CONF_RESTART differ; each is named in the log by the caller
 * through the callback.
 */
int conf_reload(const struct conf_key *keys, void *self, void *fresh,
    void (*on_restart_key)(const char *name, void *arg), void *arg);
struct str;
/* The sample file (form NULL) or the docs' table ("markdown"); false: no such form. */
bool conf_print(const struct conf_key *keys, const char *form, struct str *out);
