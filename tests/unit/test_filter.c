#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "server/api/filter.h"
#include "server/db/db_fake.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"

/* A datacenter with a cluster, a host h2 and a machine "web-01" on it. */
struct fixture {
	struct loop *loop;
	struct db *db;
	struct inv *inv;
	obj_id vm;
	bool stored;
};

static void
on_stored(void *arg, int rc, const struct err *e)
{
	assert_int_equal(rc, 0);
	((struct fixture *)arg)->stored = true;
}

static void *
add(struct txn *t, enum obj_kind kind, obj_id parent, const char *name)
{
	struct err e = ERR_INIT;
	void *o = NULL;

	assert_int_equal(txn_add(t, kind, parent, name, &o, &e), 0);
	return o;
}

static int
set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->loop = loop_new(clock_system());
	f->db = db_fake_new(f->loop, 1000);
	f->inv = inv_new(f->loop, f->db);
	struct txn *t = txn_new(f->inv);
	struct datacenter *dc = add(t, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	struct cluster *cl = add(t, KIND_CLUSTER, dc->o.id, "prod");
	struct host *h = add(t, KIND_HOST, cl->o.id, "h2");
	struct pool *p = add(t, KIND_POOL, cl->o.id, "Resources");
	struct vm *vm = add(t, KIND_VM, dc->o.id, "web-01");
	vm->host = h->o.id;
	vm->pool = p->o.id;
	vm->memory_mb = 4096;
	vm->num_cpu = 2;
	vm->power_state = POWER_OFF;
	vm->ip_address = xstrdup("10.0.0.17");
	f->vm = vm->o.id;
	txn_commit(t, on_stored, f);
	while (!f->stored)
		loop_turn(f->loop, 100);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	inv_free(f->inv);
	db_free(f->db);
	loop_free(f->loop);
	free(f);
	return 0;
}

static const struct {
	const char *q;
	bool hit;
} cases[] = {
	{ "", true },
	{ "web", true },
	{ "WEB-0?", true },
	{ "db", false },
	{ "web|db", true },
	{ "vm-1", true },
	{ "10.0.0.17", true },
	{ "-web", false },
	{ "-db web", true },
	{ "power:off", true },
	{ "power:powered_off", true },
	{ "power:on", false },
	{ "power:on|off", true },
	{ "mem>4gb", false },
	{ "mem>=4gb", true },
	{ "memory_mb<4097", true },
	{ "num_cpu>=2 num_cpu<=2", true },
	{ "host:h2", true },
	{ "host:host-1", true },
	{ "host:h1", false },
	{ "cluster:prod", true },
	{ "cluster:test", false },
	{ "datacenter:dc1", true },
	{ "\"web-01\"", true },
	{ "name:\"web 01\"", false },
};

static void
terms_match(void **state)
{
	const struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(filter) struct filter *fl = NULL;
		struct err e = ERR_INIT;
		if (filter_parse(cases[i].q, KIND_VM, &fl, &e) < 0)
			fail_msg("\"%s\": %s", cases[i].q, e.msg);
		if (filter_match(fl, f->inv, inv_get(f->inv, f->vm)) != cases[i].hit)
			fail_msg("\"%s\" should%s match", cases[i].q,
			    cases[i].hit ? "" : " not");
	}
}

static void
bad_filters_are_refused(void **state)
{
	static const struct {
		const char *q, *says;
	} bad[] = {
		{ "colour:red", "no field \"colour\"" },
		{ "num_cpu>many", "num_cpu" },
		{ "notes>4", "number" },
		{ "\"open", "quote" },
		{ "password_hash:x", "no field" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct filter *fl = NULL;
		struct err e = ERR_INIT;
		assert_int_equal(filter_parse(bad[i].q, KIND_VM, &fl, &e), ERR_INVALID);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("\"%s\" says: %s", bad[i].q, e.msg);
	}
}

static void
lengths_are_bounded(void **state)
{
	AUTO(str) struct str q = STR_INIT;
	struct filter *fl = NULL;
	struct err e = ERR_INIT;

	for (int i = 0; i <= FILTER_MAX_TERMS; i++)
		str_add(&q, "a ");
	assert_int_equal(filter_parse(q.s, KIND_VM, &fl, &e), ERR_INVALID);
	while (q.len <= FILTER_MAX_TEXT)
		str_addc(&q, 'a');
	assert_int_equal(filter_parse(q.s, KIND_VM, &fl, &e), ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(terms_match, set_up, tear_down),
		cmocka_unit_test(bad_filters_are_refused),
		cmocka_unit_test(lengths_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
