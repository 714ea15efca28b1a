// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that cannot be written to for a long time: one whose mmap_lock is
 * held by a page fault that its file system does not answer, one whose page its
 * pager keeps back, and one that is frozen. They delay neither a switch of an event
 * that they have registered nor other processes. Their own bits are right as soon as
 * they are let go, and they can be killed before.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/fuse.h>

#include "uev_harness.h"
#include "uev_pager.h"

#define EVENT		"stuck_event u32 a"
#define EVENT_NAME	"stuck_event"
#define KEPT_EVENT	"stuck_kept u32 a"
#define KEPT_NAME	"stuck_kept"
#define CGROUP		UEV_CGROUPS "uev_test"

/*
 * How much longer a switch may take with the stuck ones than without. On a slow
 * kernel the time without alone goes up and down by tenths of a second, and by
 * more beside other guests; a switch that waits does so for as long as they are
 * stuck.
 */
#define EXTRA_NS	(uev_kernel_is_slow() ? 2000000000LL : 50000000LL)
#define STUCK_MS	10000
#define OTHERS		10

/* Enable words in memory that the test shares, so that it can look at once */
enum { LOCKED, KEPT, FROZEN, FIRST_OTHER, VALUES = FIRST_OTHER + OTHERS };

static struct {
	__u32 values[VALUES];
	__u32 paged;		/* what the process with the pager has read */
	int answer;		/* the file system is to answer again */
	int served;		/* reads that the file system has seen */
	int read_paged;
	int ready, quit;
} *shared;

static int data_fd;

/* A file system with one file, whose first read fails, and the next one waits */

static int fuse_fd;
/* A template for mkdtemp(), then the name */
static char mount_point[32] = "/tmp/uev-XXXXXX";

static void reply(const struct fuse_in_header *in, int error, const void *data,
		  size_t size)
{
	struct {
		struct fuse_out_header header;
		char data[8192];
	} out = { .header = { sizeof(out.header) + size, error, in->unique } };

	memcpy(out.data, data, size);
	if (write(fuse_fd, &out, out.header.len) < 0)
		return;
}

static struct fuse_attr attributes(__u64 node)
{
	return (struct fuse_attr){
		.ino = node, .nlink = 1, .size = 4096,
		.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644,
	};
}

static int serve(void *arg)
{
	static char request[1 << 17];
	const struct fuse_in_header *in = (void *)request;
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096,
	};
	struct fuse_entry_out entry = {
		.nodeid = 2, .entry_valid = 1000, .attr_valid = 1000,
		.attr = attributes(2),
	};
	struct fuse_attr_out attr = { .attr_valid = 1000 };
	struct fuse_open_out opened = { };
	struct fuse_write_out written = { };
	static char zeroes[4096];
	ssize_t size;

	for (;;) {
		/* The kernel can abort requests that are still in its queue. */
		if (UEV_READ(shared->served) == 1 &&
		    !UEV_READ(shared->answer)) {
			uev_nap();
			continue;
		}
		size = read(fuse_fd, request, sizeof(request));
		if (size < 0 && errno == ENODEV)
			return 0;
		if (size < 0)
			continue;
		switch (in->opcode) {
		case FUSE_INIT:
			reply(in, 0, &init, sizeof(init));
			break;
		case FUSE_LOOKUP:
			reply(in, 0, &entry, sizeof(entry));
			break;
		case FUSE_GETATTR:
			attr.attr = attributes(in->nodeid);
			reply(in, 0, &attr, sizeof(attr));
			break;
		case FUSE_OPEN:
			reply(in, 0, &opened, sizeof(opened));
			break;
		case FUSE_READ:
			if (__atomic_fetch_add(&shared->served, 1,
					       __ATOMIC_SEQ_CST))
				reply(in, 0, zeroes, sizeof(zeroes));
			else
				reply(in, -EIO, NULL, 0);
			break;
		case FUSE_WRITE:
			written.size = ((struct fuse_write_in *)(in + 1))->size;
			reply(in, 0, &written, sizeof(written));
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			reply(in, -ENOSYS, NULL, 0);
		}
	}
}

