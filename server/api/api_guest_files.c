/*
 * api_guest_files: a tar out of a guest or into one, in pieces of at most 1 MiB
 * (docs/api.md).
 *
 * A transfer has a number; only who began it may go on, one piece at a time and each
 * where the last one ended.  Left alone for a minute it is dropped.
 */
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "loop/timer.h"
#include "proto/msg.h"
#include "server/api/visitor.h"

#define PIECE           MAX_FILE_CHUNK
#define FILES_WINDOW    ((size_t)256 * 1024)
#define IDLE_MS         60000u
#define PIECE_MS        80000u /* the front gives an answer 90 s */
#define TRANSFER_HEADER "x-drover-transfer:"

struct transfer {
	struct visitor v;
	uint64_t number;
	obj_id vm, user;
	enum visit_kind kind;
	struct api_call *call; /* that waits for its piece; NULL: none does */
	struct timer *timer;   /* of the piece, or of nobody coming for one */
	uint64_t offset;       /* bytes of the tar that have been dealt with */
	struct str out;        /* of a get: came and not asked for yet */
	uint64_t granted;
	size_t sent; /* of a put: of the call's body */
	bool last;   /* the call's piece is the last */
	bool over;
	struct err why; /* of one that is over: code 0 is well */
};

static void
free_transfer(struct transfer *t)
{
	visitor_fini(&t->v);
	timer_free(t->timer);
	str_fini(&t->out);
	free(t);
}

static void
drop(struct visitor *v)
{
	free_transfer((struct transfer *)v);
}

/* The transfer is over, and so is its call. */
static void
end_with(struct transfer *t, const struct err *e)
{
	struct api_call *c = t->call;
	struct err copy = *e;

	free_transfer(t);
	if (c)
		api_reply_err(c, &copy);
}

static void
on_late(void *arg)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_TIMEOUT,
	    "the guest's host did not go on with the files for %u s", PIECE_MS / 1000);
	end_with(arg, &e);
}

/* Nobody waits for the moment. */
static void
rest(struct transfer *t)
{
	t->call = NULL;
	timer_after(t->timer, IDLE_MS);
}

/* ---- out of the guest ---- */

/* What is granted and what came fit one piece together. */
static void
grant_more(struct transfer *t)
{
	size_t room = PIECE - t->out.len - (size_t)t->granted;

	if (!t->v.visit || t->out.len + t->granted > PIECE)
		return;
	if (t->granted + room > FILES_WINDOW)
		room =
		    t->granted < FILES_WINDOW ? FILES_WINDOW - (size_t)t->granted : 0;
	t->granted += room;
	visit_grant(t->v.visit, VISIT_OUT, room);
}

static void
give_piece(struct transfer *t)
{
	struct api_call *c = t->call;
	size_t n = t->out.len;
	bool last = t->over;
	struct response *p;

	if (t->over && t->why.code) {
		end_with(t, &t->why);
		return;
	}
	if (!t->over && n < PIECE)
		return;
	p = response_new(c->req, last ? 200 : 206, "application/x-tar",
	    n ? str_take(&t->out) : NULL, n);
	t->offset += n;
	if (!last)
		response_add_header(
		    p, TRANSFER_HEADER, xasprintf("%" PRIu64, t->number));
	if (last) {
		free_transfer(t);
	} else {
		rest(t);
		grant_more(t);
	}
	api_reply_with(c, p);
}

static void
on_data(void *arg, enum visit_way way, const void *p, size_t n, bool end)
{
	struct transfer *t = arg;

	t->granted -= n;
	str_addn(&t->out, p, n);
	grant_more(t);
	if (t->call)
		give_piece(t);
}

/* ---- into the guest ---- */

static void
reply_put(struct transfer *t)
{
	struct api_call *c = t->call;
	json *j = json_new_object();

	json_set_u64(j, "size_bytes", t->offset);
	if (t->last) {
		free_transfer(t);
	} else {
		json_set_u64(j, "transfer", t->number);
		rest(t);
	}
	api_reply_json(c, 200, j);
}

static void
take_piece(struct transfer *t)
{
	const struct request *r = t->call->req;
	size_t n = r->body_len - t->sent, room = visit_room(t->v.visit);

	if (n > room)
		n = room;
	visit_write(t->v.visit, r->body_len ? r->body + t->sent : NULL, n,
	    t->last && t->sent + n == r->body_len);
	t->sent += n;
	t->offset += n;
	/* Of the last piece the guest's word is waited for. */
	if (t->sent == r->body_len && !t->last)
		reply_put(t);
}

static void
on_room(void *arg)
{
	struct transfer *t = arg;

	if (t->kind == VISIT_PUT && t->call)
		take_piece(t);
}

