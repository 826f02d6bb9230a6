#include "host-agent/storage/img_foreign.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/storage/img_check.h"

#define SECTOR         512u
#define DESCRIPTOR_MAX 65536u

static const struct {
	const char *name, *driver;
} formats[] = {
	[IMG_VMDK] = { "vmdk", "vmdk" },
	[IMG_VHDX] = { "vhdx", "vhdx" },
	[IMG_VHD] = { "vhd", "vpc" },
};

int
img_foreign_parse(const char *name, enum img_foreign *ret_f, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (!str_same(formats[i].name, name))
			continue;
		*ret_f = (enum img_foreign)i;
		return 0;
	}
	return err_set(e, ERR_INVALID,
	    "format: wants qcow2, raw, vmdk, vhdx, vhd or ova, got \"%.32s\"", name);
}

const char *
img_foreign_driver(enum img_foreign f)
{
	return formats[f].driver;
}

/* ---- vmdk ---- */

#define VMDK_HEADER        512u
#define VMDK_AT_CAPACITY   12
#define VMDK_AT_DESC       28
#define VMDK_AT_DESC_SIZE  36
#define VMDK_AT_TABLES     56
#define VMDK_TABLES_AT_END UINT64_MAX
/* From the end: the footer's marker, the footer, the end's marker. */
#define VMDK_FOOTER 1536u
/* Where QEMU looks for the hint to a parent, whatever the header says. */
#define VMDK_HINT_AT    512u
#define VMDK_HINT_BYTES (20u * SECTOR)
#define VMDK_HINT       "parentFileNameHint"

/* The value of a "key=value" or "key = "value"" line; false: it is another line. */
static bool
line_value(const char *line, const char *key, char *out, size_t size)
{
	size_t n = strlen(key);
	const char *v;

	line += strspn(line, " \t");
	if (strncasecmp(line, key, n) != 0)
		return false;
	v = line + n;
	v += strspn(v, " \t");
	if (*v++ != '=')
		return false;
	v += strspn(v, " \t\"");
	snprintf(out, size, "%.*s", (int)strcspn(v, "\"\r"), v);
	return true;
}

/* "RW 8388608 SPARSE "disk.vmdk"" → the kind and the name. */
static bool
is_extent(const char *line, char kind[24], char name[128])
{
	static const char *const access[] = { "RW", "RDONLY", "NOACCESS" };
	char word[16] = "", quoted[128] = "";

	if (sscanf(line, " %15s %*s %23s %127[^\r\n]", word, kind, quoted) < 2)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(access); i++) {
		if (strcasecmp(word, access[i]) != 0)
			continue;
		snprintf(name, 128, "%.*s", (int)strcspn(quoted + 1, "\""),
		    *quoted ? quoted + 1 : "");
		return true;
	}
	return false;
}

/* A name out of a file as it can be shown. */
static const char *
fit(char *name)
{
	for (char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '?';
	return name;
}

static int
check_line(const char *line, unsigned *extents, struct err *e)
{
	char value[128], kind[24] = "";

	if (line_value(line, "parentCID", value, sizeof(value)) &&
	    strcasecmp(value, "ffffffff") != 0)
		return err_set(e, ERR_INVALID,
		    "the image stands on another one (parentCID %.16s)", fit(value));
	if (line_value(line, "createType", value, sizeof(value)) &&
	    strcasecmp(value, "monolithicSparse") != 0 &&
	    strcasecmp(value, "streamOptimized") != 0) {
		return err_set(e, ERR_INVALID,
		    "the image is of type %.40s: wants monolithicSparse or "
		    "streamOptimized",
		    fit(value));
	}
	if (!is_extent(line, kind, value))
		return 0;
	if (strcasecmp(kind, "SPARSE") != 0 || (*extents)++) {
		return err_set(e, ERR_INVALID,
		    "the image keeps its data in other files (\"%s\"), which is not "
		    "allowed",
		    fit(value));
	}
	return 0;
}

/* Readers take it in the middle of a line, too. */
static int
check_hint(const char *text, struct err *e)
{
	const char *hint = strcasestr(text, VMDK_HINT);
	char name[128];

	if (!hint)
		return 0;
	hint += strlen(VMDK_HINT);
	hint += strspn(hint, " \t=\"");
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(hint, "\"\r\n"), hint);
	return err_set(e, ERR_INVALID,
	    "the image stands on another one (\"%s\"): only images that stand alone "
	    "can be imported",
	    fit(name));
}

static int
check_descriptor(char *text, struct err *e)
{
	unsigned extents = 0;
	char *save = NULL;
	int rc = check_hint(text, e);

	for (char *l = strtok_r(text, "\n", &save); l && !rc;
	     l = strtok_r(NULL, "\n", &save))
		rc = check_line(l, &extents, e);
	return rc;
}

