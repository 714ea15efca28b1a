// SPDX-License-Identifier: GPL-2.0
/*
 * dynamic_events: making, showing, writing back and deleting user events as
 * text.
 */
#include <linux/capability.h>

#include "uev_harness.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON	38
#endif

static bool listed(const char *line)
{
	return uev_file_has_line("dynamic_events", line);
}

TEST_F(uev, create_and_show)
{
	static const char * const lines[][2] = {
		/* as it is written, as it is shown */
		{ "u:dyn_none", "u:dyn_none" },
		{ "u:dyn_one u32 a", "u:dyn_one u32 a" },
		{ "u:dyn_two u32 a;u16 b", "u:dyn_two u32 a; u16 b" },
		{ "u:dyn_three u8 a ;  u16 b;s64 c ;",
		  "u:dyn_three u8 a; u16 b; s64 c" },
		{ "u:dyn_struct struct my_tag a 20;u8 b",
		  "u:dyn_struct struct my_tag a 20; u8 b" },
		{ "u:dyn_text char[16] a;unsigned char[8] b",
		  "u:dyn_text char[16] a; unsigned char[8] b" },
		{ "u:dyn_loc __data_loc char[] a;__rel_loc unsigned char[] b",
		  "u:dyn_loc __data_loc char[] a; __rel_loc unsigned char[] b" },
		{ "u:dyn_c unsigned int a;unsigned short b;short c;char d",
		  "u:dyn_c unsigned int a; unsigned short b; short c; char d" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		ASSERT_OK(uev_dynamic(lines[i][0])) TH_LOG("%s", lines[i][0]);
		EXPECT_TRUE(listed(lines[i][1])) TH_LOG("%s", lines[i][1]);
	}
	/* Registering the same command string finds the same event. */
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		EXPECT_OK(uev_reg(self->fd, &self->value[i], 0, 4, 0,
				  lines[i][0] + 2, NULL))
			TH_LOG("%s", lines[i][0]);
	}
	/* After the event is deleted, its line can be written back. */
	close(self->fd);
	self->fd = uev_open();
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		char name[32];

		ASSERT_OK(uev_unreg(self->fd, &self->value[i], 0));
		snprintf(name, sizeof(name), "%.*s",
			 (int)strcspn(lines[i][0] + 2, " "), lines[i][0] + 2);
		ASSERT_OK(uev_delete(self->fd, name)) TH_LOG("%s", name);
		EXPECT_FALSE(listed(lines[i][1])) TH_LOG("%s", lines[i][1]);
		ASSERT_OK(uev_dynamic(lines[i][1])) TH_LOG("%s", lines[i][1]);
		EXPECT_TRUE(listed(lines[i][1])) TH_LOG("%s", lines[i][1]);
		EXPECT_OK(uev_reg(self->fd, &self->value[i], 0, 4, 0,
				  lines[i][0] + 2, NULL))
			TH_LOG("%s", lines[i][0]);
	}
}

/* The longest command string, which is shown with more blanks */
TEST_F(uev, longest_line)
{
	char command[512], line[1024], *at = command + sprintf(command, "dyn_long ");
	char *to = line + sprintf(line, "u:dyn_long ");
	int i;

	for (i = 0; at - command < 500; i++) {
		at += sprintf(at, "%su8 %c%c", i ? ";" : "", 'a' + i / 26, 'a' + i % 26);
		to += sprintf(to, "%su8 %c%c", i ? "; " : "", 'a' + i / 26, 'a' + i % 26);
	}
	ASSERT_LE(0, uev_reg_index(self->fd, self->value, command));
	ASSERT_TRUE(listed(line));
	ASSERT_OK(uev_unreg(self->fd, self->value, 0));
	close(self->fd);
	self->fd = uev_open();
	ASSERT_TRUE(uev_wait_for(!uev_alive("dyn_long")));
	EXPECT_OK(uev_dynamic(line));
	EXPECT_TRUE(listed(line));
	*line = '-';
	EXPECT_OK(uev_dynamic(line)) TH_LOG("%s", line);
	EXPECT_FALSE(uev_alive("dyn_long"));
}

TEST_F(uev, shows_registered_events)
{
	ASSERT_LE(0, uev_reg_index(self->fd, self->value,
				   "dyn_reg u32 a;struct s b 4"));
	EXPECT_TRUE(listed("u:dyn_reg u32 a; struct s b 4"));
}

TEST_F(uev, never_says_who_uses_it)
{
	char *text;

	ASSERT_LE(0, uev_reg_index(self->fd, self->value, "dyn_used u32 a"));
	ASSERT_OK(uev_enable("dyn_used", true));
	text = uev_get("dynamic_events");
	EXPECT_TRUE(uev_has_line(text, "u:dyn_used u32 a")) TH_LOG("%s", text);
	EXPECT_EQ(0, uev_count(text, "sed by"));
	free(text);
}

