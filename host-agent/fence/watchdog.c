#include "host-agent/fence/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"

#define WATCHDOG_MAGIC 0x57444f47u
#define MS_PER_S       1000u
/* The letter that tells the driver that the close to come is meant. */
#define MAGIC_CLOSE "V"

struct watchdog {
	uint32_t magic;
	const struct watchdog_ops *ops;
	void *dev;
	uint32_t timeout_s;
};

struct device {
	int fd;
};

/* ---- the kernel's ---- */

static int
device_set_timeout(void *dev, int *inout_s)
{
	const struct device *d = dev;

	if (ioctl(d->fd, WDIOC_SETTIMEOUT, inout_s))
		return -errno;
	/* Drivers round, and some say so only here. */
	return ioctl(d->fd, WDIOC_GETTIMEOUT, inout_s) ? -errno : 0;
}

static int
device_feed(void *dev)
{
	const struct device *d = dev;

	return ioctl(d->fd, WDIOC_KEEPALIVE, 0) ? -errno : 0;
}

static int
device_disarm(void *dev)
{
	const struct device *d = dev;

	return write(d->fd, MAGIC_CLOSE, 1) == 1 ? 0 : -errno;
}

static void
device_close(void *dev)
{
	struct device *d = dev;

	close(d->fd);
	free(d);
}

/* ---- all of them ---- */

int
watchdog_open_ops(const struct watchdog_ops *ops, void *dev, uint32_t want_s,
    uint32_t kill_ms, struct watchdog **ret_w, struct err *e)
{
	int s = (int)want_s, rc = ops->set_timeout(dev, &s);
	struct watchdog *w;

	if (rc)
		err_sys(e, ERR_UNSUPPORTED, -rc, "its timeout cannot be set");
	else if (s < 1 || (uint64_t)s * MS_PER_S >= kill_ms)
		rc = err_set(e, ERR_INVALID,
		    "its timeout is %d s, and the kill bound only %u ms", s, kill_ms);
	if (rc) {
		/* It runs since it was opened: off again, or it would reset the host.
		 */
		ops->disarm(dev);
		ops->close(dev);
		return rc == ERR_INVALID ? ERR_INVALID : ERR_UNSUPPORTED;
	}
	w = xcalloc(1, sizeof(*w));
	w->magic = WATCHDOG_MAGIC;
	w->ops = ops;
	w->dev = dev;
	w->timeout_s = (uint32_t)s;
	*ret_w = w;
	return 0;
}

int
watchdog_open(const char *path, uint32_t want_s, uint32_t kill_ms,
    struct watchdog **ret_w, struct err *e)
{
	static const struct watchdog_ops ops = { device_set_timeout, device_feed,
		device_disarm, device_close };
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc;
	struct device *d;

	if (fd < 0)
		return err_sys(e, ERR_UNSUPPORTED, errno, "cannot open %s", path);
	d = xcalloc(1, sizeof(*d));
	d->fd = fd;
	rc = watchdog_open_ops(&ops, d, want_s, kill_ms, ret_w, e);
	if (rc)
		err_wrap(e, "%s", path);
	return rc;
}

uint32_t
watchdog_timeout_ms(const struct watchdog *w)
{
	return w->timeout_s * MS_PER_S;
}

int
watchdog_feed(struct watchdog *w, struct err *e)
{
	int rc = w->ops->feed(w->dev);

	return rc ? err_sys(e, ERR_IO, -rc, "cannot feed the watchdog") : 0;
}

void
watchdog_abandon(struct watchdog *w)
{
	if (!w)
		return;
	ASSERT(w->magic == WATCHDOG_MAGIC);
	w->ops->close(w->dev);
	w->magic = 0;
	free(w);
}

int
watchdog_disarm(struct watchdog *w, struct err *e)
{
	int rc = w->ops->disarm(w->dev);

	watchdog_abandon(w);
	return rc ? err_sys(e, ERR_IO, -rc,
			"the watchdog cannot be switched off: it will reset the host")
		  : 0;
}

const char *
watchdog_text(const struct watchdog *w, char buf[64])
{
	if (w)
		snprintf(buf, 64, "hardware watchdog, %u s", w->timeout_s);
	else
		snprintf(buf, 64, "software fencing");
	return buf;
}
