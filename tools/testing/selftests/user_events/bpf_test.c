// SPDX-License-Identifier: GPL-2.0
/*
 * BPF programs of type TRACEPOINT, attached through perf: they run for each
 * record, read its fields, and cannot read past its end. Programs are spelled
 * out in instructions, so that no compiler for BPF is needed.
 */
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/bpf.h>

#include "uev_harness.h"
#include "uev_perf.h"

#define FIRST_FIELD	8

#define INSN(c, d, s, o, i)						\
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s),	\
			    .off = (o), .imm = (i) })
#define MOV_REG(d, s)	INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOV_IMM(d, i)	INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD_IMM(d, i)	INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define LOAD(size, d, s, o)						\
	INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, s, o)						\
	INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define STORE_IMM(size, d, o, i)					\
	INSN(BPF_ST | BPF_MEM | (size), d, 0, o, i)
#define CALL(function)	INSN(BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define JUMP_IF_0(d, o)	INSN(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, 0)
#define LEAVE		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define MAP_FD(d, fd)							\
	INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, fd),	\
	INSN(0, 0, 0, 0, 0)

/* What a program leaves in its map */
struct seen {
	__u64 runs;
	__u64 field;
};

static int bpf(int cmd, union bpf_attr *attr)
{
	int ret = syscall(__NR_bpf, cmd, attr, sizeof(*attr));

	return ret < 0 ? -errno : ret;
}

static int create_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = sizeof(struct seen),
		.max_entries = 1,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

static struct seen read_map(int map)
{
	struct seen seen = { ~0ULL, ~0ULL };
	__u32 key = 0;
	union bpf_attr attr = {
		.map_fd = map,
		.key = (uintptr_t)&key,
		.value = (uintptr_t)&seen,
	};

	bpf(BPF_MAP_LOOKUP_ELEM, &attr);
	return seen;
}

static char verifier_log[65536];

static int load(const struct bpf_insn *insns, int count)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_TRACEPOINT,
		.insns = (uintptr_t)insns,
		.insn_cnt = count,
		.license = (uintptr_t)"GPL",
		.log_buf = (uintptr_t)verifier_log,
		.log_size = sizeof(verifier_log),
		.log_level = 1,
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

/*
 * A program that counts its runs and returns @result. If @size (one of BPF_B to
 * BPF_DW) is not negative, it also stores what it loads at @offset of the record.
 */
static int load_counter(int map, int size, int offset, int result)
{
	struct bpf_insn insns[] = {
		MOV_REG(BPF_REG_6, BPF_REG_1),
		size < 0 ? MOV_IMM(BPF_REG_7, 0) :
			   LOAD(size, BPF_REG_7, BPF_REG_6, offset),
		STORE_IMM(BPF_W, BPF_REG_10, -4, 0),
		MOV_REG(BPF_REG_2, BPF_REG_10),
		ADD_IMM(BPF_REG_2, -4),
		MAP_FD(BPF_REG_1, map),
		CALL(BPF_FUNC_map_lookup_elem),
		JUMP_IF_0(BPF_REG_0, 4),
		LOAD(BPF_DW, BPF_REG_1, BPF_REG_0, 0),
		ADD_IMM(BPF_REG_1, 1),
		STORE(BPF_DW, BPF_REG_0, BPF_REG_1, 0),
		STORE(BPF_DW, BPF_REG_0, BPF_REG_7, 8),
		MOV_IMM(BPF_REG_0, result),
		LEAVE,
	};

	return load(insns, ARRAY_SIZE(insns));
}

FIXTURE(bpf) {
	int fd;
	__u32 *value;
	int map;
	int index;
};

FIXTURE_SETUP(bpf)
{
	uev_reset();
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	self->value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	self->map = create_map();
	self->index = uev_reg_index(self->fd, self->value,
				    "bpf_event u8 a;u32 b;u64 c;s16 d");
	ASSERT_LE(0, self->index);
}

