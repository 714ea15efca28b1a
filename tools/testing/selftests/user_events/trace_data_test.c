// SPDX-License-Identifier: GPL-2.0
/*
 * Trace data belongs to the administrator: a program without privileges writes
 * records that could forge lines, run into the next field, match a filter by data
 * that is not theirs, or fire triggers although they are refused.
 */
#include <signal.h>
#include <sys/mman.h>

#include "uev_harness.h"

/* A record, as write() takes it: index, then payload. */
struct record {
	char data[16384];
	size_t size;
};

static void add(struct record *r, const void *data, size_t size)
{
	memcpy(r->data + r->size, data, size);
	r->size += size;
}

static void add_u32(struct record *r, __u32 number)
{
	add(r, &number, sizeof(number));
}

/* What the program does: register, wait until somebody listens, write. */
struct writer {
	const char *command;
	const struct record *records;
	int nr_records;
	int want;	/* what write() returns, 0 for all bytes */
	int missing;	/* the payload is zeroes that are not in memory */
};

/* Root has declared and enabled the event by now. */
static int write_as_nobody(void *arg)
{
	const struct writer *w = arg;
	__u32 value = 0, index;
	int i, ret, fd = uev_open();

	if (fd < 0 || uev_become_nobody())
		return 255;
	if (uev_reg(fd, &value, 0, 4, 0, w->command, &index) || value != 1)
		return 254;

	for (i = 0; i < w->nr_records; i++) {
		const struct record *r = &w->records[i];
		const void *payload = r->data;

		if (w->missing) {
			payload = mmap(NULL, uev_page_size(), PROT_READ,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (payload == MAP_FAILED)
				return 253;
		}
		ret = uev_emit(fd, index, payload, r->size);
		if (ret != (w->want ? w->want : 4 + (int)r->size))
			return ret < 0 ? -ret : 252;
	}
	return 0;
}

/* The event, held by the fixture's file and enabled */
static int declare(int fd, __u32 *value, const char *command)
{
	char name[64];
	int ret;

	ret = uev_reg(fd, value, 0, 4, 0, command, NULL);
	if (ret)
		return ret;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(command, " "), command);
	return uev_enable(name, true);
}

TEST_F(uev, control_characters)
{
	static const char command[] =
		"td_text char[16] a;__rel_loc char[] b;__data_loc char[] c";
	static const char forged[] =
		"x\n            bash-1     [000] d..2.     1.000000: sched_switch: prev\n";
	static const char escape[] = "\033[2J\r\x7f \302\2332J";
	const unsigned int fields = 16 + 4 + 4;
	struct record r = { };
	struct writer w = {
		.command = command, .records = &r, .nr_records = 1,
	};
	char *text, *shown;

	ASSERT_OK(declare(self->fd, self->value, command));
	/* Text of any language is no control character. */
	add(&r, "Gr\303\234\303\237e\t\\n\0\0\0\0\0\0\0\0", 16);
	add_u32(&r, DYN_LOC(4, sizeof(forged)));
	add_u32(&r, DYN_LOC(8 + fields + sizeof(forged), sizeof(escape)));
	add(&r, forged, sizeof(forged));
	add(&r, escape, sizeof(escape));
	ASSERT_EQ(0, uev_in_child(write_as_nobody, &w));

	text = uev_get("trace");
	EXPECT_EQ(NULL, strchr(text, '\033'));
	EXPECT_EQ(NULL, strstr(text, "\n            bash-1 "));
	free(text);
	shown = uev_trace_of("trace", "td_text");
	EXPECT_STREQ("a=Gr\303\234\303\237e\\x09\\n "
		     "b=x\\x0a            bash-1     [000] d..2.     1.000000: sched_switch: prev\\x0a "
		     "c=\\x1b[2J\\x0d\\x7f \\xc2\\x9b2J\n", shown);
	free(shown);

	/* Some kernels can make the text from the fields instead */
	if (uev_put("options/fields", "1"))
		return;
	text = uev_get("trace");
	uev_put("options/fields", "0");
	EXPECT_NE(NULL, strstr(text, "td_text: a=Gr")) TH_LOG("%s", text);
	EXPECT_EQ(NULL, strchr(text, '\033'));
	EXPECT_EQ(NULL, strstr(text, "\302\233"));
	EXPECT_EQ(NULL, strstr(text, "\n            bash-1 "));
	free(text);
}

