// SPDX-License-Identifier: GPL-2.0
/*
 * BPF programs written in C and handled by libbpf, as applications do: loaded
 * from an object file, attached the perf way (an ioctl of the perf event) and
 * by a BPF link, which outlives the perf event's descriptor.
 */
#include <pthread.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/perf_event.h>
#include <linux/types.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "uev_harness.h"
#include "uev_perf.h"
#include "consumer_libbpf.h"

#define EVERY "lb_every s8 a;u8 b;s16 c;u16 d;s32 e;u32 f;s64 g;u64 h;" \
	"char[7] i;__data_loc char[] j;__rel_loc char[] k"
#define FIRST_FIELD 8

struct every_payload {
	__s8 a;
	__u8 b;
	__s16 c;
	__u16 d;
	__s32 e;
	__u32 f;
	__s64 g;
	__u64 h;
	char fixed[EVERY_FIXED];
	__u32 data_loc;
	__u32 rel_loc;
	char data[5];
	char rel[9];
} __attribute__((packed));

static const struct every_payload every = {
	.a = -2, .b = 250, .c = -30000, .d = 60000, .e = -2000000000,
	.f = 4000000000U, .g = -5000000000LL, .h = 0x8000000000000001ULL,
	.fixed = "fixed!",
	.data_loc = DYN_LOC(FIRST_FIELD + offsetof(struct every_payload, data), 5),
	.rel_loc = DYN_LOC(5, 9),
	.data = "data", .rel = "relative",
};

/* What libbpf said */
static char said[4096];

static int keep(enum libbpf_print_level level, const char *format, va_list args)
{
	size_t len = strlen(said);

	/* Of a long log the end is worth keeping */
	if (len > sizeof(said) / 2)
		len = 0;
	if (level != LIBBPF_DEBUG)
		vsnprintf(said + len, sizeof(said) - len, format, args);
	return 0;
}

FIXTURE(libbpf) {
	int fd;
	__u32 *value;
	struct bpf_object *object;
	int counters, fields;
};

FIXTURE_SETUP(libbpf)
{
	char path[512], *slash;
	ssize_t len;

	uev_reset();
	said[0] = '\0';
	libbpf_set_print(keep);
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	self->value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* The object lies beside this program. */
	len = readlink("/proc/self/exe", path, sizeof(path) - 32);
	ASSERT_LT(0, len);
	path[len] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash + 1, 32, "%s", "consumer_libbpf.bpf.o");
	self->object = bpf_object__open(path);
	ASSERT_NE(NULL, self->object) TH_LOG("%s: %s", path, said);
	ASSERT_OK(bpf_object__load(self->object)) TH_LOG("%s", said);
	self->counters = bpf_object__find_map_fd_by_name(self->object, "counters");
	self->fields = bpf_object__find_map_fd_by_name(self->object, "fields");
}

FIXTURE_TEARDOWN(libbpf)
{
	bpf_object__close(self->object);
	close(self->fd);
	uev_reset();
}

static __u64 counted(int map, __u32 which)
{
	__u64 count = ~0ULL;

	bpf_map_lookup_elem(map, &which, &count);
	return count;
}

static struct bpf_program *program(struct bpf_object *object, const char *name)
{
	return bpf_object__find_program_by_name(object, name);
}

/* Attaches to all CPUs and all tasks, which is libbpf's default */
static struct bpf_link *attach_link(struct bpf_object *object, const char *name,
				    const char *event)
{
	return bpf_program__attach_tracepoint(program(object, name),
					      USER_EVENTS_SYSTEM, event);
}

static int attach_perf(struct bpf_object *object, const char *name,
		       const char *event)
{
	int fd = uev_perf_open(uev_event_id(event), -1, 0, UEV_SAMPLE_TYPE);

	if (fd >= 0 && ioctl(fd, PERF_EVENT_IOC_SET_BPF,
			     bpf_program__fd(program(object, name)))) {
		close(fd);
		return -errno;
	}
	return fd;
}

static void expect_every_field(struct __test_metadata *_metadata, int map)
{
	struct fields_seen seen = {};
	__u32 zero = 0;

	ASSERT_OK(bpf_map_lookup_elem(map, &zero, &seen));
	EXPECT_EQ(every.a, seen.a);
	EXPECT_EQ(every.b, seen.b);
	EXPECT_EQ(every.c, seen.c);
	EXPECT_EQ(every.d, seen.d);
	EXPECT_EQ(every.e, seen.e);
	EXPECT_EQ(every.f, seen.f);
	EXPECT_EQ(every.g, seen.g);
	EXPECT_EQ(every.h, seen.h);
	EXPECT_STREQ(every.fixed, seen.fixed);
	EXPECT_STREQ(every.data, seen.data);
	EXPECT_STREQ(every.rel, seen.rel);
}

