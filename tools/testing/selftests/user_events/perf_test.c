// SPDX-License-Identifier: GPL-2.0
/*
 * perf as a listener: which perf event gets which record, and its layout.
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "uev_harness.h"
#include "uev_perf.h"

/* What every record starts with */
struct common {
	__u16 type;
	__u8 flags;
	__u8 preempt_count;
	__s32 pid;
};

#define MAX_CPUS	64

/*
 * Attaches perf to an event. No other process writes records here, so it is enough
 * to attach to one CPU and to keep this process on it.
 */
static int attach(struct uev_perf *perf, const char *event)
{
	uev_stay_on_cpu(0);
	return uev_perf_map(perf, uev_perf_open(uev_event_id(event), -1, 0,
						UEV_SAMPLE_TYPE));
}

static struct uev_sample sample;

/* The bytes behind a record in a sample are padding: raw_size + 4 is n * 8. */
static __u32 padded(__u32 size)
{
	return (size + 4 + 7) / 8 * 8 - 4;
}

TEST_F(uev, layout_of_a_record)
{
	struct {
		__u8 a;
		__u64 b;
		__u32 data, rel;
		char text[12];
	} __packed payload = {
		.a = 0xa1, .b = 0x1122334455667788ULL,
		.data = DYN_LOC(8 + 17, 4), .rel = DYN_LOC(4, 8),
		.text = "abc\0defghij",
	};
	struct common *common = (void *)sample.raw;
	struct uev_perf perf;
	int index = uev_reg_index(self->fd, self->value,
				  "pf_layout u8 a;u64 b;__data_loc char[] c;"
				  "__rel_loc char[] d");
	__u32 loc;

	ASSERT_LE(0, index);
	ASSERT_OK(attach(&perf, "pf_layout"));
	ASSERT_BECOMES(1, *self->value);
	ASSERT_EQ(4 + sizeof(payload),
		  uev_emit(self->fd, index, &payload, sizeof(payload)));
	ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
	EXPECT_EQ(getpid(), sample.pid);
	EXPECT_EQ(padded(8 + sizeof(payload)), sample.raw_size);
	EXPECT_EQ(uev_event_id("pf_layout"), common->type);
	EXPECT_EQ(getpid(), common->pid);
	/* As it was written, behind 8 bytes; then nothing but zeroes. */
	EXPECT_EQ(0, memcmp(sample.raw + 8, &payload, sizeof(payload)));
	EXPECT_EQ(0, sample.raw[8 + sizeof(payload)]);
	EXPECT_EQ(0, sample.raw[sample.raw_size - 1]);
	/* Where the format file says the fields are */
	EXPECT_EQ(0xa1, (__u8)sample.raw[8]);
	memcpy(&loc, sample.raw + 17, 4);
	EXPECT_STREQ("abc", sample.raw + (loc & 0xffff));
	memcpy(&loc, sample.raw + 21, 4);
	EXPECT_STREQ("defghij", sample.raw + 25 + (loc & 0xffff));
	EXPECT_FALSE(uev_perf_next(&perf, &sample, NULL));
	uev_perf_close(&perf);
	ASSERT_BECOMES(0, *self->value);
}

TEST_F(uev, sizes_of_records)
{
	int index = uev_reg_index(self->fd, self->value, "pf_size u8 a");
	struct uev_perf perf;
	char payload[64];
	int size;

	ASSERT_LE(0, index);
	ASSERT_OK(attach(&perf, "pf_size"));
	memset(payload, 0x5a, sizeof(payload));
	for (size = 1; size <= 64; size++) {
		ASSERT_EQ(4 + size, uev_emit(self->fd, index, payload, size));
		ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
		EXPECT_EQ(padded(8 + size), sample.raw_size)
			TH_LOG("%d bytes", size);
		EXPECT_EQ(0, memcmp(sample.raw + 8, payload, size));
		/* No byte of an earlier record in the padding */
		EXPECT_TRUE(padded(8 + size) == 8U + size ||
			    !sample.raw[8 + size]) TH_LOG("%d bytes", size);
	}
	uev_perf_close(&perf);
}

TEST_F(uev, event_without_fields)
{
	int index = uev_reg_index(self->fd, self->value, "pf_empty");
	struct common *common = (void *)sample.raw;
	struct uev_perf perf;

	ASSERT_LE(0, index);
	ASSERT_OK(attach(&perf, "pf_empty"));
	ASSERT_BECOMES(1, *self->value);
	ASSERT_EQ(4, uev_emit(self->fd, index, NULL, 0));
	ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
	EXPECT_EQ(padded(8), sample.raw_size);
	EXPECT_EQ(uev_event_id("pf_empty"), common->type);
	EXPECT_EQ(getpid(), common->pid);
	uev_perf_close(&perf);
}

