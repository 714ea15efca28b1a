// SPDX-License-Identifier: GPL-2.0
/*
 * Groups: sets of events with files of their own. Two parties declare events of the
 * same names, and one of them tries everything to get at the other's.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/capability.h>

#include "uev_harness.h"
#include "uev_pager.h"

#define GROUPS		"user_events_groups/"
#define CONTROL		GROUPS "control"

/* One of the parties: its group, its open file and its enable words */
struct party {
	const char *name;	/* of the group */
	int fd;			/* its data file */
	__u32 *value;
};

FIXTURE(group) {
	struct party a, b, top;
	__u32 *values;
};

static int control(const char *line)
{
	return uev_append(CONTROL, line);
}

static char *path_of(const char *group, const char *file)
{
	static char path[2][512];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), GROUPS "%s/user_events_%s", group,
		 file);
	return path[turn];
}

static int open_data(const char *group)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), TRACEFS "%s", path_of(group, "data"));
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool has_line(const char *group, const char *file, const char *line)
{
	return uev_file_has_line(path_of(group, file), line);
}

/* Does the file of a group have @text anywhere? */
static bool has_text(const char *group, const char *file, const char *text)
{
	char *all = uev_get(path_of(group, file));
	bool has = strstr(all, text);

	free(all);
	return has;
}

static void party_init(struct party *p, const char *name, int fd, __u32 *value)
{
	*p = (struct party){ .name = name, .fd = fd, .value = value };
}

FIXTURE_SETUP(group)
{
	uev_reset();
	ASSERT_TRUE(uev_exists(CONTROL))
		TH_LOG("the kernel has no groups");
	ASSERT_OK(control("+uev_a"));
	ASSERT_OK(control("+uev_b max=100"));
	self->values = uev_shared(uev_page_size());
	party_init(&self->a, "uev_a", open_data("uev_a"), self->values);
	party_init(&self->b, "uev_b", open_data("uev_b"), self->values + 128);
	party_init(&self->top, NULL, uev_open(), self->values + 256);
	ASSERT_LE(0, self->a.fd);
	ASSERT_LE(0, self->b.fd);
	ASSERT_LE(0, self->top.fd);
}

FIXTURE_TEARDOWN(group)
{
	close(self->a.fd);
	close(self->b.fd);
	close(self->top.fd);
	munmap(self->values, uev_page_size());
	uev_reset();
	EXPECT_FALSE(uev_exists(GROUPS "uev_a"));
	EXPECT_FALSE(uev_exists(GROUPS "uev_b"));
}

/* The control file */

TEST_F(group, lines_that_are_wrong)
{
	static const char * const bad[] = {
		"+", "+uev-c", "+uev.c", "+uev/c", "+..", "+multi", "+uev_multi",
		"+_multi", "+control", "+uev_c max", "+uev_c max=", "+uev_c max=x",
		"+uev_c max=-1", "+uev_c max=4294967296", "+uev_c min=1",
		"+uev_c max=1 max=2", "+uev_c 5", "+ uev_c",
		"+uev_56789012345678901234567890123",
		"uev_a", "uev_a max", "uev_a max=x", "uev_a max=1 2",
		"-", "-uev_a max=1", "-uev-a", "- uev_a",
	};
	struct uev_census before;
	char *text;
	size_t i;

	uev_census_take(&before);
	text = uev_get(CONTROL);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERR(EINVAL, control(bad[i]))
			TH_LOG("'%s'", bad[i]);
	EXPECT_ERR(EEXIST, control("+uev_a"));
	EXPECT_ERR(EEXIST, control("+uev_a max=7"));
	EXPECT_ERR(ENOENT, control("-uev_none"));
	EXPECT_ERR(ENOENT, control("uev_none max=1"));
	EXPECT_STREQ(text, uev_get(CONTROL));
	EXPECT_STREQ("", uev_census_diff(&before));
	uev_census_free(&before);
	free(text);
}

TEST_F(group, lines_that_are_right)
{
	char *text = uev_get(CONTROL);

	EXPECT_STREQ("uev_a max=1024 events=0\nuev_b max=100 events=0\n", text);
	free(text);
	ASSERT_LE(0, uev_reg_index(self->b.fd, self->b.value, "grp_x u32 n"));
	EXPECT_TRUE(uev_file_has_line(CONTROL, "uev_b max=100 events=1"));
	EXPECT_OK(control("uev_b max=4294967295"));
	EXPECT_TRUE(uev_file_has_line(CONTROL, "uev_b max=4294967295 events=1"));

	/* Names from the shortest to the longest, several lines at once */
	EXPECT_OK(control("+7"));
	EXPECT_OK(control("-7"));
	EXPECT_OK(control("+uev_5678901234567890123456789012\n"
			  "uev_5678901234567890123456789012 max=0\n"
			  "+uev_multi_\n"));
	EXPECT_TRUE(uev_file_has_line(CONTROL, "uev_multi_ max=1024 events=0"));
	EXPECT_TRUE(uev_file_has_line(CONTROL,
				      "uev_5678901234567890123456789012 max=0 events=0"));
	EXPECT_OK(control("-uev_5678901234567890123456789012\n-uev_multi_"));
	EXPECT_FALSE(uev_exists(GROUPS "uev_multi_"));
}

