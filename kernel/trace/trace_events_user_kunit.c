// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of trace_events_user_format.c and trace_events_user_record.c.
 */
#include <kunit/test.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/trace_seq.h>

#include "trace_events_user.h"

/* A 512-byte record is enough for each of these tests, and fits on no stack */
struct text {
	struct trace_seq	seq;
	u8			record[512];
};

static void expect_refused(struct kunit *test, const char *cmd)
{
	struct user_event_format *format = user_event_format_parse(cmd, false);

	KUNIT_EXPECT_TRUE_MSG(test, IS_ERR(format), "accepted: \"%s\"", cmd);
	if (IS_ERR(format))
		KUNIT_EXPECT_EQ(test, PTR_ERR(format), -EINVAL);
	else
		kfree(format);
}

static void expect_field(struct kunit *test, const char *cmd, const char *type,
			 const char *name, unsigned int size, bool is_signed)
{
	struct user_event_format *format = user_event_format_parse(cmd, false);
	const struct user_event_field *field;

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(format), "refused: \"%s\"", cmd);
	KUNIT_EXPECT_EQ(test, format->nr_fields, 1);
	KUNIT_EXPECT_EQ(test, format->size, size);

	field = &format->fields[0];
	KUNIT_EXPECT_STREQ(test, format->name, "e");
	KUNIT_EXPECT_STREQ(test, field->type, type);
	KUNIT_EXPECT_STREQ(test, field->name, name);
	KUNIT_EXPECT_EQ(test, field->size, size);
	KUNIT_EXPECT_EQ(test, field->is_signed, is_signed);
	KUNIT_EXPECT_EQ(test, (size_t)field->offset,
			sizeof(struct trace_entry));
	kfree(format);
}

static void types(struct kunit *test)
{
	expect_field(test, "e u8 f", "u8", "f", 1, false);
	expect_field(test, "e u16 f", "u16", "f", 2, false);
	expect_field(test, "e u32 f", "u32", "f", 4, false);
	expect_field(test, "e u64 f", "u64", "f", 8, false);
	expect_field(test, "e s8 f", "s8", "f", 1, true);
	expect_field(test, "e s16 f", "s16", "f", 2, true);
	expect_field(test, "e s32 f", "s32", "f", 4, true);
	expect_field(test, "e s64 f", "s64", "f", 8, true);
	expect_field(test, "e char f", "char", "f", 1, true);
	expect_field(test, "e short f", "short", "f", 2, true);
	expect_field(test, "e int f", "int", "f", 4, true);
	expect_field(test, "e unsigned char f", "unsigned char", "f", 1, false);
	expect_field(test, "e unsigned short f", "unsigned short", "f", 2,
		     false);
	expect_field(test, "e unsigned int f", "unsigned int", "f", 4, false);
	expect_field(test, "e char[1] f", "char[1]", "f", 1, true);
	expect_field(test, "e char[1024] f", "char[1024]", "f", 1024, true);
	expect_field(test, "e char[0x400] f", "char[0x400]", "f", 1024, true);
	expect_field(test, "e char[0x0400] f", "char[0x0400]", "f", 1024, true);
	expect_field(test, "e char[010] f", "char[010]", "f", 8, true);
	expect_field(test, "e unsigned char[7] f", "unsigned char[7]", "f", 7,
		     false);
	expect_field(test, "e __data_loc char[] f", "__data_loc char[]", "f",
		     4, true);
	expect_field(test, "e __rel_loc unsigned char[] f",
		     "__rel_loc unsigned char[]", "f", 4, true);
	expect_field(test, "e __rel_loc u64[] f", "__rel_loc u64[]", "f", 4,
		     true);
	expect_field(test, "e struct tag f 12", "struct tag", "f", 12, true);
	expect_field(test, "e struct tag f 0x10", "struct tag", "f", 16, true);
	expect_field(test, "e struct tag f 65527", "struct tag", "f", 65527,
		     true);
}