FIXTURE_TEARDOWN(bpf)
{
	close(self->map);
	close(self->fd);
	uev_reset();
}

/* The payload of bpf_event: 15 bytes of fields, then data of no field */
struct record {
	__u8 a;
	__u32 b;
	__u64 c;
	__s16 d;
	char more[16];
} __packed;

static const struct record record = {
	0x81, 0x82838485, 0x8687888990919293ULL, -2, "more",
};

/* What a load at @offset of the record yields: the payload starts at 8 */
static __u64 load_of(const void *payload, int size, int offset)
{
	const void *at = payload + offset - 8;

	switch (size) {
	case BPF_B:
		return *(const __u8 *)at;
	case BPF_H:
		return *(const __u16 *)at;
	case BPF_W:
		return *(const __u32 *)at;
	default:
		return *(const __u64 *)at;
	}
}

/* A perf event of @event with @prog attached, on the CPU that this runs on */
static int attach(const char *event, int prog)
{
	int fd, ret;

	uev_stay_on_cpu(0);
	fd = uev_perf_open(uev_event_id(event), -1, 0, UEV_SAMPLE_TYPE);
	if (fd < 0)
		return fd;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog)) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

TEST_F(bpf, runs_for_each_record)
{
	int prog, perf, i;

	ASSERT_LE(0, self->map) TH_LOG("needs CONFIG_BPF_SYSCALL");
	prog = load_counter(self->map, -1, 0, 0);
	ASSERT_LE(0, prog) TH_LOG("%s", verifier_log);
	perf = attach("bpf_event", prog);
	ASSERT_LE(0, perf);
	ASSERT_BECOMES(1, *self->value);
	for (i = 1; i <= 100; i++) {
		ASSERT_EQ(4 + sizeof(record), uev_emit(self->fd, self->index,
						       &record, sizeof(record)));
		ASSERT_EQ(i, read_map(self->map).runs);
	}
	/* A write that is refused does not run the program. */
	EXPECT_ERR(EINVAL, uev_emit(self->fd, self->index, &record, 3));
	EXPECT_ERR(EFAULT, uev_emit(self->fd, self->index, (void *)8UL, 30));
	EXPECT_EQ(100, read_map(self->map).runs);
	close(perf);
	close(prog);
	ASSERT_BECOMES(0, *self->value);
	EXPECT_ERR(EBADF, uev_emit(self->fd, self->index, &record,
				   sizeof(record)));
	EXPECT_EQ(100, read_map(self->map).runs);
}

/* perf gets records of the CPU it is attached to, a program those of all CPUs. */
TEST_F(bpf, runs_on_every_cpu)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), prog, perf, cpu;

	ASSERT_LE(0, self->map) TH_LOG("needs CONFIG_BPF_SYSCALL");
	prog = load_counter(self->map, -1, 0, 0);
	ASSERT_LE(0, prog) TH_LOG("%s", verifier_log);
	perf = attach("bpf_event", prog);
	ASSERT_LE(0, perf);
	for (cpu = 0; cpu < cpus; cpu++) {
		uev_stay_on_cpu(cpu);
		ASSERT_EQ(4 + sizeof(record), uev_emit(self->fd, self->index,
						       &record, sizeof(record)));
		EXPECT_EQ(cpu + 1, read_map(self->map).runs)
			TH_LOG("CPU %d", cpu);
	}
	close(perf);
	close(prog);
}

TEST_F(bpf, reads_every_field)
{
	static const struct {
		int size, offset;
	} fields[] = {
		{ BPF_B, 8 }, { BPF_B, 9 }, { BPF_B, 21 }, { BPF_B, 22 },
	};
	int prog, perf;
	size_t i;

	ASSERT_LE(0, self->map) TH_LOG("needs CONFIG_BPF_SYSCALL");
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		prog = load_counter(self->map, fields[i].size, fields[i].offset,
				    0);
		ASSERT_LE(0, prog) TH_LOG("%s", verifier_log);
		perf = attach("bpf_event", prog);
		ASSERT_LE(0, perf) TH_LOG("offset %d", fields[i].offset);
		ASSERT_EQ(4 + sizeof(record), uev_emit(self->fd, self->index,
						       &record, sizeof(record)));
		EXPECT_EQ(load_of(&record, fields[i].size, fields[i].offset),
			  read_map(self->map).field)
			TH_LOG("offset %d", fields[i].offset);
		close(perf);
		close(prog);
	}
}

