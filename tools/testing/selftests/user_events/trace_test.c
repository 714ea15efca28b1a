// SPDX-License-Identifier: GPL-2.0
/*
 * Records on their way through ftrace: the text in "trace", filters, triggers,
 * histograms, instances, set_event_pid, snapshots, and the largest record.
 */
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "uev_harness.h"

/* Appends the bytes of any object to a payload. */
struct payload {
	char data[16384];
	size_t size;
};

static void add(struct payload *p, const void *data, size_t size)
{
	memcpy(p->data + p->size, data, size);
	p->size += size;
}

#define ADD(p, type, number) do {					\
	type _number = (number);					\
									\
	add(p, &_number, sizeof(_number));				\
} while (0)

#define ASSERT_SHOWN(want, where, event) do {				\
	char *_shown = uev_trace_of(where, event);			\
									\
	ASSERT_STREQ(want, _shown);					\
	free(_shown);							\
} while (0)

/* Registers and enables; the index, or an error. */
static int listen_to(int fd, __u32 *value, const char *command)
{
	char name[64];
	int index = uev_reg_index(fd, value, command), ret;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(command, " ;"),
		 command);
	if (index < 0)
		return index;
	ret = uev_enable(name, true);
	return ret ? ret : index;
}

TEST_F(uev, integers_at_their_extremes)
{
	static const char command[] =
		"tr_int s8 a;u8 b;s16 c;u16 d;s32 e;u32 f;s64 g;u64 h;"
		"char i;unsigned char j;short k;unsigned short l;int m;"
		"unsigned int n";
	int index = listen_to(self->fd, self->value, command);
	struct payload low = { }, high = { }, middle = { };

	ASSERT_LE(0, index);
	ADD(&low, __s8, INT8_MIN);
	ADD(&low, __u8, 0);
	ADD(&low, __s16, INT16_MIN);
	ADD(&low, __u16, 0);
	ADD(&low, __s32, INT32_MIN);
	ADD(&low, __u32, 0);
	ADD(&low, __s64, INT64_MIN);
	ADD(&low, __u64, 0);
	ADD(&low, __s8, INT8_MIN);
	ADD(&low, __u8, 0);
	ADD(&low, __s16, INT16_MIN);
	ADD(&low, __u16, 0);
	ADD(&low, __s32, INT32_MIN);
	ADD(&low, __u32, 0);

	ADD(&high, __s8, INT8_MAX);
	ADD(&high, __u8, UINT8_MAX);
	ADD(&high, __s16, INT16_MAX);
	ADD(&high, __u16, UINT16_MAX);
	ADD(&high, __s32, INT32_MAX);
	ADD(&high, __u32, UINT32_MAX);
	ADD(&high, __s64, INT64_MAX);
	ADD(&high, __u64, UINT64_MAX);
	ADD(&high, __s8, INT8_MAX);
	ADD(&high, __u8, UINT8_MAX);
	ADD(&high, __s16, INT16_MAX);
	ADD(&high, __u16, UINT16_MAX);
	ADD(&high, __s32, INT32_MAX);
	ADD(&high, __u32, UINT32_MAX);

	memset(middle.data, 0xff, low.size);
	middle.size = low.size;

	ASSERT_EQ(4 + low.size, uev_emit(self->fd, index, low.data, low.size));
	ASSERT_EQ(4 + low.size, uev_emit(self->fd, index, high.data, high.size));
	ASSERT_EQ(4 + low.size,
		  uev_emit(self->fd, index, middle.data, middle.size));
	ASSERT_SHOWN("a=-128 b=0 c=-32768 d=0 e=-2147483648 f=0 "
		     "g=-9223372036854775808 h=0 i=-128 j=0 k=-32768 l=0 "
		     "m=-2147483648 n=0\n"
		     "a=127 b=255 c=32767 d=65535 e=2147483647 f=4294967295 "
		     "g=9223372036854775807 h=18446744073709551615 i=127 j=255 "
		     "k=32767 l=65535 m=2147483647 n=4294967295\n"
		     "a=-1 b=255 c=-1 d=65535 e=-1 f=4294967295 g=-1 "
		     "h=18446744073709551615 i=-1 j=255 k=-1 l=65535 m=-1 "
		     "n=4294967295\n", "trace", "tr_int");
}