static void refused_types(struct kunit *test)
{
	static const char * const cmds[] = {
		"e long f", "e unsigned long f", "e signed int f", "e u128 f",
		"e unsigned f", "e unsigned u8 f", "e void f", "e char* f",
		"e char[] f", "e char[0] f", "e char[1025] f", "e char[-1] f",
		"e char[+1] f", "e char[ 1] f", "e char[x] f", "e char[1 f",
		"e char[0x00001] f", "e char[1]] f", "e char[1]x f",
		"e int[4] f", "e u8[4] f", "e u32 f 4", "e char[4] f 4",
		"e __data_loc char f", "e __data_loc char[4] f",
		"e __data_loc f", "e __data_loc long[] f", "e __rel_loc [] f",
		"e __data_loc struct tag[] f", "e __data_loc struct tag f 4",
		"e __data_loc char[] f 4", "e __data_loc __rel_loc char[] f",
		"e struct tag f", "e struct tag f 0", "e struct tag f -1",
		"e struct tag f x", "e struct tag f 4 4", "e struct f 4",
		"e struct t* f 4", "e struct 1t f 4", "e struct t-u f 4",
		"e struct tag f 65536", "e struct tag f 4294967297",
		"e struct a f 60000; struct b g 60000",
		"e struct tag f 65528", "e struct tag f 65527; u8 g",
		"e __data_loc u32xx f", "e __data_loc u32[x f",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++)
		expect_refused(test, cmds[i]);
}

static void names(struct kunit *test)
{
	static const char * const bad[] = {
		"", " ", "a/b", "a:b u32 f", "a;b", ";", "a\"b", "a\\b", "a%b",
		".", "..", "a\tb/c", "a\x01", "a\x7f",
		"e u32", "e u32 ;", "e u32 1f", "e u32 f-g", "e u32 f.g",
		"e u32 f[2]", "e u32 f f", "e u32 f; u64 f", "e u32 \xc3\xa9",
		"e int common_type", "e u8 common_flags",
		"e u8 common_preempt_count", "e u32 common_pid",
		"#a", "a'b", "a!", "a*", "a?", "a[0]", "a,b", "a=b", "enable",
		"filter u32 f",
	};
	static const char * const good[] = {
		"a", "A-b_c.9", "...", "\xc3\xa0", "a u32 _f1; u32 common_f",
		"enables", "e u32 f;;u32 g", "e ;u32 f", "e u32 f;;", "e ;",
	};
	struct user_event_format *format;
	char *name;
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		expect_refused(test, bad[i]);

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		format = user_event_format_parse(good[i], false);
		KUNIT_EXPECT_FALSE_MSG(test, IS_ERR(format), "refused: \"%s\"",
				       good[i]);
		if (!IS_ERR(format))
			kfree(format);
	}

	name = kunit_kzalloc(test, NAME_MAX + 2, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, name);
	memset(name, 'n', NAME_MAX);
	format = user_event_format_parse(name, false);
	KUNIT_ASSERT_FALSE(test, IS_ERR(format));
	kfree(format);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(user_event_format_parse(name, true)));
	name[NAME_MAX] = 'n';
	expect_refused(test, name);
	name[USER_EVENT_MULTI_NAME_MAX] = '\0';
	format = user_event_format_parse(name, true);
	KUNIT_EXPECT_FALSE(test, IS_ERR(format));
	kfree(format);

	/* Only a single-format event would collide with a file of its system */
	format = user_event_format_parse("enable", true);
	KUNIT_EXPECT_FALSE(test, IS_ERR(format));
	kfree(format);
}

static void layout(struct kunit *test)
{
	struct user_event_format *format;
	static const char * const same[] = {
		"e u8 a;u32 b;char[3] c;u64 d",
		"other   u8\ta ;  u32\rb;\n char[3]   c ; u64 d ; ",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(same); i++) {
		format = user_event_format_parse(same[i], false);
		KUNIT_ASSERT_FALSE(test, IS_ERR(format));
		KUNIT_EXPECT_EQ(test, format->nr_fields, 4);
		KUNIT_EXPECT_EQ(test, format->size, 16);
		/* No padding, whatever the sizes */
		KUNIT_EXPECT_EQ(test, format->fields[0].offset, 8);
		KUNIT_EXPECT_EQ(test, format->fields[1].offset, 9);
		KUNIT_EXPECT_EQ(test, format->fields[2].offset, 13);
		KUNIT_EXPECT_EQ(test, format->fields[3].offset, 16);
		kfree(format);
	}
}

