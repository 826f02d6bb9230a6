#include <stdio.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "server/inventory/caller.h"
#include "server/inventory/txn_int.h"

void
txn_audit(struct txn *t, const struct caller *who, const char *action, obj_id entity,
    const char *entity_name, int rc, const char *detail)
{
	char at[24], user[OBJ_ID_TEXT], id[OBJ_ID_TEXT];
	snprintf(at, sizeof(at), "%llu",
	    (unsigned long long)clock_wall_ms(loop_clock(t->inv->loop)));
	txn_sql(t, STMT_AUDIT_ADD, 10,
	    (const char *const[]){
		at,
		who && !obj_id_none(who->user) ? obj_id_text(who->user, user) : NULL,
		who ? who->name : "server",
		who ? who->address : "",
		who ? who->request_id : "",
		action,
		obj_id_none(entity) ? NULL : obj_id_text(entity, id),
		entity_name ? entity_name : "",
		err_name(rc),
		detail,
	    });
}
