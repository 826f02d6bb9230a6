#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/guest/guest_book.h"
#include "host-agent/link/journal.h"
#include "host-agent/record/record.h"
#include "loop/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* With its checksums set right the input reaches what lies behind them. */
static void
wrap(const uint8_t *data, size_t n, struct str *out)
{
	while (n > 1) {
		size_t len = data[0] < n - 1 ? data[0] : n - 1;

		if (len)
			record_add(out, data + 1, len);
		data += len + 1;
		n -= len + 1;
	}
}

static void
open_journal(struct loop *l, struct workers *w, const char *path)
{
	struct order_name name = { 1, 1 };
	struct journal *j = NULL;
	Drover__Reply *r = NULL;

	ASSERT(!journal_open(l, w, path, 16, &j, NULL));
	if (journal_find(j, name) == JOURNAL_REPLIED &&
	    !journal_reply(j, name, &r, NULL))
		ASSERT(r->task == 1 && r->step == 1);
	drover__reply__free_unpacked(r, NULL);
	ASSERT(journal_count(j) <= 16 || journal_find(j, name) != JOURNAL_REPLIED);
	journal_free(j);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct loop *l = loop_new(clock_system());
	struct workers *w = workers_new(l, 1, 16);
	AUTO(str) struct str wrapped = STR_INIT;
	struct guest_record r = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/tmp/drover-fuzz-journal-%d", (int)getpid());
	ASSERT(!log_to_file("/dev/null", NULL));
	wrap(data, n, &wrapped);
	ASSERT(!record_file_write(path, 0600, data, n, NULL));
	open_journal(l, w, path);
	ASSERT(!record_file_write(path, 0600, str_cstr(&wrapped), wrapped.len, NULL));
	open_journal(l, w, path);
	if (!guest_record_decode(data, n, &r, NULL))
		guest_record_fini(&r);
	if (!guest_record_decode(
		(const uint8_t *)str_cstr(&wrapped), wrapped.len, &r, NULL))
		guest_record_fini(&r);
	workers_free(w);
	loop_free(l);
	unlink(path);
	snprintf(
	    path, sizeof(path), "/tmp/drover-fuzz-journal-%d.damaged", (int)getpid());
	unlink(path);
	return 0;
}
