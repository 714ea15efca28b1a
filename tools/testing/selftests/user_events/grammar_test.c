// SPDX-License-Identifier: GPL-2.0
/*
 * The command string: names, fields and types that are accepted, what the
 * format file makes of them, what is refused, and when two strings are the same
 * event.
 */
#include <sys/mman.h>

#include "uev_harness.h"

/* The fields of an event come after common_type to common_pid. */
#define FIRST_OFFSET	8

/* Registers and unregisters; the event is gone, or waits for its deletion. */
static int try_command(int fd, __u32 *value, const char *command)
{
	int ret = uev_reg(fd, value, 0, 4, 0, command, NULL);

	if (!ret)
		ret = uev_unreg(fd, value, 0);
	return ret;
}

static bool field_is(const char *format, const char *name, int offset, int size,
		     int is_signed)
{
	char tail[64], *copy = strdup(format), *rest = copy, *line, *at;
	size_t len = strlen(name);
	bool found = false;

	snprintf(tail, sizeof(tail), "\toffset:%d;\tsize:%d;\tsigned:%d;",
		 offset, size, is_signed);
	while (!found && (line = strsep(&rest, "\n"))) {
		if (strncmp(line, "\tfield:", 7))
			continue;
		/* "TYPE NAME;" or, for an array, "TYPE NAME[SIZE];" */
		at = strchr(line, ';');
		if (!at || strcmp(at + 1, tail))
			continue;
		*at = '\0';
		at = strrchr(line, ' ') + 1;
		found = !strncmp(at, name, len) && (!at[len] || at[len] == '[');
	}
	free(copy);
	return found;
}

static bool print_fmt_is(const char *format, const char *want)
{
	char line[1024];

	snprintf(line, sizeof(line), "print fmt: %s", want);
	return uev_has_line(format, line);
}

struct type {
	const char *type;	/* as it is written */
	const char *after;	/* what follows the field's name */
	int size, is_signed;
	const char *shown;	/* conversion and argument for a field "f" */
};

static const struct type types[] = {
	{ "s8", "", 1, 1, "%d\", REC->f" },
	{ "s16", "", 2, 1, "%d\", REC->f" },
	{ "s32", "", 4, 1, "%d\", REC->f" },
	{ "s64", "", 8, 1, "%lld\", REC->f" },
	{ "u8", "", 1, 0, "%u\", REC->f" },
	{ "u16", "", 2, 0, "%u\", REC->f" },
	{ "u32", "", 4, 0, "%u\", REC->f" },
	{ "u64", "", 8, 0, "%llu\", REC->f" },
	{ "char", "", 1, 1, "%d\", REC->f" },
	{ "short", "", 2, 1, "%d\", REC->f" },
	{ "int", "", 4, 1, "%d\", REC->f" },
	{ "unsigned char", "", 1, 0, "%u\", REC->f" },
	{ "unsigned short", "", 2, 0, "%u\", REC->f" },
	{ "unsigned int", "", 4, 0, "%u\", REC->f" },
	{ "char[1]", "", 1, 1, "%s\", REC->f" },
	{ "char[20]", "", 20, 1, "%s\", REC->f" },
	{ "char[1024]", "", 1024, 1, "%s\", REC->f" },
	{ "char[0x10]", "", 16, 1, "%s\", REC->f" },
	{ "char[0x0010]", "", 16, 1, "%s\", REC->f" },
	{ "char[010]", "", 8, 1, "%s\", REC->f" },
	{ "unsigned char[8]", "", 8, 0, "%s\", REC->f" },
	{ "unsigned char[1024]", "", 1024, 0, "%s\", REC->f" },
	{ "__data_loc char[]", "", 4, 1, "%s\", __get_str(f)" },
	{ "__data_loc unsigned char[]", "", 4, 1, "%s\", __get_str(f)" },
	{ "__rel_loc char[]", "", 4, 1, "%s\", __get_rel_str(f)" },
	{ "__rel_loc unsigned char[]", "", 4, 1, "%s\", __get_rel_str(f)" },
	{ "__data_loc u32[]", "", 4, 1, NULL },
	{ "__rel_loc s64[]", "", 4, 1, NULL },
	{ "__data_loc unsigned int[]", "", 4, 1, NULL },
	{ "__rel_loc short[]", "", 4, 1, NULL },
	{ "struct tag", " 1", 1, 1, "%llu\", REC->f" },
	{ "struct tag", " 32", 32, 1, "%llu\", REC->f" },
	{ "struct long_tag_2", " 8", 8, 1, "%llu\", REC->f" },
};

