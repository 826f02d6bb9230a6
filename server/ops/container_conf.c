#include "server/ops/container_conf.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/ops/host_name.h"
#include "server/ops/net_plan.h"

#define DEVICE_MAX 128u

static const char *const known[] = { "host_name", "dns", "swap_limit_mb", "pids_limit",
	"io_weight", "args", "env", "devices" };

static bool
is_given(const json *args, const char *name)
{
	const json *v = args ? json_get(args, name) : NULL;

	return v && json_what(v) != JSON_IS_NULL;
}

const char *
container_arg_given(const json *args)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (is_given(args, known[i]))
			return known[i];
	}
	return NULL;
}

static int
check_host_name(const char *s, struct err *e)
{
	int rc = domain_check(s, e);

	return rc ? err_wrap(e, "host_name") : 0;
}

static int
check_dns(const char *s, struct err *e)
{
	uint32_t ip;

	return ipv4_parse(s, "dns", &ip, e);
}

static int
check_arg(const char *s, struct err *e)
{
	return 0;
}

/* Bytes of the name before the "=", 0 if it is none. */
static size_t
env_name(const char *s)
{
	static const char first[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	size_t n = strcspn(s, "=");

	if (!s[n] || !n || strspn(s, first) == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (!strchr(first, s[i]) && !strchr("0123456789", s[i]))
			return 0;
	}
	return n;
}

static int
check_env(const char *s, struct err *e)
{
	if (env_name(s))
		return 0;
	return err_set(e, ERR_INVALID, "env: \"%.80s\" is not NAME=value", s);
}

/* A path that stays below /dev: what is there is the host's to say. */
static int
check_device(const char *s, struct err *e)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
				    "wxyz0123456789_-.+:/";
	size_t n = strlen(s);

	if (n > 5 && n <= DEVICE_MAX && !strncmp(s, "/dev/", 5) &&
	    strspn(s, plain) == n && !strstr(s, "//") && !strstr(s, "/.") &&
	    s[n - 1] != '/')
		return 0;
	return err_set(e, ERR_INVALID,
	    "devices: \"%.80s\" is no path of a device, such as /dev/net/tun", s);
}

static const struct {
	const char *name;
	int (*check)(const char *s, struct err *e);
} lists[] = {
	{ "dns", check_dns },
	{ "args", check_arg },
	{ "env", check_env },
	{ "devices", check_device },
};

static int
check_list(const json *args, size_t which, struct err *e)
{
	const json *list = json_get(args, lists[which].name);
	int rc = 0;

	for (size_t i = 0;
	     !rc && is_given(args, lists[which].name) && i < json_count(list); i++)
		rc = lists[which].check(json_str_value(json_at(list, i), NULL), e);
	return rc;
}

static int
check_pids(const json *args, struct err *e)
{
	int64_t n = is_given(args, "pids_limit")
			? json_int_value(json_get(args, "pids_limit"))
			: 0;

	if (!n || n >= CONTAINER_PIDS_MIN)
		return 0;
	return err_set(e, ERR_INVALID,
	    "pids_limit: with fewer than %u processes and threads no container starts; 0 "
	    "is the host's default",
	    CONTAINER_PIDS_MIN);
}

static int
check_all(const json *args, struct err *e)
{
	const json *argv = json_get(args, "args");
	int rc = check_pids(args, e);

	if (!rc && is_given(args, "host_name"))
		rc = check_host_name(
		    json_str_value(json_get(args, "host_name"), NULL), e);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(lists); i++)
		rc = check_list(args, i, e);
	if (!rc && is_given(args, "args") && json_count(argv) &&
	    !json_str_value(json_at(argv, 0), NULL)[0])
		rc = err_set(e, ERR_INVALID, "args: the first names the program");
	return rc;
}

/* Does the list set the variable of this entry? */
static bool
sets_variable(const json *list, const char *entry)
{
	size_t n = env_name(entry);

	for (size_t i = 0; i < json_count(list); i++) {
		const char *s = json_str_value(json_at(list, i), NULL);
		if (n && !strncmp(s, entry, n + 1))
			return true;
	}
	return false;
}

/* Those that were there and are not set anew, then the new ones. */
static json *
env_laid(const json *old, const json *new)
{
	json *list = json_new_array();

	for (size_t i = 0; old && json_count(new) && i < json_count(old); i++) {
		const char *s = json_str_value(json_at(old, i), NULL);
		if (!sets_variable(new, s))
			json_add_str(list, s);
	}
	for (size_t i = 0; i < json_count(new); i++)
		json_add_str(list, json_str_value(json_at(new, i), NULL));
	return list;
}

int
container_conf_lay(json *conf, const json *args, struct err *e)
{
	int rc = args ? check_all(args, e) : 0;

	if (rc || !args)
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		const json *v = json_get(args, known[i]);
		if (!is_given(args, known[i]))
			continue;
		json_set_json(conf, known[i],
		    str_same(known[i], "env") ? env_laid(json_get(conf, "env"), v)
					      : json_dup(v));
	}
	return 0;
}
