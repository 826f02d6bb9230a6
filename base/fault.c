#include "base/fault.h"

#ifdef WITH_FAULT_POINTS
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_CRASHED 137

void
fault_point(const char *name)
{
	static unsigned long passed;
	const char *where = getenv("DROVER_CRASH_AT");
	if (!where)
		return;
	size_t n = strcspn(where, ":");
	if (strlen(name) != n || strncmp(where, name, n) != 0)
		return;
	unsigned long wanted = where[n] == ':' ? strtoul(where + n + 1, NULL, 10) : 1;
	if (++passed >= wanted)
		_exit(EXIT_CRASHED);
}
#endif
