// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation and each copy from or to user space of a call fails once, by
 * fault injection. The call either says so and leaves nothing behind, or has
 * done what it was asked for.
 */
#include <dirent.h>
#include <sys/mman.h>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif
#include <sys/syscall.h>
#include <sys/wait.h>

#include "uev_harness.h"

#define EVENT		"fault_event u32 a;__rel_loc char[] b"
#define EVENT_NAME	"fault_event"

/* No call has as many places to fail; a fork has most. */
#define MAX_NTH		3000

FIXTURE(fault) {
	int fd;
	int nth;		/* /proc/thread-self/fail-nth */
	__u32 *value;
};

#define PAGE_ALLOC	"/sys/kernel/debug/fail_page_alloc/"

static const char * const knobs[][2] = {
	{ "/sys/kernel/debug/failslab/ignore-gfp-wait", "N" },
	{ PAGE_ALLOC "ignore-gfp-wait", "N" },
	{ PAGE_ALLOC "ignore-gfp-highmem", "N" },
	{ PAGE_ALLOC "min-order", "0" },
	{ PAGE_ALLOC "interval", "1" },
	{ PAGE_ALLOC "probability", "0" },
	{ PAGE_ALLOC "times", "-1" },
	{ PAGE_ALLOC "task-filter", "N" },
	{ "/sys/kernel/debug/failslab/verbose", "0" },
	{ PAGE_ALLOC "verbose", "0" },
	{ "/sys/kernel/debug/fail_usercopy/verbose", "0" },
};

static char *knobs_were[ARRAY_SIZE(knobs)];

/*
 * The C library registers for rseq: the kernel writes into the thread's memory
 * after it was preempted. No call can report that this failed: it kills the process.
 */
static int leave_rseq(void)
{
#ifdef RSEQ_SIG
	size_t size = __rseq_size > sizeof(struct rseq) ? __rseq_size :
							 sizeof(struct rseq);

	if (__rseq_size)
		return syscall(__NR_rseq, (char *)__builtin_thread_pointer() +
			       __rseq_offset, size, RSEQ_FLAG_UNREGISTER,
			       RSEQ_SIG);
#endif
	return 0;
}

FIXTURE_SETUP(fault)
{
	size_t i;

	uev_reset();
	ASSERT_EQ(0, leave_rseq());
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		knobs_were[i] = uev_get(knobs[i][0]);
		uev_put(knobs[i][0], knobs[i][1]);
	}
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	self->value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->value);
	*self->value = 0;
}

FIXTURE_TEARDOWN(fault)
{
	size_t i;

	if (self->nth >= 0) {
		pwrite(self->nth, "0", 1, 0);
		close(self->nth);
	}
	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		if (*knobs_were[i])
			uev_put(knobs[i][0], knobs_were[i]);
	}
	close(self->fd);
	uev_reset();
}

#define NEEDS_FAULTS() do {						\
	if (self->nth < 0)						\
		SKIP(return, "kernel without CONFIG_FAULT_INJECTION");	\
} while (0)

static void fail_at(int fd, int nth)
{
	char text[16];
	int len = sprintf(text, "%d", nth);

	/* The copy of this text may be what fails. */
	if (pwrite(fd, text, len, 0) != len && pwrite(fd, text, len, 0) != len)
		abort();
}

/* Switches failures off again; true if there was one. */
static bool has_failed(int fd)
{
	char text[16] = "";
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

	fail_at(fd, 0);
	/* If the failure only came in pread(), the tested call had none. */
	return got > 0 && atoi(text) == 0;
}

/* The errors with which a call may report a fault */
static bool is_fault(int error)
{
	return error == -ENOMEM || error == -EFAULT || error == -EAGAIN;
}

/* Does the event have all of its files, so that it can be switched on, and of its fields? */
static bool has_files(const char *command)
{
	char *format = uev_get("events/" USER_EVENTS_SYSTEM "/" EVENT_NAME "/format");
	int fields = uev_count(format, "\tfield:");
	static const char * const files[] = {
		"enable", "filter", "trigger", "format", "id",
	};
	char path[256];
	size_t i;

	free(format);
	/* With the four that each event of the kernel has */
	if (fields != 4 + (strcmp(command, EVENT_NAME) ? 2 : 0))
		return false;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "events/" USER_EVENTS_SYSTEM "/"
			 EVENT_NAME "/%s", files[i]);
		if (!uev_exists(path))
			return false;
	}
	return true;
}

