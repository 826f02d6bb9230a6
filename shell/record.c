/*
 * record: objects of the API as records (see inventory.h, record.def).
 */
#include <ctype.h>
#include <string.h>

#include "base/json_peek.h"
#include "shell/data.h"
#include "shell/inventory.h"

enum how {
	AS_IS,
	CAMEL,
	REF,
	REFS,
	ID,
	MB_GB,
	BYTES_GB,
	DISK_GB,
	LIMIT,
	LIMIT_GB,
	HOST_STATE,
	HOST_POWER,
	HA_PRIORITY,
	HA_RESPONSE,
	NOT_OFF
};

/* A row without a property starts the kind that it names. */
static const struct prop {
	enum obj_kind kind;
	const char *type, *name, *field;
	enum how how;
} props[] = {

#define RECORD(kind, type)     { KIND_##kind, type, NULL, NULL, AS_IS },
#define PROP(name, field, how) { KIND_NONE, NULL, name, field, how },
#define END
#include "shell/record.def"
#undef RECORD
#undef PROP
#undef END
};

static struct val
camel(const char *s)
{
	struct str b = STR_INIT;
	bool up = true;

	for (; *s; s++) {
		if (*s == '_') {
			up = true;
			continue;
		}
		str_addc(&b, up ? (char)toupper((unsigned char)*s) : *s);
		up = false;
	}
	return val_from_str(&b);
}

static struct val
references(struct shell *sh, const json *ids)
{
	struct val list = val_list();

	for (size_t i = 0; i < json_count(ids); i++)
		if (json_what(json_at(ids, i)) == JSON_IS_STR)
			list_push(list.list,
			    reference_to(sh, json_str_value(json_at(ids, i), NULL)));
	return list;
}

static struct val
gigabytes(const json *j, double unit)
{
	bool number = json_what(j) == JSON_IS_INT || json_what(j) == JSON_IS_REAL;
	double gb = number ? json_number(j) * unit / (1024.0 * 1024.0 * 1024.0) : 0;

	if (!number)
		return VAL_NONE;
	if (gb == (double)(int64_t)gb)
		return val_int((int64_t)gb);
	return val_real(gb);
}

static struct val
disks_gb(const json *disks)
{
	uint64_t sum = 0, size;

	for (size_t i = 0; json_what(disks) == JSON_IS_ARRAY && i < json_count(disks);
	     i++) {
		size = 0;
		if (json_read_u64(json_at(disks, i), "size_bytes", JSON_OPTIONAL, 0,
			INT64_MAX, &size, NULL) == 0)
			sum += size;
	}
	AUTO(json) json *o = json_new_object();
	json_set_u64(o, "sum", sum);
	return gigabytes(json_get(o, "sum"), 1);
}

/* The API says 0 where nothing limits, PowerCLI -1. */
static bool
limits(const json *j)
{
	return json_what(j) == JSON_IS_INT && json_int_value(j) != 0;
}

static bool
is_asleep(const json *host)
{
	/* An older server has no such field. */
	const char *s = json_peek_str(host, "standby");

	return s && !strcmp(s, "in");
}

/* PowerCLI has one word for both: a host in maintenance that is there says so, and so
 * does one in standby that is not. */
static struct val
host_state(const json *host, const char *connection)
{
	if (is_asleep(host))
		return val_text("Standby");
	const char *m = json_peek_str(host, "maintenance");
	bool in = m && !strcmp(m, "in");

	if (in && !strcmp(connection, "connected"))
		return val_text("Maintenance");
	return camel(connection);
}

/* A guest without a word of its own does as its cluster. */
static struct val
ha_priority(const char *s)
{
	if (!s)
		return val_text("ClusterRestartPriority");
	return strcmp(s, "off") ? camel(s) : val_text("Disabled");
}

static struct val
ha_response(const char *s)
{
	if (!s)
		return val_text("AsSpecifiedByCluster");
	if (!strcmp(s, "leave_on"))
		return val_text("DoNothing");
	return strcmp(s, "shut_down") ? camel(s) : val_text("Shutdown");
}

static struct val
value_of(struct shell *sh, const json *o, json *j, enum how how)
{
	const char *s = json_what(j) == JSON_IS_STR ? json_str_value(j, NULL) : NULL;

	switch (how) {
	case AS_IS:
	case ID:
		return val_from_json(j, TABLE_RECORD);
	case CAMEL:
		return s ? camel(s) : VAL_NONE;
	case REF:
		return s ? reference_to(sh, s) : VAL_NONE;
	case REFS:
		return json_what(j) == JSON_IS_ARRAY ? references(sh, j) : VAL_NONE;
	case MB_GB:
		return gigabytes(j, 1024.0 * 1024.0);
	case BYTES_GB:
		return gigabytes(j, 1);
	case DISK_GB:
		return disks_gb(j);
	case LIMIT:
		return limits(j) ? val_from_json(j, TABLE_RECORD) : val_int(-1);
	case LIMIT_GB:
		return limits(j) ? gigabytes(j, 1024.0 * 1024.0) : val_int(-1);
	case HOST_STATE:
		return s ? host_state(o, s) : VAL_NONE;
	case HA_PRIORITY:
		return ha_priority(s);
	case HA_RESPONSE:
		return ha_response(s);
	case NOT_OFF:
		return s ? val_bool(strcmp(s, "off") != 0) : VAL_NONE;
	case HOST_POWER:
		if (is_asleep(o))
			return val_text("Standby");
		return val_text(s && !strcmp(s, "connected") ? "PoweredOn" : "Unknown");
	}
	return VAL_NONE;
}

struct val
record_from(struct shell *sh, enum obj_kind kind, const json *o)
{
	struct val r = VAL_NONE;
	bool mine = false;

	for (size_t i = 0; i < ARRAY_SIZE(props); i++) {
		const struct prop *p = &props[i];
		if (p->type) {
			mine = p->kind == kind;
			if (mine)
				r = val_table(TABLE_RECORD, p->type);
			continue;
		}
		json *field = mine ? json_get(o, p->field) : NULL;
		if (mine)
			table_add(r.table, p->name,
			    field ? value_of(sh, o, field, p->how) : VAL_NONE);
	}
	return r;
}
