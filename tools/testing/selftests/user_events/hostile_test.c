// SPDX-License-Identifier: GPL-2.0
/*
 * One bad process harms only itself: programs of another user that may open
 * user_events_data try to hold up, wear out and mislead the rest of the system.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/perf_event.h>
#include <linux/sched.h>

#include "uev_harness.h"
#include "uev_pager.h"
#include "uev_perf.h"

#define EVENT		"hostile_event u32 a"
#define EVENT_NAME	"hostile_event"
/* More processes than a workqueue can have workers at once */
#define CROWD		600

FIXTURE(hostile) {
	int fd;
	__u32 *shared;		/* of this process and its children */
	int *count;
	__u32 *private;
};

FIXTURE_SETUP(hostile)
{
	uev_reset();
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	self->shared = uev_shared(uev_page_size());
	self->count = uev_shared(uev_page_size());
	self->private = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->private);
	*self->private = 0;
}

FIXTURE_TEARDOWN(hostile)
{
	close(self->fd);
	uev_reset();
}

struct hostile {
	int fd;
	int *count;
	__u32 *value;
	bool misses;
};

/* Registers a word, and then loses its page: the pager never delivers it */
static int lose_page(void *arg)
{
	struct hostile *h = arg;
	int uffd;
	void *page = uev_paged_page(&uffd);

	if (!page || uev_deliver(uffd, page, NULL) || uev_become_nobody() ||
	    uev_reg(h->fd, page, 0, 4, 0, EVENT, NULL) ||
	    madvise(page, uev_page_size(), MADV_DONTNEED)) {
		UEV_WRITE(*h->count, -CROWD);
		return 1;
	}
	__atomic_add_fetch(h->count, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

/* Shows its copy of the enable word to the parent, plus 1: 0 is not yet shown */
static int show_copy(void *arg)
{
	struct hostile *h = arg;
	__u32 *seen = (__u32 *)(h->count + 1);

	__atomic_add_fetch(h->count, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		UEV_WRITE(*seen, UEV_READ(*h->value) + 1);
		uev_nap();
	}
	return 0;
}

/*
 * The crowd must not use up the workers: if each of them waited for a page of the
 * crowd, no other repair would get through. The victim's fork makes its bit need
 * a repair at each switch, since the page has to be copied first.
 */
TEST_F(hostile, crowd_without_pages)
{
	struct hostile h = { .fd = self->fd, .count = self->count };
	struct hostile victim = { .count = self->count + 16,
				  .value = self->private };
	__u32 *seen = (__u32 *)(victim.count + 1);
	int i, crowd = uev_rounds(CROWD);
	pid_t child, *pids;

	pids = calloc(crowd, sizeof(*pids));
	for (i = 0; i < crowd; i++) {
		pids[i] = uev_fork(lose_page, &h);
		ASSERT_LT(0, pids[i]);
	}
	ASSERT_TRUE(uev_wait_while_counting(UEV_READ(*self->count) == crowd ||
					    UEV_READ(*self->count) < 0,
					    UEV_READ(*self->count)));
	if (*self->count < 0)
		SKIP(goto end, UEV_NO_PAGER);

	/* From here on, repairs of the whole crowd are pending */
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_OK(uev_reg(self->fd, self->private, 0, 4, 0, EVENT, NULL));
	EXPECT_EQ(1, *self->private);
	child = uev_fork(show_copy, &victim);
	ASSERT_LT(0, child);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*seen)));
	for (i = 0; i < 4; i++) {
		ASSERT_OK(uev_enable(EVENT_NAME, i & 1));
		ASSERT_BECOMES((i & 1) + 1, *seen);
		ASSERT_BECOMES(i & 1, *self->private);
	}
	kill(child, SIGKILL);
	uev_join(child);
end:
	for (i = 0; i < crowd; i++)
		kill(pids[i], SIGKILL);
	for (i = 0; i < crowd; i++)
		EXPECT_EQ(*self->count < 0 ? 1 : -SIGKILL, uev_join(pids[i]));
	free(pids);
}

static bool quit;

