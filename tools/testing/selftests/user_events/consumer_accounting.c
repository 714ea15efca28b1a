// SPDX-License-Identifier: GPL-2.0
/*
 * No record is lost silently: while four processes write as fast as they can,
 * listeners attach, record and detach. The records that they saw and those that
 * were reported lost add up to what write() told the writers it took.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <linux/perf_event.h>

#include "uev_harness.h"

#define NR_WRITERS	4
#define MAX_CPUS	16
/* Records of each writer: more than fit into the buffer of one CPU here */
#define ENOUGH		5000
/* Records of all that are more than fit into a ring of perf */
#define OVERFLOWS	8000
#define EVENT		"acc_event"
#define COMMAND		EVENT " u32 writer;u64 seq"
#define INSTANCE	"instances/" UEV_INSTANCE "/"

/* A record, and the common fields before it */
struct record {
	__u16 type;
	__u8 flags, preempt_count;
	__s32 pid;
	__u32 writer;
	__u64 seq;
} __attribute__((packed));

/* In memory that the writers share with the test */
struct writer {
	__u32 value;		/* bit 0: somebody listens */
	__u64 written;	/* write() said so */
	__u64 refused;	/* EBADF: nobody listened */
	__u64 failed;	/* anything else */
	__u64 clear;		/* times the bit was seen clear */
};

struct storm {
	bool ready[NR_WRITERS], go, stop;
	struct writer writers[NR_WRITERS];
};

static int nr_cpus(void)
{
	return get_nprocs() < MAX_CPUS ? get_nprocs() : MAX_CPUS;
}

static void write_records(struct storm *storm, int number)
{
	struct writer *self = &storm->writers[number];
	struct {
		__u32 index, writer;
		__u64 seq;
	} __attribute__((packed)) record = { .writer = number };
	int fd = uev_open(), index, ret;

	uev_stay_on_cpu(number % nr_cpus());
	index = uev_reg_index(fd, &self->value, COMMAND);
	if (index < 0)
		_exit(1);
	record.index = index;
	UEV_WRITE(storm->ready[number], true);
	while (!UEV_READ(storm->go))
		uev_nap();
	while (!UEV_READ(storm->stop)) {
		if (!(UEV_READ(self->value) & 1))
			self->clear++;
		ret = write(fd, &record, sizeof(record));
		if (ret == sizeof(record)) {
			record.seq++;
			UEV_WRITE(self->written, record.seq);
		} else if (errno == EBADF) {
			self->refused++;
		} else {
			self->failed++;
		}
	}
	_exit(0);
}

FIXTURE(storm) {
	struct storm *storm;
	pid_t pids[NR_WRITERS];
	unsigned long ms;
};

FIXTURE_SETUP(storm)
{
	int i;

	uev_reset();
	self->ms = 1500;
	ASSERT_EQ(0, mkdir(TRACEFS INSTANCE, 0700));
	self->storm = uev_shared(sizeof(*self->storm));
	for (i = 0; i < NR_WRITERS; i++) {
		self->pids[i] = fork();
		ASSERT_LE(0, self->pids[i]);
		if (!self->pids[i])
			write_records(self->storm, i);
	}
	for (i = 0; i < NR_WRITERS; i++)
		ASSERT_TRUE(uev_wait_for(UEV_READ(self->storm->ready[i])));
}

FIXTURE_TEARDOWN(storm)
{
	int i;

	for (i = 0; i < NR_WRITERS; i++) {
		if (self->pids[i] > 0) {
			kill(self->pids[i], SIGKILL);
			waitpid(self->pids[i], NULL, 0);
		}
	}
	uev_reset();
}

/* Ends the writers: how many records write() told them it took */
static __u64 written(struct __test_metadata *_metadata, struct storm *storm,
		     pid_t *pids)
{
	__u64 sum = 0;
	int i;

	UEV_WRITE(storm->stop, true);
	for (i = 0; i < NR_WRITERS; i++) {
		EXPECT_EQ(0, uev_join(pids[i]));
		pids[i] = 0;
		EXPECT_LT(0, storm->writers[i].written);
		EXPECT_EQ(0, storm->writers[i].failed);
		sum += storm->writers[i].written;
	}
	return sum;
}