TEST_F(group, files)
{
	static const struct {
		const char *name;
		mode_t mode;
	} files[] = {
		{ "data", 0640 }, { "status", 0440 }, { "losses", 0440 },
		{ "enablers", 0400 },
	};
	struct stat st;
	char path[512];
	size_t i;

	ASSERT_OK(stat(TRACEFS CONTROL, &st));
	EXPECT_EQ(0600, st.st_mode & 07777);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), TRACEFS "%s",
			 path_of("uev_a", files[i].name));
		ASSERT_OK(stat(path, &st))
			TH_LOG("%s", path);
		EXPECT_EQ(files[i].mode, st.st_mode & 07777)
			TH_LOG("%s has 0%o", path, st.st_mode & 07777);
	}
}

struct writer {
	int fd;
	int cap;
};

static int write_control(void *arg)
{
	struct writer *w = arg;

	if (w->cap < 0 ? uev_become_nobody() : uev_keep_only_cap(w->cap))
		return 255;
	if (write(w->fd, "+uev_cap", 8) != 8)
		return errno;
	/* As before, it may not look at what is root's */
	return access("/proc/1/fd/0", F_OK) ? 0 : 254;
}

/* CAP_PERFMON is 38 */
TEST_F(group, takes_a_capability)
{
	struct writer w = { open(TRACEFS CONTROL, O_RDWR | O_CLOEXEC), -1 };

	ASSERT_LE(0, w.fd);
	EXPECT_EQ(EPERM, uev_in_child(write_control, &w));
	w.cap = CAP_DAC_OVERRIDE;
	EXPECT_EQ(EPERM, uev_in_child(write_control, &w));
	EXPECT_FALSE(uev_exists(GROUPS "uev_cap"));
	/* That capability alone: without the right to look into tracefs, for instance */
	w.cap = 38;
	EXPECT_EQ(0, uev_in_child(write_control, &w));
	EXPECT_TRUE(uev_exists(GROUPS "uev_cap"));
	EXPECT_OK(control("-uev_cap"));
	close(w.fd);
}

/* Same names, different events */

TEST_F(group, same_name_in_each)
{
	__u32 ia, ib, it;
	char *text;

	ASSERT_OK(uev_reg(self->a.fd, self->a.value, 0, 4, 0, "grp_x u32 a", &ia));
	ASSERT_OK(uev_reg(self->b.fd, self->b.value, 0, 4, 0, "grp_x u64 b", &ib));
	ASSERT_OK(uev_reg(self->top.fd, self->top.value, 0, 4, 0, "grp_x u16 t",
			  &it));
	EXPECT_TRUE(uev_event_exists("user_events_uev_a/grp_x"));
	EXPECT_TRUE(uev_event_exists("user_events_uev_b/grp_x"));
	EXPECT_TRUE(uev_event_exists("user_events/grp_x"));
	EXPECT_NE(uev_event_id("user_events_uev_a/grp_x"),
		  uev_event_id("user_events_uev_b/grp_x"));

	/* A listener in one group sets the bits of that group's programs alone. */
	ASSERT_OK(uev_enable("user_events_uev_a/grp_x", true));
	EXPECT_EQ(1, *self->a.value);
	EXPECT_EQ(0, *self->b.value);
	EXPECT_EQ(0, *self->top.value);
	EXPECT_TRUE(has_line("uev_a", "status", "grp_x # Used by ftrace"));
	EXPECT_TRUE(has_line("uev_b", "status", "grp_x"));
	EXPECT_TRUE(uev_file_has_line("user_events_status", "grp_x"));

	EXPECT_EQ(8, uev_emit(self->a.fd, ia, "aaaa", 4));
	EXPECT_ERR(EBADF, uev_emit(self->b.fd, ib, "bbbbbbbb", 8));
	EXPECT_ERR(EBADF, uev_emit(self->top.fd, it, "tt", 2));
	text = uev_trace_of("trace", "grp_x");
	EXPECT_STREQ("a=1633771873\n", text);
	free(text);

	/* A filter, too, is that of one group's event. */
	ASSERT_OK(uev_event_put("user_events_uev_a/grp_x", "filter", "a == 5"));
	EXPECT_NE(0, uev_event_put("user_events_uev_b/grp_x", "filter", "a == 5"));
	ASSERT_OK(uev_enable("user_events_uev_a/grp_x", false));
	EXPECT_EQ(0, *self->a.value);
}

