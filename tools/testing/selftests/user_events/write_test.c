// SPDX-License-Identifier: GPL-2.0
/*
 * Writing records: what write() and writev() accept and refuse, whole or not at
 * all, whatever the memory they come from does meanwhile.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "uev_harness.h"
#include "uev_pager.h"

#define EVENT		"wr_event u32 n;u16 m;__rel_loc char[] s"
#define EVENT_NAME	"wr_event"

/* A record of EVENT as it is written, with room for a string. */
struct record {
	__u32 index;
	__u32 n;
	__u16 m;
	__u32 s;		/* offset from the end of this, and size */
	char text[64];
} __packed;

#define FIXED_SIZE	offsetof(struct record, text)

static struct record record_of(__u32 index, __u32 n, const char *text)
{
	size_t size = strlen(text) + 1;
	struct record r = { .index = index, .n = n, .m = 7,
			    .s = DYN_LOC(0, size) };

	memcpy(r.text, text, size);
	return r;
}

static size_t record_size(const struct record *r)
{
	return FIXED_SIZE + (r->s >> 16);
}

static int put(int fd, const void *data, size_t size)
{
	ssize_t ret = write(fd, data, size);

	return ret < 0 ? -errno : ret;
}

/* Records of the event in the trace, as text. */
#define ASSERT_TRACE(want) do {						\
	char *_shown = uev_trace_of("trace", EVENT_NAME);		\
									\
	ASSERT_STREQ(want, _shown);					\
	free(_shown);							\
} while (0)

FIXTURE(write) {
	int fd;
	__u32 *value;
	__u32 index;
	char *area;		/* three pages */
};

FIXTURE_SETUP(write)
{
	uev_reset();
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	self->area = mmap(NULL, 3 * uev_page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	self->value = uev_shared(uev_page_size());
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, &self->index));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
}

FIXTURE_TEARDOWN(write)
{
	munmap(self->area, 3 * uev_page_size());
	close(self->fd);
	uev_reset();
}

TEST_F(write, returns_what_was_written)
{
	struct record r = record_of(self->index, 42, "hello");

	EXPECT_EQ(record_size(&r), put(self->fd, &r, record_size(&r)));
	ASSERT_TRACE("n=42 m=7 s=hello\n");
	/* Data after the last field belongs to the record, and is no harm. */
	EXPECT_EQ(sizeof(r), put(self->fd, &r, sizeof(r)));
	ASSERT_TRACE("n=42 m=7 s=hello\nn=42 m=7 s=hello\n");
}

TEST_F(write, too_short_for_an_index)
{
	struct record r = record_of(self->index, 42, "hello");
	struct iovec parts[] = { { &r, 1 }, { &r, 2 } };
	struct iovec nothing[] = { { &r, 0 }, { NULL, 0 } };
	size_t size;

	for (size = 0; size < 4; size++) {
		EXPECT_ERR(EFAULT, put(self->fd, &r, size))
			TH_LOG("%zu bytes", size);
	}
	EXPECT_EQ(-1, writev(self->fd, parts, 2));
	EXPECT_EQ(EFAULT, errno);
	/* A writev() of nothing does not get as far as the file */
	EXPECT_EQ(0, writev(self->fd, nothing, 2));
	EXPECT_EQ(0, writev(self->fd, NULL, 0));
	ASSERT_TRACE("");
}

TEST_F(write, not_readable)
{
	size_t page = uev_page_size();
	struct record r = record_of(self->index, 42, "hello");
	struct iovec parts[] = { { &r, 6 }, { NULL, 20 } };
	char *edge = self->area + page;
	size_t size = record_size(&r), before;
	int i;

	EXPECT_ERR(EFAULT, put(self->fd, (void *)8UL, size));
	EXPECT_ERR(EFAULT, put(self->fd, (void *)-4096UL, size));
	ASSERT_EQ(0, munmap(edge, page));
	EXPECT_ERR(EFAULT, put(self->fd, edge, size));
	/* Cut off at each byte */
	for (before = 1; before < size; before++) {
		memcpy(edge - before, &r, before);
		EXPECT_ERR(EFAULT, put(self->fd, edge - before, size))
			TH_LOG("%zu bytes are there", before);
	}
	EXPECT_EQ(-1, writev(self->fd, parts, 2));
	EXPECT_EQ(EFAULT, errno);
	/* Nor is the index, in the first piece, in the second, or in both */
	for (i = 0; i <= 4; i += 2) {
		struct iovec index_parts[] = {
			{ edge - i, 4 }, { (char *)&r + 4, size - 4 },
		};

		memcpy(edge - i, &r, i);
		EXPECT_EQ(i < 4 ? -1 : (int)size,
			  writev(self->fd, index_parts, 2))
			TH_LOG("%d bytes of the index", i);
		if (i == 4)
			break;
		EXPECT_EQ(EFAULT, errno);
		index_parts[0].iov_len = 2;
		index_parts[1] = (struct iovec){ edge, size - 2 };
		EXPECT_EQ(-1, writev(self->fd, index_parts, 2));
		EXPECT_EQ(EFAULT, errno);
	}
	ASSERT_TRACE("n=42 m=7 s=hello\n");
}