/*
 * On a busy host a guest's CPU may stand still for as long as a listener is
 * attached, so wait for records and not for time.
 */
static bool each_wrote(struct storm *storm, __u64 least)
{
	int i;

	for (i = 0; i < NR_WRITERS; i++) {
		if (UEV_READ(storm->writers[i].written) < least)
			return false;
	}
	return true;
}

static __u64 all_wrote(struct storm *storm)
{
	__u64 sum = 0;
	int i;

	for (i = 0; i < NR_WRITERS; i++)
		sum += UEV_READ(storm->writers[i].written);
	return sum;
}

static bool bits_are(struct storm *storm, __u32 wanted)
{
	int i;

	for (i = 0; i < NR_WRITERS; i++) {
		if (UEV_READ(storm->writers[i].value) != wanted)
			return false;
	}
	return true;
}

/* Sum over all CPUs of a line of their "stats" files */
static __u64 sum_of_cpus(const char *label)
{
	char path[128], *text, *line;
	__u64 sum = 0;
	int cpu;

	for (cpu = 0; cpu < get_nprocs(); cpu++) {
		snprintf(path, sizeof(path), INSTANCE "per_cpu/cpu%d/stats",
			 cpu);
		text = uev_get(path);
		line = strstr(text, label);
		/* Not "overrun" in "commit overrun" */
		while (line && line != text && line[-1] != '\n')
			line = strstr(line + 1, label);
		sum += line ? strtoull(line + strlen(label), NULL, 10) : 1ULL << 63;
		free(text);
	}
	return sum;
}

static __u64 lines_of_trace(void)
{
	char *text = uev_get(INSTANCE "trace");
	int lines = uev_count(text, EVENT ": writer=");

	free(text);
	return lines;
}

static void set_buffer(struct __test_metadata *_metadata, const char *kb,
		       const char *overwrite)
{
	ASSERT_OK(uev_put(INSTANCE "buffer_size_kb", kb));
	ASSERT_OK(uev_put(INSTANCE "options/overwrite", overwrite));
}

/*
 * Switches on and off, and checks the bits after each switch, until enough was
 * written. Returns the number of rounds.
 */
static int attach_and_detach(struct __test_metadata *_metadata,
			     struct storm *storm, unsigned long ms)
{
	__u64 start = uev_now_ms();
	int rounds = 0;

	while (uev_now_ms() < start + ms ||
	       (!each_wrote(storm, ENOUGH) &&
		uev_now_ms() < start + UEV_WAIT_MS)) {
		EXPECT_OK(uev_instance_enable(UEV_INSTANCE, EVENT, true));
		EXPECT_TRUE(uev_wait_for(bits_are(storm, 1)));
		usleep(rounds % 4 * 10000);
		EXPECT_OK(uev_instance_enable(UEV_INSTANCE, EVENT, false));
		EXPECT_TRUE(uev_wait_for(bits_are(storm, 0)));
		rounds++;
	}
	return rounds;
}

TEST_F(storm, ftrace_that_overwrites)
{
	__u64 wrote, entries, overrun;
	int rounds;

	set_buffer(_metadata, "64", "1");
	UEV_WRITE(self->storm->go, true);
	rounds = attach_and_detach(_metadata, self->storm, self->ms);
	wrote = written(_metadata, self->storm, self->pids);
	entries = sum_of_cpus("entries: ");
	overrun = sum_of_cpus("overrun: ");
	EXPECT_EQ(wrote, entries + overrun);
	EXPECT_EQ(entries, lines_of_trace());
	EXPECT_EQ(0, sum_of_cpus("commit overrun: "));
	EXPECT_EQ(0, sum_of_cpus("dropped events: "));
	EXPECT_LT(0, overrun);
	TH_LOG("%d rounds: %llu written = %llu in the trace + %llu overwritten",
	       rounds, (unsigned long long)wrote, (unsigned long long)entries,
	       (unsigned long long)overrun);
}

