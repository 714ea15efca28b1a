// SPDX-License-Identifier: GPL-2.0
/*
 * A bad neighbour: what a user without privileges can do with the data file, and
 * how that affects another user, the kernel's threads and its memory. In each
 * test a process of uid 65534 misbehaves, and this one, of root, looks on.
 */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/fs.h>

#include "uev_harness.h"
#include "uev_pager.h"

#define BAD		"neighbour_bad"
#define GOOD		"neighbour_good"
#define INSTANCE	TRACEFS "instances/uev_neighbour"
#define UFFD_SYSCTL	"/proc/sys/vm/unprivileged_userfaultfd"
#define CGROUPS		"/sys/fs/cgroup/"
#define CGROUP		CGROUPS "uev_neighbour"
#define CGROUP2		CGROUPS "uev_neighbour2"

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

static __u64 now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

static int failed(void)
{
	__atomic_fetch_add(&shared->failed, 1, __ATOMIC_SEQ_CST);
	return 1;
}

static int ready(void)
{
	return __atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
}

/* CPU time of all kernel threads, in clock ticks, and how many there are */
static long kernel_threads(long *number)
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

FIXTURE(neighbour) {
	int old_sysctl;
	pid_t bad[8];
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
static bool are_ready(int count)
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
	if (UEV_READ(shared->failed))					\
		SKIP(return, "no userfaultfd, or no memory");		\
} while (0)

/* A cgroup of its own for @pid; false if memory cannot be accounted */
static bool put_in(const char *cgroup, pid_t pid)
{
	char path[64], text[32];

	uev_put(CGROUPS "cgroup.subtree_control", "+memory");
	snprintf(path, sizeof(path), "%s/memory.high", cgroup);
	if ((mkdir(cgroup, 0755) && errno != EEXIST) || access(path, W_OK))
		return false;
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	snprintf(text, sizeof(text), "%d", pid);
	return !uev_put(path, text);
}

static bool put_in_cgroup(pid_t pid)
{
	return put_in(CGROUP, pid);
}

/* Waits */

static int one_stuck(void)
{
	int uffd;

	if (!uev_register_and_lose(data_fd, BAD " u32 a", &uffd))
		return failed();
	ready();
	for (;;)
		pause();
}

static int many_stuck(void *arg)
{
	int i, count = *(int *)arg;

	setpgid(0, 0);
	uev_become_nobody();
	for (i = 0; i < count; i++) {
		switch (fork()) {
		case 0:
			_exit(one_stuck());
		case -1:
			return failed();
		}
	}
	for (;;)
		pause();
}

/*
 * An honest process whose page is shared with its child after fork: neither can
 * be written as it is, so each switch needs a repair.
 */
static int child_of_good(void *arg)
{
	__u32 *value = arg;
	int on = 0;

	while (!UEV_READ(shared->quit)) {
		if (UEV_READ(*value) != (__u32)on) {
			on = !on;
			UEV_WRITE(shared->value[1], on);
		}
		usleep(200);
	}
	return 0;
}

/* How long a repair of this user takes, or -1 */
static long time_repair(__u32 *value)
{
	__u64 begin;
	pid_t pid;
	bool ok;

	UEV_WRITE(*value, 0);
	UEV_WRITE(shared->value[1], 0);
	UEV_WRITE(shared->quit, 0);
	pid = uev_fork(child_of_good, value);
	begin = now_us();
	ok = !uev_enable(GOOD, true) &&
	     uev_wait_for(UEV_READ(shared->value[1]) == 1 &&
			  UEV_READ(*value) == 1);
	begin = now_us() - begin;
	uev_enable(GOOD, false);
	UEV_WRITE(shared->quit, 1);
	uev_join(pid);
	UEV_WRITE(shared->quit, 0);
	return ok ? (long)begin : -1;
}

/* Kernel threads that wait on behalf of users */
static int waiting_threads(void)
{
	char path[64], *name;
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	int nr = 0;

	while (proc && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		name = atoi(entry->d_name) ? uev_get(path) : NULL;
		nr += name && !strncmp(name, "user_events/", 12);
		free(name);
	}
	if (proc)
		closedir(proc);
	return nr;
}

TEST_F(neighbour, whose_pages_never_come_delays_no_other_user)
{
	/* More than the workers that a queue of the kernel may have */
	int count = 600, waiting;
	long quiet, with, threads_before, threads;
	__u32 *value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, value);
	ASSERT_OK(uev_reg(data_fd, value, 0, 4, 0, GOOD " u32 a", NULL));
	quiet = time_repair(value);
	ASSERT_LE(0, quiet);
	kernel_threads(&threads_before);
	START(0, many_stuck, &count, count);

	ASSERT_OK(uev_enable(BAD, true));
	/* Everything that will wait for the bad neighbour waits by now. */
	sleep(2);
	with = time_repair(value);
	waiting = waiting_threads();
	kernel_threads(&threads);
	TH_LOG("repaired after %ld us, %ld us with %d stuck processes, %ld more kernel threads",
	       quiet, with, count, threads - threads_before);
	EXPECT_LE(0, with);
	EXPECT_GT(QUITE_LONG_US + 10 * quiet, with);
	/* Four of each user */
	EXPECT_GE(8, waiting);
	/*
	 * Work items that wait for event_mutex, which the switch has, come and go: a debug
	 * kernel had 168 at once. If they waited for the pages there would be 512.
	 */
	EXPECT_GT(uev_kernel_is_slow() ? count / 2 : 100, threads - threads_before);
}

/* UIDs of a user namespace that one user made: they count as that user */
#define UIDS	60

static int many_uids_stuck(void *arg)
{
	int i;

	setpgid(0, 0);
	uev_become_nobody();
	if (unshare(CLONE_NEWUSER))
		return failed();
	ready();
	while (!UEV_READ(shared->go))
		uev_nap();
	for (i = 1; i <= UIDS; i++) {
		switch (fork()) {
		case 0:
			if (setresuid(i, i, i))
				_exit(failed());
			/* A child belongs to the user who forks */
			if (!fork())
				_exit(one_stuck());
			pause();
			_exit(0);
		case -1:
			return failed();
		}
	}
	for (;;)
		pause();
}

TEST_F(neighbour, user_namespace_counts_as_its_maker)
{
	char path[64];
	int nr;

	if (access("/proc/self/ns/user", F_OK))
		SKIP(return, "the kernel has no user namespaces");
	START(0, many_uids_stuck, NULL, 1);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", self->bad[0]);
	ASSERT_OK(uev_put(path, "0 65534 1\n1 100000 1000\n"));
	UEV_WRITE(shared->go, 1);
	ASSERT_TRUE(are_ready(1 + UIDS));
	ASSERT_EQ(0, UEV_READ(shared->failed));
	ASSERT_OK(uev_enable(BAD, true));
	ASSERT_TRUE(uev_wait_for(waiting_threads()));
	sleep(2);
	nr = waiting_threads();
	TH_LOG("%d threads wait for %d UIDs", nr, UIDS);
	EXPECT_LT(0, nr);
	/* Fewer than one for each UID, with some left over from earlier tests */
	EXPECT_GT(UIDS / 2, nr);
}

/* Memory is freed with its process although a repair waits for a page of it */
#define PINNED_MB	64

static int stuck_with_memory(void *arg)
{
	size_t size = PINNED_MB << 20;
	char *area;
	int uffd;

	uev_become_nobody();
	area = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	shared->page = uev_register_and_lose(data_fd, BAD " u32 a", &uffd);
	if (area == MAP_FAILED || !shared->page)
		return failed();
	memset(area, 1, size);
	shared->uffd = uffd;
	ready();
	for (;;)
		pause();
}

