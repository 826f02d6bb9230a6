#include <string.h>

#include "base/mem.h"
#include "loop/link_int.h"

struct parcel {
	struct list_node node;
	size_t n;
	uint8_t bytes[];
};

struct pair_end {
	struct link link;
	struct pair_end *other; /* NULL once that has gone */
	struct tls_identity other_id;
	struct list inbox;
	size_t inbox_bytes;
};

static struct pair_end *
pair_end(struct link *k)
{
	return (struct pair_end *)k;
}

static int
identify(struct link *k, struct tls_identity *ret_id, struct err *e)
{
	*ret_id = pair_end(k)->other_id;
	return 0;
}

static void
drop_inbox(struct pair_end *p)
{
	LIST_EACH_SAFE(struct parcel, parcel, &p->inbox, node) {
		free(parcel);
	}
	list_init(&p->inbox);
	p->inbox_bytes = 0;
}

static void
pump_frames(struct pair_end *p)
{
	struct parcel *parcel;
	bool more = true;

	while (more && (parcel = LIST_FIRST(struct parcel, &p->inbox, node))) {
		list_remove(&parcel->node);
		p->inbox_bytes -= parcel->n;
		more = link_frame(&p->link, parcel->bytes, parcel->n);
		free(parcel);
	}
}

static void
pump(struct link *k)
{
	struct pair_end *p = pair_end(k);
	struct err e = ERR_INIT;

	if (k->state == LINK_UP)
		pump_frames(p);
	if (k->freed)
		return;
	if (k->state == LINK_CLOSING && (!p->other || list_empty(&p->other->inbox))) {
		err_set(&e, ERR_CANCELLED, "%s: closed", k->addr);
		link_fail(k, &e);
	} else if (!p->other) {
		err_set(&e, ERR_LOST, "%s: closed by the peer", k->addr);
		link_fail(k, &e);
	} else if (p->other->link.state == LINK_CLOSING) {
		/* It waits for us to have taken all it sent. */
		link_pump(&p->other->link);
	}
}

static void
send_frame(struct link *k, const void *p, size_t n)
{
	struct pair_end *other = pair_end(k)->other;
	struct parcel *parcel;

	if (!other)
		return;
	parcel = xcalloc(1, sizeof(*parcel) + n);
	parcel->n = n;
	memcpy(parcel->bytes, p, n);
	list_add_tail(&other->inbox, &parcel->node);
	other->inbox_bytes += n;
	link_pump(&other->link);
}

static size_t
backlog(const struct link *k)
{
	const struct pair_end *other = ((const struct pair_end *)k)->other;

	return other ? other->inbox_bytes : 0;
}

static void
shut(struct link *k)
{
	struct pair_end *p = pair_end(k);

	drop_inbox(p);
	if (!p->other)
		return;
	p->other->other = NULL;
	link_pump(&p->other->link);
	p->other = NULL;
}

static void
release(struct link *k)
{
	free(pair_end(k));
}

static const struct link_ops pair_ops = {
	.identify = identify,
	.pump = pump,
	.send = send_frame,
	.backlog = backlog,
	.shut = shut,
	.release = release,
};

static struct pair_end *
new_end(struct loop *l, const char *addr, const struct tls_identity *other_id)
{
	struct pair_end *p = xcalloc(1, sizeof(*p));

	list_init(&p->inbox);
	p->other_id = *other_id;
	link_init(&p->link, l, &pair_ops, NULL, addr);
	link_opened(&p->link);
	return p;
}

void
link_pair(struct loop *l, const struct tls_identity *id_a,
    const struct tls_identity *id_b, struct link **ret_a, struct link **ret_b)
{
	struct pair_end *a = new_end(l, "memory:b", id_b);
	struct pair_end *b = new_end(l, "memory:a", id_a);

	a->other = b;
	b->other = a;
	*ret_a = &a->link;
	*ret_b = &b->link;
}
