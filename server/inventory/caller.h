/*
 * caller: who asks, as every change is checked and audited with it.
 */
#pragma once
#include "server/inventory/inv.h"

struct caller {
	obj_id user; /* OBJ_ID_NONE: the server itself */
	char name[84];
	enum role role;
	char address[64];    /* "10.0.0.7" */
	char request_id[24]; /* "r-1f3a…", also in the answer and the log */
};

/* The server acting by itself (recovery, drivers). */
extern const struct caller caller_server;
