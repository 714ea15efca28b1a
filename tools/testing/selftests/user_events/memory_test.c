// SPDX-License-Identifier: GPL-2.0
/*
 * The enable bit in every kind of memory: copy-on-write, shared, files, huge
 * pages, pages that are not there, and mappings that must not be written.
 */
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "uev_harness.h"

#define EVENT		"mem_event u32 a"
#define EVENT_NAME	"mem_event"

#define page_frame(addr)	(uev_page_entry(addr) & ((1ULL << 55) - 1))

static void *map(int prot, int flags, int fd, size_t size)
{
	void *at = mmap(NULL, size, prot, flags, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* On, off, on: each must reach @value, which ends up switched on. */
#define ASSERT_FOLLOWS(value) do {					\
	ASSERT_OK(uev_enable(EVENT_NAME, true));			\
	ASSERT_BECOMES(1, value);					\
	ASSERT_OK(uev_enable(EVENT_NAME, false));			\
	ASSERT_BECOMES(0, value);					\
	ASSERT_OK(uev_enable(EVENT_NAME, true));			\
	ASSERT_BECOMES(1, value);					\
} while (0)

TEST_F(uev, what_cannot_be_written_is_logged)
{
	const int values = 500;
	size_t page = uev_page_size();
	char *area = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, page);
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int i, lines = 0, on = 0;
	__u64 start, end;

	ASSERT_LE(0, kmsg);
	for (i = 0; i < values; i++)
		ASSERT_OK(uev_reg(self->fd, area + i * 8, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, mprotect(area, page, PROT_READ));
	ASSERT_LE(0, lseek(kmsg, 0, SEEK_END));

	/* The log has a limit per minute, which earlier tests may have reached. */
	start = uev_now_ms();
	end = start + 120000;
	while (!lines && uev_now_ms() < end) {
		on = !on;
		SWITCH(on);
		usleep(100000);
		lines += uev_log_lines(kmsg, EVENT_NAME);
	}
	EXPECT_LT(0, lines);
	/* Thousands of failed writes, and no more than a few lines */
	end = uev_now_ms() + 2000;
	for (i = 0; i < 20 || uev_now_ms() < end; i++) {
		on = !on;
		SWITCH(on);
	}
	lines += uev_log_lines(kmsg, EVENT_NAME);
	/* 10 for each minute that has begun, and for the one before */
	EXPECT_GE(10 * (2 + (uev_now_ms() - start) / 60000), lines);
	close(kmsg);
}

TEST_F(uev, copy_on_write)
{
	__u32 *value = self->value;
	int *stage = uev_shared(sizeof(int));
	pid_t pid;

	ASSERT_OK(uev_reg(self->fd, value, 0, 4, 0, EVENT, NULL));
	pid = fork();
	if (!pid) {
		/* Only the kernel writes; each side gets a page of its own. */
		if (!uev_wait_for(UEV_READ(*stage) == 1))
			_exit(1);
		if (!BECOMES(1, *value))
			_exit(2);
		UEV_WRITE(value[1], 0xc0ffee);
		UEV_WRITE(*stage, 2);
		if (!uev_wait_for(UEV_READ(*stage) == 3))
			_exit(3);
		_exit(BECOMES(0, *value) && value[1] == 0xc0ffee ? 0 : 4);
	}
	ASSERT_LT(0, pid);
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *value);
	UEV_WRITE(*stage, 1);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*stage) == 2));
	EXPECT_EQ(0, value[1]);
	UEV_WRITE(value[1], 0xbad);
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_BECOMES(0, *value);
	UEV_WRITE(*stage, 3);
	EXPECT_EQ(0, uev_join(pid));
	EXPECT_EQ(0xbad, value[1]);
}

TEST_F(uev, page_of_zeroes)
{
	__u32 *v = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, uev_page_size());

	/* The page is only read so far, so it maps the zero page. */
	ASSERT_EQ(0, UEV_READ(v[1]));
	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
	ASSERT_FOLLOWS(*v);
	EXPECT_EQ(0, v[1]);
}

TEST_F(uev, shared_anonymous_memory)
{
	__u32 *v = uev_shared(uev_page_size());
	pid_t pid;

	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
	ASSERT_FOLLOWS(*v);
	/* A child has the same page, and the same registration. */
	pid = fork();
	if (!pid)
		_exit(UEV_READ(*v) == 1 ? 0 : 1);
	EXPECT_EQ(0, uev_join(pid));
	ASSERT_FOLLOWS(*v);
}

