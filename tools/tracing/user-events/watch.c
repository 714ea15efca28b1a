// SPDX-License-Identifier: GPL-2.0
/*
 * user-events watch and stat: in a trace instance of their own, which goes with them.
 *
 * The kernel decodes the records that watch shows: unlike the libraries for binary
 * records it takes every name and every type. For stat the kernel counts, with a
 * histogram, so that no record is made at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user-events.h"

#define COUNT	"hist:keys=common_pid:size=128"

static struct tracefs_instance *instance;
static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

static bool begin(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	char name[64];

	snprintf(name, sizeof(name), "user-events-%d", getpid());
	instance = tracefs_instance_create(name);
	if (!instance) {
		ue_error("no trace instance: %s", strerror(errno));
		return false;
	}
	/* Not restarted: a wait ends with them */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGPIPE, &action, NULL);
	return true;
}

static void end(void)
{
	tracefs_instance_file_write(instance, "events/enable", "0");
	tracefs_instance_destroy(instance);
	tracefs_instance_free(instance);
}

static int put(const struct event *event, const char *file, const char *text)
{
	char path[1024];

	snprintf(path, sizeof(path), "events/%s/%s/%s", event->system, event->name, file);
	return tracefs_instance_file_write(instance, path, text) < 0 ? -errno : 0;
}

/* Is it on in the instance, that is, has it been seen before? */
static bool is_on(const struct event *event, const char *file, const char *sign)
{
	char path[1024], *text;
	bool on;

	snprintf(path, sizeof(path), "events/%s/%s/%s", event->system, event->name, file);
	text = tracefs_instance_file_read(instance, path, NULL);
	on = text && strstr(text, sign);
	free(text);
	return on;
}

/* Enable the matching events that are not yet enabled; returns how many match */
static int switch_on(char **patterns, const char *filter, int *result)
{
	struct events events;
	int i, error, nr = 0;

	ue_events_read(&events);
	for (i = 0; i < events.nr; i++) {
		struct event *event = &events.events[i];

		if (!ue_matches(event, patterns))
			continue;
		nr++;
		if (is_on(event, "enable", "1"))
			continue;
		error = filter ? put(event, "filter", filter) : 0;
		if (error && error != -ENOENT) {
			ue_error("%s:%s does not take the filter \"%s\"", event->system,
				 event->name, filter);
			*result = UE_USAGE;
			stop = 1;
		}
		if (!error)
			put(event, "enable", "1");
	}
	ue_events_free(&events);
	return nr;
}

/* The name of a process, if the trace has none and the process still exists */
static void name_of(int pid, char *comm, size_t size)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "r");
	if (!file)
		return;
	if (fgets(comm, size, file))
		comm[strcspn(comm, "\n")] = '\0';
	fclose(file);
}

/* "     comm-123   [001] .....  1.234567: name: fields" */
static void show(char *line)
{
	char comm[64], number[32], *at = line, *colon, *name, *fields;
	int pid, cpu, skipped = 0;
	json_object *object;
	double seconds;
	char *dash;

	at += strspn(at, " ");
	colon = strstr(at, " [");
	if (!colon)
		return;
	for (dash = colon; dash > at && *dash != '-'; dash--)
		;
	pid = atoi(dash + 1);
	snprintf(comm, sizeof(comm), "%.*s", (int)(dash - at), at);
	if (!strcmp(comm, "<...>"))
		name_of(pid, comm, sizeof(comm));
	if (sscanf(colon, " [%d] %*s %lf:%n", &cpu, &seconds, &skipped) != 2 || !skipped)
		return;
	name = colon + skipped + 1;
	fields = strstr(name, ": ");
	if (!fields)
		return;
	*fields = '\0';
	fields += 2;
	if (ue_json) {
		object = json_object_new_object();
		/* As the kernel has it, to the microsecond */
		snprintf(number, sizeof(number), "%.6f", seconds);
		json_object_object_add(object, "time", json_object_new_double_s(seconds, number));
		json_object_object_add(object, "comm", json_object_new_string(comm));
		json_object_object_add(object, "pid", json_object_new_int(pid));
		json_object_object_add(object, "cpu", json_object_new_int(cpu));
		json_object_object_add(object, "event", json_object_new_string(name));
		json_object_object_add(object, "fields", json_object_new_string(fields));
		ue_json_print(object);
		return;
	}
	printf("%s%.6f%s %s[%d] %s%s%s %s\n", ue_dim(), seconds, ue_plain(), comm, pid,
	       ue_bold(), name, ue_plain(), fields);
	fflush(stdout);
}

/* Show the lines that can be read; a part of a line is kept for the next time */
static int show_all(int pipe, long *left)
{
	static char buffer[1 << 17];
	static size_t used;
	ssize_t got = read(pipe, buffer + used, sizeof(buffer) - 1 - used);
	char *line, *end;
	int shown = 0;

	if (got <= 0)
		return 0;
	used += got;
	buffer[used] = '\0';
	for (line = buffer; *left && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		show(line);
		shown++;
		if (*left > 0)
			--*left;
	}
	used -= line - buffer;
	memmove(buffer, line, used);
	if (used == sizeof(buffer) - 1)
		used = 0;
	return shown;
}

/* Read the status again, so that poll() reports the next change */
static void read_again(int status)
{
	char text[4096];

	lseek(status, 0, SEEK_SET);
	while (read(status, text, sizeof(text)) > 0)
		;
}