TEST_F(uev, every_record_is_counted)
{
	int index = uev_reg_index(self->fd, self->value, "pf_count u32 n");
	struct uev_perf perf;
	__u64 count = 0;
	__u32 n;

	ASSERT_LE(0, index);
	ASSERT_OK(attach(&perf, "pf_count"));
	for (n = 0; n < 1000; n++)
		ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	ASSERT_EQ(sizeof(count), read(perf.fd, &count, sizeof(count)));
	EXPECT_EQ(1000, count);
	for (n = 0; n < 1000; n++) {
		ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
		EXPECT_EQ(0, memcmp(sample.raw + 8, &n, sizeof(n)));
	}
	EXPECT_FALSE(uev_perf_next(&perf, &sample, NULL));
	/* Stopped, it is still attached, and counts no more. */
	ASSERT_EQ(0, ioctl(perf.fd, PERF_EVENT_IOC_DISABLE, 0));
	EXPECT_EQ(1, UEV_READ(*self->value));
	uev_emit(self->fd, index, &n, sizeof(n));
	ASSERT_EQ(sizeof(count), read(perf.fd, &count, sizeof(count)));
	EXPECT_EQ(1000, count);
	uev_perf_close(&perf);
}

TEST_F(uev, of_one_process_or_one_cpu)
{
	int index = uev_reg_index(self->fd, self->value, "pf_who u32 n");
	struct uev_perf mine, cpu[MAX_CPUS];
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), i, samples = 0;
	__u32 n = 1;

	ASSERT_LE(0, index);
	ASSERT_GE(MAX_CPUS, cpus);
	ASSERT_OK(uev_perf_map(&mine, uev_perf_open(uev_event_id("pf_who"), 0,
						    -1, UEV_SAMPLE_TYPE)));
	for (i = 0; i < cpus; i++) {
		int fd = uev_perf_open(uev_event_id("pf_who"), -1, i,
				       UEV_SAMPLE_TYPE);

		ASSERT_OK(uev_perf_map(&cpu[i], fd));
	}
	ASSERT_EQ(0, uev_emit_in_child(self->fd, index, 99));
	EXPECT_FALSE(uev_perf_next(&mine, &sample, NULL));
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	EXPECT_TRUE(uev_perf_next(&mine, &sample, NULL));
	EXPECT_EQ(1, uev_sample_u32(&sample));
	EXPECT_FALSE(uev_perf_next(&mine, &sample, NULL));
	for (i = 0; i < cpus; i++) {
		while (uev_perf_next(&cpu[i], &sample, NULL))
			samples++;
		uev_perf_close(&cpu[i]);
	}
	EXPECT_EQ(2, samples);
	ASSERT_BECOMES(1, *self->value);
	uev_perf_close(&mine);
	ASSERT_BECOMES(0, *self->value);
}

TEST_F(uev, filter_of_a_perf_event)
{
	int index = uev_reg_index(self->fd, self->value,
				  "pf_filter u32 n;__rel_loc char[] s");
	struct {
		__u32 n, s;
		char text[4];
	} payload = { 0, DYN_LOC(0, 4), "odd" };
	struct uev_perf perf;

	ASSERT_LE(0, index);
	ASSERT_OK(attach(&perf, "pf_filter"));
	ASSERT_EQ(0, ioctl(perf.fd, PERF_EVENT_IOC_SET_FILTER,
			   "n > 2 && s == \"odd\""));
	for (payload.n = 0; payload.n < 6; payload.n++) {
		memcpy(payload.text, payload.n & 1 ? "odd" : "evn", 4);
		ASSERT_EQ(16, uev_emit(self->fd, index, &payload,
				       sizeof(payload)));
	}
	ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
	EXPECT_EQ(3, uev_sample_u32(&sample));
	ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
	EXPECT_EQ(5, uev_sample_u32(&sample));
	EXPECT_FALSE(uev_perf_next(&perf, &sample, NULL));
	uev_perf_close(&perf);
}

/* perf takes 64 KiB less 1 KiB for the rest of a sample, less 12 bytes */
#define LARGEST		(65536 - 1024 - 12)

/* Byte @i of a large payload, such that moved bytes do not match */
static char pattern(int i)
{
	return i * 7 + i / 256;
}

