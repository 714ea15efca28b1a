// SPDX-License-Identifier: GPL-2.0
/*
 * user-events emit: a record from a script.
 */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user-events.h"
#include "../../lib/user_events/libuser_event.h"

/* A record while it grows: its fields, and the data that dynamic fields point to */
static unsigned char fixed[65536], dynamic[65536];
static size_t nr_fixed, nr_dynamic;
/* The dynamic fields: their offsets in fixed[], and the data's in dynamic[] */
static struct {
	size_t at, data, size;
	bool relative;
} locs[64];
static int nr_locs;

/* The bytes of a number; 0 if it is none */
size_t ue_type_size(const char *type)
{
	static const struct {
		const char *type;
		size_t size;
	} sizes[] = {
		{ "u8", 1 }, { "s8", 1 }, { "u16", 2 }, { "s16", 2 }, { "u32", 4 },
		{ "s32", 4 }, { "u64", 8 }, { "s64", 8 }, { "char", 1 },
		{ "unsigned char", 1 }, { "short", 2 }, { "unsigned short", 2 },
		{ "int", 4 }, { "unsigned int", 4 },
	};
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		if (!strcmp(sizes[i].type, type))
			return sizes[i].size;
	}
	return 0;
}

/* Read the number of @size bytes that a field of @type takes; why it cannot be, or NULL */
static const char *parse_number(const char *type, size_t size, const char *value,
				uint64_t *number)
{
	bool negative = *value == '-';
	/* Bits that a longer number has in addition */
	int unused = 64 - 8 * size;
	int64_t with_sign;
	char *end;

	/* strtoll() would skip blanks and take a "+" */
	if (!isdigit((unsigned char)value[negative]))
		return "is no number";
	errno = 0;
	if (*type == 'u') {
		*number = strtoull(value, &end, 0);
		if (*end)
			return "is no number";
		return errno || negative || *number > UINT64_MAX >> unused ? "does not fit" : NULL;
	}
	with_sign = strtoll(value, &end, 0);
	*number = with_sign;
	if (*end)
		return "is no number";
	return errno || with_sign > INT64_MAX >> unused || with_sign < INT64_MIN >> unused ?
		"does not fit" : NULL;
}

/* Room for @size more bytes in fixed[], NULL if there is none */
static unsigned char *extend(size_t size)
{
	unsigned char *room = fixed + nr_fixed;

	if (size > sizeof(fixed) - nr_fixed)
		return NULL;
	nr_fixed += size;
	return room;
}

/* Append the value of a field of @type; why it cannot be, or NULL */
static const char *append(const char *type, const char *value)
{
	size_t size = ue_type_size(type), len = strlen(value);
	const char *bracket = strchr(type, '['), *why;
	unsigned char *room;
	uint64_t number;

	if (size) {
		why = parse_number(type, size, value, &number);
		if (why)
			return why;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		number <<= 64 - 8 * size;
#endif
		room = extend(size);
		if (!room)
			return "makes the record too long";
		memcpy(room, &number, size);
		return NULL;
	}
	if (strstr(type, "_loc ") && strstr(type, "char")) {
		room = extend(4);
		if (!room || len >= sizeof(dynamic) - nr_dynamic || nr_locs == 64)
			return "makes the record too long";
		/* The offset is known when all fields are */
		locs[nr_locs].at = room - fixed;
		locs[nr_locs].data = nr_dynamic;
		locs[nr_locs].size = len + 1;
		locs[nr_locs++].relative = !strncmp(type, "__rel", 5);
		memcpy(dynamic + nr_dynamic, value, len + 1);
		nr_dynamic += len + 1;
		return NULL;
	}
	size = bracket ? strtoul(bracket + 1, NULL, 0) : 0;
	if (!size || size > 1024)
		return "is of a type that emit does not know";
	if (len > size)
		return "is too long";
	room = extend(size);
	if (!room)
		return "makes the record too long";
	memset(room, 0, size);
	memcpy(room, value, len);
	return NULL;
}

/* What the kernel takes for blanks */
#define BLANKS " \t\n\v\f\r"

