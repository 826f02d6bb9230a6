/*
 * What a host may say of an image that is not true, to one that takes it and to one
 * that gives it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/copy/image_frame.h"
#include "tests/lib/copy_bed.h"
#include "tests/lib/waiter.h"

#define MIB   UINT64_C(1048576)
#define BLOCK ((uint64_t)IMAGE_BLOCK_BYTES)

static const char *const loopback[] = { "127.0.0.1" };

/* ---- to one that takes ---- */

static void
add_frame(struct str *s, const struct image_frame *f, size_t n)
{
	static const uint8_t bytes[2 * IMAGE_PIECE_MAX] = { 1 };
	uint8_t head[IMAGE_HEAD_BYTES];

	image_frame_pack(f, head);
	str_addn(s, (const char *)head, sizeof(head));
	str_addn(s, (const char *)bytes, n);
}

static void
add_begin(struct str *s, uint64_t bytes, uint64_t data)
{
	const struct image_frame f = {
		.kind = IMAGE_BEGIN, .bytes = bytes, .data = data
	};

	add_frame(s, &f, 0);
}

static void
add_piece(struct str *s, uint64_t at, uint32_t n)
{
	const struct image_frame f = { .kind = IMAGE_PIECE, .at = at, .n = n };

	add_frame(s, &f, n < 2 * IMAGE_PIECE_MAX ? n : 0);
}

static void
add_end(struct str *s)
{
	const struct image_frame f = { .kind = IMAGE_END, .n = IMAGE_SUM_BYTES };

	add_frame(s, &f, f.n);
}

static void
lie_ends_early(struct str *s)
{
	add_begin(s, MIB, BLOCK);
}

static void
lie_half_a_head(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	str_addn(s, "\2\1", 2);
}

static void
lie_half_a_piece(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	add_piece(s, 0, BLOCK);
	s->len -= 10;
}

static void
lie_no_end(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	add_piece(s, 0, BLOCK);
}

static void
lie_no_begin(struct str *s)
{
	add_piece(s, 0, BLOCK);
}

static void
lie_two_begins(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	add_begin(s, MIB, BLOCK);
}

static void
lie_beyond_the_end(struct str *s)
{
	add_begin(s, MIB, MIB);
	add_piece(s, MIB, BLOCK);
}

static void
lie_far_beyond(struct str *s)
{
	add_begin(s, MIB, MIB);
	add_piece(s, UINT64_MAX - BLOCK + 1, BLOCK);
}

static void
lie_more_than_said(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	add_piece(s, 0, BLOCK);
	add_piece(s, BLOCK, BLOCK);
}

static void
lie_backwards(struct str *s)
{
	add_begin(s, MIB, MIB);
	add_piece(s, BLOCK, BLOCK);
	add_piece(s, 0, BLOCK);
}

static void
lie_between_blocks(struct str *s)
{
	add_begin(s, MIB, MIB);
	add_piece(s, 512, BLOCK);
}

static void
lie_half_a_block(struct str *s)
{
	add_begin(s, MIB, MIB);
	add_piece(s, 0, 512);
}

static void
lie_huge_piece(struct str *s)
{
	add_begin(s, UINT64_C(1) << 40, MIB);
	add_piece(s, 0, UINT32_MAX);
}

static void
lie_huge_image(struct str *s)
{
	add_begin(s, UINT64_C(1) << 62, MIB);
}

static void
lie_more_data_than_image(struct str *s)
{
	add_begin(s, MIB, 2 * MIB);
}

static void
lie_no_room(struct str *s)
{
	add_begin(s, IMAGE_BYTES_MAX, IMAGE_BYTES_MAX);
}

static void
lie_other_sum(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	add_piece(s, 0, BLOCK);
	add_end(s);
}

static void
lie_verdict(struct str *s)
{
	const struct image_frame f = { .kind = IMAGE_VERDICT };

	add_begin(s, MIB, BLOCK);
	add_frame(s, &f, 0);
}

static void
lie_other_version(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	s->s[1]++;
}

static void
lie_noise(struct str *s)
{
	for (size_t i = 0; i < 4096; i++)
		str_addn(s, "\xa5", 1);
}

struct talker {
	struct channel_stream *stream;
	struct waiter up;
	int fd;
};

