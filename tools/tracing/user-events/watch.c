// SPDX-License-Identifier: GPL-2.0
/*
 * user-events watch and stat: in a trace instance of their own, which goes with them.
 *
 * watch reads the binary records of all CPUs. For stat the kernel only counts the records,
 * with a histogram; it does not store them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <kbuffer.h>
#include <poll.h>
#include <search.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user-events.h"

#define COUNT	"hist:keys=common_pid:size=128"

static struct tracefs_instance *instance;
static volatile sig_atomic_t stop;

/* Was some file of the kernel unreadable? What could be read is shown. */
static bool incomplete;

static void on_signal(int sig)
{
	/* There is no reader: a later signal must not hide that */
	if (stop != SIGPIPE)
		stop = sig;
}

/*
 * A record must fit in a sub-buffer. Make the instance's as large as the top instance's,
 * which is the size that libtracefs reads. Older kernels lack the file: theirs are a page.
 */
static void enlarge_subbuffers(void)
{
	static const char file[] = "buffer_subbuf_size_kb";
	long long size, own;
	char text[32];

	if (tracefs_instance_file_read_number(NULL, file, &size) ||
	    tracefs_instance_file_read_number(instance, file, &own) || own >= size)
		return;
	snprintf(text, sizeof(text), "%lld", size);
	if (tracefs_instance_file_write(instance, file, text) < 0)
		ue_error("%s: %s: records of more than %lld kB are left out", file,
			 strerror(errno), own);
}

static bool begin(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	struct sigaction action = { .sa_handler = on_signal }, old;
	char name[64];
	size_t i;
	int n;

	/* Not restarted: a wait ends with them */
	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
	/* One that was killed may have left its instance, with events that are on */
	for (n = 0; n < 100; n++) {
		snprintf(name, sizeof(name), n ? "user-events-%d-%d" : "user-events-%d",
			 getpid(), n);
		instance = tracefs_instance_create(name);
		if (!instance) {
			ue_error("no trace instance: %s", strerror(errno));
			return false;
		}
		if (tracefs_instance_is_new(instance)) {
			enlarge_subbuffers();
			return true;
		}
		tracefs_instance_free(instance);
	}
	ue_error("no trace instance: remove instances/%s and the like", name);
	return false;
}

static void end(void)
{
	tracefs_instance_file_write(instance, "events/enable", "0");
	if (tracefs_instance_destroy(instance)) {
		ue_error("instances/%s is left: %s", tracefs_instance_get_name(instance),
			 strerror(errno));
		incomplete = true;
	}
	tracefs_instance_free(instance);
	/* There is no reader to whom more could be said */
	if (stop == SIGPIPE)
		_exit(UE_OK);
}

/* poll() that a signal ends, also one that came after @stop was looked at */
static int wait_for(struct pollfd *fds, int nr, const struct timespec *time)
{
	sigset_t all, old;
	int ready = 0;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	if (!stop)
		ready = ppoll(fds, nr, time, &old);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return ready;
}

/* Write the output. If it goes nowhere, there is nothing left to do. */
static void flush(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return;
	if (!stop)
		stop = -1;
	else if (errno == EINTR)
		clearerr(stdout);	/* the signal ended a write to a full pipe */
}

/* Write to a file of the event; -ENOENT if it was deleted */
static int put(const struct event *event, const char *file, const char *text)
{
	char path[1024];

	snprintf(path, sizeof(path), "events/%s/%s/%s", event->system, event->name, file);
	if (tracefs_instance_file_write(instance, path, text) >= 0)
		return 0;
	/* Deleted after the file was opened */
	return errno == ENODEV ? -ENOENT : -errno;
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

/* What the events' format files say, by type number */
static struct format *formats[1 << 16];

/* An event that is on exists, and has one format */
static void load_format(const struct event *event)
{
	struct format *format = NULL;
	char path[1024], *text;

	snprintf(path, sizeof(path), "events/%s/%s/format", event->system, event->name);
	text = tracefs_instance_file_read(instance, path, NULL);
	if (text)
		format = ue_format_parse(text, event->system);
	if (!format || ue_format_id(format) >= 1 << 16) {
		ue_error("the records of %s:%s cannot be read", event->system, event->name);
		ue_format_free(format);
		return;
	}
	ue_format_free(formats[ue_format_id(format)]);
	formats[ue_format_id(format)] = format;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char * const *)a, *(char * const *)b);
}

