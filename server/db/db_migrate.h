/*
 * db_migrate: brings the schema to what this program needs, from
 * db/migrations/NNNN_name.sql.
 *
 * Forward only.  Each file runs as one transaction together with the row in
 * schema_migrations that records its checksum; a file that was changed after it ran, or
 * a schema newer than the program, is refused.
 */
#pragma once
#include "server/db/db_pg.h"

/* The caller holds the leader's lock. done comes in a later posts phase. */
void db_migrate(struct db *db, const char *folder, db_done_fn done, void *arg);
/* Refuse as db_migrate would, apply nothing; a schema that is behind is fine. */
void db_migrate_check(struct db *db, const char *folder, db_done_fn done, void *arg);