/* "trace", or what "trace_pipe" has by now; to be freed */
static char *lines_of(bool pipe, const char *event)
{
	char *text, *shown;
	size_t size = 0;
	ssize_t got;
	int fd;

	if (!pipe)
		return uev_trace_of("trace", event);

	/* By way of a file, which uev_trace_of() reads */
	text = calloc(1, 1 << 20);
	fd = open(TRACEFS "trace_pipe", O_RDONLY | O_NONBLOCK);
	while ((got = read(fd, text + size, (1 << 20) - 1 - size)) > 0)
		size += got;
	close(fd);
	fd = memfd_create("lines", 0);
	if (write(fd, text, size) != (ssize_t)size)
		size = 0;
	snprintf(text, 64, "/proc/self/fd/%d", fd);
	shown = uev_trace_of(text, event);
	close(fd);
	free(text);
	return shown;
}

/* Text too long for the buffer of a line, and the record after it */
TEST_F(uev, long_lines)
{
	static const char * const commands[] = {
		"td_long u32 n;__rel_loc u8[] d",
		"td_long u32 n;__rel_loc char[] d",
	};
	size_t i, len;
	int pipe;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		struct record *r = calloc(3, sizeof(*r));
		struct writer w = {
			.command = commands[i], .records = r, .nr_records = 3,
		};
		static char bytes[3900];

		memset(bytes, i ? '\001' : 'x', sizeof(bytes) - 1);
		for (len = 0; len < 3; len++) {
			add_u32(&r[len], len);
			add_u32(&r[len], DYN_LOC(0, len == 1 ? sizeof(bytes) : 1));
			add(&r[len], len == 1 ? bytes : "",
			    len == 1 ? sizeof(bytes) : 1);
		}
		for (pipe = 0; pipe < 2; pipe++) {
			char *shown, *line, *rest;

			uev_trace_clear();
			ASSERT_OK(declare(self->fd, self->value, commands[i]));
			ASSERT_EQ(0, uev_in_child(write_as_nobody, &w));
			shown = lines_of(pipe, "td_long");
			rest = shown;
			for (len = 0; len < 3; len++) {
				char want[16];

				line = strsep(&rest, "\n");
				ASSERT_NE(NULL, line) TH_LOG("%zu", len);
				snprintf(want, sizeof(want), "n=%zu d=", len);
				EXPECT_EQ(0, strncmp(line, want, strlen(want)))
					TH_LOG("%.80s", line);
				/* Shows most of it, and that some is missing */
				if (len == 1) {
					EXPECT_LE(3000, strlen(line));
					EXPECT_STREQ("...", line +
						     strlen(line) - 3);
				}
			}
			EXPECT_STREQ("", rest ? rest : "no end of the line");
			free(shown);
			ASSERT_OK(uev_enable("td_long", false));
			ASSERT_OK(uev_unreg(self->fd, self->value, 0));
			close(self->fd);
			self->fd = uev_open();
		}
		free(r);
	}
}

/* A name of a field as long as the rest of a line may be, at each end of the text */
#define LONG_NAME	450

