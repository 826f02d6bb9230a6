#include "server/db/db_migrate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/db/db_int.h"

#define MAX_SQL_BYTES  1048576u
#define MAX_MIGRATIONS 10000u
#define DIGEST_BYTES   32

struct migration {
	unsigned version;
	char *name; /* of the file */
	char *sql;
	char checksum[2 * DIGEST_BYTES + 1];
};

struct migrate {
	struct db *db;
	struct migration *v; /* by version */
	size_t n, next;
	bool applies;
	db_done_fn done;
	void *arg;
};

static void
migrate_free(struct migrate *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->v[i].name);
		free(m->v[i].sql);
	}
	free(m->v);
	free(m);
}

static void
end(struct migrate *m, int rc, const struct err *e)
{
	db_done_fn done = m->done;
	void *arg = m->arg;
	migrate_free(m);
	done(arg, rc, e);
}

/* "0003_create_tasks.sql" → 3; 0 if it is no such name. */
static unsigned
version_of(const char *name)
{
	if (strlen(name) < 10 || name[4] != '_' || !str_ends(name, ".sql") ||
	    !name_is_file_safe(name))
		return 0;
	char digits[5] = { name[0], name[1], name[2], name[3], '\0' };
	for (unsigned i = 0; i < 4; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return 0;
	}
	return (unsigned)strtoul(digits, NULL, 10);
}

static int
read_file(const char *path, struct str *out, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, ERR_IO, errno, "cannot open %s", path);
	char buf[8192];
	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));
		if (n < 0)
			return err_sys(e, ERR_IO, errno, "cannot read %s", path);
		if (n == 0)
			return 0;
		str_addn(out, buf, (size_t)n);
		if (out->len > MAX_SQL_BYTES)
			return err_set(e, ERR_TOO_LARGE, "%s is larger than %u bytes",
			    path, MAX_SQL_BYTES);
	}
}

static int
add_file(struct migrate *m, const char *folder, const char *name, struct err *e)
{
	AUTO(str) struct str text = STR_INIT;
	AUTO_FREE char *path = xasprintf("%s/%s", folder, name);
	unsigned char digest[DIGEST_BYTES];
	int rc = read_file(path, &text, e);
	if (rc < 0)
		return rc;
	if (!EVP_Digest(str_cstr(&text), text.len, digest, NULL, EVP_sha256(), NULL))
		return err_set(e, ERR_INTERNAL, "cannot digest %s", path);
	m->v = xreallocarray(m->v, m->n + 1, sizeof(*m->v));
	struct migration *one = &m->v[m->n++];
	one->version = version_of(name);
	one->name = xstrdup(name);
	one->sql = str_take(&text);
	hex_encode(digest, sizeof(digest), one->checksum);
	return 0;
}

static int
by_version(const void *a, const void *b)
{
	const struct migration *x = a, *y = b;
	return (x->version > y->version) - (x->version < y->version);
}

static int
check_versions(struct migrate *m, const char *folder, struct err *e)
{
	if (m->n == 0)
		return err_set(e, ERR_NOT_FOUND, "no migrations in %s", folder);
	qsort(m->v, m->n, sizeof(*m->v), by_version);
	for (size_t i = 0; i < m->n; i++) {
		if (m->v[i].version != i + 1)
			return err_set(e, ERR_CORRUPT,
			    "%s: migration %04zu is missing or there twice (%s)",
			    folder, i + 1, m->v[i].name);
	}
	return 0;
}

static int
read_folder(struct migrate *m, const char *folder, struct err *e)
{
	DIR *dir = opendir(folder);
	if (!dir)
		return err_sys(
		    e, ERR_IO, errno, "cannot open the migrations' folder %s", folder);
	int rc = 0;
	for (const struct dirent *d = readdir(dir); d && rc == 0; d = readdir(dir)) {
		if (version_of(d->d_name) > 0 && m->n < MAX_MIGRATIONS)
			rc = add_file(m, folder, d->d_name, e);
	}
	closedir(dir);
	return rc < 0 ? rc : check_versions(m, folder, e);
}

static void run_next(struct migrate *m);

static void
on_ran(void *arg, int rc, const struct err *e)
{
	struct migrate *m = arg;
	if (rc < 0) {
		struct err why = *e;
		err_wrap(&why, "migration %s", m->v[m->next].name);
		end(m, why.code, &why);
		return;
	}
	log_notice("db", "applied migration %s", m->v[m->next].name);
	m->next++;
	run_next(m);
}

static void
run_next(struct migrate *m)
{
	if (m->next == m->n || !m->applies) {
		end(m, 0, NULL);
		return;
	}
	const struct migration *one = &m->v[m->next];
	AUTO(str) struct str script = STR_INIT;
	str_add(&script, one->sql);
	/* Name and checksum need no quoting: they were checked for it. */
	str_addf(&script,
	    ";\nINSERT INTO schema_migrations (version, name, checksum)"
	    " VALUES (%u, '%s', '%s');\n",
	    one->version, one->name, one->checksum);
	db_pg_script(m->db, str_cstr(&script), on_ran, m);
}

static int
compare(struct migrate *m, const struct db_rows *rows, struct err *e)
{
	for (size_t i = 0; i < db_rows_count(rows); i++) {
		uint64_t version = db_value_u64(rows, i, 0);
		const char *name = db_value(rows, i, 1);
		if (version != i + 1 || version > m->n)
			return err_set(e, ERR_UNSUPPORTED,
			    "the database has migration %s: this program is too old",
			    name);
		if (!str_same(m->v[i].checksum, db_value(rows, i, 2)))
			return err_set(e, ERR_CORRUPT,
			    "migration %s was changed after it was applied as %s",
			    m->v[i].name, name);
	}
	m->next = db_rows_count(rows);
	return 0;
}

static void
on_list(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct migrate *m = arg;
	struct err why = ERR_INIT;
	if (rc == 0) {
		rc = compare(m, rows, &why);
		e = &why;
	}
	if (rc < 0)
		end(m, rc, e);
	else
		run_next(m);
}

static void
on_table(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct migrate *m = arg;
	if (rc < 0)
		end(m, rc, e);
	else if (db_value(rows, 0, 0)[0] == 't')
		db_pg_now(m->db, STMT_MIGRATION_LIST, 0, NULL, on_list, m);
	else
		run_next(m);
}

/* Takes m. */
static void
begin(struct migrate *m, const char *folder)
{
	struct err e = ERR_INIT;
	int rc = read_folder(m, folder, &e);
	if (rc == 0) {
		db_pg_now(m->db, STMT_MIGRATION_TABLE, 0, NULL, on_table, m);
		return;
	}
	struct db_request *r = xcalloc(1, sizeof(*r));
	r->done = m->done;
	r->arg = m->arg;
	db_answer(m->db, r, rc, &e);
	migrate_free(m);
}

static struct migrate *
migrate_new(struct db *db, db_done_fn done, void *arg)
{
	struct migrate *m = xcalloc(1, sizeof(*m));
	m->db = db;
	m->done = done;
	m->arg = arg;
	return m;
}

void
db_migrate(struct db *db, const char *folder, db_done_fn done, void *arg)
{
	struct migrate *m = migrate_new(db, done, arg);
	m->applies = true;
	begin(m, folder);
}

void
db_migrate_check(struct db *db, const char *folder, db_done_fn done, void *arg)
{
	begin(migrate_new(db, done, arg), folder);
}
