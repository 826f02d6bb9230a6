#include "host-agent/health/health_smart.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"

#define OUTPUT_MAX      (1u << 20)
#define PENDING_SECTORS 197 /* the number of that attribute of ATA disks */

/* Bits of the critical warning of an NVMe disk, as its specification has them. */
static const struct {
	unsigned bit;
	enum health_severity severity;
	const char *text;
} warnings[] = {
	{ 2, HEALTH_SEVERE, "has become unreliable" },
	{ 3, HEALTH_SEVERE, "takes no more writes" },
	{ 0, HEALTH_MODERATE, "has few spare blocks left" },
	{ 1, HEALTH_MODERATE, "is too hot, or too cold" },
	{ 4, HEALTH_MODERATE, "would lose what it has not written if power failed" },
};

struct smart {
	struct smart_conf conf;
	char **disks; /* NULL-ended; NULL between rounds */
	size_t next;
	struct child *child;
	struct health_list found, finding;
	char why_not[240], failing[240];
};

/* ---- one disk's answer ---- */

static uint64_t
number_in(const json *o, const char *key)
{
	const json *v = o ? json_get(o, key) : NULL;

	return v && json_what(v) == JSON_IS_INT && json_int_value(v) > 0
		   ? (uint64_t)json_int_value(v)
		   : 0;
}

static const json *
object_in(const json *o, const char *key)
{
	const json *v = json_get(o, key);

	return v && json_what(v) == JSON_IS_OBJECT ? v : NULL;
}

static uint64_t
pending_sectors(const json *answer)
{
	const json *ata = object_in(answer, "ata_smart_attributes");
	const json *table = ata ? json_get(ata, "table") : NULL;

	if (!table || json_what(table) != JSON_IS_ARRAY)
		return 0;
	for (size_t i = 0; i < json_count(table); i++) {
		const json *row = json_at(table, i);
		if (json_what(row) == JSON_IS_OBJECT &&
		    number_in(row, "id") == PENDING_SECTORS)
			return number_in(object_in(row, "raw"), "value");
	}
	return 0;
}

static void
judge(const json *answer, bool has_passed, const char *disk, struct health_list *out)
{
	uint64_t warned = number_in(
	    object_in(answer, "nvme_smart_health_information_log"), "critical_warning");
	uint64_t pending = pending_sectors(answer);

	for (size_t i = 0; i < ARRAY_SIZE(warnings); i++) {
		if (warned & (UINT64_C(1) << warnings[i].bit)) {
			health_add(out, SMART_NAME, HEALTH_STORAGE,
			    warnings[i].severity, "disk %s %s", disk, warnings[i].text);
			return;
		}
	}
	if (!has_passed)
		health_add(out, SMART_NAME, HEALTH_STORAGE, HEALTH_SEVERE,
		    "disk %s expects to fail soon", disk);
	else if (pending)
		health_add(out, SMART_NAME, HEALTH_STORAGE, HEALTH_MODERATE,
		    "disk %s cannot read %llu of its sectors", disk,
		    (unsigned long long)pending);
}

int
smart_parse(const char *text, size_t n, const char *disk, struct health_list *out,
    struct err *e)
{
	AUTO(json) json *answer = NULL;
	const json *status, *passed;

	if (json_parse(text, n, "smartctl", &answer, e))
		return e->code;
	status = json_what(answer) == JSON_IS_OBJECT ? object_in(answer, "smart_status")
						     : NULL;
	passed = status ? json_get(status, "passed") : NULL;
	if (!passed || json_what(passed) != JSON_IS_BOOL)
		return err_set(e, ERR_UNSUPPORTED, "it says nothing of its health");
	judge(answer, json_bool_value(passed), disk, out);
	return 0;
}

/* ---- all of them ---- */

static bool
is_disk(const char *root, const char *name)
{
	AUTO_FREE char *device = xasprintf("%s/sys/block/%s/device", root, name);

	return (str_starts(name, "sd") || str_starts(name, "nvme")) &&
	       !access(device, F_OK);
}