TEST_F(storm, ftrace_that_drops)
{
	__u64 wrote, entries, dropped;
	int rounds;

	set_buffer(_metadata, "64", "0");
	UEV_WRITE(self->storm->go, true);
	rounds = attach_and_detach(_metadata, self->storm, self->ms);
	wrote = written(_metadata, self->storm, self->pids);
	entries = sum_of_cpus("entries: ");
	dropped = sum_of_cpus("dropped events: ");
	EXPECT_EQ(wrote, entries + dropped);
	EXPECT_EQ(entries, lines_of_trace());
	EXPECT_EQ(0, sum_of_cpus("overrun: "));
	EXPECT_LT(0, dropped);
	TH_LOG("%d rounds: %llu written = %llu in the trace + %llu dropped",
	       rounds, (unsigned long long)wrote, (unsigned long long)entries,
	       (unsigned long long)dropped);
}

/*
 * A ring of perf, on one CPU. Each loss is reported in the ring by the next
 * record that fits, and all of them by read() of the event.
 */
#define RING_SIZE	(128 * 1024)

struct ring {
	int fd;
	struct perf_event_mmap_page *head;
	__u64 tail;
	__u64 seen, lost, missing;
	/* For each writer: its next number, and has it written since the last loss? */
	__u64 next[NR_WRITERS];
	bool started[NR_WRITERS], current[NR_WRITERS];
	bool late;	/* a writer's first record came after a loss */
};

static int ring_open(struct ring *ring, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = uev_event_id(EVENT),
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_RAW,
		.read_format = PERF_FORMAT_LOST,
		.disabled = 1,
	};

	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(__NR_perf_event_open, &attr, -1, cpu, -1,
			   PERF_FLAG_FD_CLOEXEC);
	if (ring->fd < 0)
		return -errno;
	ring->head = mmap(NULL, uev_page_size() + RING_SIZE,
			  PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (ring->head == MAP_FAILED)
		return -errno;
	return 0;
}

static void ring_close(struct ring *ring)
{
	munmap(ring->head, uev_page_size() + RING_SIZE);
	close(ring->fd);
}

static void ring_get(struct ring *ring, __u64 from, void *to, size_t size)
{
	char *data = (char *)ring->head + uev_page_size();
	size_t at = from % RING_SIZE, first = RING_SIZE - at;

	if (first > size)
		first = size;
	memcpy(to, data + at, first);
	memcpy((char *)to + first, data, size - first);
}

static void ring_drain(struct ring *ring)
{
	__u64 head = __atomic_load_n(&ring->head->data_head,
					__ATOMIC_ACQUIRE);
	union {
		struct perf_event_header header;
		struct {
			struct perf_event_header header;
			__u64 id, lost;
		} lost;
		struct {
			struct perf_event_header header;
			__u32 size;
			struct record record;
		} __attribute__((packed)) sample;
	} entry;
	struct perf_event_header header;
	unsigned int who;

	while (ring->tail < head) {
		ring_get(ring, ring->tail, &header, sizeof(header));
		ring_get(ring, ring->tail, &entry, header.size < sizeof(entry) ?
			 header.size : sizeof(entry));
		ring->tail += header.size;
		if (header.type == PERF_RECORD_LOST) {
			ring->lost += entry.lost.lost;
			memset(ring->current, 0, sizeof(ring->current));
		} else if (header.type == PERF_RECORD_SAMPLE) {
			who = entry.sample.record.writer % NR_WRITERS;
			ring->seen++;
			if (ring->started[who])
				ring->missing += entry.sample.record.seq -
						 ring->next[who];
			else if (ring->lost)
				ring->late = true;
			ring->started[who] = true;
			ring->current[who] = true;
			ring->next[who] = entry.sample.record.seq + 1;
		}
		__atomic_store_n(&ring->head->data_tail, ring->tail,
				 __ATOMIC_RELEASE);
	}
}

/* What perf says was lost since the event was opened, in all */
static __u64 ring_all_lost(struct ring *ring)
{
	__u64 values[2] = { 0, ~0ULL };

	if (read(ring->fd, values, sizeof(values)) != sizeof(values))
		return ~0ULL;
	return values[1];
}

