/*
 * migrate_check: can this machine move there?  All reasons against it at once.  Pure.
 *
 * What only the source's engine knows (a local medium, a snapshot being taken) comes as
 * the obstacles of its offer.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "server/inventory/inv.h"

#define MIG_REASONS_MAX 40

/* What a host says about the machine's engine. */
struct mig_engine {
	const char *name;    /* of the machine; NULL: it has none yet */
	bool there, usable;  /* on this host */
	const char *why_not; /* not usable */
	bool can_move;
	const char *why_cannot_move;
	bool can_post_copy;
	const char *why_no_post_copy;
	const char *accelerator, *machine; /* "" if it has none */
};

struct mig_host {
	const char *name;
	bool is_up;
	const char *why_down; /* "not_responding: silent for 7 s" */
	struct mig_engine engine;
	const char *arch;             /* "x86_64", or "" */
	const char *const *cpu_flags; /* sorted */
	size_t n_cpu_flags;
	uint32_t channel_port;
	size_t n_channel_addresses;
};

struct mig_disk {
	const char *name, *datastore; /* names */
	bool is_reached;              /* by the target, where it lies */
	bool moves;                   /* to the datastore asked for */
	bool has_base;                /* stands on other images */
	bool base_is_there;           /* the same images are on that datastore */
	bool base_may_come;           /* they are a template's, which can be copied */
	const char *base;             /* what to call them: "template \"tiny\"" */
};

struct mig_nic {
	const char *name, *network;
	bool is_reached; /* by the target */
};

struct mig_view {
	const char *vm;
	enum guest_type type;
	enum vm_lifecycle lifecycle;
	enum power_state power;
	const char *busy; /* "task-7 (vm.stop)", or NULL */
	const struct mig_host *from, *to;
	bool is_same_host, is_same_datacenter;
	const char *store;  /* the datastore that disks go to, or NULL */
	bool store_reached; /* by the target */
	bool store_reached_from;
	uint64_t store_free_mb, store_need_mb;
	uint64_t template_mb; /* what a copy of the template takes there */
	bool wants_post_copy;
	bool keeps_chain;      /* if it can */
	bool insists_on_chain; /* as it was asked for */
	const struct mig_disk *disks;
	size_t n_disks;
	const struct mig_nic *nics;
	size_t n_nics;
	size_t n_snapshots;
	const char *const *shortages; /* of cpu and memory: "lacks memory: …" */
	size_t n_shortages;
	const char *const *offered; /* obstacles that the source named */
	size_t n_offered;
};

/* How it would go. */
enum mig_way {
	MIG_LIVE,  /* runs on while it goes to another host */
	MIG_COLD,  /* does not run; to another host */
	MIG_DISKS, /* stays on its host; its disks go */
};

struct mig_reason {
	int code; /* enum err_code */
	char text[220];
};

struct mig_verdict {
	enum mig_way way;
	struct mig_reason v[MIG_REASONS_MAX];
	size_t n;             /* 0: it can */
	bool brings_template; /* which is copied first */
};

enum mig_way mig_way_of(enum power_state power, bool is_same_host);
void migrate_check(const struct mig_view *v, struct mig_verdict *ret);
/* 0, or the first reason's code; the text has as many reasons as go in. */
int mig_verdict_err(const struct mig_verdict *v, struct err *e) WARN_UNUSED;
