/*
 * host_parts: what of this machine guests are made of: engines, control groups, links.
 */
#pragma once
#include "host-agent/agent_conf.h"
#include "host-agent/collect/facts.h"

#define MAX_ENGINES 4u

struct cg;
struct flows;
struct loop;
struct nl;

struct host_parts {
	struct engine *engines[MAX_ENGINES];
	size_t n_engines;
	struct cg *cg;    /* NULL: none */
	char cgroup[240]; /* "v1", "v2", "none: reason" */
	struct nl *nl;    /* NULL: none */
	char anti_spoof[240]; /* "yes", "no: reason" */
	struct col_machine machine;
	struct col_share share;
};

/* group: the agent's control group below the configured root. */
int host_parts_init(struct host_parts *p, struct loop *l, struct flows *fs,
    const struct agent_conf *c, const char *group, struct err *e) WARN_UNUSED;
/* Engines' guests were freed before. A zeroed one is fine. */
void host_parts_fini(struct host_parts *p);
/* The engines must be probed. bridges is read anew each time. */
Drover__HostFacts *host_parts_facts(const struct host_parts *p);
