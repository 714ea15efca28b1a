// SPDX-License-Identifier: GPL-2.0
/*
 * Enable bits under everything at once: processes that register, unregister,
 * fork, share their address space, exec, exit, are killed, unmap, protect,
 * discard and swap memory, of their own and shared, in small pages and huge
 * ones, while listeners come and go through ftrace, an instance and perf.
 * Every few seconds all hold still; after a quiet second each process looks at
 * every bit it has. In half of the rounds bad neighbours of another user do all they
 * can to delay the repairs. The kernel takes back pages of all processes, as it does
 * when memory is short.
 *
 * Usage: enable_bit_torture [-t SECONDS] [-s SEED] [-c] [-v]
 *
 * With -c, a CPU goes and comes back in each round, too.
 *
 * An enable word that its process discards or protects (MADV_DONTNEED, PROT_READ)
 * stays as it was left until the event is switched again: the ABI says so. Such a
 * word is marked as spoiled, and looked at in a second pass, after a switch of all
 * events; all others must be right in the first one. A registration whose memory is
 * unmapped has ended: what is mapped there next must not change.
 */
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "uev_pager.h"
#include "uev_util.h"
#include "../kselftest.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MFD_HUGETLB
#define MFD_HUGETLB	4U
#endif

#define EVENTS		6
#define MAX_PROCS	40
#define ROOTS		4	/* processes that are not killed, and do not exit */
#define SMALL_PAGES	8	/* private, per process */
#define HUGE_PAGES	4	/* the same, and part of a huge page at first */
#define PAGES		(SMALL_PAGES + HUGE_PAGES)
#define HUGE		(2UL << 20)
#define GUEST_VALUES	4	/* of a task that shares memory for a while */
#define SHARED_PAGES	4	/* of each kind, of many processes */
#define SLOTS		6	/* enable words in a page */
#define RUN_MS		2500
#define QUIET_MS	1000
#define STACK_SIZE	(64 * 1024)
#define SLOWEST_US	10000000	/* of a switch: takes longer only if it waits */
#define CPU_TURNS	50	/* with -c: switches until a CPU goes and comes back again */
#define CGROUP		UEV_CGROUPS "uev_torture"
#define OWN_BITS	0xabcd0000U	/* of a word: the program's, unchanged */

enum phase { RUN, HALT, CHECK_CLEAN, CHECK_ALL, END };

/* One process, as the others see it; found by its number */
struct proc {
	__u64 who __aligned(8);	/* MAKER() of it, and its pid; 0: there is none */
	int acked;		/* the last step of the controller it has seen */
};

#define MAKER(pid)	((__u64)(pid) << 32)

static struct {
	int phase, step;
	int seed;
	int wanted[EVENTS];	/* listened to, while nothing is switched */
	long wrong, checked, spoiled, lost, late;
	long acts, forks, execs, exits, vforks, vms, swaps, syncs, collapses, reclaims;
	int deepest;
	long turns[5];		/* how often each bad neighbour did what it does */
	struct proc procs[MAX_PROCS];
} *all;

/*
 * What a process has registered. In private memory: fork() copies it together with
 * the enable words that it describes.
 */
struct slot {
	int event;		/* -1: none */
	__u8 bit;
	bool spoiled;		/* right only after another switch */
	__u32 left;		/* bits that could not be cleared */
};

static struct slot slots[PAGES][SLOTS];
static bool page_ok[PAGES];		/* mapped and writable */
static char *pages, *huge;
static __u32 *guest_values;
static int guest_tid;		/* cleared by the kernel when it has gone */

/* What many processes map; in each page, enable word E is of event E. */
static const char * const kinds[] = { "memfd", "file", "hugetlb" };
#define KINDS		ARRAY_SIZE(kinds)
enum { MEMFD, DISK_FILE, HUGETLB };
static __u32 *shared[KINDS];
static int shared_fd[KINDS];
static bool has_shared;

/* Microseconds that a switch took, without and with neighbours */
static __u64 slowest[2];

static int data_fd, me, depth;
static unsigned int rnd_state;
static bool is_root, verbose;
static size_t page;

static unsigned int rnd(unsigned int below)
{
	rnd_state = rnd_state * 1103515245 + 12345;
	return (rnd_state >> 16) % below;
}

static char *page_at(int p)
{
	return p < SMALL_PAGES ? pages + p * page :
	       huge + (p - SMALL_PAGES) * (HUGE / HUGE_PAGES);
}

static __u32 *value_of(int p, int s)
{
	/* Spread over the page; never two in one word */
	return (__u32 *)(page_at(p) + s * (page / SLOTS / 8 * 8));
}

static __u32 *shared_value(int kind, int p, int s)
{
	return shared[kind] + p * page / sizeof(__u32) + s;
}

static const char *event_name(int event)
{
	static char name[32];

	sprintf(name, "tort_event%d", event);
	return name;
}

