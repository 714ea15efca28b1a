// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzing of the running kernel, as root. An input is a text: a line for each call, with
 * numbers and an argument (see kinds[] in fuzz_calls.c); in a file of several, an empty
 * line ends each. A process of its own runs it, and then nothing of it may be left in
 * the kernel. What reaches new code, as KCOV says, is kept and changed further.
 *
 *	fuzz_kernel [FILE...]	runs each input once; without FILE, those of kernel_seeds
 *	fuzz_kernel -m FILE...	prints those of all but the first FILE that reach new code
 *	fuzz_kernel -t SECONDS -o DIR -w WORDS FILE...	fuzzes
 *
 * In DIR are the file "found", of inputs that have reached new code, "current", the one
 * that was run last, also if the kernel died of it, and "blocks", the addresses reached.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/kcov.h>
#include <linux/types.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fuzz_kernel.h"

#define MAX_INPUT	2000
#define MAX_INPUTS	4000
#define MAX_WORDS	200

/* How long an input may take, and what it leaves behind may stay, in seconds */
#define PATIENCE	60

/* What KCOV writes: a number of addresses, and these */
#define COVER_SIZE	(64 * 1024)

/* Kept from the process that runs an input, so that forking it is cheap */
static struct {
	char		inputs[MAX_INPUTS][MAX_INPUT];
	unsigned int	nr_inputs;
	char		words[MAX_WORDS][80];
	unsigned int	nr_words;
	/* By the last bits of the address; the kernel's code has less than 16 MiB */
	__u8		blocks[1 << 24];
	unsigned int	nr_blocks;
	/* By a hash of two addresses that were reached one after the other */
	__u8		edges[1 << 20];
	unsigned int	nr_edges;
} *all;

int covers[NR_COVERS];
static unsigned long *cover[NR_COVERS];
static int kmsg, status_file, control_file, current_file = -1;
static __u64 seed;

/* What is true of the kernel between two inputs */

/* Does a file of the kernel say this? Anew each time. */
static bool has(int file, const char *text)
{
	static char buffer[65536];
	ssize_t len = pread(file, buffer, sizeof(buffer) - 1, 0);

	buffer[len > 0 ? len : 0] = '\0';
	return strstr(buffer, text);
}

/* Remove the triggers of all events of a system, and of the instance's */
static void remove_triggers(int system)
{
	static const char * const roots[] = { "", "instances/fuzz/" };
	char path[600], text[4096], *line, *rest, *end;
	int i, nth = 0, fd, len;

	for (i = 0; i < 2; i++, nth = 0) {
		while (event_path(path, sizeof(path), roots[i], system, nth++, "trigger")) {
			fd = open(path, O_RDWR | O_APPEND);
			len = read(fd, text + 1, sizeof(text) - 2);
			text[len > 0 ? len + 1 : 1] = '\0';
			for (rest = text + 1; (line = strsep(&rest, "\n"));) {
				/* What a histogram has at its end is not input */
				end = strrchr(line, '[');
				if (end && (!strcmp(end, "[active]") || !strcmp(end, "[paused]")))
					*end = '\0';
				line[-1] = '!';
				if (*line && *line != '#')
					write(fd, line - 1, strlen(line) + 1);
			}
			close(fd);
		}
	}
}

static void remove_listeners(void)
{
	char path[100];
	unsigned int i;

	/* A trigger can have switched it off */
	put_text(TRACEFS "tracing_on", "1");
	for (i = 0; i < ARRAY_SIZE(systems); i++) {
		snprintf(path, sizeof(path), TRACEFS "events/%s/enable", systems[i]);
		if (put_text(path, "0") < 0)
			continue;
		snprintf(path, sizeof(path), TRACEFS "instances/fuzz/events/%s/enable", systems[i]);
		put_text(path, "0");
		remove_triggers(i);
	}
}

/* Remove what the lines of a file name, behind @skip bytes; some may be in use. */
static void remove_lines(const char *path, int skip)
{
	static char text[65536];
	char *line, *rest, remove[600];
	int fd = open(path, O_RDONLY);
	ssize_t len = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[len > 0 ? len : 0] = '\0';
	for (rest = text; (line = strsep(&rest, "\n"));) {
		if (!*line)
			continue;
		line += skip;
		snprintf(remove, sizeof(remove), "-%.*s", (int)strcspn(line, " "), line);
		put(path, O_WRONLY | O_APPEND, remove, strlen(remove));
	}
}

