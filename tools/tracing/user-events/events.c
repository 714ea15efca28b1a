// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel's files say about user events. Files that a kernel does not have are
 * left out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <search.h>
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

/* The path of a file of tracefs; NULL if that is not mounted: that is left to the user */
char *ue_path(const char *file)
{
	static const char *dir;

	if (!dir && tracefs_tracing_dir_is_mounted(false, &dir) <= 0)
		dir = NULL;
	return dir ? ue_text("%s/%s", dir, file) : NULL;
}

/* The content of a file of tracefs; NULL, with errno, if it cannot be read */
char *ue_read(const char *file)
{
	char *path = ue_path(file), *text = NULL;
	size_t size = 0, room = 0;
	ssize_t len = -1;
	int fd, error;

	errno = ENOENT;
	fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	while (fd >= 0) {
		if (room - size < 4096) {
			room = 2 * room + 8192;
			text = check(realloc(text, room));
		}
		len = read(fd, text + size, room - size - 1);
		if (len <= 0)
			break;
		size += len;
	}
	error = errno;
	if (fd >= 0)
		close(fd);
	free(path);
	if (len < 0) {
		free(text);
		errno = error;
		return NULL;
	}
	text[size] = '\0';
	return text;
}

/* @file could not be read: say so, but not again each time that the files are read */
static void unreadable(struct events *events, const char *file)
{
	static bool told;

	/* This kernel has none, or its group has just been removed */
	if (errno == ENOENT || errno == ENODEV)
		return;
	if (!told || !events->complete)
		ue_error("%s: %s", file, strerror(errno));
	told = true;
	events->complete = false;
}