/* Something that was kept for an event, by its name; it begins with the name */
static void *kept(void **all, const struct event *event, size_t size)
{
	char *name = ue_text("%s:%s", event->system, event->name), **new, **found;

	found = tfind(&name, all, compare_text);
	if (found) {
		free(name);
		return *found;
	}
	new = calloc(1, size);
	if (!new)
		exit(UE_FAILED);
	*new = name;
	tsearch(new, all, compare_text);
	return new;
}

/* Warn once about an event that cannot be watched */
static void leave_out(const struct event *event, const char *why)
{
	struct left_out {
		char *name;
		bool told;
	} *left_out;
	static void *all;

	left_out = kept(&all, event, sizeof(*left_out));
	if (!left_out->told)
		ue_error("%s is left out: %s", left_out->name, why);
	left_out->told = true;
}

/*
 * Enable the matching events that are not yet enabled; returns how many match, or -1 if
 * this is the @first time and one of them does not take the filter.
 */
static int switch_on(char **patterns, const char *filter, bool first)
{
	struct events events;
	int i, error, nr = 0;

	if (!ue_names_read(&events))
		incomplete = true;
	for (i = 0; i < events.nr && nr >= 0; i++) {
		struct event *event = &events.events[i];

		if (!ue_matches(event, patterns))
			continue;
		nr++;
		if (is_on(event, "enable", "1"))
			continue;
		error = filter ? put(event, "filter", filter) : 0;
		if (error && error != -ENOENT) {
			if (!first) {
				leave_out(event, "it does not take the filter");
				continue;
			}
			ue_error("%s:%s does not take the filter \"%s\"", event->system,
				 event->name, filter);
			nr = -1;
			continue;
		}
		if (!error)
			error = put(event, "enable", "1");
		if (!error)
			load_format(event);
		else if (error != -ENOENT)
			leave_out(event, strerror(-error));
	}
	ue_events_free(&events);
	return nr;
}

/* The kernel's names of processes, once one was needed, until all records were shown */
static char *saved_names;

/* The process whose name was looked up last, until all records were shown */
static int named = -1;

/* The name of a process that still exists */
static bool name_now(int pid, char *comm, size_t size)
{
	char path[64];
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	len = fread(comm, 1, size - 1, file);
	fclose(file);
	if (len)
		comm[len - 1] = '\0';	/* the line's end; the name may have others */
	return len;
}

/*
 * The name that the kernel has saved, in a line "PID NAME". A name with a line feed makes a
 * line of its own, which may be no such line, or look like one of another process: of two
 * lines for a process, neither counts.
 */
static bool name_saved(int pid, char *comm, size_t size)
{
	char *line, *next, *end;
	bool found = false;

	if (!saved_names)
		saved_names = ue_read("saved_cmdlines");
	for (line = saved_names; line && *line; line = next) {
		next = line + strcspn(line, "\n");
		next += *next == '\n';
		if (strtol(line, &end, 10) != pid || *end++ != ' ')
			continue;
		if (found)
			return false;
		found = true;
		snprintf(comm, size, "%.*s", (int)strcspn(end, "\n"), end);
	}
	return found;
}

static const char *comm_of(int pid)
{
	static char comm[64];

	if (pid != named && !name_now(pid, comm, sizeof(comm)) &&
	    !name_saved(pid, comm, sizeof(comm)))
		snprintf(comm, sizeof(comm), "<...>");
	named = pid;
	return comm;
}

/* The records of a CPU: a page of them, and which is the next */
struct cpu {
	int number;
	struct tracefs_cpu *file;
	struct kbuffer *page;
	void *data;			/* of the page */
	const char *record;		/* NULL if the page is used up */
	unsigned long long time;
	int lost;			/* records before it, -1: some; 0 once that was told */
	unsigned long looked;		/* value of nr_reads when it had no more records */
};

static struct cpu *cpus;
static int nr_cpus;
static unsigned long nr_reads;

static void close_cpus(void)
{
	for (; nr_cpus >= 0; nr_cpus--)
		tracefs_cpu_close(cpus[nr_cpus].file);
}

static int is_cpu(const struct dirent *entry)
{
	int number;

	return sscanf(entry->d_name, "cpu%d", &number) == 1;
}

