#include "server/ops/host_name.h"

#include <stdbool.h>
#include <string.h>

#define LABEL_MAX  63u
#define DOMAIN_MAX 253u

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

static int
label_check(const char *s, size_t n, struct err *e)
{
	if (!n || n > LABEL_MAX)
		return err_set(e, ERR_INVALID,
		    "\"%.*s\" has %zu characters, 1 to %u may be",
		    (int)(n < 80 ? n : 80), s, n, LABEL_MAX);
	for (size_t i = 0; i < n; i++) {
		bool inner = i > 0 && i + 1 < n;
		if (!is_alnum(s[i]) && !(inner && s[i] == '-')) {
			return err_set(e, ERR_INVALID,
			    "\"%.*s\" is no host name: letters, digits and inner "
			    "hyphens may be",
			    (int)n, s);
		}
	}
	return 0;
}

int
host_label_check(const char *s, struct err *e)
{
	return label_check(s, strlen(s), e);
}

int
domain_check(const char *s, struct err *e)
{
	if (strlen(s) > DOMAIN_MAX)
		return err_set(e, ERR_INVALID, "has %zu bytes, at most %u may be",
		    strlen(s), DOMAIN_MAX);
	for (;;) {
		size_t n = strcspn(s, ".");
		int rc = label_check(s, n, e);
		if (rc || !s[n])
			return rc;
		s += n + 1;
	}
}
