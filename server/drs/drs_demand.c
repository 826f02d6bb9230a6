#include "server/drs/drs_demand.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/str.h"
#include "server/db/db.h"
#include "server/drs/drs_past.h"
#include "server/inventory/txn.h"

void
drs_demand_put(struct txn *t, const struct map *past, uint64_t slot, uint64_t quarter)
{
	AUTO(str) struct str most = STR_INIT;
	char key[24], oldest[24];

	MAP_EACH(past, it) {
		uint32_t mhz = drs_past_most(it.value, slot);
		if (mhz)
			str_addf(&most, "%s%" PRIu64 ":%" PRIu32, most.len ? " " : "",
			    obj_id_number((obj_id){ it.key }), mhz);
	}
	snprintf(key, sizeof(key), "%" PRIu64, quarter);
	snprintf(oldest, sizeof(oldest), "%" PRIu64, quarter - DRS_SLOTS);
	txn_sql(t, STMT_DEMAND_PUT, 2, (const char *[]){ key, str_cstr(&most) });
	txn_sql(t, STMT_DEMAND_PRUNE, 1, (const char *[]){ oldest });
}

void
drs_demand_read(const char *most, drs_demand_fn each, void *arg)
{
	while (*most) {
		char *end;
		unsigned long long number = strtoull(most, &end, 10), mhz;

		if (end == most || *end != ':')
			return;
		most = end + 1;
		mhz = strtoull(most, &end, 10);
		if (end == most || mhz > UINT32_MAX)
			return;
		each(arg, obj_id_make(KIND_VM, number), (uint32_t)mhz);
		most = *end == ' ' ? end + 1 : end;
	}
}
