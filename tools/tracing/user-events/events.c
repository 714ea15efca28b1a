// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel's files say about user events. Files that a kernel does not have are
 * left out.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user-events.h"

static void *check(void *memory)
{
	if (!memory) {
		ue_error("no memory");
		exit(UE_FAILED);
	}
	return memory;
}

static char *copy(const char *text)
{
	return check(strdup(text));
}

static char *print(const char *format, const char *a, const char *b)
{
	char *text;

	if (asprintf(&text, format, a, b) < 0)
		text = NULL;
	return check(text);
}

/* The path of a file of tracefs; NULL if that is not mounted */
char *ue_path(const char *file)
{
	const char *dir = tracefs_tracing_dir();

	return dir ? print("%s/%s", dir, file) : NULL;
}

/* The content of a file of tracefs; NULL if there is none or it may not be read */
char *ue_read(const char *file)
{
	return tracefs_instance_file_read(NULL, file, NULL);
}

/* Is there anything to look at? Says so if not. */
bool ue_ready(void)
{
	char *path = ue_path("user_events_status");
	bool ready = path && !access(path, R_OK);

	if (!ready)
		ue_error("%s: try user-events doctor", !path ? "tracefs is not mounted" :
			 access(path, F_OK) ? "there are no user events for this user" :
			 "no permission to read user_events_status");
	free(path);
	return ready;
}

/* The names of all groups but the default one */
char **ue_groups(int *nr)
{
	char *path = ue_path("user_events_groups"), **names = NULL;
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;

	*nr = 0;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "control"))
			continue;
		names = check(realloc(names, (*nr + 1) * sizeof(*names)));
		names[(*nr)++] = copy(entry->d_name);
	}
	if (dir)
		closedir(dir);
	free(path);
	return names;
}

/* A file of a group */
static char *group_read(const char *group, const char *name)
{
	char *file, *text;

	if (!*group)
		return ue_read(name);
	file = print("user_events_groups/%s/%s", group, name);
	text = ue_read(file);
	free(file);
	return text;
}

static struct event *find(struct events *events, const char *group, const char *name)
{
	int i;

	for (i = 0; i < events->nr; i++) {
		if (!strcmp(events->events[i].group, group) &&
		    !strcmp(events->events[i].name, name))
			return &events->events[i];
	}
	return NULL;
}

/* "NAME" or "NAME # Used by ftrace perf", an empty line, a summary */
static void read_status(struct events *events, const char *group)
{
	char *text = group_read(group, "user_events_status"), *rest = text, *line, *used;
	const char *suffix;
	struct event *event;

	while (text && (line = strsep(&rest, "\n")) && *line) {
		used = strstr(line, " # Used by ");
		if (used)
			*used = '\0';
		/* A name with a dot may be multi-format: look for its directory */
		events->events = check(realloc(events->events,
					       (events->nr + 1) * sizeof(*event)));
		event = &events->events[events->nr++];
		memset(event, 0, sizeof(*event));
		event->group = copy(group);
		event->name = copy(line);
		event->listeners = copy(used ? used + strlen(" # Used by ") : "");
		event->fields = copy("");
		event->losses = copy("");
		event->system = print(*group ? "user_events_%s%s" : "user_events%s%s", group, "");
		suffix = strrchr(line, '.');
		if (suffix) {
			char *multi = print("%s_multi%s", event->system, "");
			char *dir = check(malloc(strlen(multi) + strlen(line) + 16));

			sprintf(dir, "events/%s/%s", multi, line);
			if (tracefs_dir_exists(NULL, dir)) {
				free(event->system);
				event->system = multi;
				multi = NULL;
			}
			free(multi);
			free(dir);
		}
	}
	free(text);
}

/* "u:[SYSTEM/]NAME FIELDS" */
static void read_fields(struct events *events)
{
	char *text = ue_read("dynamic_events"), *rest = text, *line, *name, *fields;
	int i;

	while (text && (line = strsep(&rest, "\n"))) {
		if (strncmp(line, "u:", 2))
			continue;
		name = line + 2;
		fields = strchr(name, ' ');
		if (!fields)
			continue;
		*fields++ = '\0';
		for (i = 0; i < events->nr; i++) {
			struct event *event = &events->events[i];
			char *full = print("%s/%s", event->system, event->name);

			if (!strcmp(name, *event->group ? full : event->name)) {
				free(event->fields);
				event->fields = copy(fields);
			}
			free(full);
		}
	}
	free(text);
}

