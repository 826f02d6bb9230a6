#include "host-agent/engine/oci/oci_criu.h"

#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_int.h"

#define PROGRAM "drover-criu-probe"
#define LAZY_WHY \
	"the source would be needed after the switch: two hosts could lose one guest"
#define NO_LAZY_WHY "the kernel lets no page be fetched when it is touched"
#define ONCE_WHY    "memory goes once, while a container stands still"
#define UNTOLD      ": the kernel does not tell which pages change"

static void
show(struct oci *oci, const char *why_not)
{
	struct engine_facts *facts = &oci->en.facts;
	const struct oci_criu_facts *criu = &oci->criu_facts;
	const char *once = why_not;

	engine_fact_cap(facts, ENGINE_CAP_SUSPEND, why_not);
	engine_fact_cap(facts, ENGINE_CAP_LIVE_MIGRATION, why_not);
	if (!why_not)
		once = criu->tracks_memory ? ONCE_WHY : ONCE_WHY UNTOLD;
	engine_fact_cap(facts, ENGINE_CAP_PRE_COPY, once);
	engine_fact_cap(facts, ENGINE_CAP_POST_COPY,
	    why_not || criu->lazy_pages ? LAZY_WHY : NO_LAZY_WHY);
}

enum flow_rc
oci_criu_step(struct oci_guest *c, struct flow *f)
{
	struct oci *oci = c->oci;
	AUTO_FREE char *stage = xstrdup(oci->stage);
	AUTO_FREE char *program = xasprintf("%s/" PROGRAM, dirname(stage));
	AUTO_FREE char *cache = xasprintf("%s/criu", oci->state_dir);
	AUTO_FREE char *wanted = xstrdup(oci->criu);
	const char *const args[] = { program, "--cache", cache, *wanted ? wanted : NULL,
		NULL };

	if (access(program, X_OK)) {
		show(oci, "there is no " PROGRAM " beside drover-stage");
		return FLOW_NEXT;
	}
	if (!oci_program_run(c, args, flow_wake(f), flow_err(f)))
		return FLOW_WAIT;
	show(oci, flow_err(f)->msg);
	err_clear(flow_err(f));
	return FLOW_NEXT;
}

static void
read_fact(struct oci *oci, const char *line)
{
	struct oci_criu_facts *facts = &oci->criu_facts;

	if (str_starts(line, "program ")) {
		free(oci->criu);
		oci->criu = xstrdup(line + strlen("program "));
	} else if (str_starts(line, "version ")) {
		snprintf(facts->version, sizeof(facts->version), "%s",
		    line + strlen("version "));
	} else if (str_starts(line, "mem_track ")) {
		facts->tracks_memory = str_ends(line, " yes");
	} else if (str_starts(line, "lazy_pages ")) {
		facts->lazy_pages = str_ends(line, " yes");
	}
}

enum flow_rc
oci_criu_finish(struct oci_guest *c, struct flow *f, int rc)
{
	struct oci *oci = c->oci;
	AUTO_FREE char *text = xstrdup(c->child_out ? c->child_out : "");
	char *rest = text;

	if (rc) {
		log_notice("engine", "oci: %s", flow_err(f)->msg);
		show(oci, flow_err(f)->msg);
		err_clear(flow_err(f));
		return FLOW_NEXT;
	}
	for (char *line; (line = strsep(&rest, "\n"));)
		read_fact(oci, line);
	show(oci, *oci->criu && *oci->criu_facts.version ? NULL : "CRIU says nothing");
	return FLOW_NEXT;
}