static struct channel_opening
opening(struct copy_bed *w, struct talker *t)
{
	int fds[2];

	ASSERT(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	t->fd = fds[0];
	return (struct channel_opening){
		.key = w->key,
		.name = "image",
		.fd_take = fds[1],
		.ends = { waiter_start(&t->up, w->loop, w->flows), WAKE_NONE },
	};
}

static void
stop_talking(struct talker *t)
{
	channel_stream_free(t->stream);
	close(t->fd);
}

static void
lie(struct copy_bed *w, void (*say)(struct str *s), int code)
{
	AUTO(str) struct str s = STR_INIT;
	struct talker t = { .stream = NULL };
	const struct channel_dest to = { loopback, 1, channel_port(w->host[B].channel),
		COPY_BED_B };
	struct channel_opening o = opening(w, &t);

	copy_bed_expect(w);
	assert_int_equal(channel_dial(w->host[A].channel, &o, &to, &t.stream, NULL), 0);
	assert_int_equal(waiter_end(&t.up, w->loop), 0);
	say(&s);
	assert_int_equal(send(t.fd, s.s, s.len, MSG_NOSIGNAL), s.len);
	shutdown(t.fd, SHUT_WR);
	if (copy_bed_fault(&w->host[B], 2) != code)
		fail_msg("%s", w->host[B].answers[2].fault.msg);
	copy_bed_is_clean(w);
	stop_talking(&t);
}

#define LIE(l, code)                       \
	static void test_##l(void **state) \
	{                                  \
		lie(*state, l, code);      \
	}

LIE(lie_ends_early, ERR_LOST)
LIE(lie_half_a_head, ERR_LOST)
LIE(lie_half_a_piece, ERR_LOST)
LIE(lie_no_end, ERR_LOST)
LIE(lie_no_begin, ERR_CORRUPT)
LIE(lie_two_begins, ERR_CORRUPT)
LIE(lie_beyond_the_end, ERR_CORRUPT)
LIE(lie_far_beyond, ERR_CORRUPT)
LIE(lie_more_than_said, ERR_CORRUPT)
LIE(lie_backwards, ERR_CORRUPT)
LIE(lie_between_blocks, ERR_CORRUPT)
LIE(lie_half_a_block, ERR_CORRUPT)
LIE(lie_huge_piece, ERR_CORRUPT)
LIE(lie_huge_image, ERR_CORRUPT)
LIE(lie_more_data_than_image, ERR_CORRUPT)
LIE(lie_no_room, ERR_NO_CAPACITY)
LIE(lie_other_sum, ERR_CORRUPT)
LIE(lie_verdict, ERR_CORRUPT)
LIE(lie_other_version, ERR_UNSUPPORTED)
LIE(lie_noise, ERR_CORRUPT)

/* ---- to one that gives ---- */

/* The taking host says text at once, and reads nothing. */
static void
judge(struct copy_bed *w, const char *text, size_t n, int code)
{
	struct talker t = { .stream = NULL };
	const struct image_frame f = { .kind = IMAGE_VERDICT, .n = (uint32_t)n };
	struct channel_opening o = opening(w, &t);
	uint8_t head[IMAGE_HEAD_BYTES];

	copy_bed_full_image(w);
	assert_int_equal(
	    channel_expect(w->host[B].channel, &o, COPY_BED_A, &t.stream, NULL), 0);
	copy_bed_send(&w->host[A], 1, 0);
	image_frame_pack(&f, head);
	assert_int_equal(write(t.fd, head, sizeof(head)), sizeof(head));
	assert_int_equal(write(t.fd, text, n), n);
	if (copy_bed_fault(&w->host[A], 1) != code)
		fail_msg("%s", w->host[A].answers[1].fault.msg);
	stop_talking(&t);
}

static void
test_reason_of_the_other_host_is_told(void **state)
{
	struct copy_bed *w = *state;
	const char text[] = "no_capacity datastore local is full";

	judge(w, text, strlen(text), ERR_NO_CAPACITY);
	assert_non_null(strstr(w->host[A].answers[1].fault.msg, "local is full"));
}

static void
test_praise_before_the_end_is_not_believed(void **state)
{
	judge(*state, "", 0, ERR_LOST);
}

static void
test_verdict_of_success_has_no_reason(void **state)
{
	judge(*state, "ok it is here", 13, ERR_LOST);
}

static void
test_verdict_that_is_no_text(void **state)
{
	judge(*state, "io a\0b", 6, ERR_CORRUPT);
}

/* ---- frames ---- */

static void
test_frames_come_back(void **state)
{
	const struct image_frame all[] = {
		{ .kind = IMAGE_BEGIN, .bytes = IMAGE_BYTES_MAX, .data = MIB },
		{ .kind = IMAGE_PIECE, .at = 3 * BLOCK, .n = IMAGE_PIECE_MAX },
		{ .kind = IMAGE_END, .n = IMAGE_SUM_BYTES },
		{ .kind = IMAGE_VERDICT, .n = 7 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		uint8_t head[IMAGE_HEAD_BYTES];
		struct image_frame f;

		image_frame_pack(&all[i], head);
		assert_int_equal(image_frame_unpack(head, &f, NULL), 0);
		assert_int_equal(f.kind, all[i].kind);
		assert_int_equal(f.n, all[i].n);
		assert_int_equal(f.at, all[i].at);
		assert_int_equal(f.bytes, all[i].bytes);
		assert_int_equal(f.data, all[i].data);
	}
}

static void
test_verdicts_come_back(void **state)
{
	struct err why = ERR_INIT, back = ERR_INIT;
	char text[IMAGE_WORD_MAX];
	size_t n = image_verdict_pack(&why, text);

	assert_int_equal(image_verdict_unpack(text, n, &back), 0);
	err_set(&why, ERR_NO_CAPACITY, "no room on \"%s\"", "x");
	n = image_verdict_pack(&why, text);
	assert_int_equal(image_verdict_unpack(text, n, &back), ERR_NO_CAPACITY);
	assert_string_equal(back.msg, why.msg);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, copy_bed_setup, copy_bed_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lie_ends_early),
		TEST(test_lie_half_a_head),
		TEST(test_lie_half_a_piece),
		TEST(test_lie_no_end),
		TEST(test_lie_no_begin),
		TEST(test_lie_two_begins),
		TEST(test_lie_beyond_the_end),
		TEST(test_lie_far_beyond),
		TEST(test_lie_more_than_said),
		TEST(test_lie_backwards),
		TEST(test_lie_between_blocks),
		TEST(test_lie_half_a_block),
		TEST(test_lie_huge_piece),
		TEST(test_lie_huge_image),
		TEST(test_lie_more_data_than_image),
		TEST(test_lie_no_room),
		TEST(test_lie_other_sum),
		TEST(test_lie_verdict),
		TEST(test_lie_other_version),
		TEST(test_lie_noise),
		TEST(test_reason_of_the_other_host_is_told),
		TEST(test_praise_before_the_end_is_not_believed),
		TEST(test_verdict_of_success_has_no_reason),
		TEST(test_verdict_that_is_no_text),
		cmocka_unit_test(test_frames_come_back),
		cmocka_unit_test(test_verdicts_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