/* A descriptor alone: what it describes lies elsewhere. */
static int
refuse_descriptor(const struct span *s, struct err *e)
{
	size_t n = s->bytes < DESCRIPTOR_MAX ? (size_t)s->bytes : DESCRIPTOR_MAX;
	AUTO_FREE char *text = xcalloc(1, n + 1);
	char kind[24] = "", name[128] = "", *save = NULL;
	int rc = span_read(s, 0, text, n, e);

	if (rc)
		return rc;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (is_extent(l, kind, name))
			break;
	return err_set(e, ERR_INVALID,
	    "the file only describes an image that is in other files (\"%s\"), which "
	    "is not allowed",
	    fit(name));
}

/* Of streamOptimized images the footer counts, and not the header. */
static int
read_footer(const struct span *s, uint8_t *header, struct err *e)
{
	int rc;

	if (span_le64(header + VMDK_AT_TABLES) != VMDK_TABLES_AT_END)
		return 0;
	if (s->bytes < VMDK_HEADER + VMDK_FOOTER)
		return err_set(e, ERR_INVALID, "the image is truncated: no footer");
	rc = span_read(s, s->bytes - VMDK_FOOTER + SECTOR, header, VMDK_HEADER, e);
	if (!rc && (memcmp(header, "KDMV", 4) != 0 ||
		       span_le64(header + VMDK_AT_TABLES) == VMDK_TABLES_AT_END))
		rc = err_set(e, ERR_INVALID, "the image is truncated: no footer");
	return rc;
}

static int
read_descriptor(const struct span *s, const uint8_t *header, struct err *e)
{
	uint64_t at = span_le64(header + VMDK_AT_DESC);
	uint64_t n = span_le64(header + VMDK_AT_DESC_SIZE);
	AUTO_FREE char *text = NULL;
	int rc;

	if (!at)
		return 0;
	if (n > DESCRIPTOR_MAX / SECTOR || at > s->bytes / SECTOR)
		return err_set(e, ERR_INVALID, "the image's descriptor is absurd");
	text = xcalloc(1, (size_t)n * SECTOR + 1);
	rc = span_read(s, at * SECTOR, text, (size_t)n * SECTOR, e);
	return rc ? rc : check_descriptor(text, e);
}

static int
check_usual_place(const struct span *s, struct err *e)
{
	uint64_t left = s->bytes > VMDK_HINT_AT ? s->bytes - VMDK_HINT_AT : 0;
	size_t n = left < VMDK_HINT_BYTES ? (size_t)left : VMDK_HINT_BYTES;
	AUTO_FREE char *text = xcalloc(1, n + 1);
	int rc = span_read(s, VMDK_HINT_AT, text, n, e);

	return rc ? rc : check_hint(text, e);
}

static int
check_vmdk(const struct span *s, uint64_t *ret_bytes, struct err *e)
{
	uint8_t header[VMDK_HEADER] = { 0 };
	size_t n = s->bytes < sizeof(header) ? (size_t)s->bytes : sizeof(header);
	uint64_t sectors = 0;
	int rc = span_read(s, 0, header, n, e);

	if (rc)
		return rc;
	if (n > 21 && !strncasecmp((const char *)header, "# disk descriptorfile", 21))
		return refuse_descriptor(s, e);
	if (n < sizeof(header) || memcmp(header, "KDMV", 4) != 0)
		return err_set(e, ERR_INVALID, "the file is no vmdk image");
	rc = check_usual_place(s, e);
	/* Before and after the footer: both say where the descriptor is. */
	for (int i = 0; i < 2 && !rc; i++) {
		sectors = span_le64(header + VMDK_AT_CAPACITY);
		/* Without a size of its own it would be taken for a descriptor. */
		if (!sectors || sectors > UINT64_MAX / SECTOR)
			return err_set(e, ERR_INVALID, "the disk has no size");
		rc = read_descriptor(s, header, e);
		if (!rc && i == 0)
			rc = read_footer(s, header, e);
	}
	if (!rc)
		*ret_bytes = sectors * SECTOR;
	return rc;
}

/* ---- vhdx ---- */

#define VHDX_REGIONS     0x30000u
#define VHDX_TABLE_BYTES 65536u
#define VHDX_ENTRY       32u
#define VHDX_ENTRIES_MAX 2047u
#define VHDX_HAS_PARENT  2u

static const uint8_t guid_metadata[16] = { 0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a,
	0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e };
static const uint8_t guid_parameters[16] = { 0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43,
	0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b };
static const uint8_t guid_size[16] = { 0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48,
	0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8 };
static const uint8_t guid_parent[16] = { 0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45,
	0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c };

/* Where the table of metadata is: an entry of 16 bytes GUID, offset, length, flags. */
static int
find_metadata(const struct span *s, uint64_t *ret_at, struct err *e)
{
	AUTO_FREE uint8_t *t = xmalloc(VHDX_TABLE_BYTES);
	uint32_t n;
	int rc = span_read(s, VHDX_REGIONS, t, VHDX_TABLE_BYTES, e);

	if (rc)
		return rc;
	n = span_le32(t + 8);
	if (memcmp(t, "regi", 4) != 0 || n > VHDX_ENTRIES_MAX)
		return err_set(e, ERR_INVALID, "the image's region table is damaged");
	for (uint32_t i = 0; i < n && 16 + (i + 1) * VHDX_ENTRY <= VHDX_TABLE_BYTES;
	     i++) {
		const uint8_t *entry = t + 16 + (size_t)i * VHDX_ENTRY;

		if (memcmp(entry, guid_metadata, 16) != 0)
			continue;
		*ret_at = span_le64(entry + 16);
		return 0;
	}
	return err_set(e, ERR_INVALID, "the image has no metadata");
}