#define SHARERS	40

struct sharing {
	__u32 *value;
	int *registered;	/* by each of them, in shared memory */
	int gates[SHARERS][2];	/* a byte for a call */
	int nr;
};

/* A process that has the page mapped, and registers there and unregisters by turns */
static int share(void *arg)
{
	struct sharing *s = arg;
	__u32 *own = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 uev_page_size());
	int *registered = &s->registered[s->nr], fd = uev_open();
	char c;

	/* One that has no registration at all is passed over */
	if (uev_reg(fd, own, 0, 4, 0, EVENT, NULL))
		return 1;
	while (read(s->gates[s->nr][0], &c, 1) == 1) {
		if (*registered ? uev_unreg(fd, s->value, 3) :
				  uev_reg(fd, s->value, 3, 4, 0, EVENT, NULL))
			return 1;
		UEV_WRITE(*registered, !*registered);
	}
	return 0;
}

/*
 * Unregistering from shared memory clears the bit; it is set again if it is
 * registered in any other process, the first or the last of many.
 */
TEST_F(uev, shared_by_many)
{
	struct sharing s = {
		.value = uev_shared(uev_page_size()),
		.registered = uev_shared(SHARERS * sizeof(int)),
	};
	const int step = uev_kernel_is_slow() ? 13 : 1;
	pid_t pids[SHARERS];
	int i;

	for (i = 0; i < SHARERS; i++) {
		s.nr = i;
		ASSERT_EQ(0, pipe(s.gates[i]));
		pids[i] = uev_fork(share, &s);
		ASSERT_LT(0, pids[i]);
	}
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	for (i = 0; i < SHARERS; i += step) {
		ASSERT_EQ(1, write(s.gates[i][1], "", 1));
		ASSERT_BECOMES(1, s.registered[i]);
		ASSERT_OK(uev_reg(self->fd, s.value, 3, 4, 0, EVENT, NULL));
		ASSERT_BECOMES(8, *s.value);
		ASSERT_OK(uev_unreg(self->fd, s.value, 3));
		ASSERT_BECOMES(8, *s.value);
		ASSERT_EQ(1, write(s.gates[i][1], "", 1));
		ASSERT_BECOMES(0, s.registered[i]);
		ASSERT_BECOMES(0, *s.value);
	}
	for (i = 0; i < SHARERS; i++) {
		kill(pids[i], SIGKILL);
		uev_join(pids[i]);
		close(s.gates[i][0]);
		close(s.gates[i][1]);
	}
}

TEST_F(uev, memfd_mapped_twice)
{
	int fd = memfd_create("uev", MFD_CLOEXEC);
	__u32 *one, *two;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, uev_page_size()));
	one = map(PROT_READ | PROT_WRITE, MAP_SHARED, fd, uev_page_size());
	two = map(PROT_READ | PROT_WRITE, MAP_SHARED, fd, uev_page_size());
	ASSERT_OK(uev_reg(self->fd, &one[0], 0, 4, 0, EVENT, NULL));
	/* The other address is another registration, of another event. */
	ASSERT_OK(uev_reg(self->fd, &two[0], 1, 4, 0, "mem_other", NULL));
	ASSERT_FOLLOWS(one[0]);
	EXPECT_EQ(1, UEV_READ(two[0]));
	ASSERT_OK(uev_enable("mem_other", true));
	ASSERT_BECOMES(3, one[0]);
	/* With one of the mappings gone, the other is still right. */
	ASSERT_OK(uev_unreg(self->fd, &one[0], 0));
	ASSERT_EQ(0, munmap(one, uev_page_size()));
	EXPECT_EQ(2, UEV_READ(two[0]));
	ASSERT_OK(uev_enable("mem_other", false));
	ASSERT_BECOMES(0, two[0]);
	close(fd);
}

