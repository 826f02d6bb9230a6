#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/conf.h"
#include "base/mem.h"
#include "base/str.h"

struct settings {
	uint64_t port;
	bool quiet;
	uint64_t cache;
	char *name;
	char *dir;
	char *peers;
};

static const struct conf_key keys[] = {
	{ "link.port", CONF_UINT, offsetof(struct settings, port), 1, 65535, "7443",
	    CONF_RESTART, "where agents dial" },
	{ "link.peers", CONF_LIST, offsetof(struct settings, peers), 0, 40, "",
	    CONF_RELOAD, "who may dial" },
	{ "log.quiet", CONF_BOOL, offsetof(struct settings, quiet), 0, 0, "no",
	    CONF_RELOAD, "say less|nothing" },
	{ "store.cache", CONF_BYTES, offsetof(struct settings, cache), 4096, 1ULL << 40,
	    "64MB", CONF_RELOAD, "memory for reads" },
	{ "store.name", CONF_TEXT, offsetof(struct settings, name), 2, 8, "main",
	    CONF_RESTART, "what it is called" },
	{ "store.dir", CONF_PATH, offsetof(struct settings, dir), 0, 0, "/srv",
	    CONF_RESTART, "where it lies" },
	{ NULL },
};

static int
parse(const char *text, struct settings *s, struct err *e)
{
	return conf_parse(keys, text, strlen(text), "x.conf", s, e);
}

static void
defaults_come_from_the_table(void **state)
{
	struct settings s;
	conf_defaults(keys, &s);
	assert_int_equal(s.port, 7443);
	assert_false(s.quiet);
	assert_int_equal(s.cache, 64 << 20);
	assert_string_equal(s.name, "main");
	assert_string_equal(s.dir, "/srv");
	assert_string_equal(s.peers, "");
	conf_free(keys, &s);
	assert_null(s.name);
	conf_free(keys, &s);
}

static void
a_file_overrides_them(void **state)
{
	struct err e = ERR_INIT;
	struct settings s;
	assert_int_equal(parse("# a comment\r\n"
			       "log.quiet = On\n"
			       "\n"
			       " [ link ] \n"
			       "port=8000\r\n"
			       "  peers = a , b c,d  \n"
			       "; another comment\n"
			       "[store]\n"
			       "cache = 2 GiB\n"
			       "name = x = y\n"
			       "dir =",
			     &s, &e),
	    0);
	assert_int_equal(s.port, 8000);
	assert_true(s.quiet);
	assert_int_equal(s.cache, 2ULL << 30);
	assert_string_equal(s.name, "x = y");
	assert_string_equal(s.dir, "");
	assert_string_equal(s.peers, "a,b c,d");
	conf_free(keys, &s);
}