/* A payload with its first 4 bytes as a number, and the rest of the pattern */
static int emit_sized(int fd, int index, __u32 n, int size)
{
	static char payload[300000];
	int i;

	for (i = sizeof(n); i < size; i++)
		payload[i] = pattern(i);
	memcpy(payload, &n, sizeof(n));
	return uev_emit(fd, index, payload, size);
}

/* @sample is what emit_sized() wrote, to the last byte */
static bool is_whole(const struct uev_sample *sample, __u32 n, int size)
{
	int i;

	if (sample->raw_size != padded(8 + size) || uev_sample_u32(sample) != n)
		return false;
	for (i = sizeof(n); i < size; i++) {
		if (sample->raw[8 + i] != pattern(i))
			return false;
	}
	for (i = 8 + size; i < (int)sample->raw_size; i++) {
		if (sample->raw[i])
			return false;
	}
	return true;
}

static const char zeroes[70000];

static int just_ends(void *arg)
{
	return 0;
}

static int perf_open(struct perf_event_attr *attr)
{
	int fd = syscall(__NR_perf_event_open, attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

TEST_F(uev, largest_record)
{
	int index = uev_reg_index(self->fd, self->value, "pf_large u32 n");
	struct common *common = (void *)sample.raw;
	struct uev_perf perf;
	int i;

	ASSERT_LE(0, index);
	ASSERT_OK(attach(&perf, "pf_large"));
	EXPECT_EQ(LARGEST, uev_largest_payload(self->fd, index, zeroes, 70000));
	while (uev_perf_next(&perf, &sample, NULL))
		;
	ASSERT_EQ(LARGEST + 4, emit_sized(self->fd, index, 1, LARGEST));
	ASSERT_ERR(EMSGSIZE, emit_sized(self->fd, index, 2, LARGEST + 1));
	ASSERT_ERR(EMSGSIZE, emit_sized(self->fd, index, 3, 300000));
	ASSERT_EQ(8, emit_sized(self->fd, index, 4, 4));
	ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
	EXPECT_TRUE(is_whole(&sample, 1, LARGEST));
	EXPECT_EQ(getpid(), sample.pid);
	EXPECT_EQ(uev_event_id("pf_large"), common->type);
	EXPECT_EQ(getpid(), common->pid);
	ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
	EXPECT_TRUE(is_whole(&sample, 4, 4));
	EXPECT_FALSE(uev_perf_next(&perf, &sample, NULL));

	/*
	 * Around what fits into the buffer that perf has for each CPU; smaller from one to the
	 * next, so that the memory behind a record is not all zeroes before
	 */
	for (i = 8192 + 31; i >= 8192 - 32; i--) {
		ASSERT_EQ(i + 4, emit_sized(self->fd, index, i, i));
		ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
		EXPECT_TRUE(is_whole(&sample, i, i)) TH_LOG("%d bytes", i);
	}
	EXPECT_FALSE(uev_perf_next(&perf, &sample, NULL));
	uev_perf_close(&perf);
}

/* The address in the only sample since the last look, of a perf event that asks for it alone */
static __u64 sampled_address(struct uev_perf *perf)
{
	struct {
		struct perf_event_header header;
		__u64 address;
	} s;
	__u64 head = UEV_READ(perf->head->data_head), tail = perf->tail;

	perf->tail = head;
	if (head != tail + sizeof(s))
		return 0;
	uev_ring_copy(perf, &s, tail, sizeof(s));
	return s.address;
}

/* A sample says where in the kernel it was taken, not where an earlier one was. */
TEST_F(uev, address_in_the_kernel)
{
	int index = uev_reg_index(self->fd, self->value, "pf_where u32 n");
	int newtask = uev_get_int("events/task/task_newtask/id");
	static const int sizes[] = { 4, 2000, 20000 };
	struct uev_perf ours, other;
	__u64 before, address;
	size_t i;

	ASSERT_LE(0, index);
	if (newtask <= 0)
		SKIP(return, "no such event of the kernel");
	uev_stay_on_cpu(0);
	ASSERT_OK(uev_perf_map(&ours, uev_perf_open(uev_event_id("pf_where"), getpid(), -1,
						    PERF_SAMPLE_IP)));
	ASSERT_OK(uev_perf_map(&other, uev_perf_open(newtask, getpid(), -1, PERF_SAMPLE_IP)));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(0, uev_in_child(just_ends, NULL));
		before = sampled_address(&other);
		ASSERT_EQ(4 + sizes[i], emit_sized(self->fd, index, 1, sizes[i]));
		address = sampled_address(&ours);
		/* Some machines tell no address */
		if (before)
			EXPECT_NE(before, address) TH_LOG("%d bytes", sizes[i]);
	}
	uev_perf_close(&other);
	uev_perf_close(&ours);
}

/* The dynamic fields of a large record are looked at like those of any other. */
TEST_F(uev, large_record_is_checked)
{
	int index = uev_reg_index(self->fd, self->value,
				  "pf_check __rel_loc char[] s");
	struct {
		__u32 loc;
		char text[30000];
	} payload = { DYN_LOC(0, 30001) };
	struct uev_perf perf;

	ASSERT_LE(0, index);
	ASSERT_OK(attach(&perf, "pf_check"));
	memset(payload.text, 'x', sizeof(payload.text) - 1);
	ASSERT_ERR(EFAULT, uev_emit(self->fd, index, &payload,
				    sizeof(payload)));
	payload.loc = DYN_LOC(0, 29999);
	ASSERT_ERR(EFAULT, uev_emit(self->fd, index, &payload,
				    sizeof(payload)));
	EXPECT_FALSE(uev_perf_next(&perf, &sample, NULL));
	payload.loc = DYN_LOC(0, 30000);
	ASSERT_EQ(4 + sizeof(payload), uev_emit(self->fd, index, &payload,
						sizeof(payload)));
	ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
	EXPECT_EQ(0, memcmp(sample.raw + 8, &payload, sizeof(payload)));
	uev_perf_close(&perf);
}

/*
 * A sample whose other parts and a large record together exceed its 16 bits of
 * size: the record is refused, not cut, and the next one is taken.
 */
TEST_F(uev, large_record_in_a_large_sample)
{
	int index = uev_reg_index(self->fd, self->value, "pf_chain u32 n");
	__u64 type = UEV_SAMPLE_TYPE | PERF_SAMPLE_CALLCHAIN;
	struct uev_perf perf;
	int fd;
	struct {
		struct perf_event_header header;
		__u32 pid, tid;
		__u64 nr;
	} head;

	ASSERT_LE(0, index);
	uev_stay_on_cpu(0);
	fd = uev_perf_open(uev_event_id("pf_chain"), -1, 0, type);
	ASSERT_OK(uev_perf_map(&perf, fd));
	ASSERT_ERR(EMSGSIZE, emit_sized(self->fd, index, 1, LARGEST));
	ASSERT_EQ(60004, emit_sized(self->fd, index, 2, 60000));
	/* One sample, whose size has not overflowed */
	uev_ring_copy(&perf, &head, 0, sizeof(head));
	EXPECT_EQ(PERF_RECORD_SAMPLE, head.header.type);
	EXPECT_EQ(sizeof(head) + 8 * head.nr + 4 + padded(60008),
		  head.header.size);
	EXPECT_EQ(perf.head->data_head, head.header.size);
	uev_perf_close(&perf);

	/* If the record is no part of the sample, it can be as large as it likes. */
	fd = uev_perf_open(uev_event_id("pf_chain"), -1, 0, type & ~PERF_SAMPLE_RAW);
	ASSERT_OK(uev_perf_map(&perf, fd));
	ASSERT_EQ(4 + LARGEST, emit_sized(self->fd, index, 3, LARGEST));
	uev_ring_copy(&perf, &head, 0, sizeof(head));
	EXPECT_EQ(PERF_RECORD_SAMPLE, head.header.type);
	EXPECT_EQ(sizeof(head) + 8 * head.nr, head.header.size);
	uev_perf_close(&perf);
}

#define STACK	4096

/* Each thing that a sample has beside a large record leaves it less room. */
TEST_F(uev, large_record_beside_other_things)
{
	static const struct {
		const char *what;
		__u64 type;
		int size;	/* bytes of it: a head, and two registers */
	} things[] = {
		{ "registers of the program", PERF_SAMPLE_REGS_USER, 3 * 8 },
		{ "registers of the kernel", PERF_SAMPLE_REGS_INTR, 3 * 8 },
		{ "a stack that finds no room", PERF_SAMPLE_STACK_USER, 3 * 8 },
		{ "a stack, and registers after it",
		  PERF_SAMPLE_STACK_USER | PERF_SAMPLE_REGS_INTR, STACK + 6 * 8 },
		{ "nothing from an AUX buffer", PERF_SAMPLE_AUX, 8 },
		{ "names of all kinds",
		  PERF_SAMPLE_TIME | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID |
		  PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER, 5 * 8 },
	};
	int index = uev_reg_index(self->fd, self->value, "pf_things u32 n");
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.sample_period = 1,
		.sample_regs_user = 3,
		.sample_regs_intr = 3,
		.sample_stack_user = STACK,
	};
	struct perf_event_header head;
	struct uev_perf perf;
	int fd, largest, all;
	size_t i;

	ASSERT_LE(0, index);
	uev_stay_on_cpu(0);
	attr.config = uev_event_id("pf_things");
	attr.sample_type = UEV_SAMPLE_TYPE | PERF_SAMPLE_CALLCHAIN;
	fd = perf_open(&attr);
	ASSERT_LE(0, fd);
	all = uev_largest_payload(self->fd, index, zeroes, 70000);
	EXPECT_LT(60000, all);
	close(fd);

	for (i = 0; i < ARRAY_SIZE(things); i++) {
		attr.sample_type = UEV_SAMPLE_TYPE | PERF_SAMPLE_CALLCHAIN |
				   things[i].type;
		fd = perf_open(&attr);
		if (fd < 0) {
			EXPECT_TRUE(fd == -EOPNOTSUPP || fd == -ENOSYS);
			TH_LOG("no samples of %s: error %d", things[i].what, fd);
			continue;
		}
		ASSERT_OK(uev_perf_map(&perf, fd));
		largest = all - things[i].size;
		EXPECT_ERR(EMSGSIZE, emit_sized(self->fd, index, 1, largest + 1))
			TH_LOG("%s", things[i].what);
		EXPECT_EQ(4 + largest, emit_sized(self->fd, index, 2, largest))
			TH_LOG("%s", things[i].what);
		/* One sample, whose size has not overflowed */
		uev_ring_copy(&perf, &head, 0, sizeof(head));
		EXPECT_EQ(PERF_RECORD_SAMPLE, head.type);
		EXPECT_LT(largest, head.size);
		EXPECT_EQ(perf.head->data_head, head.size);
		uev_perf_close(&perf);
	}
}

