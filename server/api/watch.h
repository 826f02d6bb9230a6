/*
 * watch: subscriptions over WebSocket: a snapshot, then deltas by revision
 * (docs/api.md).
 *
 * What a client has asked for may be as large as it is; a snapshot begins when no more
 * than 1 MiB waits.  A client that falls behind (1 MiB of news waits for it) gets one
 * "resync" for each subscription and then nothing until it has read half of that; one
 * that stays behind for 30 s is closed. Deltas of clients that stand at the same
 * revision are made once.  Core thread only.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct front;
struct inv;
struct loop;
struct sessions;
struct stats;
struct watch;

struct watch_deps {
	struct loop *loop;
	struct inv *inv;
	struct sessions *sessions;
	struct front *front;
	struct stats *stats; /* NULL: nothing is counted */
	const char *boot; /* which run of the server this is; outlives the watch */
};

struct watch *watch_new(const struct watch_deps *d);
void watch_free(struct watch *w);

/* From the front; session is the id of who opened it, NULL: nobody, closed with a word.
 */
void watch_open(struct watch *w, uint64_t ws, const char *session);
void watch_text(struct watch *w, uint64_t ws, const char *text, size_t n);
void watch_drained(struct watch *w, uint64_t ws, size_t n);
void watch_closed(struct watch *w, uint64_t ws);

size_t watch_clients(const struct watch *w);
uint64_t watch_queued(const struct watch *w); /* bytes on their way, all clients */
uint64_t watch_resyncs(const struct watch *w); /* that subscriptions were told of */