TEST_F(group, same_multi_format_name_in_each)
{
	unsigned int id = 0;
	char *text, event[64];
	int i;

	for (i = 0; i < 5; i++) {
		char command[32];

		sprintf(command, "grp_m u32 a%d", i);
		ASSERT_OK(uev_reg(self->a.fd, self->a.value, i, 4,
				  USER_EVENT_REG_MULTI_FORMAT, command, NULL));
	}
	ASSERT_OK(uev_reg(self->b.fd, self->b.value, 0, 4,
			  USER_EVENT_REG_MULTI_FORMAT, "grp_m u32 b", NULL));
	text = uev_get(path_of("uev_b", "status"));
	EXPECT_EQ(1, sscanf(text, "grp_m.%x\n", &id));
	free(text);
	text = uev_get(path_of("uev_a", "status"));
	EXPECT_EQ(5, uev_count(text, "grp_m."));
	free(text);
	snprintf(event, sizeof(event), "user_events_uev_b_multi/grp_m.%x", id);
	EXPECT_TRUE(uev_event_exists(event));

	ASSERT_OK(uev_enable(event, true));
	EXPECT_EQ(1, *self->b.value);
	EXPECT_EQ(0, *self->a.value);
	ASSERT_OK(uev_enable(event, false));
}

/* A group does not use an ID twice, nor does the next one of its name. */
TEST_F(group, id_is_not_used_twice)
{
	unsigned int id, last = 0;
	char *text, name[64];
	int i;

	for (i = 0; i < 6; i++) {
		ASSERT_OK(uev_reg(self->a.fd, self->a.value, 0, 4,
				  USER_EVENT_REG_MULTI_FORMAT, "grp_id u32 n", NULL));
		text = uev_get(path_of("uev_a", "status"));
		ASSERT_EQ(1, sscanf(text, "grp_id.%x\n", &id));
		free(text);
		EXPECT_LT(last, id);
		last = id;
		snprintf(name, sizeof(name), "user_events_uev_a_multi/grp_id.%x", id);
		EXPECT_TRUE(uev_event_exists(name));
		close(self->a.fd);
		ASSERT_OK(uev_unreg(self->b.fd, self->a.value, 0));
		ASSERT_TRUE(uev_wait_for(!uev_event_exists(name)));
		if (i == 2 || i == 4) {
			ASSERT_OK(control("-uev_a"));
			ASSERT_OK(control("+uev_a"));
		}
		self->a.fd = open_data("uev_a");
		ASSERT_LE(0, self->a.fd);
	}
}

/* What a program with b's file tries on a's events */

TEST_F(group, out_of_reach)
{
	__u32 index;
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_OK(uev_reg(self->a.fd, self->a.value, i, 4, 0,
				  i == 0 ? "grp_secret u32 a" :
				  i == 1 ? "grp_held u32 a" : "grp_more u32 a",
				  &index));
	ASSERT_OK(uev_enable("user_events_uev_a/grp_held", true));

	/* Delete, held or not: b's group has no event of that name. */
	EXPECT_ERR(ENOENT, uev_delete(self->b.fd, "grp_held"));
	EXPECT_ERR(ENOENT, uev_delete(self->b.fd, "grp_secret"));
	EXPECT_ERR(ENOENT, uev_delete(self->top.fd, "grp_secret"));
	/* Register under a name that spells out the other group */
	EXPECT_ERR(EINVAL, uev_reg_index(self->b.fd, self->b.value,
					 "uev_a/grp_secret u32 a"));
	EXPECT_ERR(EINVAL, uev_reg_index(self->b.fd, self->b.value,
					 "user_events_uev_a/grp_secret u32 a"));
	EXPECT_ERR(EINVAL, uev_reg_index(self->b.fd, self->b.value,
					 "user_events_uev_a:grp_secret u32 a"));
	/* Write, by guessed indexes */
	for (i = 0; i < 64; i++)
		EXPECT_ERR(ENOENT, uev_emit(self->b.fd, i, "aaaa", 4));
	/* Register the same name: that is another event. */
	EXPECT_EQ(0, uev_reg_index(self->b.fd, self->b.value, "grp_held u64 other"));
	EXPECT_EQ(0, *self->b.value);
	EXPECT_ERR(EBADF, uev_emit(self->b.fd, 0, "bbbbbbbb", 8));
	/* Unregistering goes by the address in this process, whatever the file. */
	EXPECT_OK(uev_unreg(self->b.fd, self->a.value, 2));

	/* See */
	ASSERT_OK(uev_put("tracing_on", "0"));
	EXPECT_EQ(8, uev_emit(self->a.fd, 1, "aaaa", 4));
	ASSERT_OK(uev_put("tracing_on", "1"));
	EXPECT_TRUE(has_line("uev_a", "losses", "grp_held full=0 off=1 size=0 data=0"));
	EXPECT_FALSE(has_text("uev_b", "status", "grp_secret"));
	EXPECT_TRUE(has_text("uev_b", "status", "\n\nActive: 1\nBusy: 0\n"));
	EXPECT_FALSE(has_text("uev_b", "losses", "grp_"));
	EXPECT_FALSE(has_text("uev_b", "enablers", "grp_secret"));
	EXPECT_TRUE(has_text("uev_b", "enablers", "grp_held"));
	EXPECT_EQ(1, uev_count(uev_get(path_of("uev_b", "enablers")), " 0x"));
	EXPECT_EQ(2, uev_count(uev_get(path_of("uev_a", "enablers")), " 0x"));
	/* Not in the files at the top either */
	EXPECT_EQ(0, uev_count(uev_get("user_events_enablers"), "grp_"));
	EXPECT_FALSE(uev_alive("grp_held"));
	ASSERT_OK(uev_enable("user_events_uev_a/grp_held", false));
}

