// SPDX-License-Identifier: GPL-2.0
/*
 * A registration ends with its mapping: in whatever way the memory of an enable word
 * goes, what is mapped there next is never written, and the event is released.
 */
#include <dlfcn.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "uev_harness.h"
#include "uev_pager.h"

#define EVENT		"unmap_event u32 a"
#define EVENT_NAME	"unmap_event"
#define PAGES		4

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

static char *map_at(void *at, size_t size, int flags, int fd)
{
	char *p = mmap(at, size, PROT_READ | PROT_WRITE,
		       flags | (at ? MAP_FIXED : 0), fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static char *map_anon(void *at, size_t size)
{
	return map_at(at, size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* The ways in which memory goes: @area has PAGES pages, the word is in the second */
static int by_munmap(char *area, size_t page)
{
	return munmap(area + page, page);
}

static int by_munmap_of_all(char *area, size_t page)
{
	return munmap(area, PAGES * page);
}

static int by_mapping_over(char *area, size_t page)
{
	return map_anon(area + page, page) ? 0 : -1;
}

static int by_mapping_over_all(char *area, size_t page)
{
	return map_anon(area, PAGES * page) ? 0 : -1;
}

static int by_moving(char *area, size_t page)
{
	return mremap(area, PAGES * page, PAGES * page, MREMAP_MAYMOVE |
		      MREMAP_FIXED, map_anon(NULL, PAGES * page)) ==
		MAP_FAILED ? -1 : 0;
}

static int by_moving_pages_only(char *area, size_t page)
{
	if (mremap(area, PAGES * page, PAGES * page, MREMAP_MAYMOVE |
		   MREMAP_DONTUNMAP, 0) != MAP_FAILED)
		return 0;
	/* Not this kind of memory, or an old kernel */
	return errno == EINVAL ? munmap(area, PAGES * page) : -1;
}

static int by_shrinking(char *area, size_t page)
{
	return mremap(area, PAGES * page, page, 0) == MAP_FAILED ? -1 : 0;
}

static int (*const ways[])(char *area, size_t page) = {
	by_munmap, by_munmap_of_all, by_mapping_over, by_mapping_over_all,
	by_moving, by_moving_pages_only, by_shrinking,
};

/* What comes next at @at: @fd is of a file of one page */
static char *next_anonymous(void *at, size_t page, int fd)
{
	return map_anon(at, page);
}

static char *next_file(void *at, size_t page, int fd)
{
	return map_at(at, page, MAP_SHARED, fd);
}

static char *next_private_file(void *at, size_t page, int fd)
{
	return map_at(at, page, MAP_PRIVATE, fd);
}

static char *next_shared(void *at, size_t page, int fd)
{
	return map_at(at, page, MAP_SHARED | MAP_ANONYMOUS, -1);
}

static char *next_code(void *at, size_t page, int fd)
{
	char *p = map_anon(at, page);

	if (p)
		memset(p, 0xb0, page);
	return p && !mprotect(p, page, PROT_READ | PROT_WRITE | PROT_EXEC) ?
		p : NULL;
}

static char *(*const nexts[])(void *at, size_t page, int fd) = {
	next_anonymous, next_file, next_private_file, next_shared, next_code,
};

/* Words of a page that three processes share: more than are looked at for all of them */
#define SHARED_WORDS	600

struct again {
	char *area;
	int memory;
	int *ready, *quit;
};

static int maps_again(void *arg)
{
	struct again *again = arg;
	size_t page = uev_page_size();

	if (munmap(again->area, page) ||
	    map_at(again->area, page, MAP_SHARED, again->memory) != again->area)
		return 1;
	__atomic_fetch_add(again->ready, 1, __ATOMIC_SEQ_CST);
	while (!UEV_READ(*again->quit))
		uev_nap();
	return 0;
}

/* How many enablers of the event there are */
static int enablers(void)
{
	char *text = uev_get("user_events_enablers"), *at = text;
	int nr = 0;

	while ((at = strstr(at, EVENT_NAME " "))) {
		at++;
		nr++;
	}
	free(text);
	return nr;
}

/* True if no enabler of the event is left; its open file may still hold it. */
static bool only_file_holds(int fd)
{
	return !enablers();
}

static void switch_all(struct __test_metadata *_metadata)
{
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_OK(uev_enable(EVENT_NAME, true));
		ASSERT_OK(uev_enable(EVENT_NAME, false));
	}
	ASSERT_OK(uev_enable(EVENT_NAME, true));
}

/* Every way a mapping goes, and everything that can be mapped next */
TEST_F(uev, what_is_mapped_next_is_not_touched)
{
	size_t page = uev_page_size(), w, n;
	char *before = malloc(page), *area, *next;
	struct stat was, is;
	int fd;

	fd = memfd_create("uev", MFD_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, page));
	for (w = 0; w < ARRAY_SIZE(ways); w++) {
		for (n = 0; n < ARRAY_SIZE(nexts); n++) {
			area = map_anon(NULL, PAGES * page);
			ASSERT_NE(NULL, area);
			ASSERT_OK(uev_reg(self->fd, area + page, 3, 4, 0, EVENT,
					  NULL));
			ASSERT_EQ(0, ways[w](area, page)) TH_LOG("way %zu", w);
			next = nexts[n](area + page, page, fd);
			ASSERT_NE(NULL, next) TH_LOG("next %zu", n);
			memcpy(before, next, page);
			ASSERT_EQ(0, fstat(fd, &was));
			switch_all(_metadata);
			EXPECT_EQ(0, memcmp(before, next, page))
				TH_LOG("way %zu, then %zu", w, n);
			ASSERT_EQ(0, fstat(fd, &is));
			EXPECT_EQ(was.st_mtim.tv_nsec, is.st_mtim.tv_nsec);
			EXPECT_TRUE(uev_wait_for(only_file_holds(self->fd)));

			/* The registration is gone: unregistering writes nothing. */
			if (n & 1) {
				*(__u32 *)next |= 8;
				memcpy(before, next, page);
				EXPECT_OK(uev_unreg(self->fd, area + page, 3));
				EXPECT_EQ(0, memcmp(before, next, page));
				EXPECT_ERR(ENOENT, uev_unreg(self->fd,
							     area + page, 3));
				*(__u32 *)next &= ~8U;
			}
			/* The address can be registered again. */
			EXPECT_OK(uev_reg(self->fd, area + page, 3, 4, 0, EVENT,
					  NULL));
			EXPECT_EQ(8, *(__u32 *)(area + page) & 8);
			EXPECT_OK(uev_unreg(self->fd, area + page, 3));
			ASSERT_OK(uev_enable(EVENT_NAME, false));
			munmap(area, PAGES * page);
		}
	}
	close(fd);
	free(before);
}

#define WORDS	256

/* A word in shared memory whose page keeps going, and words that are unmapped */
struct going {
	char *first;
	int fd;
	bool stop, failed;
};

static void *drop_page(void *arg)
{
	struct going *going = arg;

	while (!UEV_READ(going->stop))
		madvise(going->first, uev_page_size(), MADV_DONTNEED);
	return NULL;
}

static void *unmap_words(void *arg)
{
	struct going *going = arg;
	size_t page = uev_page_size();
	char *area;
	int i;

	while (!UEV_READ(going->stop)) {
		area = map_anon(NULL, 2 * WORDS * page);
		for (i = 0; i < WORDS; i++) {
			if (uev_reg(going->fd, area + 2 * i * page, 0, 4, 0, EVENT, NULL))
				going->failed = true;
		}
		for (i = 0; i < WORDS; i++)
			munmap(area + 2 * i * page, page);
		munmap(area, 2 * WORDS * page);
	}
	return NULL;
}

/* A shared bit is cleared and set again while what was unmapped is cleaned up. */
TEST_F(uev, shared_bit_beside_much_unmapping)
{
	int fd = memfd_create("shared", MFD_CLOEXEC);
	__u64 end = uev_now_ms() + 700;
	struct going going = { .fd = self->fd };
	pthread_t dropper, unmapper;
	char *second;
	int ret;

	ASSERT_EQ(0, ftruncate(fd, uev_page_size()));
	going.first = map_at(NULL, uev_page_size(), MAP_SHARED, fd);
	second = map_at(NULL, uev_page_size(), MAP_SHARED, fd);
	ASSERT_TRUE(going.first && second);
	ASSERT_OK(uev_reg(self->fd, second, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_EQ(0, pthread_create(&dropper, NULL, drop_page, &going));
	ASSERT_EQ(0, pthread_create(&unmapper, NULL, unmap_words, &going));
	while (uev_now_ms() < end) {
		/* It is given up if the page goes each time that it was brought in */
		ret = uev_reg(self->fd, going.first, 0, 4, 0, EVENT, NULL);
		ASSERT_TRUE(!ret || ret == -EFAULT);
		if (!ret)
			ASSERT_OK(uev_unreg(self->fd, going.first, 0));
		ASSERT_BECOMES(1, *(__u32 *)second);
	}
	UEV_WRITE(going.stop, true);
	ASSERT_EQ(0, pthread_join(dropper, NULL));
	ASSERT_EQ(0, pthread_join(unmapper, NULL));
	EXPECT_FALSE(going.failed);
	munmap(second, uev_page_size());
	munmap(going.first, uev_page_size());
	close(fd);
}

/*
 * Switches the event to @on, and waits for a repair of this process that goes over all
 * its enablers: @late is the page of one, whose memory was discarded.
 */
static bool switch_and_repair(char *late, bool on)
{
	if (madvise(late, uev_page_size(), MADV_DONTNEED) ||
	    uev_enable(EVENT_NAME, on))
		return false;
	/* To read the word would bring the page in */
	return uev_wait_for(uev_page_is_present(late)) &&
	       BECOMES(on, *(__u32 *)late);
}

/* What is mapped next is not even read: nothing asks for its pages. */
TEST_F(uev, what_is_mapped_next_is_not_read)
{
	size_t page = uev_page_size(), n;
	int memory, uffd, i;
	struct uffd_msg msg;
	char *area, *next;
	struct stat st;

	for (n = 0; n < 2; n++) {
		/* A page before, the one that is replaced, and one after */
		area = map_anon(NULL, 3 * page);
		ASSERT_NE(NULL, area);
		memory = memfd_create("uev", MFD_CLOEXEC);
		ASSERT_LE(0, memory);
		ASSERT_EQ(0, ftruncate(memory, page));
		for (i = 0; i < 3; i++)
			ASSERT_OK(uev_reg(self->fd, area + i * page, 0, 4, 0,
					  EVENT, NULL));
		next = area + page;
		ASSERT_EQ(0, munmap(next, page));
		ASSERT_EQ(next, n ? map_at(next, page, MAP_SHARED, memory) :
				    map_anon(next, page));
		uffd = uev_pager(next, page);
		if (uffd < 0)
			SKIP(return, UEV_NO_PAGER);

		/* Every switch of the event, beside each of the neighbours */
		for (i = 0; i < 4; i++)
			ASSERT_TRUE(switch_and_repair(area + (i & 2) * page, !(i & 1)))
				TH_LOG("switch %d", i);
		free(uev_get("user_events_enablers"));
		/* To unregister something that is not gone would wait for the pager */
		ASSERT_EQ(-1, read(uffd, &msg, sizeof(msg)));
		EXPECT_OK(uev_unreg(self->fd, next, 0));

		EXPECT_EQ(-1, read(uffd, &msg, sizeof(msg)));
		EXPECT_EQ(EAGAIN, errno);
		EXPECT_FALSE(uev_page_is_present(next));
		ASSERT_EQ(0, fstat(memory, &st));
		EXPECT_EQ(0, st.st_blocks);
		close(uffd);
		close(memory);
		for (i = 0; i < 3; i += 2)
			EXPECT_OK(uev_unreg(self->fd, area + i * page, 0));
		munmap(area, 3 * page);
	}
}

/*
 * Mappings over the page at @at that fail. Where that is found out late, the kernel may
 * have unmapped what was there.
 */
static void *over_unaligned(char *at, size_t page)
{
	return mmap(at + 8, page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void *over_bad_file(char *at, size_t page)
{
	return mmap(at, page, PROT_READ, MAP_SHARED | MAP_FIXED, -1, 0);
}

static void *over_too_much(char *at, size_t page)
{
	return mmap(at, -(size_t)at, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* A limit of this process */
static void *over_limit(char *at, size_t page)
{
	struct rlimit old, little;
	void *p;

	if (getrlimit(RLIMIT_DATA, &old))
		return NULL;
	little = (struct rlimit){ page, old.rlim_max };
	if (setrlimit(RLIMIT_DATA, &little))
		return NULL;
	p = mmap(at, page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	setrlimit(RLIMIT_DATA, &old);
	return p;
}

/* The whole of what is reserved, which is more memory than there is */
#define RESERVED	(sizeof(long) == 8 ? 1UL << 37 : 1UL << 24)

static void *over_commit(char *at, size_t page)
{
	void *p = mmap(at, RESERVED - page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	/* The kernel may have been told to promise anything */
	return p == MAP_FAILED ? p : NULL;
}

/* The file system refuses it, or the kernel before that */
static void *over_sealed(char *at, size_t page)
{
	int fd = memfd_create("uev", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *p;

	if (fd < 0 || ftruncate(fd, page) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE))
		return NULL;
	p = mmap(at, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	close(fd);
	return p;
}

/* A socket refuses it when all is prepared */
static void *over_socket(char *at, size_t page)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	void *p;

	if (fd < 0)
		return NULL;
	p = mmap(at, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	close(fd);
	return p;
}

static const struct {
	const char *name;
	void *(*map)(char *at, size_t page);
	bool early;
} failures[] = {
	{ "unaligned", over_unaligned, true },
	{ "bad file", over_bad_file, true },
	{ "too much", over_too_much, true },
	{ "limit", over_limit },
	{ "overcommitment", over_commit },
	{ "sealed", over_sealed },
	{ "socket", over_socket },
};

/* If a mapping fails, the registration is as the memory is: still there, or gone. */
TEST_F(uev, mapping_over_it_that_fails)
{
	size_t page = uev_page_size(), n;
	unsigned char resident;
	char *area, *at;
	void *p;

	for (n = 0; n < ARRAY_SIZE(failures); n++) {
		area = mmap(NULL, RESERVED, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		ASSERT_NE(MAP_FAILED, area);
		ASSERT_NE(NULL, map_anon(area, 3 * page));
		at = area + page;
		ASSERT_OK(uev_reg(self->fd, at, 3, 4, 0, EVENT, NULL));
		/* A neighbour, whose mapping is split if the page goes */
		ASSERT_OK(uev_reg(self->fd, at - 8, 3, 8, 0, EVENT, NULL));
		ASSERT_OK(uev_enable(EVENT_NAME, true));
		p = failures[n].map(at, page);
		if (!p) {
			TH_LOG("%s: does not fail", failures[n].name);
			uev_unreg(self->fd, at, 3);
			goto next;
		}
		ASSERT_EQ(MAP_FAILED, p) TH_LOG("%s", failures[n].name);

		if (!mincore(at, page, &resident)) {
			EXPECT_EQ(8, *(__u32 *)at);
			ASSERT_OK(uev_enable(EVENT_NAME, false));
			EXPECT_EQ(0, *(__u32 *)at) TH_LOG("%s", failures[n].name);
			ASSERT_OK(uev_enable(EVENT_NAME, true));
			EXPECT_EQ(8, *(__u32 *)at) TH_LOG("%s", failures[n].name);
			EXPECT_OK(uev_unreg(self->fd, at, 3));
			EXPECT_EQ(0, *(__u32 *)at);
		} else {
			EXPECT_FALSE(failures[n].early) TH_LOG("%s", failures[n].name);
			TH_LOG("%s: leaves a gap", failures[n].name);
			ASSERT_EQ(at, map_anon(at, page));
			switch_all(_metadata);
			EXPECT_EQ(0, *(__u32 *)at) TH_LOG("%s", failures[n].name);
			*(__u32 *)at = 8;
			EXPECT_OK(uev_unreg(self->fd, at, 3));
			EXPECT_EQ(8, *(__u32 *)at) TH_LOG("%s", failures[n].name);
			EXPECT_OK(uev_reg(self->fd, at, 3, 4, 0, EVENT, NULL));
			EXPECT_OK(uev_unreg(self->fd, at, 3));
		}
		EXPECT_EQ(8, *(__u64 *)(at - 8));
		EXPECT_ERR(ENOENT, uev_unreg(self->fd, at, 3));
next:
		ASSERT_OK(uev_enable(EVENT_NAME, false));
		EXPECT_OK(uev_unreg(self->fd, at - 8, 3));
		munmap(area, RESERVED);
	}
}

/* A bit in shared memory is brought up to date only where it is registered. */
TEST_F(uev, shared_memory_where_something_was)
{
	size_t page = uev_page_size();
	char *area = map_anon(NULL, page), *twin;
	int fd = memfd_create("uev", MFD_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, page));
	ASSERT_OK(uev_reg(self->fd, area, 3, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, munmap(area, page));
	ASSERT_EQ(area, map_at(area, page, MAP_SHARED, fd));
	twin = map_at(NULL, page, MAP_SHARED, fd);
	ASSERT_NE(NULL, twin);
	ASSERT_OK(uev_enable(EVENT_NAME, true));

	/* Registering an enabler removes those that are gone from their events */
	ASSERT_OK(uev_reg(self->fd, twin, 3, 4, 0, EVENT, NULL));
	ASSERT_EQ(8, *(__u32 *)twin);
	ASSERT_OK(uev_unreg(self->fd, twin, 3));
	EXPECT_EQ(0, *(__u32 *)twin);
	*(__u32 *)twin = 8;
	EXPECT_OK(uev_unreg(self->fd, area, 3));
	EXPECT_EQ(8, *(__u32 *)twin);
	close(fd);
}

/* What children have mapped again is theirs no more, also when the bit is cleared */
TEST_F(uev, children_map_it_again)
{
	size_t page = uev_page_size();
	struct again again = { .memory = memfd_create("uev", MFD_CLOEXEC) };
	pid_t pid[2];
	__u32 *words;
	int i;

	again.ready = uev_shared(2 * sizeof(int));
	again.quit = again.ready + 1;
	ASSERT_EQ(0, ftruncate(again.memory, page));
	again.area = map_at(NULL, page, MAP_SHARED, again.memory);
	ASSERT_NE(NULL, again.area);
	words = (__u32 *)again.area;
	for (i = 0; i < SHARED_WORDS; i++)
		ASSERT_OK(uev_reg(self->fd, &words[i], 3, 4, 0, EVENT, NULL));
	for (i = 0; i < 2; i++) {
		pid[i] = uev_fork(maps_again, &again);
		ASSERT_LT(0, pid[i]);
	}
	ASSERT_TRUE(uev_wait_for(UEV_READ(*again.ready) == 2));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_EQ(8, UEV_READ(words[0]));
	for (i = 0; i < SHARED_WORDS; i++) {
		ASSERT_OK(uev_unreg(self->fd, &words[i], 3));
		ASSERT_EQ(0, UEV_READ(words[i])) TH_LOG("word %d", i);
	}
	/* Nor later */
	usleep(300000);
	for (i = 0; i < SHARED_WORDS; i++)
		ASSERT_EQ(0, UEV_READ(words[i])) TH_LOG("word %d", i);
	UEV_WRITE(*again.quit, 1);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, uev_join(pid[i]));
	close(again.memory);
}

struct unmapping {
	int fd;
	char *area;
};

/* At once, before the kernel has cleaned up what was unmapped */
static int unmaps_one_unregisters_another(void *arg)
{
	struct unmapping *u = arg;

	return munmap(u->area, uev_page_size()) ||
	       uev_unreg(u->fd, u->area + uev_page_size(), 0);
}

/* A child that has unmapped one word unregisters another for itself alone. */
TEST_F(uev, child_unmaps_and_unregisters)
{
	size_t page = uev_page_size();
	struct unmapping u = { self->fd, map_anon(NULL, 2 * page) };
	int i;

	ASSERT_OK(uev_reg(self->fd, u.area, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, u.area + page, 0, 4, 0, EVENT, NULL));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, uev_in_child(unmaps_one_unregisters_another, &u));
		ASSERT_OK(uev_enable(EVENT_NAME, !(i & 1)));
		ASSERT_BECOMES(!(i & 1), *(__u32 *)u.area);
		ASSERT_BECOMES(!(i & 1), *(__u32 *)(u.area + page));
	}
	ASSERT_OK(uev_unreg(self->fd, u.area + page, 0));
	ASSERT_OK(uev_unreg(self->fd, u.area, 0));
}

/* Neighbours stay registered, and right. */
TEST_F(uev, only_what_was_unmapped_goes)
{
	size_t page = uev_page_size();
	char *area = map_anon(NULL, PAGES * page);
	int i;

	for (i = 0; i < PAGES; i++) {
		ASSERT_OK(uev_reg(self->fd, area + i * page, 0, 4, 0, EVENT,
				  NULL));
		ASSERT_OK(uev_reg(self->fd, area + (i + 1) * page - 8, 0, 8, 0,
				  EVENT, NULL));
	}
	ASSERT_EQ(0, munmap(area + page, page));
	ASSERT_NE(NULL, map_anon(area + page, page));
	/* A page that is there would be written at once, not by a worker */
	UEV_WRITE(*(__u32 *)(area + page), 0);
	UEV_WRITE(*(__u64 *)(area + 2 * page - 8), 0);
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	for (i = 0; i < PAGES; i++) {
		ASSERT_BECOMES(i != 1, *(__u32 *)(area + i * page));
		ASSERT_BECOMES(i != 1, *(__u64 *)(area + (i + 1) * page - 8));
	}
}

/* An unmapping that hits nothing is remembered, but for no more than what it was. */
TEST_F(uev, unmapped_beside_where_nothing_was)
{
	size_t page = uev_page_size();
	char *area = map_anon(NULL, 7 * page);
	int i;

	ASSERT_NE(NULL, area);
	for (i = 1; i < 7; i += 4)
		ASSERT_OK(uev_reg(self->fd, area + i * page, 0, 4, 0, EVENT, NULL));
	/* From below it into it, and from within it to above it */
	ASSERT_EQ(0, munmap(area + 3 * page, page));
	ASSERT_EQ(0, munmap(area + page, 2 * page));
	ASSERT_NE(NULL, map_anon(area + page, 2 * page));
	ASSERT_EQ(0, munmap(area + 3 * page, page));
	ASSERT_EQ(0, munmap(area + 4 * page, 2 * page));
	ASSERT_NE(NULL, map_anon(area + 4 * page, 2 * page));
	switch_all(_metadata);
	for (i = 1; i < 7; i += 4) {
		EXPECT_EQ(0, *(__u32 *)(area + i * page))
			TH_LOG("page %d", i);
	}
	EXPECT_TRUE(uev_wait_for(!enablers()));
}

/* An unmapping that hits nothing is remembered, until something is registered. */
TEST_F(uev, registered_where_nothing_was)
{
	size_t page = uev_page_size();
	char *area = map_anon(NULL, 3 * page);

	ASSERT_NE(NULL, area);
	ASSERT_OK(uev_reg(self->fd, area, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, munmap(area + 2 * page, page));
	ASSERT_OK(uev_reg(self->fd, area + page, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, munmap(area + page, page));
	ASSERT_NE(NULL, map_anon(area + page, page));
	UEV_WRITE(*(__u32 *)(area + page), 0);
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	EXPECT_EQ(1, *(__u32 *)area);
	EXPECT_EQ(0, *(__u32 *)(area + page));
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_EQ(0, munmap(area, 2 * page));
}

TEST_F(uev, heap_that_shrinks)
{
	size_t page = uev_page_size();
	char *top = sbrk(0);

	top = sbrk(2 * page + (-(uintptr_t)top & (page - 1)));
	ASSERT_NE((void *)-1, top);
	top = (char *)(((uintptr_t)top + page - 1) & -page);
	ASSERT_OK(uev_reg(self->fd, top + page, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, brk(top + page));
	ASSERT_EQ(0, brk(top + 2 * page));
	UEV_WRITE(*(__u32 *)(top + page), 0);
	switch_all(_metadata);
	EXPECT_EQ(0, *(__u32 *)(top + page));
}

TEST_F(uev, shared_segment_that_is_detached)
{
	size_t page = uev_page_size();
	int id = shmget(IPC_PRIVATE, page, IPC_CREAT | 0600);
	char *at;

	if (id < 0)
		SKIP(return, "kernel without System V shared memory");
	at = shmat(id, NULL, 0);
	ASSERT_NE((void *)-1, at);
	ASSERT_OK(uev_reg(self->fd, at, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, shmdt(at));
	ASSERT_EQ(at, shmat(id, at, 0));
	UEV_WRITE(*(__u32 *)at, 0);
	switch_all(_metadata);
	EXPECT_EQ(0, *(__u32 *)at);
	shmdt(at);
	shmctl(id, IPC_RMID, NULL);
}

struct child {
	char *value;
	int *seen, *step;
	bool inherits;	/* what is mapped there now */
};

static int map_and_watch(void *arg)
{
	struct child *c = arg;
	char *value = map_anon(c->value, uev_page_size());

	if (!value)
		return 1;
	UEV_WRITE(*c->step, 1);
	while (UEV_READ(*c->step) == 1)
		uev_nap();
	return *(__u32 *)value ? 2 : 0;
}

/* A child has no memory there, and maps its own. */
TEST_F(uev, memory_that_is_not_inherited)
{
	struct child c = { .value = map_anon(NULL, uev_page_size()),
			   .step = uev_shared(sizeof(int)) };
	pid_t pid;

	ASSERT_EQ(0, madvise(c.value, uev_page_size(), MADV_DONTFORK));
	ASSERT_OK(uev_reg(self->fd, c.value, 0, 4, 0, EVENT, NULL));
	pid = uev_fork(map_and_watch, &c);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*c.step)));
	switch_all(_metadata);
	ASSERT_BECOMES(1, *(__u32 *)c.value);
	usleep(200000);
	UEV_WRITE(*c.step, 2);
	EXPECT_EQ(0, uev_join(pid));
	EXPECT_EQ(1, *(__u32 *)c.value);
}

static int watch_gone(void *arg)
{
	struct child *c = arg;

	UEV_WRITE(*c->step, 1);
	while (UEV_READ(*c->step) != 2)
		uev_nap();
	return *(__u32 *)c->value ? 2 : 0;
}

static int watch_set(void *arg)
{
	struct child *c = arg;
	int ret = watch_gone(arg);

	return ret ?: BECOMES(1, *(__u32 *)c->value) ? 2 : 0;
}

/* What was unmapped in the parent is as gone in its child, and the other way. */
TEST_F(uev, fork_after_unmapping)
{
	size_t page = uev_page_size();
	struct child c = { .value = map_anon(NULL, page),
			   .step = uev_shared(sizeof(int)) };
	pid_t other, pid;

	ASSERT_OK(uev_reg(self->fd, c.value, 0, 4, 0, EVENT, NULL));
	/* This child shares the parent's set, so it has to be copied to be changed */
	other = uev_fork(watch_set, &c);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*c.step)));
	ASSERT_EQ(0, munmap(c.value, page));
	ASSERT_NE(NULL, map_anon(c.value, page));
	UEV_WRITE(*c.step, 0);
	kill(other, SIGSTOP);
	pid = uev_fork(watch_gone, &c);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*c.step)));
	switch_all(_metadata);
	EXPECT_EQ(0, *(__u32 *)c.value);
	usleep(200000);
	UEV_WRITE(*c.step, 2);
	EXPECT_EQ(0, uev_join(pid));
	kill(other, SIGCONT);
	/* Its memory is still there */
	EXPECT_EQ(2, uev_join(other));
	EXPECT_EQ(0, *(__u32 *)c.value);
}

#define GAPS	3

/* As watch_gone(), with a word in every second page */
static int watch_gaps(void *arg)
{
	struct child *c = arg;
	size_t page = uev_page_size();
	int i, wrong = 0;

	for (i = 0; i < GAPS; i++) {
		/* Nothing is there, so this unmaps nothing */
		if (!c->inherits && !map_anon(c->value + 2 * i * page, page))
			return 1;
	}
	UEV_WRITE(*c->step, 1);
	while (UEV_READ(*c->step) != 2)
		uev_nap();
	for (i = 0; i < GAPS; i++)
		wrong += *(__u32 *)(c->value + 2 * i * page) != 0;
	return wrong;
}

static void fork_beside_gaps(struct __test_metadata *_metadata, struct child *c)
{
	pid_t pid;

	UEV_WRITE(*c->step, 0);
	pid = uev_fork(watch_gaps, c);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*c->step)));
	switch_all(_metadata);
	usleep(200000);
	UEV_WRITE(*c->step, 2);
	EXPECT_EQ(0, uev_join(pid));
}

/* Both, in several places: a child knows of each. */
TEST_F(uev, fork_beside_several_gaps)
{
	size_t page = uev_page_size();
	struct child c = { .step = uev_shared(sizeof(int)) };
	pid_t other;
	int i;

	c.value = map_anon(NULL, 2 * GAPS * page);
	for (i = 0; i < GAPS; i++) {
		ASSERT_EQ(0, madvise(c.value + 2 * i * page, page, MADV_DONTFORK));
		ASSERT_OK(uev_reg(self->fd, c.value + 2 * i * page, 0, 4, 0, EVENT,
				  NULL));
	}
	fork_beside_gaps(_metadata, &c);
	for (i = 0; i < GAPS; i++)
		EXPECT_OK(uev_unreg(self->fd, c.value + 2 * i * page, 0));
	ASSERT_OK(uev_enable(EVENT_NAME, false));

	c.value = map_anon(NULL, 2 * GAPS * page);
	for (i = 0; i < GAPS; i++)
		ASSERT_OK(uev_reg(self->fd, c.value + 2 * i * page, 0, 4, 0, EVENT,
				  NULL));
	/* What they share cannot be changed */
	UEV_WRITE(*c.step, 0);
	other = uev_fork(watch_set, &c);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*c.step)));
	for (i = 0; i < GAPS; i++) {
		ASSERT_EQ(0, munmap(c.value + 2 * i * page, page));
		ASSERT_NE(NULL, map_anon(c.value + 2 * i * page, page));
	}
	kill(other, SIGSTOP);
	c.inherits = true;
	fork_beside_gaps(_metadata, &c);
	kill(other, SIGCONT);
	EXPECT_EQ(2, uev_join(other));
}