/* The verifier may insist on aligned loads: here all fields are aligned. */
TEST_F(bpf, reads_aligned_fields)
{
	static const struct {
		int size, offset;
	} fields[] = {
		{ BPF_DW, 8 }, { BPF_W, 16 }, { BPF_H, 20 }, { BPF_H, 22 },
		{ BPF_DW, 16 },
	};
	struct {
		__u64 a;
		__u32 b;
		__u16 c, d;
	} payload = { 0x1112131415161718ULL, 0x21222324, 0x3132, 0x4142 };
	int index, prog, perf;
	size_t i;

	ASSERT_LE(0, self->map) TH_LOG("needs CONFIG_BPF_SYSCALL");
	index = uev_reg_index(self->fd, self->value + 1,
			      "bpf_aligned u64 a;u32 b;u16 c;u16 d");
	ASSERT_LE(0, index);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		prog = load_counter(self->map, fields[i].size, fields[i].offset,
				    0);
		ASSERT_LE(0, prog) TH_LOG("%s", verifier_log);
		perf = attach("bpf_aligned", prog);
		ASSERT_LE(0, perf) TH_LOG("offset %d", fields[i].offset);
		ASSERT_EQ(20, uev_emit(self->fd, index, &payload,
				       sizeof(payload)));
		EXPECT_EQ(load_of(&payload, fields[i].size, fields[i].offset),
			  read_map(self->map).field)
			TH_LOG("offset %d", fields[i].offset);
		close(perf);
		close(prog);
	}
}

/*
 * A record of the event may be no longer than its fields: a program that reads
 * beyond them is refused, at the latest when it is attached.
 */
static int try_to_read(const char *event, int map, int size, int offset)
{
	int prog = load_counter(map, size, offset, 0), perf;

	if (prog < 0)
		return prog;
	perf = attach(event, prog);
	close(prog);
	if (perf < 0)
		return perf;
	close(perf);
	return 0;
}

TEST_F(bpf, cannot_read_past_the_fields)
{
	static const int offsets[] = { 8, 9, 21, 22, 23, 24, 31, 32, 63, 4095 };
	size_t i;

	ASSERT_LE(0, self->map) TH_LOG("needs CONFIG_BPF_SYSCALL");
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		EXPECT_EQ(offsets[i] < FIRST_FIELD + 15 ? 0 : -EACCES,
			  try_to_read("bpf_event", self->map, BPF_B, offsets[i]))
			TH_LOG("byte %d", offsets[i]);
	}
	EXPECT_ERR(EACCES, try_to_read("bpf_event", self->map, BPF_DW, 16));
	EXPECT_ERR(EACCES, try_to_read("bpf_event", self->map, BPF_H, 22));
	/* The program sees a kernel pointer instead of the first common fields. */
	EXPECT_ERR(EACCES, try_to_read("bpf_event", self->map, BPF_DW, 0));
	EXPECT_EQ(uev_kernel_is_64() ? -EACCES : 0,
		  try_to_read("bpf_event", self->map, BPF_W, 4));
	/* None of these attempts holds the event any more. */
	ASSERT_OK(uev_unreg(self->fd, self->value, 0));
	close(self->fd);
	self->fd = uev_open();
	EXPECT_TRUE(uev_wait_for(!uev_alive("bpf_event")));
}