TEST_F(uev, long_names)
{
	static const size_t ends[] = { 3000, 3800, 7000, 7800 };
	char command[512] = "td_name __rel_loc char[] x;u64 ";
	struct {
		__u32 loc;
		__u64 number;
		char text[2000];
	} __attribute__((packed)) payload = { .number = ~0ULL };
	int index, empty = DYN_LOC(8, 0);
	size_t i, len, size, nr;
	char *shown;

	memset(command + strlen(command), 'n', LONG_NAME);
	ASSERT_OK(declare(self->fd, self->value, command));
	index = uev_reg_index(self->fd, self->value + 1, command);
	ASSERT_LE(0, index);
	for (i = 0; i < ARRAY_SIZE(ends); i += 2) {
		for (len = ends[i]; len < ends[i + 1];) {
			uev_trace_clear();
			for (nr = 0; nr < 40; nr += 2, len += 5) {
				/* A control character takes four */
				memset(payload.text, '\001', len / 4);
				memset(payload.text + len / 4, 'x', len % 4);
				size = len / 4 + len % 4 + 1;
				payload.text[size - 1] = '\0';
				payload.loc = DYN_LOC(8, size);
				size += 12;
				ASSERT_EQ(4 + (int)size,
					  uev_emit(self->fd, index, &payload, size));
				payload.loc = empty;
				ASSERT_EQ(4 + 12, uev_emit(self->fd, index, &payload, 12));
			}
			/* Each record has a line of its own */
			shown = uev_trace_of("trace", "td_name");
			ASSERT_EQ(nr, uev_count(shown, "\n"))
				TH_LOG("up to %zu characters", len);
			free(shown);
		}
	}
}

/* How often a trigger with a count may still fire, -1 if that is not shown */
static int trigger_count(const char *event)
{
	char *text = uev_event_get(event, "trigger"), *at;
	int count = -1;

	at = strstr(text, "count=");
	if (at)
		sscanf(at, "count=%d", &count);
	free(text);
	return count;
}

TEST_F(uev, trigger_for_a_record_that_is_not_in_memory)
{
	struct record r = { .size = 4 };
	struct writer w = {
		.command = "td_once u32 n", .records = &r, .nr_records = 1,
		.missing = 1,
	};

	if (!uev_exists("snapshot"))
		SKIP(return, "kernel without snapshots");
	ASSERT_OK(declare(self->fd, self->value, w.command));
	ASSERT_OK(uev_event_put("td_once", "trigger", "snapshot:9"));
	EXPECT_EQ(0, uev_in_child(write_as_nobody, &w));
	EXPECT_EQ(8, trigger_count("td_once"));
	w.missing = 0;
	EXPECT_EQ(0, uev_in_child(write_as_nobody, &w));
	EXPECT_EQ(7, trigger_count("td_once"));
	ASSERT_OK(uev_event_put("td_once", "trigger", "!snapshot"));
	ASSERT_OK(uev_put("snapshot", "0"));
}

TEST_F(uev, trigger_for_records_that_are_refused)
{
	struct record r = { }, large = { .size = 15000 };
	struct writer w = {
		.command = "td_bad __rel_loc char[] s", .records = &r,
		.nr_records = 1, .want = -EFAULT,
	};

	if (!uev_exists("snapshot"))
		SKIP(return, "kernel without snapshots");
	ASSERT_OK(declare(self->fd, self->value, w.command));
	ASSERT_OK(uev_event_put("td_bad", "trigger", "snapshot:9"));
	/* Outside of the record, and not terminated */
	add_u32(&r, DYN_LOC(400, 8));
	EXPECT_EQ(0, uev_in_child(write_as_nobody, &w));
	r.size = 0;
	add_u32(&r, DYN_LOC(0, 4));
	add(&r, "abcd", 4);
	EXPECT_EQ(0, uev_in_child(write_as_nobody, &w));
	w.records = &large;
	w.want = -EMSGSIZE;
	EXPECT_EQ(0, uev_in_child(write_as_nobody, &w));
	EXPECT_EQ(9, trigger_count("td_bad"));
	ASSERT_OK(uev_event_put("td_bad", "trigger", "!snapshot"));
	ASSERT_OK(uev_put("snapshot", "0"));
}

