// SPDX-License-Identifier: GPL-2.0
/*
 * user_events_status, user_events_max, and many events at once.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <sys/stat.h>

#include "uev_harness.h"

#define MANY	10000
/* How long deleting them may take: each has files in tracefs */
#define LEAVE_MS	300000

FIXTURE(limits) {
	int fd;
	__u32 *value;
	char *max;		/* user_events_max as it was */
};

FIXTURE_SETUP(limits)
{
	uev_reset();
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	self->max = uev_get(UEV_MAX_SYSCTL);
	self->value = mmap(NULL, (MANY + 100) * 4, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->value);
}

FIXTURE_TEARDOWN(limits)
{
	uev_put(UEV_MAX_SYSCTL, self->max);
	munmap(self->value, (MANY + 100) * 4);
	close(self->fd);
	uev_reset();
}

static int set_max(int max)
{
	char text[16];

	sprintf(text, "%d", max);
	return uev_put(UEV_MAX_SYSCTL, text);
}

/* Lines before the empty one, and how many of them are in use */
static int count_lines(const char *status, int *used)
{
	int lines = 0;

	*used = 0;
	while (*status && *status != '\n') {
		size_t len = strcspn(status, "\n");

		*used += !!memmem(status, len, " # Used by ", 11);
		lines++;
		status += len + !!status[len];
	}
	return lines;
}

static bool status_line_is(const char *event, const char *want)
{
	char *line = uev_status_line(event);
	bool is = line && !strcmp(line, want);

	if (!is)
		printf("# status has '%s', not '%s'\n", line, want);
	free(line);
	return is;
}

TEST_F(limits, status_of_events)
{
	int perf, used;
	char *text;

	ASSERT_LE(0, uev_reg_index(self->fd, &self->value[0], "lim_a u32 n"));
	ASSERT_LE(0, uev_reg_index(self->fd, &self->value[1], "lim_b"));
	EXPECT_TRUE(status_line_is("lim_a", "lim_a"));
	EXPECT_TRUE(status_line_is("lim_b", "lim_b"));

	ASSERT_OK(uev_enable("lim_a", true));
	EXPECT_TRUE(status_line_is("lim_a", "lim_a # Used by ftrace"));
	EXPECT_TRUE(status_line_is("lim_b", "lim_b"));
	perf = uev_perf_open(uev_event_id("lim_a"), -1, 0, 0);
	ASSERT_LE(0, perf);
	EXPECT_TRUE(status_line_is("lim_a", "lim_a # Used by ftrace perf"));
	ASSERT_OK(uev_enable("lim_a", false));
	EXPECT_TRUE(status_line_is("lim_a", "lim_a # Used by perf"));

	text = uev_get("user_events_status");
	EXPECT_EQ(uev_status_count("Active"), count_lines(text, &used));
	EXPECT_EQ(uev_status_count("Busy"), used);
	EXPECT_EQ(1, used);
	EXPECT_NE(NULL, strstr(text, "\n\nActive: 2\nBusy: 1\n"))
		TH_LOG("%s", text);
	free(text);
	close(perf);
	EXPECT_TRUE(status_line_is("lim_a", "lim_a"));

	/* A trigger that can enable lim_a holds it, and soft-enables it. */
	ASSERT_OK(uev_event_put("lim_b", "trigger",
				"enable_event:user_events:lim_a"));
	EXPECT_TRUE(status_line_is("lim_a", "lim_a # Used by ftrace other"));
	EXPECT_TRUE(status_line_is("lim_b", "lim_b # Used by ftrace"));
	ASSERT_OK(uev_event_put("lim_b", "trigger",
				"!enable_event:user_events:lim_a"));
	EXPECT_TRUE(status_line_is("lim_a", "lim_a"));
	EXPECT_EQ(0, uev_status_count("Busy"));
}

TEST_F(limits, default_maximum)
{
	EXPECT_EQ(32768, atoi(self->max));
}

