// SPDX-License-Identifier: GPL-2.0
/*
 * Pages whose pager keeps them back: nobody else waits for them, and if they come
 * after the process has left its memory, nothing is written to it.
 */
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include "uev_harness.h"
#include "uev_pager.h"

#define EVENT		"pager_event u32 a"
#define EVENT_NAME	"pager_event"

static __u32 first_word(int fd)
{
	__u32 value = ~0U;

	if (pread(fd, &value, sizeof(value), 0) != sizeof(value))
		return ~0U;
	return value;
}

/*
 * A page that its pager does not deliver: a switch does not wait for it; other
 * bits are right at once, and the bit in the page is once the page is there.
 */
TEST_F(uev, page_that_its_pager_keeps_back)
{
	__u32 *stuck, *fine = self->value;
	__u64 start, took;
	int uffd, i;

	stuck = uev_register_and_lose(self->fd, EVENT, &uffd);
	if (!stuck)
		SKIP(return, UEV_NO_PAGER);
	ASSERT_OK(uev_reg(self->fd, fine, 0, 4, 0, EVENT, NULL));

	start = uev_now_ms();
	for (i = 0; i < 4; i++)
		ASSERT_OK(uev_enable(EVENT_NAME, !(i & 1)));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	took = uev_now_ms() - start;
	/* A switch that waited for the page would never return. */
	EXPECT_GT(UEV_WAIT_MS, took);
	EXPECT_TRUE(uev_wait_for(uev_waiting_threads(NULL)));
	EXPECT_OK(uev_deliver(uffd, stuck, NULL));
	ASSERT_BECOMES(1, *stuck);
	ASSERT_BECOMES(1, *fine);
	/* Nobody stays to wait for nothing */
	EXPECT_TRUE(uev_wait_for(!uev_waiting_threads(NULL)));
	close(uffd);
}

struct stuck_process {
	int fd;
	int *ready;
};

static int get_stuck(void *arg)
{
	struct stuck_process *p = arg;
	int uffd;

	if (!uev_register_and_lose(p->fd, EVENT, &uffd)) {
		UEV_WRITE(*p->ready, -1);
		return 1;
	}
	UEV_WRITE(*p->ready, 1);
	for (;;)
		pause();
}

TEST_F(uev, process_without_its_page_delays_nobody)
{
	struct stuck_process stuck = { self->fd, uev_shared(sizeof(int)) };
	pid_t pid = uev_fork(get_stuck, &stuck);
	int i;

	ASSERT_LT(0, pid);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*stuck.ready)));
	if (*stuck.ready < 0) {
		uev_join(pid);
		SKIP(return, UEV_NO_PAGER);
	}
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	for (i = 0; i < 10; i++)
		SWITCH(!(i & 1));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, uev_join(pid));
	for (i = 0; i < 10; i++)
		SWITCH(!(i & 1));
}

#define WORDS	200	/* on one page */

/* A repair waits once for a page, however many words it has, and then for the next. */
TEST_F(uev, page_after_one_with_many_words)
{
	size_t page = uev_page_size();
	struct pollfd asked = { .events = POLLIN };
	__u32 *stuck = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u32 *next = (void *)stuck + page;
	int uffd, i;

	ASSERT_NE(MAP_FAILED, stuck);
	for (i = 0; i < WORDS; i++)
		ASSERT_OK(uev_reg(self->fd, &stuck[i], 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, next, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, madvise(stuck, 2 * page, MADV_DONTNEED));
	uffd = uev_pager(stuck, page);
	asked.fd = uev_pager(next, page);
	if (uffd < 0 || asked.fd < 0)
		SKIP(return, UEV_NO_PAGER);
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	/* A second for each word would be three minutes */
	ASSERT_EQ(1, poll(&asked, 1, 60000));
	EXPECT_OK(uev_deliver(asked.fd, next, NULL));
	ASSERT_BECOMES(1, *next);
	EXPECT_OK(uev_deliver(uffd, stuck, NULL));
	ASSERT_BECOMES(1, stuck[WORDS - 1]);
	close(asked.fd);
	close(uffd);
	munmap(stuck, 2 * page);
}

/*
 * A process that ends while a repair waits for its page takes its memory with it, files
 * that are mapped included: no kernel thread is left to close them.
 */
struct ending {
	int fd, go[2];
	const char *file;
};

static int ends_with_a_mapped_file(void *arg)
{
	struct ending *e = arg;
	struct pollfd asked = { .events = POLLIN };
	char c = 1;
	int file;

	file = open(e->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0 || ftruncate(file, 1) ||
	    mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 0) == MAP_FAILED)
		return 1;
	close(file);
	if (!uev_register_and_lose(e->fd, EVENT, &asked.fd)) {
		c = 0;
		return write(e->go[1], &c, 1) != 1;
	}
	/* Tell that it is registered, and then that the repair waits */
	if (write(e->go[1], &c, 1) != 1 || poll(&asked, 1, 60000) != 1 ||
	    write(e->go[1], &c, 1) != 1)
		return 1;
	for (;;)
		pause();
}

