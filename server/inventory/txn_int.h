/*
 * txn_int: a transaction from inside: gathering (txn.c) and sending (txn_send.c).
 */
#pragma once
#include "base/list.h"
#include "server/db/db.h"
#include "server/inventory/inv_int.h"
#include "server/inventory/txn.h"

struct txn_item {
	enum change_kind kind;
	bool renamed;
	struct obj *obj;  /* what it shall be */
	struct obj *base; /* CHANGE_SET: what it was when the edit began */
	uint64_t mask;    /* CHANGE_SET: fields that differ, known when it is sent */
};

struct txn_part_of {
	const struct txn_part *part;
	void *data;
};

struct txn {
	uint32_t magic;
	struct list_node node; /* in inv->sent */
	struct inv *inv;
	struct txn_item *items;
	size_t n_items;
	struct txn_part_of *parts;
	size_t n_parts;
	struct db_txn *extra; /* plain statements */
	char **keys;          /* names that it holds in inv->reserved */
	size_t n_keys;
	obj_id *leaving; /* what it holds in inv->leaving */
	size_t n_leaving;
	obj_id *arrivals; /* parents whose inv->arriving it has raised */
	size_t n_arrivals;
	char *by;       /* whose wish it is, or NULL */
	struct err err; /* why it cannot be sent */
	txn_fn done;
	void *arg;
	struct wake wake;
};

#define TXN_MAGIC 0x74786e5fu

/* Give back names, deletions and arrivals. */
void txn_release(struct txn *t);
