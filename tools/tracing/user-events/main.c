// SPDX-License-Identifier: GPL-2.0
/*
 * user-events: options that all subcommands have, and which one it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user-events.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *arguments;
	const char *help;
	bool json;
} commands[] = {
	{ "list", ue_list, "[EVENT...]", "events, programs, listeners, losses", true },
	{ "watch", ue_watch, "[-f FILTER] [-n N] EVENT...", "records as they come", true },
	{ "stat", ue_stat, "[-i SECONDS] [-n N] [EVENT...]", "how many records, and losses", true },
	{ "emit", ue_emit, "[-n N] [-w SECONDS] [-m] 'NAME FIELDS' VALUE...", "write a record",
	  false },
	{ "record", ue_record, "[-t] [EVENT...] [-- ARG...]", "run perf record, or trace-cmd",
	  false },
	{ "group", ue_group, "list|add|limit|delegate|remove ...", "groups of events", true },
	{ "doctor", ue_doctor, "", "what is in the way, and what fixes it", true },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(*commands))

static int usage(FILE *to)
{
	size_t i;

	fprintf(to, "usage: user-events [--json] [--color=always|never] COMMAND ...\n");
	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(to, "  %-6s %-34s%s%s\n", commands[i].name, commands[i].arguments,
			strlen(commands[i].arguments) < 34 ? "" : "\n         ", commands[i].help);
	fprintf(to, "EVENT is NAME or SYSTEM:NAME, with * and ?. See user-events(1).\n");
	return to == stdout ? UE_OK : UE_USAGE;
}

/*
 * getopt() for the arguments of a subcommand, up to the first that is no option. @options
 * begins with "+:". Returns '?' after a message.
 */
int ue_option(int argc, char **argv, const char *options)
{
	/* The subcommand's name, which getopt() takes for the program's */
	char **name = argv - 1, *word = name[optind];
	int option;

	opterr = 0;
	option = getopt(argc + 1, name, options);
	if (option == ':') {
		ue_error("%s: %s takes an argument", *name, word);
		return '?';
	}
	if (option == '?')
		ue_error("%s has no option %s%s", *name, word, strncmp(word, "--", 2) ? "" :
			 ": --json, --color and --help stand before the subcommand");
	return option;
}

/* A number from 1 on, the argument of @option; false after a message */
bool ue_number(int option, const char *text, long *number)
{
	char *end;

	errno = 0;
	*number = strtol(text, &end, 10);
	if (end != text && !*end && !errno && *number > 0)
		return true;
	ue_error("-%c \"%s\": it takes a number from 1 on", option, text);
	return false;
}

/* A number of seconds, at least @min; false after a message */
bool ue_seconds(int option, const char *text, double min, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	/* Not a number is neither more nor less */
	if (end != text && !*end && *seconds >= min && *seconds <= 1e9)
		return true;
	ue_error("-%c \"%s\": it takes a number of seconds, from %g to 1e9", option, text, min);
	return false;
}

static int run(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc && i < NR_COMMANDS; i++) {
		if (strcmp(*argv, commands[i].name))
			continue;
		if (ue_json && !commands[i].json) {
			ue_error("%s does not take --json", *argv);
			return UE_USAGE;
		}
		return commands[i].run(argc - 1, argv + 1);
	}
	if (argc && !strcmp(*argv, "help"))
		return usage(stdout);
	return usage(stderr);
}

int main(int argc, char **argv)
{
	const char *color = NULL;

	for (argv++, argc--; argc && !strncmp(*argv, "--", 2); argv++, argc--) {
		if (!strcmp(*argv, "--json"))
			ue_json = true;
		else if (!strncmp(*argv, "--color=", 8))
			color = *argv + 8;
		else if (!strcmp(*argv, "--help"))
			return ue_output_end(usage(stdout));
		else
			return usage(stderr);
	}
	if (!ue_output_init(color))
		return usage(stderr);
	return ue_output_end(run(argc, argv));
}
