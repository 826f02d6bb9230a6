/*
 * bench_channel: how fast bytes go from host to host through the channel, both hosts
 * in this process, "name value unit" a line.
 *
 * Beside it stand what bounds it: the same bytes through a local socket pair alone, and
 * this CPU's AES-GCM, of which each byte needs two goes (in and out).
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "host-agent/channel/channel.h"
#include "loop/flow.h"
#include "loop/tls.h"

#define TOTAL_BYTES (UINT64_C(1) << 30)
#define CHUNK       1048576u
#define RECORD      16384u
#define RUNS        3
#define UUID_A      "3f2504e0-4f89-41d3-9a0c-0000000000aa"
#define UUID_B      "3f2504e0-4f89-41d3-9a0c-0000000000bb"

struct host {
	struct channel *channel;
	struct ssl_ctx_st *accept, *dial;
};

struct bench {
	char dir[64], ca[96], ca_key[96];
	struct loop *loop;
	struct flows *flows;
	struct host a, b;
};

struct mover {
	int fd;
	pthread_t thread;
};

static double
mb_per_s(uint64_t bytes, uint64_t us)
{
	return (double)bytes / 1e6 / ((double)us / 1e6);
}

static void *
feed(void *arg)
{
	const struct mover *m = arg;
	AUTO_FREE uint8_t *buf = xcalloc(1, CHUNK);

	for (uint64_t left = TOTAL_BYTES; left;) {
		ssize_t n = send(m->fd, buf, left < CHUNK ? left : CHUNK, MSG_NOSIGNAL);

		ASSERT(n > 0);
		left -= (uint64_t)n;
	}
	shutdown(m->fd, SHUT_WR);
	return NULL;
}

static void *
drain(void *arg)
{
	const struct mover *m = arg;
	AUTO_FREE uint8_t *buf = xmalloc(CHUNK);
	uint64_t got = 0;
	ssize_t n;

	while ((n = read(m->fd, buf, CHUNK)) > 0)
		got += (uint64_t)n;
	ASSERT(got == TOTAL_BYTES);
	shutdown(m->fd, SHUT_WR);
	return NULL;
}

/* ---- the bounds ---- */

static double
bench_socketpair(void)
{
	struct mover from, to;
	int fds[2];
	uint64_t begun = clock_mono_us(clock_system());

	ASSERT(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	from.fd = fds[0];
	to.fd = fds[1];
	ASSERT(!pthread_create(&from.thread, NULL, feed, &from));
	ASSERT(!pthread_create(&to.thread, NULL, drain, &to));
	pthread_join(from.thread, NULL);
	pthread_join(to.thread, NULL);
	close(fds[0]);
	close(fds[1]);
	return mb_per_s(TOTAL_BYTES, clock_mono_us(clock_system()) - begun);
}

static double
bench_aes_gcm(void)
{
	const uint8_t key[16] = { 1 }, iv[12] = { 2 };
	uint8_t in[RECORD] = { 0 }, out[RECORD];
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint64_t begun = clock_mono_us(clock_system());
	int n;

	for (uint64_t did = 0; did < TOTAL_BYTES; did += RECORD) {
		ASSERT(EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, iv) == 1);
		ASSERT(EVP_EncryptUpdate(c, out, &n, in, RECORD) == 1);
		ASSERT(EVP_EncryptFinal_ex(c, out, &n) == 1);
	}
	EVP_CIPHER_CTX_free(c);
	return mb_per_s(TOTAL_BYTES, clock_mono_us(clock_system()) - begun);
}

/* ---- certificates ---- */

