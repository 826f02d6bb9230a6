/*
 * servers: the settings file of saved servers (see connect.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/connect.h"

#define MAX_SETTINGS (1u << 20)

static char *
settings_path(struct err *e)
{
	const char *own = getenv("DROVER_SERVERS"), *base = getenv("XDG_CONFIG_HOME"),
		   *home = getenv("HOME");

	if (own && *own)
		return xstrdup(own);
	if (base && *base)
		return xasprintf("%s/drover/servers.json", base);
	if (home && *home)
		return xasprintf("%s/.config/drover/servers.json", home);
	err_set(
	    e, ERR_NOT_FOUND, "there is no home directory to look for servers.json in");
	return NULL;
}

static int
check_mode(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_IO, errno, "cannot examine %s", path);
	if (st.st_mode & 077)
		return err_set(e, ERR_DENIED,
		    "%s may be read by others (mode %03o); chmod 600 it", path,
		    st.st_mode & 0777u);
	if (st.st_size > MAX_SETTINGS)
		return err_set(e, ERR_TOO_LARGE, "%s has more than 1 MiB", path);
	return 0;
}

/* {} if there is no file. */
static int
read_settings(const char *path, json **ret_j, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct str b = STR_INIT;
	char buf[4096];
	ssize_t n;
	int rc;

	if (fd < 0 && errno == ENOENT) {
		*ret_j = json_new_object();
		return 0;
	}
	if (fd < 0)
		return err_sys(e, ERR_IO, errno, "cannot open %s", path);
	rc = check_mode(fd, path, e);
	if (rc < 0)
		return rc;
	while ((n = read(fd, buf, sizeof(buf))) > 0 && b.len <= MAX_SETTINGS)
		str_addn(&b, buf, (size_t)n);
	rc = json_parse(str_cstr(&b), b.len, path, ret_j, e);
	secret_wipe(b.s, b.len);
	str_fini(&b);
	return rc;
}

static int
make_folders(const char *path, struct err *e)
{
	AUTO_FREE char *p = xstrdup(path);

	for (char *slash = strchr(p + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(p, 0700) < 0 && errno != EEXIST)
			return err_sys(
			    e, ERR_IO, errno, "cannot make the folder %s", p);
		*slash = '/';
	}
	return 0;
}

static int
write_private(const char *path, const char *text, struct err *e)
{
	AUTO_FREE char *tmp = xasprintf("%s.new", path);
	size_t n = strlen(text);

	if (make_folders(path, e) < 0)
		return e->code;
	unlink(tmp);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, ERR_IO, errno, "cannot make %s", tmp);
	bool ok = write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
	int sys = errno;
	if (close(fd) < 0 || !ok || rename(tmp, path) < 0)
		return err_sys(e, ERR_IO, ok ? errno : sys, "cannot write %s", path);
	return 0;
}

static int
add_others(struct site *s, const json *list, struct err *e)
{
	size_t n = list && json_what(list) == JSON_IS_ARRAY ? json_count(list) : 0;

	for (size_t i = 0; i < n; i++) {
		const json *one = json_at(list, i);
		if (json_what(one) != JSON_IS_STR)
			return err_set(e, ERR_INVALID, "others: wants texts");
		if (site_add(s, json_str_value(one, NULL), e) < 0)
			return e->code;
	}
	return 0;
}

/* What is not the first server, as "host:port". */
static json *
others_json(const struct site *s)
{
	json *list = json_new_array();

	for (unsigned i = 1; i < s->n_servers; i++) {
		const struct server *o = &s->servers[i];
		AUTO_FREE char *text = xasprintf(
		    strchr(o->address, ':') ? "[%s]:%u" : "%s:%u", o->address, o->port);
		json_add_str(list, text);
	}
	return list;
}

static int
site_from(const char *name, const json *o, struct site **ret_site, struct err *e)
{
	const char *address = NULL, *user = NULL, *ca = NULL, *token = NULL;
	uint64_t port = DEFAULT_PORT;

	if (json_read_str(o, "address", JSON_REQUIRED, 255, &address, e) < 0 ||
	    json_read_u64(o, "port", JSON_OPTIONAL, 1, 65535, &port, e) < 0 ||
	    json_read_str(o, "user", JSON_OPTIONAL, 255, &user, e) < 0 ||
	    json_read_str(o, "ca", JSON_OPTIONAL, 4096, &ca, e) < 0 ||
	    json_read_str(o, "token", JSON_OPTIONAL, 4096, &token, e) < 0)
		return err_wrap(e, "saved server \"%s\"", name);
	*ret_site = site_new(name, address, (unsigned)port);
	if (add_others(*ret_site, json_get(o, "others"), e) < 0) {
		site_free(*ret_site);
		return err_wrap(e, "saved server \"%s\"", name);
	}
	(*ret_site)->user = xstrdup(user);
	(*ret_site)->ca_file = xstrdup(ca);
	(*ret_site)->token = token ? secret_from_str(token) : NULL;
	return 0;
}

