/*
 * follower_int: what the files of follower/ share.
 *
 * follower.c keeps agents' links, follower_front.c answers over HTTPS.
 */
#pragma once
#include "base/list.h"
#include "server/follower/follower.h"
#include "server/front/front.h"
#include "server/leader/leader.h"

struct follower {
	uint32_t magic;
	struct loop *loop;
	const struct leader *leader; /* NULL: not known yet */
	struct front *front;
	struct link_listener *listener;
	struct list conns;
	struct timer *tick;
	uint32_t beat_ms;
};

#define FOLLOWER_MAGIC 0x666f6c6cu

/* Of the API's, "host:port"; "" while nobody is known to lead. */
const char *follower_leader_api(const struct follower *fo);
extern const struct front_events follower_front_events; /* arg is the follower */
