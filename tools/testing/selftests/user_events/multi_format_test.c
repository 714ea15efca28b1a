// SPDX-License-Identifier: GPL-2.0
/*
 * USER_EVENT_REG_MULTI_FORMAT: events of one name and different fields live side
 * by side; and USER_EVENT_REG_PERSIST, with and without it.
 */
#include <dirent.h>

#include "uev_harness.h"

#define MULTI	USER_EVENT_REG_MULTI_FORMAT
#define PERSIST	USER_EVENT_REG_PERSIST

/* The names in events/user_events_multi that belong to @name */
static int list_of(const char *name, char found[][300], int max)
{
	DIR *dir = opendir(TRACEFS "events/" USER_EVENTS_MULTI_SYSTEM);
	size_t len = strlen(name);
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, name, len) ||
		    entry->d_name[len] != '.')
			continue;
		if (count < max)
			snprintf(found[count], 300, "%s", entry->d_name);
		count++;
	}
	if (dir)
		closedir(dir);
	return count;
}

static bool is_hex_id(const char *id)
{
	return *id && strspn(id, "0123456789abcdef") == strlen(id);
}

/* The only name that is in @now and not in @before; NULL if there is not just one. */
static const char *added(char before[][300], int count_before, char now[][300],
			 int count_now)
{
	const char *found = NULL;
	int i, j;

	for (i = 0; i < count_now; i++) {
		for (j = 0; j < count_before; j++) {
			if (!strcmp(now[i], before[j]))
				break;
		}
		if (j < count_before)
			continue;
		if (found)
			return NULL;
		found = now[i];
	}
	return found;
}

static char names[200][300], earlier[200][300];

static int reg_multi(int fd, __u32 *value, int flags, const char *command)
{
	__u32 index;
	int ret = uev_reg(fd, value, 0, 4, MULTI | flags, command, &index);

	return ret ? ret : (int)index;
}

TEST_F(uev, formats_side_by_side)
{
	static const char * const commands[] = {
		"mul_side", "mul_side u32 a", "mul_side u32 b",
		"mul_side u32 a;u32 b", "mul_side __rel_loc char[] text",
		"mul_side struct s a 4", "mul_side struct s a 8",
	};
	int index[ARRAY_SIZE(commands)], count = 0;
	char *status = NULL, path[400];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		const char *name;

		memcpy(earlier, names, sizeof(names));
		index[i] = reg_multi(self->fd, &self->value[i], 0, commands[i]);
		ASSERT_LE(0, index[i]) TH_LOG("'%s'", commands[i]);
		for (j = 0; j < i; j++)
			EXPECT_NE(index[j], index[i]);

		ASSERT_EQ(count + 1, list_of("mul_side", names, 200));
		name = added(earlier, count, names, count + 1);
		ASSERT_NE(NULL, name);
		EXPECT_TRUE(is_hex_id(name + strlen("mul_side.")))
			TH_LOG("%s", name);
		count++;

		status = uev_get("user_events_status");
		EXPECT_TRUE(uev_has_line(status, name)) TH_LOG("%s", status);
		free(status);

		/* The bit follows this one only. */
		sprintf(path, "user_events_multi/%s", name);
		ASSERT_OK(uev_enable(path, true));
		ASSERT_BECOMES(1, self->value[i]);
		for (j = 0; j <= i; j++)
			EXPECT_EQ(j == i, UEV_READ(self->value[j]));
		ASSERT_OK(uev_enable(path, false));
		ASSERT_BECOMES(0, self->value[i]);
	}
	EXPECT_FALSE(uev_event_exists("mul_side"));
}

TEST_F(uev, same_format_is_the_same_event)
{
	int other = uev_open(), first;

	ASSERT_LE(0, other);
	first = reg_multi(self->fd, &self->value[0], 0, "mul_same u32 a;u16 b");
	ASSERT_LE(0, first);
	EXPECT_EQ(first, reg_multi(self->fd, &self->value[1], 0,
				   "mul_same u32 a ; u16 b;"));
	EXPECT_LE(0, reg_multi(other, &self->value[2], 0,
			       "mul_same u32 a; u16 b"));
	EXPECT_EQ(1, list_of("mul_same", names, 200));
	close(other);
}

