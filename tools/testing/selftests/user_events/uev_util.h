/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the user_events tests have in common: calls that return 0 or a negative
 * errno, access to tracefs, polling with a deadline, and going back to a clean
 * state whatever a test left behind.
 */
#ifndef UEV_UTIL_H
#define UEV_UTIL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#include <linux/user_events.h>

#define TRACEFS		"/sys/kernel/tracing/"
#define UEV_DATA	TRACEFS "user_events_data"
#define UEV_MAX_SYSCTL	"/proc/sys/kernel/user_events_max"

/*
 * How long a test waits for what must happen: 90 s. Far more than any kernel needs,
 * also an instrumented one on an emulated CPU: only a failure waits that long.
 * UEV_WAIT_MS in the environment shortens that where many failures are expected.
 */
#define UEV_WAIT_MS	uev_wait_ms()
int uev_wait_ms(void);

/*
 * Seconds after which the harness kills a test; more than some full waits. It is
 * there for a test that hangs: one that a busy host slows down comes to its end.
 */
#define UEV_TEST_TIMEOUT 600

__u64 uev_now_ns(void);
__u64 uev_now_ms(void);
void uev_nap(void);

/* True as soon as @cond is, false if it is not within UEV_WAIT_MS. */
#define uev_wait_for(cond) ({						\
	__u64 _uev_end = uev_now_ms() + UEV_WAIT_MS;			\
	bool _uev_ok;							\
									\
	while (!(_uev_ok = !!(cond)) && uev_now_ms() < _uev_end)	\
		uev_nap();						\
	_uev_ok;							\
})

/* The same for a long work: false if @count stays the same for UEV_WAIT_MS. */
#define uev_wait_while_counting(cond, count) ({				\
	long _uev_was;							\
	bool _uev_done;							\
									\
	do {								\
		_uev_was = (count);					\
	} while (!(_uev_done = !!(cond)) &&				\
		 uev_wait_for((cond) || (count) != _uev_was));		\
	_uev_done;							\
})

#ifndef __packed
#define __packed	__attribute__((packed))
#endif
#ifndef __aligned
#define __aligned(x)	__attribute__((aligned(x)))
#endif

/* A value that the kernel, or another process, changes at any time. */
#define UEV_READ(x)	__atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define UEV_WRITE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST)

/* The ioctls */
int uev_open(void);
struct user_reg uev_reg_arg(const void *value, int bit, int size, int flags,
			    const char *command);
int uev_reg_raw(int fd, struct user_reg *reg);
int uev_reg(int fd, const void *value, int bit, int size, int flags,
	    const char *command, __u32 *index);
int uev_unreg(int fd, const void *value, int bit);
int uev_delete(int fd, const char *name);

/* Registers @command at bit 0 of a 4-byte enable word; the index or -errno. */
int uev_reg_index(int fd, const __u32 *value, const char *command);

/* write() of the index and @size bytes of @payload; bytes or -errno */
int uev_emit(int fd, __u32 index, const void *payload, size_t size);

/*
 * The largest payload that is taken, less than @too_large bytes of @payload, or
 * the first error besides EMSGSIZE
 */
int uev_largest_payload(int fd, __u32 index, const void *payload, int too_large);

/* The same by a child, its payload a u32; 0 if all of it was taken */
int uev_emit_in_child(int fd, __u32 index, __u32 payload);

/* Files: paths are below tracefs unless they start with a slash */
int uev_put(const char *path, const char *text);
int uev_append(const char *path, const char *text);
char *uev_get(const char *path);	/* malloc()ed, "" if there is none */
char *uev_list(const char *path);	/* names in a directory, a line each */
bool uev_exists(const char *path);
int uev_get_int(const char *path);

/* Files of an event: @event is "NAME", or "SYSTEM/NAME" */
int uev_event_put(const char *event, const char *file, const char *text);
char *uev_event_get(const char *event, const char *file);
bool uev_event_exists(const char *event);
int uev_event_id(const char *event);
int uev_enable(const char *event, bool on);
int uev_instance_enable(const char *instance, const char *event, bool on);
int uev_dynamic(const char *line);	/* one write() to dynamic_events */

/* True if one of the lines in @text is exactly @line. */
bool uev_has_line(const char *text, const char *line);
int uev_count(const char *text, const char *needle);
bool uev_file_has_line(const char *path, const char *line);

