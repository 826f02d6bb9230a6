#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "host-agent/fence/lease_file.h"

#define AT_CRC 12

static const struct lease_area beats = {
	.cluster = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
	    0x0c, 0x0d, 0x0e, 0x0f, 0x10 },
	.store = { 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab,
	    0xac, 0xad, 0xae, 0xaf, 0xb0 },
	.slots = 64,
};

static const struct lease_beat beat = {
	.known = true,
	.host_id = 7,
	.inc = 3,
	.seq = 0x0102030405060708,
	.writer = 0x1112131415161718,
	.lease_ms = 6000,
	.kill_ms = 3000,
};

static const struct lease_claim claim = { CLAIM_RUN, 7, 3, 12 };

static struct lease_area
claims_of(uint64_t guest)
{
	struct lease_area a = beats;

	a.guest = guest;
	return a;
}

static void
seal(uint8_t *block)
{
	uint32_t crc;

	memset(block + AT_CRC, 0, 4);
	crc = crc32c(0, block, LEASE_BLOCK_BYTES);
	for (int i = 0; i < 4; i++)
		block[AT_CRC + i] = (uint8_t)(crc >> 8 * i);
}

/* The format as bytes, not as our encoder thinks of it: hosts of two versions meet on a
 * datastore. */
static void
check_bytes(const uint8_t *block, const uint8_t *want, size_t n)
{
	assert_memory_equal(block, want, n);
	for (size_t i = n; i < LEASE_BLOCK_BYTES; i++)
		assert_int_equal(block[i], 0);
}

static void
the_bytes_of_a_heartbeat_stay(void **state)
{
	/* clang-format off */
	static const uint8_t want[] = {
		'D', 'R', 'V', 'R', 'B', 'E', 'A', 'T', 1, 0, 0, 0, 0xbf, 0x5c, 0x4a, 0xed,
		0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
		0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10,
		0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8,
		0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xb0,
		0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0,
		3, 0, 0, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1,
		0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
		0x70, 0x17, 0, 0, 0xb8, 0x0b, 0, 0,
	};
	/* clang-format on */
	uint8_t block[LEASE_BLOCK_BYTES];

	lease_beat_encode(&beats, &beat, block);
	check_bytes(block, want, sizeof(want));
}

static void
the_bytes_of_a_claim_stay(void **state)
{
	/* clang-format off */
	static const uint8_t want[] = {
		'D', 'R', 'V', 'R', 'C', 'L', 'A', 'I', 1, 0, 0, 0, 0x80, 0x18, 0x11, 0x25,
		0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
		0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10,
		0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8,
		0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xb0,
		42, 0, 0, 0, 0, 0, 0, 2, 7, 0, 0, 0, 'r', 'u', 'n', ' ',
		3, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0,
	};
	/* clang-format on */
	struct lease_area a = claims_of(UINT64_C(2) << 56 | 42);
	uint8_t block[LEASE_BLOCK_BYTES];

	lease_claim_encode(&a, &claim, block);
	check_bytes(block, want, sizeof(want));
}

static void
what_is_written_is_read(void **state)
{
	struct lease_area a = claims_of(42);
	uint8_t block[LEASE_BLOCK_BYTES];
	struct lease_beat b;
	struct lease_claim c;
	uint32_t slots = 0;

	lease_beat_encode(&beats, &beat, block);
	assert_int_equal(lease_beat_decode(&beats, 7, block, &b, NULL), 0);
	assert_true(b.known && b.host_id == 7 && b.inc == 3);
	assert_true(b.seq == beat.seq && b.writer == beat.writer);
	assert_true(b.lease_ms == 6000 && b.kill_ms == 3000);
	lease_beat_encode(&beats,
	    &(struct lease_beat){
		.host_id = 7, .inc = 1, .lease_ms = 1, .kill_ms = 1, .isolated = true },
	    block);
	assert_int_equal(lease_beat_decode(&beats, 7, block, &b, NULL), 0);
	assert_true(b.isolated);
	for (enum claim_phase p = CLAIM_NONE; p < CLAIM_PHASES_; p++) {
		lease_claim_encode(
		    &a, &(struct lease_claim){ p, 64, 3, UINT64_MAX }, block);
		assert_int_equal(lease_claim_decode(&a, 64, block, &c, NULL), 0);
		assert_true(c.phase == p && c.host_id == 64 && c.inc == 3);
		assert_true(c.run_gen == UINT64_MAX);
	}
	lease_head_encode(&beats, block);
	assert_int_equal(lease_head_decode(&beats, block, &slots, NULL), 0);
	assert_int_equal(slots, 64);
}

