// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a bad neighbour makes the kernel allocate is charged to the neighbour's
 * cgroup, and freed again.
 */
#include <poll.h>
#include <sys/syscall.h>

#include "neighbour.h"
#include "uev_pager.h"

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

TEST_F(neighbour, killed_process_frees_its_memory)
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

/* Trace instances beside the first; a kernel with checkers takes half a minute for one */
#define INSTANCES	(uev_kernel_is_slow() ? 0 : 3)

static const char *instance(int i)
{
	static char path[64];

	snprintf(path, sizeof(path), INSTANCE "_%d", i);
	return path;
}

/* The memory of an event is charged to the task that declares it, in each instance, too. */
TEST_F(neighbour, declared_events_are_charged)
{
	int count = uev_rounds(4000), i;
	long slab, before, own;

	START(0, declares, &count, 1);
	if (!put_in_cgroup(self->bad[0]))
		SKIP(return, "no memory controller");
	if (charged() < 0)
		SKIP(return, "memory.stat does not tell");
	for (i = 0; i < INSTANCES; i++)
		ASSERT_TRUE(!mkdir(instance(i), 0755) || errno == EEXIST);
	/* Gives back what earlier tests have freed */
	uev_slab_objects();
	slab = uev_mem_kb("\nSlab:") * 1024;
	before = charged();
	UEV_WRITE(shared->go, 1);
	ASSERT_TRUE(are_ready(1 + count));
	ASSERT_EQ(0, UEV_READ(shared->failed));
	slab = uev_mem_kb("\nSlab:") * 1024 - slab;
	own = charged() - before;
	TH_LOG("%ld bytes for each event, of which %ld are charged",
	       slab / count, own / count);
	/* Checkers have slabs of their own, which are charged to no cgroup */
	if (!uev_kernel_is_slow()) {
		EXPECT_LT(slab / 10 * 9, own);
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
	for (i = 0; i < INSTANCES; i++)
		EXPECT_TRUE(uev_wait_for(!rmdir(instance(i))));
}

static int waits(void *unused)
{
	return pause();
}

/* Events with ids that are far apart: each takes a node of a file's table of indexes */
#define EVENTS		64
#define IDS_APART	64
#define FILES		200

static int has_many_indexes(void *arg)
{
	int i, j, fd = data_fd, files = *(int *)arg, fds[FILES];
	char command[64];

	for (i = 0; i < files; i++) {
		fds[i] = uev_open();
		if (fds[i] < 0)
			return failed();
	}
	if (uev_become_nobody())
		return failed();
	for (i = 0; i < EVENTS; i++) {
		for (j = 1; j < IDS_APART; j++) {
			/* Takes an id, and fails */
			if (uev_reg(fd, (void *)8, 0, 4, 0, BAD "_none u32 a", NULL) !=
			    -EFAULT)
				return failed();
		}
		snprintf(command, sizeof(command), BAD "_%d u32 a", i);
		if (uev_reg(fd, &shared->value[1], 0, 4, 0, command, NULL) ||
		    uev_unreg(fd, &shared->value[1], 0))
			return failed();
		ready();
	}
	while (!UEV_READ(shared->go))
		uev_nap();
	while (files--) {
		for (i = 0; i < EVENTS; i++) {
			snprintf(command, sizeof(command), BAD "_%d u32 a", i);
			if (uev_reg(fds[files], &shared->value[1], 0, 4, 0, command, NULL) ||
			    uev_unreg(fd, &shared->value[1], 0))
				return failed();
		}
		ready();
	}
	return pause();
}

/* What a file takes for the indexes that it gave out is charged. */
TEST_F(neighbour, indexes_of_files_are_charged)
{
	int files = uev_kernel_is_slow() ? FILES / 4 : FILES;
	long before;

	START(0, has_many_indexes, &files, EVENTS);
	if (!put_in_cgroup(self->bad[0]))
		SKIP(return, "no memory controller");
	before = charged();
	if (before < 0)
		SKIP(return, "memory.stat does not tell");
	UEV_WRITE(shared->go, 1);
	ASSERT_TRUE(are_ready(EVENTS + files));
	ASSERT_EQ(0, UEV_READ(shared->failed));
	/* A node of the table for each event, of 200 or 576 bytes; the number can be late */
	EXPECT_TRUE(uev_wait_for(charged() - before > EVENTS * 150 * files));
	TH_LOG("%ld bytes are charged for each file", (charged() - before) / files);
}

/* Bits of one event, each at an address of its own */
static int registers_bits(void *arg)
{
	int i, count = *(int *)arg;
	__u64 *words = mmap(NULL, count * sizeof(*words), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (words == MAP_FAILED || uev_become_nobody())
		return failed();
	ready();
	while (!UEV_READ(shared->go))
		uev_nap();
	for (i = 0; i < count; i++) {
		if (uev_reg(data_fd, &words[i], 0, 4, 0, BAD " u32 a", NULL))
			return failed();
		if (!(i % 100))
			ready();
	}
	ready();
	return pause();
}

/* An enabler is eight words of the machine, as the kernel's documentation says. */
TEST_F(neighbour, bits_are_charged)
{
	int count = uev_kernel_is_slow() ? 1000 : 20000;
	long before, own, size = count * 8 * sizeof(long);

	START(0, registers_bits, &count, 1);
	if (!put_in_cgroup(self->bad[0]))
		SKIP(return, "no memory controller");
	before = charged();
	if (before < 0)
		SKIP(return, "memory.stat does not tell");
	UEV_WRITE(shared->go, 1);
	ASSERT_TRUE(are_ready(2 + (count + 99) / 100));
	ASSERT_EQ(0, UEV_READ(shared->failed));
	/* The number can be late */
	EXPECT_TRUE(uev_wait_for(charged() - before >= size));
	own = charged() - before;
	TH_LOG("%ld bytes are charged for each bit", own / count);

	/* It is given back */
	kill(self->bad[0], SIGKILL);
	uev_join(self->bad[0]);
	self->bad[0] = 0;
	EXPECT_TRUE(uev_wait_for(charged() < before + own /
				 (uev_kernel_is_slow() ? 2 : 20)));
}

/* What a repair brings in takes page tables, which a child has none of at first */
#define TABLES	128
#define TABLE_SPAN	(2UL << 20)

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

TEST_F(neighbour, page_tables_of_a_repair_are_charged)
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

/* Pages that a child has none of at first: bringing one in charges the cgroup */
#define PAGES	(uev_kernel_is_slow() ? 1000 : 4000)
#define PARENTS	4

/* Forks children, in each of which PAGES words are to be repaired */
static int forks_children_without_pages(void *unused)
{
	size_t page = uev_page_size();
	char *area;
	int i;

	setpgid(0, 0);
	if (uev_become_nobody())
		return failed();
	area = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED || madvise(area, PAGES * page, MADV_WIPEONFORK))
		return failed();
	madvise(area, PAGES * page, MADV_NOHUGEPAGE);
	for (i = 0; i < PAGES; i++) {
		if (uev_reg(data_fd, area + i * page, 0, 4, 0, BAD " u32 a", NULL))
			return failed();
		if (!(i % 100))
			ready();
	}
	ready();
	while (!UEV_READ(shared->go))
		uev_nap();
	for (i = 0; i < PARENTS; i++) {
		if (uev_fork(waits, NULL) < 0)
			return failed();
	}
	ready();
	return pause();
}

static int waits_for_bit(void *value)
{
	if (uev_wait_for(UEV_READ(*(__u32 *)value) == 1))
		__atomic_fetch_add(&shared->done, 1, __ATOMIC_SEQ_CST);
	return 0;
}

/* Has a page that it shares with its child after fork, so that both need a repair */
static int shares_a_page(void *unused)
{
	__u32 *value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	setpgid(0, 0);
	uev_become_nobody();
	/* A child belongs to the user who forks */
	pid = fork();
	if (pid)
		return pid < 0 ? failed() : uev_join(pid);
	if (value == MAP_FAILED ||
	    uev_reg(data_fd, value, 0, 4, 0, GOOD " u32 a", NULL))
		return failed();
	pid = uev_fork(waits_for_bit, value);
	ready();
	waits_for_bit(value);
	return uev_join(pid);
}

/*
 * Allocations wait where a cgroup exceeds memory.high. Repairs that have to do so must
 * not take all the work items of their user, who has processes in other cgroups.
 */
TEST_F(neighbour, repairs_beside_a_slow_cgroup)
{
	int before = PAGES / 100 + 1;
	__u64 took;

	START(0, forks_children_without_pages, NULL, before);
	if (!put_in_cgroup(self->bad[0]))
		SKIP(return, "no memory controller");
	ASSERT_OK(uev_enable(BAD, true));
	ASSERT_OK(uev_put(CGROUP "/memory.high", "262144"));
	UEV_WRITE(shared->go, 1);
	ASSERT_TRUE(are_ready(before + 1));
	sleep(1);
	START(1, shares_a_page, NULL, before + 2);
	took = now_us();
	ASSERT_OK(uev_enable(GOOD, true));
	EXPECT_TRUE(uev_wait_for(UEV_READ(shared->done) == 2));
	took = now_us() - took;
	uev_put(CGROUP "/memory.high", "max");
	ASSERT_EQ(0, UEV_READ(shared->failed));
	TH_LOG("repaired after %llu us", (unsigned long long)took);
	EXPECT_GT(QUITE_LONG_US, took);
}

#define LOOPS	4

TEST_F(neighbour, freeing_keeps_up_with_copying)
{
	int count = addresses(20000), i;
	/* KiB of enablers: in each loop parent and child, a cache line each */
	long living = LOOPS * 2L * count * 64 / 1024, before, now, most = 0;
	__u64 begin;

	before = uev_mem_kb("\nSlab:");
	for (i = 0; i < LOOPS; i++)
		START(i, copies, &count, (i + 1) * (count + 1));
	UEV_WRITE(shared->go, 1);
	for (begin = uev_now_ms(); uev_now_ms() - begin < 15000;) {
		now = uev_mem_kb("\nSlab:") - before;
		if (now > most)
			most = now;
		if (most > 8 * living + 65536)
			break;
		usleep(20000);
	}
	ASSERT_EQ(0, UEV_READ(shared->failed));
	EXPECT_LT(LOOPS * (count + 1), UEV_READ(shared->ready));
	UEV_WRITE(shared->quit, 1);
	TH_LOG("%d rounds, slabs grew by up to %ld KiB, %ld KiB are registered",
	       UEV_READ(shared->ready), most, living);
	/* KASAN keeps freed memory for a while */
	EXPECT_GT(4 * living + (uev_kernel_is_slow() ? 262144 : 32768), most);
	/* Whoever has freed them, the work ends */
	if (!uev_kernel_is_slow())
		EXPECT_TRUE(uev_wait_for(kernel_threads_rest()));
}

TEST_HARNESS_MAIN
