#include "tests/lib/image_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/borrow.h"

#define UUID "6e9bd5ae-6b9b-4a35-9f0d-2f1a3f6f0a42"

struct doing {
	struct image_bed *bed;
	enum image_work work;
	const Drover__DiskSpec *spec;
};

void
image_bed_sh(const char *fmt, ...)
{
	AUTO(str) struct str s = STR_INIT;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	str_addv(&s, fmt, ap);
	va_end(ap);
	rc = system(str_cstr(&s)); /* NOLINT(cert-env33-c): our own */
	if (rc)
		fail_msg("%s: %d", str_cstr(&s), rc);
}

int
image_bed_setup(void **state)
{
	struct image_bed *b = xcalloc(1, sizeof(*b));
	Drover__DatastoreSpec s = DROVER__DATASTORE_SPEC__INIT;
	struct err e = ERR_INIT;

	snprintf(b->root, sizeof(b->root), "/tmp/drover-image-XXXXXX");
	assert_non_null(mkdtemp(b->root));
	snprintf(b->path, sizeof(b->path), "%s/ds", b->root);
	s.uuid = borrow(UUID);
	s.name = borrow("fast");
	s.type = borrow("dir");
	s.path = b->path;
	s.create = true;
	if (datastore_attach(&s, b->root, &b->ds, &e))
		fail_msg("attach: %s", e.msg);
	image_bed_sh("mkdir %s/up", b->path);
	b->conf = (struct disk_conf){ .uid = 64999, .gid = 64999 };
	b->loop = loop_new(clock_system());
	b->flows = flows_new(b->loop);
	b->workers = workers_new(b->loop, 1, 16);
	*state = b;
	return 0;
}

int
image_bed_teardown(void **state)
{
	struct image_bed *b = *state;

	flows_free(b->flows);
	workers_free(b->workers);
	loop_free(b->loop);
	datastore_unref(b->ds);
	image_bed_sh("rm -rf -- '%s'", b->root);
	free(b);
	return 0;
}

bool
image_bed_has(const struct image_bed *b, const char *path)
{
	AUTO_FREE char *full = xasprintf("%s/%s", b->path, path);

	return access(full, F_OK) == 0;
}

int
image_bed_until_ended(struct image_bed *b)
{
	uint64_t until = clock_mono_ms(clock_system()) + IMAGE_BED_MS;

	while (!b->ended) {
		assert_true(clock_mono_ms(clock_system()) < until);
		loop_turn(b->loop, 50);
	}
	return b->rc;
}

static enum flow_rc
work_start(struct flow *f, void *arg)
{
	const struct doing *d = arg;
	struct image_bed *b = d->bed;
	const struct disk_place at = { b->loop, b->workers, &b->conf, b->ds };
	const struct disk_source from = { .ds = b->ds };

	switch (d->work) {
	case IMAGE_CREATE:
		disk_create(&at, d->spec, flow_wake(f));
		break;
	case IMAGE_GROW:
		disk_grow(&at, d->spec, flow_wake(f));
		break;
	case IMAGE_COPY:
		disk_copy(&at, d->spec, &from, flow_wake(f));
		break;
	}
	return FLOW_WAIT;
}

static void
on_ended(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct doing *d = owner;
	struct image_bed *b = d->bed;

	b->ended = true;
	b->rc = rc;
	if (rc)
		b->err = *e;
	free(d);
}

struct flow *
image_bed_begin(struct image_bed *b, enum image_work work, const Drover__DiskSpec *spec)
{
	static const struct flow_step steps[] = {
		{ "work", work_start, NULL, NULL, IMAGE_BED_MS },
		{ .name = NULL },
	};
	static const struct flow_hooks hooks = { .ended = on_ended };
	struct doing *d = xmalloc(sizeof(*d));
	struct flow *f;

	*d = (struct doing){ b, work, spec };
	b->ended = false;
	f = flow_new(b->flows, "work", steps, d, &hooks, d);
	flow_start(f);
	loop_turn(b->loop, 0);
	return f;
}

int
image_bed_do(struct image_bed *b, enum image_work work, const Drover__DiskSpec *spec)
{
	image_bed_begin(b, work, spec);
	return image_bed_until_ended(b);
}
