/*
 * oci_config: what a container's runtime is told of it: config.json.
 *
 * Pure.  Choices that others might question are in docs/adr/0024.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/guest.pb-c.h"

#define OCI_INIT_INSIDE "/dev/.drover-init"
#define OCI_DEVICES_MAX 16
#define OCI_NAME_MAX    64

struct oci_device {
	const char *path; /* outside and inside */
	unsigned major, minor;
};

struct oci_config_in {
	const Drover__GuestSpec *spec;
	const char *dir;    /* the guest's */
	const char *stage;  /* program */
	const char *init;   /* program */
	const char *cgroup; /* the guest's, "drover/vm-42" */
	uint32_t id_base;
	uint32_t max_files; /* that a process of ours may have open at most */
	bool time_ns;
	bool cgroup_v2;
	struct oci_device devices[OCI_DEVICES_MAX]; /* of spec->container->devices */
	unsigned n_devices;
};

/* The text of config.json; caller frees. */
char *oci_config_text(const struct oci_config_in *in);
/* Its own init and scripts, not just one application. */
bool oci_is_system(const Drover__GuestSpec *spec);
/* What it calls itself: host_name, or what of its name a host name may hold. */
void oci_host_name(const Drover__GuestSpec *spec, char buf[OCI_NAME_MAX]);
/* Would it be taken?  e tells every reason. */
int oci_spec_check(const Drover__GuestSpec *spec, struct err *e) WARN_UNUSED;
