/*
 * qemu_disk_io: what QEMU says of a machine's disks, as engine_disk_io has it.  Pure.
 */
#pragma once
#include "base/json.h"
#include "host-agent/engine/engine_disk_io.h"

/* Of the answer to query-blockstats; at_us is the caller's. */
void qemu_disk_io_parse(const json *answer, struct engine_disk_io *ret);