static const char *mount_fuse(void)
{
	char options[128];

	fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse_fd < 0)
		return "kernel without FUSE";
	if (!mkdtemp(mount_point))
		return "no /tmp";
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse_fd);
	return mount("uev", mount_point, "fuse", 0, options) ?
	       "no FUSE mount" : NULL;
}

/*
 * A fault drops the mmap_lock for the first read only. That one fails, so the
 * kernel reads again, with the lock held.
 */
static void *touch(void *page)
{
	return (void *)(uintptr_t)UEV_READ(*(char *)page);
}

/* One thread holds the mmap_lock of this process, the other one waits for it. */
static int get_locked(void *arg)
{
	char path[64];
	pthread_t thread;
	void *page;
	int fd;

	snprintf(path, sizeof(path), "%s/file", mount_point);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	page = mmap(NULL, uev_page_size(), PROT_READ, MAP_PRIVATE, fd, 0);
	if (fd < 0 || page == MAP_FAILED ||
	    madvise(page, uev_page_size(), MADV_RANDOM) ||
	    /* Close it now: at exit, that would wait for the file system. */
	    close(fd) ||
	    uev_reg(data_fd, &shared->values[LOCKED], 0, 4, 0, EVENT, NULL) ||
	    uev_reg(data_fd, &shared->values[KEPT], 0, 4, 0, KEPT_EVENT, NULL) ||
	    uev_enable(KEPT_NAME, true) ||
	    pthread_create(&thread, NULL, touch, page))
		return 1;
	UEV_WRITE(shared->ready, 1);
	while (!UEV_READ(shared->quit)) {
		munmap(mmap(NULL, uev_page_size(), PROT_READ,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		       uev_page_size());
		uev_nap();
	}
	return 0;
}

static int wait_for_pager(void *arg)
{
	__u32 *page;
	int uffd, ret;

	page = uev_register_and_lose(data_fd, EVENT, &uffd);
	if (!page)
		return 1;
	UEV_WRITE(shared->ready, 1);
	if (!uev_wait_for(UEV_READ(shared->read_paged)) &&
	    !uev_wait_for(UEV_READ(shared->read_paged)))
		return 2;
	ret = uev_deliver(uffd, page, NULL);
	if (ret && ret != -EEXIST)
		return 3;
	while (!UEV_READ(shared->quit)) {
		UEV_WRITE(shared->paged, UEV_READ(*page));
		uev_nap();
	}
	return 0;
}

static int just_register(void *arg)
{
	__u32 *value = arg;

	if (uev_reg(data_fd, value, 0, 4, 0, EVENT, NULL))
		return 1;
	UEV_WRITE(shared->ready, 1);
	while (!UEV_READ(shared->quit))
		uev_nap();
	return 0;
}

static pid_t start(int (*fn)(void *), void *arg)
{
	pid_t pid;

	UEV_WRITE(shared->ready, 0);
	pid = uev_fork(fn, arg);
	if (pid > 0 &&
	    uev_wait_for(UEV_READ(shared->ready) ||
			 waitpid(pid, NULL, WNOHANG) == pid) &&
	    UEV_READ(shared->ready))
		return pid;
	return -1;
}

/* What user_events_enablers says of one enable word of a process */
static bool state_is(pid_t pid, const void *value, const char *state)
{
	char *text = uev_get("user_events_enablers"), key[128], *at;
	bool is;

	snprintf(key, sizeof(key), "\n" EVENT_NAME " %d 0x%lx ", pid,
		 (unsigned long)value);
	at = strstr(text, key);
	if (at)
		at[strcspn(at + 1, "\n") + 1] = '\0';
	snprintf(key, sizeof(key), " %s ", state);
	is = at && strstr(at, key);
	free(text);
	return is;
}

/* Blocked, not just busy for a moment */
static bool stays_locked(pid_t pid)
{
	int i;

	for (i = 0; i < 50; i++) {
		if (!state_is(pid, &shared->values[LOCKED], "locked"))
			return false;
		usleep(2000);
	}
	return true;
}

static int into_freezer(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	mkdir(CGROUP, 0755);
	return uev_put(CGROUP "/cgroup.procs", text) ||
	       uev_put(CGROUP "/cgroup.freeze", "1") ||
	       !uev_wait_for(uev_file_has_line(CGROUP "/cgroup.events",
					       "frozen 1"));
}

static int compare(const void *a, const void *b)
{
	__s64 x = *(const __s64 *)a, y = *(const __s64 *)b;

	return x < y ? -1 : x > y;
}

static bool others_are(__u32 want)
{
	int i;

	for (i = FIRST_OTHER; i < VALUES; i++) {
		if (UEV_READ(shared->values[i]) != want)
			return false;
	}
	return true;
}

/*
 * Others are right at once: when the switch returns, or nearly so. How long that
 * takes is looked at like the time of the switch itself: one of them can meet a
 * pause of the host.
 */
static bool others_become(__u32 want)
{
	__s64 end = uev_now_ns() + EXTRA_NS;

	while (!others_are(want)) {
		if (uev_now_ns() > end)
			return uev_wait_for(others_are(want));
		sched_yield();
	}
	return true;
}

struct times {
	__s64 median, mean, worst;
	__s64 right_median;	/* until the others were right */
	int switches;
	bool right;
};

static struct times time_switches(int ms)
{
	static __s64 ns[100000], right_ns[100000];
	__u64 end = uev_now_ms() + ms;
	struct times t = { .right = true };
	__s64 begin;

	while (t.switches < 20 ||
	       (uev_now_ms() < end && t.switches < (int)ARRAY_SIZE(ns))) {
		begin = uev_now_ns();
		if (uev_enable(EVENT_NAME, !(t.switches & 1)))
			break;
		ns[t.switches] = uev_now_ns() - begin;
		t.mean += ns[t.switches];
		t.right &= others_become(!(t.switches & 1));
		right_ns[t.switches] = uev_now_ns() - begin;
		t.switches++;
		usleep(1000);
	}
	if (!t.switches) {
		t.right = false;
		return t;
	}
	/* It ends switched on. */
	if (uev_enable(EVENT_NAME, true))
		t.right = false;
	t.right &= others_become(1);
	qsort(ns, t.switches, sizeof(*ns), compare);
	qsort(right_ns, t.switches, sizeof(*right_ns), compare);
	t.mean /= t.switches;
	t.median = ns[t.switches / 2];
	t.worst = ns[t.switches - 1];
	t.right_median = right_ns[t.switches / 2];
	return t;
}

FIXTURE(stuck) {
	const char *why;
	pid_t server, locked, paged, frozen, others[OTHERS];
	struct times without;
};

FIXTURE_SETUP(stuck)
{
	int i;

	uev_reset();
	shared = uev_shared(sizeof(*shared));
	ASSERT_NE(NULL, shared);
	data_fd = uev_open();
	ASSERT_LE(0, data_fd);
	self->why = mount_fuse();
	if (!self->why && access(UEV_CGROUPS "cgroup.procs", W_OK))
		self->why = "no cgroup v2";
	if (self->why)
		return;
	self->server = uev_fork(serve, NULL);
	ASSERT_LT(0, self->server);
	for (i = 0; i < OTHERS; i++) {
		self->others[i] = start(just_register,
					&shared->values[FIRST_OTHER + i]);
		ASSERT_LT(0, self->others[i]);
	}
	self->without = time_switches(1000);
	ASSERT_TRUE(self->without.right);
	ASSERT_OK(uev_enable(EVENT_NAME, false));

	self->frozen = start(just_register, &shared->values[FROZEN]);
	ASSERT_LT(0, self->frozen);
	ASSERT_OK(into_freezer(self->frozen));
	self->paged = start(wait_for_pager, NULL);
	if (self->paged < 0)
		self->why = UEV_NO_PAGER;
	self->locked = start(get_locked, NULL);
	ASSERT_LT(0, self->locked);
	ASSERT_TRUE(uev_wait_for(stays_locked(self->locked)))
		TH_LOG("nobody holds the mmap_lock");
}

FIXTURE_TEARDOWN(stuck)
{
	pid_t pids[] = { self->locked, self->paged, self->frozen };
	size_t i;

	if (shared) {
		UEV_WRITE(shared->quit, 1);
		UEV_WRITE(shared->answer, 1);
	}
	uev_put(CGROUP "/cgroup.freeze", "0");
	for (i = 0; i < OTHERS; i++) {
		if (self->others[i] > 0)
			EXPECT_EQ(0, uev_join(self->others[i]));
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		if (pids[i] > 0) {
			kill(pids[i], SIGKILL);
			uev_join(pids[i]);
		}
	}
	umount2(mount_point, MNT_DETACH);
	close(fuse_fd);
	if (self->server > 0) {
		kill(self->server, SIGKILL);
		uev_join(self->server);
	}
	rmdir(mount_point);
	uev_wait_for(!rmdir(CGROUP) || errno == ENOENT);
	close(data_fd);
	uev_reset();
}

#define EXPECT_UNDISTURBED(ms) do {					\
	struct times with = time_switches(ms);				\
									\
	TH_LOG("%d switches, mean %lld us (without: %lld us), longest %lld us (%lld us)", \
	       with.switches, (long long)with.mean / 1000,		\
	       (long long)self->without.mean / 1000,			\
	       (long long)with.worst / 1000,				\
	       (long long)self->without.worst / 1000);			\
	EXPECT_GT(self->without.median + EXTRA_NS, with.median);	\
	EXPECT_GT(self->without.right_median + EXTRA_NS,		\
		  with.right_median);					\
	EXPECT_TRUE(with.right);					\
} while (0)

