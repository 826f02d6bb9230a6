#include "host-agent/engine/sim/sim_fault.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* "move_out" is "move out". */
static bool
names_verb(const char *s, const char *name)
{
	while (*s && (*s == '_' ? ' ' : *s) == *name) {
		s++;
		name++;
	}
	return *s == *name;
}

static int
read_verb(const char *s, enum engine_verb *ret_v)
{
	for (int v = 0; v < ENGINE_VERBS_; v++) {
		if (!names_verb(s, engine_verb_name((enum engine_verb)v)))
			continue;
		*ret_v = (enum engine_verb)v;
		return 0;
	}
	return ERR_INVALID;
}

static int
read_kind(const char *s, enum sim_fault_kind *ret_k)
{
	static const char *const names[] = { [SIM_SLOW] = "slow",
		[SIM_LOST] = "lost",
		[SIM_STUCK] = "stuck",
		[SIM_CRASH] = "crash" };

	for (size_t k = SIM_SLOW; k < ARRAY_SIZE(names); k++) {
		if (!str_same(s, names[k]))
			continue;
		*ret_k = (enum sim_fault_kind)k;
		return 0;
	}
	return ERR_INVALID;
}

/* "verb:guest=kind", n bytes. */
static int
read_fault(const char *part, size_t n, struct sim_fault *out, struct err *e)
{
	AUTO_FREE char *text = xstrndup(part, n);
	char *colon = strchr(text, ':');
	char *equals = colon ? strchr(colon, '=') : NULL;
	bool good = equals != NULL;

	if (good) {
		*colon = *equals = '\0';
		out->any_guest = str_same(colon + 1, "*");
		good = !read_verb(text, &out->verb) &&
		       !read_kind(equals + 1, &out->kind) &&
		       (out->any_guest || !parse_u64(colon + 1, 0, UINT64_MAX, "guest",
					      &out->guest, NULL));
	}
	if (!good)
		return err_set(e, ERR_INVALID,
		    "fault script: cannot read \"%.*s\": wants verb:guest=fault",
		    (int)n, part);
	return 0;
}

int
sim_script_parse(const char *text, struct sim_script *ret_s, struct err *e)
{
	struct sim_script s = { .n = 0 };
	size_t n;

	for (; text && *text; text += n + (text[n] == ',')) {
		n = strcspn(text, ",");
		if (s.n == SIM_FAULTS_MAX)
			return err_set(e, ERR_INVALID, "fault script: over %d entries",
			    SIM_FAULTS_MAX);
		if (read_fault(text, n, &s.faults[s.n], e))
			return ERR_INVALID;
		s.n++;
	}
	*ret_s = s;
	return 0;
}

enum sim_fault_kind
sim_script_look(const struct sim_script *s, enum engine_verb verb, uint64_t guest)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct sim_fault *f = &s->faults[i];

		if (f->verb == verb && (f->any_guest || f->guest == guest))
			return f->kind;
	}
	return SIM_NO_FAULT;
}
