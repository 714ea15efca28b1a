// SPDX-License-Identifier: GPL-2.0
/*
 * Limits per user: events and enable bits that a user, or somebody in a user
 * namespace that the user made, causes.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/membarrier.h>

#include "uev_harness.h"

#define EVENTS	"/proc/sys/user/max_user_events"
#define BITS	"/proc/sys/user/max_user_event_bits"

#define FORGOTTEN	300

/* How often the kernel looks if they have records */
#define FORGET_SECONDS	10

FIXTURE(user_limit) {
	int fd;
	__u32 *values;
	char *events, *bits;	/* as they were */
};

/* Declares an event as nobody; the errno is the child's exit status. */
static int declare_one(void *arg)
{
	__u32 value = 0;
	int fd = *(int *)arg;

	if (uev_become_nobody())
		return 255;
	return -uev_reg(fd, &value, 0, 4, 0, "ul_first", NULL);
}

/* Do events of earlier tests count no more? They do while a buffer may hold records. */
static bool nothing_counts(void)
{
	int fd = uev_open(), ret;

	ret = uev_in_child(declare_one, &fd);
	close(fd);
	if (!ret)
		ret = uev_dynamic("u:ul_root") ?: uev_dynamic("-:ul_root");
	return !ret;
}

FIXTURE_SETUP(user_limit)
{
	uev_reset();
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	self->values = uev_shared(uev_page_size());
	self->events = uev_get(EVENTS);
	self->bits = uev_get(BITS);
	ASSERT_LT(0, atoi(self->events))
		TH_LOG("no " EVENTS);
	ASSERT_LT(0, atoi(self->bits));
	ASSERT_OK(uev_put(EVENTS, "1"));
	ASSERT_TRUE(uev_wait_for(nothing_counts()));
	ASSERT_OK(uev_put(EVENTS, self->events));
	ASSERT_TRUE(uev_wait_for(!uev_alive("ul_first")));
}

FIXTURE_TEARDOWN(user_limit)
{
	uev_put(EVENTS, self->events);
	uev_put(BITS, self->bits);
	munmap(self->values, uev_page_size());
	close(self->fd);
	uev_reset();
}

/* As Documentation/trace/user_events.rst has them */
TEST_F(user_limit, defaults)
{
	if (!system("grep -qrs max_user_event /etc/sysctl* /run/sysctl.d /usr/lib/sysctl.d"))
		SKIP(return, "an administrator has set them");
	EXPECT_EQ(16384, atoi(self->events));
	EXPECT_EQ(1048576, atoi(self->bits));
}

/* What a child works on; it prints the line of a CHECK() that fails, and returns 1. */
struct task {
	int fd;
	__u32 *v;
	const char *name;	/* of its events, but for their numbers */
	int nr;			/* of them */
	int *step;
	bool twice;	/* the top instance has listened at last, to nothing */
};

#define CHECK(condition) do {						\
	if (!(condition)) {						\
		printf("# line %d: %s\n", __LINE__, #condition);	\
		return 1;						\
	}								\
} while (0)

static int reg(struct task *t, int i, const char *format, int flags)
{
	char command[64];

	snprintf(command, sizeof(command), format, i);
	return uev_reg(t->fd, t->v + i, 0, 4, flags, command, NULL);
}

static int events_as_nobody(void *arg)
{
	struct task *t = arg;
	int i;

	CHECK(!uev_become_nobody());
	for (i = 0; i < 3; i++)
		CHECK(!reg(t, i, "ul_e%d u32 n", 0));
	CHECK(reg(t, 3, "ul_e%d u32 n", 0) == -EMFILE);
	CHECK(reg(t, 3, "ul_m u32 n%d", USER_EVENT_REG_MULTI_FORMAT) == -EMFILE);
	CHECK(!UEV_READ(t->v[3]));
	/* An event that exists can be registered. */
	CHECK(!uev_reg(t->fd, t->v + 3, 0, 4, 0, "ul_e1 u32 n", NULL));
	CHECK(!uev_unreg(t->fd, t->v + 3, 0));
	return 0;
}

