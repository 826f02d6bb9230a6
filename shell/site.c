/*
 * site: one server that we talk to (see connect.h).
 */
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "shell/connect.h"
#include "shell/http.h"
#include "shell/inventory.h"
#include "shell/shell.h"

struct site *
site_new(const char *name, const char *address, unsigned port)
{
	struct site *s = xcalloc(1, sizeof(*s));

	s->name = xstrdup(name);
	s->address = xstrdup(address);
	s->port = port;
	s->known = map_new_str();
	return s;
}

void
site_free(struct site *s)
{
	if (!s)
		return;
	known_drop(s, KIND_NONE);
	map_free(s->known);
	http_free(s->http);
	secret_free(s->token);
	free(s->name);
	free(s->address);
	free(s->user);
	free(s->ca_file);
	free(s->ca_pem);
	free(s);
}

int
site_prepare(struct site *s, struct err *e)
{
	char port[8];
	struct http_conf conf = { .host = s->address,
		.port = port,
		.ca_file = s->ca_file,
		.ca_pem = s->ca_pem };

	snprintf(port, sizeof(port), "%u", s->port & 0xffffu);
	http_free(s->http);
	s->http = http_new(&conf, e);
	return s->http ? 0 : e->code;
}

struct val
site_record(const struct site *s)
{
	struct val r;

	if (!s)
		return VAL_NONE;
	r = val_table(TABLE_RECORD, "VIServer");
	table_set(r.table, "Name", val_text(s->name));
	table_set(r.table, "Port", val_int(s->port));
	table_set(r.table, "User", val_text(s->user));
	AUTO_FREE char *uri = xasprintf("https://%s:%u/", s->address, s->port);
	table_set(r.table, "ServiceUri", val_text(uri));
	return r;
}

int
site_need(struct shell *sh, struct site **ret_site, struct err *e)
{
	struct site *s = NULL;

	if (!sh->site) {
		if (servers_load(NULL, &s, e) < 0 || site_prepare(s, e) < 0) {
			site_free(s);
			sh->login_failed = true;
			return e->code;
		}
		sh->site = s;
	}
	*ret_site = sh->site;
	return 0;
}