TEST_F(bpf, event_without_fields)
{
	int index, prog, perf, off;

	ASSERT_LE(0, self->map) TH_LOG("needs CONFIG_BPF_SYSCALL");
	index = uev_reg_index(self->fd, self->value + 1, "bpf_empty");
	ASSERT_LE(0, index);
	for (off = FIRST_FIELD; off < 100; off *= 2) {
		EXPECT_ERR(EACCES, try_to_read("bpf_empty", self->map, BPF_W,
					       off)) TH_LOG("offset %d", off);
		EXPECT_ERR(EACCES, try_to_read("bpf_empty", self->map, BPF_B,
					       off)) TH_LOG("offset %d", off);
	}
	/* A program that reads nothing is accepted. */
	prog = load_counter(self->map, -1, 0, 0);
	ASSERT_LE(0, prog) TH_LOG("%s", verifier_log);
	perf = attach("bpf_empty", prog);
	ASSERT_LE(0, perf);
	ASSERT_BECOMES(1, self->value[1]);
	ASSERT_EQ(4, uev_emit(self->fd, index, NULL, 0));
	ASSERT_EQ(8, uev_emit(self->fd, index, "more", 4));
	EXPECT_EQ(2, read_map(self->map).runs);
	close(perf);
	close(prog);
	ASSERT_BECOMES(0, self->value[1]);
}

static struct uev_sample sample;

/* The program's return value decides whether perf gets the record as well. */
TEST_F(bpf, decides_about_samples)
{
	struct uev_perf perf;
	int result, prog, fd;

	ASSERT_LE(0, self->map) TH_LOG("needs CONFIG_BPF_SYSCALL");
	for (result = 0; result < 2; result++) {
		prog = load_counter(self->map, -1, 0, result);
		ASSERT_LE(0, prog) TH_LOG("%s", verifier_log);
		fd = attach("bpf_event", prog);
		ASSERT_LE(0, fd);
		ASSERT_OK(uev_perf_map(&perf, fd));
		ASSERT_EQ(4 + sizeof(record), uev_emit(self->fd, self->index,
						       &record, sizeof(record)));
		EXPECT_EQ(1 + result, read_map(self->map).runs);
		EXPECT_EQ(result, uev_perf_next(&perf, &sample, NULL));
		if (result) {
			EXPECT_EQ(0, memcmp(sample.raw + FIRST_FIELD, &record,
					    sizeof(record)));
		}
		uev_perf_close(&perf);
		close(prog);
	}
}

/* Two programs, ftrace, and perf without a program: each gets the record. */
TEST_F(bpf, beside_other_listeners)
{
	int other_map = create_map(), prog, other_prog, bpf_fd, other_fd;
	struct uev_perf perf;
	char *shown;

	ASSERT_LE(0, self->map) TH_LOG("needs CONFIG_BPF_SYSCALL");
	ASSERT_LE(0, other_map);
	prog = load_counter(self->map, -1, 0, 1);
	other_prog = load_counter(other_map, BPF_B, 8, 1);
	ASSERT_LE(0, prog);
	ASSERT_LE(0, other_prog);
	ASSERT_OK(uev_enable("bpf_event", true));
	bpf_fd = attach("bpf_event", prog);
	ASSERT_LE(0, bpf_fd);
	other_fd = attach("bpf_event", other_prog);
	ASSERT_LE(0, other_fd);
	ASSERT_OK(uev_perf_map(&perf, uev_perf_open(uev_event_id("bpf_event"),
						    -1, 0, UEV_SAMPLE_TYPE)));
	ASSERT_EQ(4 + sizeof(record), uev_emit(self->fd, self->index, &record,
					       sizeof(record)));
	EXPECT_EQ(1, read_map(self->map).runs);
	EXPECT_EQ(1, read_map(other_map).runs);
	EXPECT_EQ(0x81, read_map(other_map).field);
	EXPECT_TRUE(uev_perf_next(&perf, &sample, NULL));
	EXPECT_FALSE(uev_perf_next(&perf, &sample, NULL));
	shown = uev_trace_of("trace", "bpf_event");
	EXPECT_EQ(1, uev_count(shown, "\n"));
	free(shown);

	/* Closing the one leaves the other attached. */
	close(bpf_fd);
	ASSERT_EQ(4 + sizeof(record), uev_emit(self->fd, self->index, &record,
					       sizeof(record)));
	EXPECT_EQ(1, read_map(self->map).runs);
	EXPECT_EQ(2, read_map(other_map).runs);
	close(other_fd);
	ASSERT_EQ(4 + sizeof(record), uev_emit(self->fd, self->index, &record,
					       sizeof(record)));
	EXPECT_EQ(2, read_map(other_map).runs);
	uev_perf_close(&perf);
	EXPECT_EQ(1, UEV_READ(*self->value));
	ASSERT_OK(uev_enable("bpf_event", false));
	ASSERT_BECOMES(0, *self->value);
	close(prog);
	close(other_prog);
	close(other_map);
}