TEST_F(user_limit, events)
{
	struct task t = { self->fd, self->values };
	struct uev_census before;
	int i;

	uev_census_take(&before);
	ASSERT_OK(uev_put(EVENTS, "3"));
	EXPECT_EQ(0, uev_in_child(events_as_nobody, &t));
	/* The child is gone, the file that registered is not: they still count. */
	EXPECT_TRUE(uev_alive("ul_e0"));
	EXPECT_EQ(0, uev_in_child(events_as_nobody, &t));
	/* Another user has a limit of its own. */
	for (i = 0; i < 3; i++)
		EXPECT_OK(reg(&t, 10 + i, "ul_r%d u32 n", 0));
	EXPECT_ERR(EMFILE, reg(&t, 13, "ul_r%d u32 n", 0));
	ASSERT_OK(uev_put(EVENTS, "4"));
	EXPECT_OK(reg(&t, 13, "ul_r%d u32 n", 0));
	EXPECT_ERR(EMFILE, uev_dynamic("u:ul_d u32 n"));
	for (i = 0; i < 4; i++)
		EXPECT_OK(uev_unreg(self->fd, t.v + 10 + i, 0));

	/* Released events no longer count, at once. */
	close(self->fd);
	self->fd = uev_open();
	t.fd = self->fd;
	EXPECT_OK(reg(&t, 14, "ul_r%d u32 n", 0));
	EXPECT_OK(uev_unreg(self->fd, t.v + 14, 0));
	close(self->fd);
	self->fd = uev_open();
	t.fd = self->fd;
	ASSERT_OK(uev_put(EVENTS, "3"));
	EXPECT_EQ(0, uev_in_child(events_as_nobody, &t));
	close(self->fd);
	self->fd = -1;
	EXPECT_STREQ("", uev_census_diff(&before));
	uev_census_free(&before);
}

/* Registers t->nr events, waits until they have a listener, and writes a record each */
static int traced_as_nobody(void *arg)
{
	struct task *t = arg;
	int i, index[FORGOTTEN], zero = 0;
	char command[64];

	CHECK(!uev_become_nobody());
	for (i = 0; i < t->nr; i++) {
		snprintf(command, sizeof(command), "%s%d u32 n", t->name, i);
		index[i] = uev_reg_index(t->fd, t->v + i, command);
		CHECK(index[i] >= 0);
	}
	UEV_WRITE(*t->step, 1);
	CHECK(uev_wait_for(UEV_READ(*t->step) == 2));
	for (i = 0; i < t->nr; i++)
		CHECK(uev_emit(t->fd, index[i], &zero, 4) == 8);
	return 0;
}

/* Leaves deleted events of nobody that have records in the top instance, or in another */
static int leave_records(struct task *t, const char *name, int nr, const char *instance)
{
	pid_t pid;
	char event[64];
	int i, ret;

	t->name = name;
	t->nr = nr;
	t->fd = uev_open();
	UEV_WRITE(*t->step, 0);
	pid = uev_fork(traced_as_nobody, t);
	if (pid < 0 || !uev_wait_for(UEV_READ(*t->step) == 1))
		return -1;
	for (i = 0; i < 2 * nr; i++) {
		if (i == nr) {
			UEV_WRITE(*t->step, 2);
			ret = uev_join(pid);
			if (ret)
				return ret;
		}
		snprintf(event, sizeof(event), "%s%d", name, i % nr);
		ret = instance ? uev_instance_enable(instance, event, i < nr) :
				 uev_enable(event, i < nr);
		if (!ret && i >= nr && t->twice)
			ret = uev_enable(event, true) ?: uev_enable(event, false);
		if (ret)
			return ret;
	}
	close(t->fd);
	t->fd = -1;
	return uev_wait_for(!uev_alive(event)) ? 0 : -1;
}

/* A user's deleted events count while they have records, whatever others have left. */
TEST_F(user_limit, deleted_events_of_others_have_records)
{
	struct task t = { .v = self->values, .step = (int *)self->values + 1000 };
	__u32 value = 0;
	int fd, i, index, zero = 0;
	char text[64];

	/* Of root, more than a registration looks at in one go */
	fd = uev_open();
	for (i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "ul_v%d u32 n", i);
		index = uev_reg_index(fd, &value, text);
		ASSERT_LE(0, index);
		*strchr(text, ' ') = '\0';
		ASSERT_OK(uev_enable(text, true));
		ASSERT_EQ(8, uev_emit(fd, index, &zero, 4));
		ASSERT_OK(uev_enable(text, false));
		ASSERT_OK(uev_unreg(fd, &value, 0));
	}
	close(fd);
	ASSERT_TRUE(uev_wait_for(!uev_alive("ul_v39")));

	ASSERT_OK(uev_put(EVENTS, "2"));
	mkdir(TRACEFS "instances/" UEV_INSTANCE, 0700);
	ASSERT_EQ(0, leave_records(&t, "ul_u", 2, UEV_INSTANCE));
	sleep(2);
	EXPECT_EQ(EMFILE, uev_in_child(declare_one, &self->fd));
	ASSERT_OK(uev_put("instances/" UEV_INSTANCE "/trace", ""));
	/* The kernel looks again, once a second */
	EXPECT_TRUE(uev_wait_for(!uev_in_child(declare_one, &self->fd)));
}

