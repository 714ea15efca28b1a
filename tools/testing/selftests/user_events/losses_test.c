// SPDX-License-Identifier: GPL-2.0
/*
 * user_events_losses: what was lost and why, to the last record. The records that a
 * listener got and those that the file counts as lost add up to what was written.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "uev_harness.h"
#include "uev_perf.h"

#define LOSSES		"user_events_losses"
#define IN_INSTANCE(f)	"instances/" UEV_INSTANCE "/" f

struct losses {
	unsigned long long full, off, size, data;
};

/* The line of @event; all 0 if there is none */
static struct losses losses_of(const char *event)
{
	char *text = uev_get(LOSSES), *line, *rest = text;
	struct losses lost = { 0 };
	size_t len = strlen(event);

	while ((line = strsep(&rest, "\n"))) {
		if (!strncmp(line, event, len) && line[len] == ' ' &&
		    sscanf(line + len, " full=%llu off=%llu size=%llu data=%llu",
			   &lost.full, &lost.off, &lost.size, &lost.data) != 4)
			lost.full = ~0ULL;
	}
	free(text);
	return lost;
}

#define EXPECT_LOSSES(_event, _full, _off, _size, _data) do {		\
	struct losses _lost = losses_of(_event);			\
									\
	EXPECT_EQ(_full, _lost.full);					\
	EXPECT_EQ(_off, _lost.off);					\
	EXPECT_EQ(_size, _lost.size);					\
	EXPECT_EQ(_data, _lost.data);					\
} while (0)

/* An instance with a small buffer that drops new records when it is full */
static int make_instance(void)
{
	int ret = 0;

	if (mkdir(TRACEFS "instances/" UEV_INSTANCE, 0750))
		return -errno;
	ret = ret ?: uev_put(IN_INSTANCE("buffer_size_kb"), "16");
	return ret ?: uev_put(IN_INSTANCE("options/overwrite"), "0");
}

static int emit_u32s(int fd, int index, int count)
{
	__u32 n;
	int i;

	for (i = 0; i < count; i++) {
		n = i;
		if (uev_emit(fd, index, &n, sizeof(n)) != 8)
			return i;
	}
	return count;
}

/* Takes all records out of the instance's buffer, and counts those of events */
static int drain_two(const char *a, const char *b, int *seen)
{
	static char text[1 << 20];
	char key[2][64];
	int fd, got;

	snprintf(key[0], sizeof(key[0]), " %s: ", a);
	snprintf(key[1], sizeof(key[1]), " %s: ", b);
	fd = open(TRACEFS IN_INSTANCE("trace_pipe"), O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	/* What a read returns are whole lines */
	while ((got = read(fd, text, sizeof(text) - 1)) > 0) {
		text[got] = '\0';
		seen[0] += uev_count(text, key[0]);
		seen[1] += uev_count(text, key[1]);
	}
	close(fd);
	return 0;
}

static int drain(const char *event)
{
	int seen[2] = { 0 };

	return drain_two(event, "no_such_event", seen) ?: seen[0];
}

TEST_F(uev, nothing_lost_nothing_shown)
{
	int index = uev_reg_index(self->fd, self->value, "lo_none u32 n");
	struct stat st;
	char *text;

	ASSERT_LE(0, index);
	ASSERT_EQ(0, stat(TRACEFS LOSSES, &st));
	EXPECT_EQ(0440, st.st_mode & 07777);

	/* Nobody listens: the program is told, and nobody has lost anything. */
	ASSERT_ERR(EBADF, uev_emit(self->fd, index, &index, sizeof(index)));
	ASSERT_OK(uev_enable("lo_none", true));
	ASSERT_EQ(100, emit_u32s(self->fd, index, 100));
	/* Refused before any listener could lose it */
	ASSERT_ERR(EINVAL, uev_emit(self->fd, index, &index, 2));
	text = uev_get(LOSSES);
	EXPECT_STREQ("", text);
	free(text);
}

struct writer {
	pthread_t thread;
	int fd, index, count, done;
};

static void *write_all(void *arg)
{
	struct writer *writer = arg;

	writer->done = emit_u32s(writer->fd, writer->index, writer->count);
	return NULL;
}

/* Writers of two events, faster than the reader of a small buffer */
TEST_F(uev, read_and_lost_is_written)
{
	static const char * const names[] = { "lo_ring_a", "lo_ring_b" };
	struct writer writers[4];
	int rounds = uev_rounds(20000), i, seen[2] = { 0 }, joined = 0;
	struct losses lost;
	char command[64];

	ASSERT_OK(make_instance());
	for (i = 0; i < 4; i++) {
		snprintf(command, sizeof(command), "%s u32 n", names[i / 2]);
		writers[i].fd = self->fd;
		writers[i].count = rounds;
		writers[i].index = uev_reg_index(self->fd, self->value + i,
						 command);
		ASSERT_LE(0, writers[i].index);
	}
	for (i = 0; i < 2; i++)
		ASSERT_OK(uev_instance_enable(UEV_INSTANCE, names[i], true));

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&writers[i].thread, NULL, write_all,
					    &writers[i]));
	while (joined < 4) {
		ASSERT_OK(drain_two(names[0], names[1], seen));
		if (!pthread_tryjoin_np(writers[joined].thread, NULL))
			joined++;
	}
	ASSERT_OK(drain_two(names[0], names[1], seen));

	for (i = 0; i < 2; i++)
		EXPECT_EQ(2 * rounds,
			  writers[2 * i].done + writers[2 * i + 1].done);
	for (i = 0; i < 2; i++) {
		lost = losses_of(names[i]);
		EXPECT_EQ(2ULL * rounds, seen[i] + lost.full)
			TH_LOG("%s: %d read, %llu lost", names[i], seen[i],
			       lost.full);
		EXPECT_EQ(0, lost.off);
		EXPECT_EQ(0, lost.size);
		EXPECT_EQ(0, lost.data);
	}
	EXPECT_LT(0, losses_of(names[0]).full + losses_of(names[1]).full);
}