int ue_watch(int argc, char **argv)
{
	const char *filter = NULL;
	struct pollfd fds[2];
	int option, result = UE_OK, nr;
	long left = -1;
	char *path;

	optind = 0;
	while ((option = getopt(argc + 1, argv - 1, "+f:n:")) != -1) {
		switch (option) {
		case 'f':
			filter = optarg;
			break;
		case 'n':
			left = atol(optarg);
			break;
		default:
			return UE_USAGE;
		}
	}
	argv += optind - 1;
	if (!*argv) {
		ue_error("watch what? user-events watch [-f FILTER] [-n RECORDS] EVENT...");
		return UE_USAGE;
	}
	if (!ue_ready() || !begin())
		return UE_FAILED;

	fds[0].fd = tracefs_instance_file_open(instance, "trace_pipe", O_RDONLY | O_NONBLOCK);
	fds[0].events = POLLIN;
	path = ue_path("user_events_status");
	fds[1].fd = open(path, O_RDONLY | O_CLOEXEC);
	fds[1].events = POLLPRI;
	free(path);
	read_again(fds[1].fd);
	nr = switch_on(argv, filter, &result);
	if (!nr && ue_person)
		fprintf(stderr, "(waiting for %s)\n", *argv);
	while (!stop && left) {
		/* Once a second: for new groups, and if the status has no poll() */
		if (poll(fds, 2, 1000) < 0 && errno != EINTR)
			break;
		if (fds[1].revents & POLLPRI)
			read_again(fds[1].fd);
		if (fds[1].revents || !fds[0].revents)
			switch_on(argv, filter, &result);
		while (!stop && left && show_all(fds[0].fd, &left))
			;
	}
	close(fds[0].fd);
	close(fds[1].fd);
	end();
	return result;
}

/* How many records the kernel has counted */
static long count_of(const struct event *event)
{
	char path[1024], *text, *hits;
	long count = 0;

	snprintf(path, sizeof(path), "events/%s/%s/hist", event->system, event->name);
	text = tracefs_instance_file_read(instance, path, NULL);
	hits = text ? strstr(text, "Hits: ") : NULL;
	if (hits)
		count = atol(hits + strlen("Hits: "));
	free(text);
	return count;
}

/* What was counted the last time, by name */
struct before {
	char *name;
	long count;
	struct before *next;
};

static long *before_of(const struct event *event)
{
	static struct before *all;
	struct before *before;
	char name[1024];

	snprintf(name, sizeof(name), "%s:%s", event->system, event->name);
	for (before = all; before; before = before->next) {
		if (!strcmp(before->name, name))
			return &before->count;
	}
	before = calloc(1, sizeof(*before));
	before->name = strdup(name);
	before->next = all;
	all = before;
	return &before->count;
}

static void table(char **patterns, double seconds)
{
	json_object *array = json_object_new_array(), *object;
	struct events events;
	long count, *before;
	double rate;
	int i;

	ue_events_read(&events);
	if (ue_person)
		printf("\033[H\033[J%s%-40s %12s %10s  %s%s\n", ue_bold(), "EVENT", "RECORDS",
		       "PER SECOND", "LOST", ue_plain());
	for (i = 0; i < events.nr; i++) {
		struct event *event = &events.events[i];
		char name[1024];

		if (!ue_matches(event, patterns))
			continue;
		/* It counts from here on */
		count = 0;
		if (is_on(event, "trigger", "hist:"))
			count = count_of(event);
		else
			put(event, "trigger", COUNT);
		before = before_of(event);
		rate = (count - *before) / seconds;
		snprintf(name, sizeof(name), "%s:%s", event->system, event->name);
		if (ue_json) {
			object = json_object_new_object();
			json_object_object_add(object, "event", json_object_new_string(name));
			json_object_object_add(object, "records", json_object_new_int64(count));
			json_object_object_add(object, "per_second",
					       json_object_new_double(rate));
			json_object_object_add(object, "losses",
					       json_object_new_string(event->losses));
			json_object_array_add(array, object);
		} else {
			printf(ue_person ? "%-40s %12ld %10.1f  %s\n" : "%s\t%ld\t%.1f\t%s\n",
			       name, count, rate,
			       *event->losses ? event->losses : "-");
		}
		*before = count;
	}
	if (ue_json)
		ue_json_print(array);
	else
		json_object_put(array);
	fflush(stdout);
	ue_events_free(&events);
}

int ue_stat(int argc, char **argv)
{
	double interval = 1;
	struct timespec time;
	long times = -1;
	int option;

	optind = 0;
	while ((option = getopt(argc + 1, argv - 1, "+i:n:")) != -1) {
		switch (option) {
		case 'i':
			interval = atof(optarg);
			break;
		case 'n':
			times = atol(optarg);
			break;
		default:
			return UE_USAGE;
		}
	}
	if (interval <= 0) {
		ue_error("-i takes a number of seconds");
		return UE_USAGE;
	}
	argv += optind - 1;
	if (!ue_ready() || !begin())
		return UE_FAILED;
	time.tv_sec = interval;
	time.tv_nsec = (interval - time.tv_sec) * 1e9;
	while (!stop && times) {
		table(argv, interval);
		if (times > 0)
			times--;
		if (times)
			nanosleep(&time, NULL);
	}
	end();
	return UE_OK;
}