/* They count no longer once other records have taken the place of theirs. */
TEST_F(user_limit, deleted_events_are_overwritten)
{
	struct task t = { .v = self->values, .step = (int *)self->values + 1000 };
	char size[16];
	int i;

	uev_stay_on_cpu(0);
	mkdir(TRACEFS "instances/" UEV_INSTANCE, 0700);
	snprintf(size, sizeof(size), "%zu", 4 * uev_page_size() / 1024);
	ASSERT_OK(uev_put("instances/" UEV_INSTANCE "/buffer_size_kb", size));
	ASSERT_OK(uev_put(EVENTS, "1"));
	ASSERT_EQ(0, leave_records(&t, "ul_o", 1, UEV_INSTANCE));
	sleep(2);
	EXPECT_EQ(EMFILE, uev_in_child(declare_one, &self->fd));
	for (i = 0; i < 8 * (int)uev_page_size() / 32; i++)
		ASSERT_OK(uev_put("instances/" UEV_INSTANCE "/trace_marker", "another record"));
	/* The kernel looks again, once a second */
	EXPECT_TRUE(uev_wait_for(!uev_in_child(declare_one, &self->fd)));
}

/* Nor once the instance is gone that had them. */
TEST_F(user_limit, deleted_events_of_a_removed_instance)
{
	struct task t = { .v = self->values, .step = (int *)self->values + 1000 };

	mkdir(TRACEFS "instances/" UEV_INSTANCE, 0700);
	ASSERT_OK(uev_put(EVENTS, "1"));
	ASSERT_EQ(0, leave_records(&t, "ul_i", 1, UEV_INSTANCE));
	sleep(2);
	EXPECT_EQ(EMFILE, uev_in_child(declare_one, &self->fd));
	ASSERT_EQ(0, rmdir(TRACEFS "instances/" UEV_INSTANCE));
	EXPECT_TRUE(uev_wait_for(!uev_in_child(declare_one, &self->fd)));
}

/* But as long as it has them, whatever instance has listened since. */
TEST_F(user_limit, deleted_events_of_two_instances)
{
	struct task t = { .v = self->values, .step = (int *)self->values + 1000,
			  .twice = true };

	mkdir(TRACEFS "instances/" UEV_INSTANCE, 0700);
	ASSERT_OK(uev_put(EVENTS, "1"));
	ASSERT_EQ(0, leave_records(&t, "ul_w", 1, UEV_INSTANCE));
	sleep(2);
	EXPECT_EQ(EMFILE, uev_in_child(declare_one, &self->fd));
	ASSERT_OK(uev_put("instances/" UEV_INSTANCE "/trace", ""));
	EXPECT_TRUE(uev_wait_for(!uev_in_child(declare_one, &self->fd)));
}

/* Holds the lock of all instances nearly all the time */
static int resize(void *arg)
{
	int i;

	close(*(int *)arg);
	for (i = 0;; i++)
		uev_put("instances/" UEV_INSTANCE "/buffer_size_kb", i & 1 ? "2000" : "9000");
	return 0;
}

/* Deleted events that have no records are not in the way, whatever else is going on. */
TEST_F(user_limit, deleted_events_beside_a_resized_buffer)
{
	struct task t = { .v = self->values, .step = (int *)self->values + 1000 };
	char name[16];
	pid_t pid;
	int i;

	mkdir(TRACEFS "instances/" UEV_INSTANCE, 0700);
	pid = uev_fork(resize, &self->fd);
	ASSERT_LT(0, pid);
	ASSERT_OK(uev_put(EVENTS, "1"));
	for (i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "ul_b%d_", i);
		EXPECT_EQ(0, leave_records(&t, name, 1, NULL));
		uev_trace_clear();
		/* Nobody writes such a record any more: the kernel may know that, ... */
		syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0);
		syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0);
		/*
		 * ... and it is as old as the kernel wants it before it trusts the
		 * clocks. Before that it may have looked, for the last time in a second.
		 */
		sleep(2);
		EXPECT_EQ(0, uev_in_child(declare_one, &self->fd));
		close(self->fd);
		self->fd = uev_open();
	}
	kill(pid, SIGKILL);
	uev_join(pid);
}

/* Nobody asks for the room that they take: their memory is freed all the same. */
TEST_F(user_limit, deleted_events_are_forgotten)
{
	struct task t = { .v = self->values, .step = (int *)self->values + 1000 };
	long objects;
	__u64 end;

	if (uev_kernel_is_slow() || uev_slab_objects() < 0)
		SKIP(return, "the kernel does not tell what it has freed");
	ASSERT_EQ(0, leave_records(&t, "ul_f", FORGOTTEN, NULL));
	/* What goes at once, with its files, is gone */
	do {
		objects = uev_slab_objects();
		usleep(500000);
	} while (uev_slab_objects() < objects - FORGOTTEN / 10);
	/* Long enough for the kernel to look in vain */
	sleep(FORGET_SECONDS + 1);
	uev_trace_clear();
	/* Most of them at once, when it looks again: each is several objects */
	end = uev_now_ms() + 2500 * FORGET_SECONDS;
	while (uev_slab_objects() > objects - 3 * FORGOTTEN && uev_now_ms() < end)
		usleep(500000);
	TH_LOG("%ld objects with the events, %ld after", objects, uev_slab_objects());
	EXPECT_GT(end, uev_now_ms());
}

