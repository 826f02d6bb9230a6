/*
 * api_int: one call under way, and how handlers answer it.
 */
#pragma once
#include "base/json.h"
#include "base/list.h"
#include "base/map.h"
#include "server/access/session.h"
#include "server/api/api.h"
#include "server/api/router.h"
#include "server/inventory/inv.h"

#define API_MAGIC       0x41504921u
#define LATENCY_BUCKETS 9

/* Upper ends of the latency buckets, in µs; the last has none. */
extern const uint64_t api_bucket_us[LATENCY_BUCKETS - 1];

struct route_stat {
	uint64_t by_class[6]; /* answers by first digit of the status */
	uint64_t bucket[LATENCY_BUCKETS];
	uint64_t sum_us;
};

struct api {
	struct api_deps d;
	struct front *front;
	struct watch *watch;
	struct task_waits *waits;
	struct doubt *doubt;
	struct list calls;    /* under way */
	struct map *pieces;   /* answers in pieces, by connection */
	struct list visitors; /* in guests, see visitor.h */
	struct enters *enters;
	uint64_t last_transfer;
	struct route_stat *stats; /* one a route */
	char boot[33];
	uint64_t started_ms; /* wall */
};

/* Lives from the request to its answer; exactly one api_reply_* ends it. */
struct api_call {
	struct list_node node;
	bool answered; /* too late for its answer: it only has to end */
	struct api *api;
	struct request *req;
	const struct route *route;
	struct route_path at;
	obj_id id; /* what {id} names, of the route's kind, and it exists */
	struct caller who;
	char session[24]; /* id of the session, "" without one */
	json *body;       /* of JSON routes, an object; NULL when none was sent */
};

const struct route *api_routes(size_t *ret_n);
void api_reply_json(struct api_call *c, int status, json *j_take);
/* What is not JSON: p is from response_new for c. */
void api_reply_with(struct api_call *c, struct response *p_take);
void api_reply_text(struct api_call *c, const char *type, char *text_take, size_t n);
void api_reply_err(struct api_call *c, const struct err *e);
/* err_set and answer with it. */
void api_refuse(struct api_call *c, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* 200 with {} */
void api_reply_done(struct api_call *c);
/* Put a cookie into the answer that follows. */
void api_reply_json_cookie(
    struct api_call *c, int status, json *j_take, char *cookie_take);
/* With an ETag, or NULL. */
void api_reply_json_tagged(
    struct api_call *c, int status, json *j_take, char *etag_take);
/* What a refusal says: {"error":{code, message, request_id}}. */
json *api_error_json(const struct api_call *c, const struct err *e);
void api_refuse_later(
    struct api_call *c, int code, uint32_t retry_after_s, const char *msg);
/* The body must be an object of just these fields. -1: the call has been answered. */
int api_need_body(struct api_call *c, const char *const *known);
/* A number of the query within limits; answers the call and returns -1 when it is not.
 */
int api_arg_u64(struct api_call *c, const char *name, uint64_t preset, uint64_t max,
    uint64_t *ret_v);

/* api_revision.c: an object, with the revision of what people set as its ETag. */
void api_reply_object(struct api_call *c, int status, const struct obj *o);
/* The revision that a PATCH's If-Match names; 0: any. */
int api_if_match(
    const struct api_call *c, uint64_t *ret_rev, struct err *e) WARN_UNUSED;
/* Refuse it: who changed what since revision rev, and what the object is now. */
void api_reply_changed(struct api_call *c, const struct err *e, uint64_t rev);

/* A call of r, with its route and caller as far as they were found; e tells what was
 * not.  Without an answer: api_drop ends it. */
struct api_call *api_call_of(struct api *a, struct request *r_take, struct err *e);

/* Who a request is: bearer token or cookie; NULL if nobody. */
const struct session *api_authenticate(struct api *a, const struct request *r);

/* End a call that nobody can be answered for any more. */
void api_drop(struct api_call *c);
/* Answer now a call whose own answer is still to come; that one is dropped then. */
void api_answer_early(struct api_call *c, const struct err *e);

/* Handlers, by file. */
#define HANDLER(name) void api_##name(struct api_call *c);
HANDLER(list)
HANDLER(get)
HANDLER(op)
HANDLER(vm_snapshots)
HANDLER(snapshot_delete)
HANDLER(task_get)
HANDLER(task_cancel)
HANDLER(session_open)
HANDLER(session_current)
HANDLER(session_end)
HANDLER(session_list)
HANDLER(session_revoke)
HANDLER(token_list)
HANDLER(token_create)
HANDLER(token_revoke)
HANDLER(password_change)
HANDLER(preferences_get)
HANDLER(preferences_change)
HANDLER(enroll)
HANDLER(disk_remove)
HANDLER(vm_exec)
HANDLER(vm_enter)
HANDLER(vm_ticket)
HANDLER(vm_log)
HANDLER(vm_picture)
HANDLER(vm_files_get)
HANDLER(vm_files_put)
HANDLER(file_list)
HANDLER(file_write)
HANDLER(file_read)
HANDLER(file_sum)
HANDLER(file_delete)
HANDLER(placement)
HANDLER(migrate_check)
HANDLER(drs_run)
HANDLER(drs_apply)
HANDLER(maintenance_check)
HANDLER(ha_status)
HANDLER(ha_test)
HANDLER(alarm_try)
HANDLER(alarm_preview)
HANDLER(event_list)
HANDLER(audit_list)
HANDLER(audit_check)
HANDLER(stats)
HANDLER(stat_counters)
HANDLER(stat_intervals)
HANDLER(stat_graph)
HANDLER(stat_top)
HANDLER(system)
HANDLER(system_leader)
HANDLER(system_servers)
HANDLER(openapi)
HANDLER(health)
HANDLER(metrics)
HANDLER(metrics_vms)
#undef HANDLER

/* What the exporter asks the API for; its arg is the API. */
extern const struct export_api api_export;
/* The same for statistics of the server itself. */
extern const struct stat_self_api api_self;

/* Answers changes whose outcome the database keeps to itself for too long. */
struct doubt *doubt_new(struct api *a);
void doubt_free(struct doubt *d);

struct task_waits *task_waits_new(struct api *a);
void task_waits_free(struct task_waits *w);
