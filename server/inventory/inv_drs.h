/*
 * inv_drs: rules, their groups and recommendations, as the inventory has them (inv.h).
 */
#pragma once
#include "server/inventory/inv.h"

struct rule { /* parent: the cluster */
	struct obj o;
	enum rule_type type;
	bool enabled;
	struct id_list vms;   /* of the cluster */
	struct id_list hosts; /* of a rule between guests and hosts */
	/* None, or the group whose members vms and hosts are. */
	obj_id vm_group, host_group;
	char *conflict; /* why it was disabled, or NULL */
};

/* Guests, or hosts, that rules name together. */
struct drs_group { /* parent: the cluster */
	struct obj o;
	enum group_type type;
	struct id_list members;
};

const struct drs_group *inv_drs_group(const struct inv *inv, obj_id id);

struct rec { /* parent: the cluster; name: what it says, in one line */
	struct obj o;
	enum rec_action action;
	/* Of a move.  Of what is done to a host that one is from, or to where it wakes.
	 */
	obj_id vm, from, to;
	uint32_t priority; /* 1: must be, 2 … 5: worth less and less */
	char *reason;      /* code, "antiAffin" */
	char *text;        /* why, for people */
	enum rec_state state;
	char *note;    /* why it is stale or failed */
	json *factors; /* loads before and after, rules, alternatives, cost, benefit */
	json *inputs;  /* what the factors can be worked out from again */
	obj_id task;   /* that carries it out, or none */
};