#define EVENTS_LIMIT	"/proc/sys/user/max_user_events"
#define BITS_LIMIT	"/proc/sys/user/max_user_event_bits"

/* Events count for longer than they live, while a buffer may have records of them. */
static bool may_have_one_event(void)
{
	return !(uev_dynamic("u:fault_one") ?: uev_dynamic("-:fault_one"));
}

/* What failed counts no more: neither events nor enable bits. */
static void check_limits(struct __test_metadata *_metadata,
			 FIXTURE_DATA(fault) *self)
{
	char *events = uev_get(EVENTS_LIMIT), *bits = uev_get(BITS_LIMIT);

	uev_put(EVENTS_LIMIT, "1");
	EXPECT_TRUE(uev_wait_for(may_have_one_event()));
	uev_put(EVENTS_LIMIT, events);
	uev_put(BITS_LIMIT, "1");
	EXPECT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	EXPECT_OK(uev_unreg(self->fd, self->value, 0));
	uev_put(BITS_LIMIT, bits);
	free(events);
	free(bits);
}

/*
 * Goes on to the next failure; false at the end. The calls are made twice from the
 * first failure on: what the first one to succeed leaves, as the owner and the address
 * space are, is not allocated any more, and so others would never have their turn.
 */
static bool next_failure(int *nth, int *pass, bool failed)
{
	if (!failed) {
		*nth = 0;
		++*pass;
	}
	return *pass < 2 && ++*nth < MAX_NTH;
}