/* A private mapping of the file is memory of its own: its bit says nothing of the shared one. */
TEST_F(uev, private_mapping_of_shared_memory)
{
	int fd = memfd_create("uev", MFD_CLOEXEC);
	__u32 *shared, *private;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, uev_page_size()));
	shared = map(PROT_READ | PROT_WRITE, MAP_SHARED, fd, uev_page_size());
	private = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, uev_page_size());
	ASSERT_TRUE(shared && private);
	ASSERT_OK(uev_reg(self->fd, shared, 3, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, private, 3, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_EQ(8, UEV_READ(*shared));
	ASSERT_EQ(8, UEV_READ(*private));
	ASSERT_OK(uev_unreg(self->fd, shared, 3));
	EXPECT_EQ(0, UEV_READ(*shared));
	EXPECT_EQ(8, UEV_READ(*private));
	munmap(private, uev_page_size());
	munmap(shared, uev_page_size());
	close(fd);
}

TEST_F(uev, truncated_memfd)
{
	int fd = memfd_create("uev", MFD_CLOEXEC);
	__u32 *v;

	ASSERT_EQ(0, ftruncate(fd, uev_page_size()));
	v = map(PROT_READ | PROT_WRITE, MAP_SHARED, fd, uev_page_size());
	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	/* Beyond the end of the file there is nothing to write to, ... */
	ASSERT_EQ(0, ftruncate(fd, 0));
	SWITCH(true);
	SWITCH(false);
	/* ... until there is again. */
	ASSERT_EQ(0, ftruncate(fd, uev_page_size()));
	SWITCH(true);
	ASSERT_BECOMES(1, *v);
	close(fd);
}

static __u32 content_of(int fd, off_t at)
{
	__u32 content = ~0U;

	return pread(fd, &content, sizeof(content), at) == sizeof(content) ?
	       content : ~0U;
}

/* Maps a page of @fd, with something beside the enable word, and registers that. */
static __u32 *register_in_file(int data, int fd)
{
	__u32 *v = map(PROT_READ | PROT_WRITE, MAP_SHARED, fd, uev_page_size());

	if (!v)
		return NULL;
	UEV_WRITE(v[1], 0x600d);
	return uev_reg(data, v, 0, 4, 0, EVENT, NULL) ? NULL : v;
}

/*
 * Only the kernel writes after msync(). If that left the page clean, the bit
 * would be gone together with the page.
 */
TEST_F(uev, shared_file_on_disk)
{
	size_t page = uev_page_size();
	const char *why;
	__u32 *v;
	int fd, on;

	why = uev_open_on_disk(0, &fd);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, ftruncate(fd, page));
	for (on = 1; on >= 0; on--) {
		v = register_in_file(self->fd, fd);
		ASSERT_NE(NULL, v);
		ASSERT_OK(uev_enable(EVENT_NAME, !on));
		ASSERT_BECOMES(!on, *v);
		ASSERT_EQ(0, msync(v, page, MS_SYNC));
		ASSERT_OK(uev_enable(EVENT_NAME, on));
		ASSERT_BECOMES(on, *v);
		EXPECT_EQ(on, content_of(fd, 0));
		ASSERT_EQ(0, munmap(v, page));

		/* From the disk, not from memory */
		ASSERT_EQ(0, fsync(fd));
		EXPECT_OK(uev_put("/proc/sys/vm/drop_caches", "3"));
		ASSERT_EQ(0, posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
		EXPECT_EQ(on, content_of(fd, 0));
		EXPECT_EQ(0x600d, content_of(fd, 4));

		/* Unregistering finds nothing mapped, which is no error. */
		EXPECT_OK(uev_unreg(self->fd, v, 0));
	}
	close(fd);
}

/* What msync() has written is there after another mount, the bit included. */
TEST_F(uev, shared_file_after_remount)
{
	char dir[] = "/tmp/uev-XXXXXX", path[64];
	size_t page = uev_page_size();
	const char *why;
	__u32 *v;
	int fd;

	why = uev_mount_disk(0, true, dir);
	if (why)
		SKIP(return, "%s", why);
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, page));
	v = register_in_file(self->fd, fd);
	ASSERT_NE(NULL, v);
	ASSERT_EQ(0, msync(v, page, MS_SYNC));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *v);
	ASSERT_EQ(0, msync(v, page, MS_SYNC));
	ASSERT_EQ(0, munmap(v, page));
	close(fd);
	ASSERT_EQ(0, umount(dir));

	ASSERT_EQ(NULL, uev_mount_disk(0, false, dir));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	EXPECT_EQ(1, content_of(fd, 0));
	EXPECT_EQ(0x600d, content_of(fd, 4));
	close(fd);
	ASSERT_EQ(0, umount(dir));
	rmdir(dir);
}

