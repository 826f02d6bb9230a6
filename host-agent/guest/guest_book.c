#include "host-agent/guest/guest_book.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/record/record.h"
#include "proto/order.pb-c.h"

#define BOOK_MARK "drover guest 1"
/* One record more: the order of the restart under way. */
#define RESTART_MARK BOOK_MARK " restart"
/* One record more: the move under way. */
#define MOVE_MARK BOOK_MARK " move"
/* One record more: the spec with the disks that are about to be. */
#define NEXT_MARK     BOOK_MARK " next"
#define BOOK_FILE_MAX ((size_t)4 << 20)

void
guest_record_fini(struct guest_record *r)
{
	drover__guest_spec__free_unpacked(r->spec, NULL);
	drover__move_record__free_unpacked(r->move, NULL);
	drover__guest_spec__free_unpacked(r->next, NULL);
	*r = (struct guest_record){ 0 };
}

static void
add_restart(struct order_name name, struct str *out)
{
	Drover__OrderQuery q = DROVER__ORDER_QUERY__INIT;
	size_t n;

	if (!name.task)
		return;
	q.task = name.task;
	q.step = name.step;
	n = drover__order_query__get_packed_size(&q);
	AUTO_FREE uint8_t *p = xmalloc(n);
	drover__order_query__pack(&q, p);
	record_add(out, p, n);
}

static void
add_move(const Drover__MoveRecord *m, struct str *out)
{
	size_t n;

	if (!m)
		return;
	n = drover__move_record__get_packed_size(m);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);
	drover__move_record__pack(m, p);
	record_add(out, p, n);
}

static void
add_spec(const Drover__GuestSpec *spec, struct str *out)
{
	size_t n = drover__guest_spec__get_packed_size(spec);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);

	drover__guest_spec__pack(spec, p);
	record_add(out, p, n);
}

static const char *
mark_of(const struct guest_record *r)
{
	ASSERT((r->restart.task != 0) + (r->move != NULL) + (r->next != NULL) <= 1);
	if (r->restart.task)
		return RESTART_MARK;
	if (r->next)
		return NEXT_MARK;
	return r->move ? MOVE_MARK : BOOK_MARK;
}

void
guest_record_encode(const struct guest_record *r, struct str *out)
{
	Drover__GuestStatus st = DROVER__GUEST_STATUS__INIT;
	AUTO_FREE char *reason = xstrdup(r->reason);
	const char *mark = mark_of(r);
	size_t n;

	st.guest = r->spec->guest;
	st.state = (Drover__GuestState)r->state;
	st.generation = r->generation;
	st.started_ms = r->started_ms;
	st.pid = r->pid;
	st.reason = reason;

	record_add(out, mark, strlen(mark));
	n = drover__guest_status__get_packed_size(&st);
	AUTO_FREE uint8_t *p = xmalloc(n);
	drover__guest_status__pack(&st, p);
	record_add(out, p, n);

	add_spec(r->spec, out);
	add_restart(r->restart, out);
	add_move(r->move, out);
	if (r->next)
		add_spec(r->next, out);
}

/* The body of the next record of *p, which moves behind it; NULL: there is none. */
static const uint8_t *
take(const uint8_t **p, size_t *n, uint32_t *ret_len, struct err *e)
{
	const uint8_t *body = *p + RECORD_HEAD;
	int rc = record_peek(*p, *n, ret_len, e);

	if (rc == 0)
		err_set(e, ERR_CORRUPT, "the record is cut short");
	if (rc != 1)
		return NULL;
	*p += RECORD_HEAD + (size_t)*ret_len;
	*n -= RECORD_HEAD + (size_t)*ret_len;
	return body;
}

static int
fill(struct guest_record *r, const Drover__GuestStatus *st, struct err *e)
{
	if (!st || !r->spec || st->guest != r->spec->guest || !st->guest)
		return err_set(e, ERR_CORRUPT, "it describes no guest");
	if ((unsigned)st->state >= GUEST_STATES_)
		return err_set(e, ERR_CORRUPT, "%d is no state", (int)st->state);
	r->state = (enum guest_state)st->state;
	r->generation = st->generation;
	r->started_ms = st->started_ms;
	r->pid = st->pid;
	snprintf(r->reason, sizeof(r->reason), "%s", st->reason);
	return 0;
}

enum record_more { MORE_NOTHING, MORE_RESTART, MORE_MOVE, MORE_NEXT };

static int
take_mark(const uint8_t **p, size_t *n, enum record_more *ret_more, struct err *e)
{
	static const char *const marks[] = { BOOK_MARK, RESTART_MARK, MOVE_MARK,
		NEXT_MARK };
	uint32_t len;
	const uint8_t *mark = take(p, n, &len, e);

	if (!mark)
		return ERR_CORRUPT;
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (len != strlen(marks[i]) || memcmp(mark, marks[i], len) != 0)
			continue;
		*ret_more = (enum record_more)i;
		return 0;
	}
	return err_set(e, ERR_CORRUPT, "it is not of version \"" BOOK_MARK "\"");
}