/* A pager that wakes those who wait for the page, and does not deliver it */
static void *wake_in_vain(void *arg)
{
	struct uffdio_range range = { .len = uev_page_size() };
	struct hostile *h = arg;
	struct pollfd pollfd = { .fd = h->fd, .events = POLLIN };
	struct uffd_msg msg;

	while (!UEV_READ(quit)) {
		if (poll(&pollfd, 1, 100) != 1 ||
		    read(h->fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		(*h->count)++;
		range.start = msg.arg.pagefault.address & -range.len;
		ioctl(h->fd, UFFDIO_WAKE, &range);
	}
	return NULL;
}

/* The kernel must not ask for the page again as fast as the pager wakes it. */
TEST_F(hostile, pager_that_wakes_in_vain)
{
	struct hostile pager = { .count = self->count };
	pthread_t thread;

	if (!uev_register_and_lose(self->fd, EVENT, &pager.fd))
		SKIP(return, UEV_NO_PAGER);
	ASSERT_EQ(0, pthread_create(&thread, NULL, wake_in_vain, &pager));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_TRUE(uev_wait_for(UEV_READ(*self->count)));
	sleep(3);
	TH_LOG("%d requests in 3 seconds", UEV_READ(*self->count));
	EXPECT_GE(150, UEV_READ(*self->count));
	UEV_WRITE(quit, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	close(pager.fd);
}

static int register_missing(void *arg)
{
	struct hostile *h = arg;
	int uffd;
	void *page = h->misses ? uev_paged_page(&uffd) : uev_shared(uev_page_size());

	if (!page) {
		UEV_WRITE(*h->count, -CROWD);
		return 1;
	}
	if (h->misses && uev_become_nobody())
		return 1;
	__atomic_add_fetch(h->count, 1, __ATOMIC_SEQ_CST);
	return uev_reg(h->fd, page, 0, 4, 0, EVENT, NULL) ? 1 : 0;
}

/* One task is stuck in an ioctl of the file: another one can still be killed. */
TEST_F(hostile, shared_file_does_not_keep_from_dying)
{
	struct hostile h = { .fd = self->fd, .count = self->count,
			     .misses = true };
	pid_t stuck, other;

	stuck = uev_fork(register_missing, &h);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*self->count)));
	if (*self->count < 0) {
		uev_join(stuck);
		SKIP(return, UEV_NO_PAGER);
	}
	/* It is made under the lock of the file, and then the page is missing */
	ASSERT_TRUE(uev_wait_for(uev_alive(EVENT_NAME)));
	h.misses = false;
	other = uev_fork(register_missing, &h);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*self->count) == 2));
	usleep(300000);
	ASSERT_EQ(0, kill(other, SIGKILL));
	EXPECT_EQ(-SIGKILL, uev_join(other));
	ASSERT_EQ(0, kill(stuck, SIGKILL));
	EXPECT_EQ(-SIGKILL, uev_join(stuck));
}

/* With MADV_WIPEONFORK a child's page is wiped: its bit must be set again. */
TEST_F(hostile, wiped_page_has_its_bit_right)
{
	struct hostile child = { .count = self->count, .value = self->private };
	__u32 *seen = (__u32 *)(self->count + 1);
	pid_t pid;

	if (madvise(self->private, uev_page_size(), MADV_WIPEONFORK))
		SKIP(return, "kernel without MADV_WIPEONFORK");
	ASSERT_OK(uev_reg(self->fd, self->private, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *self->private);
	pid = uev_fork(show_copy, &child);
	ASSERT_LT(0, pid);
	ASSERT_BECOMES(2, *seen);
	kill(pid, SIGKILL);
	uev_join(pid);
}

/* Its PID is taken: that is found out when the child has its memory already. */
static int fork_that_fails(void)
{
	pid_t pid = getpid();
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1,
	};

	return syscall(__NR_clone3, &args, sizeof(args)) < 0 ? -errno : 0;
}