/*
 * The kernel may drop this page as it is, until it is written to. If the write
 * of the bit did not count as one, the bit would go with the page.
 */
TEST_F(uev, page_that_may_be_dropped)
{
	__u32 *v = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, uev_page_size());
	int i;

	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	SWITCH(true);
	UEV_WRITE(v[1], 1);
	ASSERT_EQ(0, madvise(v, uev_page_size(), MADV_FREE));
	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
	for (i = 0; i < 10; i++)
		madvise(v, uev_page_size(), MADV_PAGEOUT);
	EXPECT_EQ(1, UEV_READ(*v));
}

/* A clean page of the file is dropped; the worker reads it from the disk. */
TEST_F(uev, shared_file_not_in_memory)
{
	size_t page = uev_page_size();
	const char *why;
	__u32 *v;
	int fd, on;

	why = uev_open_on_disk(0, &fd);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, ftruncate(fd, page));
	v = register_in_file(self->fd, fd);
	ASSERT_NE(NULL, v);
	for (on = 1; on >= 0; on--) {
		ASSERT_EQ(0, msync(v, page, MS_SYNC));
		ASSERT_EQ(0, madvise(v, page, MADV_DONTNEED));
		ASSERT_EQ(0, posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
		ASSERT_OK(uev_enable(EVENT_NAME, on));
		ASSERT_BECOMES(on, *v);
		EXPECT_EQ(0x600d, v[1]);
	}
	close(fd);
}

TEST_F(uev, private_file)
{
	size_t page = uev_page_size();
	int fd = memfd_create("uev", MFD_CLOEXEC);
	__u32 *v;

	ASSERT_EQ(0, ftruncate(fd, page));
	v = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, page);
	ASSERT_NE(NULL, v);
	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
	ASSERT_FOLLOWS(*v);
	/* The bit is set in the private copy, and not in the file. */
	EXPECT_EQ(0, content_of(fd, 0));
	close(fd);
}

/* What @path says after @key, as a number */
static size_t number_in(const char *path, const char *key)
{
	char *text = uev_get(path), *at = strstr(text, key);
	size_t number = at ? strtoul(at + strlen(key), NULL, 10) : 0;

	free(text);
	return number;
}

#if __SIZEOF_LONG__ == 4
/* A 32-bit kernel has to map most memory before it can write to it. */
TEST_F(uev, high_memory)
{
	char *zones = uev_get("/proc/zoneinfo"), *zone, *start;
	__u64 frame = 0;
	__u32 *v;

	zone = strstr(zones, "zone  HighMem");
	start = zone ? strstr(zone, "start_pfn:") : NULL;
	if (start)
		frame = strtoull(start + strlen("start_pfn:"), NULL, 10);
	free(zones);
	if (!start)
		SKIP(return, "all memory is low");

	v = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		uev_page_size());
	ASSERT_NE(NULL, v);
	UEV_WRITE(v[1], 0x5a5a5a5a);
	ASSERT_LE(frame, page_frame(v));
	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
	ASSERT_FOLLOWS(*v);
	ASSERT_LE(frame, page_frame(v));
	ASSERT_OK(uev_unreg(self->fd, v, 0));
	EXPECT_EQ(0, v[0]);
	EXPECT_EQ(0x5a5a5a5a, v[1]);
}
#endif

TEST_F(uev, transparent_huge_page)
{
	const size_t size = number_in("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "");
	char *area = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 2 * size);
	char *huge = (char *)(((uintptr_t)area + size - 1) & ~(size - 1));
	__u32 *v = (__u32 *)(huge + size / 2 + 64);
	char *smaps, *at;
	long kb = 0;
	pid_t pid;

	if (!size || madvise(huge, size, MADV_HUGEPAGE))
		SKIP(return, "kernel without transparent huge pages");
	memset(huge, 0, size);
	smaps = uev_get("/proc/self/smaps");
	for (at = smaps; (at = strstr(at, "AnonHugePages:")); at++)
		kb += atol(at + strlen("AnonHugePages:"));
	free(smaps);
	if (kb < (long)(size >> 10))
		SKIP(return, "no huge page to be had");

	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
	ASSERT_FOLLOWS(*v);
	EXPECT_EQ(0, v[1]);
	pid = fork();
	if (!pid)
		_exit(BECOMES(0, *v) && !v[1] ? 0 : 1);
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	EXPECT_EQ(0, uev_join(pid));
	ASSERT_BECOMES(0, *v);
	ASSERT_FOLLOWS(*v);
	/* Split into small pages */
	ASSERT_EQ(0, munmap(huge, uev_page_size()));
	ASSERT_FOLLOWS(*v);
}