/* A string does not show what an older record left behind. */
TEST_F(uev, empty_strings_in_filters)
{
	static const char * const commands[] = {
		"td_empty u32 n;__rel_loc char[] first;__rel_loc char[] second",
		"td_empty u32 n;__data_loc char[] first;__data_loc char[] second",
	};
	static const struct {
		const char *filter;
		const char *shown;
	} cases[] = {
		{ "first ~ \"*SECRET*\"", "" },
		{ "first ~ \"SECRET*\"", "" },
		{ "first ~ \"*SECRET\"", "" },
		{ "first ~ \"S?CRET\"", "" },
		{ "first == \"SECRET\"", "" },
		{ "first == \"\"", "n=2 first= second=\n" },
		{ "first != \"no\" && first != \"SECRET\"",
		  "n=2 first= second=\n" },
	};
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		/* Where data begins, for a location in the second or third field */
		unsigned int at2 = i ? 20 : 4, at3 = i ? 20 : 0;
		struct record r[2] = { };
		struct writer w = {
			.command = commands[i], .records = r, .nr_records = 2,
		};

		add_u32(&r[0], 1);
		add_u32(&r[0], DYN_LOC(at2 + 7, 3));
		add_u32(&r[0], DYN_LOC(at3, 7));
		add(&r[0], "SECRET\0no", 10);
		add_u32(&r[1], 2);
		add_u32(&r[1], DYN_LOC(at2, 0));
		add_u32(&r[1], DYN_LOC(at3, 0));

		ASSERT_OK(declare(self->fd, self->value, commands[i]));
		/* On one CPU both pass through the same memory */
		uev_stay_on_cpu(0);
		for (j = 0; j < ARRAY_SIZE(cases); j++) {
			char *shown;

			uev_trace_clear();
			ASSERT_OK(uev_event_put("td_empty", "filter",
						cases[j].filter))
				TH_LOG("%s", cases[j].filter);
			ASSERT_EQ(0, uev_in_child(write_as_nobody, &w));
			shown = uev_trace_of("trace", "td_empty");
			EXPECT_STREQ(cases[j].shown, shown)
				TH_LOG("%s: %s", commands[i], cases[j].filter);
			free(shown);
		}
		ASSERT_OK(uev_enable("td_empty", false));
		ASSERT_OK(uev_unreg(self->fd, self->value, 0));
		close(self->fd);
		self->fd = uev_open();
	}
}

/* Filters see the end of a full array, and of one that is not full. */
TEST_F(uev, arrays_in_filters)
{
	static const struct {
		const char *filter;
		const char *shown;
	} cases[] = {
		{ "a ~ \"*FGH\"", "n=0 a=ABCDEFGH\n" },
		{ "a ~ \"*GHI\"", "" },
		{ "a ~ \"*BC\"", "n=1 a=ABC\n" },
		{ "a ~ \"*H*\"", "n=0 a=ABCDEFGH\n" },
		{ "a ~ \"ABC*\"", "n=0 a=ABCDEFGH\nn=1 a=ABC\n" },
		{ "a == \"ABCDEFGH\"", "n=0 a=ABCDEFGH\n" },
	};
	struct record r[2] = { };
	struct writer w = {
		.command = "td_array u32 n;char[8] a", .records = r,
		.nr_records = 2,
	};
	char *shown;
	size_t i;

	add_u32(&r[0], 0);
	add(&r[0], "ABCDEFGHI", 9);
	add_u32(&r[1], 1);
	add(&r[1], "ABC\0\0\0\0\0I", 9);
	ASSERT_OK(declare(self->fd, self->value, w.command));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		uev_trace_clear();
		ASSERT_OK(uev_event_put("td_array", "filter", cases[i].filter))
			TH_LOG("%s", cases[i].filter);
		ASSERT_EQ(0, uev_in_child(write_as_nobody, &w));
		shown = uev_trace_of("trace", "td_array");
		EXPECT_STREQ(cases[i].shown, shown) TH_LOG("%s", cases[i].filter);
		free(shown);
	}
}

