/*
 * Agents are told which servers there are: whoever leads next finds them waiting.
 */
#include "base/mem.h"
#include "server/hosts/host_int.h"

void
conn_send_servers(struct conn *c)
{
	Drover__ServerList list = DROVER__SERVER_LIST__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	if (!c->takes_servers || !c->hs->n_servers)
		return;
	list.agents = c->hs->servers;
	list.n_agents = c->hs->n_servers;
	m.body_case = DROVER__ENVELOPE__BODY_SERVER_LIST;
	m.server_list = &list;
	conn_send(c, &m);
}

void
hosts_drop_servers(struct hosts *hs)
{
	for (size_t i = 0; i < hs->n_servers; i++)
		free(hs->servers[i]);
	free(MOVE(hs->servers));
	hs->n_servers = 0;
}

void
hosts_set_servers(struct hosts *hs, const char *const *list, size_t n)
{
	hosts_drop_servers(hs);
	hs->servers = xcalloc(n + 1, sizeof(*hs->servers));
	for (size_t i = 0; i < n; i++)
		hs->servers[i] = xstrdup(list[i]);
	hs->n_servers = n;
	LIST_EACH(struct conn, c, &hs->conns, node) {
		if (c->rec && !c->closing)
			conn_send_servers(c);
	}
}
