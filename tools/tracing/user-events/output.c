// SPDX-License-Identifier: GPL-2.0
/*
 * Output: in colour and columns for a person, plain lines for a pipe, or JSON.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user-events.h"

bool ue_json, ue_person;
static bool colors;

/* Returns false if there is no such @color */
bool ue_output_init(const char *color)
{
	if (color && strcmp(color, "always") && strcmp(color, "never"))
		return false;
	ue_person = isatty(STDOUT_FILENO);
	colors = ue_person && !getenv("NO_COLOR");
	if (color && !strcmp(color, "always")) {
		ue_person = true;
		colors = true;
	}
	if (color && !strcmp(color, "never"))
		colors = false;
	if (ue_json) {
		ue_person = false;
		colors = false;
	}
	return true;
}

/* The exit status: @status, or that the output could not be written, after a message */
int ue_output_end(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	ue_error("cannot write the output");
	return UE_FAILED;
}

/* Before a table that replaces the last one */
const char *ue_clear(void)
{
	return colors ? "\033[H\033[J" : "";
}

const char *ue_bold(void)
{
	return colors ? "\033[1m" : "";
}

const char *ue_warn(void)
{
	return colors ? "\033[33m" : "";
}

const char *ue_dim(void)
{
	return colors ? "\033[2m" : "";
}

const char *ue_plain(void)
{
	return colors ? "\033[0m" : "";
}

/* Bytes of the character at @text, 0 if it is not UTF-8 */
static size_t utf8_len(const unsigned char *text, size_t left)
{
	size_t len, i;

	len = *text < 0x80 ? 1 : *text < 0xc2 ? 0 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 :
	      *text < 0xf5 ? 4 : 0;
	if (len > left)
		return 0;
	for (i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Too long for its number, a surrogate, or above U+10ffff */
	if ((*text == 0xe0 && text[1] < 0xa0) || (*text == 0xed && text[1] >= 0xa0) ||
	    (*text == 0xf0 && text[1] < 0x90) || (*text == 0xf4 && text[1] >= 0x90))
		return 0;
	return len;
}

/*
 * Bytes of the control character at @text, which is UTF-8; 0 if it is none: U+0080 to U+009f,
 * and those that reorder or end lines, U+2028 to U+202e and U+2066 to U+2069.
 */
static size_t long_control_len(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	if (c[0] == 0xc2)
		return c[1] < 0xa0 ? 2 : 0;
	if (c[0] != 0xe2)
		return 0;
	return (c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) ||
	       (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9) ? 3 : 0;
}

/* Of one byte: also 0x80 to 0x9f outside of UTF-8, which some terminals obey */
static bool is_control(unsigned char c)
{
	return c < ' ' || (c >= 0x7f && c < 0xa0);
}

static int print_text(FILE *to, const char *text, size_t len)
{
	size_t size, i;
	int width = 0;

	for (; len; len -= size, text += size) {
		size = utf8_len((const unsigned char *)text, len) ?: 1;
		if (size == 1 ? is_control(*text) : long_control_len(text)) {
			for (i = 0; i < size; i++)
				width += fprintf(to, "\\x%02x", (unsigned char)text[i]);
		} else {
			width += fwrite(text, 1, size, to);
		}
	}
	return width;
}

/* Control characters are escaped, as the kernel does: they would forge lines */
void ue_print_text(const char *text, size_t len)
{
	print_text(stdout, text, len);
}

/* The same for a string; returns how many bytes it has printed */
int ue_print(const char *text)
{
	return print_text(stdout, text, strlen(text));
}

/* A JSON string, with "\xff" for a byte that is not UTF-8 */
json_object *ue_json_text(const char *text, size_t len)
{
	json_object *object;
	char *copy, *to;
	size_t valid;

	copy = malloc(4 * len + 1);
	if (!copy)
		return NULL;
	for (to = copy; len; len -= valid, text += valid) {
		valid = utf8_len((const unsigned char *)text, len);
		memcpy(to, text, valid);
		to += valid;
		if (!valid) {
			to += sprintf(to, "\\x%02x", (unsigned char)*text);
			valid = 1;
		}
	}
	object = json_object_new_string_len(copy, to - copy);
	free(copy);
	return object;
}

/* "SYSTEM:NAME", the same */
int ue_print_name(const struct event *event)
{
	return printf("%s:", event->system) + ue_print(event->name);
}

json_object *ue_json_string(const char *text)
{
	return ue_json_text(text, strlen(text));
}

/* "WORD WORD" as an array of strings */
json_object *ue_json_words(const char *text)
{
	json_object *array = json_object_new_array();
	size_t len;

	for (; *text; text += len + (text[len] == ' ')) {
		len = strcspn(text, " ");
		json_object_array_add(array, ue_json_text(text, len));
	}
	return array;
}

/* "NAME=NUMBER NAME=NUMBER" as an object */
json_object *ue_json_counts(const char *text)
{
	json_object *object = json_object_new_object();
	unsigned long long number;
	char name[16];
	int len;

	/* The blank skips any, also none */
	while (sscanf(text, " %15[^=]=%llu%n", name, &number, &len) == 2) {
		json_object_object_add(object, name, json_object_new_uint64(number));
		text += len;
	}
	return object;
}

/* One object on one line, so that a stream of them can be read line by line */
void ue_json_print(json_object *object)
{
	const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE);
	size_t len;

	/* json-c leaves those control characters that JSON allows as they are */
	for (; *text; text++) {
		len = long_control_len(text);
		if (*text == 0x7f)
			fputs("\\u007f", stdout);
		else if (len == 2)
			printf("\\u%04x", (unsigned char)text[1]);
		else if (len)
			printf("\\u20%02x", (text[1] & 1) << 6 | (text[2] & 0x3f));
		else
			putchar(*text);
		text += len ? len - 1 : 0;
	}
	putchar('\n');
	fflush(stdout);
	json_object_put(object);
}

static char *vtext(const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0) {
		fputs("user-events: no memory\n", stderr);
		exit(UE_FAILED);
	}
	return text;
}

/* A text that the caller frees */
char *ue_text(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = vtext(format, args);
	va_end(args);
	return text;
}

void ue_error(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = vtext(format, args);
	va_end(args);
	fputs("user-events: ", stderr);
	print_text(stderr, text, strlen(text));
	fputc('\n', stderr);
	free(text);
}
