#include "base/secret.h"

#include <string.h>

#include <openssl/crypto.h>

#include "base/assert.h"

struct secret {
	size_t n;
	char bytes[]; /* n, then a NUL */
};

struct secret *
secret_new(const void *p, size_t n)
{
	ASSERT(n < (size_t)1 << 30);
	struct secret *s = xmalloc(sizeof(*s) + n + 1);
	s->n = n;
	if (n)
		memcpy(s->bytes, p, n);
	s->bytes[n] = '\0';
	return s;
}

struct secret *
secret_from_str(const char *s)
{
	return secret_new(s, strlen(s));
}

void
secret_free(struct secret *s)
{
	if (!s)
		return;
	secret_wipe(s->bytes, s->n);
	free(s);
}

const void *
secret_bytes(const struct secret *s, size_t *ret_n)
{
	*ret_n = s->n;
	return s->bytes;
}

const char *
secret_cstr(const struct secret *s)
{
	return s->bytes;
}

bool
secret_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

void
secret_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}