static const char *event_command(int event)
{
	static char command[48];

	sprintf(command, "tort_event%d u32 a", event);
	return command;
}

static void wrong(const char *what, const __u32 *at, __u32 has,
		  __u32 want)
{
	__atomic_add_fetch(&all->wrong, 1, __ATOMIC_SEQ_CST);
	printf("# process %d (%d): %s at %p: 0x%08x, not 0x%08x\n", me,
	       getpid(), what, at, has, want);
	fflush(stdout);
}

/* Acts: each keeps the slots true to what is registered */

static void act_register(void)
{
	int p = rnd(PAGES), s = rnd(SLOTS), event = rnd(EVENTS), ret;
	struct slot *slot = &slots[p][s];

	if (slot->event >= 0 || !page_ok[p])
		return;
	slot->bit = rnd(16);
	ret = uev_reg(data_fd, value_of(p, s), slot->bit, 4, 0,
		      event_command(event), NULL);
	if (ret) {
		wrong("register fails", value_of(p, s), -ret, 0);
		return;
	}
	slot->event = event;
	slot->spoiled = false;
}

static void act_unregister(void)
{
	int p = rnd(PAGES), s = rnd(SLOTS), ret;
	struct slot *slot = &slots[p][s];
	__u32 value;

	if (slot->event < 0)
		return;
	ret = uev_unreg(data_fd, value_of(p, s), slot->bit);
	if (ret) {
		wrong("unregister fails", value_of(p, s), -ret, 0);
		return;
	}
	slot->event = -1;
	if (!page_ok[p]) {
		slot->left |= 1U << slot->bit;
		return;
	}
	value = UEV_READ(*value_of(p, s));
	if (value & (1U << slot->bit))
		wrong("set after unregister", value_of(p, s), value, 0);
}

/* The program's own bits, which a discarded page has lost */
static void restore_page(int p)
{
	int s;

	for (s = 0; s < SLOTS; s++)
		__atomic_or_fetch(value_of(p, s), OWN_BITS, __ATOMIC_SEQ_CST);
}

static void spoil(int p)
{
	int s;

	for (s = 0; s < SLOTS; s++) {
		if (slots[p][s].event >= 0) {
			slots[p][s].spoiled = true;
			__atomic_add_fetch(&all->spoiled, 1, __ATOMIC_RELAXED);
		}
	}
}

/* The memory of a page was unmapped, and with it what was registered there. */
static void lose(int p)
{
	int s, ret;

	for (s = 0; s < SLOTS; s++) {
		struct slot *slot = &slots[p][s];

		if (slot->event < 0)
			continue;
		slot->event = -1;
		__atomic_add_fetch(&all->lost, 1, __ATOMIC_RELAXED);
		/* Unregistering it now is allowed, and changes nothing. */
		ret = rnd(2) ? uev_unreg(data_fd, value_of(p, s), slot->bit) : 0;
		if (ret)
			wrong("unregister fails", value_of(p, s), -ret, 0);
	}
}

static void act_discard(void)
{
	static const int advice[] = { MADV_DONTNEED, MADV_FREE };
	int p = rnd(PAGES);

	if (!page_ok[p])
		return;
	/*
	 * After a write, no parent or child shares the page. One that is shared since a
	 * fork, and was swapped in by reading, MADV_FREE can take from all of them: that
	 * is a fault of mm/, which loses the data of the others.
	 */
	restore_page(p);
	madvise(page_at(p), page, advice[rnd(2)]);
	spoil(p);
	restore_page(p);
}

/* Takes the page away, or gives it back. */
static void act_protect(void)
{
	int p = rnd(PAGES), s;

	page_ok[p] = !page_ok[p];
	mprotect(page_at(p), page,
		 page_ok[p] ? PROT_READ | PROT_WRITE : PROT_READ);
	spoil(p);
	/* What was unregistered meanwhile is the program's to clear. */
	for (s = 0; page_ok[p] && s < SLOTS; s++) {
		__atomic_and_fetch(value_of(p, s), ~slots[p][s].left,
				   __ATOMIC_SEQ_CST);
		slots[p][s].left = 0;
	}
}

