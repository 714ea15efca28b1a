// SPDX-License-Identifier: GPL-2.0
/*
 * What user events cost, in the clock of the machine this runs on. Uses the ABI
 * alone, so that it measures any kernel that speaks it.
 *
 * Usage: bench			every operation, "ROW<TAB>NANOSECONDS" lines
 *        bench threads N	records of N threads, against those of one
 *
 * scripts/bench runs it where a nanosecond is an instruction. The fastest of several
 * rounds counts, because that clock jumps when the guest sleeps.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/user_events.h>

#define TRACEFS		"/sys/kernel/tracing/"
#define EVENT		TRACEFS "events/user_events/"
#define ROUNDS		5
#define MOST_THREADS	4
#define LOOPS		1000
#define VALUES		8192

static uint32_t *values;
static int data = -1;

__attribute__((noreturn, format(printf, 1, 2)))
static void die(const char *format, ...)
{
	va_list args;
	int error = errno;

	va_start(args, format);
	fprintf(stderr, "bench: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerror(error));
	va_end(args);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Time of one STATEMENT: COUNT of them, in the fastest of ROUNDS rounds */
#define FASTEST(count, statement) ({					\
	uint64_t fastest = UINT64_MAX;					\
									\
	for (int round = 0; round < ROUNDS; round++) {			\
		uint64_t from = now();					\
									\
		for (int loop = 0; loop < (count); loop++)		\
			statement;					\
		from = (now() - from) / (count);			\
		if (from < fastest)					\
			fastest = from;					\
	}								\
	fastest;							\
})

__attribute__((format(printf, 2, 3)))
static void row(uint64_t ns, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\t%llu\n", (unsigned long long)ns);
	fflush(stdout);
}

static int try_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int ret = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return ret < 0 ? -1 : 0;
}

static void put(const char *path, const char *text)
{
	if (try_put(path, text))
		die("%s to %s", text, path);
}

static int open_data(void)
{
	int fd = open(TRACEFS "user_events_data", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("user_events_data");
	return fd;
}

static int declare(int fd, const char *command, uint32_t *value)
{
	struct user_reg reg = {
		.size = sizeof(reg),
		.enable_size = sizeof(*value),
		.enable_addr = (uintptr_t)value,
		.name_args = (uintptr_t)command,
	};

	if (ioctl(fd, DIAG_IOCSREG, &reg))
		die("registering %s", command);
	return reg.write_index;
}

static void forget(uint32_t *value)
{
	struct user_unreg unreg = {
		.size = sizeof(unreg),
		.disable_addr = (uintptr_t)value,
	};

	if (ioctl(data, DIAG_IOCSUNREG, &unreg))
		die("unregistering");
}

static void reap(pid_t pid)
{
	int status;

	if (pid < 0)
		die("fork");
	if (waitpid(pid, &status, 0) != pid || status)
		die("child: status 0x%x", status);
}

/* In a process of its own, so that it finds and leaves nothing registered */
static void apart(void (*measure)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		measure();
		exit(0);
	}
	reap(pid);
}

/*
 * Records
 */

struct record {
	int32_t index;
	uint32_t value;
	char more[4096];
} __attribute__((packed));

static struct record record = { .value = 42 };

static void write_ok(size_t payload)
{
	ssize_t size = sizeof(record.index) + payload;

	if (write(data, &record, size) != size)
		die("writing %zu bytes", payload);
}

static uint64_t write_cost(size_t payload)
{
	write_ok(payload);
	return FASTEST(LOOPS, write(data, &record,
				    sizeof(record.index) + payload));
}

static int perf_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_RAW,
		.watermark = 1,
		.wakeup_watermark = 1 << 30,
	};
	char id[32] = "";
	int fd = open(EVENT "bench/id", O_RDONLY);

	if (fd < 0 || read(fd, id, sizeof(id) - 1) <= 0)
		die("id");
	close(fd);
	attr.config = atoi(id);
	fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		die("perf_event_open");
	return fd;
}