TEST_F(stuck, delay_nobody_and_are_right_when_let_go)
{
	if (self->why)
		SKIP(return, "%s", self->why);

	EXPECT_UNDISTURBED(STUCK_MS);
	/* All that time they were stuck, and they still are. */
	EXPECT_EQ(1, UEV_READ(shared->served));
	EXPECT_TRUE(state_is(self->locked, &shared->values[LOCKED], "repair"));
	EXPECT_EQ(0, UEV_READ(shared->values[LOCKED]));
	EXPECT_EQ(0, UEV_READ(shared->paged));
	EXPECT_TRUE(uev_file_has_line(CGROUP "/cgroup.events", "frozen 1"));
	/* The memory of a frozen process can be written. */
	EXPECT_TRUE(BECOMES(1, shared->values[FROZEN]));

	UEV_WRITE(shared->answer, 1);
	ASSERT_BECOMES(1, shared->values[LOCKED]);
	UEV_WRITE(shared->read_paged, 1);
	ASSERT_BECOMES(1, shared->paged);
	ASSERT_OK(uev_put(CGROUP "/cgroup.freeze", "0"));

	/* Now all of them follow a switch. */
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_TRUE(others_become(0));
	ASSERT_BECOMES(0, shared->values[LOCKED]);
	ASSERT_BECOMES(0, shared->values[FROZEN]);
	ASSERT_BECOMES(0, shared->paged);
	UEV_WRITE(shared->quit, 1);
	EXPECT_EQ(0, uev_join(self->locked));
	EXPECT_EQ(0, uev_join(self->paged));
	EXPECT_EQ(0, uev_join(self->frozen));
	self->locked = 0;
	self->paged = 0;
	self->frozen = 0;
}

