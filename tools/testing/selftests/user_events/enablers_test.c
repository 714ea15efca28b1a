// SPDX-License-Identifier: GPL-2.0
/*
 * user_events_enablers: which processes have registered an event, where, and
 * what is the matter with a bit that is not as it should be.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "uev_harness.h"
#include "uev_pager.h"

#define ENABLERS	"user_events_enablers"
#define EVENT		"adm_event u32 a"
#define EVENT_NAME	"adm_event"
#define HEAD		"# event pid address size bit wanted state comm\n"

struct enabler {
	char event[256], wanted[8], state[16], comm[64];
	int pid, size, bit;
	unsigned long addr;
};

/* The next line of @text with its columns, NULL after the last one */
static const char *next_enabler(const char *text, struct enabler *e)
{
	const char *end = strchr(text, '\n');

	while (end && *text == '#') {
		text = end + 1;
		end = strchr(text, '\n');
	}
	if (!end)
		return NULL;
	memset(e, 0, sizeof(*e));
	if (sscanf(text, "%255s %d 0x%lx %d %d %7s %15s %63[^\n]", e->event,
		   &e->pid, &e->addr, &e->size, &e->bit, e->wanted, e->state,
		   e->comm) != 8)
		e->event[0] = '?';
	return end + 1;
}

/* Of the process @pid at @value: NULL if there is no line, or two */
static struct enabler *enabler_of(pid_t pid, const void *value)
{
	static struct enabler found;
	char *text = uev_get(ENABLERS);
	const char *at = text;
	struct enabler e;
	int lines = 0;

	while ((at = next_enabler(at, &e))) {
		if (e.pid == pid && e.addr == (uintptr_t)value) {
			found = e;
			lines++;
		}
	}
	free(text);
	return lines == 1 ? &found : NULL;
}

static const char *state_of(const void *value)
{
	struct enabler *e = enabler_of(getpid(), value);

	return e ? e->state : "not there";
}

#define EXPECT_STATE(want, value)					\
	EXPECT_TRUE(uev_wait_for(!strcmp(want, state_of(value))))	\
		TH_LOG(#value " is %s, not %s", state_of(value), want)

static void *new_page(int fd, int flags)
{
	void *at = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE, flags, fd,
			0);

	return at == MAP_FAILED ? NULL : at;
}

TEST_F(uev, each_registration_has_a_line)
{
	__u64 *large = (__u64 *)self->value + 8;
	const int size = uev_kernel_is_64() ? 8 : 4, last = 8 * size - 1;
	struct enabler *e;
	char *text;

	ASSERT_EQ(0, prctl(PR_SET_NAME, "a b\nc"));
	ASSERT_OK(uev_reg(self->fd, self->value, 3, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, large, last, size,
			  USER_EVENT_REG_MULTI_FORMAT, "adm_other u32 b",
			  NULL));

	text = uev_get(ENABLERS);
	EXPECT_EQ(0, strncmp(text, HEAD, strlen(HEAD))) TH_LOG("%s", text);
	EXPECT_EQ(3, uev_count(text, "\n"));
	free(text);

	e = enabler_of(getpid(), self->value);
	ASSERT_NE(NULL, e);
	EXPECT_STREQ(EVENT_NAME, e->event);
	EXPECT_EQ(4, e->size);
	EXPECT_EQ(3, e->bit);
	EXPECT_STREQ("off", e->wanted);
	EXPECT_STREQ("ok", e->state);
	/* The name of a process cannot forge a line */
	EXPECT_STREQ("a b\\nc", e->comm);

	e = enabler_of(getpid(), large);
	ASSERT_NE(NULL, e);
	EXPECT_EQ(0, strncmp("adm_other.", e->event, 10));
	EXPECT_EQ(size, e->size);
	EXPECT_EQ(last, e->bit);

	ASSERT_OK(uev_enable(EVENT_NAME, true));
	EXPECT_STREQ("on", enabler_of(getpid(), self->value)->wanted);
	EXPECT_STREQ("off", enabler_of(getpid(), large)->wanted);

	ASSERT_OK(uev_unreg(self->fd, large, last));
	EXPECT_EQ(NULL, enabler_of(getpid(), large));
	EXPECT_NE(NULL, enabler_of(getpid(), self->value));
	ASSERT_OK(uev_unreg(self->fd, self->value, 3));
	text = uev_get(ENABLERS);
	EXPECT_EQ(1, uev_count(text, "\n"));
	free(text);
}