/* Losses are counted where they belong. */
TEST_F(group, losses_of_each)
{
	__u32 index;

	ASSERT_OK(uev_reg(self->a.fd, self->a.value, 0, 4, 0,
			  "grp_loss __rel_loc char[] s", &index));
	ASSERT_LE(0, uev_reg_index(self->b.fd, self->b.value,
				   "grp_loss __rel_loc char[] s"));
	ASSERT_OK(uev_enable("user_events_uev_a/grp_loss", true));
	EXPECT_ERR(EFAULT, uev_emit(self->a.fd, index, "\xff\xff\xff\xff", 4));
	EXPECT_TRUE(has_line("uev_a", "losses",
			     "grp_loss full=0 off=0 size=0 data=1"));
	EXPECT_FALSE(has_text("uev_b", "losses", "grp_loss"));
	EXPECT_FALSE(uev_file_has_line("user_events_losses",
				       "grp_loss full=0 off=0 size=0 data=1"));
	ASSERT_OK(uev_enable("user_events_uev_a/grp_loss", false));
}

/* poll() of a group's status wakes for changes of its own events alone. */
TEST_F(group, poll_of_each)
{
	struct pollfd pfd = { .events = POLLIN | POLLPRI };
	char path[512], text[256];

	snprintf(path, sizeof(path), TRACEFS "%s", path_of("uev_a", "status"));
	pfd.fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, pfd.fd);
	/* What has not been read yet is new, in a group without changes, too */
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	while (read(pfd.fd, text, sizeof(text)) > 0)
		;
	EXPECT_EQ(0, poll(&pfd, 1, 0));

	ASSERT_LE(0, uev_reg_index(self->b.fd, self->b.value, "grp_poll u32 n"));
	ASSERT_LE(0, uev_reg_index(self->top.fd, self->top.value, "grp_poll u32 n"));
	ASSERT_OK(uev_enable("user_events_uev_b/grp_poll", true));
	ASSERT_OK(uev_enable("user_events_uev_b/grp_poll", false));
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_LE(0, uev_reg_index(self->a.fd, self->a.value, "grp_poll u32 n"));
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	close(pfd.fd);
}

/* Limits */

TEST_F(group, limit)
{
	int now = uev_status_count("Active");
	char command[32];
	int i;

	ASSERT_OK(control("uev_a max=3"));
	for (i = 0; i < 3; i++) {
		sprintf(command, "grp_l%d u32 n", i);
		ASSERT_EQ(i, uev_reg_index(self->a.fd, self->a.value + i, command));
	}
	EXPECT_ERR(EMFILE, uev_reg_index(self->a.fd, self->a.value + 3, "grp_l3"));
	EXPECT_ERR(EMFILE, uev_reg(self->a.fd, self->a.value + 3, 0, 4,
				   USER_EVENT_REG_MULTI_FORMAT, "grp_l3", NULL));
	EXPECT_ERR(EMFILE, uev_dynamic("u:user_events_uev_a/grp_l3"));
	EXPECT_TRUE(uev_file_has_line(CONTROL, "uev_a max=3 events=3"));
	/* Other groups are not affected. */
	EXPECT_EQ(0, uev_reg_index(self->b.fd, self->b.value, "grp_l3"));
	EXPECT_EQ(0, uev_reg_index(self->top.fd, self->top.value, "grp_l3"));
	EXPECT_EQ(now + 1, uev_status_count("Active"));

	/* The limit is raised and lowered while the group is full */
	ASSERT_OK(control("uev_a max=4"));
	EXPECT_EQ(3, uev_reg_index(self->a.fd, self->a.value + 3, "grp_l3"));
	ASSERT_OK(control("uev_a max=1"));
	EXPECT_TRUE(uev_file_has_line(CONTROL, "uev_a max=1 events=4"));
	EXPECT_ERR(EMFILE, uev_reg_index(self->a.fd, self->a.value + 4, "grp_l4"));
	/* Events that exist stay, and can be registered again. */
	EXPECT_EQ(3, uev_reg_index(self->a.fd, self->a.value + 4, "grp_l3"));

	/* A released event makes room at once. */
	ASSERT_OK(control("uev_a max=4"));
	for (i = 0; i < 5; i++)
		ASSERT_OK(uev_unreg(self->b.fd, self->a.value + i, 0));
	close(self->a.fd);
	self->a.fd = open_data("uev_a");
	EXPECT_EQ(0, uev_reg_index(self->a.fd, self->a.value, "grp_l9"));
}

