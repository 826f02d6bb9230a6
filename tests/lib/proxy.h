/*
 * proxy: a TCP connection on loopback that a test can stop or cut in its middle.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum proxy_mode {
	PROXY_PASS,
	PROXY_STOP, /* it stays open, and nothing passes */
	PROXY_CUT,
};

struct proxy {
	int listen_fd;
	uint16_t port, target;
	pthread_t thread;
	_Atomic int mode;
	atomic_bool quit;
};

/* One connection to p->port is passed on to target, in a thread of its own. */
void proxy_start(struct proxy *p, uint16_t target);
void proxy_end(struct proxy *p);
/* A connection to that port of loopback. */
int proxy_connect(uint16_t port);
/* From another address of this machine's loopback, in host order. */
int proxy_connect_from(uint16_t port, uint32_t address);
/* Within 5 s; set errno to 0 before. */
bool proxy_is_closed(int fd);