#define LARGE	5000

/* A record that a filter would have discarded is not lost. */
TEST_F(uev, behind_a_filter)
{
	int index = uev_reg_index(self->fd, self->value, "lo_filter u32 n");
	int rounds = 4000, seen;

	ASSERT_LE(0, index);
	ASSERT_OK(make_instance());
	ASSERT_OK(uev_append(IN_INSTANCE("events/user_events/lo_filter/filter"),
			     "n & 1"));
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "lo_filter", true));
	uev_stay_on_cpu(0);
	ASSERT_EQ(rounds, emit_u32s(self->fd, index, rounds));
	seen = drain("lo_filter");
	ASSERT_LT(0, seen);
	ASSERT_GT(rounds / 2, seen);
	EXPECT_LOSSES("lo_filter", rounds / 2 - seen, 0, 0, 0);

	/* An earlier loss does not make the next records count as lost. */
	ASSERT_EQ(10, emit_u32s(self->fd, index, 10));
	EXPECT_EQ(5, drain("lo_filter"));
	EXPECT_LOSSES("lo_filter", rounds / 2 - seen, 0, 0, 0);

	ASSERT_OK(uev_put(IN_INSTANCE("tracing_on"), "0"));
	ASSERT_EQ(10, emit_u32s(self->fd, index, 10));
	EXPECT_LOSSES("lo_filter", rounds / 2 - seen, 5, 0, 0);
}

/* A trigger looks at records although there is no room for them. */
TEST_F(uev, behind_a_trigger)
{
	int index = uev_reg_index(self->fd, self->value, "lo_trigger u32 n");
	int rounds = 4000, seen, also;

	ASSERT_LE(0, index);
	ASSERT_OK(make_instance());
	ASSERT_OK(uev_append(IN_INSTANCE("events/user_events/lo_trigger/trigger"),
			     "traceoff if n == 77777777"));
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "lo_trigger", true));
	uev_stay_on_cpu(0);
	ASSERT_EQ(rounds, emit_u32s(self->fd, index, rounds));
	seen = drain("lo_trigger");
	ASSERT_LT(0, seen);
	ASSERT_GT(rounds, seen);
	EXPECT_LOSSES("lo_trigger", rounds - seen, 0, 0, 0);

	ASSERT_OK(uev_put(IN_INSTANCE("tracing_on"), "0"));
	ASSERT_EQ(10, emit_u32s(self->fd, index, 10));
	EXPECT_LOSSES("lo_trigger", rounds - seen, 10, 0, 0);
	ASSERT_OK(uev_append(IN_INSTANCE("events/user_events/lo_trigger/filter"),
			     "n < 3"));
	ASSERT_EQ(10, emit_u32s(self->fd, index, 10));
	EXPECT_LOSSES("lo_trigger", rounds - seen, 13, 0, 0);

	/* No room, behind a filter as well */
	ASSERT_OK(uev_append(IN_INSTANCE("events/user_events/lo_trigger/filter"),
			     "n & 1"));
	ASSERT_OK(uev_put(IN_INSTANCE("tracing_on"), "1"));
	ASSERT_EQ(rounds, emit_u32s(self->fd, index, rounds));
	also = drain("lo_trigger");
	ASSERT_LT(0, also);
	ASSERT_GT(rounds / 2, also);
	EXPECT_LOSSES("lo_trigger", rounds - seen + rounds / 2 - also, 13, 0, 0);
}