TEST_F(uev, is_refused)
{
	static const char * const lines[] = {
		"u:", "u: ", "u:dyn/bad", "u:dyn\"bad u32 a", "u:dyn_bad long a",
		"u:dyn_bad u32 a;u32 a", "u:dyn_bad u32 common_pid",
		"u:dyn_bad:persist u32 a", "u:dyn_bad u32", "u:dyn_bad u32 a 4",
		"u:.", "u:..", "u:dyn_bad char[0] a",
		/* of no kind of dynamic event */
		"y:dyn_bad u32 a", "dyn_bad u32 a", "u", "-y:dyn_bad u32 a",
	};
	struct uev_census before;
	char line[600];
	size_t i;

	uev_census_take(&before);
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		EXPECT_ERR(EINVAL, uev_dynamic(lines[i]))
			TH_LOG("'%s'", lines[i]);
	}
	memset(line, 'd', sizeof(line));
	memcpy(line, "u:", 2);
	line[2 + 256] = '\0';
	EXPECT_ERR(EINVAL, uev_dynamic(line));
	/* Longer than a command string may be */
	memset(line, 'd', sizeof(line));
	memcpy(line, "u:dyn_long u32 ", 15);
	line[2 + 512] = '\0';
	EXPECT_ERR(EINVAL, uev_dynamic(line));
	EXPECT_STREQ("", uev_census_diff(&before));
	uev_census_free(&before);
}

TEST_F(uev, fields_must_agree_with_what_exists)
{
	ASSERT_OK(uev_dynamic("u:dyn_same u32 a"));
	EXPECT_NE(0, uev_dynamic("u:dyn_same u32 b"));
	EXPECT_TRUE(listed("u:dyn_same u32 a"));
	EXPECT_ERR(EADDRINUSE, uev_reg(self->fd, self->value, 0, 4, 0,
				       "dyn_same u32 b", NULL));
	EXPECT_OK(uev_reg(self->fd, self->value, 0, 4, 0, "dyn_same u32 a",
			  NULL));
}

TEST_F(uev, stays_until_it_is_deleted)
{
	int index;

	ASSERT_OK(uev_dynamic("u:dyn_stays u32 a"));
	index = uev_reg_index(self->fd, self->value, "dyn_stays u32 a");
	ASSERT_LE(0, index);
	ASSERT_OK(uev_enable("dyn_stays", true));
	ASSERT_BECOMES(1, *self->value);
	ASSERT_OK(uev_unreg(self->fd, self->value, 0));
	close(self->fd);
	ASSERT_OK(uev_enable("dyn_stays", false));
	self->fd = uev_open();
	usleep(300000);
	EXPECT_TRUE(uev_alive("dyn_stays"));
	EXPECT_TRUE(uev_event_exists("dyn_stays"));
	EXPECT_OK(uev_dynamic("-:dyn_stays"));
	EXPECT_FALSE(uev_alive("dyn_stays"));
	EXPECT_FALSE(uev_event_exists("dyn_stays"));
}

TEST_F(uev, forms_of_deletion)
{
	static const char line[] = "u:dyn_del u32 a; struct s b 8";
	static const char * const good[] = {
		"-:dyn_del", "-:user_events/dyn_del",
		"-:dyn_del u32 a; struct s b 8",
		"-:user_events/dyn_del u32 a;struct s b 8",
	};
	static const char * const bad[] = {
		"-:dyn_del u32 a", "-:dyn_del u32 a; struct s b 9",
		"-:dyn_del u32 b; struct s b 8", "-:user_events/dyn_del u16 a",
		"-:other/dyn_del", "-:dyn_de", "-:dyn_dell", "-:user_events/dyn",
	};
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		ASSERT_OK(uev_dynamic(line));
		for (j = 0; j < ARRAY_SIZE(bad); j++) {
			EXPECT_NE(0, uev_dynamic(bad[j])) TH_LOG("%s", bad[j]);
			EXPECT_TRUE(listed(line)) TH_LOG("%s", bad[j]);
		}
		EXPECT_OK(uev_dynamic(good[i])) TH_LOG("%s", good[i]);
		EXPECT_FALSE(listed(line)) TH_LOG("%s", good[i]);
		EXPECT_FALSE(uev_event_exists("dyn_del")) TH_LOG("%s", good[i]);
		EXPECT_ERR(ENOENT, uev_dynamic(good[i])) TH_LOG("%s", good[i]);
	}
}

