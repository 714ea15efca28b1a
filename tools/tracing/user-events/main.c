// SPDX-License-Identifier: GPL-2.0
/*
 * user-events: options that all subcommands have, and which one it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user-events.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *arguments;
	const char *help;
} commands[] = {
	{ "list", ue_list, "[EVENT...]", "events, programs, listeners, losses" },
	{ "watch", ue_watch, "[-f FILTER] [-n N] EVENT...", "records as they come" },
	{ "stat", ue_stat, "[-i SECONDS] [-n N] [EVENT...]", "how many records, and losses" },
	{ "emit", ue_emit, "[-n N] [-w SECONDS] [-m] 'NAME FIELDS' VALUE...", "write a record" },
	{ "record", ue_record, "[-t] [EVENT...] [-- ARG...]", "run perf record, or trace-cmd" },
	{ "group", ue_group, "list|add|limit|delegate|remove ...", "groups of events" },
	{ "doctor", ue_doctor, "", "what is in the way, and what mends it" },
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

int main(int argc, char **argv)
{
	const char *color = NULL;
	size_t i;

	for (argv++, argc--; argc && !strncmp(*argv, "--", 2); argv++, argc--) {
		if (!strcmp(*argv, "--json"))
			ue_json = true;
		else if (!strncmp(*argv, "--color=", 8))
			color = *argv + 8;
		else if (!strcmp(*argv, "--help"))
			return usage(stdout);
		else
			return usage(stderr);
	}
	ue_output_init(color);
	for (i = 0; argc && i < NR_COMMANDS; i++) {
		if (!strcmp(*argv, commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	}
	if (argc && !strcmp(*argv, "help"))
		return usage(stdout);
	return usage(stderr);
}