static void longest(struct kunit *test)
{
	struct user_event_format *format;
	char *cmd;

	cmd = kunit_kzalloc(test, USER_EVENT_CMD_MAX + 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cmd);
	memset(cmd, ' ', USER_EVENT_CMD_MAX);
	cmd[0] = 'e';
	expect_refused(test, cmd);
	cmd[USER_EVENT_CMD_MAX - 1] = '\0';
	format = user_event_format_parse(cmd, false);
	KUNIT_ASSERT_FALSE(test, IS_ERR(format));
	kfree(format);
}

/* Blanks after a ';' do not count: what is shown with them can be written back. */
static void longest_with_blanks(struct kunit *test)
{
	struct user_event_format *format;
	char *cmd;

	cmd = kunit_kzalloc(test, 2 * USER_EVENT_CMD_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cmd);
	memset(cmd, ' ', 2 * USER_EVENT_CMD_MAX - 1);
	memcpy(cmd, "e u8 a;", 7);
	memcpy(cmd + 3 * USER_EVENT_CMD_MAX / 2, ";u8 b;", 6);
	format = user_event_format_parse(cmd, false);
	KUNIT_ASSERT_FALSE(test, IS_ERR(format));
	KUNIT_EXPECT_EQ(test, format->nr_fields, 2);
	kfree(format);
}

static void expect_same(struct kunit *test, const char *a, const char *b,
			bool same)
{
	struct user_event_format *x = user_event_format_parse(a, false);
	struct user_event_format *y = user_event_format_parse(b, false);

	KUNIT_ASSERT_FALSE(test, IS_ERR(x));
	KUNIT_ASSERT_FALSE(test, IS_ERR(y));
	KUNIT_EXPECT_EQ_MSG(test, user_event_format_same(x, y), same,
			    "\"%s\" and \"%s\"", a, b);
	kfree(x);
	kfree(y);
}

static void same(struct kunit *test)
{
	expect_same(test, "e", "e", true);
	expect_same(test, "e", "f", true);
	expect_same(test, "e u32 a;u32 b", "e  u32  a ; u32 b;", true);
	expect_same(test, "e unsigned int a", "e unsigned   int a", true);
	expect_same(test, "e struct t a 4", "e struct t a 4", true);
	expect_same(test, "e u32 a", "e", false);
	expect_same(test, "e u32 a", "e u32 b", false);
	expect_same(test, "e u32 a", "e s32 a", false);
	expect_same(test, "e u32 a", "e unsigned int a", false);
	expect_same(test, "e u32 a;u32 b", "e u32 b;u32 a", false);
	expect_same(test, "e struct t a 4", "e struct t a 8", false);
	expect_same(test, "e struct t a 4", "e struct u a 4", false);
	expect_same(test, "e u8 a;u16 b", "e u16 a;u8 b", false);
}

static void spelled(struct kunit *test)
{
	static const struct {
		const char *cmd, *args;
		bool is;
	} cases[] = {
		{ "e", "", true },
		{ "e u32 a", "u32 a", true },
		{ "e u32 a; char[4] b", "u32 a; char[4] b", true },
		{ "e u32 a; char[4] b", "u32 a;char[4] b", true },
		{ "e  u32  a ;unsigned   int b", "u32 a;unsigned int b", true },
		{ "e __rel_loc char[] a", "__rel_loc char[] a", true },

		/* Other fields */
		{ "e", "u32 a", false },
		{ "e u32 a", "", false },
		{ "e u32 a", "u32 b", false },
		{ "e u32 a", "u32 ab", false },
		{ "e u32 ab", "u32 a", false },
		{ "e u32 a", "s32 a", false },
		{ "e u32 a", "u32 a;u32 b", false },
		{ "e u32 a;u32 b", "u32 a", false },
		{ "e u32 a;u32 b", "u32 a;", false },

		/* Fields without a type or a name */
		{ "e u32 a", " a", false },
		{ "e u32 a", "u32 ", false },

		/* The size is not compared */
		{ "e struct t a 4", "struct t a 4", false },
		{ "e struct t a 4", "struct t a", false },

		/* No command strings at all */
		{ "e u32 a", "u32 a 4", false },
		{ "e u32 a", "u32 a:FLAG", false },
		{ "e u32 a;u32 b", "u32 a u32 b", false },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct user_event_format *format =
			user_event_format_parse(cases[i].cmd, false);

		KUNIT_ASSERT_FALSE(test, IS_ERR(format));
		KUNIT_EXPECT_EQ_MSG(test, user_event_format_is_spelled(format,
								       cases[i].args),
				    cases[i].is, "\"%s\" of \"%s\"",
				    cases[i].args, cases[i].cmd);
		kfree(format);
	}
}

