/*
 * progress: how far the orders are that move many bytes, for the reports.
 *
 * Whoever carries out such an order notes where it stands as often as it likes; a
 * report goes out soon when something new is to be told: an order's first note, another
 * phase, and else once in PROGRESS_GAP_MS.  What is done leaves with progress_drop.
 * Loop thread only.
 */
#pragma once
#include "host-agent/link/journal.h"
#include "loop/loop.h"
#include "proto/report.pb-c.h"

#define PROGRESS_GAP_MS 1000u

struct progress;

/* news: something is to be told; it must not call back. */
struct progress *progress_new(struct loop *l, loop_fn news, void *arg);
void progress_free(struct progress *p); /* NULL is fine */
/* at is copied; its task and step are taken from name.  A NULL p notes nothing. */
void progress_note(
    struct progress *p, struct order_name name, const Drover__Progress *at);
/* The order has ended; one that never noted anything is fine, and so is a NULL p. */
void progress_drop(struct progress *p, struct order_name name);
/* Put all of them into r; borrowed from p until its next note, drop or fill. */
void progress_fill(struct progress *p, Drover__Report *r);