/* Nor does a smaller record have the size overflow, beside a stack that is large. */
TEST_F(uev, record_beside_a_large_stack)
{
	int index = uev_reg_index(self->fd, self->value, "pf_stack u32 n");
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.sample_period = 1,
		.sample_type = UEV_SAMPLE_TYPE | PERF_SAMPLE_STACK_USER |
			       PERF_SAMPLE_REGS_INTR,
		.sample_regs_intr = 3,
		.sample_stack_user = 60000,
	};
	struct perf_event_header head;
	struct uev_perf perf;
	int fd;

	ASSERT_LE(0, index);
	uev_stay_on_cpu(0);
	attr.config = uev_event_id("pf_stack");
	fd = perf_open(&attr);
	if (fd < 0)
		SKIP(return, "no samples of stacks and registers");
	ASSERT_OK(uev_perf_map(&perf, fd));
	EXPECT_ERR(EMSGSIZE, emit_sized(self->fd, index, 1, 8000));
	EXPECT_EQ(perf.head->data_head, 0);
	EXPECT_EQ(4004, emit_sized(self->fd, index, 2, 4000));
	uev_ring_copy(&perf, &head, 0, sizeof(head));
	EXPECT_EQ(PERF_RECORD_SAMPLE, head.type);
	EXPECT_LT(4000, head.size);
	EXPECT_EQ(perf.head->data_head, head.size);
	uev_perf_close(&perf);
}