static int
take_restart(const uint8_t **p, size_t *n, struct order_name *ret_name, struct err *e)
{
	uint32_t len;
	const uint8_t *body = take(p, n, &len, e);
	Drover__OrderQuery *q;

	if (!body)
		return ERR_CORRUPT;
	q = drover__order_query__unpack(NULL, len, body);
	if (!q)
		return err_set(e, ERR_CORRUPT, "its restart is of no order");
	*ret_name = (struct order_name){ q->task, q->step };
	drover__order_query__free_unpacked(q, NULL);
	return 0;
}

static int
take_move(const uint8_t **p, size_t *n, Drover__MoveRecord **ret_m, struct err *e)
{
	uint32_t len;
	const uint8_t *body = take(p, n, &len, e);

	if (!body)
		return ERR_CORRUPT;
	*ret_m = drover__move_record__unpack(NULL, len, body);
	return *ret_m ? 0 : err_set(e, ERR_CORRUPT, "its move cannot be read");
}

static int
take_next(const uint8_t **p, size_t *n, Drover__GuestSpec **ret_s, struct err *e)
{
	uint32_t len;
	const uint8_t *body = take(p, n, &len, e);

	if (!body)
		return ERR_CORRUPT;
	*ret_s = drover__guest_spec__unpack(NULL, len, body);
	return *ret_s ? 0 : err_set(e, ERR_CORRUPT, "its next disks cannot be read");
}

static int
take_more(const uint8_t **p, size_t *n, enum record_more more, struct guest_record *r,
    struct err *e)
{
	switch (more) {
	case MORE_RESTART:
		return take_restart(p, n, &r->restart, e);
	case MORE_MOVE:
		return take_move(p, n, &r->move, e);
	case MORE_NEXT:
		return take_next(p, n, &r->next, e);
	case MORE_NOTHING:
		break;
	}
	return 0;
}

int
guest_record_decode(
    const uint8_t *p, size_t n, struct guest_record *ret_r, struct err *e)
{
	struct guest_record r = { 0 };
	Drover__GuestStatus *st = NULL;
	const uint8_t *status, *spec;
	uint32_t status_len, spec_len;
	enum record_more more = MORE_NOTHING;
	int rc;

	if (take_mark(&p, &n, &more, e))
		return ERR_CORRUPT;
	status = take(&p, &n, &status_len, e);
	spec = status ? take(&p, &n, &spec_len, e) : NULL;
	if (!spec || take_more(&p, &n, more, &r, e))
		return ERR_CORRUPT;
	st = drover__guest_status__unpack(NULL, status_len, status);
	r.spec = drover__guest_spec__unpack(NULL, spec_len, spec);
	rc = n ? err_set(e, ERR_CORRUPT, "%zu bytes follow its end", n)
	       : fill(&r, st, e);
	drover__guest_status__free_unpacked(st, NULL);
	if (rc)
		guest_record_fini(&r);
	else
		*ret_r = r;
	return rc;
}

char *
guest_book_path(const char *folder, uint64_t guest)
{
	return xasprintf("%s/vm-%" PRIu64 "/record", folder, guest);
}

static int
load_one(const char *path, uint64_t guest, struct guest_record *ret_r, struct err *e)
{
	AUTO(str) struct str file = STR_INIT;
	struct guest_record r = { 0 };
	int rc = record_file_read(path, BOOK_FILE_MAX, &file, e);

	if (!rc)
		rc = guest_record_decode(
		    (const uint8_t *)str_cstr(&file), file.len, &r, e);
	if (rc)
		return rc;
	if (!r.spec || r.spec->guest != guest) {
		rc = err_set(e, ERR_CORRUPT, "it is another guest's");
		guest_record_fini(&r);
		return rc;
	}
	*ret_r = r;
	return 0;
}

static void
set_aside(const char *path, const struct err *why)
{
	AUTO_FREE char *to = xasprintf("%s.damaged", path);

	if (rename(path, to)) {
		log_err("book", "%s is damaged (%s) and cannot be set aside: %s", path,
		    why->msg, strerror(errno));
		return;
	}

	log_err("book",
	    "%s is damaged: %s; it is %s now, and its guest is "
	    "unknown to this host",
	    path, why->msg, to);
}

int
guest_book_load(const char *folder,
    void (*on_record)(void *arg, struct guest_record *r_take), void *arg,
    unsigned *ret_damaged, struct err *e)
{
	DIR *dir = opendir(folder);
	const struct dirent *d;
	unsigned damaged = 0;

	if (!dir)
		return err_sys(e, ERR_IO, errno, "reading the guest book %s", folder);
	while ((d = readdir(dir))) {
		struct guest_record r = { 0 };
		struct err why = ERR_INIT;
		obj_id id;
		int rc;

		if (obj_id_parse(d->d_name, KIND_VM, &id, NULL))
			continue;
		AUTO_FREE char *path = guest_book_path(folder, obj_id_number(id));
		rc = load_one(path, obj_id_number(id), &r, &why);
		if (!rc) {
			on_record(arg, &r);
		} else if (rc == ERR_NOT_FOUND) {
			/* Empty, where the agent ended while a guest was forgotten. */
			(void)unlinkat(dirfd(dir), d->d_name, AT_REMOVEDIR);
		} else {
			set_aside(path, &why);
			damaged++;
		}
	}
	closedir(dir);
	*ret_damaged = damaged;
	return 0;
}
