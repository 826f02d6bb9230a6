#include "server/api/api_pieces.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/worker.h"
#include "server/api/api_int.h"
#include "server/api/gzip.h"

#define PIECES_MAGIC 0x70696563u

struct pieces {
	uint32_t magic;
	struct api *api;
	uint64_t conn;
	const struct piece_source *src; /* NULL: it has ended */
	void *arg;
	struct gzip *gzip; /* NULL: as it is */
	bool told_all;     /* the source has no more */
	bool compressing;  /* a worker has text and packed */
	bool closed;       /* nobody reads any more */
	struct str text, packed;
};

static void
end_source(struct pieces *p)
{
	const struct piece_source *src = MOVE(p->src);

	if (src)
		src->end(p->arg);
}

static void
pieces_free(struct pieces *p)
{
	end_source(p);
	gzip_free(p->gzip);
	str_fini(&p->text);
	str_fini(&p->packed);
	p->magic = 0;
	free(p);
}

static void
forget(struct pieces *p)
{
	map_del(p->api->pieces, p->conn);
	p->closed = true;
	if (!p->compressing)
		pieces_free(p);
}

/* One without bytes is a piece, too: the next is asked for. */
static void
send(struct pieces *p, struct str *text)
{
	size_t n = text->len;

	if (!text->s)
		str_addc(text, 0);
	front_reply_more(p->api->front, p->conn, (uint8_t *)str_take(text), n);
}

static int
compress_piece(void *job)
{
	struct pieces *p = CAST_OBJ(pieces, job, PIECES_MAGIC);

	gzip_add(p->gzip, str_cstr(&p->text), p->text.len,
	    p->told_all ? GZIP_LAST : GZIP_MORE, &p->packed);
	return 0;
}

static void
on_compressed(void *job, int rc)
{
	struct pieces *p = CAST_OBJ(pieces, job, PIECES_MAGIC);

	p->compressing = false;
	if (p->closed) {
		pieces_free(p);
		return;
	}
	if (rc) {
		front_reply_cut(p->api->front, p->conn);
		return;
	}
	send(p, &p->packed);
}

static void
pack(struct pieces *p)
{
	struct workers *w = p->api->d.workers;

	p->compressing = true;
	/* Where there are too many jobs already this one is done at once: it is short.
	 */
	if (!w || worker_run(w, compress_piece, on_compressed, p, NULL))
		on_compressed(p, compress_piece(p));
}

void
api_piece_wanted(struct api *a, uint64_t conn)
{
	struct pieces *p = map_get(a->pieces, conn);

	if (!p || p->compressing)
		return;
	if (p->told_all) {
		front_reply_more(a->front, conn, NULL, 0);
		forget(p);
		return;
	}
	str_reset(&p->text);
	p->told_all = !p->src->more(p->arg, &p->text);
	if (p->gzip)
		pack(p);
	else
		send(p, &p->text);
}

void
api_pieces_closed(struct api *a, uint64_t conn)
{
	struct pieces *p = map_get(a->pieces, conn);

	if (p)
		forget(p);
}

void
api_reply_pieces(struct api_call *c, const char *type, const struct piece_source *src,
    void *arg_take)
{
	struct pieces *p = xcalloc(1, sizeof(*p));
	struct response *r = response_new(c->req, 200, type, NULL, 0);

	p->magic = PIECES_MAGIC;
	p->api = c->api;
	p->conn = c->req->conn;
	p->src = src;
	p->arg = arg_take;
	r->in_pieces = true;
	response_add_header(r, "vary:", xstrdup("accept, accept-encoding"));
	if (c->req->accept_encoding && strstr(c->req->accept_encoding, "gzip")) {
		p->gzip = gzip_new();
		response_add_header(r, "content-encoding:", xstrdup("gzip"));
	}
	map_put(c->api->pieces, p->conn, p);
	api_reply_with(c, r);
}

void
api_pieces_free(struct api *a)
{
	MAP_EACH(a->pieces, it)
		pieces_free(it.value);
	map_free(a->pieces);
}
