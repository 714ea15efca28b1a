// SPDX-License-Identifier: GPL-2.0
/*
 * What a user without privileges, but with access to user_events_data, can do:
 * everything except to make events that outlive it.
 */
#include <sys/stat.h>
#include <linux/capability.h>

#include "uev_harness.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON	38
#endif

enum { NO_CAP = -1, ALL_CAPS = -2 };

/* What a child with these rights does; its errno is the result. */
struct attempt {
	int cap;
	int fd;
	__u32 *value;	/* shared */
	int flags;
	const char *command;
	int (*act)(struct attempt *a);
};

static int attempt(void *arg)
{
	struct attempt *a = arg;

	if (a->cap == NO_CAP && uev_become_nobody())
		return 255;
	if (a->cap >= 0 && uev_keep_only_cap(a->cap))
		return 255;
	return -a->act(a);
}

static int act_register(struct attempt *a)
{
	return uev_reg(a->fd, a->value, 0, 4, a->flags, a->command, NULL);
}

static int act_delete(struct attempt *a)
{
	return uev_delete(a->fd, a->command);
}

static int act_everything(struct attempt *a)
{
	__u32 index, payload = 5;
	int ret = uev_reg(a->fd, a->value, 0, 4, 0, a->command, &index);

	if (ret)
		return ret;
	/* Root enables the event, and disables it once the record is there. */
	if (!BECOMES(1, *a->value))
		return -ETIME;
	ret = uev_emit(a->fd, index, &payload, sizeof(payload));
	if (ret != 8)
		return ret < 0 ? ret : -EIO;
	if (!BECOMES(0, *a->value))
		return -ETIME;
	ret = uev_emit(a->fd, index, &payload, sizeof(payload));
	if (ret != -EBADF)
		return -EIO;
	return uev_unreg(a->fd, a->value, 0);
}

static int act_open(struct attempt *a)
{
	a->fd = uev_open();
	return a->fd < 0 ? a->fd : act_register(a);
}

TEST_F(uev, ordinary_event)
{
	struct attempt a = {
		.cap = NO_CAP, .fd = self->fd, .value = uev_shared(4096),
		.command = "prv_plain u32 a", .act = act_everything,
	};
	pid_t pid = uev_fork(attempt, &a);
	struct stat st;
	char *shown;

	ASSERT_LT(0, pid);
	/* The kernel adds the files of the event, and they are root's. */
	ASSERT_TRUE(uev_wait_for(uev_event_exists("prv_plain")));
	ASSERT_EQ(0, stat(TRACEFS "events/user_events/prv_plain/enable", &st));
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0, st.st_mode & 0022);
	ASSERT_OK(uev_enable("prv_plain", true));
	ASSERT_TRUE(uev_wait_for(({
		shown = uev_trace_of("trace", "prv_plain");
		bool found = !strcmp(shown, "a=5\n");

		free(shown);
		found;
	})));
	ASSERT_OK(uev_enable("prv_plain", false));
	EXPECT_EQ(0, uev_join(pid));
}

/* First event of all: the directory of the system is made as well. */
TEST_F(uev, opens_the_file_itself)
{
	struct attempt a = {
		.cap = NO_CAP, .value = uev_shared(4096),
		.command = "prv_open u32 a", .act = act_open,
	};
	struct stat dir, file;

	EXPECT_EQ(EACCES, uev_in_child(attempt, &a));
	ASSERT_EQ(0, stat(TRACEFS, &dir));
	ASSERT_EQ(0, stat(UEV_DATA, &file));
	ASSERT_EQ(0, chmod(TRACEFS, 0711));
	EXPECT_EQ(EACCES, uev_in_child(attempt, &a));
	ASSERT_EQ(0, chmod(UEV_DATA, 0666));
	EXPECT_EQ(0, uev_in_child(attempt, &a));
	EXPECT_EQ(0, chmod(UEV_DATA, file.st_mode & 07777));
	EXPECT_EQ(0, chmod(TRACEFS, dir.st_mode & 07777));
}