static void
mistakes_are_named_with_their_line(void **state)
{
	static const struct {
		const char *text, *msg;
	} cases[] = {
		{ "\n[link]\nprot = 1\n", "x.conf:3: unknown key \"link.prot\"" },
		{ "port = 1", "x.conf:1: unknown key \"port\"" },
		{ "[link]\nport = 0",
		    "x.conf:2: link.port: wants a whole number between 1 and 65535, got \"0\"" },
		{ "[link]\nport = 1\nport = 2",
		    "x.conf:3: link.port: is set on line 2 already" },
		{ "[link]\nport", "x.conf:2: wants \"key = value\", got \"port\"" },
		{ "[link", "x.conf:1: section \"[link\" has no closing ]" },
		{ "[ ]", "x.conf:1: section has no name" },
		{ "log.quiet = maybe",
		    "x.conf:1: log.quiet: wants yes or no, got \"maybe\"" },
		{ "store.cache = 1KB",
		    "x.conf:1: store.cache: wants between 4096 and 1099511627776 bytes, "
		    "got \"1KB\"" },
		{ "store.cache = 1XB",
		    "x.conf:1: store.cache: wants a size as 512MB, 4GB or 1TB, got \"1XB\"" },
		{ "store.name = x", "x.conf:1: store.name: wants 2 to 8 bytes, got 1" },
		{ "store.name = a\xff", "x.conf:1: store.name: is not valid UTF-8" },
		{ "store.name = a\tb",
		    "x.conf:1: store.name: holds a control character" },
		{ "store.dir = srv",
		    "x.conf:1: store.dir: wants an absolute path, got \"srv\"" },
		{ "link.peers = a,,b",
		    "x.conf:1: link.peers: has an empty word in its list" },
		{ "link.peers = a,",
		    "x.conf:1: link.peers: has an empty word in its list" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		struct settings s;
		assert_int_equal(parse(cases[i].text, &s, &e), ERR_INVALID);
		assert_string_equal(e.msg, cases[i].msg);
		assert_null(s.name);
	}
}

static void
a_nul_byte_is_seen(void **state)
{
	struct err e = ERR_INIT;
	struct settings s;
	assert_int_equal(conf_parse(keys,
			     "link.port = 1\0"
			     "2",
			     15, "x.conf", &s, &e),
	    ERR_INVALID);
	assert_string_equal(e.msg, "x.conf:1: holds a NUL byte");
}

static void
files_are_read_from_disk(void **state)
{
	struct err e = ERR_INIT;
	struct settings s;
	assert_int_equal(conf_load(keys, "/nonexistent/x.conf", &s, &e), ERR_NOT_FOUND);
	assert_string_equal(
	    e.msg, "configuration file /nonexistent/x.conf: No such file or directory");
	conf_free(keys, &s);

	char path[] = "/tmp/drover-conf-XXXXXX";
	AUTO_CLOSE int fd = mkstemp(path);
	assert_int_equal(write(fd, "[link]\nport = 99\n", 17), 17);
	assert_int_equal(conf_load(keys, path, &s, &e), 0);
	assert_int_equal(s.port, 99);
	conf_free(keys, &s);
	assert_int_equal(ftruncate(fd, 2 << 20), 0);
	assert_int_equal(conf_load(keys, path, &s, &e), ERR_TOO_LARGE);
	unlink(path);
	assert_int_equal(conf_load(keys, "/tmp", &s, &e), ERR_IO);
}

static void
the_command_line_has_the_last_word(void **state)
{
	struct err e = ERR_INIT;
	struct settings s;
	conf_defaults(keys, &s);
	assert_int_equal(conf_set(keys, "link.port=7444", &s, &e), 0);
	assert_int_equal(s.port, 7444);
	assert_int_equal(conf_set(keys, "store.name = a=b ", &s, &e), 0);
	assert_string_equal(s.name, "a=b");
	assert_int_equal(conf_set(keys, "link.port", &s, &e), ERR_INVALID);
	assert_int_equal(conf_set(keys, "link.prot=1", &s, &e), ERR_INVALID);
	assert_string_equal(e.msg, "unknown key \"link.prot\"");
	assert_int_equal(conf_set(keys, "store.name=x", &s, &e), ERR_INVALID);
	assert_string_equal(s.name, "a=b");
	conf_free(keys, &s);
}

static void
note_key(const char *name, void *arg)
{
	struct str *seen = arg;
	str_addf(seen, "%s ", name);
}

static void
reload_takes_over_what_it_may(void **state)
{
	struct err e = ERR_INIT;
	struct settings s, fresh;
	AUTO(str) struct str seen = STR_INIT;
	conf_defaults(keys, &s);
	assert_int_equal(parse("link.port = 1\nlink.peers = a\nlog.quiet = yes\n"
			       "store.cache = 1MB\nstore.dir = /new\n",
			     &fresh, &e),
	    0);
	assert_int_equal(conf_reload(keys, &s, &fresh, note_key, &seen), 2);
	assert_string_equal(str_cstr(&seen), "link.port store.dir ");
	assert_int_equal(s.port, 7443);
	assert_string_equal(s.dir, "/srv");
	assert_string_equal(s.peers, "a");
	assert_true(s.quiet);
	assert_int_equal(s.cache, 1 << 20);
	assert_string_equal(fresh.peers, "");
	conf_free(keys, &s);
	conf_free(keys, &fresh);
}

static void
the_sample_is_a_file_of_defaults(void **state)
{
	AUTO(str) struct str out = STR_INIT;
	assert_true(conf_print(keys, NULL, &out));
	assert_true(str_starts(str_cstr(&out),
	    "[link]\n# where agents dial (number from 1 to 65535; takes a restart)\n"
	    "#port = 7443\n# who may dial (list; takes a reload)\n#peers =\n\n[log]\n"));
	for (char *p = out.s; (p = strstr(p, "\n#")); p++) {
		if (p[2] != ' ')
			memmove(p + 1, p + 2, strlen(p + 2) + 1);
	}
	struct err e = ERR_INIT;
	struct settings s;
	assert_int_equal(parse(str_cstr(&out), &s, &e), 0);
	assert_int_equal(s.cache, 64 << 20);
	conf_free(keys, &s);
}

static void
the_table_is_markdown(void **state)
{
	AUTO(str) struct str out = STR_INIT;
	assert_true(conf_print(keys, "markdown", &out));
	assert_false(conf_print(keys, "html", &out));
	assert_non_null(strstr(str_cstr(&out),
	    "| `link.port` | number from 1 to 65535 | `7443` | restart | where agents dial "
	    "|\n"));
	assert_non_null(strstr(
	    str_cstr(&out), "| yes or no | `no` | reload | say less\\|nothing |"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_come_from_the_table),
		cmocka_unit_test(a_file_overrides_them),
		cmocka_unit_test(mistakes_are_named_with_their_line),
		cmocka_unit_test(a_nul_byte_is_seen),
		cmocka_unit_test(files_are_read_from_disk),
		cmocka_unit_test(the_command_line_has_the_last_word),
		cmocka_unit_test(reload_takes_over_what_it_may),
		cmocka_unit_test(the_sample_is_a_file_of_defaults),
		cmocka_unit_test(the_table_is_markdown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
