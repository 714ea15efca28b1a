// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of a process whose enable words cannot be written: the rounds of its
 * repairs, as a probe in the kernel counts them, and lines in the log. The numbers
 * are those of Documentation/trace/user_events.rst.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "uev_harness.h"

#define EVENT		"bound_event u32 a"
#define EVENT_NAME	"bound_event"
#define LINE		"[%d]: cannot write bit %d at 0x%lx for event %127s"

/*
 * Rounds for a page that is missing again each time: every other one brings it in,
 * after a few that must not wait
 */
#define ROUNDS_MISSING	(2 * 17 + 8)
/* Rounds that find a lock busy, once the pauses have grown */
#define BUSY_PER_SECOND	2
#define LINES_A_MINUTE	10

FIXTURE(bounded) {
	int fd, kmsg;
	bool probed;
	__u32 *good;
};

FIXTURE_SETUP(bounded)
{
	uev_reset();
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	self->good = uev_shared(uev_page_size());
	self->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->kmsg);
	ASSERT_LE(0, lseek(self->kmsg, 0, SEEK_END));
	ASSERT_OK(uev_reg(self->fd, self->good, 0, 4, 0, EVENT, NULL));
	/* repair_visit() is called once for each round over the enablers. */
	self->probed = !uev_probe("repair_visit");
}

FIXTURE_TEARDOWN(bounded)
{
	uev_probe_end();
	close(self->kmsg);
	close(self->fd);
	uev_reset();
}

#define NEEDS_PROBE() do {						\
	if (!self->probed)						\
		SKIP(return, "kernel without CONFIG_KPROBE_EVENTS");	\
} while (0)

/*
 * While a repair goes on, all bits that are not right are shown as under repair. To
 * read no more than the first of them keeps the repair from waiting.
 */
#define LINES_A_READ	50
static int reads;

static bool is_repaired(void)
{
	FILE *file = fopen(TRACEFS "user_events_enablers", "re");
	bool repaired = true;
	char line[256];
	int lines = 0;

	if (!file)
		return false;
	usleep(20000);
	while (repaired && fgets(line, sizeof(line), file)) {
		reads += lines++ % LINES_A_READ == 0;
		repaired = !strstr(line, " repair ");
	}
	fclose(file);
	return repaired && lines;
}

/* Of the enable words that are lost */
#define LOST_BIT	5

/* Counts lines that name the event; -1 if one has a wrong process, bit or address. */
static int log_lines(int kmsg, const void *from, const void *to)
{
	int count = 0, pid, bit;
	char line[8192], event[128];
	unsigned long addr;
	char *at;

	while (uev_log_line(kmsg, line, sizeof(line))) {
		if (!strstr(line, EVENT_NAME))
			continue;
		count++;
		at = strchr(strstr(line, "user_events: "), '[');
		if (!at || sscanf(at, LINE, &pid, &bit, &addr, event) != 4 ||
		    pid != getpid() || strcmp(event, EVENT_NAME) || bit != LOST_BIT ||
		    addr < (unsigned long)from || addr >= (unsigned long)to)
			return -1;
	}
	return count;
}

