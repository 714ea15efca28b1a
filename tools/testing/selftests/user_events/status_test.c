// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for a change of user_events_status, and what /proc/PID/fdinfo tells of
 * an open file.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "uev_harness.h"

#define STATUS	TRACEFS "user_events_status"

FIXTURE(status) {
	int fd;
	int status;
	__u32 *value;
};

/* Reads all from the start. */
static void look(int status, char *text, size_t size)
{
	size_t used = 0;
	ssize_t got;

	lseek(status, 0, SEEK_SET);
	while (used < size - 1 &&
	       (got = read(status, text + used, size - 1 - used)) > 0)
		used += got;
	text[used] = '\0';
}

static char text[1 << 16];

/* Deferred work of an earlier test may still change something. */
static void settle(int status)
{
	struct pollfd pfd = { status, POLLIN | POLLPRI };
	int i;

	for (i = 0; i < 100; i++) {
		look(status, text, sizeof(text));
		if (!poll(&pfd, 1, 200))
			break;
	}
}

FIXTURE_SETUP(status)
{
	uev_reset();
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	self->status = open(STATUS, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->status);
	self->value = uev_shared(uev_page_size());
	memset(self->value, 0, 64);
	settle(self->status);
}

FIXTURE_TEARDOWN(status)
{
	close(self->status);
	close(self->fd);
	uev_reset();
}

static int changed(int status, int timeout)
{
	struct pollfd pfd = { status, POLLIN | POLLPRI };
	int ret = poll(&pfd, 1, timeout);

	return ret < 0 ? -errno : ret ? pfd.revents : 0;
}

#define EXPECT_CHANGED() do {						\
	EXPECT_EQ(POLLIN | POLLPRI, changed(self->status, UEV_WAIT_MS));	\
	/* It stays so until somebody looks */				\
	EXPECT_EQ(POLLIN | POLLPRI, changed(self->status, 0));		\
	look(self->status, text, sizeof(text));				\
	EXPECT_EQ(0, changed(self->status, 0));				\
} while (0)

/* Its numbers are of one reading. */
TEST_F(status, says_the_same_again)
{
	static char again[sizeof(text)];

	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, "st_same u32 a", NULL));
	ASSERT_OK(uev_enable("st_same", true));
	look(self->status, text, sizeof(text));
	look(self->status, again, sizeof(again));
	EXPECT_NE(NULL, strstr(text, "st_same"));
	EXPECT_STREQ(text, again);
	EXPECT_OK(uev_enable("st_same", false));
}

TEST_F(status, each_change)
{
	int index, perf;

	/* A file that was never read reports a change. */
	perf = open(STATUS, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, perf);
	EXPECT_EQ(POLLIN | POLLPRI, changed(perf, 0));
	close(perf);
	EXPECT_EQ(0, changed(self->status, 0));

	index = uev_reg_index(self->fd, self->value, "st_change u32 n");
	ASSERT_LE(0, index);
	EXPECT_CHANGED();
	EXPECT_TRUE(uev_has_line(text, "st_change"));

	/* The same event at another address, and a record, change nothing. */
	ASSERT_EQ(index, uev_reg_index(self->fd, self->value + 1,
				       "st_change u32 n"));
	EXPECT_EQ(0, changed(self->status, 0));

	ASSERT_OK(uev_enable("st_change", true));
	EXPECT_CHANGED();
	EXPECT_TRUE(uev_has_line(text, "st_change # Used by ftrace"));
	ASSERT_EQ(8, uev_emit(self->fd, index, &index, sizeof(index)));
	EXPECT_EQ(0, changed(self->status, 0));

	perf = uev_perf_open(uev_event_id("st_change"), -1, 0, 0);
	ASSERT_LE(0, perf);
	EXPECT_CHANGED();
	EXPECT_TRUE(uev_has_line(text, "st_change # Used by ftrace perf"));
	close(perf);
	EXPECT_CHANGED();
	ASSERT_OK(uev_enable("st_change", false));
	EXPECT_CHANGED();
	EXPECT_TRUE(uev_has_line(text, "st_change"));

	ASSERT_OK(uev_unreg(self->fd, self->value, 0));
	ASSERT_OK(uev_unreg(self->fd, self->value + 1, 0));
	EXPECT_EQ(0, changed(self->status, 0));
	close(self->fd);
	EXPECT_CHANGED();
	EXPECT_FALSE(uev_has_line(text, "st_change"));
	self->fd = uev_open();

	ASSERT_OK(uev_dynamic("u:st_line u32 n"));
	EXPECT_CHANGED();
	ASSERT_OK(uev_dynamic("-:st_line"));
	EXPECT_CHANGED();
}

