/*
 * visitor: what the calls and sockets that reach into a guest share.
 */
#pragma once
#include "server/api/api_int.h"
#include "server/session/visit.h"

#define MAX_GUEST_WORDS 1024u /* arguments, or lines of the environment */
#define MAX_GUEST_PATH  4095u

/* The first member of each kind's own struct; in the API's list while it lives. */
struct visitor {
	struct list_node node;
	struct api *api;
	struct visit *visit; /* NULL: not begun, or over */
	/* The API ends: close the visit and free it; there is nobody to answer. */
	void (*drop)(struct visitor *v);
};

void visitor_add(struct api *a, struct visitor *v, void (*drop)(struct visitor *v));
/* Out of the list; its visit is closed. */
void visitor_fini(struct visitor *v);

/* What a request says of a program; the lists end with NULL and are borrowed texts. */
struct program {
	const char **args, **env;
	const char *cwd;
	uint64_t uid, gid;
};

/* args may be absent where a preset is given. */
int program_read(const json *j, const char *const *preset, struct program *ret_p,
    struct err *e) WARN_UNUSED;
void program_fini(struct program *p);
/* Text for JSON of whatever a program wrote: what is no UTF-8 is replaced. */
char *text_of_bytes(const void *p, size_t n);

/* enter.c: sockets into guests */
struct enters *enters_new(struct api *a);
void enters_free(struct enters *es);
void enter_open(struct enters *es, uint64_t ws, struct request *r_take);
/* False: the socket is none of ours. */
bool enter_text(struct enters *es, uint64_t ws, const char *text, size_t n);
void enter_binary(struct enters *es, uint64_t ws, const uint8_t *p, size_t n);
bool enter_drained(struct enters *es, uint64_t ws, size_t n);
bool enter_closed(struct enters *es, uint64_t ws);