TEST_F(neighbour, who_is_killed_takes_its_memory_along)
{
	struct pollfd waits = { .events = POLLIN };
	long before = uev_mem_kb("\nAnonPages:"), with;
	int pidfd;

	START(0, stuck_with_memory, NULL, 1);
	pidfd = syscall(__NR_pidfd_open, self->bad[0], 0);
	waits.fd = syscall(__NR_pidfd_getfd, pidfd, shared->uffd, 0);
	close(pidfd);
	ASSERT_LE(0, waits.fd);
	ASSERT_OK(uev_enable(BAD, true));
	/* Wait for the repair to ask the pager, if it does. */
	poll(&waits, 1, 3000);
	with = uev_mem_kb("\nAnonPages:");
	EXPECT_LE(before + (PINNED_MB << 10) / 2, with);

	ASSERT_EQ(0, kill(self->bad[0], SIGKILL));
	EXPECT_EQ(-SIGKILL, uev_join(self->bad[0]));
	self->bad[0] = 0;
	/* The pager is still there, and delivers nothing. */
	EXPECT_TRUE(uev_wait_for(uev_mem_kb("\nAnonPages:") <
				 before + (PINNED_MB << 10) / 2))
		TH_LOG("%ld of %ld KiB are left",
		       uev_mem_kb("\nAnonPages:") - before, with - before);
	close(waits.fd);
}

/* Many children of a stuck process, each with many unwritable enable words */
#define LOST_CHILDREN	50

static int forks_with_lost_values(void *arg)
{
	int uffd, i, count = *(int *)arg;
	size_t size = count * 8UL;
	char *area;

	setpgid(0, 0);
	uev_become_nobody();
	area = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED || !uev_register_and_lose(data_fd, BAD " u32 a", &uffd))
		return failed();
	for (i = 0; i < count; i++) {
		if (uev_reg(data_fd, area + i * 8UL, 0, 4, 0, BAD " u32 a",
			    NULL))
			return failed();
		ready();
	}
	mprotect(area, size, PROT_READ);
	ready();
	while (!UEV_READ(shared->go))
		usleep(10000);
	for (i = 0; i < LOST_CHILDREN; i++) {
		switch (fork()) {
		case 0:
			for (;;)
				pause();
		case -1:
			return failed();
		}
		usleep(10000);
	}
	ready();
	for (;;)
		pause();
}

/* How many lines were left out of the log, as the log itself says */
static long suppressed(int kmsg)
{
	char line[8192], *at;
	long sum = 0;

	while (uev_log_line(kmsg, line, sizeof(line))) {
		at = strstr(line, "user_events: ");
		if (at && strstr(at, "suppressed"))
			sum += atol(at + strlen("user_events: "));
	}
	return sum;
}

TEST_F(neighbour, who_forks_with_lost_values)
{
	int count = uev_rounds(20000), kmsg;
	long before, ticks, number, lines, hz = sysconf(_SC_CLK_TCK);
	__u64 begin, took;

	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, kmsg);
	START(0, forks_with_lost_values, &count, count + 1);
	ASSERT_LE(0, lseek(kmsg, 0, SEEK_END));
	ASSERT_OK(uev_enable(BAD, true));
	sleep(1);
	before = kernel_threads(&number);
	begin = uev_now_ms();
	UEV_WRITE(shared->go, 1);
	ASSERT_TRUE(uev_wait_for(UEV_READ(shared->ready) == count + 2));
	sleep(4);
	ticks = kernel_threads(&number) - before;
	took = uev_now_ms() - begin;
	lines = suppressed(kmsg);
	close(kmsg);
	TH_LOG("%ld ms of CPU time in %llu ms, %ld lines suppressed",
	       ticks * 1000 / hz, (unsigned long long)took, lines);
	EXPECT_GT(took / 2, (__u64)ticks * 1000 / hz);
	/* One for each process and pass at most, not for each enable word */
	EXPECT_GT(10 * (LOST_CHILDREN + 1), lines);
}

/* Lines about this event that are in the log since the last time */
static int lines_about(int kmsg, const char *event)
{
	char line[8192];
	int nr = 0;

	while (uev_log_line(kmsg, line, sizeof(line)))
		nr += !!strstr(line, event);
	return nr;
}

/* A minute's share of lines of one user, and what all users have together */
#define LINES_OF_ONE	10
#define LINES_OF_ALL	100

/* Registers an address that it then makes read-only, and one that stays */
static int loses_value(void *arg)
{
	const char *event = arg;
	size_t page = uev_page_size();
	int fd = uev_open();
	char *area;
	pid_t pid;

	setpgid(0, 0);
	uev_become_nobody();
	/* This process has inherited enablers of root, and counts as root's */
	pid = fork();
	if (pid)
		return pid < 0 ? failed() : uev_join(pid);
	area = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (area == MAP_FAILED || uev_reg(fd, area, 0, 4, 0, event, NULL) ||
	    uev_reg(fd, &shared->value[2], 0, 4, 0, event, NULL))
		return failed();
	mprotect(area, page, PROT_READ);
	ready();
	for (;;)
		pause();
}

/*
 * A user is forgotten with the last process and event, and so is how many lines it
 * had in the log.
 */
TEST_F(neighbour, who_comes_back_to_complain)
{
	int i, on, kmsg, lines = 0, lives = 6 * LINES_OF_ALL / LINES_OF_ONE;
	__u64 begin = uev_now_ms();
	char event[64];

	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, kmsg);
	ASSERT_LE(0, lseek(kmsg, 0, SEEK_END));
	for (i = 0; i < lives; i++) {
		snprintf(event, sizeof(event), BAD "%d", i);
		START(0, loses_value, event, i + 1);
		/* Each switch is worth a line */
		for (on = 1; on <= LINES_OF_ONE + 1; on++) {
			ASSERT_OK(uev_enable(event, on & 1));
			ASSERT_TRUE(BECOMES(on & 1, shared->value[2]));
			/* The repair comes after the switch */
			usleep(20000);
		}
		kill(-self->bad[0], SIGKILL);
		uev_join(self->bad[0]);
		self->bad[0] = 0;
		ASSERT_OK(uev_enable(event, false));
		ASSERT_TRUE(uev_wait_for(!uev_event_exists(event)));
		UEV_WRITE(shared->value[2], 0);
		lines += lines_about(kmsg, event);
	}
	close(kmsg);
	begin = uev_now_ms() - begin;
	TH_LOG("%d lines in %llu ms", lines, (unsigned long long)begin);
	EXPECT_LT(0, lines);
	/* Of each minute that has begun, and of the one before */
	EXPECT_GE(LINES_OF_ALL * (2 + begin / 60000), lines);
}

/* event_mutex */

/* @count addresses, or fewer on a kernel with checkers */
static int addresses(int count)
{
	return uev_kernel_is_slow() ? count / 50 : count;
}

static int copies(void *arg)
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
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return failed();
		ready();
	}
	return 0;
}

/* The longest of the switches during at least one whole copy */
static __u64 longest_switch(void)
{
	int enough = UEV_READ(shared->ready) + 2, on = 0;
	__u64 begin, took, longest = 0;

	while (UEV_READ(shared->ready) < enough && !UEV_READ(shared->failed)) {
		begin = now_us();
		on = !on;
		uev_enable(GOOD, on);
		took = now_us() - begin;
		if (took > longest)
			longest = took;
	}
	uev_enable(GOOD, false);
	return longest;
}

