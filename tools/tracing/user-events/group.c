// SPDX-License-Identifier: GPL-2.0
/*
 * user-events group and record.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user-events.h"

/* Letters, digits and _ at the start of @name */
static size_t word_len(const char *name)
{
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
}

/* May a group be called @name? Says so if not. */
static bool is_name(const char *name)
{
	size_t len = word_len(name);

	/*
	 * "control" is the name of a file beside the groups; the system of a group's
	 * multi-format events ends in "_multi".
	 */
	if (len && len <= 32 && !name[len] && strcmp(name, "control") && strcmp(name, "multi") &&
	    (len < 6 || strcmp(name + len - 6, "_multi")))
		return true;
	ue_error("\"%s\": a group's name is 1 to 32 letters, digits and _; %s", name,
		 "not control or multi, and not ending in _multi");
	return false;
}

/* Digits alone, and a number below @end: not what strtoul() makes of "-1" */
static bool is_number(const char *text, unsigned long long end, unsigned long *number)
{
	size_t len = strspn(text, "0123456789");

	if (!len || len > 10 || text[len] || strtoull(text, NULL, 10) >= end)
		return false;
	*number = strtoul(text, NULL, 10);
	return true;
}

/* The control file cannot be opened: say why, by errno */
static void no_control(void)
{
	int error = errno;
	char *path = ue_path("");

	if (!path)
		ue_error("tracefs is not mounted: try user-events doctor");
	else if (error == ENOENT)
		ue_error("this kernel has no groups of user events");
	else
		ue_error("user_events_groups/control: %s", strerror(error));
	free(path);
}

/* A line for the control file: @sign and @name, and the limit if it is not NULL */
static int control(const char *sign, const char *name, const char *max)
{
	char *path, line[64];
	unsigned long number;
	int fd, error = 0;

	if (!is_name(name))
		return UE_USAGE;
	if (max && !is_number(max, 1ULL << 32, &number)) {
		ue_error("\"%s\": a limit is a number", max);
		return UE_USAGE;
	}
	if (max)
		snprintf(line, sizeof(line), "%s%s max=%lu", sign, name, number);
	else
		snprintf(line, sizeof(line), "%s%s", sign, name);
	path = ue_path("user_events_groups/control");
	fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
	if (fd < 0) {
		no_control();
		free(path);
		return UE_FAILED;
	}
	free(path);
	if (write(fd, line, strlen(line)) < 0)
		error = errno;
	close(fd);
	switch (error) {
	case 0:
		return UE_OK;
	case EBUSY:
		ue_error("%s is in use: user-events list 'user_events_%s*:*'", name, name);
		break;
	case EINVAL:
		ue_error("%s: the kernel does not take this name or limit", name);
		break;
	default:
		ue_error("%s: %s", name, strerror(error));
	}
	return UE_FAILED;
}

/* Parse a line of the control file: a group's name, its limit, how many events it has */
bool ue_group_parse(const char *line, struct group_line *group)
{
	return sscanf(line, "%63s max=%u events=%u", group->name, &group->max, &group->nr) == 3;
}

static int show(void)
{
	char *text = ue_read("user_events_groups/control"), *rest = text, *line;
	json_object *array = json_object_new_array(), *object;
	struct group_line group;

	if (!text) {
		no_control();
		return UE_FAILED;
	}
	if (ue_person)
		printf("%s%-32s %10s %10s%s\n", ue_bold(), "GROUP", "EVENTS", "LIMIT", ue_plain());
	while ((line = strsep(&rest, "\n"))) {
		if (!ue_group_parse(line, &group))
			continue;
		if (ue_json) {
			object = json_object_new_object();
			json_object_object_add(object, "group", json_object_new_string(group.name));
			json_object_object_add(object, "events", json_object_new_int64(group.nr));
			json_object_object_add(object, "max", json_object_new_int64(group.max));
			json_object_array_add(array, object);
		} else {
			printf(ue_person ? "%-32s %10u %10u\n" : "%s\t%u\t%u\n", group.name,
			       group.nr, group.max);
		}
	}
	if (ue_json)
		ue_json_print(array);
	free(text);
	return UE_OK;
}

