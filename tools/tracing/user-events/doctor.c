// SPDX-License-Identifier: GPL-2.0
/*
 * user-events doctor: what keeps records from coming, and the command that fixes it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "user-events.h"

static json_object *findings;
static int nr_found;

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

/* Report a problem; @mend is the command that fixes it, or NULL. */
static void found(const char *mend, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void found(const char *mend, const char *format, ...)
{
	json_object *object;
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		exit(UE_FAILED);
	va_end(args);
	nr_found++;
	if (ue_json) {
		object = json_object_new_object();
		json_object_object_add(object, "finding", json_object_new_string(text));
		json_object_object_add(object, "mend", json_object_new_string(mend ?: ""));
		json_object_array_add(findings, object);
	} else {
		printf("%s!!   %s%s\n", ue_warn(), text, ue_plain());
		if (mend)
			printf("       %s%s%s\n", ue_bold(), mend, ue_plain());
	}
	free(text);
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

static void look_at_limits(const struct events *events)
{
	long max = number("/proc/sys/kernel/user_events_max");
	char mend[128];

	if (max >= 0 && events->nr >= max - max / 10) {
		snprintf(mend, sizeof(mend), "sysctl kernel.user_events_max=%ld",
			 max ? 2 * max : 32768);
		found(mend, "%d of %ld events that the system may have are there", events->nr, max);
	} else {
		good("%d of %ld events that the system may have", events->nr, max);
	}
	max = number("/proc/sys/user/max_user_events");
	if (!max)
		found("sysctl user.max_user_events=16384", "no user may have events");
	max = number("/proc/sys/user/max_user_event_bits");
	if (!max)
		found("sysctl user.max_user_event_bits=1048576", "no user may have enable bits");
}

static void look_at_events(const struct events *events)
{
	int i, j, wrong = 0, lost = 0;
	char mend[256];

	for (i = 0; i < events->nr; i++) {
		const struct event *event = &events->events[i];

		for (j = 0; j < event->nr_programs; j++) {
			const struct program *p = &event->programs[j];

			if (!p->wrong)
				continue;
			wrong++;
			snprintf(mend, sizeof(mend),
				 "echo 0 > events/%s/%s/enable; echo 1 > events/%s/%s/enable",
				 event->system, event->name, event->system, event->name);
			found(!strcmp(p->state, "wrong") ? mend : NULL,
			      "%s:%s: a bit of %s[%d] is %s: the program has %s", event->system,
			      event->name, p->comm, p->pid, p->state,
			      !strcmp(p->state, "wrong") ? "overwritten it, or it was given up" :
			      "protected its memory or cut its file short, and not unregistered");
		}
		if (!*event->losses)
			continue;
		lost++;
		found(strncmp(event->losses, "full=0", 6) ? "echo 8192 > buffer_size_kb" :
		      !strstr(event->losses, "off=0") ? "echo 1 > tracing_on" : NULL,
		      "%s:%s: listeners have lost records: %s", event->system, event->name,
		      event->losses);
	}
	if (!wrong && events->kernel.enablers)
		good("each bit is as it should be");
	if (!lost && events->kernel.losses)
		good("no record was lost");
}

int ue_doctor(int argc, char **argv)
{
	const char *dir = NULL;
	struct events events;
	char *path;
	int have;

	if (*argv) {
		ue_error("doctor takes no arguments");
		return UE_USAGE;
	}
	findings = json_object_new_array();
	have = option();
	if (have > 0)
		good("the kernel has CONFIG_USER_EVENTS");
	if (tracefs_tracing_dir_is_mounted(false, &dir) <= 0 || !dir) {
		found("mount -t tracefs nodev /sys/kernel/tracing", "tracefs is not mounted");
		goto out;
	}
	good("tracefs is mounted on %s", dir);

	path = ue_path("user_events_data");
	if (access(dir, X_OK)) {
		found("chmod o+x /sys/kernel/tracing",
		      "this user may not look into %s", dir);
	} else if (access(path, F_OK)) {
		found(NULL, "no user_events_data: the kernel %swas built without CONFIG_USER_EVENTS",
		      have ? "is locked down, or " : "");
	} else if (access(path, W_OK)) {
		found("chgrp GROUP user_events_data; chmod g+w user_events_data",
		      "this user may not open user_events_data");
	} else {
		good("user_events_data can be opened");
	}
	free(path);
	if (nr_found)
		goto out;
	if (geteuid())
		goto out;

	if (tracefs_trace_is_on(NULL) == 0)
		found("echo 1 > tracing_on", "the trace does not record");
	else
		good("the trace records");
	ue_events_read(&events);
	look_at_limits(&events);
	look_at_events(&events);
	if (ue_person)
		ue_lacks(&events.kernel);
	ue_events_free(&events);
out:
	if (ue_json)
		ue_json_print(findings);
	else if (!nr_found)
		printf("nothing to mend\n");
	return nr_found ? UE_FOUND : UE_OK;
}