/* With another clock a trace begins anew, here with times that are over for the old one. */
TEST_F(user_limit, deleted_event_and_another_clock)
{
	struct task t = { .v = self->values, .step = (int *)self->values + 1000 };
	char *clocks = uev_get("trace_clock"), *clock;
	__u32 value = 0;
	int index, zero = 0;

	/* The one that is set has brackets. */
	clock = strchr(clocks, '[');
	ASSERT_NE(NULL, clock);
	*strchr(clock++, ']') = '\0';
	ASSERT_OK(uev_put(EVENTS, "1"));
	ASSERT_EQ(0, leave_records(&t, "ul_c", 1, NULL));
	sleep(2);
	/* Nobody writes such a record any more: by now the kernel may know that */
	syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0);
	syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0);
	EXPECT_EQ(EMFILE, uev_in_child(declare_one, &self->fd));

	ASSERT_OK(uev_put("trace_clock", "counter"));
	index = uev_reg_index(self->fd, &value, "ul_other u32 n");
	EXPECT_LE(0, index);
	EXPECT_OK(uev_enable("ul_other", true));
	EXPECT_EQ(8, uev_emit(self->fd, index, &zero, 4));
	sleep(2);
	EXPECT_EQ(0, uev_in_child(declare_one, &self->fd));
	EXPECT_OK(uev_enable("ul_other", false));
	ASSERT_OK(uev_put("trace_clock", clock));
	free(clocks);
}

/* An event whose probe has just gone makes room at once, though the kernel looked before. */
TEST_F(user_limit, event_whose_probe_has_gone)
{
	static const char remove[] = "-:uev_probes/ul_probe";
	static const char probe[] = "e:uev_probes/ul_probe " USER_EVENTS_SYSTEM ".ul_probed n=$n";
	int fd = uev_open();

	uev_dynamic(remove);
	ASSERT_OK(uev_put(EVENTS, "1"));
	ASSERT_OK(uev_reg(fd, self->values, 0, 4, 0, "ul_probed u32 n", NULL));
	if (uev_append("dynamic_events", probe))
		SKIP(return, "kernel without event probes");
	ASSERT_OK(uev_unreg(fd, self->values, 0));
	close(fd);
	usleep(300000);
	EXPECT_ERR(EMFILE, uev_reg(self->fd, self->values, 0, 4, 0, "ul_next u32 n", NULL));
	ASSERT_OK(uev_dynamic(remove));
	EXPECT_OK(uev_reg(self->fd, self->values, 0, 4, 0, "ul_next u32 n", NULL));
}

/* A persistent one counts until it is deleted. */
TEST_F(user_limit, persistent_event)
{
	ASSERT_OK(uev_put(EVENTS, "1"));
	EXPECT_OK(uev_dynamic("u:ul_p1 u32 n"));
	EXPECT_ERR(EMFILE, uev_dynamic("u:ul_p2 u32 n"));
	EXPECT_OK(uev_dynamic("-:ul_p1"));
	EXPECT_OK(uev_dynamic("u:ul_p2 u32 n"));
	EXPECT_OK(uev_dynamic("-:ul_p2"));
}

static int bits_as_nobody(void *arg)
{
	struct task *t = arg;
	int i;

	CHECK(!uev_become_nobody());
	for (i = 0; i < 5; i++)
		CHECK(!uev_reg(t->fd, t->v, i, 4, 0, "ul_bits u32 n", NULL));
	CHECK(uev_reg(t->fd, t->v, 5, 4, 0, "ul_bits u32 n", NULL) == -EMFILE);
	CHECK(uev_reg(t->fd, t->v + 1, 0, 4, 0, "ul_new u32 n", NULL) == -EMFILE);
	/* The refused one has left no event, and does not count. */
	CHECK(!uev_unreg(t->fd, t->v, 0));
	CHECK(!uev_reg(t->fd, t->v + 1, 0, 4, 0, "ul_new u32 n", NULL));
	CHECK(uev_reg(t->fd, t->v, 0, 4, 0, "ul_bits u32 n", NULL) == -EMFILE);
	CHECK(!uev_unreg(t->fd, t->v + 1, 0));
	/* Nor does one count that fails for another reason. */
	for (i = 0; i < 10; i++)
		CHECK(uev_reg(t->fd, (void *)8, 0, 4, 0, "ul_bits u32 n", NULL) ==
		      -EFAULT);
	CHECK(!uev_reg(t->fd, t->v, 0, 4, 0, "ul_bits u32 n", NULL));
	return 0;
}

