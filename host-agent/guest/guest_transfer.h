/*
 * guest_transfer: the streams of one move, the memory and each disk that goes along:
 * sockets of which one end is the channel's, the other the engine's.
 */
#pragma once
#include "host-agent/channel/channel.h"
#include "host-agent/engine/engine_move.h"

struct guest_transfer;

/* disks: names, one stream for each besides the memory's. */
int guest_transfer_new(struct channel *c, char *const *disks, size_t n_disks,
    struct guest_transfer **ret_t, struct err *e) WARN_UNUSED;
/* Ends the streams that are not over. NULL is fine. */
void guest_transfer_free(struct guest_transfer *t);
size_t guest_transfer_streams(const struct guest_transfer *t);
/* Wait for the host peer_uuid to dial all of them. */
int guest_transfer_expect(struct guest_transfer *t,
    const uint8_t key[CHANNEL_KEY_BYTES], const char *peer_uuid,
    struct err *e) WARN_UNUSED;
/* Dial all of them; ups[i] is posted when stream i is up. */
int guest_transfer_dial(struct guest_transfer *t, const struct channel_dest *to,
    const uint8_t key[CHANNEL_KEY_BYTES], const struct wake *ups, uint64_t cap,
    struct err *e) WARN_UNUSED;
/* Of that disk its written image alone is to go. */
void guest_transfer_only_top(struct guest_transfer *t, const char *disk);
/* Has the other host dialled? */
bool guest_transfer_has_begun(const struct guest_transfer *t);
/* All that was to come has come; the other side may still be closing. */
void guest_transfer_end_soon(struct guest_transfer *t, struct loop *l);
/* The engine's ends, which are the caller's from now on; disks as given to _new, the
 * list borrowed. */
int guest_transfer_take_memory(struct guest_transfer *t);
const struct engine_disk_stream *guest_transfer_take_disks(struct guest_transfer *t);
