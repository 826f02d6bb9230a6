/*
 * inv_custspec: how a clone is made its own, as the inventory has it (inv.h).
 */
#pragma once
#include "server/inventory/inv.h"

struct custspec { /* parent: none; how a clone is made its own */
	struct obj o;
	char *host_name;    /* "{name}" is the machine's; "" = {name} */
	char *domain, *dns; /* dns: "10.0.0.1,10.0.0.2"; "": the network's */
	char *address_mode; /* "network" (from its range), "dhcp" or "none" */
	char *ssh_keys, *user_name, *user_data, *notes;
};