TEST_F(uev, strings)
{
	int index = listen_to(self->fd, self->value,
			      "tr_str char[8] a;unsigned char[4] b;"
			      "__data_loc char[] c;__rel_loc char[] d;u8 e");
	struct payload p = { }, empty = { }, full = { };
	/* of the fields, and with what is before them in a record */
	const unsigned int fields = 8 + 4 + 4 + 4 + 1, all = 8 + fields;

	ASSERT_LE(0, index);
	add(&p, "seven77", 8);
	add(&p, "abc", 4);
	ADD(&p, __u32, DYN_LOC(all, 9));
	ADD(&p, __u32, DYN_LOC(1 + 9, 5));
	ADD(&p, __u8, 200);
	add(&p, "absolute", 9);
	add(&p, "rela", 5);
	ASSERT_EQ(4 + p.size, uev_emit(self->fd, index, p.data, p.size));

	add(&empty, "\0\0\0\0\0\0\0\0", 8);
	add(&empty, "\0\0\0\0", 4);
	ADD(&empty, __u32, 0);
	ADD(&empty, __u32, DYN_LOC(1, 1));
	ADD(&empty, __u8, 0);
	add(&empty, "", 1);
	ASSERT_EQ(4 + empty.size,
		  uev_emit(self->fd, index, empty.data, empty.size));

	/* An array need not end in NUL: the next field is not a part of it. */
	add(&full, "eight888", 8);
	add(&full, "four", 4);
	ADD(&full, __u32, 0);
	ADD(&full, __u32, 0);
	ADD(&full, __u8, 1);
	ASSERT_EQ(4 + full.size,
		  uev_emit(self->fd, index, full.data, full.size));
	ASSERT_SHOWN("a=seven77 b=abc c=absolute d=rela e=200\n"
		     "a= b= c= d= e=0\n"
		     "a=eight888 b=four c= d= e=1\n", "trace", "tr_str");
}

/* Arrays of numbers of each size; the last one is not aligned. */
TEST_F(uev, arrays_of_numbers)
{
	int index = listen_to(self->fd, self->value,
			      "tr_nums __rel_loc u8[] a;__rel_loc s16[] b;"
			      "__rel_loc int[] c;__rel_loc u64[] d");
	static const __s16 b[] = { 1, -1 };
	static const __s32 c[] = { 2, -2 };
	static const __u64 d[] = { 0x8000000000000001ULL, 3 };
	struct payload p = { };

	ASSERT_LE(0, index);
	ADD(&p, __u32, DYN_LOC(12, 3));
	ADD(&p, __u32, DYN_LOC(8 + 3, sizeof(b)));
	ADD(&p, __u32, DYN_LOC(4 + 3 + sizeof(b), sizeof(c)));
	ADD(&p, __u32, DYN_LOC(3 + sizeof(b) + sizeof(c), sizeof(d)));
	add(&p, "\x01\xff\x00", 3);
	add(&p, b, sizeof(b));
	add(&p, c, sizeof(c));
	add(&p, d, sizeof(d));
	ASSERT_EQ(4 + p.size, uev_emit(self->fd, index, p.data, p.size));
	ASSERT_SHOWN("a={0x1,0xff,0x0} b={0x1,0xffff} c={0x2,0xfffffffe} "
		     "d={0x8000000000000001,0x3}\n", "trace", "tr_nums");
}

/* For a record that is just stored, and for one that a filter looks at first */
TEST_F(uev, process_that_wrote_it)
{
	int index = listen_to(self->fd, self->value, "tr_who u32 n");
	char *text, who[32];
	__u32 n = 1;

	ASSERT_LE(0, index);
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	ASSERT_OK(uev_event_put("tr_who", "filter", "n == 1"));
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	ASSERT_SHOWN("n=1\nn=1\n", "trace", "tr_who");
	snprintf(who, sizeof(who), "-%d ", getpid());
	text = uev_get("trace");
	EXPECT_EQ(2, uev_count(text, who)) TH_LOG("%s", text);
	free(text);
}

/*
 * Records of many deleted events are dropped together at times. That may happen by
 * chance in this test, but not twice in a row.
 */