TEST_F(limits, maximum_at_its_edge)
{
	__u32 *v = self->value;
	int now = uev_status_count("Active"), i;
	char command[32];

	ASSERT_OK(set_max(now + 3));
	for (i = 0; i < 3; i++) {
		sprintf(command, "lim_edge%d u32 n", i);
		EXPECT_LE(0, uev_reg_index(self->fd, &v[i], command));
	}
	EXPECT_ERR(EMFILE, uev_reg_index(self->fd, &v[3], "lim_edge3 u32 n"));
	EXPECT_ERR(EMFILE, uev_reg(self->fd, &v[3], 0, 4,
				   USER_EVENT_REG_MULTI_FORMAT, "lim_edge0",
				   NULL));
	EXPECT_ERR(EMFILE, uev_dynamic("u:lim_edge3 u32 n"));
	EXPECT_EQ(now + 3, uev_status_count("Active"));
	EXPECT_FALSE(uev_event_exists("lim_edge3"));
	/* Events that exist can be registered. */
	EXPECT_LE(0, uev_reg_index(self->fd, &v[3], "lim_edge0 u32 n"));
	EXPECT_OK(uev_unreg(self->fd, &v[3], 0));
	EXPECT_LE(0, uev_reg_index(self->fd, &v[3], "lim_edge0  u32 n ;"));
	EXPECT_OK(uev_unreg(self->fd, &v[3], 0));

	/* Raised while it is reached */
	ASSERT_OK(set_max(now + 4));
	EXPECT_LE(0, uev_reg_index(self->fd, &v[3], "lim_edge3 u32 n"));
	EXPECT_ERR(EMFILE, uev_reg_index(self->fd, &v[4], "lim_edge4 u32 n"));

	/* Lowered below what there is: nothing goes, nothing is added. */
	ASSERT_OK(set_max(now + 1));
	EXPECT_EQ(now + 4, uev_status_count("Active"));
	EXPECT_ERR(EMFILE, uev_reg_index(self->fd, &v[4], "lim_edge4 u32 n"));
	ASSERT_OK(uev_enable("lim_edge3", true));
	EXPECT_TRUE(BECOMES(1, v[3]));
	ASSERT_OK(uev_enable("lim_edge3", false));

	/* One that goes makes room for another. */
	ASSERT_OK(set_max(now + 4));
	for (i = 0; i < 4; i++)
		ASSERT_OK(uev_unreg(self->fd, &v[i], 0));
	close(self->fd);
	self->fd = uev_open();
	for (i = 0; i < 4; i++) {
		sprintf(command, "lim_edge%d", i);
		uev_delete(self->fd, command);
	}
	for (i = 0; i < 4; i++) {
		sprintf(command, "lim_edge%d u64 other", i);
		EXPECT_LE(0, uev_reg_index(self->fd, &v[i], command));
	}
}

/* An unheld event does not count, even while it waits for its deletion. */
TEST_F(limits, unheld_events_make_room)
{
	const int rounds = uev_rounds(500);
	char command[32];
	int i, fd;

	ASSERT_OK(set_max(uev_status_count("Active") + 1));
	for (i = 0; i < rounds; i++) {
		fd = uev_open();
		ASSERT_LE(0, fd);
		sprintf(command, "lim_room%d u32 n", i);
		ASSERT_LE(0, uev_reg_index(fd, self->value, command))
			TH_LOG("round %d", i);
		ASSERT_OK(uev_unreg(fd, self->value, 0));
		close(fd);
	}
}

/*
 * Nor where a limit is that of a group, and other events that are newer wait for their
 * deletion as well.
 */
TEST_F(limits, unheld_events_make_room_behind_others)
{
	const int others = uev_rounds(2000), rounds = 5;
	char command[32];
	int i, round, fd, other;

	ASSERT_OK(uev_append("user_events_groups/control", "+uev_lim max=20"));
	for (round = 0; round < rounds; round++) {
		fd = open(TRACEFS "user_events_groups/uev_lim/user_events_data",
			  O_RDWR | O_CLOEXEC);
		other = uev_open();
		ASSERT_LE(0, fd);
		for (i = 0; i < 20 + others; i++) {
			sprintf(command, "lim_r%d_%d u32 n", round, i);
			ASSERT_LE(0, uev_reg_index(i < 20 ? fd : other,
						   self->value, command))
				TH_LOG("%s", command);
			ASSERT_OK(uev_unreg(self->fd, self->value, 0));
		}
		close(fd);
		close(other);
	}
	fd = open(TRACEFS "user_events_groups/uev_lim/user_events_data",
		  O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, uev_reg_index(fd, self->value, "lim_last u32 n"));
	ASSERT_OK(uev_unreg(fd, self->value, 0));
	close(fd);
}

#define CHUNKS	16

/* How many microseconds it takes to declare those of @chunk, or -1 */
static long time_formats(int fd, __u32 *value, const char *format, int chunk, int count)
{
	__u64 begin = uev_now_ns();
	char command[64];
	int i;

	for (i = 1; i <= count; i++) {
		sprintf(command, format, chunk * count + i);
		if (uev_reg(fd, value, 0, 4, USER_EVENT_REG_MULTI_FORMAT, command,
			    NULL) || uev_unreg(fd, value, 0))
			return -1;
	}
	return (uev_now_ns() - begin) / 1000;
}