TEST_F(uev, every_type)
{
	char command[256], want[256], *format;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		const struct type *t = &types[i];

		/* Odd offsets show that nothing is aligned. */
		snprintf(command, sizeof(command),
			 "gram_type u8 before;%s f%s;u16 after", t->type,
			 t->after);
		ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, command,
				  NULL)) TH_LOG("'%s'", command);
		format = uev_event_get("gram_type", "format");
		EXPECT_TRUE(field_is(format, "before", FIRST_OFFSET, 1, 0));
		EXPECT_TRUE(field_is(format, "f", FIRST_OFFSET + 1, t->size,
				     t->is_signed))
			TH_LOG("'%s':\n%s", command, format);
		EXPECT_TRUE(field_is(format, "after", FIRST_OFFSET + 1 + t->size,
				     2, 0))
			TH_LOG("'%s':\n%s", command, format);
		/* Readers of the format take the length from here. */
		if (strstr(t->type, "char[") && t->type[0] != '_') {
			snprintf(want, sizeof(want), "\tfield:%.*s f[%d];",
				 (int)strcspn(t->type, "["), t->type, t->size);
			EXPECT_NE(NULL, strstr(format, want))
				TH_LOG("no '%s' in\n%s", want, format);
		}
		if (t->shown) {
			const char *arg = strchr(t->shown, '"');

			snprintf(want, sizeof(want),
				 "\"before=%%u f=%.*s after=%%u\", REC->before%s, REC->after",
				 (int)(arg - t->shown), t->shown, arg + 1);
			EXPECT_TRUE(print_fmt_is(format, want))
				TH_LOG("no %s in\n%s", want, format);
		} else {
			EXPECT_NE(NULL, strstr(format, "__print_array("))
				TH_LOG("'%s':\n%s", command, format);
		}
		free(format);
		ASSERT_OK(uev_unreg(self->fd, self->value, 0));
		close(self->fd);
		self->fd = uev_open();
		ASSERT_LE(0, self->fd);
	}
}

TEST_F(uev, format_of_common_fields)
{
	char *format;

	ASSERT_LE(0, uev_reg_index(self->fd, self->value, "gram_common"));
	format = uev_event_get("gram_common", "format");
	EXPECT_TRUE(uev_has_line(format, "name: gram_common"));
	EXPECT_TRUE(field_is(format, "common_type", 0, 2, 0));
	EXPECT_TRUE(field_is(format, "common_flags", 2, 1, 0));
	EXPECT_TRUE(field_is(format, "common_preempt_count", 3, 1, 0));
	EXPECT_TRUE(field_is(format, "common_pid", 4, 4, 1));
	EXPECT_EQ(4, uev_count(format, "\tfield:")) TH_LOG("%s", format);
	EXPECT_TRUE(print_fmt_is(format, "\"\"")) TH_LOG("%s", format);
	free(format);
}

TEST_F(uev, fields_in_order)
{
	char *format;

	ASSERT_LE(0, uev_reg_index(self->fd, self->value,
				   "gram_order u8 a;u64 b;struct my_type s 20;char[3] c;"
				   "__rel_loc char[] d;s16 e"));
	format = uev_event_get("gram_order", "format");
	EXPECT_TRUE(field_is(format, "a", 8, 1, 0));
	EXPECT_TRUE(field_is(format, "b", 9, 8, 0));
	EXPECT_TRUE(field_is(format, "s", 17, 20, 1));
	EXPECT_TRUE(field_is(format, "c", 37, 3, 1));
	EXPECT_TRUE(field_is(format, "d", 40, 4, 1));
	EXPECT_TRUE(field_is(format, "e", 44, 2, 1));
	EXPECT_TRUE(print_fmt_is(format, "\"a=%u b=%llu s=%llu c=%s d=%s e=%d\", "
		"REC->a, REC->b, REC->s, REC->c, __get_rel_str(d), REC->e"))
		TH_LOG("%s", format);
	free(format);
}