/* Processes that have the same bits since a fork; nobody is charged for copies */
#define COPIES		128
#define SLOW_COPIES	24
#define COPIED		4096
#define SLOW_COPIED	1024

static int copied;

static bool all_are(const __u32 *values, __u32 bit)
{
	int i;

	for (i = 0; i < copied; i++) {
		if (UEV_READ(values[2 * i]) != bit)
			return false;
	}
	return true;
}

/* Looks when shared->go changes, and says so when all bits have its value */
static void __attribute__((noreturn)) copy(const __u32 *values)
{
	int seen = 0, go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		go = UEV_READ(shared->go);
		if (go != seen && all_are(values, go & 1)) {
			seen = go;
			__atomic_fetch_add(&shared->done, 1, __ATOMIC_SEQ_CST);
		}
		usleep(10000);
	}
}

static int has_copies(void *arg)
{
	int i, copies = *(int *)arg;
	__u32 *values;

	setpgid(0, 0);
	uev_become_nobody();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	values = mmap(NULL, copied * 8UL, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (values == MAP_FAILED)
		return failed();
	for (i = 0; i < copied; i++) {
		if (uev_reg(data_fd, values + 2 * i, 0, 4, 0, BAD " u32 a", NULL))
			return failed();
	}
	ready();
	while (!UEV_READ(shared->uffd))
		usleep(1000);
	for (i = 0; i < copies; i++) {
		switch (fork()) {
		case 0:
			copy(values);
		case -1:
			return failed();
		}
		ready();
	}
	copy(values);
}

/* In microseconds, or -1 */
static long time_switch(bool on)
{
	__u64 begin = now_us();

	return uev_enable(BAD, on) ? -1 : (long)(now_us() - begin);
}

TEST_F(neighbour, whose_bits_are_copied_much)
{
	int copies = uev_kernel_is_slow() ? SLOW_COPIES : COPIES;
	long one, all;

	copied = uev_kernel_is_slow() ? SLOW_COPIED : COPIED;
	START(0, has_copies, &copies, 1);
	one = time_switch(true);
	ASSERT_LE(0, one);
	ASSERT_LE(0, time_switch(false));
	UEV_WRITE(shared->uffd, 1);
	ASSERT_TRUE(are_ready(1 + copies));
	ASSERT_EQ(0, UEV_READ(shared->failed));

	all = time_switch(true);
	TH_LOG("a switch takes %ld us for %d bits, %ld us with %d copies",
	       one, copied, all, copies);
	ASSERT_LE(0, all);
	/* A part is written at once, the rest soon: nothing is lost. */
	EXPECT_GT(copies * one / 2 + 500000, all);
	UEV_WRITE(shared->go, 1);
	EXPECT_TRUE(uev_wait_for(UEV_READ(shared->done) == copies + 1));
	ASSERT_LE(0, time_switch(false));
	UEV_WRITE(shared->go, 2);
	EXPECT_TRUE(uev_wait_for(UEV_READ(shared->done) == 2 * (copies + 1)));
}

#if __SIZEOF_POINTER__ == 8
/* So much takes some tenths of a second */
#define HUGE_RANGE	(1UL << 40)
#define SLOW_HUGE_RANGE	(1UL << 36)

static size_t huge_range;

static void *write_protects(void *arg)
{
	struct uffdio_writeprotect protect = {
		.range = { .start = (uintptr_t)arg, .len = huge_range },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	__u64 begin;

	while (!UEV_READ(shared->quit)) {
		begin = now_us();
		if (ioctl(shared->uffd, UFFDIO_WRITEPROTECT, &protect)) {
			failed();
			break;
		}
		UEV_WRITE(shared->took_us, now_us() - begin);
		ready();
	}
	return NULL;
}

/* Keeps a lock of its huge pages busy, and has the kernel look at them meanwhile */
static int has_huge_pages_busy(void *unused)
{
	struct uffdio_api api = {
		.api = UFFD_API, .features = UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
	};
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	pthread_t thread;
	char *range;

	setpgid(0, 0);
	uev_become_nobody();
	range = mmap(NULL, huge_range, PROT_READ | PROT_WRITE, MAP_SHARED |
		     MAP_ANONYMOUS | MAP_NORESERVE | MAP_HUGETLB, -1, 0);
	shared->uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	if (range == MAP_FAILED || shared->uffd < 0 ||
	    ioctl(shared->uffd, UFFDIO_API, &api))
		return failed();
	reg.range.start = (uintptr_t)range;
	reg.range.len = huge_range;
	if (ioctl(shared->uffd, UFFDIO_REGISTER, &reg) ||
	    pthread_create(&thread, NULL, write_protects, range))
		return failed();
	/* There are no pages to register at: that fails, after a look */
	while (!UEV_READ(shared->quit) && !UEV_READ(shared->failed))
		uev_reg(data_fd, range, 0, 4, 0, BAD " u32 a", NULL);
	pthread_join(thread, NULL);
	return 0;
}

TEST_F(neighbour, whose_huge_pages_are_busy)
{
	__u64 worst, best = ~0ULL, took = 0;
	int i;

	huge_range = uev_kernel_is_slow() ? SLOW_HUGE_RANGE : HUGE_RANGE;
	START(0, has_huge_pages_busy, NULL, 1);
	for (i = 0; i < 3; i++) {
		worst = longest_switch();
		if (worst < best)
			best = worst;
		if (UEV_READ(shared->took_us) > took)
			took = UEV_READ(shared->took_us);
	}
	ASSERT_EQ(0, UEV_READ(shared->failed));
	TH_LOG("longest switch %llu us, the lock is held for %llu us",
	       (unsigned long long)best, (unsigned long long)took);
	EXPECT_GT(took / 2 + 20000, best);
}
#endif

TEST_F(neighbour, who_copies_much_holds_nobody_up)
{
	int count = addresses(100000), i, rounds = uev_kernel_is_slow() ? 2 : 5;
	__u64 worst, best = ~0ULL, took = 0;

	START(0, copies, &count, count + 1);
	UEV_WRITE(shared->go, 1);
	/* Others on a busy host disturb some rounds: the best one counts. */
	for (i = 0; i < rounds; i++) {
		worst = longest_switch();
		TH_LOG("longest switch %llu us, unregistering took %llu us",
		       (unsigned long long)worst,
		       (unsigned long long)UEV_READ(shared->took_us));
		if (worst < best)
			best = worst;
		if (UEV_READ(shared->took_us) > took)
			took = UEV_READ(shared->took_us);
	}
	ASSERT_EQ(0, UEV_READ(shared->failed));
	/* On a kernel with checkers most of the time is theirs */
	if (!uev_kernel_is_slow())
		EXPECT_GT(took / 2, best);
}

/*
 * event_mutex is first come, first served, so a user with many processes must not
 * queue with all of them. In these tests an administrator holds it for long; QUEUE
 * processes of one user ask for it, and then a switch does. All of them share a CPU,
 * and the switch has a real-time priority: none of the others runs while the test
 * counts them.
 *
 * It is enough to look at the first place where an ioctl takes event_mutex: tasks
 * that were let in there one by one cannot be many at any later place.
 */
#define QUEUE		16	/* processes, at most */

/*
 * A kernel with checkers takes half a minute to make an instance, and as long to look
 * at all processes: so there are fewer of them there, and not all ways to ask.
 */
static int queue = QUEUE, next_way = 1;

/*
 * The first one asked before the switch did, and the next ones may now. At times one
 * finds event_mutex free before the switch runs, and then another one: that does not
 * happen in each try, as it would if all of them were queued.
 */
#define MAY_GO_FIRST	4

struct way {
	const char *text;
	int (*ask)(const __u32 *value);
	int (*undo)(const __u32 *value);	/* so that it can ask again */
	bool undone;				/* undo once before the first ask */
};

static int registers(const __u32 *value)
{
	return uev_reg(data_fd, value, 0, 4, 0, BAD " u32 a", NULL);
}

static int registers_multi(const __u32 *value)
{
	return uev_reg(data_fd, value, 0, 4, USER_EVENT_REG_MULTI_FORMAT,
		       BAD " u32 a", NULL);
}

static int unregisters(const __u32 *value)
{
	return uev_unreg(data_fd, value, 0);
}

static int deletes(const __u32 *value)
{
	return uev_delete(data_fd, BAD "_of_nobody") == -ENOENT ? 0 : -1;
}

static int nothing(const __u32 *value)
{
	return 0;
}

static const struct way ways[] = {
	{ "registers", registers, unregisters },
	{ "registers a format", registers_multi, unregisters },
	{ "unregisters", unregisters, registers, true },
	{ "deletes", deletes, nothing },
};

static int gate[2][2];	/* for the first one, and for the others */

static int asks(const struct way *way, int gate)
{
	static __u32 value;
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (way->undone && way->undo(&value))
		return failed();
	ready();
	while (read(gate, &c, 1) == 1) {
		if (way->ask(&value) || way->undo(&value))
			return failed();
		__atomic_fetch_add(&shared->done, 1, __ATOMIC_SEQ_CST);
	}
	return 0;
}

static int many_ask(void *arg)
{
	int i, fds[QUEUE];
	pid_t pid;

	setpgid(0, 0);
	/* One file each: through a shared one they would wait for each other */
	for (i = 0; i < queue; i++) {
		fds[i] = uev_open();
		if (fds[i] < 0)
			return failed();
	}
	uev_become_nobody();
	/* A test that fails leaves no process behind */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < queue; i++) {
		data_fd = fds[i];
		pid = fork();
		if (!pid)
			_exit(asks(arg, gate[!!i][0]));
		if (pid < 0)
			return failed();
		shared->askers[i] = pid;
	}
	for (;;)
		pause();
}

/* As many work items may wait for one user, and some for others */
#define WORKERS_OF_ONE	8

/* shared->go, of event_mutex */
enum { HELD = 1, RELEASED };

/* Holds event_mutex for as long as it takes to make a trace instance */
static int has_event_mutex(void *unused)
{
	int ret;

	UEV_WRITE(shared->go, HELD);
	ret = mkdir(INSTANCE, 0755);
	UEV_WRITE(shared->go, RELEASED);
	return ret ? 1 : 0;
}

static int set_policy(pid_t pid, int policy)
{
	struct sched_param param = { };

	return sched_setscheduler(pid, policy, &param) ? -errno : 0;
}

/* Leaves no time for a process that only runs when no other one does */
static int spins(void *unused)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	UEV_WRITE(shared->spinner, getpid());
	set_policy(0, SCHED_IDLE);
	ready();
	while (!UEV_READ(shared->quit))
		;
	return 0;
}