TEST_F(uev, persistent_event)
{
	struct attempt a = {
		.cap = NO_CAP, .fd = self->fd, .value = uev_shared(4096),
		.flags = USER_EVENT_REG_PERSIST,
		.command = "prv_persist u32 a", .act = act_register,
	};
	struct uev_census before;

	uev_census_take(&before);
	EXPECT_EQ(EPERM, uev_in_child(attempt, &a));
	a.cap = CAP_NET_ADMIN;
	EXPECT_EQ(EPERM, uev_in_child(attempt, &a));
	a.flags |= USER_EVENT_REG_MULTI_FORMAT;
	EXPECT_EQ(EPERM, uev_in_child(attempt, &a));
	EXPECT_STREQ("", uev_census_diff(&before));
	EXPECT_ERR(ENOENT, uev_emit(self->fd, 0, "1234", 4));
	a.flags = USER_EVENT_REG_PERSIST;

	a.cap = CAP_PERFMON;
	EXPECT_EQ(0, uev_in_child(attempt, &a));
	EXPECT_TRUE(uev_alive("prv_persist"));
	/* The file that these children share holds the event: close it. */
	close(self->fd);
	self->fd = uev_open();
	a.fd = self->fd;

	a.act = act_delete;
	a.command = "prv_persist";
	a.cap = NO_CAP;
	EXPECT_EQ(EPERM, uev_in_child(attempt, &a));
	a.cap = CAP_NET_ADMIN;
	EXPECT_EQ(EPERM, uev_in_child(attempt, &a));
	EXPECT_TRUE(uev_alive("prv_persist"));
	a.cap = CAP_PERFMON;
	/* The enabler ends with the address space, a little later. */
	EXPECT_TRUE(uev_wait_for(uev_in_child(attempt, &a) != EBUSY));
	EXPECT_FALSE(uev_alive("prv_persist"));
	uev_census_free(&before);
}

TEST_F(uev, admin_may_as_well)
{
	struct attempt a = {
		.cap = CAP_SYS_ADMIN, .fd = self->fd, .value = uev_shared(4096),
		.flags = USER_EVENT_REG_PERSIST,
		.command = "prv_admin", .act = act_register,
	};

	EXPECT_EQ(0, uev_in_child(attempt, &a));
	/* Its index in this file holds it, too */
	close(self->fd);
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	usleep(300000);
	EXPECT_TRUE(uev_alive("prv_admin"));
}

/* One that does not persist is everybody's to delete. */
TEST_F(uev, delete_of_an_ordinary_event)
{
	struct attempt a = {
		.cap = NO_CAP, .value = uev_shared(4096),
		.command = "prv_any", .act = act_delete,
	};
	int holder = uev_open();
	bool probed;

	a.fd = self->fd;
	ASSERT_LE(0, holder);
	ASSERT_LE(0, uev_reg_index(holder, self->value, "prv_any u32 a"));
	EXPECT_EQ(EBUSY, uev_in_child(attempt, &a));
	ASSERT_OK(uev_enable("prv_any", true));
	ASSERT_OK(uev_unreg(holder, self->value, 0));
	close(holder);
	EXPECT_EQ(EBUSY, uev_in_child(attempt, &a));
	/* With a probe, the kernel does not delete it by itself for a second */
	probed = !uev_dynamic("e:uev_probes/prv_probe user_events/prv_any a=$a:u32");
	ASSERT_OK(uev_enable("prv_any", false));
	if (probed)
		ASSERT_OK(uev_dynamic("-:uev_probes/prv_probe"));
	EXPECT_NE(EPERM, uev_in_child(attempt, &a));
	EXPECT_FALSE(uev_alive("prv_any"));
}

/*
 * Nor does this take a right while the event waits for its deletion, as it probably
 * does in each round.
 */
#define ROUNDS	100

struct rounds {
	int fd, files[ROUNDS];
	__u32 *value;	/* shared */
	bool *go;	/* shared: the parent has closed its files */
};

static int make_and_delete(void *arg)
{
	struct rounds *r = arg;
	int i, ret;

	if (!uev_wait_for(UEV_READ(*r->go)) || uev_become_nobody())
		return 255;
	for (i = 0; i < uev_rounds(ROUNDS); i++) {
		ret = uev_reg(r->files[i], r->value, 0, 4, 0, "prv_round", NULL);
		if (!ret)
			ret = uev_unreg(r->fd, r->value, 0);
		close(r->files[i]);
		if (!ret)
			ret = uev_delete(r->fd, "prv_round");
		if (ret && ret != -ENOENT)
			return -ret;
	}
	return 0;
}

TEST_F(uev, delete_of_an_unheld_event)
{
	struct rounds r = {
		.fd = self->fd, .value = uev_shared(4096),
		.go = uev_shared(sizeof(bool)),
	};
	pid_t pid;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		r.files[i] = uev_open();
		ASSERT_LE(0, r.files[i]);
	}
	pid = uev_fork(make_and_delete, &r);
	ASSERT_LT(0, pid);
	for (i = 0; i < ROUNDS; i++)
		close(r.files[i]);
	UEV_WRITE(*r.go, true);
	EXPECT_EQ(0, uev_join(pid));
}

/* Registering a persistent event without the flag takes no right. */
TEST_F(uev, joins_a_persistent_event)
{
	struct attempt a = {
		.cap = NO_CAP, .fd = self->fd, .value = uev_shared(4096),
		.command = "prv_join u32 a", .act = act_register,
	};

	ASSERT_OK(uev_dynamic("u:prv_join u32 a"));
	EXPECT_EQ(0, uev_in_child(attempt, &a));
	/* And it persists as before. */
	close(self->fd);
	self->fd = uev_open();
	usleep(300000);
	EXPECT_TRUE(uev_alive("prv_join"));
}

TEST_HARNESS_MAIN