/*
 * Where a histogram wants the time of each record, a filter looks at records in the buffer,
 * and with a trigger where there is no room for them.
 */
TEST_F(uev, behind_a_filter_and_a_histogram)
{
	int index = uev_reg_index(self->fd, self->value, "lo_hist u32 n");
	int soft = uev_reg_index(self->fd, self->value + 1, "lo_hist_soft u32 n");
	int rounds = 4000, wanted = rounds / 4 * 3, seen;

	ASSERT_LE(0, index);
	ASSERT_LE(0, soft);
	ASSERT_OK(make_instance());
	if (uev_append(IN_INSTANCE("events/user_events/lo_hist/trigger"),
		       "hist:keys=n:t=common_timestamp.usecs if n == 77777777"))
		SKIP(return, "no histograms");
	/* Three of four */
	ASSERT_OK(uev_append(IN_INSTANCE("events/user_events/lo_hist/filter"), "n & 3"));
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "lo_hist", true));
	uev_stay_on_cpu(0);
	ASSERT_EQ(rounds, emit_u32s(self->fd, index, rounds));

	/* While the buffer is full: one that another event is to enable, and has not */
	ASSERT_OK(uev_append(IN_INSTANCE("events/user_events/lo_hist_soft/trigger"),
			     "traceoff if n == 77777777"));
	ASSERT_OK(uev_append(IN_INSTANCE("events/user_events/lo_hist/trigger"),
			     "enable_event:user_events:lo_hist_soft if n == 77777777"));
	ASSERT_EQ(10, emit_u32s(self->fd, soft, 10));
	EXPECT_LOSSES("lo_hist_soft", 0, 0, 0, 0);

	seen = drain("lo_hist");
	ASSERT_LT(0, seen);
	ASSERT_GT(wanted, seen);
	EXPECT_LOSSES("lo_hist", wanted - seen, 0, 0, 0);
}

TEST_F(uev, switched_off)
{
	int index = uev_reg_index(self->fd, self->value, "lo_off u32 n");
	char mask[32], *cpus;

	ASSERT_LE(0, index);
	ASSERT_OK(make_instance());
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "lo_off", true));
	uev_stay_on_cpu(0);

	ASSERT_OK(uev_put(IN_INSTANCE("tracing_on"), "0"));
	ASSERT_EQ(7, emit_u32s(self->fd, index, 7));
	EXPECT_LOSSES("lo_off", 0, 7, 0, 0);
	ASSERT_OK(uev_put(IN_INSTANCE("tracing_on"), "1"));
	ASSERT_EQ(3, emit_u32s(self->fd, index, 3));
	EXPECT_LOSSES("lo_off", 0, 7, 0, 0);

	/* Not on this CPU */
	cpus = uev_get(IN_INSTANCE("tracing_cpumask"));
	snprintf(mask, sizeof(mask), "%lx", strtoul(cpus, NULL, 16) & ~1UL);
	ASSERT_OK(uev_put(IN_INSTANCE("tracing_cpumask"), mask));
	ASSERT_EQ(5, emit_u32s(self->fd, index, 5));
	EXPECT_LOSSES("lo_off", 0, 12, 0, 0);
	ASSERT_OK(uev_put(IN_INSTANCE("tracing_cpumask"), cpus));
	free(cpus);
	EXPECT_EQ(3, drain("lo_off"));
}

/* The trace core writes a record that gets a stack trace; one without room counts as lost. */
TEST_F(uev, full_of_stack_traces)
{
	int index = uev_reg_index(self->fd, self->value, "lo_stack u32 n");
	const int count = 2000;
	int seen;

	ASSERT_LE(0, index);
	ASSERT_OK(make_instance());
	if (uev_put(IN_INSTANCE("options/stacktrace"), "1"))
		SKIP(return, "no stack traces");
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "lo_stack", true));
	ASSERT_EQ(count, emit_u32s(self->fd, index, count));
	seen = drain("lo_stack");
	EXPECT_LT(0, seen);
	EXPECT_GT(count, seen);
	EXPECT_LOSSES("lo_stack", (unsigned long long)count - seen, 0, 0, 0);
}

