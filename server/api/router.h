/*
 * router: method and path to a route of route.def.  Pure.
 */
#pragma once
#include <stdbool.h>

#include "base/err.h"
#include "server/front/request.h"
#include "server/inventory/inv.h"

struct api_call;
typedef void (*route_fn)(struct api_call *c);

struct route {
	enum http_method method;
	const char *path;   /* "/api/v1/vms/{id}/start" */
	enum role min_role; /* ROLE_NONE: no session wanted */
	route_fn handler;
	enum obj_kind kind; /* of {id} and of lists */
	const char *op;
	const char *title;
};

#define MAX_SEGMENT 128

/* What stands for what is in braces; "" where the pattern has none. */
struct route_path {
	char seg[MAX_SEGMENT]; /* for {id} or {n} */
	char arg[MAX_SEGMENT]; /* for the second: an argument of the op, by its name */
};

/*
 * 0 and the route. ERR_NOT_FOUND: no such path. ERR_UNSUPPORTED: the path exists, but
 * not with this method.
 */
int route_find(const struct route *routes, size_t n, enum http_method method,
    const char *path, const struct route **ret_r, struct route_path *ret_p) WARN_UNUSED;
/* The name in a route's second pair of braces, caller frees; NULL without one. */
char *route_arg_name(const struct route *r);
const char *method_text(enum http_method m);