TEST_F(write, index_of_nothing)
{
	static const __u32 negative[] = { -1, -2, 0x80000000, -4096 };
	struct record r = record_of(self->index, 42, "hello");
	int other = uev_open();
	size_t i;

	ASSERT_LE(0, other);
	for (i = 0; i < ARRAY_SIZE(negative); i++) {
		r.index = negative[i];
		EXPECT_ERR(EINVAL, put(self->fd, &r, record_size(&r)))
			TH_LOG("0x%x", negative[i]);
	}
	r.index = self->index + 1;
	EXPECT_ERR(ENOENT, put(self->fd, &r, record_size(&r)));
	r.index = 1 << 20;
	EXPECT_ERR(ENOENT, put(self->fd, &r, record_size(&r)));
	r.index = 0x7fffffff;
	EXPECT_ERR(ENOENT, put(self->fd, &r, record_size(&r)));
	/* Registered, but not through this file */
	r.index = self->index;
	EXPECT_ERR(ENOENT, put(other, &r, record_size(&r)));
	/* A file keeps its index when the address goes. */
	ASSERT_OK(uev_unreg(self->fd, self->value, 0));
	EXPECT_EQ(record_size(&r), put(self->fd, &r, record_size(&r)));
	ASSERT_TRACE("n=42 m=7 s=hello\n");
	close(other);
}

TEST_F(write, payload_too_short)
{
	struct record r = record_of(self->index, 42, "");
	size_t size;

	r.s = 0;
	for (size = 4; size < FIXED_SIZE; size++) {
		EXPECT_ERR(EINVAL, put(self->fd, &r, size))
			TH_LOG("%zu bytes", size);
	}
	ASSERT_TRACE("");
	EXPECT_EQ(FIXED_SIZE, put(self->fd, &r, FIXED_SIZE));
	ASSERT_TRACE("n=42 m=7 s=\n");
}

TEST_F(write, nobody_listens)
{
	struct record r = record_of(self->index, 42, "hello");

	ASSERT_OK(uev_enable(EVENT_NAME, false));
	EXPECT_ERR(EBADF, put(self->fd, &r, record_size(&r)));
	ASSERT_TRACE("");
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	EXPECT_EQ(record_size(&r), put(self->fd, &r, record_size(&r)));
	ASSERT_TRACE("n=42 m=7 s=hello\n");
}

/* A listener that wants records of another process alone does not look at this one. */
TEST_F(write, listener_is_for_another_process)
{
	struct record r = record_of(self->index, 42, "hello");
	char *edge = self->area + uev_page_size() - sizeof(r.index);
	size_t size = record_size(&r);
	char pid[16];
	int perf;

	r.s = DYN_LOC(0, 0xffffU);
	memcpy(edge, &r, sizeof(r.index));
	ASSERT_EQ(0, munmap(edge + sizeof(r.index), uev_page_size()));
	EXPECT_ERR(EFAULT, put(self->fd, &r, size));
	EXPECT_ERR(EFAULT, put(self->fd, edge, size));

	snprintf(pid, sizeof(pid), "%d", getppid());
	ASSERT_OK(uev_put("set_event_pid", pid));
	EXPECT_EQ(size, put(self->fd, &r, size));
	EXPECT_EQ(size, put(self->fd, edge, size));
	EXPECT_OK(uev_put("set_event_pid", ""));
	ASSERT_TRACE("");

	ASSERT_OK(uev_enable(EVENT_NAME, false));
	perf = uev_perf_open(uev_event_id(EVENT_NAME), getppid(), -1, 0);
	if (perf < 0)
		SKIP(return, "kernel without perf");
	EXPECT_EQ(size, put(self->fd, &r, size));
	EXPECT_EQ(size, put(self->fd, edge, size));
	close(perf);
	EXPECT_ERR(EBADF, put(self->fd, &r, size));
}

