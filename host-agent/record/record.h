/*
 * record: bytes on disk that say whether they are whole, and files that are replaced at
 * once.
 *
 * A record is 4 bytes length, 4 bytes CRC-32C of length and body, both big-endian, and
 * the body. The file calls block: they are for start-up and for worker threads.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define RECORD_HEAD 8u
#define MAX_RECORD  (16u << 20)

struct str;

/* Append one record; 1 ≤ n ≤ MAX_RECORD. */
void record_add(struct str *out, const void *p, size_t n);
/*
 * Look at the n bytes at hand. 1: a whole record, its body of *ret_n bytes at p +
 * RECORD_HEAD. 0: they end within a record. ERR_CORRUPT: no record begins here.
 */
int record_peek(const uint8_t *p, size_t n, uint32_t *ret_n, struct err *e) WARN_UNUSED;

/* The whole file; ERR_NOT_FOUND, ERR_TOO_LARGE over max bytes. */
int record_file_read(
    const char *path, size_t max, struct str *out, struct err *e) WARN_UNUSED;
/* Old contents or new, never between: temporary file, fsync, rename, fsync of the
 * folder. */
int record_file_write(
    const char *path, mode_t mode, const void *p, size_t n, struct err *e) WARN_UNUSED;
/* The same of a text, mode 0600, without the syncs: after a crash of the host it may be
 * gone.  For what does not outlive the host either. */
int record_file_swap(const char *path, const char *text, struct err *e) WARN_UNUSED;
/* Unlink and fsync the folder; an absent file is fine. */
int record_file_remove(const char *path, struct err *e) WARN_UNUSED;
/* The folder and those above it, as far as they are absent. */
int record_dir_make(const char *path, mode_t mode, struct err *e) WARN_UNUSED;
/* fsync the folder that holds path. */
int record_dir_sync(const char *path, struct err *e) WARN_UNUSED;