TEST_F(bpf, holds_the_event)
{
	int prog, perf;

	ASSERT_LE(0, self->map) TH_LOG("needs CONFIG_BPF_SYSCALL");
	prog = load_counter(self->map, -1, 0, 0);
	ASSERT_LE(0, prog);
	perf = attach("bpf_event", prog);
	ASSERT_LE(0, perf);
	ASSERT_OK(uev_unreg(self->fd, self->value, 0));
	close(self->fd);
	self->fd = uev_open();
	EXPECT_ERR(EBUSY, uev_delete(self->fd, "bpf_event"));
	EXPECT_TRUE(uev_event_exists("bpf_event"));
	close(prog);
	EXPECT_ERR(EBUSY, uev_delete(self->fd, "bpf_event"));
	close(perf);
	EXPECT_TRUE(uev_wait_for(!uev_event_exists("bpf_event")));
}

/* A record too large for perf is too large for its programs. */
TEST_F(bpf, record_that_does_not_fit)
{
	static char payload[70000];
	int prog, perf;

	ASSERT_LE(0, self->map) TH_LOG("needs CONFIG_BPF_SYSCALL");
	prog = load_counter(self->map, -1, 0, 0);
	ASSERT_LE(0, prog);
	perf = attach("bpf_event", prog);
	ASSERT_LE(0, perf);
	EXPECT_ERR(EMSGSIZE, uev_emit(self->fd, self->index, payload,
				      sizeof(payload)));
	EXPECT_EQ(0, read_map(self->map).runs);
	EXPECT_EQ(8004, uev_emit(self->fd, self->index, payload, 8000));
	EXPECT_EQ(1, read_map(self->map).runs);
	close(perf);
	close(prog);
}

/* The largest payload of a record that perf takes */
#define LARGEST		(65536 - 1024 - 12)

/* Keeps @size bytes of the record in the map, which has one value of 64 KiB */
static int load_copier(int map, int size)
{
	struct bpf_insn insns[] = {
		MOV_REG(BPF_REG_6, BPF_REG_1),
		STORE_IMM(BPF_W, BPF_REG_10, -4, 0),
		MOV_REG(BPF_REG_2, BPF_REG_10),
		ADD_IMM(BPF_REG_2, -4),
		MAP_FD(BPF_REG_1, map),
		CALL(BPF_FUNC_map_lookup_elem),
		JUMP_IF_0(BPF_REG_0, 4),
		MOV_REG(BPF_REG_1, BPF_REG_0),
		MOV_IMM(BPF_REG_2, size),
		MOV_REG(BPF_REG_3, BPF_REG_6),
		CALL(BPF_FUNC_probe_read_kernel),
		MOV_IMM(BPF_REG_0, 0),
		LEAVE,
	};

	return load(insns, ARRAY_SIZE(insns));
}

