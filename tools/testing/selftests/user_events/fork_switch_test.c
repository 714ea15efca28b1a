// SPDX-License-Identifier: GPL-2.0
/*
 * A process with much memory forks while an event that it has registered is
 * switched, at every offset from the start of fork to its end and beyond. No
 * child may keep the bit that the event had before.
 *
 * Usage: fork_switch_test [-n CHILDREN] [-m MIB]
 */
#include <signal.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "uev_util.h"
#include "../kselftest.h"

#define EVENT		"fsw_event u32 a"
#define EVENT_NAME	"fsw_event"

#define MAX_CHILDREN	100000

enum phase { WAIT, FORK, QUIT };

struct shared {
	int phase;
	int want;		/* what the bit has to become, before @go is written to */
	int forked;		/* 1: about to fork, 2: done */
	int checked, stale;
	__u64 fork_ns;		/* how long all forks took */
	__u64 fork_delay_ns;	/* to wait before the next one */
};

static struct shared *shared;
static __u32 *value;

/*
 * A pipe with a byte for each child that is to look at its bit: children that
 * wait for a byte leave the CPUs to the fork and the switch that are tested.
 */
static int go[2];

/*
 * The clock of some machines moves in steps as long as a fork, so shorter delays
 * count turns of a loop.
 */
static __u64 turns_per_ms;

static void turn(__u64 turns)
{
	while (turns--)
		asm volatile("" : : : "memory");
}

static void calibrate(void)
{
	__u64 start = uev_now_ns(), turns = 0;

	while (uev_now_ns() - start < 100000000) {
		turn(10000);
		turns += 10000;
	}
	turns_per_ms = turns * 1000000 / (uev_now_ns() - start);
}

static void wait_ns(__u64 ns)
{
	turn(ns * turns_per_ms / 1000000);
}

static void child(int number)
{
	bool right;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(go[0], &byte, 1) != 1)
		_exit(1);
	right = uev_wait_for(UEV_READ(*value) == (__u32)UEV_READ(shared->want));
	if (!right) {
		__atomic_add_fetch(&shared->stale, 1, __ATOMIC_SEQ_CST);
		ksft_print_msg("number %d has 0x%x, not 0x%x\n", number, *value,
			       shared->want);
	}
	__atomic_add_fetch(&shared->checked, 1, __ATOMIC_SEQ_CST);
	_exit(0);
}

/* The process with the memory: forks each time it is told to. */
static int forker(void *arg)
{
	int number = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		__u64 start;
		pid_t pid;

		switch (UEV_READ(shared->phase)) {
		case QUIT:
			return 0;
		case FORK:
			if (UEV_READ(shared->forked))
				break;
			UEV_WRITE(shared->forked, 1);
			wait_ns(shared->fork_delay_ns);
			start = uev_now_ns();
			pid = fork();
			if (!pid)
				child(number);
			if (pid < 0)
				return 1;
			number++;
			shared->fork_ns += uev_now_ns() - start;
			UEV_WRITE(shared->forked, 2);
			break;
		default:
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
			uev_nap();
		}
	}
}

static void fail(const char *what)
{
	ksft_test_result_fail("%s: %s\n", what, strerror(errno));
	uev_reset();
	ksft_exit_fail();
}

int main(int argc, char **argv)
{
	int children = uev_rounds(1000), mib = 64, opt, done = 0;
	__s64 fork_time = 0, switch_time = 0, offset;
	__u64 start, switched_ns = 0;
	int fd, on = 0;
	bool own_right = true;
	pid_t pid;
	char *memory;

	while ((opt = getopt(argc, argv, "n:m:")) != -1) {
		if (opt == 'n')
			children = atoi(optarg);
		else if (opt == 'm')
			mib = atoi(optarg);
		else
			children = 0;
	}
	if (children < 1 || children > MAX_CHILDREN || mib < 1) {
		fprintf(stderr, "Usage: %s [-n CHILDREN] [-m MIB]\n", argv[0]);
		return KSFT_FAIL;
	}

	ksft_print_header();
	ksft_set_plan(1);
	uev_reset();
	calibrate();
	shared = uev_shared(sizeof(*shared));
	memory = mmap(NULL, (size_t)mib << 20, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		fail("mmap");
	memset(memory, 1, (size_t)mib << 20);
	/* In the middle: fork copies as much before as after it. */
	value = (__u32 *)(memory + ((size_t)mib << 19));
	*value = 0;
	fd = uev_open();
	if (fd < 0 || uev_reg(fd, value, 0, 4, 0, EVENT, NULL))
		fail("register");

	if (pipe(go))
		fail("pipe");
	pid = uev_fork(forker, NULL);
	if (pid < 0)
		fail("fork");
	/* From here on the memory is the forker's alone. */
	madvise(memory, (size_t)mib << 20, MADV_DONTNEED);

	for (; done < children; done++) {
		UEV_WRITE(shared->checked, 0);
		/* The mean so far, and a quarter more for the longer ones */
		if (done) {
			fork_time = shared->fork_ns / done * 5 / 4;
			switch_time = switched_ns / done * 5 / 4;
		}
		/*
		 * From a switch that ends as the fork begins to one
		 * that begins after it, in an order without a pattern.
		 */
		offset = -switch_time + (switch_time + fork_time) *
			 (done * 37 % 101) / 100;
		shared->fork_delay_ns = offset < 0 ? -offset : 0;
		UEV_WRITE(shared->forked, 0);
		UEV_WRITE(shared->phase, FORK);
		while (UEV_READ(shared->forked) < 1)
			;
		if (offset > 0)
			wait_ns(offset);
		on = !on;
		start = uev_now_ns();
		if (uev_enable(EVENT_NAME, on))
			fail("enable");
		switched_ns += uev_now_ns() - start;
		if (!uev_wait_for(UEV_READ(shared->forked) == 2))
			fail("no end of fork");
		UEV_WRITE(shared->phase, WAIT);

		/* Before the next switch, which would put a stale bit right */
		UEV_WRITE(shared->want, on);
		if (write(go[1], memory, 1) != 1)
			fail("write to the child");
		/* Twice, which is longer than a child waits for its bit */
		if (!uev_wait_for(UEV_READ(shared->checked)) &&
		    !uev_wait_for(UEV_READ(shared->checked))) {
			ksft_print_msg("child %d does not report\n", done);
			own_right = false;
			break;
		}
		own_right &= uev_wait_for(UEV_READ(*value) == (__u32)on);
	}

	UEV_WRITE(shared->phase, QUIT);
	uev_join(pid);
	ksft_print_msg("%d children of a process with %d MiB, %d stale\n", done,
		       mib, shared->stale);
	ksft_print_msg("mean time of a fork %llu us, of a switch %llu us\n",
		       (unsigned long long)shared->fork_ns / done / 1000,
		       (unsigned long long)switched_ns / done / 1000);
	ksft_test_result(own_right && !shared->stale && done == children,
			 "bits of children forked during a switch\n");
	close(fd);
	uev_reset();
	ksft_finished();
}
