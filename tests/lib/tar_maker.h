/*
 * tar_maker: archives for tests, also such as no honest program writes.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct tar_maker {
	uint8_t *p;
	size_t n;
};

struct tar_entry {
	const char *name;
	char type; /* as in the header: '0' file, '5' folder, … */
	const char *link;
	unsigned mode, uid, gid;
	const void *data;
	size_t n;
	uint64_t claims; /* its size as the header says; 0: n */
	const char *pax; /* records of an extended header before it: "path=…" */
};

void tar_maker_add(struct tar_maker *t, const struct tar_entry *e);
/* A plain file or a folder. */
void tar_maker_file(struct tar_maker *t, const char *name, const char *text);
void tar_maker_folder(struct tar_maker *t, const char *name);
void tar_maker_end(struct tar_maker *t); /* the mark at its end */
void tar_maker_save(const struct tar_maker *t, const char *path);
void tar_maker_free(struct tar_maker *t);
