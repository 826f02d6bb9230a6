/*
 * guest_book: what this host runs, one record a guest, on disk before it is
 * acknowledged.
 *
 * FOLDER/vm-N/record holds the packed spec, the generation and where the guest stood. A
 * record that cannot be read is set aside as record.damaged; the others are loaded.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "host-agent/guest/guest_state.h"
#include "host-agent/link/journal.h"
#include "proto/book.pb-c.h"
#include "proto/hello.pb-c.h"

struct str;

struct guest_record {
	Drover__GuestSpec *spec;
	enum guest_state state;
	uint64_t generation; /* highest met */
	uint64_t started_ms; /* wall clock; 0: that generation has neither run nor been
				booted */
	int32_t pid;         /* as last seen, for the log */
	/* The restart under way, whose repetition boots a guest that it has shut down;
	 * zeroes: none. */
	struct order_name restart;
	Drover__MoveRecord *move; /* NULL: it is on none */
	/* What its disks may be by now, for they were about to change; NULL: as spec.
	 */
	Drover__GuestSpec *next;
	char reason[240];
};

void guest_record_fini(struct guest_record *r);
/* Bytes of a record.  Pure. */
void guest_record_encode(const struct guest_record *r, struct str *out);
/* ERR_CORRUPT with the reason; then r holds nothing.  Pure. */
int guest_record_decode(
    const uint8_t *p, size_t n, struct guest_record *ret_r, struct err *e) WARN_UNUSED;

/* "FOLDER/vm-N/record"; caller frees. */
char *guest_book_path(const char *folder, uint64_t guest);
/*
 * Read all records; on_record takes over what r holds. Blocks (start-up). *ret_damaged:
 * how many were set aside. Fails only if the folder cannot be read at all.
 */
int guest_book_load(const char *folder,
    void (*on_record)(void *arg, struct guest_record *r_take), void *arg,
    unsigned *ret_damaged, struct err *e) WARN_UNUSED;