TEST_F(uev, records_outlive_their_event)
{
	__u32 n = 5, tries;
	char *shown = NULL;
	int index;

	for (tries = 0; tries < 2; tries++) {
		index = listen_to(self->fd, self->value, "tr_late u32 n");
		ASSERT_LE(0, index);
		ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
		ASSERT_OK(uev_enable("tr_late", false));
		ASSERT_OK(uev_unreg(self->fd, self->value, 0));
		close(self->fd);
		self->fd = uev_open();
		ASSERT_LE(0, self->fd);
		ASSERT_TRUE(uev_wait_for(!uev_alive("tr_late")));
		free(shown);
		shown = uev_trace_of("trace", "tr_late");
		if (*shown)
			break;
	}
	EXPECT_STREQ("n=5\n", shown);
	free(shown);
}

TEST_F(uev, event_without_fields)
{
	int index = listen_to(self->fd, self->value, "tr_empty");

	ASSERT_LE(0, index);
	ASSERT_EQ(4, uev_emit(self->fd, index, NULL, 0));
	/* Data beyond the fields, of which there are none */
	ASSERT_EQ(12, uev_emit(self->fd, index, "12345678", 8));
	ASSERT_SHOWN("\n\n", "trace", "tr_empty");
}

TEST_F(uev, struct_field)
{
	int index = listen_to(self->fd, self->value,
			      "tr_struct struct thing a 8;u32 b");
	struct payload p = { };

	ASSERT_LE(0, index);
	ADD(&p, __u64, 0x1122334455667788ULL);
	ADD(&p, __u32, 9);
	ASSERT_EQ(16, uev_emit(self->fd, index, p.data, p.size));
	ASSERT_SHOWN("a=1234605616436508552 b=9\n", "trace", "tr_struct");
}

/* A struct that does not have the size of a number shows its first bytes. */
TEST_F(uev, structs_of_other_sizes)
{
	int index = listen_to(self->fd, self->value,
			      "tr_sizes struct s a 1;struct s b 2;struct s c 3;"
			      "struct s d 4;struct s e 7;struct s f 12");
	struct payload p = { };

	ASSERT_LE(0, index);
	ADD(&p, __u8, 200);
	ADD(&p, __u16, 40000);
	ADD(&p, __u16, 50000);
	ADD(&p, __u8, 255);
	ADD(&p, __u32, 3000000000U);
	ADD(&p, __u32, 4000000000U);
	add(&p, "\xff\xff\xff", 3);
	ADD(&p, __u64, 10000000000ULL);
	ADD(&p, __u32, 255);
	ASSERT_EQ(4 + 29, uev_emit(self->fd, index, p.data, p.size));
	ASSERT_SHOWN("a=200 b=40000 c=50000 d=3000000000 e=4000000000 f=10000000000\n",
		     "trace", "tr_sizes");
}

TEST_F(uev, filters)
{
	int index = listen_to(self->fd, self->value,
			      "tr_filter u32 n;s16 s;char[8] fixed;"
			      "__rel_loc char[] rel");
	static const struct {
		const char *filter;
		bool passes[3];
	} cases[] = {
		{ "n == 1", { false, true, false } },
		{ "n != 1", { true, false, true } },
		{ "n > 1", { false, false, true } },
		{ "s < 0", { false, true, false } },
		{ "s >= 0 && n < 2", { true, false, false } },
		{ "n & 1", { false, true, false } },
		{ "fixed == \"text1\"", { false, true, false } },
		{ "fixed ~ \"*t2*\"", { false, false, true } },
		{ "rel == \"dynamic0\"", { true, false, false } },
		{ "rel ~ \"dyn*1\"", { false, true, false } },
		{ "n == 0 || rel != \"dynamic1\"", { true, false, true } },
		{ "common_pid == 0", { false, false, false } },
	};
	char want[256], *shown;
	size_t i;
	int n;

	ASSERT_LE(0, index);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_OK(uev_event_put("tr_filter", "filter", cases[i].filter))
			TH_LOG("%s", cases[i].filter);
		want[0] = '\0';
		for (n = 0; n < 3; n++) {
			struct payload p = { };
			char text[9];

			ADD(&p, __u32, n);
			ADD(&p, __s16, n & 1 ? -5 : 5);
			memset(text, 0, sizeof(text));
			sprintf(text, "text%d", n);
			add(&p, text, 8);
			ADD(&p, __u32, DYN_LOC(0, 9));
			sprintf(text, "dynamic%d", n);
			add(&p, text, 9);
			ASSERT_EQ(4 + p.size, uev_emit(self->fd, index, p.data,
						       p.size));
			if (cases[i].passes[n])
				sprintf(want + strlen(want),
					"n=%d s=%d fixed=text%d rel=dynamic%d\n",
					n, n & 1 ? -5 : 5, n, n);
		}
		shown = uev_trace_of("trace", "tr_filter");
		EXPECT_STREQ(want, shown) TH_LOG("filter %s", cases[i].filter);
		free(shown);
		uev_trace_clear();
	}
	EXPECT_NE(0, uev_event_put("tr_filter", "filter", "nothing == 1"));
	EXPECT_NE(0, uev_event_put("tr_filter", "filter", "n == \"text\""));
	ASSERT_OK(uev_event_put("tr_filter", "filter", "0"));
}