struct quota {
	const char *dir;
	int fd, *step;
};

static int punches_and_fills(void *arg)
{
	struct quota *q = arg;
	size_t page = uev_page_size();
	char path[64], *area;
	struct stat stat;
	__u32 *v, *next;
	int file, other;

	area = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 2 * page);
	snprintf(path, sizeof(path), "%s/punched", q->dir);
	if (!area || uev_become_nobody())
		return 1;
	file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0 || ftruncate(file, page))
		return 2;
	v = mmap(area, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
	next = (__u32 *)(area + page);
	if (v == MAP_FAILED || uev_reg(q->fd, v, 0, 4, 0, EVENT, NULL) ||
	    uev_reg(q->fd, next, 0, 4, 0, EVENT, NULL))
		return 3;
	if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, page) ||
	    madvise(next, page, MADV_DONTNEED) || fstat(file, &stat) || stat.st_blocks)
		return 4;
	snprintf(path, sizeof(path), "%s/other", q->dir);
	other = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fallocate(other, 0, 0, 2 * page) || !fallocate(other, 0, 2 * page, page) ||
	    errno != EDQUOT)
		return 5;
	UEV_WRITE(*q->step, 1);
	/* Words are repaired in order: then this one's turn is over */
	if (!uev_wait_for(UEV_READ(*next)))
		return 6;
	return fstat(file, &stat) || stat.st_blocks ? 7 : 0;
}

/* A page that the process may not have, for its user's quota, a repair does not get either. */
TEST_F(uev, page_beyond_a_quota)
{
	struct quota q = { .fd = self->fd, .step = uev_shared(sizeof(int)) };
	char dir[] = "/tmp/uev-XXXXXX", options[80];
	pid_t pid;

	ASSERT_NE(NULL, mkdtemp(dir));
	q.dir = dir;
	snprintf(options, sizeof(options), "mode=777,usrquota,usrquota_block_hardlimit=%zu",
		 2 * uev_page_size());
	if (mount("uev", dir, "tmpfs", 0, options)) {
		rmdir(dir);
		SKIP(return, "kernel without quotas of tmpfs");
	}
	pid = uev_fork(punches_and_fills, &q);
	uev_wait_for(UEV_READ(*q.step));
	EXPECT_OK(uev_enable(EVENT_NAME, true));
	EXPECT_EQ(0, uev_join(pid));
	/* A thread may still have the address space */
	EXPECT_TRUE(uev_wait_for(!umount(dir)));
	rmdir(dir);
}

TEST_F(uev, hugetlb_page)
{
	const size_t size = number_in("/proc/meminfo", "Hugepagesize:") << 10;
	char *old = uev_get("/proc/sys/vm/nr_hugepages");
	int kind, flags[] = { MAP_PRIVATE, MAP_SHARED };
	__u32 *v;
	char *area;
	pid_t pid;

	if (!*old || uev_put("/proc/sys/vm/nr_hugepages", "8"))
		SKIP(return, "kernel without hugetlb");
	for (kind = 0; kind < 2; kind++) {
		area = map(PROT_READ | PROT_WRITE,
			   flags[kind] | MAP_ANONYMOUS | MAP_HUGETLB, -1, size);
		if (!area) {
			uev_put("/proc/sys/vm/nr_hugepages", old);
			SKIP(return, "no memory for hugetlb pages");
		}
		v = (__u32 *)(area + size / 2 + 64);
		ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
		ASSERT_FOLLOWS(*v);
		pid = fork();
		if (!pid)
			_exit(BECOMES(0, *v) ? 0 : 1);
		ASSERT_OK(uev_enable(EVENT_NAME, false));
		EXPECT_EQ(0, uev_join(pid));
		ASSERT_BECOMES(0, *v);
		EXPECT_EQ(0, v[1]);
		ASSERT_OK(uev_unreg(self->fd, v, 0));
		munmap(area, size);
	}
	EXPECT_OK(uev_put("/proc/sys/vm/nr_hugepages", old));
	free(old);
}