/* Events of all groups, the default one among them */
static int events_of_all(void)
{
	char *text = uev_get(CONTROL), *at = text;
	int sum = uev_status_count("Active");

	while ((at = strstr(at, " events="))) {
		at += strlen(" events=");
		sum += atoi(at);
	}
	free(text);
	return sum;
}

TEST_F(group, limit_of_the_system)
{
	char *max = uev_get(UEV_MAX_SYSCTL), text[32];

	ASSERT_EQ(0, uev_reg_index(self->b.fd, self->b.value, "grp_s0"));
	snprintf(text, sizeof(text), "%d", events_of_all() + 1);
	ASSERT_OK(uev_put(UEV_MAX_SYSCTL, text));
	/* The last one, for a group that may have more */
	EXPECT_EQ(0, uev_reg_index(self->a.fd, self->a.value, "grp_s1"));
	EXPECT_ERR(EMFILE, uev_reg_index(self->a.fd, self->a.value + 1, "grp_s2"));
	EXPECT_ERR(EMFILE, uev_reg_index(self->b.fd, self->b.value + 1, "grp_s1"));
	EXPECT_ERR(EMFILE, uev_reg_index(self->top.fd, self->top.value, "grp_s1"));
	EXPECT_ERR(EMFILE, uev_dynamic("u:user_events_uev_b/grp_s1"));
	EXPECT_TRUE(uev_file_has_line(CONTROL, "uev_a max=1024 events=1"));
	EXPECT_TRUE(uev_file_has_line(CONTROL, "uev_b max=100 events=1"));

	/* One that goes in a group makes room at the top. */
	EXPECT_OK(uev_unreg(self->b.fd, self->b.value, 0));
	close(self->b.fd);
	self->b.fd = open_data("uev_b");
	EXPECT_EQ(0, uev_reg_index(self->top.fd, self->top.value, "grp_s1"));
	EXPECT_ERR(EMFILE, uev_reg_index(self->b.fd, self->b.value, "grp_s0"));
	EXPECT_OK(uev_put(UEV_MAX_SYSCTL, max));
	free(max);
}

/* dynamic_events */

TEST_F(group, dynamic_events)
{
	EXPECT_OK(uev_dynamic("u:user_events_uev_a/grp_dyn u32 a; s16 b"));
	EXPECT_OK(uev_dynamic("u:user_events/grp_dyn u8 t"));
	EXPECT_TRUE(uev_file_has_line("dynamic_events",
				      "u:user_events_uev_a/grp_dyn u32 a; s16 b"));
	EXPECT_TRUE(uev_file_has_line("dynamic_events", "u:grp_dyn u8 t"));
	EXPECT_TRUE(has_line("uev_a", "status", "grp_dyn"));
	EXPECT_FALSE(has_text("uev_b", "status", "grp_dyn"));
	/* Written back, it is the same event. */
	EXPECT_OK(uev_dynamic("u:user_events_uev_a/grp_dyn u32 a; s16 b"));
	EXPECT_ERR(EADDRINUSE, uev_dynamic("u:user_events_uev_a/grp_dyn u32 a"));

	EXPECT_ERR(EINVAL, uev_dynamic("u:user_events_uev_none/grp_dyn u32 a"));
	EXPECT_ERR(EINVAL, uev_dynamic("u:uev_a/grp_dyn u32 a"));
	EXPECT_ERR(EINVAL, uev_dynamic("u:user_events_uev_a_multi/grp_dyn u32 a"));
	EXPECT_ERR(EINVAL, uev_dynamic("u:user_events_uev_a/ u32 a"));
	EXPECT_ERR(EINVAL, uev_dynamic("u:user_events_uev_a/"));
	EXPECT_ERR(EINVAL, uev_dynamic("u:user_events_uev_a/ grp_dyn"));
	EXPECT_ERR(EINVAL, uev_dynamic("u:user_events_uev_a/\tgrp_dyn u32 a"));
	EXPECT_ERR(EINVAL, uev_dynamic("u:/grp_dyn u32 a"));

	/* Without a system it is the default group's. */
	EXPECT_OK(uev_dynamic("-:grp_dyn"));
	EXPECT_FALSE(uev_event_exists("user_events/grp_dyn"));
	EXPECT_TRUE(uev_event_exists("user_events_uev_a/grp_dyn"));
	EXPECT_ERR(ENOENT, uev_dynamic("-:grp_dyn"));
	EXPECT_ERR(ENOENT, uev_dynamic("-:user_events_uev_b/grp_dyn"));
	EXPECT_ERR(ENOENT, uev_dynamic("-:user_events_uev_a/grp_dyn u32 a"));
	EXPECT_OK(uev_dynamic("-:user_events_uev_a/grp_dyn u32 a; s16 b"));
	EXPECT_FALSE(uev_event_exists("user_events_uev_a/grp_dyn"));
}

