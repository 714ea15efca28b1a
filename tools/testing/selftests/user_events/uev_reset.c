// SPDX-License-Identifier: GPL-2.0
/* Going back to a clean state, and checking for leaks; see uev_util.h. */

#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/membarrier.h>

#include "uev_util.h"

void uev_census_take(struct uev_census *census)
{
	census->status = uev_get("user_events_status");
	census->dynamic = uev_get("dynamic_events");
	census->directory = uev_list("events/" USER_EVENTS_SYSTEM);
}

void uev_census_free(struct uev_census *census)
{
	free(census->status);
	free(census->dynamic);
	free(census->directory);
}

static const char *census_compare(const struct uev_census *before)
{
	struct uev_census now;
	const char *diff = "";

	uev_census_take(&now);
	if (strcmp(now.status, before->status))
		diff = "user_events_status";
	else if (strcmp(now.dynamic, before->dynamic))
		diff = "dynamic_events";
	else if (strcmp(now.directory, before->directory))
		diff = "events/user_events";
	uev_census_free(&now);
	return diff;
}

const char *uev_census_diff(const struct uev_census *before)
{
	const char *diff;

	uev_wait_for(!*(diff = census_compare(before)));
	return diff;
}

static void shrink_slabs(void)
{
	static const char root[] = "/sys/kernel/slab";
	DIR *dir = opendir(root);
	struct dirent *entry;
	char path[512];

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "kmalloc", 7) &&
		    !strstr(entry->d_name, "event") &&
		    !strstr(entry->d_name, "ftrace"))
			continue;
		snprintf(path, sizeof(path), "%s/%s/shrink", root,
			 entry->d_name);
		uev_put(path, "1");
	}
	if (dir)
		closedir(dir);
}

long uev_slab_objects(void)
{
	char *text, *rest, *line;
	long sum = 0, active;
	char name[128];
	int found = 0;

	/* Objects that wait for a grace period first, then those kept for reuse. */
	syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0);
	usleep(50000);
	shrink_slabs();

	text = uev_get("/proc/slabinfo");
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%127s %ld", name, &active) != 2)
			continue;
		/*
		 * Only what events are made of: page cache, dentries and the
		 * like come and go by themselves.
		 */
		if (strncmp(name, "kmalloc", 7) && !strstr(name, "event") &&
		    !strstr(name, "ftrace"))
			continue;
		sum += active;
		found++;
	}
	free(text);
	return found ? sum : -1;
}

/* @path is that of a trigger file. */
static void reset_triggers(const char *path)
{
	char *text = uev_get(path), *rest = text, *line;
	char undo[1024];

	while ((line = strsep(&rest, "\n"))) {
		if (!*line || *line == '#')
			continue;
		/* What follows " [active]" of a hist trigger is not input. */
		line[strcspn(line, "[")] = '\0';
		snprintf(undo, sizeof(undo), "!%s", line);
		uev_append(path, undo);
	}
	free(text);
}

/* Triggers in an instance hold the instance and the event. */
static void reset_instance(void)
{
	static const char root[] = "instances/" UEV_INSTANCE;
	static const char * const systems[] = {
		USER_EVENTS_SYSTEM, USER_EVENTS_MULTI_SYSTEM,
	};
	char path[1024], *list, *rest, *name;
	size_t i;

	if (!uev_exists(root))
		return;
	uev_append("instances/" UEV_INSTANCE "/events/enable", "0");
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/events/%s", root, systems[i]);
		list = uev_list(path);
		rest = list;
		while ((name = strsep(&rest, "\n"))) {
			snprintf(path, sizeof(path), "%s/events/%s/%s/trigger",
				 root, systems[i], name);
			if (*name && uev_exists(path))
				reset_triggers(path);
		}
		free(list);
	}
	rmdir(TRACEFS "instances/" UEV_INSTANCE);
}

static void reset_system(int fd, const char *system)
{
	char path[1024], event[512];
	char *list, *rest, *name, *base, *dot;

	snprintf(path, sizeof(path), "events/%s", system);
	if (!uev_exists(path))
		return;
	snprintf(path, sizeof(path), "events/%s/enable", system);
	uev_append(path, "0");
	snprintf(path, sizeof(path), "events/%s", system);
	list = uev_list(path);
	rest = list;
	while ((name = strsep(&rest, "\n"))) {
		snprintf(event, sizeof(event), "%s/%s", system, name);
		if (!*name || *name == '.' || !uev_event_exists(event))
			continue;
		snprintf(path, sizeof(path), "events/%s/trigger", event);
		reset_triggers(path);
		uev_event_put(event, "filter", "0");

		base = strdup(name);
		dot = strrchr(base, '.');
		if (!strcmp(system, USER_EVENTS_MULTI_SYSTEM) && dot)
			*dot = '\0';
		uev_delete(fd, base);
		free(base);
	}
	free(list);
}

/* Removes the groups that a test has left, with their events. */
static void reset_groups(void)
{
	char *text = uev_get("user_events_groups/control"), *rest = text, *line;
	char name[40], path[128];

	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%32s", name) != 1 || strncmp(name, "uev_", 4))
			continue;
		snprintf(path, sizeof(path), "events/user_events_%s/enable", name);
		uev_put(path, "0");
		snprintf(path, sizeof(path), "events/user_events_%s_multi/enable",
			 name);
		uev_put(path, "0");
		snprintf(path, sizeof(path), "-%s", name);
		/* What was unmapped leaves a moment later. */
		uev_wait_for(uev_append("user_events_groups/control", path) !=
			     -EBUSY);
	}
	free(text);
}

void uev_reset(void)
{
	int fd = uev_open();

	uev_put("tracing_on", "1");
	uev_put("set_event_pid", "");
	reset_instance();
	if (fd >= 0) {
		reset_system(fd, USER_EVENTS_SYSTEM);
		reset_system(fd, USER_EVENTS_MULTI_SYSTEM);
		close(fd);
	}
	reset_groups();
	uev_trace_clear();
}
