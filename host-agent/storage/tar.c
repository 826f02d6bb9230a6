#include "host-agent/storage/tar.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* Fields of a header block. */
#define AT_MODE      100
#define AT_UID       108
#define AT_GID       116
#define AT_SIZE      124
#define AT_MTIME     136
#define AT_CHECKSUM  148
#define AT_TYPE      156
#define AT_MAGIC     257
#define AT_VERSION   263
#define AT_PREFIX    345
#define NAME_BYTES   100
#define NUMBER_BYTES 12
#define SUM_BYTES    8
#define PREFIX_BYTES 155

#define BASE_256       0x80
#define SIZE_MAX_OCTAL 077777777777ull
/* Of what says something of the next member: no name is that long. */
#define EXTRA_MAX 65536u

struct reading {
	const struct span *archive;
	struct tar_list *list;
	uint64_t at;
	/* What the extra headers before a member say of it. */
	char name[TAR_NAME_MAX + 1];
	bool has_name, has_size;
	uint64_t size;
};

static int
read_number(
    const uint8_t *p, size_t n, const char *what, uint64_t *ret_v, struct err *e)
{
	uint64_t v = 0;
	size_t i = 0;

	if (p[0] & BASE_256) {
		v = p[0] & 0x3f;
		for (i = 1; i < n; i++) {
			if (v >> 55)
				return err_set(
				    e, ERR_INVALID, "a member's %s is absurd", what);
			v = v << 8 | p[i];
		}
		if (p[0] & 0x40)
			return err_set(
			    e, ERR_INVALID, "a member's %s is negative", what);
		*ret_v = v;
		return 0;
	}
	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(p[i] - '0');
	if (i < n && p[i] != '\0' && p[i] != ' ')
		return err_set(e, ERR_INVALID, "a member's %s is no number", what);
	*ret_v = v;
	return 0;
}

static uint64_t
sum_of(const uint8_t *block)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= AT_CHECKSUM && i < AT_CHECKSUM + SUM_BYTES ? ' ' : block[i];
	return sum;
}

static int
check_block(const uint8_t *block, struct err *e)
{
	uint64_t sum = 0;
	int rc = read_number(block + AT_CHECKSUM, SUM_BYTES, "checksum", &sum, e);

	if (rc)
		return rc;
	if (memcmp(block + AT_MAGIC, "ustar", 5) != 0 || sum != sum_of(block))
		return err_set(
		    e, ERR_INVALID, "it is no tar archive, or it is damaged");
	return 0;
}

static int
check_name(const struct reading *r, const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (!n || !utf8_valid(name, n))
		return err_set(e, ERR_INVALID, "a member has no fit name");
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return err_set(
			    e, ERR_INVALID, "a member's name has a control character");
	if (strpbrk(name, "/\\") || str_same(name, ".") || str_same(name, ".."))
		return err_set(e, ERR_INVALID,
		    "member \"%.100s\" is not a plain name: paths are refused", name);
	if (tar_find(r->list, name))
		return err_set(
		    e, ERR_INVALID, "member \"%.100s\" is there twice", name);
	return 0;
}

/* The name in the block itself: "prefix/name", both maybe without an end. */
static int
block_name(const uint8_t *block, char out[TAR_NAME_MAX + 1], struct err *e)
{
	size_t n = strnlen((const char *)block, NAME_BYTES);
	size_t np = memcmp(block + AT_MAGIC, "ustar\0", 6)
			? 0
			: strnlen((const char *)block + AT_PREFIX, PREFIX_BYTES);

	if (np + n + 1 > TAR_NAME_MAX)
		return err_set(e, ERR_INVALID, "a member's name is too long");
	snprintf(out, TAR_NAME_MAX + 1, "%.*s%s%.*s", (int)np,
	    (const char *)block + AT_PREFIX, np ? "/" : "", (int)n,
	    (const char *)block);
	return 0;
}

static int
keep_name(struct reading *r, const char *p, size_t n, struct err *e)
{
	if (n > TAR_NAME_MAX || memchr(p, '\0', n))
		return err_set(
		    e, ERR_INVALID, "a member's name is longer than %d", TAR_NAME_MAX);
	memcpy(r->name, p, n);
	r->name[n] = '\0';
	r->has_name = true;
	return 0;
}

static int
take_pax_value(struct reading *r, const char *key, size_t key_len, const char *value,
    size_t n, struct err *e)
{
	char digits[24];

	if (key_len == 4 && !memcmp(key, "path", 4))
		return keep_name(r, value, n, e);
	if (key_len != 4 || memcmp(key, "size", 4) != 0)
		return 0;
	if (n >= sizeof(digits))
		return err_set(e, ERR_INVALID, "a member's size is no number");
	memcpy(digits, value, n);
	digits[n] = '\0';
	r->has_size = true;
	return parse_u64(digits, 0, INT64_MAX, "a member's size", &r->size, e);
}

/* "27 path=some name\n", and on. */
static int
read_pax(struct reading *r, const char *p, size_t n, struct err *e)
{
	size_t at = 0;
	int rc = 0;

	while (!rc && at < n && p[at]) {
		size_t len = 0, i = at;
		const char *equals;

		for (; i < n && p[i] >= '0' && p[i] <= '9' && len <= n; i++)
			len = len * 10 + (size_t)(p[i] - '0');
		if (i >= n || p[i] != ' ' || len > n - at || len < i - at + 3 ||
		    p[at + len - 1] != '\n')
			return err_set(e, ERR_INVALID, "a pax header is damaged");
		equals = memchr(p + i + 1, '=', at + len - i - 1);
		if (!equals)
			return err_set(e, ERR_INVALID, "a pax header is damaged");
		rc = take_pax_value(r, p + i + 1, (size_t)(equals - p) - i - 1,
		    equals + 1, (size_t)(p + at + len - 1 - equals) - 1, e);
		at += len;
	}
	return rc;
}

