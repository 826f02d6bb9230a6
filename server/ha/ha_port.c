/*
 * Does the application of a guest answer?  Asked from here, by connecting to its port:
 * a guest that others wait for has to be within the servers' reach.
 */
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/connect_int.h"
#include "server/ha/ha_int.h"

#define TRY_MAGIC 0x706f7274u
#define ANSWER_MS 1000u
#define AGAIN_MS  2000u
#define HOLDS_MS  30000u /* that it has answered */

struct ha_try {
	uint32_t magic;
	struct ha *ha;
	obj_id vm;
	struct connecting *connecting;
};

void
ha_port_forget(struct ha_guest *g)
{
	if (!g->trying)
		return;
	connect_free(g->trying->connecting);
	free(g->trying);
	g->trying = NULL;
}

static void
on_connected(int fd, const struct err *why, void *arg)
{
	const struct ha_try *t = CAST_OBJ(ha_try, arg, TRY_MAGIC);
	struct ha *ha = t->ha;
	struct ha_guest *g = ha_guest_of(ha, t->vm);

	ha_port_forget(g);
	if (fd < 0)
		return;
	close(fd);
	g->port_ms = ha_now_ms(ha);
	ha_look_soon(ha);
}

bool
ha_port_answers(const struct ha *ha, const struct ha_guest *g)
{
	return g->port_ms && g->port_ms >= g->g.ordered_ms &&
	       ha_now_ms(ha) - g->port_ms < HOLDS_MS;
}

void
ha_port_try(struct ha *ha, struct ha_guest *g)
{
	const struct vm *vm = inv_vm(ha->o.inv, g->id);
	uint64_t ago_ms = ha_now_ms(ha) - g->tried_ms;

	if (ago_ms >= ANSWER_MS)
		ha_port_forget(g);
	if (!vm->ha_ready_port || !vm->ip_address || g->trying || ago_ms < AGAIN_MS ||
	    ha_port_answers(ha, g))
		return;
	g->tried_ms = ha_now_ms(ha);
	g->trying = xcalloc(1, sizeof(*g->trying));
	*g->trying = (struct ha_try){ TRY_MAGIC, ha, g->id, NULL };
	g->trying->connecting = connect_start(ha->loop, vm->ip_address,
	    (uint16_t)vm->ha_ready_port, on_connected, g->trying);
}