TEST_F(user_limit, bits)
{
	struct task t = { self->fd, self->values };
	int i;

	ASSERT_OK(uev_put(BITS, "5"));
	/* The end of each child gives its bits back. */
	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, uev_in_child(bits_as_nobody, &t))
			TH_LOG("round %d", i);
}

static int register_once_more(void *arg)
{
	struct task *t = arg;
	int ret = uev_reg(t->fd, t->v + 8, 0, 4, 0, "ul_fork u32 n", NULL);

	return ret ? -ret : 0;
}

static int unregister_one(void *arg)
{
	struct task *t = arg;

	return -uev_unreg(t->fd, t->v, 0);
}

static int forks_as_nobody(void *arg)
{
	struct task *t = arg;
	int gate[2], i;
	pid_t pid[3];
	char byte;

	CHECK(!uev_become_nobody());
	for (i = 0; i < 4; i++)
		CHECK(!uev_reg(t->fd, t->v, i, 4, 0, "ul_fork u32 n", NULL));

	/* Children that change nothing share the set, which counts once. */
	CHECK(!pipe(gate));
	for (i = 0; i < 3; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			close(gate[1]);
			_exit(read(gate[0], &byte, 1) != 0);
		}
	}
	CHECK(!uev_reg(t->fd, t->v, 4, 4, 0, "ul_fork u32 n", NULL));
	close(gate[1]);
	for (i = 0; i < 3; i++)
		CHECK(!uev_join(pid[i]));

	/* A child that changes it has a copy: 5 + 5 of 11, and 1. */
	CHECK(!uev_in_child(register_once_more, t));
	CHECK(!uev_in_child(unregister_one, t));
	CHECK(!uev_reg(t->fd, t->v, 5, 4, 0, "ul_fork u32 n", NULL));
	CHECK(uev_in_child(register_once_more, t) == EMFILE);
	CHECK(uev_in_child(unregister_one, t) == EMFILE);
	CHECK(!uev_unreg(t->fd, t->v, 5));
	CHECK(!uev_in_child(register_once_more, t));
	return 0;
}

TEST_F(user_limit, bits_and_fork)
{
	struct task t = { self->fd, self->values };

	/* 4 + 1 of the parent, whose set is copied for the fifth, and a child's */
	ASSERT_OK(uev_put(BITS, "11"));
	EXPECT_EQ(0, uev_in_child(forks_as_nobody, &t));
	EXPECT_EQ(0, uev_in_child(forks_as_nobody, &t));
}

static int unregister_the_only_one(void *arg)
{
	struct task *t = arg;

	CHECK(!uev_become_nobody());
	CHECK(!uev_reg(t->fd, t->v, 0, 4, 0, "ul_fork u32 n", NULL));
	CHECK(!uev_in_child(unregister_one, t));
	CHECK(uev_unreg(t->fd, t->v, 0) == 0);
	return 0;
}

/* A child that drops all that it shares with its parent needs no room for it. */
TEST_F(user_limit, child_unregisters_the_only_bit)
{
	struct task t = { self->fd, self->values };

	ASSERT_OK(uev_put(BITS, "1"));
	EXPECT_EQ(0, uev_in_child(unregister_the_only_one, &t));
}

static int register_in_vain(void *arg)
{
	struct task *t = arg;

	return -uev_reg(t->fd, (void *)8, 0, 4, 0, "ul_fork u32 n", NULL);
}

static int register_five(void *arg)
{
	struct task *t = arg;
	int i, ret = uev_become_nobody();

	for (i = 0; i < 5 && !ret; i++)
		ret = uev_reg(t->fd, t->v + 16, i, 4, 0, "ul_five u32 n", NULL);
	return -ret;
}

/* A child that fails to register says why, and waits until the test goes on */
static int fail_in_child(struct task *t, int (*fails)(void *arg), int *gate)
{
	int result[2] = { -1, -1 }, ret = -1;
	char byte;

	if (pipe(result) || pipe(gate))
		return -1;
	switch (fork()) {
	case 0:
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(gate[1]);
		ret = fails(t);
		if (write(result[1], &ret, sizeof(ret)) != sizeof(ret))
			_exit(1);
		_exit(read(gate[0], &byte, 1) != 0);
	case -1:
		return -1;
	}
	close(result[1]);
	if (read(result[0], &ret, sizeof(ret)) != sizeof(ret))
		ret = -1;
	close(result[0]);
	close(gate[0]);
	return ret;
}

