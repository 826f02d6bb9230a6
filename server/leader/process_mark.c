#include "server/leader/process_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define STAT_START 20 /* fields of /proc/PID/stat from the state to the start time */

static bool
read_text(const char *path, char *out, size_t size)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	if (n <= 0)
		return false;
	out[n] = '\0';
	return true;
}

/* What all marks of this kernel and namespace begin with. */
static bool
read_place(char out[PROCESS_MARK_TEXT])
{
	char boot[48], ns[32];
	ssize_t n = readlink("/proc/self/ns/pid", ns, sizeof(ns) - 1);

	if (n <= 0 || !read_text("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)))
		return false;
	ns[n] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
	snprintf(out, PROCESS_MARK_TEXT, "%s %s", boot, ns);
	return true;
}

enum process_is { PROCESS_UNKNOWN, PROCESS_RUNS, PROCESS_ENDED };

/* When it started, in ticks, if it runs. */
static enum process_is
read_start(long pid, unsigned long long *ret_start)
{
	char path[40], text[1024], state = 0;
	const char *p;

	/* Where /proc hides the processes of others, this still tells them. */
	if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
		return PROCESS_ENDED;
	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if (!read_text(path, text, sizeof(text)))
		return PROCESS_UNKNOWN;
	/* The name in brackets may hold blanks and brackets. */
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %c", &state) != 1)
		return PROCESS_UNKNOWN;
	for (int field = 0; p && field < STAT_START; field++)
		p = strchr(p + 1, ' ');
	if (!p || sscanf(p, " %llu", ret_start) != 1)
		return PROCESS_UNKNOWN;
	return state == 'Z' || state == 'X' ? PROCESS_ENDED : PROCESS_RUNS;
}

void
process_mark_own(char out[PROCESS_MARK_TEXT])
{
	char place[PROCESS_MARK_TEXT];
	unsigned long long start;

	*out = '\0';
	if (read_place(place) && read_start((long)getpid(), &start) == PROCESS_RUNS)
		snprintf(out, PROCESS_MARK_TEXT, "%.90s %ld %llu", place,
		    (long)getpid(), start);
}

bool
process_mark_gone(const char *mark)
{
	char place[PROCESS_MARK_TEXT];
	unsigned long long was, start = 0;
	long pid;
	size_t n;

	if (!read_place(place))
		return false;
	n = strlen(place);
	if (strncmp(mark, place, n) != 0 || mark[n] != ' ' ||
	    sscanf(mark + n, " %ld %llu", &pid, &was) != 2)
		return false;
	switch (read_start(pid, &start)) {
	case PROCESS_ENDED:
		return true;
	case PROCESS_RUNS:
		return start != was;
	case PROCESS_UNKNOWN:
		return false;
	}
	return false;
}
