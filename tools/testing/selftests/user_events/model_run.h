/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The operations of model_test as plain system calls. Each returns what its system
 * call does, or a negative errno. A program that the test prints begins with this
 * text, so it takes nothing but libc and <linux/user_events.h>.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/perf_event.h>
#include <linux/user_events.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define TRACEFS		"/sys/kernel/tracing/"
#define INSTANCE	"instances/uev_test/"
#define GROUPS_DIR	TRACEFS "user_events_groups/"
#define GROUP		"uev_model"

#define PROCS		6
#define ADMIN		PROCS	/* who listens, and registers nothing */
#define FILES		4	/* of a process; exec closes odd ones. ADMIN has one more */
#define PAGES		5
#define SHARED		(PAGES - 1)	/* the page that forked processes share */
#define WORDS		4	/* enable words in a page */
#define NAMES		4
#define FORMATS		4
#define GROUPS		2	/* the default group, and one that comes and goes */
#define GROUP_EVENTS	(NAMES * (1 + FORMATS))	/* single formats, then multi formats */
#define EVENTS		(GROUPS * GROUP_EVENTS)
#define EVENT_OF(group, name, format, multi) ((group) * GROUP_EVENTS + \
	((multi) ? NAMES + (name) * FORMATS + (format) : (name)))
#define IN_GROUP(event)	((event) / GROUP_EVENTS)
#define IS_MULTI(event)	((event) % GROUP_EVENTS >= NAMES)
#define MAX_CPUS	64

#define FD(file)	(100 + (file))

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

#define GET(x)		__atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define SET(x, to)	__atomic_store_n(&(x), to, __ATOMIC_SEQ_CST)

/* What is wrong with the argument of a registration */
enum bad_reg {
	REG_GOOD, REG_LONG_ZERO, REG_SHORT, REG_LONG, REG_FLAG, REG_SIZE, REG_BIT,
	REG_ALIGN, REG_KERNEL, REG_NO_COMMAND, REG_LONG_COMMAND, REG_READ_ONLY,
	REG_BAD_END,
};

/* Lines of user_events_groups/control */
enum group_line { GROUP_MAKE, GROUP_LIMIT, GROUP_REMOVE, GROUP_LINES };

/* What limits events, and enable bits */
enum limit { LIMIT_SYSTEM, LIMIT_USER_EVENTS, LIMIT_USER_BITS, LIMITS };

enum bad_unreg { UNREG_GOOD, UNREG_RESERVED, UNREG_SHORT, UNREG_LONG, UNREG_BAD_END };

/* What is mapped, and how it goes: brk() takes privileges, shmdt() a segment. */
enum map_way { MAP_ANONYMOUS_PAGE, MAP_SEGMENT, MAP_WAYS };
enum unmap_way { UNMAP_MUNMAP, UNMAP_MREMAP, UNMAP_BRK, UNMAP_SHMDT, UNMAP_WAYS };

/* @MOVE_PAGES: the mapping stays, and is empty */
enum move_way { MOVE_MAPPING, MOVE_PAGES, MOVE_WAYS };

#ifndef MODEL_TYPES_ONLY

/* Shared by all processes */
static struct run {
	long step;
	int wrong;
	int born;		/* the last one that was forked runs */
	pid_t pids[PROCS];
	char names[EVENTS][32];	/* what tracefs calls an event; "" if it never was */
	char prefix[16];	/* of all names */
} *run;

static char *area;		/* the pages */
static size_t page_size;
static int wait_ms = 10000;	/* for what the kernel does a moment later */
static int perf_fds[EVENTS][MAX_CPUS];
static int perf_before[EVENTS];	/* records that CPUs had counted which are gone */
static int perf_is_open[EVENTS];
static int pipes[2] = { -1, -1 };	/* trace_pipe, of the instance too */
static char max_before[LIMITS][16];
static int has_hotplug;		/* of the last CPU, which is online at first */

static const char * const limit_files[LIMITS] = {
	"/proc/sys/kernel/user_events_max", "/proc/sys/user/max_user_events",
	"/proc/sys/user/max_user_event_bits",
};

/* What a new process does, which is number @arg */
static int child(void *arg);