TEST_F(uev, text_and_records)
{
	int index = reg_multi(self->fd, self->value, 0, "mul_text u32 n");
	__u32 n = 12;
	char path[400], *shown;

	ASSERT_LE(0, index);
	ASSERT_EQ(1, list_of("mul_text", names, 200));
	sprintf(path, "user_events_multi/%s", names[0]);
	ASSERT_OK(uev_enable(path, true));
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	shown = uev_trace_of("trace", names[0]);
	EXPECT_STREQ("n=12\n", shown);
	free(shown);
	ASSERT_OK(uev_enable(path, false));
}

TEST_F(uev, single_and_multi_do_not_meet)
{
	int single, multi;
	__u32 n = 1;
	char path[400];

	single = uev_reg_index(self->fd, &self->value[0], "mul_meet u32 n");
	ASSERT_LE(0, single);
	multi = reg_multi(self->fd, &self->value[1], 0, "mul_meet u32 n");
	ASSERT_LE(0, multi);
	EXPECT_NE(single, multi);
	/* Other fields are refused for the one, and a new format of the other. */
	EXPECT_ERR(EADDRINUSE, uev_reg(self->fd, &self->value[2], 0, 4, 0,
				       "mul_meet u16 n", NULL));
	EXPECT_LE(0, reg_multi(self->fd, &self->value[2], 0, "mul_meet u16 n"));
	EXPECT_TRUE(uev_event_exists("mul_meet"));
	EXPECT_EQ(2, list_of("mul_meet", names, 200));

	ASSERT_OK(uev_enable("mul_meet", true));
	ASSERT_BECOMES(1, self->value[0]);
	EXPECT_EQ(0, UEV_READ(self->value[1]));
	EXPECT_EQ(8, uev_emit(self->fd, single, &n, sizeof(n)));
	EXPECT_ERR(EBADF, uev_emit(self->fd, multi, &n, sizeof(n)));
	ASSERT_OK(uev_enable("mul_meet", false));
	ASSERT_BECOMES(0, self->value[0]);
	sprintf(path, "user_events_multi/%s", names[0]);
	ASSERT_OK(uev_enable(path, true));
	EXPECT_ERR(EBADF, uev_emit(self->fd, single, &n, sizeof(n)));
	EXPECT_EQ(0, UEV_READ(self->value[0]));
	ASSERT_OK(uev_enable(path, false));
}

TEST_F(uev, multi_first)
{
	ASSERT_LE(0, reg_multi(self->fd, &self->value[0], 0, "mul_first u32 n"));
	ASSERT_LE(0, uev_reg_index(self->fd, &self->value[1],
				   "mul_first u64 other"));
	EXPECT_TRUE(uev_event_exists("mul_first"));
	EXPECT_EQ(1, list_of("mul_first", names, 200));
}

TEST_F(uev, id_is_never_used_again)
{
	int round, i;

	for (round = 0; round < 20; round++) {
		ASSERT_LE(0, reg_multi(self->fd, self->value, 0,
				       "mul_again u32 a"));
		ASSERT_EQ(1, list_of("mul_again", &names[round], 1));
		for (i = 0; i < round; i++)
			EXPECT_STRNE(names[i], names[round]);
		ASSERT_OK(uev_unreg(self->fd, self->value, 0));
		close(self->fd);
		self->fd = uev_open();
		/* Gone by itself, or deleted: either way it is gone. */
		if (round & 1)
			uev_delete(self->fd, "mul_again");
		ASSERT_TRUE(uev_wait_for(!list_of("mul_again", earlier, 1)));
	}
}

