#include "server/api/visitor.h"

#include <string.h>

#include "base/str.h"

void
visitor_add(struct api *a, struct visitor *v, void (*drop)(struct visitor *v))
{
	v->api = a;
	v->drop = drop;
	list_add_tail(&a->visitors, &v->node);
}

void
visitor_fini(struct visitor *v)
{
	list_remove(&v->node);
	visit_close(MOVE(v->visit));
}

static int
read_words(const json *j, const char *key, const char ***ret_words, struct err *e)
{
	const json *list = json_get(j, key);
	size_t n = list ? json_count(list) : 0, len = 0;

	if (list && (json_what(list) != JSON_IS_ARRAY || n > MAX_GUEST_WORDS))
		return err_set(e, ERR_INVALID, "%s: wants a list of at most %u texts",
		    key, MAX_GUEST_WORDS);
	AUTO_FREE const char **words = xcalloc(n + 1, sizeof(*words));
	for (size_t i = 0; i < n; i++) {
		const json *word = json_at(list, i);

		if (json_what(word) != JSON_IS_STR)
			return err_set(e, ERR_INVALID, "%s: wants texts only", key);
		words[i] = json_str_value(word, &len);
		if (strlen(words[i]) != len)
			return err_set(e, ERR_INVALID, "%s: a text has a NUL", key);
	}
	*ret_words = MOVE(words);
	return 0;
}

void
program_fini(struct program *p)
{
	free(p->args);
	free(p->env);
	*p = (struct program){ 0 };
}

static const char **
copy_words(const char *const *words)
{
	size_t n = 0;

	while (words[n])
		n++;
	const char **copy = xcalloc(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = words[i];
	return copy;
}

int
program_read(
    const json *j, const char *const *preset, struct program *ret_p, struct err *e)
{
	struct program p = { .cwd = "" };

	if (read_words(j, "args", &p.args, e) || read_words(j, "env", &p.env, e) ||
	    json_read_str(j, "cwd", JSON_OPTIONAL, MAX_GUEST_PATH, &p.cwd, e) ||
	    json_read_u64(j, "uid", JSON_OPTIONAL, 0, UINT32_MAX, &p.uid, e) ||
	    json_read_u64(j, "gid", JSON_OPTIONAL, 0, UINT32_MAX, &p.gid, e)) {
		program_fini(&p);
		return e->code;
	}
	if (!p.args[0] && preset) {
		free(p.args);
		p.args = copy_words(preset);
	}
	if (!p.args[0] || !*p.args[0]) {
		program_fini(&p);
		return err_set(e, ERR_INVALID, "args: name no program");
	}
	*ret_p = p;
	return 0;
}

char *
text_of_bytes(const void *p, size_t n)
{
	const char *s = p;
	struct str b = STR_INIT;

	for (size_t i = 0, len; i < n; i += len ? len : 1) {
		len = s[i] ? utf8_seq(s + i, n - i) : 0;
		if (len)
			str_addn(&b, s + i, len);
		else
			str_add(&b, "\xef\xbf\xbd");
	}
	return b.s ? str_take(&b) : xstrdup("");
}
