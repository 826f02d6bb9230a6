#include "server/hosts/uuid.h"

#include <stdint.h>
#include <string.h>

#include "base/rng.h"
#include "base/str.h"

const char *
uuid_make(char out[UUID_TEXT])
{
	static const size_t group[] = { 8, 4, 4, 4, 12 };
	uint8_t raw[16];
	char hex[33];
	const char *from = hex;
	char *to = out;

	rng_secret(raw, sizeof(raw));
	raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x40);
	raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80);
	hex_encode(raw, sizeof(raw), hex);
	for (size_t i = 0; i < sizeof(group) / sizeof(group[0]); i++) {
		if (i)
			*to++ = '-';
		memcpy(to, from, group[i]);
		to += group[i];
		from += group[i];
	}
	*to = '\0';
	return out;
}