int
servers_load(const char *name, struct site **ret_site, struct err *e)
{
	AUTO_FREE char *path = settings_path(e);
	AUTO(json) json *j = NULL;

	if (!path || read_settings(path, &j, e) < 0)
		return e->code;
	const json *all = json_get(j, "servers"), *given = json_get(j, "default");
	if (!name && given && json_what(given) == JSON_IS_STR)
		name = json_str_value(given, NULL);
	const json *o = name && all && json_what(all) == JSON_IS_OBJECT
			    ? json_get(all, name)
			    : NULL;
	if (!name)
		return err_set(e, ERR_NOT_FOUND,
		    "no server is connected and none is saved; use Connect-VIServer");
	if (!o || json_what(o) != JSON_IS_OBJECT)
		return err_set(e, ERR_NOT_FOUND, "no server \"%s\" is saved", name);
	return site_from(name, o, ret_site, e);
}

/* Where the CA goes that a saved server showed: beside the settings. */
static char *
ca_path(const char *settings, const char *name)
{
	const char *slash = strrchr(settings, '/');

	return xasprintf(
	    "%.*s%s-ca.pem", slash ? (int)(slash + 1 - settings) : 0, settings, name);
}

static int
write_settings(const char *path, const json *j, struct err *e)
{
	char *text = json_text_pretty(j);
	int rc = write_private(path, text, e);

	secret_wipe(text, strlen(text));
	free(text);
	return rc;
}

int
servers_save(const struct site *s, const char *token, struct err *e)
{
	AUTO_FREE char *path = settings_path(e), *ca = NULL;
	AUTO(json) json *j = NULL;

	if (!path || read_settings(path, &j, e) < 0)
		return e->code;
	if (s->ca_pem) {
		ca = ca_path(path, s->name);
		if (!name_is_file_safe(s->name))
			return err_set(
			    e, ERR_INVALID, "\"%s\" is no name for a file", s->name);
		if (write_private(ca, s->ca_pem, e) < 0)
			return e->code;
	} else if (s->ca_file) {
		ca = realpath(s->ca_file, NULL);
	}
	json *all = json_get(j, "servers");
	if (!all || json_what(all) != JSON_IS_OBJECT) {
		json_set_json(j, "servers", json_new_object());
		all = json_get(j, "servers");
	}
	json *o = json_new_object();
	json_set_str(o, "address", s->servers[0].address);
	json_set_u64(o, "port", s->servers[0].port);
	if (s->n_servers > 1)
		json_set_json(o, "others", others_json(s));
	json_set_str(o, "ca", ca);
	json_set_str(o, "user", s->user);
	json_set_str(o, "token", token);
	json_set_json(all, s->name, o);
	json_set_str(j, "default", s->name);
	return write_settings(path, j, e);
}

int
servers_forget(const char *name, struct err *e)
{
	AUTO_FREE char *path = settings_path(e);
	AUTO(json) json *j = NULL;

	if (!path || read_settings(path, &j, e) < 0)
		return e->code;
	json *all = json_get(j, "servers");
	const json *first = json_get(j, "default");
	if (!all || json_what(all) != JSON_IS_OBJECT || !json_get(all, name))
		return err_set(e, ERR_NOT_FOUND, "no server \"%s\" is saved", name);
	json_del(all, name);
	if (first && json_what(first) == JSON_IS_STR &&
	    str_same(json_str_value(first, NULL), name))
		json_del(j, "default");
	int rc = write_settings(path, j, e);
	if (rc == 0 && name_is_file_safe(name)) {
		AUTO_FREE char *ca = ca_path(path, name);
		if (unlink(ca) < 0 && errno != ENOENT)
			rc = err_sys(e, ERR_IO, errno, "cannot remove %s", ca);
	}
	return rc;
}

int
servers_list(struct val *ret_list, struct err *e)
{
	AUTO_FREE char *path = settings_path(e);
	AUTO(json) json *j = NULL;

	if (!path || read_settings(path, &j, e) < 0)
		return e->code;
	struct val list = val_list();
	json *all = json_get(j, "servers");
	for (void *it = all && json_what(all) == JSON_IS_OBJECT ? json_iter(all) : NULL;
	     it; it = json_iter_next(all, it)) {
		struct site *s = NULL;
		if (site_from(json_iter_key(it), json_iter_value(it), &s, e) < 0) {
			val_free(list);
			return e->code;
		}
		list_push(list.list, site_record(s));
		site_free(s);
	}
	*ret_list = list;
	return 0;
}
