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

void ue_output_init(const char *color)
{
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

/* One object on one line, so that a stream of them can be read line by line */
void ue_json_print(json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(stdout);
	json_object_put(object);
}

void ue_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("user-events: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}
