/*
 * capacity: how many more guests of one size a cluster takes.
 *
 * With one host allowed to be lost, so many that the guests of any one host still fit
 * on the others, each as a whole; the bound only adds up what is free.
 */
#pragma once
#include <stdint.h>

struct bal;

struct capacity_ask {
	double mem, cpu;   /* MB, MHz of one; no MHz: CPU is not asked for */
	uint32_t failures; /* hosts that may be lost: 0 or 1 */
};

struct capacity {
	uint32_t count; /* how many */
	uint32_t bound; /* no way of placing them could hold more */
	uint32_t *on;   /* how many of them on each host; in the run's arena */
};

/* Of a bal_init()ed run, which is left as it was. */
struct capacity capacity_find(const struct bal *b, const struct capacity_ask *ask);
/* The best host for one more, or BAL_NONE.  With a certificate it stays valid for all
 * who are there, and the new one has a place too. */
uint32_t capacity_place(const struct bal *b, double mem, double cpu);
