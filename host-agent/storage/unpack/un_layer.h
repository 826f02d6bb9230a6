/*
 * un_layer: an archive made one overlay layer.
 *
 * It is read twice.  First nothing is written: checksums, limits and every name are
 * looked at, and what room it takes is counted.  Then the file system is made for just
 * that and filled.  What an archive from outside may not do is refused by name:
 * absolute paths, "..", ids over 65535, a folder that becomes a file, hard links to
 * what is not in it, over-long names, more than UN_ENTRIES_MAX entries.  Device nodes
 * and what no container may have of extended attributes are left out and counted.
 */
#pragma once
#include "host-agent/storage/unpack/un_stream.h"

#define UN_ENTRIES_MAX    3000000u
#define UN_FILE_BYTES_MAX (1ull << 40)
#define UN_ID_MAX         65535u

/* ".wh." names in it take away what lies below, as in layers of images. */
enum un_marks { UN_MARKS_ARE_FILES, UN_MARKS_TAKE_AWAY };

struct un_layer {
	struct un_span archive;
	const char *image; /* path of the file to make it in */
	enum un_marks marks;
	bool is_root; /* with nothing below it: some file in it must be a program */
	const char *digest, *diff_id; /* "": not known */
	uint64_t max_bytes;           /* it may unpack to */
};

struct un_layer_facts {
	uint64_t entries, programs, bytes, image_bytes;
	uint64_t devices, attributes; /* left out */
	char diff_id[UN_DIGEST_LEN + 1];
};

/* Is it what it should be?  Writes nothing. */
int un_layer_check(const struct un_layer *l, struct un_layer_facts *ret_facts,
    struct err *e) WARN_UNUSED;
int un_layer_make(const struct un_layer *l, struct un_layer_facts *ret_facts,
    struct err *e) WARN_UNUSED;