/* Is the last record of each writer of this CPU after the last loss? */
static bool ring_is_current(struct ring *ring, int cpu)
{
	int i;

	for (i = cpu; i < NR_WRITERS; i += nr_cpus()) {
		if (!ring->current[i])
			return false;
	}
	return true;
}

/* perf is attached from the first record to the last: it must account for all. */
TEST_F(storm, perf_beside_others_that_come_and_go)
{
	struct ring rings[MAX_CPUS];
	__u64 wrote, seen = 0, lost = 0, end, all;
	int cpu, other, rounds = 0, i;

	for (cpu = 0; cpu < nr_cpus(); cpu++) {
		ASSERT_OK(ring_open(&rings[cpu], cpu));
		ASSERT_EQ(0, ioctl(rings[cpu].fd, PERF_EVENT_IOC_ENABLE, 0));
	}
	ASSERT_TRUE(uev_wait_for(bits_are(self->storm, 1)));
	set_buffer(_metadata, "64", "1");
	UEV_WRITE(self->storm->go, true);
	for (end = uev_now_ms() + self->ms; uev_now_ms() < end; rounds++) {
		EXPECT_OK(uev_instance_enable(UEV_INSTANCE, EVENT, true));
		other = uev_perf_open(uev_event_id(EVENT), -1,
				      rounds % nr_cpus(), PERF_SAMPLE_RAW);
		EXPECT_LE(0, other);
		EXPECT_OK(uev_event_put(EVENT, "trigger", "hist:keys=writer"));
		for (cpu = 0; cpu < nr_cpus(); cpu++) {
			if (rounds % 4 == 3)
				ring_drain(&rings[cpu]);
		}
		EXPECT_OK(uev_instance_enable(UEV_INSTANCE, EVENT, false));
		EXPECT_OK(uev_event_put(EVENT, "trigger", "!hist:keys=writer"));
		close(other);
	}
	EXPECT_TRUE(bits_are(self->storm, 1));
	EXPECT_TRUE(uev_wait_for(each_wrote(self->storm, 1)));
	wrote = written(_metadata, self->storm, self->pids);
	for (cpu = 0; cpu < nr_cpus(); cpu++) {
		ring_drain(&rings[cpu]);
		all = ring_all_lost(&rings[cpu]);
		EXPECT_LE(rings[cpu].lost, all);
		seen += rings[cpu].seen;
		lost += all;
		ring_close(&rings[cpu]);
	}
	EXPECT_EQ(wrote, seen + lost);
	EXPECT_LT(0, seen);
	for (i = 0; i < NR_WRITERS; i++) {
		EXPECT_EQ(0, self->storm->writers[i].clear);
		EXPECT_EQ(0, self->storm->writers[i].refused);
	}
	TH_LOG("%d rounds: %llu written = %llu seen + %llu lost", rounds,
	       (unsigned long long)wrote, (unsigned long long)seen,
	       (unsigned long long)lost);
}

/*
 * perf attaches and detaches. The numbers of the records tell how many are missing
 * between the first and the last that it got: as many as it reports lost.
 */
