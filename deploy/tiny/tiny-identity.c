/*
 * tiny-identity: print who this guest is, from the machine's SMBIOS strings.
 *
 * The hypervisor hands over "drover.KEY=VALUE" as OEM strings (SMBIOS type 11).
 * Each becomes one "KEY=VALUE" line on stdout, fit to be evaluated by a shell: keys
 * are lower-case letters, values hold only characters that a shell takes literally.
 * Anything else in the table is someone else's and is passed over.
 *
 *     tiny-identity [DMI-TABLE]
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DMI_TABLE       "/sys/firmware/dmi/tables/DMI"
#define KEY_PREFIX      "drover."
#define MAX_TABLE       65536
#define DMI_HEADER      4
#define DMI_OEM_STRINGS 11
#define DMI_END         127

static bool
is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (!isalnum(c) && (c == '\0' || strchr("._:/,-", c) == NULL))
			return false;
	}
	return len > 0;
}

static void
print_setting(const char *text, size_t len)
{
	size_t prefix = strlen(KEY_PREFIX);
	if (len <= prefix || memcmp(text, KEY_PREFIX, prefix) != 0)
		return;
	text += prefix;
	len -= prefix;
	const char *equals = memchr(text, '=', len);
	if (equals == NULL)
		return;
	size_t key_len = (size_t)(equals - text);
	for (size_t i = 0; i < key_len; i++)
		if (!islower((unsigned char)text[i]))
			return;
	if (key_len > 0 && is_plain(equals + 1, len - key_len - 1))
		printf("%.*s\n", (int)len, text);
}

/* Walk the strings that follow a structure; return the offset behind them. */
static size_t
walk_strings(const uint8_t *table, size_t size, size_t at, bool ours)
{
	while (at < size && table[at] != '\0') {
		const char *text = (const char *)table + at;
		size_t len = strnlen(text, size - at);
		if (ours)
			print_setting(text, len);
		at += len + 1;
	}
	return at + 1;
}

static void
walk_table(const uint8_t *table, size_t size)
{
	size_t at = 0;
	while (at + DMI_HEADER <= size && table[at] != DMI_END) {
		size_t length = table[at + 1];
		if (length < DMI_HEADER || at + length >= size)
			return;
		bool ours = table[at] == DMI_OEM_STRINGS;
		size_t strings = at + length;
		/* A structure without strings still ends in two zero bytes. */
		if (table[strings] == '\0')
			at = strings + 2;
		else
			at = walk_strings(table, size, strings, ours);
	}
}

int
main(int argc, char **argv)
{
	static uint8_t table[MAX_TABLE];
	const char *path = argc > 1 ? argv[1] : DMI_TABLE;
	FILE *file = fopen(path, "rbe");
	if (file == NULL) {
		fprintf(stderr, "tiny-identity: cannot open %s: %s\n", path,
		    strerror(errno));
		return 1;
	}
	size_t size = fread(table, 1, sizeof(table), file);
	fclose(file);
	walk_table(table, size);
	return 0;
}
