#include "base/fault.h"

#ifdef WITH_FAULT_POINTS
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_CRASHED 137
#define WORDS_MAX    200

/* What was told to this process since it runs; false: nothing. */
static bool
read_words(char words[WORDS_MAX])
{
	const char *dir = getenv("DROVER_CRASH_DIR");
	char path[WORDS_MAX];
	ssize_t n;
	int fd;

	if (!dir)
		return false;
	snprintf(path, sizeof(path), "%s/%d", dir, (int)getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, words, WORDS_MAX - 1);
	close(fd);
	if (n <= 0)
		return false;
	words[n] = '\0';
	return true;
}

void
fault_point(const char *name)
{
	static unsigned long passed;
	const char *where = getenv("DROVER_CRASH_AT");
	char words[WORDS_MAX];
	unsigned long wanted;
	size_t n;

	if (!where && read_words(words))
		where = words;
	if (!where)
		return;
	n = strcspn(where, ":");
	if (strlen(name) != n || strncmp(where, name, n) != 0)
		return;
	wanted = where[n] == ':' ? strtoul(where + n + 1, NULL, 10) : 1;
	if (++passed >= wanted)
		_exit(EXIT_CRASHED);
}
#endif