static bool quit;
static long rounds;

struct racer {
	int fd;
	char *area;
	int bad;
};

/* Maps, registers and unmaps: the kernel must not write to the next mapping. */
static void *remap_forever(void *arg)
{
	size_t page = uev_page_size();
	struct racer *r = arg;
	size_t i;

	while (!UEV_READ(quit)) {
		if (!map_anon(r->area, page) ||
		    uev_reg(r->fd, r->area, 0, 4, 0, EVENT, NULL)) {
			r->bad |= 1;
			break;
		}
		if (rounds & 1 && munmap(r->area, page))
			r->bad |= 2;
		if (!map_anon(r->area, page))
			r->bad |= 4;
		for (i = 0; i < 200; i++) {
			if (UEV_READ(*(__u32 *)r->area))
				r->bad |= 8;
		}
		rounds++;
	}
	return NULL;
}

TEST_F(uev, unmapping_races_with_switches)
{
	struct racer r = { .fd = self->fd,
			   .area = map_anon(NULL, uev_page_size()) };
	int i, switches = uev_rounds(200);
	pthread_t thread;
	int index;

	index = uev_reg_index(self->fd, self->value, EVENT);
	ASSERT_LE(0, index);
	ASSERT_EQ(0, pthread_create(&thread, NULL, remap_forever, &r));
	for (i = 0; i < switches || UEV_READ(rounds) < 10; i++)
		ASSERT_OK(uev_enable(EVENT_NAME, !(i & 1)));
	UEV_WRITE(quit, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	TH_LOG("%ld rounds", rounds);
	EXPECT_EQ(0, r.bad);
}

#define REPAIRED_PAGES	16

/* Unmaps pages that a worker has to copy before it can write to them */
static int unmap_while_repaired(void *arg)
{
	size_t page = uev_page_size(), i;
	char *area = arg, *at;
	int n;

	for (i = 0; i < REPAIRED_PAGES; i++) {
		at = area + i * page;
		if (i & 1 && munmap(at, page))
			return 1;
		if (!map_anon(at, page))
			return 2;
		for (n = 0; n < 2000; n++) {
			if (UEV_READ(*(__u32 *)at))
				return 3;
		}
	}
	for (i = 0; i < REPAIRED_PAGES * page; i++) {
		if (area[i])
			return 4;
	}
	return 0;
}

TEST_F(uev, unmapping_races_with_repairs)
{
	size_t page = uev_page_size(), p;
	char *area = map_anon(NULL, REPAIRED_PAGES * page);
	int children = uev_rounds(50), i, n;
	pid_t pid;

	ASSERT_NE(NULL, area);
	for (p = 0; p < REPAIRED_PAGES; p++)
		ASSERT_OK(uev_reg(self->fd, area + p * page, 0, 4, 0, EVENT, NULL));
	for (i = 0; i < children; i++) {
		pid = uev_fork(unmap_while_repaired, area);
		ASSERT_LT(0, pid);
		for (n = 0; n < 8; n++)
			ASSERT_OK(uev_enable(EVENT_NAME, !(n & 1)));
		ASSERT_OK(uev_enable(EVENT_NAME, true));
		EXPECT_EQ(0, uev_join(pid));
		for (p = 0; p < REPAIRED_PAGES; p++)
			ASSERT_BECOMES(1, *(__u32 *)(area + p * page));
		ASSERT_OK(uev_enable(EVENT_NAME, false));
	}
}

/* The event goes although nobody unregistered. */
TEST_F(uev, event_is_let_go)
{
	char *value = map_anon(NULL, uev_page_size());
	int fd = uev_open();

	ASSERT_LE(0, fd);
	ASSERT_OK(uev_reg(fd, value, 0, 4, 0, EVENT, NULL));
	close(fd);
	EXPECT_TRUE(uev_alive(EVENT_NAME));
	ASSERT_EQ(0, munmap(value, uev_page_size()));
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
}

static int data_file;

static int registers_one_more(void *arg)
{
	char *value = arg;

	/* What it shares is copied for this, also what is gone */
	if (uev_reg(data_file, value, 1, 4, 0, EVENT, NULL) ||
	    uev_unreg(data_file, value + uev_page_size(), 0))
		return 1;
	return uev_unreg(data_file, value, 1) || uev_unreg(data_file, value, 0);
}

/* A word that is gone no longer holds the event in the copy of a child either. */
TEST_F(uev, child_copies_what_is_gone)
{
	size_t page = uev_page_size();
	char *value = map_anon(NULL, 2 * page);

	data_file = uev_open();
	ASSERT_LE(0, data_file);
	ASSERT_OK(uev_reg(data_file, value, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(data_file, value + page, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, munmap(value + page, page));
	ASSERT_TRUE(uev_wait_for(enablers() == 1));
	EXPECT_EQ(0, uev_in_child(registers_one_more, value));
	EXPECT_EQ(1, enablers());
	EXPECT_OK(uev_unreg(data_file, value, 0));
	close(data_file);
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
}

struct sharers {
	char *value;
	int *arrived, *left, *step;
};

/* Keeps no file, which would hold the event, too. */
static int share(void *arg)
{
	struct sharers *all = arg;
	int fd;

	for (fd = 3; fd < 100; fd++)
		close(fd);
	__atomic_add_fetch(all->arrived, 1, __ATOMIC_SEQ_CST);
	/* There can be many of them */
	while (!UEV_READ(*all->step))
		usleep(50000);
	munmap(all->value, uev_page_size());
	__atomic_add_fetch(all->left, 1, __ATOMIC_SEQ_CST);
	pause();
	return 0;
}

/* Words that only this process and its children have, and hold the event with */
static void register_and_share(struct __test_metadata *_metadata,
			       struct sharers *all, int words, pid_t *pids, int nr)
{
	int fd = uev_open(), i;

	ASSERT_LE(0, fd);
	all->value = map_anon(NULL, uev_page_size());
	all->arrived = uev_shared(3 * sizeof(int));
	all->left = all->arrived + 1;
	all->step = all->arrived + 2;
	ASSERT_NE(NULL, all->value);
	for (i = 0; i < words; i++)
		ASSERT_OK(uev_reg(fd, all->value + i * 8, 0, 4, 0, EVENT, NULL));
	close(fd);
	for (i = 0; i < nr; i++)
		pids[i] = uev_fork(share, all);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*all->arrived) == nr));
}