static void check_registration(struct __test_metadata *_metadata,
			       FIXTURE_DATA(fault) *self, int flags,
			       const char *event)
{
	struct uev_census before;
	int nth = 0, pass = 0, ret, file, faults = 0;
	bool failed = true;

	while (next_failure(&nth, &pass, failed)) {
		struct user_reg reg = uev_reg_arg(self->value, 3, 4, flags,
						  event);

		file = uev_open();
		ASSERT_LE(0, file);
		uev_census_take(&before);
		fail_at(self->nth, nth);
		ret = uev_reg_raw(file, &reg);
		failed = has_failed(self->nth);
		if (ret) {
			faults++;
			ASSERT_TRUE(failed) TH_LOG("error %d by itself", ret);
			ASSERT_TRUE(is_fault(ret))
				TH_LOG("failure %d: error %d", nth, ret);
			ASSERT_STREQ("", uev_census_diff(&before))
				TH_LOG("failure %d left something", nth);
			ASSERT_ERR(ENOENT, uev_unreg(file, self->value, 3));
			ASSERT_ERR(ENOENT, uev_emit(file, 0, "12345678", 8));
			ASSERT_EQ(0, UEV_READ(*self->value));
		} else {
			/* Nothing has failed, or the call did without it. */
			ASSERT_EQ(0, reg.write_index);
			ASSERT_ERR(EBADF, uev_emit(file, 0, "12345678", 8));
			ASSERT_TRUE(flags || has_files(event))
				TH_LOG("failure %d: not all files or fields", nth);
			ASSERT_OK(uev_unreg(file, self->value, 3));
		}
		uev_census_free(&before);
		close(file);
		ret = uev_delete(self->fd, EVENT_NAME);
		ASSERT_TRUE(!ret || ret == -ENOENT)
			TH_LOG("failure %d: delete %d", nth, ret);
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(5, faults);
	TH_LOG("%d failures made the call fail", faults);
	check_limits(_metadata, self);
}

TEST_F(fault, register_a_new_event)
{
	NEEDS_FAULTS();
	check_registration(_metadata, self, 0, EVENT);
}

/* Without fields: with one, its allocation could be the only one that fails. */
TEST_F(fault, register_an_event_without_fields)
{
	NEEDS_FAULTS();
	check_registration(_metadata, self, 0, EVENT_NAME);
}

TEST_F(fault, register_a_multi_format_event)
{
	NEEDS_FAULTS();
	check_registration(_metadata, self, USER_EVENT_REG_MULTI_FORMAT, EVENT);
}

/* Somebody listens: the bit is set, unless the registration fails. */
TEST_F(fault, register_an_event_that_is_enabled)
{
	int nth, ret, file;
	bool failed = true;

	NEEDS_FAULTS();
	ASSERT_OK(uev_dynamic("u:" EVENT));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	for (nth = 1; failed && nth < MAX_NTH; nth++) {
		file = uev_open();
		fail_at(self->nth, nth);
		ret = uev_reg(file, self->value, 3, 4, 0, EVENT, NULL);
		failed = has_failed(self->nth);
		if (ret) {
			ASSERT_TRUE(failed && is_fault(ret))
				TH_LOG("failure %d: error %d", nth, ret);
			ASSERT_EQ(0, UEV_READ(*self->value))
				TH_LOG("failure %d left the bit", nth);
			ASSERT_ERR(ENOENT, uev_unreg(file, self->value, 3));
		} else {
			ASSERT_EQ(8, UEV_READ(*self->value));
			ASSERT_OK(uev_unreg(file, self->value, 3));
			ASSERT_EQ(0, UEV_READ(*self->value));
		}
		close(file);
	}
	EXPECT_FALSE(failed);
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	EXPECT_OK(uev_delete(self->fd, EVENT_NAME));
}

TEST_F(fault, unregister_and_delete)
{
	int nth, ret, file;
	bool failed = true, other = true;

	NEEDS_FAULTS();
	for (nth = 1; (failed || other) && nth < MAX_NTH; nth++) {
		file = uev_open();
		ASSERT_OK(uev_reg(file, self->value, 3, 4,
				  USER_EVENT_REG_PERSIST, EVENT, NULL));
		fail_at(self->nth, nth);
		ret = uev_unreg(file, self->value, 3);
		failed = has_failed(self->nth);
		if (ret) {
			/* After a failure it is still registered. */
			ASSERT_TRUE(failed && is_fault(ret))
				TH_LOG("failure %d: error %d", nth, ret);
			ASSERT_OK(uev_unreg(file, self->value, 3));
		}
		ASSERT_ERR(ENOENT, uev_unreg(file, self->value, 3));
		close(file);

		fail_at(self->nth, nth);
		ret = uev_delete(self->fd, EVENT_NAME);
		other = has_failed(self->nth);
		if (ret) {
			ASSERT_TRUE(other && is_fault(ret))
				TH_LOG("failure %d: error %d", nth, ret);
			ASSERT_OK(uev_delete(self->fd, EVENT_NAME));
		}
		ASSERT_FALSE(uev_alive(EVENT_NAME));
	}
	EXPECT_FALSE(failed);
}

enum { FORKED, MAPPED, SWITCHED };

/* Where nothing is mapped now, other memory has no bits: those of @gaps. */
static int watch_child(__u32 *value, char *gaps, int *step)
{
	const size_t page = uev_page_size();
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE |
			  MAP_FIXED_NOREPLACE;
	int i;

	for (i = 0; gaps && i < 2; i++) {
		if (mmap(gaps + 2 * i * page, page, PROT_READ | PROT_WRITE, flags,
			 -1, 0) == MAP_FAILED)
			return 3;
	}
	UEV_WRITE(*step, MAPPED);
	if (!uev_wait_for(UEV_READ(*step) == SWITCHED))
		return 1;
	if (!BECOMES(1, *value))
		return 2;
	return gaps && (*(__u32 *)gaps || *(__u32 *)(gaps + 2 * page)) ? 4 : 0;
}

/* If fork succeeds, the child is tracked: its bit, which is registered, follows. */
static void check_fork(struct __test_metadata *_metadata,
		       FIXTURE_DATA(fault) *self, int *step, char *gaps)
{
	const int every = uev_kernel_is_slow() ? 5 : 1;
	int nth, faults = 0;
	bool failed = true;
	pid_t pid;

	for (nth = 1; failed && nth < MAX_NTH; nth += every) {
		UEV_WRITE(*step, FORKED);
		fflush(NULL);
		fail_at(self->nth, nth);
		pid = fork();
		if (!pid)
			_exit(watch_child(self->value, gaps, step));
		failed = has_failed(self->nth);
		if (pid < 0) {
			faults++;
			ASSERT_TRUE(failed && is_fault(-errno))
				TH_LOG("failure %d: error %d", nth, errno);
			continue;
		}
		ASSERT_TRUE(uev_wait_for(UEV_READ(*step) == MAPPED));
		ASSERT_OK(uev_enable(EVENT_NAME, true));
		ASSERT_BECOMES(1, *self->value);
		UEV_WRITE(*step, SWITCHED);
		ASSERT_EQ(0, uev_join(pid)) TH_LOG("failure %d", nth);
		ASSERT_OK(uev_enable(EVENT_NAME, false));
		ASSERT_BECOMES(0, *self->value);
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(5, faults);
	ASSERT_OK(uev_unreg(self->fd, self->value, 0));
}

TEST_F(fault, fork)
{
	NEEDS_FAULTS();
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	check_fork(_metadata, self, uev_shared(sizeof(int)), NULL);
}

static int waits(void *unused)
{
	pause();
	return 0;
}

/*
 * What is registered in memory that the child does not get, and what the parent has
 * unmapped since a fork: the child keeps a note of each.
 */
TEST_F(fault, fork_without_some_memory)
{
	const size_t page = uev_page_size();
	/* Not where something goes below */
	int *step = uev_shared(sizeof(*step));
	char *area;
	pid_t pid;

	NEEDS_FAULTS();
	area = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, area, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, area + 2 * page, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, madvise(area, page, MADV_DONTFORK));
	pid = uev_fork(waits, NULL);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, munmap(area + 2 * page, page));
	check_fork(_metadata, self, step, area);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, uev_join(pid));
}

