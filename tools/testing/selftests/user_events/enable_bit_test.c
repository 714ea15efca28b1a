// SPDX-License-Identifier: GPL-2.0
/*
 * The enable bit: who sets it, who clears it, and that nothing beside it is
 * ever touched.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "uev_harness.h"

/* Every kind of listener, attached one after the other. */
enum listener { FTRACE, INSTANCE, TRIGGER, PERF, LISTENERS };

static const char * const listener_names[] = {
	"ftrace", "instance", "trigger", "perf",
};

static int perf_fd = -1;

static int attach(enum listener who, const char *event)
{
	switch (who) {
	case FTRACE:
		return uev_enable(event, true);
	case INSTANCE:
		mkdir(TRACEFS "instances/" UEV_INSTANCE, 0700);
		return uev_instance_enable(UEV_INSTANCE, event, true);
	case TRIGGER:
		return uev_event_put(event, "trigger", "stacktrace:1");
	case PERF:
		perf_fd = uev_perf_open(uev_event_id(event), -1, 0, 0);
		return perf_fd < 0 ? perf_fd : 0;
	default:
		return -EINVAL;
	}
}

static int detach(enum listener who, const char *event)
{
	switch (who) {
	case FTRACE:
		return uev_enable(event, false);
	case INSTANCE:
		return uev_instance_enable(UEV_INSTANCE, event, false);
	case TRIGGER:
		return uev_event_put(event, "trigger", "!stacktrace:1");
	case PERF:
		return close(perf_fd);
	default:
		return -EINVAL;
	}
}

TEST_F(uev, set_by_each_listener)
{
	__u32 *v = self->value;
	int who;

	ASSERT_OK(uev_reg(self->fd, v, 9, 4, 0, "bit_who u32 a", NULL));
	for (who = 0; who < LISTENERS; who++) {
		ASSERT_EQ(0, UEV_READ(*v));
		ASSERT_OK(attach(who, "bit_who"))
			TH_LOG("%s", listener_names[who]);
		ASSERT_TRUE(BECOMES(1U << 9, *v))
			TH_LOG("%s", listener_names[who]);
		ASSERT_OK(detach(who, "bit_who"));
		ASSERT_TRUE(BECOMES(0, *v)) TH_LOG("%s", listener_names[who]);
	}
}

TEST_F(uev, set_as_long_as_one_is_left)
{
	__u32 *v = self->value;
	int first, who, last;

	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, "bit_last u32 a", NULL));
	for (first = 0; first < LISTENERS; first++) {
		for (who = 0; who < LISTENERS; who++) {
			ASSERT_OK(attach((first + who) % LISTENERS, "bit_last"));
			ASSERT_BECOMES(1, *v);
		}
		for (who = 0; who < LISTENERS; who++) {
			ASSERT_EQ(1, UEV_READ(*v));
			last = (first + who) % LISTENERS;
			ASSERT_OK(detach(last, "bit_last"));
		}
		ASSERT_TRUE(BECOMES(0, *v))
			TH_LOG("%s was last", listener_names[last]);
	}
}

TEST_F(uev, follows_all_events_at_once)
{
	__u32 *v = self->value;

	ASSERT_OK(uev_reg(self->fd, &v[0], 0, 4, 0, "bit_all1 u32 a", NULL));
	ASSERT_OK(uev_reg(self->fd, &v[0], 1, 4, 0, "bit_all2 u32 a", NULL));
	ASSERT_OK(uev_append("events/user_events/enable", "1"));
	ASSERT_BECOMES(3, v[0]);
	ASSERT_OK(uev_enable("bit_all1", false));
	ASSERT_BECOMES(2, v[0]);
	ASSERT_OK(uev_append("events/user_events/enable", "0"));
	ASSERT_BECOMES(0, v[0]);
}

/*
 * The enable word and its neighbours: 4 bytes in either half of 8 aligned ones, or
 * 8 bytes. All bits but the registered one are the program's own.
 */
FIXTURE(layout) {
	int fd;
	__u32 *words;	/* 16 of them, the enable word is at variant->at */
};

FIXTURE_VARIANT(layout) {
	int size;
	int at;
};

FIXTURE_VARIANT_ADD(layout, low_4_bytes) {
	.size = 4,
	.at = 8,
};

FIXTURE_VARIANT_ADD(layout, high_4_bytes) {
	.size = 4,
	.at = 9,
};

FIXTURE_VARIANT_ADD(layout, all_8_bytes) {
	.size = 8,
	.at = 8,
};

