/*
 * connect: which server, who we are there, and the settings file that remembers it.
 *
 * ~/.config/drover/servers.json (DROVER_SERVERS names another one), readable by its
 * owner only: {"default":name,"servers":{name:{address,port,others,ca,user,token}}}.
 *
 * Several servers may work on one database; the one that leads answers.  A site knows
 * them all, goes where a server says that the leader is, and takes them in turn while
 * none answers.
 */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "base/secret.h"
#include "shell/val.h"

#define DEFAULT_PORT 8443
#define MAX_SERVERS  16u /* of one site */

struct http;
struct shell;
struct map;

struct server {
	char *address;
	unsigned port;
};

/* One connection. */
struct site {
	char *name, *user, *ca_file, *ca_pem;
	struct server servers[MAX_SERVERS]; /* at least one */
	unsigned n_servers, at;             /* the one that we talk to */
	char *leader; /* "host:port" that a server named, to go there next; NULL */
	struct secret *token;
	bool is_session; /* the token is a login's, to be given back */
	struct http *http;
	struct text
	    *label;    /* "host:port", as its objects carry it; NULL: not connected */
	bool gone;     /* it was disconnected */
	bool answered; /* it has been reached in this run */
	char request_id[64]; /* of the last answer that was an error */
	struct map *known;   /* id → struct known, owned (see inventory.h) */
	unsigned fetched;    /* kinds of which all are known: bits of 1 << kind */
	uint64_t fetched_ms; /* since when */
};

struct site *site_new(const char *name, const char *address, unsigned port);
void site_free(struct site *s);
/* One more server of the same database: "host", "host:port" or "[address]:port". */
int site_add(struct site *s, const char *server, struct err *e) WARN_UNUSED;
/* The first part of such a text, malloc'd, and its port if it has one. */
int server_parse(const char *text, char **ret_address, unsigned *ret_port,
    struct err *e) WARN_UNUSED;
const struct server *site_at(const struct site *s);
/* Talk to the leader that was named, else to the next server. False: there is none. */
bool site_go_on(struct site *s);
/* Prepare TLS; nothing is sent yet. */
int site_prepare(struct site *s, struct err *e) WARN_UNUSED;
/* "host:port" of its first server. */
struct val site_label(const struct site *s);
/* {Name, Port, User}; null for none. */
struct val site_record(const struct site *s);
/* The connection at hand, or the saved default one. */
int site_need(struct shell *sh, struct site **ret_site, struct err *e) WARN_UNUSED;

/* servers.c */
/* The saved server of that name (NULL: the default one). */
int servers_load(const char *name, struct site **ret_site, struct err *e) WARN_UNUSED;
/* Remember address, CA, user and token under the site's name, as the default. */
int servers_save(const struct site *s, const char *token, struct err *e) WARN_UNUSED;
/* Forget a saved one, with the CA that was kept for it. */
int servers_forget(const char *name, struct err *e) WARN_UNUSED;
/* Saved ones as records. */
int servers_list(struct val *ret_list, struct err *e) WARN_UNUSED;
