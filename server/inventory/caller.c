#include "server/inventory/caller.h"

const struct caller caller_server = {
	.name = "drover",
	.role = ROLE_ADMINISTRATOR,
	.address = "local",
	.request_id = "r-server",
};
