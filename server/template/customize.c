#include "server/template/customize.h"

#include <string.h>

#include "base/mem.h"
#include "server/ops/host_name.h"
#include "server/template/custom_check.h"

/* Both lists and both dictionaries count where two parts set the same key. */
#define MERGE_TYPE "Merge-Type: list(append)+dict(no_replace,recurse_list)+str()\n"

static bool
given(const char *s)
{
	return s && s[0];
}

int
custom_spec_overlay(struct custom_spec *s, const json *customize, struct err *e)
{
	static const char *const known[] = { "host_name", "domain", "address_mode",
		"address", "dns", "ssh_keys", "user_name", "user_data", NULL };
	const char **const fields[] = { &s->host_name, &s->domain, &s->address_mode,
		&s->address, &s->dns, &s->ssh_keys, &s->user_name, &s->user_data };
	int rc = json_only(customize, known, e);

	for (size_t i = 0; !rc && known[i]; i++)
		rc = json_read_str(
		    customize, known[i], JSON_OPTIONAL, CUSTOM_TEXT_MAX, fields[i], e);
	return rc ? err_wrap(e, "customize") : 0;
}

/* In quotes as YAML's double-quoted scalar; what is printable needs two escapes. */
static void
add_quoted(struct str *out, const char *s)
{
	str_addc(out, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\')
			str_addf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			str_addf(out, "\\x%02x", c);
		else
			str_addc(out, *s);
	}
	str_addc(out, '"');
}

static void
add_value(struct str *out, const char *before, const char *s)
{
	str_add(out, before);
	add_quoted(out, s);
	str_addc(out, '\n');
}

/* A machine's name as a label of a host name: "Web 01" becomes "web-01". */
static void
add_label(struct str *out, const char *name)
{
	size_t start = out->len;

	for (; *name; name++) {
		char c = *name;
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (plain)
			str_addc(out, c);
		else if (out->len > start && out->s[out->len - 1] != '-')
			str_addc(out, '-');
	}
	while (out->len > start && out->s[out->len - 1] == '-')
		out->s[--out->len] = '\0';
}

int
custom_host_name(
    const struct custom_spec *s, const char *name, struct str *out, struct err *e)
{
	const char *pattern = given(s->host_name) ? s->host_name : CUSTOM_NAME;

	for (const char *at; (at = strstr(pattern, CUSTOM_NAME));) {
		str_addn(out, pattern, (size_t)(at - pattern));
		add_label(out, name);
		pattern = at + strlen(CUSTOM_NAME);
	}
	str_add(out, pattern);
	int rc = host_label_check(str_cstr(out), e);
	return rc ? err_wrap(e, "host_name of machine \"%s\"", name) : 0;
}

static void
add_meta_data(struct str *out, const char *uuid, const char *host_name)
{
	add_value(out, "instance-id: ", uuid);
	add_value(out, "local-hostname: ", host_name);
}

/* Each word of a list that sep parts, under a key. */
static void
add_words(struct str *out, const char *key, const char *indent, const char *list,
    const char *sep)
{
	bool begun = false;

	for (const char *p = list; p && *p;) {
		size_t n = strcspn(p, sep);
		AUTO_FREE char *word = xstrndup(p, n);
		if (n && !begun)
			str_addf(out, "%s%s:\n", indent, key);
		if (n) {
			str_addf(out, "%s  - ", indent);
			add_value(out, "", word);
			begun = true;
		}
		p += n + (p[n] != '\0');
	}
}

static void
add_user(struct str *out, const struct custom_spec *s)
{
	if (!given(s->user_name)) {
		add_words(out, "ssh_authorized_keys", "", s->ssh_keys, "\n");
		return;
	}
	add_value(out, "users:\n  - name: ", s->user_name);
	str_add(out, "    shell: \"/bin/sh\"\n"
		     "    lock_passwd: true\n"
		     "    sudo: \"ALL=(ALL) NOPASSWD:ALL\"\n");
	add_words(out, "ssh_authorized_keys", "    ", s->ssh_keys, "\n");
}

