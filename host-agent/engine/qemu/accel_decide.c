#include "host-agent/engine/qemu/accel_decide.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

const char *
accel_name(enum accel a)
{
	return a == ACCEL_KVM ? "kvm" : "tcg";
}

int
accel_wish_parse(const char *s, enum accel_wish *ret_w, struct err *e)
{
	if (!s || !*s || str_same(s, "auto"))
		*ret_w = ACCEL_AUTO;
	else if (str_same(s, "kvm"))
		*ret_w = ACCEL_WANT_KVM;
	else if (str_same(s, "tcg"))
		*ret_w = ACCEL_WANT_TCG;
	else
		return err_set(e, ERR_INVALID,
		    "engine.qemu.accel: wants auto, kvm or tcg, got \"%s\"", s);
	return 0;
}

static void __attribute__((format(printf, 3, 4)))
choose(struct accel_choice *out, enum accel a, const char *fmt, ...)
{
	va_list ap;

	out->accel = a;
	va_start(ap, fmt);
	vsnprintf(out->reason, sizeof(out->reason), fmt, ap);
	va_end(ap);
}

void
accel_decide(const struct accel_view *v, struct accel_choice *out)
{
	*out = (struct accel_choice){ .accel = ACCEL_TCG };
	if (v->wish == ACCEL_WANT_TCG)
		choose(out, ACCEL_TCG, "set by engine.qemu.accel");
	else if (v->wish == ACCEL_WANT_KVM)
		choose(out, ACCEL_KVM, "set by engine.qemu.accel, not probed");
	else if (v->kvm_errno)
		choose(out, ACCEL_TCG, "/dev/kvm does not open: %s",
		    strerror(v->kvm_errno));
	else if (!v->has_virt)
		choose(out, ACCEL_TCG,
		    "the CPU flags show neither vmx nor svm, although /dev/kvm opens");
	else if (!v->probed)
		out->need_probe = true;
	else if (!v->answered)
		choose(out, ACCEL_TCG, "the KVM probe guest did not answer: %s",
		    v->probe_why);
	else
		choose(out, ACCEL_KVM, "/dev/kvm opens and the probe guest answered");
}

static bool
line_has_flag(const char *line, size_t n, const char *flag)
{
	size_t len = strlen(flag);

	for (size_t i = 0; i + len <= n; i++) {
		bool begins = i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t';
		bool ends = i + len == n || line[i + len] == ' ';

		if (begins && ends && memcmp(line + i, flag, len) == 0)
			return true;
	}
	return false;
}

bool
accel_has_virt(const char *cpuinfo)
{
	const char *line = cpuinfo;
	size_t n;

	for (; *line; line += n + (line[n] == '\n')) {
		n = strcspn(line, "\n");
		if (n < 5 || memcmp(line, "flags", 5) != 0)
			continue;
		if (line_has_flag(line, n, "vmx") || line_has_flag(line, n, "svm"))
			return true;
	}
	return false;
}
