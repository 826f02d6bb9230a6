/*
 * stage: what runs before a container's runtime and beside it, with root's rights.
 *
 *   drover-stage run --dir DIR --id-base N --files N [--host-name NAME] [--dns
 * ADDRESS]…
 *       [--address ADDRESS] [--program DESCRIPTOR] -- RUNTIME ARGUMENT…
 *   drover-stage nic [--pid N] LINK NAME MAC ADDRESS GATEWAY
 *       [GUEST SLOT BRIDGE VLAN RX_KBIT TX_KBIT]
 *   drover-stage nic [--pid N] lo
 *   drover-stage nic-out --pid N OUTER LINK
 *   drover-stage nic-fresh --pid N NAME…
 *   drover-stage exec [--tty] -- RUNTIME ARGUMENT…
 *
 * run: puts a root together in a mount namespace of its own and becomes the runtime
 * (docs/adr/0019).  Descriptors 3, 4, … are the container's image and its layers,
 * nearest first: image files, or loop devices that are on them.  The first line on
 * stdout names the loop devices: "loops 7 3 4".  What --program names, the descriptor
 * behind those, is run for the runtime's file.
 *
 * nic: takes LINK of the network namespace it runs in into the one of process N, or of
 * the process that the runtime tells a hook about on stdin, and sets it up there.  If
 * there is no LINK and it knows of which port that is the inner end, it makes the pair.
 * nic-out: the way back of what OUTER is the other end of; absent already is fine.
 * nic-fresh: forgets whom process N has asked for its neighbours' addresses: a question
 * that met a shut wire is put again at once then, else after a second.
 *
 * exec: descriptors 3, 4 and 5 become the program's 0, 1 and 2.
 *
 * What goes wrong is one line on stderr, and exit status 1.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define STAGE_FILES_MAX 32 /* a container's image and 31 layers */
#define STAGE_FIRST_FD  3
#define STAGE_IDS       65536u
#define STAGE_DNS_MAX   8

struct stage_run {
	const char *dir;
	uint32_t id_base;
	unsigned n_files;
	const char *host_name; /* NULL: leave what is there */
	const char *dns[STAGE_DNS_MAX];
	unsigned n_dns;
	const char *address; /* for /etc/hosts; NULL: none is known */
	uint32_t program;    /* descriptor; 0: none */
};

/* A word of ours that goes into files inside: no blanks, no control characters. */
int stage_word_check(const char *s, const char *what, struct err *e) WARN_UNUSED;

int stage_pid(const char *s, pid_t *ret_pid, struct err *e) WARN_UNUSED;

/* stage_loop.c: a loop device for fd, taken away with its last user.  ret_fd keeps it.
 * One for reading is shared by all that read the same file. */
enum stage_use { STAGE_WRITE, STAGE_READ };

int stage_loop(int fd, enum stage_use use, int *ret_fd, unsigned *ret_number,
    struct err *e) WARN_UNUSED;

/* stage_mount.c */
/* A user namespace where 0 … 65535 are the ids from base on, and 65536 is our 0. */
int stage_userns(uint32_t base, int *ret_fd, struct err *e) WARN_UNUSED;
/* The ext4 file system of that loop device as a mount that is nowhere yet. */
int stage_fs(unsigned loop, enum stage_use use, int userns_fd, int *ret_fd,
    struct err *e) WARN_UNUSED;
/* n mounts become DIR/mnt/0 …, and together DIR/root. */
int stage_overlay(
    const char *dir, const int *mounts, unsigned n, struct err *e) WARN_UNUSED;

/* stage_root.c */
/* A file for the console in the container's own image, DIR/mnt/0/log/console. */
int stage_console(const struct stage_run *r, struct err *e) WARN_UNUSED;
/*
 * /etc/hostname, /etc/hosts and /etc/resolv.conf of DIR/root.  A full disk or a folder
 * in such a place keeps nobody from starting, for only inside it can be mended: the
 * console tells of it.
 */
void stage_names(const struct stage_run *r);

/* The commands. */
int stage_cmd_run(char **args, struct err *e) WARN_UNUSED;
int stage_cmd_nic(char **args, struct err *e) WARN_UNUSED;
int stage_cmd_nic_out(char **args, struct err *e) WARN_UNUSED;
int stage_cmd_nic_fresh(char **args, struct err *e) WARN_UNUSED;
int stage_cmd_flush(char **args, struct err *e) WARN_UNUSED;
int stage_cmd_exec(char **args, struct err *e) WARN_UNUSED;