/* Give the files of a group to a user, by name or number, and the user's own group */
static int delegate(const char *name, const char *user)
{
	static const char * const files[] = {
		"", "/user_events_data", "/user_events_status", "/user_events_losses",
		"/user_events_enablers",
	};
	struct passwd *pw = getpwnam(user);
	char *dir, path[1024];
	unsigned long number;
	size_t i;

	if (!is_name(name))
		return UE_USAGE;
	/* chown() takes the highest number for none */
	if (!pw && !is_number(user, UINT32_MAX, &number)) {
		ue_error("there is no user \"%s\"", user);
		return UE_USAGE;
	}
	if (!pw)
		pw = getpwuid(number);
	snprintf(path, sizeof(path), "user_events_groups/%s", name);
	dir = ue_path(path);
	if (!dir) {
		ue_error("tracefs is not mounted");
		return UE_FAILED;
	}
	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s%s", dir, files[i]);
		if (chown(path, pw ? pw->pw_uid : number, pw ? pw->pw_gid : number)) {
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
	if (ue_option(argc, argv, "+:") != -1)
		return UE_USAGE;
	argc -= optind - 1;
	argv += optind - 1;
	if (!argc || (argc == 1 && !strcmp(*argv, "list")))
		return show();
	if (ue_json && strcmp(*argv, "list")) {
		ue_error("group %s does not take --json", *argv);
		return UE_USAGE;
	}
	if (!strcmp(argv[0], "add") && (argc == 2 || argc == 3))
		return control("+", argv[1], argv[2]);
	if (!strcmp(argv[0], "limit") && argc == 3)
		return control("", argv[1], argv[2]);
	if (!strcmp(argv[0], "remove") && argc == 2)
		return control("-", argv[1], NULL);
	if (!strcmp(argv[0], "delegate") && argc == 3)
		return delegate(argv[1], argv[2]);
	ue_error("group list | add NAME [MAX] | limit NAME MAX | delegate NAME USER | remove NAME");
	return UE_USAGE;
}

/* Words of perf's, which it does not take for the name of an event either */
static const char * const perf_words[] = {
	"access", "bpc", "bpu", "branch", "branches", "btb", "cs", "cycles", "dTLB", "dummy",
	"duration_time", "faults", "iTLB", "instructions", "l1d", "l1i", "L2", "LLC", "load",
	"loads", "migrations", "miss", "misses", "node", "ops", "prefetch", "prefetches", "read",
	"Reference", "refs", "store", "stores", "system_time", "user_time", "write",
};

/* Do the event parsers of perf, or of trace-cmd, take this name? */
static bool can_record(const char *name, bool trace_cmd)
{
	size_t i;

	if (name[word_len(name)] || (*name >= '0' && *name <= '9'))
		return false;
	if (trace_cmd)
		return true;
	for (i = 0; i < sizeof(perf_words) / sizeof(*perf_words); i++) {
		if (!strcmp(perf_words[i], name))
			return false;
	}
	/* Modifiers, and the number of a hardware event */
	return name[strspn(name, "ukhpPGHSDIWebR")] &&
		(*name != 'r' || !name[1] || name[1 + strspn(name + 1, "0123456789abcdefABCDEF")]);
}

/* Run perf or trace-cmd for the matching events that exist */
int ue_record(int argc, char **argv)
{
	char **patterns, **args, *separator = NULL, **rest;
	bool trace_cmd = false;
	struct events events;
	int i, option, nr = 0;

	while ((option = ue_option(argc, argv, "+:t")) != -1) {
		if (option != 't')
			return UE_USAGE;
		trace_cmd = true;
	}
	argv += optind - 1;
	/* It may be the first argument: then there are no patterns */
	if (!strcmp(argv[-1], "--"))
		argv--;
	for (rest = argv; *rest && strcmp(*rest, "--"); rest++)
		;
	separator = *rest;
	*rest = NULL;
	patterns = argv;
	if (!ue_ready())
		return UE_FAILED;
	if (!ue_names_read(&events))
		return UE_FAILED;
	if (ue_lacks_one(&events, patterns))
		return UE_NOTHING;
	args = calloc(2 * events.nr + argc + 8, sizeof(*args));
	args[nr++] = trace_cmd ? "trace-cmd" : "perf";
	args[nr++] = "record";
	if (!trace_cmd)
		args[nr++] = "-a";
	for (i = 0; i < events.nr; i++) {
		struct event *event = &events.events[i];

		if (!ue_matches(event, patterns))
			continue;
		if (!can_record(event->name, trace_cmd)) {
			ue_error("%s:%s is left out: %s cannot read such a name", event->system,
				 event->name, args[0]);
			continue;
		}
		args[nr++] = "-e";
		args[nr++] = ue_text("%s:%s", event->system, event->name);
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
