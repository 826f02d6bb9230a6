#include "server/inventory/feed.h"

#include "base/mem.h"
#include "loop/post.h"
#include "server/inventory/inv_int.h"

static void
on_turn_end(void *arg)
{
	struct inv *inv = arg;
	struct feed *f = &inv->feed;
	if (f->told == inv->rev)
		return;
	f->told = inv->rev;
	size_t kept = 0;
	/* A follower may leave, or another come, from within its call. */
	for (size_t i = 0; i < f->n_followers; i++) {
		struct follower w = f->followers[i];
		if (w.fn)
			w.fn(w.arg);
	}
	for (size_t i = 0; i < f->n_followers; i++) {
		if (f->followers[i].fn)
			f->followers[kept++] = f->followers[i];
	}
	f->n_followers = kept;
}

void
feed_init(struct feed *f, struct inv *inv)
{
	f->ring = xcalloc(FEED_RING, sizeof(*f->ring));
	feed_restart(f, 0);
	loop_on_turn_end(inv->loop, on_turn_end, inv);
}

void
feed_fini(struct feed *f, struct inv *inv)
{
	loop_off_turn_end(inv->loop, on_turn_end, inv);
	free(f->ring);
	free(f->followers);
}

void
feed_restart(struct feed *f, uint64_t rev)
{
	f->first = rev + 1;
	f->told = rev;
}

static void
wake_loop(void *arg)
{
}

void
feed_add(struct feed *f, struct loop *l, const struct change *c)
{
	/* A change by an I/O callback alone would wait for the next turn with posts. */
	if (f->told + 1 == c->rev)
		post_call(l, wake_loop, NULL);
	f->ring[c->rev % FEED_RING] = *c;
	if (c->rev - f->first >= FEED_RING)
		f->first = c->rev - FEED_RING + 1;
}

void
feed_follow(struct inv *inv, feed_fn fn, void *arg)
{
	struct feed *f = &inv->feed;
	f->followers =
	    xreallocarray(f->followers, f->n_followers + 1, sizeof(*f->followers));
	f->followers[f->n_followers++] = (struct follower){ fn, arg };
}

void
feed_unfollow(struct inv *inv, feed_fn fn, void *arg)
{
	struct feed *f = &inv->feed;
	for (size_t i = 0; i < f->n_followers; i++) {
		if (f->followers[i].fn == fn && f->followers[i].arg == arg)
			f->followers[i].fn = NULL;
	}
}

const struct change *
feed_after(const struct inv *inv, uint64_t rev, uint64_t i)
{
	/* Revisions have no holes: each change is one. */
	if (!feed_reaches(inv, rev) || i >= inv->rev - rev)
		return NULL;
	return &inv->feed.ring[(rev + 1 + i) % FEED_RING];
}

bool
feed_reaches(const struct inv *inv, uint64_t rev)
{
	return rev + 1 >= inv->feed.first && rev <= inv->rev;
}
