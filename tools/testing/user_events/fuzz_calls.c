// SPDX-License-Identifier: GPL-2.0
/* The calls that fuzz_kernel makes, each a line of an input: see kinds[]. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/kcov.h>
#include <linux/perf_event.h>
#include <linux/types.h>
#include <linux/user_events.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "fuzz_kernel.h"

#define MAX_OPS		16
#define MAX_ARGS	4
#define MAX_TEXT	500

/* Where the enable words are */
#define PAGES		8
#define PAGE		4096
#define AREA		((char *)0x10000000)

struct op {
	unsigned int	kind, len, args[MAX_ARGS];
	char		text[MAX_TEXT + 1];	/* may have any bytes */
};

static struct op ops[MAX_OPS];
static int nr_ops, files[4], perfs[4], memfd;
static unsigned int nr_perfs, nr_forks;
static char record[70000];
/* Aligned as stacks have to be */
static long double stacks[MAX_OPS][1024];

static void run_ops(int from, int to);

int put(const char *path, int flags, const void *text, size_t len)
{
	int fd = open(path, flags | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, len);
	close(fd);
	return ret;
}

int put_text(const char *path, const char *text)
{
	return put(path, O_WRONLY, text, strlen(text));
}

const char * const systems[NR_SYSTEMS] = {
	"user_events", "user_events_multi", "user_events_a", "user_events_a_multi",
};

/*
 * The path of a file of the n-th event of a system; false if there are fewer. Without
 * malloc(), as threads that the C library does not know of call it.
 */
bool event_path(char *path, size_t size, const char *root, int system, int nth,
		const char *file)
{
	char entries[4096];
	struct dirent64 *entry;
	int fd, len, at;

	snprintf(path, size, TRACEFS "%sevents/%s", root, systems[system]);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	while (fd >= 0 && (len = syscall(SYS_getdents64, fd, entries, sizeof(entries))) > 0) {
		for (at = 0; at < len; at += entry->d_reclen) {
			entry = (void *)(entries + at);
			if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || nth--)
				continue;
			snprintf(path, size, TRACEFS "%sevents/%s/%s/%s", root,
				 systems[system], entry->d_name, file);
			close(fd);
			return true;
		}
	}
	close(fd);
	return false;
}

/* The word is in one of the pages, at one of four places, or where no word can be. */
static __u64 word(unsigned int nr)
{
	static const __u64 odd[] = { 1, 1ULL << 63, 0x7ffffffff000 - 4, 0 };
	static const unsigned int at[] = { 0, 8, 4092, 4 };

	return nr < 32 ? (uintptr_t)AREA + nr % PAGES * PAGE + at[nr / PAGES] : odd[nr % 4];
}

static void do_open(const struct op *op)
{
	static const char * const paths[] = {
		TRACEFS "user_events_data", TRACEFS "user_events_groups/a/user_events_data",
	};

	close(files[op->args[0]]);
	files[op->args[0]] = open(paths[op->args[1]], O_RDWR | O_CLOEXEC);
}

static void do_close(const struct op *op)
{
	close(files[op->args[0]]);
	files[op->args[0]] = -1;
}

/* Bits of the third number */
enum { LONGER = 16, TAIL = 32, REPEATED = 64, BAD = 128 };

static void do_register(const struct op *op)
{
	struct {
		struct user_reg reg;
		__u32 more;
	} arg = {
		.reg.size = sizeof(struct user_reg),
		.reg.enable_addr = word(op->args[1]),
		.reg.enable_bit = op->args[2],
		.reg.enable_size = op->args[3] & 8 ? 8 : 4,
		.reg.flags = op->args[3] & 7,
	};
	char command[513] = "";

	memcpy(command, op->text, op->len);
	if (op->args[3] & REPEATED && op->len)
		memset(command + op->len, op->text[op->len - 1], 511 - op->len);
	arg.reg.name_args = (uintptr_t)command;
	if (op->args[3] & LONGER)
		arg.reg.size = sizeof(arg);
	if (op->args[3] & TAIL)
		arg.more = 1;
	ioctl(files[op->args[0]], DIAG_IOCSREG, op->args[3] & BAD ? NULL : &arg);
}

