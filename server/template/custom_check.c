#include "server/template/custom_check.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/mem.h"
#include "server/ops/host_name.h"
#include "server/template/customize.h"

#define KEY_MAX     8192u /* a line; RSA of 16,384 bits has 2,800 */
#define COMMENT_MAX 255u
#define USER_MAX    32u

static bool
given(const char *s)
{
	return s && s[0];
}

static int
base64_value(char c)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The bytes at the front of a base64 text, as many as out holds; false: it is none. */
static bool
base64_front(const char *s, size_t n, uint8_t *out, size_t max, size_t *ret_n)
{
	size_t pad = n && s[n - 1] == '=' ? 1 + (n > 1 && s[n - 2] == '=') : 0;
	uint32_t bits = 0;

	*ret_n = 0;
	if (!n || n % 4)
		return false;
	for (size_t i = 0; i < n - pad; i++) {
		int v = base64_value(s[i]);
		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 && *ret_n < max)
			out[(*ret_n)++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	return true;
}

/* A key says its type once more inside. */
static bool
key_is_of(const char *key, size_t n, const char *type)
{
	uint8_t front[64];
	size_t got, len = strlen(type);

	return base64_front(key, n, front, sizeof(front), &got) && got > 4 + len &&
	       front[0] == 0 && front[1] == 0 && front[2] == 0 && front[3] == len &&
	       memcmp(front + 4, type, len) == 0;
}

int
ssh_key_check(const char *line, size_t n, struct err *e)
{
	static const char *const types[] = { "ssh-ed25519", "ssh-rsa",
		"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
		"sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com" };
	AUTO_FREE char *text = xstrndup(line, n);
	size_t type_len = strcspn(text, " "), t = 0;

	if (n > KEY_MAX)
		return err_set(
		    e, ERR_INVALID, "has %zu bytes, at most %u may be", n, KEY_MAX);
	while (t < ARRAY_SIZE(types) &&
	       (strlen(types[t]) != type_len || memcmp(types[t], text, type_len) != 0))
		t++;
	if (t == ARRAY_SIZE(types) || !text[type_len]) {
		return err_set(e, ERR_INVALID,
		    "\"%.40s\" is no public key: wants a type such as ssh-ed25519, a "
		    "space and the key",
		    text);
	}
	const char *key = text + type_len + 1;
	size_t key_len = strcspn(key, " ");
	if (!key_is_of(key, key_len, types[t]))
		return err_set(
		    e, ERR_INVALID, "\"%.40s…\" is no key of its type", text);
	const char *comment = key + key_len;
	if (strlen(comment) > COMMENT_MAX)
		return err_set(
		    e, ERR_INVALID, "its comment has more than %u bytes", COMMENT_MAX);
	for (; *comment; comment++) {
		if (*comment < ' ' || *comment > '~')
			return err_set(e, ERR_INVALID,
			    "its comment has more than printable ASCII");
	}
	return 0;
}

static int
keys_check(const char *keys, struct err *e)
{
	unsigned count = 0, line = 0;

	if (strlen(keys) > CUSTOM_TEXT_MAX)
		return err_set(e, ERR_INVALID, "has %zu bytes, at most %u may be",
		    strlen(keys), CUSTOM_TEXT_MAX);
	for (const char *p = keys; *p;) {
		size_t n = strcspn(p, "\n");
		line++;
		if (n && ++count > CUSTOM_KEYS_MAX)
			return err_set(
			    e, ERR_INVALID, "has more than %u keys", CUSTOM_KEYS_MAX);
		int rc = n ? ssh_key_check(p, n, e) : 0;
		if (rc)
			return err_wrap(e, "line %u", line);
		p += n + (p[n] != '\0');
	}
	return 0;
}

static int
user_name_check(const char *s, struct err *e)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz_";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz_0123456789-";

	if (strlen(s) <= USER_MAX && strchr(first, s[0]) &&
	    strspn(s, rest) == strlen(s))
		return 0;
	return err_set(e, ERR_INVALID,
	    "\"%.60s\" is no user name: small letters, digits, _ and - may be, at most "
	    "%u, a letter or _ first",
	    s, USER_MAX);
}

static int
user_data_check(const char *s, struct err *e)
{
	size_t n = strlen(s);

	if (n > CUSTOM_TEXT_MAX)
		return err_set(e, ERR_INVALID, "has %zu bytes, at most %u may be", n,
		    CUSTOM_TEXT_MAX);
	if (!utf8_valid(s, n))
		return err_set(e, ERR_INVALID, "is not UTF-8");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			return err_set(
			    e, ERR_INVALID, "has a control character at byte %zu", i);
	}
	if (str_starts(s, "#!") || str_starts(s, "#cloud-config\n"))
		return 0;
	return err_set(e, ERR_INVALID,
	    "wants \"#cloud-config\" or \"#!\" and a program as its first line");
}

/* Addresses with commas between. */
static int
dns_check(const char *list, struct err *e)
{
	unsigned count = 0;

	for (const char *p = list; *p;) {
		size_t n = strcspn(p, ",");
		AUTO_FREE char *one = xstrndup(p, n);
		uint8_t raw[16];
		if (inet_pton(AF_INET, one, raw) != 1 &&
		    inet_pton(AF_INET6, one, raw) != 1)
			return err_set(e, ERR_INVALID, "\"%.60s\" is no address", one);
		if (++count > CUSTOM_DNS_MAX)
			return err_set(e, ERR_INVALID, "has more than %u addresses",
			    CUSTOM_DNS_MAX);
		p += n + (p[n] != '\0');
	}
	return 0;
}

static int
mode_check(const char *s, struct err *e)
{
	if (str_same(s, "network") || str_same(s, "dhcp") || str_same(s, "none"))
		return 0;
	return err_set(
	    e, ERR_INVALID, "wants one of network|dhcp|none, got \"%.40s\"", s);
}

static int
address_check(const char *s, struct err *e)
{
	uint8_t raw[4];

	if (inet_pton(AF_INET, s, raw) == 1)
		return 0;
	return err_set(e, ERR_INVALID, "\"%.60s\" is not an IPv4 address", s);
}

/* With its placeholders filled by the shortest name that there is. */
static int
host_name_check(const char *s, struct err *e)
{
	AUTO(str) struct str shortest = STR_INIT;

	for (const char *at; (at = strstr(s, CUSTOM_NAME));
	     s = at + strlen(CUSTOM_NAME)) {
		str_addn(&shortest, s, (size_t)(at - s));
		str_addc(&shortest, 'm');
	}
	str_add(&shortest, s);
	return host_label_check(str_cstr(&shortest), e);
}

int
custom_spec_check(const struct custom_spec *s, struct err *e)
{
	const struct {
		const char *name, *value;
		int (*check)(const char *s, struct err *e);
	} rows[] = {
		{ "host_name", s->host_name, host_name_check },
		{ "domain", s->domain, domain_check },
		{ "address_mode", s->address_mode, mode_check },
		{ "address", s->address, address_check },
		{ "dns", s->dns, dns_check },
		{ "ssh_keys", s->ssh_keys, keys_check },
		{ "user_name", s->user_name, user_name_check },
		{ "user_data", s->user_data, user_data_check },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (given(rows[i].value) && rows[i].check(rows[i].value, e))
			return err_wrap(e, "%s", rows[i].name);
	}
	if (given(s->address) && given(s->address_mode) &&
	    !str_same(s->address_mode, "network"))
		return err_set(e, ERR_INVALID,
		    "address: goes with address_mode network, not with %s",
		    s->address_mode);
	return 0;
}