/* Go back to a kernel without events and groups; false if something stays */
static bool clean_up(bool persistent)
{
	time_t begun = time(NULL);
	unsigned int tries;

	for (tries = 0; time(NULL) < begun + PATIENCE; tries++) {
		if (!persistent && has(status_file, "Active: 0\nBusy: 0\n") &&
		    !has(control_file, "max="))
			return true;
		/* What is not persistent goes by itself, a moment after its last holder */
		if (persistent || tries % 50 == 3) {
			remove_listeners();
			/* Probes on events first, or all of them are in use */
			if (persistent)
				remove_lines(TRACEFS "dynamic_events", 1);
			if (persistent)
				persistent = put(TRACEFS "dynamic_events", O_WRONLY | O_TRUNC,
						 "", 0) < 0;
			remove_lines(TRACEFS "user_events_groups/control", 0);
		}
		usleep(tries < 10 ? 200 : 2000);
	}
	return false;
}

/* The kernel prints a stack with everything that it complains about. */
static bool kernel_complains(void)
{
	char line[8192];
	ssize_t len;

	while ((len = read(kmsg, line, sizeof(line) - 1)) > 0 || (len < 0 && errno == EPIPE)) {
		line[len > 0 ? len : 0] = '\0';
		if (strstr(line, "Call Trace") || strstr(line, "BUG:") || strstr(line, "WARNING:"))
			return true;
	}
	return false;
}

/* Run an input; what is wrong with it, or NULL */
static const char *run(const char *input)
{
	struct timespec patience = { .tv_sec = PATIENCE };
	bool persistent = parse_input(input);
	sigset_t set;
	pid_t pid;
	int i;

	for (i = 0; i < NR_COVERS && cover[i]; i++)
		__atomic_store_n(&cover[i][0], 0, __ATOMIC_RELAXED);
	fflush(stdout);
	if (!fork())
		run_input();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	/* If it was killed, children that it has left are ours */
	while ((pid = waitpid(-1, NULL, __WALL | WNOHANG)) >= 0) {
		if (!pid && sigtimedwait(&set, NULL, &patience) < 0)
			return "a process does not end";
	}
	if (!clean_up(persistent))
		return "an event, a group or a listener stays";
	return kernel_complains() ? "the kernel complains" : NULL;
}

/* Has the last input reached a new block, or with @edges, gone a new way? */
static bool is_new(bool edges)
{
	unsigned long nr, at, pc, last, edge;
	bool new = false;
	int i;

	for (i = 0; i < NR_COVERS && cover[i]; i++) {
		nr = cover[i][0];
		for (at = 1, last = 0; at <= nr && at < COVER_SIZE; at++, last = pc) {
			pc = cover[i][at] % sizeof(all->blocks);
			edge = (pc ^ last * 40503) % sizeof(all->edges);
			new |= !all->blocks[pc] || (edges && !all->edges[edge]);
			all->nr_blocks += !all->blocks[pc];
			all->nr_edges += !all->edges[edge];
			all->blocks[pc] = 1;
			all->edges[edge] = 1;
		}
	}
	return new;
}

static void add(const char *input)
{
	if (*input && all->nr_inputs < MAX_INPUTS)
		memcpy(all->inputs[all->nr_inputs++], input, strlen(input) + 1);
}

static FILE *open_or_die(const char *path, const char *mode)
{
	FILE *file = fopen(path, mode);

	if (!file)
		err(1, "%s", path);
	return file;
}

static void read_inputs(const char *path)
{
	FILE *file = open_or_die(path, "r");
	char line[MAX_INPUT], input[MAX_INPUT] = "";

	while (fgets(line, sizeof(line), file)) {
		if (*line == '\n') {
			add(input);
			*input = '\0';
		} else if (*line != '#' && strlen(input) + strlen(line) < MAX_INPUT) {
			strcat(input, line);
		}
	}
	add(input);
	fclose(file);
}

static void read_words(const char *path)
{
	FILE *file = open_or_die(path, "r");

	while (all->nr_words < MAX_WORDS &&
	       fscanf(file, " \"%79[^\"]\"", all->words[all->nr_words]) >= 0) {
		if (*all->words[all->nr_words])
			all->nr_words++;
		fscanf(file, "%*[^\n]");
	}
	fclose(file);
}

/* Mutation, of text: what the lines mean is known to fuzz_calls.c alone. */

static unsigned int below(unsigned int max)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return max ? (seed >> 11) % max : 0;
}