static int
take_metadata(const struct span *s, uint64_t at, const uint8_t *entry,
    uint64_t *ret_bytes, struct err *e)
{
	uint64_t where = at + span_le32(entry + 16);
	uint8_t value[8];
	int rc;

	if (!memcmp(entry, guid_parent, 16))
		return err_set(e, ERR_INVALID,
		    "the image stands on another one (it has a parent locator): only "
		    "images that stand alone can be imported");
	if (memcmp(entry, guid_parameters, 16) != 0 &&
	    memcmp(entry, guid_size, 16) != 0)
		return 0;
	rc = span_read(s, where, value, sizeof(value), e);
	if (rc)
		return rc;
	if (!memcmp(entry, guid_size, 16)) {
		*ret_bytes = span_le64(value);
		return 0;
	}
	if (span_le32(value + 4) & VHDX_HAS_PARENT)
		return err_set(e, ERR_INVALID,
		    "the image stands on another one (it is a difference): only images "
		    "that stand alone can be imported");
	return 0;
}

static int
check_vhdx(const struct span *s, uint64_t *ret_bytes, struct err *e)
{
	AUTO_FREE uint8_t *t = NULL;
	uint8_t magic[8];
	uint64_t at = 0;
	uint32_t n;
	int rc = span_read(s, 0, magic, sizeof(magic), e);

	if (rc || memcmp(magic, "vhdxfile", 8) != 0)
		return err_set(e, ERR_INVALID, "the file is no vhdx image");
	rc = find_metadata(s, &at, e);
	if (rc)
		return rc;
	t = xmalloc(VHDX_TABLE_BYTES);
	rc = span_read(s, at, t, VHDX_TABLE_BYTES, e);
	if (rc)
		return rc;
	n = span_le16(t + 10);
	if (memcmp(t, "metadata", 8) != 0 || n > VHDX_ENTRIES_MAX)
		return err_set(e, ERR_INVALID, "the image's metadata is damaged");
	*ret_bytes = 0;
	for (uint32_t i = 0; i < n && !rc; i++)
		rc = take_metadata(
		    s, at, t + VHDX_ENTRY + (size_t)i * VHDX_ENTRY, ret_bytes, e);
	return rc;
}

/* ---- vhd ---- */

#define VHD_FOOTER     512u
#define VHD_AT_SIZE    48
#define VHD_AT_TYPE    60
#define VHD_FIXED      2u
#define VHD_DYNAMIC    3u
#define VHD_DIFFERENCE 4u

static int
check_vhd_footer(const uint8_t *f, uint64_t *ret_bytes, struct err *e)
{
	uint32_t type = (uint32_t)(span_be64(f + VHD_AT_TYPE) >> 32);

	if (type == VHD_DIFFERENCE)
		return err_set(e, ERR_INVALID,
		    "the image stands on another one (it is a difference): only images "
		    "that stand alone can be imported");
	if (type != VHD_FIXED && type != VHD_DYNAMIC)
		return err_set(e, ERR_INVALID,
		    "the image is of a type (%u) that is not known", type);
	*ret_bytes = span_be64(f + VHD_AT_SIZE);
	return 0;
}

/* The footer ends the file; dynamic images begin with a copy, and that one counts. */
static int
check_vhd(const struct span *s, uint64_t *ret_bytes, struct err *e)
{
	uint8_t first[VHD_FOOTER], last[VHD_FOOTER];
	bool has_first, has_last;
	int rc = 0;

	if (s->bytes < VHD_FOOTER)
		return err_set(e, ERR_INVALID, "the file is no vhd image");
	rc = span_read(s, 0, first, sizeof(first), e);
	if (!rc)
		rc = span_read(s, s->bytes - VHD_FOOTER, last, sizeof(last), e);
	if (rc)
		return rc;
	has_first = !memcmp(first, "conectix", 8);
	has_last = !memcmp(last, "conectix", 8);
	if (!has_first && !has_last)
		return err_set(e, ERR_INVALID, "the file is no vhd image");
	if (has_last)
		rc = check_vhd_footer(last, ret_bytes, e);
	if (!rc && has_first)
		rc = check_vhd_footer(first, ret_bytes, e);
	return rc;
}

int
img_foreign_check(
    const struct span *image, enum img_foreign f, uint64_t *ret_bytes, struct err *e)
{
	uint64_t bytes = 0;
	int rc = f == IMG_VMDK   ? check_vmdk(image, &bytes, e)
		 : f == IMG_VHDX ? check_vhdx(image, &bytes, e)
				 : check_vhd(image, &bytes, e);

	if (!rc)
		rc = img_size_check(bytes, 0, e);
	if (!rc)
		*ret_bytes = bytes;
	return rc;
}
