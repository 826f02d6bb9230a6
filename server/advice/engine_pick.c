#include "server/advice/engine_pick.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#define CHOICES  3
#define WHYS_MAX 160u /* bytes of them that go into an error */

/* Best first; the last runs what is invented. */
static const char *const choices[guest_type_COUNT_][CHOICES] = {
	[GUEST_MACHINE] = { "qemu", "libvirt", "sim" },
	[GUEST_CONTAINER] = { "oci", "sim" },
};

static const json *
named(const json *list, const char *name)
{
	for (size_t i = 0; list && i < json_count(list); i++) {
		const json *j = json_at(list, i), *its = json_get(j, "name");
		if (its && str_same(json_str_value(its, NULL), name))
			return j;
	}
	return NULL;
}

static const json *
engine_named(const struct host *h, const char *name)
{
	return named(h->engines, name);
}

static bool
is_true(const json *j, const char *key)
{
	const json *v = j ? json_get(j, key) : NULL;

	return v && json_bool_value(v);
}

static bool
is_usable(const struct host *h, const char *name)
{
	return is_true(engine_named(h, name), "usable");
}

bool
engine_is_able(const struct host *h, const char *name, const char *capability)
{
	const json *en = name ? engine_named(h, name) : NULL;
	const json *all = en ? json_get(en, "capabilities") : NULL;

	return is_true(named(all, capability), "able");
}

const char *
engine_why_not(const struct host *h, const char *name)
{
	const json *en = engine_named(h, name);
	const json *why = en ? json_get(en, "why_not") : NULL;
	const char *s =
	    why && json_what(why) == JSON_IS_STR ? json_str_value(why, NULL) : NULL;

	return s && s[0] ? s : NULL;
}

static size_t
rank_on(const struct host *h, enum guest_type type)
{
	size_t i = 0;

	while (i < CHOICES && choices[type][i] && !is_usable(h, choices[type][i]))
		i++;
	return i < CHOICES && choices[type][i] ? i : CHOICES;
}

const char *
engine_of_host(const struct host *h, enum guest_type type)
{
	size_t rank = rank_on(h, type);

	return rank < CHOICES ? choices[type][rank] : NULL;
}

/* ": host-1: runc is not installed; host-2 …" */
static void
add_why(struct str *whys, const struct host *h, const char *engine)
{
	const char *why = engine_why_not(h, engine);

	if (whys->len > WHYS_MAX)
		return;
	str_addf(whys, "%s%.40s: %.100s", whys->len ? "; " : ": ", h->o.name,
	    why ? why : "it has none");
}

int
engine_of_cluster(const struct inv *inv, obj_id cluster, enum guest_type type,
    const char **ret_name, struct err *e)
{
	AUTO(str) struct str whys = STR_INIT;
	size_t best = CHOICES;

	INV_EACH(inv, KIND_HOST, o)
	{
		const struct host *h = inv_host(inv, o->id);
		if (!obj_id_is(o->parent, cluster))
			continue;
		size_t rank = rank_on(h, type);
		best = rank < best ? rank : best;
		add_why(&whys, h, choices[type][0]);
	}
	if (best == CHOICES) {
		return err_set(e, ERR_NO_CAPACITY,
		    "no host of cluster \"%s\" has a usable %s engine%s",
		    inv_name(inv, cluster), choices[type][0], str_cstr(&whys));
	}
	*ret_name = choices[type][best];
	return 0;
}
