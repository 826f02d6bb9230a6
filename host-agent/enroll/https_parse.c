#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "host-agent/enroll/https.h"

#define HEAD_MAX 65536u

struct span {
	const char *p;
	size_t n;
};

/* The next line, without its CR LF; false at the end of in. */
static bool
take_line(struct span *in, struct span *line)
{
	const char *nl = in->n ? memchr(in->p, '\n', in->n) : NULL;

	if (!nl)
		return false;
	line->p = in->p;
	line->n = (size_t)(nl - in->p);
	in->n -= line->n + 1;
	in->p = nl + 1;
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

/* The value of a header line if it has that name. */
static bool
header_is(const struct span *line, const char *name, struct span *value)
{
	size_t n = strlen(name);

	if (line->n <= n || line->p[n] != ':' || strncasecmp(line->p, name, n) != 0)
		return false;
	value->p = line->p + n + 1;
	value->n = line->n - n - 1;
	while (value->n && *value->p == ' ') {
		value->p++;
		value->n--;
	}
	return true;
}

static bool
span_number(const struct span *v, unsigned base, size_t max, size_t *ret_n)
{
	size_t n = 0, i;

	for (i = 0; i < v->n && isxdigit((unsigned char)v->p[i]); i++) {
		int c = tolower((unsigned char)v->p[i]);
		unsigned digit =
		    c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);

		if (digit >= base || n > max / base)
			return false;
		n = n * base + digit;
	}
	*ret_n = n;
	/* A chunk's size may be followed by extensions. */
	return i > 0 && (i == v->n || v->p[i] == ';' || v->p[i] == ' ');
}

static int
parse_chunks(struct span in, struct str *body, struct err *e)
{
	struct span line;
	size_t n;

	while (take_line(&in, &line)) {
		if (!span_number(&line, 16, in.n, &n) || n > in.n)
			return err_set(e, ERR_CORRUPT, "the answer's chunks are cut");
		if (n == 0)
			return 0;
		str_addn(body, in.p, n);
		in.p += n;
		in.n -= n;
		if (!take_line(&in, &line) || line.n)
			return err_set(e, ERR_CORRUPT, "a chunk of the answer is odd");
	}
	return err_set(e, ERR_CORRUPT, "the answer ends before its last chunk");
}

static int
parse_status(const struct span *line, int *ret_status, struct err *e)
{
	struct span digits = { line->p + 9, 3 };
	size_t status;

	if (line->n < 12 || strncmp(line->p, "HTTP/1.", 7) != 0 || line->p[8] != ' ' ||
	    !span_number(&digits, 10, 999, &status) || status < 100)
		return err_set(e, ERR_CORRUPT, "the answer is not HTTP");
	*ret_status = (int)status;
	return 0;
}

int
https_parse_reply(const char *p, size_t n, struct https_reply *r, struct err *e)
{
	struct span in = { p, n }, line, v;
	bool chunked = false, has_length = false;
	size_t length = 0;

	if (!take_line(&in, &line) || parse_status(&line, &r->status, e))
		return err_set(e, ERR_CORRUPT, "the answer is not HTTP");
	for (;;) {
		if (!take_line(&in, &line) || (size_t)(line.p - p) > HEAD_MAX)
			return err_set(e, ERR_CORRUPT, "the answer's head is cut");
		if (!line.n)
			break;
		if (header_is(&line, "Content-Length", &v)) {
			if (!span_number(&v, 10, SIZE_MAX, &length))
				return err_set(e, ERR_CORRUPT, "odd Content-Length");
			has_length = true;
		} else if (header_is(&line, "Transfer-Encoding", &v)) {
			chunked = v.n == 7 && !strncasecmp(v.p, "chunked", 7);
		}
	}
	str_reset(r->body);
	if (chunked)
		return parse_chunks(in, r->body, e);
	if (has_length && length > in.n)
		return err_set(e, ERR_CORRUPT, "the answer's body is cut");
	str_addn(r->body, in.p, has_length ? length : in.n);
	return 0;
}