static void do_unregister(const struct op *op)
{
	struct user_unreg arg = {
		.size = sizeof(arg),
		.disable_addr = word(op->args[1]),
		.disable_bit = op->args[2],
		.__reserved = op->args[3] & 1,
	};

	ioctl(files[op->args[0]], DIAG_IOCSUNREG, op->args[3] & 2 ? NULL : &arg);
}

static void do_delete(const struct op *op)
{
	ioctl(files[op->args[0]], DIAG_IOCSDEL, op->text);
}

/* The second number is the index, the third the size, the fourth where it is cut */
static void do_write(const struct op *op)
{
	static const unsigned int sizes[] = {
		0, 1, 3, 4, 8, 64, 255, 512, 3900, 4080, 8192, 64500, 65535, 66000,
	};
	size_t size = op->args[2] ? sizes[op->args[2]] : op->len, cut = op->args[3], i;
	int index = op->args[1] == 255 ? -1 : (int)op->args[1];
	size_t all = sizeof(index) + size;
	struct iovec parts[2] = { { record, cut }, { record + cut, all - cut } };

	memcpy(record, &index, sizeof(index));
	for (i = 0; i < size; i++)
		record[sizeof(index) + i] = op->len ? op->text[i % op->len] : (char)i;
	/* The last part is not mapped, or there is none */
	if (cut == 255)
		parts[1] = (struct iovec){ AREA + 5 * PAGE, 8 };
	if (cut && (cut < all || cut == 255))
		writev(files[op->args[0]], parts, 2);
	else
		write(files[op->args[0]], record, cut ? cut % sizeof(index) : all);
}

static void do_page(const struct op *op)
{
	static const int maps[] = {
		MAP_PRIVATE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS, MAP_SHARED, MAP_PRIVATE,
	};
	static const int advices[] = { MADV_DONTNEED, MADV_DONTFORK, MADV_WIPEONFORK };
	char *at = AREA + op->args[0] * PAGE;
	int what = op->args[1];

	if (what < 4)
		mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | maps[what], memfd, 0);
	else if (what < 7)
		madvise(at, PAGE, advices[what - 4]);
	else if (what < 9)
		mprotect(at, PAGE, what == 7 ? PROT_READ : PROT_READ | PROT_WRITE);
	else if (what < 11)
		mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       AREA + (what == 9 ? 7 : 20) * PAGE);
	else if (what < 13)
		ftruncate(memfd, what == 11 ? 0 : PAGE);
	else
		munmap(at, PAGE);
}

/* From the fourth file on those of another trace instance */
static void do_set(const struct op *op)
{
	static const char * const names[] = { "enable", "filter", "trigger" };
	char path[600];

	if (event_path(path, sizeof(path), op->args[2] > 2 ? "instances/fuzz/" : "",
		       op->args[0], op->args[1], names[op->args[2] % 3]))
		put(path, O_WRONLY | O_APPEND, op->text, op->len);
}

static void read_all(int fd, size_t size)
{
	struct pollfd pollfd = { fd, POLLIN };
	char text[4096];
	int i;

	/* A trace can be long */
	for (i = 0; i < 20 && read(fd, text, size) > 0; i++)
		;
	poll(&pollfd, 1, 0);
	close(fd);
}

static void do_show(const struct op *op)
{
	static const char * const names[] = {
		"format", "hist", "filter", "trigger", "id", "enable",
	};
	char path[600];

	if (event_path(path, sizeof(path), "", op->args[0], op->args[1], names[op->args[2]]))
		read_all(open(path, O_RDONLY | O_NONBLOCK), 4096);
}

static void do_read(const struct op *op)
{
	static const char * const paths[] = {
		"user_events_status", "user_events_losses", "user_events_enablers",
		"dynamic_events", "trace", "instances/fuzz/trace", "user_events_groups/control",
		"user_events_groups/a/user_events_status",
		"user_events_groups/a/user_events_losses",
		"user_events_groups/a/user_events_enablers",
	};
	char path[100];

	if (op->args[0] < ARRAY_SIZE(paths))
		snprintf(path, sizeof(path), TRACEFS "%s", paths[op->args[0]]);
	else
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", files[op->args[0] % 4]);
	read_all(open(path, O_RDONLY | O_NONBLOCK), op->args[1] ?: 4096);
}

