/*
 * Images of a machine that does not run, from host to host, one after another.
 *
 * Three orders for each: the target expects it, the source sends it, the target says
 * what has come.  All in one step: after a restart the orders are asked for again, and
 * answered with what was stored.
 */
#include "base/arena.h"
#include "base/rng.h"
#include "server/migrate/migrate_int.h"
#include "server/ops/vm_spec.h"

#define KEY_BYTES  32
#define EXPECT_MS  60000u
#define SEND_MS    (24u * 60 * 60 * 1000)
#define RELEASE_MS 60000u
#define MB_BYTES   UINT64_C(0x100000)

enum part { PART_EXPECT, PART_SEND, PART_CAME, PARTS };

/* An image's own order numbers. */
#define PART_STEP(image, part) \
	(ORDER_STEP(MIG_SEND) + 1000u * (1 + PARTS * (uint32_t)(image) + (part)))

/* With the step: one key, of which each image has its own. */
void
mig_send_store(struct task_run *r)
{
	uint8_t key[KEY_BYTES];
	char hex[2 * KEY_BYTES + 1];

	rng_secret(key, sizeof(key));
	hex_encode(key, sizeof(key), hex);
	json_set_str(r->args, "key", hex);
}

static ProtobufCBinaryData
key_of(struct arena *mem, const struct task_run *r, size_t image)
{
	ProtobufCBinaryData key = { KEY_BYTES, arena_alloc(mem, KEY_BYTES) };
	struct err ignored = ERR_INIT;

	/* It is ours: written by mig_send_store. */
	int rc = hex_decode(arg_str(r->args, "key"), key.data, KEY_BYTES, &ignored);
	(void)rc;
	key.data[KEY_BYTES - 1] ^= (uint8_t)image;
	return key;
}

/* What goes: the disk before and after. */
struct image {
	const Drover__DiskSpec *from, *to;
	uint64_t size_bytes;
};

/* Number i of the disks that move; false if there are no more. */
static bool
image_at(struct arena *mem, const struct task_run *r, size_t i, struct image *ret)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);

	if (!vm)
		return false;
	struct vm after = mig_vm_after(r, vm);
	const Drover__GuestSpec *old = vm_spec(mem, r->inv, vm);
	const Drover__GuestSpec *new = vm_spec(mem, r->inv, &after);
	for (size_t k = 0; k < old->n_disks; k++) {
		if (!mig_disk_moves(json_at(vm->disks, k), r->args) || i-- > 0)
			continue;
		ret->from = old->disks[k];
		ret->to = new->disks[k];
		ret->size_bytes = vm->disk_usage_bytes ? vm->disk_usage_bytes
						       : old->disks[k]->size_bytes;
		return true;
	}
	return false;
}

static char *
uuid_of(struct arena *mem, const struct task_run *r, obj_id host)
{
	const struct host *h = inv_host(r->inv, host);

	return arena_strdup(mem, h && h->uuid ? h->uuid : "");
}

static enum flow_rc
order_expect(
    struct task_run *r, struct arena *mem, const struct image *im, size_t image)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__ImageReceive receive = DROVER__IMAGE_RECEIVE__INIT;

	receive.datastore = im->to->datastore;
	receive.path = im->to->path;
	receive.format = im->to->format;
	receive.key = key_of(mem, r, image);
	receive.source_uuid = uuid_of(mem, r, mig_from(r));
	receive.size_bytes = im->size_bytes;
	receive.backing = im->to->n_backing ? im->to->backing[0] : NULL;
	o.verb_case = DROVER__ORDER__VERB_IMAGE_RECEIVE;
	o.image_receive = &receive;
	return mig_order(r, mig_to(r), &o, PART_STEP(image, PART_EXPECT), EXPECT_MS);
}

static const Drover__Reply *
reply_of(const struct task_run *r, obj_id host, size_t image, enum part part)
{
	return host_call_reply(
	    run_ops(r)->hosts, host, obj_id_number(r->id), PART_STEP(image, part));
}

static enum flow_rc
order_send(struct task_run *r, struct arena *mem, const struct image *im, size_t image)
{
	const Drover__Reply *reply = reply_of(r, mig_to(r), image, PART_EXPECT);
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__ImageSend send = DROVER__IMAGE_SEND__INIT;

	if (!reply || reply->result_case != DROVER__REPLY__RESULT_ARRIVE_READY) {
		err_set(task_err(r), ERR_INTERNAL, "host %s does not say where to send",
		    inv_name(r->inv, mig_to(r)));
		return FLOW_FAIL;
	}
	send.datastore = im->from->datastore;
	send.path = im->from->path;
	send.key = key_of(mem, r, image);
	send.target_uuid = uuid_of(mem, r, mig_to(r));
	send.addresses = reply->arrive_ready->addresses;
	send.n_addresses = reply->arrive_ready->n_addresses;
	send.port = reply->arrive_ready->port;
	send.bytes_per_s = arg_u64(r->args, "bandwidth_mb", 0) * MB_BYTES;
	o.verb_case = DROVER__ORDER__VERB_IMAGE_SEND;
	o.image_send = &send;
	return mig_order(r, mig_from(r), &o, PART_STEP(image, PART_SEND), SEND_MS);
}