static void *word_at(int page, int word)
{
	static const int offsets[WORDS] = { 0, 8, 24, -8 };

	return area + page * page_size + (offsets[word] & (page_size - 1));
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

#define WAIT_FOR(cond) ({						\
	long _end = now_ms() + wait_ms;					\
	int _ok;							\
									\
	while (!(_ok = !!(cond)) && now_ms() < _end)			\
		usleep(300);						\
	_ok;								\
})

static int result_of(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* A file of a group */
static const char *file_of(int group, const char *file)
{
	static char path[100];

	sprintf(path, "%s%s", group ? GROUPS_DIR GROUP "/" : TRACEFS, file);
	return path;
}

/* Files */

static int move_file(int fd, int file)
{
	int ret;

	if (fd < 0)
		return -errno;
	ret = result_of(dup3(fd, FD(file), file & 1 ? O_CLOEXEC : 0));
	close(fd);
	return ret < 0 ? ret : 0;
}

static int m_open(int file, int group)
{
	return move_file(open(file_of(group, "user_events_data"), O_RDWR | O_CLOEXEC),
			 file);
}

static int m_close(int file)
{
	return result_of(close(FD(file)));
}

static int m_dup(int file, int to)
{
	return move_file(dup(FD(file)), to);
}

/* Gets @file of another process. */
static int m_take(int proc, int file, int to)
{
	int pidfd = syscall(__NR_pidfd_open, run->pids[proc], 0), ret;

	if (pidfd < 0)
		return -errno;
	ret = move_file(syscall(__NR_pidfd_getfd, pidfd, FD(file), 0), to);
	close(pidfd);
	return ret;
}

/* The ioctls */

static int m_register(int file, int page, int word, int bit, int size, int flags,
		      const char *command, int bad)
{
	char room[64] = "", text[1000];
	struct user_reg *reg = (void *)room;
	int ret;

	snprintf(text, sizeof(text), "%s%*s", command,
		 bad == REG_LONG_COMMAND ? 600 : 0, "");
	reg->size = sizeof(*reg);
	reg->enable_bit = bit;
	reg->enable_size = size;
	reg->flags = flags;
	reg->enable_addr = (uintptr_t)word_at(page, word);
	reg->name_args = bad == REG_NO_COMMAND ? 8 : (uintptr_t)text;
	if (bad == REG_SHORT)
		reg->size--;
	if (bad == REG_LONG_ZERO || bad == REG_LONG)
		reg->size = sizeof(room);
	if (bad == REG_LONG)
		room[sizeof(room) - 1] = 1;
	if (bad == REG_FLAG)
		reg->flags |= USER_EVENT_REG_MAX;
	if (bad == REG_SIZE)
		reg->enable_size = 2;
	if (bad == REG_BIT)
		reg->enable_bit = 8 * size;
	if (bad == REG_ALIGN)
		reg->enable_addr += 2;
	if (bad == REG_KERNEL)
		reg->enable_addr = -4096;
	if (bad == REG_READ_ONLY) {
		reg = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memcpy(reg, room, sizeof(room));
		mprotect(reg, page_size, PROT_READ);
	}
	ret = result_of(ioctl(FD(file), DIAG_IOCSREG, reg));
	if (!ret)
		ret = reg->write_index;
	if (bad == REG_READ_ONLY)
		munmap(reg, page_size);
	return ret;
}

static int m_unregister(int file, int page, int word, int bit, int bad)
{
	char room[32] = "";
	struct user_unreg *unreg = (void *)room;

	unreg->size = sizeof(*unreg);
	unreg->disable_bit = bit;
	unreg->disable_addr = (uintptr_t)word_at(page, word);
	if (bad == UNREG_RESERVED)
		unreg->__reserved2 = 1;
	if (bad == UNREG_SHORT)
		unreg->size--;
	if (bad == UNREG_LONG) {
		unreg->size = sizeof(room);
		room[sizeof(room) - 1] = 1;
	}
	return result_of(ioctl(FD(file), DIAG_IOCSUNREG, unreg));
}

/* @blanks: so many more than the name */
static int m_delete(int file, const char *name, int blanks)
{
	char text[1000];

	snprintf(text, sizeof(text), "%s%*s", name, blanks, "");
	return result_of(ioctl(FD(file), DIAG_IOCSDEL, text));
}

/*
 * Writes a record: @index, @payload, in hexadecimal digits, and zeroes up to @size
 * bytes behind the index; less than the index if @size is negative. In @pieces; 0:
 * two, of which the second cannot be read.
 */
static int m_write(int file, int index, const char *payload, int size, int pieces)
{
	static char record[80000];
	int total = sizeof(index) + size, at = 0, nr, i;
	unsigned int byte;
	struct iovec iov[4];

	memset(record, 0, sizeof(record));
	memcpy(record, &index, sizeof(index));
	for (i = 0; payload[2 * i]; i++) {
		if (sscanf(payload + 2 * i, "%2x", &byte) != 1)
			return -EINVAL;
		record[sizeof(index) + i] = byte;
	}
	if (pieces == 1)
		return result_of(write(FD(file), record, total));
	nr = pieces ? pieces : 2;
	for (i = 0; i < nr; i++) {
		iov[i].iov_base = record + at;
		iov[i].iov_len = i == nr - 1 ? total - at : total / nr;
		at += iov[i].iov_len;
	}
	if (!pieces) {
		iov[0].iov_len = sizeof(index);
		iov[1] = (struct iovec){ (void *)8, size };
	}
	return result_of(writev(FD(file), iov, nr));
}

/* Processes */

/* A new process, which is made with these flags of clone() */
static int make_process(int proc, int flags)
{
	const size_t size = 128 * 1024;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret;

	if (stack == MAP_FAILED)
		return -errno;
	if (GET(run->born) > 0)
		SET(run->born, 0);
	ret = result_of(clone(child, stack + size, SIGCHLD | CLONE_PARENT_SETTID | flags,
			      (void *)(long)proc, &run->pids[proc]));
	if (flags != CLONE_VM)
		munmap(stack, size);
	return ret < 0 ? ret : 0;
}

static int m_wait_born(void)
{
	return WAIT_FOR(GET(run->born) > 0) ? 0 : -ETIME;
}

static int m_fork(int proc)
{
	return make_process(proc, 0) ?: m_wait_born();
}

static int m_clone_vm(int proc)
{
	return make_process(proc, CLONE_VM) ?: m_wait_born();
}

/* Returns when the child has ended, or has executed a program. */
static int m_vfork(int proc)
{
	return make_process(proc, CLONE_VM | CLONE_VFORK);
}

static int m_exit(void)
{
	_exit(0);
}

/* Becomes a program that waits, with nothing but the files left. */
static int m_exec(void)
{
	/* model_test itself waits until this file ends. */
	static char *const env[] = { "UEV_EXEC_WAIT_FD=99", NULL };

	execle("/proc/self/exe", "wait_for_ever", "x", NULL, env);
	return -errno;
}

static int m_nobody(void)
{
	if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
	    setresuid(65534, 65534, 65534))
		return -errno;
	return 0;
}