static size_t
list_disks(struct smart *s)
{
	AUTO_FREE char *path = xasprintf("%s/sys/block", s->conf.root);
	struct dirent **list;
	int n = scandir(path, &list, NULL, alphasort);
	size_t kept = 0;

	s->disks = xcalloc(SMART_DISKS_MAX + 1, sizeof(*s->disks));
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		if (kept < SMART_DISKS_MAX && is_disk(s->conf.root, name))
			s->disks[kept++] = xstrdup(name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return kept;
}

static void
forget_disks(struct smart *s)
{
	for (size_t i = 0; s->disks && s->disks[i]; i++)
		free(s->disks[i]);
	free(MOVE(s->disks));
}

static void
end_round(struct smart *s)
{
	forget_disks(s);
	s->found = s->finding;
	memcpy(s->why_not, s->failing, sizeof(s->why_not));
	s->conf.done(s->conf.arg);
}

/* Of a disk that sleeps or does not answer counts what it said before. */
static void
keep_known(struct smart *s, const char *disk)
{
	AUTO_FREE char *prefix = xasprintf("disk %s ", disk);

	for (size_t i = 0; i < s->found.n; i++) {
		const struct health_condition *c = &s->found.v[i];
		if (str_starts(c->text, prefix))
			health_add(&s->finding, c->source, c->component, c->severity,
			    "%s", c->text);
	}
}

static void
note_silent(struct smart *s, const char *disk, const char *why)
{
	keep_known(s, disk);
	if (!s->failing[0])
		snprintf(s->failing, sizeof(s->failing), "disk %s: %.200s", disk, why);
}

static void ask_next(struct smart *s);

static void
on_answer(struct child *c, const struct child_result *r, void *arg)
{
	struct smart *s = arg;
	const char *disk = s->disks[s->next];
	struct err e = ERR_INIT;

	s->child = NULL;
	/* Its exit status has a bit for each thing that it found: the text counts. */
	if (r->timed_out)
		note_silent(s, disk, "it did not answer in time");
	else if (r->out_len == 0)
		note_silent(s, disk,
		    child_err(r, "smartctl", &e) ? e.msg : "smartctl said nothing");
	else if (smart_parse(r->out, r->out_len, disk, &s->finding, &e))
		note_silent(s, disk, e.msg);
	s->next++;
	ask_next(s);
}

static void
ask_next(struct smart *s)
{
	struct err e = ERR_INIT;

	for (; s->disks[s->next]; s->next++) {
		AUTO_FREE char *device = xasprintf("/dev/%s", s->disks[s->next]);
		const char *const argv[] = { s->conf.program, "--json", "--health",
			"--attributes", "--nocheck=standby,0", device, NULL };
		const struct child_opts o = {
			.argv = argv,
			.timeout_ms = s->conf.limit_ms,
			.max_output = OUTPUT_MAX,
		};

		if (!child_start(s->conf.loop, &o, on_answer, s, &s->child, &e))
			return;
		note_silent(s, s->disks[s->next], e.msg);
	}
	end_round(s);
}

void
smart_look(struct smart *s)
{
	if (s->disks)
		return;
	memset(&s->finding, 0, sizeof(s->finding));
	s->failing[0] = '\0';
	s->next = 0;
	if (!s->conf.program[0])
		snprintf(s->failing, sizeof(s->failing), "health.smartctl is empty");
	else if (access(s->conf.program, X_OK))
		snprintf(s->failing, sizeof(s->failing),
		    "there is no %.150s (package smartmontools)", s->conf.program);
	else if (!list_disks(s))
		snprintf(s->failing, sizeof(s->failing), "there is no disk to ask");
	if (s->failing[0])
		end_round(s);
	else
		ask_next(s);
}

const struct health_list *
smart_found(const struct smart *s)
{
	return &s->found;
}

const char *
smart_why_not(const struct smart *s)
{
	return s->why_not;
}

struct smart *
smart_new(const struct smart_conf *c)
{
	struct smart *s = xcalloc(1, sizeof(*s));

	s->conf = *c;
	return s;
}

void
smart_free(struct smart *s)
{
	if (!s)
		return;
	child_free(s->child);
	forget_disks(s);
	free(s);
}
