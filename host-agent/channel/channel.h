/*
 * channel: bytes from one host's agent to another's, encrypted, for whoever moves
 * something.
 *
 * A transfer is named by a key of 32 random bytes, which the server gave to both hosts.
 * The taking side expects streams under the key; the giving side dials the other's
 * channel port and opens them.  Both prove by certificate who they are (tls.h): the one
 * that is expected must be the one that dials, and the other way round.  Then bytes are
 * relayed between the TLS connection and a local stream socket whose other end an
 * engine or a copier holds, by a thread of the stream's own.
 *
 * A stream that cannot be moved for stall_ms (the peer is silent, the wire is cut) ends
 * as LOST on both sides; when it ends, however, the local socket is closed, so that
 * whoever holds its other end sees the end of the file.  A half-close on one side
 * (shutdown of writing) arrives on the other as one.  What was not delivered when a
 * stream ends is lost: only the receiver's word counts.
 *
 * Loop thread only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/post.h"

#define CHANNEL_KEY_BYTES    32
#define CHANNEL_NAME_MAX     32
#define CHANNEL_STREAMS_MAX  256u /* at a time, both ways */
#define CHANNEL_EXPECTED_MAX 256u

struct channel;
struct channel_stream;
struct loop;
struct ssl_ctx_st;

struct channel_opts {
	/* Borrowed, changed by channel_set_ctx. */
	struct ssl_ctx_st *accept_ctx, *dial_ctx;
	const char *address;   /* to listen on; "" all */
	uint16_t port;         /* 0: any */
	uint64_t bytes_per_s;  /* cap over all outgoing streams; 0: none */
	uint32_t stall_ms;     /* 0: 10000 */
	uint32_t handshake_ms; /* 0: 5000 */
};

/* Listens at once. */
int channel_open(struct loop *l, const struct channel_opts *o, struct channel **ret_c,
    struct err *e) WARN_UNUSED;
/* Ends all streams; their ends are not told any more. */
void channel_free(struct channel *c);
uint16_t channel_port(const struct channel *c);
/* After certificates were renewed; streams that run keep theirs. Borrowed. */
void channel_set_ctx(
    struct channel *c, struct ssl_ctx_st *accept_ctx, struct ssl_ctx_st *dial_ctx);
void channel_set_cap(struct channel *c, uint64_t bytes_per_s);

struct channel_facts {
	uint64_t in_bytes, out_bytes;             /* of content, not of TLS */
	uint64_t in_bytes_per_s, out_bytes_per_s; /* over about the last second */
	bool is_up;                               /* connected and named */
};

/*
 * One stream.  up is posted when it is connected (or has failed to be), once.  down is
 * posted once after up ended well, when the stream is over: 0 when both sides closed in
 * order and everything that was written on either side was read by the other's relay,
 * else LOST with the reason.
 */
struct channel_ends {
	struct wake up, down;
};

struct channel_opening {
	const uint8_t *key; /* CHANNEL_KEY_BYTES */
	const char *name;   /* "memory", "disk-0" */
	/* This side's end of a stream socket (socketpair), non-blocking or not; closed
	 * with the stream, or at once where there is none. */
	int fd_take;
	/* Bytes a second of this stream besides the channel's, where it is dialled; 0:
	 * none. */
	uint64_t cap;
	struct channel_ends ends;
};

/*
 * Wait for host peer_uuid to dial and name o's key and name.  Until it comes or
 * channel_stream_free.  ERR_EXISTS: expected already; ERR_BUSY: too many.  o is copied.
 */
int channel_expect(struct channel *c, const struct channel_opening *o,
    const char *peer_uuid, struct channel_stream **ret_s, struct err *e) WARN_UNUSED;

struct channel_dest {
	const char *const *addresses; /* tried in order */
	size_t n_addresses;
	uint16_t port;
	const char *peer_uuid;
};

/* Everything is copied. */
int channel_dial(struct channel *c, const struct channel_opening *o,
    const struct channel_dest *to, struct channel_stream **ret_s,
    struct err *e) WARN_UNUSED;

struct channel_facts channel_stream_facts(const struct channel_stream *s);
void channel_stream_set_cap(struct channel_stream *s, uint64_t cap);
/* End it now if it is not over yet; what was not posted yet is not posted any more.
 * NULL is fine. */
void channel_stream_free(struct channel_stream *s);
/* The key as text for logs: the first 8 hex digits. */
void channel_key_text(const uint8_t key[CHANNEL_KEY_BYTES], char out[9]);