static void
a_slot_that_nobody_used_is_known(void **state)
{
	struct lease_area a = claims_of(42);
	uint8_t block[LEASE_BLOCK_BYTES];
	struct lease_beat b;
	struct lease_claim c;

	lease_beat_encode(&beats, &(struct lease_beat){ .host_id = 5 }, block);
	assert_int_equal(lease_beat_decode(&beats, 5, block, &b, NULL), 0);
	assert_true(b.known && b.inc == 0);
	lease_claim_encode(&a, &(struct lease_claim){ CLAIM_NONE, 5, 0, 0 }, block);
	assert_int_equal(lease_claim_decode(&a, 5, block, &c, NULL), 0);
	assert_int_equal(c.phase, CLAIM_NONE);
}

static void
expect_unknown(const uint8_t *block, const char *why)
{
	struct lease_area a = claims_of(42);
	struct lease_beat b = beat;
	struct lease_claim c = claim;
	struct err as_beat = ERR_INIT, as_claim = ERR_INIT;

	assert_int_equal(
	    lease_beat_decode(&beats, 7, block, &b, &as_beat), ERR_CORRUPT);
	assert_true(!b.known && b.host_id == 7 && b.inc == 0);
	assert_int_equal(lease_claim_decode(&a, 7, block, &c, &as_claim), ERR_CORRUPT);
	assert_true(c.phase == CLAIM_UNKNOWN && c.host_id == 7 && c.inc == 0);
	if (why)
		assert_true(strstr(as_beat.msg, why) || strstr(as_claim.msg, why));
}

static void
every_flipped_bit_is_unknown(void **state)
{
	struct lease_area a = claims_of(42);
	uint8_t beat_block[LEASE_BLOCK_BYTES], claim_block[LEASE_BLOCK_BYTES];
	uint32_t slots;

	lease_beat_encode(&beats, &beat, beat_block);
	lease_claim_encode(&a, &claim, claim_block);
	for (size_t i = 0; i < (size_t)LEASE_BLOCK_BYTES * 8; i += i < 1024 ? 1 : 37) {
		uint8_t bit = (uint8_t)(1u << i % 8);

		beat_block[i / 8] ^= bit;
		claim_block[i / 8] ^= bit;
		expect_unknown(beat_block, NULL);
		expect_unknown(claim_block, NULL);
		beat_block[i / 8] ^= bit;
		claim_block[i / 8] ^= bit;
	}
	lease_head_encode(&beats, beat_block);
	beat_block[56] ^= 1;
	assert_int_equal(
	    lease_head_decode(&beats, beat_block, &slots, NULL), ERR_CORRUPT);
}

/* Half the block of before, half of now: what a write that was cut off leaves. */
static void
a_torn_block_is_unknown(void **state)
{
	uint8_t block[LEASE_BLOCK_BYTES], next[LEASE_BLOCK_BYTES];
	struct lease_beat later = beat;

	later.seq++;
	lease_beat_encode(&beats, &beat, block);
	lease_beat_encode(&beats, &later, next);
	memcpy(block, next, 40);
	expect_unknown(block, "checksum");
}

static void
zeros_and_ones_are_unknown(void **state)
{
	uint8_t block[LEASE_BLOCK_BYTES];

	memset(block, 0, sizeof(block));
	expect_unknown(block, "does not begin");
	memset(block, 0xff, sizeof(block));
	expect_unknown(block, "does not begin");
}