TEST_F(uev, is_not_deleted_while_it_is_held)
{
	ASSERT_OK(uev_dynamic("u:dyn_held u32 a"));

	ASSERT_OK(uev_enable("dyn_held", true));
	EXPECT_ERR(EBUSY, uev_dynamic("-:dyn_held"));
	EXPECT_ERR(EBUSY, uev_dynamic("-:user_events/dyn_held u32 a"));
	ASSERT_OK(uev_enable("dyn_held", false));

	ASSERT_LE(0, uev_reg_index(self->fd, self->value, "dyn_held u32 a"));
	EXPECT_ERR(EBUSY, uev_dynamic("-:dyn_held"));
	ASSERT_OK(uev_unreg(self->fd, self->value, 0));
	EXPECT_ERR(EBUSY, uev_dynamic("-:dyn_held"));
	EXPECT_TRUE(listed("u:dyn_held u32 a"));
	close(self->fd);
	self->fd = uev_open();
	EXPECT_OK(uev_dynamic("-:dyn_held"));
	EXPECT_FALSE(listed("u:dyn_held u32 a"));
}

/* Opening the file with O_TRUNC deletes all events, or none. */
TEST_F(uev, emptied_at_once)
{
	int i, fd;

	ASSERT_OK(uev_dynamic("u:dyn_e1 u32 a"));
	ASSERT_OK(uev_dynamic("u:dyn_e2 u32 a"));
	ASSERT_OK(uev_dynamic("u:dyn_e3 u32 a"));
	for (i = 1; i <= 3; i++) {
		char name[16];

		sprintf(name, "dyn_e%d", i);
		ASSERT_OK(uev_enable(name, true));
		fd = open(TRACEFS "dynamic_events", O_WRONLY | O_TRUNC);
		EXPECT_EQ(-1, fd);
		EXPECT_EQ(EBUSY, errno);
		EXPECT_TRUE(listed("u:dyn_e1 u32 a"));
		EXPECT_TRUE(listed("u:dyn_e2 u32 a"));
		EXPECT_TRUE(listed("u:dyn_e3 u32 a"));
		ASSERT_OK(uev_enable(name, false));
	}
	fd = open(TRACEFS "dynamic_events", O_WRONLY | O_TRUNC);
	EXPECT_LE(0, fd);
	close(fd);
	for (i = 1; i <= 3; i++) {
		char name[16];

		sprintf(name, "dyn_e%d", i);
		EXPECT_FALSE(uev_alive(name));
	}
}

TEST_F(uev, several_lines_at_once)
{
	static const char text[] = "u:dyn_l1 u32 a\nu:dyn_l2\nu:dyn_l3 u8 b\n";

	ASSERT_OK(uev_dynamic(text));
	EXPECT_TRUE(listed("u:dyn_l1 u32 a"));
	EXPECT_TRUE(listed("u:dyn_l2"));
	EXPECT_TRUE(listed("u:dyn_l3 u8 b"));
	ASSERT_OK(uev_dynamic("-:dyn_l2\n-:dyn_l1\n"));
	EXPECT_FALSE(listed("u:dyn_l2"));
	EXPECT_TRUE(listed("u:dyn_l3 u8 b"));
}

/*
 * root opens the file, and a child with fewer rights writes to it: the rights of
 * the writer decide.
 */
struct attempt {
	int dynamic_fd;
	int cap;		/* the only one, -1 for none */
	const char *line;
};

static int attempt_line(void *arg)
{
	struct attempt *a = arg;

	if (a->cap < 0 ? uev_become_nobody() : uev_keep_only_cap(a->cap))
		return 255;
	return write(a->dynamic_fd, a->line, strlen(a->line)) < 0 ? errno : 0;
}

TEST_F(uev, takes_a_capability)
{
	struct attempt a = {
		.dynamic_fd = open(TRACEFS "dynamic_events", O_WRONLY | O_APPEND),
	};

	ASSERT_LE(0, a.dynamic_fd);
	a.cap = -1;
	a.line = "u:dyn_cap u32 a";
	EXPECT_EQ(EPERM, uev_in_child(attempt_line, &a));
	EXPECT_FALSE(uev_alive("dyn_cap"));
	a.cap = CAP_PERFMON;
	EXPECT_EQ(0, uev_in_child(attempt_line, &a));
	EXPECT_TRUE(uev_alive("dyn_cap"));
	EXPECT_TRUE(uev_event_exists("dyn_cap"));

	a.line = "-:dyn_cap";
	a.cap = -1;
	EXPECT_EQ(EPERM, uev_in_child(attempt_line, &a));
	a.cap = CAP_NET_ADMIN;
	EXPECT_EQ(EPERM, uev_in_child(attempt_line, &a));
	EXPECT_TRUE(uev_alive("dyn_cap"));
	a.cap = CAP_PERFMON;
	EXPECT_EQ(0, uev_in_child(attempt_line, &a));
	EXPECT_FALSE(uev_alive("dyn_cap"));

	a.line = "u:dyn_cap u32 a";
	a.cap = CAP_SYS_ADMIN;
	EXPECT_EQ(0, uev_in_child(attempt_line, &a));
	a.line = "-:dyn_cap";
	EXPECT_EQ(0, uev_in_child(attempt_line, &a));
	close(a.dynamic_fd);
}

TEST_HARNESS_MAIN
