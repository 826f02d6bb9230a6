/*
 * sites: several servers at once.
 *
 * A cmdlet that speaks to a server runs, while several are connected, once on each that
 * its arguments mean, with a state of its own there: objects know where they came from
 * (struct table, from), names are looked for everywhere.  Creations never guess.
 */
#pragma once
#include "shell/cmd.h"
#include "shell/connect.h"

/* A new connection, which becomes the default one; it takes the place of an older one
 * to the same server. */
int sites_add(struct shell *sh, struct site *s_take, struct err *e) WARN_UNUSED;
/* No cmdlet finds it any more.  Those that work on it fail; it is freed with the shell.
 */
void sites_drop(struct shell *sh, struct site *s);
/* The connection that cmdlets use that are not told otherwise; NULL: none. */
struct site *sites_default(const struct shell *sh);
/* Those that names (wildcards) and records mean, at most MAX_SITES; null: all. */
int sites_match(struct shell *sh, struct val wanted, struct site **ret_sites,
    unsigned *ret_n, struct err *e) WARN_UNUSED;
void sites_free_all(struct shell *sh);

/* Does the stage have to visit servers, instead of simply using the default one? */
bool fan_is_wanted(const struct stage *st);
void fan_new(struct stage *st);
void fan_free(struct stage *st); /* calls fini of every visit */
/* process and end, on each server that is meant. */
enum run fan_process(struct stage *st, struct val v);
enum run fan_end(struct stage *st);
/* See stage_lacks. */
bool fan_lacks(struct stage *st, const char *name, bool is_here);
