#include "host-agent/engine/qemu/qemu_disk_io.h"

#include <string.h>

#include "base/json_peek.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_live.h"

#define DEVICE     "/machine/peripheral/blk-"
#define DEVICE_END "/virtio-backend"
#define SLOT_MAX   255u
#define NS_PER_US  1000u

/* False: it is no disk of ours, as the one that customizes a machine at its start. */
static bool
slot_of(const char *device, unsigned *ret)
{
	AUTO_FREE char *digits = NULL;
	uint64_t slot;

	if (!device || !str_starts(device, DEVICE) || !str_ends(device, DEVICE_END))
		return false;
	device += strlen(DEVICE);
	digits = xstrndup(device, strlen(device) - strlen(DEVICE_END));
	if (parse_u64(digits, 0, SLOT_MAX, "disk", &slot, NULL))
		return false;
	*ret = (unsigned)slot;
	return true;
}

static bool
amount(const json *stats, const char *key, uint64_t *ret)
{
	const json *j = json_get(stats, key);

	if (!j || json_what(j) != JSON_IS_INT || json_int_value(j) < 0)
		return false;
	*ret = (uint64_t)json_int_value(j);
	return true;
}

static bool
amount_us(const json *stats, const char *key, uint64_t *ret)
{
	if (!amount(stats, key, ret))
		return false;
	*ret /= NS_PER_US;
	return true;
}

void
qemu_disk_io_parse(const json *answer, struct engine_disk_io *ret)
{
	size_t n = json_what(answer) == JSON_IS_ARRAY ? json_count(answer) : 0;

	ret->n = 0;
	for (size_t i = 0; i < n && ret->n < ENGINE_DISKS_MAX; i++) {
		const json *one = json_at(answer, i);
		struct engine_disk_io_of *d = &ret->disks[ret->n];
		const json *stats;

		if (json_what(one) != JSON_IS_OBJECT ||
		    !slot_of(json_peek_str(one, "qdev"), &d->slot))
			continue;
		stats = json_get(one, "stats");
		if (stats && json_what(stats) == JSON_IS_OBJECT &&
		    amount(stats, "rd_bytes", &d->read_bytes) &&
		    amount(stats, "wr_bytes", &d->written_bytes) &&
		    amount(stats, "rd_operations", &d->reads) &&
		    amount(stats, "wr_operations", &d->writes) &&
		    amount_us(stats, "rd_total_time_ns", &d->read_us) &&
		    amount_us(stats, "wr_total_time_ns", &d->write_us))
			ret->n++;
	}
}

static void
on_told(void *arg, int rc, const json *value)
{
	struct qemu_guest *q = arg;

	q->disk_io.asked = false;
	if (rc || !value)
		return;
	qemu_disk_io_parse(value, &q->disk_io.seen);
	q->disk_io.seen.at_us = clock_mono_us(loop_clock(q->g.engine->loop));
}

void
qemu_disk_io_forget(struct qemu_guest *q)
{
	q->disk_io = (struct qemu_disk_io){ .asked = false };
}

const struct engine_disk_io *
qemu_op_disk_io(struct engine_guest *g)
{
	struct qemu_guest *q = qemu_guest_of(g);

	if (!qemu_answers(q))
		return NULL;
	if (!q->disk_io.asked) {
		q->disk_io.asked = true;
		qmp_ask(q->qmp, "query-blockstats", NULL, on_told, q);
	}
	return &q->disk_io.seen;
}
