#include "host-agent/guest/guest_past.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/record/record.h"
#include "host-agent/record/saver.h"
#include "proto/migrate.pb-c.h"

#define PAST_MARK     "drover past guests 1"
#define PAST_FILE_MAX ((size_t)1 << 20)

struct over {
	uint64_t guest, generation;
	char *why; /* NULL: nobody said */
};

struct past_waiter {
	struct list_node node;
	struct guest_past *past;
	struct wake w;
};

struct guest_past {
	struct loop *loop;
	struct saver *saver;
	struct over over[GUEST_PAST_MAX]; /* oldest first */
	size_t n;
	struct list waiters;
};

static void
keep(struct guest_past *p, uint64_t guest, uint64_t generation)
{
	struct over now = { guest, generation, NULL };
	size_t i = 0;

	while (i < p->n && p->over[i].guest != guest)
		i++;
	if (i < p->n && p->over[i].generation >= generation) {
		now.generation = p->over[i].generation;
		now.why = MOVE(p->over[i].why);
	}
	if (i == p->n && p->n == GUEST_PAST_MAX)
		i = 0;
	if (i < p->n) {
		free(p->over[i].why);
		p->n--;
		memmove(&p->over[i], &p->over[i + 1], (p->n - i) * sizeof(p->over[0]));
	}
	p->over[p->n++] = now;
}

uint64_t
guest_past_seen(const struct guest_past *p, uint64_t guest)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->over[i].guest == guest)
			return p->over[i].generation;
	}
	return 0;
}

/* Where it is among them; p->n: it is none of them. */
static size_t
place_of(const struct guest_past *p, uint64_t guest, uint64_t generation)
{
	size_t i = 0;

	while (i < p->n &&
	       (p->over[i].guest != guest || p->over[i].generation != generation))
		i++;
	return i;
}

void
guest_past_set_why(
    struct guest_past *p, uint64_t guest, uint64_t generation, const char *why)
{
	size_t i = place_of(p, guest, generation);

	if (i == p->n)
		return;
	free(p->over[i].why);
	p->over[i].why = xstrdup(why);
}

const char *
guest_past_why(const struct guest_past *p, uint64_t guest, uint64_t generation)
{
	size_t i = place_of(p, guest, generation);

	return i < p->n && p->over[i].why ? p->over[i].why : "";
}

static void
encode(const struct guest_past *p, struct str *out)
{
	uint8_t body[32];

	record_add(out, PAST_MARK, strlen(PAST_MARK));
	for (size_t i = 0; i < p->n; i++) {
		Drover__GuestRefuse r = DROVER__GUEST_REFUSE__INIT;

		r.guest = p->over[i].guest;
		r.generation = p->over[i].generation;
		record_add(out, body, drover__guest_refuse__pack(&r, body));
	}
}

static int
decode(struct guest_past *p, const uint8_t *at, size_t left, struct err *e)
{
	for (size_t i = 0; left; i++) {
		Drover__GuestRefuse *r;
		uint32_t len;
		int rc = record_peek(at, left, &len, e);

		if (rc != 1)
			return rc ? rc : err_set(e, ERR_CORRUPT, "it is cut short");
		at += RECORD_HEAD;
		r = i ? drover__guest_refuse__unpack(NULL, len, at) : NULL;
		if (i ? !r
		      : len != strlen(PAST_MARK) || memcmp(at, PAST_MARK, len) != 0)
			return err_set(e, ERR_CORRUPT, "record %zu cannot be read", i);
		if (r)
			keep(p, r->guest, r->generation);
		drover__guest_refuse__free_unpacked(r, NULL);
		at += len;
		left -= RECORD_HEAD + (size_t)len;
	}
	return 0;
}

static void
set_aside(const char *path, const struct err *why)
{
	AUTO_FREE char *to = xasprintf("%s.damaged", path);

	log_err("guest",
	    "%s is damaged: %s; it is %s now, and moves that were refused here are "
	    "forgotten",
	    path, why->msg, to);
	if (rename(path, to))
		log_err("guest", "%s cannot be set aside: %s", path, strerror(errno));
}

int
guest_past_open(struct loop *l, struct workers *savers, const char *path,
    struct guest_past **ret_p, struct err *e)
{
	AUTO(str) struct str file = STR_INIT;
	struct guest_past *p;
	struct err why = ERR_INIT;
	int rc = record_file_read(path, PAST_FILE_MAX, &file, &why);

	if (rc && rc != ERR_NOT_FOUND && rc != ERR_CORRUPT)
		return err_set(e, rc, "%s", why.msg);
	p = xcalloc(1, sizeof(*p));
	p->loop = l;
	p->saver = saver_new(l, savers, path);
	list_init(&p->waiters);
	if (!rc)
		rc = decode(p, (const uint8_t *)str_cstr(&file), file.len, &why);
	if (rc && rc != ERR_NOT_FOUND)
		set_aside(path, &why);
	*ret_p = p;
	return 0;
}

void
guest_past_free(struct guest_past *p)
{
	if (!p)
		return;
	LIST_EACH_SAFE(struct past_waiter, w, &p->waiters, node) {
		list_remove(&w->node);
		free(w);
	}
	saver_free(p->saver);
	for (size_t i = 0; i < p->n; i++)
		free(p->over[i].why);
	free(p);
}

static void
on_saved(void *arg, uint64_t seq, int rc, const struct err *e)
{
	struct past_waiter *w = arg;

	post_wake(w->past->loop, w->w, rc, e);
	list_remove(&w->node);
	free(w);
}

void
guest_past_note(
    struct guest_past *p, uint64_t guest, uint64_t generation, struct wake w)
{
	AUTO(str) struct str bytes = STR_INIT;
	struct past_waiter *wait = xcalloc(1, sizeof(*wait));

	keep(p, guest, generation);
	encode(p, &bytes);
	wait->past = p;
	wait->w = w;
	list_add_tail(&p->waiters, &wait->node);
	saver_put(p->saver, bytes.s, bytes.len, on_saved, wait);
}