/* The sum of most of them: in the others the host may have stood still */
static long sum_of_quick(long *times)
{
	long sum = 0, time;
	int i, j;

	for (i = 1; i < CHUNKS; i++) {
		time = times[i];
		for (j = i; j && times[j - 1] > time; j--)
			times[j] = times[j - 1];
		times[j] = time;
	}
	for (i = 0; i < CHUNKS * 3 / 4; i++)
		sum += times[i];
	return sum;
}

/* Formats are found as fast where only the size of a struct tells them apart. */
TEST_F(limits, formats_that_differ_in_a_size)
{
	const int count = uev_kernel_is_slow() ? 25 : 95;
	long names[CHUNKS], sizes[CHUNKS];
	int i;

	for (i = 0; i < CHUNKS; i++) {
		names[i] = time_formats(self->fd, self->value,
					"lim_names struct s x%d 1", i, count);
		ASSERT_LE(0, names[i]);
		sizes[i] = time_formats(self->fd, self->value,
					"lim_sizes struct s x %d", i, count);
		ASSERT_LE(0, sizes[i]);
	}
	names[0] = sum_of_quick(names);
	sizes[0] = sum_of_quick(sizes);
	TH_LOG("%d formats: %ld us with names of their own, %ld us with sizes",
	       CHUNKS * count, names[0], sizes[0]);
	EXPECT_GT(2 * names[0] + 1000000, sizes[0]);
}

/* All of them in kB, once what was freed has been given back */
static long settled_slabs(void)
{
	long now, before;

	do {
		before = uev_mem_kb("\nSlab:");
		uev_slab_objects();
		now = uev_mem_kb("\nSlab:");
	} while (now < before - 64);
	return now;
}

/* Parts of a command string that have no field take no memory. */
TEST_F(limits, empty_parts)
{
	const int count = uev_rounds(400);
	char command[512];
	long before, empty, plain;
	int i;

	before = settled_slabs();
	for (i = 0; i < count; i++) {
		sprintf(command, "lim_plain%d", i);
		ASSERT_LE(0, uev_reg_index(self->fd, self->value + i, command));
	}
	plain = uev_mem_kb("\nSlab:") - before;
	before += plain;
	memset(command, ';', sizeof(command));
	command[sizeof(command) - 1] = '\0';
	for (i = 0; i < count; i++) {
		sprintf(command, "lim_empty%d", i);
		command[strlen(command)] = ' ';
		ASSERT_LE(0, uev_reg_index(self->fd, self->value + count + i,
					   command));
	}
	empty = uev_mem_kb("\nSlab:") - before;
	TH_LOG("%ld and %ld bytes for an event", plain * 1024 / count,
	       empty * 1024 / count);
	/* Checkers keep memory of their own */
	if (!uev_kernel_is_slow())
		EXPECT_GT(plain + 4 * count, empty);
	for (i = 0; i < 2 * count; i++)
		ASSERT_OK(uev_unreg(self->fd, self->value + i, 0));
}

TEST_F(limits, bad_values_of_the_maximum)
{
	static const char * const bad[] = {
		"-1", "abc", "4294967296", "99999999999999999999", "0x", "-",
		"1.5",
	};
	char *now;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_ERR(EINVAL, uev_put(UEV_MAX_SYSCTL, bad[i]))
			TH_LOG("'%s'", bad[i]);
		now = uev_get(UEV_MAX_SYSCTL);
		EXPECT_STREQ(self->max, now) TH_LOG("'%s'", bad[i]);
		free(now);
	}
}

/* Registers many events, one enable word each; returns how many it could. */
static int register_many(int fd, __u32 *value, const char *prefix, int count)
{
	char command[64];
	int i;

	for (i = 0; i < count; i++) {
		sprintf(command, "%s%d u32 n", prefix, i);
		if (uev_reg_index(fd, &value[i], command) < 0)
			break;
	}
	return i;
}

/* Events that come and go beside those that stay */
struct churn {
	bool stop;
	int rounds, failed;
};

static void *come_and_go(void *arg)
{
	struct churn *c = arg;
	__u32 value[20] = { };
	int i, fd;

	while (!UEV_READ(c->stop)) {
		fd = uev_open();
		c->failed += register_many(fd, value, "lim_go", 20) != 20;
		for (i = 0; i < 20; i++)
			uev_unreg(fd, &value[i], 0);
		close(fd);
		UEV_WRITE(c->rounds, c->rounds + 1);
	}
	return NULL;
}