#define PROBE	"e:uev_probes/td_probe user_events/td_probed"

TEST_F(uev, strings_in_event_probes)
{
	static const char command[] =
		"td_probed __rel_loc char[] rel;__data_loc char[] data";
	struct record r[2] = { };
	struct writer w = {
		.command = command, .records = r, .nr_records = 2,
	};
	char *shown;

	add_u32(&r[0], DYN_LOC(4, 4));
	add_u32(&r[0], DYN_LOC(20, 5));
	add(&r[0], "rel\0data", 9);
	/* Empty at the end of the record, where the one before had something */
	add_u32(&r[1], DYN_LOC(4, 0));
	add_u32(&r[1], DYN_LOC(16, 0));

	ASSERT_OK(declare(self->fd, self->value, command));
	if (uev_dynamic(PROBE " r=$rel:string d=$data:string"))
		SKIP(return, "kernel without event probes");
	EXPECT_OK(uev_put("events/uev_probes/td_probe/enable", "1"));
	EXPECT_EQ(0, uev_in_child(write_as_nobody, &w));
	shown = uev_trace_of("trace", "td_probe");
	EXPECT_NE(NULL, strstr(shown, " r=\"rel\" d=\"data\"\n"))
		TH_LOG("%s", shown);
	EXPECT_NE(NULL, strstr(shown, " r=\"\" d=\"\"\n")) TH_LOG("%s", shown);
	free(shown);
	EXPECT_OK(uev_put("events/uev_probes/td_probe/enable", "0"));
	EXPECT_OK(uev_dynamic("-:uev_probes/td_probe"));
}

/* What follows a full array, or a struct, in the record is not its own. */
TEST_F(uev, arrays_in_event_probes)
{
	static const char command[] =
		"td_probed char[4] a;char[4] b;struct three c 3;u8 d";
	struct record r[2] = { };
	struct writer w = {
		.command = command, .records = r, .nr_records = 2,
	};
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	static const char three[] = " c=0x30201\n";
#else
	static const char three[] = " c=0x102030000000000\n";
#endif
	char *shown;

	add(&r[0], "ABCDEFG\0\1\2\3\4", 12);
	add(&r[1], "AB\0DEFGHIJKL", 12);
	ASSERT_OK(declare(self->fd, self->value, command));
	if (uev_dynamic(PROBE " a=$a:string b=$b:string"
			" a1=+1($a):string b3=+3($b):string c=$c:x64"))
		SKIP(return, "kernel without event probes");
	EXPECT_OK(uev_put("events/uev_probes/td_probe/enable", "1"));
	EXPECT_EQ(0, uev_in_child(write_as_nobody, &w));
	shown = uev_trace_of("trace", "td_probe");
	EXPECT_NE(NULL, strstr(shown, " a=\"ABCD\" b=\"EFG\" a1=\"BCD\" b3=\"\""))
		TH_LOG("%s", shown);
	EXPECT_NE(NULL, strstr(shown, " a=\"AB\" b=\"EFGH\" a1=\"B\" b3=\"H\""))
		TH_LOG("%s", shown);
	if (sizeof(long) == 8)
		EXPECT_NE(NULL, strstr(shown, three)) TH_LOG("%s", shown);
	free(shown);
	EXPECT_OK(uev_put("events/uev_probes/td_probe/enable", "0"));
	EXPECT_OK(uev_dynamic("-:uev_probes/td_probe"));
}