/* Each list is one event in different words. */
TEST_F(uev, same_event)
{
	static const char * const same[][8] = {
		{ "gram_same u32 a;u16 b", "gram_same u32 a; u16 b",
		  "gram_same u32 a ;u16 b", "gram_same u32 a ; u16 b ;",
		  "gram_same u32 a;u16 b;", "gram_same u32 a   ;   u16 b;  ",
		  "gram_same   u32 a;u16 b",
		  "gram_same\tu32\na\v;\f u16\r\tb\n" },
		{ "gram_none", "gram_none ", "gram_none ;" },
		{ "gram_array char[16] a", "gram_array char[16] a ;" },
		{ "gram_uns unsigned int a", "gram_uns unsigned int a;" },
		{ "gram_struct struct tag a 8", "gram_struct struct tag a 8;",
		  "gram_struct struct tag a 8 ; " },
		{ "gram_loc __data_loc char[] a",
		  "gram_loc __data_loc char[] a ;" },
	};
	size_t i, j;
	int index, first;

	for (i = 0; i < ARRAY_SIZE(same); i++) {
		first = uev_reg_index(self->fd, &self->value[8 * i], same[i][0]);
		ASSERT_LE(0, first) TH_LOG("'%s'", same[i][0]);
		for (j = 1; j < 8 && same[i][j]; j++) {
			index = uev_reg_index(self->fd, &self->value[8 * i + j],
					      same[i][j]);
			EXPECT_EQ(first, index) TH_LOG("'%s'", same[i][j]);
		}
	}
}

/* Each pair is two events: type, name, size and order all count. */
TEST_F(uev, not_the_same_event)
{
	static const char * const pairs[][2] = {
		{ "gram_diff", "gram_diff u32 a" },
		{ "gram_diff u32 a", "gram_diff" },
		{ "gram_diff u32 a", "gram_diff s32 a" },
		{ "gram_diff u32 a", "gram_diff unsigned int a" },
		{ "gram_diff int a", "gram_diff s32 a" },
		{ "gram_diff u32 a", "gram_diff u32 b" },
		{ "gram_diff u32 a", "gram_diff u32 A" },
		{ "gram_diff u32 a;u32 b", "gram_diff u32 b;u32 a" },
		{ "gram_diff u32 a;u32 b", "gram_diff u32 a" },
		{ "gram_diff u32 a", "gram_diff u32 a;u32 b" },
		{ "gram_diff char[4] a", "gram_diff char[5] a" },
		{ "gram_diff char[4] a", "gram_diff unsigned char[4] a" },
		{ "gram_diff struct t a 8", "gram_diff struct t a 9" },
		{ "gram_diff struct t a 8", "gram_diff struct u a 8" },
		{ "gram_diff __data_loc char[] a", "gram_diff __rel_loc char[] a" },
		{ "gram_diff __data_loc char[] a", "gram_diff __data_loc u8[] a" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, pairs[i][0],
				  NULL)) TH_LOG("'%s'", pairs[i][0]);
		EXPECT_ERR(EADDRINUSE, uev_reg(self->fd, self->value, 1, 4, 0,
					       pairs[i][1], NULL))
			TH_LOG("'%s' and '%s'", pairs[i][0], pairs[i][1]);
		ASSERT_OK(uev_unreg(self->fd, self->value, 0));
		close(self->fd);
		self->fd = uev_open();
		ASSERT_LE(0, self->fd);
	}
}

