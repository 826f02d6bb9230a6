#include "host-agent/link/epoch.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/record/record.h"

struct epoch {
	char *path;
	uint64_t seen;
};

static int
load(struct epoch *ep, struct err *e)
{
	AUTO(str) struct str file = STR_INIT;
	char text[24];
	uint32_t n;
	int rc = record_file_read(ep->path, 256, &file, e);

	if (rc == ERR_NOT_FOUND) {
		err_clear(e);
		return 0;
	}
	if (rc)
		return rc;
	if (record_peek((const uint8_t *)str_cstr(&file), file.len, &n, NULL) != 1 ||
	    n >= sizeof(text))
		return err_set(e, ERR_CORRUPT, "%s is damaged", ep->path);
	snprintf(text, sizeof(text), "%.*s", (int)n, file.s + RECORD_HEAD);
	return parse_u64(text, 0, UINT64_MAX, ep->path, &ep->seen, e);
}

int
epoch_open(const char *path, struct epoch **ret_ep, struct err *e)
{
	struct epoch *ep = xcalloc(1, sizeof(*ep));
	struct err why = ERR_INIT;
	int rc;

	ep->path = xstrdup(path);
	rc = load(ep, &why);
	if (rc) {
		epoch_free(ep);
		return err_set(e, rc, "%s", why.msg);
	}
	*ret_ep = ep;
	return 0;
}

void
epoch_free(struct epoch *ep)
{
	if (!ep)
		return;
	free(ep->path);
	free(ep);
}

uint64_t
epoch_seen(const struct epoch *ep)
{
	return ep->seen;
}

int
epoch_meet(struct epoch *ep, uint64_t epoch, struct err *e)
{
	AUTO(str) struct str out = STR_INIT;
	char text[24];
	int n, rc;

	if (epoch == ep->seen)
		return 0;
	if (epoch < ep->seen)
		return err_set(e, ERR_STALE,
		    "epoch %" PRIu64 " is over: this host obeys epoch %" PRIu64, epoch,
		    ep->seen);
	n = snprintf(text, sizeof(text), "%" PRIu64, epoch);
	record_add(&out, text, (size_t)n);
	rc = record_file_write(ep->path, 0600, out.s, out.len, e);
	if (!rc)
		ep->seen = epoch;
	return rc;
}
