#include "server/leader/leader_json.h"

#include "base/clock.h"
#include "server/leader/leader.h"

json *
leader_json(const struct leader *ld)
{
	const struct leader_seen *seen = leader_seen(ld);
	json *j = json_new_object();
	char buf[32];

	json_set_str(j, "state", leader_status(ld));
	json_set_u64(j, "epoch", seen->epoch);
	json_set_str(j, "holder", seen->epoch ? seen->holder : NULL);
	json_set_str(j, "address", *seen->api ? seen->api : NULL);
	json_set_str(j, "agents_address", *seen->agents ? seen->agents : NULL);
	json_set_str(j, "since", seen->epoch ? clock_text(seen->since_ms, buf) : NULL);
	return j;
}
