/*
 * oci_signal: which signal asks a container to shut down.
 */
#pragma once
#include "base/err.h"
#include "proto/guest.pb-c.h"

/* "SIGTERM", "TERM", "SIGRTMIN+3", "15". */
int oci_signal_parse(const char *s, int *ret_signo, struct err *e) WARN_UNUSED;
/* spec's own; else what its first process, the program exe, takes for "shut down". */
int oci_stop_signal(const Drover__GuestSpec *spec, const char *exe);