/* Half of the time one of those that came last */
static const char *any_input(void)
{
	unsigned int from = below(2) ? all->nr_inputs / 4 * 3 : 0;

	return all->inputs[from + below(all->nr_inputs - from)];
}

/* The beginning of a line */
static const char *any_line(const char *input)
{
	const char *line = input + below(strlen(input));

	while (line > input && line[-1] != '\n')
		line--;
	return line;
}

static size_t line_len(const char *line)
{
	return strcspn(line, "\n") + 1;
}

/* Part of an input gets other content */
static void replace(char *input, size_t at, size_t old, const char *text, size_t len)
{
	size_t all_of_it = strlen(input);

	if (at + old > all_of_it || all_of_it - old + len >= MAX_INPUT)
		return;
	memmove(input + at + len, input + at + old, all_of_it - at - old + 1);
	memcpy(input + at, text, len);
}

static void mutate_line(char *input)
{
	size_t line = any_line(input) - input, len = line_len(input + line) - 1;
	size_t name = strcspn(input + line, "\n "), at, digits;
	const char *word = all->words[below(all->nr_words)];
	char text[20];

	if (len <= name + 1)
		return;
	at = name + 1 + below(len - name);
	switch (below(4)) {
	case 0:
		replace(input, line + at, below(2) ? strlen(word) : 0, word, strlen(word));
		break;
	case 1:
		replace(input, line + at, 1 + below(len - at), "", 0);
		break;
	case 2:
		snprintf(text, sizeof(text), below(2) ? "%c" : "\\x%02x", ' ' + below(95));
		replace(input, line + at, below(2), text, strlen(text));
		break;
	default:
		/* The next number: another one, or one beside it */
		at += strcspn(input + line + at, "0123456789\n");
		digits = strspn(input + line + at, "0123456789");
		snprintf(text, sizeof(text), "%u", below(2) ? below(256 >> below(8)) :
			 (unsigned int)atoi(input + line + at) + below(3) - 1);
		if (digits)
			replace(input, line + at, digits, text, strlen(text));
		break;
	}
}

static void mutate(char *input)
{
	unsigned int rounds = 1 + below(4);
	const char *other, *line;
	char text[MAX_INPUT];
	size_t at;

	while (rounds--) {
		other = any_input();
		line = any_line(other);
		at = any_line(input) - input;
		switch (below(8)) {
		case 0:
			if (line_len(input) < strlen(input))
				replace(input, at, line_len(input + at), "", 0);
			break;
		case 1:
		case 2:
			replace(input, at, 0, line, line_len(line));
			break;
		case 3:
			/* The rest of another one */
			replace(input, at, strlen(input + at), line, strlen(line));
			break;
		case 4:
			/* A call of any kind, with numbers and a text of any other */
			snprintf(text, sizeof(text), "%s %u %u %u %u %.*s", any_call(below(1000)),
				 below(4), below(40), below(8), below(256 >> below(8)),
				 (int)line_len(line), line);
			replace(input, at, 0, text, strlen(text));
			break;
		default:
			mutate_line(input);
			break;
		}
	}
}

/* What is set while inputs run */
static struct {
	const char	*path, *value;
	char		before[20];
} knobs[] = {
	/* Say nothing of what fails on purpose, which includes what may wait */
	{ "/sys/kernel/debug/failslab/verbose", "0" },
	{ "/sys/kernel/debug/failslab/ignore-gfp-wait", "N" },
	{ "/sys/kernel/debug/fail_page_alloc/verbose", "0" },
	{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N" },
	{ "/sys/kernel/debug/fail_page_alloc/min-order", "0" },
	{ "/sys/kernel/debug/fail_usercopy/verbose", "0" },
	/* Each input waits for several grace periods */
	{ "/sys/kernel/rcu_expedited", "1" },
};

static void set_up(void)
{
	sigset_t set;
	size_t i;
	int fd;

	all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(all, sizeof(*all), MADV_DONTFORK);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
#ifdef RSEQ_SIG
	/* The kernel writes there at times: if that fails on purpose, it kills the process */
	if (__rseq_size)
		syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, 32, 1,
			RSEQ_SIG);
#endif

	mkdir(TRACEFS "instances/fuzz", 0700);
	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		fd = open(knobs[i].path, O_RDONLY);
		read(fd, knobs[i].before, sizeof(knobs[i].before) - 1);
		close(fd);
		put_text(knobs[i].path, knobs[i].value);
	}
	status_file = open(TRACEFS "user_events_status", O_RDONLY | O_CLOEXEC);
	control_file = open(TRACEFS "user_events_groups/control", O_RDONLY | O_CLOEXEC);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	lseek(kmsg, 0, SEEK_END);
	if (status_file < 0) {
		printf("1..0 # SKIP user_events_status cannot be read\n");
		exit(4);
	}

	for (i = 0; i < NR_COVERS; i++) {
		covers[i] = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
		if (covers[i] < 0)
			continue;
		if (ioctl(covers[i], KCOV_INIT_TRACE, COVER_SIZE))
			err(1, "KCOV_INIT_TRACE");
		cover[i] = mmap(NULL, COVER_SIZE * sizeof(long), PROT_READ | PROT_WRITE,
				MAP_SHARED, covers[i], 0);
		madvise(cover[i], COVER_SIZE * sizeof(long), MADV_DONTFORK);
	}
}