/*
 * A bit that another process unregisters in shared memory is set again, although the one
 * that still has it cannot be looked at, and meanwhile another event was switched in vain.
 */
TEST_F(stuck, shared_bit_that_another_unregisters)
{
	__u32 *value = &shared->values[KEPT];

	if (self->why)
		SKIP(return, "%s", self->why);

	ASSERT_EQ(1, UEV_READ(*value));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_TRUE(state_is(self->locked, &shared->values[LOCKED], "repair"));
	ASSERT_OK(uev_reg(data_fd, value, 0, 4, 0, KEPT_EVENT, NULL));
	ASSERT_OK(uev_unreg(data_fd, value, 0));
	EXPECT_EQ(0, UEV_READ(*value));
	UEV_WRITE(shared->answer, 1);
	EXPECT_TRUE(BECOMES(1, *value));
	EXPECT_TRUE(BECOMES(1, shared->values[LOCKED]));
	ASSERT_OK(uev_enable(KEPT_NAME, false));
}

TEST_F(stuck, can_be_killed)
{
	pid_t *pids[] = { &self->locked, &self->paged, &self->frozen };
	size_t i;

	if (self->why)
		SKIP(return, "%s", self->why);

	EXPECT_UNDISTURBED(100);
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		ASSERT_EQ(0, kill(*pids[i], SIGKILL));
		EXPECT_TRUE(uev_wait_for(waitpid(*pids[i], NULL, WNOHANG) ==
					 *pids[i]))
			TH_LOG("number %zu does not die", i);
		*pids[i] = 0;
	}
	/* Nothing of the file system or the pager was needed for that. */
	EXPECT_EQ(1, UEV_READ(shared->served));
	EXPECT_UNDISTURBED(100);
}

