// SPDX-License-Identifier: GPL-2.0
/*
 * A stand-in for a kernel with user_events, for scripts/test-library: it takes the place
 * of functions of the C library. It registers enable words, forgets them, and fails and
 * stops where a test says so. Records go to the file that USER_EVENTS_DATA names.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#include <user_event.h>

#include "kernel.h"

/* Called at these moments: see hook() */
void (*fake_hook)(const char *moment);
/* The errors of opening the files in tracefs, of registering and of unregistering */
int fake_open_error[2], fake_reg_error, fake_unreg_error;

/* Enable words, copied by fork as the kernel's are */
static uint64_t words[64];

static void hook(const char *moment)
{
	int saved = errno;

	if (fake_hook)
		fake_hook(moment);
	errno = saved;
}

/* How many of the words from @from up to @to are registered */
int fake_bound(const void *from, const void *to)
{
	int i, n = 0;

	for (i = 0; i < 64; i++)
		n += words[i] && words[i] >= (uintptr_t)from && words[i] < (uintptr_t)to;
	return n;
}

int fake_bound_all(void)
{
	return fake_bound(NULL, (void *)UINTPTR_MAX);
}

static uint64_t *find(uint64_t word)
{
	int i;

	for (i = 0; i < 64 && words[i] != word; i++)
		;
	return i < 64 ? &words[i] : NULL;
}

static int reg(struct user_event_reg_arg *arg)
{
	static uint32_t index;

	if (fake_reg_error)
		return -fake_reg_error;
	if (arg->flags & ~3)
		return -EINVAL;
	if (find(arg->word))
		return -EADDRINUSE;
	*find(0) = arg->word;
	arg->index = __atomic_fetch_add(&index, 1, __ATOMIC_RELAXED);
	return 0;
}

static int unreg(struct user_event_unreg_arg *arg)
{
	uint64_t *word = find(arg->word);

	if (fake_unreg_error)
		return -fake_unreg_error;
	if (!word)
		return -ENOENT;
	*word = 0;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int fd, unsigned long request, ...);
	bool registers = request == USER_EVENT_IOC_REG;
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (!registers && request != USER_EVENT_IOC_UNREG) {
		*(void **)&real = dlsym(RTLD_NEXT, "ioctl");
		return real(fd, request, arg);
	}
	if (fcntl(fd, F_GETFL) < 0)
		return -1;
	hook(registers ? "before reg" : "before unreg");
	errno = -(registers ? reg(arg) : unreg(arg));
	if (errno)
		return -1;
	hook(registers ? "after reg" : "after unreg");
	return 0;
}

int fcntl(int fd, int command, ...)
{
	int (*real)(int fd, int command, ...);
	va_list args;
	long arg;
	int ret;

	*(void **)&real = dlsym(RTLD_NEXT, "fcntl");
	va_start(args, command);
	arg = va_arg(args, long);
	va_end(args);
	ret = real(fd, command, arg);
	if (ret < 0 && command == F_GETFD)
		hook("closed");
	return ret;
}

long syscall(long number, ...)
{
	static const char *const paths[] = {
		"/sys/kernel/tracing/user_events_data",
		"/sys/kernel/debug/tracing/user_events_data",
	};
	long (*real)(long number, ...);
	va_list args;
	long arg[4];
	int i;

	va_start(args, number);
	for (i = 0; i < 4; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	for (i = 0; i < 2 && number == SYS_openat; i++) {
		if (fake_open_error[i] && !strcmp((const char *)arg[1], paths[i])) {
			errno = fake_open_error[i];
			return -1;
		}
	}
#ifdef SYS_poll
	if (number == SYS_poll)
		hook("sleep");
#endif
	if (number == SYS_nanosleep)
		hook("sleep");
	*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	return real(number, arg[0], arg[1], arg[2], arg[3]);
}
