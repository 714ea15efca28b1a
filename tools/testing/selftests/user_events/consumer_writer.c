// SPDX-License-Identifier: GPL-2.0
/*
 * A program with trace points, for tests that look at it with a tracing tool.
 * It does what the lines on its standard input say, and says what came of it:
 *
 *	event NAME FIELDS	registers an event
 *	emit NAME VALUE...	writes a record, a VALUE for each field
 *	wait NAME		until somebody listens to the event
 *	idle NAME		until nobody does
 *	storm NAME MS VALUE...	as fast as it can, for so long and a thousand times at
 *				least; says how many
 *	sleep MS
 *	echo TEXT
 *
 * A value has no blanks in it; that of a struct is its first bytes.
 * "TIMES*emit" writes the record that often. An integer that is "#" counts the
 * records of an emit or a storm from 0.
 */
#include "uev_util.h"

#define MAX_EVENTS	16
#define MAX_FIELDS	16
#define MAX_RECORD	(1 << 17)	/* more than any listener takes */
#define COMMON_SIZE	8	/* what a __data_loc counts before the payload */

enum kind { NUMBER, FIXED_TEXT, DATA_LOC, REL_LOC };

struct field {
	enum kind kind;
	int size;
};

struct event {
	char name[64];
	__u32 enabled;
	int index;
	int nr_fields, size;
	struct field fields[MAX_FIELDS];
};

static struct event events[MAX_EVENTS];
static int nr_events, data_fd;

#define die(...) do {			\
	printf("error: " __VA_ARGS__);	\
	putchar('\n');			\
	exit(1);			\
} while (0)

static int number_size(const char *type)
{
	static const struct {
		const char *name;
		int size;
	} types[] = {
		{ "s8", 1 }, { "u8", 1 }, { "s16", 2 }, { "u16", 2 },
		{ "s32", 4 }, { "u32", 4 }, { "s64", 8 }, { "u64", 8 },
		{ "char", 1 }, { "short", 2 }, { "int", 4 },
	};
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (!strcmp(type, types[i].name))
			return types[i].size;
	}
	die("no type %s", type);
}

static struct field parse_field(char *text)
{
	struct field field = { NUMBER };
	char type[64];

	text += strspn(text, " ");
	if (!strncmp(text, "unsigned ", 9))
		text += 9;
	if (sscanf(text, " %63s", type) != 1)
		die("no field in \"%s\"", text);
	if (!strcmp(type, "struct")) {
		field.kind = FIXED_TEXT;
		field.size = atoi(strrchr(text, ' '));
	} else if (!strcmp(type, "__data_loc") || !strcmp(type, "__rel_loc")) {
		field.kind = type[2] == 'd' ? DATA_LOC : REL_LOC;
		field.size = 4;
	} else if (sscanf(type, "char[%d]", &field.size) == 1) {
		field.kind = FIXED_TEXT;
	} else {
		field.size = number_size(type);
	}
	return field;
}

static void declare(const char *command)
{
	struct event *event = &events[nr_events++];
	char copy[512], *fields, *one;

	if (nr_events > MAX_EVENTS || sscanf(command, "%63s", event->name) != 1)
		die("too many events, or no name");
	event->index = uev_reg_index(data_fd, &event->enabled, command);
	if (event->index < 0)
		die("register %s: %s", command, strerror(-event->index));

	snprintf(copy, sizeof(copy), "%s", command + strlen(event->name));
	for (fields = copy; (one = strtok_r(NULL, ";", &fields));) {
		if (strspn(one, " ") == strlen(one))
			continue;
		if (event->nr_fields == MAX_FIELDS)
			die("too many fields");
		event->fields[event->nr_fields] = parse_field(one);
		event->size += event->fields[event->nr_fields++].size;
	}
	printf("registered %s\n", event->name);
}

static struct event *find(const char *name)
{
	int i;

	for (i = 0; i < nr_events; i++) {
		if (!strcmp(events[i].name, name))
			return &events[i];
	}
	die("no event %s", name ? name : "is named");
}

/* The value of @number in @size bytes, on either byte order */
static const void *low_bytes(const __u64 *number, int size)
{
	const char *bytes = (const char *)number;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	bytes += sizeof(*number) - size;
#endif
	return bytes;
}

