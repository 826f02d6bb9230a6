#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/db/db_pg_int.h"

static const char *const columns[] = { "name", "num_cpu" };
static const char *const values[] = { "a", "4" };

static void
test_rows(void **state)
{
	AUTO(str) struct str buf = STR_INIT;
	struct db_txn *t = db_txn_new();
	assert_true(db_txn_empty(t));
	db_txn_insert(t, "vms", "vm-1", 2, columns, values);
	db_txn_update(t, "vms", "vm-1", 2, columns, values);
	db_txn_put(t, "counters", "vm", 1, columns, values);
	db_txn_delete(t, "vms", "vm-1");
	static const char *const wanted[] = {
		"INSERT INTO \"vms\" (id, \"name\", \"num_cpu\") VALUES ($1, $2, $3)",
		"UPDATE \"vms\" SET \"name\" = $2, \"num_cpu\" = $3 WHERE id = $1",
		"INSERT INTO \"counters\" (id, \"name\") VALUES ($1, $2)"
		" ON CONFLICT (id) DO UPDATE SET \"name\" = $2",
		"DELETE FROM \"vms\" WHERE id = $1",
	};
	assert_int_equal(t->n, ARRAY_SIZE(wanted));
	for (size_t i = 0; i < t->n; i++)
		assert_string_equal(db_sql_of(&t->ops[i], false, &buf), wanted[i]);
	assert_string_equal(db_sql_of(&t->ops[0], true, &buf),
	    "SELECT \"name\", \"num_cpu\" FROM \"vms\"");
	db_txn_free(t);
}

/* The highest $n in a statement. */
static unsigned
highest_parameter(const char *sql)
{
	unsigned highest = 0;
	for (const char *p = strchr(sql, '$'); p; p = strchr(p + 1, '$')) {
		unsigned n = (unsigned)strtoul(p + 1, NULL, 10);
		highest = n > highest ? n : highest;
	}
	return highest;
}

static void
test_statements_name_their_parameters(void **state)
{
	for (enum stmt s = 0; s < STMT_COUNT_; s++)
		assert_int_equal(
		    highest_parameter(db_stmt_of(s)->sql), db_stmt_of(s)->n_params);
}

static void
test_what_failures_mean(void **state)
{
	static const struct {
		const char *state;
		int code;
	} wanted[] = {
		{ "DR001", ERR_STALE },
		{ "DR002", ERR_UNAVAILABLE },
		{ "DR003", ERR_DENIED },
		{ "23505", ERR_EXISTS },
		{ "23502", ERR_INVALID },
		{ "22003", ERR_INVALID },
		{ "57P01", ERR_UNAVAILABLE },
		{ "53100", ERR_UNAVAILABLE },
		{ "25006", ERR_UNAVAILABLE },
		{ "25001", ERR_INTERNAL },
		{ "42P01", ERR_INTERNAL },
		{ "", ERR_UNAVAILABLE },
		{ NULL, ERR_UNAVAILABLE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		assert_int_equal(db_error_code(wanted[i].state), wanted[i].code);
}

static void
test_appended_statements_come_last(void **state)
{
	struct db_txn *t = db_txn_new(), *more = db_txn_new();
	db_txn_delete(t, "vms", "vm-1");
	db_txn_stmt(more, STMT_SETTING_SET, 2, values);
	db_txn_append(t, more);
	db_txn_append(t, NULL);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->ops[1].kind, DB_OP_STMT);
	assert_string_equal(t->ops[1].values[1], "4");
	db_txn_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_statements_name_their_parameters),
		cmocka_unit_test(test_what_failures_mean),
		cmocka_unit_test(test_appended_statements_come_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
