/*
 * probe_guest: a boot sector that tells whether this host's KVM can run more than
 * firmware.
 *
 * It goes from real to protected to long mode with paging, as a kernel does, and then
 * writes PROBE_GUEST_VALUE to QEMU's isa-debug-exit device at PROBE_GUEST_PORT, whose
 * exit status is then 2 * value + 1.
 */
#pragma once

#define PROBE_GUEST_PORT  0xf4
#define PROBE_GUEST_VALUE 0x2a

#ifndef __ASSEMBLER__
#define PROBE_GUEST_EXIT (2 * PROBE_GUEST_VALUE + 1)

extern const unsigned char probe_guest_sector[512];
#endif