TEST_F(write, split_in_two)
{
	struct record r = record_of(self->index, 42, "split");
	size_t size = record_size(&r), at;

	for (at = 0; at <= size; at++) {
		struct iovec parts[] = {
			{ &r, at }, { (char *)&r + at, size - at },
		};

		ASSERT_EQ(size, writev(self->fd, parts, 2))
			TH_LOG("split at %zu", at);
		ASSERT_TRACE("n=42 m=7 s=split\n");
		uev_trace_clear();
	}
}

TEST_F(write, split_in_three)
{
	struct record r = record_of(self->index, 42, "s");
	size_t size = record_size(&r), one, two;

	/* Pieces that are not beside each other */
	for (one = 0; one <= size; one++) {
		for (two = one; two <= size; two++) {
			struct iovec parts[] = {
				{ self->area, one },
				{ self->area + 1000, two - one },
				{ self->area + 2000, size - two },
			};

			r.n = one * 100 + two;
			memcpy(self->area, &r, one);
			memcpy(self->area + 1000, (char *)&r + one, two - one);
			memcpy(self->area + 2000, (char *)&r + two, size - two);
			ASSERT_EQ(size, writev(self->fd, parts, 3))
				TH_LOG("split at %zu and %zu", one, two);
		}
	}
	for (one = 0; one <= size; one++) {
		char want[64], *shown = uev_trace_of("trace", EVENT_NAME);

		for (two = one; two <= size; two++) {
			sprintf(want, "n=%zu m=7 s=s", one * 100 + two);
			EXPECT_TRUE(uev_has_line(shown, want)) TH_LOG("%s", want);
		}
		free(shown);
	}
}

TEST_F(write, byte_by_byte)
{
	struct record r = record_of(self->index, 0x01020304, "byte by byte");
	struct iovec parts[sizeof(r)];
	size_t size = record_size(&r), i;

	for (i = 0; i < size; i++)
		parts[i] = (struct iovec){ (char *)&r + i, 1 };
	EXPECT_EQ(size, writev(self->fd, parts, size));
	ASSERT_TRACE("n=16909060 m=7 s=byte by byte\n");
}

TEST_F(write, rel_loc_is_checked)
{
	struct record r = record_of(self->index, 42, "12345");
	size_t size = FIXED_SIZE + 6, i;
	static const __u32 outside[] = {
		DYN_LOC(0, 7), DYN_LOC(6, 1), DYN_LOC(1, 6), DYN_LOC(100, 1),
		DYN_LOC(0, 0x7fff), DYN_LOC(0, 0xffff), DYN_LOC(0xffff, 1),
		DYN_LOC(0xffff, 0xffffU), DYN_LOC(0x8000, 0x8000U),
	};
	static const __u32 no_end[] = {
		DYN_LOC(0, 1), DYN_LOC(0, 5), DYN_LOC(1, 4), DYN_LOC(4, 1),
	};

	for (i = 0; i < ARRAY_SIZE(outside); i++) {
		r.s = outside[i];
		EXPECT_ERR(EFAULT, put(self->fd, &r, size))
			TH_LOG("0x%x", r.s);
	}
	for (i = 0; i < ARRAY_SIZE(no_end); i++) {
		r.s = no_end[i];
		EXPECT_ERR(EFAULT, put(self->fd, &r, size))
			TH_LOG("0x%x", r.s);
	}
	ASSERT_TRACE("");

	r.s = DYN_LOC(5, 1);
	EXPECT_EQ(size, put(self->fd, &r, size));
	r.s = DYN_LOC(0, 0);
	EXPECT_EQ(size, put(self->fd, &r, size));
	r.s = DYN_LOC(2, 4);
	EXPECT_EQ(size, put(self->fd, &r, size));
	/* Empty, whatever is before it */
	r.s = DYN_LOC(3, 0);
	EXPECT_EQ(size, put(self->fd, &r, size));
	r.s = DYN_LOC(6, 0);
	EXPECT_EQ(size, put(self->fd, &r, size));
	ASSERT_TRACE("n=42 m=7 s=\nn=42 m=7 s=\nn=42 m=7 s=345\n"
		     "n=42 m=7 s=\nn=42 m=7 s=\n");
}