/* Enable words that can be neither written nor brought in take no round of their own. */
TEST_F(bounded, read_only_values)
{
	const int count = uev_rounds(10000);
	size_t size = count * 8UL;
	char *area = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i, on, lines = 0, got;
	long before, took;
	__u64 start;

	NEEDS_PROBE();
	ASSERT_NE(MAP_FAILED, area);
	for (i = 0; i < count; i++)
		ASSERT_OK(uev_reg(self->fd, area + i * 8, LOST_BIT, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, mprotect(area, size, PROT_READ));

	start = uev_now_ms();
	for (on = 1; on >= 0; on--) {
		before = uev_probe_hits();
		reads = 0;
		ASSERT_OK(uev_enable(EVENT_NAME, on));
		ASSERT_BECOMES(on, *self->good);
		ASSERT_TRUE(uev_wait_for(is_repaired()));
		took = uev_probe_hits() - before;
		TH_LOG("%d values: %ld rounds", count, took);
		/* The probe counts at all (they are clear to begin with), ... */
		if (on)
			EXPECT_LE(1, took);
		/*
		 * ... and a round handles some hundreds of words. is_repaired()
		 * keeps a lock busy now and then.
		 */
		EXPECT_GE(count / 100 + 2 + 2 * reads, took);
		got = log_lines(self->kmsg, area, area + size);
		EXPECT_LE(0, got) TH_LOG("a line does not name what it should");
		lines += got;
	}
	EXPECT_LT(0, lines);
	/* Of each minute that has begun, and of the one before */
	EXPECT_GE(LINES_A_MINUTE * (2 + (uev_now_ms() - start) / 60000), lines);
}

/* Rounds that the repairs take after a switch, or -1 */
static long rounds_of_switch(const __u32 *good)
{
	long before = uev_probe_hits();

	reads = 0;
	if (uev_enable(EVENT_NAME, true) || !BECOMES(1, *good) || !uev_wait_for(is_repaired()))
		return -1;
	return uev_probe_hits() - before;
}

#define MISSING		100

/* A round for each of them, and some that find a lock busy, but not two for each */
#define MISSING_ROUNDS	(MISSING * 3 / 2)

/* A page that can be brought in takes a round, and is not called lost. */
TEST_F(bounded, missing_pages)
{
	size_t page = uev_page_size();
	char *area = mmap(NULL, MISSING * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long took;
	int i;

	NEEDS_PROBE();
	ASSERT_NE(MAP_FAILED, area);
	for (i = 0; i < MISSING; i++)
		ASSERT_OK(uev_reg(self->fd, area + i * page, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, madvise(area, MISSING * page, MADV_DONTNEED));

	took = rounds_of_switch(self->good);
	TH_LOG("%d pages: %ld rounds", MISSING, took);
	/* The kernel may find two of them in one round */
	EXPECT_LE(MISSING / 2, took);
	EXPECT_GE(MISSING_ROUNDS + 2 * reads, took);
	for (i = 0; i < MISSING; i++)
		EXPECT_EQ(1, *(__u32 *)(area + i * page));
	EXPECT_EQ(0, log_lines(self->kmsg, area, area + MISSING * page));
}

/* A page that cannot be brought in takes one, too, and is given up. */
TEST_F(bounded, pages_past_the_end)
{
	size_t page = uev_page_size();
	int fd = memfd_create("bounded", MFD_CLOEXEC), i;
	char *area;
	long took;

	NEEDS_PROBE();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, MISSING * page));
	area = mmap(NULL, MISSING * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, area);
	for (i = 0; i < MISSING; i++)
		ASSERT_OK(uev_reg(self->fd, area + i * page, LOST_BIT, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, ftruncate(fd, 0));

	took = rounds_of_switch(self->good);
	TH_LOG("%d pages: %ld rounds", MISSING, took);
	EXPECT_LE(1, took);
	EXPECT_GE(MISSING_ROUNDS + 2 * reads, took);
	/* None, if other tests have used up the minute's */
	EXPECT_LE(0, log_lines(self->kmsg, area, area + MISSING * page))
		TH_LOG("a line does not name what it should");
	close(fd);
}

/* Only this test uses this UID, so no other test uses up its log lines of a minute */
#define LOGGED_UID	54321

struct lost {
	int fd;
	__u32 *word;
	int ready, quit;
};

static int loses_its_page(void *arg)
{
	struct lost *lost = arg;

	if (uev_reg(lost->fd, lost->word, LOST_BIT, 4, 0, EVENT, NULL))
		return 1;
	UEV_WRITE(lost->ready, 1);
	return !uev_wait_for(UEV_READ(lost->quit));
}

/* The kernel counts a process as its new user once it has forked */
static int as_another_user(void *arg)
{
	return setresuid(LOGGED_UID, LOGGED_UID, LOGGED_UID) ? 1 :
	       uev_join(uev_fork(loses_its_page, arg));
}

/* What is given up is logged, which bit of which event. */
TEST_F(bounded, page_past_the_end_is_logged)
{
	struct lost *lost = uev_shared(sizeof(*lost));
	int memory = memfd_create("bounded", MFD_CLOEXEC);
	char line[128];
	pid_t pid;

	ASSERT_LE(0, memory);
	ASSERT_EQ(0, ftruncate(memory, uev_page_size()));
	lost->fd = self->fd;
	lost->word = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	ASSERT_NE(MAP_FAILED, lost->word);
	pid = uev_fork(as_another_user, lost);
	ASSERT_LT(0, pid);
	ASSERT_BECOMES(1, lost->ready);
	ASSERT_EQ(0, ftruncate(memory, 0));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	snprintf(line, sizeof(line), "cannot write bit %d at 0x%lx for event " EVENT_NAME,
		 LOST_BIT, (unsigned long)lost->word);
	EXPECT_TRUE(uev_wait_for(uev_log_lines(self->kmsg, line)));
	UEV_WRITE(lost->quit, 1);
	EXPECT_EQ(0, uev_join(pid));
	munmap(lost->word, uev_page_size());
	close(memory);
}

static bool stop;

static void *protect_forever(void *page)
{
	while (!UEV_READ(stop)) {
		mprotect(page, uev_page_size(), PROT_READ);
		mprotect(page, uev_page_size(), PROT_READ | PROT_WRITE);
	}
	return NULL;
}

static void *discard_forever(void *page)
{
	while (!UEV_READ(stop))
		madvise(page, uev_page_size(), MADV_DONTNEED);
	return NULL;
}

static void *(*const loops[2])(void *) = { protect_forever, discard_forever };

TEST_F(bounded, page_that_goes_in_a_loop)
{
	void *page = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const int switches = uev_rounds(16);
	long before, took, most = 0;
	pthread_t thread;
	size_t loop;
	__u64 start;
	int i;

	NEEDS_PROBE();
	ASSERT_NE(MAP_FAILED, page);
	ASSERT_OK(uev_reg(self->fd, page, 0, 4, 0, EVENT, NULL));
	for (loop = 0; loop < ARRAY_SIZE(loops); loop++) {
		UEV_WRITE(stop, false);
		ASSERT_EQ(0, pthread_create(&thread, NULL, loops[loop], page));
		for (i = 0; i < switches; i++) {
			before = uev_probe_hits();
			start = uev_now_ms();
			ASSERT_OK(uev_enable(EVENT_NAME, !(i & 1)));
			ASSERT_BECOMES(!(i & 1), *self->good);
			ASSERT_TRUE(uev_wait_for(is_repaired()))
				TH_LOG("still at it after %ld rounds",
				       uev_probe_hits() - before);
			took = uev_probe_hits() - before;
			if (took > most)
				most = took;
			EXPECT_GE(ROUNDS_MISSING + BUSY_PER_SECOND *
				  (uev_now_ms() - start + 999) / 1000, took);
		}
		UEV_WRITE(stop, true);
		ASSERT_EQ(0, pthread_join(thread, NULL));
	}
	TH_LOG("%d switches, at most %ld rounds", 2 * switches, most);
	/* A bit that was given up follows later switches again. */
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *(__u32 *)page);
}

/*
 * Pages that the kernel brings in are counted for the process, however it ends:
 * else the log has a "Bad rss-counter".
 */

#define DISCARDED	64

struct ending {
	char *area;
	int *step;
	int exits;
};

static int end_while_repaired(void *arg)
{
	struct ending *e = arg;

	madvise(e->area, DISCARDED * uev_page_size(), MADV_DONTNEED);
	UEV_WRITE(*e->step, 1);
	while (UEV_READ(*e->step) == 1)
		;
	if (e->exits)
		_exit(0);
	for (;;)
		pause();
}

TEST_F(bounded, pages_of_a_process_that_ends)
{
	const int count = uev_rounds(100);
	size_t page = uev_page_size();
	struct ending e = { .step = uev_shared(4) };
	char line[8192];
	ssize_t got;
	pid_t pid;
	int i;

	e.area = mmap(NULL, DISCARDED * page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, e.area);
	for (i = 0; i < DISCARDED; i++)
		ASSERT_OK(uev_reg(self->fd, e.area + i * page, 0, 4, 0, EVENT,
				  NULL));
	for (i = 0; i < count; i++) {
		e.exits = i & 1;
		UEV_WRITE(*e.step, 0);
		pid = uev_fork(end_while_repaired, &e);
		ASSERT_LT(0, pid);
		ASSERT_TRUE(uev_wait_for(UEV_READ(*e.step) == 1));
		ASSERT_OK(uev_enable(EVENT_NAME, !(i & 2)));
		usleep(i % 20 * 100);
		UEV_WRITE(*e.step, 2);
		if (!e.exits)
			kill(pid, SIGKILL);
		ASSERT_EQ(e.exits ? 0 : -SIGKILL, uev_join(pid));
	}
	ASSERT_TRUE(uev_wait_for(is_repaired()));

	while ((got = read(self->kmsg, line, sizeof(line) - 1)) >= 0 ||
	       errno == EPIPE) {
		line[got > 0 ? got : 0] = '\0';
		EXPECT_EQ(NULL, strstr(line, "Bad rss-counter"))
			TH_LOG("%s", line);
	}
}

TEST_HARNESS_MAIN
