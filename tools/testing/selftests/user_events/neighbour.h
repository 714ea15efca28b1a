/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A bad neighbour: what a user without privileges can do with the data file, and
 * how that affects another user, the kernel's threads and its memory. In each
 * test of neighbour_*.c a process of uid 65534 misbehaves, and this one, of root,
 * looks on.
 */
#ifndef NEIGHBOUR_H
#define NEIGHBOUR_H

#include <dirent.h>
#include <signal.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "uev_harness.h"
#include "uev_pager.h"

#define BAD		"neighbour_bad"
#define GOOD		"neighbour_good"
#define INSTANCE	TRACEFS "instances/uev_neighbour"
#define UFFD_SYSCTL	"/proc/sys/vm/unprivileged_userfaultfd"
#define CGROUP		UEV_CGROUPS "uev_neighbour"
#define CGROUP2		UEV_CGROUPS "uev_neighbour2"

/* What the processes of a test share */
static struct {
	__u32 value[16];
	int ready;		/* number of processes that are */
	int failed;
	int done;
	pid_t askers[16], spinner;
	int go, quit;
	int uffd;		/* a descriptor of the bad neighbour's */
	void *page;
	__u64 took_us;
} *shared;

static int data_fd;

/*
 * A switch or repair that waits for a bad neighbour takes much longer than this, or
 * for ever; one that does not takes a fraction, even on a busy host.
 */
#define QUITE_LONG_US	8000000

static inline __u64 now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

/* A process of a test is unable to do its part. */
#define failed() ({							\
	ksft_print_msg("%s:%d: %s\n", __FILE__, __LINE__, strerror(errno));	\
	__atomic_fetch_add(&shared->failed, 1, __ATOMIC_SEQ_CST);	\
	1;								\
})

static inline int ready(void)
{
	return __atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
}

/* CPU time of all kernel threads, in clock ticks, and how many there are */
static inline long kernel_threads(long *number)
{
	char path[64], line[512], *at;
	long ppid, utime, stime, sum = 0;
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	ssize_t got;
	int fd;

	*number = 0;
	while (proc && (entry = readdir(proc))) {
		if (atoi(entry->d_name) <= 2)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		got = read(fd, line, sizeof(line) - 1);
		close(fd);
		if (got <= 0)
			continue;
		line[got] = '\0';
		at = strrchr(line, ')');
		if (!at || sscanf(at, ") %*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld",
				  &ppid, &utime, &stime) != 3 || ppid != 2)
			continue;
		sum += utime + stime;
		++*number;
	}
	if (proc)
		closedir(proc);
	return sum;
}

/* They have used less than a tenth of a second in the last half second */
static inline bool kernel_threads_rest(void)
{
	long nr, before = kernel_threads(&nr);

	usleep(500000);
	return kernel_threads(&nr) - before < 10;
}

FIXTURE(neighbour) {
	int old_sysctl;
	pid_t bad[10];
};

FIXTURE_SETUP(neighbour)
{
	uev_reset();
	self->old_sysctl = uev_get_int(UFFD_SYSCTL);
	uev_put(UFFD_SYSCTL, "1");
	shared = uev_shared(sizeof(*shared));
	data_fd = uev_open();
	ASSERT_LE(0, data_fd);
	ASSERT_OK(uev_reg(data_fd, &shared->value[0], 0, 4, 0, GOOD " u32 a",
			  NULL));
}

FIXTURE_TEARDOWN(neighbour)
{
	size_t i;

	UEV_WRITE(shared->quit, 1);
	for (i = 0; i < ARRAY_SIZE(self->bad); i++) {
		if (self->bad[i] > 0) {
			kill(-self->bad[i], SIGKILL);
			kill(self->bad[i], SIGKILL);
			uev_join(self->bad[i]);
		}
	}
	close(data_fd);
	rmdir(INSTANCE);
	if (self->old_sysctl == 0)
		uev_put(UFFD_SYSCTL, "0");
	uev_wait_for(!rmdir(CGROUP) || errno == ENOENT);
	uev_wait_for(!rmdir(CGROUP2) || errno == ENOENT);
	uev_reset();
}

/* Waits for @count calls of ready(), for each of them as long as a test waits. */
static inline bool are_ready(int count)
{
	int now;

	do {
		now = UEV_READ(shared->ready);
		if (now >= count || UEV_READ(shared->failed))
			return true;
	} while (uev_wait_for(UEV_READ(shared->ready) > now ||
			      UEV_READ(shared->failed)));
	return false;
}

/* Starts @fn in a process group of its own; waits for @count calls of ready(). */
#define START(i, fn, arg, count) do {					\
	pid_t _pid = uev_fork(fn, arg);					\
									\
	self->bad[i] = _pid;						\
	ASSERT_LT(0, _pid);						\
	ASSERT_TRUE(are_ready(count));					\
	if (UEV_READ(shared->failed) && !uev_has_pager())		\
		SKIP(return, UEV_NO_PAGER);				\
	ASSERT_EQ(0, UEV_READ(shared->failed));				\
} while (0)

static inline bool put_in_cgroup(pid_t pid)
{
	return uev_put_in_cgroup(CGROUP, pid);
}

/* @count addresses, or fewer on a kernel with checkers */
static inline int addresses(int count)
{
	return uev_kernel_is_slow() ? count / 50 : count;
}

static inline int copies(void *arg)
{
	int i, count = *(int *)arg, status;
	__u64 begin;
	char *area;
	pid_t pid;

	setpgid(0, 0);
	uev_become_nobody();
	area = mmap(NULL, count * 8UL, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		return failed();
	for (i = 0; i < count; i++) {
		if (uev_reg(data_fd, area + i * 8UL, 0, 4, 0, BAD " u32 a",
			    NULL))
			return failed();
		ready();
	}
	ready();
	while (!UEV_READ(shared->go))
		usleep(1000);
	while (!UEV_READ(shared->quit)) {
		pid = fork();
		if (!pid) {
			begin = now_us();
			if (uev_unreg(data_fd, area, 0))
				_exit(1);
			UEV_WRITE(shared->took_us, now_us() - begin);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			return failed();
		ready();
	}
	return 0;
}

#endif