static void measure_perf(void)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_TRACEPOINT,
		.insns = (uintptr_t)insns,
		.insn_cnt = 2,
		.license = (uintptr_t)"GPL",
	};
	int fd = perf_open(), prog;
	void *ring = mmap(NULL, 65 * 4096, PROT_READ, MAP_SHARED, fd, 0);

	/* Read-only: the oldest record makes room for the newest */
	if (ring == MAP_FAILED)
		die("perf buffer");
	row(write_cost(4), "write 4 B, perf");
	row(write_cost(1024), "write 1024 B, perf");
	munmap(ring, 65 * 4096);
	close(fd);

	fd = perf_open();
	prog = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (prog < 0 || ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog))
		die("BPF program");
	row(write_cost(4), "write 4 B, BPF program");
	close(prog);
	close(fd);
}

static void measure_write(void)
{
	static const size_t sizes[] = { 0, 64, 256, 4000 };
	struct {
		int32_t index;
		uint32_t loc;
		char text[8];
	} __attribute__((packed)) text = {
		.loc = DYN_LOC(0, 8), .text = "seven c",
	};
	struct iovec parts[] = {
		{ &record.index, sizeof(record.index) },
		{ &record.value, sizeof(record.value) },
	};
	int empty, index, i;

	index = declare(data, "bench u32 value", &values[0]);
	text.index = declare(data, "bench_text __rel_loc char[] text",
			     &values[1]);
	empty = declare(data, "bench_empty", &values[2]);
	record.index = index;

	row(FASTEST(LOOPS, syscall(SYS_getppid)), "null system call");
	row(FASTEST(LOOPS, write(data, &record, 8)), "write, nobody listens");

	put(EVENT "enable", "1");
	row(write_cost(4), "write 4 B, ftrace");
	row(FASTEST(LOOPS, write(data, &text, sizeof(text))),
	    "write a __rel_loc string, ftrace");
	row(write_cost(1024), "write 1024 B, ftrace");
	if (writev(data, parts, 2) != 8)
		die("writev");
	row(FASTEST(LOOPS, writev(data, parts, 2)),
	    "writev 4 B in two parts, ftrace");
	for (i = 0; i < 4; i++) {
		record.index = sizes[i] ? index : empty;
		row(write_cost(sizes[i]), "write %zu B, ftrace", sizes[i]);
	}
	record.index = index;

	put(EVENT "bench/filter", "value == 42");
	row(write_cost(4), "write 4 B, ftrace with a filter it passes");
	put(EVENT "bench/filter", "value == 43");
	row(write_cost(4), "write 4 B, ftrace with a filter it fails");
	put(EVENT "bench/filter", "0");
	put(EVENT "bench/trigger", "hist:keys=value");
	row(write_cost(4), "write 4 B, ftrace and a histogram");
	put(EVENT "bench/trigger", "!hist:keys=value");

	if (mkdir(TRACEFS "instances/bench", 0700))
		die("instance");
	put(TRACEFS "instances/bench/events/user_events/bench/enable", "1");
	row(write_cost(4), "write 4 B, two ftrace instances");
	put(TRACEFS "instances/bench/events/user_events/bench/enable", "0");
	if (rmdir(TRACEFS "instances/bench"))
		die("instance");
	put(EVENT "enable", "0");

	measure_perf();
}

/*
 * Peers
 */

__attribute__((noinline)) void probed(void)
{
	asm volatile("nop; nop; nop; nop");
}

static void measure_peers(void)
{
	char path[256], line[400], *colon;
	unsigned long start = 0, offset = 0, from, to, at;
	FILE *maps = fopen("/proc/self/maps", "r");
	int fd = open(TRACEFS "trace_marker", O_WRONLY);

	if (fd < 0)
		die("trace_marker");
	row(FASTEST(LOOPS, write(fd, "12345678", 8)), "peer: trace_marker, 8 B");
	close(fd);

	/* The system call with its own trace event, less the one without */
	put(TRACEFS "events/syscalls/sys_enter_getppid/enable", "1");
	row(FASTEST(LOOPS, syscall(SYS_getppid)),
	    "peer: null system call that ftrace records");
	put(TRACEFS "events/syscalls/sys_enter_getppid/enable", "0");

	/* Where probed() is in the file */
	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %*s %lx", &from, &to, &at) == 3 &&
		    (uintptr_t)probed >= from && (uintptr_t)probed < to) {
			start = from;
			offset = at;
		}
	}
	if (!start || readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		die("maps");
	path[readlink("/proc/self/exe", path, sizeof(path) - 1)] = '\0';
	colon = line + snprintf(line, sizeof(line), "p:bench/probed %s:0x%lx",
				path, (uintptr_t)probed - start + offset);
	*colon = '\0';
	put(TRACEFS "uprobe_events", line);
	put(TRACEFS "events/bench/probed/enable", "1");
	row(FASTEST(LOOPS, probed()), "peer: uprobe hit");
	put(TRACEFS "events/bench/probed/enable", "0");
	put(TRACEFS "uprobe_events", "-:bench/probed");
}