/* Removing a group */

TEST_F(group, removed_while_it_is_used)
{
	int perf;

	/* An open file */
	ASSERT_EQ(0, uev_reg_index(self->a.fd, self->a.value, "grp_r u32 n"));
	EXPECT_ERR(EBUSY, control("-uev_a"));
	/* An enable bit */
	close(self->a.fd);
	EXPECT_ERR(EBUSY, control("-uev_a"));
	EXPECT_TRUE(has_line("uev_a", "status", "grp_r"));
	/* A listener, of an event that a program no longer has */
	ASSERT_OK(uev_enable("user_events_uev_a/grp_r", true));
	ASSERT_OK(uev_unreg(self->b.fd, self->a.value, 0));
	EXPECT_ERR(EBUSY, control("-uev_a"));
	perf = uev_perf_open(uev_event_id("user_events_uev_a/grp_r"), -1, 0, 0);
	ASSERT_LE(0, perf);
	ASSERT_OK(uev_enable("user_events_uev_a/grp_r", false));
	EXPECT_ERR(EBUSY, control("-uev_a"));

	/* After these refusals the group still works. */
	self->a.fd = open_data("uev_a");
	ASSERT_EQ(0, uev_reg_index(self->a.fd, self->a.value, "grp_r u32 n"));
	EXPECT_EQ(1, *self->a.value);
	ASSERT_OK(uev_unreg(self->a.fd, self->a.value, 0));
	close(self->a.fd);
	close(perf);

	/* An event that still waits for its deletion does not block this. */
	EXPECT_OK(control("-uev_a"));
	EXPECT_FALSE(uev_exists(GROUPS "uev_a"));
	EXPECT_FALSE(uev_exists("events/user_events_uev_a"));
	self->a.fd = -1;
}

TEST_F(group, removed_with_what_persists)
{
	ASSERT_OK(uev_dynamic("u:user_events_uev_a/grp_p u32 n"));
	ASSERT_OK(uev_reg(self->a.fd, self->a.value, 0, 4,
			  USER_EVENT_REG_PERSIST | USER_EVENT_REG_MULTI_FORMAT,
			  "grp_p u32 n", NULL));
	EXPECT_ERR(EBUSY, control("-uev_a"));
	ASSERT_OK(uev_unreg(self->a.fd, self->a.value, 0));
	close(self->a.fd);
	self->a.fd = -1;
	EXPECT_TRUE(uev_file_has_line(CONTROL, "uev_a max=1024 events=2"));
	EXPECT_OK(control("-uev_a"));
	EXPECT_FALSE(uev_exists("events/user_events_uev_a"));
	EXPECT_FALSE(uev_exists("events/user_events_uev_a_multi"));
	EXPECT_EQ(0, uev_count(uev_get("dynamic_events"), "grp_p"));
}

/* Files that are still open after their group was removed: empty and useless */
TEST_F(group, removed_with_open_files)
{
	char path[512], text[256] = "";
	struct pollfd pfd = { .events = POLLIN | POLLPRI };
	int path_fd;
	__u32 index;

	snprintf(path, sizeof(path), TRACEFS "%s", path_of("uev_a", "data"));
	path_fd = open(path, O_PATH | O_CLOEXEC);
	ASSERT_LE(0, path_fd);
	snprintf(path, sizeof(path), TRACEFS "%s", path_of("uev_a", "status"));
	pfd.fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, pfd.fd);
	while (read(pfd.fd, text, sizeof(text)) > 0)
		;
	ASSERT_OK(control("-uev_a"));
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(0, lseek(pfd.fd, 0, SEEK_SET));
	memset(text, 0, sizeof(text));
	EXPECT_LT(0, read(pfd.fd, text, sizeof(text) - 1));
	EXPECT_STREQ("\nActive: 0\nBusy: 0\n", text);
	close(pfd.fd);

	/* Nor can one be opened any more. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	EXPECT_EQ(-1, open(path, O_RDWR | O_CLOEXEC));
	EXPECT_EQ(ENODEV, errno);
	close(path_fd);

	EXPECT_ERR(ENODEV, uev_reg_index(self->a.fd, self->a.value, "grp_o u32 n"));
	EXPECT_ERR(ENODEV, uev_reg(self->a.fd, self->a.value, 0, 4,
				   USER_EVENT_REG_MULTI_FORMAT, "grp_o", NULL));
	EXPECT_ERR(ENOENT, uev_delete(self->a.fd, "grp_o"));
	EXPECT_ERR(ENOENT, uev_emit(self->a.fd, 0, "aaaa", 4));
	EXPECT_FALSE(uev_event_exists("user_events/grp_o"));

	/* A new group of the same name does not revive them. */
	ASSERT_OK(control("+uev_a"));
	EXPECT_ERR(ENODEV, uev_reg_index(self->a.fd, self->a.value, "grp_o u32 n"));
	close(self->a.fd);
	self->a.fd = open_data("uev_a");
	ASSERT_OK(uev_reg(self->a.fd, self->a.value, 0, 4, 0, "grp_o u32 n", &index));
	ASSERT_OK(uev_enable("user_events_uev_a/grp_o", true));
	EXPECT_EQ(8, uev_emit(self->a.fd, index, "aaaa", 4));
	ASSERT_OK(uev_enable("user_events_uev_a/grp_o", false));
}