/* Gives @pid no CPU: what it has locked stays so for as long as a test needs */
static int starve(pid_t pid, bool on)
{
	return set_policy(pid, on ? SCHED_IDLE : SCHED_OTHER) ?:
	       set_policy(shared->spinner, on ? SCHED_OTHER : SCHED_IDLE);
}

/*
 * How often an asking process has gone to sleep so far, if it waits for a lock, or -1.
 * It is more if the process was let in and waits again.
 */
static long sleeps(int asker)
{
	char path[64], *text, *times;
	long nr = -1;

	snprintf(path, sizeof(path), "/proc/%d/status", shared->askers[asker]);
	text = uev_get(path);
	times = strstr(text, "\nvoluntary_ctxt_switches:");
	if (strstr(text, "\nState:\tD") && times)
		nr = atol(strchr(times, ':') + 1);
	free(text);
	return nr;
}

/* Leaves the CPU to the others, for longer than it took to look at one of them */
static void let_others_run(int asker)
{
	__u64 begin = now_us();

	sleeps(asker);
	usleep(500 + 3 * (now_us() - begin));
}

/* Lets the first one ask. True if it waits, false once it has got what it wants. */
static bool first_one_waits(long *slept)
{
	int same = 0;
	long now;

	if (write(gate[0][1], "", 1) != 1)
		return false;
	while (!UEV_READ(shared->done) && !UEV_READ(shared->failed)) {
		now = sleeps(0);
		same = now >= 0 && now == *slept ? same + 1 : 0;
		*slept = now;
		if (same == 3)
			return true;
		let_others_run(0);
	}
	UEV_WRITE(shared->done, 0);
	return false;
}

/*
 * Starts the process that holds event_mutex, and stops it while it does. Then lets the
 * others ask, the first one before the rest; @slept is set to what sleeps() tells of
 * each. False if event_mutex was free again before all of them waited for it.
 */
static bool let_them_ask(pid_t *holder, long slept[QUEUE])
{
	char bytes[QUEUE] = "";
	int i;

	slept[0] = -1;
	UEV_WRITE(shared->done, 0);
	UEV_WRITE(shared->go, 0);
	*holder = uev_fork(has_event_mutex, NULL);
	if (*holder < 0 || !uev_wait_for(UEV_READ(shared->go)) || starve(*holder, true))
		return false;
	/* A little of mkdir() at a time */
	while (!first_one_waits(&slept[0])) {
		if (UEV_READ(shared->go) != HELD || starve(*holder, false))
			return false;
		uev_nap();
		if (starve(*holder, true))
			return false;
	}
	if (queue > 1 && write(gate[1][1], bytes, queue - 1) < 0)
		return false;
	for (i = 1; i < queue; i++) {
		while ((slept[i] = sleeps(i)) < 0 && UEV_READ(shared->go) == HELD)
			let_others_run(i);
	}
	return UEV_READ(shared->go) == HELD;
}

/* Priority over all others on this CPU, or no more */
static int be_first(bool on)
{
	struct sched_param param = { .sched_priority = on };

	return sched_setscheduler(0, (on ? SCHED_FIFO : SCHED_OTHER) |
				     SCHED_RESET_ON_FORK, &param) ? -errno : 0;
}

/* Moves this process to CPU 0, and with it all that it starts */
static int share_a_cpu(void)
{
	if (uev_kernel_is_slow()) {
		queue = 6;
		next_way = 3;
	}
	/* The first listener makes trace buffers grow, and waits for that elsewhere */
	uev_enable(GOOD, true);
	uev_enable(GOOD, false);
	uev_stay_on_cpu(0);
	return pipe(gate[0]) || pipe(gate[1]) ? -errno : 0;
}

/* The instance is there, and goes: to look meanwhile would keep the CPU from it */
static bool release_event_mutex(pid_t holder)
{
	int status;

	return !be_first(false) && !starve(holder, false) &&
	       waitpid(holder, &status, 0) == holder && !status && !rmdir(INSTANCE);
}

/* Processes whose enablers the kernel takes off their events once they unmap them */
#define UNMAPPERS	(uev_kernel_is_slow() ? 40 : 200)