TEST_F(write, data_loc_is_checked)
{
	struct {
		__u32 index, a, b;
		char text[8];
	} r;
	/* From the start of the record: 8 bytes of common fields, two fields */
	const unsigned int at = 16;
	size_t i;
	static const __u32 outside[] = {
		DYN_LOC(16, 9), DYN_LOC(24, 1), DYN_LOC(17, 8), DYN_LOC(1000, 1),
		DYN_LOC(0xffff, 0xffffU), DYN_LOC(16, 0xffffU),
	};
	__u32 index;
	char *shown;

	ASSERT_OK(uev_reg(self->fd, self->value, 1, 4, 0,
			  "wr_abs __data_loc char[] a;__data_loc char[] b",
			  &index));
	ASSERT_OK(uev_enable("wr_abs", true));
	r.index = index;
	memcpy(r.text, "abc\0xyz", 8);
	r.a = DYN_LOC(at, 4);
	for (i = 0; i < ARRAY_SIZE(outside); i++) {
		r.b = outside[i];
		EXPECT_ERR(EFAULT, put(self->fd, &r, sizeof(r)))
			TH_LOG("0x%x", r.b);
	}
	r.b = DYN_LOC(at, 3);
	EXPECT_ERR(EFAULT, put(self->fd, &r, sizeof(r)));
	r.b = DYN_LOC(at + 4, 4);
	EXPECT_EQ(sizeof(r), put(self->fd, &r, sizeof(r)));
	r.b = 0;
	EXPECT_EQ(sizeof(r), put(self->fd, &r, sizeof(r)));
	shown = uev_trace_of("trace", "wr_abs");
	EXPECT_STREQ("a=abc b=xyz\na=abc b=\n", shown);
	free(shown);
}

/* Numbers have no NUL at their end. */
TEST_F(write, dynamic_array_of_numbers)
{
	struct {
		__u32 index, a, data[3];
	} r = { .data = { 1, 0xffffffff, 0x80000001 } };
	char *shown;

	ASSERT_OK(uev_reg(self->fd, self->value, 1, 4, 0,
			  "wr_array __rel_loc u32[] a", &r.index));
	ASSERT_OK(uev_enable("wr_array", true));
	r.a = DYN_LOC(0, 12);
	EXPECT_EQ(sizeof(r), put(self->fd, &r, sizeof(r)));
	r.a = DYN_LOC(0, 13);
	EXPECT_ERR(EFAULT, put(self->fd, &r, sizeof(r)));
	r.a = DYN_LOC(4, 12);
	EXPECT_ERR(EFAULT, put(self->fd, &r, sizeof(r)));
	shown = uev_trace_of("trace", "wr_array");
	EXPECT_STREQ("a={0x1,0xffffffff,0x80000001}\n", shown);
	free(shown);
}

static void check_across_pages(struct __test_metadata *_metadata,
			       FIXTURE_DATA(write) *self)
{
	size_t page = uev_page_size();
	struct record r = record_of(self->index, 42, "straddle");
	size_t size = record_size(&r), before;
	char *edge = self->area + page;

	for (before = 1; before < size; before++) {
		memcpy(edge - before, &r, size);
		ASSERT_EQ(size, put(self->fd, edge - before, size));
		ASSERT_TRACE("n=42 m=7 s=straddle\n");

		/* Nobody may read the second page. */
		ASSERT_EQ(0, mprotect(edge, page, PROT_NONE));
		ASSERT_ERR(EFAULT, put(self->fd, edge - before, size));
		ASSERT_TRACE("n=42 m=7 s=straddle\n");

		/* The right to read is enough. */
		ASSERT_EQ(0, mprotect(edge, page, PROT_READ));
		ASSERT_EQ(size, put(self->fd, edge - before, size));
		ASSERT_EQ(0, mprotect(edge, page, PROT_READ | PROT_WRITE));
		uev_trace_clear();
	}
}

TEST_F(write, payload_across_pages)
{
	check_across_pages(_metadata, self);
	/* With a filter records take another way. */
	ASSERT_OK(uev_event_put(EVENT_NAME, "filter", "m == 7"));
	check_across_pages(_metadata, self);
	ASSERT_OK(uev_event_put(EVENT_NAME, "filter", "0"));
}

