#include "tests/lib/agent_bed.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"

#define PATIENCE_MS 10000u

struct bed *
bed_new(void)
{
	struct bed *b = xcalloc(1, sizeof(*b));

	snprintf(b->dir, sizeof(b->dir), "/tmp/drover-test-XXXXXX");
	ASSERT(mkdtemp(b->dir));
	b->clock = clock_virtual_new(1000, 1767323045678);
	b->loop = loop_new(b->clock);
	b->workers = workers_new(b->loop, 2, 256);
	return b;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void
bed_free(struct bed *b)
{
	workers_free(b->workers);
	loop_free(b->loop);
	clock_free(b->clock);
	nftw(b->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(b);
}

void
bed_restart(struct bed *b)
{
	workers_free(b->workers);
	loop_free(b->loop);
	b->loop = loop_new(b->clock);
	b->workers = workers_new(b->loop, 2, 256);
}

const char *
bed_path(const struct bed *b, const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *p = paths[next++ % 4];

	snprintf(p, sizeof(paths[0]), "%s/%s", b->dir, name);
	return p;
}

void
bed_until(struct bed *b, bool (*cond)(void *arg), void *arg)
{
	uint64_t end = clock_mono_ms(clock_system()) + PATIENCE_MS;

	while (!cond(arg)) {
		ASSERT(clock_mono_ms(clock_system()) < end);
		loop_turn(b->loop, 5);
	}
}

struct count {
	const unsigned *at;
	unsigned n;
};

static bool
reached(void *arg)
{
	const struct count *c = arg;

	return *c->at >= c->n;
}

void
bed_until_count(struct bed *b, const unsigned *count, unsigned n)
{
	struct count c = { count, n };

	bed_until(b, reached, &c);
}

void
bed_settle(struct bed *b)
{
	while (loop_turn(b->loop, 0) > 0)
		;
}

uint8_t *
bed_read(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p;
	long n;

	ASSERT(f && !fseek(f, 0, SEEK_END));
	n = ftell(f);
	ASSERT(n >= 0 && !fseek(f, 0, SEEK_SET));
	p = xmalloc((size_t)n + 1);
	ASSERT(fread(p, 1, (size_t)n, f) == (size_t)n);
	fclose(f);
	*ret_n = (size_t)n;
	return p;
}

void
bed_write(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	ASSERT(f && fwrite(p, 1, n, f) == n);
	ASSERT(fclose(f) == 0);
}

bool
bed_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

Drover__GuestSpec *
bed_spec(uint64_t guest)
{
	Drover__GuestSpec *s = xcalloc(1, sizeof(*s));

	drover__guest_spec__init(s);
	s->guest = guest;
	s->name = xasprintf("g%" PRIu64, guest);
	s->uuid = xasprintf("3f2504e0-4f89-41d3-9a0c-%012" PRIx64, guest);
	s->engine = xstrdup("sim");
	s->num_cpu = 1;
	s->memory_mb = 64;
	return s;
}