static enum flow_rc
order_came(struct task_run *r, struct arena *mem, size_t image)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__ImageReceived received = DROVER__IMAGE_RECEIVED__INIT;

	received.key = key_of(mem, r, image);
	o.verb_case = DROVER__ORDER__VERB_IMAGE_RECEIVED;
	o.image_received = &received;
	return mig_order(r, mig_to(r), &o, PART_STEP(image, PART_CAME), SEND_MS);
}

enum flow_rc
mig_send_start(struct task_run *r)
{
	AUTO(arena) struct arena *mem = arena_new();
	size_t image = arg_u64(r->args, "image", 0);
	struct image im;

	mig_note_begin(r);
	if (!image_at(mem, r, image, &im))
		return FLOW_NEXT;
	/* Nothing is lost by giving up: the source still has it all. */
	if (hosts_need_up(run_ops(r)->hosts, mig_from(r), task_err(r)) ||
	    hosts_need_up(run_ops(r)->hosts, mig_to(r), task_err(r)))
		return FLOW_FAIL;
	hosts_wait(run_ops(r)->hosts, task_wake(r));
	switch ((enum part)arg_u64(r->args, "part", PART_EXPECT)) {
	case PART_EXPECT:
		return order_expect(r, mem, &im, image);
	case PART_SEND:
		return order_send(r, mem, &im, image);
	case PART_CAME:
	case PARTS:
		break;
	}
	return order_came(r, mem, image);
}

static void
add_checksum(struct task_run *r, size_t image, const Drover__CopyFacts *f)
{
	AUTO(arena) struct arena *mem = arena_new();
	json *list = json_get(r->args, "checksums"), *one = json_new_object();
	struct image im;

	if (!list) {
		json_set_json(r->args, "checksums", json_new_array());
		list = json_get(r->args, "checksums");
	}
	if (image_at(mem, r, image, &im))
		json_set_str(one, "disk", im.from->name);
	json_set_str(one, "sha256", f->sha256);
	json_set_u64(one, "bytes", f->bytes);
	json_add_json(list, one);
}

/* Both ends have read the image: did they read the same? */
static int
compare(struct task_run *r, size_t image)
{
	const Drover__Reply *sent = reply_of(r, mig_from(r), image, PART_SEND);
	const Drover__Reply *came = reply_of(r, mig_to(r), image, PART_CAME);

	if (!sent || sent->result_case != DROVER__REPLY__RESULT_COPY || !came ||
	    came->result_case != DROVER__REPLY__RESULT_COPY)
		return err_set(
		    task_err(r), ERR_INTERNAL, "the hosts do not say what they copied");
	if (!str_same(sent->copy->sha256, came->copy->sha256) ||
	    sent->copy->bytes != came->copy->bytes)
		return err_set(task_err(r), ERR_CORRUPT,
		    "an image changed on its way from %s to %s",
		    inv_name(r->inv, mig_from(r)), inv_name(r->inv, mig_to(r)));
	add_checksum(r, image, came->copy);
	return 0;
}

enum flow_rc
mig_send_finish(struct task_run *r, int rc)
{
	uint64_t image = arg_u64(r->args, "image", 0);
	uint64_t part = arg_u64(r->args, "part", PART_EXPECT);

	if (rc)
		return FLOW_FAIL;
	if (!reply_of(
		r, part == PART_SEND ? mig_from(r) : mig_to(r), image, (enum part)part))
		return FLOW_AGAIN; /* some host came or went */
	if (part != PART_CAME) {
		json_set_u64(r->args, "part", part + 1);
		return FLOW_AGAIN;
	}
	if (compare(r, image))
		return FLOW_FAIL;
	json_set_u64(r->args, "image", image + 1);
	json_set_u64(r->args, "part", PART_EXPECT);
	return FLOW_AGAIN;
}

/* What has come is deleted; the target has no book of the machine. */
enum flow_rc
mig_send_undo(struct task_run *r)
{
	AUTO(arena) struct arena *mem = arena_new();
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestRelease release = DROVER__GUEST_RELEASE__INIT;
	const struct vm *vm = inv_vm(r->inv, r->entity);
	struct image im;

	if (!vm || !mig_sends(r) || mig_host_is_away(r, mig_to(r)))
		return FLOW_NEXT;
	release.guest = obj_id_number(r->entity);
	release.generation = vm->run_gen + 1;
	size_t n = vm->disks ? json_count(vm->disks) : 0;
	release.delete_disks = arena_array(mem, n + 1, sizeof(Drover__DiskSpec *));
	for (size_t i = 0; i < n && image_at(mem, r, i, &im); i++) {
		Drover__DiskSpec *d = arena_alloc(mem, sizeof(*d));
		*d = *im.to;
		release.delete_disks[release.n_delete_disks++] = d;
	}
	o.verb_case = DROVER__ORDER__VERB_GUEST_RELEASE;
	o.guest_release = &release;
	return run_undo_order(r, mig_to(r), &o, RELEASE_MS);
}