static int unmaps_when_told(void)
{
	__u32 *value;
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (value == MAP_FAILED ||
		    uev_reg(data_fd, value, 0, 4, 0, BAD " u32 a", NULL))
			return failed();
		ready();
		if (read(gate[1][0], &c, 1) != 1)
			return 0;
		munmap(value, uev_page_size());
		__atomic_fetch_add(&shared->done, 1, __ATOMIC_SEQ_CST);
	}
}

static int many_unmap(void *arg)
{
	int i, count = *(int *)arg;

	setpgid(0, 0);
	uev_become_nobody();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < count; i++) {
		switch (fork()) {
		case 0:
			_exit(unmaps_when_told());
		case -1:
			return failed();
		}
	}
	for (;;)
		pause();
}

/* Workers of the kernel that wait for a lock */
static int waiting_workers(void)
{
	char path[64], *text, *at;
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	int nr = 0;

	while (proc && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		text = atoi(entry->d_name) > 2 ? uev_get(path) : NULL;
		at = text ? strrchr(text, ')') : NULL;
		nr += at && strstr(text, "(kworker/") && !strncmp(at, ") D", 3);
		free(text);
	}
	if (proc)
		closedir(proc);
	return nr;
}

/*
 * The kernel runs few work items of a queue at a time, and they are for all users.
 */
TEST_F(neighbour, whose_work_queues_for_event_mutex)
{
	int tries, nr, looks, most = 0, count = UNMAPPERS;
	char bytes[200] = "";
	long slept[QUEUE];
	pid_t holder;
	bool ok;

	ASSERT_OK(share_a_cpu());
	/* One that asks, to see that event_mutex is held */
	queue = 1;
	START(0, many_unmap, &count, count);
	START(1, spins, NULL, count + 1);
	START(2, many_ask, (void *)&ways[0], count + 2);
	for (tries = 1; tries <= 10; tries++) {
		ASSERT_OK(be_first(true));
		ok = let_them_ask(&holder, slept);
		if (ok)
			break;
		ASSERT_TRUE(release_event_mutex(holder));
	}
	ASSERT_TRUE(ok);
	ASSERT_EQ(count, write(gate[1][1], bytes, count));
	ASSERT_TRUE(uev_wait_for(UEV_READ(shared->done) == count));
	for (looks = 0; looks < 20; looks++) {
		usleep(2000);
		nr = waiting_workers();
		most = nr > most ? nr : most;
	}
	EXPECT_EQ(HELD, UEV_READ(shared->go));
	ASSERT_TRUE(release_event_mutex(holder));
	ASSERT_TRUE(are_ready(2 * count + 2));
	ASSERT_EQ(0, UEV_READ(shared->failed));
	TH_LOG("%d of %d work items waited for event_mutex", most, count);
	EXPECT_LT(0, most);
	EXPECT_GE(WORKERS_OF_ONE, most);
}

TEST_F(neighbour, a_user_queues_once_for_event_mutex)
{
	long slept[QUEUE];
	int i, way, nr, tries;
	pid_t holder;
	bool ok;

	ASSERT_OK(share_a_cpu());
	START(ARRAY_SIZE(ways), spins, NULL, 1);
	for (way = 0; way < (int)ARRAY_SIZE(ways); way += next_way) {
		UEV_WRITE(shared->ready, 0);
		START(way, many_ask, (void *)&ways[way], queue);
		for (tries = 1; tries <= 10; tries++) {
			ASSERT_OK(be_first(true));
			ok = let_them_ask(&holder, slept);
			if (ok) {
				ASSERT_OK(starve(holder, false));
				uev_enable(GOOD, true);
				for (i = nr = 0; i < queue; i++)
					nr += sleeps(i) != slept[i];
			}
			ASSERT_TRUE(release_event_mutex(holder));
			uev_enable(GOOD, false);
			ASSERT_TRUE(uev_wait_for(!ok || UEV_READ(shared->failed) ||
						 UEV_READ(shared->done) == queue));
			ASSERT_EQ(0, UEV_READ(shared->failed));
			if (ok && nr <= MAY_GO_FIRST)
				break;
		}
		ASSERT_TRUE(ok)
			TH_LOG("event_mutex was never held for long enough");
		EXPECT_GE(MAY_GO_FIRST, nr)
			TH_LOG("%s: a switch waited for %d of %d processes",
			       ways[way].text, nr, queue);
		kill(-self->bad[way], SIGKILL);
		uev_join(self->bad[way]);
		self->bad[way] = 0;
	}
}

TEST_F(neighbour, who_queues_for_event_mutex_can_be_killed)
{
	int i, way, nr, tries;
	long slept[QUEUE];
	pid_t holder;

	ASSERT_OK(share_a_cpu());
	START(ARRAY_SIZE(ways), spins, NULL, 1);
	for (way = 0; way < (int)ARRAY_SIZE(ways); way += next_way) {
		/* A try can be too slow: event_mutex is free before all is done */
		for (tries = nr = 0; nr < queue && tries < 10; tries++) {
			UEV_WRITE(shared->ready, 0);
			START(way, many_ask, (void *)&ways[way], queue);
			ASSERT_OK(be_first(true));
			let_them_ask(&holder, slept);
			for (i = 0; i < queue; i++)
				kill(shared->askers[i], SIGKILL);
			/* The others die while the first one waits as everybody does */
			for (nr = 1; nr < queue && sleeps(0) == slept[0]; nr++) {
				while (sleeps(nr) >= 0 && sleeps(0) == slept[0])
					let_others_run(nr);
			}
			if (slept[0] < 0 || sleeps(0) != slept[0])
				nr = 0;
			ASSERT_TRUE(release_event_mutex(holder));
			ASSERT_EQ(0, UEV_READ(shared->failed));
			kill(-self->bad[way], SIGKILL);
			uev_join(self->bad[way]);
			self->bad[way] = 0;
		}
		EXPECT_EQ(queue, nr)
			TH_LOG("%s: they wait until event_mutex is free", ways[way].text);
	}
}

/* The longest of many switches while CGROUP exceeds its limit by far */
static __u64 longest_without_memory(void)
{
	__u64 begin, took, longest = 0;
	bool on = false;

	if (uev_put(CGROUP "/memory.high", "262144"))
		return UINT64_MAX;
	UEV_WRITE(shared->go, 1);
	begin = uev_now_ms();
	while (uev_now_ms() - begin < 8000) {
		on = !on;
		took = now_us();
		uev_enable(GOOD, on);
		took = now_us() - took;
		if (took > longest)
			longest = took;
	}
	uev_enable(GOOD, false);
	uev_put(CGROUP "/memory.high", "max");
	return longest;
}

/* Copies much where memory is so short that each allocation has to wait */
TEST_F(neighbour, who_copies_much_without_memory)
{
	int count = addresses(60000);
	__u64 longest;

	START(0, copies, &count, count + 1);
	if (!put_in_cgroup(self->bad[0]))
		SKIP(return, "no memory controller");
	longest = longest_without_memory();
	TH_LOG("longest switch %llu us", (unsigned long long)longest);
	/* A switch that waited for the allocations would take seconds */
	EXPECT_GT(QUITE_LONG_US, longest);
}

#define DECLARERS	24

/* A charge puts a task to sleep for up to two seconds if its cgroup exceeds its limit */
#define THROTTLED_US	1500000

