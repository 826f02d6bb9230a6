/*
 * pg_server: a PostgreSQL of the test's own, in a temporary folder, on a socket there
 * only.
 */
#pragma once
#include <stdbool.h>

struct pg_server;

/* NULL where PostgreSQL is not installed. Running, with an empty database "postgres".
 */
struct pg_server *pg_server_new(void);
void pg_server_free(struct pg_server *s); /* stops it and removes its folder */
const char *pg_server_conninfo(const struct pg_server *s);

enum pg_stop { PG_STOP_FAST, PG_STOP_IMMEDIATE };

void pg_server_stop(struct pg_server *s, enum pg_stop how);
void pg_server_start(struct pg_server *s);
/* Suspend and resume all of it, as a hung disk or network would. */
void pg_server_freeze(struct pg_server *s);
void pg_server_thaw(struct pg_server *s);
/* One value of a query on a connection of its own, into buf; "" for null. */
const char *pg_server_ask(const struct pg_server *s, const char *sql, char buf[256]);
/* Begin a transaction on a connection of this application_name, and leave it open. */
void pg_server_hold(struct pg_server *s, const char *name, const char *sql);
void pg_server_let_go(struct pg_server *s);