static void expect_print_fmt(struct kunit *test, const char *cmd,
			     const char *expected)
{
	struct user_event_format *format = user_event_format_parse(cmd, false);
	char *text;

	KUNIT_ASSERT_FALSE(test, IS_ERR(format));
	text = user_event_record_print_fmt(format);
	KUNIT_EXPECT_STREQ(test, text, expected);
	KUNIT_EXPECT_LT(test, strlen(expected), user_event_record_print_fmt_size(format));
	kfree(text);
	kfree(format);
}

static void print_fmt(struct kunit *test)
{
	expect_print_fmt(test, "e", "\"\"");
	expect_print_fmt(test, "e u32 F1; __rel_loc char[] F2",
			 "\"F1=%u F2=%s\", REC->F1, __get_rel_str(F2)");
	expect_print_fmt(test, "e s8 a;s16 b;s32 c;s64 d",
			 "\"a=%d b=%d c=%d d=%lld\", REC->a, REC->b, REC->c, REC->d");
	expect_print_fmt(test, "e u8 a;u16 b;u32 c;u64 d",
			 "\"a=%u b=%u c=%u d=%llu\", REC->a, REC->b, REC->c, REC->d");
	expect_print_fmt(test, "e char a;unsigned char b;short c;unsigned short d;int e;unsigned int f",
			 "\"a=%d b=%u c=%d d=%u e=%d f=%u\", REC->a, REC->b, REC->c, REC->d, REC->e, REC->f");
	expect_print_fmt(test, "e char[4] a;unsigned char[4] b;struct t c 3",
			 "\"a=%s b=%s c=%llu\", REC->a, REC->b, REC->c");
	expect_print_fmt(test, "e __data_loc unsigned char[] a",
			 "\"a=%s\", __get_str(a)");
	expect_print_fmt(test, "e __data_loc u8[] a",
			 "\"a=%s\", __print_array(__get_dynamic_array(a), __get_dynamic_array_len(a), 1)");
	expect_print_fmt(test, "e __rel_loc u16[] a",
			 "\"a=%s\", __print_array(__get_rel_dynamic_array(a), __get_rel_dynamic_array_len(a) / 2, 2)");
	expect_print_fmt(test, "e __rel_loc u32[] a",
			 "\"a=%s\", __print_array(__get_rel_dynamic_array(a), __get_rel_dynamic_array_len(a) / 4, 4)");
}

static void print_fmt_of_many_fields(struct kunit *test)
{
	struct user_event_format *format;
	char *cmd, *end, *text;
	int i;

	cmd = kunit_kzalloc(test, USER_EVENT_CMD_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cmd);
	end = cmd + sprintf(cmd, "e ");
	for (i = 0; i < 26; i++)
		end += sprintf(end, "__rel_loc u64[] %c;", 'a' + i);

	format = user_event_format_parse(cmd, false);
	KUNIT_ASSERT_FALSE(test, IS_ERR(format));
	KUNIT_EXPECT_EQ(test, format->nr_fields, 26);
	KUNIT_EXPECT_EQ(test, format->nr_locs, 26);
	text = user_event_record_print_fmt(format);
	KUNIT_EXPECT_NOT_NULL(test, text);
	if (text) {
		KUNIT_EXPECT_NOT_NULL(test, strstr(text, " z=%s\""));
		/* It is charged for, so it is to be close */
		KUNIT_EXPECT_LT(test, strlen(text), user_event_record_print_fmt_size(format));
		KUNIT_EXPECT_GT(test, strlen(text) + strlen(text) / 8,
				user_event_record_print_fmt_size(format));
	}
	kfree(text);
	kfree(format);
}

