#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "server/ops/chain_plan.h"

/*
 * A chain is written as the letters of its images, the top first; a capital letter is a
 * template's image.  A '-' before it: that user goes.  The first one is the machine.
 */
struct row {
	const char *name;
	const char *states[8];
	/* "b>a" merges b into a, "b>a!" in the machine's chain, "b>a(cd)" with others;
	 * "-c" drops c; then the chains. */
	const char *expected;
};

static const char *const paths[] = { "vms/vm-1/a", "vms/vm-1/b", "vms/vm-1/c",
	"vms/vm-1/d", "vms/vm-1/e", "vms/vm-1/f" };

static struct layer_ref
ref_of(char letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return (struct layer_ref){ "templates/template-1/T", "qcow2" };
	return (struct layer_ref){ paths[letter - 'a'], "qcow2" };
}

static char
letter_of(const struct layer_ref *r)
{
	return r->path[strlen(r->path) - 1];
}

static void
print_plan(const struct chain_plan *p, size_t n, struct str *out)
{
	for (size_t i = 0; i < p->n_merges; i++) {
		const struct chain_merge *m = &p->merges[i];

		str_addf(out, "%c>%c%s", letter_of(&m->upper), letter_of(&m->lower),
		    m->in_use ? "!" : "");
		for (size_t k = 0; k < m->n_others; k++)
			str_addf(out, "%s%c%s", k ? "" : "(", letter_of(&m->others[k]),
			    k + 1 == m->n_others ? ")" : "");
		str_add(out, " ");
	}
	for (size_t i = 0; i < p->n_drops; i++)
		str_addf(out, "-%c ", letter_of(&p->drops[i]));
	str_add(out, "|");
	for (size_t s = 0; s < n; s++) {
		str_add(out, " ");
		for (size_t i = 0; i < p->chains[s].n; i++)
			str_addc(out, letter_of(&p->chains[s].v[i]));
	}
	if (p->hides)
		str_add(out, " hides");
}

static const struct row rows[] = {
	{ "nothing goes", { "baT", "aT" }, "| baT aT" },
	{ "the only snapshot goes", { "ba", "-a" }, "b>a! | a " },
	{ "on a template", { "baT", "-aT" }, "b>a! | aT " },
	{ "the middle of three", { "cba", "a", "-ba" }, "c>b! | ba a " },
	{ "the lowest of three", { "cba", "-a", "ba" }, "b>a! | ca  a" },
	{ "all at once, each content once", { "dcba", "-a", "-ba", "-cba" },
	    "b>a! c>a! d>a! | a   " },
	{ "a leaf that the machine does not use", { "ca", "a", "-ba" }, "-b | ca a " },
	{ "one of two branches: it hides", { "ca", "-a", "ba" }, "| ca  ba hides" },
	{ "then the other branch goes", { "ca", "-a", "-ba" }, "c>a! -b | a  " },
	{ "a branch that is not in use merges too", { "da", "a", "cba", "-ba" },
	    "c>b | da a ba " },
	{ "with others on the one that goes",
	    { "fa", "a", "-ba", "cba", "dcba", "ecba" }, "c>b(de) | fa a  ba dba eba" },
	{ "others beside the machine's own chain", { "dba", "-a", "ba", "cba" },
	    "b>a!(c) | da  a ca" },
	{ "a disk that came after the snapshot", { "a", "-" }, "| a " },
	{ "a disk that was taken out since", { "", "-a" }, "-a |  " },
	{ "children and all", { "da", "a", "-ba", "-cba" }, "-c -b | da a  " },
	{ "a template alone", { "T" }, "| T" },
};

static void
plan_row(const struct row *r, struct str *out)
{
	AUTO(arena) struct arena *a = arena_new();
	struct chain_state states[8] = { { .gone = false } };
	struct chain_plan p;
	struct err e = ERR_INIT;
	size_t n = 0;

	for (; n < 8 && r->states[n]; n++) {
		const char *s = r->states[n];

		states[n].gone = *s == '-';
		for (s += states[n].gone; *s; s++)
			states[n].chain.v[states[n].chain.n++] = ref_of(*s);
	}
	if (chain_plan(a, states, n, &p, &e))
		fail_msg("%s: %s", r->name, e.msg);
	print_plan(&p, n, out);
}

static void
plans_are_as_in_the_table(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO(str) struct str out = STR_INIT;

		plan_row(&rows[i], &out);
		if (!str_same(str_cstr(&out), rows[i].expected))
			fail_msg("%s: got \"%s\", expected \"%s\"", rows[i].name,
			    str_cstr(&out), rows[i].expected);
	}
}

static void
users_that_disagree_are_refused(void **state)
{
	AUTO(arena) struct arena *a = arena_new();
	struct chain_state states[2] = {
		{ .chain = { 2, { ref_of('b'), ref_of('a') } } },
		{ .chain = { 2, { ref_of('b'), ref_of('c') } }, .gone = true },
	};
	struct chain_plan p;
	struct err e = ERR_INIT;

	assert_int_equal(chain_plan(a, states, 2, &p, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.msg, "vms/vm-1/b"));
}

/* Whatever goes: what stays keeps all of its content, and no image is lost or double.
 */
static void
every_image_ends_once(void **state)
{
	for (unsigned gone = 0; gone < 16; gone++) {
		AUTO(arena) struct arena *a = arena_new();
		struct chain_state states[5] = {
			{ .chain = { 3, { ref_of('e'), ref_of('b'), ref_of('a') } } },
			{ .chain = { 1, { ref_of('a') } } },
			{ .chain = { 2, { ref_of('b'), ref_of('a') } } },
			{ .chain = { 3, { ref_of('c'), ref_of('b'), ref_of('a') } } },
			{ .chain = { 4, { ref_of('d'), ref_of('c'), ref_of('b'),
					    ref_of('a') } } },
		};
		unsigned ends[5] = { 0 };
		struct chain_plan p;
		struct err e = ERR_INIT;

		for (unsigned s = 0; s < 4; s++)
			states[s + 1].gone = gone >> s & 1;
		assert_int_equal(chain_plan(a, states, 5, &p, &e), 0);
		for (size_t i = 0; i < p.n_merges; i++)
			ends[letter_of(&p.merges[i].upper) - 'a']++;
		for (size_t i = 0; i < p.n_drops; i++)
			ends[letter_of(&p.drops[i]) - 'a']++;
		for (unsigned i = 0; i < 5; i++) {
			bool used = false;

			for (size_t s = 0; s < 5; s++)
				for (size_t k = 0; k < p.chains[s].n; k++)
					used |= letter_of(&p.chains[s].v[k]) ==
						(char)('a' + i);
			assert_int_equal(ends[i] + used, 1);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_are_as_in_the_table),
		cmocka_unit_test(users_that_disagree_are_refused),
		cmocka_unit_test(every_image_ends_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
