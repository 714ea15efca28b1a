// SPDX-License-Identifier: GPL-2.0
/*
 * user-events doctor: what keeps records from coming, and the command that fixes it.
 */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "user-events.h"

static json_object *findings;
static int nr_found, nr_unchecked;

/* Report something that is as it should be. */
static void good(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void good(const char *format, ...)
{
	va_list args;

	if (ue_json)
		return;
	va_start(args, format);
	printf("ok   ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

/* @text as one word for a shell */
static char *quoted(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;
	char *escaped, *to, *word;

	while (isalnum(*c) || (*c && strchr("_.-", *c)))
		c++;
	if (!*c)
		return ue_text("%s", text);
	escaped = malloc(4 * strlen(text) + 1);
	if (!escaped)
		exit(UE_FAILED);
	*escaped = '\0';
	for (c = (const unsigned char *)text, to = escaped; *c; c++) {
		if (*c < ' ' || *c >= 0x7f)
			to += sprintf(to, "\\x%02x", *c);
		else
			to += sprintf(to, strchr("'\\", *c) ? "\\%c" : "%c", *c);
	}
	word = ue_text("$'%s'", escaped);
	free(escaped);
	return word;
}

/* Report a problem, and free its @text; @fix is the command that fixes it, or NULL. */
static void found(const char *fix, char *text)
{
	json_object *object;

	nr_found++;
	if (ue_json) {
		object = json_object_new_object();
		json_object_object_add(object, "finding", ue_json_string(text));
		json_object_object_add(object, "fix", ue_json_string(fix ?: ""));
		json_object_array_add(findings, object);
	} else {
		printf("%s!!   ", ue_warn());
		ue_print(text);
		printf("%s\n", ue_plain());
		if (fix) {
			printf("       %s", ue_bold());
			ue_print(fix);
			printf("%s\n", ue_plain());
		}
	}
	free(text);
}

/* Report something that could not be looked at: what was found is not all there is */
static void unchecked(const char *what)
{
	json_object *object;

	nr_unchecked++;
	if (ue_json) {
		object = json_object_new_object();
		json_object_object_add(object, "unchecked", ue_json_string(what));
		json_object_array_add(findings, object);
		return;
	}
	printf("--   ");
	ue_print(what);
	printf("\n");
}

/* CONFIG_USER_EVENTS of the kernel that runs: 1, 0, or -1 if nothing tells */
static int option(void)
{
	char command[256], line[64] = "";
	struct utsname name;
	FILE *file;

	uname(&name);
	snprintf(command, sizeof(command),
		 "{ zcat /proc/config.gz || cat /boot/config-%s; } 2>/dev/null | grep -m1 CONFIG_USER_EVENTS",
		 name.release);
	file = popen(command, "r");
	if (!file)
		return -1;
	if (!fgets(line, sizeof(line), file))
		*line = '\0';
	pclose(file);
	return !*line ? -1 : !strcmp(line, "CONFIG_USER_EVENTS=y\n");
}

static long number(const char *path)
{
	FILE *file = fopen(path, "r");
	long value = -1;

	if (file) {
		if (fscanf(file, "%ld", &value) != 1)
			value = -1;
		fclose(file);
	}
	return value;
}

/* Are @nr all that there may be, or nearly so? */
static bool is_near(long long nr, long long max)
{
	return nr >= max - max / 10;
}

static void look_at_groups(void)
{
	char *text = ue_read("user_events_groups/control"), *rest = text, *line, *fix;
	int nr_groups = 0, nr_near = 0;
	struct group_line group;

	if (!text && errno != ENOENT)
		unchecked("the limits of groups: user_events_groups/control cannot be read");
	while (text && (line = strsep(&rest, "\n"))) {
		if (!ue_group_parse(line, &group))
			continue;
		nr_groups++;
		if (!is_near(group.nr, group.max))
			continue;
		nr_near++;
		fix = ue_text("user-events group limit %s %u", group.name,
			      !group.max ? 1024 : group.max > UINT_MAX / 2 ? UINT_MAX :
			      2 * group.max);
		found(fix, ue_text("%u of %u events that the group %s may have are there",
				   group.nr, group.max, group.name));
		free(fix);
	}
	free(text);
	if (nr_groups && !nr_near)
		good("no group is near its limit");
}

/* Users' limit in the file @name of /proc/sys/user; mainline's kernel has none */
static void look_at_users(const char *name, const char *what, long usual)
{
	char *path = ue_text("/proc/sys/user/%s", name), *text;
	long max = number(path);

	if (!max) {
		text = ue_text("sysctl user.%s=%ld", name, usual);
		found(text, ue_text("no user may have %s", what));
		free(text);
	} else if (max < 0 && (!access(path, F_OK) || errno != ENOENT)) {
		text = ue_text("the limit of users: %s cannot be read", path);
		unchecked(text);
		free(text);
	}
	free(path);
}

static void look_at_limits(const struct events *events)
{
	long max = number("/proc/sys/kernel/user_events_max");
	char *fix;

	if (max < 0) {
		unchecked("the limit of events: /proc/sys/kernel/user_events_max cannot be read");
	} else if (is_near(events->nr, max)) {
		fix = ue_text("sysctl kernel.user_events_max=%ld", max ? 2 * max : 32768);
		found(fix, ue_text("%d of %ld events that the system may have are there",
				   events->nr, max));
		free(fix);
	} else {
		good("%d of %ld events that the system may have", events->nr, max);
	}
	look_at_users("max_user_events", "events", 16384);
	look_at_users("max_user_event_bits", "enable bits", 1048576);
	look_at_groups();
}

/* Does the event's file in the top instance, or in the one of @name, say @state? */
static bool is_state(const char *name, const struct event *event, const char *state)
{
	char *file = ue_text("%s%s%sevents/%s/%s/enable", name ? "instances/" : "", name ?: "",
			     name ? "/" : "", event->system, event->name);
	char *text = ue_read(file);
	bool is = text && !strcmp(text, state);

	free(text);
	free(file);
	return is;
}

/*
 * Commands that let the kernel set the bits of an event again: by the top instance's file,
 * which does that only if nothing else listens. NULL if something does.
 */
static char *switch_again(const struct event *event)
{
	bool on = *event->listeners, others = false;
	char **names, *name, *fix = NULL;
	int i;

	/* "1*" if it has triggers as well, which listen too */
	if (on && (strcmp(event->listeners, "ftrace") || !is_state(NULL, event, "1\n")))
		return NULL;
	names = tracefs_instances(NULL);
	for (i = 0; names && names[i]; i++)
		others |= !is_state(names[i], event, "0\n");
	tracefs_list_free(names);
	name = quoted(event->name);
	if (!others)
		fix = ue_text("echo %d > events/%s/%s/enable; echo %d > events/%s/%s/enable", !on,
			      event->system, name, on, event->system, name);
	free(name);
	return fix;
}

static void look_at_bits(const struct event *event, const struct program *program)
{
	bool overwritten = !strcmp(program->state, "wrong");
	char *fix = overwritten ? switch_again(event) : NULL;

	found(fix, ue_text("%s:%s: a bit of %s[%d] is %s: the program has %s%s", event->system,
			   event->name, program->comm, program->pid, program->state,
			   overwritten ? "overwritten it, or it was given up" :
			   "protected its memory or cut its file short, and not unregistered",
			   overwritten && !fix ?
			   ": stop all of its listeners and start them again" : ""));
	free(fix);
}

/* The instances of watch and stat that were killed: they are left, and listen */
static void look_at_instances(void)
{
	char **names = tracefs_instances(NULL), *name, *fix;
	int i, pid;

	for (i = 0; names && names[i]; i++) {
		if (sscanf(names[i], "user-events-%d", &pid) != 1 || pid <= 0 ||
		    !kill(pid, 0) || errno != ESRCH)
			continue;
		name = quoted(names[i]);
		fix = ue_text("echo 0 > instances/%s/events/enable; rmdir instances/%s", name,
			      name);
		found(fix, ue_text("instances/%s is left of a watch or stat that was killed",
				   names[i]));
		free(fix);
		free(name);
	}
	tracefs_list_free(names);
}

/* The command that doubles the buffer of the top instance; NULL if its size is not known */
static char *enlarge(void)
{
	char *text = ue_read("buffer_size_kb"), *at = text ? strstr(text, "expanded: ") : NULL;
	/* "7 (expanded: 1408)" before its first use; "X" if the CPUs' sizes differ */
	long size = text ? atol(at ? at + strlen("expanded: ") : text) : 0;

	free(text);
	return size > 0 ? ue_text("echo %ld > buffer_size_kb", 2 * size) : NULL;
}

static void look_at_events(const struct events *events)
{
	int i, j, wrong = 0, lost = 0;
	char *fix, *why;

	for (i = 0; i < events->nr; i++) {
		const struct event *event = &events->events[i];

		why = ue_namesake(event);
		if (why)
			unchecked(why);
		free(why);
		for (j = 0; j < event->nr_programs; j++) {
			if (!event->programs[j].wrong)
				continue;
			wrong++;
			look_at_bits(event, &event->programs[j]);
		}
		if (!*event->losses)
			continue;
		lost++;
		fix = NULL;
		/* They are the top instance's files */
		if (is_state(NULL, event, "1\n"))
			fix = strncmp(event->losses, "full=0", 6) ? enlarge() :
			      !strstr(event->losses, "off=0") ? ue_text("echo 1 > tracing_on") :
			      NULL;
		found(fix, ue_text("%s:%s: listeners have lost records since it was declared: %s",
				   event->system, event->name, event->losses));
		free(fix);
	}
	if (!events->complete) {
		unchecked("some events, bits or losses: a file could not be read");
		return;
	}
	if (!wrong && events->kernel.enablers)
		good("each bit is as it should be");
	if (!lost && events->kernel.losses)
		good("no record was lost");
}

/* Which users may open the file @path in @dir, and for root how to let others do so */
static void look_at_users_of(const char *dir, const char *path)
{
	struct group *group;
	struct stat way, to;

	if (geteuid() || stat(dir, &way) || stat(path, &to)) {
		good("user_events_data can be opened");
	} else if (way.st_mode & 0001 && to.st_mode & 0002) {
		good("user_events_data can be opened by all users");
	} else if (to.st_mode & 0020 && to.st_gid &&
		   way.st_mode & (way.st_gid == to.st_gid ? 0010 : 0001)) {
		group = getgrgid(to.st_gid);
		good("user_events_data can be opened by root and the group %s",
		     group ? group->gr_name : "that it belongs to");
	} else {
		good("user_events_data can be opened by root alone; for programs of a group:");
		if (ue_json)
			return;
		printf("       chmod o-rx %s/events; chmod o+x %s; ", dir, dir);
		printf("chgrp GROUP %s; chmod g+w %s\n", path, path);
	}
}

/* A user who reads a directory of an event can keep it locked while programs register */
static void look_at_events_directory(const char *dir)
{
	char *path = ue_path("events"), *fix;
	struct stat way, to;

	if (!stat(dir, &way) && !stat(path, &to) && to.st_mode & 0005 &&
	    (way.st_mode & 0001 || (way.st_gid && way.st_mode & 0010))) {
		fix = ue_text("chmod o-rx %s", path);
		found(fix, ue_text("other users may look into %s, and so delay registrations", path));
		free(fix);
	}
	free(path);
}

int ue_doctor(int argc, char **argv)
{
	const char *dir = NULL;
	struct events events;
	bool complete = true;
	char *path, *fix = NULL;
	int have, on;

	if (ue_option(argc, argv, "+:") != -1)
		return UE_USAGE;
	if (argv[optind - 1]) {
		ue_error("doctor takes no arguments");
		return UE_USAGE;
	}
	findings = json_object_new_array();
	have = option();
	if (have > 0)
		good("the kernel has CONFIG_USER_EVENTS");
	if (tracefs_tracing_dir_is_mounted(false, &dir) <= 0 || !dir) {
		found("mount -t tracefs nodev /sys/kernel/tracing",
		      ue_text("tracefs is not mounted"));
		goto out;
	}
	good("tracefs is mounted on %s", dir);
	/* The folders that the library knows */
	if (strcmp(dir, "/sys/kernel/tracing") && strcmp(dir, "/sys/kernel/debug/tracing"))
		found("mount -t tracefs nodev /sys/kernel/tracing",
		      ue_text("programs look in /sys/kernel/tracing, or in USER_EVENTS_DATA"));

	path = ue_path("user_events_data");
	if (access(dir, X_OK)) {
		fix = ue_text("chmod o+x %s", dir);
		found(fix, ue_text("this user may not look into %s", dir));
	} else if (access(path, F_OK)) {
		found(NULL, ue_text("no user_events_data: the kernel %swas built without CONFIG_USER_EVENTS",
				    have ? "is locked down, or " : ""));
	} else if (access(path, W_OK) && errno == EROFS) {
		fix = ue_text("mount -o remount,rw %s", dir);
		found(fix, ue_text("%s is mounted read-only", dir));
	} else if (access(path, W_OK)) {
		fix = ue_text("chgrp GROUP %s; chmod g+w %s", path, path);
		found(fix, ue_text("this user may not open user_events_data"));
	} else {
		look_at_users_of(dir, path);
	}
	free(fix);
	free(path);
	look_at_events_directory(dir);
	if (nr_found)
		goto out;
	if (geteuid()) {
		unchecked("limits, bits and losses: only root can see them");
		goto out;
	}

	on = tracefs_trace_is_on(NULL);
	if (on < 0)
		unchecked("whether the trace records: tracing_on cannot be read");
	else if (!on)
		found("echo 1 > tracing_on", ue_text("the trace does not record"));
	else
		good("the trace records");
	complete = ue_events_read(&events);
	look_at_limits(&events);
	look_at_events(&events);
	look_at_instances();
	if (ue_person)
		ue_lacks(&events.kernel);
	ue_events_free(&events);
out:
	if (ue_json)
		ue_json_print(findings);
	else if (!nr_found && !nr_unchecked)
		printf("nothing to fix\n");
	if (!complete)
		return UE_FAILED;
	return nr_found ? UE_FOUND : UE_OK;
}
