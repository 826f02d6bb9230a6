#include "host-agent/fence/lease_file.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"

#define LEASE_VERSION 1
/* Eight letters each, so that a dump of the datastore can be read. */
#define MAGIC_BYTES 8
#define MAGIC_HEAD  "DRVRAREA"
#define MAGIC_BEAT  "DRVRBEAT"
#define MAGIC_CLAIM "DRVRCLAI"

#define FLAG_ISOLATED 1u

/* Where things are in a block; the rest of it is zero. */
enum {
	AT_MAGIC = 0,
	AT_VERSION = 8,
	AT_CRC = 12, /* counted as zero */
	AT_CLUSTER = 16,
	AT_STORE = 32,
	AT_GUEST = 48,
	AT_SLOT = 56,  /* the head: how many there are */
	AT_PHASE = 60, /* a heartbeat: flags */
	AT_INC = 64,
	AT_SEQ = 72, /* a claim: the generation */
	AT_WRITER = 80,
	AT_LEASE_MS = 88,
	AT_KILL_MS = 92,
	AT_END = 96,
};

/* Four letters each: no few bits make one out of another. */
static const struct {
	uint32_t code;
	const char *name;
} phases[CLAIM_PHASES_] = {
	[CLAIM_UNKNOWN] = { 0, "unknown" },
	[CLAIM_NONE] = { 0x656e6f6e, "none" },
	[CLAIM_CLAIM] = { 0x69616c63, "claim" },
	[CLAIM_RUN] = { 0x206e7572, "run" },
	[CLAIM_MIGRATE_IN] = { 0x6e692d6d, "migrate-in" },
};

static void
put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void
put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32(p + 4, (uint32_t)(v >> 32));
}

static uint32_t
get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t
get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static uint32_t
checksum(const uint8_t *block)
{
	static const uint8_t none[4];
	uint32_t crc = crc32c(0, block, AT_CRC);

	crc = crc32c(crc, none, sizeof(none));
	return crc32c(crc, block + AT_CRC + 4, LEASE_BLOCK_BYTES - AT_CRC - 4);
}

static void
begin(const struct lease_area *a, const char *magic, uint32_t slot, uint8_t *block)
{
	ASSERT(a->slots >= 1 && a->slots <= LEASE_MAX_SLOTS);
	memset(block, 0, LEASE_BLOCK_BYTES);
	memcpy(block + AT_MAGIC, magic, MAGIC_BYTES);
	put32(block + AT_VERSION, LEASE_VERSION);
	memcpy(block + AT_CLUSTER, a->cluster, sizeof(a->cluster));
	memcpy(block + AT_STORE, a->store, sizeof(a->store));
	put64(block + AT_GUEST, a->guest);
	put32(block + AT_SLOT, slot);
}

static void
seal(uint8_t *block)
{
	put32(block + AT_CRC, checksum(block));
}

/* Whole, of this version, and with nothing in it that this version does not know. */
static int
check_whole(const uint8_t *block, const char *magic, const char *what, struct err *e)
{
	if (memcmp(block + AT_MAGIC, magic, MAGIC_BYTES) != 0)
		return err_set(e, ERR_CORRUPT, "%s does not begin as one", what);
	if (get32(block + AT_CRC) != checksum(block))
		return err_set(e, ERR_CORRUPT, "the checksum of %s is wrong", what);
	if (get32(block + AT_VERSION) != LEASE_VERSION)
		return err_set(e, ERR_CORRUPT, "%s is of version %u, not %u", what,
		    get32(block + AT_VERSION), LEASE_VERSION);
	for (size_t i = AT_END; i < LEASE_BLOCK_BYTES; i++)
		if (block[i])
			return err_set(
			    e, ERR_CORRUPT, "%s holds more than it may", what);
	return 0;
}

static int
check_area(
    const struct lease_area *a, const uint8_t *block, const char *what, struct err *e)
{
	if (memcmp(block + AT_CLUSTER, a->cluster, sizeof(a->cluster)) != 0)
		return err_set(e, ERR_CHANGED, "%s is of another cluster", what);
	if (memcmp(block + AT_STORE, a->store, sizeof(a->store)) != 0)
		return err_set(e, ERR_CHANGED, "%s is of another datastore", what);
	if (get64(block + AT_GUEST) != a->guest)
		return err_set(e, ERR_CHANGED, "%s is of another guest", what);
	return 0;
}

/* What both kinds of slots have in common. */
static int
check_slot(const struct lease_area *a, uint32_t host_id, const uint8_t *block,
    const char *magic, struct err *e)
{
	static const char what[] = "the block";

	if (check_whole(block, magic, what, e) || check_area(a, block, what, e))
		return ERR_CORRUPT;
	if (get32(block + AT_SLOT) != host_id)
		return err_set(e, ERR_CORRUPT, "the block is that of host %u",
		    get32(block + AT_SLOT));
	return 0;
}

void
lease_head_encode(const struct lease_area *a, uint8_t *block)
{
	begin(a, MAGIC_HEAD, a->slots, block);
	seal(block);
}