static void end_sharers(pid_t *pids, int nr)
{
	int i;

	for (i = 0; i < nr; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

/* What one unmapped, the last one that had it mapped releases by ending. */
TEST_F(uev, last_sharer_with_the_memory_ends)
{
	struct sharers all;
	pid_t pid;

	register_and_share(_metadata, &all, 1, &pid, 1);
	ASSERT_EQ(0, munmap(all.value, uev_page_size()));
	usleep(300000);
	EXPECT_TRUE(uev_alive(EVENT_NAME));
	end_sharers(&pid, 1);
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
}

/* What a child did not inherit, its parent releases by ending. */
TEST_F(uev, only_who_did_not_inherit_is_left)
{
	struct sharers all;
	int status;
	pid_t pid, *left = uev_shared(sizeof(*left));

	pid = fork();
	if (!pid) {
		all.value = map_anon(NULL, uev_page_size());
		all.arrived = uev_shared(3 * sizeof(int));
		all.left = all.arrived + 1;
		all.step = all.arrived + 2;
		close(self->fd);
		self->fd = uev_open();
		if (!all.value || uev_reg(self->fd, all.value, 0, 4, 0, EVENT, NULL) ||
		    madvise(all.value, uev_page_size(), MADV_DONTFORK))
			_exit(1);
		pid = fork();
		if (!pid)
			_exit(share(&all));
		*left = pid;
		_exit(!uev_wait_for(UEV_READ(*all.arrived)) ||
		      !uev_alive(EVENT_NAME));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
	kill(*left, SIGKILL);
}

/* Nobody ends, but nobody has the memory any more. */
TEST_F(uev, all_sharers_unmap)
{
	struct sharers all;
	pid_t pids[3];

	register_and_share(_metadata, &all, 1, pids, 3);
	ASSERT_EQ(0, munmap(all.value, uev_page_size()));
	usleep(300000);
	EXPECT_TRUE(uev_alive(EVENT_NAME));
	UEV_WRITE(*all.step, 1);
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
	/* It is still registered, in each of them. */
	EXPECT_OK(uev_unreg(self->fd, all.value, 0));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, all.value, 0));
	end_sharers(pids, 3);
}

/* Of two pages, the parent gives up both in one piece, its child the upper one. */
TEST_F(uev, all_sharers_unmap_one_of_two)
{
	size_t page = uev_page_size();
	char *area = map_anon(NULL, 2 * page);
	int fd = uev_open(), *arrived = uev_shared(sizeof(*arrived));
	pid_t pid;

	ASSERT_NE(NULL, area);
	ASSERT_OK(uev_reg(fd, area, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(fd, area + page, 0, 4, 0, EVENT_NAME "_upper u32 a", NULL));
	close(fd);
	pid = fork();
	if (!pid) {
		munmap(area + page, page);
		UEV_WRITE(*arrived, 1);
		for (;;)
			pause();
	}
	ASSERT_LT(0, pid);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*arrived)));
	/* What the child gave up is looked at before, and is not to be looked at again */
	usleep(300000);
	ASSERT_EQ(0, munmap(area, 2 * page));
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME "_upper")));
	EXPECT_TRUE(uev_alive(EVENT_NAME));
	end_sharers(&pid, 1);
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
}