TEST_F(uev, page_of_a_process_that_is_killed)
{
	char dir[] = "/tmp/uev-XXXXXX", file[64], c;
	struct ending e = { .fd = self->fd, .file = file };
	const int rounds = uev_rounds(20);
	pid_t pid;
	int i;

	ASSERT_NE(NULL, mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/file", dir);
	ASSERT_EQ(0, pipe2(e.go, O_CLOEXEC));
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, mount("uev", dir, "tmpfs", 0, NULL));
		pid = uev_fork(ends_with_a_mapped_file, &e);
		ASSERT_LT(0, pid);
		ASSERT_EQ(1, read(e.go[0], &c, 1));
		if (!c) {
			uev_join(pid);
			umount(dir);
			rmdir(dir);
			SKIP(return, UEV_NO_PAGER);
		}
		ASSERT_OK(uev_enable(EVENT_NAME, true));
		ASSERT_EQ(1, read(e.go[0], &c, 1));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(-SIGKILL, uev_join(pid));
		ASSERT_EQ(0, umount(dir))
			TH_LOG("round %d: %s", i, strerror(errno));
		ASSERT_OK(uev_enable(EVENT_NAME, false));
	}
	rmdir(dir);
	close(e.go[0]);
	close(e.go[1]);
}

#define OTHER		"pager_other u32 a"
#define OTHER_NAME	"pager_other"

FIXTURE(two_events) {
	__u32 *first, *second;	/* of OTHER and EVENT, in two pages that have gone */
	int fd, first_uffd, second_uffd;
};

FIXTURE_SETUP(two_events)
{
	size_t page = uev_page_size();
	void *area = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	uev_reset();
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	ASSERT_NE(MAP_FAILED, area);
	self->first = area;
	self->second = area + page;
	ASSERT_OK(uev_reg(self->fd, self->first, 0, 4, 0, OTHER, NULL));
	ASSERT_OK(uev_reg(self->fd, self->second, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, madvise(area, 2 * page, MADV_DONTNEED));
	self->first_uffd = uev_pager(self->first, page);
	self->second_uffd = uev_pager(self->second, page);
}

FIXTURE_TEARDOWN(two_events)
{
	munmap(self->first, 2 * uev_page_size());
	close(self->first_uffd);
	close(self->second_uffd);
	close(self->fd);
	uev_reset();
}

/* While a page has still to come, another event is switched: both bits come right. */
TEST_F(two_events, wait_for_their_pages)
{
	if (self->first_uffd < 0)
		SKIP(return, UEV_NO_PAGER);
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_OK(uev_enable(OTHER_NAME, true));
	EXPECT_OK(uev_deliver(self->first_uffd, self->first, NULL));
	EXPECT_OK(uev_deliver(self->second_uffd, self->second, NULL));
	ASSERT_BECOMES(1, *self->first);
	ASSERT_BECOMES(1, *self->second);
}

/* So they do if the repair is past the page of the one that is switched last. */
TEST_F(two_events, one_fails_behind_the_repair)
{
	struct pollfd asked = { .fd = self->second_uffd, .events = POLLIN };

	if (self->first_uffd < 0)
		SKIP(return, UEV_NO_PAGER);
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_EQ(1, poll(&asked, 1, UEV_WAIT_MS));
	ASSERT_OK(uev_enable(OTHER_NAME, true));
	EXPECT_OK(uev_deliver(self->second_uffd, self->second, NULL));
	ASSERT_BECOMES(1, *self->second);
	/* Longer than a thread waits for one page at a time */
	sleep(3);
	EXPECT_OK(uev_deliver(self->first_uffd, self->first, NULL));
	ASSERT_BECOMES(1, *self->first);
}

#define PIECE	256	/* bits that a repair looks at before it drops its locks */

/* So it does where a pager keeps back the page that the next bits begin with. */
TEST_F(uev, page_after_the_bits_of_one_piece)
{
	size_t page = uev_page_size();
	void *area = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u32 *stuck = area + page, *next = area + 2 * page;
	__u64 *bits = area;
	int uffd, i;

	ASSERT_NE(MAP_FAILED, area);
	for (i = 0; i < PIECE; i++)
		ASSERT_OK(uev_reg(self->fd, &bits[i / 64], i % 64, 8, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, stuck, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, next, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, madvise(stuck, 2 * page, MADV_DONTNEED));
	uffd = uev_pager(stuck, page);
	if (uffd < 0)
		SKIP(return, UEV_NO_PAGER);
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *next);
	EXPECT_OK(uev_deliver(uffd, stuck, NULL));
	ASSERT_BECOMES(1, *stuck);
	for (i = 0; i < PIECE / 64; i++)
		EXPECT_EQ(~0ULL, bits[i]);
	close(uffd);
	munmap(area, 3 * page);
}

/*
 * A repair waits for a page, and meanwhile the process leaves the address space:
 * when the page comes at last, nothing is written to it.
 */
struct leaver {
	int fd, memory;		/* user_events_data; a memfd of two pages */
	int gate[2];		/* a byte in it: go */
	int uffd;		/* a descriptor of the process */
	pid_t pid;
	__u32 *value;
	int ready;
};

/* Maps two holes of the memfd, which only @uffd can fill; the word is in the first. */
static int leave(void *arg)
{
	size_t len = 2 * uev_page_size();
	struct leaver *l = arg;
	char byte;

	l->value = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			l->memory, 0);
	if (l->value == MAP_FAILED ||
	    uev_reg(l->fd, l->value, 0, 4, 0, EVENT, NULL)) {
		UEV_WRITE(l->ready, -1);
		return 1;
	}
	l->uffd = uev_pager(l->value, len);
	if (l->uffd < 0 ||
	    fallocate(l->memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      len)) {
		UEV_WRITE(l->ready, -1);
		return 1;
	}
	UEV_WRITE(l->ready, 1);
	return read(l->gate[0], &byte, 1) == 1 ? uev_exec_and_wait(l->gate[0]) :
						 1;
}