/* The result of a switch and the bit agree. */
TEST_F(fault, switching)
{
	bool failed = true, on = false;
	int nth, ret, fd;

	NEEDS_FAULTS();
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	fd = open(TRACEFS "events/user_events/" EVENT_NAME "/enable", O_WRONLY);
	ASSERT_LE(0, fd);
	for (nth = 1; nth < MAX_NTH; nth++) {
		fail_at(self->nth, nth);
		ret = pwrite(fd, on ? "0" : "1", 1, 0) == 1 ? 0 : -errno;
		failed = has_failed(self->nth);
		if (ret) {
			ASSERT_TRUE(failed && is_fault(ret))
				TH_LOG("failure %d: error %d", nth, ret);
		} else {
			on = !on;
		}
		ASSERT_BECOMES(on, *self->value);
		/* Until both switches pass without a failure */
		if (!failed && on)
			break;
	}
	EXPECT_FALSE(failed);
	close(fd);
	ASSERT_OK(uev_enable(EVENT_NAME, false));
}

/* Starts or ends refusing memory to kernel threads that may be workers. */
static void fail_workers(const char *on)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char path[512], *comm;

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		comm = uev_get(path);
		snprintf(path, sizeof(path), "/proc/%s/make-it-fail",
			 entry->d_name);
		if (!strncmp(comm, "kworker/u", 9))
			uev_put(path, on);
		free(comm);
	}
	if (dir)
		closedir(dir);
}