/* The file in reads of @chunk bytes, as one string */
static char *read_in_chunks(const char *path, size_t chunk, int *reads)
{
	size_t room = 1 << 20, size = 0;
	char *text = malloc(room);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	*reads = 0;
	while ((got = read(fd, text + size, chunk)) > 0) {
		size += got;
		++*reads;
		if (room - size < chunk + 1)
			text = realloc(text, room *= 2);
	}
	text[size] = '\0';
	close(fd);
	return text;
}

/*
 * Ten thousand events by one process: each is found again, all are in the
 * status, which takes many reads while others come and go, and all leave
 * together.
 */
TEST_F(limits, ten_thousand_events)
{
	/* A debug kernel of 6.1 takes 40 ms and more for the files of each */
	const int many = uev_kernel_is_slow() ? MANY / 5 : MANY;
	int i, reads, seen, twice, lines, used, index, pass;
	__u64 start = uev_now_ms();
	struct churn churn = { };
	pthread_t thread;
	char *text, *line, *rest, *count;
	char command[64], last[128];
	__u32 number;

	ASSERT_EQ(many, register_many(self->fd, self->value, "lim_many", many));
	TH_LOG("%d events registered in %llu ms", many,
	       (unsigned long long)(uev_now_ms() - start));
	EXPECT_EQ(many, uev_status_count("Active"));

	/* Found by its name, not made again. */
	for (i = 0; i < many; i += 1111) {
		ASSERT_OK(uev_unreg(self->fd, &self->value[i], 0));
		sprintf(command, "lim_many%d u32 n", i);
		index = uev_reg_index(self->fd, &self->value[i], command);
		EXPECT_EQ(i, index);
	}
	EXPECT_EQ(many, uev_status_count("Active"));

	ASSERT_EQ(0, pthread_create(&thread, NULL, come_and_go, &churn));
	ASSERT_TRUE(uev_wait_for(UEV_READ(churn.rounds)));
	count = calloc(many, 1);
	for (pass = 0; pass < 3; pass++) {
		text = read_in_chunks(TRACEFS "user_events_status",
				      pass == 1 ? 333 : 4096, &reads);
		EXPECT_LT(many / 500, reads);
		memset(count, 0, many);
		lines = count_lines(text, &used);
		EXPECT_LE(many, lines);
		rest = text;
		while ((line = strsep(&rest, "\n")) && *line) {
			int at, end = 0;

			if (sscanf(line, "lim_many%d%n", &at, &end) == 1) {
				ASSERT_EQ(0, line[end]) TH_LOG("'%s'", line);
				ASSERT_GT(many, at);
				count[at]++;
			} else {
				ASSERT_EQ(1, sscanf(line, "lim_go%d%n", &at,
						    &end)) TH_LOG("'%s'", line);
				ASSERT_EQ(0, line[end]) TH_LOG("'%s'", line);
			}
		}
		ASSERT_NE(NULL, rest);
		EXPECT_EQ(0, strncmp(rest, "Active: ", 8)) TH_LOG("%s", rest);
		EXPECT_NE(NULL, strstr(rest, "\nBusy: 0\n")) TH_LOG("%s", rest);
		for (seen = twice = i = 0; i < many; i++) {
			seen += !!count[i];
			twice += count[i] > 1;
		}
		EXPECT_EQ(many, seen) TH_LOG("in %d reads", reads);
		EXPECT_EQ(0, twice);
		free(text);
	}
	UEV_WRITE(churn.stop, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, churn.failed);
	free(count);

	/* Nobody listens, so none of them has lost anything. */
	text = uev_get("user_events_losses");
	EXPECT_STREQ("", text);
	free(text);
	/* The last one does */
	sprintf(last, "lim_many%d u32 n", many - 1);
	ASSERT_OK(uev_reg(self->fd, &self->value[many - 1], 1, 4, 0, last, &number));
	*strchr(last, ' ') = '\0';
	ASSERT_OK(uev_enable(last, true));
	EXPECT_ERR(EFAULT, uev_emit(self->fd, number, (void *)8, 4));
	ASSERT_OK(uev_enable(last, false));
	ASSERT_OK(uev_unreg(self->fd, &self->value[many - 1], 1));
	strcat(last, " full=0 off=0 size=0 data=1\n");
	text = uev_get("user_events_losses");
	EXPECT_STREQ(last, text);
	free(text);

	/* All at once, through the directory of the system */
	start = uev_now_ms();
	ASSERT_OK(uev_enable("lim_many1234", true));
	EXPECT_TRUE(BECOMES(1, self->value[1234]));
	EXPECT_EQ(0, UEV_READ(self->value[1233]) | UEV_READ(self->value[1235]));
	ASSERT_OK(uev_enable("lim_many1234", false));
	TH_LOG("one of them switched in %llu ms",
	       (unsigned long long)(uev_now_ms() - start));

	start = uev_now_ms();
	for (i = 0; i < many; i++)
		ASSERT_OK(uev_unreg(self->fd, &self->value[i], 0));
	close(self->fd);
	self->fd = uev_open();
	while (uev_status_count("Active") && uev_now_ms() - start < LEAVE_MS)
		uev_nap();
	EXPECT_EQ(0, uev_status_count("Active"));
	TH_LOG("gone within %llu ms", (unsigned long long)(uev_now_ms() - start));
}

