/*
 * Which orders move a guest, and what each may do in which state.
 */
#include "host-agent/guest/guest_order.h"

const struct order_verb guest_move_verbs[] = {
	{ .check = NULL },
};
