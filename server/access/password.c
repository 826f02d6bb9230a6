#include "server/access/password.h"

#include <string.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/str.h"

#define SALT_BYTES 16
#define HASH_BYTES 32
#define MAX_MEMORY ((uint64_t)128 * 1024 * 1024)

struct scrypt {
	unsigned log_n, r, p;
	uint8_t salt[SALT_BYTES];
	uint8_t hash[HASH_BYTES];
};

static const struct scrypt preset = { .log_n = 15, .r = 8, .p = 1 };

static bool
derive(const char *pw, const struct scrypt *s, uint8_t out[HASH_BYTES])
{
	return EVP_PBE_scrypt(pw, strlen(pw), s->salt, SALT_BYTES, 1ULL << s->log_n,
		   s->r, s->p, MAX_MEMORY, out, HASH_BYTES) == 1;
}

int
password_hash(const char *pw, char **ret_hash, struct err *e)
{
	struct scrypt s = preset;
	char salt[2 * SALT_BYTES + 1], hash[2 * HASH_BYTES + 1];
	size_t n = strlen(pw);

	if (n < PASSWORD_MIN || n > PASSWORD_MAX)
		return err_set(e, ERR_INVALID,
		    "password: wants %d to %d bytes, got %zu", PASSWORD_MIN,
		    PASSWORD_MAX, n);
	rng_secret(s.salt, sizeof(s.salt));
	if (!derive(pw, &s, s.hash))
		return err_set(e, ERR_INTERNAL, "scrypt failed");
	hex_encode(s.salt, SALT_BYTES, salt);
	hex_encode(s.hash, HASH_BYTES, hash);
	*ret_hash = xasprintf("scrypt$%u$%u$%u$%s$%s", s.log_n, s.r, s.p, salt, hash);
	return 0;
}

/* One number and the '$' behind it. */
static bool
read_cost(const char **at, unsigned *ret_v)
{
	AUTO_FREE char *digits = xstrndup(*at, strcspn(*at, "$"));
	uint64_t v = 0;

	if (parse_u64(digits, 1, 64, "cost", &v, NULL) < 0 || !(*at)[strlen(digits)])
		return false;
	*ret_v = (unsigned)v;
	*at += strlen(digits) + 1;
	return true;
}

static bool
decode(const char *text, struct scrypt *s)
{
	static const char kind[] = "scrypt$";
	const size_t hash_at = (size_t)2 * SALT_BYTES + 1;

	if (!text || !str_starts(text, kind))
		return false;
	text += strlen(kind);
	if (!read_cost(&text, &s->log_n) || !read_cost(&text, &s->r) ||
	    !read_cost(&text, &s->p))
		return false;
	if (strlen(text) != hash_at + (size_t)2 * HASH_BYTES ||
	    text[hash_at - 1] != '$')
		return false;
	if (s->log_n < 10 || s->log_n > 16 || s->r < 1 || s->r > 8 || s->p < 1 ||
	    s->p > 8)
		return false;
	AUTO_FREE char *salt = xstrndup(text, hash_at - 1);
	return hex_decode(salt, s->salt, SALT_BYTES, NULL) == 0 &&
	       hex_decode(text + hash_at, s->hash, HASH_BYTES, NULL) == 0;
}

bool
password_fits(const char *pw, const char *hash)
{
	struct scrypt s = preset;
	uint8_t got[HASH_BYTES];
	bool known = decode(hash, &s);

	if (!known)
		s = preset;
	bool same = derive(pw, &s, got) && secret_equal(got, s.hash, HASH_BYTES);
	secret_wipe(got, sizeof(got));
	return known && same;
}
