/*
 * A customisation as JSON {name, customize, nics, dns} → the three files of its seed.
 */
#include "base/mem.h"
#include "server/template/customize.h"
#include "tests/golden/run_golden.h"

#define MAX_NICS 4

static const char *
text_of(const json *j, const char *key)
{
	const json *v = json_get(j, key);

	return v ? json_str_value(v, NULL) : NULL;
}

static int
make(const json *in, struct custom_seed *seed, struct err *e)
{
	struct custom_spec s = { 0 };
	struct custom_nic nics[MAX_NICS];
	const json *list = json_get(in, "nics");
	struct custom_guest g = {
		.uuid = "11112222-3333-4444-8555-666677778888",
		.name = text_of(in, "name"),
		.nics = nics,
		.n_nics = list ? json_count(list) : 0,
		.dns = text_of(in, "dns"),
	};

	for (size_t i = 0; i < g.n_nics && i < MAX_NICS; i++) {
		const json *n = json_at(list, i);
		nics[i] = (struct custom_nic){ text_of(n, "mac"), text_of(n, "address"),
			text_of(n, "gateway") };
	}
	int rc = custom_spec_overlay(&s, json_get(in, "customize"), e);
	if (!rc)
		rc = custom_spec_check(&s, e);
	return rc ? rc : customize_make(&s, &g, seed, e);
}

void
golden_case(const char *text, size_t n, struct str *out)
{
	AUTO(json) json *in = NULL;
	struct custom_seed seed;
	struct err e = ERR_INIT;
	int rc = json_parse(text, n, "case", &in, &e);

	if (!rc)
		rc = make(in, &seed, &e);
	if (rc) {
		str_addf(out, "%s: %s\n", err_name(rc), e.msg);
		return;
	}
	str_addf(out, "== meta-data\n%s== user-data\n%s== network-config\n%s",
	    str_cstr(&seed.meta_data), str_cstr(&seed.user_data),
	    str_cstr(&seed.network_config));
	custom_seed_fini(&seed);
}
