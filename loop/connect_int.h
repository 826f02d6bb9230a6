/*
 * connect: from "host:port" to a connected socket: resolve off the loop's thread, then
 * try one address after the other.
 */
#pragma once
#include <stdint.h>

#include "loop/loop.h"

struct addrinfo;
struct connecting;
struct resolving;

/* In the posts phase, once: a connected non-blocking socket that is the callee's, or -1
 * and why. */
typedef void (*connect_fn)(int fd, const struct err *why, void *arg);
struct connecting *connect_start(
    struct loop *l, const char *host, uint16_t port, connect_fn done, void *arg);
void connect_free(struct connecting *c); /* gives up if it is under way */

/* In an I/O callback, once: addresses to be given to freeaddrinfo, or an EAI_ error. */
typedef void (*resolve_fn)(struct addrinfo *found, int eai, void *arg);
/* NULL: see e. */
struct resolving *resolve_start(struct loop *l, const char *host, uint16_t port,
    resolve_fn done, void *arg, struct err *e);
void resolve_free(struct resolving *r);