/* A worker that gets no memory for some seconds goes on until it does. */
TEST_F(fault, repair)
{
	const int pages = 16, times = 100000;
	size_t page = uev_page_size();
	char *area, text[16];
	int i, left;
	__u64 end;

	NEEDS_FAULTS();
	area = mmap(NULL, pages * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	for (i = 0; i < pages; i++)
		ASSERT_OK(uev_reg(self->fd, area + i * page, 0, 4, 0, EVENT,
				  NULL));
	snprintf(text, sizeof(text), "%d", times);
	ASSERT_OK(uev_put(PAGE_ALLOC "times", text));
	ASSERT_OK(uev_put(PAGE_ALLOC "task-filter", "Y"));
	ASSERT_OK(uev_put(PAGE_ALLOC "probability", "100"));
	/*
	 * The repair may be done by a worker that was started after
	 * fail_workers(), and succeed at once: then try the next one.
	 */
	end = uev_now_ms() + UEV_WAIT_MS;
	do {
		ASSERT_OK(uev_enable(EVENT_NAME, false));
		ASSERT_EQ(0, madvise(area, pages * page, MADV_DONTNEED));
		fail_workers("1");
		ASSERT_OK(uev_enable(EVENT_NAME, true));
		sleep(4);
		left = uev_get_int(PAGE_ALLOC "times");
		/* It keeps trying, less and less often */
	} while (times - left <= 3 && uev_now_ms() < end);
	ASSERT_OK(uev_put(PAGE_ALLOC "probability", "0"));
	fail_workers("0");
	TH_LOG("%d failures", times - left);
	EXPECT_LT(3, times - left);
	for (i = 0; i < pages; i++)
		ASSERT_BECOMES(1, *(__u32 *)(area + i * page));
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	for (i = 0; i < pages; i++)
		ASSERT_BECOMES(0, *(__u32 *)(area + i * page));
}

struct some_record {
	__u32 a, b;
	char text[8];
};

static void write_with_failures(struct __test_metadata *_metadata,
				FIXTURE_DATA(fault) *self, __u32 index,
				struct some_record *record, bool missing)
{
	int nth, ret, good = 0;
	bool failed = true;
	char *shown;

	uev_trace_clear();
	for (nth = 1; failed && nth < MAX_NTH; nth++) {
		record->a = nth;
		/* It stays in the memory that is shared */
		if (missing)
			ASSERT_EQ(0, madvise(record, sizeof(*record), MADV_DONTNEED));
		fail_at(self->nth, nth);
		ret = uev_emit(self->fd, index, record, sizeof(*record));
		failed = has_failed(self->nth);
		if (ret < 0) {
			ASSERT_TRUE(failed && is_fault(ret))
				TH_LOG("failure %d: error %d", nth, ret);
		} else {
			ASSERT_EQ(4 + sizeof(*record), ret);
			good++;
		}
		shown = uev_trace_of("trace", EVENT_NAME);
		ASSERT_EQ(good, uev_count(shown, "\n")) TH_LOG("%s", shown);
		free(shown);
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(0, good);
}

/*
 * A record is there if write() says so, and not otherwise, also where its page has to be
 * brought in.
 */
TEST_F(fault, writing)
{
	struct some_record *record = uev_shared(sizeof(*record));
	__u32 index;

	NEEDS_FAULTS();
	*record = (struct some_record){ 0, DYN_LOC(0, 8), "1234567" };
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, &index));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	write_with_failures(_metadata, self, index, record, false);
	write_with_failures(_metadata, self, index, record, true);
	ASSERT_OK(uev_enable(EVENT_NAME, false));
}

/*
 * The other calls. Each is made as often as it has places to fail, and undone when it
 * succeeds: then, and when it fails, all is as before.
 */
#define MORE		"fault_more u32 a; char[8] b"
#define GROUPS		TRACEFS "user_events_groups/"

static struct {
	int fd, group, opened, id;
	char *page;		/* begins with an enable word for EVENT */
	pid_t child;		/* shares what is registered */
} other;

static int declare(void)
{
	return uev_dynamic("u:" MORE);
}

static int undeclare(void)
{
	return uev_dynamic("-:fault_more");
}

static int open_file(const char *path, int flags)
{
	other.opened = open(path, flags | O_CLOEXEC);
	return other.opened < 0 ? -errno : 0;
}

static int open_data(void)
{
	return open_file(UEV_DATA, O_RDWR);
}

static int open_status(void)
{
	return open_file(TRACEFS "user_events_status", O_RDONLY);
}

static int open_perf(void)
{
	other.opened = uev_perf_open(other.id, -1, 0, 0);
	return other.opened < 0 ? other.opened : 0;
}

static int close_it(void)
{
	return close(other.opened) ? -errno : 0;
}

static int make_group(void)
{
	return uev_append(GROUPS "control", "+fault_b max=3");
}

static int remove_group(void)
{
	return uev_append(GROUPS "control", "-fault_b");
}

static int register_there(int file)
{
	return uev_reg(file, other.page + 8, 5, 4, 0, MORE, NULL);
}

static int unregister_there(int file)
{
	return uev_unreg(file, other.page + 8, 5);
}

/* Through a file of its own, which would hold the event */
static int register_in_group(void)
{
	int ret = open_file(GROUPS "fault_a/user_events_data", O_RDWR);

	if (ret)
		return ret;
	ret = register_there(other.opened);
	if (ret)
		close(other.opened);
	return ret;
}

static int leave_group(void)
{
	return unregister_there(other.opened) ?: close_it();
}

static int register_again_in_group(void)
{
	return register_there(other.group);
}

static int unregister_in_group(void)
{
	return unregister_there(other.group);
}

static int read_file(const char *path)
{
	char text[4096];
	int ret = open_file(path, O_RDONLY);

	if (ret)
		return ret;
	if (read(other.opened, text, sizeof(text)) < 0)
		ret = -errno;
	close(other.opened);
	return ret;
}