/* Records that an instance was told not to record are not lost. */
TEST_F(uev, not_wanted)
{
	int index = uev_reg_index(self->fd, self->value, "lo_pid u32 n");
	int soft = uev_reg_index(self->fd, self->value + 1, "lo_soft u32 n");
	static const char large[LARGE];
	char pid[16];

	ASSERT_LE(0, index);
	ASSERT_LE(0, soft);
	ASSERT_OK(make_instance());
	ASSERT_OK(uev_put(IN_INSTANCE("set_event_pid"), "1"));
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "lo_pid", true));
	/* Too large for the instance, which does not look at it */
	ASSERT_EQ(4 + LARGE, uev_emit(self->fd, index, large, LARGE));
	ASSERT_OK(uev_put(IN_INSTANCE("tracing_on"), "0"));
	ASSERT_EQ(7, emit_u32s(self->fd, index, 7));
	EXPECT_LOSSES("lo_pid", 0, 0, 0, 0);
	/* The instance loses it if it wants records of this process, or of all */
	snprintf(pid, sizeof(pid), "%d", getpid());
	ASSERT_OK(uev_put(IN_INSTANCE("set_event_pid"), pid));
	ASSERT_ERR(EMSGSIZE, uev_emit(self->fd, index, large, LARGE));
	EXPECT_LOSSES("lo_pid", 0, 0, 1, 0);
	ASSERT_OK(uev_put(IN_INSTANCE("set_event_pid"), ""));
	ASSERT_ERR(EMSGSIZE, uev_emit(self->fd, index, large, LARGE));
	EXPECT_LOSSES("lo_pid", 0, 0, 2, 0);

	/* With a trigger that looks at records, of which there are none from here */
	ASSERT_OK(uev_put(IN_INSTANCE("tracing_on"), "1"));
	ASSERT_OK(uev_put(IN_INSTANCE("set_event_pid"), "1"));
	if (uev_append(IN_INSTANCE("events/user_events/lo_pid/trigger"), "traceoff if n == 1000"))
		SKIP(return, "no triggers");
	ASSERT_EQ(7, emit_u32s(self->fd, index, 7));
	EXPECT_LOSSES("lo_pid", 0, 0, 2, 0);
	ASSERT_OK(uev_append(IN_INSTANCE("events/user_events/lo_pid/trigger"),
			     "!traceoff if n == 1000"));

	/* An event that another one is to enable, and has not */
	if (uev_append("events/user_events/lo_pid/trigger",
		       "enable_event:user_events:lo_soft"))
		SKIP(return, "no triggers");
	ASSERT_EQ(4 + LARGE, uev_emit(self->fd, soft, large, LARGE));
	EXPECT_LOSSES("lo_soft", 0, 0, 0, 0);
	ASSERT_OK(uev_append("events/user_events/lo_pid/trigger",
			     "!enable_event:user_events:lo_soft"));
}

TEST_F(uev, refused)
{
	struct {
		__u32 loc;
		char text[4];
	} payload = { DYN_LOC(100, 4), "abc" };
	size_t page = uev_page_size();
	int index = uev_reg_index(self->fd, self->value,
				  "lo_refused __rel_loc char[] s");
	char *big = calloc(1, 1 << 20), *edge;
	struct iovec iov[2];

	ASSERT_LE(0, index);
	ASSERT_OK(uev_enable("lo_refused", true));

	ASSERT_ERR(EMSGSIZE, uev_emit(self->fd, index, big, 300000));
	EXPECT_LOSSES("lo_refused", 0, 0, 1, 0);
	/* Counted once for each listener that did not take it */
	ASSERT_OK(make_instance());
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "lo_refused", true));
	ASSERT_ERR(EMSGSIZE, uev_emit(self->fd, index, big, 300000));
	EXPECT_LOSSES("lo_refused", 0, 0, 3, 0);
	free(big);

	ASSERT_ERR(EFAULT, uev_emit(self->fd, index, &payload,
				    sizeof(payload)));
	EXPECT_LOSSES("lo_refused", 0, 0, 3, 1);

	/* The second page cannot be read. */
	edge = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, edge);
	ASSERT_EQ(0, munmap(edge + page, page));
	memcpy(edge + page - 8, &index, 4);
	EXPECT_EQ(-1, write(self->fd, edge + page - 8, 16));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_LOSSES("lo_refused", 0, 0, 3, 2);
	iov[0] = (struct iovec){ &index, 4 };
	iov[1] = (struct iovec){ edge + page - 4, 12 };
	EXPECT_EQ(-1, writev(self->fd, iov, 2));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_LOSSES("lo_refused", 0, 0, 3, 3);
	munmap(edge, page);
}