TEST_F(storm, perf_that_comes_and_goes)
{
	struct ring rings[MAX_CPUS];
	__u64 seen = 0, lost = 0, end, before;
	int cpu, exact = 0, round, with_loss = 0;

	UEV_WRITE(self->storm->go, true);
	for (round = 0; round < 40; round++) {
		if (with_loss >= 4 && each_wrote(self->storm, 1))
			break;
		for (cpu = 0; cpu < nr_cpus(); cpu++)
			ASSERT_OK(ring_open(&rings[cpu], cpu));
		EXPECT_TRUE(uev_wait_for(bits_are(self->storm, 1)));
		for (cpu = 0; cpu < nr_cpus(); cpu++)
			ASSERT_EQ(0, ioctl(rings[cpu].fd, PERF_EVENT_IOC_ENABLE, 0));
		/* Long enough to overflow, then read until none is missing. */
		before = all_wrote(self->storm);
		usleep(50000 + round * 20000);
		EXPECT_TRUE(uev_wait_for(all_wrote(self->storm) - before > OVERFLOWS));
		for (cpu = 0; cpu < nr_cpus(); cpu++) {
			end = uev_now_ms() + 2000;
			do {
				ring_drain(&rings[cpu]);
			} while ((!rings[cpu].lost ||
				  !ring_is_current(&rings[cpu], cpu)) &&
				 uev_now_ms() < end);
			ASSERT_EQ(0, ioctl(rings[cpu].fd, PERF_EVENT_IOC_DISABLE, 0));
			ring_drain(&rings[cpu]);
			if (ring_is_current(&rings[cpu], cpu) &&
			    !rings[cpu].late) {
				EXPECT_EQ(rings[cpu].lost, rings[cpu].missing);
				/* Losses after the last record: not in the ring */
				EXPECT_LE(rings[cpu].lost,
					  ring_all_lost(&rings[cpu]));
				seen += rings[cpu].seen;
				lost += rings[cpu].lost;
				with_loss += !!rings[cpu].lost;
				exact++;
			}
			ring_close(&rings[cpu]);
		}
		EXPECT_TRUE(uev_wait_for(bits_are(self->storm, 0)));
	}
	written(_metadata, self->storm, self->pids);
	EXPECT_LE(4, with_loss);
	TH_LOG("%d rounds, %d accounted: %llu seen, %llu lost", round, exact,
	       (unsigned long long)seen, (unsigned long long)lost);
}

/* The tools, beside a trace that gets every record */
TEST_F(storm, tools_that_come_and_go)
{
	static const char * const tools[] = {
		"perf stat -a -e user_events:" EVENT " -- sleep 0.2",
		"perf record -q -a -o /dev/null -e user_events:" EVENT " -- sleep 0.2",
		"trace-cmd record -q -m 100 -o /tmp/acc.$$ -e user_events:" EVENT
			" sleep 0.2 && rm -f /tmp/acc.$$*",
		"bpftrace -e 't:user_events:" EVENT " { @ = count(); } i:ms:200 { exit(); }'",
	};
	char command[512];
	__u64 wrote, entries, overrun;
	/* With all checkers on, perf stat alone: it has no records to catch up with */
	int nr_tools = uev_kernel_is_slow() ? 1 : ARRAY_SIZE(tools);
	int i, ran = 0;

	set_buffer(_metadata, "64", "1");
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, EVENT, true));
	ASSERT_TRUE(uev_wait_for(bits_are(self->storm, 1)));
	UEV_WRITE(self->storm->go, true);
	for (i = 0; i < nr_tools; i++) {
		snprintf(command, sizeof(command), "command -v %.*s >/dev/null",
			 (int)strcspn(tools[i], " "), tools[i]);
		if (system(command)) {
			TH_LOG("not installed: %s", tools[i]);
			continue;
		}
		snprintf(command, sizeof(command),
			 "out=$( (%s) 2>&1 </dev/null) || { echo \"# $out\"; false; }",
			 tools[i]);
		EXPECT_EQ(0, system(command)) TH_LOG("%s", tools[i]);
		ran++;
	}
	EXPECT_TRUE(bits_are(self->storm, 1));
	EXPECT_TRUE(uev_wait_for(each_wrote(self->storm, 1)));
	wrote = written(_metadata, self->storm, self->pids);
	entries = sum_of_cpus("entries: ");
	overrun = sum_of_cpus("overrun: ");
	EXPECT_EQ(wrote, entries + overrun);
	for (i = 0; i < NR_WRITERS; i++) {
		EXPECT_EQ(0, self->storm->writers[i].clear);
		EXPECT_EQ(0, self->storm->writers[i].refused);
	}
	TH_LOG("%d tools: %llu written = %llu in the trace + %llu overwritten",
	       ran, (unsigned long long)wrote, (unsigned long long)entries,
	       (unsigned long long)overrun);
	if (!ran)
		SKIP(return, "none of the tools is installed");
}

TEST_HARNESS_MAIN
