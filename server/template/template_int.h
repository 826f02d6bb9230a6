/*
 * template_int: what the files of template/ share.
 */
#pragma once
#include "base/arena.h"
#include "server/inventory/inv_custspec.h"
#include "server/ops/container_conf.h"
#include "server/ops/vm_step.h"
#include "server/template/customize.h"
#include "server/template/template.h"

extern const struct op_def library_defs[];
extern const struct op_def copy_defs[];
extern const struct op_def deploy_defs[];
extern const struct op_def clone_defs[];
extern const struct op_def convert_defs[];
extern const struct op_def custspec_defs[];

#define IMAGE_MS    (30u * 60 * 1000) /* a copy of a large image */
#define REMOVE_MS   60000u
#define PLACES_MAX  64u /* of one template's disk */
#define VM_DISK_ONE "disk-0"

#define FORMAT_MACHINE   "qcow2"
#define FORMAT_CONTAINER "ext4"

/* ---- library_place.c: where a template's disk lies ---- */

struct tpl_place {
	obj_id datastore;
	const char *path, *format; /* the template's */
	const json *layers;        /* what that stands on, or NULL */
};

/* Its own first, then the copies. */
size_t tpl_places(const struct template *tpl, struct tpl_place out[PLACES_MAX]);
bool tpl_place_on(const struct template *tpl, obj_id datastore, struct tpl_place *ret);
/* Is the file one of the layers? */
bool tpl_stands_on(const struct tpl_place *p, const char *path);
/* A machine, one with such a snapshot, or a template whose chain has one of the
 * template's images; NULL if there is none. */
const struct obj *tpl_user(const struct inv *inv, const struct template *tpl);
/* The same for its image on one datastore. */
const struct obj *tpl_user_on(
    const struct inv *inv, const struct template *tpl, obj_id datastore);
const char *tpl_user_kind(const struct obj *user); /* for people */
bool reaches(const struct inv *inv, obj_id host, obj_id datastore);
/*
 * A connected host that reaches both datastores, of a cluster unless that is none, and
 * just this host unless that is none.
 */
obj_id host_reaching(
    const struct op_call *c, obj_id a, obj_id b, obj_id cluster, obj_id host);
int need_reachable(
    struct op_call *c, obj_id datastore, obj_id *ret_host, struct err *e) WARN_UNUSED;
int tpl_need_ready(const struct template *tpl, struct err *e) WARN_UNUSED;

/* ---- library.c ---- */

/* An order to remove a template's image; for run_order or run_undo_order. */
struct tpl_delete_order {
	Drover__Order o;
	Drover__TemplateDelete del;
};

void tpl_delete_fill(struct tpl_delete_order *d, obj_id tpl, obj_id datastore);
/* Into args: which host removes which image ("removals"). */
int removals_plan(
    struct op_call *c, const struct template *tpl, struct err *e) WARN_UNUSED;
/* start and finish of a step that carries them out, one after the other. */
enum flow_rc removals_start(struct task_run *r);
enum flow_rc removals_finish(struct task_run *r, int rc);
bool removals_done(const struct task_run *r); /* that step or on_end */
/* The template goes, and what is left of it in rows of machines. */
void tpl_forget(struct task_run *r, struct txn *t, obj_id tpl);
void tpl_take_facts(struct template *tpl, const Drover__Reply *reply);

/* ---- container.c: what only containers have ---- */

#define CONTAINER_DISK_MB     8192u /* what is not written takes no room */
#define CONTAINER_DISK_MIN_MB 16u

/* As vm.container and template.container keep it. */
json *container_json(const Drover__ContainerSpec *c);
json *layers_json(Drover__DiskLayer **v, size_t n);
/* Refuse what a guest of this kind does not take; made_of: the template or the guest
 * that it is made of. */
int container_kind_check(const json *args, enum guest_type type,
    const struct obj *made_of, struct err *e) WARN_UNUSED;
/*
 * The whole of what is said of a container that is made: preset is its template's, or
 * another container's.  What a customisation says becomes arguments; an address is
 * checked to be free.
 */
int settle_container(
    struct op_call *c, const json *preset, json **ret_conf, struct err *e) WARN_UNUSED;

/* ---- copy.c ---- */

void tpl_drop_copy(struct template *tpl, obj_id datastore);

/* ---- clone_live.c: steps of a clone of a machine that runs ---- */

bool clone_live_possible(void);
bool is_live_clone(struct task_run *r); /* its argument "live" names the machine */
enum flow_rc freeze_start(struct task_run *r);
enum flow_rc freeze_finish(struct task_run *r, int rc);
enum flow_rc freeze_undo(struct task_run *r);
/* With the step after it: what was frozen is what is copied. */
void live_sources_write(struct task_run *r, struct txn *t);
enum flow_rc live_place_start(struct task_run *r);
enum flow_rc live_place_finish(struct task_run *r, int rc);
enum flow_rc merge_start(struct task_run *r);
enum flow_rc merge_finish(struct task_run *r, int rc);
/* The task that merges what a failed clone has left. */
extern const struct op_def tidy_defs[];

/* ---- convert.c ---- */

/* A disk of vm.disks as something to copy from; memory is the arena's. */
Drover__DiskSource *disk_source(struct arena *a, const json *disk);
/* What it stands on, as a message has it. */
Drover__DiskLayer **layers_of(struct arena *a, const json *list, size_t *ret_n);

/* ---- deploy_settle.c: a wish becomes a whole one ---- */

/* Each choice that was left open is made and stored in the arguments; dc is where what
 * the machine is made of lies. */
int settle_place(struct op_call *c, obj_id dc, struct err *e) WARN_UNUSED;