/* The second half is in a file, and not in memory. */
TEST_F(write, payload_that_is_not_there_yet)
{
	size_t page = uev_page_size();
	struct record r = record_of(self->index, 43, "not there");
	size_t size = record_size(&r), before;
	int file = memfd_create("uev", MFD_CLOEXEC);
	char *edge;

	ASSERT_EQ(0, ftruncate(file, 2 * page));
	edge = mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, file, 0);
	ASSERT_NE(MAP_FAILED, edge);
	edge += page;
	/* A mapping of its own: else it would be brought in with the index. */
	ASSERT_EQ(0, mprotect(edge, page, PROT_READ | PROT_WRITE));
	for (before = 1; before < size; before++) {
		ASSERT_EQ(size, pwrite(file, &r, size, page - before));
		ASSERT_EQ(0, madvise(edge - page, 2 * page, MADV_DONTNEED));
		ASSERT_EQ(size, put(self->fd, edge - before, size))
			TH_LOG("%zu bytes before the edge", before);
		ASSERT_TRACE("n=43 m=7 s=not there\n");
		uev_trace_clear();
	}
	/* Beyond the end of the file no page can be brought in. */
	ASSERT_EQ(size, pwrite(file, &r, size, page - 8));
	ASSERT_EQ(0, ftruncate(file, page));
	ASSERT_ERR(EFAULT, put(self->fd, edge - 8, size));
	ASSERT_TRACE("");
	close(file);
}

struct vanishing {
	char *page;
	bool stop;
	long rounds;
};

static void *vanish(void *arg)
{
	struct vanishing *v = arg;
	size_t size = uev_page_size();

	while (!UEV_READ(v->stop)) {
		mprotect(v->page, size, PROT_NONE);
		mprotect(v->page, size, PROT_READ | PROT_WRITE);
		UEV_WRITE(v->rounds, v->rounds + 1);
	}
	return NULL;
}

TEST_F(write, page_that_comes_and_goes)
{
	const int writes = uev_rounds(10000);
	size_t page = uev_page_size();
	char *edge = self->area + page;
	struct vanishing v = { .page = edge };
	struct record r = record_of(self->index, 44, "come and go");
	size_t size = record_size(&r);
	int i, ret, good = 0, bad = 0;
	pthread_t thread;
	char *shown;

	memcpy(edge - 9, &r, size);
	ASSERT_EQ(0, pthread_create(&thread, NULL, vanish, &v));
	ASSERT_TRUE(uev_wait_for(UEV_READ(v.rounds)));
	for (i = 0; i < writes; i++) {
		ret = put(self->fd, edge - 9, size);
		if (ret == (int)size)
			good++;
		else if (ret == -EFAULT)
			bad++;
		else
			ASSERT_EQ(0, ret);
		/* The buffer keeps them all. */
		if (i % 500 != 499)
			continue;
		shown = uev_trace_of("trace", EVENT_NAME);
		EXPECT_EQ(good, uev_count(shown, "\n"));
		EXPECT_EQ(good, uev_count(shown, "n=44 m=7 s=come and go\n"));
		free(shown);
		uev_trace_clear();
		good = 0;
	}
	UEV_WRITE(v.stop, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	TH_LOG("%d of %d found the page missing, %ld times it went", bad, writes,
	       v.rounds);
}

struct writer {
	int fd;
	__u32 index;
	int count, failed;
};

static void *write_many(void *arg)
{
	struct writer *w = arg;
	struct record r = record_of(w->index, 0, "thread");
	int i;

	for (i = 0; i < w->count; i++) {
		r.n = i;
		if (put(w->fd, &r, record_size(&r)) != (int)record_size(&r))
			w->failed++;
	}
	return NULL;
}

TEST_F(write, threads_on_one_file)
{
	struct writer w[4];
	pthread_t thread[4];
	char *shown;
	int i;

	ASSERT_OK(uev_put("buffer_size_kb", "4096"));
	for (i = 0; i < 4; i++) {
		w[i] = (struct writer){ self->fd, self->index, 2000, 0 };
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, write_many,
					    &w[i]));
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		EXPECT_EQ(0, w[i].failed);
	}
	shown = uev_trace_of("trace", EVENT_NAME);
	EXPECT_EQ(4 * 2000, uev_count(shown, " s=thread\n"));
	EXPECT_EQ(4, uev_count(shown, "n=1999 m=7"));
	free(shown);
	EXPECT_OK(uev_put("buffer_size_kb", "1408"));
}

/* A record in one or two pieces, and what became of it */
struct one_write {
	int fd;
	struct iovec parts[2];
	bool vector, done;
	int ret;
};

static void *write_one(void *arg)
{
	struct one_write *w = arg;

	w->ret = w->vector ? writev(w->fd, w->parts, 2) :
			     write(w->fd, w->parts[0].iov_base,
				   w->parts[0].iov_len + w->parts[1].iov_len);
	UEV_WRITE(w->done, true);
	return NULL;
}