FIXTURE_SETUP(layout)
{
	if (variant->size == 8 && !uev_kernel_is_64())
		SKIP(return, "a 32-bit kernel has no values of 8 bytes");
	uev_reset();
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	self->words = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->words);
}

FIXTURE_TEARDOWN(layout)
{
	munmap(self->words, uev_page_size());
	close(self->fd);
	uev_reset();
}

/* Index of the first word that is not as it should be, -1 if all are. */
static int wrong_word(const __u32 *words, __u32 fill, int at, int bit,
		      bool set, int size)
{
	__u64 value = (__u64)fill << 32 | fill, mask = 1ULL << bit;
	__u32 want[16];
	int i;

	memset(want, fill & 0xff, sizeof(want));
	value = set ? value | mask : value & ~mask;
	if (size == 8)
		memcpy(&want[at], &value, 8);
	else
		want[at] = value;
	for (i = 0; i < 16; i++) {
		if (UEV_READ(words[i]) != want[i])
			return i;
	}
	return -1;
}

TEST_F(layout, every_bit_alone)
{
	static const __u8 fills[] = { 0x00, 0xff, 0xa5 };
	__u32 *v = &self->words[variant->at];
	int bit, wrong;
	size_t i;

	ASSERT_OK(uev_dynamic("u:bit_alone u32 a"));
	for (bit = 0; bit < variant->size * 8; bit++) {
		for (i = 0; i < ARRAY_SIZE(fills); i++) {
			__u32 fill = fills[i] * 0x01010101U;

			memset(self->words, fills[i], 64);
			ASSERT_OK(uev_reg(self->fd, v, bit, variant->size, 0,
					  "bit_alone u32 a", NULL));
			wrong = wrong_word(self->words, fill, variant->at, bit,
					   false, variant->size);
			ASSERT_EQ(-1, wrong) TH_LOG("bit %d, register", bit);
			ASSERT_OK(uev_enable("bit_alone", true));
			ASSERT_TRUE(uev_wait_for(wrong_word(self->words, fill,
					variant->at, bit, true,
					variant->size) < 0))
				TH_LOG("bit %d, enable", bit);
			ASSERT_OK(uev_enable("bit_alone", false));
			ASSERT_TRUE(uev_wait_for(wrong_word(self->words, fill,
					variant->at, bit, false,
					variant->size) < 0))
				TH_LOG("bit %d, disable", bit);
			ASSERT_OK(uev_unreg(self->fd, v, bit));
			wrong = wrong_word(self->words, fill, variant->at, bit,
					   false, variant->size);
			ASSERT_EQ(-1, wrong) TH_LOG("bit %d, unregister", bit);
		}
	}
}

/* Changes the program's own bits as fast as it can, and counts lost updates. */
struct hammer {
	__u32 *words;
	__u64 other_bits;	/* of the enable word, all but the kernel's */
	int at, size;
	bool stop;
	long rounds, lost;
};

static void *hammer_neighbours(void *arg)
{
	struct hammer *h = arg;
	__u32 count = 0;
	int words = h->size / 4, i;

	while (!UEV_READ(h->stop)) {
		/* After a lost update the old value is not the last one stored. */
		for (i = h->at - 2; i < h->at + words + 2; i++) {
			if (i >= h->at && i < h->at + words)
				continue;
			if (__atomic_fetch_add(&h->words[i], 1,
					       __ATOMIC_SEQ_CST) != count)
				h->lost++;
		}
		count++;
		h->rounds++;
	}
	return NULL;
}

static void *hammer_value(void *arg)
{
	struct hammer *h = arg;
	__u64 mine = 0, flip, old;

	while (!UEV_READ(h->stop)) {
		flip = (mine * 6364136223846793005ULL + h->rounds) | 1;
		flip &= h->other_bits;
		if (h->size == 8)
			old = __atomic_fetch_xor((__u64 *)&h->words[h->at],
						 flip, __ATOMIC_SEQ_CST);
		else
			old = __atomic_fetch_xor(&h->words[h->at],
						 (__u32)flip,
						 __ATOMIC_SEQ_CST);
		if ((old & h->other_bits) != mine)
			h->lost++;
		mine ^= flip;
		h->rounds++;
	}
	return NULL;
}

static __u64 value_of(const __u32 *v, int size)
{
	return size == 8 ? UEV_READ(*(const __u64 *)v) : UEV_READ(*v);
}

#define ASSERT_VALUE(want, v)						\
	ASSERT_TRUE(uev_wait_for(value_of(v, variant->size) == (want)))	\
		TH_LOG("it stays 0x%llx", value_of(v, variant->size))

