// SPDX-License-Identifier: GPL-2.0
/*
 * What the library costs, compared with the same record written by hand: a number and
 * a string, written by user_event(), and by writev() of the pieces.
 *
 * The clock counts instructions, see bench.c.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/uio.h>

#include <linux/user_events.h>
#include <user_event.h>

#define ENABLE	"/sys/kernel/tracing/events/user_events/bench_library/enable"
#define ROUNDS	5
#define LOOPS	1000

USER_EVENT(bench_library, u32 value, str text);

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

#define FASTEST(statement) ({						\
	uint64_t best = UINT64_MAX, from, took;				\
	int round, loop;						\
									\
	for (round = 0; round < ROUNDS; round++) {			\
		from = now();						\
		for (loop = 0; loop < LOOPS; loop++)			\
			statement;					\
		took = (now() - from) / LOOPS;				\
		if (took < best)					\
			best = took;					\
	}								\
	best;								\
})

/* The best that can be done by hand with these two system calls */
static __attribute__((noinline)) void by_hand(uint32_t value, const char *text)
{
	size_t size = strlen(text) + 1;
	struct {
		uint32_t index, value, loc;
	} head = { user_event_of_bench_library.index, value, DYN_LOC(0, (uint32_t)size) };
	const struct iovec iov[] = {
		{ &head, sizeof(head) }, { (void *)text, size },
	};

	if (writev(user_event_process.file, iov, 2) < 0)
		abort();
}

static void enable(const char *on)
{
	FILE *file = fopen(ENABLE, "w");

	if (!file || fputs(on, file) < 0 || fclose(file)) {
		perror(ENABLE);
		exit(1);
	}
}

int main(void)
{
	volatile uint32_t value = 42;

	printf("library: nobody listens\t%llu\n",
	       (unsigned long long)FASTEST(user_event(bench_library, value, "seven c")));
	enable("1");
	if (!user_event_enabled(bench_library))
		return 1;
	printf("library: 4 B and a string, ftrace\t%llu\n",
	       (unsigned long long)FASTEST(user_event(bench_library, value, "seven c")));
	printf("the same by hand, writev()\t%llu\n",
	       (unsigned long long)FASTEST(by_hand(value, "seven c")));
	enable("0");
	return 0;
}