/* The payload of a record; @count is the value of "#". */
static int fill(const struct event *event, char *values, long count,
		char *payload)
{
	int at = 0, end = event->size, i, len;
	const char *value;
	__u64 number;
	__u32 loc;

	memset(payload, 0, event->size);
	for (i = 0; i < event->nr_fields; i++) {
		const struct field *field = &event->fields[i];

		value = strtok_r(NULL, " ", &values);
		if (!value)
			die("%s: too few values", event->name);
		len = strlen(value);
		switch (field->kind) {
		case NUMBER:
			number = *value == '#' ? (__u64)count :
				 *value == '-' ? (__u64)strtoll(value, NULL, 0) :
				 strtoull(value, NULL, 0);
			memcpy(payload + at, low_bytes(&number, field->size),
			       field->size);
			break;
		case FIXED_TEXT:
			memcpy(payload + at, value,
			       len < field->size - 1 ? len : field->size - 1);
			break;
		case DATA_LOC:
		case REL_LOC:
			if (end + len + 1 > MAX_RECORD)
				die("%s: too long", event->name);
			loc = field->kind == DATA_LOC ?
				DYN_LOC(COMMON_SIZE + end, len + 1) :
				DYN_LOC(end - (at + 4), len + 1);
			memcpy(payload + at, &loc, sizeof(loc));
			memcpy(payload + end, value, len + 1);
			end += len + 1;
			break;
		}
		at += field->size;
	}
	return end;
}

static void emit(const char *name, const char *values, long times)
{
	struct event *event = find(name);
	char payload[MAX_RECORD], copy[MAX_RECORD];
	int size, ret;
	long i;

	for (i = 0; i < times; i++) {
		snprintf(copy, sizeof(copy), "%s", values);
		size = fill(event, copy, i, payload);
		ret = uev_emit(data_fd, event->index, payload, size);
		if (ret != size + 4)
			die("%s: record %ld: %s", name, i,
			    ret < 0 ? strerror(-ret) : "short write");
	}
}

static void storm(const char *name, char *values)
{
	__u64 end = uev_now_ms() + atol(strtok_r(NULL, " ", &values));
	struct event *event = find(name);
	char payload[MAX_RECORD], copy[MAX_RECORD];
	int size, ret;
	long count = 0;

	while (uev_now_ms() < end || count < 1000) {
		snprintf(copy, sizeof(copy), "%s", values);
		size = fill(event, copy, count, payload);
		ret = uev_emit(data_fd, event->index, payload, size);
		if (ret != size + 4)
			die("%s: %s", name, strerror(-ret));
		count++;
	}
	printf("%s: %ld records\n", name, count);
}

static void await(const char *name, __u32 wanted)
{
	struct event *event = find(name);

	if (!uev_wait_for(UEV_READ(event->enabled) == wanted))
		die("%s: the bit stays %s", name, wanted ? "clear" : "set");
	printf("%s is %s\n", name, wanted ? "on" : "off");
}

int main(void)
{
	char line[MAX_RECORD], *rest, *verb, *name, *star;
	long times;

	setvbuf(stdout, NULL, _IOLBF, 0);
	data_fd = uev_open();
	if (data_fd < 0)
		die("open " UEV_DATA ": %s", strerror(-data_fd));

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		rest = line + strspn(line, " \t");
		verb = strtok_r(NULL, " ", &rest);
		if (!verb)
			continue;
		if (!strcmp(verb, "event")) {
			declare(rest);
			continue;
		}
		if (!strcmp(verb, "echo")) {
			puts(rest);
			continue;
		}
		times = 1;
		star = strchr(verb, '*');
		if (star) {
			times = atol(verb);
			verb = star + 1;
		}
		name = strtok_r(NULL, " ", &rest);
		if (!strcmp(verb, "emit"))
			emit(name, rest, times);
		else if (!strcmp(verb, "storm"))
			storm(name, rest);
		else if (!strcmp(verb, "wait"))
			await(name, 1);
		else if (!strcmp(verb, "idle"))
			await(name, 0);
		else if (!strcmp(verb, "sleep"))
			usleep(atol(name) * 1000);
		else
			die("no verb %s", verb);
	}
	puts("done");
	return 0;
}
