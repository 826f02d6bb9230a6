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
#include "shell/sites.h"

struct site *
site_new(const char *name, const char *address, unsigned port)
{
	struct site *s = xcalloc(1, sizeof(*s));

	s->name = xstrdup(name);
	s->servers[0] = (struct server){ xstrdup(address), port };
	s->n_servers = 1;
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
	for (unsigned i = 0; i < s->n_servers; i++)
		free(s->servers[i].address);
	if (s->label)
		val_free((struct val){ .type = VAL_TEXT, .text = s->label });
	free(s->name);
	free(s->leader);
	free(s->user);
	free(s->ca_file);
	free(s->ca_pem);
	free(s);
}

int
server_parse(const char *text, char **ret_address, unsigned *ret_port, struct err *e)
{
	const char *colon = strrchr(text, ':'), *from = text;
	size_t n = strlen(text);
	uint64_t port;

	if (*text == '[') {
		const char *to = strchr(text, ']');
		if (!to || to == text + 1 || (to[1] && to[1] != ':'))
			return err_set(e, ERR_INVALID,
			    "server \"%s\": wants [ADDRESS]:PORT", text);
		colon = to[1] ? to + 1 : NULL;
		from = text + 1;
		n = (size_t)(to - from);
	} else if (colon && memchr(text, ':', (size_t)(colon - text))) {
		colon = NULL; /* a bare IPv6 address */
	} else if (colon) {
		n = (size_t)(colon - text);
	}
	if (!n)
		return err_set(e, ERR_INVALID, "server \"%s\": wants HOST:PORT", text);
	if (colon) {
		if (parse_u64(colon + 1, 1, 65535, "port of the server", &port, e) < 0)
			return e->code;
		*ret_port = (unsigned)port;
	}
	*ret_address = xstrndup(from, n);
	return 0;
}

int
site_add(struct site *s, const char *server, struct err *e)
{
	unsigned port = s->servers[0].port;
	char *address = NULL;

	if (s->n_servers == MAX_SERVERS)
		return err_set(e, ERR_INVALID, "more than %u servers", MAX_SERVERS);
	if (server_parse(server, &address, &port, e) < 0)
		return e->code;
	s->servers[s->n_servers++] = (struct server){ address, port };
	return 0;
}

const struct server *
site_at(const struct site *s)
{
	return &s->servers[s->at];
}

/* The server of that name among ours, which it joins if it is new. */
static bool
go_to(struct site *s, const char *leader)
{
	AUTO_FREE char *address = NULL;
	unsigned port = DEFAULT_PORT;

	if (server_parse(leader, &address, &port, NULL) < 0)
		return false;
	for (unsigned i = 0; i < s->n_servers; i++) {
		if (s->servers[i].port != port ||
		    !str_same(s->servers[i].address, address))
			continue;
		if (i == s->at)
			return false;
		s->at = i;
		return true;
	}
	if (s->n_servers == MAX_SERVERS)
		return false;
	s->servers[s->n_servers] = (struct server){ MOVE(address), port };
	s->at = s->n_servers++;
	return true;
}

bool
site_go_on(struct site *s)
{
	AUTO_FREE char *leader = MOVE(s->leader);
	struct err e = ERR_INIT;

	if (!leader || !go_to(s, leader)) {
		if (s->n_servers == 1)
			return false;
		s->at = (s->at + 1) % s->n_servers;
	}
	return site_prepare(s, &e) == 0;
}

int
site_prepare(struct site *s, struct err *e)
{
	char port[8];
	struct http_conf conf = { .host = site_at(s)->address,
		.port = port,
		.ca_file = s->ca_file,
		.ca_pem = s->ca_pem };

	snprintf(port, sizeof(port), "%u", site_at(s)->port & 0xffffu);
	http_free(s->http);
	s->http = http_new(&conf, e);
	return s->http ? 0 : e->code;
}

struct val
site_label(const struct site *s)
{
	const struct server *first = &s->servers[0];
	AUTO_FREE char *text =
	    xasprintf(strchr(first->address, ':') ? "[%s]:%u" : "%s:%u", first->address,
		first->port);

	return val_text(text);
}

struct val
site_record(const struct site *s)
{
	struct val r;

	if (!s)
		return VAL_NONE;
	r = val_table(TABLE_RECORD, "VIServer");
	table_set(r.table, "Name", val_text(s->name));
	table_set(r.table, "Port", val_int(site_at(s)->port));
	table_set(r.table, "User", val_text(s->user));
	AUTO_FREE char *uri =
	    xasprintf("https://%s:%u/", site_at(s)->address, site_at(s)->port);
	table_set(r.table, "ServiceUri", val_text(uri));
	if (s->label)
		table_set(r.table, "Uid",
		    val_ref((struct val){ .type = VAL_TEXT, .text = s->label }));
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
		if (sites_add(sh, s, e) < 0)
			return e->code;
	}
	if (sh->site->gone)
		return err_set(e, ERR_BAD_STATE, "server %s has been disconnected",
		    sh->site->name);
	*ret_site = sh->site;
	return 0;
}