/* The last number of NSpid: is the PID in the innermost namespace */
static int pid_inside(int pid)
{
	char path[64], line[256], *last;
	int inside = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		last = strrchr(line, '\t');
		if (!strncmp(line, "NSpid:", 6) && last)
			inside = atoi(last);
	}
	if (file)
		fclose(file);
	return inside == pid ? 0 : inside;
}

static struct program *program_of(struct event *event, int pid, const char *comm)
{
	struct program *program;
	char path[64];
	ssize_t len;
	int i;

	for (i = 0; i < event->nr_programs; i++) {
		if (event->programs[i].pid == pid)
			return &event->programs[i];
	}
	event->programs = check(realloc(event->programs,
					(event->nr_programs + 1) * sizeof(*program)));
	program = &event->programs[event->nr_programs++];
	memset(program, 0, sizeof(*program));
	program->pid = pid;
	program->inside = pid_inside(pid);
	snprintf(program->comm, sizeof(program->comm), "%s", comm);
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	len = readlink(path, program->exe, sizeof(program->exe) - 1);
	program->exe[len > 0 ? len : 0] = '\0';
	return program;
}

/* "event pid address size bit wanted state comm" */
static void read_enablers(struct events *events, const char *group)
{
	char *text = group_read(group, "user_events_enablers"), *rest = text, *line;
	char name[256], state[16], comm[64];
	struct program *program;
	struct event *event;
	int pid;

	while (text && (line = strsep(&rest, "\n"))) {
		if (*line == '#' ||
		    sscanf(line, "%255s %d %*s %*s %*s %*s %15s %63[^\n]", name, &pid,
			   state, comm) != 4)
			continue;
		event = find(events, group, name);
		if (!event)
			continue;
		program = program_of(event, pid, comm);
		program->bits++;
		if (strcmp(state, "ok") && strcmp(state, "repair") &&
		    strcmp(state, "absent") && strcmp(state, "locked")) {
			program->wrong++;
			snprintf(program->state, sizeof(program->state), "%s", state);
		}
	}
	free(text);
}

/* "NAME full=N off=N size=N data=N" */
static void read_losses(struct events *events, const char *group)
{
	char *text = group_read(group, "user_events_losses"), *rest = text, *line, *counts;
	struct event *event;

	while (text && (line = strsep(&rest, "\n"))) {
		counts = strchr(line, ' ');
		if (!counts)
			continue;
		*counts++ = '\0';
		event = find(events, group, line);
		if (!event)
			continue;
		free(event->losses);
		event->losses = copy(counts);
	}
	free(text);
}

/* All there is to know about all events */
void ue_events_read(struct events *events)
{
	char **groups;
	int nr, i;

	memset(events, 0, sizeof(*events));
	events->kernel.losses = tracefs_file_exists(NULL, "user_events_losses");
	events->kernel.enablers = tracefs_file_exists(NULL, "user_events_enablers");
	events->kernel.groups = tracefs_file_exists(NULL, "user_events_groups/control");

	read_status(events, "");
	groups = ue_groups(&nr);
	for (i = 0; i < nr; i++)
		read_status(events, groups[i]);
	read_fields(events);
	read_enablers(events, "");
	read_losses(events, "");
	for (i = 0; i < nr; i++) {
		read_enablers(events, groups[i]);
		read_losses(events, groups[i]);
		free(groups[i]);
	}
	free(groups);
}

void ue_events_free(struct events *events)
{
	int i;

	for (i = 0; i < events->nr; i++) {
		struct event *event = &events->events[i];

		free(event->group);
		free(event->system);
		free(event->name);
		free(event->fields);
		free(event->listeners);
		free(event->losses);
		free(event->programs);
	}
	free(events->events);
}

/* Is it one of @patterns, "NAME" or "SYSTEM:NAME" with * and ?, or are there none */
bool ue_matches(const struct event *event, char **patterns)
{
	char *full;
	bool match = !*patterns;

	full = print("%s:%s", event->system, event->name);
	for (; *patterns && !match; patterns++)
		match = !fnmatch(*patterns, strchr(*patterns, ':') ? full : event->name, 0);
	free(full);
	return match;
}

/* Say which files this kernel lacks */
void ue_lacks(const struct kernel *kernel)
{
	if (kernel->losses && kernel->enablers && kernel->groups)
		return;
	fprintf(stderr, "(this kernel has no%s%s%s)\n",
		kernel->enablers ? "" : " user_events_enablers",
		kernel->losses ? "" : " user_events_losses",
		kernel->groups ? "" : " user_events_groups");
}