static int unmap_or_keep(void *arg)
{
	struct sharers *all = arg;
	/* The step is the number of the one that keeps it */
	int me = __atomic_add_fetch(all->arrived, 1, __ATOMIC_SEQ_CST), fd;
	bool keeps;

	for (fd = 3; fd < 100; fd++)
		close(fd);
	if (!uev_wait_for(UEV_READ(*all->step)))
		return 1;
	keeps = UEV_READ(*all->step) == me;
	if (!keeps)
		munmap(all->value, uev_page_size());
	__atomic_add_fetch(all->left, 1, __ATOMIC_SEQ_CST);
	if (keeps)
		return BECOMES(1, *(__u32 *)all->value) ? 0 : 2;
	pause();
	return 0;
}

/* One of four has it mapped, be it the eldest or the youngest: its bit is kept right. */
TEST_F(uev, all_sharers_but_one_unmap)
{
	size_t page = uev_page_size();
	struct sharers all = { .arrived = uev_shared(3 * sizeof(int)) };
	pid_t pids[3];
	int fd, keeper, i;

	all.left = all.arrived + 1;
	all.step = all.arrived + 2;
	for (keeper = 0; keeper < 3; keeper++) {
		memset(all.arrived, 0, 3 * sizeof(int));
		fd = uev_open();
		all.value = map_anon(NULL, page);
		ASSERT_OK(uev_reg(fd, all.value, 0, 4, 0, EVENT, NULL));
		close(fd);
		for (i = 0; i < 3; i++) {
			pids[i] = uev_fork(unmap_or_keep, &all);
			ASSERT_TRUE(uev_wait_for(UEV_READ(*all.arrived) == i + 1));
		}
		ASSERT_EQ(0, munmap(all.value, page));
		UEV_WRITE(*all.step, keeper + 1);
		ASSERT_TRUE(uev_wait_for(UEV_READ(*all.left) == 3));
		usleep(300000);
		EXPECT_TRUE(uev_alive(EVENT_NAME));
		EXPECT_OK(uev_enable(EVENT_NAME, true));
		EXPECT_EQ(0, uev_join(pids[keeper]));
		EXPECT_OK(uev_enable(EVENT_NAME, false));
		pids[keeper] = pids[2];
		end_sharers(pids, 2);
		EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
	}
}

