// SPDX-License-Identifier: GPL-2.0
/*
 * A bad neighbour makes repairs wait, and fills the log.
 */
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <linux/fs.h>

#include "neighbour.h"
#include "uev_pager.h"

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

TEST_F(neighbour, stalled_pager_delays_no_other_user)
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
	waiting = uev_waiting_threads(NULL);
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
	ASSERT_TRUE(uev_wait_for(uev_waiting_threads(NULL)));
	sleep(2);
	nr = uev_waiting_threads(NULL);
	TH_LOG("%d threads wait for %d UIDs", nr, UIDS);
	EXPECT_LT(0, nr);
	/* Fewer than one for each UID, with some left over from earlier tests */
	EXPECT_GT(UIDS / 2, nr);
}

#define OUTSIDE_UID	"77"

static int one_uid_stuck(void *arg)
{
	int uid = atoi(OUTSIDE_UID);

	setpgid(0, 0);
	if (unshare(CLONE_NEWUSER))
		return failed();
	ready();
	while (!UEV_READ(shared->go))
		uev_nap();
	if (setresuid(uid, uid, uid))
		return failed();
	if (!fork())
		_exit(one_stuck());
	for (;;)
		pause();
}

/* Where root has made it for itself, each counts as the user that it is outside. */
TEST_F(neighbour, user_namespace_of_root_itself)
{
	char path[64];

	if (access("/proc/self/ns/user", F_OK))
		SKIP(return, "the kernel has no user namespaces");
	START(0, one_uid_stuck, NULL, 1);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", self->bad[0]);
	ASSERT_OK(uev_put(path, "0 0 1000"));
	UEV_WRITE(shared->go, 1);
	ASSERT_TRUE(are_ready(2));
	ASSERT_EQ(0, UEV_READ(shared->failed));
	ASSERT_OK(uev_enable(BAD, true));
	EXPECT_TRUE(uev_wait_for(uev_waiting_threads(OUTSIDE_UID) == 1));
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

TEST_F(neighbour, repairs_of_many_unwritable_words)
{
	int count = uev_rounds(20000);
	long before, ticks, number, hz = sysconf(_SC_CLK_TCK);
	__u64 begin, took;

	START(0, forks_with_lost_values, &count, count + 1);
	ASSERT_OK(uev_enable(BAD, true));
	sleep(1);
	before = kernel_threads(&number);
	begin = uev_now_ms();
	UEV_WRITE(shared->go, 1);
	ASSERT_TRUE(uev_wait_for(UEV_READ(shared->ready) == count + 2));
	sleep(4);
	ticks = kernel_threads(&number) - before;
	took = uev_now_ms() - begin;
	TH_LOG("%ld ms of CPU time in %llu ms", ticks * 1000 / hz,
	       (unsigned long long)took);
	EXPECT_GT(took / 2, (__u64)ticks * 1000 / hz);
}

/* A minute's share of lines of one user, who has used none of it */
#define LINES_OF_ONE	10
#define LOSER		(20000 + getpgrp() % 20000)

/* Registers an address that it then makes read-only, and one that stays */
static int loses_value(void *arg)
{
	const char *event = arg;
	size_t page = uev_page_size();
	int fd = uev_open();
	char *area;
	pid_t pid;

	if (setresuid(LOSER, LOSER, LOSER))
		return failed();
	setpgid(0, 0);
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

/* A user is forgotten with the last process and event, but not its share of the log. */
TEST_F(neighbour, returning_user_gets_no_new_share_of_the_log)
{
	int i, on, kmsg, lines = 0, lives = 30;
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
		lines += uev_log_lines(kmsg, event);
	}
	close(kmsg);
	begin = uev_now_ms() - begin;
	TH_LOG("%d lines in %llu ms", lines, (unsigned long long)begin);
	EXPECT_LT(0, lines);
	/* Of each minute that has begun, and of the one before */
	EXPECT_GE(LINES_OF_ONE * (2 + begin / 60000), lines);
}

/* Registers as root, and forks as nobody: the child's page is missing. */
static int forks_as_another(void *unused)
{
	size_t size = uev_page_size();
	__u32 *value = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	setpgid(0, 0);
	if (value == MAP_FAILED ||
	    uev_reg(data_fd, value, 0, 4, 0, BAD " u32 a", NULL))
		return failed();
	uev_become_nobody();
	if (!fork()) {
		if (uev_pager(value, size) < 0 ||
		    madvise(value, size, MADV_DONTNEED))
			return failed();
		ready();
	}
	pause();
	return 0;
}

static bool has_thread(const char *name)
{
	char path[64], *comm;
	bool found = false;
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	while (proc && !found && (entry = readdir(proc))) {
		if (atoi(entry->d_name) <= 2)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		comm = uev_get(path);
		found = !strncmp(comm, name, strlen(name));
		free(comm);
	}
	if (proc)
		closedir(proc);
	return found;
}

/* The repairs of a child are those of the user that its parent has become. */
TEST_F(neighbour, who_forks_as_another_user)
{
	EXPECT_TRUE(uev_wait_for(!has_thread("user_events/65534")));
	START(0, forks_as_another, NULL, 1);
	EXPECT_OK(uev_enable(BAD, true));
	EXPECT_TRUE(uev_wait_for(has_thread("user_events/65534")));
	EXPECT_OK(uev_enable(BAD, false));
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
	__u32 *value, *own, count;
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
	own = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, own);
	ASSERT_OK(uev_reg(data_fd, own, 1, 4, 0, BAD " u32 a", NULL));
	ASSERT_EQ(0, madvise(own, uev_page_size(), MADV_DONTNEED));
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, ioctl(fd, FIFREEZE, 0));

	EXPECT_OK(uev_enable(BAD, true));
	/* What a process has to itself takes no write to the file */
	EXPECT_TRUE(BECOMES(2, *own));
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
	EXPECT_OK(uev_unreg(data_fd, own, 1));
	munmap(own, uev_page_size());
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

TEST_F(neighbour, reading_enablers_takes_no_huge_page)
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