/* Declares one event after the other until the test ends */
static int declares_on(int nr)
{
	char command[512], *at;
	int i, j;

	while (!UEV_READ(shared->go))
		usleep(200000);
	for (i = 0; !UEV_READ(shared->quit); i++) {
		at = command + sprintf(command, BAD "_%d_%d ", nr, i);
		for (j = 0; j < 32; j++)
			at += sprintf(at, "u32 field%02d;", j);
		if (uev_reg(data_fd, &shared->value[1], nr, 4, 0, command, NULL))
			return failed();
		__atomic_add_fetch(&shared->done, 1, __ATOMIC_SEQ_CST);
		if (uev_unreg(data_fd, &shared->value[1], nr))
			return failed();
	}
	return 0;
}

static int many_declare(void *arg)
{
	size_t size = 16 << 20;
	int i;

	setpgid(0, 0);
	uev_become_nobody();
	ready();
	while (!UEV_READ(shared->uffd))
		usleep(1000);
	uev_stay_on_cpu(0);
	if (mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED)
		return failed();
	for (i = 0; i < (uev_kernel_is_slow() ? 8 : DECLARERS); i++) {
		if (!fork())
			_exit(declares_on(i));
	}
	ready();
	for (;;)
		pause();
}

/*
 * A CPU has some pages ready that one cgroup is charged for already. This one is in
 * another cgroup and allocates often, so that each page is charged anew.
 */
static int allocates_often(void *arg)
{
	size_t size = 2 * uev_page_size();
	bool slow = uev_kernel_is_slow();
	char *area;

	/* On a slow kernel it would keep the holder of event_mutex from running */
	if (!slow)
		setpriority(PRIO_PROCESS, 0, -20);
	uev_stay_on_cpu(0);
	ready();
	while (!UEV_READ(shared->go))
		usleep(20000);
	while (!UEV_READ(shared->quit)) {
		usleep(slow ? 20000 : 50);
		area = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		munmap(area, size);
	}
	return 0;
}

TEST_F(neighbour, who_declares_much_without_memory)
{
	__u64 longest;

	START(0, many_declare, NULL, 1);
	START(1, allocates_often, NULL, 2);
	if (!put_in_cgroup(self->bad[0]) || !put_in(CGROUP2, self->bad[1]))
		SKIP(return, "no memory controller");
	UEV_WRITE(shared->uffd, 1);
	ASSERT_TRUE(are_ready(3));
	longest = longest_without_memory();
	TH_LOG("longest switch %llu us, %d events declared",
	       (unsigned long long)longest, UEV_READ(shared->done));
	/* On a slow kernel the declarations alone delay a switch as long */
	EXPECT_GT(uev_kernel_is_slow() ? QUITE_LONG_US : THROTTLED_US, longest);
	EXPECT_TRUE(uev_wait_for(UEV_READ(shared->done)));
}

/* Memory */

static int declares(void *arg)
{
	int i, count = *(int *)arg;
	char command[256];

	if (uev_become_nobody())
		return failed();
	ready();
	while (!UEV_READ(shared->go))
		uev_nap();
	for (i = 0; i < count; i++) {
		snprintf(command, sizeof(command),
			 BAD "_%d u32 a; s64 b; __rel_loc char[] c; char[8] d", i);
		if (uev_reg(data_fd, &shared->value[1], i % 32, 4, 0, command, NULL) ||
		    uev_unreg(data_fd, &shared->value[1], i % 32))
			return failed();
		ready();
	}
	for (;;)
		pause();
}

/* Bytes of the kernel that the cgroup of the bad neighbour is charged for */
static long charged(void)
{
	char *stat = uev_get(CGROUP "/memory.stat"), *line;
	long bytes = -1;

	line = strstr(stat, "\nkernel ");
	if (line)
		bytes = atol(line + 8);
	free(stat);
	return bytes;
}

/* The memory of an event is charged to the task that declares it. */
TEST_F(neighbour, who_declares_much_is_charged)
{
	int count = uev_rounds(4000);
	long slab, before, own;

	START(0, declares, &count, 1);
	if (!put_in_cgroup(self->bad[0]))
		SKIP(return, "no memory controller");
	/* Gives back what earlier tests have freed */
	uev_slab_objects();
	slab = uev_mem_kb("\nSlab:") * 1024;
	before = charged();
	if (before < 0)
		SKIP(return, "memory.stat does not tell");
	UEV_WRITE(shared->go, 1);
	ASSERT_TRUE(are_ready(1 + count));
	ASSERT_EQ(0, UEV_READ(shared->failed));
	slab = uev_mem_kb("\nSlab:") * 1024 - slab;
	own = charged() - before;
	TH_LOG("%ld bytes for each event, of which %ld are charged",
	       slab / count, own / count);
	/* Checkers have slabs of their own, which are charged to no cgroup */
	if (!uev_kernel_is_slow()) {
		EXPECT_LT(slab / 2, own);
		EXPECT_GT(slab * 3, own);
	}
	/* It is given back; KASAN keeps what the slabs have of it for a while */
	kill(self->bad[0], SIGKILL);
	uev_join(self->bad[0]);
	self->bad[0] = 0;
	close(data_fd);
	data_fd = -1;
	EXPECT_TRUE(uev_wait_for(charged() < before + own /
				 (uev_kernel_is_slow() ? 2 : 20)));
}

/* What a repair brings in takes page tables, which a child has none of at first */
#define TABLES	128
#define TABLE_SPAN	(2UL << 20)

static int waits(void *unused)
{
	return pause();
}

static int has_words_far_apart(void *arg)
{
	char *area, *at;
	pid_t child;

	if (uev_become_nobody())
		return failed();
	area = mmap(NULL, (TABLES + 1) * TABLE_SPAN, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED ||
	    madvise(area, (TABLES + 1) * TABLE_SPAN, MADV_WIPEONFORK))
		return failed();
	madvise(area, (TABLES + 1) * TABLE_SPAN, MADV_NOHUGEPAGE);
	for (at = area; at < area + TABLES * TABLE_SPAN; at += TABLE_SPAN) {
		if (uev_reg(data_fd, at, 0, 4, 0, BAD " u32 a", NULL))
			return failed();
	}
	ready();
	while (!UEV_READ(shared->go))
		uev_nap();
	child = uev_fork(waits, NULL);
	shared->askers[0] = child;
	ready();
	return uev_join(child);
}

/* A line of /proc/@pid/status or of the cgroup's memory.stat, or -1 */
static long number_of(const char *path, const char *name)
{
	char *text = uev_get(path), *line = strstr(text, name);
	long number = line ? atol(line + strlen(name)) : -1;

	free(text);
	return number;
}

TEST_F(neighbour, whose_words_are_brought_in_is_charged)
{
	static const char stat[] = CGROUP "/memory.stat";
	long before, bytes = TABLES * uev_page_size();
	char path[64];

	START(0, has_words_far_apart, NULL, 1);
	if (!put_in_cgroup(self->bad[0]))
		SKIP(return, "no memory controller");
	/* The event was switched since: the child's words are all looked at */
	ASSERT_OK(uev_enable(BAD, true));
	UEV_WRITE(shared->go, 1);
	ASSERT_TRUE(are_ready(2));
	ASSERT_EQ(0, UEV_READ(shared->failed));
	snprintf(path, sizeof(path), "/proc/%d/status", shared->askers[0]);
	EXPECT_TRUE(uev_wait_for(number_of(path, "\nVmPTE:") * 1024 >= bytes));
	before = number_of(stat, "\npagetables ");
	if (before < 0)
		SKIP(return, "memory.stat does not tell");
	TH_LOG("%ld bytes of page tables, %ld are charged",
	       number_of(path, "\nVmPTE:") * 1024, before);
	EXPECT_TRUE(uev_wait_for(number_of(stat, "\npagetables ") >= bytes));
	kill(shared->askers[0], SIGKILL);
}

