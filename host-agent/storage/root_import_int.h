/*
 * root_import_int: a template of a container being made, from the inside:
 * root_import.c takes it from stage to stage, root_unpack.c speaks with drover-unpack,
 * root_keep.c does what blocks.
 */
#pragma once
#include "base/json.h"
#include "host-agent/storage/disk_int.h"
#include "host-agent/storage/img_copy.h"
#include "host-agent/storage/root_import.h"

#define ROOT_LAYERS_MAX (ENGINE_LAYERS_MAX - 1)
#define ROOT_DIGEST_LEN 71 /* "sha256:" and 64 digits */

struct root_layer {
	uint64_t at, bytes; /* in the archive */
	char digest[ROOT_DIGEST_LEN + 1], diff_id[ROOT_DIGEST_LEN + 1];
	char *path;
	int fd;
	bool is_linked; /* it was there */
	/* Of a container's disk: where it is now. */
	const Drover__DiskLayer *from;
};

struct root_import {
	struct tmpl_place at;
	struct disk_conf conf;
	char *program; /* drover-unpack */
	tmpl_done_fn done;
	void *arg;
	struct child *child;
	struct img_copy *copy;
	bool on_worker, cancelled;

	/* Of the worker's while it runs. */
	uint64_t tmpl;
	char *source, *folder, *format, *reference;
	bool keep_source;
	Drover__DiskSource *disk; /* NULL: an archive */
	Drover__DiskLayer *disk_top;
	uint64_t bytes_per_s;
	int source_fd;
	uint64_t source_bytes, free_bytes;
	struct root_layer layers[ROOT_LAYERS_MAX]; /* the lowest first */
	size_t n, next;
	struct img_source copied; /* the layer that is being copied */
	Drover__ContainerSpec *container;
	char *user;
	uint64_t left_out[2]; /* device nodes, attributes */
	Drover__TemplateFacts *facts;
	struct err err;
};

/* ---- root_keep.c: the worker's stages; job is the import ---- */

int root_run_bring(void *job);
/* A file for the next layer: linked where it is there already. */
int root_run_open_layer(void *job);
/* It is filled: give it its name. */
int root_run_keep_layer(void *job);
int root_run_keep(void *job);
/* Remove what was made, after a failure. */
void root_take_back(struct root_import *im);
/* Name the layers: there are im->n of them. */
void root_name_layers(struct root_import *im);

/* ---- root_unpack.c ---- */

enum root_verb { ROOT_PLAN, ROOT_LAYER, ROOT_USER };

int root_unpack_start(struct root_import *im, enum root_verb verb, child_fn done,
    struct err *e) WARN_UNUSED;
/* Take what the program said; its fault is the error. */
int root_unpack_take(struct root_import *im, enum root_verb verb,
    const struct child_result *r, struct err *e) WARN_UNUSED;
