/*
 * accel_decide: KVM or emulation, and why.
 *
 * /dev/kvm alone proves nothing: under some hypervisors firmware runs on it and a
 * kernel hangs for ever.  So KVM is taken only if the device opens, the CPU has the
 * extension, and a probe guest has answered.  Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum accel { ACCEL_TCG, ACCEL_KVM };

enum accel_wish { ACCEL_AUTO, ACCEL_WANT_KVM, ACCEL_WANT_TCG };

struct accel_view {
	enum accel_wish wish;
	int kvm_errno; /* of opening /dev/kvm; 0: it opens */
	bool has_virt; /* vmx or svm among the CPU's flags */
	bool probed;   /* the probe guest ran under KVM */
	bool answered;
	char probe_why[96]; /* why it did not */
};

struct accel_choice {
	enum accel accel;
	bool need_probe; /* ask again with the probe guest's answer */
	char reason[160];
};

const char *accel_name(enum accel a);
int accel_wish_parse(const char *s, enum accel_wish *ret_w, struct err *e) WARN_UNUSED;
void accel_decide(const struct accel_view *v, struct accel_choice *out);
/* Do the flags lines of /proc/cpuinfo name vmx or svm? */
bool accel_has_virt(const char *cpuinfo);