static int m_wait_gone(int proc)
{
	return WAIT_FOR(kill(run->pids[proc], 0) && errno == ESRCH) ? 0 : -ETIME;
}

static void read_of(int proc, const char *file, char *text, size_t size)
{
	char path[64];
	ssize_t len;
	int fd;

	sprintf(path, "/proc/%d/%s", run->pids[proc], file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, size - 1);
	text[len < 0 ? 0 : len] = '\0';
	close(fd);
}

/* Only once it waits have the files gone that exec closes. */
static int has_executed(int proc)
{
	char text[256];

	read_of(proc, "cmdline", text, sizeof(text));
	if (strcmp(text, "wait_for_ever"))
		return 0;
	read_of(proc, "stat", text, sizeof(text));
	return !!strstr(text, ") S ");
}

static int m_wait_exec(int proc)
{
	return WAIT_FOR(has_executed(proc)) ? 0 : -ETIME;
}

static int m_kill(int proc)
{
	if (kill(run->pids[proc], SIGKILL))
		return -errno;
	return m_wait_gone(proc);
}

/* Memory */

static char *page_at(int page)
{
	return area + page * page_size;
}

/* A segment in the place of what is mapped; a child of fork() does not have it. */
static int map_segment(int page)
{
	int id = shmget(IPC_PRIVATE, page_size, IPC_CREAT | 0600), ret;

	if (id < 0)
		return -errno;
	ret = shmat(id, page_at(page), SHM_REMAP) == (void *)-1 ? -errno : 0;
	shmctl(id, IPC_RMID, NULL);
	return ret ?: result_of(madvise(page_at(page), page_size, MADV_DONTFORK));
}

