#include "host-agent/storage/img_sum.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "base/str.h"

#define CHUNK      1048576u
#define SHA256_LEN 32

int
img_sum(int fd, char ret_sha256[IMG_SUM_LEN + 1], uint64_t *ret_bytes, struct err *e)
{
	AUTO_FREE uint8_t *buf = xmalloc(CHUNK);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t sum[SHA256_LEN];
	uint64_t at = 0;
	ssize_t n = 0;
	bool good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;

	while (good && (n = pread(fd, buf, CHUNK, (off_t)at)) > 0) {
		good = EVP_DigestUpdate(md, buf, (size_t)n) == 1;
		at += (uint64_t)n;
	}
	good = good && n == 0 && EVP_DigestFinal_ex(md, sum, NULL) == 1;
	EVP_MD_CTX_free(md);
	if (!good)
		return err_sys(e, ERR_IO, n < 0 ? errno : EIO, "cannot hash it");
	*ret_bytes = at;
	hex_encode(sum, sizeof(sum), ret_sha256);
	return 0;
}
