/*
 * oci_seal: a copy of the runtime in memory that nobody can write to any more.
 *
 * The runtime's own first process enters the container, which must not get at the
 * program that root runs.  So it makes a copy of itself, or a mount of its file, at
 * each start; one that runs from such a copy need not.  One copy serves the whole host.
 */
#pragma once
#include <sys/stat.h>

struct oci_seal {
	int fd;         /* -1: there is none */
	struct stat of; /* the file that it is a copy of */
};

/* A copy of the program at path as it is now, borrowed; -1: run the file itself. */
int oci_seal_take(struct oci_seal *s, const char *path);
void oci_seal_fini(struct oci_seal *s);