/* Where too much is shared to be looked at, one has to end first. */
TEST_F(uev, sharers_of_much_unmap)
{
	struct sharers all;
	pid_t pids[2];

	register_and_share(_metadata, &all, 400, pids, 2);
	ASSERT_EQ(0, munmap(all.value, uev_page_size()));
	UEV_WRITE(*all.step, 1);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*all.left) == 2));
	usleep(300000);
	EXPECT_TRUE(uev_alive(EVENT_NAME));
	end_sharers(pids, 1);
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
	end_sharers(pids + 1, 1);
}

TEST_F(uev, many_sharers_unmap)
{
	enum { MANY = 40 };
	struct sharers all;
	pid_t pids[MANY];

	register_and_share(_metadata, &all, 1, pids, MANY);
	ASSERT_EQ(0, munmap(all.value, uev_page_size()));
	UEV_WRITE(*all.step, 1);
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
	end_sharers(pids, MANY);
}

TEST_F(uev, thousands_at_once)
{
	int count = uev_rounds(3000), fd, round, i;
	char *area = map_anon(NULL, count * 8UL);

	for (i = 0; i < count; i++)
		ASSERT_OK(uev_reg(self->fd, area + i * 8, 0, 4, 0, EVENT,
				  NULL));
	ASSERT_EQ(0, munmap(area, count * 8UL));
	ASSERT_NE(NULL, map_anon(area, count * 8UL));
	switch_all(_metadata);
	for (i = 0; i < count; i++)
		ASSERT_EQ(0, *(__u32 *)(area + i * 8));
	EXPECT_TRUE(uev_wait_for(only_file_holds(self->fd)));
	for (i = 0; i < count; i++)
		ASSERT_OK(uev_reg(self->fd, area + i * 8, 0, 4, 0, EVENT,
				  NULL));
	/* Without a switch, and without a file */
	fd = uev_open();
	for (i = 0; i < count; i++)
		ASSERT_OK(uev_reg(fd, area + i * 8, 1, 4, 0, EVENT_NAME "_many u32 a",
				  NULL));
	close(fd);
	ASSERT_EQ(0, munmap(area, count * 8UL));
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME "_many")));

	/* A registration before the kernel has come to clean up, some of the times */
	ASSERT_NE(NULL, map_anon(area, count * 8UL));
	for (round = 0; round < 20; round++) {
		for (i = 0; i < count / 5; i++)
			ASSERT_OK(uev_reg(self->fd, area + i * 8, 1, 4, 0, EVENT, NULL));
		ASSERT_NE(NULL, map_anon(area, count * 8UL));
		ASSERT_OK(uev_reg(self->fd, area + 4, 2, 4, 0, EVENT, NULL));
		ASSERT_BECOMES(1 << 2, *(__u32 *)(area + 4));
		ASSERT_OK(uev_unreg(self->fd, area + 4, 2));
	}
}

