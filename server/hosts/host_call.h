/*
 * host_call: an order to a host and its reply.
 *
 * An order is named by host, task and step. It is sent when the host is connected, or
 * becomes so, within the deadline, which counts from the first time it is asked for.
 * When the link breaks before the reply, the wake ends with ERR_LOST; asking again
 * sends the same order, which the agent answers with the reply it stored. When the
 * deadline has passed the wake ends with ERR_TIMEOUT. Core thread only.
 */
#pragma once
#include <stdint.h>

#include "base/id.h"
#include "loop/post.h"
#include "proto/msg.h"

struct hosts;

/*
 * o's task and step name it; the rest of it is packed at once and may be freed. An
 * order of the name that is on its way already just changes who is woken. The wake's rc
 * is the reply's fault.
 */
void host_call(struct hosts *hs, obj_id host, const Drover__Order *o,
    uint32_t deadline_ms, struct wake w);
/* The same, but a lost link is not told: it is sent again until the deadline. */
void host_call_patient(struct hosts *hs, obj_id host, const Drover__Order *o,
    uint32_t deadline_ms, struct wake w);
/* The reply of a call that ended well; NULL if it did not. Good until it is forgotten.
 */
const Drover__Reply *host_call_reply(
    const struct hosts *hs, obj_id host, uint64_t task, uint32_t step);
/* Drop all calls of a task: late replies fall on the floor. */
void host_call_forget(struct hosts *hs, uint64_t task);

/* A number for an order that belongs to no task; not used before by any server. */
uint64_t host_call_number(struct hosts *hs);
