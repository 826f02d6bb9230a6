#include "host-agent/copy/image_sum.h"

#include <string.h>

#include <openssl/evp.h>

struct image_sum {
	EVP_MD_CTX *md;
	bool is_good;
};

struct image_sum *
image_sum_new(void)
{
	struct image_sum *s = xcalloc(1, sizeof(*s));

	s->md = EVP_MD_CTX_new();
	s->is_good = s->md && EVP_DigestInit_ex(s->md, EVP_sha256(), NULL) == 1;
	return s;
}

void
image_sum_free(struct image_sum *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->md);
	free(s);
}

bool
image_is_zeros(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static void
add(struct image_sum *s, const void *p, size_t n)
{
	s->is_good = s->is_good && EVP_DigestUpdate(s->md, p, n) == 1;
}

static void
add_number(struct image_sum *s, uint64_t v)
{
	uint8_t text[8];

	for (size_t i = sizeof(text); i-- > 0; v >>= 8)
		text[i] = (uint8_t)v;
	add(s, text, sizeof(text));
}

void
image_sum_add(struct image_sum *s, uint64_t at, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i += IMAGE_BLOCK_BYTES) {
		size_t len = n - i < IMAGE_BLOCK_BYTES ? n - i : IMAGE_BLOCK_BYTES;

		if (image_is_zeros(p + i, len))
			continue;
		add_number(s, at + i);
		add(s, p + i, len);
	}
}

int
image_sum_end(struct image_sum *s, uint64_t bytes, uint8_t ret_sum[IMAGE_SUM_BYTES],
    struct err *e)
{
	add_number(s, bytes);
	s->is_good = s->is_good && EVP_DigestFinal_ex(s->md, ret_sum, NULL) == 1;
	return s->is_good ? 0 : err_set(e, ERR_INTERNAL, "SHA-256 cannot be computed");
}