/* A wrong command string is refused even if a similar event exists. */
TEST_F(uev, known_event_in_wrong_words)
{
	static const char * const pairs[][2] = {
		{ "gram_w0 struct t a 8", "gram_w0 struct t a" },
		{ "gram_w1 struct t a 8;u32 b", "gram_w1 struct t a;u32 b" },
		{ "gram_w2 u32 b;struct t a 8", "gram_w2 u32 b;struct t a" },
		{ "gram_w3 u32 a", "gram_w3 u32" },
		{ "gram_w4 u32 a", "gram_w4 u32 a 4" },
		{ "gram_w5 u32 a;u32 b", "gram_w5 u32 a u32 b" },
		{ "gram_w6 u32 a;u32 b", "gram_w6 u32 a,u32 b" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		ASSERT_OK(uev_reg(self->fd, &self->value[i], 0, 4, 0,
				  pairs[i][0], NULL)) TH_LOG("'%s'", pairs[i][0]);
		EXPECT_ERR(EINVAL, uev_reg(self->fd, &self->value[i], 1, 4, 0,
					   pairs[i][1], NULL))
			TH_LOG("'%s'", pairs[i][1]);
	}
}

TEST_F(uev, names_that_are_accepted)
{
	static const char * const names[] = {
		"a", "A", "7", "_", "-", "gram_name", "gram-name", "gram.name",
		"0gram", "Gram9-._x", "...", ".gram", "gram.", "-gram",
	};
	char *status, command[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(command, sizeof(command), "%s u32 a", names[i]);
		EXPECT_OK(uev_reg(self->fd, &self->value[i], 0, 4, 0, command,
				  NULL)) TH_LOG("'%s'", names[i]);
		EXPECT_TRUE(uev_event_exists(names[i])) TH_LOG("'%s'", names[i]);
		EXPECT_TRUE(uev_alive(names[i])) TH_LOG("'%s'", names[i]);
	}
	status = uev_get("user_events_status");
	EXPECT_TRUE(uev_has_line(status, "gram-name"));
	free(status);
}

TEST_F(uev, names_that_are_refused)
{
	static const char * const names[] = {
		"", " ", ".", "..", "/", "gram/name", "../gram", "gram:name",
		":gram", "gram:", "gram\"name", "gram\\name", "gram%name",
		"gram%s", "gram\nname", "gram\tname", "gram\001name",
		"gram\177name", "\033gram", ";", "; u32 a", "#gram", "gram#1",
		"gram'name", "gram!", "gram*", "gram?", "gram[0]", "gram,name",
		"gram=name", "enable", "filter",
	};
	char command[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		/* Alone, and with a field that is fine. */
		EXPECT_ERR(EINVAL, try_command(self->fd, self->value, names[i]))
			TH_LOG("name %zu '%s'", i, names[i]);
		if (strchr(names[i], ';'))
			continue;
		snprintf(command, sizeof(command), "%s%s", names[i],
			 strpbrk(names[i], "\n\t\r") ? "" : " u32 a");
		EXPECT_ERR(EINVAL, try_command(self->fd, self->value, command))
			TH_LOG("name %zu '%s'", i, command);
	}
}

TEST_F(uev, control_characters_in_a_name)
{
	char command[] = "gram?name u32 a";
	int c;

	for (c = 1; c < 32; c++) {
		/* Blanks end the name: what follows is not a valid field. */
		command[4] = c;
		EXPECT_ERR(EINVAL, try_command(self->fd, self->value, command))
			TH_LOG("character %d", c);
	}
	/* U+0080 to U+009f are control characters of terminals, too. */
	for (c = 0x80; c < 0xc0; c++) {
		sprintf(command, "gram\302%cn u32 a", c);
		EXPECT_ERR(c < 0xa0 ? EINVAL : 0,
			   try_command(self->fd, self->value, command))
			TH_LOG("character U+%04x", c);
	}
	EXPECT_OK(try_command(self->fd, self->value, "gram\303\237 u32 a"));
}

/* A multi-format name is never alone in the directory of its system. */
TEST_F(uev, names_of_the_systems_own_files)
{
	static const char * const names[] = { "enable", "filter" };
	char line[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_OK(uev_reg(self->fd, &self->value[i], 0, 4,
				  USER_EVENT_REG_MULTI_FORMAT, names[i], NULL));
		EXPECT_OK(uev_unreg(self->fd, &self->value[i], 0));
		snprintf(line, sizeof(line), "u:%s u32 a", names[i]);
		EXPECT_ERR(EINVAL, uev_dynamic(line));
	}
	EXPECT_EQ(0, uev_put("events/enable", "0"));
}

/* A ';' may have nothing before it, or after it. */
TEST_F(uev, empty_fields)
{
	static const char * const spellings[] = {
		"gram_e u32 a;u64 b", "gram_e u32 a;;u64 b", "gram_e ;u32 a; ;u64 b;",
		"gram_e u32 a;u64 b;;",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(spellings); i++)
		EXPECT_OK(uev_reg(self->fd, &self->value[i], 0, 4, 0,
				  spellings[i], NULL)) TH_LOG("%s", spellings[i]);
	EXPECT_TRUE(uev_event_exists("gram_e"));
}

/* NAME_MAX; a multi-format name leaves room for a dot and 16 digits */
TEST_F(uev, length_of_a_name)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	EXPECT_OK(try_command(self->fd, self->value, name));
	EXPECT_TRUE(uev_event_exists(name));
	name[255] = 'n';
	name[256] = '\0';
	EXPECT_ERR(EINVAL, try_command(self->fd, self->value, name));

	name[238] = '\0';
	EXPECT_OK(uev_reg(self->fd, self->value, 0, 4,
			  USER_EVENT_REG_MULTI_FORMAT, name, NULL));
	name[238] = 'n';
	name[239] = '\0';
	EXPECT_ERR(EINVAL, uev_reg(self->fd, self->value, 1, 4,
				   USER_EVENT_REG_MULTI_FORMAT, name, NULL));
}