/* Put single blanks between the words of a field, and none around them */
static void single_blanks(char *field)
{
	char *from = field, *to = field;
	size_t len;

	for (;;) {
		from += strspn(from, BLANKS);
		len = strcspn(from, BLANKS);
		if (!len)
			break;
		if (to > field)
			*to++ = ' ';
		memmove(to, from, len);
		to += len;
		from += len;
	}
	*to = '\0';
}

/* Lay out a record of @command with these values; false after a message */
static bool layout(const char *command, char **values)
{
	const char *event = command + strspn(command, BLANKS), *why;
	char *copy = ue_text("%s", event + strcspn(event, BLANKS)), *rest = copy, *field, *name;
	int i, nr;

	for (nr = 0; (field = strsep(&rest, ";")); ) {
		single_blanks(field);
		if (!*field)
			continue;
		name = strrchr(field, ' ');
		if (!name) {
			ue_error("\"%s\" is no field: TYPE NAME", field);
			return false;
		}
		*name++ = '\0';
		if (!*values) {
			ue_error("no value for the field %s", name);
			return false;
		}
		why = append(field, *values);
		if (why) {
			ue_error("%s: \"%s\" %s", name, *values, why);
			return false;
		}
		values++;
		nr++;
	}
	free(copy);
	if (*values) {
		ue_error("too many values: %.*s has %d field%s", (int)strcspn(event, BLANKS),
			 event, nr, nr == 1 ? "" : "s");
		return false;
	}
	/* A location has 16 bits for an offset, which may count the 8 bytes before the fields */
	if (nr_fixed + nr_dynamic + 8 > UINT16_MAX) {
		ue_error("the record is too long");
		return false;
	}
	for (i = 0; i < nr_locs; i++) {
		/* Counted from the end of the field, or from the start of the record */
		uint32_t loc = locs[i].size << 16 |
			(locs[i].relative ? nr_fixed + locs[i].data - locs[i].at - 4 :
					    nr_fixed + locs[i].data + 8);

		memcpy(fixed + locs[i].at, &loc, 4);
	}
	memcpy(fixed + nr_fixed, dynamic, nr_dynamic);
	return true;
}

static bool is_on(const struct user_event *event)
{
	return __atomic_load_n(user_event_word(event), __ATOMIC_RELAXED);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

int ue_emit(int argc, char **argv)
{
	const struct timespec nap = { 0, 10000000 };
	double wait = 0, begin;
	long count = 1, written;
	struct user_event *event;
	int option, error = 0, options = 0;
	const char *why;
	bool no_listener;

	while ((option = ue_option(argc, argv, "+:n:w:m")) != -1) {
		switch (option) {
		case 'n':
			if (!ue_number(option, optarg, &count))
				return UE_USAGE;
			break;
		case 'w':
			if (!ue_seconds(option, optarg, 0, &wait))
				return UE_USAGE;
			break;
		case 'm':
			options = 2;
			break;
		default:
			return UE_USAGE;
		}
	}
	argv += optind - 1;
	if (!*argv) {
		ue_error("emit what? user-events emit 'NAME FIELDS' VALUE...");
		return UE_USAGE;
	}
	if (!layout(argv[0], argv + 1))
		return UE_USAGE;
	event = user_event_new(argv[0], options);
	if (!event)
		return UE_FAILED;
	if (strncmp(user_event_reason(event), "nobody", 6) && !*user_event_word(event)) {
		ue_error("%s", user_event_reason(event));
		return UE_FAILED;
	}
	for (begin = seconds(); seconds() - begin < wait && !is_on(event);)
		nanosleep(&nap, NULL);
	for (written = 0; written < count && is_on(event); written++) {
		error = user_event_write(event, fixed, nr_fixed + nr_dynamic);
		if (error)
			break;
	}
	user_event_free(event);
	if (written == count)
		return UE_OK;
	no_listener = !error || error == EBADF;
	why = no_listener ? "nothing listens any more" : strerror(error);
	if (written)
		ue_error("%s: %ld of %ld records were written", why, written, count);
	else if (!no_listener)
		ue_error("%s", why);
	return no_listener ? UE_NOTHING : UE_FAILED;
}