/* user_events_status: the line of an event, NULL if there is none */
char *uev_status_line(const char *event);
bool uev_alive(const char *event);
int uev_status_count(const char *label);	/* "Active" or "Busy" */

/*
 * The next line of user_events in the kernel log, from @kmsg, a non-blocking
 * descriptor of /dev/kmsg; false if there is none yet.
 */
bool uev_log_line(int kmsg, char *line, size_t size);
/* How many of the next ones have @text, an event's name for instance */
int uev_log_lines(int kmsg, const char *text);

/* Threads of the kernel that wait on behalf of a user, whose number this is; NULL: of any */
int uev_waiting_threads(const char *user);

/* Counts the calls of a function of the kernel; -1 if there are no such probes. */
int uev_probe(const char *function);
long uev_probe_hits(void);
void uev_probe_end(void);

/* What "trace" shows of each record of @event after "EVENT: ", a line each */
char *uev_trace_of(const char *path, const char *event);
void uev_trace_clear(void);

/*
 * What the kernel holds: two censuses are equal if what happened in between left
 * nothing behind. They do not count objects of the allocator, see
 * uev_slab_objects().
 */
struct uev_census {
	char *status;
	char *dynamic;
	char *directory;
};

void uev_census_take(struct uev_census *census);
/* "" if nothing has changed since, else what; waits for deferred work */
const char *uev_census_diff(const struct uev_census *before);
void uev_census_free(struct uev_census *census);

/*
 * Kernel objects in use, summed over the caches that events use; -1 if the kernel
 * does not tell. Objects that wait for a grace period or in a quarantine are
 * flushed first as far as user space can do that.
 */
long uev_slab_objects(void);

/* perf: attaches to a tracepoint, a file descriptor or a negative errno */
int uev_perf_open(int event_id, pid_t pid, int cpu, __u64 sample_type);

/* Keeps this thread on one CPU. */
void uev_stay_on_cpu(int cpu);

/* Privileges of this process */
int uev_become_nobody(void);	/* uid and gid 65534, no capabilities */
int uev_keep_only_cap(int cap);	/* as above, with one capability */

/* Children: @fn runs in one, its result is the exit status */
pid_t uev_fork(int (*fn)(void *), void *arg);
int uev_join(pid_t pid);	/* exit status, or -signal; kills after UEV_WAIT_MS */
int uev_in_child(int (*fn)(void *), void *arg);

/*
 * Replaces this process by one that has no file and no enabler of user_events, and
 * waits until @fd is at its end.
 */
int uev_exec_and_wait(int fd);
bool uev_is_exec_waiter(pid_t pid);

/* Memory that children share */
void *uev_shared(size_t size);
size_t uev_page_size(void);

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

/*
 * RAM disks of 32 MiB, numbered from 0: swap, a file system that is mounted at
 * @dir (a template for mkdtemp()), or a file without a name in one. NULL, or why
 * there is none.
 */
const char *uev_swap_on(int disk);
int uev_swap_off(int disk);
bool uev_swap_out(void *addr);	/* the page of @addr, as soon as the kernel does */
const char *uev_mount_disk(int disk, bool make, char *dir);
const char *uev_open_on_disk(int disk, int *fd);

/* Checkers are built in that make the kernel ten times slower. */
bool uev_kernel_is_slow(void);

/* What /proc/self/pagemap says of the page of @addr */
__u64 uev_page_entry(const void *addr);
#define uev_page_is_present(addr)	(uev_page_entry(addr) >> 63 & 1)
#define uev_page_is_swapped(addr)	(uev_page_entry(addr) >> 62 & 1)

/* A cgroup of its own for @pid; false if memory cannot be accounted */
#define UEV_CGROUPS	"/sys/fs/cgroup/"
bool uev_put_in_cgroup(const char *cgroup, pid_t pid);

/* A line of /proc/meminfo, whose name follows a newline in @name, in KiB */
long uev_mem_kb(const char *name);

/* It has 64 bits, whatever this program has, and so takes enable words of 8 bytes. */
bool uev_kernel_is_64(void);

/*
 * How often to do what a test does @rounds times on a fast kernel: less on a slow
 * one and in the 32-bit build of a test, and UEV_TIMES times as often if the
 * environment has that.
 */
int uev_rounds(int rounds);

/* At the start and end of every test: removes listeners, events and the instance */
void uev_reset(void);

#define UEV_INSTANCE	"uev_test"

#endif /* UEV_UTIL_H */
