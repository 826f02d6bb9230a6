/*
 * fan: one cmdlet on several servers (see sites.h).
 */
#include <string.h>

#include "shell/inventory.h"
#include "shell/sites.h"

#define PLACES                                                         \
	(KIND_BIT(DATACENTER) | KIND_BIT(FOLDER) | KIND_BIT(CLUSTER) | \
	    KIND_BIT(HOST) | KIND_BIT(POOL))

struct visit {
	struct site *site;
	void *state;
};

struct fan {
	void *first_state; /* of the stage, unused */
	struct visit v[MAX_SITES];
	unsigned n;
	bool more;        /* other servers are asked after this one */
	struct val found; /* names that one of them had */
};

/* What one call means, server by server. */
struct meaning {
	struct site *site[MAX_SITES];
	unsigned n;
	struct val *args[MAX_SITES]; /* as the stage's, with what is of that server */
	int lacks[MAX_SITES]; /* 1 + the parameter of which nothing is there; 0: none */
	bool spoken;          /* some argument means objects */
};

bool
fan_is_wanted(const struct stage *st)
{
	return st->is_servers &&
	       (st->sh->n_sites > 1 || st->common_given[COMMON_SERVER]);
}

void
fan_new(struct stage *st)
{
	st->fan = xcalloc(1, sizeof(*st->fan));
	st->fan->first_state = st->state;
	st->fan->found = val_list();
}

void
fan_free(struct stage *st)
{
	struct fan *f = st->fan;

	for (unsigned i = 0; i < f->n; i++) {
		st->state = f->v[i].state;
		if (st->cmd->ops->fini)
			st->cmd->ops->fini(st);
		free(st->state);
	}
	st->state = f->first_state;
	val_free(f->found);
	free(f);
	st->fan = NULL;
}

bool
fan_lacks(struct stage *st, const char *name, bool is_here)
{
	struct fan *f = st->fan;

	if (is_here) {
		list_push(f->found.list, val_text(name));
		return false;
	}
	for (size_t i = 0; i < val_count(f->found); i++)
		if (str_same(val_at(f->found, i).text->s, name))
			return false;
	return !f->more;
}

/* More kinds than the parameter may take do no harm: the cmdlet looks closer. */
static unsigned
kinds_of(const struct param *p)
{
	unsigned own = 1u << p->kind;

	if (p->kind == KIND_NONE)
		return 0;
	if (!strcmp(p->name, "Location") || !strcmp(p->name, "Entity") ||
	    !strcmp(p->name, "VIObject"))
		return own | TAGGED;
	return own & PLACES ? PLACES : own;
}

/* Is a value of this server, or none of any? */
static bool
is_here(struct stage *st, const struct param *p, struct val v, const struct site *s)
{
	unsigned kinds = p ? kinds_of(p) : 0;

	if (v.type == VAL_TABLE)
		return !v.table->from || str_same(v.table->from->s, s->label->s);
	if (!kinds || p->type != P_OBJECTS)
		return true;
	return name_is_known(st->sh, v, kinds);
}

/* The servers that have it, as bits; a name that nobody has is the first one's to
 * miss. */
static unsigned
servers_of(
    struct stage *st, const struct meaning *m, const struct param *p, struct val v)
{
	unsigned mask = 0;

	for (unsigned s = 0; s < m->n; s++) {
		st->sh->site = m->site[s];
		if (is_here(st, p, v, m->site[s]))
			mask |= 1u << s;
	}
	return mask || v.type == VAL_TABLE ? mask : 1;
}

static bool
speaks_of_objects(const struct param *p, struct val v)
{
	if (p->type == P_OBJECTS)
		return val_count(v) > 0;
	for (size_t i = 0; i < val_count(v); i++)
		if (val_at(v, i).type == VAL_TABLE && val_at(v, i).table->from)
			return true;
	return false;
}

/* The parameter that says what is acted on; -1: none was given. */
static int
primary_of(const struct stage *st)
{
	for (int i = 0; st->cmd->params[i].name; i++)
		if (st->cmd->params[i].flags & P_PIPE &&
		    speaks_of_objects(&st->cmd->params[i], st->args[i]))
			return i;
	return -1;
}

/* A new thing is made once, wherever its surroundings have namesakes. */
static enum run
check_unique(struct stage *st, unsigned mask, struct val v)
{
	AUTO_FREE char *text = val_cstr(v);

	if (!(mask & (mask - 1)) || !str_starts(st->cmd->name, "New-"))
		return RUN_OK;
	return throw_new(st->sh, st->node, ERR_INVALID,
	    "several servers have \"%.60s\"; say which with -Server", text);
}

/* One parameter's values to the servers that they are of; look: names are looked for.
 */
static enum run
share_out(struct stage *st, struct meaning *m, size_t i, bool look)
{
	const struct param *p = &st->cmd->params[i];
	struct val v = st->args[i];
	bool is_list = v.type == VAL_LIST;

	m->spoken = true;
	for (unsigned s = 0; s < m->n; s++)
		m->args[s][i] = is_list ? val_list() : VAL_NONE;
	for (size_t k = 0; k < val_count(v); k++) {
		struct val one = val_at(v, k);
		unsigned mask = servers_of(st, m, look ? p : NULL, one);
		AUTO_FREE char *text = val_cstr(one);
		if (!mask)
			return throw_new(st->sh, st->node, ERR_BAD_STATE,
			    "\"%.60s\" is of server %.80s, which is not one of those "
			    "that are meant",
			    text, one.table->from->s);
		if (look && check_unique(st, mask, one) != RUN_OK)
			return RUN_THROW;
		for (unsigned s = 0; s < m->n; s++) {
			if (!(mask & 1u << s))
				continue;
			if (is_list)
				list_push(m->args[s][i].list, val_ref(one));
			else
				m->args[s][i] = val_ref(one);
		}
	}
	for (unsigned s = 0; s < m->n; s++)
		if (!m->lacks[s] && !val_count(m->args[s][i]))
			m->lacks[s] = (int)i + 1;
	return RUN_OK;
}

