#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/db/db.h"
#include "server/event/event_int.h"
#include "server/inventory/inv_place.h"

/* Columns of STMT_EVENT_LIST. */
enum {
	COL_ID,
	COL_AT,
	COL_TYPE,
	COL_SEVERITY,
	COL_ENTITY,
	COL_ENTITY_NAME,
	COL_TASK,
	COL_USER,
	COL_MESSAGE,
	COL_COUNT_
};

#define ADD_PLACES COL_COUNT_ /* of STMT_EVENT_ADD, after them */
#define ADD_COUNT_ (COL_COUNT_ + 1)

/* An event on its way in a transaction. */
struct event_part {
	struct inv *inv;
	struct event_draft draft;
	json *j; /* what the followers will get */
};

void
event_draft_fini(struct event_draft *d)
{
	free(d->entity_name);
	free(d->user);
	free(d->message);
}

/* One row, by column, as the API shows it. */
static json *
row_json(const char *const row[COL_COUNT_])
{
	char id[OBJ_ID_TEXT], at[32];
	json *j = json_new_object();
	json_set_str(j, "id",
	    obj_id_text(obj_id_make(KIND_EVENT, strtoull(row[COL_ID], NULL, 10)), id));
	json_set_str(j, "type", row[COL_TYPE]);
	json_set_str(j, "severity", row[COL_SEVERITY]);
	json_set_str(j, "time", clock_text(strtoull(row[COL_AT], NULL, 10), at));
	json_set_str(j, "entity", row[COL_ENTITY]);
	json_set_str(j, "entity_name", row[COL_ENTITY_NAME]);
	json_set_str(j, "task", row[COL_TASK]);
	json_set_str(j, "user", row[COL_USER]);
	json_set_str(j, "message", row[COL_MESSAGE]);
	return j;
}

/* As the transaction has it; of what it removes, as it was. */
static const struct obj *
look(const void *txn, obj_id id)
{
	const struct txn *t = txn;
	const struct obj *o = txn_view(t, id);

	return o ? o : inv_get(txn_inv(t), id);
}

/* "{vm-1,pool-2}": where it happened, itself first. */
static void
add_places(const struct txn *t, obj_id entity, struct str *out)
{
	obj_id in[INV_PLACES_MAX];
	size_t n = inv_places_seen(look, t, entity, in);
	char id[OBJ_ID_TEXT];

	str_addc(out, '{');
	for (size_t i = 0; i < n; i++)
		str_addf(out, "%s%s", i ? "," : "", obj_id_text(in[i], id));
	str_addc(out, '}');
}

static void
part_send(void *data, struct txn *t)
{
	struct event_part *p = data;
	const struct event_draft *d = &p->draft;
	char id[24], at[24], entity[OBJ_ID_TEXT], task[OBJ_ID_TEXT];
	const struct obj *o = txn_view(t, d->entity);
	const char *name = d->entity_name;
	AUTO(str) struct str places = STR_INIT;
	if (!name)
		name = o ? o->name : inv_name(p->inv, d->entity);
	snprintf(id, sizeof(id), "%llu",
	    (unsigned long long)obj_id_number(inv_new_id(p->inv, KIND_EVENT)));
	snprintf(at, sizeof(at), "%llu", (unsigned long long)d->at_ms);
	add_places(t, d->entity, &places);
	const char *const row[ADD_COUNT_] = {
		[COL_ID] = id,
		[COL_AT] = at,
		[COL_TYPE] = event_type(d->code),
		[COL_SEVERITY] = event_severity(d->code),
		[COL_ENTITY] =
		    obj_id_none(d->entity) ? NULL : obj_id_text(d->entity, entity),
		[COL_ENTITY_NAME] = name,
		[COL_TASK] = obj_id_none(d->task) ? NULL : obj_id_text(d->task, task),
		[COL_USER] = d->user,
		[COL_MESSAGE] = d->message,
		[ADD_PLACES] = str_cstr(&places),
	};
	txn_sql(t, STMT_EVENT_ADD, ADD_COUNT_, row);
	p->j = row_json(row);
}

static void
part_applied(void *data)
{
	struct event_part *p = data;
	struct events *ev = inv_events(p->inv);
	if (ev)
		event_stored(ev, MOVE(p->j));
}

static void
part_drop(void *data)
{
	struct event_part *p = data;
	event_draft_fini(&p->draft);
	json_free(p->j);
	free(p);
}

static const struct txn_part event_part_ops = {
	.send = part_send,
	.applied = part_applied,
	.drop = part_drop,
};

void
event_put(struct txn *t, const struct event_draft *d_take)
{
	struct event_part *p = xcalloc(1, sizeof(*p));
	p->inv = txn_inv(t);
	p->draft = *d_take;
	txn_add_part(t, &event_part_ops, p);
}

void
txn_event(struct txn *t, enum event_code code, obj_id entity, obj_id task,
    const char *user, const char *fmt, ...)
{
	AUTO(str) struct str message = STR_INIT;
	va_list ap;
	va_start(ap, fmt);
	str_addv(&message, fmt, ap);
	va_end(ap);
	event_put(t, &(struct event_draft){
			 .code = code,
			 .entity = entity,
			 .task = task,
			 .user = xstrdup(user),
			 .message = str_take(&message),
			 .at_ms = clock_wall_ms(loop_clock(inv_loop(txn_inv(t)))),
		     });
}

json *
event_row_json(const struct db_rows *rows, size_t i)
{
	const char *row[COL_COUNT_];
	for (unsigned c = 0; c < COL_COUNT_; c++)
		row[c] = db_value(rows, i, c);
	return row_json(row);
}

struct load {
	struct events *ev;
	events_loaded_fn done;
	void *arg;
};

static void
on_loaded(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	AUTO_FREE struct load *load = arg;
	struct events *ev = load->ev;
	/* They come newest first; the ring wants them in the order of happening. */
	for (size_t i = db_rows_count(rows); i-- > 0;) {
		inv_seen_id(
		    ev->inv, obj_id_make(KIND_EVENT, db_value_u64(rows, i, COL_ID)));
		event_stored(ev, event_row_json(rows, i));
	}
	load->done(load->arg, rc, e);
}

void
events_load(struct events *ev, events_loaded_fn done, void *arg)
{
	struct load *load = xcalloc(1, sizeof(*load));
	*load = (struct load){ ev, done, arg };
	event_list(
	    ev->inv, &(struct event_ask){ .limit = EVENT_RING }, on_loaded, load);
}

struct events *
events_new(struct inv *inv)
{
	struct events *ev = xcalloc(1, sizeof(*ev));
	ev->magic = EVENTS_MAGIC;
	ev->inv = inv;
	ev->queue = event_queue_new(ev);
	event_prune_open(ev);
	inv_set_events(inv, ev);
	return ev;
}

void
events_free(struct events *ev)
{
	if (!ev)
		return;
	inv_set_events(ev->inv, NULL);
	event_prune_close(ev);
	event_queue_free(ev->queue);
	for (size_t i = 0; i < EVENT_RING; i++)
		json_free(ev->ring[i]);
	free(ev->followers);
	free(ev);
}
