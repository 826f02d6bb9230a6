#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "host-agent/fence/lease_file.h"

#define AT_CRC 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct lease_area beats = { .cluster = "the cluster 01",
	.store = "the datastore",
	.slots = 64 };
static const struct lease_area claims = { .cluster = "the cluster 01",
	.store = "the datastore",
	.guest = 42,
	.slots = 64 };
static const struct lease_beat beat = { .known = true,
	.host_id = 7,
	.inc = 3,
	.seq = 900,
	.writer = 0x1122334455667788,
	.lease_ms = 6000,
	.kill_ms = 3000 };
static const struct lease_claim claim = { CLAIM_RUN, 7, 3, 12 };

/* Pairs of where and what to flip. Is anything different in the end? */
static bool
flip(uint8_t *block, const uint8_t *data, size_t n)
{
	uint8_t before[LEASE_BLOCK_BYTES];

	memcpy(before, block, sizeof(before));
	for (size_t i = 0; i + 3 <= n; i += 3)
		block[(data[i] | data[i + 1] << 8) % LEASE_BLOCK_BYTES] ^= data[i + 2];
	return memcmp(before, block, sizeof(before)) != 0;
}

/* The checksum set right, so that the input reaches what lies behind it. */
static void
seal(uint8_t *block)
{
	uint32_t crc;

	memset(block + AT_CRC, 0, 4);
	crc = crc32c(0, block, LEASE_BLOCK_BYTES);
	for (int i = 0; i < 4; i++)
		block[AT_CRC + i] = (uint8_t)(crc >> 8 * i);
}

/* What is known must be exactly what was written: no second way to say a thing. */
static void
check_beat(const uint8_t *block)
{
	uint8_t again[LEASE_BLOCK_BYTES];
	struct lease_beat b;

	if (lease_beat_decode(&beats, 7, block, &b, NULL)) {
		ASSERT(!b.known && b.host_id == 7 && !b.inc && !b.seq);
		return;
	}
	ASSERT(b.known && b.host_id == 7);
	lease_beat_encode(&beats, &b, again);
	ASSERT(!memcmp(again, block, sizeof(again)));
}

static void
check_claim(const uint8_t *block)
{
	uint8_t again[LEASE_BLOCK_BYTES];
	struct lease_claim c;

	if (lease_claim_decode(&claims, 7, block, &c, NULL)) {
		ASSERT(c.phase == CLAIM_UNKNOWN && c.host_id == 7 && !c.run_gen);
		return;
	}
	ASSERT(c.phase != CLAIM_UNKNOWN && c.host_id == 7);
	lease_claim_encode(&claims, &c, again);
	ASSERT(!memcmp(again, block, sizeof(again)));
}

static void
check_head(const uint8_t *block)
{
	struct lease_area a = beats;
	uint8_t again[LEASE_BLOCK_BYTES];

	if (lease_head_decode(&beats, block, &a.slots, NULL))
		return;
	lease_head_encode(&a, again);
	ASSERT(!memcmp(again, block, sizeof(again)));
}

static void
check_all(const uint8_t *block)
{
	check_beat(block);
	check_claim(block);
	check_head(block);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t block[LEASE_BLOCK_BYTES] = { 0 };
	struct lease_beat b;
	struct lease_claim c;

	memcpy(block, data, n < sizeof(block) ? n : sizeof(block));
	check_all(block);
	seal(block);
	check_all(block);
	lease_beat_encode(&beats, &beat, block);
	if (flip(block, data, n) && n < 6)
		ASSERT(lease_beat_decode(&beats, 7, block, &b, NULL) && !b.known);
	seal(block);
	check_all(block);
	lease_claim_encode(&claims, &claim, block);
	if (flip(block, data, n) && n < 6)
		ASSERT(lease_claim_decode(&claims, 7, block, &c, NULL) &&
		       c.phase == CLAIM_UNKNOWN);
	seal(block);
	check_all(block);
	return 0;
}
