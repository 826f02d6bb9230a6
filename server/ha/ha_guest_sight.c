#include "server/ha/ha_guest_sight.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/timer.h"
#include "server/hosts/host_file.h"
#include "server/inventory/inv_life.h"
#include "server/session/visit.h"

#define CONSOLE_BYTES 400u

struct ha_sight {
	struct ha_sight_opts o;
	ha_sight_fn done;
	void *arg;
	struct timer *late;
	struct visit *visit;
	struct str console, picture;
	struct keeping *keeping; /* NULL: nothing is being written */
	struct str place;        /* of what was written */
};

/* An answer that is awaited; it outlives us if it must. */
struct keeping {
	struct ha_sight *s; /* NULL: gone */
};

/* ---- the end ---- */

void
ha_sight_free(struct ha_sight *s)
{
	if (!s)
		return;
	if (s->keeping)
		s->keeping->s = NULL;
	visit_close(s->visit);
	timer_free(s->late);
	str_fini(&s->console);
	str_fini(&s->picture);
	str_fini(&s->place);
	free(s);
}

/* The last line that says something. */
static void
last_line(const struct str *console, struct str *to)
{
	const char *text = str_cstr(console);
	size_t end = console->len, begin;

	while (end && (unsigned char)text[end - 1] <= ' ')
		end--;
	for (begin = end; begin && text[begin - 1] != '\n'; begin--)
		;
	for (size_t i = begin; i < end; i++)
		str_addc(to, text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
}

static void
end(struct ha_sight *s)
{
	AUTO(str) struct str line = STR_INIT;
	AUTO_FREE char *place = s->place.len ? str_take(&s->place) : xstrdup("");
	const ha_sight_fn done = s->done;
	void *arg = s->arg;

	last_line(&s->console, &line);
	ha_sight_free(s);
	done(arg, &(struct ha_seen){ str_cstr(&line), place });
}

static void
on_late(void *arg)
{
	struct ha_sight *s = arg;

	str_reset(&s->place);
	end(s);
}

/* ---- its screen ---- */

static void
on_kept(void *arg, int rc, const struct err *e, json *j)
{
	struct keeping *k = arg;
	struct ha_sight *s = k->s;

	free(k);
	if (!s)
		return;
	s->keeping = NULL;
	if (rc) {
		log_info("ha", "the picture of %s is not kept: %s",
		    inv_name(s->o.inv, s->o.vm), e->msg);
		str_reset(&s->place);
	}
	end(s);
}

static void
keep(struct ha_sight *s)
{
	const struct vm *vm = inv_vm(s->o.inv, s->o.vm);
	char id[OBJ_ID_TEXT];

	if (!vm || !vm->datastores.n || !s->picture.len) {
		end(s);
		return;
	}
	AUTO_FREE char *path = xasprintf(
	    HA_SIGHT_FOLDER "/%s.%u.png", obj_id_text(s->o.vm, id), s->o.number);
	const struct host_file_chunk c = {
		.path = path,
		.data = str_cstr(&s->picture),
		.n = s->picture.len,
		.last = true,
	};
	str_addf(&s->place, "[%s] %s", inv_name(s->o.inv, vm->datastores.v[0]), path);
	s->keeping = xcalloc(1, sizeof(*s->keeping));
	s->keeping->s = s;
	hosts_file_write(s->o.hosts, vm->datastores.v[0], &c, on_kept, s->keeping);
}

/* One that is larger than a piece of a file is not worth the wait. */
static void
on_picture(void *arg, enum visit_way way, const void *p, size_t n, bool is_end)
{
	struct ha_sight *s = arg;

	if (s->picture.len + n <= MAX_VISIT_WINDOW)
		str_addn(&s->picture, p, n);
}

static void
on_picture_ended(void *arg, const struct visit_end *ended)
{
	struct ha_sight *s = arg;

	s->visit = NULL;
	if (ended->rc)
		str_reset(&s->picture);
	keep(s);
}

static const struct visit_events picture_events = { on_picture, NULL,
	on_picture_ended };

static int
visit(struct ha_sight *s, enum visit_kind kind, const struct visit_events *ev,
    size_t window)
{
	const struct visit_want want = {
		.vm = s->o.vm,
		.who = &caller_server,
		.kind = kind,
		.log_bytes = CONSOLE_BYTES,
	};
	const struct visit_taker to = { ev, s };
	struct err ignored = ERR_INIT;
	int rc = visit_open(s->o.visits, &want, to, &s->visit, &ignored);

	if (!rc)
		visit_grant(s->visit, VISIT_OUT, window);
	return rc;
}

/* ---- its console ---- */

static void
on_console(void *arg, enum visit_way way, const void *p, size_t n, bool is_end)
{
	struct ha_sight *s = arg;

	str_addn(&s->console, p, n);
}

/* Containers have no screen: that visit does not begin. */
static void
on_console_ended(void *arg, const struct visit_end *ended)
{
	struct ha_sight *s = arg;

	s->visit = NULL;
	if (visit(s, VISIT_PICTURE, &picture_events, MAX_VISIT_WINDOW))
		end(s);
}

static const struct visit_events console_events = { on_console, NULL,
	on_console_ended };

struct ha_sight *
ha_sight_new(const struct ha_sight_opts *o, ha_sight_fn done, void *arg)
{
	struct ha_sight *s = xcalloc(1, sizeof(*s));

	s->o = *o;
	s->console = s->picture = s->place = (struct str)STR_INIT;
	s->done = done;
	s->arg = arg;
	s->late = timer_new(inv_loop(o->inv), on_late, s);
	/* Where nothing can be seen the end comes by the timer, too. */
	timer_after(s->late,
	    visit(s, VISIT_LOG, &console_events, CONSOLE_BYTES) ? 0 : HA_SIGHT_MS);
	return s;
}