/* What it is made of, a template or another guest. */
struct deploy_source {
	const struct obj *o;
	enum guest_type type;
	const json *container;
};

/* The machine's row, to be filled further. */
int deploy_row(struct op_call *c, const struct deploy_source *from, struct txn *t,
    struct vm **ret_vm, struct err *e) WARN_UNUSED;
/* op_def.split: the name may be a pattern. */
int deploy_split(const json *args, json **ret_list, struct err *e);

/* ---- deploy.c: steps that every way of making a machine has ---- */

enum flow_rc place_start(struct task_run *r);
enum flow_rc tpl_copy_start(struct task_run *r);
enum flow_rc tpl_copy_finish(struct task_run *r, int rc);
bool tpl_copy_needed(struct task_run *r);
enum flow_rc queue_start(struct task_run *r);
bool queue_needed(struct task_run *r);
enum flow_rc create_start(struct task_run *r);
enum flow_rc create_undo(struct task_run *r);
bool create_needed(struct task_run *r);
bool first_start_needed(struct task_run *r);
enum flow_rc first_start(struct task_run *r);
enum flow_rc first_start_undo(struct task_run *r);
void deploy_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out);
void deploy_on_step(struct task_run *r, unsigned step, struct txn *t);
void deploy_on_recover(struct task_run *r);
void deploy_on_end(struct task_run *r, struct txn *t, int rc, const struct err *e);

/* clang-format off */
#define DEPLOY_PLACE { .name = "place", .start = place_start, .finish = run_again }
#define DEPLOY_COPY { .name = "template", .start = tpl_copy_start, .finish = tpl_copy_finish, .needed = tpl_copy_needed }
#define DEPLOY_QUEUE { .name = "queue", .start = queue_start, .needed = queue_needed }
#define DEPLOY_CREATE { .name = "create", .start = create_start, .finish = run_order_finish, .undo = create_undo, .needed = create_needed }
#define DEPLOY_START { .name = "start", .start = first_start, .finish = run_order_finish, .undo = first_start_undo, .needed = first_start_needed }

/* Arguments that every way of making a machine takes. */
#define DEPLOY_ARGS \
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique in its folder; a range such as web-{01..50} makes one machine for each" }, \
	{ .name = "parent", .type = ARG_ID, .kinds = KIND_BIT(DATACENTER) | KIND_BIT(FOLDER), .help = "folder or datacenter; without: the source's datacenter" }, \
	{ .name = "cluster", .type = ARG_ID, .kinds = KIND_BIT(CLUSTER), .help = "without: the datacenter's only one" }, \
	{ .name = "pool", .type = ARG_ID, .kinds = KIND_BIT(POOL), .help = "without: the cluster's root pool" }, \
	{ .name = "host", .type = ARG_ID, .kinds = KIND_BIT(HOST), .help = "without: the scheduler's choice" }, \
	{ .name = "datastore", .type = ARG_ID, .kinds = KIND_BIT(DATASTORE), .help = "without: where the source lies" }, \
	{ .name = "network", .type = ARG_ID, .kinds = KIND_BIT(NETWORK), .help = "without: the source's, or the datacenter's only one, if any" }, \
	{ .name = "num_cpu", .type = ARG_U32, .min = 1, .max = VM_MAX_CPU, .help = "virtual CPUs; without: the source's" }, \
	{ .name = "memory_mb", .type = ARG_U64, .min = VM_MIN_MB, .max = VM_MAX_MB, .help = "memory; without: the source's" }, \
	{ .name = "disk_mb", .type = ARG_U64, .min = 1, .max = DISK_MAX_MB, .help = "size of the first disk, at least the source's; without: the source's; of a container its quota" }, \
	{ .name = "notes", .type = ARG_TEXT, .max = NOTES_MAX, .help = "for people" }, \
	{ .name = "custspec", .type = ARG_ID, .kinds = KIND_BIT(CUSTSPEC), .help = "customisation specification" }, \
	{ .name = "customize", .type = ARG_OBJECT, .help = "fields of a customisation specification, and address, that are laid over it" }, \
	{ .name = "power_on", .type = ARG_BOOL, .help = "start it too" }, \
	{ .name = "guest_type", .type = ARG_WORD, .words = "machine|container", .help = "what it shall be; refused if the source makes the other" }, \
	{ .name = "ip_address", .type = ARG_TEXT, .min = 7, .max = 15, .help = "of a container: inside its network and free; without: the next free one" }, \
	CONTAINER_ARGS
/* clang-format on */

#define DISK_MAX_MB (UINT64_C(64) << 20)

/* ---- deploy_seed.c: customisation of a machine that is made ---- */

/* custspec and customize become one object in the arguments, checked for this name. */
int settle_custom(struct op_call *c, struct err *e) WARN_UNUSED;
/* An address of the guest's network, for one guest; what names it in the error. */
int custom_address_check(const struct op_call *c, const char *what, const char *address,
    struct err *e) WARN_UNUSED;
/* The seed of a machine that has its NICs; nothing if it is not customised. */
void seed_write(const struct task_run *r, struct vm *vm);
/* The fields of a stored specification. */
struct custom_spec custom_spec_of(const struct custspec *row);

/* ---- for steps ---- */

/* Which step of its kind has this name. */
unsigned step_named(const struct task_run *r, const char *name);
bool step_is(const struct task_run *r, unsigned step, const char *name);
/* One of several orders of a step, by number. */
enum flow_rc run_part(struct task_run *r, obj_id host, unsigned part, Drover__Order *o,
    uint32_t deadline_ms);
const Drover__Reply *run_part_reply(
    const struct task_run *r, obj_id host, unsigned part);