static struct one_write one_write_of(int fd, void *record, size_t size,
				     bool vector)
{
	return (struct one_write){
		.fd = fd, .vector = vector,
		.parts = { { record, 7 }, { record + 7, size - 7 } },
	};
}

/*
 * A thread waits in write() for a page that only this one can bring in. What
 * another thread writes to the same file is recorded meanwhile.
 */
TEST_F(write, waits_for_a_page_alone)
{
	struct record late = record_of(self->index, 1, "late");
	struct record other = record_of(self->index, 2, "other");
	size_t page = uev_page_size(), size = record_size(&late);
	struct pollfd uffd = { .events = POLLIN };
	char *edge = self->area + page, *rest;
	pthread_t thread[2];
	int vector;

	uffd.fd = uev_pager(edge, page);
	if (uffd.fd == -EOPNOTSUPP)
		SKIP(return, UEV_NO_PAGER);
	ASSERT_LE(0, uffd.fd);
	rest = calloc(1, page);
	ASSERT_NE(NULL, rest);
	memcpy(rest, (char *)&late + 4, size - 4);
	memcpy(edge - 4, &late, 4);

	/* The order of records of two CPUs is that of their clocks */
	uev_stay_on_cpu(0);
	for (vector = 0; vector < 2; vector++) {
		struct one_write waits, passes;

		ASSERT_EQ(0, madvise(edge, page, MADV_DONTNEED));
		waits = one_write_of(self->fd, edge - 4, size, vector);
		passes = one_write_of(self->fd, &other, record_size(&other),
				      vector);
		ASSERT_EQ(0, pthread_create(&thread[0], NULL, write_one,
					    &waits));
		EXPECT_EQ(1, poll(&uffd, 1, UEV_WAIT_MS));
		ASSERT_EQ(0, pthread_create(&thread[1], NULL, write_one,
					    &passes));
		EXPECT_TRUE(uev_wait_for(UEV_READ(passes.done)))
			TH_LOG("%s waits", vector ? "writev()" : "write()");
		EXPECT_FALSE(UEV_READ(waits.done));

		ASSERT_OK(uev_deliver(uffd.fd, edge, rest));
		ASSERT_EQ(0, pthread_join(thread[0], NULL));
		ASSERT_EQ(0, pthread_join(thread[1], NULL));
		EXPECT_EQ(size, waits.ret);
		EXPECT_EQ(record_size(&other), passes.ret);
		ASSERT_TRACE("n=2 m=7 s=other\nn=1 m=7 s=late\n");
		uev_trace_clear();
	}
	free(rest);
	close(uffd.fd);
}

/* The file gets more and more events while another thread writes. */
static bool stop_writing;

static void *write_until_stopped(void *arg)
{
	struct writer *w = arg;
	struct record r = record_of(w->index, 1, "x");

	while (!UEV_READ(stop_writing)) {
		w->failed += put(w->fd, &r, record_size(&r)) !=
			     (int)record_size(&r);
		w->count++;
	}
	return NULL;
}

TEST_F(write, while_the_file_gets_more_events)
{
	struct writer w = { self->fd, self->index, 0, 0 };
	__u32 more[2] = { 0 }, index;	/* index, and a */
	char command[32];
	pthread_t thread;
	int i;

	stop_writing = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, write_until_stopped, &w));
	ASSERT_TRUE(uev_wait_for(UEV_READ(w.count)));
	for (i = 0; i < 200; i++) {
		sprintf(command, "wr_more%d u32 a", i);
		EXPECT_OK(uev_reg(self->fd, &self->value[1 + i], 1, 4, 0,
				  command, &index));
		/* It has an event, without listeners, at once, and the next index has none. */
		more[0] = index;
		EXPECT_ERR(EBADF, put(self->fd, more, sizeof(more)));
		more[0] = index + 1;
		EXPECT_ERR(ENOENT, put(self->fd, more, sizeof(more)));
	}
	UEV_WRITE(stop_writing, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_LT(0, w.count);
	EXPECT_EQ(0, w.failed);
}

/* A fork shares the file and with it the index. */
static int write_in_child(void *arg)
{
	struct writer *w = arg;
	struct record r = record_of(w->index, 5, "child");

	return put(w->fd, &r, record_size(&r)) != (int)record_size(&r);
}

TEST_F(write, through_an_inherited_file)
{
	struct writer w = { self->fd, self->index, 0, 0 };

	EXPECT_EQ(0, uev_in_child(write_in_child, &w));
	ASSERT_TRACE("n=5 m=7 s=child\n");
}

TEST_HARNESS_MAIN
