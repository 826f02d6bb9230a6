#include "host-agent/engine/oci/oci_signal.h"

#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_config.h"

#define SIGNALS 64 /* of Linux */

/* The kernel's first real-time signal is not the C library's. */
#define RTMIN 34

int
oci_signal_parse(const char *s, int *ret_signo, struct err *e)
{
	const char *name = str_starts(s, "SIG") ? s + 3 : s;
	uint64_t n;

	if (str_starts(name, "RTMIN+") &&
	    !parse_u64(name + 6, 0, SIGNALS - RTMIN, "signal", &n, NULL)) {
		*ret_signo = RTMIN + (int)n;
		return 0;
	}
	if (!parse_u64(name, 1, SIGNALS, "signal", &n, NULL)) {
		*ret_signo = (int)n;
		return 0;
	}
	for (int i = 1; i < RTMIN; i++) {
		const char *known = sigabbrev_np(i);

		if (!known || !str_same(known, name))
			continue;
		*ret_signo = i;
		return 0;
	}
	return err_set(e, ERR_INVALID, "\"%.20s\" is no signal", s);
}

int
oci_stop_signal(const Drover__GuestSpec *spec, const char *exe)
{
	static const struct {
		const char *program;
		int signo;
	} inits[] = {
		{ "systemd", RTMIN + 3 },
		{ "busybox", SIGUSR2 },
	};

	const Drover__ContainerSpec *ct = spec->container;
	const char *slash = strrchr(exe, '/');
	int signo;

	if (ct && *ct->stop_signal && !oci_signal_parse(ct->stop_signal, &signo, NULL))
		return signo;
	if (!oci_is_system(spec))
		return SIGTERM;
	for (size_t i = 0; i < ARRAY_SIZE(inits); i++)
		if (str_same(slash ? slash + 1 : exe, inits[i].program))
			return inits[i].signo;
	/* What other inits take for "the power goes". */
	return SIGPWR;
}
