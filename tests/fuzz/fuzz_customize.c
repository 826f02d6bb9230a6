#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "server/template/customize.h"
#include "server/template/name_pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A line of ours is a key that is ours: what was given can only stand behind it. */
static void
check_lines(const char *text)
{
	static const char *const fronts[] = { "instance-id: \"", "local-hostname: \"" };
	size_t i = 0;

	for (const char *p = text; *p; p += strcspn(p, "\n") + 1)
		ASSERT(i < ARRAY_SIZE(fronts) && str_starts(p, fronts[i++]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(json) json *j = NULL;
	struct custom_nic nic = { "52:54:00:00:00:01", "10.1.0.2/24", "10.1.0.1" };
	struct custom_guest g = { .uuid = "u", .nics = &nic, .n_nics = 1 };
	struct custom_spec s = { 0 };
	struct custom_seed seed;
	struct name_pattern p;
	struct err e = ERR_INIT;

	if (json_parse((const char *)data, size, "input", &j, &e) ||
	    custom_spec_overlay(&s, j, &e))
		return 0;
	if (s.host_name && name_pattern_parse(s.host_name, &p, &e) == 0)
		free(name_pattern_at(&p, p.count - 1));
	g.name = s.user_name ? s.user_name : "m";
	if (custom_spec_check(&s, &e) || customize_make(&s, &g, &seed, &e))
		return 0;
	check_lines(str_cstr(&seed.meta_data));
	custom_seed_fini(&seed);
	return 0;
}
