#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/fence/fence_int.h"
#include "host-agent/record/record.h"
#include "host-agent/record/saver.h"

#define KEEP_MAX ((size_t)16 << 20)

static void
on_kept(void *arg, uint64_t seq, int rc, const struct err *e)
{
	struct fence *f = arg;

	if (f->keep_seq == seq)
		f->keep_seq = 0;
	if (rc) {
		log_err("fence", "leases are not on disk: %s", e->msg);
		f->keep_again = true;
		return;
	}
	f->kept_seq = seq;
	if (f->join_seq && fence_is_kept(f, f->join_seq)) {
		f->join_seq = 0;
		f->joined = true;
		f->rejoin = false;
	}
	fence_changed(f);
}

static void
fill_claim(Drover__FenceClaim *c, const struct held *h)
{
	drover__fence_claim__init(c);
	c->guest = h->ha;
	c->run_gen = h->run_gen;
	c->phase = h->phase == CLAIM_CLAIM        ? DROVER__RUN_PHASE__RUN_CLAIM
		   : h->phase == CLAIM_RUN        ? DROVER__RUN_PHASE__RUN_RUN
		   : h->phase == CLAIM_MIGRATE_IN ? DROVER__RUN_PHASE__RUN_MIGRATE_IN
						  : DROVER__RUN_PHASE__RUN_NONE;
	c->datastore = h->datastore;
	c->unwanted = h->unwanted;
	c->listed = h->listed;
	c->left = h->left;
	c->late = h->late;
}

uint64_t
fence_keep(struct fence *f)
{
	size_t n = map_count(f->held), i = 0;
	Drover__FenceRecord r = DROVER__FENCE_RECORD__INIT;
	AUTO_FREE Drover__FenceClaim *claims = xcalloc(n + 1, sizeof(*claims));
	AUTO_FREE Drover__FenceClaim **list =
	    xcalloc(n + 1, sizeof(Drover__FenceClaim *));
	AUTO(str) struct str out = STR_INIT;

	r.inc = f->inc;
	r.boot = f->boot;
	r.fenced = f->fenced;
	r.expired = f->state.expired;
	r.conf = f->conf;
	r.claims = list;
	r.n_claims = n;
	MAP_EACH(f->held, it) {
		fill_claim(&claims[i], it.value);
		list[i] = &claims[i];
		i++;
	}
	size_t len = drover__fence_record__get_packed_size(&r);
	AUTO_FREE uint8_t *p = xmalloc(len + 1);
	drover__fence_record__pack(&r, p);
	record_add(&out, p, len);
	f->keep_again = false;
	f->keep_seq = saver_put(f->saver, out.s, out.len, on_kept, f);
	return f->keep_seq;
}

Drover__HaGuest *
fence_ha_dup(const Drover__HaGuest *ha)
{
	/* It has nothing but numbers in it. */
	return xmemdup(ha, sizeof(*ha));
}

static void
take_claim(struct fence *f, const Drover__FenceClaim *c)
{
	struct held *h;

	if (!c->guest || !c->guest->guest)
		return;
	h = fence_hold(f, c->guest);
	h->run_gen = c->run_gen;
	h->datastore = c->datastore;
	h->unwanted = c->unwanted;
	h->listed = c->listed;
	h->left = c->left;
	h->late = c->late;
	h->unplaced = c->left != 0;
	switch (c->phase) {
	case DROVER__RUN_PHASE__RUN_CLAIM:
		h->phase = CLAIM_CLAIM;
		break;
	case DROVER__RUN_PHASE__RUN_MIGRATE_IN:
		h->phase = CLAIM_MIGRATE_IN;
		break;
	case DROVER__RUN_PHASE__RUN_NONE:
		h->phase = CLAIM_NONE;
		break;
	default:
		h->phase = CLAIM_RUN;
		break;
	}
}

static void
take(struct fence *f, Drover__FenceRecord *r)
{
	struct err e = ERR_INIT;

	f->inc = r->inc;
	f->fenced = r->fenced;
	f->state.expired = r->expired;
	f->joined = r->inc && !strcmp(r->boot, f->boot);
	for (size_t i = 0; i < r->n_claims; i++)
		take_claim(f, r->claims[i]);
	if (!r->conf)
		return;
	if (fence_conf_check(r->conf, &f->terms, &e))
		log_err("fence", "what was kept of leases: %s", e.msg);
	else
		f->conf = MOVE(r->conf);
}

/* What runs here under a deadline ends at it, and the host joins anew after that. */
static void
set_aside(const char *path)
{
	AUTO_FREE char *to = xasprintf("%s.damaged", path);

	log_err("fence", "%s is damaged; it is %s now, and this host has no leases",
	    path, to);
	if (rename(path, to))
		log_err("fence", "%s cannot be set aside: %s", path, strerror(errno));
}

int
fence_keep_load(struct fence *f, const char *path, struct err *e)
{
	AUTO(str) struct str file = STR_INIT;
	Drover__FenceRecord *r = NULL;
	uint32_t n;
	int rc = record_file_read(path, KEEP_MAX, &file, e);

	if (rc == ERR_NOT_FOUND) {
		err_clear(e);
		return 0;
	}
	if (rc)
		return rc;
	if (record_peek((const uint8_t *)str_cstr(&file), file.len, &n, NULL) == 1)
		r = drover__fence_record__unpack(
		    NULL, n, (const uint8_t *)file.s + RECORD_HEAD);
	if (!r) {
		set_aside(path);
		return 0;
	}
	take(f, r);
	drover__fence_record__free_unpacked(r, NULL);
	return 0;
}