/* A header that says something of the next one. */
static int
read_extra(struct reading *r, char type, uint64_t bytes, struct err *e)
{
	AUTO_FREE char *text = NULL;
	int rc;

	if (bytes > EXTRA_MAX)
		return err_set(e, ERR_INVALID,
		    "an extended header is of %" PRIu64 " bytes", bytes);
	text = xcalloc(1, (size_t)bytes + 1);
	rc = span_read(r->archive, r->at, text, (size_t)bytes, e);
	if (!rc && type == 'x')
		rc = read_pax(r, text, (size_t)bytes, e);
	else if (!rc && type == 'L')
		rc = keep_name(r, text, strnlen(text, (size_t)bytes), e);
	return rc;
}

static int
add_member(struct reading *r, const uint8_t *block, uint64_t bytes, struct err *e)
{
	struct tar_list *l = r->list;
	struct tar_member *m = &l->members[l->n];
	int rc = 0;

	if (l->n == TAR_MEMBERS_MAX)
		return err_set(
		    e, ERR_INVALID, "it has more than %d members", TAR_MEMBERS_MAX);
	if (r->has_name)
		memcpy(m->name, r->name, sizeof(m->name));
	else
		rc = block_name(block, m->name, e);
	if (!rc)
		rc = check_name(r, m->name, e);
	if (rc)
		return rc;
	m->data = (struct span){ r->archive->fd, r->archive->at + r->at, bytes };
	l->n++;
	return 0;
}

/* Behind the block: its data. */
static int
take_block(struct reading *r, const uint8_t *block, struct err *e)
{
	char type = (char)block[AT_TYPE];
	bool plain = type == '0' || type == '\0' || type == '7';
	uint64_t bytes = 0, left = r->archive->bytes - r->at;
	int rc = read_number(block + AT_SIZE, NUMBER_BYTES, "size", &bytes, e);

	if (!rc && plain && r->has_size)
		bytes = r->size;
	if (!rc && bytes > left) {
		rc = err_set(e, ERR_INVALID,
		    "it is cut off: a member of %" PRIu64 " bytes, of which %" PRIu64
		    " are there",
		    bytes, left);
	}
	if (rc)
		return rc;
	if (plain) {
		rc = add_member(r, block, bytes, e);
		r->has_name = r->has_size = false;
	} else if (type == 'x' || type == 'g' || type == 'L') {
		rc = read_extra(r, type, bytes, e);
	} else {
		rc = err_set(e, ERR_INVALID,
		    "it has a member that is no plain file (type '%c')",
		    type > ' ' && type < 0x7f ? type : '?');
	}
	/* The last one's filling may be missing. */
	bytes += (TAR_BLOCK - bytes % TAR_BLOCK) % TAR_BLOCK;
	r->at += bytes > left ? left : bytes;
	return rc;
}

static bool
is_end(const uint8_t *block)
{
	static const uint8_t zeros[TAR_BLOCK];

	return memcmp(block, zeros, TAR_BLOCK) == 0;
}

int
tar_read(const struct span *archive, struct tar_list *ret_l, struct err *e)
{
	struct reading r = { .archive = archive, .list = ret_l };
	uint8_t block[TAR_BLOCK];
	int rc = 0;

	ret_l->n = 0;
	while (!rc && archive->bytes - r.at >= TAR_BLOCK) {
		rc = span_read(archive, r.at, block, TAR_BLOCK, e);
		r.at += TAR_BLOCK;
		if (!rc && is_end(block))
			break;
		if (!rc)
			rc = check_block(block, e);
		if (!rc)
			rc = take_block(&r, block, e);
	}
	if (!rc && !ret_l->n)
		rc = err_set(e, ERR_INVALID, "it is no tar archive: nothing is in it");
	return rc;
}

const struct tar_member *
tar_find(const struct tar_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_same(l->members[i].name, name))
			return &l->members[i];
	return NULL;
}

static void
put_octal(uint8_t *p, size_t n, uint64_t v)
{
	for (size_t i = n - 1; i--; v >>= 3)
		p[i] = (uint8_t)('0' + (v & 7));
}

void
tar_header(uint8_t block[TAR_BLOCK], const char *name, uint64_t bytes)
{
	size_t n = strlen(name);

	memset(block, 0, TAR_BLOCK);
	memcpy(block, name, n < NAME_BYTES ? n : NAME_BYTES);
	put_octal(block + AT_MODE, 8, 0644);
	put_octal(block + AT_UID, 8, 0);
	put_octal(block + AT_GID, 8, 0);
	if (bytes <= SIZE_MAX_OCTAL) {
		put_octal(block + AT_SIZE, NUMBER_BYTES, bytes);
	} else {
		block[AT_SIZE] = BASE_256;
		for (int i = 0; i < 8; i++)
			block[AT_SIZE + NUMBER_BYTES - 1 - i] =
			    (uint8_t)(bytes >> 8 * i);
	}
	put_octal(block + AT_MTIME, NUMBER_BYTES, 0);
	block[AT_TYPE] = '0';
	memcpy(block + AT_MAGIC, "ustar\0", 6);
	memcpy(block + AT_VERSION, "00", 2);
	put_octal(block + AT_CHECKSUM, SUM_BYTES - 1, sum_of(block));
	block[AT_CHECKSUM + SUM_BYTES - 1] = ' ';
}