#define LOOPS	4

TEST_F(neighbour, who_copies_much_is_followed_by_the_clearing)
{
	int count = addresses(20000), i;
	/* KiB of enablers: in each loop parent and child, a cache line each */
	long living = LOOPS * 2L * count * 64 / 1024, before, now, most = 0;
	__u64 begin;

	before = uev_mem_kb("\nSlab:");
	for (i = 0; i < LOOPS; i++)
		START(i, copies, &count, i + 1);
	UEV_WRITE(shared->go, 1);
	for (begin = uev_now_ms(); uev_now_ms() - begin < 15000;) {
		now = uev_mem_kb("\nSlab:") - before;
		if (now > most)
			most = now;
		if (most > 8 * living + 65536)
			break;
		usleep(20000);
	}
	UEV_WRITE(shared->quit, 1);
	TH_LOG("%d rounds, slabs grew by up to %ld KiB, %ld KiB are registered",
	       UEV_READ(shared->ready), most, living);
	/* KASAN keeps freed memory for a while */
	EXPECT_GT(4 * living + (uev_kernel_is_slow() ? 262144 : 32768), most);
}

/* Shared memory */

/* Registers another event at the same bit, in another mapping of the memory */
static int maps_it_elsewhere(void *arg)
{
	__u32 *value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			    MAP_SHARED, *(int *)arg, 0);

	uev_become_nobody();
	if (value == MAP_FAILED)
		return 1;
	if (uev_reg(data_fd, &value[3], 5, 4, 0, BAD " u32 a", NULL))
		return 2;
	UEV_WRITE(shared->ready, 1);
	if (!uev_wait_for(UEV_READ(shared->go)))
		return 3;
	return uev_unreg(data_fd, &value[3], 5) ? 4 : 0;
}

TEST_F(neighbour, unregisters_in_memory_of_another_user)
{
	int memory = memfd_create("uev", MFD_CLOEXEC);
	__u32 *value;

	ASSERT_EQ(0, ftruncate(memory, uev_page_size()));
	value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
		     memory, 0);
	ASSERT_NE(MAP_FAILED, value);
	ASSERT_OK(uev_reg(data_fd, &value[3], 5, 4, 0, GOOD " u32 a", NULL));
	ASSERT_OK(uev_enable(GOOD, true));
	ASSERT_BECOMES(1U << 5, value[3]);
	START(0, maps_it_elsewhere, &memory, 1);
	ASSERT_OK(uev_enable(BAD, true));
	UEV_WRITE(shared->go, 1);
	ASSERT_EQ(0, uev_join(self->bad[0]));
	self->bad[0] = 0;
	ASSERT_BECOMES(1U << 5, value[3]);
	close(memory);
}

/* More than the kernel looks up at once */
#define MAPPINGS	64

static __u32 *map_word(int memory)
{
	__u32 *value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			    MAP_SHARED, memory, 0);

	return value == MAP_FAILED ? NULL : value;
}

/* Is at step shared->go when shared->ready is that number */
static bool wait_for_step(int step)
{
	ready();
	return uev_wait_for(UEV_READ(shared->go) >= step ||
			    UEV_READ(shared->quit)) && !UEV_READ(shared->quit);
}

/* Maps the memory many times, before the good process does, and unmaps it all */
static int maps_and_unmaps(void *arg)
{
	int i, step = 0;
	__u32 *values[MAPPINGS];

	/* The kernel looks at address spaces that have registered something */
	if (uev_reg(data_fd, &shared->value[2], 0, 4, 0, BAD " u32 a", NULL))
		return failed();
	for (;;) {
		for (i = 0; i < MAPPINGS; i++)
			values[i] = map_word(*(int *)arg);
		if (!wait_for_step(++step))
			return 0;
		for (i = 0; i < MAPPINGS; i++) {
			munmap(values[i], uev_page_size());
			UEV_WRITE(shared->done, shared->done + 1);
		}
	}
}

/* Meanwhile clears the bit of the good process, which the kernel sets again */
static int clears(void *arg)
{
	__u32 *value = map_word(*(int *)arg);
	int step;

	uev_become_nobody();
	if (!value)
		return failed();
	for (step = 1; wait_for_step(step); step++) {
		do {
			if (uev_reg(data_fd, &value[3], 5, 4, 0, BAD " u32 a", NULL) ||
			    uev_unreg(data_fd, &value[3], 5))
				return failed();
		} while (UEV_READ(shared->done) < step * MAPPINGS);
	}
	return 0;
}

TEST_F(neighbour, unmaps_while_the_sharers_are_looked_up)
{
	int memory = memfd_create("uev", MFD_CLOEXEC), round;
	int rounds = uev_rounds(100);
	__u32 *value;

	ASSERT_EQ(0, ftruncate(memory, uev_page_size()));
	ASSERT_OK(uev_enable(GOOD, true));
	START(0, maps_and_unmaps, &memory, 1);
	START(1, clears, &memory, 2);
	for (round = 1; round <= rounds; round++) {
		/* The newest of the mappings */
		value = map_word(memory);
		ASSERT_NE(NULL, value);
		ASSERT_OK(uev_reg(data_fd, &value[3], 5, 4, 0, GOOD " u32 a", NULL));
		UEV_WRITE(shared->go, round);
		ASSERT_TRUE(are_ready(2 + 2 * round));
		ASSERT_EQ(0, UEV_READ(shared->failed));
		ASSERT_TRUE(BECOMES(1U << 5, value[3]))
			TH_LOG("in round %d", round);
		ASSERT_OK(uev_unreg(data_fd, &value[3], 5));
		ASSERT_EQ(0, munmap(value, uev_page_size()));
	}
	close(memory);
}

/* Bits in memory that a process shares with its children */
#define CHILDREN	64
#define SHARED_BITS	4096

static int shares_with_children(void *arg)
{
	size_t size = SHARED_BITS * 4UL;
	__u32 *value = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    *(int *)arg, 0);
	int i;

	setpgid(0, 0);
	uev_become_nobody();
	if (value == MAP_FAILED)
		return failed();
	for (i = 0; i < (uev_kernel_is_slow() ? 1024 : SHARED_BITS); i++) {
		if (uev_reg(data_fd, &value[i], 5, 4, 0, BAD " u32 a", NULL))
			return failed();
	}
	for (i = 0; i < CHILDREN; i++) {
		if (fork())
			continue;
		for (;;) {
			/* No page of them is in the page table of a child */
			madvise(value, size, MADV_DONTNEED);
			usleep(20000);
		}
	}
	ready();
	for (;;)
		pause();
}

static bool kernel_threads_rest(void)
{
	long nr, before = kernel_threads(&nr);

	usleep(500000);
	return kernel_threads(&nr) - before < 10;
}

