#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/event/event_int.h"

int
event_types_parse(const char *list, struct str *ret_types, struct err *e)
{
	AUTO_FREE char *copy = xstrdup(list);
	char *rest = copy;

	str_addc(ret_types, '{');
	for (char *word; (word = strsep(&rest, ",")) != NULL;) {
		bool found = !*word;

		for (int code = 0; *word && code < EV_COUNT_; code++) {
			const char *type = event_type((enum event_code)code);

			if (!wild_match(word, type) &&
			    strcasecmp(word, event_severity((enum event_code)code)) !=
				0)
				continue;
			str_addf(
			    ret_types, "%s%s", ret_types->len > 1 ? "," : "", type);
			found = true;
		}
		if (!found)
			return err_set(e, ERR_INVALID,
			    "no event has the type or severity \"%.60s\"", word);
	}
	str_addc(ret_types, '}');
	return 0;
}

/* In the order of STMT_EVENT_LIST. */
void
event_list(struct inv *inv, const struct event_ask *ask, db_rows_fn done, void *arg)
{
	char before[24], place[OBJ_ID_TEXT], limit[16], start[24], end[24];

	snprintf(before, sizeof(before), "%llu", (unsigned long long)ask->before);
	snprintf(limit, sizeof(limit), "%u", ask->limit);
	snprintf(start, sizeof(start), "%llu", (unsigned long long)ask->start_ms);
	snprintf(end, sizeof(end), "%llu", (unsigned long long)ask->end_ms);
	const char *const params[] = {
		before,
		obj_id_text(ask->entity, place),
		ask->types ? ask->types : "{}",
		ask->user ? ask->user : "",
		start,
		end,
		limit,
	};
	db_query(inv_db(inv), STMT_EVENT_LIST, sizeof(params) / sizeof(*params), params,
	    done, arg);
}

struct query {
	events_fn done;
	void *arg;
};

static void
on_listed(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	AUTO_FREE struct query *q = arg;
	AUTO(json) json *list = NULL;

	if (rc == 0) {
		list = json_new_array();
		for (size_t i = 0; i < db_rows_count(rows); i++)
			json_add_json(list, event_row_json(rows, i));
	}
	q->done(q->arg, rc, e, list);
}

void
event_query(struct inv *inv, const struct event_ask *ask, events_fn done, void *arg)
{
	struct query *q = xcalloc(1, sizeof(*q));

	*q = (struct query){ done, arg };
	event_list(inv, ask, on_listed, q);
}
