/*
 * customize: what makes a clone its own, as texts that cloud-init's NoCloud reads.
 * Pure.
 *
 * Every value is checked before it gets into a text and stands there in quotes: none
 * can bring keys of its own.  User-data that somebody gives is theirs: it is passed as
 * it is, alone or as the second part of a multipart message behind ours.
 */
#pragma once
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#define CUSTOM_TEXT_MAX 65536u /* bytes of user-data, and of all keys together */
#define CUSTOM_KEYS_MAX 32u
#define CUSTOM_DNS_MAX  3u
#define CUSTOM_NAME     "{name}" /* in a host name: the machine's */

/* All borrowed; NULL and "" are absent. */
struct custom_spec {
	const char *host_name; /* may have "{name}", the machine's; absent: just that */
	const char *domain;    /* "example.org" */
	const char *address_mode; /* "network" (absent too), "dhcp" or "none" */
	const char *address;      /* of the first NIC, IPv4 */
	const char *dns;          /* "10.0.0.1,10.0.0.2"; absent: the network's */
	const char *ssh_keys;     /* as in authorized_keys, without options */
	const char *user_name;    /* whom they let in; absent: the image's own user */
	const char *user_data;    /* "#cloud-config…" or "#!…" */
};

/* One field of a JSON object laid over the spec. */
int custom_spec_overlay(
    struct custom_spec *s, const json *customize, struct err *e) WARN_UNUSED;
/* Every error names the field. */
int custom_spec_check(const struct custom_spec *s, struct err *e) WARN_UNUSED;

/* The host name of a guest with this name; fails when it becomes too long. */
int custom_host_name(const struct custom_spec *s, const char *name, struct str *out,
    struct err *e) WARN_UNUSED;

struct custom_nic {
	const char *mac;
	const char *address; /* "10.1.2.3/24", or NULL: by DHCP */
	const char *gateway; /* or NULL */
};

struct custom_guest {
	const char *uuid, *name;
	const struct custom_nic *nics;
	size_t n_nics;
	const char *dns; /* of its network, or NULL */
};

struct custom_seed {
	struct str meta_data, user_data, network_config; /* empty: no such file */
};

/* The spec has been checked; fails when the names become too long. */
int customize_make(const struct custom_spec *s, const struct custom_guest *g,
    struct custom_seed *ret, struct err *e) WARN_UNUSED;
void custom_seed_fini(struct custom_seed *seed);