/* Fields at odd offsets are compared where they are. */
TEST_F(uev, filter_on_unaligned_fields)
{
	int index = listen_to(self->fd, self->value,
			      "tr_odd u8 a;u64 b;s32 c;u16 d");
	struct payload p = { };

	ASSERT_LE(0, index);
	ADD(&p, __u8, 1);
	ADD(&p, __u64, 0x123456789abcdefULL);
	ADD(&p, __s32, -77);
	ADD(&p, __u16, 65000);
	ASSERT_OK(uev_event_put("tr_odd", "filter",
				"b == 0x123456789abcdef && c == -77 && d == 65000"));
	ASSERT_EQ(19, uev_emit(self->fd, index, p.data, p.size));
	ASSERT_SHOWN("a=1 b=81985529216486895 c=-77 d=65000\n", "trace",
		     "tr_odd");
	uev_trace_clear();
	ASSERT_OK(uev_event_put("tr_odd", "filter", "c > 0"));
	ASSERT_EQ(19, uev_emit(self->fd, index, p.data, p.size));
	ASSERT_SHOWN("", "trace", "tr_odd");
}

TEST_F(uev, trigger_with_a_condition)
{
	int index = uev_reg_index(self->fd, self->value, "tr_trig u32 n");
	__u32 n;

	ASSERT_LE(0, index);
	ASSERT_OK(uev_event_put("tr_trig", "trigger", "traceoff if n == 3"));
	ASSERT_BECOMES(1, *self->value);
	for (n = 0; n < 5; n++) {
		EXPECT_EQ(1, uev_get_int("tracing_on") == (n <= 3))
			TH_LOG("n %u", n);
		ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	}
	ASSERT_OK(uev_event_put("tr_trig", "trigger", "!traceoff if n == 3"));
	ASSERT_BECOMES(0, *self->value);
	ASSERT_OK(uev_put("tracing_on", "1"));
}

/* An instance can be told to keep more than the record. */
TEST_F(uev, stack_with_each_record)
{
	int index = listen_to(self->fd, self->value, "tr_stack u32 n"), ret;
	__u32 n = 3;
	char *text;

	ASSERT_LE(0, index);
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	ASSERT_OK(uev_put("options/stacktrace", "1"));
	ret = uev_emit(self->fd, index, &n, sizeof(n));
	ASSERT_OK(uev_put("options/stacktrace", "0"));
	EXPECT_EQ(8, ret);
	text = uev_get("trace");
	EXPECT_EQ(2, uev_count(text, "tr_stack: n=3\n"));
	EXPECT_EQ(1, uev_count(text, "<stack trace>")) TH_LOG("%s", text);
	free(text);
}

/* The trigger of an enabled event fires before the record is stored. */
TEST_F(uev, trigger_beside_the_records)
{
	int index = listen_to(self->fd, self->value, "tr_both u32 n");
	__u32 n;

	ASSERT_LE(0, index);
	ASSERT_OK(uev_event_put("tr_both", "trigger", "traceon:1"));
	for (n = 0; n < 2; n++) {
		ASSERT_OK(uev_put("tracing_on", "0"));
		ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
		EXPECT_EQ(n == 0, uev_get_int("tracing_on"));
	}
	ASSERT_OK(uev_put("tracing_on", "1"));
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	ASSERT_OK(uev_event_put("tr_both", "trigger", "!traceon"));
	ASSERT_SHOWN("n=0\nn=2\n", "trace", "tr_both");
}