/*
 * Registry
 */

static void register_new_through(int file, const char *where)
{
	static int run;
	char command[64];
	uint64_t from = 0;
	int i;

	run = getpid();
	for (i = 0; i < 1000; i++) {
		snprintf(command, sizeof(command), "new_%d_%d u32 value", run, i);
		if (i == 90 || i == 990)
			from = now();
		declare(file, command, &values[i]);
		if (i == 99)
			row((now() - from) / 10, "register a new event%s, the 100th", where);
		if (i == 999)
			row((now() - from) / 10, "register a new event%s, the 1000th", where);
	}
}

static void register_new(void)
{
	register_new_through(open_data(), "");
}

/* Where the kernel has groups */
static void register_new_in_group(void)
{
	int file;

	if (try_put(TRACEFS "user_events_groups/control", "+bench"))
		return;
	file = open(TRACEFS "user_events_groups/bench/user_events_data", O_RDWR | O_CLOEXEC);
	if (file < 0)
		die("the group's file");
	register_new_through(file, " in a group");
}

static void register_one(void)
{
	uint64_t from = 0;
	int i;

	for (i = 0; i < 4000; i++) {
		if (i == 90 || i == 990 || i == 3990)
			from = now();
		declare(data, "bench u32 value", &values[i]);
		if (i == 99 || i == 999 || i == 3999)
			row((now() - from) / 10,
			    "register one event at another address, the %dth",
			    i + 1);
	}
}

static void unregister_100(void)
{
	uint64_t from;
	int i;

	for (i = 0; i < 100; i++)
		declare(data, "bench u32 value", &values[i]);
	from = now();
	for (i = 0; i < 100; i++)
		forget(&values[i]);
	row((now() - from) / 100, "unregister, mean of 100");
}

static void unregister_1000(void)
{
	uint64_t from;
	int i;

	for (i = 0; i < 1000; i++)
		declare(data, "bench u32 value", &values[i]);
	from = now();
	for (i = 0; i < 1000; i++)
		forget(&values[i]);
	row((now() - from) / 1000, "unregister, mean of 1000");
}

/* All of one name, which differ in their formats */
static void register_formats(void)
{
	int file = open_data(), i;
	struct user_reg reg = {
		.size = sizeof(reg),
		.enable_size = sizeof(*values),
		.flags = USER_EVENT_REG_MULTI_FORMAT,
	};
	char command[64];
	uint64_t from = 0;

	for (i = 0; i < 4000; i++) {
		snprintf(command, sizeof(command), "formats u32 value_%d", i);
		reg.name_args = (uintptr_t)command;
		reg.enable_addr = (uintptr_t)&values[i];
		if (i == 90 || i == 990 || i == 3990)
			from = now();
		if (ioctl(file, DIAG_IOCSREG, &reg))
			die("registering %s", command);
		if (i == 99 || i == 999 || i == 3999)
			row((now() - from) / 10, "register another format of one name, the %dth",
			    i + 1);
	}
}

/*
 * Processes
 */

static int nr_addresses;
static const char *self;

static pid_t fork_exit(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid;
}

static pid_t vfork_exit(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(0);
	return pid;
}

static pid_t fork_exec(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl(self, self, "exit", NULL);
		_exit(1);
	}
	return pid;
}

static void *nothing(void *arg)
{
	return arg;
}

static void thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, nothing, NULL) || pthread_join(t, NULL))
		die("thread");
}

/* So many that each round has about its share of ticks and deferred work */
#define FORKS	200