struct many {
	__u32 *value;
	int count;
};

static int register_and_exit(void *arg)
{
	struct many *m = arg;
	int fd = uev_open();

	return register_many(fd, m->value, "lim_exit", m->count) != m->count;
}

/* And with a process that simply exits */
TEST_F(limits, events_go_with_their_process)
{
	struct many m = { self->value, uev_rounds(1000) };
	int status;
	pid_t pid;
	__u64 start;

	pid = uev_fork(register_and_exit, &m);
	/* It takes as long as it takes */
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	start = uev_now_ms();
	while (uev_status_count("Active") && uev_now_ms() - start < LEAVE_MS)
		uev_nap();
	EXPECT_EQ(0, uev_status_count("Active"));
	EXPECT_FALSE(uev_event_exists("lim_exit0"));
}

#define CGROUP		UEV_CGROUPS "uev_limits"
#define NR_CHARGED	300
#define NR_FIELDS	80

/* A child in a cgroup of its own, and events of many fields */
static int register_in_cgroup(void *arg)
{
	__u32 *value = arg;
	char command[512];
	int i, j, len, fd = uev_open();

	if (fd < 0 || !uev_put_in_cgroup(CGROUP, getpid()))
		return 1;
	for (i = 0; i < NR_CHARGED; i++) {
		len = sprintf(command, "lc%d", i);
		for (j = 0; j < NR_FIELDS; j++)
			len += sprintf(command + len, "%cu8 %c%c", j ? ';' : ' ',
				       'a' + j / 26, 'a' + j % 26);
		if (uev_reg_index(fd, value + i, command) < 0)
			return 2;
		UEV_WRITE(value[NR_CHARGED], i + 1);
	}
	while (!UEV_READ(value[NR_CHARGED + 1]))
		uev_nap();
	return 0;
}

static long charged_kernel_memory(void)
{
	char *text = uev_get(CGROUP "/memory.stat"), *at;
	long bytes = -1;

	at = strstr(text, "\nkernel ");
	if (at)
		sscanf(at, "\nkernel %ld", &bytes);
	free(text);
	return bytes;
}

/*
 * The memory that describes a field to tools is charged to the task that declares
 * the event: two structures of 24 and of 56 bytes or so, and the texts.
 */
TEST_F(limits, fields_are_charged)
{
	__u32 *value = uev_shared((NR_CHARGED + 2) * sizeof(*value));
	const long least = NR_CHARGED * NR_FIELDS * (24 + 32 + 48L);
	long charged;
	pid_t pid;

	uev_put(UEV_CGROUPS "cgroup.subtree_control", "+memory");
	if ((mkdir(CGROUP, 0755) && errno != EEXIST) ||
	    charged_kernel_memory() < 0)
		SKIP(return, "no memory controller");
	pid = uev_fork(register_in_cgroup, value);
	EXPECT_TRUE(uev_wait_while_counting(UEV_READ(value[NR_CHARGED]) == NR_CHARGED,
					    UEV_READ(value[NR_CHARGED])));
	/* The kernel counts in batches. */
	EXPECT_TRUE(uev_wait_for((charged = charged_kernel_memory()) >= least));
	TH_LOG("%ld bytes for each event of %d fields", charged / NR_CHARGED,
	       NR_FIELDS);
	UEV_WRITE(value[NR_CHARGED + 1], 1);
	EXPECT_EQ(0, uev_join(pid));
	EXPECT_TRUE(uev_wait_for(!rmdir(CGROUP)));
}

TEST_HARNESS_MAIN