int
lease_head_decode(const struct lease_area *a, const uint8_t *block, uint32_t *ret_slots,
    struct err *e)
{
	static const char what[] = "the head of the area";
	uint32_t slots = get32(block + AT_SLOT);
	int rc = check_whole(block, MAGIC_HEAD, what, e);

	if (!rc)
		rc = check_area(a, block, what, e);
	if (rc)
		return rc;
	if (slots < 1 || slots > LEASE_MAX_SLOTS)
		return err_set(
		    e, ERR_CORRUPT, "the head of the area has %u slots", slots);
	for (size_t i = AT_PHASE; i < AT_END; i++)
		if (block[i])
			return err_set(
			    e, ERR_CORRUPT, "%s holds more than it may", what);
	*ret_slots = slots;
	return 0;
}

/* A slot that no host has used has all zeros; another has lengths that can be. */
static bool
is_beat_sane(const struct lease_beat *b)
{
	if (b->inc == 0)
		return !b->seq && !b->writer && !b->lease_ms && !b->kill_ms &&
		       !b->isolated;
	return b->lease_ms >= 1 && b->lease_ms <= LEASE_MAX_MS && b->kill_ms >= 1 &&
	       b->kill_ms <= LEASE_MAX_MS;
}

void
lease_beat_encode(
    const struct lease_area *a, const struct lease_beat *b, uint8_t *block)
{
	ASSERT(b->host_id >= 1 && b->host_id <= a->slots && is_beat_sane(b));
	begin(a, MAGIC_BEAT, b->host_id, block);
	put32(block + AT_PHASE, b->isolated ? FLAG_ISOLATED : 0);
	put64(block + AT_INC, b->inc);
	put64(block + AT_SEQ, b->seq);
	put64(block + AT_WRITER, b->writer);
	put32(block + AT_LEASE_MS, b->lease_ms);
	put32(block + AT_KILL_MS, b->kill_ms);
	seal(block);
}

int
lease_beat_decode(const struct lease_area *a, uint32_t host_id, const uint8_t *block,
    struct lease_beat *ret, struct err *e)
{
	struct lease_beat b = {
		.known = true,
		.host_id = host_id,
		.inc = get64(block + AT_INC),
		.seq = get64(block + AT_SEQ),
		.writer = get64(block + AT_WRITER),
		.lease_ms = get32(block + AT_LEASE_MS),
		.kill_ms = get32(block + AT_KILL_MS),
		.isolated = get32(block + AT_PHASE) & FLAG_ISOLATED,
	};

	*ret = (struct lease_beat){ .host_id = host_id };
	if (check_slot(a, host_id, block, MAGIC_BEAT, e))
		return ERR_CORRUPT;
	if (get32(block + AT_PHASE) & ~FLAG_ISOLATED || !is_beat_sane(&b))
		return err_set(
		    e, ERR_CORRUPT, "the block says what no heartbeat can say");
	*ret = b;
	return 0;
}

static bool
is_claim_sane(const struct lease_claim *c)
{
	if (c->phase <= CLAIM_UNKNOWN || c->phase >= CLAIM_PHASES_)
		return false;
	if (c->inc == 0)
		return c->phase == CLAIM_NONE && c->run_gen == 0;
	return c->run_gen != 0;
}

void
lease_claim_encode(
    const struct lease_area *a, const struct lease_claim *c, uint8_t *block)
{
	ASSERT(c->host_id >= 1 && c->host_id <= a->slots && is_claim_sane(c));
	begin(a, MAGIC_CLAIM, c->host_id, block);
	put32(block + AT_PHASE, phases[c->phase].code);
	put64(block + AT_INC, c->inc);
	put64(block + AT_SEQ, c->run_gen);
	seal(block);
}

static enum claim_phase
phase_of(uint32_t code)
{
	for (enum claim_phase p = CLAIM_NONE; p < CLAIM_PHASES_; p++)
		if (phases[p].code == code)
			return p;
	return CLAIM_UNKNOWN;
}

int
lease_claim_decode(const struct lease_area *a, uint32_t host_id, const uint8_t *block,
    struct lease_claim *ret, struct err *e)
{
	struct lease_claim c = {
		.phase = phase_of(get32(block + AT_PHASE)),
		.host_id = host_id,
		.inc = get64(block + AT_INC),
		.run_gen = get64(block + AT_SEQ),
	};

	*ret = (struct lease_claim){ .host_id = host_id };
	if (check_slot(a, host_id, block, MAGIC_CLAIM, e))
		return ERR_CORRUPT;
	if (get64(block + AT_WRITER) || get64(block + AT_LEASE_MS) ||
	    !is_claim_sane(&c))
		return err_set(e, ERR_CORRUPT, "the block says what no claim can say");
	*ret = c;
	return 0;
}

const char *
claim_phase_name(enum claim_phase p)
{
	ASSERT(p < CLAIM_PHASES_);
	return phases[p].name;
}