struct steps {
	int fd, pipe[2];
	__u32 *value;
	int *step;
};

static int unregister_then_exec(void *arg)
{
	struct steps *s = arg;

	close(s->pipe[1]);
	if (!uev_wait_for(UEV_READ(*s->step) == 1))
		return 1;
	uev_unreg(s->fd, s->value, 0);
	UEV_WRITE(*s->step, 2);
	if (!uev_wait_for(UEV_READ(*s->step) == 3))
		return 1;
	return uev_exec_and_wait(s->pipe[0]);
}

TEST_F(uev, each_process_has_its_own)
{
	struct steps s = { self->fd, { }, self->value + 8, uev_shared(4) };
	pid_t pid;

	ASSERT_EQ(0, pipe(s.pipe));
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, s.value, 0, 4, 0, EVENT, NULL));
	pid = uev_fork(unregister_then_exec, &s);
	ASSERT_LT(0, pid);

	ASSERT_NE(NULL, enabler_of(pid, s.value));
	ASSERT_NE(NULL, enabler_of(pid, self->value));
	UEV_WRITE(*s.step, 1);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*s.step) == 2));
	EXPECT_EQ(NULL, enabler_of(pid, s.value));
	EXPECT_NE(NULL, enabler_of(pid, self->value));
	EXPECT_NE(NULL, enabler_of(getpid(), s.value));

	/* After execve() the process has no enablers. */
	UEV_WRITE(*s.step, 3);
	EXPECT_TRUE(uev_wait_for(!enabler_of(pid, self->value)));
	close(s.pipe[1]);
	EXPECT_EQ(0, uev_join(pid));
	EXPECT_NE(NULL, enabler_of(getpid(), self->value));
}

static void *go_on_alone(void *arg)
{
	struct steps *s = arg;

	if (uev_wait_for(UEV_READ(*s->step) == 1))
		exit(0);
	exit(1);
}

static int leave_a_thread(void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, go_on_alone, arg))
		return 1;
	pthread_exit(NULL);
}

TEST_F(uev, process_without_its_first_thread)
{
	struct steps s = { self->fd, { }, self->value, uev_shared(4) };
	char path[64], *text;
	pid_t pid;

	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	pid = uev_fork(leave_a_thread, &s);
	ASSERT_LT(0, pid);
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	ASSERT_TRUE(uev_wait_for((text = uev_get(path), strstr(text, ") Z "))));
	EXPECT_NE(NULL, enabler_of(pid, self->value));
	UEV_WRITE(*s.step, 1);
	EXPECT_EQ(0, uev_join(pid));
	EXPECT_EQ(NULL, enabler_of(pid, self->value));
}

