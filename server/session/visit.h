/*
 * visit: the server's end of what runs inside a guest for somebody who waits: a
 * program, files, the screen, the serial line (proto/session.proto).
 *
 * Not a task: it is stored nowhere, ends with the host's link or this server, and is
 * never repeated.  What comes from the guest is bounded by what its taker grants.  Who
 * visits is written down before he may.  Core thread only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "server/inventory/caller.h"

#define MAX_VISITS          256u
#define MAX_VISITS_PER_USER 32u
#define MAX_VISIT_WINDOW    ((uint64_t)1 << 20) /* that may be granted and not come */
#define MAX_PICTURE_BYTES   ((size_t)4 << 20)

enum visit_kind {
	VISIT_EXEC,
	VISIT_GET,
	VISIT_PUT,
	VISIT_LOG,
	VISIT_PICTURE, /* of a machine's screen: a PNG */
	VISIT_SCREEN,  /* VNC both ways */
	VISIT_SERIAL,
};

enum visit_way { VISIT_IN, VISIT_OUT, VISIT_ERR };

struct hosts;
struct inv;
struct visit;
struct visits;

/* All borrowed. */
struct visit_want {
	obj_id vm;
	const struct caller *who;
	enum visit_kind kind;
	const char *const *args; /* of a program; ended by NULL */
	const char *const *env;  /* "NAME=value"; ended by NULL */
	const char *cwd;         /* "": as the guest has it */
	uint32_t uid, gid;
	bool tty;
	uint32_t rows, columns;
	const char *path; /* of files */
	uint32_t
	    log_bytes; /* of the console; of a serial line that is heard: before it */
};

struct visit_end {
	int rc; /* 0: it ended by itself */
	const struct err *err;
	uint32_t exit_code;
	uint32_t signal; /* that ended it; 0: none */
};

/* In the posts phase. */
struct visit_events {
	/* n bytes of what was granted. p is borrowed; end: no more come that way. */
	void (*data)(void *arg, enum visit_way way, const void *p, size_t n, bool end);
	/* visit_room() has grown. */
	void (*room)(void *arg);
	/* Once, the last; the visit is no more. */
	void (*ended)(void *arg, const struct visit_end *end);
};

struct visits *visits_new(struct inv *inv, struct hosts *hosts);
/* Every visit was closed before. */
void visits_free(struct visits *vs);

/* Could somebody visit the guest at all?  The reason says what is in the way. */
int visit_check(
    const struct visits *vs, const struct visit_want *w, struct err *e) WARN_UNUSED;

typedef void (*visit_recorded_fn)(void *arg, int rc, const struct err *e);
/* Write down who does what in a guest: an audit row and an event.  Nothing may begin
 * before done has come with 0. */
void visit_record(
    struct visits *vs, const struct visit_want *w, visit_recorded_fn done, void *arg);

/* Who hears of it; ev is borrowed. */
struct visit_taker {
	const struct visit_events *ev;
	void *arg;
};

/* What cannot even begin is told here; all else by ended. */
int visit_open(struct visits *vs, const struct visit_want *w, struct visit_taker to,
    struct visit **ret_v, struct err *e) WARN_UNUSED;
/* Nobody waits any more: what runs there is ended, no event comes. NULL is fine. */
void visit_close(struct visit *v);

/* So many bytes more may come that way. */
void visit_grant(struct visit *v, enum visit_way way, size_t n);
/* So many may be written now. */
size_t visit_room(const struct visit *v);
/* n fits the room; end: nothing comes after it. */
void visit_write(struct visit *v, const void *p, size_t n, bool end);
void visit_size(struct visit *v, uint32_t rows, uint32_t columns);
size_t visits_count(const struct visits *vs);