TEST_F(uev, discarded_page_comes_back)
{
	int advice[] = { MADV_DONTNEED, MADV_FREE };
	__u32 *v = self->value;
	size_t i;

	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		v[1] = 0x11;
		ASSERT_EQ(0, madvise(self->page, uev_page_size(), advice[i]));
		ASSERT_OK(uev_enable(EVENT_NAME, true));
		/* Nobody touches it, so only the kernel brings it back. */
		EXPECT_TRUE(uev_wait_for(uev_page_is_present(v)));
		ASSERT_BECOMES(1, v[0]);
		ASSERT_EQ(0, madvise(self->page, uev_page_size(), advice[i]));
		ASSERT_OK(uev_enable(EVENT_NAME, false));
		ASSERT_BECOMES(0, v[0]);
	}
}

/* Pages of a memfd keep their data when discarded: no bit is right by itself. */
TEST_F(uev, discarded_pages_come_back_together)
{
	size_t page = uev_page_size(), i;
	int fd = memfd_create("uev", MFD_CLOEXEC), on;
	__u32 *v[4], *value;
	char *area;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 3 * page));
	area = map(PROT_READ | PROT_WRITE, MAP_SHARED, fd, 3 * page);
	ASSERT_NE(NULL, area);
	v[0] = (__u32 *)area;
	v[1] = v[0] + 1;
	v[2] = (__u32 *)(area + page);
	v[3] = (__u32 *)(area + 3 * page) - 1;
	for (i = 0; i < ARRAY_SIZE(v); i++)
		ASSERT_OK(uev_reg(self->fd, v[i], 0, 4, 0, EVENT, NULL));
	for (on = 1; on >= 0; on--) {
		ASSERT_EQ(0, madvise(area, 3 * page, MADV_DONTNEED));
		ASSERT_OK(uev_enable(EVENT_NAME, on));
		for (i = 0; i < ARRAY_SIZE(v); i++) {
			value = v[i];
			ASSERT_BECOMES(on, *value);
		}
	}
	close(fd);
}

/* Clean pages of a file that nobody has touched for a while. */
TEST_F(uev, page_not_read_yet)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	__u32 *v = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
			  uev_page_size()), first;
	/* Set in the file, and clear: 0x7f 'E' 'L' 'F', in either order of bytes */
	const __u32 bits = 1U << 1 | 1U << 7;

	ASSERT_NE(NULL, v);
	ASSERT_EQ(sizeof(first), pread(fd, &first, sizeof(first), 0));
	ASSERT_OK(uev_reg(self->fd, v, 1, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, v, 7, 4, 0, EVENT, NULL));
	ASSERT_EQ(first & ~bits, UEV_READ(*v));
	ASSERT_EQ(0, madvise(v, uev_page_size(), MADV_DONTNEED));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	EXPECT_TRUE(uev_wait_for(uev_page_is_present(v)));
	ASSERT_BECOMES(first | bits, *v);
	ASSERT_EQ(0, madvise(v, uev_page_size(), MADV_DONTNEED));
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	EXPECT_TRUE(uev_wait_for(uev_page_is_present(v)));
	ASSERT_BECOMES(first & ~bits, *v);
	close(fd);
}

TEST_F(uev, swapped_page_comes_back)
{
	const char *why = uev_swap_on(0);
	__u32 *v;

	if (why)
		SKIP(return, "%s", why);
	v = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, uev_page_size());
	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
	v[1] = 0x5a5a;
	EXPECT_TRUE(uev_swap_out(v));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	EXPECT_TRUE(uev_wait_for(uev_page_is_present(v)));
	EXPECT_TRUE(BECOMES(1, v[0]));
	EXPECT_EQ(0x5a5a, v[1]);
	EXPECT_TRUE(uev_swap_out(v));
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	EXPECT_TRUE(BECOMES(0, v[0]));
	EXPECT_EQ(0x5a5a, v[1]);
	EXPECT_OK(uev_swap_off(0));
}

