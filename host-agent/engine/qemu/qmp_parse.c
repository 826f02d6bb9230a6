#include "host-agent/engine/qemu/qmp_parse.h"

#include <string.h>

#include "base/mem.h"

#define MAX_NAME 128
#define MAX_TEXT 4096
/* What a guest has not told is the largest number, which our JSON does not take. */
#define NOT_TOLD     ": 18446744073709551615"
#define NOT_TOLD_NOW ": -1                  "

_Static_assert(sizeof(NOT_TOLD) == sizeof(NOT_TOLD_NOW), "one replaces the other");

static int
read_id(const json *o, struct qmp_msg *m, struct err *e)
{
	const json *id = json_get(o, "id");

	if (!id)
		return 0;
	m->has_id = true;
	return json_read_u64(o, "id", JSON_REQUIRED, 0, INT64_MAX, &m->id, e);
}

static int
read_error(struct qmp_msg *m, const json *error, struct err *e)
{
	int rc;

	if (json_what(error) != JSON_IS_OBJECT)
		return err_set(e, ERR_CORRUPT, "error is no object");
	m->kind = QMP_ERROR;
	rc = json_read_str(error, "class", JSON_REQUIRED, MAX_NAME, &m->name, e);
	if (!rc)
		rc = json_read_str(error, "desc", JSON_REQUIRED, MAX_TEXT, &m->text, e);
	return rc ? rc : read_id(m->whole, m, e);
}

static int
read_event(struct qmp_msg *m, struct err *e)
{
	m->kind = QMP_EVENT;
	m->body = json_get(m->whole, "data");
	if (m->body && json_what(m->body) != JSON_IS_OBJECT)
		return err_set(e, ERR_CORRUPT, "data is no object");
	return json_read_str(m->whole, "event", JSON_REQUIRED, MAX_NAME, &m->name, e);
}

static int
read_message(struct qmp_msg *m, struct err *e)
{
	json *value;

	if (json_what(m->whole) != JSON_IS_OBJECT)
		return err_set(e, ERR_CORRUPT, "no object");
	value = json_get(m->whole, "return");
	if (value) {
		m->kind = QMP_RETURN;
		m->body = value;
		return read_id(m->whole, m, e);
	}
	value = json_get(m->whole, "error");
	if (value)
		return read_error(m, value, e);
	if (json_get(m->whole, "event"))
		return read_event(m, e);
	value = json_get(m->whole, "QMP");
	if (!value || json_what(value) != JSON_IS_OBJECT)
		return err_set(e, ERR_CORRUPT, "neither reply nor event nor greeting");
	m->kind = QMP_GREETING;
	m->body = value;
	return 0;
}

/* NULL: the line can stay as it is. */
static char *
without_the_largest(const char *line, size_t n)
{
	char *at = memmem(line, n, NOT_TOLD, sizeof(NOT_TOLD) - 1);
	char *copy;

	if (!at)
		return NULL;
	copy = xmemdup(line, n);
	at = copy + (at - line);
	while (at) {
		memcpy(at, NOT_TOLD_NOW, sizeof(NOT_TOLD_NOW) - 1);
		at =
		    memmem(at, n - (size_t)(at - copy), NOT_TOLD, sizeof(NOT_TOLD) - 1);
	}
	return copy;
}

int
qmp_parse(const char *line, size_t n, struct qmp_msg *ret_m, struct err *e)
{
	AUTO_FREE char *changed = without_the_largest(line, n);
	struct qmp_msg m = { .kind = QMP_GREETING };
	int rc;

	rc = json_parse(changed ? changed : line, n, "qmp line", &m.whole, e);
	if (!rc)
		rc = read_message(&m, e);
	if (rc) {
		qmp_msg_fini(&m);
		if (e)
			e->code = ERR_CORRUPT;
		err_wrap(e, "what QEMU sent cannot be read");
		return ERR_CORRUPT;
	}
	*ret_m = m;
	return 0;
}

void
qmp_msg_fini(struct qmp_msg *m)
{
	json_free(m->whole);
	*m = (struct qmp_msg){ .kind = QMP_GREETING };
}

char *
qmp_command(const char *name, json *args_take, uint64_t id)
{
	AUTO(json) json *o = json_new_object();
	AUTO_FREE char *text = NULL;

	json_set_str(o, "execute", name);
	if (args_take)
		json_set_json(o, "arguments", args_take);
	json_set_u64(o, "id", id);
	text = json_text(o);
	return xasprintf("%s\n", text);
}