static void *reads_directory(void *page)
{
	int fd = open(TRACEFS GROUPS "uev_a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool read = syscall(__NR_getdents64, fd, page, uev_page_size()) > 0;

	close(fd);
	return read ? page : NULL;
}

static int runs_line(void *line)
{
	return -control(line);
}

static bool is_stuck(pid_t pid)
{
	char path[64], *text;
	bool stuck;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	text = uev_get(path);
	stuck = strstr(text, "State:\tD");
	free(text);
	return stuck;
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {};

	return !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
}

/*
 * Who may read the directory of a group can make its removal wait. Other groups come and
 * go meanwhile.
 */
TEST_F(group, removed_while_its_directory_is_read)
{
	static const struct {
		char *line;
		int error;
	} others[] = {
		{ "-uev_a", EBUSY }, { "+uev_a", EEXIST }, { "+uev_c", 0 }, { "-uev_c", 0 },
	};
	struct pollfd pfd = { .events = POLLIN };
	pid_t remover, other;
	void *page, *read;
	pthread_t reader;
	bool ended;
	size_t i;

	page = uev_paged_page(&pfd.fd);
	if (!page)
		SKIP(return, UEV_NO_PAGER);
	ASSERT_EQ(0, pthread_create(&reader, NULL, reads_directory, page));
	ASSERT_EQ(1, poll(&pfd, 1, UEV_WAIT_MS));
	remover = uev_fork(runs_line, "-uev_a");
	ASSERT_LT(0, remover);
	EXPECT_TRUE(uev_wait_for(is_stuck(remover)));

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		other = uev_fork(runs_line, others[i].line);
		ASSERT_LT(0, other);
		ended = uev_wait_for(has_ended(other));
		EXPECT_TRUE(ended)
			TH_LOG("%s waits for a program", others[i].line);
		if (!ended)
			break;
		EXPECT_EQ(others[i].error, uev_join(other))
			TH_LOG("%s", others[i].line);
	}

	EXPECT_TRUE(is_stuck(remover));
	ASSERT_OK(uev_deliver(pfd.fd, page, NULL));
	ASSERT_EQ(0, pthread_join(reader, &read));
	EXPECT_EQ(page, read);
	EXPECT_EQ(0, uev_join(remover));
	EXPECT_FALSE(uev_exists(GROUPS "uev_a"));
	ASSERT_OK(control("+uev_a"));
	close(pfd.fd);
	munmap(page, uev_page_size());
}

/* Records outlive their group. */
TEST_F(group, records_outlive_it)
{
	__u32 index;
	char *text;

	ASSERT_OK(uev_reg(self->a.fd, self->a.value, 0, 4, 0, "grp_rec u32 n",
			  &index));
	ASSERT_OK(uev_enable("user_events_uev_a/grp_rec", true));
	EXPECT_EQ(8, uev_emit(self->a.fd, index, "\7\0\0\0", 4));
	ASSERT_OK(uev_enable("user_events_uev_a/grp_rec", false));
	ASSERT_OK(uev_unreg(self->a.fd, self->a.value, 0));
	close(self->a.fd);
	self->a.fd = -1;
	ASSERT_OK(control("-uev_a"));
	text = uev_trace_of("trace", "grp_rec");
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	EXPECT_STREQ("n=7\n", text);
#else
	EXPECT_STREQ("n=117440512\n", text);
#endif
	free(text);
}

/* Others */

struct crowd {
	__u32 *value, *stop;
	__u64 *written;
	int fd;
	__u32 index;
};

