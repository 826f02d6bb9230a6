#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

struct fault {
	const char *name;
	int http;
	int exit;
};

/* In the order of enum err_code. */
static const struct fault faults[] = {
#define ERR(code, name, http, exit) { name, http, exit },
#include "base/err.def"
#undef ERR
};

static const struct fault success = { "ok", 200, 0 };

static const struct fault *
fault_of(int code)
{
	if (code == ERR_OK)
		return &success;
	if (code <= ERR_FIRST_ || code >= ERR_LAST_)
		code = ERR_INTERNAL;
	return &faults[code - ERR_FIRST_ - 1];
}

/*
 * Make msg one line of valid UTF-8: what it quotes may come from anywhere, and
 * vsnprintf may have cut a character in two.
 */
static void
clean(char *msg)
{
	size_t n = strlen(msg);
	char *to = msg;
	for (size_t i = 0; i < n;) {
		size_t len = utf8_seq(msg + i, n - i);
		if (len == 0) {
			*to++ = '?';
			i++;
			continue;
		}
		if (len == 1 && ((unsigned char)msg[i] < 0x20 || msg[i] == 0x7f))
			msg[i] = ' ';
		memmove(to, msg + i, len);
		to += len;
		i += len;
	}
	*to = '\0';
}

/* Cut a character that the end of the buffer has left incomplete. */
static void
trim_cut(char *msg)
{
	size_t n = strlen(msg);
	for (size_t back = 1; back <= 3 && back <= n; back++) {
		unsigned char c = (unsigned char)msg[n - back];
		if (c < 0x80)
			return;
		if (c >= 0xc0) {
			if (utf8_seq(msg + n - back, back) == 0)
				msg[n - back] = '\0';
			return;
		}
	}
}

__attribute__((format(printf, 2, 0))) static void
set_msg(struct err *e, const char *fmt, va_list ap)
{
	char text[sizeof(e->msg)]; /* the arguments may quote e->msg */
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n < 0)
		text[0] = '\0';
	if (n >= (int)sizeof(text))
		trim_cut(text);
	clean(text);
	memcpy(e->msg, text, sizeof(text));
}

int
err_set(struct err *e, int code, const char *fmt, ...)
{
	if (!e)
		return code;
	e->code = code;
	e->sys = 0;
	va_list ap;
	va_start(ap, fmt);
	set_msg(e, fmt, ap);
	va_end(ap);
	return code;
}

int
err_sys(struct err *e, int code, int sys, const char *fmt, ...)
{
	if (!e)
		return code;
	e->code = code;
	e->sys = sys;
	va_list ap;
	va_start(ap, fmt);
	set_msg(e, fmt, ap);
	va_end(ap);

	const char *why = strerrordesc_np(sys);
	size_t n = strlen(e->msg);
	if (why)
		snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", why);
	else
		snprintf(e->msg + n, sizeof(e->msg) - n, ": errno %d", sys);
	return code;
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
	if (!e)
		return ERR_INTERNAL;
	struct err inner = *e;
	va_list ap;
	va_start(ap, fmt);
	set_msg(e, fmt, ap);
	va_end(ap);
	size_t n = strlen(e->msg);
	int add = snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", inner.msg);
	if (add >= (int)(sizeof(e->msg) - n))
		trim_cut(e->msg);
	return e->code;
}

void
err_clear(struct err *e)
{
	if (!e)
		return;
	e->code = 0;
	e->sys = 0;
	e->msg[0] = '\0';
}

const char *
err_name(int code)
{
	return fault_of(code)->name;
}

int
err_from_name(const char *name)
{
	if (str_same(name, success.name))
		return ERR_OK;
	for (int code = ERR_FIRST_ + 1; code < ERR_LAST_; code++) {
		if (str_same(name, fault_of(code)->name))
			return code;
	}
	return ERR_INTERNAL;
}

int
err_http(int code)
{
	return fault_of(code)->http;
}

int
err_exit(int code)
{
	return fault_of(code)->exit;
}
