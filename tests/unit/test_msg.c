#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "loop/frame.h"
#include "proto/msg.h"

#define MAX_FILL_DEPTH 5

static void
put_varint(struct str *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		str_addc(b, (char)(uint8_t)(v | 0x80));
	str_addc(b, (char)(uint8_t)v);
}

static void
put_tag(struct str *b, uint32_t field, unsigned wire)
{
	put_varint(b, (uint64_t)field << 3 | wire);
}

static void
put_bytes(struct str *b, uint32_t field, const void *p, size_t n)
{
	put_tag(b, field, 2);
	put_varint(b, n);
	str_addn(b, p, n);
}

/* Which member of each oneof on the way is filled in. */
struct pick {
	uint32_t body;  /* of Envelope */
	uint32_t inner; /* of Order or Reply */
};

static void fill(struct str *b, const ProtobufCMessageDescriptor *d,
    const struct pick *pick, unsigned depth);

static bool
is_picked(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f,
    const struct pick *pick)
{
	if (!(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		return true;
	return f->id == (d == &drover__envelope__descriptor ? pick->body : pick->inner);
}

static void
fill_field(struct str *b, const ProtobufCFieldDescriptor *f, const struct pick *pick,
    unsigned depth)
{
	struct str sub = STR_INIT;
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		put_bytes(b, f->id, f->name, strlen(f->name));
		break;
	case PROTOBUF_C_TYPE_BYTES:
		put_bytes(b, f->id, "\0\xff data", 7);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		fill(&sub, f->descriptor, pick, depth + 1);
		put_bytes(b, f->id, str_cstr(&sub), sub.len);
		break;
	case PROTOBUF_C_TYPE_UINT64:
		put_tag(b, f->id, 0);
		put_varint(b, UINT64_C(0x100000000) + f->id);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_INT32:
		put_tag(b, f->id, 0);
		put_varint(b, 200 + f->id);
		break;
	default: /* bool and enumerations */
		put_tag(b, f->id, 0);
		put_varint(b, 1);
	}
	str_fini(&sub);
}

/* The wire form of d with every field set, lists twice. */
static void
fill(struct str *b, const ProtobufCMessageDescriptor *d, const struct pick *pick,
    unsigned depth)
{
	if (depth > MAX_FILL_DEPTH)
		return;
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		if (!is_picked(d, f, pick))
			continue;
		if (d == &drover__envelope__descriptor && f->id == 1) {
			put_tag(b, 1, 0);
			put_varint(b, PROTO_VERSION);
			continue;
		}
		/* OrderState holds a reply again. */
		if (d == &drover__order_state__descriptor && f->id == 3)
			continue;
		fill_field(b, f, pick, depth);
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			fill_field(b, f, pick, depth);
	}
}

static char *
read_text(const char *path)
{
	FILE *in = fopen(path, "r");
	if (!in)
		return NULL;
	struct str b = STR_INIT;
	for (int c; (c = fgetc(in)) != EOF;)
		str_addc(&b, (char)c);
	fclose(in);
	return str_take(&b);
}

static void
check_golden(const char *name, const uint8_t *p, size_t n)
{
	AUTO(str) struct str text = STR_INIT;
	for (size_t i = 0; i < n; i++)
		str_addf(&text, "%02x%s", p[i], i % 32 == 31 || i + 1 == n ? "\n" : "");
	AUTO_FREE char *path = xasprintf("tests/golden/proto/%s.out", name);
	if (getenv("GOLDEN_UPDATE")) {
		FILE *out = fopen(path, "w");
		assert_non_null(out);
		fputs(str_cstr(&text), out);
		fclose(out);
	}
	AUTO_FREE char *want = read_text(path);
	if (!want)
		fail_msg("%s is missing", path);
	assert_string_equal(str_cstr(&text), want);
}