static void measure_fork(void)
{
	int i;

	for (i = 0; i < nr_addresses; i++)
		declare(data, "bench u32 value", &values[i]);

	row(FASTEST(FORKS, reap(fork_exit())), "fork, exit, wait with %d addresses",
	    nr_addresses);
	if (nr_addresses != 0 && nr_addresses != 4000)
		return;
	row(FASTEST(FORKS, reap(vfork_exit())),
	    "vfork, exit, wait with %d addresses", nr_addresses);
	row(FASTEST(FORKS, thread()), "thread with %d addresses", nr_addresses);
	row(FASTEST(FORKS / 5, reap(fork_exec())),
	    "fork, exec, exit, wait with %d addresses", nr_addresses);
}

static int order(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

/*
 * Unmaps mappings without an enabler. Their pages are never touched: the cost of
 * freeing a page depends on what was freed before. It is the median: one round in
 * twenty or so meets slabs that make it 3 % cheaper.
 */
static void measure_unmap(void)
{
	static uint64_t took[4 * ROUNDS];
	static void *at[LOOPS];
	uint64_t from;
	int round, i;

	for (i = 0; i < nr_addresses; i++)
		declare(data, "bench u32 value", &values[i]);
	for (round = 0; round < 4 * ROUNDS; round++) {
		for (i = 0; i < LOOPS; i++) {
			at[i] = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (at[i] == MAP_FAILED || mprotect(at[i] + 4096, 4096, PROT_NONE))
				die("mmap");
		}
		from = now();
		for (i = 0; i < LOOPS; i++)
			munmap(at[i], 4096);
		took[round] = (now() - from) / LOOPS;
		for (i = 0; i < LOOPS; i++)
			munmap(at[i] + 4096, 4096);
	}
	qsort(took, 4 * ROUNDS, sizeof(*took), order);
	row(took[2 * ROUNDS], "munmap with %d addresses elsewhere", nr_addresses);
}

/* Children that have registered, and wait for their end */
static void have_children(int nr, int nr_others, void (*prepare)(int others))
{
	char c;
	int ready[2], i;

	if (pipe(ready))
		die("pipe");
	for (i = 0; i < nr; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			prepare(nr_others);
			if (write(ready[1], "", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
	}
	close(ready[1]);
	for (i = 0; i < nr; i++) {
		if (read(ready[0], &c, 1) != 1)
			die("a child");
	}
	close(ready[0]);
}

static void listen_here(int others)
{
	int i;

	declare(data, "bench u32 value", &values[0]);
	for (i = 0; i < others; i++)
		declare(data, "other u32 value", &values[1 + i]);
}

static int nr_processes, nr_others;

static void measure_switch(void)
{
	uint64_t on = UINT64_MAX, off = UINT64_MAX, from;
	int fd, i;

	have_children(nr_processes, nr_others, listen_here);
	fd = open(EVENT "bench/enable", O_WRONLY);
	for (i = 0; i < ROUNDS; i++) {
		from = now();
		if (pwrite(fd, "1", 1, 0) != 1)
			die("enable");
		from = now() - from;
		if (from < on)
			on = from;
		from = now();
		if (pwrite(fd, "0", 1, 0) != 1)
			die("disable");
		from = now() - from;
		if (from < off)
			off = from;
	}
	row(on, "enable, %d processes, %d other addresses each", nr_processes,
	    nr_others);
	row(off, "disable, %d processes, %d other addresses each", nr_processes,
	    nr_others);
}

/*
 * Memory: bytes in slab caches
 */

static void flush_slabs(void)
{
	glob_t found;
	size_t i;

	/* Objects of a slab that a CPU keeps at hand all count as used. */
	if (glob("/sys/kernel/slab/*/shrink", 0, NULL, &found))
		die("slabs");
	for (i = 0; i < found.gl_pathc; i++)
		put(found.gl_pathv[i], "1");
	globfree(&found);
}

#define MAX_CACHES	512

struct cache {
	char name[64];
	long used;
	unsigned long size;
};

/* All slab caches, their objects counted exactly */
static int read_caches(struct cache *caches)
{
	unsigned long total;
	char line[512];
	int nr = 0;
	FILE *file;

	/* What was freed may wait for a grace period, and free more */
	syscall(SYS_membarrier, 1 /* MEMBARRIER_CMD_GLOBAL */, 0, 0);
	sleep(3);
	flush_slabs();
	file = fopen("/proc/slabinfo", "r");
	if (!file)
		die("slabinfo");
	while (nr < MAX_CACHES && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %ld %lu %lu", caches[nr].name,
			   &caches[nr].used, &total, &caches[nr].size) == 4)
			nr++;
	}
	fclose(file);
	return nr;
}

/*
 * @make makes @count things: bytes of the slab objects that each of them takes. Counts
 * whole objects per thing: other allocations meanwhile are fewer than one for each.
 */
static int64_t bytes_each(int count, void (*make)(void))
{
	static struct cache before[MAX_CACHES], after[MAX_CACHES];
	int64_t bytes = 0;
	int nr, i;

	read_caches(before);
	nr = read_caches(before);
	make();
	if (read_caches(after) != nr)
		die("the caches are others now");
	for (i = 0; i < nr; i++) {
		long grown = after[i].used - before[i].used;

		if (grown > 0)
			bytes += (grown + count / 2) / count * after[i].size;
	}
	return bytes;
}

static void make_addresses(void)
{
	int i;

	for (i = 1; i <= 4000; i++)
		declare(data, "bench u32 value", &values[i]);
}

static void memory_address(void)
{
	declare(data, "bench u32 value", &values[0]);
	row(bytes_each(4000, make_addresses), "memory: an address");
}

static void make_events(void)
{
	int file = open_data(), i;
	char command[64];

	for (i = 0; i < 500; i++) {
		snprintf(command, sizeof(command), "mem_%d_%d u32 value",
			 getpid(), i);
		declare(file, command, &values[i]);
	}
}

static void memory_event(void)
{
	row(bytes_each(500, make_events),
	    "memory: an event of one field, with its directory and one address");
}

static void prepare_nothing(int others)
{
}

static void make_children(void)
{
	have_children(200, 0, prepare_nothing);
}

static void make_registrants(void)
{
	have_children(200, 0, listen_here);
}

static void memory_child(void)
{
	int i;

	for (i = 0; i < nr_addresses; i++)
		declare(data, "bench u32 value", &values[i]);
	printf("%lld\n", (long long)bytes_each(200, make_children));
}

static void memory_registrant(void)
{
	printf("%lld\n", (long long)bytes_each(200, make_registrants));
}

static int64_t one_number_of(void (*measure)(void))
{
	char text[32] = "";
	int out[2], saved;

	fflush(stdout);
	if (pipe(out) || (saved = dup(1)) < 0 || dup2(out[1], 1) < 0)
		die("pipe");
	apart(measure);
	dup2(saved, 1);
	close(saved);
	if (read(out[0], text, sizeof(text) - 1) <= 0)
		die("no number");
	close(out[0]);
	close(out[1]);
	return strtoll(text, NULL, 10);
}

/* The least of three: other allocations of the process only add to it. */
static int64_t number_of(void (*measure)(void))
{
	int64_t least = INT64_MAX, number;
	int i;

	for (i = 0; i < 3; i++) {
		number = one_number_of(measure);
		if (number < least)
			least = number;
	}
	return least;
}

static void measure_memory(void)
{
	int64_t none, some;

	apart(memory_address);
	apart(memory_event);
	nr_addresses = 0;
	none = number_of(memory_child);
	nr_addresses = 4000;
	some = number_of(memory_child);
	row(some - none, "memory: a forked child that inherits 4000 addresses");
	some = number_of(memory_registrant);
	row(some - none, "memory: a process with one address");
}

/*
 * Threads
 */

static pthread_barrier_t barrier;
static volatile bool stop;
/* What all threads do, over and over */
static enum { NULL_CALL, ONE_FILE, OWN_FILES } work;

static void *worker(void *arg)
{
	struct record mine = { .value = 42 };
	int fd = work == OWN_FILES ? open_data() : data;
	uint64_t count = 0;

	mine.index = work == OWN_FILES ?
		declare(fd, "bench u32 value", &values[1000 + (long)arg]) : 0;
	pthread_barrier_wait(&barrier);
	for (; !stop; count++) {
		if (work == NULL_CALL)
			syscall(SYS_getppid);
		else if (write(fd, &mine, 8) != 8)
			die("write");
	}
	if (work == OWN_FILES) {
		forget(&values[1000 + (long)arg]);
		close(fd);
	}
	return (void *)count;
}

static uint64_t done_by(int nr)
{
	pthread_t threads[MOST_THREADS];
	uint64_t total = 0;
	void *count;
	long i;

	stop = false;
	pthread_barrier_init(&barrier, NULL, nr + 1);
	for (i = 0; i < nr; i++) {
		if (pthread_create(&threads[i], NULL, worker, (void *)i))
			die("thread");
	}
	pthread_barrier_wait(&barrier);
	usleep(500000);
	stop = true;
	for (i = 0; i < nr; i++) {
		pthread_join(threads[i], &count);
		total += (uint64_t)count;
	}
	pthread_barrier_destroy(&barrier);
	return total;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * CPUs of the guest are threads of the host, which may share a core. So the first row,
 * with system calls that share nothing, shows what the machine allows: compare the
 * others with it.
 */
static void measure_threads(int nr)
{
	static const char * const works[] = {
		[NULL_CALL] = "null system call",
		[ONE_FILE] = "one file",
		[OWN_FILES] = "a file each",
	};

	if (nr < 1 || nr > MOST_THREADS)
		die("number of threads");
	if (declare(data, "bench u32 value", &values[0]) != 0)
		die("index");
	put(EVENT "bench/enable", "1");
	for (work = NULL_CALL; work <= OWN_FILES; work++) {
		uint64_t one = 0, many = 0;
		int round;

		/*
		 * Other work of the host only makes it less: the most of each
		 * counts. One and many by turns, as the load changes.
		 */
		for (round = 0; round < 2 * ROUNDS; round++) {
			one = larger(one, done_by(1));
			many = larger(many, done_by(nr));
		}
		row(100 * many / one, "%d threads against one, %s, percent",
		    nr, works[work]);
	}
	put(EVENT "bench/enable", "0");
}

/*
 * The events exist from here on, held by the file. Declared in a child, because a
 * process that ever registered an address may still be tracked, and so would be
 * all children that this one forks.
 */
static void have_events(void)
{
	declare(data, "bench u32 value", &values[0]);
	declare(data, "other u32 value", &values[1]);
}

int main(int argc, char **argv)
{
	static const int addresses[] = { 0, 1, 100, 1000, 4000 };
	static const int processes[] = { 1, 10, 100, 200, 300 };
	static const int others[] = { 10, 100, 1000 };
	size_t i;

	if (argc > 1 && !strcmp(argv[1], "exit"))
		return 0;

	self = argv[0];
	values = mmap(NULL, VALUES * sizeof(*values), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (values == MAP_FAILED)
		die("mmap");
	data = open_data();

	if (argc > 1 && !strcmp(argv[1], "threads")) {
		measure_threads(argc > 2 ? atoi(argv[2]) : 0);
		return 0;
	}

	apart(measure_write);
	apart(measure_peers);

	apart(have_events);

	for (i = 0; i < sizeof(addresses) / sizeof(*addresses); i += 4) {
		nr_addresses = addresses[i];
		apart(measure_unmap);
	}

	/* A thousand take half a tick: repeat, so that one round has no tick in it */
	for (i = 0; i < 8; i++) {
		apart(register_new);
		apart(register_new_in_group);
		while (try_put(TRACEFS "user_events_groups/control", "-bench") && errno == EBUSY)
			usleep(1000);
		apart(register_one);
		apart(unregister_100);
		apart(unregister_1000);
	}
	for (i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		nr_addresses = addresses[i];
		apart(measure_fork);
	}
	for (i = 0; i < sizeof(processes) / sizeof(*processes); i++) {
		nr_processes = processes[i];
		apart(measure_switch);
	}
	nr_processes = 100;
	for (i = 0; i < sizeof(others) / sizeof(*others); i++) {
		nr_others = others[i];
		apart(measure_switch);
	}
	measure_memory();
	apart(register_formats);
	return 0;
}
