/*
 * Which servers are dialled: those of the settings, those of the leader's last list,
 * and one that another server has named as the leader.
 *
 * The list is kept as text, an address a line, so that people can read it.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/link/uplink_int.h"
#include "host-agent/record/record.h"
#include "host-agent/record/saver.h"
#include "loop/timer.h"

#define KEPT_MAX 8192u

static struct line *
find(const struct uplink *u, const char *host, uint16_t port)
{
	for (size_t i = 0; i < u->n_lines; i++) {
		struct line *l = u->lines[i];
		if (l->port == port && str_same(l->host, host))
			return l;
	}
	return NULL;
}

int
uplink_list_add(
    struct uplink *u, const char *server, enum line_source from, struct err *e)
{
	AUTO_FREE char *host = NULL;
	uint16_t port;

	if (uplink_parse_server(server, &host, &port, e))
		return ERR_INVALID;
	struct line *l = find(u, host, port);
	if (!l) {
		if (u->n_lines == MAX_SERVERS)
			return err_set(
			    e, ERR_INVALID, "more than %u servers", MAX_SERVERS);
		l = line_new(u, MOVE(host), port);
		u->lines[u->n_lines++] = l;
		if (u->started)
			line_start(l);
	}
	l->configured = l->configured || from == LINE_CONFIGURED;
	l->listed = l->listed || from == LINE_LISTED;
	return 0;
}

static void
add_listed(struct uplink *u, const char *server)
{
	struct err e = ERR_INIT;

	if (uplink_list_add(u, server, LINE_LISTED, &e))
		log_warn("uplink", "a server of the list is left out: %s", e.msg);
}

void
uplink_list_open(struct uplink *u, const char *path)
{
	AUTO(str) struct str file = STR_INIT;
	struct err e = ERR_INIT;
	int rc = record_file_read(path, KEPT_MAX, &file, &e);

	if (rc && rc != ERR_NOT_FOUND)
		log_warn("uplink", "the list of servers is not read: %s", e.msg);
	if (rc)
		return;
	AUTO_FREE char *copy = xstrdup(str_cstr(&file));
	char *save = copy;
	for (char *s; (s = strsep(&save, "\n")) != NULL;) {
		if (*s)
			add_listed(u, s);
	}
}

static void
on_kept(void *arg, uint64_t seq, int rc, const struct err *e)
{
	if (rc)
		log_warn("uplink", "the list of servers is not kept: %s", e->msg);
}

void
uplink_list_take(struct uplink *u, const Drover__ServerList *list)
{
	size_t n = list->n_agents < MAX_LISTED ? list->n_agents : MAX_LISTED;
	AUTO(str) struct str text = STR_INIT;

	for (size_t i = 0; i < u->n_lines; i++)
		u->lines[i]->listed = false;
	for (size_t i = 0; i < n; i++) {
		add_listed(u, list->agents[i]);
		str_addf(&text, "%s\n", list->agents[i]);
	}
	if (u->kept)
		(void)saver_put(u->kept, str_cstr(&text), text.len, on_kept, u);
	/* Not from within a line's own callback. */
	timer_after(u->sweep, 0);
}

void
uplink_list_sweep(void *arg)
{
	struct uplink *u = arg;
	size_t n = 0;

	for (size_t i = 0; i < u->n_lines; i++) {
		struct line *l = u->lines[i];
		if (l->configured || l->listed || l == u->ready) {
			u->lines[n++] = l;
			continue;
		}
		log_notice("uplink", "%s:%u is no server any more", l->host, l->port);
		line_free(l);
	}
	u->n_lines = n;
}