static int fill_hole(int uffd, struct leaver *l, const void *from)
{
	return uev_deliver(uffd, l->value, from);
}

FIXTURE(leaver) {
	struct leaver *l;
	void *empty;
	pid_t pid;
	int uffd;
};

FIXTURE_SETUP(leaver)
{
	struct pollfd poll_uffd = { .events = POLLIN };
	size_t page = uev_page_size();
	int pidfd;

	uev_reset();
	self->empty = uev_shared(page);
	self->l = uev_shared(sizeof(*self->l));
	self->l->fd = uev_open();
	self->l->memory = memfd_create("uev", MFD_CLOEXEC);
	ASSERT_LE(0, self->l->fd);
	ASSERT_EQ(0, ftruncate(self->l->memory, 2 * page));
	ASSERT_EQ(0, pipe(self->l->gate));
	fcntl(self->l->gate[1], F_SETFD, FD_CLOEXEC);
	self->pid = uev_fork(leave, self->l);
	ASSERT_LT(0, self->pid);
	ASSERT_TRUE(uev_wait_for(UEV_READ(self->l->ready)));
	self->uffd = -1;
	if (self->l->ready < 0)
		return;

	pidfd = syscall(__NR_pidfd_open, self->pid, 0);
	self->uffd = syscall(__NR_pidfd_getfd, pidfd, self->l->uffd, 0);
	close(pidfd);
	ASSERT_LE(0, self->uffd);
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	/* Wait for the repair to ask for the first page. */
	poll_uffd.fd = self->uffd;
	ASSERT_EQ(1, poll(&poll_uffd, 1, UEV_WAIT_MS));
}

FIXTURE_TEARDOWN(leaver)
{
	close(self->uffd);
	close(self->l->gate[0]);
	close(self->l->gate[1]);
	close(self->l->memory);
	close(self->l->fd);
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		uev_join(self->pid);
	}
	uev_reset();
}

/*
 * The memory that the process has left goes, though the page that the repair
 * waited for never came.
 */