/* ---- both ---- */

static void
on_ended(void *arg, const struct visit_end *end)
{
	struct transfer *t = arg;

	t->v.visit = NULL;
	t->over = true;
	if (end->rc)
		t->why = *end->err;
	else if (t->kind == VISIT_PUT && !t->last)
		err_set(&t->why, ERR_INTERNAL,
		    "the guest's host ended the transfer before its last piece");
	if (!t->call)
		return; /* who comes for the next piece is told */
	if (t->kind == VISIT_GET)
		give_piece(t);
	else if (t->why.code)
		end_with(t, &t->why);
	else
		reply_put(t);
}

static const struct visit_events events = { on_data, on_room, on_ended };

static struct visit_want
want_of(const struct transfer *t)
{
	return (struct visit_want){
		.vm = t->vm,
		.who = &t->call->who,
		.kind = t->kind,
		.path = request_arg(t->call->req, "path"),
	};
}

static void
on_recorded(void *arg, int rc, const struct err *e)
{
	struct transfer *t = arg;
	struct err why = ERR_INIT;
	const struct visit_want w = want_of(t);

	if (!rc)
		rc = visit_open(t->v.api->d.visits, &w,
		    (struct visit_taker){ &events, t }, &t->v.visit, &why);
	else
		why = *e;
	if (rc) {
		end_with(t, &why);
		return;
	}
	timer_after(t->timer, PIECE_MS);
	if (t->kind == VISIT_GET)
		grant_more(t);
}

static struct transfer *
new_transfer(struct api_call *c, enum visit_kind kind)
{
	struct transfer *t = xcalloc(1, sizeof(*t));

	t->number = ++c->api->last_transfer;
	t->vm = c->id;
	t->user = c->who.user;
	t->kind = kind;
	t->call = c;
	t->timer = timer_new(c->api->d.loop, on_late, t);
	visitor_add(c->api, &t->v, drop);
	return t;
}

static void
begin(struct api_call *c, enum visit_kind kind, bool last)
{
	const char *path = request_arg(c->req, "path");
	struct err e = ERR_INIT;
	struct transfer *t;
	struct visit_want w;

	if (!path || *path != '/' || strlen(path) > MAX_GUEST_PATH) {
		api_refuse(c, ERR_INVALID,
		    "path: wants an absolute one of at most %u bytes", MAX_GUEST_PATH);
		return;
	}
	t = new_transfer(c, kind);
	t->last = last;
	w = want_of(t);
	if (visit_check(c->api->d.visits, &w, &e))
		end_with(t, &e);
	else
		visit_record(c->api->d.visits, &w, on_recorded, t);
}

static struct transfer *
find(struct api_call *c, enum visit_kind kind, uint64_t number)
{
	LIST_EACH(struct visitor, v, &c->api->visitors, node) {
		struct transfer *t = (struct transfer *)v;

		if (v->drop == drop && t->number == number && t->kind == kind &&
		    obj_id_is(t->vm, c->id) && obj_id_is(t->user, c->who.user))
			return t;
	}
	return NULL;
}

static void
go_on(struct api_call *c, enum visit_kind kind, uint64_t number, bool last)
{
	struct transfer *t = find(c, kind, number);
	uint64_t offset;

	if (api_arg_u64(c, "offset", 0, INT64_MAX, &offset) < 0)
		return;
	if (!t) {
		api_refuse(c, ERR_NOT_FOUND,
		    "transfer: there is no %" PRIu64 " of yours in %s; begin anew",
		    number, c->at.seg);
		return;
	}
	if (t->call || offset != t->offset) {
		api_refuse(c, t->call ? ERR_BUSY : ERR_BAD_STATE,
		    "transfer %" PRIu64 " %s at offset %" PRIu64, number,
		    t->call ? "is under way" : "goes on", t->offset);
		return;
	}
	t->call = c;
	t->last = last;
	t->sent = 0;
	timer_after(t->timer, PIECE_MS);
	if (kind == VISIT_GET)
		give_piece(t);
	else if (t->over)
		end_with(t, &t->why);
	else
		take_piece(t);
}

static void
serve(struct api_call *c, enum visit_kind kind)
{
	uint64_t number, last;

	if (api_arg_u64(c, "transfer", 0, INT64_MAX, &number) < 0 ||
	    api_arg_u64(c, "last", kind == VISIT_GET, 1, &last) < 0)
		return;
	if (number)
		go_on(c, kind, number, last);
	else
		begin(c, kind, last);
}

void
api_vm_files_get(struct api_call *c)
{
	serve(c, VISIT_GET);
}

void
api_vm_files_put(struct api_call *c)
{
	serve(c, VISIT_PUT);
}
