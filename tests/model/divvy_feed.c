/*
 * What divvy makes of trees on standard input, a line each:
 *
 *   CAPACITY N, and N times PARENT KIND RESERVATION LIMIT SHARES DEMAND
 *
 * PARENT is a place in the tree or -1, KIND 0 a guest and 1 a pool, LIMIT -1 none.  A
 * line of N times WANT FLOOR ENTITLEMENT comes of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "scheduler/divvy.h"

static void
read_node(struct divvy_node *d, uint64_t id)
{
	int64_t parent, limit;
	unsigned kind;

	if (scanf("%" SCNd64 "%u%" SCNu64 "%" SCNd64 "%" SCNu64 "%" SCNu64, &parent,
		&kind, &d->reservation, &limit, &d->shares, &d->demand) != 6) {
		fputs("a node is cut off\n", stderr);
		exit(2);
	}
	d->id = id + 1;
	d->parent = parent < 0 ? DIVVY_ROOT : (uint32_t)parent;
	d->kind = kind ? DIVVY_POOL : DIVVY_GUEST;
	d->limit = limit < 0 ? DIVVY_NO_LIMIT : (uint64_t)limit;
}

static void
print_node(const struct divvy_node *d)
{
	printf(
	    "%" PRIu64 " %" PRIu64 " %" PRIu64 " ", d->want, d->floor, d->entitlement);
}

int
main(void)
{
	struct err e = ERR_INIT;
	uint64_t capacity;
	size_t n;

	while (scanf("%" SCNu64 "%zu", &capacity, &n) == 2 && n <= DIVVY_MAX_NODES) {
		AUTO_FREE struct divvy_node *nodes = xcalloc(n + 1, sizeof(*nodes));

		for (size_t i = 0; i < n; i++)
			read_node(&nodes[i], i);
		if (divvy(nodes, n, capacity, NULL, &e)) {
			fprintf(stderr, "%s\n", e.msg);
			return 1;
		}
		for (size_t i = 0; i < n; i++)
			print_node(&nodes[i]);
		putchar('\n');
	}
	return 0;
}