/* A record too large for ftrace still reaches perf. */
TEST_F(uev, too_large_for_ftrace_only)
{
	int index = uev_reg_index(self->fd, self->value, "pf_both u32 n");
	size_t room = 8 * uev_page_size();
	struct uev_perf perf;
	int ftrace_largest;
	char *shown, *missing;

	ASSERT_LE(0, index);
	ASSERT_OK(uev_enable("pf_both", true));
	ftrace_largest = uev_largest_payload(self->fd, index, zeroes, 16384);
	ASSERT_LT(3900, ftrace_largest);
	ASSERT_GT(8000, ftrace_largest);
	uev_trace_clear();
	ASSERT_OK(attach(&perf, "pf_both"));

	ASSERT_EQ(ftrace_largest + 4,
		  emit_sized(self->fd, index, 1, ftrace_largest));
	ASSERT_ERR(EMSGSIZE, emit_sized(self->fd, index, 2, ftrace_largest + 1));
	ASSERT_ERR(EMSGSIZE, emit_sized(self->fd, index, 3, 16000));

	shown = uev_trace_of("trace", "pf_both");
	EXPECT_STREQ("n=1\n", shown);
	free(shown);
	ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
	EXPECT_EQ(1, uev_sample_u32(&sample));
	ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
	EXPECT_EQ(2, uev_sample_u32(&sample));
	EXPECT_EQ(padded(8 + ftrace_largest + 1), sample.raw_size);
	ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
	EXPECT_TRUE(is_whole(&sample, 3, 16000));
	EXPECT_FALSE(uev_perf_next(&perf, &sample, NULL));

	/* Also when its pages have to be brought in for perf */
	missing = mmap(NULL, room, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, missing);
	ASSERT_ERR(EMSGSIZE, uev_emit(self->fd, index, missing,
				      ftrace_largest + 1));
	shown = uev_trace_of("trace", "pf_both");
	EXPECT_STREQ("n=1\n", shown);
	free(shown);
	ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
	EXPECT_EQ(padded(8 + ftrace_largest + 1), sample.raw_size);
	EXPECT_FALSE(uev_perf_next(&perf, &sample, NULL));
	munmap(missing, room);
	uev_perf_close(&perf);
}

