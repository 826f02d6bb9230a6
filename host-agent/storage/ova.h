/*
 * ova: an appliance that came from outside: what it describes, and where its disk lies.
 *
 * Everything in it is believed only as far as it was checked: the archive (tar.h), the
 * manifest's digests where it has one, the description (ovf.h).  The disk is left to
 * img_foreign_check.  Blocking: it reads the file once if there is a manifest.
 */
#pragma once
#include "host-agent/storage/ovf.h"
#include "host-agent/storage/span.h"

struct ova {
	struct ovf ovf;
	struct span disk; /* in the appliance's file */
};

int ova_open(const struct span *file, struct ova *ret_o, struct err *e) WARN_UNUSED;
