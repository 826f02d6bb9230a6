/*
 * sites: the connections of a shell (see sites.h).
 */
#include "shell/sites.h"

#include <string.h>

#include "shell/http.h"
#include "shell/inventory.h"

struct site *
sites_default(const struct shell *sh)
{
	return sh->n_sites ? sh->sites[sh->n_sites - 1] : NULL;
}

/* Who works on it goes on to hold it, and hears that it is gone. */
static void
retire(struct shell *sh, struct site *s)
{
	s->gone = true;
	http_free(s->http);
	s->http = NULL;
	sh->gone = xreallocarray(sh->gone, sh->n_gone + 1, sizeof(struct site *));
	sh->gone[sh->n_gone++] = s;
}

void
sites_drop(struct shell *sh, struct site *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < sh->n_sites; i++)
		if (sh->sites[i] != s)
			sh->sites[n++] = sh->sites[i];
	sh->n_sites = n;
	retire(sh, s);
	if (sh->site == s)
		sh->site = sites_default(sh);
}

int
sites_add(struct shell *sh, struct site *s_take, struct err *e)
{
	struct val label = site_label(s_take);

	s_take->label = label.text;
	for (unsigned i = 0; i < sh->n_sites; i++) {
		if (str_same(sh->sites[i]->label->s, s_take->label->s)) {
			sites_drop(sh, sh->sites[i]);
			break;
		}
	}
	if (sh->n_sites == MAX_SITES)
		return err_set(
		    e, ERR_INVALID, "%u servers are connected already", MAX_SITES);
	sh->sites[sh->n_sites++] = s_take;
	sh->site = s_take;
	return 0;
}

void
sites_free_all(struct shell *sh)
{
	for (unsigned i = 0; i < sh->n_sites; i++)
		site_free(sh->sites[i]);
	for (size_t i = 0; i < sh->n_gone; i++)
		site_free(sh->gone[i]);
	free(sh->gone);
}

/* By the name it was connected with, or "host:port". */
static bool
is_meant(const struct site *s, struct val wanted)
{
	const struct val *uri =
	    wanted.type == VAL_TABLE ? table_get(wanted.table, "Uid") : NULL;
	AUTO_FREE char *text = val_cstr(uri ? *uri : wanted);

	return wild_match(text, s->name) || wild_match(text, s->label->s);
}

int
sites_match(struct shell *sh, struct val wanted, struct site **ret_sites,
    unsigned *ret_n, struct err *e)
{
	bool taken[MAX_SITES] = { false };
	unsigned n = 0;

	for (size_t i = 0; i < val_count(wanted); i++) {
		AUTO_FREE char *text = val_cstr(val_at(wanted, i));
		bool hit = false;
		for (unsigned k = 0; k < sh->n_sites; k++) {
			bool is = is_meant(sh->sites[k], val_at(wanted, i));
			taken[k] |= is;
			hit |= is;
		}
		if (!hit && !strpbrk(text, "*?["))
			return err_set(
			    e, ERR_NOT_FOUND, "no server \"%s\" is connected", text);
	}
	for (unsigned k = 0; k < sh->n_sites; k++)
		if (taken[k] || wanted.type == VAL_NULL)
			ret_sites[n++] = sh->sites[k];
	*ret_n = n;
	return 0;
}
