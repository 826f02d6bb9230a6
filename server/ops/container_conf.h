/*
 * container_conf: what is said of a container besides what every guest has, as
 * vm.container keeps it.  Pure.
 */
#pragma once
#include "base/err.h"
#include "base/json.h"

#define CONTAINER_PIDS_MAX   4194304u
#define CONTAINER_PIDS_MIN   16u /* the runtime's own threads count until it runs */
#define CONTAINER_WEIGHT_MAX 1000u
#define CONTAINER_ARGS_MAX   100u
#define CONTAINER_ENV_MAX    200u
#define CONTAINER_DNS_MAX    3u
#define CONTAINER_DEV_MAX    32u
#define CONTAINER_NAME_MAX   64u /* of a host: the kernel's */

/* Arguments of every way of making or changing a container. */
/* clang-format off */
#define CONTAINER_ARGS \
	{ .name = "host_name", .type = ARG_TEXT, .min = 1, .max = CONTAINER_NAME_MAX, .help = "of a container, inside; without: its name" }, \
	{ .name = "dns", .type = ARG_TEXTS, .max = CONTAINER_DNS_MAX, .help = "of a container: name servers; without: the network's" }, \
	{ .name = "swap_limit_mb", .type = ARG_U64, .max = VM_MAX_MB, .help = "of a container: swap besides its memory" }, \
	{ .name = "pids_limit", .type = ARG_U32, .max = CONTAINER_PIDS_MAX, .help = "of a container: processes and threads, at least 16; 0: the host's default" }, \
	{ .name = "io_weight", .type = ARG_U32, .min = 1, .max = CONTAINER_WEIGHT_MAX, .help = "of a container: its part of the disks' time; 100 is normal" }, \
	{ .name = "args", .type = ARG_TEXTS, .max = CONTAINER_ARGS_MAX, .help = "of a container: its first process; without: its image's, or /sbin/init" }, \
	{ .name = "env", .type = ARG_TEXTS, .max = CONTAINER_ENV_MAX, .help = "of a container: \"NAME=value\", besides its image's" }, \
	{ .name = "devices", .type = ARG_TEXTS, .max = CONTAINER_DEV_MAX, .help = "of a container: devices of its host that it may use, such as /dev/net/tun" }
/* clang-format on */

/* One of CONTAINER_ARGS that is given, or NULL: what a machine does not take. */
const char *container_arg_given(const json *args);
/*
 * Check those that are given and lay them over conf, in which a list or a text that is
 * empty stands for none; of env a name that is there already gets the new value.  The
 * types have been checked.  Every error names the field; conf is unchanged then.
 */
int container_conf_lay(json *conf, const json *args, struct err *e) WARN_UNUSED;
