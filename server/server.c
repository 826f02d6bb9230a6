#include "server/server.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "loop/timer.h"
#include "server/event/event_life.h"
#include "server/inventory/inv_life.h"
#include "server/notify.h"

/* How long transactions that are on their way may take at a stop. */
#define GRACE_MS 2000u

void
server_init(struct server *s, const struct server_args *args,
    struct server_conf *conf_take, enum server_extent extent)
{
	unsigned char boot[4];
	char hex[9];
	rng_secret(boot, sizeof(boot));
	hex_encode(boot, sizeof(boot), hex);
	*s = (struct server){
		.magic = SERVER_MAGIC,
		.args = args,
		.conf = *conf_take,
		.extent = extent,
		.name = xasprintf("droverd %s pid %d", hex, (int)getpid()),
		.loop = loop_new(clock_system()),
	};
	*conf_take = (struct server_conf){ 0 };
}

void
server_end(struct server *s, int rc, const struct err *e)
{
	if (s->rc == 0 && rc < 0) {
		s->rc = rc;
		s->err = *e;
	}
	loop_stop(s->loop);
}

static void
stop_parts(struct server *s)
{
	while (s->started > 0) {
		const struct server_part *p = &server_parts[--s->started];
		if (p->stop && p->extent >= s->extent)
			p->stop(s);
	}
}

/* Start the next parts until one has to be waited for. */
static void
advance(struct server *s)
{
	while (server_parts[s->started].name) {
		const struct server_part *p = &server_parts[s->started++];
		struct err e = ERR_INIT;
		if (p->extent < s->extent)
			continue;
		switch (p->start(s, &e)) {
		case PART_READY:
			break;
		case PART_WAIT:
			return;
		case PART_FAIL:
			err_wrap(&e, "%s", p->name);
			server_end(s, e.code, &e);
			return;
		}
	}
	s->on_ready(s);
}

void
server_part_done(void *server, int rc, const struct err *e)
{
	struct server *s = CAST_OBJ(server, server, SERVER_MAGIC);
	if (rc == 0) {
		advance(s);
		return;
	}
	struct err why = *e;
	err_wrap(&why, "%s", server_parts[s->started - 1].name);
	server_end(s, why.code, &why);
}

static void
on_grace_over(void *arg)
{
	struct server *s = CAST_OBJ(server, arg, SERVER_MAGIC);
	log_warn(
	    "server", "%zu transactions are still on their way", inv_txns_open(s->inv));
	server_end(s, 0, NULL);
}

static void
on_given_up(void *arg)
{
	server_end(CAST_OBJ(server, arg, SERVER_MAGIC), 0, NULL);
}

static void
on_turn_end(void *arg)
{
	struct server *s = CAST_OBJ(server, arg, SERVER_MAGIC);
	if (!s->stopping || s->releasing || (s->inv && inv_txns_open(s->inv) > 0))
		return;
	if (s->leader && leader_release(s->leader, on_given_up, s))
		s->releasing = true;
	else
		server_end(s, 0, NULL);
}

void
server_stop(struct server *s)
{
	s->stopping = true;
	timer_after(s->grace, GRACE_MS);
}

static void
on_terminate(void *arg)
{
	struct server *s = CAST_OBJ(server, arg, SERVER_MAGIC);
	if (s->stopping) {
		server_end(s, 0, NULL);
		return;
	}
	log_notice("server", "asked to stop");
	notify("STOPPING=1");
	server_stop(s);
}

static void
on_restart_key(const char *name, void *arg)
{
	log_warn("server", "%s was changed: it takes effect at the next start", name);
}

static int
set_log(const struct server_conf *c, struct err *e)
{
	enum log_level level;
	int rc = log_level_parse(c->log_level, &level, e);
	if (rc < 0)
		return rc;
	log_set_level(level);
	return log_to_file(*c->log_file ? c->log_file : NULL, e);
}

static void
on_reload(void *arg)
{
	struct server *s = CAST_OBJ(server, arg, SERVER_MAGIC);
	struct server_conf fresh;
	struct err e = ERR_INIT;
	int rc = server_conf_read(s->args, &fresh, &e);
	if (rc < 0) {
		log_err("server", "the settings stay as they were: %s", e.msg);
		return;
	}
	conf_reload(server_conf_keys, &s->conf, &fresh, on_restart_key, NULL);
	server_conf_free(&fresh);
	if (set_log(&s->conf, &e) < 0)
		log_err("server", "%s", e.msg);
	if (s->events)
		events_keep(s->events, (unsigned)s->conf.event_keep_days);
	log_notice("server", "settings read again");
}

static int
prepare(struct server *s, struct err *e)
{
	int rc = set_log(&s->conf, e);
	if (rc == 0)
		rc = loop_on_signal(s->loop, SIGTERM, on_terminate, s, e);
	if (rc == 0)
		rc = loop_on_signal(s->loop, SIGINT, on_terminate, s, e);
	if (rc == 0)
		rc = loop_on_signal(s->loop, SIGHUP, on_reload, s, e);
	s->grace = timer_new(s->loop, on_grace_over, s);
	loop_on_turn_end(s->loop, on_turn_end, s);
	return rc;
}

static void
server_fini(struct server *s)
{
	stop_parts(s);
	timer_free(s->grace);
	loop_free(s->loop);
	server_conf_free(&s->conf);
	free(s->name);
}

int
server_run(struct server *s, void (*on_ready)(struct server *s), struct err *e)
{
	s->on_ready = on_ready;
	s->rc = prepare(s, &s->err);
	if (s->rc == 0) {
		advance(s);
		loop_run(s->loop);
	}
	int rc = s->rc;
	if (rc < 0)
		*e = s->err;
	server_fini(s);
	return rc;
}
