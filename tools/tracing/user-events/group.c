// SPDX-License-Identifier: GPL-2.0
/*
 * user-events group and record.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user-events.h"

/* A line for the control file */
static int control(const char *line, const char *name)
{
	char *path = ue_path("user_events_groups/control");
	int fd, error = 0;

	if (!path || access(path, F_OK)) {
		ue_error("this kernel has no groups of user events");
		return UE_FAILED;
	}
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	free(path);
	switch (error) {
	case 0:
		return UE_OK;
	case EBUSY:
		ue_error("%s is in use: user-events list 'user_events_%s*:*'", name, name);
		break;
	case EINVAL:
		ue_error("%s: a name is 1 to 32 letters, digits and _, a limit is a number",
			 name);
		break;
	default:
		ue_error("%s: %s", name, strerror(error));
	}
	return UE_FAILED;
}

static int show(void)
{
	char *text = ue_read("user_events_groups/control"), *rest = text, *line;
	json_object *array = json_object_new_array(), *object;
	char name[64];
	unsigned int max, nr;

	if (!text && !tracefs_file_exists(NULL, "user_events_groups/control")) {
		ue_error("this kernel has no groups of user events");
		return UE_FAILED;
	}
	if (ue_person)
		printf("%s%-32s %10s %10s%s\n", ue_bold(), "GROUP", "EVENTS", "LIMIT", ue_plain());
	while (text && (line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%63s max=%u events=%u", name, &max, &nr) != 3)
			continue;
		if (ue_json) {
			object = json_object_new_object();
			json_object_object_add(object, "group", json_object_new_string(name));
			json_object_object_add(object, "events", json_object_new_int64(nr));
			json_object_object_add(object, "max", json_object_new_int64(max));
			json_object_array_add(array, object);
		} else {
			printf(ue_person ? "%-32s %10u %10u\n" : "%s\t%u\t%u\n", name, nr, max);
		}
	}
	if (ue_json)
		ue_json_print(array);
	free(text);
	return UE_OK;
}

/* Give the files of a group to a user */
static int delegate(const char *name, const char *user)
{
	static const char * const files[] = {
		"", "/user_events_data", "/user_events_status", "/user_events_losses",
		"/user_events_enablers",
	};
	struct passwd *pw = getpwnam(user);
	char *dir, path[1024], *end;
	uid_t uid = strtoul(user, &end, 10);
	gid_t gid = uid;
	size_t i;

	if (strchr(name, '/') || !*name) {
		ue_error("%s is no group", name);
		return UE_USAGE;
	}
	if (pw) {
		uid = pw->pw_uid;
		gid = pw->pw_gid;
	} else if (*end || !*user) {
		ue_error("there is no user %s", user);
		return UE_USAGE;
	}
	snprintf(path, sizeof(path), "user_events_groups/%s", name);
	dir = ue_path(path);
	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s%s", dir, files[i]);
		if (chown(path, uid, gid)) {
			ue_error("%s: %s", path, strerror(errno));
			free(dir);
			return UE_FAILED;
		}
	}
	if (ue_person)
		printf("for a container, mount %s over its /sys/kernel/tracing\n", dir);
	free(dir);
	return UE_OK;
}

int ue_group(int argc, char **argv)
{
	char line[256];

	if (!*argv || !strcmp(*argv, "list"))
		return show();
	if (!strcmp(argv[0], "add") && (argc == 2 || argc == 3)) {
		snprintf(line, sizeof(line), "+%s %s%s", argv[1], argc == 3 ? "max=" : "",
			 argc == 3 ? argv[2] : "");
		return control(line, argv[1]);
	}
	if (!strcmp(argv[0], "limit") && argc == 3) {
		snprintf(line, sizeof(line), "%s max=%s", argv[1], argv[2]);
		return control(line, argv[1]);
	}
	if (!strcmp(argv[0], "remove") && argc == 2) {
		snprintf(line, sizeof(line), "-%s", argv[1]);
		return control(line, argv[1]);
	}
	if (!strcmp(argv[0], "delegate") && argc == 3)
		return delegate(argv[1], argv[2]);
	ue_error("group list | add NAME [MAX] | limit NAME MAX | delegate NAME USER | remove NAME");
	return UE_USAGE;
}

/* Run perf or trace-cmd for the matching events that exist */
int ue_record(int argc, char **argv)
{
	bool trace_cmd = argc && !strcmp(*argv, "-t");
	char **patterns, **args, *separator = NULL, **rest;
	struct events events;
	int i, nr = 0;

	argv += trace_cmd;
	for (rest = argv; *rest && strcmp(*rest, "--"); rest++)
		;
	separator = *rest;
	*rest = NULL;
	patterns = argv;
	if (!ue_ready())
		return UE_FAILED;
	ue_events_read(&events);
	args = calloc(2 * events.nr + argc + 8, sizeof(*args));
	args[nr++] = trace_cmd ? "trace-cmd" : "perf";
	args[nr++] = "record";
	if (!trace_cmd)
		args[nr++] = "-a";
	for (i = 0; i < events.nr; i++) {
		struct event *event = &events.events[i];

		if (!ue_matches(event, patterns))
			continue;
		if (strpbrk(event->name, ".-")) {
			ue_error("%s:%s is left out: %s cannot read such a name", event->system,
				 event->name, args[0]);
			continue;
		}
		args[nr++] = "-e";
		if (asprintf(&args[nr++], "%s:%s", event->system, event->name) < 0)
			return UE_FAILED;
	}
	if (nr < 4) {
		ue_error("no event to record%s%s", *patterns ? " is called " : "",
			 *patterns ?: "");
		return UE_NOTHING;
	}
	for (rest += !!separator; separator && *rest; rest++)
		args[nr++] = *rest;
	execvp(args[0], args);
	ue_error("%s: %s: on Debian it is in the package %s", args[0], strerror(errno),
		 trace_cmd ? "trace-cmd" : "linux-perf");
	return UE_FAILED;
}