/* What the process has beside */
#define MUCH		(32UL << 20)

static int unmaps_one_of_two(void *unused)
{
	size_t page = uev_page_size();
	char *area = map_anon(NULL, 2 * page), *much = map_anon(NULL, MUCH);
	int fd = uev_open();

	if (!much)
		return 1;
	memset(much, 1, MUCH);
	if (!area || uev_reg(fd, area, 0, 4, 0, EVENT_NAME "_gone u32 a", NULL) ||
	    uev_reg(fd, area + page, 0, 4, 0, EVENT_NAME "_left u32 a", NULL))
		return 1;
	close(fd);
	munmap(area, page);
	return uev_wait_for(!uev_alive(EVENT_NAME "_gone")) &&
	       uev_alive(EVENT_NAME "_left") ? 0 : 2;
}

/* Whoever cleans up lets the memory of the process go. */
TEST_F(uev, process_ends_after_it_was_cleaned_up)
{
	long before = uev_mem_kb("\nAnonPages:");

	ASSERT_EQ(0, uev_in_child(unmaps_one_of_two, NULL));
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME "_left")));
	EXPECT_TRUE(uev_wait_for(uev_mem_kb("\nAnonPages:") < before + (long)(MUCH >> 11)));
}

static int unmaps_and_unregisters(void *area)
{
	int fd = uev_open();

	munmap(area, uev_page_size());
	return uev_unreg(fd, area, 0) ? 1 : 0;
}

