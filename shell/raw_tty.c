#include "shell/raw_tty.h"

#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"

/* Signals know no argument: what they give back lies here. */
static struct {
	int fd;
	bool raw;
	struct termios old;
	sigset_t mask; /* from before */
	struct sigaction winch;
	struct sigaction ends[4];
} tty;

static volatile sig_atomic_t resized;

static const int end_signals[] = { SIGTERM, SIGHUP, SIGQUIT, SIGABRT };

static void
on_winch(int signo)
{
	resized = 1;
}

static void
on_end(int signo)
{
	(void)tcsetattr(tty.fd, TCSANOW, &tty.old);
	signal(signo, SIG_DFL);
	raise(signo);
}

static void
catch_signals(void)
{
	struct sigaction winch = { .sa_handler = on_winch };
	struct sigaction end = { .sa_handler = on_end, .sa_flags = SA_RESETHAND };
	sigset_t block;

	sigemptyset(&block);
	sigaddset(&block, SIGWINCH);
	sigprocmask(SIG_BLOCK, &block, &tty.mask);
	sigaction(SIGWINCH, &winch, &tty.winch);
	for (size_t i = 0; i < ARRAY_SIZE(end_signals); i++)
		sigaction(end_signals[i], &end, &tty.ends[i]);
}

int
raw_tty_begin(int fd, struct err *e)
{
	struct termios raw;

	if (tcgetattr(fd, &tty.old))
		return err_sys(e, ERR_INVALID, errno, "no terminal");
	tty.fd = fd;
	catch_signals();
	tty.raw = true;
	raw = tty.old;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSADRAIN, &raw)) {
		err_sys(e, ERR_IO, errno, "the terminal cannot be set up");
		raw_tty_end();
		return e->code;
	}
	resized = 1;
	return 0;
}

void
raw_tty_end(void)
{
	if (!tty.raw)
		return;
	(void)tcsetattr(tty.fd, TCSADRAIN, &tty.old);
	for (size_t i = 0; i < ARRAY_SIZE(end_signals); i++)
		sigaction(end_signals[i], &tty.ends[i], NULL);
	sigaction(SIGWINCH, &tty.winch, NULL);
	sigprocmask(SIG_SETMASK, &tty.mask, NULL);
	tty.raw = false;
}

bool
raw_tty_resized(void)
{
	bool was = tty.raw && resized;

	if (was)
		resized = 0;
	return was;
}

const sigset_t *
raw_tty_wait_mask(void)
{
	return tty.raw ? &tty.mask : NULL;
}
