#include "server/alarm/alarm_notice.h"

#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define SHA256_BYTES 32u
#define MS_PER_S     1000u
/* Bytes of a header's text in one encoded word, which may be 75 characters. */
#define WORD_BYTES 42u

void
alarm_notice_fini(struct alarm_notice *n)
{
	free(n->delivery);
	free(n->alarm);
	free(n->name);
	free(n->entity);
	free(n->entity_name);
	free(n->entity_kind);
	free(n->reason);
	*n = (struct alarm_notice){ 0 };
}

char *
alarm_notice_title(const struct alarm_notice *n)
{
	struct str s = STR_INIT;

	str_addf(&s, "%s on %s", n->name, n->entity_name);
	if (*n->entity)
		str_addf(&s, " (%s)", n->entity);
	str_addf(&s, ": %s \u2192 %s", alarm_status_text(n->was),
	    alarm_status_text(n->status));
	return str_take(&s);
}

char *
alarm_notice_json(const struct alarm_notice *n)
{
	AUTO(json) json *j = json_new_object();
	json *entity = json_new_object();
	char time[32];

	json_set_str(j, "delivery", n->delivery);
	json_set_str(j, "alarm", n->alarm);
	json_set_str(j, "name", n->name);
	json_set_str(j, "status", alarm_status_text(n->status));
	json_set_str(j, "was", alarm_status_text(n->was));
	json_set_str(j, "reason", n->reason);
	json_set_str(j, "time", clock_text(n->at_ms, time));
	json_set_str(entity, "id", *n->entity ? n->entity : NULL);
	json_set_str(entity, "kind", n->entity_kind);
	json_set_str(entity, "name", n->entity_name);
	json_set_json(j, "entity", entity);
	return json_text(j);
}

/* ---- mail ---- */

static void
add_base64(struct str *s, const char *text, size_t n)
{
	AUTO_FREE unsigned char *out = xmalloc(4 * (n / 3 + 1) + 1);

	EVP_EncodeBlock(out, (const unsigned char *)text, (int)n);
	str_add(s, (const char *)out);
}

/* Never in the middle of a character. */
static size_t
word_end(const char *text)
{
	size_t n = 0, len = strlen(text);

	while (n < len) {
		size_t seq = utf8_seq(text + n, len - n);

		if (!seq)
			seq = 1;
		if (n + seq > WORD_BYTES)
			break;
		n += seq;
	}
	return n;
}

static void
add_header(struct str *s, const char *name, const char *text)
{
	str_addf(s, "%s:", name);
	while (*text) {
		size_t n = word_end(text);

		str_add(s, " =?UTF-8?B?");
		add_base64(s, text, n);
		str_add(s, "?=\r\n");
		text += n;
	}
}

static void
add_date(struct str *s, uint64_t now_ms)
{
	time_t now = (time_t)(now_ms / MS_PER_S);
	struct tm tm;
	char text[64];

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	str_addf(s, "Date: %s\r\n", text);
}

static void
add_body(struct str *s, const struct alarm_notice *n)
{
	AUTO_FREE char *title = alarm_notice_title(n);
	AUTO(str) struct str b = STR_INIT;
	char time[32];

	str_addf(&b, "%s\r\n\r\n%s\r\n\r\nsince %s\r\n%s\r\n", title, n->reason,
	    clock_text(n->at_ms, time), n->alarm);
	for (size_t i = 0; i < b.len; i += 57) {
		add_base64(s, b.s + i, b.len - i < 57 ? b.len - i : 57);
		str_add(s, "\r\n");
	}
}

char *
alarm_notice_mail(
    const struct alarm_notice *n, const char *from, const json *to, uint64_t now_ms)
{
	AUTO_FREE char *title = alarm_notice_title(n);
	const char *domain = strrchr(from, '@');
	struct str s = STR_INIT;

	add_date(&s, now_ms);
	str_addf(&s, "From: <%s>\r\nTo: ", from);
	for (size_t i = 0; i < json_count(to); i++)
		str_addf(&s, "%s<%s>", i ? ",\r\n " : "",
		    json_str_value(json_at(to, i), NULL));
	str_add(&s, "\r\n");
	add_header(&s, "Subject", title);
	/* An action's name may have spaces, which an id may not. */
	str_addf(&s, "Message-ID: <%s.%llu.", n->alarm, (unsigned long long)n->at_ms);
	for (const char *p = n->delivery; *p; p++)
		str_addc(&s, strchr("/-.", *p) || (*p >= '0' && *p <= '9') ||
				     (*p >= 'a' && *p <= 'z')
				 ? *p
				 : '_');
	str_addf(&s, "%s>\r\n", domain ? domain : "@drover");
	str_add(&s, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
		    "Content-Type: text/plain; charset=utf-8\r\n"
		    "Content-Transfer-Encoding: base64\r\n\r\n");
	add_body(&s, n);
	return str_take(&s);
}

/* ---- webhooks ---- */

char *
alarm_notice_sign(const char *secret, uint64_t now_ms, const char *body)
{
	AUTO_FREE char *text = xasprintf("%llu.%s", (unsigned long long)now_ms, body);
	unsigned char mac[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	unsigned n = 0;

	HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text,
	    strlen(text), mac, &n);
	hex_encode(mac, sizeof(mac), hex);
	return xasprintf("t=%llu,sha256=%s", (unsigned long long)now_ms, hex);
}
