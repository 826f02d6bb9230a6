/*
 * fault: named places where the kill tests end the process.
 *
 * DROVER_CRASH_AT="task.vm.create.place.start:2" exits with 137 at the second passing
 * of that place, without any clean-up.  A process that runs already takes the same
 * words from the file named after its pid in the folder DROVER_CRASH_DIR.  Without
 * WITH_FAULT_POINTS nothing of it is compiled in.
 */
#pragma once
#include <stdbool.h>

#ifdef WITH_FAULT_POINTS
#define FAULT_POINTS_BUILT true
void fault_point(const char *name);
#else
#define FAULT_POINTS_BUILT false
static inline void
fault_point(const char *name)
{
	(void)name;
}
#endif