/* Sound blocks, but not what was asked for. */
static void
another_ones_block_is_unknown(void **state)
{
	struct lease_area a = claims_of(42), other = claims_of(43);
	uint8_t block[LEASE_BLOCK_BYTES];
	struct lease_claim c;
	struct lease_beat b;
	struct err e = ERR_INIT;

	lease_claim_encode(&other, &claim, block);
	assert_int_equal(lease_claim_decode(&a, 7, block, &c, &e), ERR_CORRUPT);
	assert_int_equal(c.phase, CLAIM_UNKNOWN);
	assert_non_null(strstr(e.msg, "another guest"));
	other = a;
	other.store[0]++;
	lease_claim_encode(&other, &claim, block);
	expect_unknown(block, "another datastore");
	other = a;
	other.cluster[15]++;
	lease_claim_encode(&other, &claim, block);
	expect_unknown(block, "another cluster");
	lease_beat_encode(&beats, &beat, block);
	assert_int_equal(lease_beat_decode(&beats, 8, block, &b, &e), ERR_CORRUPT);
	assert_true(!b.known && b.host_id == 8);
	assert_non_null(strstr(e.msg, "host 7"));
}

static void
what_no_host_writes_is_unknown(void **state)
{
	struct lease_area a = claims_of(42);

	static const struct {
		bool beat;
		size_t at;
		uint8_t value;
		const char *why;
	} cases[] = {
		{ true, 8, 2, "version 2" },
		{ true, 96, 1, "more than it may" },
		{ true, 4095, 1, "more than it may" },
		{ true, 60, 2, "no heartbeat" },
		{ true, 91, 1, "no heartbeat" }, /* a lease of months */
		{ true, 64, 0, "no heartbeat" }, /* unused, yet it beats */
		{ false, 60, 0, "no claim" },
		{ false, 64, 0, "no claim" }, /* runs in no incarnation */
		{ false, 72, 0, "no claim" }, /* runs in no generation */
		{ false, 80, 1, "no claim" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t block[LEASE_BLOCK_BYTES];
		struct lease_beat b = beat;
		struct lease_claim c = claim;
		struct err e = ERR_INIT;
		int rc;

		if (cases[i].beat)
			lease_beat_encode(&beats, &beat, block);
		else
			lease_claim_encode(&a, &claim, block);
		block[cases[i].at] = cases[i].value;
		seal(block);
		rc = cases[i].beat ? lease_beat_decode(&beats, 7, block, &b, &e)
				   : lease_claim_decode(&a, 7, block, &c, &e);
		assert_int_equal(rc, ERR_CORRUPT);
		assert_true(cases[i].beat ? !b.known : c.phase == CLAIM_UNKNOWN);
		assert_non_null(strstr(e.msg, cases[i].why));
	}
}

static void
a_head_tells_damage_from_another_area(void **state)
{
	struct lease_area other = beats;
	uint8_t block[LEASE_BLOCK_BYTES];
	uint32_t slots = 0;
	struct err e = ERR_INIT;

	other.store[3] = 0;
	lease_head_encode(&other, block);
	assert_int_equal(lease_head_decode(&beats, block, &slots, &e), ERR_CHANGED);
	assert_string_equal(e.msg, "the head of the area is of another datastore");
	lease_head_encode(&beats, block);
	block[57] = 2;
	seal(block);
	assert_int_equal(lease_head_decode(&beats, block, &slots, &e), ERR_CORRUPT);
	memset(block, 0, sizeof(block));
	assert_int_equal(lease_head_decode(&beats, block, &slots, &e), ERR_CORRUPT);
	assert_int_equal(slots, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bytes_of_a_heartbeat_stay),
		cmocka_unit_test(the_bytes_of_a_claim_stay),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_slot_that_nobody_used_is_known),
		cmocka_unit_test(every_flipped_bit_is_unknown),
		cmocka_unit_test(a_torn_block_is_unknown),
		cmocka_unit_test(zeros_and_ones_are_unknown),
		cmocka_unit_test(another_ones_block_is_unknown),
		cmocka_unit_test(what_no_host_writes_is_unknown),
		cmocka_unit_test(a_head_tells_damage_from_another_area),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