static int m_map(int page, int way)
{
	if (way == MAP_SEGMENT)
		return map_segment(page);
	return mmap(page_at(page), page_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		MAP_FAILED ? -errno : 0;
}

/* Has the kernel take the page for the end of the heap, which goes. */
static int unmap_by_brk(int page)
{
	unsigned long end = syscall(__NR_brk, 0);
	int ret;

	ret = result_of(prctl(PR_SET_MM, PR_SET_MM_BRK, page_at(page + 1), 0, 0));
	if (ret)
		return ret;
	if (syscall(__NR_brk, page_at(page)) != (long)page_at(page))
		ret = -ENOMEM;
	return result_of(prctl(PR_SET_MM, PR_SET_MM_BRK, end, 0, 0)) ?: ret;
}

static int m_unmap(int page, int way)
{
	switch (way) {
	case UNMAP_MREMAP:
		return mremap(page_at(page - 1), 2 * page_size, page_size, 0) ==
			MAP_FAILED ? -errno : 0;
	case UNMAP_BRK:
		return unmap_by_brk(page);
	case UNMAP_SHMDT:
		return result_of(shmdt(page_at(page)));
	}
	return result_of(munmap(page_at(page), page_size));
}

static int m_move(int page, int to, int way)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED |
		(way == MOVE_PAGES ? MREMAP_DONTUNMAP : 0);

	return mremap(page_at(page), page_size, page_size, flags, page_at(to)) ==
		MAP_FAILED ? -errno : 0;
}

static int m_protect(int page, int read_only)
{
	return result_of(mprotect(page_at(page), page_size,
				  PROT_READ | (read_only ? 0 : PROT_WRITE)));
}

static int m_advise(int page, int advice)
{
	return result_of(madvise(page_at(page), page_size, advice));
}

/* Flips bits, those of the program or those of the kernel. */
static int m_flip(int page, int word, unsigned long long bits)
{
	__u64 *at = word_at(page, word);

	SET(*at, *at ^ bits);
	return 0;
}

/* Listeners */

static int m_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = result_of(write(fd, text, strlen(text)));
	close(fd);
	return ret < 0 ? ret : 0;
}

static void event_path(char *path, const char *instance, int event, const char *file)
{
	sprintf(path, TRACEFS "%sevents/" USER_EVENTS_SYSTEM "%s%s/%s/%s", instance,
		IN_GROUP(event) ? "_" GROUP : "", IS_MULTI(event) ? "_multi" : "",
		run->names[event][0] ? run->names[event] : "never", file);
}

static int m_enable(const char *instance, int event, int on)
{
	char path[200];

	event_path(path, instance, event, "enable");
	return m_put(path, on ? "1" : "0");
}

static int m_perf_close(int event)
{
	int cpu;

	for (cpu = 0; cpu < MAX_CPUS; cpu++) {
		if (perf_fds[event][cpu] > 0)
			close(perf_fds[event][cpu]);
		perf_fds[event][cpu] = 0;
	}
	perf_is_open[event] = 0;
	return 0;
}

static int perf_open_on(int event, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
	};
	char path[200], text[20] = "";
	int fd, ret = 0;

	event_path(path, "", event, "id");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		ret = -EIO;
	close(fd);
	if (ret)
		return ret;
	attr.config = atoi(text);
	fd = syscall(__NR_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	perf_fds[event][cpu] = fd;
	return 0;
}

/* The last CPU is the one that can be offline. */
static int m_perf_open(int event)
{
	int cpu, ret = 0;

	perf_before[event] = 0;
	for (cpu = 0; !ret && cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++)
		ret = perf_open_on(event, cpu);
	if (ret)
		m_perf_close(event);
	else
		perf_is_open[event] = 1;
	return ret;
}