TEST_F(neighbour, who_shares_bits_with_children)
{
	int memory = memfd_create("uev", MFD_CLOEXEC), i, rounds = 20;
	__u32 *value;
	long before, spent, nr;

	ASSERT_EQ(0, ftruncate(memory, SHARED_BITS * 4));
	START(0, shares_with_children, &memory, 1);
	value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
		     memory, 0);
	ASSERT_NE(MAP_FAILED, value);
	ASSERT_OK(uev_enable(BAD, true));
	ASSERT_TRUE(BECOMES(1U << 5, value[3]));
	/* Each child is repaired once. With checkers they never rest. */
	if (!uev_kernel_is_slow())
		EXPECT_TRUE(uev_wait_for(kernel_threads_rest()));
	before = kernel_threads(&nr);
	for (i = 0; i < rounds; i++) {
		ASSERT_OK(uev_reg(data_fd, &value[3], 5, 4, 0, GOOD " u32 a", NULL));
		ASSERT_OK(uev_unreg(data_fd, &value[3], 5));
		/* It is one word for all of them */
		ASSERT_EQ(1U << 5, UEV_READ(value[3]));
		usleep(50000);
	}
	spent = kernel_threads(&nr) - before;
	TH_LOG("%ld ticks of kernel threads for %d rounds", spent, rounds);
	/* Not thousands of bits in each child, in each round; checkers work by themselves */
	if (!uev_kernel_is_slow())
		EXPECT_GT(sysconf(_SC_CLK_TCK), spent);
	ASSERT_OK(uev_enable(BAD, false));
	munmap(value, uev_page_size());
	close(memory);
}

/* Each process of a chain ends once it has forked the next one */
static int is_forked_on(void *arg)
{
	__u32 *value = map_word(*(int *)arg);

	setpgid(0, 0);
	if (!value || uev_reg(data_fd, &value[3], 5, 4, 0, GOOD " u32 a", NULL))
		return failed();
	ready();
	while (!UEV_READ(shared->quit)) {
		switch (fork()) {
		case 0:
			UEV_WRITE(shared->done, shared->done + 1);
			break;
		case -1:
			return failed();
		default:
			return 0;
		}
	}
	return 0;
}

/* Whoever has the bit now is found, although it was not there a moment ago */
TEST_F(neighbour, unregisters_while_the_sharer_forks_and_ends)
{
	int memory = memfd_create("uev", MFD_CLOEXEC), i;
	__u64 end = uev_now_ms() + 5000;
	__u32 *value;

	ASSERT_EQ(0, ftruncate(memory, uev_page_size()));
	value = map_word(memory);
	ASSERT_NE(NULL, value);
	ASSERT_OK(uev_enable(GOOD, true));
	START(0, is_forked_on, &memory, 1);
	ASSERT_BECOMES(1U << 5, value[3]);
	for (i = 0; uev_now_ms() < end && !UEV_READ(shared->failed); i++) {
		ASSERT_OK(uev_reg(data_fd, &value[3], 5, 4, 0, BAD " u32 a", NULL));
		ASSERT_OK(uev_unreg(data_fd, &value[3], 5));
		ASSERT_BECOMES(1U << 5, value[3]);
	}
	ASSERT_EQ(0, UEV_READ(shared->failed));
	TH_LOG("%d rounds, %d processes", i, UEV_READ(shared->done));
	UEV_WRITE(shared->quit, 1);
	close(memory);
}

/* Maps a page as often as it may; how long unregistering takes, and with a quarter */
static int maps_it_often(void *arg)
{
	int i = 0, part, often = uev_kernel_is_slow() ? 10000 : 60000;
	__u32 *value = map_word(*(int *)arg);
	__u64 begin;

	if (!value)
		return failed();
	uev_become_nobody();
	for (part = 4; part > 0; part -= 3) {
		if (uev_reg(data_fd, &value[3], 5, 4, 0, GOOD " u32 a", NULL))
			return failed();
		for (; i < often / part; i++) {
			if (!map_word(*(int *)arg))
				return failed();
		}
		begin = now_us();
		if (uev_unreg(data_fd, &value[3], 5))
			return failed();
		shared->value[part] = now_us() - begin;
	}
	ready();
	return 0;
}

TEST_F(neighbour, who_maps_a_page_very_often)
{
	int memory = memfd_create("uev", MFD_CLOEXEC);

	ASSERT_EQ(0, ftruncate(memory, uev_page_size()));
	START(0, maps_it_often, &memory, 1);
	TH_LOG("unregistering takes %u us, and %u with a quarter of the mappings",
	       shared->value[1], shared->value[4]);
	/* As long for each of them, not for each pair of them */
	EXPECT_GT(8 * shared->value[4] + QUITE_LONG_US / 8, shared->value[1]);
	close(memory);
}

/* An enable word in a file of a file system that an administrator freezes */
static int maps_a_frozen_file(void *arg)
{
	size_t size = uev_page_size();
	__u32 *value = arg;

	if (uev_reg(data_fd, value, 0, 4, 0, BAD " u32 a", NULL))
		return failed();
	ready();
	while (!UEV_READ(shared->quit)) {
		/* Takes the mmap_lock for writing */
		munmap(mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0), size);
		__atomic_add_fetch(&shared->value[6], 1, __ATOMIC_SEQ_CST);
		usleep(1000);
	}
	return 0;
}

TEST_F(neighbour, file_system_is_frozen)
{
	char dir[32] = "/tmp/uev-XXXXXX", path[64];
	__u32 *value, count;
	const char *why = uev_mount_disk(0, true, dir);
	bool goes_on = true;
	int fd, i;

	if (why)
		SKIP(return, "%s", why);
	snprintf(path, sizeof(path), "%s/value", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, uev_page_size()));
	value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	ASSERT_NE(MAP_FAILED, value);
	START(0, maps_a_frozen_file, value, 1);
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, ioctl(fd, FIFREEZE, 0));

	EXPECT_OK(uev_enable(BAD, true));
	/* The process goes on meanwhile. */
	for (i = 0; i < 5 && goes_on; i++) {
		usleep(300000);
		count = UEV_READ(shared->value[6]);
		goes_on = uev_wait_for(UEV_READ(shared->value[6]) != count);
	}
	EXPECT_TRUE(goes_on);
	EXPECT_EQ(0, ioctl(fd, FITHAW, 0));
	EXPECT_TRUE(BECOMES(1, *value));
	UEV_WRITE(shared->quit, 1);
	EXPECT_EQ(0, uev_join(self->bad[0]));
	self->bad[0] = 0;
	munmap(value, uev_page_size());
	close(fd);
	/* The repair's thread can be the last to leave the mapping */
	EXPECT_TRUE(uev_wait_for(!umount2(dir, 0)));
	rmdir(dir);
}

/* Free huge pages: reading user_events_enablers must not take any */
static long huge_free(void)
{
	return uev_mem_kb("\nHugePages_Free:");
}

TEST_F(neighbour, nobody_brings_in_huge_pages)
{
	size_t size = uev_mem_kb("\nHugepagesize:") << 10;
	const char *sysctl = "/proc/sys/vm/nr_hugepages";
	long before, i;
	__u32 *value;
	char *text;

	if (!size || size > 64 << 20 || uev_put(sysctl, "8") || huge_free() < 4) {
		uev_put(sysctl, "0");
		SKIP(return, "no huge pages");
	}
	value = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	ASSERT_NE(MAP_FAILED, value);
	ASSERT_OK(uev_reg(data_fd, value, 0, 4, 0, GOOD " u32 a", NULL));
	ASSERT_OK(uev_enable(GOOD, true));
	EXPECT_TRUE(BECOMES(1, *value));
	ASSERT_OK(uev_enable(GOOD, false));
	EXPECT_TRUE(BECOMES(0, *value));
	if (!madvise(value, size, MADV_DONTNEED)) {
		before = huge_free();
		for (i = 0; i < 3; i++) {
			text = uev_get("user_events_enablers");
			EXPECT_NE(NULL, strstr(text, " absent "));
			free(text);
		}
		EXPECT_EQ(before, huge_free());
	}
	EXPECT_OK(uev_unreg(data_fd, value, 0));
	munmap(value, size);
	uev_put(sysctl, "0");
}

TEST_HARNESS_MAIN