static bool open_cpus(void)
{
	char *text = ue_read("events/header_page");
	/* The kernel's long: the program may be a 32-bit one */
	enum kbuffer_long_size size = text && strstr(text, "commit;\toffset:8;\tsize:8;") ?
		KBUFFER_LSIZE_8 : KBUFFER_LSIZE_4;
	char *dir = tracefs_instance_get_file(instance, "per_cpu");
	struct dirent **entries = NULL;
	/* Their numbers may have gaps */
	int i, max = dir ? scandir(dir, &entries, is_cpu, versionsort) : -1;
	struct cpu *cpu;

	free(text);
	tracefs_put_tracing_file(dir);
	if (max <= 0) {
		ue_error("per_cpu cannot be read: %s", max ? strerror(errno) : "it has no CPUs");
		return false;
	}
	/* One more, without a file */
	cpus = calloc(max + 1, sizeof(*cpus));
	for (i = 0; cpus && i < max; i++) {
		cpu = &cpus[nr_cpus];
		cpu->number = atoi(entries[i]->d_name + strlen("cpu"));
		cpu->file = tracefs_cpu_open(instance, cpu->number, true);
		cpu->page = kbuffer_alloc(size, KBUFFER_ENDIAN_SAME_AS_HOST);
		cpu->data = cpu->file ? malloc(tracefs_cpu_read_size(cpu->file)) : NULL;
		if (!cpu->page || !cpu->data)
			break;
		nr_cpus++;
	}
	if (i < max) {
		ue_error("the records of %s cannot be read: %s", entries[i]->d_name,
			 strerror(errno));
		if (cpus)
			close_cpus();
	}
	while (max--)
		free(entries[max]);
	free(entries);
	return nr_cpus > 0;
}

/* Tell how many records are missing before the next one of a CPU */
static void show_lost(struct cpu *cpu)
{
	int lost = cpu->lost;
	json_object *object;
	char count[16] = "some";

	if (!lost)
		return;
	cpu->lost = 0;
	/* Negative if the page had no room for the number */
	if (lost > 0)
		snprintf(count, sizeof(count), "%d", lost);
	if (!ue_json) {
		printf("%s[CPU %d: %s records lost]%s\n", ue_bold(), cpu->number, count,
		       ue_plain());
		return;
	}
	object = json_object_new_object();
	json_object_object_add(object, "lost", lost > 0 ? json_object_new_int(lost) : NULL);
	json_object_object_add(object, "cpu", json_object_new_int(cpu->number));
	ue_json_print(object);
}

static void next_record(struct cpu *cpu)
{
	cpu->record = kbuffer_read_event(cpu->page, &cpu->time);
}

/*
 * The CPU with the oldest record; NULL if no page has one. With @fill, pages that are used
 * up are replaced. A CPU that has no more records may have got an older one than those that
 * another CPU had when its page was read, so it is looked at again after each such read.
 */
static struct cpu *oldest(bool fill)
{
	struct cpu *cpu, *first = NULL;
	int i;

	for (i = 0; fill && i < nr_cpus; i++) {
		cpu = &cpus[i];
		if (cpu->record || cpu->looked == nr_reads)
			continue;
		if (tracefs_cpu_read(cpu->file, cpu->data, true) <= 0) {
			cpu->looked = nr_reads;
			continue;
		}
		kbuffer_load_subbuffer(cpu->page, cpu->data);
		cpu->lost = kbuffer_missed_events(cpu->page);
		next_record(cpu);
		nr_reads++;
		i = -1;
	}
	for (i = 0; i < nr_cpus; i++) {
		cpu = &cpus[i];
		if (cpu->record && (!first || cpu->time < first->time))
			first = cpu;
	}
	return first;
}