static void act_remap(void)
{
	int p = rnd(PAGES);

	if (!page_ok[p])
		return;
	munmap(page_at(p), page);
	if (rnd(2))
		sched_yield();
	mmap(page_at(p), page, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	restore_page(p);
	lose(p);
}

/* Moves the page away and back: what was registered is not there any more. */
static void act_move(void)
{
	int p = rnd(PAGES), s;
	char *other;

	if (!page_ok[p])
		return;
	other = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (other == MAP_FAILED)
		return;
	if (mremap(page_at(p), page, page, MREMAP_MAYMOVE | MREMAP_FIXED,
		   other) == MAP_FAILED) {
		munmap(other, page);
		return;
	}
	mremap(other, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, page_at(p));
	for (s = 0; s < SLOTS; s++)
		UEV_WRITE(*value_of(p, s), OWN_BITS);
	lose(p);
}

/* A new huge page in place of the one that the acts above have split */
static void act_new_huge(void)
{
	int p;

	for (p = SMALL_PAGES; p < PAGES; p++) {
		if (!page_ok[p])
			return;
	}
	mmap(huge, HUGE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	madvise(huge, HUGE, MADV_HUGEPAGE);
	for (p = SMALL_PAGES; p < PAGES; p++) {
		restore_page(p);
		lose(p);
	}
}

/* None of these loses a page: all bits must be right without another switch. */

static void act_swap(void)
{
	madvise(page_at(rnd(PAGES)), page, MADV_PAGEOUT);
	__atomic_add_fetch(&all->swaps, 1, __ATOMIC_RELAXED);
}

static void act_collapse(void)
{
	if (!madvise(huge, HUGE, MADV_COLLAPSE))
		__atomic_add_fetch(&all->collapses, 1, __ATOMIC_RELAXED);
}

static void act_sync(void)
{
	int kind = rnd(KINDS), p = rnd(SHARED_PAGES);
	char *at = (char *)shared_value(kind, p, 0);
	size_t size = kind == HUGETLB ? HUGE : page;

	if (!has_shared || !shared[kind])
		return;
	if (kind == HUGETLB)
		at = (char *)shared[kind];
	switch (rnd(4)) {
	case 0:
		madvise(at, size, MADV_PAGEOUT);
		break;
	case 1:
		madvise(at, size, MADV_DONTNEED);
		break;
	case 2:
		msync(at, size, rnd(2) ? MS_SYNC : MS_ASYNC);
		break;
	case 3:
		if (kind == DISK_FILE) {
			fsync(shared_fd[kind]);
			posix_fadvise(shared_fd[kind], 0, 0,
				      POSIX_FADV_DONTNEED);
		}
		break;
	}
	__atomic_add_fetch(&all->syncs, 1, __ATOMIC_RELAXED);
}

static void live(void);

static bool change_who(struct proc *proc, __u64 old, __u64 new)
{
	return __atomic_compare_exchange_n(&proc->who, &old, new, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static pid_t pid_of(struct proc *proc)
{
	return (pid_t)UEV_READ(proc->who);
}

static void leave_room(struct proc *proc)
{
	UEV_WRITE(proc->acked, -1);
	UEV_WRITE(proc->who, 0);
}

static int find_room(void)
{
	int i;

	for (i = 0; i < MAX_PROCS; i++) {
		if (change_who(&all->procs[i], 0, MAKER(getpid())))
			return i;
	}
	return -1;
}

/* After fork: the parent's guest is not in this process, its enablers are. */
static void forget_guest(void)
{
	int s, ret;

	guest_tid = 0;
	for (s = 0; s < GUEST_VALUES; s++) {
		ret = uev_unreg(data_fd, &guest_values[s], s);
		if (ret && ret != -ENOENT)
			wrong("unregister fails", &guest_values[s], -ret, 0);
		if (UEV_READ(guest_values[s]))
			wrong("set after unregister", &guest_values[s],
			      guest_values[s], 0);
	}
}

static void become(int number, pid_t maker)
{
	me = number;
	is_root = false;
	rnd_state = all->seed + number * 7919 + getpid();
	/* If the maker was killed, the controller has given the room away */
	if (!change_who(&all->procs[me], MAKER(maker), MAKER(maker) | getpid()))
		_exit(0);
	if (++depth > all->deepest)
		all->deepest = depth;
	forget_guest();
}

static void act_fork(void)
{
	pid_t maker = getpid(), pid;
	int number = find_room();

	if (number < 0)
		return;
	pid = fork();
	if (!pid) {
		become(number, maker);
		live();
		_exit(0);
	}
	if (pid < 0)
		leave_room(&all->procs[number]);
	__atomic_add_fetch(&all->forks, 1, __ATOMIC_RELAXED);
}

/* A task that shares the address space while the process does anything else */
static int guest(void *arg)
{
	char command[48];
	int i, s, ret;

	for (i = 0; i < 20 && UEV_READ(all->phase) == RUN; i++) {
		s = i % GUEST_VALUES;
		sprintf(command, "tort_event%d u32 a", i % EVENTS);
		ret = uev_reg(data_fd, &guest_values[s], s, 4, 0, command, NULL);
		if (ret) {
			wrong("register fails", &guest_values[s], -ret, 0);
			break;
		}
		sched_yield();
		ret = uev_unreg(data_fd, &guest_values[s], s);
		if (ret || UEV_READ(guest_values[s]))
			wrong("set after unregister", &guest_values[s],
			      guest_values[s], 0);
	}
	_exit(0);
}

/* The same, while the process waits for it */
static int vfork_guest(void *arg)
{
	int i;

	for (i = 0; i < 5; i++) {
		act_register();
		act_unregister();
	}
	_exit(0);
}

static int exec_guest(void *arg)
{
	execl("/nonexistent", "nothing", NULL);
	execl("/proc/self/exe", "enable_bit_torture", "-x", NULL);
	_exit(1);
}

static char stack[STACK_SIZE] __aligned(16);
static char guest_stack[STACK_SIZE] __aligned(16);

static void act_vfork(void)
{
	bool do_exec = rnd(2);

	/* CLONE_VFORK: the two never run at once, so the slots need no lock. */
	clone(do_exec ? exec_guest : vfork_guest, stack + STACK_SIZE,
	      CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	__atomic_add_fetch(&all->vforks, 1, __ATOMIC_RELAXED);
}

static void act_clone_vm(void)
{
	if (UEV_READ(guest_tid))
		return;
	UEV_WRITE(guest_tid, 1);
	if (clone(guest, guest_stack + STACK_SIZE,
		  CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, NULL,
		  &guest_tid) < 0)
		UEV_WRITE(guest_tid, 0);
	__atomic_add_fetch(&all->vms, 1, __ATOMIC_RELAXED);
}

static void act_leave(void)
{
	if (is_root || rnd(4))
		return;
	leave_room(&all->procs[me]);
	if (rnd(2)) {
		__atomic_add_fetch(&all->execs, 1, __ATOMIC_RELAXED);
		execl("/proc/self/exe", "enable_bit_torture", "-x", NULL);
	}
	__atomic_add_fetch(&all->exits, 1, __ATOMIC_RELAXED);
	_exit(0);
}

static void act(void)
{
	static void (* const acts[])(void) = {
		act_register, act_register, act_register, act_register,
		act_unregister, act_unregister, act_unregister,
		act_fork, act_fork, act_vfork, act_clone_vm, act_leave,
		act_discard, act_protect, act_remap, act_move,
		act_new_huge, act_swap, act_collapse, act_sync,
	};

	acts[rnd(ARRAY_SIZE(acts))]();
	__atomic_add_fetch(&all->acts, 1, __ATOMIC_RELAXED);
}

/* Checks all enable words; @clean: except those that wait for another switch. */
static void check(bool clean)
{
	__u32 has, want, kernel_bits;
	int p, s, kind;

	for (p = 0; p < PAGES; p++) {
		if (!page_ok[p])
			continue;
		for (s = 0; s < SLOTS; s++) {
			struct slot *slot = &slots[p][s];

			if (slot->spoiled && clean)
				continue;
			has = UEV_READ(*value_of(p, s));
			if (!clean)
				slot->spoiled = false;
			want = OWN_BITS;
			kernel_bits = 0;
			if (slot->event >= 0) {
				kernel_bits = 1U << slot->bit;
				if (all->wanted[slot->event])
					want |= kernel_bits;
			}
			if (has != want)
				wrong(clean ? "bit" : "bit after another switch",
				      value_of(p, s), has, want);
			__atomic_add_fetch(&all->checked, 1, __ATOMIC_RELAXED);
		}
	}
	for (kind = 0; has_shared && kind < KINDS; kind++) {
		for (p = 0; shared[kind] && p < SHARED_PAGES; p++) {
			for (s = 0; s < EVENTS; s++) {
				const __u32 *at = shared_value(kind, p, s);

				want = OWN_BITS | (all->wanted[s] ? 1 : 0);
				has = UEV_READ(*at);
				if (has != want)
					wrong(kinds[kind], at, has, want);
				__atomic_add_fetch(&all->checked, 1,
						   __ATOMIC_RELAXED);
			}
		}
	}
}

/* A page that was read-only while it was switched gets its own bits back. */
static void before_check(void)
{
	int p;

	for (p = 0; p < PAGES; p++) {
		if (page_ok[p])
			restore_page(p);
	}
}

static void live(void)
{
	struct proc *self = &all->procs[me];
	int step, seen = -1;

	prctl(PR_SET_PDEATHSIG, 0);
	for (;;) {
		step = UEV_READ(all->step);
		switch (UEV_READ(all->phase)) {
		case RUN:
			act();
			continue;
		case END:
			_exit(0);
		case CHECK_CLEAN:
			if (seen != step)
				check(true);
			break;
		case CHECK_ALL:
			if (seen != step)
				check(false);
			break;
		case HALT:
			if (UEV_READ(guest_tid)) {
				sched_yield();
				continue;
			}
			if (seen != step)
				before_check();
			break;
		}
		seen = step;
		UEV_WRITE(self->acked, step);
		usleep(2000);
	}
}

static void start_root(int number)
{
	pid_t maker = getpid();
	int p, s, kind;

	change_who(&all->procs[number], 0, MAKER(maker));
	fflush(NULL);
	if (fork())
		return;
	signal(SIGCHLD, SIG_IGN);
	become(number, maker);
	is_root = true;
	for (p = 0; p < PAGES; p++) {
		page_ok[p] = true;
		restore_page(p);
		for (s = 0; s < SLOTS; s++)
			slots[p][s].event = -1;
	}
	/*
	 * One process and what descends from it have registered the pages that
	 * all can write to; nobody unregisters them.
	 */
	for (kind = 0; number == 0 && kind < KINDS; kind++) {
		for (p = 0; shared[kind] && p < SHARED_PAGES; p++) {
			for (s = 0; s < EVENTS; s++) {
				__u32 *at = shared_value(kind, p, s);
				int ret = uev_reg(data_fd, at, 0, 4, 0,
						  event_command(s), NULL);

				if (ret)
					wrong("register fails", at, -ret, 0);
			}
		}
	}
	has_shared = number == 0;
	live();
}

/*
 * Bad neighbours: of another user, and not among the processes that are looked at.
 * Each does one thing without end, one child at a time: they are not meant to use
 * up the CPUs.
 */

#define NEIGHBOUR	"bad_neighbour"
#define UFFD_SYSCTL	"/proc/sys/vm/unprivileged_userfaultfd"
#define BAD_ADDRESSES	2000

static int bad_addresses;

static void register_many(char *area, int protection, long *turns)
{
	int i;

	for (i = 0; i < bad_addresses; i++) {
		if (uev_reg(data_fd, area + i * 64, 0, 4, 0,
			    event_command(i % EVENTS), NULL))
			_exit(1);
		++*turns;
	}
	mprotect(area, BAD_ADDRESSES * 64, protection);
}

/* Pages that never come, in processes that are killed while they are waited for */
static void wait_for_pages(char *area, long *turns)
{
	pid_t pids[20];
	int uffd, i;

	for (i = 0; i < (int)ARRAY_SIZE(pids); i++) {
		++*turns;
		pids[i] = fork();
		if (pids[i])
			continue;
		uev_register_and_lose(data_fd, event_command(i % EVENTS), &uffd);
		for (;;)
			pause();
	}
	usleep(1000000);
	for (i = 0; i < (int)ARRAY_SIZE(pids); i++) {
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
	}
	while (wait(NULL) > 0)
		;
}

/* Sets that each child copies, in order to change them */
static void copy_sets(char *area, long *turns)
{
	static bool done;

	if (!done)
		register_many(area, PROT_READ | PROT_WRITE, turns);
	done = true;
	if (!fork()) {
		uev_unreg(data_fd, area, 0);
		_exit(0);
	}
	wait(NULL);
	++*turns;
}

/* Enable words that cannot be written, inherited again and again */
static void inherit_what_fails(char *area, long *turns)
{
	static bool done;

	if (!done)
		register_many(area, PROT_READ, turns);
	done = true;
	if (!fork()) {
		usleep(50000);
		_exit(0);
	}
	wait(NULL);
	++*turns;
}

/* Events that come and go */
static void declare_events(char *area, long *turns)
{
	char command[64], path[64];
	int i, fd, flags;

	/* The path in tracefs is closed to this user, /proc/self/fd is not. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", data_fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	for (i = 0; i < 500; i++) {
		flags = i & 1 ? USER_EVENT_REG_MULTI_FORMAT : 0;
		snprintf(command, sizeof(command), "bad_event%d u32 a%d",
			 flags ? 0 : i, i);
		if (uev_reg(fd, area + 8 * i, 0, 4, flags, command, NULL))
			_exit(1);
		++*turns;
	}
	for (i = 0; i < 500; i++)
		uev_unreg(fd, area + 8 * i, 0);
	close(fd);
}

/* A pager that wakes whoever waits for its page, and does not deliver it */
static void wake_in_vain(char *area, long *turns)
{
	static int uffd = -1;
	static char *at;
	struct uffdio_range range = { .len = page };
	struct uffd_msg msg;

	if (!at) {
		++*turns;
		at = uev_register_and_lose(data_fd, event_command(0), &uffd);
	}
	while (at && read(uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		range.start = msg.arg.pagefault.address & -page;
		ioctl(uffd, UFFDIO_WAKE, &range);
		++*turns;
	}
	usleep(1000);
}

static char *bad_area;

static void (* const bad[])(char *area, long *turns) = {
	wait_for_pages, copy_sets, inherit_what_fails, declare_events,
	wake_in_vain,
};

static pid_t neighbours[ARRAY_SIZE(bad)];

static void start_neighbours(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		fflush(NULL);
		neighbours[i] = fork();
		if (neighbours[i])
			continue;
		setpgid(0, 0);
		signal(SIGCHLD, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, NEIGHBOUR);
		if (uev_become_nobody())
			_exit(1);
		for (;;)
			bad[i](bad_area, &all->turns[i]);
	}
}

static void end_neighbours(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (neighbours[i] <= 0)
			continue;
		kill(-neighbours[i], SIGKILL);
		kill(neighbours[i], SIGKILL);
		neighbours[i] = 0;
	}
}

/*
 * Memory is short: the kernel looks for pages of all processes that it can swap out, or
 * drop. Each time for few, as those of the program are read again.
 */
static void reclaim_pages(void)
{
	fflush(NULL);
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (UEV_READ(all->phase) != END) {
		all->reclaims += !uev_put(CGROUP "/memory.reclaim", "128K");
		usleep(50000);
	}
	_exit(0);
}

/* The controller */

static int perf_fds[EVENTS];
static int cpus;

/*
 * Takes the last CPU away and back, if this machine lets it go. Only on request: beside
 * nine busy processes of any kind, an emulated machine with a debug kernel takes half a
 * minute for it.
 */
static bool hotplug;

static bool flip_last_cpu(void)
{
	char path[64];

	if (!hotplug)
		return false;
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpus - 1);
	return !uev_put(path, "0") && !uev_put(path, "1");
}
static bool by_ftrace[EVENTS], by_instance[EVENTS];

static int switch_something(void)
{
	int event = rnd(EVENTS), ret = 0;
	const char *name = event_name(event);
	__u64 took = uev_now_ns();

	switch (rnd(3)) {
	case 0:
		by_ftrace[event] = !by_ftrace[event];
		ret = uev_enable(name, by_ftrace[event]);
		break;
	case 1:
		by_instance[event] = !by_instance[event];
		ret = uev_instance_enable(UEV_INSTANCE, name, by_instance[event]);
		break;
	case 2:
		if (perf_fds[event] >= 0) {
			close(perf_fds[event]);
			perf_fds[event] = -1;
		} else {
			perf_fds[event] = uev_perf_open(uev_event_id(name), -1,
							rnd(cpus), 0);
			ret = perf_fds[event] < 0 ? perf_fds[event] : 0;
		}
		break;
	}
	took = (uev_now_ns() - took) / 1000;
	if (took > slowest[!!neighbours[0]])
		slowest[!!neighbours[0]] = took;
	all->wanted[event] = by_ftrace[event] || by_instance[event] ||
			     perf_fds[event] >= 0;
	return ret;
}

/* Whether a process has this room, or is being made by another one that is alive */
static bool is_alive(__u64 who)
{
	pid_t pid = (pid_t)who ?: (pid_t)(who >> 32);

	return pid && (!kill(pid, 0) || errno != ESRCH);
}

static bool all_acked(void)
{
	int i;

	for (i = 0; i < MAX_PROCS; i++) {
		struct proc *proc = &all->procs[i];
		__u64 who = UEV_READ(proc->who);

		if (!who || UEV_READ(proc->acked) == all->step)
			continue;
		if (is_alive(who))
			return false;
		UEV_WRITE(proc->acked, -1);
		/* It may just have taken its place, although its maker is dead */
		if (!change_who(proc, who, 0))
			return false;
	}
	return true;
}

/* All processes are in this phase, and have done what it asks for. */
static int enter(enum phase phase)
{
	int waits;

	UEV_WRITE(all->phase, phase);
	__atomic_add_fetch(&all->step, 1, __ATOMIC_SEQ_CST);
	/*
	 * A process that has read the old step acks the new one in its next turn.
	 * Forty processes share the CPUs, and each may be in a long call.
	 */
	for (waits = 0; waits < 4; waits++) {
		if (uev_wait_for(all_acked()))
			return 0;
	}
	return -ETIME;
}

static bool under_repair(void)
{
	char *text = uev_get("user_events_enablers"), *rest = text, *line;
	bool found = false;

	/* What neighbours have registered may be under repair for ever. */
	while ((line = strsep(&rest, "\n"))) {
		if (strstr(line, " repair ") && !strstr(line, NEIGHBOUR))
			found = true;
	}
	free(text);
	return found;
}

/*
 * Waits for a second in which nothing is switched. If this machine did not run for
 * all of it, a repair may still be going on: then waits until it has ended.
 */
static int be_quiet(void)
{
	__u64 end = uev_now_ms() + 4 * UEV_WAIT_MS;

	usleep(QUIET_MS * 1000);
	while (under_repair()) {
		if (uev_now_ms() > end)
			return -ETIME;
		all->late++;
		/* Repairs wait while the file is read: not too often. */
		usleep(QUIET_MS * 1000);
	}
	return 0;
}

static void kill_someone(void)
{
	int i = ROOTS + rnd(MAX_PROCS - ROOTS);
	pid_t pid = pid_of(&all->procs[i]);

	if (pid)
		kill(pid, SIGKILL);
}

static int living(void)
{
	int i, count = 0;

	for (i = 0; i < MAX_PROCS; i++)
		count += is_alive(UEV_READ(all->procs[i].who));
	return count;
}

static const char *one_round(long *switches, long *cpu_flips)
{
	__u64 end = uev_now_ms() + RUN_MS;
	int i;

	UEV_WRITE(all->phase, RUN);
	__atomic_add_fetch(&all->step, 1, __ATOMIC_SEQ_CST);
	*cpu_flips += flip_last_cpu();
	while (uev_now_ms() < end) {
		if (switch_something())
			return "a tracer was refused";
		++*switches;
		if (!rnd(3))
			kill_someone();
		if (!rnd(CPU_TURNS))
			*cpu_flips += flip_last_cpu();
		usleep(rnd(3000));
	}

	if (enter(HALT))
		return "processes do not hold still";
	if (be_quiet())
		return "repairs do not end";
	if (enter(CHECK_CLEAN))
		return "processes do not answer";

	/* Switch each event off and on, for the words that wait for a switch */
	for (i = 0; i < EVENTS; i++) {
		by_ftrace[i] = !by_ftrace[i];
		uev_enable(event_name(i), by_ftrace[i]);
		if (by_instance[i]) {
			by_instance[i] = false;
			uev_instance_enable(UEV_INSTANCE, event_name(i), false);
		}
		if (perf_fds[i] >= 0)
			close(perf_fds[i]);
		perf_fds[i] = -1;
		uev_enable(event_name(i), !by_ftrace[i]);
		uev_enable(event_name(i), by_ftrace[i]);
		all->wanted[i] = by_ftrace[i];
	}
	if (be_quiet())
		return "repairs do not end";
	if (enter(CHECK_ALL))
		return "processes do not answer";
	return NULL;
}

/* What can be swapped, shared or huge, as far as this kernel has it */
static void make_memory(void)
{
	char *huge_pages = uev_get("/proc/sys/vm/nr_hugepages"), *area;
	const char *why = uev_swap_on(0);
	int kind, i;

	if (why)
		ksft_print_msg("nothing is swapped: %s\n", why);
	pages = mmap(NULL, SMALL_PAGES * page, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	guest_values = mmap(NULL, page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bad_addresses = uev_kernel_is_slow() ? 200 : BAD_ADDRESSES;
	bad_area = mmap(NULL, BAD_ADDRESSES * 64, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	area = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED || guest_values == MAP_FAILED ||
	    bad_area == MAP_FAILED || area == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	huge = (char *)(((uintptr_t)area + HUGE - 1) & ~(HUGE - 1));
	if (madvise(huge, HUGE, MADV_HUGEPAGE))
		ksft_print_msg("without transparent huge pages\n");

	shared_fd[MEMFD] = memfd_create("torture", MFD_CLOEXEC);
	why = uev_open_on_disk(1, &shared_fd[DISK_FILE]);
	if (why)
		shared_fd[DISK_FILE] = -1;
	uev_put("/proc/sys/vm/nr_hugepages", "4");
	shared_fd[HUGETLB] = memfd_create("torture",
					  MFD_CLOEXEC | MFD_HUGETLB);
	for (kind = 0; kind < KINDS; kind++) {
		size_t size = kind == HUGETLB ? HUGE : SHARED_PAGES * page;

		if (shared_fd[kind] >= 0 && !ftruncate(shared_fd[kind], size))
			shared[kind] = mmap(NULL, size, PROT_READ | PROT_WRITE,
					    MAP_SHARED, shared_fd[kind], 0);
		if (shared[kind] == MAP_FAILED)
			shared[kind] = NULL;
		if (!shared[kind])
			ksft_print_msg("without a shared %s\n", kinds[kind]);
		for (i = 0; shared[kind] && i < SHARED_PAGES * EVENTS; i++)
			*shared_value(kind, i / EVENTS, i % EVENTS) = OWN_BITS;
	}
	if (*huge_pages)
		uev_put("/proc/sys/vm/nr_hugepages", huge_pages);
	free(huge_pages);
}

/*
 * khugepaged is the nicest task there is, and may be preempted while it copies a
 * page under rcu_read_lock(). Beside so many busy processes it is then not seen
 * again for minutes, and the kernel complains of a stalled grace period.
 */
static void nice_of_khugepaged(int nice)
{
	char path[300], *name;
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	while (proc && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		name = atoi(entry->d_name) ? uev_get(path) : NULL;
		if (name && !strcmp(name, "khugepaged\n"))
			setpriority(PRIO_PROCESS, atoi(entry->d_name), nice);
		free(name);
	}
	if (proc)
		closedir(proc);
}

static void usage(const char *name)
{
	fprintf(stderr, "Usage: %s [-t SECONDS] [-s SEED] [-c] [-v]\n", name);
	exit(KSFT_FAIL);
}

#define SUMMARY \
	"round %d: %d processes, %ld wrong, slowest switch %llu us, with neighbours %llu us\n"

int main(int argc, char **argv)
{
	int seconds = uev_kernel_is_slow() ? 20 : 60, opt, i, events_fd;
	int rounds = 0, most = 0, unprivileged;
	bool in_cgroup;
	struct stat file;
	const char *why = NULL;
	long switches = 0, cpu_flips = 0;
	__u32 *keep;
	__u64 end;

	page = uev_page_size();
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	rnd_state = 1;
	while ((opt = getopt(argc, argv, "t:s:cvx")) != -1) {
		switch (opt) {
		case 't':
			seconds = atoi(optarg);
			break;
		case 's':
			rnd_state = atoi(optarg);
			break;
		case 'c':
			hotplug = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'x':
			/* The execve() of a process: it has no enablers, and exits. */
			_exit(0);
		default:
			usage(argv[0]);
		}
	}
	if (seconds < 1)
		usage(argv[0]);
	ksft_print_header();
	ksft_set_plan(1);
	uev_reset();
	all = uev_shared(sizeof(*all));
	all->seed = rnd_state;
	for (i = 0; i < MAX_PROCS; i++)
		all->procs[i].acked = -1;
	mkdir(TRACEFS "instances/" UEV_INSTANCE, 0700);

	/* The events are there all the time. */
	keep = uev_shared(page);
	events_fd = uev_open();
	for (i = 0; i < EVENTS; i++) {
		perf_fds[i] = -1;
		if (events_fd < 0 || uev_reg(events_fd, &keep[i], 0, 4, 0,
					     event_command(i), NULL)) {
			ksft_test_result_fail("register\n");
			ksft_exit_fail();
		}
	}
	data_fd = events_fd;
	unprivileged = uev_get_int(UFFD_SYSCTL);
	uev_put(UFFD_SYSCTL, "1");
	if (fstat(data_fd, &file) || chmod(UEV_DATA, 0666))
		ksft_exit_fail_msg("chmod\n");
	make_memory();
	nice_of_khugepaged(0);
	in_cgroup = uev_put_in_cgroup(CGROUP, getpid());

	/* Orphans come here, so that none is left behind. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGCHLD, SIG_IGN);
	for (i = 0; i < ROOTS; i++)
		start_root(i);
	if (in_cgroup)
		reclaim_pages();
	if (!uev_wait_for(pid_of(&all->procs[ROOTS - 1])))
		why = "processes do not start";

	end = uev_now_ms() + seconds * 1000ULL;
	while (!why && !all->wrong && uev_now_ms() < end) {
		if (rounds & 1)
			start_neighbours();
		why = one_round(&switches, &cpu_flips);
		end_neighbours();
		rounds++;
		i = living();
		most = i > most ? i : most;
		if (verbose)
			ksft_print_msg(SUMMARY, rounds, i, all->wrong,
				       (unsigned long long)slowest[0],
				       (unsigned long long)slowest[1]);
	}

	UEV_WRITE(all->phase, END);
	for (i = 0; i < MAX_PROCS; i++) {
		if (pid_of(&all->procs[i]) && why)
			kill(pid_of(&all->procs[i]), SIGKILL);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	for (i = 0; i < EVENTS; i++) {
		if (perf_fds[i] >= 0)
			close(perf_fds[i]);
	}
	close(events_fd);
	if (in_cgroup) {
		uev_put(UEV_CGROUPS "cgroup.procs", "0");
		uev_wait_for(!rmdir(CGROUP));
	}
	nice_of_khugepaged(19);
	chmod(UEV_DATA, file.st_mode & 0777);
	if (unprivileged == 0)
		uev_put(UFFD_SYSCTL, "0");
	uev_reset();
	uev_swap_off(0);

	ksft_print_msg("%d rounds, seed %d, up to %d processes, %ld switches\n",
		       rounds, all->seed, most, switches);
	ksft_print_msg("%ld acts: %ld fork, %ld vfork, %ld clone, %ld exec, %ld exit\n",
		       all->acts, all->forks, all->vforks, all->vms, all->execs,
		       all->exits);
	ksft_print_msg("up to %d generations; %ld values discarded or protected, %ld unmapped\n",
		       all->deepest, all->spoiled, all->lost);
	ksft_print_msg("%ld pages swapped, %ld synced or dropped, %ld made huge\n",
		       all->swaps, all->syncs, all->collapses);
	ksft_print_msg("%ld times pages reclaimed, %ld times a CPU went and came back\n",
		       all->reclaims, cpu_flips);
	ksft_print_msg("%ld bits looked at, %ld wrong, %ld seconds more for repairs\n",
		       all->checked, all->wrong, all->late);
	ksft_print_msg("slowest switch %llu us, with bad neighbours %llu us\n",
		       (unsigned long long)slowest[0], (unsigned long long)slowest[1]);
	ksft_print_msg("turns of bad neighbours:");
	for (i = 0; i < (int)ARRAY_SIZE(bad); i++) {
		printf(" %ld", all->turns[i]);
		if (rounds > 1 && !why && !all->turns[i])
			why = "a bad neighbour did nothing";
	}
	printf("\n");
	if (!why && slowest[1] > SLOWEST_US && slowest[1] > 8 * slowest[0])
		why = "bad neighbours held up a switch";
	if (why)
		ksft_print_msg("%s\n", why);
	ksft_test_result(!why && !all->wrong && all->checked > 0,
			 "enable bits after each quiet second\n");
	ksft_finished();
}
