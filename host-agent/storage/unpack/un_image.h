/*
 * un_image: which layers an image in an archive has, and how it wants to be run.
 *
 * Manifests and config are checked against their digests here; layers are when they
 * are unpacked.  The archive itself must not be packed: it is read out of order.
 */
#pragma once
#include "base/json.h"
#include "host-agent/storage/unpack/un_members.h"

#define UN_NESTED_MAX 4u /* indexes in indexes */

enum un_format { UN_OCI, UN_DOCKER };

struct un_wanted {
	enum un_format format;
	const char *reference; /* "": the only image there is */
	const char *arch;      /* "amd64": as images call it */
};

/*
 * {"layers": [{"at", "bytes", "digest", "diff_id"}], "args", "env", "cwd", "user",
 * "stop_signal"}: the lowest layer first, digest "" where the archive says none.
 */
int un_image_plan(const struct un_span *archive, const struct un_wanted *w,
    json **ret_plan, struct err *e) WARN_UNUSED;
/* What images call this machine. */
const char *un_host_arch(void);
