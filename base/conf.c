#include "base/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"

#define MAX_CONF_BYTES ((size_t)1024 * 1024)
#define MAX_TEXT       4095u

static void *
field(const struct conf_key *k, void *self)
{
	return (char *)self + k->offset;
}

static bool
is_text(const struct conf_key *k)
{
	return k->type == CONF_TEXT || k->type == CONF_PATH || k->type == CONF_LIST;
}

static int
read_bool(const struct conf_key *k, const char *s, bool *ret_v, struct err *e)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		bool is_yes = strcasecmp(s, yes[i]) == 0;
		if (is_yes || strcasecmp(s, no[i]) == 0) {
			*ret_v = is_yes;
			return 0;
		}
	}
	return err_set(
	    e, ERR_INVALID, "%s: wants yes or no, got \"%.40s\"", k->name, s);
}

static int
read_bytes(const struct conf_key *k, const char *s, uint64_t max, uint64_t *ret_v,
    struct err *e)
{
	uint64_t v;
	int rc = parse_bytes(s, k->name, &v, e);
	if (rc < 0)
		return rc;
	if (v < k->min || v > max)
		return err_set(e, ERR_INVALID,
		    "%s: wants between %llu and %llu bytes, got \"%.40s\"", k->name,
		    (unsigned long long)k->min, (unsigned long long)max, s);
	*ret_v = v;
	return 0;
}

/* "a , b" to "a,b"; an empty word is an error, an empty list is not. */
static int
read_list(const struct conf_key *k, const char *s, struct str *out, struct err *e)
{
	if (*s == '\0')
		return 0;
	for (;;) {
		s += strspn(s, " \t");
		size_t len = strcspn(s, ",");
		size_t word = len;
		while (word > 0 && strchr(" \t", s[word - 1]))
			word--;
		if (word == 0)
			return err_set(e, ERR_INVALID,
			    "%s: has an empty word in its list", k->name);
		str_addn(out, s, word);
		s += len;
		if (*s++ == '\0')
			return 0;
		str_addc(out, ',');
	}
}

static int
check_text(const struct conf_key *k, const char *s, struct err *e)
{
	size_t n = strlen(s);
	uint64_t max = k->max ? k->max : MAX_TEXT;
	if (n < k->min || n > max)
		return err_set(e, ERR_INVALID, "%s: wants %llu to %llu bytes, got %zu",
		    k->name, (unsigned long long)k->min, (unsigned long long)max, n);
	if (!utf8_valid(s, n))
		return err_set(e, ERR_INVALID, "%s: is not valid UTF-8", k->name);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return err_set(
			    e, ERR_INVALID, "%s: holds a control character", k->name);
	}
	if (k->type == CONF_PATH && n > 0 && s[0] != '/')
		return err_set(e, ERR_INVALID,
		    "%s: wants an absolute path, got \"%.60s\"", k->name, s);
	return 0;
}

static int
set_text(const struct conf_key *k, const char *s, void *self, struct err *e)
{
	AUTO(str) struct str list = STR_INIT;
	if (k->type == CONF_LIST) {
		int rc = read_list(k, s, &list, e);
		if (rc < 0)
			return rc;
		s = str_cstr(&list);
	}
	int rc = check_text(k, s, e);
	if (rc < 0)
		return rc;
	char **p = field(k, self);
	free(*p);
	*p = xstrdup(s);
	return 0;
}

static int
set_value(const struct conf_key *k, const char *s, void *self, struct err *e)
{
	uint64_t max = k->max ? k->max : UINT64_MAX;
	switch (k->type) {
	case CONF_UINT:
		return parse_u64(s, k->min, max, k->name, field(k, self), e);
	case CONF_BYTES:
		return read_bytes(k, s, max, field(k, self), e);
	case CONF_BOOL:
		return read_bool(k, s, field(k, self), e);
	case CONF_TEXT:
	case CONF_PATH:
	case CONF_LIST:
		return set_text(k, s, self, e);
	}
	return err_set(e, ERR_INTERNAL, "%s: has no known type", k->name);
}

/* Whatever stood in self before, it holds no text after. */
static void
forget_texts(const struct conf_key *keys, void *self)
{
	for (const struct conf_key *k = keys; k->name; k++) {
		if (is_text(k))
			*(char **)field(k, self) = NULL;
	}
}

void
conf_defaults(const struct conf_key *keys, void *self)
{
	forget_texts(keys, self);
	for (const struct conf_key *k = keys; k->name; k++) {
		/* Text may be without a default even where "" is too short. */
		if (is_text(k) && *k->preset == '\0')
			*(char **)field(k, self) = xstrdup("");
		else
			ASSERT(set_value(k, k->preset, self, NULL) == 0);
	}
}

void
conf_free(const struct conf_key *keys, void *self)
{
	for (const struct conf_key *k = keys; k->name; k++) {
		if (!is_text(k))
			continue;
		char **p = field(k, self);
		free(*p);
		*p = NULL;
	}
}

struct reader {
	const struct conf_key *keys;
	void *self;
	unsigned *set_on; /* by key: the line that set it, 0 for none */
	unsigned line;
	struct str section;
	struct str name;
};