static int check_loc(struct kunit *test, const char *type, u32 loc,
		     const char *data, size_t len)
{
	struct user_event_format *format;
	u8 record[32] = { };
	char cmd[48];
	int ret;

	snprintf(cmd, sizeof(cmd), "e %s f", type);
	format = user_event_format_parse(cmd, false);
	KUNIT_ASSERT_FALSE(test, IS_ERR(format));
	memcpy(record + 8, &loc, sizeof(loc));
	memcpy(record + 12, data, len);
	ret = user_event_record_check(format, record, 12 + len);
	kfree(format);
	return ret;
}

static void check(struct kunit *test)
{
	/* The record: 8 common bytes, 4 of the location, then the data */
	const char *type = "__data_loc char[]";

	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(12, 4), "abc", 4), 0);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(15, 1), "abc", 4), 0);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, 0, "abc", 4), 0);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(12, 0), "", 0), 0);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(12, 3), "abc", 4),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(12, 5), "abc", 4),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(16, 1), "abc", 4),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(17, 0), "abc", 4),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(0xffffU, 0xffffU),
					"abc", 4), -EFAULT);
	/* A NUL among the common fields may be none for the listener */
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(0, 8), "abc", 4),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(7, 1), "abc", 4),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(4, 12), "abc", 4), 0);

	type = "__rel_loc char[]";
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(0, 4), "abc", 4), 0);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(2, 2), "abc", 4), 0);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(0, 3), "abc", 4),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(1, 4), "abc", 4),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(5, 0), "abc", 4),
			-EFAULT);

	/* Only characters have to end in NUL */
	type = "__rel_loc u8[]";
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(0, 3), "abc", 3), 0);
	KUNIT_EXPECT_EQ(test, check_loc(test, type, DYN_LOC(0, 4), "abc", 3),
			-EFAULT);
}

/* Only dynamic fields are looked at, whatever is beside them */
static void check_one_of_many(struct kunit *test)
{
	struct user_event_format *format =
		user_event_format_parse("e char[4] a;struct t b 4;u32 c;__rel_loc char[] d;u32 e",
					false);
	u8 record[8 + 20 + 4];
	u32 loc = DYN_LOC(4, 4);

	KUNIT_ASSERT_FALSE(test, IS_ERR(format));
	KUNIT_EXPECT_EQ(test, format->nr_fields, 5);
	KUNIT_EXPECT_EQ(test, format->nr_locs, 1);

	memset(record, 0xff, sizeof(record));
	memcpy(record + 8 + 12, &loc, sizeof(loc));
	KUNIT_EXPECT_EQ(test, user_event_record_check(format, record,
						      sizeof(record)), -EFAULT);
	record[sizeof(record) - 1] = '\0';
	KUNIT_EXPECT_EQ(test, user_event_record_check(format, record,
						      sizeof(record)), 0);
	kfree(format);
}

static void expect_text(struct kunit *test, struct text *text, const char *cmd,
			size_t len, const char *expected)
{
	struct user_event_format *format = user_event_format_parse(cmd, false);

	KUNIT_ASSERT_FALSE(test, IS_ERR(format));
	trace_seq_init(&text->seq);
	user_event_record_text(format, &text->seq, text->record, 8 + len);
	text->seq.buffer[trace_seq_used(&text->seq)] = '\0';
	KUNIT_EXPECT_STREQ(test, (char *)text->seq.buffer, expected);
	kfree(format);
}