TEST_F(libbpf, link_reads_every_field)
{
	int index = uev_reg_index(self->fd, self->value, EVERY);
	struct bpf_link *link;

	ASSERT_LE(0, index);
	link = attach_link(self->object, "read_every_field", "lb_every");
	ASSERT_NE(NULL, link) TH_LOG("%s", said);
	ASSERT_BECOMES(1, *self->value);
	ASSERT_EQ(4 + sizeof(every), uev_emit(self->fd, index, &every,
					      sizeof(every)));
	EXPECT_EQ(1, counted(self->counters, COUNT_EVERY));
	expect_every_field(_metadata, self->fields);
	ASSERT_OK(bpf_link__destroy(link));
	ASSERT_BECOMES(0, *self->value);
	EXPECT_ERR(EBADF, uev_emit(self->fd, index, &every, sizeof(every)));
	EXPECT_EQ(1, counted(self->counters, COUNT_EVERY));
}

TEST_F(libbpf, perf_event_reads_every_field)
{
	int index = uev_reg_index(self->fd, self->value, EVERY), perf;

	ASSERT_LE(0, index);
	uev_stay_on_cpu(0);
	perf = attach_perf(self->object, "read_every_field", "lb_every");
	ASSERT_LE(0, perf);
	ASSERT_BECOMES(1, *self->value);
	ASSERT_EQ(4 + sizeof(every), uev_emit(self->fd, index, &every,
					      sizeof(every)));
	EXPECT_EQ(1, counted(self->counters, COUNT_EVERY));
	expect_every_field(_metadata, self->fields);
	close(perf);
	ASSERT_BECOMES(0, *self->value);
}

TEST_F(libbpf, several_programs_on_one_event)
{
	int index = uev_reg_index(self->fd, self->value, EVERY), i;
	struct bpf_link *links[3];
	static const char * const names[] = {
		"count_first", "count_second", "read_every_field",
	};

	ASSERT_LE(0, index);
	for (i = 0; i < 3; i++) {
		links[i] = attach_link(self->object, names[i], "lb_every");
		ASSERT_NE(NULL, links[i]) TH_LOG("%s", said);
	}
	for (i = 0; i < 50; i++)
		ASSERT_EQ(4 + sizeof(every), uev_emit(self->fd, index, &every,
						      sizeof(every)));
	EXPECT_EQ(50, counted(self->counters, COUNT_FIRST));
	EXPECT_EQ(50, counted(self->counters, COUNT_SECOND));
	EXPECT_EQ(50, counted(self->counters, COUNT_EVERY));
	/* The bit is set until the last of them goes. */
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, UEV_READ(*self->value));
		ASSERT_EQ(4 + sizeof(every), uev_emit(self->fd, index, &every,
						      sizeof(every)));
		ASSERT_OK(bpf_link__destroy(links[i]));
	}
	ASSERT_BECOMES(0, *self->value);
	EXPECT_EQ(51, counted(self->counters, COUNT_FIRST));
	EXPECT_EQ(52, counted(self->counters, COUNT_SECOND));
	EXPECT_EQ(53, counted(self->counters, COUNT_EVERY));
}

TEST_F(libbpf, program_filters_perf)
{
	int index = uev_reg_index(self->fd, self->value, EVERY);
	static const struct {
		const char *program;
		int counter;
		bool passes;
	} cases[] = {
		{ "let_none_pass", COUNT_NONE, false },
		{ "count_first", COUNT_FIRST, true },
	};
	static struct uev_sample sample;
	struct uev_perf perf;
	size_t i;
	int fd;

	ASSERT_LE(0, index);
	uev_stay_on_cpu(0);
	for (i = 0; i < 2; i++) {
		fd = attach_perf(self->object, cases[i].program, "lb_every");
		ASSERT_LE(0, fd);
		ASSERT_OK(uev_perf_map(&perf, fd));
		ASSERT_EQ(4 + sizeof(every), uev_emit(self->fd, index, &every,
						      sizeof(every)));
		EXPECT_EQ(1, counted(self->counters, cases[i].counter));
		EXPECT_EQ(cases[i].passes, uev_perf_next(&perf, &sample, NULL));
		if (cases[i].passes)
			EXPECT_EQ(0, memcmp(sample.raw + FIRST_FIELD, &every,
					    sizeof(every)));
		uev_perf_close(&perf);
	}
}

TEST_F(libbpf, event_without_fields)
{
	int index = uev_reg_index(self->fd, self->value, "lb_none");
	struct bpf_link *link;

	ASSERT_LE(0, index);
	link = attach_link(self->object, "read_beyond", "lb_none");
	EXPECT_EQ(NULL, link);
	EXPECT_NE(NULL, strstr(said, "Permission denied")) TH_LOG("%s", said);
	link = attach_link(self->object, "count_first", "lb_none");
	ASSERT_NE(NULL, link) TH_LOG("%s", said);
	ASSERT_EQ(4, uev_emit(self->fd, index, NULL, 0));
	EXPECT_EQ(1, counted(self->counters, COUNT_FIRST));
	EXPECT_EQ(0, counted(self->counters, COUNT_BEYOND));
	ASSERT_OK(bpf_link__destroy(link));
	ASSERT_BECOMES(0, *self->value);
}

struct racer {
	int fd, index;
	bool stop;
	__u64 written, refused, failed;
};

#define NR_RACERS	4