TEST_F(uev, trigger_enables_another_event)
{
	int index = uev_reg_index(self->fd, &self->value[0], "tr_first u32 n");
	int other = uev_reg_index(self->fd, &self->value[1], "tr_second u32 n");
	__u32 n = 1, early = 7;

	ASSERT_LE(0, index);
	ASSERT_LE(0, other);
	ASSERT_OK(uev_event_put("tr_first", "trigger",
				"enable_event:user_events:tr_second:1"));
	ASSERT_BECOMES(1, self->value[0]);
	EXPECT_TRUE(uev_wait_for(UEV_READ(self->value[1]) == 1));
	/* The second event is enabled softly: no records before the trigger fires. */
	ASSERT_EQ(8, uev_emit(self->fd, other, &early, sizeof(early)));
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	ASSERT_EQ(8, uev_emit(self->fd, other, &n, sizeof(n)));
	ASSERT_SHOWN("n=1\n", "trace", "tr_second");
	ASSERT_OK(uev_event_put("tr_first", "trigger",
				"!enable_event:user_events:tr_second:1"));
	uev_enable("tr_second", false);
	ASSERT_BECOMES(0, self->value[0]);
	ASSERT_BECOMES(0, self->value[1]);
}

TEST_F(uev, histogram)
{
	int index = uev_reg_index(self->fd, self->value,
				  "tr_hist u32 kind;u64 bytes;char[8] name");
	__u32 kind;
	char *hist;
	int i;

	ASSERT_LE(0, index);
	if (!uev_exists("events/user_events/tr_hist/hist"))
		SKIP(return, "kernel without histograms");
	ASSERT_OK(uev_event_put("tr_hist", "trigger",
				"hist:keys=kind,name:vals=bytes"));
	ASSERT_BECOMES(1, *self->value);
	for (i = 0; i < 30; i++) {
		struct payload p = { };

		kind = i % 3;
		ADD(&p, __u32, kind);
		ADD(&p, __u64, kind * 1000);
		add(&p, kind ? "others\0" : "zero\0\0\0", 8);
		ASSERT_EQ(24, uev_emit(self->fd, index, p.data, p.size));
	}
	hist = uev_event_get("tr_hist", "hist");
	EXPECT_NE(NULL, strstr(hist, "Hits: 30")) TH_LOG("%s", hist);
	EXPECT_NE(NULL, strstr(hist, "Entries: 3")) TH_LOG("%s", hist);
	EXPECT_NE(NULL, strstr(hist, "bytes:      10000"));
	EXPECT_NE(NULL, strstr(hist, "bytes:      20000"));
	EXPECT_EQ(2, uev_count(hist, "name: others"));
	EXPECT_EQ(1, uev_count(hist, "name: zero"));
	free(hist);
	ASSERT_OK(uev_event_put("tr_hist", "trigger",
				"!hist:keys=kind,name:vals=bytes"));
	ASSERT_BECOMES(0, *self->value);
}

TEST_F(uev, instance_has_its_own_records)
{
	static const char trace[] = "instances/" UEV_INSTANCE "/trace";
	int index = uev_reg_index(self->fd, self->value, "tr_inst u32 n");
	__u32 n = 1;

	ASSERT_LE(0, index);
	ASSERT_EQ(0, mkdir(TRACEFS "instances/" UEV_INSTANCE, 0700));
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "tr_inst", true));
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	ASSERT_SHOWN("n=1\n", trace, "tr_inst");
	ASSERT_SHOWN("", "trace", "tr_inst");
	/* Each instance records while the event is enabled in it */
	ASSERT_OK(uev_enable("tr_inst", true));
	n = 2;
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "tr_inst", false));
	n = 3;
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	ASSERT_SHOWN("n=1\nn=2\n", trace, "tr_inst");
	ASSERT_SHOWN("n=2\nn=3\n", "trace", "tr_inst");
	/* An instance that goes lets go of the event. */
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "tr_inst", true));
	ASSERT_OK(uev_enable("tr_inst", false));
	ASSERT_EQ(0, rmdir(TRACEFS "instances/" UEV_INSTANCE));
	ASSERT_BECOMES(0, *self->value);
	ASSERT_ERR(EBADF, uev_emit(self->fd, index, &n, sizeof(n)));
}