/* The only bit that parent and child share goes in the child: the parent has it still. */
TEST_F(uev, child_unmaps_and_unregisters_the_only_bit)
{
	char *area = map_anon(NULL, uev_page_size());
	int fd = uev_open(), i;

	ASSERT_NE(NULL, area);
	ASSERT_OK(uev_reg(fd, area, 0, 4, 0, EVENT, NULL));
	close(fd);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, uev_in_child(unmaps_and_unregisters, area));
		ASSERT_TRUE(uev_alive(EVENT_NAME));
	}
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *(__u32 *)area);
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_BECOMES(0, *(__u32 *)area);
	ASSERT_OK(uev_unreg(self->fd, area, 0));
	munmap(area, uev_page_size());
}

/* Work items of the kernel for user events that are in the trace */
static int works(void)
{
	char *text = uev_get("trace");
	int nr = uev_count(text, "function user_event");

	free(text);
	return nr;
}

/* When everything is cleaned up and repaired, nothing goes on in the kernel. */
TEST_F(uev, work_ends)
{
	size_t page = uev_page_size();
	char *area = map_anon(NULL, 2 * page);
	int fd = uev_open();

	ASSERT_NE(NULL, area);
	ASSERT_OK(uev_reg(fd, area, 0, 4, 0, EVENT_NAME "_work u32 a", NULL));
	close(fd);
	ASSERT_OK(uev_reg(self->fd, area + page, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, madvise(area + page, page, MADV_DONTNEED));
	usleep(300000);
	uev_trace_clear();
	ASSERT_OK(uev_put("events/workqueue/workqueue_execute_start/enable", "1"));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *(__u32 *)(area + page));
	ASSERT_EQ(0, munmap(area, page));
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME "_work")));
	EXPECT_LT(0, works());
	/* The reaper looks again at what it could not delete, until it can */
	EXPECT_TRUE(uev_wait_for((uev_trace_clear(), !usleep(1500000) && !works())));
	EXPECT_OK(uev_put("events/workqueue/workqueue_execute_start/enable", "0"));
	uev_trace_clear();
}