static void show(const struct format *format, const struct cpu *cpu)
{
	/* To the microsecond, as the kernel's text has it */
	unsigned long long us = (cpu->time + 500) / 1000;
	const char *name = ue_format_name(format), *system = ue_format_system(format), *comm;
	int size = kbuffer_event_size(cpu->page), pid;
	json_object *object;
	char at[32];

	memcpy(&pid, cpu->record + 4, sizeof(pid));
	comm = comm_of(pid);
	snprintf(at, sizeof(at), "%llu.%06llu", us / 1000000, us % 1000000);
	if (ue_json) {
		object = json_object_new_object();
		json_object_object_add(object, "time", json_object_new_double_s(us / 1e6, at));
		json_object_object_add(object, "comm", ue_json_text(comm, strlen(comm)));
		json_object_object_add(object, "pid", json_object_new_int(pid));
		json_object_object_add(object, "cpu", json_object_new_int(cpu->number));
		json_object_object_add(object, "system", ue_json_string(system));
		json_object_object_add(object, "event", ue_json_text(name, strlen(name)));
		json_object_object_add(object, "fields", ue_format_json(format, cpu->record, size));
		ue_json_print(object);
		return;
	}
	printf("%s%s%s ", ue_dim(), at, ue_plain());
	ue_print_text(comm, strlen(comm));
	printf("[%d] %s", pid, ue_bold());
	if (strcmp(system, "user_events"))
		printf("%s:", system);
	ue_print_text(name, strlen(name));
	fputs(ue_plain(), stdout);
	ue_format_print(format, cpu->record, size);
	putchar('\n');
}

