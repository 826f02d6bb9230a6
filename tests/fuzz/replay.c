/*
 * Runs a fuzz target over the files of a folder, where libFuzzer is not to be had.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int
replay_file(const char *dir, const char *name)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "rb");
	if (!f || fseek(f, 0, SEEK_END) < 0) {
		perror(path);
		return -1;
	}
	size_t n = (size_t)ftell(f);
	rewind(f);
	/* Exactly as large as the file, so that the sanitizer sees a read behind its
	 * end. */
	uint8_t *data = malloc(n ? n : 1);
	int rc = data && fread(data, 1, n, f) == n ? 0 : -1;
	fclose(f);
	if (rc == 0)
		LLVMFuzzerTestOneInput(data, n);
	free(data);
	return rc;
}

int
main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	if (!dir) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	unsigned ran = 0, failed = 0;
	for (struct dirent *d; (d = readdir(dir));) {
		if (d->d_name[0] == '.')
			continue;
		ran++;
		failed += replay_file(argv[1], d->d_name) < 0;
	}
	closedir(dir);
	printf("%u inputs, %u unreadable\n", ran, failed);
	return ran > 0 && failed == 0 ? 0 : 1;
}