static int read_status(void)
{
	return read_file(TRACEFS "user_events_status");
}

static int read_enablers(void)
{
	return read_file(TRACEFS "user_events_enablers");
}

static int register_again(void)
{
	return uev_reg(other.fd, other.page, 0, 4, 0, EVENT, NULL);
}

static int unmap(void)
{
	return munmap(other.page, uev_page_size()) ? -errno : 0;
}

static int map_again(void)
{
	void *at = mmap(other.page, uev_page_size(), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return at == MAP_FAILED ? -errno : register_again();
}

static int nothing(void)
{
	return 0;
}

/* What a child shares is copied first */
static int register_beside_a_child(void)
{
	return uev_reg(other.fd, other.page + 16, 1, 4, 0, EVENT, NULL);
}

static void end_child(void)
{
	if (other.child <= 0)
		return;
	kill(other.child, SIGKILL);
	uev_join(other.child);
	other.child = 0;
}

static int unregister_beside_a_new_child(void)
{
	int ret;

	end_child();
	ret = uev_unreg(other.fd, other.page + 16, 1);
	if (ret && ret != -ENOENT)
		return ret;
	other.child = uev_fork(waits, NULL);
	return other.child < 0 ? -EAGAIN : 0;
}

static const struct call {
	const char *name;
	int (*make)(void);
	int (*undo)(void);
	bool undone;		/* undo it before it is made for the first time */
} calls[] = {
	{ "declares an event in dynamic_events", declare, undeclare },
	{ "removes it", undeclare, declare, true },
	{ "opens user_events_data", open_data, close_it },
	{ "opens user_events_status", open_status, close_it },
	{ "opens a counter of perf", open_perf, close_it },
	{ "makes a group", make_group, remove_group },
	{ "removes it", remove_group, make_group, true },
	{ "registers in a group", register_in_group, leave_group },
	{ "unregisters there", unregister_in_group, register_again_in_group, true },
	{ "reads user_events_status", read_status, nothing },
	{ "reads user_events_enablers", read_enablers, nothing },
	{ "unmaps an enable word", unmap, map_again },
	{ "registers beside a child", register_beside_a_child,
	  unregister_beside_a_new_child, true },
};

static void check_call(struct __test_metadata *_metadata,
		       FIXTURE_DATA(fault) *self, const struct call *call)
{
	struct uev_census before;
	int nth = 0, pass = 0, ret, faults = 0;
	bool failed = true;

	if (call->undone)
		ASSERT_OK(call->undo());
	uev_census_take(&before);
	while (next_failure(&nth, &pass, failed)) {
		fail_at(self->nth, nth);
		ret = call->make();
		failed = has_failed(self->nth);
		if (ret) {
			faults++;
			ASSERT_TRUE(failed && is_fault(ret))
				TH_LOG("failure %d: error %d", nth, ret);
		} else {
			ASSERT_OK(call->undo()) TH_LOG("failure %d", nth);
		}
		ASSERT_STREQ("", uev_census_diff(&before))
			TH_LOG("failure %d leaves something", nth);
		ASSERT_BECOMES(0, *(__u32 *)other.page);
	}
	uev_census_free(&before);
	EXPECT_FALSE(failed);
	EXPECT_LT(0, faults);
	TH_LOG("%s: %d failures made it fail", call->name, faults);
	if (call->undone)
		ASSERT_OK(call->make());
}

TEST_F(fault, all_other_calls)
{
	const size_t page = uev_page_size();
	char *area;
	size_t i;

	NEEDS_FAULTS();
	other.fd = self->fd;
	area = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	/* To unmap the page in the middle takes memory */
	other.page = area + page;
	ASSERT_OK(register_again());
	/* Others, that a copy can fail after */
	ASSERT_OK(uev_reg(self->fd, area, 2, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, area, 3, 4, 0, EVENT, NULL));
	other.id = uev_event_id(EVENT_NAME);
	ASSERT_OK(uev_append(GROUPS "control", "+fault_a"));
	other.group = open(GROUPS "fault_a/user_events_data", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, other.group);
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		check_call(_metadata, self, &calls[i]);
	end_child();
	ASSERT_OK(uev_unreg(self->fd, other.page + 16, 1));
	ASSERT_OK(uev_unreg(self->fd, area, 2));
	ASSERT_OK(uev_unreg(self->fd, area, 3));
	/* The word that was mapped and registered so often is found. */
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *(__u32 *)other.page);
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_BECOMES(0, *(__u32 *)other.page);
	close(other.group);
	EXPECT_OK(uev_append(GROUPS "control", "-fault_a"));
	ASSERT_OK(uev_unreg(self->fd, other.page, 0));
	/* With the file goes the event, or it would be the one that there may be */
	close(self->fd);
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	check_limits(_metadata, self);
}