static void
add_ext(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ASSERT(ext && X509_add_ext(cert, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

static void
write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	ASSERT(f && fputs(text, f) >= 0);
	fclose(f);
}

static void
make_ca(struct bench *b)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *ca = X509_new();
	FILE *f;

	ASSERT(X509_set_version(ca, X509_VERSION_3) == 1);
	ASN1_INTEGER_set(X509_get_serialNumber(ca), 1);
	X509_gmtime_adj(X509_getm_notBefore(ca), -3600);
	X509_gmtime_adj(X509_getm_notAfter(ca), 3600);
	ASSERT(X509_NAME_add_entry_by_txt(X509_get_subject_name(ca), "CN",
		   MBSTRING_UTF8, (const unsigned char *)"bench", -1, -1, 0) == 1);
	X509_set_issuer_name(ca, X509_get_subject_name(ca));
	X509_set_pubkey(ca, key);
	add_ext(ca, NID_basic_constraints, "critical,CA:TRUE");
	add_ext(ca, NID_key_usage, "critical,keyCertSign,cRLSign");
	add_ext(ca, NID_subject_key_identifier, "hash");
	ASSERT(X509_sign(ca, key, EVP_sha256()) > 0);
	f = fopen(b->ca, "we");
	ASSERT(f && PEM_write_X509(f, ca) == 1);
	fclose(f);
	f = fopen(b->ca_key, "we");
	ASSERT(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
	fclose(f);
	X509_free(ca);
	EVP_PKEY_free(key);
}

static void
make_host(struct bench *b, struct host *h, const char *uuid)
{
	char cert[96], key[96];
	char *key_pem = NULL, *csr = NULL, *cert_pem = NULL;
	struct tls_identity id;
	struct err e = ERR_INIT;
	struct tls_files files = { .cert = cert, .key = key, .ca = b->ca };

	snprintf(cert, sizeof(cert), "%s/host.crt", b->dir);
	snprintf(key, sizeof(key), "%s/host.key", b->dir);
	ASSERT(!tls_make_key_csr("host", &key_pem, &csr, &e));
	ASSERT(!tls_sign_host(csr, b->ca, b->ca_key, uuid, 1, &cert_pem, &id, &e));
	write_text(cert, cert_pem);
	write_text(key, key_pem);
	ASSERT(!tls_server_ctx(&files, &h->accept, &e));
	ASSERT(!tls_client_ctx(&files, &h->dial, &e));
	unlink(cert);
	unlink(key);
	free(key_pem);
	free(csr);
	free(cert_pem);
	const struct channel_opts o = {
		.accept_ctx = h->accept,
		.dial_ctx = h->dial,
		.address = "127.0.0.1",
	};
	ASSERT(!channel_open(b->loop, &o, &h->channel, &e));
}

/* ---- the channel ---- */

/* Both ends are waited for; the flow's end says that the stream is over. */
struct transfer {
	struct bench *b;
	struct channel_stream *from, *to;
	struct mover feeder, drainer;
	bool over;
};

static enum flow_rc
move_start(struct flow *f, void *arg)
{
	static const char *const addresses[] = { "127.0.0.1" };
	struct transfer *t = arg;
	const struct channel_dest dest = { addresses, 1, channel_port(t->b->b.channel),
		UUID_B };
	struct channel_opening from = { .name = "memory" }, to = { .name = "memory" };
	uint8_t key[CHANNEL_KEY_BYTES];
	struct wake parts[2];
	struct err e = ERR_INIT;
	int in[2], out[2];

	(void)flow_join(f, 2, parts);
	rng_secret(key, sizeof(key));
	from.key = to.key = key;
	from.ends.down = parts[0];
	to.ends.down = parts[1];
	ASSERT(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in));
	ASSERT(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out));
	from.fd_take = in[1];
	to.fd_take = out[1];
	ASSERT(!channel_expect(t->b->b.channel, &to, UUID_A, &t->to, &e));
	ASSERT(!channel_dial(t->b->a.channel, &from, &dest, &t->from, &e));
	t->feeder.fd = in[0];
	t->drainer.fd = out[0];
	ASSERT(!pthread_create(&t->feeder.thread, NULL, feed, &t->feeder));
	ASSERT(!pthread_create(&t->drainer.thread, NULL, drain, &t->drainer));
	return FLOW_WAIT;
}

static enum flow_rc
move_finish(struct flow *f, void *arg, int rc)
{
	struct transfer *t = arg;

	ASSERT(!rc);
	t->over = true;
	return FLOW_NEXT;
}

static const struct flow_step move_steps[] = {
	{ "move", move_start, move_finish, NULL, 0 },
	{ NULL },
};

static double
bench_stream(struct bench *b)
{
	struct transfer t = { .b = b };
	uint64_t begun = clock_mono_us(clock_system()), us;

	flow_start(flow_new(b->flows, "bench", move_steps, &t, NULL, NULL));
	while (!t.over)
		loop_turn(b->loop, 1000);
	us = clock_mono_us(clock_system()) - begun;
	pthread_join(t.feeder.thread, NULL);
	pthread_join(t.drainer.thread, NULL);
	close(t.feeder.fd);
	close(t.drainer.fd);
	channel_stream_free(t.from);
	channel_stream_free(t.to);
	return mb_per_s(TOTAL_BYTES, us);
}

static void
close_host(struct host *h)
{
	channel_free(h->channel);
	tls_ctx_free(h->accept);
	tls_ctx_free(h->dial);
}

int
main(void)
{
	struct bench b = { .dir = "/tmp/drover-bench-XXXXXX" };
	double channel = 0, pair = 0, aes = 0;

	ASSERT(mkdtemp(b.dir));
	snprintf(b.ca, sizeof(b.ca), "%s/ca.crt", b.dir);
	snprintf(b.ca_key, sizeof(b.ca_key), "%s/ca.key", b.dir);
	b.loop = loop_new(clock_system());
	b.flows = flows_new(b.loop);
	make_ca(&b);
	make_host(&b, &b.a, UUID_A);
	make_host(&b, &b.b, UUID_B);
	for (int i = 0; i < RUNS; i++) {
		double v = bench_stream(&b);

		channel = v > channel ? v : channel;
		v = bench_socketpair();
		pair = v > pair ? v : pair;
		v = bench_aes_gcm();
		aes = v > aes ? v : aes;
	}
	printf("channel_throughput %.0f MB/s\n", channel);
	printf("channel_socketpair %.0f MB/s\n", pair);
	printf("channel_aes_gcm %.0f MB/s\n", aes);
	printf("channel_to_socketpair %.2f ratio\n", channel / pair);
	printf("channel_to_aes_gcm %.2f ratio\n", channel / aes);
	close_host(&b.a);
	close_host(&b.b);
	flows_free(b.flows);
	loop_free(b.loop);
	unlink(b.ca);
	unlink(b.ca_key);
	rmdir(b.dir);
	return 0;
}