/* The third number: each task or one processor, a BPF program, a filter */
static void do_perf(const struct op *op)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr bpf = {
		.prog_type = BPF_PROG_TYPE_TRACEPOINT,
		.insns = (uintptr_t)nothing, .insn_cnt = 2, .license = (uintptr_t)"GPL",
	};
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .sample_period = 1,
		.sample_type = PERF_SAMPLE_RAW, .inherit = op->args[2] >> 3 & 1,
	};
	int fd, *perf = &perfs[nr_perfs++ % 4], prog;
	char path[600] = "", id[20];

	if (!event_path(path, sizeof(path), "", op->args[0], op->args[1], "id"))
		return;
	fd = open(path, O_RDONLY);
	memset(id, 0, sizeof(id));
	if (read(fd, id, sizeof(id) - 1) > 0)
		attr.config = atoi(id);
	close(fd);
	close(*perf);
	*perf = syscall(SYS_perf_event_open, &attr, op->args[2] & 1 ? -1 : 0,
			op->args[2] & 1 ? 0 : -1, -1, 0);
	if (op->args[2] & 2)
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *perf, 0);
	if (op->args[2] & 4) {
		prog = syscall(SYS_bpf, BPF_PROG_LOAD, &bpf, sizeof(bpf));
		ioctl(*perf, PERF_EVENT_IOC_SET_BPF, prog);
		close(prog);
	}
	if (op->len)
		ioctl(*perf, PERF_EVENT_IOC_SET_FILTER, op->text);
}

static void do_perf_close(const struct op *op)
{
	close(perfs[op->args[0]]);
}

static void do_dynamic(const struct op *op)
{
	put(TRACEFS "dynamic_events", O_WRONLY | O_APPEND, op->text, op->len);
}

static void do_control(const struct op *op)
{
	put(TRACEFS "user_events_groups/control", O_WRONLY, op->text, op->len);
}

static void do_exec(const struct op *op)
{
	execl("/proc/self/exe", "fuzz_kernel", "-x", NULL);
}

static void do_nobody(const struct op *op)
{
	setresgid(65534, 65534, 65534);
	setresuid(65534, 65534, 65534);
}

struct child {
	int from, to, cover;
};

static int child_main(void *arg)
{
	struct child *child = arg;

	if (child->cover < NR_COVERS && covers[child->cover] >= 0)
		ioctl(covers[child->cover], KCOV_ENABLE, KCOV_TRACE_PC);
	run_ops(child->from, child->to);
	syscall(SYS_exit_group, 0);
	return 0;
}

/* The second number: 1 not to wait for the child, 2 to share the memory with it */
static void fork_ops(const struct op *op, int from, int to)
{
	static struct child children[MAX_OPS];
	unsigned int nr = __atomic_fetch_add(&nr_forks, 1, __ATOMIC_RELAXED);
	int flags = SIGCHLD | (op->args[1] & 2 ? CLONE_VM : 0), pid;

	if (nr >= MAX_OPS)
		return;
	children[nr] = (struct child){ from, to, nr + 1 };
	pid = clone(child_main, stacks[nr] + ARRAY_SIZE(stacks[nr]), flags, &children[nr]);
	if (pid > 0 && !(op->args[1] & 1))
		waitpid(pid, NULL, __WALL);
}

static const struct kind {
	const char	*name;
	int		nr_args;
	unsigned int	max[MAX_ARGS];
	void		(*run)(const struct op *op);
} kinds[] = {
	{ "fork", 2, { MAX_OPS - 1, 3 } },	/* so many calls that follow are the child's */
	{ "fail", 1, { 40 } },	/* the n-th allocation or user copy of the next call */
	{ "open", 2, { 3, 1 }, do_open },
	{ "close", 1, { 3 }, do_close },
	{ "register", 4, { 3, 35, 65, 255 }, do_register },
	{ "unregister", 4, { 3, 35, 65, 3 }, do_unregister },
	{ "delete", 1, { 3 }, do_delete },
	{ "write", 4, { 3, 255, 13, 255 }, do_write },
	{ "page", 2, { PAGES - 1, 13 }, do_page },
	{ "set", 3, { 3, 3, 5 }, do_set },
	{ "show", 3, { 3, 3, 5 }, do_show },
	{ "read", 2, { 13, 255 }, do_read },
	{ "perf", 3, { 3, 3, 15 }, do_perf },
	{ "perf_close", 1, { 3 }, do_perf_close },
	{ "dynamic", 0, { }, do_dynamic },
	{ "control", 0, { }, do_control },
	{ "exec", 0, { }, do_exec },
	{ "nobody", 0, { }, do_nobody },
};

