#include "proto/msg.h"

#include <stdbool.h>
#include <string.h>

#include "base/assert.h"
#include "base/str.h"
#include "loop/frame.h"

/*
 * Bytes are walked once before protobuf-c sees them: it recurses as deep as the sender
 * likes and allocates a structure for every two bytes of a list.
 */
#define MAX_DEPTH   8u
#define MAX_FIELDS  64u
#define MAX_LIST    256u
#define MAX_UNKNOWN 64u

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct level {
	const ProtobufCMessageDescriptor *d;
	const uint8_t *end;
	uint32_t count[MAX_FIELDS]; /* by index of the field */
	uint32_t unknown;
};

struct walk {
	const uint8_t *p;
	struct level level[MAX_DEPTH];
	unsigned depth; /* levels in use */
};

static int
cut_short(const struct level *l, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "message %s ends within a field", l->d->name);
}

static bool
read_varint(const uint8_t **p, const uint8_t *end, uint64_t *ret_v)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
		uint8_t byte = *(*p)++;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_v = v;
			return true;
		}
	}
	return false;
}

static uint32_t
list_limit(const ProtobufCFieldDescriptor *f)
{
	/* A message given twice would be merged, lists and all. */
	if (f->label != PROTOBUF_C_LABEL_REPEATED)
		return f->type == PROTOBUF_C_TYPE_MESSAGE ? 1 : UINT32_MAX;
	if (strcmp(f->name, "guests") == 0)
		return MAX_GUESTS_PER_HOST;
	if (strcmp(f->name, "instances") == 0)
		return MAX_INSTANCES_PER_HOST;
	if (strcmp(f->name, "files") == 0)
		return MAX_FILES_LISTED;
	return MAX_LIST;
}

/* Count a field of the level and see that it is not one too many. */
static int
count_field(struct level *l, const ProtobufCFieldDescriptor *f, struct err *e)
{
	if (!f) {
		if (++l->unknown > MAX_UNKNOWN)
			return err_set(e, ERR_INVALID,
			    "message %s has more than %u unknown fields", l->d->name,
			    MAX_UNKNOWN);
		return 0;
	}
	uint32_t limit = list_limit(f);
	if (++l->count[f - l->d->fields] > limit)
		return err_set(e, ERR_INVALID, "%s.%s occurs more than %u times",
		    l->d->name, f->name, limit);
	return 0;
}

static int
enter(struct walk *w, const ProtobufCMessageDescriptor *d, const uint8_t *end,
    struct err *e)
{
	if (w->depth == MAX_DEPTH)
		return err_set(e, ERR_INVALID, "message %s is nested more than %u deep",
		    d->name, MAX_DEPTH);
	ASSERT(d->n_fields <= MAX_FIELDS);
	struct level *l = &w->level[w->depth++];
	memset(l, 0, sizeof(*l));
	l->d = d;
	l->end = end;
	return 0;
}

/* Larger ones fit neither the database nor JSON, and nothing counts so far. */
static int
walk_number(struct walk *w, const ProtobufCFieldDescriptor *f, struct err *e)
{
	const struct level *l = &w->level[w->depth - 1];
	uint64_t v;

	if (!read_varint(&w->p, l->end, &v))
		return cut_short(l, e);
	if (f && f->type == PROTOBUF_C_TYPE_UINT64 && v > INT64_MAX)
		return err_set(e, ERR_INVALID, "%s.%s is %llu, at most %lld may be",
		    l->d->name, f->name, (unsigned long long)v, (long long)INT64_MAX);
	return 0;
}

/* A length-delimited field: text is looked at, a message is entered, bytes are passed.
 */
static int
walk_bytes(struct walk *w, const ProtobufCFieldDescriptor *f, struct err *e)
{
	const struct level *l = &w->level[w->depth - 1];
	uint64_t n;
	if (!read_varint(&w->p, l->end, &n) || n > (uint64_t)(l->end - w->p))
		return cut_short(l, e);
	const uint8_t *body = w->p;
	if (f && f->type == PROTOBUF_C_TYPE_MESSAGE)
		return enter(w, f->descriptor, body + n, e);
	w->p += n;
	if (!f)
		return 0;
	if (f->type == PROTOBUF_C_TYPE_STRING &&
	    (memchr(body, '\0', n) || !utf8_valid((const char *)body, n)))
		return err_set(
		    e, ERR_INVALID, "%s.%s is no UTF-8 text", l->d->name, f->name);
	if (f->type == PROTOBUF_C_TYPE_BYTES && n > MAX_FILE_CHUNK)
		return err_set(e, ERR_INVALID,
		    "%s.%s has %llu bytes, at most %u may be", l->d->name, f->name,
		    (unsigned long long)n, MAX_FILE_CHUNK);
	return 0;
}

