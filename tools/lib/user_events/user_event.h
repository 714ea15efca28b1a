/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * user_event.h - trace events of a program
 *
 *	#include <user_event.h>
 *
 *	USER_EVENT(loaf_sold, u32 grams, u64 took_ns, str kind);
 *
 *	user_event(loaf_sold, 750, took(), "rye");
 *
 * USER_EVENT(), outside of functions, declares an event with its fields. ftrace,
 * perf, trace-cmd and BPF see it as user_events:loaf_sold while the program runs.
 * user_event() writes a record if somebody listens. If nobody does it costs a load,
 * a test and a branch, and evaluates none of its arguments.
 *
 * This header is all there is to it: C99 or C++11, gcc or clang, and a C library.
 * See user_event(3) for the fields, and user_event_why(3) for what to do when no
 * records come.
 */
#ifndef USER_EVENT_H
#define USER_EVENT_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* With -std=c99 the C library keeps these to itself */
#ifndef O_CLOEXEC
#define O_CLOEXEC	__O_CLOEXEC
#endif
#ifndef F_DUPFD_CLOEXEC
#define F_DUPFD_CLOEXEC	1030
#endif
#ifndef AT_FDCWD
#define AT_FDCWD	-100
#endif

#ifdef __cplusplus
#define USER_EVENT_CAST(type, value)	static_cast<type>(value)
extern "C" {
#else
#define USER_EVENT_CAST(type, value)	((type)(value))
#endif

/* Options of USER_EVENT_WITH() */
#define USER_EVENT_PERSIST	1U	/* stays until it is deleted */
#define USER_EVENT_MULTI_FORMAT	2U	/* other programs may have other fields */

/**
 * struct user_event - an event of this program
 * @enabled: not 0 while somebody listens: the kernel sets and clears bit 0
 * @index: the write index that its records begin with, once it is registered
 * @error: why it is not registered, an errno; 0 if it is, -1 before it was tried
 * @flags: USER_EVENT_PERSIST, USER_EVENT_MULTI_FORMAT
 * @bound: USER_EVENT_BOUND, USER_EVENT_UNOPENED
 * @command: name and fields, as the kernel reads them
 * @next: the next event that shares the file
 *
 * Must not be moved or freed while it is bound.
 */
struct user_event {
	uint32_t enabled;
	uint32_t index;
	int error;
	uint16_t flags;
	uint16_t bound;
	const char *command;
	struct user_event *next;
};

/* The kernel may write to @enabled; also if @error says why there is no @index */
#define USER_EVENT_BOUND	1U
/* @error is that of opening the file, not of registering the event */
#define USER_EVENT_UNOPENED	2U

/*
 * What the events of all objects that see one another's symbols share. Weak, so that an
 * object that is linked, or loaded, later uses the first one it can see. Its symbol has the
 * version of this structure and of struct user_event: objects with another version do not
 * share it.
 *
 * @lock: thread ID of the thread that changes the rest, 0 if none does
 * @file: user_events_data, negative if it is not open
 * @given: the program hands @file over with user_event_use_file()
 * @unused: an errno in earlier versions of this header
 * @lost: process ID of the process that last found @file closed, 0 if none did: a
 *	child of vfork() shares all this with its parent, but not its descriptors
 * @device: of @file; with @inode, tells whether it is still the same file
 * @inode: of @file
 * @events: all events that share this
 */
struct user_event_process {
	int lock;
	int file;
	int given;
	int unused;
	int lost;
	uint64_t device;
	uint64_t inode;
	struct user_event *events;
};

#ifdef USER_EVENT_LIBRARY
#define USER_EVENT_FN
#define USER_EVENT_STATE
#else
#define USER_EVENT_FN	__attribute__((weak, visibility("hidden")))
#define USER_EVENT_STATE __attribute__((weak, visibility("default")))
#endif

extern struct user_event_process user_event_process __asm__("user_event_process_0");
USER_EVENT_STATE struct user_event_process user_event_process = {
	0, -1, 0, 0, 0, 0, 0, NULL
};

/* Bytes of a command string that the kernel takes, with its NUL */
#define USER_EVENT_COMMAND_MAX	512

/* The most bytes of one record in fields without a fixed size */
#define USER_EVENT_SIZE_MAX	64500

/* With up to this many of those bytes a record is copied into one piece */
#define USER_EVENT_ONE_PIECE	512

/*
 * Other files get the lowest free numbers: stay out of their way. Not higher than that: fork
 * copies the table of descriptors up to the last one.
 */
#define USER_EVENT_FILE_MIN	4096
/* One of this many numbers; a prime, as addresses may be aligned */
#define USER_EVENT_FILE_SPREAD	397
/* The last one is less than (SPREAD + PARTS) / PARTS times the first one */
#define USER_EVENT_FILE_PARTS	500

/* How often to yield before sleeping: a thread of lower priority may have the lock */
#define USER_EVENT_YIELDS	100

/* The kernel's ABI, whose header the machine may not have */
struct user_event_reg_arg {
	uint32_t size;
	uint8_t bit;
	uint8_t word_size;
	uint16_t flags;
	uint64_t word;
	uint64_t command;
	uint32_t index;
} __attribute__((packed));

struct user_event_unreg_arg {
	uint32_t size;
	uint8_t bit;
	uint8_t reserved;
	uint16_t reserved2;
	uint64_t word;
} __attribute__((packed));

#define USER_EVENT_IOC_REG	_IOWR('*', 0, struct user_event_reg_arg *)
#define USER_EVENT_IOC_UNREG	_IOW('*', 2, struct user_event_unreg_arg *)

/*
 * syscall(), which <unistd.h> does not declare for all programs. open(), close() and
 * write() of the C library are cancellation points: they would end a cancelled thread
 * with the lock held, or at an event that ends no thread while nobody listens.
 */
long user_event_syscall(long number, ...) __asm__("syscall");

/* An address, as the ABI has it */
static inline __attribute__((unused)) uint64_t user_event_address(const void *at)
{
	uintptr_t address;

	memcpy(&address, &at, sizeof(address));
	return address;
}

int user_event_is_gone(int thread);
void user_event_nap(void);
void user_event_lock(void);
void user_event_unlock(void);
int user_event_open_path(const char *path);
void user_event_close(int file);
int user_event_first_number(void);
const char *user_event_path(void);
int user_event_open(void);
void user_event_set_file(int file, int given);
int user_event_file_is_open(void);
void user_event_forget_file(void);
int user_event_ioctl(int file, unsigned long request, void *argument);
int user_event_unbind(struct user_event *event, int file);
void user_event_give_up(struct user_event *event, int error);
void user_event_try(struct user_event *event);
int user_event_register(struct user_event *event);
int user_event_unregister(struct user_event *event);
#ifndef LIBUSER_EVENT_H
int user_event_retry(void);
int user_event_use_file(int file);
const char *user_event_reason(const struct user_event *event);
#endif
void user_event_file_lost(int file);

/* Is there no such thread in this process? */
USER_EVENT_FN int user_event_is_gone(int thread)
{
	return user_event_syscall(SYS_tgkill, getpid(), thread, 0) && errno == ESRCH;
}

/* Sleep for a millisecond; nanosleep() is a cancellation point, too */
USER_EVENT_FN void user_event_nap(void)
{
#ifdef SYS_poll
	user_event_syscall(SYS_poll, 0L, 0L, 1L);
#elif defined(SYS_nanosleep)
	static const long millisecond[] = { 0, 1000000 };

	user_event_syscall(SYS_nanosleep, millisecond, 0L);
#endif
}

/*
 * A forked child takes over a lock that a thread of its parent held. In a new PID
 * namespace that thread's ID may be the caller's own, which means the same, as no thread
 * takes the lock twice.
 */
USER_EVENT_FN void user_event_lock(void)
{
	int self = USER_EVENT_CAST(int, user_event_syscall(SYS_gettid));
	int owner = 0, tries = 0;

	while (!__atomic_compare_exchange_n(&user_event_process.lock, &owner,
					    self, 0, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED)) {
		if ((owner == self || user_event_is_gone(owner)) &&
		    __atomic_compare_exchange_n(&user_event_process.lock,
						&owner, self, 0,
						__ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			break;
		owner = 0;
		if (++tries < USER_EVENT_YIELDS)
			sched_yield();
		else
			user_event_nap();
	}
}

USER_EVENT_FN void user_event_unlock(void)
{
	__atomic_store_n(&user_event_process.lock, 0, __ATOMIC_RELEASE);
}

/* A descriptor, or -errno. Not to wait if it is a FIFO; to user events that is no matter. */
USER_EVENT_FN int user_event_open_path(const char *path)
{
	long file = user_event_syscall(SYS_openat, AT_FDCWD, path,
				       O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return file < 0 ? -errno : USER_EVENT_CAST(int, file);
}

USER_EVENT_FN void user_event_close(int file)
{
	user_event_syscall(SYS_close, file);
}

/*
 * A program that closes the file and opens other files does not reuse its number. Nor
 * does an object that has its own user_event_process, at another address:
 * user_event_file_is_open() would take its file for the one that was closed.
 */
USER_EVENT_FN int user_event_first_number(void)
{
	uint64_t page = user_event_address(&user_event_process) >> 12;
	uint64_t first = USER_EVENT_FILE_MIN;
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur <= 2 * USER_EVENT_FILE_MIN)
		first = limit.rlim_cur / 2;
	first += page % USER_EVENT_FILE_SPREAD * first / USER_EVENT_FILE_PARTS;
	return USER_EVENT_CAST(int, first);
}

/* The file that the environment names, or NULL */
USER_EVENT_FN const char *user_event_path(void)
{
	const char *path = getauxval(AT_SECURE) ? NULL : getenv("USER_EVENTS_DATA");

	return path && *path ? path : NULL;
}

/* Open user_events_data wherever it is: a descriptor, or -errno */
USER_EVENT_FN int user_event_open(void)
{
	static const char *const paths[] = {
		"/sys/kernel/tracing/user_events_data",
		"/sys/kernel/debug/tracing/user_events_data",
	};
	const char *path = user_event_path();
	int file, second, high;

	if (path) {
		file = user_event_open_path(path);
	} else {
		file = user_event_open_path(paths[0]);
		/* Its error does not count: debugfs is closed to most users */
		second = file == -ENOENT ? user_event_open_path(paths[1]) : -1;
		if (second >= 0)
			file = second;
	}
	if (file < 0)
		return file;

	high = fcntl(file, F_DUPFD_CLOEXEC, user_event_first_number());
	if (high < 0)
		return file;
	user_event_close(file);
	return high;
}

/* Use a file in which no event has an index yet; with the lock held */
USER_EVENT_FN void user_event_set_file(int file, int given)
{
	struct user_event_process *process = &user_event_process;
	struct stat st;

	memset(&st, 0, sizeof(st));
	fstat(file, &st);
	process->device = st.st_dev;
	process->inode = st.st_ino;
	process->given = given;
	__atomic_store_n(&process->file, file, __ATOMIC_SEQ_CST);
	/* Not before, see user_event_file_lost() */
	__atomic_store_n(&process->lost, 0, __ATOMIC_SEQ_CST);
}

/* Is it still the same file? The program may have closed it; with the lock held */
USER_EVENT_FN int user_event_file_is_open(void)
{
	struct user_event_process *process = &user_event_process;
	struct stat st;

	return process->file >= 0 &&
		__atomic_load_n(&process->lost, __ATOMIC_SEQ_CST) != getpid() &&
		!fstat(process->file, &st) &&
		st.st_dev == process->device && st.st_ino == process->inode;
}

/*
 * Give up the file, and the indexes in it; with the lock held. The events stay bound:
 * to unbind them takes an open file, so user_event_try() does it once there is one.
 */
USER_EVENT_FN void user_event_forget_file(void)
{
	struct user_event_process *process = &user_event_process;
	struct user_event *event;

	/* In this order: see user_event_where() */
	__atomic_store_n(&process->file, -1, __ATOMIC_SEQ_CST);
	for (event = process->events; event; event = event->next) {
		if (!event->error)
			event->error = EBADF;
		__atomic_store_n(&event->index, UINT32_MAX, __ATOMIC_RELEASE);
	}
}

/* Returns 0 or an errno */
USER_EVENT_FN int user_event_ioctl(int file, unsigned long request, void *argument)
{
	int ret;

	do {
		ret = ioctl(file, request, argument);
	} while (ret && errno == EINTR);
	return ret ? errno : 0;
}

/*
 * Make the kernel forget the enable word. Any user_events_data does as @file, which may
 * be -errno. Returns 0, or an errno: the kernel may still write to the word.
 */
USER_EVENT_FN int user_event_unbind(struct user_event *event, int file)
{
	struct user_event_unreg_arg unreg;
	int error;

	if (file < 0)
		return -file;
	memset(&unreg, 0, sizeof(unreg));
	unreg.size = sizeof(unreg);
	unreg.word = user_event_address(&event->enabled);
	error = user_event_ioctl(file, USER_EVENT_IOC_UNREG, &unreg);
	if (error && error != ENOENT)
		return error;
	event->bound = 0;
	return 0;
}

/*
 * Note why an event cannot be registered; with the lock held. A file that is no
 * user_events_data, or one of a group that was removed, will never work: close it, and the
 * next try opens what there is by then.
 */
USER_EVENT_FN void user_event_give_up(struct user_event *event, int error)
{
	struct user_event_process *process = &user_event_process;
	struct user_event *other;
	int file;

	event->error = error;
	if (process->given || (error != ENOTTY && error != ENODEV))
		return;
	/* ENODEV may also say that there is no number left for another event */
	for (other = process->events; other; other = other->next) {
		if (!other->error)
			return;
	}
	file = process->file;
	user_event_forget_file();
	user_event_close(file);
}

/*
 * Open the file if it is not, and register an event, whose @error is not 0; with the lock
 * held.
 *
 * Another thread may fork at any moment. The child tries again to register an event with
 * an error, and unbinds one that is bound: @bound is set before the kernel is called, and
 * @error cleared last.
 */
USER_EVENT_FN void user_event_try(struct user_event *event)
{
	struct user_event_process *process = &user_event_process;
	struct user_event_reg_arg reg;
	int file, error;

	if (!user_event_file_is_open()) {
		/* In another file the events have other indexes */
		user_event_forget_file();
		if (process->given) {
			event->error = EBADF;
			return;
		}
		file = user_event_open();
		if (file < 0) {
			event->bound |= USER_EVENT_UNOPENED;
			event->error = -file;
			return;
		}
		user_event_set_file(file, 0);
	}
	event->bound &= USER_EVENT_BOUND;

	/* It may still be bound through an earlier file */
	error = event->bound ? user_event_unbind(event, process->file) : 0;
	if (error) {
		user_event_give_up(event, error);
		return;
	}
	memset(&reg, 0, sizeof(reg));
	reg.size = sizeof(reg);
	reg.word_size = sizeof(event->enabled);
	reg.flags = event->flags;
	reg.word = user_event_address(&event->enabled);
	reg.command = user_event_address(event->command);
	__atomic_store_n(&event->bound, USER_EVENT_BOUND, __ATOMIC_RELEASE);
	error = user_event_ioctl(process->file, USER_EVENT_IOC_REG, &reg);
	if (error) {
		event->bound = 0;
		user_event_give_up(event, error);
		return;
	}
	/* The bit may be set already: until now there was no index for records */
	__atomic_store_n(&event->index, reg.index, __ATOMIC_RELEASE);
	__atomic_store_n(&event->error, 0, __ATOMIC_RELEASE);
}

/**
 * user_event_register() - register an event; USER_EVENT() does so at start
 * @event: the event, @error -1 and @index UINT32_MAX
 *
 * Return: 0, or an errno. The event is tried again by user_event_retry().
 */
USER_EVENT_FN int user_event_register(struct user_event *event)
{
	int saved = errno, error;

	user_event_lock();
	event->next = user_event_process.events;
	/* Not before @next is set: another thread may fork in between */
	__atomic_store_n(&user_event_process.events, event, __ATOMIC_RELEASE);
	user_event_try(event);
	error = event->error;
	user_event_unlock();
	errno = saved;
	return error;
}

/**
 * user_event_unregister() - end what user_event_register() began
 * @event: the event
 *
 * Return: 0, and the memory of @event may be freed; or an errno, and the kernel may
 * write to it as long as the process runs.
 */
USER_EVENT_FN int user_event_unregister(struct user_event *event)
{
	struct user_event_process *process = &user_event_process;
	int saved = errno, error = 0, open, file;
	struct user_event **at;

	user_event_lock();
	/* First: if another thread forks, only an event in the list loses an old index */
	event->error = -1;
	__atomic_store_n(&event->index, UINT32_MAX, __ATOMIC_RELEASE);
	for (at = &process->events; *at && *at != event; at = &(*at)->next)
		;
	if (*at)
		*at = event->next;
	open = user_event_file_is_open();
	if (event->bound & USER_EVENT_BOUND) {
		/* Any open file does, if the program has closed this one */
		file = open ? process->file : user_event_open();
		error = user_event_unbind(event, file);
		if (!open && file >= 0)
			user_event_close(file);
	}
	__atomic_store_n(&event->enabled, 0, __ATOMIC_RELAXED);
	/* After the last event close the file, and release what it holds */
	if (!process->events && !process->given) {
		if (open)
			user_event_close(process->file);
		user_event_forget_file();
	}
	user_event_unlock();
	errno = saved;
	return error;
}

/**
 * user_event_retry() - try again to register what could not be registered
 *
 * Only the events of the objects that share the file: an object that was loaded with
 * dlopen() and does not see the program's symbols has to call this itself. To let it see
 * them, link the program with -rdynamic.
 *
 * Return: how many of these events are not registered now.
 */
USER_EVENT_FN int user_event_retry(void)
{
	struct user_event *event;
	int saved = errno, missing = 0;

	user_event_lock();
	if (!user_event_file_is_open())
		user_event_forget_file();
	for (event = user_event_process.events; event; event = event->next) {
		if (event->error)
			user_event_try(event);
		missing += !!event->error;
	}
	user_event_unlock();
	errno = saved;
	return missing;
}

/**
 * user_event_use_file() - use an open user_events_data that was handed over
 * @file: the file, which stays the caller's; -1 to go back to one's own
 *
 * For a process that may not open it. Events that are registered are registered
 * through @file instead, and with no other file: if @file is not open for writing they
 * fail with EBADF. Only the events of the objects that share the file, as with
 * user_event_retry().
 *
 * Return: how many of these events are not registered now.
 */
USER_EVENT_FN int user_event_use_file(int file)
{
	struct user_event_process *process = &user_event_process;
	int saved = errno, flags, old;

	user_event_lock();
	old = !process->given && user_event_file_is_open() ? process->file : -1;
	user_event_forget_file();
	if (old >= 0)
		user_event_close(old);
	process->given = file >= 0;
	flags = fcntl(file, F_GETFL);
	if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY)
		user_event_set_file(file, 1);
	user_event_unlock();
	errno = saved;
	return user_event_retry();
}

/**
 * user_event_reason() - why an event has no records, in words
 * @event: the event
 *
 * Return: a text for a person, which need not be copied.
 */
USER_EVENT_FN const char *user_event_reason(const struct user_event *event)
{
	int saved = errno, in_open, given, error;

	user_event_lock();
	in_open = event->bound & USER_EVENT_UNOPENED;
	given = user_event_process.given;
	error = event->error;
	if (!error && !user_event_file_is_open())
		error = EBADF;
	user_event_unlock();
	errno = saved;

	switch (error) {
	case 0:
		if (__atomic_load_n(&event->enabled, __ATOMIC_RELAXED))
			return "it is recorded: somebody listens";
		return event->flags & USER_EVENT_MULTI_FORMAT ?
			"nobody listens: enable it, for instance in /sys/kernel/tracing/events/user_events_multi, or user_events_GROUP_multi" :
			"nobody listens: enable it, for instance in /sys/kernel/tracing/events/user_events, or user_events_GROUP";
	case -1:
		return "it has not been registered yet, or not any more";
	case ENOENT:
		if (user_event_path())
			return "USER_EVENTS_DATA names a file that does not exist: correct it or unset it, and start the program again";
		return "there is no user_events_data: mount tracefs on /sys/kernel/tracing, on a kernel with CONFIG_USER_EVENTS, or set USER_EVENTS_DATA";
	case EACCES:
		return "no permission to open user_events_data: an administrator gives it with chgrp and chmod g+w, and with chmod o+x /sys/kernel/tracing after chmod o-rx /sys/kernel/tracing/events";
	case EROFS:
		return "tracefs is mounted read-only: mount -o remount,rw /sys/kernel/tracing";
	case EPERM:
		return in_open ? "the kernel is locked down, tracing is not available" :
				 "USER_EVENT_PERSIST takes CAP_PERFMON";
	case EMFILE:
	case ENFILE:
		return in_open ? "too many open files: raise ulimit -n" :
				 "too many user events: raise kernel.user_events_max, user.max_user_events or user.max_user_event_bits, or the group's limit";
	case EADDRINUSE:
		return "an event of this name has other fields: rename it, use USER_EVENT_MULTI_FORMAT, or end the other program or stop what still listens to the old one, then user_event_retry()";
	case EINVAL:
		return "the kernel does not take this name, or these fields or options: see user_event(3)";
	case ENOTTY:
	case ENXIO:
		return "this is no user_events_data, or one of a kernel that is too old";
	case EBADF:
		return given ? "the file that was handed over is not open for writing: call user_event_use_file() again" :
			       "the program has closed the file: user_event_retry() opens it again";
	case ENODEV:
		return "the group was removed, or there is no number left for another event";
	case ENOMEM:
		return "no memory";
	default:
		return strerror(error);
	}
}

/* A record was refused with EBADF: nobody listens any more, or the file is closed */
USER_EVENT_FN void user_event_file_lost(int file)
{
	struct user_event_process *process = &user_event_process;

	if (fcntl(file, F_GETFD) >= 0)
		return;
	/* May be a signal handler: user_event_retry() does the rest */
	__atomic_store_n(&process->lost, getpid(), __ATOMIC_SEQ_CST);
	/* Another thread may just have replaced it, mostly by one with the same number */
	if (__atomic_load_n(&process->file, __ATOMIC_SEQ_CST) != file ||
	    fcntl(file, F_GETFD) >= 0)
		__atomic_store_n(&process->lost, 0, __ATOMIC_SEQ_CST);
}

#ifdef __cplusplus
}
#endif

/* A record while it is put together, see USER_EVENT_DEFINE() */
struct user_event_record {
	unsigned char *head;
	size_t fixed;
	size_t dynamic;
	struct iovec *iov;
	int pieces;
};

/* Adds a piece of data behind the fixed part, and its location at offset @at */
static inline __attribute__((unused)) void
user_event_add_piece(struct user_event_record *record, size_t at,
		     const void *data, size_t size)
{
	size_t offset = record->fixed + record->dynamic - at - 4;
	uint32_t loc;

	/* Larger than 16 bits can say, and than any listener takes: do not write it */
	if (record->dynamic > USER_EVENT_SIZE_MAX || offset > UINT16_MAX ||
	    size > USER_EVENT_SIZE_MAX - record->dynamic) {
		record->dynamic = USER_EVENT_SIZE_MAX + 1;
		return;
	}
	loc = USER_EVENT_CAST(uint32_t, size << 16 | offset);
	memcpy(record->head + at, &loc, sizeof(loc));
	memcpy(&record->iov[record->pieces].iov_base, &data, sizeof(data));
	record->iov[record->pieces++].iov_len = size;
	record->dynamic += size;
}

static inline __attribute__((unused)) size_t user_event_strsize(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

/* At most @size characters, and zeroes behind them */
static inline __attribute__((unused)) void
user_event_copy_chars(unsigned char *at, const char *text, size_t size)
{
	size_t i;

	memset(at, 0, size);
	for (i = 0; i < size && text && text[i]; i++)
		at[i] = USER_EVENT_CAST(unsigned char, text[i]);
}

static inline __attribute__((unused)) void
user_event_copy_bytes(unsigned char *at, const void *data, size_t size)
{
	if (data)
		memcpy(at, data, size);
	else
		memset(at, 0, size);
}

/*
 * The file to write to, and the index of an event in it; -1 if there is none.
 *
 * Both change under the lock, in this order: the file becomes -1, each index becomes
 * UINT32_MAX, then the new file is stored, then each index in it. So a reader that loads
 * a new index does not load an old file after it, and one that loads the new file after
 * an old index sees that the index has changed. One case is left, as with any
 * descriptor: the program closes it and gets the same number again while another thread
 * is about to write to it.
 */
static inline __attribute__((unused)) int
user_event_where(const struct user_event *event, uint32_t *index)
{
	struct user_event_process *process = &user_event_process;
	uint32_t before = __atomic_load_n(&event->index, __ATOMIC_ACQUIRE);
	int file = __atomic_load_n(&process->file, __ATOMIC_ACQUIRE);
	int lost = __atomic_load_n(&process->lost, __ATOMIC_RELAXED);

	*index = __atomic_load_n(&event->index, __ATOMIC_RELAXED);
	if (*index != before || *index == UINT32_MAX || (lost && lost == getpid()))
		return -1;
	return file;
}

static inline __attribute__((unused)) void
user_event_write_record(const struct user_event *event,
			struct user_event_record *record, size_t room)
{
	size_t size = record->fixed;
	int file, saved, i;
	uint32_t index;
	long written;

	file = user_event_where(event, &index);
	if (__builtin_expect(file < 0 || record->dynamic > USER_EVENT_SIZE_MAX, 0))
		return;
	saved = errno;
	memcpy(record->head, &index, sizeof(index));
	if (record->fixed + record->dynamic <= room) {
		/* In one piece: write() is cheaper than writev() */
		for (i = 1; i < record->pieces; i++) {
			/* An empty piece may be NULL */
			if (record->iov[i].iov_len)
				memcpy(record->head + size,
				       record->iov[i].iov_base,
				       record->iov[i].iov_len);
			size += record->iov[i].iov_len;
		}
		written = user_event_syscall(SYS_write, file, record->head, size);
	} else {
		record->iov[0].iov_base = record->head;
		record->iov[0].iov_len = size;
		written = user_event_syscall(SYS_writev, file, record->iov,
					     USER_EVENT_CAST(long, record->pieces));
	}
	if (__builtin_expect(written < 0, 0)) {
		if (errno == EBADF)
			user_event_file_lost(file);
		errno = saved;
	}
}

/*
 * The types of fields. Each becomes arguments of another macro: how it is stored, which
 * must not be a macro of the program, the size of its array, its type for the kernel and
 * in C; the name follows.
 */
#define USER_EVENT_T_u8		ue_num, 0, "u8", uint8_t,
#define USER_EVENT_T_u16	ue_num, 0, "u16", uint16_t,
#define USER_EVENT_T_u32	ue_num, 0, "u32", uint32_t,
#define USER_EVENT_T_u64	ue_num, 0, "u64", uint64_t,
#define USER_EVENT_T_s8		ue_num, 0, "s8", int8_t,
#define USER_EVENT_T_s16	ue_num, 0, "s16", int16_t,
#define USER_EVENT_T_s32	ue_num, 0, "s32", int32_t,
#define USER_EVENT_T_s64	ue_num, 0, "s64", int64_t,
/* A string of any length, and one of at most N characters */
#define USER_EVENT_T_str	ue_str, 0, "__rel_loc char[]", const char *,
#define USER_EVENT_T_chars(N)						\
	ue_chars, USER_EVENT_1_TO_1024(N, 1##N, #N), "char[" #N "]", const char *,
/* Any number of bytes, which is an argument of its own, and N bytes */
#define USER_EVENT_T_blob	ue_blob, 0, "__rel_loc u8[]", const void *,
#define USER_EVENT_T_bytes(N)						\
	ue_bytes, USER_EVENT_1_TO_1024(N, 1##N, #N), "unsigned char[" #N "]", const void *,

/*
 * N, if it is a decimal number from 1 to 1024; nothing else compiles, because the kernel
 * reads it as text. A 1 in front of a decimal number of n digits adds 10^n, which it
 * does to no other expression of that length.
 */
#define USER_EVENT_1_TO_1024(N, one_N, text)				\
	((N) * sizeof(char[(N) >= 1 && (N) <= 1024 &&			\
			   (one_N) - (N) == (sizeof(text) == 2 ? 10 :	\
					     sizeof(text) == 3 ? 100 :	\
					     sizeof(text) == 4 ? 1000 :	\
					     sizeof(text) == 5 ? 10000 : 0) ? 1 : -1]))

/* In the command string */
#define USER_EVENT_COMMAND(how, n, type, ctype, name)	" " type " " #name ";"

/* Among the parameters of the function that writes a record */
#define USER_EVENT_PARAM(how, n, type, ctype, name)			\
	USER_EVENT_PARAM_##how(ctype, name)
#define USER_EVENT_PARAM_ue_num(ctype, name)	, ctype name
#define USER_EVENT_PARAM_ue_str(ctype, name)	, ctype name
#define USER_EVENT_PARAM_ue_chars(ctype, name)	, ctype name
#define USER_EVENT_PARAM_ue_bytes(ctype, name)	, ctype name
#define USER_EVENT_PARAM_ue_blob(ctype, name)	, ctype name, size_t ue_size_##name

/* Bytes in the fixed part of a record, and pieces behind it */
#define USER_EVENT_FIXED(how, n, type, ctype, name)			\
	+ USER_EVENT_FIXED_##how(n, ctype)
#define USER_EVENT_FIXED_ue_num(n, ctype)	sizeof(ctype)
#define USER_EVENT_FIXED_ue_str(n, ctype)	sizeof(uint32_t)
#define USER_EVENT_FIXED_ue_blob(n, ctype)	sizeof(uint32_t)
#define USER_EVENT_FIXED_ue_chars(n, ctype)	(n)
#define USER_EVENT_FIXED_ue_bytes(n, ctype)	(n)
#define USER_EVENT_PIECES(how, n, type, ctype, name)			\
	+ USER_EVENT_PIECES_##how
#define USER_EVENT_PIECES_ue_num	0
#define USER_EVENT_PIECES_ue_str	1
#define USER_EVENT_PIECES_ue_blob	1
#define USER_EVENT_PIECES_ue_chars	0
#define USER_EVENT_PIECES_ue_bytes	0

/* How a field is stored at ue_at */
#define USER_EVENT_STORE(how, n, type, ctype, name)			\
	USER_EVENT_STORE_##how(n, name)					\
	ue_at += USER_EVENT_FIXED_##how(n, ctype);
#define USER_EVENT_STORE_ue_num(n, name)				\
	memcpy(ue_head + ue_at, &name, sizeof(name));
#define USER_EVENT_STORE_ue_str(n, name)					\
	user_event_add_piece(&ue_record, ue_at, name,			\
			     user_event_strsize(name));
#define USER_EVENT_STORE_ue_blob(n, name)					\
	user_event_add_piece(&ue_record, ue_at, name, name ? ue_size_##name : 0);
#define USER_EVENT_STORE_ue_chars(n, name)					\
	user_event_copy_chars(ue_head + ue_at, name, n);
#define USER_EVENT_STORE_ue_bytes(n, name)					\
	user_event_copy_bytes(ue_head + ue_at, name, n);

/*
 * M(the arguments of a field) for each of up to 16 fields. A type that is none of them, and
 * more fields, become a type in C that is not declared: the first error names it.
 */
#define USER_EVENT_CALL(M, ...)						\
	USER_EVENT_JOIN(USER_EVENT_CALL_, USER_EVENT_MORE(__VA_ARGS__))(M, __VA_ARGS__)
#define USER_EVENT_CALL_0(M, field)	M(ue_num, 0, "", field, ue_unused)
#define USER_EVENT_CALL_1(M, ...)	M(__VA_ARGS__)
#define USER_EVENT_EACH_0(M)
#define USER_EVENT_EACH_1(M, f)		USER_EVENT_CALL(M, USER_EVENT_T_##f)
#define USER_EVENT_EACH_2(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_1(M, __VA_ARGS__)
#define USER_EVENT_EACH_3(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_2(M, __VA_ARGS__)
#define USER_EVENT_EACH_4(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_3(M, __VA_ARGS__)
#define USER_EVENT_EACH_5(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_4(M, __VA_ARGS__)
#define USER_EVENT_EACH_6(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_5(M, __VA_ARGS__)
#define USER_EVENT_EACH_7(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_6(M, __VA_ARGS__)
#define USER_EVENT_EACH_8(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_7(M, __VA_ARGS__)
#define USER_EVENT_EACH_9(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_8(M, __VA_ARGS__)
#define USER_EVENT_EACH_10(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_9(M, __VA_ARGS__)
#define USER_EVENT_EACH_11(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_10(M, __VA_ARGS__)
#define USER_EVENT_EACH_12(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_11(M, __VA_ARGS__)
#define USER_EVENT_EACH_13(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_12(M, __VA_ARGS__)
#define USER_EVENT_EACH_14(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_13(M, __VA_ARGS__)
#define USER_EVENT_EACH_15(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_14(M, __VA_ARGS__)
#define USER_EVENT_EACH_16(M, f, ...)	USER_EVENT_CALL(M, USER_EVENT_T_##f) \
	USER_EVENT_EACH_15(M, __VA_ARGS__)
#define USER_EVENT_EACH_17(M, ...)	M(ue_num, 0, "", more_than_16_fields, ue_unused)

/* How many arguments follow the first one, 17 for 17 to 33, and whether any does */
#define USER_EVENT_COUNT(...)						\
	USER_EVENT_35TH(__VA_ARGS__, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17,	\
			17, 17, 17, 17, 17, 16, 15, 14, 13, 12, 11, 10,	\
			9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
#define USER_EVENT_MORE(...)						\
	USER_EVENT_35TH(__VA_ARGS__, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,	\
			1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,	\
			1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0)
#define USER_EVENT_35TH(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12,	\
			a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24,	\
			a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, n, ...) n
#define USER_EVENT_JOIN(a, b)		USER_EVENT_JOIN_(a, b)
#define USER_EVENT_JOIN_(a, b)		a##b

/**
 * USER_EVENT() - declare an event of the program
 * @name: its name, an identifier
 * @...: its fields, each a type and a name: u8 u16 u32 u64 s8 s16 s32 s64 NAME,
 *	str NAME, chars(N) NAME, blob NAME, bytes(N) NAME; none is fine
 *
 * Outside of functions. The event is registered when the program or shared object that
 * it is in is loaded, before the constructors of C++ objects, and unregistered when
 * that is unloaded.
 */
#define USER_EVENT(...)		USER_EVENT_WITH(0, __VA_ARGS__)

/**
 * USER_EVENT_WITH() - declare an event with options
 * @options: USER_EVENT_PERSIST, USER_EVENT_MULTI_FORMAT, or both
 * @...: as USER_EVENT()
 */
#define USER_EVENT_WITH(options, ...)					\
	USER_EVENT_JOIN(USER_EVENT_WITH_, USER_EVENT_MORE(__VA_ARGS__))	\
		(options, __VA_ARGS__)
#define USER_EVENT_WITH_0(options, name)				\
	USER_EVENT_DEFINE(options, name, #name, , + 0, + 0, )
#define USER_EVENT_WITH_1(options, name, ...)				\
	USER_EVENT_FIELDS(USER_EVENT_JOIN(USER_EVENT_EACH_,		\
					  USER_EVENT_COUNT(__VA_ARGS__, 0)), \
			  options, name, __VA_ARGS__)
#define USER_EVENT_FIELDS(EACH, options, name, ...)			\
	USER_EVENT_DEFINE(options, name,				\
			  #name EACH(USER_EVENT_COMMAND, __VA_ARGS__),	\
			  EACH(USER_EVENT_PARAM, __VA_ARGS__),		\
			  EACH(USER_EVENT_FIXED, __VA_ARGS__),		\
			  EACH(USER_EVENT_PIECES, __VA_ARGS__),		\
			  EACH(USER_EVENT_STORE, __VA_ARGS__))
#define USER_EVENT_DEFINE(options, name, command, params, fixed, pieces, store)	\
	static struct user_event user_event_of_##name = {		\
		0, UINT32_MAX, -1, options, 0, command, NULL		\
	};								\
	/* A field may have the name of a variable of the program */	\
	_Pragma("GCC diagnostic push")					\
	_Pragma("GCC diagnostic ignored \"-Wshadow\"")			\
	static __attribute__((unused, noinline, cold)) void		\
	user_event_emit_##name(const struct user_event *ue_event params) \
	{								\
		/* Names that no field may have; a number is no name */	\
		enum {							\
			common_type, common_flags, common_preempt_count, \
			common_pid, name##_is_an_identifier,		\
			/* and no event: they are files beside it */	\
			enable_is_an_identifier, filter_is_an_identifier, \
			ue_fixed = sizeof(uint32_t) fixed,		\
			ue_pieces = 0 pieces,				\
			ue_room = ue_fixed +				\
				(ue_pieces ? USER_EVENT_ONE_PIECE : 0)	\
		};							\
		unsigned char ue_head[ue_room];				\
		struct iovec ue_iov[1 + ue_pieces];			\
		struct user_event_record ue_record = {			\
			ue_head, ue_fixed, 0, ue_iov, 1			\
		};							\
		size_t ue_at = sizeof(uint32_t);			\
									\
		store							\
		(void)ue_at;						\
		user_event_write_record(ue_event, &ue_record, ue_room);	\
	}								\
	_Pragma("GCC diagnostic pop")					\
	__attribute__((constructor(101))) static void			\
	user_event_load_##name(void)					\
	{								\
		user_event_register(&user_event_of_##name);		\
	}								\
	__attribute__((destructor(101))) static void			\
	user_event_unload_##name(void)					\
	{								\
		user_event_unregister(&user_event_of_##name);		\
	}								\
	struct user_event_end_##name {					\
		char declaration_over_511_characters			\
			[sizeof(command) <= USER_EVENT_COMMAND_MAX ? 1 : -1]; \
		char name_too_long					\
			[sizeof(#name) <= ((options) & USER_EVENT_MULTI_FORMAT ? \
					   239 : 256) ? 1 : -1];	\
	}

/**
 * user_event_enabled() - does somebody listen to an event
 * @name: the event
 *
 * For values that take more than an expression to compute.
 */
#define user_event_enabled(name)					\
	(__builtin_expect(__atomic_load_n(&user_event_of_##name.enabled, \
					  __ATOMIC_RELAXED) != 0, 0) != 0)

/**
 * user_event() - write a record if somebody listens
 * @name: the event
 * @...: a value for each field; for a blob its address and the number of its bytes
 *
 * A statement. errno stays as it is; may be used in a signal handler.
 */
#define user_event(...)							\
	USER_EVENT_JOIN(USER_EVENT_EMIT_, USER_EVENT_MORE(__VA_ARGS__))	\
		(__VA_ARGS__)
#define USER_EVENT_EMIT_0(name)						\
	do {								\
		if (user_event_enabled(name))				\
			user_event_emit_##name(&user_event_of_##name);	\
	} while (0)
#define USER_EVENT_EMIT_1(name, ...)					\
	do {								\
		USER_EVENT_STRICT					\
		if (user_event_enabled(name))				\
			user_event_emit_##name(&user_event_of_##name, __VA_ARGS__); \
		USER_EVENT_LENIENT					\
	} while (0)

/* In C a wrong type is no error by itself, depending on the compiler */
#ifdef __cplusplus
#define USER_EVENT_STRICT_POINTERS
#else
#define USER_EVENT_STRICT_POINTERS					\
	_Pragma("GCC diagnostic error \"-Wint-conversion\"")		\
	_Pragma("GCC diagnostic error \"-Wincompatible-pointer-types\"")
#endif
#define USER_EVENT_STRICT						\
	_Pragma("GCC diagnostic push")					\
	_Pragma("GCC diagnostic error \"-Wfloat-conversion\"")		\
	USER_EVENT_STRICT_POINTERS
#define USER_EVENT_LENIENT						\
	_Pragma("GCC diagnostic pop")

/**
 * user_event_why() - why an event has no records, in words
 * @name: the event
 *
 * Return: a text for a person.
 */
#define user_event_why(name)	user_event_reason(&user_event_of_##name)

#endif /* USER_EVENT_H */