/* As kinds[] has them */
enum { FORK_OP = 0, FAIL_OP = 1 };

const char *any_call(unsigned int random)
{
	return kinds[random % ARRAY_SIZE(kinds)].name;
}

static void run_ops(int from, int to)
{
	int nth = open("/proc/thread-self/fail-nth", O_WRONLY | O_CLOEXEC), i, last;
	bool fails = false;
	const struct op *op;
	char number[12];

	for (i = from; i < to; i++) {
		op = &ops[i];
		if (op->kind == FAIL_OP) {
			snprintf(number, sizeof(number), "%u", op->args[0]);
			fails = write(nth, number, strlen(number)) > 0;
			continue;
		}
		if (op->kind == FORK_OP) {
			last = i + (int)op->args[0];
			last = last < to ? last : to - 1;
			fork_ops(op, i + 1, last + 1);
			i = last;
		} else {
			kinds[op->kind].run(op);
		}
		if (fails)
			write(nth, "0", 1);
		fails = false;
	}
	close(nth);
}

/* Any text is a call, so that a mutation need not care; false at a comment. */
static bool parse(struct op *op, const char *line, const char *end)
{
	size_t i, len = strcspn(line, "\n ");
	int byte, used;
	char *next;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strlen(kinds[i].name) == len && !strncmp(kinds[i].name, line, len))
			break;
	}
	if (i == ARRAY_SIZE(kinds))
		return false;
	*op = (struct op){ .kind = i };
	line += len;
	for (i = 0; i < (size_t)kinds[op->kind].nr_args; i++, line = next)
		op->args[i] = strtoul(line, &next, 10) % (kinds[op->kind].max[i] + 1);
	for (line++; line < end && op->len < MAX_TEXT; line += used) {
		byte = *line;
		used = 1;
		if (*line == '\\')
			sscanf(line, "\\x%2x%n", (unsigned int *)&byte, &used);
		op->text[op->len++] = byte;
	}
	return true;
}

bool parse_input(const char *text)
{
	bool persistent = false;
	const struct kind *kind;
	const char *end;

	for (nr_ops = 0; nr_ops < MAX_OPS && (end = strchr(text, '\n')); text = end + 1) {
		if (!parse(&ops[nr_ops], text, end))
			continue;
		kind = &kinds[ops[nr_ops].kind];
		persistent |= kind->run == do_dynamic || (kind->run == do_register &&
			ops[nr_ops].args[3] & USER_EVENT_REG_PERSIST);
		nr_ops++;
	}
	return persistent;
}

void run_input(void)
{
	int rw = PROT_READ | PROT_WRITE, i;

	setpgid(0, 0);
	memfd = memfd_create("fuzz", MFD_CLOEXEC);
	ftruncate(memfd, PAGE);
	mmap(AREA, 5 * PAGE, rw, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(AREA + 4 * PAGE, PAGE, PROT_READ);
	mmap(AREA + 6 * PAGE, PAGE, rw, MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mmap(AREA + 7 * PAGE, PAGE, rw, MAP_FIXED | MAP_SHARED, memfd, 0);
	for (i = 0; i < 4; i++) {
		files[i] = -1;
		perfs[i] = -1;
	}
	files[0] = open(TRACEFS "user_events_data", O_RDWR | O_CLOEXEC);
	if (covers[0] >= 0)
		ioctl(covers[0], KCOV_ENABLE, KCOV_TRACE_PC);
	run_ops(0, nr_ops);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	_exit(0);
}
