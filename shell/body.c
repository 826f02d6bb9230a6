#include "shell/body.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define MAX_AMOUNT 1e12
#define MAX_CPUS   4096
#define MB_PER_GB  1024.0

json *
body_named(const struct stage *st)
{
	json *body = json_new_object();

	json_set_str(body, "name", get_text(st, "Name"));
	return body;
}

enum run
body_id(
    struct stage *st, json *body, const char *param, unsigned kinds, const char *key)
{
	const char *id;
	struct val keep = VAL_NONE;
	enum run rc = resolve_one(st, param, kinds, &id, &keep);
	obj_id o;

	if (rc != RUN_OK)
		return rc;
	if (id && !key && !obj_id_parse(id, KIND_NONE, &o, NULL))
		key = kind_prefix(obj_id_kind(o));
	if (id && key)
		json_set_str(body, key, id);
	val_free(keep);
	return RUN_OK;
}

enum run
body_ids(
    struct stage *st, json *body, const char *param, unsigned kinds, const char *key)
{
	struct val refs = VAL_NONE;
	struct err e = ERR_INIT;

	if (!has_arg(st, param))
		return RUN_OK;
	if (resolve_all(st, get_arg(st, param), kinds, &refs, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	json *list = json_new_array();
	for (size_t i = 0; i < val_count(refs); i++)
		json_add_str(list, record_id(val_at(refs, i)));
	json_set_json(body, key, list);
	val_free(refs);
	return RUN_OK;
}

void
body_number(struct stage *st, json *body, const char *param, const char *key)
{
	if (has_arg(st, param))
		json_set_i64(body, key, get_int(st, param, 0));
}

void
body_text(struct stage *st, json *body, const char *param, const char *key)
{
	if (has_arg(st, param))
		json_set_str(body, key, get_text(st, param));
}

void
body_word(struct stage *st, json *body, const char *param, const char *key)
{
	if (!has_arg(st, param))
		return;
	AUTO_FREE char *word = xstrdup(get_text(st, param));
	for (char *p = word; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	json_set_str(body, key, word);
}

void
body_name(struct stage *st, json *body, const char *param, const char *key)
{
	AUTO(str) struct str b = STR_INIT;

	if (!has_arg(st, param))
		return;
	for (const char *p = get_text(st, param); *p; p++) {
		if (isupper((unsigned char)*p) && b.len)
			str_addc(&b, '_');
		str_addc(&b, (char)tolower((unsigned char)*p));
	}
	bool as_cluster = str_same(str_cstr(&b), "as_specified_by_cluster");
	json_set_str(body, key, as_cluster ? "cluster" : str_cstr(&b));
}

void
body_texts(struct stage *st, json *body, const char *param, const char *key)
{
	struct val v = get_arg(st, param);
	json *list;

	if (!has_arg(st, param))
		return;
	list = json_new_array();
	for (size_t i = 0; i < val_count(v); i++) {
		AUTO_FREE char *s = val_cstr(val_at(v, i));
		json_add_str(list, s);
	}
	json_set_json(body, key, list);
}

void
body_settings(struct stage *st, json *body)
{
	body_text(st, body, "HostName", "host_name");
	body_texts(st, body, "DnsServer", "dns");
	body_number(st, body, "SwapMB", "swap_limit_mb");
	body_number(st, body, "ProcessLimit", "pids_limit");
	body_number(st, body, "IoWeight", "io_weight");
	body_texts(st, body, "Command", "args");
	body_texts(st, body, "Environment", "env");
	body_texts(st, body, "Device", "devices");
}

void
body_bool(struct stage *st, json *body, const char *param, const char *key)
{
	if (has_arg(st, param))
		json_set_bool(body, key, val_truth(get_arg(st, param)));
}

enum run
body_amount(
    struct stage *st, json *body, const char *param, double unit, const char *key)
{
	struct val v = get_arg(st, param);
	double n = rint((v.type == VAL_REAL ? v.d : (double)v.i) * unit);

	if (!has_arg(st, param))
		return RUN_OK;
	if (!(n >= 0 && n <= MAX_AMOUNT))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "-%s: %.0f is out of range", param,
		    v.type == VAL_REAL ? v.d : (double)v.i);
	json_set_i64(body, key, (int64_t)n);
	return RUN_OK;
}

/* PowerCLI's -1 for "no limit" is 0 here. */
static void
put_limit(struct stage *st, json *body, const char *param, const char *key)
{
	body_number(st, body, param, key);
	if (has_arg(st, param) && json_int_value(json_get(body, key)) < 0)
		json_set_u64(body, key, 0);
}

enum run
body_resources(struct stage *st, json *body)
{
	struct val limit = get_arg(st, "MemLimitGB");
	bool none = limit.type == VAL_REAL ? limit.d < 0 : limit.i < 0;
	enum run rc;

	body_word(st, body, "CpuSharesLevel", "cpu_shares_level");
	body_number(st, body, "NumCpuShares", "cpu_shares");
	body_number(st, body, "CpuReservationMhz", "cpu_reservation_mhz");
	put_limit(st, body, "CpuLimitMhz", "cpu_limit_mhz");
	body_word(st, body, "MemSharesLevel", "mem_shares_level");
	body_number(st, body, "NumMemShares", "mem_shares");
	body_number(st, body, "MemReservationMB", "mem_reservation_mb");
	put_limit(st, body, "MemLimitMB", "mem_limit_mb");
	rc = body_amount(st, body, "MemReservationGB", MB_PER_GB, "mem_reservation_mb");
	if (rc != RUN_OK || !has_arg(st, "MemLimitGB") || !none)
		return rc == RUN_OK ? body_amount(st, body, "MemLimitGB", MB_PER_GB,
					  "mem_limit_mb")
				    : rc;
	json_set_u64(body, "mem_limit_mb", 0);
	return RUN_OK;
}

enum run
body_memory(struct stage *st, json *body)
{
	if (has_arg(st, "MemoryMB") && has_arg(st, "MemoryGB"))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "-MemoryMB and -MemoryGB cannot both be given");
	if (has_arg(st, "MemoryGB"))
		return body_amount(st, body, "MemoryGB", MB_PER_GB, "memory_mb");
	return body_amount(st, body, "MemoryMB", 1, "memory_mb");
}

enum run
body_cpus(struct stage *st, json *body)
{
	int64_t n = get_int(st, "NumCpu", 0);

	if (!has_arg(st, "NumCpu"))
		return RUN_OK;
	if (n < 1 || n > MAX_CPUS)
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "-NumCpu %lld is out of range", (long long)n);
	json_set_i64(body, "num_cpu", n);
	return RUN_OK;
}
