#include "base/assert.h"
#include "server/db/db_int.h"

static const struct db_stmt stmts[] = {
#define STMT(name, n, sql) [STMT_##name] = { #name, n, sql },
#include "server/db/stmt.def"
#undef STMT
};

const struct db_stmt *
db_stmt_of(enum stmt stmt)
{
	ASSERT(stmt < STMT_COUNT_);
	return &stmts[stmt];
}