/* A change is seen per open file, and is over once that one is read from 0. */
TEST_F(status, each_file)
{
	int other = open(STATUS, O_RDONLY | O_CLOEXEC);
	char some[4];

	ASSERT_LE(0, other);
	look(other, text, sizeof(text));
	ASSERT_LE(0, uev_reg_index(self->fd, self->value, "st_files u32 n"));
	EXPECT_CHANGED();
	EXPECT_EQ(POLLIN | POLLPRI, changed(other, 0));
	/* Not from the start */
	EXPECT_LE(0, read(other, some, sizeof(some)));
	EXPECT_EQ(POLLIN | POLLPRI, changed(other, 0));
	ASSERT_EQ(0, lseek(other, 0, SEEK_SET));
	ASSERT_EQ(4, read(other, some, sizeof(some)));
	EXPECT_EQ(0, changed(other, 0));
	/* It changes while it is read. */
	ASSERT_LE(0, uev_reg_index(self->fd, self->value + 1,
				   "st_files_too u32 n"));
	EXPECT_LT(0, read(other, some, sizeof(some)));
	EXPECT_EQ(POLLIN | POLLPRI, changed(other, 0));
	close(other);
}

struct collector {
	int status;
	int rounds;
	__u32 *found;	/* number of the last event that was found */
};

/* Waits for one event after the other, and for nothing else. */
static int collect(void *arg)
{
	struct collector *c = arg;
	struct epoll_event event = { .events = EPOLLIN | EPOLLPRI };
	int epoll = epoll_create1(0), n;
	char name[32];

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, c->status, &event))
		return 1;
	look(c->status, text, sizeof(text));
	UEV_WRITE(*c->found, 0);
	for (n = 1; n <= c->rounds;) {
		/* By poll() and epoll alternately; a lost wake-up times out. */
		if (n & 1) {
			if (!changed(c->status, UEV_WAIT_MS))
				return 2;
		} else if (epoll_wait(epoll, &event, 1, UEV_WAIT_MS) != 1) {
			return 3;
		}
		look(c->status, text, sizeof(text));
		snprintf(name, sizeof(name), "st_wake_%d", n);
		if (strstr(text, name))
			UEV_WRITE(*c->found, n++);
	}
	return 0;
}

/*
 * Registers events at any moment, before and after the collector begins to wait. The
 * next one comes only after the last was found, so each wake-up is needed.
 */
TEST_F(status, no_wake_up_is_lost)
{
	struct collector c = {
		.status = open(STATUS, O_RDONLY | O_CLOEXEC),
		.rounds = uev_rounds(2000),
		.found = self->value + 3,
	};
	char command[64];
	pid_t pid;
	int n, fd;

	ASSERT_LE(0, c.status);
	UEV_WRITE(*c.found, ~0U);
	pid = uev_fork(collect, &c);
	ASSERT_LT(0, pid);
	ASSERT_BECOMES(0, *c.found);
	for (n = 1; n <= c.rounds; n++) {
		__u64 end = uev_now_ms() + 2 * UEV_WAIT_MS;

		fd = uev_open();
		ASSERT_LE(0, fd);
		snprintf(command, sizeof(command), "st_wake_%d u32 n", n);
		ASSERT_LE(0, uev_reg_index(fd, self->value, command));
		while (UEV_READ(*c.found) != (__u32)n) {
			ASSERT_GT(end, uev_now_ms())
				TH_LOG("asleep at event %d", n);
			sched_yield();
		}
		ASSERT_OK(uev_unreg(fd, self->value, 0));
		close(fd);
	}
	EXPECT_EQ(0, uev_join(pid));
	close(c.status);
}

/* The lines of fd's fdinfo that begin with "user_event:" */
static void events_of(int fd, char *lines)
{
	char path[64], *info, *line, *rest;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = uev_get(path);
	rest = info;
	*lines = '\0';
	while ((line = strsep(&rest, "\n"))) {
		if (!strncmp(line, "user_event:", 11))
			lines += sprintf(lines, "%s\n", line);
	}
	free(info);
}

TEST_F(status, fdinfo_lists_indexes)
{
	int other = uev_open(), i, index[20];
	char command[64], *want = text + sizeof(text) / 2, *at = want;
	__u32 multi;

	ASSERT_LE(0, other);
	events_of(self->fd, text);
	EXPECT_STREQ("", text);
	for (i = 0; i < 20; i++) {
		snprintf(command, sizeof(command), "st_info_%d u32 n", i);
		index[i] = uev_reg_index(self->fd, self->value + i, command);
		ASSERT_LE(0, index[i]);
		at += sprintf(at, "user_event: %d st_info_%d\n", index[i], i);
		/* With 8 and 16 of them the table is full */
		events_of(self->fd, text);
		EXPECT_STREQ(want, text);
	}
	events_of(other, text);
	EXPECT_STREQ("", text);

	/* In another file, where it has another index; an index outlives a bit. */
	ASSERT_LE(0, uev_reg_index(other, self->value + 20, "st_info_7 u32 n"));
	ASSERT_OK(uev_unreg(other, self->value + 20, 0));
	events_of(other, text);
	EXPECT_STREQ("user_event: 0 st_info_7\n", text);
	ASSERT_OK(uev_reg(other, self->value + 20, 0, 4,
			  USER_EVENT_REG_MULTI_FORMAT, "st_many u32 n", &multi));
	events_of(other, text);
	EXPECT_NE(NULL, strstr(text, "user_event: 1 st_many."));
	EXPECT_EQ(2, uev_count(text, "\n"));
	close(other);
}

TEST_HARNESS_MAIN