/* A file that is open shows all of them again from its beginning. */
TEST_F(uev, read_again)
{
	int fd = open(TRACEFS "user_events_enablers", O_RDONLY | O_CLOEXEC);
	static char first[65536], again[65536];
	ssize_t size, got;
	int i;

	ASSERT_LE(0, fd);
	ASSERT_OK(uev_reg(self->fd, self->value, 3, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, self->value, 7, 4, 0, EVENT, NULL));
	size = read(fd, first, sizeof(first) - 1);
	ASSERT_LT(0, size);
	first[size] = '\0';
	EXPECT_EQ(3, uev_count(first, "\n")) TH_LOG("%s", first);
	ASSERT_EQ(0, read(fd, again, sizeof(again) - 1));
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	ASSERT_EQ(size, read(fd, again, sizeof(again) - 1));
	again[size] = '\0';
	EXPECT_STREQ(first, again);

	/* From the middle of more than the kernel makes at once, too */
	for (i = 0; i < 128; i++)
		ASSERT_OK(uev_reg(self->fd, self->value + 2 + i / 32, i % 32, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	ASSERT_EQ(100, read(fd, again, 100));
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	for (size = 0; (got = read(fd, again + size, sizeof(again) - 1 - size)) > 0; )
		size += got;
	again[size] = '\0';
	EXPECT_EQ(3 + 128, uev_count(again, "\n"));
	close(fd);
}

TEST_F(uev, value_that_was_given_up)
{
	size_t page = uev_page_size();
	int fd = memfd_create("uev", MFD_CLOEXEC);
	__u32 *gone = new_page(-1, MAP_PRIVATE | MAP_ANONYMOUS);
	__u32 *fixed = new_page(-1, MAP_PRIVATE | MAP_ANONYMOUS);
	__u32 *cut;

	ASSERT_EQ(0, ftruncate(fd, page));
	cut = new_page(fd, MAP_SHARED);
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, gone, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, fixed, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, cut, 0, 4, 0, EVENT, NULL));
	EXPECT_STREQ("ok", state_of(gone));
	EXPECT_STREQ("ok", state_of(fixed));
	EXPECT_STREQ("ok", state_of(cut));

	ASSERT_EQ(0, munmap(gone, page));
	ASSERT_EQ(0, mprotect(fixed, page, PROT_READ));
	ASSERT_EQ(0, ftruncate(fd, 0));
	SWITCH(true);
	EXPECT_STATE("ok", self->value);
	/* This registration has ended, and its line with it. */
	EXPECT_EQ(NULL, enabler_of(getpid(), gone));
	EXPECT_STATE("read-only", fixed);
	EXPECT_STATE("past-eof", cut);

	/* Once they can be written again, nothing changes by itself: ... */
	ASSERT_EQ(gone, mmap(gone, page, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			     -1, 0));
	gone[1] = 1;
	EXPECT_OK(uev_reg(self->fd, gone, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, mprotect(fixed, page, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, ftruncate(fd, page));
	cut[1] = 1;
	EXPECT_STATE("wrong", fixed);
	EXPECT_STATE("wrong", cut);
	/* ... the next switch does. */
	SWITCH(false);
	SWITCH(true);
	EXPECT_STATE("ok", gone);
	EXPECT_STATE("ok", fixed);
	EXPECT_STATE("ok", cut);
	EXPECT_STREQ("on", enabler_of(getpid(), gone)->wanted);

	/*
	 * A bit that the program itself has changed shows as well, once the last
	 * repair, which would undo that, has ended.
	 */
	EXPECT_TRUE(uev_wait_for((__atomic_and_fetch(gone, ~1U, __ATOMIC_SEQ_CST),
				  !strcmp("wrong", state_of(gone)))))
		TH_LOG("it is %s", state_of(gone));
	close(fd);
}

/* The page is only read after it was discarded, so it maps the zero page. */
TEST_F(uev, value_on_the_page_of_zeroes)
{
	__u32 *v = new_page(-1, MAP_PRIVATE | MAP_ANONYMOUS);

	ASSERT_NE(NULL, v);
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_reg(self->fd, v, 0, 4, 0, EVENT, NULL));
	ASSERT_EQ(0, madvise(v, uev_page_size(), MADV_DONTNEED));
	ASSERT_EQ(0, UEV_READ(*v));
	EXPECT_STATE("ok", v);
	SWITCH(true);
	EXPECT_STATE("ok", v);
	/* The repair that has set the bit may not have ended yet. */
	EXPECT_TRUE(uev_wait_for((madvise(v, uev_page_size(), MADV_DONTNEED),
				  UEV_READ(*v) == 0 &&
				  !strcmp("wrong", state_of(v)))))
		TH_LOG("it is %s", state_of(v));
	SWITCH(false);
	EXPECT_STATE("ok", v);
}

/* Reading the file reports a missing page, and does not bring it in. */
TEST_F(uev, value_that_is_not_in_memory)
{
	int uffd, i;
	__u32 *v;

	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	v = uev_register_and_lose(self->fd, EVENT, &uffd);
	if (!v)
		SKIP(return, UEV_NO_PAGER);
	for (i = 0; i < 3; i++)
		ASSERT_STREQ("absent", state_of(v));

	/* The pager keeps the page back, so the repair cannot end. */
	SWITCH(true);
	EXPECT_STREQ("repair", state_of(v));
	usleep(200000);
	EXPECT_STREQ("repair", state_of(v));
	ASSERT_OK(uev_deliver(uffd, v, NULL));
	EXPECT_STATE("ok", v);
	close(uffd);
}

static int may_not_read(void *arg)
{
	int fd;

	if (uev_become_nobody())
		return 1;
	fd = open(TRACEFS ENABLERS, O_RDONLY);
	return fd < 0 && errno == EACCES ? 0 : 2;
}

TEST_F(uev, addresses_are_for_root)
{
	struct stat stat_buf, dir;

	ASSERT_EQ(0, stat(TRACEFS ENABLERS, &stat_buf));
	EXPECT_EQ(0400, stat_buf.st_mode & 0777);
	/* The directory would not let them in */
	ASSERT_EQ(0, stat(TRACEFS, &dir));
	ASSERT_EQ(0, chmod(TRACEFS, 0711));
	EXPECT_EQ(0, uev_in_child(may_not_read, NULL));
	EXPECT_EQ(0, chmod(TRACEFS, dir.st_mode & 07777));
}

/* Read in pieces, while events are switched and processes come and go */

static int wait_for_step(void *arg)
{
	/* No time limit: reading all may take long, and uev_join() has a limit */
	while (!UEV_READ(*(int *)arg))
		uev_nap();
	return 0;
}

/* Of the process that follows, all is read, too. */
TEST_F(uev, process_goes_while_it_is_read)
{
	const int values = 100;
	int *step = uev_shared(4), fd, i;
	char key[2][64], text[65536];
	size_t size = 0;
	pid_t pids[2];
	ssize_t got;

	for (i = 0; i < values; i++)
		ASSERT_OK(uev_reg(self->fd, self->value + i, 0, 4, 0, EVENT,
				  NULL));
	for (i = 0; i < 2; i++) {
		ASSERT_LT(0, pids[i] = uev_fork(wait_for_step, step));
		snprintf(key[i], sizeof(key[i]), "\n" EVENT_NAME " %d 0x", pids[i]);
	}
	/* Numbers of processes come round */
	i = pids[1] < pids[0];

	fd = open(TRACEFS ENABLERS, O_RDONLY);
	ASSERT_LE(0, fd);
	do {
		got = read(fd, text + size, 2000);
		ASSERT_LT(0, got);
		size += got;
		text[size] = '\0';
	} while (!strstr(text, key[i]));
	ASSERT_GT(values, uev_count(text, key[i]));
	kill(pids[i], SIGKILL);
	ASSERT_EQ(-SIGKILL, uev_join(pids[i]));
	while ((got = read(fd, text + size, 2000)) > 0)
		size += got;
	text[size] = '\0';
	EXPECT_EQ(values, uev_count(text, key[!i]));
	close(fd);
	UEV_WRITE(*step, 1);
	EXPECT_EQ(0, uev_join(pids[!i]));
}

static int go_at_once(void *arg)
{
	return 0;
}

static int come_and_go(void *arg)
{
	int *step = arg;

	while (!UEV_READ(*step)) {
		if (uev_in_child(go_at_once, NULL))
			return 1;
	}
	return 0;
}

TEST_F(uev, thousands_of_lines)
{
	const int procs = uev_kernel_is_slow() ? 4 : 20;
	const int values = uev_rounds(400);
	int *step = uev_shared(4), i, on = 0, seen = 0, fd;
	unsigned long last = 0;
	char *text, *key;
	pid_t pids[20], churn;
	struct enabler e;
	const char *at;
	ssize_t got;
	size_t size = 0;
	bool ordered = true;

	for (i = 0; i < values; i++)
		ASSERT_OK(uev_reg(self->fd, self->value + i, 0, 4, 0, EVENT,
				  NULL));
	for (i = 0; i < procs; i++)
		ASSERT_LT(0, pids[i] = uev_fork(wait_for_step, step));
	ASSERT_LT(0, churn = uev_fork(come_and_go, step));

	text = malloc(16 << 20);
	fd = open(TRACEFS ENABLERS, O_RDONLY);
	ASSERT_LE(0, fd);
	while ((got = read(fd, text + size, 3000)) > 0) {
		size += got;
		on = !on;
		ASSERT_OK(uev_enable(EVENT_NAME, on));
	}
	ASSERT_EQ(0, got);
	text[size] = '\0';

	/* Each enabler of processes that were there all the time: once, in order */
	for (at = text; (at = next_enabler(at, &e));) {
		ASSERT_NE('?', e.event[0]) TH_LOG("not understood: %.100s", at);
		if (e.pid != pids[0])
			continue;
		ordered &= e.addr > last;
		last = e.addr;
	}
	EXPECT_TRUE(ordered);
	for (i = 0; i < procs; i++) {
		key = NULL;
		ASSERT_LT(0, asprintf(&key, "\n" EVENT_NAME " %d 0x", pids[i]));
		EXPECT_EQ(values, uev_count(text, key));
		seen += uev_count(text, key);
		free(key);
	}
	TH_LOG("%d lines of %d processes, %zu bytes", seen, procs, size);

	/* From the start again */
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	ASSERT_LT(0, read(fd, text, 100));
	EXPECT_EQ('#', text[0]);
	close(fd);
	UEV_WRITE(*step, 1);
	for (i = 0; i < procs; i++)
		EXPECT_EQ(0, uev_join(pids[i]));
	EXPECT_EQ(0, uev_join(churn));
	free(text);
}

TEST_HARNESS_MAIN
