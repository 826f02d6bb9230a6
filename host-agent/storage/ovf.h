/*
 * ovf: the description inside an appliance, read and written.
 *
 * Reading is of foreign text: no network, no entities, no document type, at most
 * OVF_BYTES_MAX.  One machine with one disk is understood; anything else is refused and
 * named.  Pure.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define OVF_BYTES_MAX (1u << 20)
#define OVF_NAME_MAX  80
#define OVF_NOTE_MAX  1024
#define OVF_HREF_MAX  255

struct ovf {
	char name[OVF_NAME_MAX + 1];        /* "" if it has none */
	char description[OVF_NOTE_MAX + 1]; /* "" if it has none */
	char disk_file[OVF_HREF_MAX + 1];   /* member of the appliance */
	uint64_t disk_bytes;                /* as the machine sees it */
	uint32_t num_cpu;                   /* 0: it does not say */
	uint64_t memory_mb;
	uint32_t num_nics;
};

int ovf_parse(const char *text, size_t n, struct ovf *ret_o, struct err *e) WARN_UNUSED;
/* file_bytes is the disk file's size. Names may hold anything: they are escaped. */
void ovf_write(const struct ovf *o, uint64_t file_bytes, struct str *out);
