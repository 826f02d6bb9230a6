#include "host-agent/collect/rapl.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/record/record.h"

#define CLASS    "/sys/class/powercap"
#define ZONE     "intel-rapl:" /* of AMD's processors, too */
#define TEXT_MAX ((size_t)64)

/* The first line of a file of the zone; NULL: it cannot be read. */
static char *
read_line(const char *root, const char *folder, const char *file)
{
	AUTO_FREE char *path = xasprintf("%s" CLASS "/%s/%s", root, folder, file);
	AUTO(str) struct str text = STR_INIT;

	if (record_file_read(path, TEXT_MAX, &text, NULL))
		return NULL;
	return xstrndup(str_cstr(&text), strcspn(str_cstr(&text), "\n"));
}

static bool
read_uj(const char *root, const char *folder, const char *file, uint64_t *ret)
{
	AUTO_FREE char *line = read_line(root, folder, file);

	return line && !parse_u64(line, 0, INT64_MAX, file, ret, NULL);
}

/* Cores and graphics are parts of their package, memory is beside it. */
static bool
is_counted(const char *root, const char *folder)
{
	AUTO_FREE char *name = read_line(root, folder, "name");

	return name && (str_starts(name, "package-") || str_same(name, "dram"));
}

static struct rapl_zone *
zone_of(struct rapl *r, const char *folder)
{
	for (size_t i = 0; i < r->n_zones; i++) {
		if (str_same(r->zones[i].folder, folder))
			return &r->zones[i];
	}
	return NULL;
}

static void
look_at(struct rapl *r, const char *root, const char *folder)
{
	struct rapl_zone *z = zone_of(r, folder);
	uint64_t now_uj, range_uj;

	if ((!z && r->n_zones == RAPL_ZONES_MAX) ||
	    strlen(folder) >= sizeof(r->zones[0].folder) || !is_counted(root, folder) ||
	    !read_uj(root, folder, "energy_uj", &now_uj))
		return;
	r->is_known = true;
	if (!z) {
		z = &r->zones[r->n_zones++];
		snprintf(z->folder, sizeof(z->folder), "%s", folder);
	} else if (now_uj >= z->last_uj) {
		r->used_uj += now_uj - z->last_uj;
	} else if (read_uj(root, folder, "max_energy_range_uj", &range_uj) &&
		   range_uj >= z->last_uj) {
		r->used_uj += range_uj - z->last_uj + now_uj;
	}
	z->last_uj = now_uj;
}

void
rapl_look(struct rapl *r, const char *root)
{
	AUTO_FREE char *path = xasprintf("%s" CLASS, root);
	DIR *d = opendir(path);
	const struct dirent *m;

	r->is_known = false;
	while (d && (m = readdir(d)) != NULL) {
		if (str_starts(m->d_name, ZONE))
			look_at(r, root, m->d_name);
	}
	if (d)
		closedir(d);
}
