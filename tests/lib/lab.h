/*
 * lab: a whole server in memory for tests: fake database, virtual clock, fake agents.
 *
 * It stands up with a datacenter, a cluster, hosts that are connected, a shared
 * datastore, a network with addresses and a template. lab_crash is a kill -9: only the
 * database's rows and the agents stay.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/advice/advice.h"
#include "server/db/db_fake.h"
#include "server/event/event_life.h"
#include "server/hosts/agent_fake.h"
#include "server/hosts/hosts.h"
#include "server/inventory/caller.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"
#include "server/ops/op_def.h"
#include "server/task/task_recover.h"

#define LAB_MAX_HOSTS 4

struct lab {
	struct clock *clock;
	struct loop *loop;
	struct db *db;
	struct inv *inv;
	struct events *events;
	struct tasks *tasks;
	struct hosts *hosts;
	struct advice *advice;
	struct ops *ops;
	uint64_t epoch;
	unsigned n_hosts;
	struct agent_fake *agent[LAB_MAX_HOSTS];
	obj_id host[LAB_MAX_HOSTS];
	obj_id dc, cluster, datastore, network, tmpl;
	/* of the last lab_op */
	int rc;
	char msg[240];
	obj_id task, object;
	json *extra;
	bool answered;
};

struct lab *lab_new(unsigned n_hosts, uint64_t memory_mb);
void lab_free(struct lab *l);
void lab_crash(struct lab *l); /* the agents are to be dialled again */
void lab_dial(struct lab *l);  /* those that have no link */
void lab_meet(struct lab *l); /* guests move among all hosts from now on */

void lab_settle(struct lab *l); /* until nothing is left to do at this moment */
void lab_advance(struct lab *l, uint64_t ms);
/* Ask without waiting; args is JSON text with ' for ". */
void lab_submit(struct lab *l, const char *op, obj_id entity, const char *args);
/* Ask and wait for the answer; its code. */
int lab_op(struct lab *l, const char *op, obj_id entity, const char *args);
/* Wait for the end of a task; 0 or the code of its error. */
int lab_wait(struct lab *l, obj_id task);
int lab_do(struct lab *l, const char *op, obj_id entity, const char *args); /* both */
const char *lab_task_error(const struct lab *l); /* message of the last task */
/* A machine that runs (or not) from the template. */
obj_id lab_vm(struct lab *l, const char *name, bool power_on);
unsigned lab_events(const struct lab *l, const char *type); /* how many of a type */
enum power_state lab_power(const struct lab *l, obj_id vm);