TEST_F(uev, read_only_mapping_is_never_written)
{
	static const int prots[] = { PROT_READ, PROT_NONE,
				     PROT_READ | PROT_EXEC };
	size_t page = uev_page_size();
	__u32 *v = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, page);
	size_t i;
	int round;

	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		ASSERT_EQ(0, UEV_READ(*v));
		ASSERT_EQ(0, mprotect(v, page, prots[i]));
		for (round = 0; round < 10; round++) {
			SWITCH(true);
			SWITCH(false);
		}
		SWITCH(true);
		usleep(200000);
		ASSERT_EQ(0, mprotect(v, page, PROT_READ | PROT_WRITE));
		EXPECT_EQ(0, UEV_READ(*v)) TH_LOG("protection %d", prots[i]);

		/* The next switch finds it writable. */
		SWITCH(false);
		SWITCH(true);
		ASSERT_BECOMES(1, *v);

		/* The other way round: the bit stays set. */
		ASSERT_EQ(0, mprotect(v, page, prots[i]));
		SWITCH(false);
		usleep(200000);
		ASSERT_EQ(0, mprotect(v, page, PROT_READ | PROT_WRITE));
		EXPECT_EQ(1, UEV_READ(*v)) TH_LOG("protection %d", prots[i]);
		SWITCH(true);
		SWITCH(false);
		ASSERT_BECOMES(0, *v);
	}
	munmap(v, page);
}

/* Read-only mappings of files, even one that a debugger could write to */
TEST_F(uev, read_only_file_is_never_written)
{
	size_t page = uev_page_size();
	int fd = memfd_create("uev", MFD_CLOEXEC), kind;
	__u32 content = 1, *v;

	ASSERT_EQ(0, ftruncate(fd, page));
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	for (kind = 0; kind < 2; kind++) {
		v = map(PROT_READ | PROT_WRITE, kind ? MAP_SHARED : MAP_PRIVATE,
			fd, page);
		ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
		ASSERT_EQ(0, mprotect(v, page, PROT_READ));
		SWITCH(true);
		usleep(200000);
		EXPECT_EQ(0, UEV_READ(*v));
		EXPECT_EQ(sizeof(content), pread(fd, &content, 4, 0));
		EXPECT_EQ(0, content);
		ASSERT_EQ(0, mprotect(v, page, PROT_READ | PROT_WRITE));
		UEV_WRITE(*v, 1);
		ASSERT_EQ(0, mprotect(v, page, PROT_READ));
		/* Clearing is writing as well. */
		EXPECT_OK(uev_unreg(self->fd, v, 0));
		EXPECT_EQ(1, UEV_READ(*v));
		SWITCH(false);
		munmap(v, page);
	}
	close(fd);
}

/* A mapping that changes all the time while the event is switched. */
static bool stop_mapping;

static void *remap_forever(void *arg)
{
	size_t page = uev_page_size();
	char *at = arg;
	long round = 0;

	while (!UEV_READ(stop_mapping)) {
		switch (round++ % 4) {
		case 0:
			munmap(at, page);
			break;
		case 1:
			mmap(at, page, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			break;
		case 2:
			mprotect(at, page, PROT_READ);
			break;
		case 3:
			mprotect(at, page, PROT_READ | PROT_WRITE);
			madvise(at, page, MADV_DONTNEED);
			break;
		}
	}
	mmap(at, page, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return (void *)round;
}

TEST_F(uev, mapping_in_flux)
{
	__u64 end = uev_now_ms() + 5000;
	size_t page = uev_page_size();
	__u32 *v = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, page);
	pthread_t thread;
	int i;

	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	stop_mapping = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, remap_forever, v));
	for (i = 0; i < 10 || uev_now_ms() < end; i++) {
		EXPECT_OK(uev_enable(EVENT_NAME, !(i & 1)));
		EXPECT_TRUE(BECOMES(!(i & 1), *self->value));
	}
	UEV_WRITE(stop_mapping, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	/* The registration has ended with its mapping. */
	SWITCH(false);
	SWITCH(true);
	EXPECT_EQ(0, UEV_READ(*v));
	EXPECT_OK(uev_unreg(self->fd, v, 0));
}

/* Many addresses that cannot be written do not delay others for long. */
TEST_F(uev, thousands_of_unmapped_values)
{
	const int count = 2000;
	size_t page = uev_page_size();
	char *area = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, count * page);
	int i;

	ASSERT_NE(NULL, area);
	for (i = 0; i < count; i++) {
		ASSERT_OK(uev_reg(self->fd, area + i * page, 0, 4, 0, EVENT,
				  NULL));
	}
	ASSERT_EQ(0, munmap(area, count * page));
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	for (i = 0; i < 4; i++)
		SWITCH(!(i & 1));
	for (i = 0; i < count; i++)
		ASSERT_OK(uev_unreg(self->fd, area + i * page, 0));
	SWITCH(true);
}

TEST_HARNESS_MAIN
