/*
 * snapshot_suite: disks of a guest that runs are frozen, and merged again.
 */
#pragma once

/* Of QEMU alone.  How many tests failed. */
int snapshot_suite_run(void);