TEST_F(uev, delete_takes_all_of_a_name)
{
	char command[64];
	int i;

	for (i = 0; i < 10; i++) {
		sprintf(command, "mul_all u32 f%d", i);
		ASSERT_LE(0, reg_multi(self->fd, &self->value[i], PERSIST,
				       command));
	}
	ASSERT_LE(0, reg_multi(self->fd, &self->value[10], PERSIST,
			       "mul_all2 u32 a"));
	EXPECT_EQ(10, list_of("mul_all", names, 200));
	EXPECT_ERR(EBUSY, uev_delete(self->fd, "mul_all"));
	for (i = 0; i < 11; i++)
		ASSERT_OK(uev_unreg(self->fd, &self->value[i], 0));
	EXPECT_ERR(EBUSY, uev_delete(self->fd, "mul_all"));
	close(self->fd);
	self->fd = uev_open();
	EXPECT_EQ(10, list_of("mul_all", names, 200));
	/* All or none: while any of them is held, none is deleted. */
	for (i = 0; i < 10; i++) {
		sprintf(command, USER_EVENTS_MULTI_SYSTEM "/%.40s", names[i]);
		ASSERT_OK(uev_enable(command, true));
		EXPECT_ERR(EBUSY, uev_delete(self->fd, "mul_all"));
		ASSERT_EQ(10, list_of("mul_all", earlier, 200))
			TH_LOG("%s is in use", names[i]);
		ASSERT_OK(uev_enable(command, false));
	}
	EXPECT_OK(uev_delete(self->fd, "mul_all"));
	EXPECT_EQ(0, list_of("mul_all", names, 200));
	EXPECT_EQ(1, list_of("mul_all2", names, 200));
	EXPECT_ERR(ENOENT, uev_delete(self->fd, "mul_all"));
	EXPECT_OK(uev_delete(self->fd, "mul_all2"));
}

/* More than are looked at, or deleted, with event_mutex held */
TEST_F(uev, delete_takes_a_thousand)
{
	int i, active = uev_status_count("Active");
	char command[64];

	for (i = 0; i < 1100; i++) {
		sprintf(command, "mul_thousand u32 f%d", i);
		ASSERT_LE(0, reg_multi(self->fd, &self->value[0], PERSIST,
				       command));
		ASSERT_OK(uev_unreg(self->fd, &self->value[0], 0));
	}
	ASSERT_EQ(active + 1100, uev_status_count("Active"));
	EXPECT_ERR(EBUSY, uev_delete(self->fd, "mul_thousand"));
	close(self->fd);
	self->fd = uev_open();

	/* All or none: the last one is held. */
	ASSERT_LE(0, reg_multi(self->fd, &self->value[0], PERSIST, command));
	EXPECT_ERR(EBUSY, uev_delete(self->fd, "mul_thousand"));
	EXPECT_EQ(active + 1100, uev_status_count("Active"));
	ASSERT_OK(uev_unreg(self->fd, &self->value[0], 0));
	close(self->fd);
	self->fd = uev_open();
	EXPECT_OK(uev_delete(self->fd, "mul_thousand"));
	EXPECT_EQ(active, uev_status_count("Active"));
	EXPECT_ERR(ENOENT, uev_delete(self->fd, "mul_thousand"));
}

TEST_F(uev, delete_by_a_line_takes_one)
{
	char line[400];

	ASSERT_LE(0, reg_multi(self->fd, &self->value[0], PERSIST,
			       "mul_line u32 a"));
	ASSERT_EQ(1, list_of("mul_line", names, 200));
	sprintf(line, "-:user_events_multi/%s", names[0]);
	EXPECT_ERR(EBUSY, uev_dynamic(line));
	ASSERT_LE(0, reg_multi(self->fd, &self->value[1], PERSIST,
			       "mul_line u32 b"));
	ASSERT_OK(uev_unreg(self->fd, &self->value[0], 0));
	ASSERT_OK(uev_unreg(self->fd, &self->value[1], 0));
	close(self->fd);
	self->fd = uev_open();

	/* Without its ID, or in the other system, it is no event's name. */
	EXPECT_ERR(ENOENT, uev_dynamic("-:user_events_multi/mul_line"));
	EXPECT_ERR(ENOENT, uev_dynamic("-:user_events/mul_line"));
	sprintf(line, "-:user_events/%s", names[0]);
	EXPECT_ERR(ENOENT, uev_dynamic(line));
	sprintf(line, "-:user_events_multi/%s u32 c", names[0]);
	EXPECT_ERR(ENOENT, uev_dynamic(line));
	EXPECT_EQ(2, list_of("mul_line", names + 1, 199));

	sprintf(line, "-:user_events_multi/%s u32 a", names[0]);
	EXPECT_OK(uev_dynamic(line));
	ASSERT_EQ(1, list_of("mul_line", names + 1, 199));
	EXPECT_STRNE(names[0], names[1]);
	EXPECT_OK(uev_delete(self->fd, "mul_line"));
}