static char *try_read(struct events *events, const char *file)
{
	char *text = ue_read(file);

	if (!text)
		unreadable(events, file);
	return text;
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
static char **read_groups(struct events *events, int *nr)
{
	char *path = ue_path("user_events_groups"), **names = NULL;
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;

	*nr = 0;
	if (path && !dir)
		unreadable(events, "user_events_groups");
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
static char *group_read(struct events *events, const char *group, const char *name)
{
	char *file, *text;

	if (!*group)
		return try_read(events, name);
	file = ue_text("user_events_groups/%s/%s", group, name);
	text = try_read(events, file);
	free(file);
	return text;
}

static int compare_events(const void *a, const void *b)
{
	const struct event *one = *(struct event **)a, *other = *(struct event **)b;

	return strcmp(one->group, other->group) ?: strcmp(one->name, other->name);
}

/* Let find() find the events */
static void sort(struct events *events)
{
	int i;

	events->sorted = check(calloc(events->nr + 1, sizeof(*events->sorted)));
	for (i = 0; i < events->nr; i++)
		events->sorted[i] = &events->events[i];
	qsort(events->sorted, events->nr, sizeof(*events->sorted), compare_events);
}

/* NULL also if two events have the name, for which see ue_namesake() */
static struct event *find(const struct events *events, const char *group, const char *name)
{
	struct event event = { .group = (char *)group, .name = (char *)name }, *key = &event;
	struct event **found = bsearch(&key, events->sorted, events->nr, sizeof(key),
				       compare_events);

	return found && !(*found)->namesake ? *found : NULL;
}

static bool has_dir(const char *system, const char *name)
{
	char *dir = ue_text("events/%s/%s", system, name);
	bool has = tracefs_dir_exists(NULL, dir);

	free(dir);
	return has;
}

/* Another event of its group that was read before it and has its name */
static struct event *namesake_of(const struct events *events, const struct event *event)
{
	struct event *other;

	for (other = events->events; other < event; other++) {
		if (!strcmp(other->group, event->group) && !strcmp(other->name, event->name))
			return other;
	}
	return NULL;
}

/*
 * A name with a dot may be that of a multi-format event, whose directory is in another
 * system; or, if there are both directories, of two events.
 */
static void find_system(const struct events *events, struct event *event)
{
	char *multi = ue_text("%s_multi", event->system);
	bool is_multi = has_dir(multi, event->name);
	struct event *other = NULL;

	if (is_multi && has_dir(event->system, event->name)) {
		other = namesake_of(events, event);
		is_multi = other;
	}
	if (is_multi) {
		free(event->system);
		event->system = multi;
	} else {
		free(multi);
	}
	if (!other)
		return;
	other->namesake = true;
	event->namesake = true;
	if (strcmp(other->listeners, event->listeners)) {
		*other->listeners = '\0';
		*event->listeners = '\0';
	}
}

/* "NAME" or "NAME # Used by ftrace perf", an empty line, a summary */
static void read_status(struct events *events, const char *group)
{
	char *text = group_read(events, group, "user_events_status"), *rest = text, *line, *used;
	struct event *event;

	while (text && (line = strsep(&rest, "\n")) && *line) {
		used = strstr(line, " # Used by ");
		if (used)
			*used = '\0';
		events->events = check(realloc(events->events,
					       (events->nr + 1) * sizeof(*event)));
		event = &events->events[events->nr++];
		memset(event, 0, sizeof(*event));
		event->group = copy(group);
		event->name = copy(line);
		event->listeners = copy(used ? used + strlen(" # Used by ") : "");
		event->fields = copy("");
		event->losses = copy("");
		event->system = ue_text("user_events%s%s", *group ? "_" : "", group);
		if (strchr(line, '.'))
			find_system(events, event);
	}
	free(text);
}

/* "u:[SYSTEM/]NAME FIELDS" */
static void read_fields(struct events *events)
{
	char *text = try_read(events, "dynamic_events"), *rest = text, *line, *name, *fields;
	const char *group;
	struct event *event;
	size_t len;

	while (text && (line = strsep(&rest, "\n"))) {
		if (strncmp(line, "u:", 2))
			continue;
		name = line + 2;
		fields = strchr(name, ' ');
		if (!fields)
			continue;
		*fields++ = '\0';
		group = "";
		if (!strncmp(name, "user_events_", 12) && strchr(name, '/')) {
			group = name + 12;
			name = strchr(name, '/');
			*name++ = '\0';
			/* No name of a group ends like this */
			len = strlen(group);
			if (len > 6 && !strcmp(group + len - 6, "_multi"))
				name[-7] = '\0';
		}
		event = find(events, group, name);
		if (!event)
			continue;
		free(event->fields);
		event->fields = copy(fields);
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

static int compare_processes(const void *a, const void *b)
{
	const struct process *one = a, *other = b;

	return (one->pid > other->pid) - (one->pid < other->pid);
}

/* What is read only once for a process, however many events it has registered */
static const struct process *process_of(struct events *events, int pid)
{
	struct process key = { .pid = pid }, **found, *process;
	char path[64], exe[PATH_MAX];
	ssize_t len;

	found = tfind(&key, &events->processes, compare_processes);
	if (found)
		return *found;
	process = check(calloc(1, sizeof(*process)));
	process->pid = pid;
	process->inside = pid_inside(pid);
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	len = readlink(path, exe, sizeof(exe) - 1);
	exe[len > 0 ? len : 0] = '\0';
	process->exe = copy(exe);
	check(tsearch(process, &events->processes, compare_processes));
	return process;
}

static void free_process(void *process)
{
	free(((struct process *)process)->exe);
	free(process);
}

static struct program *program_of(struct events *events, struct event *event, int pid,
				  const char *comm)
{
	struct program *program;
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
	program->inside = process_of(events, pid)->inside;
	program->exe = process_of(events, pid)->exe;
	snprintf(program->comm, sizeof(program->comm), "%s", comm);
	return program;
}

/* Undo how the kernel writes a line feed, "\n", and a backslash, "\\" */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text != '\\' || !text[1])
			*to++ = *text;
		else
			*to++ = *++text == 'n' ? '\n' : *text;
	}
	*to = '\0';
}

/* "event pid address size bit wanted state comm", of which the last may be empty */
static void read_enablers(struct events *events, const char *group)
{
	char *text = group_read(events, group, "user_events_enablers"), *rest = text, *line;
	char name[256], state[16];
	struct program *program;
	struct event *event;
	int pid, at;

	while (text && (line = strsep(&rest, "\n"))) {
		if (*line == '#' ||
		    sscanf(line, "%255s %d %*s %*s %*s %*s %15s%n", name, &pid, state, &at) != 3)
			continue;
		line += at;
		unescape(line);
		event = find(events, group, name);
		if (!event)
			continue;
		program = program_of(events, event, pid, *line ? line + 1 : "");
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
	char *text = group_read(events, group, "user_events_losses"), *rest = text, *line, *counts;
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

/* @all there is to know about all events, or only what watch and stat need each second */
static bool read_files(struct events *events, bool all)
{
	char **groups;
	int nr, i;

	memset(events, 0, sizeof(*events));
	events->complete = true;
	events->kernel.losses = tracefs_file_exists(NULL, "user_events_losses");
	events->kernel.enablers = tracefs_file_exists(NULL, "user_events_enablers");
	events->kernel.groups = tracefs_file_exists(NULL, "user_events_groups/control");

	read_status(events, "");
	groups = read_groups(events, &nr);
	for (i = 0; i < nr; i++)
		read_status(events, groups[i]);
	sort(events);
	if (all) {
		read_fields(events);
		read_enablers(events, "");
	}
	read_losses(events, "");
	for (i = 0; i < nr; i++) {
		if (all)
			read_enablers(events, groups[i]);
		read_losses(events, groups[i]);
		free(groups[i]);
	}
	free(groups);
	return events->complete;
}

/* Returns false, after a message, if a file cannot be read */
bool ue_events_read(struct events *events)
{
	return read_files(events, true);
}

/* The same without the fields and the programs */
bool ue_names_read(struct events *events)
{
	return read_files(events, false);
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
	free(events->sorted);
	tdestroy(events->processes, free_process);
}

/* Does @pattern match it, "NAME" or "SYSTEM:NAME" with * and ? */
static bool matches_one(const struct event *event, const char *pattern)
{
	char *full = ue_text("%s:%s", event->system, event->name);
	bool match = !fnmatch(pattern, strchr(pattern, ':') ? full : event->name, 0);

	free(full);
	return match;
}

/* Does one of @patterns match it, or are there none */
bool ue_matches(const struct event *event, char **patterns)
{
	bool match = !*patterns;

	for (; *patterns && !match; patterns++)
		match = matches_one(event, *patterns);
	return match;
}

/* Does one of @patterns match nothing? Says so of each. */
bool ue_lacks_one(const struct events *events, char **patterns)
{
	bool lacks = false;
	int i;

	for (; *patterns; patterns++) {
		for (i = 0; i < events->nr; i++) {
			if (matches_one(&events->events[i], *patterns))
				break;
		}
		if (i < events->nr)
			continue;
		ue_error("no event is called %s", *patterns);
		lacks = true;
	}
	return lacks;
}

/*
 * Says what is not known of an event, in a text to be freed; NULL if everything is. A
 * single-format and a multi-format event of a group may have the same name, and most files
 * identify an event by that alone.
 */
char *ue_namesake(const struct event *event)
{
	if (!event->namesake)
		return NULL;
	return ue_text("%s:%s has the name of another event: its %s are not known",
		       event->system, event->name, "fields, listeners, programs and losses");
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
