#include "host-agent/storage/seed.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

/* ECMA-119: sectors, and what lies where. */
#define SECTOR         2048u
#define AT_VOLUME      16u
#define AT_END         17u
#define AT_PATHS_LE    18u
#define AT_PATHS_BE    19u
#define AT_ROOT        20u
#define AT_FILES       21u
#define RECORD_BYTES   33u /* of a directory record, without its name */
#define PATH_BYTES     10u /* the path table: the root alone */
#define IS_FOLDER      2u
#define ROUND_BYTES    (1u << 20)
#define TYPE_VOLUME    1u
#define TYPE_END       255u
#define VOLUME_DATES   813u
#define DATE_BYTES     17u
#define DATES          4u
#define VOLUME_VERSION 881u

struct seed_file {
	const char *iso_name; /* Linux shows it in lower case, without ".;1" */
	const char *what;
	const char *text;
	uint32_t sector;
};

static uint32_t
sectors_of(size_t bytes)
{
	return (uint32_t)((bytes + SECTOR - 1) / SECTOR);
}

static void
put_le(uint8_t *p, uint32_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void
put_be(uint8_t *p, uint32_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
}

/* Numbers stand in both orders. */
static void
put_both(uint8_t *p, uint32_t v, unsigned bytes)
{
	put_le(p, v, bytes);
	put_be(p + bytes, v, bytes);
}

static void
put_text(uint8_t *p, const char *text, size_t width)
{
	size_t n = strlen(text);

	memset(p, ' ', width);
	memcpy(p, text, n < width ? n : width);
}

/* A directory record; the name "\0" is the folder itself and "\1" the one above. */
static size_t
put_record(uint8_t *p, const char *name, size_t name_len, uint32_t sector,
    uint32_t bytes, uint8_t flags)
{
	size_t n = RECORD_BYTES + name_len + (name_len % 2 ? 0 : 1);

	p[0] = (uint8_t)n;
	put_both(p + 2, sector, 4);
	put_both(p + 10, bytes, 4);
	/* 1 January 2000: every file of every seed. */
	p[18] = 100;
	p[19] = p[20] = 1;
	p[25] = flags;
	put_both(p + 28, 1, 2);
	p[32] = (uint8_t)name_len;
	memcpy(p + RECORD_BYTES, name, name_len);
	return n;
}

static void
put_volume(uint8_t *p, uint32_t sectors)
{
	p[0] = TYPE_VOLUME;
	memcpy(p + 1, "CD001\1", 6);
	put_text(p + 8, "LINUX", 32);
	put_text(p + 40, SEED_LABEL, 32);
	put_both(p + 80, sectors, 4);
	put_both(p + 120, 1, 2);
	put_both(p + 124, 1, 2);
	put_both(p + 128, SECTOR, 2);
	put_both(p + 132, PATH_BYTES, 4);
	put_le(p + 140, AT_PATHS_LE, 4);
	put_be(p + 148, AT_PATHS_BE, 4);
	put_record(p + 156, "\0", 1, AT_ROOT, SECTOR, IS_FOLDER);
	/* Names of set, publisher, preparer, application and three files. */
	put_text(p + 190, "", 623);
	for (unsigned i = 0; i < DATES; i++)
		memset(p + VOLUME_DATES + (size_t)i * DATE_BYTES, '0', DATE_BYTES - 1);
	p[VOLUME_VERSION] = 1;
}

static void
put_paths(uint8_t *le, uint8_t *be)
{
	le[0] = be[0] = 1;
	put_le(le + 2, AT_ROOT, 4);
	put_be(be + 2, AT_ROOT, 4);
	put_le(le + 6, 1, 2);
	put_be(be + 6, 1, 2);
}

static void
put_root(uint8_t *p, const struct seed_file *files, size_t n)
{
	p += put_record(p, "\0", 1, AT_ROOT, SECTOR, IS_FOLDER);
	p += put_record(p, "\1", 1, AT_ROOT, SECTOR, IS_FOLDER);
	for (size_t i = 0; i < n; i++)
		p += put_record(p, files[i].iso_name, strlen(files[i].iso_name),
		    files[i].sector, (uint32_t)strlen(files[i].text), 0);
}

int
seed_build(const Drover__SeedSpec *s, struct str *out, struct err *e)
{
	/* Sorted, as the standard wants it. */
	struct seed_file files[] = {
		{ "META-DATA.;1", "meta_data", s->meta_data, 0 },
		{ "NETWORK-CONFIG.;1", "network_config", s->network_config, 0 },
		{ "USER-DATA.;1", "user_data", s->user_data, 0 },
	};
	uint32_t sectors = AT_FILES;
	AUTO_FREE uint8_t *image = NULL;
	size_t bytes;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		size_t n = strlen(files[i].text);

		if (n > SEED_TEXT_MAX)
			return err_set(e, ERR_TOO_LARGE,
			    "seed: %s has %zu bytes, more than %u", files[i].what, n,
			    SEED_TEXT_MAX);
		files[i].sector = sectors;
		sectors += sectors_of(n);
	}
	bytes = (size_t)sectors * SECTOR;
	bytes = (bytes + ROUND_BYTES - 1) / ROUND_BYTES * ROUND_BYTES;
	image = xcalloc(1, bytes);
	put_volume(image + (size_t)AT_VOLUME * SECTOR, (uint32_t)(bytes / SECTOR));
	image[(size_t)AT_END * SECTOR] = TYPE_END;
	memcpy(image + (size_t)AT_END * SECTOR + 1, "CD001\1", 6);
	put_paths(
	    image + (size_t)AT_PATHS_LE * SECTOR, image + (size_t)AT_PATHS_BE * SECTOR);
	put_root(image + (size_t)AT_ROOT * SECTOR, files, ARRAY_SIZE(files));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		memcpy(image + (size_t)files[i].sector * SECTOR, files[i].text,
		    strlen(files[i].text));
	str_addn(out, image, bytes);
	return 0;
}

static int
write_all(int fd, const struct str *image, struct err *e)
{
	for (size_t at = 0; at < image->len;) {
		ssize_t n = write(fd, image->s + at, image->len - at);

		if (n < 0)
			return err_sys(e, ERR_IO, errno, "seed: cannot write it");
		at += (size_t)n;
	}
	return 0;
}

/* Another opening of the same file: QEMU takes no descriptor that could write. */
static int
open_again(int fd, int *ret_fd, struct err *e)
{
	AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", fd);
	int again = open(path, O_RDONLY | O_CLOEXEC);

	if (again < 0)
		return err_sys(e, ERR_IO, errno, "seed: cannot open it for reading");
	*ret_fd = again;
	return 0;
}

int
seed_open(const Drover__SeedSpec *s, int *ret_fd, struct err *e)
{
	AUTO(str) struct str image = STR_INIT;
	AUTO_CLOSE int fd = -1;
	int rc;

	if (!s) {
		*ret_fd = -1;
		return 0;
	}
	rc = seed_build(s, &image, e);
	if (rc)
		return rc;
	fd = memfd_create("seed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_sys(e, ERR_IO, errno, "seed: no file in memory");
	rc = write_all(fd, &image, e);
	if (!rc && fcntl(fd, F_ADD_SEALS,
		       F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		rc = err_sys(e, ERR_IO, errno, "seed: cannot seal it");
	return rc ? rc : open_again(fd, ret_fd, e);
}