TEST_F(uev, fields_that_are_refused)
{
	static const char * const fields[] = {
		/* names of fields */
		"u32", "u32 ", "u32 9", "u32 9a", "u32 a-b", "u32 a.b",
		"u32 a/b", "u32 a:b", "u32 a\"b", "u32 a\\b", "u32 a%b",
		"u32 a=b", "u32 a,b", "u32 a[4]", "u32 *a", "u32 a\001",
		"u32 \303\244", "u32 \303\304", "u32 \344",
		"u32 a;u32 a", "u32 a;u16 b;s8 a",
		"char[4] a;__rel_loc char[] a",
		"u32 common_type", "u32 common_flags",
		"u32 common_preempt_count", "s32 common_pid",
		"u8 a; u32 common_pid",
		/* types */
		"a", "foo a", "U32 a", "u24 a", "u128 a", "s1 a", "long a",
		"unsigned long a", "long long a", "unsigned long long a",
		"float a", "double a", "bool a", "void a", "size_t a",
		"signed int a", "const int a", "unsigned a", "unsigned",
		"unsigned u32 a", "unsigned s32 a", "unsigned struct t a 4",
		"u32* a", "char * a", "u32,a",
		/* arrays */
		"char[] a", "char[0] a", "char[1025] a", "char[-1] a",
		"char[2048] a", "char[x] a", "char[4x] a", "char[4 a",
		"char[4x a", "char[44 a", "char[+4] a", "char4] a",
		"char[4]x a", "char[ 4] a", "char[4][4] a",
		"char[00000016] a", "char[0000016] a", "char[99999999999] a",
		"char[09] a", "char[0x] a", "char[0x401] a",
		"unsigned char[] a", "unsigned char[0] a",
		"unsigned char[1025] a",
		"u8[4] a", "s8[4] a", "u32[4] a", "short[4] a", "int[4] a",
		"unsigned int[4] a", "u32[] a",
		/* sizes */
		"u32 a 4", "u32 a 0", "char a 1", "char[4] a 4", "int a 4",
		"unsigned int a 4", "__data_loc char[] a 4",
		"__rel_loc char[] a 4",
		"struct t a", "struct t", "struct", "struct a 8", "struct t 8",
		"struct t a 0", "struct t a -1", "struct t a x",
		"struct t a 8x", "struct t a 8 8", "struct t a 99999999999",
		"struct t* a 8", "struct t\"u a 8", "struct t-u a 8",
		"struct 9 a 8",
		/* 65535 bytes are too many, with the common fields */
		"struct t a 65528", "struct t a 65535", "struct t a 65000;struct t b 528",
		/* dynamic */
		"__data_loc char a", "__rel_loc char a", "__data_loc a",
		"__data_loc", "__data_loc char[]", "__rel_loc char[4] a",
		"__data_loc [] a", "__data_loc char [] a x",
		"__data_loc long[] a", "__rel_loc unsigned long[] a",
		"__data_loc struct t[] a", "__rel_loc nothing[] a",
		"__data_loc __rel_loc char[] a", "__dyn_loc char[] a",
		/* between fields */
		"u32 a u32 b", "u32 a, u32 b", "u32 a;;;u16", "u32 a;b",
		"u32 a:u32 b",
	};
	char command[256];
	struct uev_census before;
	size_t i;

	uev_census_take(&before);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		snprintf(command, sizeof(command), "gram_bad %s", fields[i]);
		EXPECT_ERR(EINVAL, try_command(self->fd, self->value, command))
			TH_LOG("'%s'", command);
		/* After something that is fine, too. */
		snprintf(command, sizeof(command), "gram_bad u8 fine;%s",
			 fields[i]);
		EXPECT_ERR(EINVAL, try_command(self->fd, self->value, command))
			TH_LOG("'%s'", command);
	}
	EXPECT_STREQ("", uev_census_diff(&before));
	uev_census_free(&before);
}