/* Bytes of every field, read and written again, are the same and those of the file. */
static void
check_message(const struct pick *pick, const char *name)
{
	struct str wire = STR_INIT;
	fill(&wire, &drover__envelope__descriptor, pick, 0);

	struct err e = ERR_INIT;
	Drover__Envelope *m = NULL;
	int rc = msg_unpack((const uint8_t *)wire.s, wire.len, &m, &e);
	if (rc)
		fail_msg("%s: %s", name, e.msg);
	assert_int_equal(m->body_case, pick->body);
	assert_int_equal(msg_check_known(&m->base, &e), 0);
	uint8_t *p;
	size_t n;
	assert_int_equal(msg_pack(m, &p, &n, &e), 0);
	assert_int_equal(n, wire.len);
	assert_memory_equal(p, wire.s, n);
	check_golden(name, p, n);
	free(p);
	msg_free(m);
	str_fini(&wire);
}

static void
check_inner(uint32_t body, const ProtobufCMessageDescriptor *d, const char *prefix)
{
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		if (!(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
			continue;
		struct pick pick = { body, f->id };
		AUTO_FREE char *name = xasprintf("%s_%s", prefix, f->name);
		check_message(&pick, name);
	}
}

static void
every_message_has_its_golden_bytes(void **state)
{
	const ProtobufCMessageDescriptor *d = &drover__envelope__descriptor;
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		if (!(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
			continue;
		if (f->id == DROVER__ENVELOPE__BODY_ORDER) {
			check_inner(f->id, &drover__order__descriptor, "order");
			continue;
		}
		if (f->id == DROVER__ENVELOPE__BODY_REPLY) {
			check_inner(f->id, &drover__reply__descriptor, "reply");
			continue;
		}
		struct pick pick = { f->id, 0 };
		check_message(&pick, f->name);
	}
}

static void
ping_is_nine_bytes(void **state)
{
	Drover__Ping ping = DROVER__PING__INIT;
	ping.nonce = 7;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	m.version = 1;
	m.epoch = 5;
	m.body_case = DROVER__ENVELOPE__BODY_PING;
	m.ping = &ping;
	static const uint8_t want[] = { 8, 1, 16, 5, 0x92, 1, 2, 8, 7 };
	struct err e = ERR_INIT;
	uint8_t *p;
	size_t n;
	assert_int_equal(msg_pack(&m, &p, &n, &e), 0);
	assert_int_equal(n, sizeof(want));
	assert_memory_equal(p, want, n);
	free(p);
}

static void
expect_refused(const void *p, size_t n, int code, const char *part)
{
	struct err e = ERR_INIT;
	Drover__Envelope *m = NULL;
	int rc = msg_unpack(p, n, &m, &e);
	if (rc != code || !strstr(e.msg, part))
		fail_msg("got %s \"%s\", want %s \"%s\"", err_name(rc), e.msg,
		    err_name(code), part);
	assert_null(m);
}

static void
bytes_that_are_no_envelope_are_refused(void **state)
{
	expect_refused("\x08", 1, ERR_CORRUPT, "ends within");
	expect_refused("\x08\x01\x92\x01\x05\x08", 6, ERR_CORRUPT, "ends within");
	expect_refused("\x08\x01\x0f", 3, ERR_CORRUPT, "wire type 7");
	expect_refused("\x00\x01", 2, ERR_CORRUPT, "numbered 0");
	expect_refused("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12,
	    ERR_CORRUPT, "ends within");
	/* A ping as a varint where a message belongs. */
	expect_refused("\x08\x01\x90\x01\x01", 5, ERR_CORRUPT, "no envelope");
}

static void
unknown_versions_and_bodies_are_unsupported(void **state)
{
	expect_refused("", 0, ERR_UNSUPPORTED, "version 0");
	expect_refused("\x08\x63\x92\x01\x00", 5, ERR_UNSUPPORTED, "version 99");
	expect_refused("\x08\x01", 2, ERR_UNSUPPORTED, "kind");
	expect_refused("\x08\x01\xfa\x06\x00", 5, ERR_UNSUPPORTED, "kind");
}

static void
text_must_be_utf8_without_nul(void **state)
{
	/* refuse { code: … } */
	expect_refused("\x08\x01\x62\x04\x0a\x02\xc3\x28", 8, ERR_INVALID, "UTF-8");
	expect_refused("\x08\x01\x62\x05\x0a\x03"
		       "a\0b",
	    9, ERR_INVALID, "UTF-8");
}

static void
envelope_around(struct str *out, uint32_t body, const struct str *inner)
{
	put_tag(out, 1, 0);
	put_varint(out, PROTO_VERSION);
	put_bytes(out, body, str_cstr(inner), inner->len);
}

static void
numbers_end_where_the_database_ends(void **state)
{
	AUTO(str) struct str ack = STR_INIT, wire = STR_INIT;
	Drover__Envelope *m = NULL;
	struct err e = ERR_INIT;

	put_tag(&ack, 1, 0);
	put_varint(&ack, INT64_MAX);
	envelope_around(&wire, DROVER__ENVELOPE__BODY_EVENT_ACK, &ack);
	assert_int_equal(msg_unpack((const uint8_t *)wire.s, wire.len, &m, &e), 0);
	assert_true(m->event_ack->id == INT64_MAX);
	msg_free(m);

	str_reset(&ack);
	str_reset(&wire);
	put_tag(&ack, 1, 0);
	put_varint(&ack, UINT64_C(1) << 63);
	envelope_around(&wire, DROVER__ENVELOPE__BODY_EVENT_ACK, &ack);
	expect_refused(wire.s, wire.len, ERR_INVALID, "id is 9223372036854775808");
}

static void
lists_are_limited(void **state)
{
	AUTO(str) struct str report = STR_INIT;
	for (unsigned i = 0; i <= MAX_GUESTS_PER_HOST; i++)
		put_bytes(&report, 7, "", 0);
	AUTO(str) struct str wire = STR_INIT;
	envelope_around(&wire, DROVER__ENVELOPE__BODY_REPORT, &report);
	expect_refused(wire.s, wire.len, ERR_INVALID, "guests occurs more than 1000");

	/* A large host has hundreds of cores, cards and disks. */
	AUTO(str) struct str round = STR_INIT;
	Drover__Envelope *m = NULL;
	struct err e = ERR_INIT;
	for (unsigned i = 0; i < 1000; i++)
		put_bytes(&round, 6, "", 0);
	str_reset(&wire);
	envelope_around(&wire, DROVER__ENVELOPE__BODY_STAT_LIVE, &round);
	assert_int_equal(msg_unpack((const uint8_t *)wire.s, wire.len, &m, &e), 0);
	assert_int_equal(m->stat_live->n_instances, 1000);
	msg_free(m);
	for (unsigned i = 1000; i <= MAX_INSTANCES_PER_HOST; i++)
		put_bytes(&round, 6, "", 0);
	str_reset(&wire);
	envelope_around(&wire, DROVER__ENVELOPE__BODY_STAT_LIVE, &round);
	expect_refused(
	    wire.s, wire.len, ERR_INVALID, "instances occurs more than 16384");

	/* The same body twice would be merged into one long list. */
	AUTO(str) struct str one = STR_INIT;
	put_bytes(&one, 7, "", 0);
	str_reset(&wire);
	envelope_around(&wire, DROVER__ENVELOPE__BODY_REPORT, &one);
	put_bytes(&wire, DROVER__ENVELOPE__BODY_REPORT, str_cstr(&one), one.len);
	expect_refused(wire.s, wire.len, ERR_INVALID, "report occurs more than 1");
}

static void
nesting_is_limited(void **state)
{
	/* reply { order { reply { order { … } } } } */
	AUTO(str) struct str inner = STR_INIT;
	for (unsigned i = 0; i < 40; i++) {
		struct str outer = STR_INIT;
		put_bytes(&outer, i % 2 ? 15 : 3, str_cstr(&inner), inner.len);
		str_fini(&inner);
		inner = outer;
	}
	AUTO(str) struct str wire = STR_INIT;
	envelope_around(&wire, DROVER__ENVELOPE__BODY_REPLY, &inner);
	expect_refused(wire.s, wire.len, ERR_INVALID, "nested");
}

static void
unknown_fields_are_passed_over_but_can_be_seen(void **state)
{
	AUTO(str) struct str spec = STR_INIT;
	put_tag(&spec, 99, 0);
	put_varint(&spec, 1);
	AUTO(str) struct str create = STR_INIT;
	put_bytes(&create, 1, spec.s, spec.len);
	AUTO(str) struct str order = STR_INIT;
	put_bytes(&order, 10, create.s, create.len);
	AUTO(str) struct str wire = STR_INIT;
	envelope_around(&wire, DROVER__ENVELOPE__BODY_ORDER, &order);

	struct err e = ERR_INIT;
	Drover__Envelope *m;
	assert_int_equal(msg_unpack((const uint8_t *)wire.s, wire.len, &m, &e), 0);
	assert_int_equal(msg_check_known(&m->base, &e), ERR_UNSUPPORTED);
	assert_non_null(strstr(e.msg, "field 99 of drover.GuestSpec"));
	msg_free(m);

	/* A verb that came later than we did. */
	str_reset(&order);
	put_bytes(&order, 77, "", 0);
	str_reset(&wire);
	envelope_around(&wire, DROVER__ENVELOPE__BODY_ORDER, &order);
	assert_int_equal(msg_unpack((const uint8_t *)wire.s, wire.len, &m, &e), 0);
	assert_int_equal(m->order->verb_case, DROVER__ORDER__VERB__NOT_SET);
	assert_int_equal(msg_check_known(&m->base, &e), ERR_UNSUPPORTED);
	msg_free(m);
}

static void
a_message_over_the_frame_limit_is_not_packed(void **state)
{
	Drover__Refuse refuse = DROVER__REFUSE__INIT;
	AUTO_FREE char *text = xmalloc(MAX_FRAME + 1);
	memset(text, 'x', MAX_FRAME);
	text[MAX_FRAME] = '\0';
	refuse.message = text;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	m.version = PROTO_VERSION;
	m.body_case = DROVER__ENVELOPE__BODY_REFUSE;
	m.refuse = &refuse;
	struct err e = ERR_INIT;
	uint8_t *p = NULL;
	size_t n;
	assert_int_equal(msg_pack(&m, &p, &n, &e), ERR_TOO_LARGE);
	assert_null(p);
}

static void
faults_keep_code_and_message(void **state)
{
	struct err e = ERR_INIT, back = ERR_INIT;
	err_set(&e, ERR_NO_CAPACITY, "host e1 has 12 MB, 256 MB are asked");
	Drover__Fault *f = msg_fault(&e);
	assert_int_equal(msg_fault_err(f, &back), ERR_NO_CAPACITY);
	assert_string_equal(back.msg, e.msg);
	drover__fault__free_unpacked(f, NULL);

	Drover__Fault odd = DROVER__FAULT__INIT;
	char ok[] = "ok", strange[] = "from_the_future";
	odd.code = ok;
	assert_int_equal(msg_fault_err(&odd, &back), ERR_INTERNAL);
	odd.code = strange;
	assert_int_equal(msg_fault_err(&odd, &back), ERR_INTERNAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_has_its_golden_bytes),
		cmocka_unit_test(ping_is_nine_bytes),
		cmocka_unit_test(bytes_that_are_no_envelope_are_refused),
		cmocka_unit_test(unknown_versions_and_bodies_are_unsupported),
		cmocka_unit_test(text_must_be_utf8_without_nul),
		cmocka_unit_test(numbers_end_where_the_database_ends),
		cmocka_unit_test(lists_are_limited),
		cmocka_unit_test(nesting_is_limited),
		cmocka_unit_test(unknown_fields_are_passed_over_but_can_be_seen),
		cmocka_unit_test(a_message_over_the_frame_limit_is_not_packed),
		cmocka_unit_test(faults_keep_code_and_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