static int write_all_the_time(void *arg)
{
	struct crowd *c = arg;
	__u32 value = 0;
	int fd = open_data("uev_b");

	while (!UEV_READ(*c->stop)) {
		__u32 index;

		/* Registers and writes at the top, and in another group. */
		if (uev_emit(c->fd, c->index, "aaaa", 4) != 8)
			return 1;
		if (uev_reg(fd, &value, 0, 4, 0, "grp_other u32 n", &index))
			return 2;
		if (uev_unreg(fd, &value, 0))
			return 3;
		__atomic_add_fetch(c->written, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

TEST_F(group, come_and_go_under_load)
{
	struct crowd c = {
		.value = self->top.value, .stop = self->values + 300,
		.written = (__u64 *)(self->values + 302), .fd = self->top.fd,
	};
	int rounds = uev_rounds(1000), i, fd;
	__u32 value = 0;
	struct uev_census before;
	char name[32], line[64];
	long slab;
	pid_t pid;

	uev_census_take(&before);
	ASSERT_OK(uev_reg(c.fd, c.value, 0, 4, 0, "grp_load u32 n", &c.index));
	ASSERT_OK(uev_enable("user_events/grp_load", true));
	pid = uev_fork(write_all_the_time, &c);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(uev_wait_for(UEV_READ(*c.written) > 100));
	slab = uev_slab_objects();

	for (i = 0; i < rounds; i++) {
		sprintf(name, "uev_n%d", i);
		sprintf(line, "+%s max=%d", name, i + 1);
		ASSERT_OK(control(line));
		if (i % 4 == 0) {
			/* Remove a group whose event is not deleted yet */
			fd = open_data(name);
			ASSERT_LE(0, fd);
			ASSERT_EQ(0, uev_reg_index(fd, &value, "grp_short u32 n"));
			ASSERT_OK(uev_unreg(fd, &value, 0));
			close(fd);
		}
		sprintf(line, "-%s", name);
		ASSERT_OK(control(line))
			TH_LOG("round %d", i);
	}
	UEV_WRITE(*c.stop, 1);
	EXPECT_EQ(0, uev_join(pid));
	/* If each round leaked an object, it would be more than this. */
	if (slab >= 0 && !uev_kernel_is_slow())
		EXPECT_GT(rounds / 2, uev_slab_objects() - slab);
	ASSERT_OK(uev_enable("user_events/grp_load", false));
	ASSERT_OK(uev_unreg(c.fd, c.value, 0));
	close(self->top.fd);
	self->top.fd = -1;
	EXPECT_STREQ("", uev_census_diff(&before));
	uev_census_free(&before);
}

/* In a PID namespace, with the group's file alone */
static int look_from_inside(void *arg)
{
	__u32 *value = arg;
	char *text, want[64];
	int fd, ok;

	/* The first process of the namespace is this one. */
	fd = open_data("uev_a");
	if (fd < 0 || uev_reg_index(fd, value, "grp_in u32 n") < 0)
		return 1;
	text = uev_get(path_of("uev_a", "enablers"));
	/* A child inherits the enablers of its parent. */
	snprintf(want, sizeof(want), "grp_in 1 0x%lx ", (unsigned long)value);
	ok = strstr(text, want) && uev_count(text, " 0x") == 2 &&
		uev_count(text, "grp_in 1 0x") == 2;
	if (!ok)
		printf("# inside: %s", text);
	return ok ? 0 : 2;
}

static int in_pid_namespace(void *arg)
{
	if (unshare(CLONE_NEWPID))
		return 100;
	return uev_in_child(look_from_inside, arg);
}

TEST_F(group, processes_as_the_reader_knows_them)
{
	/* A process that cannot be seen from inside */
	ASSERT_LE(0, uev_reg_index(self->a.fd, self->a.value, "grp_in u32 n"));
	EXPECT_EQ(0, uev_in_child(in_pid_namespace, self->a.value + 1));
}

/* A file that is passed to somebody who could not have opened it */

struct passing {
	int socket;
	__u32 *value;
};

static int receive_and_use(void *arg)
{
	struct passing *p = arg;
	char space[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = space, .msg_controllen = sizeof(space),
	};
	__u32 index;
	int fd;

	if (uev_become_nobody())
		return 255;
	if (open_data("uev_a") != -EACCES)
		return 1;
	if (recvmsg(p->socket, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return 2;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));

	if (uev_reg(fd, p->value, 0, 4, 0, "grp_pass u32 n", &index))
		return 3;
	if (!uev_wait_for(UEV_READ(*p->value) == 1))
		return 4;
	if (uev_emit(fd, index, "aaaa", 4) != 8)
		return 5;
	/* In a group, too, a persistent event takes a capability. */
	if (uev_reg(fd, p->value, 1, 4, USER_EVENT_REG_PERSIST, "grp_pers",
		    NULL) != -EPERM)
		return 6;
	return 0;
}

TEST_F(group, passed_over_a_socket)
{
	char space[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = space, .msg_controllen = sizeof(space),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	struct passing p = { .value = self->a.value };
	int sockets[2];
	pid_t pid;

	ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	p.socket = sockets[1];
	pid = uev_fork(receive_and_use, &p);
	ASSERT_LT(0, pid);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &self->a.fd, sizeof(int));
	ASSERT_EQ(1, sendmsg(sockets[0], &msg, 0));
	EXPECT_TRUE(uev_wait_for(uev_event_exists("user_events_uev_a/grp_pass")));
	EXPECT_OK(uev_enable("user_events_uev_a/grp_pass", true));
	EXPECT_EQ(0, uev_join(pid));
	EXPECT_OK(uev_enable("user_events_uev_a/grp_pass", false));
	EXPECT_EQ(1, uev_count(uev_get("trace"), "grp_pass: "));
	close(sockets[0]);
	close(sockets[1]);
}

TEST_HARNESS_MAIN