/* While a child's pages are being brought in, its first task goes, and never was one. */
TEST_F(hostile, wiped_pages_of_forks_that_fail)
{
	size_t page = uev_page_size(), pages = 8, i;
	int rounds = uev_rounds(480), round;
	char *area = mmap(NULL, pages * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, area);
	if (madvise(area, pages * page, MADV_WIPEONFORK))
		SKIP(return, "kernel without MADV_WIPEONFORK");
	for (i = 0; i < pages; i++)
		ASSERT_OK(uev_reg(self->fd, area + i * page, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	for (round = 0; round < rounds; round++)
		ASSERT_ERR(EEXIST, fork_that_fails());
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	for (i = 0; i < pages; i++)
		ASSERT_BECOMES(0, *(__u32 *)(area + i * page));
	munmap(area, pages * page);
}

static int unregister_shared(void *arg)
{
	struct hostile *h = arg;

	return uev_unreg(h->fd, h->value, 0) ? 1 : 0;
}

/* A child unregisters a bit in shared memory: it is the parent's as well. */
TEST_F(hostile, unregistering_leaves_the_bit_of_others)
{
	struct hostile h = { .fd = self->fd, .value = self->shared };

	ASSERT_OK(uev_reg(self->fd, self->shared, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *self->shared);
	EXPECT_EQ(0, uev_in_child(unregister_shared, &h));
	EXPECT_TRUE(BECOMES(1, *self->shared));
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_BECOMES(0, *self->shared);
}

#define PARANOID	"/proc/sys/kernel/perf_event_paranoid"

struct counter {
	int id;
	int cap;		/* the only capability, 0 for none */
	int result;
	__u32 *value;
	__u32 seen;		/* in *value while the event is counted */
};

static int count_event(void *arg)
{
	struct counter *c = arg;
	/* perf would not let nobody look at the kernel, whatever the event is */
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = c->id,
		.exclude_kernel = !c->cap,
	};

	if (c->cap ? uev_keep_only_cap(c->cap) : uev_become_nobody())
		return 1;
	c->result = syscall(__NR_perf_event_open, &attr, 0, -1, -1,
			    PERF_FLAG_FD_CLOEXEC);
	if (c->result < 0)
		c->result = -errno;
	c->seen = UEV_READ(*c->value);
	return 0;
}

/* Counting sets the bit of every program, and keeps the event from deletion. */
TEST_F(hostile, counting_takes_what_reading_takes)
{
	struct counter *c = uev_shared(sizeof(*c));

	ASSERT_OK(uev_reg(self->fd, self->shared, 0, 4, 0, EVENT, NULL));
	c->id = uev_event_id(EVENT_NAME);
	c->value = self->shared;
	c->result = 1;
	ASSERT_EQ(0, uev_in_child(count_event, c));
	if (c->result == -ENOENT)
		SKIP(return, "kernel without perf");
	EXPECT_TRUE(c->result == -EACCES || c->result == -EPERM)
		TH_LOG("perf_event_open: %d", c->result);
	EXPECT_EQ(0, c->seen);
	EXPECT_EQ(0, *self->shared);
}

/* It takes no more, either: CAP_PERFMON, which is 38, or what the sysctl allows. */
TEST_F(hostile, counting_takes_no_more_than_reading)
{
	struct counter *c = uev_shared(sizeof(*c));
	char *paranoid = uev_get(PARANOID);

	if (!*paranoid)
		SKIP(return, "kernel without perf");
	ASSERT_OK(uev_reg(self->fd, self->shared, 0, 4, 0, EVENT, NULL));
	c->id = uev_event_id(EVENT_NAME);
	c->value = self->shared;
	c->cap = 38;
	ASSERT_EQ(0, uev_in_child(count_event, c));
	EXPECT_LE(0, c->result);
	EXPECT_EQ(1, c->seen);
	ASSERT_BECOMES(0, *self->shared);

	c->cap = 0;
	c->seen = 0;
	ASSERT_OK(uev_put(PARANOID, "-1"));
	EXPECT_EQ(0, uev_in_child(count_event, c));
	EXPECT_OK(uev_put(PARANOID, paranoid));
	EXPECT_LE(0, c->result);
	EXPECT_EQ(1, c->seen);
	EXPECT_TRUE(BECOMES(0, *self->shared));
	free(paranoid);
}

static int write_one(void *arg)
{
	struct hostile *h = arg;
	__u32 payload = 7;

	return uev_emit(h->fd, *h->count, &payload, sizeof(payload)) != 8;
}

/* Exits with the errno of a fork that was refused */
static int fork_as_nobody(void *arg)
{
	int ret;

	if (uev_become_nobody())
		return 255;
	ret = uev_in_child(write_one, arg);
	return ret < 0 ? -ret : ret;
}

/* What was allowed to count goes on in children, whoever they have become by then. */
TEST_F(hostile, counting_is_inherited)
{
	struct hostile h = { .fd = self->fd, .count = self->count };
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.inherit = 1,
	};
	__u64 counted = 0;
	int id, perf;

	*self->count = uev_reg_index(self->fd, self->shared, EVENT);
	ASSERT_LE(0, *self->count);
	id = uev_event_id(EVENT_NAME);
	if (id < 0)
		SKIP(return, "kernel without perf");
	attr.config = id;
	perf = syscall(__NR_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	ASSERT_LE(0, perf) TH_LOG("error %d", errno);
	EXPECT_EQ(0, uev_in_child(fork_as_nobody, &h));
	ASSERT_EQ(sizeof(counted), read(perf, &counted, sizeof(counted)));
	EXPECT_EQ(1, counted);
	close(perf);
	ASSERT_BECOMES(0, *self->shared);
}

static int come_and_go(void *arg)
{
	struct hostile *h = arg;
	char command[32];
	__u32 index;
	int i;

	if (uev_become_nobody())
		return 1;
	for (i = 0; i < *h->count; i++) {
		snprintf(command, sizeof(command), "hostile_%d u32 a", i);
		if (uev_reg(h->fd, &h->value[i], 0, 4, 0, command, &index))
			return 1;
		UEV_WRITE(h->count[1], i + 1);
	}
	while (!UEV_READ(h->count[2]))
		uev_nap();
	return 0;
}

/* Deleting many events must not clear the buffers to free type numbers. */
TEST_F(hostile, events_that_go_erase_nothing)
{
	int count = uev_rounds(1100);
	struct hostile h = { .count = self->count };
	__u32 payload = 7;
	__u32 index;
	char *trace;
	pid_t pid;

	h.value = uev_shared(count * sizeof(__u32));
	ASSERT_OK(uev_reg(self->fd, self->shared, 0, 4, 0, EVENT, &index));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_EQ(8, uev_emit(self->fd, index, &payload, sizeof(payload)));

	*self->count = count;
	h.fd = uev_open();
	ASSERT_LE(0, h.fd);
	pid = uev_fork(come_and_go, &h);
	close(h.fd);
	ASSERT_TRUE(uev_wait_while_counting(UEV_READ(self->count[1]) == count,
					    UEV_READ(self->count[1])));
	ASSERT_OK(uev_put("events/user_events/enable", "1"));
	ASSERT_OK(uev_put("events/user_events/enable", "0"));
	UEV_WRITE(self->count[2], 1);
	EXPECT_EQ(0, uev_join(pid));
	ASSERT_TRUE(uev_wait_while_counting(uev_status_count("Active") == 1,
					    uev_status_count("Active")));

	/* Deleting any dynamic event clears what the trace core wants cleared */
	ASSERT_OK(uev_dynamic("u:hostile_dynamic u32 a"));
	ASSERT_OK(uev_dynamic("-:hostile_dynamic"));
	trace = uev_trace_of("trace", EVENT_NAME);
	EXPECT_STREQ("a=7\n", trace);
	free(trace);
}

static const char *text_of(const char *event)
{
	static char *text;

	free(text);
	text = uev_trace_of("trace", event);
	return text;
}

/* One record, one line, whatever is in it */
TEST_F(hostile, text_forges_no_lines)
{
	static const char forged[] = "a\n  <idle>-0 [000] d. 1.0: evil: b\033[2J\r\x7f";
	struct {
		__u32 loc;
		char text[sizeof(forged)];
	} __packed record = { sizeof(forged) << 16, "" };
	char *trace;
	int index;

	memcpy(record.text, forged, sizeof(forged));
	index = uev_reg_index(self->fd, self->shared,
			      "hostile_text __rel_loc char[] text");
	ASSERT_LE(0, index);
	ASSERT_OK(uev_enable("hostile_text", true));
	ASSERT_EQ(4 + sizeof(record),
		  uev_emit(self->fd, index, &record, sizeof(record)));
	EXPECT_STREQ("text=a\\x0a  <idle>-0 [000] d. 1.0: evil: b\\x1b[2J\\x0d\\x7f\n",
		     text_of("hostile_text"));
	trace = uev_get("trace");
	EXPECT_EQ(NULL, strstr(trace, "\n  <idle>-0 [000] d. 1.0"));
	EXPECT_EQ(NULL, strchr(trace, '\033'));
	free(trace);
}

TEST_F(hostile, long_record_has_a_line_of_its_own)
{
	struct {
		__u32 loc;
		__u8 data[3900];
	} __packed record = { sizeof(record.data) << 16, "" };
	int index, other;
	char *trace;
	__u32 a = 5;

	memset(record.data, 0xff, sizeof(record.data));
	index = uev_reg_index(self->fd, self->shared,
			      "hostile_long __rel_loc u8[] data");
	other = uev_reg_index(self->fd, self->shared + 1, EVENT);
	ASSERT_LE(0, index);
	ASSERT_LE(0, other);
	ASSERT_OK(uev_enable("hostile_long", true));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	uev_stay_on_cpu(0);
	ASSERT_EQ(4 + sizeof(record),
		  uev_emit(self->fd, index, &record, sizeof(record)));
	ASSERT_EQ(4 + sizeof(a), uev_emit(self->fd, other, &a, sizeof(a)));
	EXPECT_STREQ("a=5\n", text_of(EVENT_NAME));
	trace = uev_get("trace");
	EXPECT_EQ(1, uev_count(trace, "...\n"));
	EXPECT_EQ(1, uev_count(trace, ": " EVENT_NAME ": a=5\n"));
	EXPECT_EQ(1, uev_count(trace, ": hostile_long: data={0xff,0xff"));
	free(trace);
}

/*
 * The tag of a struct can look like a type that listeners follow into the record:
 * it is a struct all the same, and what it holds is no length and no offset.
 */
TEST_F(hostile, tag_is_no_type)
{
	static const char * const filters[] = {
		"a == \"x\"", "b == \"x\"", "a ~ \"*x*\"", "b ~ \"*x*\"",
	};
	struct { __u32 a, b, c; } record = { 0xffffffff, 0xffffffff, 5 };
	char *text;
	size_t i;
	int index;

	index = uev_reg_index(self->fd, self->shared,
			      "hostile_tag struct __data_loc_char a 4; struct __rel_loc_char b 4; u32 c");
	ASSERT_LE(0, index);
	for (i = 0; i < ARRAY_SIZE(filters); i++) {
		EXPECT_NE(0, uev_event_put("hostile_tag", "filter", filters[i]))
			TH_LOG("%s", filters[i]);
	}
	ASSERT_OK(uev_enable("hostile_tag", true));
	ASSERT_EQ(4 + sizeof(record),
		  uev_emit(self->fd, index, &record, sizeof(record)));
	if (uev_put("options/fields", "1"))
		return;
	text = uev_get("trace");
	uev_put("options/fields", "0");
	EXPECT_NE(NULL, strstr(text, "hostile_tag: a=<OVERFLOW> b=<OVERFLOW> c=0x5 (5)\n"))
		TH_LOG("%s", text);
	free(text);
}

/* An empty string does not show what an older record left in the buffer. */
TEST_F(hostile, empty_string_is_empty)
{
	static const struct { const char *filter; int kept; } cases[] = {
		{ "text ~ \"*SECRET*\"", 0 }, { "text == \"\"", 1 },
		{ "text != \"\"", 0 }, { "text ~ \"SECRET*\"", 0 },
	};
	struct {
		__u32 loc;
		char text[64];
	} __packed secret = { sizeof(secret.text) << 16, "" };
	const char *want;
	__u32 empty = 0;
	int index, i, round;
	size_t n;

	for (i = 0; i + 6 < sizeof(secret.text); i += 6)
		memcpy(secret.text + i, "SECRET", 6);
	index = uev_reg_index(self->fd, self->shared,
			      "hostile_empty __rel_loc char[] text");
	ASSERT_LE(0, index);
	uev_stay_on_cpu(0);
	for (n = 0; n < ARRAY_SIZE(cases); n++) {
		ASSERT_OK(uev_event_put("hostile_empty", "filter", "0"));
		ASSERT_OK(uev_enable("hostile_empty", true));
		uev_trace_clear();
		/* Records with secrets, which a filter discards, then an empty one */
		ASSERT_OK(uev_event_put("hostile_empty", "filter",
					"text == \"no\""));
		for (round = 0; round < 4; round++)
			uev_emit(self->fd, index, &secret, sizeof(secret));
		ASSERT_OK(uev_event_put("hostile_empty", "filter",
					cases[n].filter));
		ASSERT_EQ(8, uev_emit(self->fd, index, &empty, sizeof(empty)));
		want = cases[n].kept ? "text=\n" : "";
		EXPECT_STREQ(want, text_of("hostile_empty"))
			TH_LOG("%s", cases[n].filter);
	}
}

/* An array that is full has no NUL. */
TEST_F(hostile, glob_sees_the_end_of_a_full_array)
{
	static const char *const texts[] = { "ABCDEFGH", "DEFGH" };
	char record[8];
	size_t i;
	int index = uev_reg_index(self->fd, self->shared,
				  "hostile_full char[8] text");

	ASSERT_LE(0, index);
	ASSERT_OK(uev_enable("hostile_full", true));
	ASSERT_OK(uev_event_put("hostile_full", "filter", "text ~ \"*FGH\""));
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		memset(record, 0, sizeof(record));
		memcpy(record, texts[i], strlen(texts[i]));
		ASSERT_EQ(12, uev_emit(self->fd, index, record, sizeof(record)));
	}
	EXPECT_STREQ("text=ABCDEFGH\ntext=DEFGH\n", text_of("hostile_full"));
}

/* How often a trigger of @event may still fire, or -1 */
static int trigger_count(const char *event)
{
	char *text = uev_event_get(event, "trigger"), *at;
	int left = -1;

	at = strstr(text, "count=");
	if (at)
		left = atoi(at + strlen("count="));
	free(text);
	return left;
}

/* A trigger fires once for a record that is kept, and for no other. */
TEST_F(hostile, trigger_fires_once_for_what_is_kept)
{
	char *page = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u32 bad = 100 << 16;
	int index = uev_reg_index(self->fd, self->shared,
				  "hostile_trigger __rel_loc char[] text");

	ASSERT_LE(0, index);
	ASSERT_OK(uev_enable("hostile_trigger", true));
	if (uev_event_put("hostile_trigger", "trigger", "traceon:5"))
		SKIP(return, "kernel without triggers");
	ASSERT_EQ(5, trigger_count("hostile_trigger"));
	ASSERT_EQ(0, madvise(page, uev_page_size(), MADV_DONTNEED));
	/* Not even the index is there: written, with the payload on a page of its own */
	ASSERT_OK(uev_put("tracing_on", "0"));
	EXPECT_EQ(8, uev_emit(self->fd, index, page, 4));
	ASSERT_OK(uev_put("tracing_on", "1"));
	EXPECT_EQ(4, trigger_count("hostile_trigger"));
	ASSERT_OK(uev_put("tracing_on", "0"));
	EXPECT_EQ(-EFAULT, uev_emit(self->fd, index, &bad, sizeof(bad)));
	EXPECT_EQ(4, trigger_count("hostile_trigger"));
	ASSERT_OK(uev_put("tracing_on", "1"));
	uev_event_put("hostile_trigger", "trigger", "!traceon:5");
}

TEST_HARNESS_MAIN