TEST_F(uev, empty_strings_in_histograms)
{
	static const char command[] =
		"td_hist u32 n;__rel_loc char[] first;__rel_loc char[] second";
	static const char hist[] = "hist:keys=n:m=n:onmax($m).save(first)";
	static const char gone[] = "!hist:keys=n:m=n:onmax($m).save(first)";
	struct record r[2] = { };
	struct writer w = {
		.command = command, .records = r, .nr_records = 2,
	};
	char *text;

	add_u32(&r[0], 1);
	add_u32(&r[0], DYN_LOC(4 + 7, 3));
	add_u32(&r[0], DYN_LOC(0, 7));
	add(&r[0], "SECRET\0no", 10);
	add_u32(&r[1], 2);
	add_u32(&r[1], DYN_LOC(4, 0));
	add_u32(&r[1], DYN_LOC(0, 0));

	ASSERT_OK(declare(self->fd, self->value, command));
	/* With a filter, all records pass through the same buffer of the CPU. */
	ASSERT_OK(uev_event_put("td_hist", "filter", "n > 100"));
	uev_stay_on_cpu(0);
	if (uev_event_put("td_hist", "trigger", hist))
		SKIP(return, "kernel without histograms");
	ASSERT_EQ(0, uev_in_child(write_as_nobody, &w));
	text = uev_event_get("td_hist", "hist");
	EXPECT_NE(NULL, strstr(text, "first: no")) TH_LOG("%s", text);
	EXPECT_EQ(NULL, strstr(text, "SECRET")) TH_LOG("%s", text);
	EXPECT_EQ(2, uev_count(text, "first: ")) TH_LOG("%s", text);
	free(text);
	EXPECT_OK(uev_event_put("td_hist", "trigger", gone));
}

/* Deletes @event, and another event after it. */
static bool go(int *fd, __u32 *value, const char *event)
{
	char other[64];

	snprintf(other, sizeof(other), "%s_more u32 n", event);
	if (uev_enable(event, false) || uev_unreg(*fd, value, 0) ||
	    uev_reg(*fd, value, 0, 4, 0, other, NULL) ||
	    uev_unreg(*fd, value, 0))
		return false;
	close(*fd);
	*fd = uev_open();
	*strchr(other, ' ') = '\0';
	return uev_wait_for(!uev_alive(event) && !uev_alive(other));
}

/*
 * Records of a deleted event that are on the page that trace_pipe is reading: writers
 * no longer reach that page, so the event's type number must stay in use.
 */
TEST_F(uev, type_number_of_records_that_are_being_read)
{
	const int more_than_a_page = 3 * uev_page_size() / 16;
	struct record *some = calloc(more_than_a_page, sizeof(*some));
	struct record more = { .size = 1000 };
	struct writer w = {
		.command = "td_old u32 n", .records = some, .nr_records = more_than_a_page,
	};
	int pipe, id, i, round, fills, other = uev_open();
	char buf[4096], *shown;
	__u32 index;

	/* Few pages, which are soon written anew; that page has no other records */
	snprintf(buf, sizeof(buf), "%zu", 4 * uev_page_size() / 1024);
	ASSERT_OK(uev_put("buffer_size_kb", buf));
	fills = uev_page_size() / 500;
	uev_stay_on_cpu(0);
	uev_trace_clear();
	ASSERT_OK(declare(self->fd, self->value, w.command));
	id = uev_event_id("td_old");
	for (i = 0; i < more_than_a_page; i++)
		some[i].size = 4;
	ASSERT_EQ(0, uev_in_child(write_as_nobody, &w));
	/* Reading one byte takes one record off the page. */
	pipe = open(TRACEFS "trace_pipe", O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, pipe);
	ASSERT_EQ(1, read(pipe, buf, 1));

	/* Let the kernel look at this page when the event goes, and later. */
	ASSERT_OK(uev_reg(other, self->value + 1, 0, 4, 0, "td_fill u32 n",
			  &index));
	ASSERT_OK(uev_enable("td_fill", true));
	ASSERT_TRUE(go(&self->fd, self->value, "td_old"));
	for (round = 0; round < 2; round++) {
		sleep(1);
		ASSERT_OK(declare(self->fd, self->value, "td_next u32 n"));
		ASSERT_TRUE(go(&self->fd, self->value, "td_next"));
	}
	for (round = 0; round < 4; round++) {
		sleep(1);
		for (i = 0; i < 4 * fills; i++)
			ASSERT_EQ(1004, uev_emit(other, index, more.data, 1000));
		ASSERT_OK(declare(self->fd, self->value, "td_next u32 n"));
		EXPECT_NE(id, uev_event_id("td_next")) TH_LOG("round %d", round);
		ASSERT_TRUE(go(&self->fd, self->value, "td_next"));
	}
	close(pipe);
	shown = lines_of(true, "td_old");
	EXPECT_LE(uev_page_size() / 40, uev_count(shown, "n=0\n"));
	EXPECT_LE(uev_count(shown, "n=0\n"), uev_page_size() / 16);
	free(shown);
	ASSERT_OK(uev_put("buffer_size_kb", "1408"));
	free(some);
	close(other);
}

