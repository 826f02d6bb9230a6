#include "tests/lib/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"

int
proxy_connect_from(uint16_t port, uint32_t address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	from.sin_addr.s_addr = htonl(address);
	ASSERT(fd >= 0 && !bind(fd, (struct sockaddr *)&from, sizeof(from)));
	ASSERT(!connect(fd, (struct sockaddr *)&to, sizeof(to)));
	return fd;
}

int
proxy_connect(uint16_t port)
{
	return proxy_connect_from(port, INADDR_LOOPBACK);
}

bool
proxy_is_closed(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	char c;

	return poll(&p, 1, 5000) > 0 && recv(fd, &c, 1, MSG_DONTWAIT) <= 0 &&
	       errno != EAGAIN;
}

static bool
pass_on(int from, int to)
{
	uint8_t buf[65536];
	ssize_t n = recv(from, buf, sizeof(buf), 0);

	for (ssize_t at = 0; at < n;) {
		ssize_t did = send(to, buf + at, (size_t)(n - at), MSG_NOSIGNAL);

		if (did <= 0)
			return false;
		at += did;
	}
	return n > 0;
}

static void *
run_proxy(void *arg)
{
	struct proxy *p = arg;
	int in = accept(p->listen_fd, NULL, NULL), out = proxy_connect(p->target);
	bool open = true;

	while (!p->quit && open && p->mode != PROXY_CUT) {
		struct pollfd fds[] = { { in, POLLIN, 0 }, { out, POLLIN, 0 } };

		if (poll(fds, p->mode == PROXY_PASS ? 2 : 0, 5) <= 0)
			continue;
		if (fds[0].revents)
			open = pass_on(in, out);
		if (open && fds[1].revents)
			open = pass_on(out, in);
	}
	close(in);
	close(out);
	return NULL;
}

void
proxy_start(struct proxy *p, uint16_t target)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);

	*p = (struct proxy){ .target = target };
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT(!bind(p->listen_fd, (struct sockaddr *)&a, sizeof(a)));
	ASSERT(!listen(p->listen_fd, 8));
	ASSERT(!getsockname(p->listen_fd, (struct sockaddr *)&a, &len));
	p->port = ntohs(a.sin_port);
	ASSERT(!pthread_create(&p->thread, NULL, run_proxy, p));
}

void
proxy_end(struct proxy *p)
{
	p->quit = true;
	pthread_join(p->thread, NULL);
	close(p->listen_fd);
}