static enum run
understand(struct stage *st, struct meaning *m)
{
	int primary = primary_of(st);
	size_t n = 0;
	enum run rc = RUN_OK;

	while (st->cmd->params[n].name)
		n++;
	for (unsigned s = 0; s < m->n; s++)
		m->args[s] = xcalloc(n + 1, sizeof(struct val));
	/* What is acted on decides before what it is done with. */
	if (primary >= 0)
		rc = share_out(st, m, (size_t)primary, true);
	for (size_t i = 0; i < n && rc == RUN_OK; i++) {
		if ((int)i == primary)
			continue;
		if (speaks_of_objects(&st->cmd->params[i], st->args[i]))
			rc = share_out(st, m, i, st->cmd->impact == READS);
		else
			for (unsigned s = 0; s < m->n; s++)
				m->args[s][i] = val_ref(st->args[i]);
	}
	return rc;
}

static void
meaning_fini(struct stage *st, struct meaning *m)
{
	for (unsigned s = 0; s < m->n; s++) {
		for (size_t i = 0; m->args[s] && st->cmd->params[i].name; i++)
			val_free(m->args[s][i]);
		free(m->args[s]);
	}
}

/* The servers on which there is something to do, as bits. */
static enum run
choose(struct stage *st, const struct meaning *m, unsigned *ret_mask)
{
	int primary = primary_of(st);
	unsigned mask = 0;

	for (unsigned s = 0; s < m->n; s++) {
		int lacks = m->lacks[s] - 1;
		if (lacks < 0) {
			mask |= 1u << s;
			continue;
		}
		if (st->cmd->impact == READS || primary < 0 || lacks == primary)
			continue;
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "-%s is of another server than -%s", st->cmd->params[lacks].name,
		    st->cmd->params[primary].name);
	}
	if (st->cmd->impact != READS && primary < 0 && mask & (mask - 1))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "several servers are connected; say which with -Server");
	if (!mask && m->spoken && st->cmd->impact != READS)
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "the objects are of different servers");
	*ret_mask = mask;
	return RUN_OK;
}

static struct visit *
visit_of(struct fan *f, struct site *s)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->v[i].site == s)
			return &f->v[i];
	return NULL;
}

/* Be there, with the state that belongs there. */
static enum run
arrive(struct stage *st, struct site *s)
{
	const struct cmd_ops *ops = st->cmd->ops;
	struct visit *v = visit_of(st->fan, s);

	st->sh->site = s;
	if (v) {
		st->state = v->state;
		return RUN_OK;
	}
	if (st->fan->n == MAX_SITES)
		return throw_new(
		    st->sh, st->node, ERR_INVALID, "more than %u servers", MAX_SITES);
	st->state = xcalloc(1, ops->state_size ? ops->state_size : 1);
	st->fan->v[st->fan->n++] = (struct visit){ s, st->state };
	return ops->begin ? ops->begin(st) : RUN_OK;
}

/* One server's failure is no reason to leave the others out, unless somebody waits for
 * it. */
static enum run
outcome(struct stage *st, enum run rc, bool more)
{
	if (rc != RUN_THROW || !more || st->sh->fatal || st->sh->tries ||
	    shell_interrupted())
		return rc;
	return fault_settle(st->sh);
}

static enum run
visit_all(struct stage *st, const struct meaning *m, unsigned mask, struct val v)
{
	struct val *all = st->args;
	bool answered = false;
	enum run rc = RUN_OK;

	for (unsigned s = 0; s < m->n && rc == RUN_OK; s++) {
		if (!(mask & 1u << s))
			continue;
		st->fan->more = mask >> s > 1;
		st->sh->login_failed = false;
		rc = arrive(st, m->site[s]);
		st->args = m->args[s];
		if (rc == RUN_OK)
			rc = st->cmd->ops->process(st, v);
		st->args = all;
		answered |= !st->sh->login_failed;
		rc = outcome(st, rc, st->fan->more);
	}
	if (answered)
		st->sh->login_failed = false;
	return rc;
}

enum run
fan_process(struct stage *st, struct val v)
{
	struct meaning m = { .n = 0 };
	struct err e = ERR_INIT;
	struct site *any;
	unsigned mask = 0;
	enum run rc;

	if (site_need(st->sh, &any, &e) < 0 ||
	    sites_match(st->sh, st->common[COMMON_SERVER], m.site, &m.n, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	rc = understand(st, &m);
	if (rc == RUN_OK)
		rc = choose(st, &m, &mask);
	if (rc == RUN_OK)
		rc = visit_all(st, &m, mask, v);
	meaning_fini(st, &m);
	return rc;
}

enum run
fan_end(struct stage *st)
{
	enum run rc = RUN_OK;

	for (unsigned i = 0; i < st->fan->n && rc == RUN_OK && st->cmd->ops->end; i++) {
		st->sh->site = st->fan->v[i].site;
		st->state = st->fan->v[i].state;
		rc = outcome(st, st->cmd->ops->end(st), i + 1 < st->fan->n);
	}
	return rc;
}