static int fails_as_nobody(void *arg)
{
	struct task *t = arg;
	int gate[2], i, status;

	CHECK(!uev_put(BITS, "9"));
	CHECK(!uev_become_nobody());
	for (i = 0; i < 5; i++)
		CHECK(!uev_reg(t->fd, t->v, i, 4, 0, "ul_fork u32 n", NULL));
	/* Its five and one more would be too many: that is not looked at */
	CHECK(fail_in_child(t, register_in_vain, gate) == EFAULT);
	UEV_WRITE(*t->step, 1);
	CHECK(uev_wait_for(UEV_READ(*t->step) == 2));
	close(gate[1]);
	CHECK(wait(&status) > 0 && !status);

	CHECK(fail_in_child(t, register_once_more, gate) == EMFILE);
	UEV_WRITE(*t->step, 3);
	CHECK(uev_wait_for(UEV_READ(*t->step) == 4));
	close(gate[1]);
	CHECK(wait(&status) > 0 && !status);
	return 0;
}

/* A registration that fails leaves no copy of what a child shares, which would count. */
TEST_F(user_limit, failed_registration_of_a_child)
{
	struct task t = { self->fd, self->values, .step = (int *)self->values + 1000 };
	pid_t pid = uev_fork(fails_as_nobody, &t);

	ASSERT_LT(0, pid);
	uev_wait_for(UEV_READ(*t.step) == 1);
	EXPECT_OK(uev_put(BITS, "10"));
	/* The child is alive, and still has the set of its parent */
	EXPECT_EQ(0, uev_in_child(register_five, &t));
	UEV_WRITE(*t.step, 2);
	uev_wait_for(UEV_READ(*t.step) == 3);
	EXPECT_EQ(0, uev_in_child(register_five, &t));
	UEV_WRITE(*t.step, 4);
	EXPECT_EQ(0, uev_join(pid));
}

static int becomes_nobody(void *arg)
{
	struct task *t = arg;
	int i;

	CHECK(!uev_reg(t->fd, t->v, 0, 4, 0, "ul_root u32 n", NULL));
	CHECK(!uev_become_nobody());
	for (i = 1; i < 5; i++)
		CHECK(!uev_reg(t->fd, t->v, i, 4, 0, "ul_root u32 n", NULL));
	CHECK(uev_reg(t->fd, t->v, 5, 4, 0, "ul_root u32 n", NULL) == -EMFILE);
	UEV_WRITE(*t->step, 1);
	CHECK(uev_wait_for(UEV_READ(*t->step) == 2));
	return 0;
}

/* What a process registers counts for the user that it is by then. */
TEST_F(user_limit, bits_after_setuid)
{
	struct task t = { self->fd, self->values, .step = (int *)self->values + 1000 };
	pid_t pid;
	int i;

	ASSERT_OK(uev_put(BITS, "5"));
	pid = uev_fork(becomes_nobody, &t);
	ASSERT_LT(0, pid);
	uev_wait_for(UEV_READ(*t.step) == 1);
	EXPECT_EQ(EMFILE, uev_in_child(register_five, &t));
	for (i = 0; i < 5; i++)
		EXPECT_OK(uev_reg(self->fd, t.v + 32, i, 4, 0, "ul_root u32 n", NULL));
	UEV_WRITE(*t.step, 2);
	EXPECT_EQ(0, uev_join(pid));
	for (i = 0; i < 5; i++)
		EXPECT_OK(uev_unreg(self->fd, t.v + 32, i));
}

static int fails_after_setuid(void *arg)
{
	struct task *t = arg;
	int i;

	for (i = 0; i < 4; i++)
		CHECK(!uev_reg(t->fd, t->v, i, 4, 0, "ul_root u32 n", NULL));
	CHECK(!uev_become_nobody());
	CHECK(uev_reg(t->fd, (void *)8, 0, 4, 0, "ul_root u32 n", NULL) == -EFAULT);
	UEV_WRITE(*t->step, 1);
	CHECK(uev_wait_for(UEV_READ(*t->step) == 2));
	return 0;
}

/* A registration that fails leaves what there is to the user that it counts for. */
TEST_F(user_limit, failed_registration_after_setuid)
{
	struct task t = { self->fd, self->values, .step = (int *)self->values + 1000 };
	pid_t pid;

	ASSERT_OK(uev_put(BITS, "5"));
	pid = uev_fork(fails_after_setuid, &t);
	ASSERT_LT(0, pid);
	uev_wait_for(UEV_READ(*t.step) == 1);
	EXPECT_EQ(0, uev_in_child(register_five, &t));
	UEV_WRITE(*t.step, 2);
	EXPECT_EQ(0, uev_join(pid));
}

