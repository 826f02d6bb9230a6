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

/*
 * 0 and the route; seg (MAX_SEGMENT bytes) gets what stands for {id} or {n}, "" without
 * one. ERR_NOT_FOUND: no such path. ERR_UNSUPPORTED: the path exists, but not with this
 * method.
 */
int route_find(const struct route *routes, size_t n, enum http_method method,
    const char *path, const struct route **ret_r, char *seg) WARN_UNUSED;
const char *method_text(enum http_method m);
