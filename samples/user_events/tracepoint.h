/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All that a program needs for a trace event of its own: open, test, write, close.
 * What can fail returns a negative errno; heartbeat.c says what to do about each.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <linux/types.h>
#include <linux/user_events.h>

#define TRACEPOINT_DATA	"/sys/kernel/tracing/user_events_data"

/* Any bit of the enable word does; the kernel leaves the others alone */
#define TRACEPOINT_BIT	31

/*
 * The kernel writes to @enabled whenever a listener comes or goes, until
 * tracepoint_close(). Do not move or free it before.
 */
struct tracepoint {
	int	fd;
	__u32	enabled;
	__u32	write_index;
};

/*
 * All that a trace point costs while nobody listens: a load, a test and a branch. The
 * load is atomic: the compiler sees no writer, and might read @enabled only once.
 */
static inline int tracepoint_enabled(const struct tracepoint *tp)
{
	return __atomic_load_n(&tp->enabled, __ATOMIC_RELAXED) >> TRACEPOINT_BIT & 1;
}

/* @command: the name, and the fields as records are laid out */
static inline int tracepoint_open(struct tracepoint *tp, const char *command)
{
	struct user_reg reg = {
		.size = sizeof(reg), .enable_bit = TRACEPOINT_BIT,
		.enable_size = sizeof(tp->enabled), .enable_addr = (uintptr_t)&tp->enabled,
		.name_args = (uintptr_t)command,
	};
	int ret;

	tp->enabled = 0;
	tp->fd = open(TRACEPOINT_DATA, O_WRONLY | O_CLOEXEC);
	if (tp->fd < 0)
		return -errno;
	ret = ioctl(tp->fd, DIAG_IOCSREG, &reg) ? -errno : 0;
	if (ret)
		close(tp->fd);
	tp->write_index = reg.write_index;
	return ret;
}

/* @part: the write index, then the record, which is taken whole or not at all */
static inline int tracepoint_write(const struct tracepoint *tp, const struct iovec *part, int nr)
{
	return writev(tp->fd, part, nr) < 0 ? -errno : 0;
}

/* The event goes away by itself once its last program and listener have gone */
static inline int tracepoint_close(struct tracepoint *tp)
{
	struct user_unreg unreg = {
		.size = sizeof(unreg), .disable_bit = TRACEPOINT_BIT,
		.disable_addr = (uintptr_t)&tp->enabled,
	};
	int ret = ioctl(tp->fd, DIAG_IOCSUNREG, &unreg) ? -errno : 0;

	close(tp->fd);
	return ret;
}
