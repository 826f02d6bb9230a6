/*
 * facts: what this host is and can do, as the server is told and as --probe prints it.
 */
#pragma once
#include "host-agent/collect/col_host.h"
#include "proto/hello.pb-c.h"

struct engine;
struct str;

struct facts_in {
	const struct col_machine *machine;
	const struct col_share *share;
	struct engine *const *engines; /* probed */
	size_t n_engines;
	const char *cgroup;         /* "v1", "v2", "none: reason" */
	const char *anti_spoof;     /* "yes", "no: reason" */
	const char *const *bridges; /* NULL-ended, or NULL */
};

/* Free with drover__host_facts__free_unpacked. */
Drover__HostFacts *facts_make(const struct facts_in *in);
/* For people. */
void facts_print(const Drover__HostFacts *f, struct str *out);
/* One JSON object. */
void facts_print_json(const Drover__HostFacts *f, struct str *out);