static void text(struct kunit *test)
{
	struct text *text = kunit_kzalloc(test, sizeof(*text), GFP_KERNEL);
	u8 *data;

	KUNIT_ASSERT_NOT_NULL(test, text);
	data = text->record + 8;

	expect_text(test, text, "e", 0, "");

	memset(data, 0xff, 16);
	expect_text(test, text, "e u8 a;u16 b;u32 c;u64 d", 15,
		    "a=255 b=65535 c=4294967295 d=18446744073709551615");
	expect_text(test, text, "e s8 a;s16 b;s32 c;s64 d", 15,
		    "a=-1 b=-1 c=-1 d=-1");

	memcpy(data, "abcdefgh", 8);
	expect_text(test, text, "e char[4] a;char[4] b", 8, "a=abcd b=efgh");
	memcpy(data, "ab\0def\0h", 8);
	expect_text(test, text, "e char[4] a;char[4] b", 8, "a=ab b=ef");

	*(u32 *)data = DYN_LOC(0, 4);
	memcpy(data + 4, "abc", 4);
	expect_text(test, text, "e __rel_loc char[] a", 8, "a=abc");
	*(u32 *)data = DYN_LOC(12, 4);
	expect_text(test, text, "e __data_loc char[] a", 8, "a=abc");
	expect_text(test, text, "e __data_loc u8[] a", 8,
		    "a={0x61,0x62,0x63,0x0}");
	*(u32 *)data = DYN_LOC(12, 0);
	expect_text(test, text, "e __data_loc u8[] a", 8, "a={}");
	expect_text(test, text, "e __data_loc char[] a", 8, "a=");

	/* A struct: as many of its first bytes as a number has */
	memset(data, 0xff, 16);
	expect_text(test, text, "e struct t a 9", 9, "a=18446744073709551615");
	expect_text(test, text, "e struct t a 8", 8, "a=18446744073709551615");
	expect_text(test, text, "e struct t a 7", 7, "a=4294967295");
	expect_text(test, text, "e struct t a 4", 4, "a=4294967295");
	expect_text(test, text, "e struct t a 3", 3, "a=65535");
	expect_text(test, text, "e struct t a 2", 2, "a=65535");
	expect_text(test, text, "e struct t a 1", 1, "a=255");

	/* What no writer could have recorded for this event */
	expect_text(test, text, "e u32 a", 3, "(record too short)");
	*(u32 *)data = DYN_LOC(0, 200);
	expect_text(test, text, "e __rel_loc char[] a", 8,
		    "a=(outside of the record)");
}

/* Control characters, and those beside them */
static void control_text(struct kunit *test)
{
	struct text *text = kunit_kzalloc(test, sizeof(*text), GFP_KERNEL);
	u8 *data;

	KUNIT_ASSERT_NOT_NULL(test, text);
	data = text->record + 8;

	memcpy(data, "\x01\x1f ~\x7f", 5);
	expect_text(test, text, "e char[5] a", 5, "a=\\x01\\x1f ~\\x7f");
	memcpy(data, "\xc2\x7f\xc2\x80\xc2\x9f\xc2\xa0", 8);
	expect_text(test, text, "e char[8] a", 8,
		    "a=\xc2\\x7f\\xc2\\x80\\xc2\\x9f\xc2\xa0");
	memcpy(data, "\xc1\x80\xc3\x80\x80z", 6);
	expect_text(test, text, "e char[6] a", 6, "a=\xc1\x80\xc3\x80\x80z");

	/* No character goes on in the next field */
	memcpy(data, "\xc2\x80", 2);
	expect_text(test, text, "e char[1] a;char[1] b", 2, "a=\xc2 b=\x80");
}

static struct kunit_case user_events_cases[] = {
	KUNIT_CASE(types),
	KUNIT_CASE(refused_types),
	KUNIT_CASE(names),
	KUNIT_CASE(layout),
	KUNIT_CASE(longest),
	KUNIT_CASE(longest_with_blanks),
	KUNIT_CASE(same),
	KUNIT_CASE(spelled),
	KUNIT_CASE(print_fmt),
	KUNIT_CASE(print_fmt_of_many_fields),
	KUNIT_CASE(check),
	KUNIT_CASE(check_one_of_many),
	KUNIT_CASE(text),
	KUNIT_CASE(control_text),
	{ }
};

static struct kunit_suite user_events_suite = {
	.name		= "user_events",
	.test_cases	= user_events_cases,
};

kunit_test_suite(user_events_suite);