TEST_F(uev, names_of_fields_that_are_accepted)
{
	static const char * const commands[] = {
		"gram_field u32 a", "gram_field u32 A", "gram_field u32 _",
		"gram_field u32 _9", "gram_field u32 common",
		"gram_field u32 common_pid2", "gram_field u32 name",
		"gram_field u32 a;u32 A;u32 aa;u32 _a",
		"gram_field u32 abcdefghijklmnopqrstuvwxyz_0123456789",
		"gram_field u32 struct_tag", "gram_field u8 u8",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		EXPECT_OK(try_command(self->fd, self->value, commands[i]))
			TH_LOG("'%s'", commands[i]);
		close(self->fd);
		self->fd = uev_open();
		ASSERT_LE(0, self->fd);
	}
}

/* Refused strings are refused even if an event they resemble is there. */
TEST_F(uev, refused_words_of_a_known_event)
{
	static const char * const known[][3] = {
		{ "gram_known struct t a 8", "gram_known struct t a",
		  "gram_known struct t a 0" },
		{ "gram_known u32 a", "gram_known u32 a 4", "gram_known u32 a b" },
		{ "gram_known char[4] a", "gram_known char[4] a 4",
		  "gram_known char [4] a" },
		{ "gram_known", "gram_known u32", "gram_known:persist" },
	};
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, known[i][0],
				  NULL)) TH_LOG("'%s'", known[i][0]);
		for (j = 1; j < 3; j++) {
			EXPECT_ERR(EINVAL, uev_reg(self->fd, self->value, 1, 4,
						   0, known[i][j], NULL))
				TH_LOG("'%s'", known[i][j]);
		}
		ASSERT_OK(uev_unreg(self->fd, self->value, 0));
		close(self->fd);
		self->fd = uev_open();
		ASSERT_LE(0, self->fd);
	}
}

/* As many fields as fit into a string, and the offset of the last one. */
TEST_F(uev, many_fields)
{
	char command[520] = "gram_many", *format;
	int fields = 0, used = strlen(command);

	for (;;) {
		char field[16];
		int len = snprintf(field, sizeof(field), "%su8 f%d",
				   fields ? ";" : " ", fields);

		if (used + len > 511)
			break;
		memcpy(command + used, field, len + 1);
		used += len;
		fields++;
	}
	ASSERT_LT(60, fields);
	ASSERT_LE(0, uev_reg_index(self->fd, self->value, command));
	format = uev_event_get("gram_many", "format");
	EXPECT_EQ(4 + fields, uev_count(format, "\tfield:"));
	snprintf(command, sizeof(command), "f%d", fields - 1);
	EXPECT_TRUE(field_is(format, command, FIRST_OFFSET + fields - 1, 1, 0));
	free(format);
}

TEST_HARNESS_MAIN
