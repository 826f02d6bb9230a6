#include "server/alarm/alarm_curl.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"

#define CONNECT_PART 2u /* of the deadline, for the connection */
#define PASSWORD_MAX 256u

/* One transfer. */
struct transfer {
	CURL *curl;
	struct curl_slist *list; /* headers or recipients */
	char message[CURL_ERROR_SIZE];
	const atomic_bool *stop;
	const char *rest; /* of the mail, still to be sent */
};

void
alarm_curl_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

void
alarm_curl_fini(void)
{
	curl_global_cleanup();
}

/* Answers are of no interest. */
static size_t
on_answer(char *p, size_t size, size_t n, void *arg)
{
	return size * n;
}

static int
on_progress(
    void *arg, curl_off_t dl_all, curl_off_t dl, curl_off_t ul_all, curl_off_t ul)
{
	const struct transfer *t = arg;

	return atomic_load(t->stop);
}

static size_t
on_read(char *to, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t len = strnlen(t->rest, size * n);

	memcpy(to, t->rest, len);
	t->rest += len;
	return len;
}

static int
begin(struct transfer *t, const struct alarm_line *l, const char *url, struct err *e)
{
	t->curl = curl_easy_init();
	if (!t->curl)
		return err_set(e, ERR_LOST, "libcurl has no memory");
	t->stop = l->stop;
	curl_easy_setopt(t->curl, CURLOPT_URL, url);
	curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, t->message);
	curl_easy_setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t->curl, CURLOPT_TIMEOUT_MS, (long)l->deadline_ms);
	curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)(l->deadline_ms / CONNECT_PART + 1));
	curl_easy_setopt(t->curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(t->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(t->curl, CURLOPT_XFERINFODATA, t);
	curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(t->curl, CURLOPT_USERAGENT, "drover");
	/* Who a receiver is says its address, not the environment. */
	curl_easy_setopt(t->curl, CURLOPT_PROXY, "");
	if (l->ca_file && *l->ca_file)
		curl_easy_setopt(t->curl, CURLOPT_CAINFO, l->ca_file);
	return 0;
}

static int
run(struct transfer *t, struct err *e)
{
	CURLcode rc = curl_easy_perform(t->curl);
	const char *why = *t->message ? t->message : curl_easy_strerror(rc);

	switch (rc) {
	case CURLE_OK:
		return 0;
	case CURLE_ABORTED_BY_CALLBACK:
		return err_set(e, ERR_CANCELLED, "the server stops");
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(e, ERR_TIMEOUT, "no answer in time");
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_LOGIN_DENIED:
		return err_set(e, ERR_DENIED, "%s", why);
	default:
		return err_set(e, ERR_LOST, "%s", why);
	}
}

static void
end(struct transfer *t)
{
	curl_slist_free_all(t->list);
	curl_easy_cleanup(t->curl);
}

/* ---- webhooks ---- */

static void
add_line(struct transfer *t, const char *name, const char *value)
{
	AUTO_FREE char *line = xasprintf("%s: %s", name, value);

	t->list = curl_slist_append(t->list, line);
}

static int
check_status(struct transfer *t, struct err *e)
{
	long status = 0;

	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300)
		return 0;
	/* It is not to be had now, or not that fast. */
	if (status >= 500 || status == 408 || status == 429)
		return err_set(e, ERR_LOST, "it answers with HTTP status %ld", status);
	return err_set(e, ERR_DENIED, "it refuses with HTTP status %ld", status);
}

int
alarm_curl_hook(const struct alarm_line *l, const struct alarm_hook *h, struct err *e)
{
	struct transfer t = { 0 };
	int rc = begin(&t, l, h->url, e);

	if (rc)
		return rc;
	curl_easy_setopt(t.curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(t.curl, CURLOPT_POSTFIELDS, h->body);
	add_line(&t, "Content-Type", "application/json");
	add_line(&t, "X-Drover-Delivery", h->delivery);
	if (h->signature)
		add_line(&t, "X-Drover-Signature", h->signature);
	curl_easy_setopt(t.curl, CURLOPT_HTTPHEADER, t.list);
	rc = run(&t, e);
	if (!rc)
		rc = check_status(&t, e);
	end(&t);
	return rc;
}

/* ---- mails ---- */

/* The first line; wiped by the caller. */
static int
read_password(const char *path, char out[PASSWORD_MAX], struct err *e)
{
	FILE *f = fopen(path, "re");
	bool is_there = f && fgets(out, PASSWORD_MAX, f);

	if (f)
		fclose(f);
	if (!is_there)
		return err_set(e, ERR_IO,
		    "cannot read the password of the mail server from %s", path);
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

static int
log_in(struct transfer *t, const struct alarm_mail *m, struct err *e)
{
	char password[PASSWORD_MAX] = "";
	int rc = 0;

	if (!m->user || !*m->user)
		return 0;
	if (m->password_file && *m->password_file)
		rc = read_password(m->password_file, password, e);
	if (!rc) {
		curl_easy_setopt(t->curl, CURLOPT_USERNAME, m->user);
		curl_easy_setopt(t->curl, CURLOPT_PASSWORD, password);
		/* A password in clear is nothing that a fallback may send. */
		curl_easy_setopt(t->curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
	}
	secret_wipe(password, sizeof(password));
	return rc;
}

int
alarm_curl_mail(const struct alarm_line *l, const struct alarm_mail *m, struct err *e)
{
	struct transfer t = { .rest = m->message };
	int rc = begin(&t, l, m->url, e);

	if (rc)
		return rc;
	curl_easy_setopt(t.curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(t.curl, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY);
	curl_easy_setopt(t.curl, CURLOPT_MAIL_FROM, m->from);
	for (size_t i = 0; i < json_count(m->to); i++)
		t.list =
		    curl_slist_append(t.list, json_str_value(json_at(m->to, i), NULL));
	curl_easy_setopt(t.curl, CURLOPT_MAIL_RCPT, t.list);
	curl_easy_setopt(t.curl, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(t.curl, CURLOPT_READDATA, &t);
	curl_easy_setopt(t.curl, CURLOPT_UPLOAD, 1L);
	rc = log_in(&t, m, e);
	if (!rc)
		rc = run(&t, e);
	end(&t);
	return rc;
}
