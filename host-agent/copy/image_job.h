/*
 * image_job: the blocking half of a copy, on a thread that may wait.
 *
 * A look at the datastore first, then the copy itself over a socket.  One call at a
 * time; while one runs nobody else touches the job but for is_stopped and done_bytes.
 */
#pragma once
#include <stdatomic.h>

#include "host-agent/copy/image_frame.h"
#include "host-agent/storage/disk.h"

struct image_job {
	struct datastore *ds; /* referenced */
	char *path, *format;  /* format NULL: it is given */
	Drover__DiskLayer *backing;
	uint64_t size_bytes; /* as the server says */
	uint32_t gid;        /* whose a template's image is */

	int file_fd; /* -1: not open */
	int wire_fd; /* -1: not yet */
	atomic_bool is_stopped;
	_Atomic uint64_t done_bytes, data_bytes; /* for people */

	uint64_t bytes; /* of the image; with the sum good when it went well */
	char sum[2 * IMAGE_SUM_BYTES + 1];
	uint64_t total_ms;
	struct err e;
};

struct image_job *image_job_new(struct datastore *ds, const char *path);
void image_job_free(struct image_job *j);

/* Is there such an image of a guest or a template?  It is open then. */
int image_give_look(struct image_job *j, struct err *e) WARN_UNUSED;
/* Send it. 0: the other host has kept it. */
int image_give(struct image_job *j, struct err *e) WARN_UNUSED;

/* Could it come?  ERR_EXISTS: there is a file already; ERR_NO_CAPACITY. */
int image_take_look(struct image_job *j, struct err *e) WARN_UNUSED;
/* Take it. Its name is the last thing that is made; else nothing is left. */
int image_take(struct image_job *j, struct err *e) WARN_UNUSED;