/* A registration that fails leaves the ended one at its address. */
TEST_F(uev, failed_registration_of_what_is_gone)
{
	size_t page = uev_page_size();
	char *value = map_anon(NULL, page);

	ASSERT_NE(NULL, value);
	ASSERT_OK(uev_reg(self->fd, value, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, munmap(value, page));
	EXPECT_ERR(EFAULT, uev_reg(self->fd, value, 0, 4, 0, EVENT, NULL));
	ASSERT_NE(NULL, map_anon(value, page));
	ASSERT_EQ(0, mprotect(value, page, PROT_READ));
	EXPECT_ERR(EFAULT, uev_reg(self->fd, value, 0, 4, 0, EVENT, NULL));
	EXPECT_OK(uev_unreg(self->fd, value, 0));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, value, 0));
	munmap(value, page);
}

/* A huge page where the word was */
TEST_F(uev, huge_page_is_next)
{
	size_t huge = 2UL << 20, i, wrong = 0;
	char *area = map_anon(NULL, 2 * huge), *at;

	ASSERT_NE(NULL, area);
	at = (char *)(((uintptr_t)area + huge - 1) & -huge);
	ASSERT_OK(uev_reg(self->fd, at + huge / 2, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, at, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, munmap(at, huge));
	ASSERT_NE(NULL, map_anon(at, huge));
	if (madvise(at, huge, MADV_HUGEPAGE))
		SKIP(return, "no transparent huge pages");
	memset(at, 0xa0, huge);
	switch_all(_metadata);
	for (i = 0; i < huge; i++)
		wrong += at[i] != (char)0xa0;
	EXPECT_EQ(0, wrong);
	munmap(area, 2 * huge);
}

/* A library that is unloaded without having unregistered */
TEST_F(uev, shared_object_that_is_unloaded)
{
	char path[512] = "", *next;
	size_t page = uev_page_size(), i;
	__u32 *word, *at;
	void *object;
	int round;

	ASSERT_LT(0, readlink("/proc/self/exe", path, sizeof(path) - 32));
	strcat(dirname(path), "/unmap_object.so");
	for (round = 0; round < 5; round++) {
		object = dlopen(path, RTLD_NOW);
		ASSERT_NE(NULL, object) TH_LOG("%s", dlerror());
		word = dlsym(object, "unmap_object_word");
		ASSERT_NE(NULL, word);
		EXPECT_EQ(4, *word);
		/* A page with nothing else in it */
		at = (__u32 *)(((uintptr_t)word + page - 1) & -page);
		ASSERT_OK(uev_reg(self->fd, at, 1, 4, 0, EVENT, NULL));
		ASSERT_OK(uev_enable(EVENT_NAME, true));
		EXPECT_EQ(2, *at);
		ASSERT_OK(uev_enable(EVENT_NAME, false));
		EXPECT_EQ(0, dlclose(object));
		next = map_anon(at, page);
		ASSERT_EQ((void *)at, (void *)next);
		switch_all(_metadata);
		for (i = 0; i < page; i++)
			ASSERT_EQ(0, next[i]);
		ASSERT_OK(uev_enable(EVENT_NAME, false));
		munmap(next, page);
	}
}

TEST_HARNESS_MAIN
