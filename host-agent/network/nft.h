/*
 * nft: rules of the kernel's packet filter (nf_tables, family bridge), in batches that
 * come into force as a whole or not at all.
 *
 * One table of ours, "drover", and in it a chain for each port, which a map leads to by
 * the port's name.  For this folder only.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "host-agent/network/nl_int.h"

#define NFT_TESTS_MAX 4
#define NFT_VALUE_MAX 8

enum nft_place { NFT_NOWHERE, NFT_LINK, NFT_NETWORK, NFT_TRANSPORT, NFT_PROTOCOL };

enum nft_how { NFT_IS, NFT_IS_NOT };

/* So many bytes at that offset of that header; NFT_PROTOCOL: the transport's number. */
struct nft_test {
	enum nft_place at;
	uint8_t offset, len;
	enum nft_how how;
	uint8_t value[NFT_VALUE_MAX];
};

enum nft_fate { NFT_FATE_DROP, NFT_FATE_ACCEPT };

/* Of a frame that passes all tests, up to the first one that is NFT_NOWHERE. */
struct nft_rule {
	struct nft_test tests[NFT_TESTS_MAX];
	enum nft_fate fate;
};

struct nft_batch {
	struct str bytes;
	uint32_t n;     /* messages */
	size_t last_at; /* where the newest begins */
};

void nft_begin(struct nft_batch *b);
/* The table, the map and the chain at which all frames come in; what is there already
 * is left alone. */
void nft_put_base(struct nft_batch *b);
void nft_del_base(struct nft_batch *b);
/* An empty chain for port, whether there was one or not. */
void nft_put_chain(struct nft_batch *b, const char *port);
void nft_put_rule(struct nft_batch *b, const char *port, const struct nft_rule *r);
/* What comes from port goes to its chain. */
void nft_put_jump(struct nft_batch *b, const char *port);
void nft_del_jump(struct nft_batch *b, const char *port);
void nft_del_chain(struct nft_batch *b, const char *port);
/* ERR_NOT_FOUND: there is none for port. */
int nft_find_chain(struct nl_sock *sock, const char *port, struct err *e) WARN_UNUSED;
/* Send it, and leave it empty.  ERR_UNSUPPORTED: this kernel has no such rules.  One
 * that is refused takes 10 to 20 ms: the kernel waits for who may see what it undoes.
 */
int nft_commit(struct nl_sock *sock, struct nft_batch *b, struct err *e) WARN_UNUSED;
