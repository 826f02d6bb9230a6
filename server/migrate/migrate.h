/*
 * migrate: moving a machine to another host, another datastore, or both.
 *
 * The verb is vm.migrate (ops.h). docs/migration.md tells what moves and what the
 * reasons mean, docs/data-flows.md how it goes.
 */
#pragma once
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "server/ops/op_def.h"

extern const struct op_def migrate_defs[];

/* What a move is judged by. */
struct mig_env {
	const struct inv *inv;
	struct hosts *hosts;
	struct advice *advice;
	obj_id task; /* that asks, and is not in its own way; or none */
};

/* POST /vms/{id}/migrate-check: the body as of migrate. Nothing is changed. */
int migrate_check_request(const struct mig_env *env, obj_id id, const json *body,
    json **ret_j, struct err *e) WARN_UNUSED;