/* A missing page makes the kernel try the record twice: its loss counts once. */
TEST_F(uev, counted_once)
{
	int index = uev_reg_index(self->fd, self->value, "lo_once u32 n");
	size_t page = uev_page_size();
	struct iovec iov[2];
	void *missing;

	ASSERT_LE(0, index);
	ASSERT_OK(make_instance());
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "lo_once", true));
	ASSERT_OK(uev_enable("lo_once", true));
	ASSERT_OK(uev_put(IN_INSTANCE("tracing_on"), "0"));
	missing = mmap(NULL, page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, missing);
	iov[0] = (struct iovec){ &index, 4 };
	iov[1] = (struct iovec){ missing, 4 };
	ASSERT_EQ(8, writev(self->fd, iov, 2));
	EXPECT_LOSSES("lo_once", 0, 1, 0, 0);
	munmap(missing, page);
}

/* perf has a buffer for each perf event, and these come and go. */
TEST_F(uev, of_perf)
{
	int index = uev_reg_index(self->fd, self->value, "lo_perf u32 n");
	int rounds = 20000, seen = 0, id;
	static struct uev_sample sample;
	struct uev_perf perf;

	ASSERT_LE(0, index);
	uev_stay_on_cpu(0);
	id = uev_event_id("lo_perf");
	ASSERT_OK(uev_perf_map(&perf, uev_perf_open(id, -1, 0,
						    UEV_SAMPLE_TYPE)));
	ASSERT_EQ(rounds, emit_u32s(self->fd, index, rounds));
	while (uev_perf_next(&perf, &sample, NULL))
		seen++;
	ASSERT_LT(0, seen);
	ASSERT_GT(rounds, seen);
	EXPECT_LOSSES("lo_perf", rounds - seen, 0, 0, 0);
	uev_perf_close(&perf);
	EXPECT_LOSSES("lo_perf", rounds - seen, 0, 0, 0);
	ASSERT_OK(uev_perf_map(&perf, uev_perf_open(id, -1, 0,
						    UEV_SAMPLE_TYPE)));
	ASSERT_EQ(rounds, emit_u32s(self->fd, index, rounds));
	while (uev_perf_next(&perf, &sample, NULL))
		seen++;
	EXPECT_LOSSES("lo_perf", 2 * rounds - seen, 0, 0, 0);
	uev_perf_close(&perf);
}

/* Each event has counts of its own, under its name in tracefs. */
TEST_F(uev, of_each_event)
{
	int index = uev_reg_index(self->fd, self->value, "lo_one u32 n");
	__u32 other, n = 0;
	char *text, *line;

	ASSERT_LE(0, index);
	ASSERT_OK(uev_reg(self->fd, self->value + 1, 0, 4,
			  USER_EVENT_REG_MULTI_FORMAT, "lo_many u32 n", &other));
	ASSERT_OK(uev_put("events/user_events_multi/enable", "1"));
	ASSERT_OK(uev_enable("lo_one", true));
	ASSERT_OK(uev_put("tracing_on", "0"));
	ASSERT_EQ(8, uev_emit(self->fd, other, &n, sizeof(n)));
	ASSERT_EQ(2, emit_u32s(self->fd, index, 2));
	ASSERT_OK(uev_put("tracing_on", "1"));
	EXPECT_LOSSES("lo_one", 0, 2, 0, 0);
	text = uev_get(LOSSES);
	line = strstr(text, "lo_many.");
	ASSERT_NE(NULL, line);
	EXPECT_NE(NULL, strstr(line, " full=0 off=1 size=0 data=0\n"));
	EXPECT_EQ(2, uev_count(text, "\n"));
	free(text);

	/* A new event of that name has lost nothing. */
	ASSERT_OK(uev_enable("lo_one", false));
	ASSERT_OK(uev_put("events/user_events_multi/enable", "0"));
	ASSERT_OK(uev_unreg(self->fd, self->value, 0));
	close(self->fd);
	self->fd = uev_open();
	ASSERT_LE(0, uev_reg_index(self->fd, self->value + 2,
				   "lo_one u64 n"));
	EXPECT_LOSSES("lo_one", 0, 0, 0, 0);
}

TEST_HARNESS_MAIN