/* A payload of which a part cannot be read: nothing of it arrives. */
TEST_F(uev, whole_or_nothing)
{
	size_t page = uev_page_size();
	int index = uev_reg_index(self->fd, self->value,
				  "pf_whole u32 n;char[1000] text");
	struct uev_perf perf;
	char *area = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int before, round;
	char *shown;

	ASSERT_LE(0, index);
	ASSERT_OK(attach(&perf, "pf_whole"));
	ASSERT_EQ(0, mprotect(area + page, page, PROT_NONE));
	/* With perf alone, and with ftrace as well */
	for (round = 0; round < 2; round++) {
		for (before = 0; before < 1004; before += 67) {
			ASSERT_ERR(EFAULT, uev_emit(self->fd, index,
						    area + page - before, 1004));
		}
		EXPECT_FALSE(uev_perf_next(&perf, &sample, NULL));
		shown = uev_trace_of("trace", "pf_whole");
		EXPECT_STREQ("", shown);
		free(shown);
		ASSERT_OK(uev_enable("pf_whole", true));
	}
	/* A page that is only missing is fetched. */
	for (round = 0; round < 10; round++) {
		ASSERT_OK(uev_enable("pf_whole", round & 1));
		ASSERT_EQ(0, mprotect(area + page, page,
				      PROT_READ | PROT_WRITE));
		ASSERT_EQ(0, madvise(area, 2 * page, MADV_DONTNEED));
		ASSERT_EQ(1008, uev_emit(self->fd, index, area + page - 500,
					 1004));
		ASSERT_TRUE(uev_perf_next(&perf, &sample, NULL));
		EXPECT_EQ(padded(8 + 1004), sample.raw_size);
		EXPECT_FALSE(uev_perf_next(&perf, &sample, NULL));
	}
	uev_perf_close(&perf);
	munmap(area, 2 * page);
}

TEST_F(uev, holds_the_event)
{
	struct uev_perf perf;

	ASSERT_OK(uev_dynamic("u:pf_hold u32 n"));
	ASSERT_OK(attach(&perf, "pf_hold"));
	EXPECT_ERR(EBUSY, uev_delete(self->fd, "pf_hold"));
	uev_perf_close(&perf);
	EXPECT_OK(uev_delete(self->fd, "pf_hold"));
	EXPECT_FALSE(uev_event_exists("pf_hold"));
}

/* The last munmap() of the ring may free a perf event that is closed already. */
TEST_F(uev, unmapped_after_it_was_closed)
{
	int round, index = uev_reg_index(self->fd, self->value, "pf_late u32 n");
	struct uev_perf perf;

	ASSERT_LE(0, index);
	for (round = 0; round < 20; round++) {
		ASSERT_OK(attach(&perf, "pf_late"));
		ASSERT_BECOMES(1, *self->value);
		close(perf.fd);
		ASSERT_EQ(1, emit_sized(self->fd, index, 1, 4) == 8 ||
			  BECOMES(0, *self->value));
		munmap(perf.head, uev_page_size() + UEV_RING_SIZE);
		ASSERT_BECOMES(0, *self->value);
	}
}

TEST_HARNESS_MAIN