static void
add_cloud_config(struct str *out, const struct custom_spec *s, const char *host_name)
{
	str_add(out, "#cloud-config\n");
	add_value(out, "hostname: ", host_name);
	if (given(s->domain)) {
		AUTO_FREE char *fqdn = xasprintf("%s.%s", host_name, s->domain);
		add_value(out, "fqdn: ", fqdn);
	}
	add_user(out, s);
}

static void
add_part(struct str *out, const char *boundary, const char *text)
{
	const char *type = str_starts(text, "#!") ? "x-shellscript" : "cloud-config";

	str_addf(out,
	    "--%s\nContent-Type: text/%s; charset=\"utf-8\"\n"
	    "Content-Transfer-Encoding: 8bit\n" MERGE_TYPE "\n%s\n",
	    boundary, type, text);
}

/* Two texts, apart by a line that is in neither. */
static void
add_multipart(struct str *out, const char *ours, const char *theirs)
{
	char *boundary = xstrdup("==drover-0==");

	for (unsigned n = 1; strstr(ours, boundary) || strstr(theirs, boundary); n++) {
		free(boundary);
		boundary = xasprintf("==drover-%u==", n);
	}
	str_addf(out,
	    "Content-Type: multipart/mixed; boundary=\"%s\"\nMIME-Version: 1.0\n\n",
	    boundary);
	add_part(out, boundary, ours);
	add_part(out, boundary, theirs);
	str_addf(out, "--%s--\n", boundary);
	free(boundary);
}

static void
add_user_data(struct str *out, const struct custom_spec *s, const char *host_name)
{
	bool ours = given(s->ssh_keys) || given(s->user_name) || given(s->domain);

	/* The host name alone is in the meta-data too. */
	if (given(s->user_data) && !ours) {
		str_add(out, s->user_data);
		return;
	}
	if (!given(s->user_data)) {
		add_cloud_config(out, s, host_name);
		return;
	}
	AUTO(str) struct str config = STR_INIT;
	add_cloud_config(&config, s, host_name);
	add_multipart(out, str_cstr(&config), s->user_data);
}

static void
add_name_servers(
    struct str *out, const struct custom_spec *s, const struct custom_guest *g)
{
	const char *dns = given(s->dns) ? s->dns : g->dns;

	if (!given(dns) && !given(s->domain))
		return;
	str_add(out, "    nameservers:\n");
	add_words(out, "addresses", "      ", dns, ",");
	add_words(out, "search", "      ", s->domain, ",");
}

static void
add_nic(struct str *out, const struct custom_spec *s, const struct custom_guest *g,
    size_t i)
{
	const struct custom_nic *nic = &g->nics[i];
	bool fixed = !str_same(s->address_mode, "dhcp") && given(nic->address);

	str_addf(out, "  eth%zu:\n    match:\n", i);
	add_value(out, "      macaddress: ", nic->mac);
	str_addf(out, "    set-name: \"eth%zu\"\n    dhcp4: %s\n", i,
	    fixed ? "false" : "true");
	if (fixed) {
		add_value(out, "    addresses:\n      - ", nic->address);
		if (given(nic->gateway))
			add_value(out,
			    "    routes:\n      - to: \"0.0.0.0/0\"\n        via: ",
			    nic->gateway);
	}
	add_name_servers(out, s, g);
}

static void
add_network_config(
    struct str *out, const struct custom_spec *s, const struct custom_guest *g)
{
	if (str_same(s->address_mode, "none") || !g->n_nics)
		return;
	str_add(out, "version: 2\nethernets:\n");
	for (size_t i = 0; i < g->n_nics; i++)
		add_nic(out, s, g, i);
}

int
customize_make(const struct custom_spec *s, const struct custom_guest *g,
    struct custom_seed *ret, struct err *e)
{
	AUTO(str) struct str host_name = STR_INIT;
	int rc = custom_host_name(s, g->name, &host_name, e);

	if (rc)
		return rc;
	*ret = (struct custom_seed){ STR_INIT, STR_INIT, STR_INIT };
	add_meta_data(&ret->meta_data, g->uuid, str_cstr(&host_name));
	add_user_data(&ret->user_data, s, str_cstr(&host_name));
	add_network_config(&ret->network_config, s, g);
	return 0;
}

void
custom_seed_fini(struct custom_seed *seed)
{
	str_fini(&seed->meta_data);
	str_fini(&seed->user_data);
	str_fini(&seed->network_config);
}
