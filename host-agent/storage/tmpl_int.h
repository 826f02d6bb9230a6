/*
 * tmpl_int: a template being made, from the inside: tmpl.c takes it from stage to
 * stage, tmpl_bring.c does what blocks.
 */
#pragma once
#include "host-agent/storage/disk_int.h"
#include "host-agent/storage/img_check.h"
#include "host-agent/storage/img_copy.h"
#include "host-agent/storage/img_foreign.h"
#include "host-agent/storage/img_sum.h"
#include "host-agent/storage/ovf.h"
#include "host-agent/storage/tmpl.h"

/* Where the template's disk comes from. */
enum tmpl_kind {
	TMPL_NATIVE,  /* a file of a format that we run: it becomes the disk itself */
	TMPL_FOREIGN, /* a file that is converted */
	TMPL_OVA,     /* the same, in an appliance */
	TMPL_DISK,    /* a guest's disk, copied */
};

/*
 * Stages: bring (worker) checks the source and makes the new file, as it is or empty;
 * copy (child) fills an empty one; check (child) lets qemu-img read it; keep (worker)
 * hashes it and gives it its name.
 */
struct tmpl_import {
	struct tmpl_place at;
	struct disk_conf conf;
	char *program;
	tmpl_done_fn done;
	void *arg;
	struct child *child;
	struct img_copy *copy;
	bool on_worker, cancelled;

	/* Of the worker's while it runs. */
	enum tmpl_kind kind;
	uint64_t tmpl;
	char *source, *folder, *path, *new_path, *format_name;
	enum img_format format;   /* of the template's disk */
	enum img_foreign foreign; /* of the source */
	Drover__DiskSource *disk;
	uint64_t bytes_per_s;
	bool keep_source;
	bool is_there; /* imported by an earlier order */
	bool moved;    /* the source was renamed to new_path */
	bool filled;   /* the new file has its content */
	int fd;
	struct img_source from;
	uint64_t max_file_bytes;
	const char *too_large;
	struct ovf ovf;
	struct img_facts facts;
	uint64_t file_bytes;
	char sha256[IMG_SUM_LEN + 1];
	struct err err;
};

/* The worker's stages; job is the import. */
int tmpl_run_bring(void *job);
int tmpl_run_keep(void *job);
/* Remove what was made, after a failure: a rename or an unlink. */
void tmpl_take_back(struct tmpl_import *im);