static int perf_count_on(int event, int cpu)
{
	__u64 count;

	if (perf_fds[event][cpu] <= 0 ||
	    read(perf_fds[event][cpu], &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

/* How many records perf has been given */
static int m_perf_count(int event)
{
	int cpu, sum = perf_before[event];

	for (cpu = 0; cpu < MAX_CPUS; cpu++)
		sum += perf_count_on(event, cpu);
	return sum;
}

static const char *cpu_file(void)
{
	static char path[64];

	sprintf(path, "/sys/devices/system/cpu/cpu%ld/online",
		sysconf(_SC_NPROCESSORS_CONF) - 1);
	return path;
}

/*
 * Takes the last CPU offline, or online again. What perf has open there counts nothing
 * any more: it is opened again.
 */
static int m_cpu(int on)
{
	int cpu = sysconf(_SC_NPROCESSORS_CONF) - 1, i, ret;
	int was_on = sysconf(_SC_NPROCESSORS_ONLN) > cpu;

	ret = m_put(cpu_file(), on ? "1" : "0");
	if (ret || was_on == on)
		return ret;
	for (i = 0; i < EVENTS && !ret; i++) {
		if (!perf_is_open[i])
			continue;
		if (on) {
			ret = perf_open_on(i, cpu);
			continue;
		}
		perf_before[i] += perf_count_on(i, cpu);
		close(perf_fds[i][cpu]);
		perf_fds[i][cpu] = 0;
	}
	return ret;
}

/* What is seen */

/* The whole text of a file, at most 64 KiB; valid until the next call */
static char *text_of(const char *path)
{
	static char text[65536];
	size_t size = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && size < sizeof(text) - 1 &&
	       (got = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += got;
	if (fd >= 0)
		close(fd);
	text[size] = '\0';
	return text;
}

/* The line of @text that begins with @start and goes on with one of @next, or NULL */
static const char *line_with(const char *text, const char *start, const char *next)
{
	size_t len = strlen(start);

	for (; text && *text; text = strchr(text, '\n'), text += !!text) {
		if (!strncmp(text, start, len) && (!*next || strchr(next, text[len])))
			return text;
	}
	return NULL;
}

/* Learns what a multi-format event is called that was just registered. */
static int m_learn(int event, const char *name)
{
	const char *line = text_of(file_of(IN_GROUP(event), "user_events_status"));
	int first = IN_GROUP(event) * GROUP_EVENTS, i;
	char found[32];

	for (; (line = line_with(line, name, ".")); line = strchr(line, '\n') + 1) {
		snprintf(found, sizeof(found), "%.*s", (int)strcspn(line, "\n "), line);
		for (i = first; i < first + GROUP_EVENTS; i++) {
			if (i != event && !strcmp(run->names[i], found))
				break;
		}
		if (i == first + GROUP_EVENTS) {
			memcpy(run->names[event], found, sizeof(found));
			return 0;
		}
	}
	return -ENOENT;
}

/* @want: what follows the name in user_events_status, NULL for no line */
static int status_is(int event, const char *want)
{
	const char *status = file_of(IN_GROUP(event), "user_events_status");
	const char *line = line_with(text_of(status), run->names[event], "\n ");

	if (!line || !want || !*run->names[event])
		return (line && *run->names[event]) == !!want;
	line += strlen(run->names[event]);
	return strcspn(line, "\n") == strlen(want) && !strncmp(line, want, strlen(want));
}

/* It has gone, or does a moment later. */
static int m_wait_reaped(int event)
{
	return WAIT_FOR(status_is(event, NULL)) ? 0 : -1;
}

static int m_exists(int event)
{
	char path[200];

	event_path(path, "", event, "format");
	return !access(path, F_OK);
}

static int m_has_line(const char *path, const char *line)
{
	return !!line_with(text_of(path), line, "\n");
}

/* What a process shows of an open file */
static const char *fdinfo_of(int proc, int file)
{
	char path[64];

	sprintf(path, "/proc/%d/fdinfo/%d", run->pids[proc], FD(file));
	return text_of(path);
}

/* The index of an event according to @fdinfo, or -1 */
static int index_in(const char *fdinfo, int event)
{
	char start[32];
	int index;

	for (index = 0; index < EVENTS; index++) {
		sprintf(start, "user_event: %d %s", index, run->names[event]);
		if (line_with(fdinfo, start, "\n"))
			return index;
	}
	return -1;
}

/* The next record in the buffer of an instance, "NAME: FIELDS"; "" if there is none */
static const char *m_next_record(int instance)
{
	static char text[2][16384], line[200];
	static size_t size[2];
	char key[20], *end, *at;
	size_t len;
	ssize_t got;

	sprintf(key, " %s", run->prefix);
	for (;;) {
		/* A read can end in the middle of a line. */
		end = memchr(text[instance], '\n', size[instance]);
		if (!end) {
			got = read(pipes[instance], text[instance] + size[instance],
				   sizeof(text[0]) - size[instance]);
			if (got <= 0)
				return "";
			size[instance] += got;
			continue;
		}
		*end = '\0';
		at = strstr(text[instance], key);
		snprintf(line, sizeof(line), "%s", at ? at + 1 : "");
		len = end + 1 - text[instance];
		size[instance] -= len;
		memmove(text[instance], end + 1, size[instance]);
		if (!at)
			continue;
		/* Behind an event without fields there is a blank. */
		for (len = strlen(line); line[len - 1] == ' '; len--)
			line[len - 1] = '\0';
		return line;
	}
}

/*
 * Limits events of the system to so many of this program beside those of others, or what
 * each user may have; as it was, if @events is negative.
 */
static int m_limit(int limit, int events)
{
	const char *text = text_of(TRACEFS "user_events_status");
	char max[16];
	int others = 0;

	if (events < 0)
		return m_put(limit_files[limit], max_before[limit]);
	for (; limit == LIMIT_SYSTEM && *text && *text != '\n'; text = strchr(text, '\n') + 1)
		others += !!strncmp(text, run->prefix, strlen(run->prefix));
	sprintf(max, "%d", others + events);
	return m_put(limit_files[limit], max);
}

/* A line of user_events_groups/control. A new group begins with the same numbers. */
static int m_group(const char *line)
{
	int ret = m_put(GROUPS_DIR "control", line), i;

	for (i = 0; !ret && *line == '-' && i < EVENTS; i++) {
		if (IN_GROUP(i) && IS_MULTI(i))
			run->names[i][0] = '\0';
	}
	return ret;
}

/* Ends all processes, and all listeners leave. */
static int m_end(void)
{
	int i, ret = 0;

	for (i = 0; i < PROCS; i++) {
		if (run->pids[i] > 0 && m_kill(i) == -ETIME)
			ret = -ETIME;
	}
	for (i = 0; i < EVENTS; i++) {
		if (!*run->names[i])
			continue;
		m_enable("", i, 0);
		m_enable(INSTANCE, i, 0);
		m_perf_close(i);
	}
	for (i = 0; i < LIMITS; i++)
		m_limit(i, -1);
	if (has_hotplug)
		m_cpu(1);
	return ret;
}

/* The memory that all processes begin with; the events are called @name and a letter. */
static int run_setup(const char *name)
{
	int i;

	page_size = sysconf(_SC_PAGESIZE);
	if (!run) {
		run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		area = mmap(NULL, PAGES * page_size, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (run == MAP_FAILED || area == MAP_FAILED || m_open(FILES, 0))
			return -errno;
		for (i = 0; i < LIMITS; i++)
			snprintf(max_before[i], sizeof(max_before[i]), "%s",
				 text_of(limit_files[i]));
		has_hotplug = !access(cpu_file(), W_OK) &&
			sysconf(_SC_NPROCESSORS_ONLN) == sysconf(_SC_NPROCESSORS_CONF);
		mkdir(TRACEFS INSTANCE, 0700);
		m_put(TRACEFS "trace_clock", "counter");
		m_put(TRACEFS INSTANCE "trace_clock", "counter");
		pipes[0] = open(TRACEFS "trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		pipes[1] = open(TRACEFS INSTANCE "trace_pipe",
				O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		signal(SIGCHLD, SIG_IGN);
	}
	memset(run, 0, sizeof(*run));
	snprintf(run->prefix, sizeof(run->prefix), "%s", name);
	for (i = 0; i < GROUPS * NAMES; i++)
		sprintf(run->names[EVENT_OF(i / NAMES, i % NAMES, 0, 0)], "%s%c", name,
			'a' + i % NAMES);
	for (i = 0; i < PAGES; i++)
		m_map(i, MAP_ANONYMOUS_PAGE);
	return mmap(page_at(SHARED), page_size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ?
		-errno : 0;
}

#endif /* MODEL_TYPES_ONLY */