TEST_F(uev, hundred_formats)
{
	int i, index, indexes[100], letters = 0;
	char command[64];

	for (i = 0; i < 100; i++) {
		sprintf(command, "mul_hundred u32 f%d", i);
		indexes[i] = reg_multi(self->fd, &self->value[i], 0, command);
		ASSERT_LE(0, indexes[i]);
	}
	ASSERT_EQ(100, list_of("mul_hundred", names, 200));
	/* Among a hundred IDs some have letters, unless they are decimal. */
	for (i = 0; i < 100; i++) {
		const char *id = names[i] + strlen("mul_hundred.");

		EXPECT_TRUE(is_hex_id(id)) TH_LOG("%s", names[i]);
		letters += !!strpbrk(id, "abcdef");
	}
	EXPECT_LT(0, letters);
	for (i = 0; i < 100; i++) {
		sprintf(command, "mul_hundred u32 f%d;", i);
		index = reg_multi(self->fd, &self->value[100 + i], 0, command);
		EXPECT_EQ(indexes[i], index) TH_LOG("format %d", i);
	}
	EXPECT_EQ(100, list_of("mul_hundred", names, 200));
}

TEST_F(uev, goes_with_its_last_holder)
{
	ASSERT_LE(0, reg_multi(self->fd, &self->value[0], 0, "mul_gone u32 a"));
	ASSERT_LE(0, reg_multi(self->fd, &self->value[1], 0, "mul_gone u32 b"));
	ASSERT_OK(uev_unreg(self->fd, &self->value[0], 0));
	close(self->fd);
	self->fd = uev_open();
	/* The second one is still registered at an address. */
	EXPECT_TRUE(uev_wait_for(list_of("mul_gone", names, 200) == 1));
	ASSERT_OK(uev_unreg(self->fd, &self->value[1], 0));
	EXPECT_TRUE(uev_wait_for(list_of("mul_gone", names, 200) == 0));
}

TEST_F(uev, persistent_event_stays)
{
	char *status;

	ASSERT_OK(uev_reg(self->fd, &self->value[0], 0, 4, PERSIST,
			  "mul_stays u32 a", NULL));
	ASSERT_LE(0, reg_multi(self->fd, &self->value[1], PERSIST,
			       "mul_mstays u32 a"));
	ASSERT_OK(uev_unreg(self->fd, &self->value[0], 0));
	ASSERT_OK(uev_unreg(self->fd, &self->value[1], 0));
	close(self->fd);
	self->fd = uev_open();
	usleep(500000);
	EXPECT_TRUE(uev_alive("mul_stays"));
	EXPECT_TRUE(uev_event_exists("mul_stays"));
	EXPECT_EQ(1, list_of("mul_mstays", names, 200));
	status = uev_get("user_events_status");
	EXPECT_TRUE(uev_has_line(status, names[0]));
	free(status);
	/* It can be enabled without a program, and is still enabled for the next one. */
	ASSERT_OK(uev_enable("mul_stays", true));
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, "mul_stays u32 a",
			  NULL));
	EXPECT_EQ(1, UEV_READ(*self->value));
	ASSERT_OK(uev_enable("mul_stays", false));
	ASSERT_OK(uev_unreg(self->fd, self->value, 0));
	close(self->fd);
	self->fd = uev_open();
	EXPECT_OK(uev_delete(self->fd, "mul_stays"));
	EXPECT_OK(uev_delete(self->fd, "mul_mstays"));
	EXPECT_FALSE(uev_event_exists("mul_stays"));
	EXPECT_EQ(0, list_of("mul_mstays", names, 200));
}

/* An event that exists persists from the first registration that says so. */
TEST_F(uev, persists_from_then_on)
{
	ASSERT_OK(uev_reg(self->fd, &self->value[0], 0, 4, 0, "mul_later",
			  NULL));
	ASSERT_OK(uev_reg(self->fd, &self->value[1], 0, 4, PERSIST, "mul_later",
			  NULL));
	ASSERT_OK(uev_unreg(self->fd, &self->value[0], 0));
	ASSERT_OK(uev_unreg(self->fd, &self->value[1], 0));
	close(self->fd);
	self->fd = uev_open();
	usleep(500000);
	EXPECT_TRUE(uev_alive("mul_later"));
	EXPECT_OK(uev_delete(self->fd, "mul_later"));
}

TEST_HARNESS_MAIN
