/*
 * store_path: "[datastore] folder/file", a place in a datastore.
 */
#pragma once
#include "shell/cmd.h"

struct store_path {
	char *store; /* id */
	char *name;  /* as it was written */
	char *path;  /* "" is the root */
};

#define STORE_PATH_NONE \
	((struct store_path){ .store = NULL, .name = NULL, .path = NULL })

bool is_store_path(const char *text);
/* The error names what it should look like, or the datastore that there is not. */
enum run store_path_need(struct stage *st, const char *text, struct store_path *ret);
void store_path_fini(struct store_path *p);
