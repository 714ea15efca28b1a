// SPDX-License-Identifier: GPL-2.0
/*
 * user-events list: events, the programs that registered them, listeners, problems.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user-events.h"

static json_object *to_json(const struct event *event)
{
	json_object *object = json_object_new_object(), *programs;
	int i;

	json_object_object_add(object, "system", ue_json_string(event->system));
	json_object_object_add(object, "name", ue_json_string(event->name));
	json_object_object_add(object, "group", ue_json_string(event->group));
	json_object_object_add(object, "fields", ue_json_string(event->fields));
	json_object_object_add(object, "listeners", ue_json_words(event->listeners));
	json_object_object_add(object, "losses", ue_json_counts(event->losses));
	programs = json_object_new_array();
	for (i = 0; i < event->nr_programs; i++) {
		const struct program *p = &event->programs[i];
		json_object *program = json_object_new_object();

		json_object_object_add(program, "pid", json_object_new_int(p->pid));
		if (p->inside)
			json_object_object_add(program, "container_pid",
					       json_object_new_int(p->inside));
		json_object_object_add(program, "comm", ue_json_string(p->comm));
		json_object_object_add(program, "exe", ue_json_string(p->exe));
		json_object_object_add(program, "bits", json_object_new_int(p->bits));
		json_object_object_add(program, "wrong_bits", json_object_new_int(p->wrong));
		if (p->wrong)
			json_object_object_add(program, "state",
					       ue_json_string(p->state));
		json_object_array_add(programs, program);
	}
	json_object_object_add(object, "programs", programs);
	if (event->namesake)
		json_object_object_add(object, "ambiguous", json_object_new_boolean(true));
	return object;
}

/* "COMM[PID]" */
static void print_program(const struct program *program)
{
	ue_print(program->comm);
	printf("[%d]", program->pid);
}

/* Some lines for an event, of up to 80 columns where names let them */
static void for_a_person(const struct event *event)
{
	int i, width;

	fputs(ue_bold(), stdout);
	width = ue_print_name(event);
	fputs(ue_plain(), stdout);
	if (*event->listeners)
		printf("%*s%s", width < 48 ? 48 - width : 2, "", event->listeners);
	printf("\n");
	if (*event->fields) {
		printf("    ");
		ue_print(event->fields);
		printf("\n");
	}
	for (i = 0; i < event->nr_programs; i++) {
		const struct program *p = &event->programs[i];

		printf("    %s", ue_dim());
		print_program(p);
		if (p->inside)
			printf(", %d in its container", p->inside);
		printf("  ");
		ue_print(p->exe);
		printf("%s\n", ue_plain());
		if (p->wrong) {
			printf("    %s! a bit of ", ue_warn());
			print_program(p);
			printf(" is %s%s\n", p->state, ue_plain());
		}
	}
	if (*event->losses)
		printf("    %s! lost: %s%s\n", ue_warn(), event->losses, ue_plain());
}

/* One line, its columns separated by tabs; "-" where there is nothing */
static void for_a_pipe(const struct event *event)
{
	int i;

	ue_print_name(event);
	printf("\t");
	ue_print(*event->fields ? event->fields : "-");
	printf("\t%s\t", *event->listeners ? event->listeners : "-");
	for (i = 0; i < event->nr_programs; i++) {
		if (i)
			printf(" ");
		print_program(&event->programs[i]);
		if (event->programs[i].wrong)
			printf("!%s", event->programs[i].state);
	}
	printf("%s\t%s\n", event->nr_programs ? "" : "-", *event->losses ? event->losses : "-");
}

int ue_list(int argc, char **argv)
{
	json_object *array = json_object_new_array();
	struct events events;
	bool complete, lacking;
	char *why;
	int i;

	if (ue_option(argc, argv, "+:") != -1)
		return UE_USAGE;
	argv += optind - 1;
	if (!ue_ready())
		return UE_FAILED;
	complete = ue_events_read(&events);
	for (i = 0; i < events.nr; i++) {
		if (!ue_matches(&events.events[i], argv))
			continue;
		if (ue_json)
			json_object_array_add(array, to_json(&events.events[i]));
		else if (ue_person)
			for_a_person(&events.events[i]);
		else
			for_a_pipe(&events.events[i]);
		why = ue_namesake(&events.events[i]);
		if (why)
			ue_error("%s", why);
		free(why);
	}
	if (ue_json)
		ue_json_print(array);
	else if (ue_person)
		ue_lacks(&events.kernel);
	lacking = ue_lacks_one(&events, argv);
	ue_events_free(&events);
	if (!complete)
		return UE_FAILED;
	return lacking ? UE_NOTHING : UE_OK;
}
