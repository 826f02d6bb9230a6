#include "server/export/push_https.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "loop/worker.h"

#define DEADLINE_MS 30000L
#define CONNECT_MS  10000L

struct push_https {
	struct workers *workers;
	char *url, *token, *ca_file;
	atomic_bool stop;
	/* The request under way; the worker's until it is done. */
	const char *text;
	size_t n;
	push_https_fn done;
	void *arg;
	long status;
	char why[CURL_ERROR_SIZE];
};

/* ---- on the worker ---- */

/* Answers are of no interest but for their status. */
static size_t
on_answer(char *p, size_t size, size_t n, void *arg)
{
	return size * n;
}

static int
on_progress(
    void *arg, curl_off_t dl_all, curl_off_t dl, curl_off_t ul_all, curl_off_t ul)
{
	const struct push_https *h = arg;

	return atomic_load(&h->stop);
}

static void
set_up(struct push_https *h, CURL *c, struct curl_slist *headers)
{
	curl_easy_setopt(c, CURLOPT_URL, h->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->why);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, DEADLINE_MS);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "drover");
	/* Where it is says its address, not the environment. */
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	if (*h->ca_file)
		curl_easy_setopt(c, CURLOPT_CAINFO, h->ca_file);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)h->n);
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, h->text);
}

static struct curl_slist *
headers_of(const struct push_https *h)
{
	struct curl_slist *list =
	    curl_slist_append(NULL, "Content-Type: text/plain; charset=utf-8");

	if (*h->token) {
		char *line = xasprintf("Authorization: Token %s", h->token);

		list = curl_slist_append(list, line);
		secret_wipe(line, strlen(line));
		free(line);
	}
	return list;
}

static int
run(void *arg)
{
	struct push_https *h = arg;
	CURL *c = curl_easy_init();
	struct curl_slist *headers = headers_of(h);
	CURLcode rc = CURLE_FAILED_INIT;

	h->status = 0;
	h->why[0] = '\0';
	if (c) {
		set_up(h, c, headers);
		rc = curl_easy_perform(c);
	}
	if (!rc)
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &h->status);
	else if (!*h->why)
		snprintf(h->why, sizeof(h->why), "%s", curl_easy_strerror(rc));
	curl_slist_free_all(headers);
	curl_easy_cleanup(c);
	return 0;
}

/* ---- on the core ---- */

static void
on_run(void *arg, int rc)
{
	const struct push_https *h = arg;

	if (!atomic_load(&h->stop))
		h->done(h->arg, h->status, h->why);
}

int
push_https_send(struct push_https *h, const char *text, size_t n, push_https_fn done,
    void *arg, struct err *e)
{
	h->text = text;
	h->n = n;
	h->done = done;
	h->arg = arg;
	return worker_run(h->workers, run, on_run, h, e);
}

struct push_https *
push_https_new(struct loop *l, const struct push_https_opts *o)
{
	struct push_https *h = xcalloc(1, sizeof(*h));

	curl_global_init(CURL_GLOBAL_DEFAULT);
	h->workers = workers_new(l, 1, 1);
	h->url = xstrdup(o->url);
	h->token = xstrdup(o->token);
	h->ca_file = xstrdup(o->ca_file);
	atomic_init(&h->stop, false);
	return h;
}

void
push_https_free(struct push_https *h)
{
	if (!h)
		return;
	atomic_store(&h->stop, true);
	workers_free(h->workers);
	curl_global_cleanup();
	secret_wipe(h->token, strlen(h->token));
	free(h->url);
	free(h->token);
	free(h->ca_file);
	free(h);
}