/* Writes records of the event at index 0 until it is told to end */
static int swap_buffers(void *arg)
{
	struct { __u32 index, n; } record = { };
	__u32 *quit = arg;
	int fd = quit[1];

	/* This file will have the event that is deleted */
	close(quit[2]);
	uev_become_nobody();
	while (!UEV_READ(*quit)) {
		if (write(fd, &record, sizeof(record)) != sizeof(record))
			return 1;
	}
	return 0;
}

/*
 * Records of a deleted event in a buffer that a program swaps with that of the snapshot,
 * again and again: its type number must stay in use, and they must be shown.
 */
TEST_F(uev, type_number_of_records_that_are_swapped)
{
	static const char trigger[] = "snapshot";
	struct record some = { .size = 4 };
	struct writer w = {
		.command = "td_old u32 n", .records = &some, .nr_records = 1,
	};
	__u32 *quit = uev_shared(uev_page_size());
	int rounds = uev_rounds(500), i, nr, fd = uev_open();
	char *shown;
	pid_t pid;

	ASSERT_OK(uev_reg(fd, self->value + 1, 0, 4, 0, "td_swap u32 n", NULL));
	if (uev_event_put("td_swap", "trigger", trigger))
		SKIP(return, "kernel without snapshots");
	quit[1] = fd;
	quit[2] = self->fd;
	/* Empties that of the snapshot */
	ASSERT_OK(uev_put("snapshot", "2"));
	uev_trace_clear();
	pid = uev_fork(swap_buffers, quit);
	ASSERT_OK(declare(self->fd, self->value, w.command));
	ASSERT_EQ(0, uev_in_child(write_as_nobody, &w));
	ASSERT_TRUE(go(&self->fd, self->value, "td_old"));
	sleep(1);
	/* With each one that goes, the kernel looks whether the number can be given up. */
	for (i = 0; i < rounds; i++) {
		ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, "td_next u32 n", NULL));
		ASSERT_OK(uev_unreg(self->fd, self->value, 0));
		close(self->fd);
		self->fd = uev_open();
	}
	UEV_WRITE(*quit, 1);
	EXPECT_EQ(0, uev_join(pid));
	shown = uev_trace_of("trace", "td_old");
	nr = uev_count(shown, "n=0");
	free(shown);
	shown = uev_trace_of("snapshot", "td_old");
	nr += uev_count(shown, "n=0");
	free(shown);
	EXPECT_EQ(1, nr);
	EXPECT_OK(uev_event_put("td_swap", "trigger", "!snapshot"));
	/* It can have that record, and keeps its event then */
	EXPECT_OK(uev_put("snapshot", "0"));
	EXPECT_OK(uev_unreg(fd, self->value + 1, 0));
	close(fd);
}

struct reader {
	int fd;		/* of user_events_data, not for this process */
	int *bad;	/* becomes 1 when a record is shown without fields */
};