/* A server that answers, and its file as it is mapped here */
struct served {
	pid_t server;
	char *area;
	__u32 *value;
};

/* Returns why there is none, or NULL */
static const char *begin_to_serve(struct served *served, int mode, int flags)
{
	char path[64];
	const char *why;
	int fd;

	uev_reset();
	shared = uev_shared(sizeof(*shared));
	data_fd = uev_open();
	why = mount_fuse();
	if (why)
		return why;
	UEV_WRITE(shared->answer, 1);
	served->server = uev_fork(serve, NULL);
	snprintf(path, sizeof(path), "%s/file", mount_point);
	fd = open(path, mode | O_CLOEXEC);
	/* Another page, which is there, follows the one with the word */
	served->area = mmap(NULL, 2 * uev_page_size(), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	served->value = mmap(served->area, uev_page_size(), PROT_READ | PROT_WRITE,
			     flags | MAP_FIXED, fd, 0);
	/* Registering fails where it cannot be mapped */
	if (served->value != MAP_FAILED)
		served->value += 16;
	/* The last task that closes it asks the server, or waits for it */
	close(fd);
	return NULL;
}

static void end_to_serve(struct served *served)
{
	munmap(served->area, 2 * uev_page_size());
	kill(served->server, SIGCONT);
	umount2(mount_point, MNT_DETACH);
	close(fuse_fd);
	kill(served->server, SIGKILL);
	uev_join(served->server);
	rmdir(mount_point);
	close(data_fd);
	uev_reset();
}

/* The kernel looks for such a page, which it may not wait for, a few times a second */
#define LOOKS_A_SECOND	50

/* A page that a server would have to bring is written once the process can write to it. */
TEST(shared_page_of_a_server)
{
	size_t size = uev_page_size();
	struct served served;
	const char *why;
	bool probed;
	__u32 *value;
	long before, looks;
	int on;

	why = begin_to_serve(&served, O_RDWR, MAP_SHARED);
	if (why)
		SKIP(return, "%s", why);
	value = served.value;
	ASSERT_OK(uev_reg(data_fd, value, 0, 4, 0, EVENT, NULL));
	probed = !uev_probe("repair_visit");

	for (on = 1; on >= 0; on--) {
		ASSERT_EQ(0, madvise(served.area, size, MADV_DONTNEED));
		ASSERT_OK(uev_enable(EVENT_NAME, on));
		usleep(300000);
		EXPECT_TRUE(state_is(getpid(), value, "repair"));
		EXPECT_EQ(!on, UEV_READ(*value));
		before = uev_probe_hits();
		sleep(1);
		looks = uev_probe_hits() - before;
		TH_LOG("%ld looks in a second", looks);
		if (probed)
			EXPECT_GE(LOOKS_A_SECOND, looks);
		EXPECT_TRUE(state_is(getpid(), value, "repair"));
		/* Once is not enough if it is written back before the kernel looks. */
		UEV_WRITE(value[1], on);
		ASSERT_EQ(0, msync(served.area, size, MS_SYNC));
		EXPECT_TRUE(uev_wait_for(({
			UEV_WRITE(value[1], on + 10);
			UEV_READ(*value) == on;
		})));
		EXPECT_EQ(on + 10, UEV_READ(value[1]));
	}
	uev_probe_end();

	end_to_serve(&served);
}

/* A page of a program's own takes no server to bring it back, whatever file it is from */
TEST(swapped_out_beside_a_silent_server)
{
	struct served served;
	const char *why;
	__u32 *value;

	why = begin_to_serve(&served, O_RDONLY, MAP_PRIVATE);
	if (why)
		SKIP(return, "%s", why);
	why = uev_swap_on(0);
	if (why) {
		end_to_serve(&served);
		SKIP(return, "%s", why);
	}
	value = served.value;
	ASSERT_OK(uev_reg(data_fd, value, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, UEV_READ(*value));

	kill(served.server, SIGSTOP);
	EXPECT_TRUE(uev_swap_out(value));
	EXPECT_OK(uev_enable(EVENT_NAME, true));
	/* To look at it before would bring it back. */
	EXPECT_TRUE(uev_wait_for(!state_is(getpid(), value, "repair")));
	EXPECT_TRUE(uev_page_is_present(value));
	EXPECT_EQ(1, UEV_READ(*value));

	EXPECT_OK(uev_enable(EVENT_NAME, false));
	end_to_serve(&served);
	EXPECT_OK(uev_swap_off(0));
}

/* A page that the server would have to bring keeps nothing else waiting. */
TEST(discarded_beside_a_silent_server)
{
	size_t size = uev_page_size();
	struct served served;
	const char *why;
	char path[64];
	__u32 *next;
	int fd;

	why = begin_to_serve(&served, O_RDONLY, MAP_PRIVATE);
	if (why)
		SKIP(return, "%s", why);
	next = (__u32 *)(served.area + size);
	ASSERT_OK(uev_reg(data_fd, served.value, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(data_fd, next, 0, 4, 0, EVENT, NULL));
	snprintf(path, sizeof(path), "%s/file", mount_point);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, madvise(served.area, 2 * size, MADV_DONTNEED));
	ASSERT_EQ(0, posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	close(fd);
	kill(served.server, SIGSTOP);

	EXPECT_OK(uev_enable(EVENT_NAME, true));
	EXPECT_TRUE(BECOMES(1, *next));
	EXPECT_TRUE(state_is(getpid(), served.value, "repair"));
	kill(served.server, SIGCONT);
	EXPECT_TRUE(BECOMES(1, *served.value));
	EXPECT_OK(uev_enable(EVENT_NAME, false));
	end_to_serve(&served);
}

static int sees_its_bit(void *value)
{
	UEV_WRITE(shared->ready, 1);
	return BECOMES(1, *(__u32 *)value) ? 0 : 1;
}

/* Nor does a page of its own that is only to be copied, after a fork */
TEST(copied_beside_a_silent_server)
{
	struct served served;
	const char *why;
	pid_t pid;

	why = begin_to_serve(&served, O_RDONLY, MAP_PRIVATE);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_OK(uev_reg(data_fd, served.value, 0, 4, 0, EVENT, NULL));
	kill(served.server, SIGSTOP);
	UEV_WRITE(shared->ready, 0);
	pid = uev_fork(sees_its_bit, served.value);
	EXPECT_TRUE(uev_wait_for(UEV_READ(shared->ready)));
	EXPECT_OK(uev_enable(EVENT_NAME, true));
	EXPECT_TRUE(BECOMES(1, *served.value));
	EXPECT_EQ(0, uev_join(pid));
	EXPECT_OK(uev_enable(EVENT_NAME, false));
	EXPECT_TRUE(BECOMES(0, *served.value));
	end_to_serve(&served);
}

TEST_HARNESS_MAIN
