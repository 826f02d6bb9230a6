#include "server/api/ticket.h"

#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"

#define SECRET_BYTES ((TICKET_TEXT - 1) / 2)

struct ticket {
	struct list_node node;
	char text[TICKET_TEXT];
	char session[24];
	obj_id vm;
	uint64_t until_ms;
};

struct tickets {
	struct list all; /* the oldest first */
	size_t n;
};

struct tickets *
tickets_new(void)
{
	struct tickets *ts = xcalloc(1, sizeof(*ts));

	list_init(&ts->all);
	return ts;
}

static void
tear(struct tickets *ts, struct ticket *t)
{
	list_remove(&t->node);
	ts->n--;
	free(t);
}

void
tickets_free(struct tickets *ts)
{
	if (!ts)
		return;
	LIST_EACH_SAFE(struct ticket, t, &ts->all, node) {
		tear(ts, t);
	}
	free(ts);
}

/* All live equally long: what is too old comes first. */
static void
clear_old(struct tickets *ts, uint64_t now_ms)
{
	struct ticket *t;

	while ((t = LIST_FIRST(struct ticket, &ts->all, node)) != NULL &&
	       (t->until_ms <= now_ms || ts->n >= MAX_TICKETS))
		tear(ts, t);
}

void
ticket_make(struct tickets *ts, obj_id vm, const char *session, uint64_t now_ms,
    char ret_text[TICKET_TEXT])
{
	struct ticket *t = xcalloc(1, sizeof(*t));
	uint8_t raw[SECRET_BYTES];

	clear_old(ts, now_ms);
	rng_secret(raw, sizeof(raw));
	hex_encode(raw, sizeof(raw), t->text);
	snprintf(t->session, sizeof(t->session), "%s", session);
	t->vm = vm;
	t->until_ms = now_ms + TICKET_MS;
	list_add_tail(&ts->all, &t->node);
	ts->n++;
	memcpy(ret_text, t->text, TICKET_TEXT);
}

int
ticket_use(struct tickets *ts, const char *text, obj_id vm, const char *session,
    uint64_t now_ms, struct err *e)
{
	bool fits = false;

	LIST_EACH_SAFE(struct ticket, t, &ts->all, node) {
		if (!text || strcmp(t->text, text) != 0)
			continue;
		fits = t->until_ms > now_ms && obj_id_is(t->vm, vm) &&
		       !strcmp(t->session, session);
		tear(ts, t);
		break;
	}
	if (fits)
		return 0;
	return err_set(e, ERR_DENIED, "a page wants a new ticket of its own");
}