TEST_F(bpf, largest_record)
{
	union bpf_attr create = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = 65536,
		.max_entries = 1,
	};
	static char payload[LARGEST + 1], copy[65536];
	union bpf_attr lookup = { .value = (uintptr_t)copy };
	int index, map, prog, perf, i;
	__u32 key = 0;

	index = uev_reg_index(self->fd, self->value + 1, "bpf_large u32 n");
	ASSERT_LE(0, index);
	map = bpf(BPF_MAP_CREATE, &create);
	ASSERT_LE(0, map);
	prog = load_copier(map, 8 + LARGEST);
	ASSERT_LE(0, prog) TH_LOG("%s", verifier_log);
	perf = attach("bpf_large", prog);
	ASSERT_LE(0, perf);
	ASSERT_BECOMES(1, self->value[1]);

	for (i = 0; i < LARGEST + 1; i++)
		payload[i] = i * 7 + i / 256;
	ASSERT_ERR(EMSGSIZE, uev_emit(self->fd, index, payload, LARGEST + 1));
	lookup.map_fd = map;
	lookup.key = (uintptr_t)&key;
	ASSERT_OK(bpf(BPF_MAP_LOOKUP_ELEM, &lookup));
	for (i = 0; i < (int)sizeof(copy); i++)
		ASSERT_EQ(0, copy[i]);

	ASSERT_EQ(4 + LARGEST, uev_emit(self->fd, index, payload, LARGEST));
	ASSERT_OK(bpf(BPF_MAP_LOOKUP_ELEM, &lookup));
	EXPECT_EQ(0, memcmp(payload, copy + 8, LARGEST));
	close(perf);
	close(prog);
	close(map);
}

#define LARGE_VALUE	(1 << 20)

/* Copies the value of a map without end; the kernel runs no program on its CPU meanwhile */
static int looks_into_a_map(void *arg)
{
	char *value = malloc(LARGE_VALUE);
	__u32 key = 0;
	union bpf_attr attr = {
		.map_fd = *(int *)arg,
		.key = (uintptr_t)&key,
		.value = (uintptr_t)value,
	};

	uev_stay_on_cpu(0);
	while (!bpf(BPF_MAP_LOOKUP_ELEM, &attr))
		;
	return 1;
}

/* What user_events_losses has of bpf_event under full */
static long lost_when_full(void)
{
	char *text = uev_get("user_events_losses");
	char *at = strstr(text, "bpf_event full=");
	long full = 0;

	if (at)
		sscanf(at, "bpf_event full=%ld", &full);
	free(text);
	return full;
}

/* A program that the kernel does not run, as another one is under way, is a loss. */
TEST_F(bpf, preempts_a_task_that_looks_into_a_map)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = LARGE_VALUE,
		.max_entries = 1,
	};
	const int sizes[] = { sizeof(record), 9000 }, rounds = 300;
	struct sched_param first = { .sched_priority = 1 };
	int large = bpf(BPF_MAP_CREATE, &attr), prog, perf, i, size;
	__u64 runs = 0;
	char *payload;
	pid_t pid;

	ASSERT_LE(0, large);
	payload = calloc(1, sizes[1]);
	prog = load_counter(self->map, -1, 0, 0);
	ASSERT_LE(0, prog) TH_LOG("%s", verifier_log);
	perf = attach("bpf_event", prog);
	ASSERT_LE(0, perf);
	ASSERT_BECOMES(1, *self->value);
	pid = uev_fork(looks_into_a_map, &large);
	ASSERT_OK(sched_setscheduler(0, SCHED_FIFO, &first));
	for (size = 0; size < (int)ARRAY_SIZE(sizes); size++) {
		for (i = 0; i < rounds; i++) {
			usleep(1000);
			EXPECT_EQ(4 + sizes[size], uev_emit(self->fd, self->index, payload,
							    sizes[size]));
		}
		runs = read_map(self->map).runs;
		TH_LOG("%d bytes: %llu runs, %ld lost", sizes[size],
		       (unsigned long long)runs, lost_when_full());
		EXPECT_EQ((size + 1) * rounds, runs + lost_when_full());
	}
	first.sched_priority = 0;
	sched_setscheduler(0, SCHED_OTHER, &first);
	kill(pid, SIGKILL);
	uev_join(pid);
	free(payload);
	close(perf);
	close(prog);
	close(large);
}

TEST_HARNESS_MAIN