/* An event made after the instance shows there, too. */
TEST_F(uev, instance_older_than_the_event)
{
	ASSERT_EQ(0, mkdir(TRACEFS "instances/" UEV_INSTANCE, 0700));
	ASSERT_LE(0, uev_reg_index(self->fd, self->value, "tr_young u32 n"));
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "tr_young", true));
	ASSERT_BECOMES(1, *self->value);
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "tr_young", false));
	ASSERT_BECOMES(0, *self->value);
}

TEST_F(uev, only_chosen_processes)
{
	int index = listen_to(self->fd, self->value, "tr_pid u32 n");
	__u32 n = 1;
	char pid[16];

	ASSERT_LE(0, index);
	sprintf(pid, "%d", getpid());
	ASSERT_OK(uev_put("set_event_pid", pid));
	ASSERT_EQ(0, uev_emit_in_child(self->fd, index, 7));
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	ASSERT_SHOWN("n=1\n", "trace", "tr_pid");
	ASSERT_OK(uev_put("set_event_pid", ""));
	ASSERT_EQ(0, uev_emit_in_child(self->fd, index, 7));
	ASSERT_SHOWN("n=1\nn=7\n", "trace", "tr_pid");
}

TEST_F(uev, snapshot)
{
	int index = listen_to(self->fd, self->value, "tr_snap u32 n");
	__u32 n = 1;

	ASSERT_LE(0, index);
	if (!uev_exists("snapshot"))
		SKIP(return, "kernel without snapshots");
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	ASSERT_OK(uev_put("snapshot", "1"));
	n = 2;
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	ASSERT_SHOWN("n=1\n", "snapshot", "tr_snap");
	ASSERT_SHOWN("n=2\n", "trace", "tr_snap");

	/* By the event itself */
	ASSERT_OK(uev_event_put("tr_snap", "trigger", "snapshot if n == 3"));
	n = 3;
	ASSERT_EQ(8, uev_emit(self->fd, index, &n, sizeof(n)));
	EXPECT_TRUE(uev_wait_for(({
		char *shown = uev_trace_of("snapshot", "tr_snap");
		bool found = !!strstr(shown, "n=2\n");

		free(shown);
		found;
	})));
	ASSERT_OK(uev_event_put("tr_snap", "trigger", "!snapshot if n == 3"));
	ASSERT_OK(uev_put("snapshot", "0"));
}

/* Bytes of a page of the ring buffer that are for events */
static int data_of_a_page(void)
{
	char *header = uev_get("events/header_page"), *at;
	int size = 0;

	at = strstr(header, "data;");
	if (at)
		at = strstr(at, "size:");
	if (at)
		size = atoi(at + 5);
	free(header);
	return size;
}

TEST_F(uev, largest_record)
{
	int index = listen_to(self->fd, self->value, "tr_large u32 n");
	struct payload p = { };
	int largest;

	ASSERT_LE(0, index);
	largest = uev_largest_payload(self->fd, index, p.data, 16384);
	/* A page of the ring buffer, less its and the record's header */
	EXPECT_LT(3900, largest);
	/* On 64 bits a record has a header of 8 bytes, and 8 of common fields */
	if (sizeof(long) == 8)
		EXPECT_EQ(data_of_a_page() - 8 - 8, largest);
	uev_trace_clear();

	ADD(&p, __u32, 1);
	ASSERT_EQ(largest + 4, uev_emit(self->fd, index, p.data, largest));
	*(__u32 *)p.data = 2;
	ASSERT_ERR(EMSGSIZE, uev_emit(self->fd, index, p.data, largest + 1));
	ASSERT_ERR(EMSGSIZE, uev_emit(self->fd, index, p.data, 10000));
	/* The refused records leave the buffer working. */
	*(__u32 *)p.data = 3;
	ASSERT_EQ(largest + 4, uev_emit(self->fd, index, p.data, largest));
	ASSERT_EQ(8, uev_emit(self->fd, index, p.data, 4));
	/* With a filter records take another way, and have the same limit. */
	ASSERT_OK(uev_event_put("tr_large", "filter", "n == 4"));
	ASSERT_EQ(largest + 4, uev_emit(self->fd, index, p.data, largest));
	ASSERT_ERR(EMSGSIZE, uev_emit(self->fd, index, p.data, largest + 1));
	*(__u32 *)p.data = 4;
	ASSERT_EQ(largest + 4, uev_emit(self->fd, index, p.data, largest));
	ASSERT_EQ(8, uev_emit(self->fd, index, p.data, 4));
	ASSERT_SHOWN("n=1\nn=3\nn=3\nn=4\nn=4\n", "trace", "tr_large");
}

