/*
 * stat_self: the server itself among what is counted.
 *
 * Each server that leads is an object of the inventory, known by its name; one that
 * leads again goes on where it stopped.  Core thread.
 */
#pragma once
#include <stdint.h>

struct stats;

/* What those above know; its arg is theirs. */
struct stat_self_api {
	uint64_t (*requests)(void *arg); /* that were answered, so far */
	uint64_t (*watches)(void *arg);  /* open */
};

/* NULL: nobody any more. */
void stats_set_api(struct stats *s, const struct stat_self_api *api, void *arg);