/* Show what there is, the oldest first, and for no longer than a second */
static void show_all(long *left)
{
	time_t begun = time(NULL);
	struct format *format;
	uint16_t type;
	struct cpu *cpu;

	nr_reads++;
	/* All of the pages that were read: an event may get the type of one that is gone */
	while (!stop && *left && (cpu = oldest(time(NULL) == begun))) {
		show_lost(cpu);
		memcpy(&type, cpu->record, sizeof(type));
		format = formats[type];
		if (format) {
			show(format, cpu);
			flush();
			if (*left > 0)
				--*left;
		}
		kbuffer_next_event(cpu->page, NULL);
		next_record(cpu);
	}
	free(saved_names);
	saved_names = NULL;
	named = -1;
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
	const struct timespec second = { 1, 0 };
	struct pollfd fds[2];
	int option, nr;
	time_t looked = time(NULL);
	long left = -1;
	char *path;

	while ((option = ue_option(argc, argv, "+:f:n:")) != -1) {
		switch (option) {
		case 'f':
			filter = optarg;
			break;
		case 'n':
			if (!ue_number(option, optarg, &left))
				return UE_USAGE;
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
	if (!open_cpus()) {
		end();
		return UE_FAILED;
	}

	/* Not to be read, but it waits for the records of all CPUs */
	fds[0].fd = tracefs_instance_file_open(instance, "trace_pipe", O_RDONLY | O_NONBLOCK);
	fds[0].events = POLLIN;
	path = ue_path("user_events_status");
	fds[1].fd = open(path, O_RDONLY | O_CLOEXEC);
	fds[1].events = POLLPRI;
	free(path);
	read_again(fds[1].fd);
	nr = switch_on(argv, filter, true);
	if (!nr && ue_person)
		fprintf(stderr, "(waiting for %s)\n", *argv);
	while (nr >= 0 && !stop && left) {
		if (wait_for(fds, 2, &second) < 0 && errno != EINTR)
			break;
		if (fds[1].revents & POLLPRI)
			read_again(fds[1].fd);
		/* Once a second: for new groups, and if the status has no poll() */
		if (fds[1].revents || time(NULL) != looked) {
			looked = time(NULL);
			switch_on(argv, filter, false);
		}
		show_all(&left);
	}
	close_cpus();
	close(fds[0].fd);
	close(fds[1].fd);
	end();
	return nr < 0 ? UE_USAGE : incomplete ? UE_FAILED : UE_OK;
}

/* Seconds from @begun to @now */
static double seconds_from(const struct timespec *begun, const struct timespec *now)
{
	return now->tv_sec - begun->tv_sec + (now->tv_nsec - begun->tv_nsec) / 1e9;
}

/* The number after @name in the text of a histogram */
static long long total(const char *text, const char *name)
{
	const char *found = text ? strstr(text, name) : NULL;

	return found ? atoll(found + strlen(name)) : 0;
}

/* How many records the kernel has counted */
static long long count_of(const struct event *event)
{
	char path[1024], *text;
	long long count;

	snprintf(path, sizeof(path), "events/%s/%s/hist", event->system, event->name);
	text = tracefs_instance_file_read(instance, path, NULL);
	/* Those of further threads are dropped when the histogram is full */
	count = total(text, "Hits: ") + total(text, "Dropped: ");
	free(text);
	return count;
}

/* Let the kernel count the records of an event from here on; false after a message */
static bool begin_count(const struct event *event)
{
	int error = put(event, "trigger", COUNT);
	char path[1024];

	/* It may have been deleted */
	if (!error || error == -ENOENT)
		return true;
	snprintf(path, sizeof(path), "events/%s/%s/hist", event->system, event->name);
	if (tracefs_file_exists(instance, path))
		ue_error("%s:%s cannot be counted: %s", event->system, event->name,
			 strerror(-error));
	else
		ue_error("this kernel has no histograms to count with (CONFIG_HIST_TRIGGERS)");
	return false;
}

/*
 * Count the records of new events from here on, and @show the others. Returns false, after a
 * message, if the records cannot be counted.
 */
static bool table(char **patterns, bool show)
{
	struct before {
		char *name;
		long long count;
		struct timespec time;
	} *before;
	json_object *array = json_object_new_array(), *object;
	bool counted = true;
	struct events events;
	struct timespec now;
	static void *all;
	double rate;
	char *why;
	long long count;
	int i, width;

	if (!ue_names_read(&events))
		incomplete = true;
	if (ue_person && show)
		printf("%s%s%-40s %12s %10s  %s%s\n", ue_clear(), ue_bold(), "EVENT", "RECORDS",
		       "PER SECOND", "LOST", ue_plain());
	for (i = 0; i < events.nr && counted && !stop; i++) {
		struct event *event = &events.events[i];
		const char *losses = *event->losses ? event->losses : "-";

		if (!ue_matches(event, patterns))
			continue;
		before = kept(&all, event, sizeof(*before));
		count = 0;
		if (is_on(event, "trigger", "hist:"))
			count = count_of(event);
		else
			counted = begin_count(event);
		clock_gettime(CLOCK_MONOTONIC, &now);
		/* Another event has got its name */
		if (count < before->count)
			before->count = 0;
		/* There are none yet if the count has just begun */
		rate = count > before->count ?
			(count - before->count) / seconds_from(&before->time, &now) : 0;
		before->count = count;
		before->time = now;
		if (!show) {
			why = ue_namesake(event);
			if (why)
				ue_error("%s", why);
			free(why);
			continue;
		}
		if (ue_json) {
			object = json_object_new_object();
			json_object_object_add(object, "event", ue_json_string(before->name));
			json_object_object_add(object, "records", json_object_new_int64(count));
			json_object_object_add(object, "per_second",
					       json_object_new_double(rate));
			json_object_object_add(object, "losses", ue_json_counts(event->losses));
			if (event->namesake)
				json_object_object_add(object, "ambiguous",
						       json_object_new_boolean(true));
			json_object_array_add(array, object);
		} else if (ue_person) {
			width = ue_print_name(event);
			printf("%*s %12lld %10.1f  %s\n", width < 40 ? 40 - width : 0, "", count,
			       rate, losses);
		} else {
			ue_print_name(event);
			printf("\t%lld\t%.1f\t%s\n", count, rate, losses);
		}
	}
	if (ue_json && show && counted && !stop)
		ue_json_print(array);
	else
		json_object_put(array);
	flush();
	ue_events_free(&events);
	return counted;
}

int ue_stat(int argc, char **argv)
{
	double interval = 1;
	struct timespec time;
	bool counted;
	bool lacking = false, ends = false;
	struct events events;
	long times = -1;
	int option;

	while ((option = ue_option(argc, argv, "+:i:n:")) != -1) {
		switch (option) {
		case 'i':
			if (!ue_seconds(option, optarg, 0.001, &interval))
				return UE_USAGE;
			break;
		case 'n':
			if (!ue_number(option, optarg, &times))
				return UE_USAGE;
			ends = true;
			break;
		default:
			return UE_USAGE;
		}
	}
	argv += optind - 1;
	if (!ue_ready() || !begin())
		return UE_FAILED;
	time.tv_sec = interval;
	time.tv_nsec = (interval - time.tv_sec) * 1e9;
	counted = table(argv, false);
	while (times && counted) {
		wait_for(NULL, 0, &time);
		if (stop)
			break;
		counted = table(argv, true);
		if (times > 0)
			times--;
	}
	end();
	if (!counted || incomplete)
		return UE_FAILED;
	/* It might have come later, but nobody waits for that */
	if (ends && !stop) {
		if (!ue_names_read(&events))
			return UE_FAILED;
		lacking = ue_lacks_one(&events, argv);
		ue_events_free(&events);
	}
	return lacking ? UE_NOTHING : UE_OK;
}