/* Runs an input, and ends at one that finds something */
static void try(const char *input)
{
	const char *wrong;

	/* Here it is if the kernel dies of it; what follows the NUL is of others */
	if (current_file >= 0)
		pwrite(current_file, input, strlen(input) + 1, 0);
	wrong = run(input);
	if (wrong) {
		printf("%snot ok 1 - %s\n", input, wrong);
		exit(1);
	}
}

/* Prints those from the @first on that reach new code; -1: none of them */
static void run_all(unsigned int first)
{
	unsigned int i;

	for (i = 0; i < all->nr_inputs; i++) {
		try(all->inputs[i]);
		if (is_new(first == -1u) && i >= first)
			printf("%s\n", all->inputs[i]);
	}
}

static void fuzz(unsigned int seconds)
{
	time_t begun = time(NULL), said = begun, t;
	FILE *found = open_or_die("found", "a");
	char input[MAX_INPUT];
	unsigned int runs = 0;

	run_all(-1);
	while ((t = time(NULL)) < begun + seconds) {
		snprintf(input, sizeof(input), "%s", any_input());
		mutate(input);
		try(input);
		runs++;
		if (is_new(true)) {
			add(input);
			fprintf(found, "%s\n", input);
			fflush(found);
		}
		if (t >= said + 10 || runs == 1) {
			said = t;
			printf("# %u runs in %ld s, %u inputs, %u blocks, %u edges\n", runs,
			       t - begun, all->nr_inputs, all->nr_blocks, all->nr_edges);
			fflush(stdout);
		}
	}
}

static void write_blocks(void)
{
	FILE *file = open_or_die("blocks", "w");
	unsigned int i;

	/* As in a disassembly, whose line is that of the call before */
	for (i = 0; i < sizeof(all->blocks); i++) {
		if (all->blocks[i])
			fprintf(file, "ffffffff%08x\n", 0x81000000 | i);
	}
	fclose(file);
}

int main(int argc, char **argv)
{
	unsigned int seconds = 0, first = -1;
	const char *dir = NULL;
	bool minimise = false;
	int option, i;

	/* An input has executed this program */
	if (argc > 1 && !strcmp(argv[1], "-x"))
		return 0;
	set_up();
	while ((option = getopt(argc, argv, "mt:o:w:")) != -1) {
		switch (option) {
		case 'm':
			minimise = true;
			break;
		case 't':
			seconds = atoi(optarg);
			break;
		case 'o':
			dir = optarg;
			break;
		case 'w':
			read_words(optarg);
			break;
		default:
			return 2;
		}
	}
	for (i = optind; i < argc; i++) {
		read_inputs(argv[i]);
		if (minimise && i == optind)
			first = all->nr_inputs;
	}
	if (optind == argc)
		read_inputs("kernel_seeds");
	seed = (time(NULL) + 1) * 0x9e3779b97f4a7c15;
	if (dir && chdir(dir))
		err(1, "%s", dir);
	if (dir)
		current_file = open("current", O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0644);

	if (!minimise)
		printf("TAP version 13\n1..1\n");
	if (seconds)
		fuzz(seconds);
	else
		run_all(first);
	if (dir)
		write_blocks();
	for (i = 0; i < (int)ARRAY_SIZE(knobs); i++)
		put_text(knobs[i].path, knobs[i].before);
	rmdir(TRACEFS "instances/fuzz");
	if (!minimise)
		printf("ok 1 - %u inputs leave nothing in the kernel\n", all->nr_inputs);
	return 0;
}