static void expect_gone_and_empty(struct __test_metadata *_metadata,
				  FIXTURE_DATA(leaver) *self)
{
	/* That would be ENOENT where the memory is still there */
	const char *elsewhere = (char *)self->l->value - uev_page_size();

	EXPECT_TRUE(uev_wait_for(uev_deliver(self->uffd, elsewhere, self->empty) ==
				 -ESRCH));
	EXPECT_EQ(0, first_word(self->l->memory));
}

TEST_F(leaver, repaired_while_there)
{
	if (self->uffd < 0)
		SKIP(return, UEV_NO_PAGER);
	ASSERT_OK(fill_hole(self->uffd, self->l, self->empty));
	EXPECT_TRUE(uev_wait_for(first_word(self->l->memory) == 1));
}

TEST_F(leaver, not_written_after_exec)
{
	if (self->uffd < 0)
		SKIP(return, UEV_NO_PAGER);
	ASSERT_EQ(1, write(self->l->gate[1], "", 1));
	ASSERT_TRUE(uev_wait_for(uev_is_exec_waiter(self->pid)));
	expect_gone_and_empty(_metadata, self);
}

TEST_F(leaver, not_written_after_exit)
{
	if (self->uffd < 0)
		SKIP(return, UEV_NO_PAGER);
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	ASSERT_EQ(-SIGKILL, uev_join(self->pid));
	self->pid = 0;
	expect_gone_and_empty(_metadata, self);
}

/*
 * Another process uses the address space when its last task leaves, as readers of
 * /proc/PID do for a moment. This one keeps using it: it reads the second page, which
 * does not come.
 */
static int read_second_page(void *arg)
{
	struct leaver *l = arg;
	char byte;
	struct iovec to = { &byte, 1 };
	struct iovec from = { (char *)l->value + uev_page_size(), 1 };

	return process_vm_readv(l->pid, &to, 1, &from, 1, 0) == 1 ? 0 : 1;
}

static pid_t begin_to_read(struct __test_metadata *_metadata,
			   FIXTURE_DATA(leaver) *self)
{
	struct pollfd poll_uffd = { .fd = self->uffd, .events = POLLIN };
	__u64 second = (uintptr_t)self->l->value + uev_page_size();
	struct uffd_msg msg = { };
	pid_t reader;

	self->l->pid = self->pid;
	reader = uev_fork(read_second_page, self->l);
	EXPECT_LT(0, reader);
	/* Skip the request of the repair, which goes now and then */
	do {
		msg.arg.pagefault.address = 0;
		if (poll(&poll_uffd, 1, UEV_WAIT_MS) != 1 ||
		    (read(self->uffd, &msg, sizeof(msg)) != sizeof(msg) &&
		     errno != EAGAIN))
			break;
	} while (msg.arg.pagefault.address != second);
	EXPECT_EQ(second, msg.arg.pagefault.address);
	return reader;
}

/* The first page is delivered, and still nothing is written to it. */
static void expect_no_switch(struct __test_metadata *_metadata,
			     FIXTURE_DATA(leaver) *self, pid_t reader)
{
	int i;

	ASSERT_OK(fill_hole(self->uffd, self->l, self->empty));
	for (i = 0; i < 10; i++) {
		ASSERT_OK(uev_enable(EVENT_NAME, false));
		ASSERT_OK(uev_enable(EVENT_NAME, true));
		EXPECT_EQ(0, first_word(self->l->memory));
	}
	/* It has been there all the time. */
	EXPECT_EQ(-EEXIST, fill_hole(self->uffd, self->l, self->empty));
	EXPECT_EQ(0, kill(reader, SIGKILL));
	EXPECT_EQ(-SIGKILL, uev_join(reader));
	expect_gone_and_empty(_metadata, self);
}

TEST_F(leaver, not_written_after_exec_while_read)
{
	pid_t reader;

	if (self->uffd < 0)
		SKIP(return, UEV_NO_PAGER);
	reader = begin_to_read(_metadata, self);
	ASSERT_EQ(1, write(self->l->gate[1], "", 1));
	ASSERT_TRUE(uev_wait_for(uev_is_exec_waiter(self->pid)));
	expect_no_switch(_metadata, self, reader);
}

TEST_F(leaver, not_written_after_exit_while_read)
{
	pid_t reader;

	if (self->uffd < 0)
		SKIP(return, UEV_NO_PAGER);
	reader = begin_to_read(_metadata, self);
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	ASSERT_EQ(-SIGKILL, uev_join(self->pid));
	self->pid = 0;
	expect_no_switch(_metadata, self, reader);
}

TEST_HARNESS_MAIN