/* Larger parts of a buffer, where a kernel has them, take larger records. */
TEST_F(uev, size_of_parts_of_a_buffer)
{
	static const char size_file[] =
		"instances/" UEV_INSTANCE "/buffer_subbuf_size_kb";
	static const char trace[] = "instances/" UEV_INSTANCE "/trace";
	int index = uev_reg_index(self->fd, self->value, "tr_parts u32 n");
	struct payload p = { };
	int largest;

	ASSERT_LE(0, index);
	ASSERT_EQ(0, mkdir(TRACEFS "instances/" UEV_INSTANCE, 0700));
	if (!uev_exists(size_file))
		SKIP(return, "all buffers of this kernel have one size");
	ASSERT_OK(uev_put(size_file, "16"));
	ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "tr_parts", true));
	largest = uev_largest_payload(self->fd, index, p.data, 16384);
	ASSERT_LT(16384 - 64, largest);
	ASSERT_OK(uev_put(trace, ""));
	ADD(&p, __u32, 6);
	ASSERT_EQ(largest + 4, uev_emit(self->fd, index, p.data, largest));
	*(__u32 *)p.data = 7;
	ASSERT_ERR(EMSGSIZE, uev_emit(self->fd, index, p.data, largest + 1));
	ASSERT_SHOWN("n=6\n", trace, "tr_parts");
}

#define SUBBUF	"instances/" UEV_INSTANCE "/buffer_subbuf_size_kb"

/* Writes @size bytes of a pattern that begins with @n */
static int emit_pattern(int fd, int index, __u32 n, char *payload, int size)
{
	int i;

	for (i = sizeof(n); i < size; i++)
		payload[i] = i * 7 + i / 256;
	memcpy(payload, &n, sizeof(n));
	return uev_emit(fd, index, payload, size);
}

/* An administrator makes the parts larger that a trace buffer consists of. */
TEST_F(uev, raised_sub_buffer)
{
	int index = uev_reg_index(self->fd, self->value, "tr_sub u32 n");
	static char payload[300000], page[300000];
	int good, bad, size, kb, ret, raw;
	char text[16];

	ASSERT_LE(0, index);
	ASSERT_EQ(0, mkdir(TRACEFS "instances/" UEV_INSTANCE, 0750));
	if (!uev_exists(SUBBUF))
		SKIP(return, "parts of a trace buffer are pages here");

	uev_stay_on_cpu(0);
	for (kb = 16; kb <= 128; kb *= 2) {
		snprintf(text, sizeof(text), "%d", kb);
		ASSERT_OK(uev_put(SUBBUF, text));
		ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "tr_sub", true));
		good = 4;
		bad = sizeof(payload);
		while (bad - good > 1) {
			size = (good + bad) / 2;
			ret = emit_pattern(self->fd, index, 0, payload, size);
			if (ret == size + 4)
				good = size;
			else if (ret == -EMSGSIZE)
				bad = size;
			else
				ASSERT_EQ(0, ret) TH_LOG("%d bytes", size);
		}
		/* All but headers */
		EXPECT_LT(kb * 1024 - 64, good);
		EXPECT_GT(kb * 1024, good);

		ASSERT_OK(uev_put("instances/" UEV_INSTANCE "/trace", ""));
		ASSERT_EQ(good + 4, emit_pattern(self->fd, index, kb, payload,
						 good));
		ASSERT_ERR(EMSGSIZE, emit_pattern(self->fd, index, kb, payload,
						  good + 1));
		raw = open(TRACEFS "instances/" UEV_INSTANCE
			   "/per_cpu/cpu0/trace_pipe_raw", O_RDONLY | O_NONBLOCK);
		ASSERT_LE(0, raw);
		ret = read(raw, page, sizeof(page));
		EXPECT_LT(good, ret);
		if (ret > good)
			EXPECT_NE(NULL, memmem(page, ret, payload, good));
		close(raw);
		ASSERT_OK(uev_instance_enable(UEV_INSTANCE, "tr_sub", false));
	}
}

TEST_HARNESS_MAIN