/* A bit whose memory is gone counts until it is unregistered. */
static int unmap_as_nobody(void *arg)
{
	struct task *t = arg;
	__u32 *v = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(v != MAP_FAILED);
	CHECK(!uev_become_nobody());
	CHECK(!uev_reg(t->fd, v, 0, 4, 0, "ul_gone u32 n", NULL));
	CHECK(!munmap(v, uev_page_size()));
	CHECK(uev_reg(t->fd, t->v, 0, 4, 0, "ul_gone u32 n", NULL) == -EMFILE);
	/* What is mapped there later can take its place. */
	CHECK(mmap(v, uev_page_size(), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == v);
	CHECK(!uev_reg(t->fd, v, 0, 4, 0, "ul_gone u32 n", NULL));
	CHECK(uev_reg(t->fd, t->v, 0, 4, 0, "ul_gone u32 n", NULL) == -EMFILE);
	CHECK(!munmap(v, uev_page_size()));
	CHECK(!uev_unreg(t->fd, v, 0));
	CHECK(!uev_reg(t->fd, t->v, 0, 4, 0, "ul_gone u32 n", NULL));
	return 0;
}

TEST_F(user_limit, bit_that_is_gone)
{
	struct task t = { self->fd, self->values };

	ASSERT_OK(uev_put(BITS, "1"));
	EXPECT_EQ(0, uev_in_child(unmap_as_nobody, &t));
}

static int become_root_of_a_namespace(void)
{
	/* Else its files in /proc are root's */
	prctl(PR_SET_DUMPABLE, 1);
	CHECK(!unshare(CLONE_NEWUSER));
	CHECK(!uev_put("/proc/self/setgroups", "deny"));
	CHECK(!uev_put("/proc/self/uid_map", "0 65534 1"));
	CHECK(!uev_put("/proc/self/gid_map", "0 65534 1"));
	return 0;
}

/* In a user namespace, as its root */
static int inside(struct task *t, int may)
{
	int i;

	for (i = 0; i < may; i++)
		CHECK(!reg(t, i, "ul_ns%d u32 n", 0));
	CHECK(reg(t, may, "ul_ns%d u32 n", 0) == -EMFILE);
	/* The file still holds the events. */
	for (i = 0; i < may; i++)
		CHECK(!uev_unreg(t->fd, t->v + i, 0));
	return 0;
}

static int namespace_with_its_own_limit(void *arg)
{
	CHECK(!uev_become_nobody());
	CHECK(!become_root_of_a_namespace());
	/* Its root may lower it, and raise it again. */
	CHECK(!uev_put(EVENTS, "2"));
	CHECK(!inside(arg, 2));
	CHECK(!uev_put(EVENTS, "3"));
	CHECK(!inside(arg, 3));
	return 0;
}

static int namespace_under_its_maker(void *arg)
{
	CHECK(!uev_become_nobody());
	CHECK(!become_root_of_a_namespace());
	CHECK(!uev_put(EVENTS, "1000"));
	CHECK(!inside(arg, 3));
	/* One more level down does not help. */
	CHECK(!unshare(CLONE_NEWUSER));
	CHECK(reg(arg, 4, "ul_ns%d u32 n", 0) == -EMFILE);
	return 0;
}

TEST_F(user_limit, user_namespaces)
{
	struct task t = { self->fd, self->values };

	if (access("/proc/self/ns/user", F_OK))
		SKIP(return, "the kernel has no user namespaces");
	EXPECT_EQ(0, uev_in_child(namespace_with_its_own_limit, &t));
	close(self->fd);
	self->fd = uev_open();
	t.fd = self->fd;
	ASSERT_OK(uev_put(EVENTS, "3"));
	EXPECT_EQ(0, uev_in_child(namespace_under_its_maker, &t));
}

static int bits_below(void *arg)
{
	struct task *t = arg;
	int i;

	CHECK(!uev_become_nobody());
	CHECK(!become_root_of_a_namespace());
	CHECK(!uev_put(BITS, "10"));
	for (i = 0; i < 6; i++)
		CHECK(!uev_reg(t->fd, t->v, i, 4, 0, "ul_below u32 n", NULL));
	/* All of them count for the user of a namespace below it, and still for it. */
	CHECK(!unshare(CLONE_NEWUSER));
	CHECK(!uev_put("/proc/self/uid_map", "0 0 1"));
	/* Where they are too many for it, nothing changes. */
	CHECK(!uev_put(BITS, "6"));
	CHECK(uev_reg(t->fd, t->v, i, 4, 0, "ul_below u32 n", NULL) == -EMFILE);
	CHECK(!uev_put(BITS, "5"));
	CHECK(uev_reg(t->fd, t->v, i, 4, 0, "ul_below u32 n", NULL) == -EMFILE);
	CHECK(!uev_put(BITS, "1000"));
	for (; i < 10; i++)
		CHECK(!uev_reg(t->fd, t->v, i, 4, 0, "ul_below u32 n", NULL));
	CHECK(uev_reg(t->fd, t->v, i, 4, 0, "ul_below u32 n", NULL) == -EMFILE);
	CHECK(!uev_unreg(t->fd, t->v, 0));
	CHECK(!uev_reg(t->fd, t->v, i, 4, 0, "ul_below u32 n", NULL));
	return 0;
}

/* Bits that a process takes into another namespace take no room twice. */
TEST_F(user_limit, bits_in_a_namespace_below)
{
	struct task t = { self->fd, self->values };

	if (access("/proc/self/ns/user", F_OK))
		SKIP(return, "the kernel has no user namespaces");
	EXPECT_EQ(0, uev_in_child(bits_below, &t));
	/* And they have given it back. */
	ASSERT_OK(uev_put(BITS, "10"));
	EXPECT_EQ(0, uev_in_child(bits_below, &t));
}

/* The same for bits: registers @may of them at t->v, and no more */
static int bits_inside(struct task *t, int may)
{
	int i;

	for (i = 0; i < may; i++)
		CHECK(!uev_reg(t->fd, t->v, i, 4, 0, "ul_nsb u32 n", NULL));
	CHECK(uev_reg(t->fd, t->v, may, 4, 0, "ul_nsb u32 n", NULL) == -EMFILE);
	return 0;
}

static int give_back_bits(struct task *t, int nr)
{
	while (nr--)
		CHECK(!uev_unreg(t->fd, t->v, nr));
	return 0;
}

static int bits_with_their_own_limit(void *arg)
{
	CHECK(!uev_become_nobody());
	CHECK(!become_root_of_a_namespace());
	CHECK(!uev_put(BITS, "2"));
	CHECK(!bits_inside(arg, 2));
	CHECK(!give_back_bits(arg, 2));
	CHECK(!uev_put(BITS, "3"));
	CHECK(!bits_inside(arg, 3));
	return 0;
}

static int bits_under_their_maker(void *arg)
{
	struct task *t = arg;

	CHECK(!uev_become_nobody());
	CHECK(!become_root_of_a_namespace());
	CHECK(!uev_put(BITS, "1000"));
	CHECK(!bits_inside(t, 3));
	/* One more level down does not help. */
	CHECK(!unshare(CLONE_NEWUSER));
	CHECK(uev_reg(t->fd, t->v, 3, 4, 0, "ul_nsb u32 n", NULL) == -EMFILE);
	/* The creator of the namespaces is charged for all of them. */
	UEV_WRITE(*t->step, 1);
	CHECK(uev_wait_for(UEV_READ(*t->step) == 2));
	CHECK(!give_back_bits(t, 3));
	CHECK(!bits_inside(t, 3));
	return 0;
}

static int one_bit_as_nobody(void *arg)
{
	struct task *t = arg;

	CHECK(!uev_become_nobody());
	return -uev_reg(t->fd, t->v + 1, 0, 4, 0, "ul_nsb u32 n", NULL);
}

TEST_F(user_limit, bits_in_user_namespaces)
{
	struct task t = { self->fd, self->values, .step = (int *)self->values + 1000 };
	pid_t pid;

	if (access("/proc/self/ns/user", F_OK))
		SKIP(return, "the kernel has no user namespaces");
	EXPECT_EQ(0, uev_in_child(bits_with_their_own_limit, &t));
	ASSERT_OK(uev_put(BITS, "3"));
	pid = uev_fork(bits_under_their_maker, &t);
	ASSERT_LT(0, pid);
	uev_wait_for(UEV_READ(*t.step) == 1);
	EXPECT_EQ(EMFILE, uev_in_child(one_bit_as_nobody, &t));
	UEV_WRITE(*t.step, 2);
	EXPECT_EQ(0, uev_join(pid));
	/* With the process they are gone, at each level. */
	EXPECT_EQ(0, uev_in_child(one_bit_as_nobody, &t));
}

/* A group's events count as well. */
TEST_F(user_limit, in_a_group)
{
	struct task t = { .v = self->values };

	ASSERT_OK(uev_append("user_events_groups/control", "+uev_ul"));
	t.fd = open(TRACEFS "user_events_groups/uev_ul/user_events_data",
		    O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, t.fd);
	ASSERT_OK(uev_put(EVENTS, "3"));
	EXPECT_EQ(0, uev_in_child(events_as_nobody, &t));
	EXPECT_FALSE(uev_alive("ul_e0"));
	close(t.fd);
	t.fd = self->fd;
	EXPECT_EQ(0, uev_in_child(events_as_nobody, &t));
	EXPECT_TRUE(uev_alive("ul_e0"));
}

TEST_HARNESS_MAIN
