/*
 * The kernel's own counters and alarms, below /sys.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/health/health_source.h"

#define EDAC_DIR      "/sys/devices/system/edac/mc"
#define BLOCK_DIR     "/sys/block"
#define HWMON_DIR     "/sys/class/hwmon"
#define TEST_FILE_MAX 4096u

/* Never waits for a fifo; without the newline at its end. */
static int
read_text(const char *path, char *out, size_t cap, struct err *e)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, cap - 1);
	int sys = errno;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return err_sys(
		    e, sys == ENOENT ? ERR_NOT_FOUND : ERR_IO, sys, "reading %s", path);
	out[n] = '\0';
	while (n > 0 && out[n - 1] == '\n')
		out[--n] = '\0';
	return 0;
}

/* "" where the file is not there or cannot be read. */
static void
read_word(const char *folder, const char *name, char *out, size_t cap)
{
	AUTO_FREE char *path = xasprintf("%s/%s", folder, name);

	if (read_text(path, out, cap, NULL))
		out[0] = '\0';
}

static uint64_t
read_number(const char *folder, const char *name)
{
	char text[32];

	read_word(folder, name, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

typedef void (*entry_fn)(struct health_view *v, const char *folder, const char *name,
    struct health_list *out);

/* Those of a folder that begin so, in order.  How many there are. */
static unsigned
each_entry(struct health_view *v, const char *path, const char *prefix, entry_fn fn,
    struct health_list *out)
{
	struct dirent **list;
	int n = scandir(path, &list, NULL, alphasort);
	unsigned found = 0;

	for (int i = 0; i < n; i++) {
		if (str_starts(list[i]->d_name, prefix) && list[i]->d_name[0] != '.') {
			fn(v, path, list[i]->d_name, out);
			found++;
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return found;
}

/* ---- memory ---- */

static void
look_at_controller(struct health_view *v, const char *folder, const char *name,
    struct health_list *out)
{
	AUTO_FREE char *path = xasprintf("%s/%s", folder, name);
	unsigned long number = strtoul(name + strlen("mc"), NULL, 10);
	uint64_t lost = read_number(path, "ue_count"), grown;

	if (number >= HEALTH_CONTROLLERS || name[strcspn(name, "0123456789")] == '\0')
		return;
	grown = edac_growth(&v->edac[number], read_number(path, "ce_count"), v->now_ms);
	if (lost) {
		health_add(out, health_edac.name, HEALTH_MEMORY, HEALTH_SEVERE,
		    "memory controller %s: %llu errors could not be corrected", name,
		    (unsigned long long)lost);
	} else if (grown >= EDAC_MANY) {
		health_add(out, health_edac.name, HEALTH_MEMORY, HEALTH_MODERATE,
		    "memory controller %s: %llu errors were corrected within the last "
		    "hour",
		    name, (unsigned long long)grown);
	}
}

static int
read_edac(struct health_view *v, struct health_list *out, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s%s", v->root, EDAC_DIR);

	if (!each_entry(v, path, "mc", look_at_controller, out))
		return err_set(e, ERR_UNSUPPORTED,
		    "the kernel knows no memory controller that counts errors");
	return 0;
}

const struct health_source health_edac = { "edac", read_edac };

/* ---- arrays of disks ---- */

static void
look_at_array(struct health_view *v, const char *folder, const char *name,
    struct health_list *out)
{
	AUTO_FREE char *path = xasprintf("%s/%s/md", folder, name);
	uint64_t lost = read_number(path, "degraded");
	char state[32];

	read_word(path, "array_state", state, sizeof(state));
	if (str_same(state, "broken")) {
		health_add(out, health_md.name, HEALTH_STORAGE, HEALTH_SEVERE,
		    "array %s has lost more disks than it can do without", name);
	} else if (lost) {
		health_add(out, health_md.name, HEALTH_STORAGE, HEALTH_MODERATE,
		    "array %s does without %llu of its %llu disks", name,
		    (unsigned long long)lost,
		    (unsigned long long)read_number(path, "raid_disks"));
	}
}

static int
read_md(struct health_view *v, struct health_list *out, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s%s", v->root, BLOCK_DIR);

	if (!each_entry(v, path, "md", look_at_array, out))
		return err_set(e, ERR_UNSUPPORTED, "there is no array of disks");
	return 0;
}

const struct health_source health_md = { "md", read_md };

/* ---- sensors ---- */

/* Limits that the maker of the hardware calls critical.  Milder ones are often set by
 * nobody, and then say nothing. */
static const struct {
	const char *prefix, *suffix;
	enum health_component component;
	enum health_severity severity;
	const char *text;
} alarms[] = {
	{ "temp", "_emergency_alarm", HEALTH_TEMPERATURE, HEALTH_SEVERE,
	    "is so hot that the hardware may switch off" },
	{ "temp", "_crit_alarm", HEALTH_TEMPERATURE, HEALTH_MODERATE,
	    "has reached its critical temperature" },
	{ "fan", "_fault", HEALTH_FAN, HEALTH_MODERATE, "has failed" },
	{ "in", "_lcrit_alarm", HEALTH_POWER, HEALTH_MODERATE,
	    "is below its critical voltage" },
	{ "in", "_crit_alarm", HEALTH_POWER, HEALTH_MODERATE,
	    "is above its critical voltage" },
	{ "curr", "_crit_alarm", HEALTH_POWER, HEALTH_MODERATE,
	    "is above its critical current" },
	{ "power", "_crit_alarm", HEALTH_POWER, HEALTH_MODERATE,
	    "is above its critical power" },
};

static void
look_at_file(struct health_view *v, const char *folder, const char *name,
    struct health_list *out)
{
	char sensor[32], label[48], chip[32];

	for (size_t i = 0; i < ARRAY_SIZE(alarms); i++) {
		if (!str_starts(name, alarms[i].prefix) ||
		    !str_ends(name, alarms[i].suffix) || !read_number(folder, name))
			continue;
		snprintf(sensor, sizeof(sensor), "%.*s", (int)strcspn(name, "_"), name);
		AUTO_FREE char *label_name = xasprintf("%s_label", sensor);
		read_word(folder, label_name, label, sizeof(label));
		read_word(folder, "name", chip, sizeof(chip));
		health_add(out, health_hwmon.name, alarms[i].component,
		    alarms[i].severity, "%s (%s) %s", label[0] ? label : sensor, chip,
		    alarms[i].text);
		return;
	}
}

static void
look_at_chip(struct health_view *v, const char *folder, const char *name,
    struct health_list *out)
{
	AUTO_FREE char *path = xasprintf("%s/%s", folder, name);

	each_entry(v, path, "", look_at_file, out);
}

static int
read_hwmon(struct health_view *v, struct health_list *out, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s%s", v->root, HWMON_DIR);

	if (!each_entry(v, path, "hwmon", look_at_chip, out))
		return err_set(e, ERR_UNSUPPORTED, "the kernel knows no sensors");
	return 0;
}

const struct health_source health_hwmon = { "hwmon", read_hwmon };

/* ---- what an administrator or a test says ---- */

static int
read_test(struct health_view *v, struct health_list *out, struct err *e)
{
	char text[TEST_FILE_MAX];
	int rc = read_text(v->test_file, text, sizeof(text), e);

	if (rc == ERR_NOT_FOUND) {
		err_clear(e);
		return 0;
	}
	return rc ? rc : health_test_parse(text, out, e);
}

const struct health_source health_test = { "test", read_test };
