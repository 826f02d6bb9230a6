/*
 * stat_sweep: files of objects that are gone: put away, and removed when they have lain
 * long enough.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/stats/stats_int.h"

#define DAY_MS UINT64_C(86400000)
#define SUFFIX ".rrd"

struct sweep {
	struct stats *s;
	char *dir, *daemon;
	uint64_t wall_ms;
	struct map *alive; /* names of files that stay; NULL: only one goes */
	char only[OBJ_ID_TEXT];
	enum obj_kind kind; /* of that one */
	unsigned put_away, removed;
};

/* ---- on the worker ---- */

/* How long it lies there is counted from now. */
static void
put_away(struct sweep *w, enum obj_kind kind, const char *name)
{
	AUTO_FREE char *from = xasprintf("%s/%s/%s", w->dir, kind_plural(kind), name);
	AUTO_FREE char *to = xasprintf("%s/deleted/%s", w->dir, name);
	const struct rrd_file f = { .path = from, .daemon = w->daemon };

	rrd_file_leave(&f);
	if (rename(from, to)) {
		if (errno != ENOENT)
			log_warn("stats", "cannot put %s away: %s", from,
			    strerrordesc_np(errno));
		return;
	}
	if (utimensat(AT_FDCWD, to, NULL, 0))
		log_warn("stats", "cannot date %s: %s", to, strerrordesc_np(errno));
	w->put_away++;
}

static void
sweep_kind(struct sweep *w, enum obj_kind kind)
{
	AUTO_FREE char *path = xasprintf("%s/%s", w->dir, kind_plural(kind));
	DIR *d = opendir(path);
	const struct dirent *m;

	while (d && (m = readdir(d)) != NULL) {
		if (str_ends(m->d_name, SUFFIX) && !map_get_str(w->alive, m->d_name))
			put_away(w, kind, m->d_name);
	}
	if (d)
		closedir(d);
}

static void
remove_old(struct sweep *w)
{
	AUTO_FREE char *path = xasprintf("%s/deleted", w->dir);
	DIR *d = opendir(path);
	const struct dirent *m;

	while (d && (m = readdir(d)) != NULL) {
		struct stat st;
		uint64_t changed_ms;

		if (*m->d_name == '.' || fstatat(dirfd(d), m->d_name, &st, 0))
			continue;
		changed_ms = (uint64_t)st.st_mtime * 1000;
		if (changed_ms + STAT_KEPT_DAYS * DAY_MS < w->wall_ms &&
		    !unlinkat(dirfd(d), m->d_name, 0))
			w->removed++;
	}
	if (d)
		closedir(d);
}

static int
run(void *arg)
{
	struct sweep *w = arg;

	if (!w->alive) {
		AUTO_FREE char *name = xasprintf("%s" SUFFIX, w->only);

		put_away(w, w->kind, name);
		return 0;
	}
	for (size_t i = 0; i < STAT_KINDS; i++)
		sweep_kind(w, stat_kinds[i]);
	remove_old(w);
	return 0;
}

/* ---- on the core ---- */

static void
done(void *arg, int rc)
{
	struct sweep *w = arg;

	if (w->put_away || w->removed)
		log_info("stats", "%u files of what is gone put away, %u removed",
		    w->put_away, w->removed);
	map_free(w->alive);
	free(w->dir);
	free(w->daemon);
	free(w);
}

static struct sweep *
sweep_new(struct stats *s)
{
	struct sweep *w = xcalloc(1, sizeof(*w));

	w->s = s;
	w->dir = xstrdup(s->dir);
	w->daemon = xstrdup(s->daemon);
	w->wall_ms = clock_wall_ms(loop_clock(s->loop));
	return w;
}

static void
begin(struct stats *s, struct sweep *w)
{
	struct err e = ERR_INIT;

	if (s->workers && !worker_run(s->workers, run, done, w, &e))
		return;
	/* The next sweep does it. */
	log_debug("stats", "files are not swept now: %s", e.msg);
	done(w, ERR_BUSY);
}

void
stat_sweep(struct stats *s)
{
	struct sweep *w = sweep_new(s);

	w->alive = map_new_str();
	for (size_t i = 0; i < STAT_KINDS; i++) {
		INV_EACH(s->inv, stat_kinds[i], o)
		{
			char id[OBJ_ID_TEXT];
			AUTO_FREE char *name =
			    xasprintf("%s" SUFFIX, obj_id_text(o->id, id));

			map_put_str(w->alive, name, w);
		}
	}
	begin(s, w);
}

void
stat_put_away(struct stats *s, obj_id id)
{
	struct stat_object *o = stats_find(s, id);
	struct sweep *w = sweep_new(s);

	if (o)
		stats_drop(s, o);
	w->kind = obj_id_kind(id);
	obj_id_text(id, w->only);
	begin(s, w);
}