/* Has each racer written a record? */
static bool each_wrote(struct racer *racers)
{
	int i;

	for (i = 0; i < NR_RACERS; i++) {
		if (!UEV_READ(racers[i].written))
			return false;
	}
	return true;
}

static __u64 sum_of_refused(struct racer *racers)
{
	__u64 sum = 0;
	int i;

	for (i = 0; i < NR_RACERS; i++)
		sum += UEV_READ(racers[i].refused);
	return sum;
}

static void *write_at_full_speed(void *arg)
{
	struct racer *racer = arg;
	int ret;

	while (!UEV_READ(racer->stop)) {
		ret = uev_emit(racer->fd, racer->index, &every, sizeof(every));
		if (ret == (int)(4 + sizeof(every)))
			UEV_WRITE(racer->written, racer->written + 1);
		else if (ret == -EBADF)
			UEV_WRITE(racer->refused, racer->refused + 1);
		else
			racer->failed++;
	}
	return NULL;
}

/*
 * One link is attached before the writers start and until they end: it counts
 * exactly what they wrote. Others attach, wait until they have counted a record,
 * and detach: on a busy host the writers may stand still for longer than it takes
 * to attach and detach.
 */
TEST_F(libbpf, attach_and_detach_race_with_writers)
{
	int index = uev_reg_index(self->fd, self->value, EVERY), i, round = 0;
	int perf;
	__u64 written = 0, before, end;
	struct racer racers[NR_RACERS];
	struct bpf_link *steady, *link;
	pthread_t threads[NR_RACERS];

	ASSERT_LE(0, index);
	steady = attach_link(self->object, "count_second", "lb_every");
	ASSERT_NE(NULL, steady) TH_LOG("%s", said);
	ASSERT_BECOMES(1, *self->value);
	for (i = 0; i < NR_RACERS; i++) {
		racers[i] = (struct racer){ .fd = self->fd, .index = index };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL,
					    write_at_full_speed, &racers[i]));
	}
	for (end = uev_now_ms() + 3000; uev_now_ms() < end || round < 3; round++) {
		before = counted(self->counters, COUNT_FIRST);
		link = attach_link(self->object, "count_first", "lb_every");
		ASSERT_NE(NULL, link) TH_LOG("%s", said);
		perf = attach_perf(self->object, "let_none_pass", "lb_every");
		ASSERT_LE(0, perf);
		ASSERT_EQ(1, UEV_READ(*self->value));
		ASSERT_TRUE(uev_wait_for(before < counted(self->counters, COUNT_FIRST)));
		ASSERT_OK(bpf_link__destroy(link));
		close(perf);
	}
	EXPECT_TRUE(uev_wait_for(each_wrote(racers)));
	for (i = 0; i < NR_RACERS; i++) {
		UEV_WRITE(racers[i].stop, true);
		pthread_join(threads[i], NULL);
		EXPECT_LT(0, racers[i].written);
		EXPECT_EQ(0, racers[i].refused);
		EXPECT_EQ(0, racers[i].failed);
		written += racers[i].written;
	}
	EXPECT_EQ(written, counted(self->counters, COUNT_SECOND));
	EXPECT_GE(written, counted(self->counters, COUNT_FIRST));
	EXPECT_LE(round, counted(self->counters, COUNT_FIRST));
	TH_LOG("%llu records, %d rounds", (unsigned long long)written, round);
	EXPECT_EQ(1, UEV_READ(*self->value));
	ASSERT_OK(bpf_link__destroy(steady));
	ASSERT_BECOMES(0, *self->value);
}

/* The bit follows the only listener while writers run at full speed. */
TEST_F(libbpf, bit_follows_attach_and_detach)
{
	int index = uev_reg_index(self->fd, self->value, EVERY), i;
	struct racer racers[NR_RACERS];
	pthread_t threads[NR_RACERS];
	__u64 written = 0, refused;
	struct bpf_link *link;
	int round;

	ASSERT_LE(0, index);
	for (i = 0; i < NR_RACERS; i++) {
		racers[i] = (struct racer){ .fd = self->fd, .index = index };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL,
					    write_at_full_speed, &racers[i]));
	}
	for (round = 0; round < 10; round++) {
		__u64 before = counted(self->counters, COUNT_FIRST);

		link = attach_link(self->object, "count_first", "lb_every");
		ASSERT_NE(NULL, link) TH_LOG("%s", said);
		ASSERT_BECOMES(1, *self->value);
		EXPECT_TRUE(uev_wait_for(counted(self->counters, COUNT_FIRST) >
					 before));
		ASSERT_OK(bpf_link__destroy(link));
		ASSERT_BECOMES(0, *self->value);
		refused = sum_of_refused(racers);
		EXPECT_TRUE(uev_wait_for(sum_of_refused(racers) > refused));
	}
	for (i = 0; i < NR_RACERS; i++) {
		UEV_WRITE(racers[i].stop, true);
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, racers[i].failed);
		written += racers[i].written;
	}
	EXPECT_GE(written, counted(self->counters, COUNT_FIRST));
}

TEST_HARNESS_MAIN