static void hammer_while_switching(struct __test_metadata *_metadata, int fd,
				   struct hammer *h, void *(*fn)(void *),
				   int bit)
{
	__u64 end = uev_now_ms() + 700;
	__u32 *v = &h->words[h->at];
	pthread_t thread;
	int i;

	memset(h->words, 0, 64);
	h->stop = false;
	h->rounds = 0;
	h->lost = 0;
	h->other_bits = h->size == 8 ? ~0ULL : ~0U;
	h->other_bits &= ~(1ULL << bit);
	ASSERT_OK(uev_reg(fd, v, bit, h->size, 0, "bit_hammer u32 a", NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, fn, h));
	for (i = 0; i < 8 || uev_now_ms() < end; i++) {
		bool on = !(i & 1);
		long rounds = UEV_READ(h->rounds);

		EXPECT_OK(uev_enable("bit_hammer", on));
		EXPECT_TRUE(uev_wait_for((value_of(v, h->size) >> bit & 1) == on));
		/* Wait until the hammer has run between the two switches. */
		EXPECT_TRUE(uev_wait_for(UEV_READ(h->rounds) > rounds));
	}
	/* The registration itself changes the bit as well. */
	for (i = 0; i < 100; i++) {
		EXPECT_OK(uev_unreg(fd, v, bit));
		EXPECT_OK(uev_reg(fd, v, bit, h->size, 0, "bit_hammer u32 a",
				  NULL));
	}
	UEV_WRITE(h->stop, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, h->lost) TH_LOG("bit %d, %ld rounds", bit, h->rounds);
	EXPECT_OK(uev_unreg(fd, v, bit));
}

TEST_F(layout, neighbours_are_never_touched)
{
	struct hammer h = { self->words, 0, variant->at, variant->size };

	ASSERT_OK(uev_dynamic("u:bit_hammer u32 a"));
	hammer_while_switching(_metadata, self->fd, &h, hammer_neighbours, 0);
	hammer_while_switching(_metadata, self->fd, &h, hammer_neighbours,
			       variant->size * 8 - 1);
}

TEST_F(layout, other_bits_belong_to_the_program)
{
	struct hammer h = { self->words, 0, variant->at, variant->size };

	ASSERT_OK(uev_dynamic("u:bit_hammer u32 a"));
	hammer_while_switching(_metadata, self->fd, &h, hammer_value, 0);
	hammer_while_switching(_metadata, self->fd, &h, hammer_value, 17);
	hammer_while_switching(_metadata, self->fd, &h, hammer_value,
			       variant->size * 8 - 1);
}

/* An enable word in the first or last bytes of a page, with no page beside it */
TEST_F(layout, edge_of_a_page)
{
	size_t page = uev_page_size();
	char *area = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u32 *first = (void *)(area + page);
	__u32 *last = (void *)(area + 2 * page - variant->size);

	ASSERT_NE(MAP_FAILED, area);
	ASSERT_EQ(0, munmap(area, page));
	ASSERT_EQ(0, munmap(area + 2 * page, page));
	*first = 0;
	ASSERT_OK(uev_reg(self->fd, first, 1, variant->size, 0, "bit_edge",
			  NULL));
	ASSERT_OK(uev_reg(self->fd, last, 1, variant->size, 0, "bit_edge",
			  NULL));
	ASSERT_OK(uev_enable("bit_edge", true));
	ASSERT_VALUE(2, first);
	ASSERT_VALUE(2, last);
	ASSERT_OK(uev_enable("bit_edge", false));
	ASSERT_VALUE(0, first);
	ASSERT_VALUE(0, last);
	ASSERT_OK(uev_unreg(self->fd, first, 1));
	ASSERT_OK(uev_unreg(self->fd, last, 1));
	munmap(first, page);
}

/*
 * A failed registration and a failed unregistration in between must not
 * disturb an update either.
 */
TEST_F(layout, refused_calls_leave_the_bit)
{
	__u32 *v = &self->words[variant->at];

	ASSERT_OK(uev_reg(self->fd, v, 2, variant->size, 0, "bit_kept u32 a",
			  NULL));
	ASSERT_OK(uev_enable("bit_kept", true));
	ASSERT_VALUE(4, v);
	EXPECT_ERR(EADDRINUSE, uev_reg(self->fd, v, 2, variant->size, 0,
				       "bit_kept u32 a", NULL));
	EXPECT_EQ(4, value_of(v, variant->size));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, v, 3));
	EXPECT_EQ(4, value_of(v, variant->size));
	ASSERT_OK(uev_enable("bit_kept", false));
	ASSERT_VALUE(0, v);
}

TEST_HARNESS_MAIN