#define EXEC_FAILED	5	/* exit status, if all is as it was */

struct exec {
	int nth;
	int program;		/* open file */
	int failed, killed;	/* how many did */
	bool passed;		/* there was nothing to fail any more */
};

/* Executes a program; if that fails, the bits still follow. */
static int executes(void *arg)
{
	static char * const argv[] = { "program", NULL };
	struct exec *exec = arg;
	__u32 *value = (__u32 *)other.page;
	int file, fail;

	file = uev_open();
	if (file < 0 || uev_reg(file, value + 1, 0, 4, 0, MORE, NULL))
		return 1;
	fail = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	fail_at(fail, exec->nth);
	fexecve(exec->program, argv, argv + 1);
	if (!has_failed(fail))
		return 2;
	if (uev_enable("fault_more", true) || !BECOMES(1, value[1]))
		return 3;
	if (uev_enable("fault_more", false) || !BECOMES(0, value[1]))
		return 4;
	return EXEC_FAILED;
}

/* A copy in memory: a network's file system need not work any more after a failure. */
static int copy_program(void)
{
	int from = open("fault_injection_program", O_RDONLY | O_CLOEXEC);
	int to = memfd_create("program", MFD_CLOEXEC);
	char text[4096];
	ssize_t len;

	if (from < 0 || to < 0)
		return -1;
	while ((len = read(from, text, sizeof(text))) > 0) {
		if (write(to, text, len) != len)
			return -1;
	}
	close(from);
	return len ? -1 : to;
}

static void check_exec(struct __test_metadata *_metadata, struct exec *exec,
		       struct uev_census *before)
{
	__u64 end = uev_now_ms() + 20000;
	siginfo_t info;
	bool hangs;
	char path[64];
	pid_t pid;
	int ret;

	pid = uev_fork(executes, exec);
	ASSERT_LT(0, pid);
	/* What the program does before main() may hang where it has failed */
	do {
		usleep(1000);
		info.si_pid = 0;
		ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT | WNOHANG));
	} while (!info.si_pid && uev_now_ms() < end);
	hangs = !info.si_pid;
	if (hangs) {
		kill(pid, SIGKILL);
		ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	}
	/* Was there anything to fail? A process that has ended still tells. */
	snprintf(path, sizeof(path), "/proc/%d/fail-nth", pid);
	exec->passed = !hangs && uev_get_int(path) > 0;
	ret = uev_join(pid);
	/* 127: or it fails */
	ASSERT_TRUE(hangs || (exec->passed ? !ret :
			      ret <= 0 || ret == EXEC_FAILED || ret == 127))
		TH_LOG("failure %d: %d", exec->nth, ret);
	exec->killed += ret < 0 && !hangs;
	exec->failed += ret == EXEC_FAILED;
	ASSERT_STREQ("", uev_census_diff(before))
		TH_LOG("failure %d leaves something", exec->nth);
}

/* An exec that fails too late for an error kills the process: then its events go. */
TEST_F(fault, exec)
{
	struct exec exec = { .program = copy_program() };
	const int step = uev_kernel_is_slow() ? 7 : 1;
	struct uev_census before;

	NEEDS_FAULTS();
	ASSERT_LE(0, exec.program);
	other.page = (char *)self->value;
	uev_census_take(&before);
	for (exec.nth = 1; !exec.passed && exec.nth < MAX_NTH; exec.nth += step)
		check_exec(_metadata, &exec, &before);
	EXPECT_TRUE(exec.passed);
	/* Those that are too late are near the end, and few: a step can miss them all */
	while (!exec.killed && --exec.nth > 0)
		check_exec(_metadata, &exec, &before);
	uev_census_free(&before);
	EXPECT_LT(0, exec.failed);
	EXPECT_LT(0, exec.killed);
	TH_LOG("%d failures made exec fail, %d killed", exec.failed, exec.killed);
	close(exec.program);
}

TEST_HARNESS_MAIN