/* Reads "trace" again and again */
static int __attribute__((noreturn)) reads_fields(void *arg)
{
	struct reader *reader = arg;
	char *text;

	close(reader->fd);
	for (;;) {
		text = uev_get("trace");
		if (strstr(text, "No fields found"))
			UEV_WRITE(*reader->bad, 1);
		free(text);
	}
}

/* Records are shown by the fields of their event while it goes */
TEST_F(uev, fields_of_an_event_that_goes)
{
	static const char command[] =
		"td_goes u64 a;u64 b;u64 c;u64 d;u64 e;u64 f;u64 g;u64 h";
	int rounds = uev_rounds(200), round, i, index;
	static const char zeroes[64];
	struct reader reader = { self->fd, uev_shared(sizeof(int)) };
	pid_t pid;

	if (uev_put("options/fields", "1"))
		SKIP(return, "kernel that shows no record by its fields");
	pid = uev_fork(reads_fields, &reader);
	ASSERT_LT(0, pid);
	for (round = 0; round < rounds && !UEV_READ(*reader.bad); round++) {
		index = uev_reg_index(self->fd, self->value, command);
		ASSERT_LE(0, index);
		ASSERT_OK(uev_enable("td_goes", true));
		for (i = 0; i < 50; i++)
			ASSERT_EQ(68, uev_emit(self->fd, index, zeroes, 64));
		ASSERT_OK(uev_enable("td_goes", false));
		ASSERT_OK(uev_unreg(self->fd, self->value, 0));
		close(self->fd);
		self->fd = uev_open();
		ASSERT_TRUE(uev_wait_for(!uev_alive("td_goes")));
		if (round % 20 == 19)
			uev_trace_clear();
	}
	EXPECT_EQ(0, UEV_READ(*reader.bad)) TH_LOG("in round %d", round);
	kill(pid, SIGKILL);
	uev_join(pid);
	uev_put("options/fields", "0");
}

/* A CPU that is offline keeps no records that another clock makes look new */
TEST_F(uev, type_number_of_records_of_an_offline_cpu)
{
	static const char online[] = "/sys/devices/system/cpu/cpu1/online";
	struct record some = { .size = 4 };
	struct writer w = {
		.command = "td_old u32 n", .records = &some, .nr_records = 1,
	};
	char *clocks = uev_get("trace_clock"), *clock, *shown;
	int round;

	if (access(online, W_OK))
		SKIP(return, "CPUs stay online");
	clock = strchr(clocks, '[');
	ASSERT_NE(NULL, clock);
	*strchr(clock++, ']') = '\0';
	uev_stay_on_cpu(1);
	ASSERT_OK(declare(self->fd, self->value, w.command));
	ASSERT_EQ(0, uev_in_child(write_as_nobody, &w));
	ASSERT_OK(uev_enable("td_old", false));
	uev_stay_on_cpu(0);
	shown = uev_trace_of("trace", "td_old");
	ASSERT_STREQ("n=0\n", shown);
	free(shown);
	ASSERT_OK(uev_put(online, "0"));
	/* Its time stamps are small numbers. From here on nothing ends the test early. */
	EXPECT_OK(uev_put("trace_clock", "counter"));
	shown = uev_trace_of("trace", "td_old");
	EXPECT_STREQ("", shown);
	free(shown);
	EXPECT_TRUE(go(&self->fd, self->value, "td_old"));
	for (round = 0; round < 4; round++) {
		/* The kernel looks for records a second after the last listener. */
		usleep(1200000);
		EXPECT_OK(declare(self->fd, self->value, "td_next u32 n"));
		shown = uev_trace_of("trace", "td_next");
		EXPECT_STREQ("", shown);
		free(shown);
		EXPECT_TRUE(go(&self->fd, self->value, "td_next"));
	}
	EXPECT_OK(uev_put(online, "1"));
	EXPECT_OK(uev_put("trace_clock", clock));
	free(clocks);
}

TEST_HARNESS_MAIN
