// SPDX-License-Identifier: GPL-2.0
/*
 * How long the switch of another event takes beside a bad neighbour.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>

#include "neighbour.h"

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

TEST_F(neighbour, switch_of_many_copies)
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
	EXPECT_GT(copies * one / 4 + 100000, all);
	UEV_WRITE(shared->go, 1);
	EXPECT_TRUE(uev_wait_while_counting(UEV_READ(shared->done) == copies + 1,
					    UEV_READ(shared->done)));
	/* Now each copy has its pages for itself: they could be written at once. */
	all = time_switch(false);
	TH_LOG("%ld us when nothing has to be copied", all);
	ASSERT_LE(0, all);
	/* With so few copies on a slow kernel, the part is nearly all of them */
	if (!uev_kernel_is_slow())
		EXPECT_GT(copies * one / 2 + 100000, all);
	UEV_WRITE(shared->go, 2);
	EXPECT_TRUE(uev_wait_while_counting(UEV_READ(shared->done) == 2 * (copies + 1),
					    UEV_READ(shared->done)));
}

/* Lines of user_events_enablers: bits, and children that have the same ones */
#define SHOWN_WORDS	(uev_kernel_is_slow() ? 16 : 64)
#define SHOWN_CHILDREN	7

static int has_many_lines(void *arg)
{
	int i, words = SHOWN_WORDS;
	__u64 *values;

	setpgid(0, 0);
	uev_become_nobody();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	values = mmap(NULL, words * 8UL, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (values == MAP_FAILED)
		return failed();
	for (i = 0; i < words * 64; i++) {
		if (uev_reg(data_fd, values + i / 64, i % 64, 8, 0, BAD " u32 a", NULL))
			return failed();
	}
	for (i = 0; i < SHOWN_CHILDREN; i++) {
		switch (fork()) {
		case 0:
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		case -1:
			return failed();
		}
	}
	ready();
	for (;;)
		pause();
}

/* In one read, that begins behind the last line */
static int passes_over_all_lines(void *arg)
{
	int fd = open(TRACEFS "user_events_enablers", O_RDONLY | O_CLOEXEC);
	char c;

	UEV_WRITE(shared->go, 1);
	if (fd < 0 || pread(fd, &c, 1, 1LL << 40))
		failed();
	UEV_WRITE(shared->go, 2);
	return 0;
}

/* However much a read passes over, it lets switches through. */
TEST_F(neighbour, switches_beside_a_long_read)
{
	int lines = SHOWN_WORDS * 64 * (1 + SHOWN_CHILDREN), nr, on = 0;
	struct sched_param first = { .sched_priority = 1 }, normal = {};

	START(0, has_many_lines, NULL, 1);
	/* On one CPU, and first there: a switch that may go on does */
	uev_stay_on_cpu(0);
	self->bad[1] = uev_fork(passes_over_all_lines, NULL);
	ASSERT_LT(0, self->bad[1]);
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_FIFO, &first));
	ASSERT_TRUE(uev_wait_for(UEV_READ(shared->go)));
	for (nr = 0; UEV_READ(shared->go) == 1; nr++) {
		/* For the reader */
		usleep(1000);
		on = !on;
		ASSERT_OK(uev_enable(GOOD, on));
	}
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_OTHER, &normal));
	ASSERT_EQ(0, UEV_READ(shared->failed));
	TH_LOG("%d switches while %d lines were passed over", nr, lines);
	EXPECT_LT(lines / 1024, nr);
	ASSERT_OK(uev_enable(GOOD, false));
}

#define ROUNDS	10	/* at most, until one is good */

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

/* A userfaultfd that can protect huge pages against writing; -1 if the kernel cannot */
static int protecting_uffd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API, .features = UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
	};
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC);

	if (uffd < 0 || !ioctl(uffd, UFFDIO_API, &api))
		return uffd;
	close(uffd);
	return -1;
}

/* Keeps a lock of its huge pages busy, and has the kernel look at them meanwhile */
static int has_huge_pages_busy(void *unused)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	pthread_t thread;
	char *range;

	setpgid(0, 0);
	uev_become_nobody();
	range = mmap(NULL, huge_range, PROT_READ | PROT_WRITE, MAP_SHARED |
		     MAP_ANONYMOUS | MAP_NORESERVE | MAP_HUGETLB, -1, 0);
	shared->uffd = protecting_uffd();
	if (range == MAP_FAILED || shared->uffd < 0)
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

TEST_F(neighbour, switch_while_huge_pages_are_busy)
{
	__u64 worst, best = ~0ULL, took = 0;
	int i, uffd = protecting_uffd();

	if (uffd < 0)
		SKIP(return, "huge pages cannot be protected against writing");
	close(uffd);
	huge_range = uev_kernel_is_slow() ? SLOW_HUGE_RANGE : HUGE_RANGE;
	START(0, has_huge_pages_busy, NULL, 1);
	/* Others on a busy host disturb some rounds: the best one counts. */
	for (i = 0; i < ROUNDS && took / 2 + 20000 <= best; i++) {
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

TEST_F(neighbour, switch_while_sets_are_copied)
{
	int count = addresses(100000), i, rounds = uev_kernel_is_slow() ? 2 : ROUNDS;
	__u64 worst, best = ~0ULL, took = 0;

	START(0, copies, &count, count + 1);
	UEV_WRITE(shared->go, 1);
	for (i = 0; i < rounds && took / 2 <= best; i++) {
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
TEST_F(neighbour, switch_while_copiers_lack_memory)
{
	int count = addresses(60000);
	__u64 longest;

	START(0, copies, &count, count + 1);
	if (!put_in_cgroup(self->bad[0]))
		SKIP(return, "no memory controller");
	longest = longest_without_memory();
	ASSERT_EQ(0, UEV_READ(shared->failed));
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

TEST_F(neighbour, switch_while_declarers_lack_memory)
{
	/* On a slow kernel the declarations alone delay a switch as long */
	const __u64 limit = uev_kernel_is_slow() ? QUITE_LONG_US : THROTTLED_US;
	__u64 now, longest = UINT64_MAX;
	int i;

	START(0, many_declare, NULL, 1);
	START(1, allocates_often, NULL, 2);
	if (!put_in_cgroup(self->bad[0]) || !uev_put_in_cgroup(CGROUP2, self->bad[1]))
		SKIP(return, "no memory controller");
	UEV_WRITE(shared->uffd, 1);
	ASSERT_TRUE(are_ready(3));
	/* A busy host can delay a switch, too, but not each time */
	for (i = 0; i < 3 && longest >= limit; i++) {
		now = longest_without_memory();
		if (now < longest)
			longest = now;
	}
	TH_LOG("longest switch %llu us, %d events declared",
	       (unsigned long long)longest, UEV_READ(shared->done));
	EXPECT_GT(limit, longest);
	EXPECT_TRUE(uev_wait_for(UEV_READ(shared->done)));
}

TEST_HARNESS_MAIN
