#include "host-agent/engine/qemu/qga_parse.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define MAX_TEXT       1024
#define MAX_INTERFACES 64

int
qga_parse(const char *line, size_t n, struct qga_msg *ret_m, struct err *e)
{
	struct qga_msg m = { .text = "" };
	const json *error;

	if (json_parse(line, n, "guest agent", &m.whole, e) ||
	    json_what(m.whole) != JSON_IS_OBJECT) {
		json_free(m.whole);
		return err_set(e, ERR_CORRUPT, "the guest agent's answer is no object");
	}
	m.body = json_get(m.whole, "return");
	error = json_get(m.whole, "error");
	if (!m.body &&
	    (!error || json_what(error) != JSON_IS_OBJECT ||
		json_read_str(error, "desc", JSON_OPTIONAL, MAX_TEXT, &m.text, NULL))) {
		json_free(m.whole);
		return err_set(e, ERR_CORRUPT, "the guest agent's answer says nothing");
	}
	*ret_m = m;
	return 0;
}

void
qga_msg_fini(struct qga_msg *m)
{
	json_free(m->whole);
	*m = (struct qga_msg){ .text = "" };
}

char *
qga_command(const char *name, json *args_take)
{
	AUTO(json) json *o = json_new_object();
	AUTO_FREE char *text = NULL;

	json_set_str(o, "execute", name);
	if (args_take)
		json_set_json(o, "arguments", args_take);
	text = json_text(o);
	return xasprintf("%s\n", text);
}

/* Shown to people and kept in lists: one line, no tricks. */
static void
take_text(const json *o, const char *key, char *out, size_t max)
{
	const char *s = "";

	if (!o || json_what(o) != JSON_IS_OBJECT ||
	    json_read_str(o, key, JSON_OPTIONAL, max - 1, &s, NULL) ||
	    !utf8_valid(s, strlen(s)))
		return;
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return;
	snprintf(out, max, "%s", s);
}

void
qga_take_host_name(struct engine_inside *in, const json *body)
{
	in->host_name[0] = '\0';
	take_text(body, "host-name", in->host_name, sizeof(in->host_name));
}

void
qga_take_os(struct engine_inside *in, const json *body)
{
	in->os[0] = '\0';
	take_text(body, "pretty-name", in->os, sizeof(in->os));
	if (!*in->os)
		take_text(body, "name", in->os, sizeof(in->os));
}

/* One that others can reach it by. */
static bool
is_address(const char *s)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, s, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) != 127;
	return inet_pton(AF_INET6, s, &v6) == 1 && !IN6_IS_ADDR_LOOPBACK(&v6) &&
	       !IN6_IS_ADDR_LINKLOCAL(&v6);
}

static void
take_interface(struct engine_inside *in, const json *one)
{
	const json *list =
	    json_what(one) == JSON_IS_OBJECT ? json_get(one, "ip-addresses") : NULL;

	if (!list || json_what(list) != JSON_IS_ARRAY)
		return;
	for (size_t i = 0;
	     i < json_count(list) && in->n_addresses < ENGINE_ADDRESSES_MAX; i++) {
		char *out = in->addresses[in->n_addresses];

		out[0] = '\0';
		take_text(
		    json_at(list, i), "ip-address", out, sizeof(in->addresses[0]));
		if (is_address(out))
			in->n_addresses++;
	}
}

void
qga_take_addresses(struct engine_inside *in, const json *body)
{
	in->n_addresses = 0;
	if (!body || json_what(body) != JSON_IS_ARRAY)
		return;
	for (size_t i = 0; i < json_count(body) && i < MAX_INTERFACES; i++)
		take_interface(in, json_at(body, i));
}
