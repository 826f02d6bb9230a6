#include "tests/lib/tar_maker.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"

#define BLOCK   512u
#define AT_SUM  148u
#define SUM_LEN 8u

static void
add_bytes(struct tar_maker *t, const void *p, size_t n)
{
	size_t padded = (n + BLOCK - 1) / BLOCK * BLOCK;

	t->p = xrealloc(t->p, t->n + padded);
	memset(t->p + t->n, 0, padded);
	if (n)
		memcpy(t->p + t->n, p, n);
	t->n += padded;
}

static void
add_header(struct tar_maker *t, const struct tar_entry *e, char type, uint64_t bytes)
{
	char h[BLOCK + 1] = "";
	unsigned sum = 0;

	snprintf(h, 100, "%s", e->name);
	snprintf(h + 100, 8, "%07o", e->mode);
	snprintf(h + 108, 8, "%07o", e->uid & 07777777);
	snprintf(h + 116, 8, "%07o", e->gid & 07777777);
	snprintf(h + 124, 12, "%011llo", (unsigned long long)bytes);
	snprintf(h + 136, 12, "%011o", 1700000000u);
	memset(h + AT_SUM, ' ', SUM_LEN);
	h[156] = type;
	snprintf(h + 157, 100, "%s", e->link ? e->link : "");
	memcpy(h + 257, "ustar\00000", 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (uint8_t)h[i];
	snprintf(h + AT_SUM, SUM_LEN, "%06o", sum);
	add_bytes(t, h, BLOCK);
}

/* "length key=value\n": the length counts itself. */
static void
add_pax(struct tar_maker *t, const struct tar_entry *e)
{
	const struct tar_entry x = { .name = "pax", .mode = 0644 };
	size_t n = strlen(e->pax) + 2, digits = 1;
	AUTO_FREE char *text = NULL;

	for (size_t v = n + digits; v >= 10; v /= 10)
		digits++;
	text = xasprintf("%zu %s\n", n + digits, e->pax);
	if (strlen(text) != n + digits) {
		free(text);
		digits++;
		text = xasprintf("%zu %s\n", n + digits, e->pax);
	}
	add_header(t, &x, 'x', strlen(text));
	add_bytes(t, text, strlen(text));
}

void
tar_maker_add(struct tar_maker *t, const struct tar_entry *e)
{
	if (e->pax)
		add_pax(t, e);
	add_header(t, e, e->type, e->claims ? e->claims : e->n);
	if (e->n)
		add_bytes(t, e->data, e->n);
}

void
tar_maker_file(struct tar_maker *t, const char *name, const char *text)
{
	const struct tar_entry e = {
		.name = name, .type = '0', .mode = 0644, .data = text, .n = strlen(text)
	};

	tar_maker_add(t, &e);
}

void
tar_maker_folder(struct tar_maker *t, const char *name)
{
	const struct tar_entry e = { .name = name, .type = '5', .mode = 0755 };

	tar_maker_add(t, &e);
}

void
tar_maker_end(struct tar_maker *t)
{
	static const uint8_t zeros[2 * BLOCK];

	add_bytes(t, zeros, sizeof(zeros));
}

void
tar_maker_save(const struct tar_maker *t, const char *path)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, t->p, t->n), t->n);
}

void
tar_maker_free(struct tar_maker *t)
{
	free(t->p);
	*t = (struct tar_maker){ NULL, 0 };
}
