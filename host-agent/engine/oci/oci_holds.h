/*
 * oci_holds: what the processes of a container hold that CRIU cannot save.
 *
 * All processes in the pid namespace of the first one are looked at from outside, in
 * /proc: what they have open and mapped, where their sockets belong, and whether
 * somebody outside holds them.  Nothing of them is stopped or changed meanwhile, so
 * what begins afterwards is found by CRIU itself.
 */
#pragma once
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* Texts such as "process 4711 (nginx) uses io_uring", without repetition. */
struct oci_holds {
	char **v;
	size_t n;
};

/* What something open or mapped is, by the name that the kernel gives it; a device says
 * what it is by itself.  NULL: it can be saved. */
const char *oci_holds_name(const char *link);
/* The same of a socket, by SO_DOMAIN, SO_TYPE and SO_PROTOCOL. */
const char *oci_holds_socket(int domain, int type, int protocol);

/* first: as seen by the caller.  ERR_NOT_FOUND if there is no such process.  *ret_h is
 * the caller's to fini. */
int oci_holds_find(pid_t first, struct oci_holds *ret_h, struct err *e) WARN_UNUSED;
void oci_holds_fini(struct oci_holds *h);
