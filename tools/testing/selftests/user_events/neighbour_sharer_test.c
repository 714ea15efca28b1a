// SPDX-License-Identifier: GPL-2.0
/*
 * A bad neighbour registers bits in memory that it shares with other processes.
 */
#include "neighbour.h"

/* Registers another event at the same bit, in another mapping of the memory */
static int maps_it_elsewhere(void *arg)
{
	__u32 *value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			    MAP_SHARED, *(int *)arg, 2 * uev_page_size());

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
	size_t page = uev_page_size();
	__u32 *value;

	/* It is the third page of the memory, for this one the second of its mapping */
	ASSERT_EQ(0, ftruncate(memory, 3 * page));
	value = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, memory, page);
	ASSERT_NE(MAP_FAILED, value);
	value += page / sizeof(*value);
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

/* Meanwhile clears the bit of the good process, which the kernel sets again each time */
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
			    uev_unreg(data_fd, &value[3], 5) ||
			    !uev_wait_for(UEV_READ(value[3]) == 1U << 5))
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
		ASSERT_EQ(0, UEV_READ(shared->failed))
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

TEST_F(neighbour, repairs_of_children_that_share_bits)
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

TEST_F(neighbour, unregister_in_a_page_mapped_often)
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

TEST_HARNESS_MAIN
