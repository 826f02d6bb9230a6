/*
 * epoch: the newest leadership that this host has obeyed, kept over restarts.
 *
 * Raised once a change of leader, so the file is written on the spot: nothing of the
 * new epoch may be acted on before it is on disk.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"

struct epoch;

/* An absent file is epoch 0; a damaged one is an error: guessing could obey a dead
 * leader. */
int epoch_open(const char *path, struct epoch **ret_ep, struct err *e) WARN_UNUSED;
void epoch_free(struct epoch *ep);
uint64_t epoch_seen(const struct epoch *ep);
/* Below the seen one: ERR_STALE. Above: on disk when this returns 0. */
int epoch_meet(struct epoch *ep, uint64_t epoch, struct err *e) WARN_UNUSED;