static const struct conf_key *
find_key(const struct conf_key *keys, const char *name)
{
	for (const struct conf_key *k = keys; k->name; k++) {
		if (strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

/* s without the white space around it, cut off in place. */
static char *
trim(char *s)
{
	s += strspn(s, " \t\r");
	size_t n = strlen(s);
	while (n > 0 && strchr(" \t\r", s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

static int
read_section(struct reader *r, char *s, struct err *e)
{
	size_t n = strlen(s);
	if (s[n - 1] != ']')
		return err_set(e, ERR_INVALID, "section \"%.40s\" has no closing ]", s);
	s[n - 1] = '\0';
	char *name = trim(s + 1);
	if (*name == '\0')
		return err_set(e, ERR_INVALID, "section has no name");
	str_reset(&r->section);
	str_add(&r->section, name);
	return 0;
}

static int
read_pair(struct reader *r, char *s, struct err *e)
{
	char *eq = strchr(s, '=');
	if (!eq)
		return err_set(
		    e, ERR_INVALID, "wants \"key = value\", got \"%.40s\"", s);
	*eq = '\0';
	str_reset(&r->name);
	if (r->section.len)
		str_addf(&r->name, "%s.", str_cstr(&r->section));
	str_add(&r->name, trim(s));
	const struct conf_key *k = find_key(r->keys, str_cstr(&r->name));
	if (!k)
		return err_set(
		    e, ERR_INVALID, "unknown key \"%.80s\"", str_cstr(&r->name));
	unsigned *first = &r->set_on[k - r->keys];
	if (*first)
		return err_set(
		    e, ERR_INVALID, "%s: is set on line %u already", k->name, *first);
	*first = r->line;
	return set_value(k, trim(eq + 1), r->self, e);
}

static int
read_line(struct reader *r, const char *p, size_t n, struct err *e)
{
	if (memchr(p, '\0', n))
		return err_set(e, ERR_INVALID, "holds a NUL byte");
	AUTO_FREE char *line = xstrndup(p, n);
	char *s = trim(line);
	if (*s == '\0' || *s == '#' || *s == ';')
		return 0;
	return *s == '[' ? read_section(r, s, e) : read_pair(r, s, e);
}

static int
read_lines(
    struct reader *r, const char *text, size_t n, const char *name, struct err *e)
{
	while (n > 0) {
		const char *nl = memchr(text, '\n', n);
		size_t len = nl ? (size_t)(nl - text) : n;
		size_t took = nl ? len + 1 : len;
		r->line++;
		int rc = read_line(r, text, len, e);
		if (rc < 0) {
			err_wrap(e, "%s:%u", name, r->line);
			return rc;
		}
		text += took;
		n -= took;
	}
	return 0;
}

int
conf_parse(const struct conf_key *keys, const char *text, size_t n, const char *name,
    void *self, struct err *e)
{
	size_t count = 0;
	while (keys[count].name)
		count++;
	AUTO_FREE unsigned *set_on = xcalloc(count, sizeof(*set_on));
	struct reader r = { .keys = keys, .self = self, .set_on = set_on };
	conf_defaults(keys, self);
	int rc = read_lines(&r, text, n, name, e);
	str_fini(&r.section);
	str_fini(&r.name);
	if (rc < 0)
		conf_free(keys, self);
	return rc;
}

static int
read_file(const char *path, struct str *out, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "configuration file %s", path);
	char part[4096];
	for (;;) {
		ssize_t got = read(fd, part, sizeof(part));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, ERR_IO, errno, "configuration file %s", path);
		if (got == 0)
			return 0;
		str_addn(out, part, (size_t)got);
		if (out->len > MAX_CONF_BYTES)
			return err_set(e, ERR_TOO_LARGE,
			    "configuration file %s is larger than %zu bytes", path,
			    MAX_CONF_BYTES);
	}
}

int
conf_load(const struct conf_key *keys, const char *path, void *self, struct err *e)
{
	AUTO(str) struct str text = STR_INIT;
	forget_texts(keys, self);
	int rc = read_file(path, &text, e);
	if (rc < 0)
		return rc;
	return conf_parse(keys, str_cstr(&text), text.len, path, self, e);
}

int
conf_set(const struct conf_key *keys, const char *assignment, void *self, struct err *e)
{
	const char *eq = strchr(assignment, '=');
	if (!eq)
		return err_set(
		    e, ERR_INVALID, "wants \"key=value\", got \"%.80s\"", assignment);
	AUTO_FREE char *name = xstrndup(assignment, (size_t)(eq - assignment));
	AUTO_FREE char *value = xstrdup(eq + 1);
	const struct conf_key *k = find_key(keys, trim(name));
	if (!k)
		return err_set(e, ERR_INVALID, "unknown key \"%.80s\"", trim(name));
	return set_value(k, trim(value), self, e);
}

static bool
is_equal(const struct conf_key *k, void *a, void *b)
{
	if (is_text(k))
		return str_same(*(char **)field(k, a), *(char **)field(k, b));
	if (k->type == CONF_BOOL)
		return *(bool *)field(k, a) == *(bool *)field(k, b);
	return *(uint64_t *)field(k, a) == *(uint64_t *)field(k, b);
}

static void
swap_values(const struct conf_key *k, void *a, void *b)
{
	unsigned char *x = field(k, a), *y = field(k, b);
	size_t n = is_text(k)             ? sizeof(char *)
		   : k->type == CONF_BOOL ? sizeof(bool)
					  : sizeof(uint64_t);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = x[i];
		x[i] = y[i];
		y[i] = c;
	}
}

int
conf_reload(const struct conf_key *keys, void *self, void *fresh,
    void (*on_restart_key)(const char *name, void *arg), void *arg)
{
	int waiting = 0;
	for (const struct conf_key *k = keys; k->name; k++) {
		if (k->when == CONF_RELOAD) {
			swap_values(k, self, fresh);
		} else if (!is_equal(k, self, fresh)) {
			waiting++;
			if (on_restart_key)
				on_restart_key(k->name, arg);
		}
	}
	return waiting;
}