static int
walk_field(struct walk *w, struct err *e)
{
	struct level *l = &w->level[w->depth - 1];
	uint64_t tag;
	if (!read_varint(&w->p, l->end, &tag))
		return cut_short(l, e);
	if (tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
		return err_set(e, ERR_CORRUPT, "message %s has a field numbered %llu",
		    l->d->name, (unsigned long long)(tag >> 3));
	const ProtobufCFieldDescriptor *f =
	    protobuf_c_message_descriptor_get_field(l->d, (unsigned)(tag >> 3));
	int rc = count_field(l, f, e);
	if (rc)
		return rc;

	size_t fixed = 0;
	switch (tag & 7) {
	case WIRE_VARINT:
		return walk_number(w, f, e);
	case WIRE_64:
		fixed = 8;
		break;
	case WIRE_32:
		fixed = 4;
		break;
	case WIRE_BYTES:
		return walk_bytes(w, f, e);
	default:
		return err_set(e, ERR_CORRUPT, "message %s has a field of wire type %u",
		    l->d->name, (unsigned)(tag & 7));
	}
	if (fixed > (size_t)(l->end - w->p))
		return cut_short(l, e);
	w->p += fixed;
	return 0;
}

static int
walk_envelope(const uint8_t *p, size_t n, struct err *e)
{
	struct walk w = { .p = p };
	int rc = enter(&w, &drover__envelope__descriptor, p + n, e);
	while (!rc && w.depth) {
		if (w.p == w.level[w.depth - 1].end)
			w.depth--;
		else
			rc = walk_field(&w, e);
	}
	return rc;
}

int
msg_pack(const Drover__Envelope *m, uint8_t **ret_p, size_t *ret_n, struct err *e)
{
	size_t n = drover__envelope__get_packed_size(m);
	if (n > MAX_FRAME)
		return err_set(e, ERR_TOO_LARGE,
		    "message of %zu bytes is over the limit of %u", n, MAX_FRAME);
	uint8_t *p = xmalloc(n);
	drover__envelope__pack(m, p);
	*ret_p = p;
	*ret_n = n;
	return 0;
}

int
msg_unpack(const uint8_t *p, size_t n, Drover__Envelope **ret_m, struct err *e)
{
	int rc = walk_envelope(p, n, e);
	if (rc)
		return rc;
	AUTO(msg) Drover__Envelope *m = drover__envelope__unpack(NULL, n, p);
	if (!m)
		return err_set(
		    e, ERR_CORRUPT, "message of %zu bytes is no envelope", n);
	if (m->version < PROTO_VERSION_MIN || m->version > PROTO_VERSION)
		return err_set(e, ERR_UNSUPPORTED,
		    "message of protocol version %u, versions %u to %u are spoken here",
		    m->version, PROTO_VERSION_MIN, PROTO_VERSION);
	if (m->body_case == DROVER__ENVELOPE__BODY__NOT_SET)
		return err_set(
		    e, ERR_UNSUPPORTED, "message of a kind that is not known here");
	*ret_m = MOVE(m);
	return 0;
}

void
msg_free(Drover__Envelope *m)
{
	if (m)
		drover__envelope__free_unpacked(m, NULL);
}

static const ProtobufCMessage *
child_at(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t i)
{
	const char *base = (const char *)m;
	const void *at = base + f->offset;
	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		ProtobufCMessage *const *list = *(ProtobufCMessage *const *const *)at;
		return list[i];
	}
	return *(ProtobufCMessage *const *)at;
}

static size_t
child_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const char *base = (const char *)m;
	if (f->type != PROTOBUF_C_TYPE_MESSAGE)
		return 0;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)(const void *)(base + f->quantifier_offset);
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
	    *(const uint32_t *)(const void *)(base + f->quantifier_offset) != f->id)
		return 0;
	return child_at(m, f, 0) ? 1 : 0;
}

/* Recursion is bounded: msg_unpack lets nothing deeper than MAX_DEPTH in. */
int
msg_check_known(const ProtobufCMessage *m, struct err *e)
{
	if (m->n_unknown_fields)
		return err_set(e, ERR_UNSUPPORTED, "field %u of %s is not known here",
		    m->unknown_fields[0].tag, m->descriptor->name);
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		size_t n = child_count(m, f);
		for (size_t k = 0; k < n; k++) {
			int rc = msg_check_known(child_at(m, f, k), e);
			if (rc)
				return rc;
		}
	}
	return 0;
}

Drover__Fault *
msg_fault(const struct err *e)
{
	Drover__Fault *f = xmalloc(sizeof(*f));
	drover__fault__init(f);
	f->code = xstrdup(err_name(e->code));
	f->message = xstrdup(e->msg);
	return f;
}

int
msg_fault_err(const Drover__Fault *f, struct err *e)
{
	int code = err_from_name(f->code);
	/* A fault that calls itself "ok" is none that we know. */
	if (!code)
		code = ERR_INTERNAL;
	return err_set(e, code, "%s", f->message);
}
