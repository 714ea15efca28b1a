// SPDX-License-Identifier: GPL-2.0
/* See uev_util.h. */

#include <dirent.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/perf_event.h>

#include "uev_util.h"

#define EXEC_WAIT_ENV	"UEV_EXEC_WAIT_FD"
#define TAP_SKIP	4
#define MAX_TEXT	(64UL << 20)

__u64 uev_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

void uev_nap(void)
{
	usleep(500);
}

/*
 * Without "record-cmd" no probe of sched_switch comes and goes with each event
 * that is enabled. That makes switching ten times faster, and spares emulators
 * that do not get it right when one CPU changes code that another one runs.
 */
static const char record_cmd[] = "options/record-cmd";
static int record_cmd_was;
static pid_t prepared_pid;

static void __attribute__((destructor)) uev_restore(void)
{
	if (getpid() == prepared_pid && record_cmd_was > 0)
		uev_put(record_cmd, "1");
}

/* Runs before main(), in every program. */
static void __attribute__((constructor)) uev_prepare(void)
{
	const char *wait_fd = getenv(EXEC_WAIT_ENV);
	char byte;

	if (wait_fd) {
		while (read(atoi(wait_fd), &byte, 1) > 0)
			;
		_exit(0);
	}

	if (geteuid()) {
		printf("TAP version 13\n1..0 # SKIP must run as root\n");
		exit(TAP_SKIP);
	}
	if (access(TRACEFS "trace", F_OK))
		mount("nodev", TRACEFS, "tracefs", 0, NULL);
	record_cmd_was = uev_get_int(record_cmd);
	uev_put(record_cmd, "0");
	prepared_pid = getpid();
}

int uev_open(void)
{
	int fd = open(UEV_DATA, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

struct user_reg uev_reg_arg(const void *value, int bit, int size, int flags,
			    const char *command)
{
	struct user_reg reg = {
		.size = sizeof(reg),
		.enable_bit = bit,
		.enable_size = size,
		.flags = flags,
		.enable_addr = (uintptr_t)value,
		.name_args = (uintptr_t)command,
		.write_index = ~0U,
	};

	return reg;
}

int uev_reg_raw(int fd, struct user_reg *reg)
{
	return ioctl(fd, DIAG_IOCSREG, reg) < 0 ? -errno : 0;
}

int uev_reg(int fd, const void *value, int bit, int size, int flags,
	    const char *command, __u32 *index)
{
	struct user_reg reg = uev_reg_arg(value, bit, size, flags, command);
	int ret = uev_reg_raw(fd, &reg);

	if (!ret && index)
		*index = reg.write_index;
	return ret;
}

int uev_reg_index(int fd, const __u32 *value, const char *command)
{
	__u32 index;
	int ret = uev_reg(fd, value, 0, sizeof(*value), 0, command, &index);

	return ret ? ret : (int)index;
}

int uev_unreg(int fd, const void *value, int bit)
{
	struct user_unreg unreg = {
		.size = sizeof(unreg),
		.disable_bit = bit,
		.disable_addr = (uintptr_t)value,
	};

	return ioctl(fd, DIAG_IOCSUNREG, &unreg) < 0 ? -errno : 0;
}

int uev_delete(int fd, const char *name)
{
	return ioctl(fd, DIAG_IOCSDEL, name) < 0 ? -errno : 0;
}

int uev_delete_wait(int fd, const char *name)
{
	int ret;

	uev_wait_for((ret = uev_delete(fd, name)) != -EBUSY);
	return ret;
}

int uev_emit(int fd, __u32 index, const void *payload, size_t size)
{
	struct iovec parts[] = {
		{ &index, sizeof(index) },
		{ (void *)payload, size },
	};
	ssize_t ret = writev(fd, parts, size ? 2 : 1);

	return ret < 0 ? -errno : ret;
}

bool uev_log_line(int kmsg, char *line, size_t size)
{
	ssize_t got;

	for (;;) {
		got = read(kmsg, line, size - 1);
		/* EPIPE: some were overwritten before they were read. */
		if (got < 0 && errno != EPIPE)
			return false;
		line[got < 0 ? 0 : got] = '\0';
		if (strstr(line, "user_events: "))
			return true;
	}
}

static void full_path(char *out, size_t size, const char *path)
{
	snprintf(out, size, "%s%s", *path == '/' ? "" : TRACEFS, path);
}

static int put(const char *path, const char *text, int flags)
{
	char full[1024];
	ssize_t len = strlen(text);
	int fd, ret = 0;

	full_path(full, sizeof(full), path);
	fd = open(full, O_WRONLY | O_CLOEXEC | flags);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != len)
		ret = errno ? -errno : -EIO;
	close(fd);
	return ret;
}

int uev_put(const char *path, const char *text)
{
	return put(path, text, O_TRUNC);
}

int uev_append(const char *path, const char *text)
{
	return put(path, text, O_APPEND);
}

char *uev_get(const char *path)
{
	size_t size = 0, room = 1 << 16;
	char *text = malloc(room);
	char full[1024];
	ssize_t got;
	int fd;

	full_path(full, sizeof(full), path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		/* No file of tracefs is that large: better fail than swap. */
		while (size < MAX_TEXT &&
		       (got = read(fd, text + size, room - size - 1)) > 0) {
			size += got;
			if (room - size < 4096)
				text = realloc(text, room *= 2);
		}
		close(fd);
	}
	text[size] = '\0';
	return text;
}

bool uev_exists(const char *path)
{
	char full[1024];

	full_path(full, sizeof(full), path);
	return !access(full, F_OK);
}

int uev_get_int(const char *path)
{
	char *text = uev_get(path);
	int value = *text ? atoi(text) : -ENOENT;

	free(text);
	return value;
}

static void event_path(char *out, size_t size, const char *prefix,
		       const char *event, const char *file)
{
	snprintf(out, size, "%sevents/%s%s%s%s", prefix,
		 strchr(event, '/') ? "" : USER_EVENTS_SYSTEM "/", event,
		 *file ? "/" : "", file);
}

int uev_event_put(const char *event, const char *file, const char *text)
{
	char path[1024];

	event_path(path, sizeof(path), "", event, file);
	/* Opening a trigger file with O_TRUNC would remove the others. */
	return uev_append(path, text);
}

char *uev_event_get(const char *event, const char *file)
{
	char path[1024];

	event_path(path, sizeof(path), "", event, file);
	return uev_get(path);
}

bool uev_event_exists(const char *event)
{
	char path[1024];

	event_path(path, sizeof(path), "", event, "format");
	return uev_exists(path);
}

int uev_event_id(const char *event)
{
	char path[1024];

	event_path(path, sizeof(path), "", event, "id");
	return uev_get_int(path);
}

int uev_enable(const char *event, bool on)
{
	return uev_event_put(event, "enable", on ? "1" : "0");
}

int uev_instance_enable(const char *instance, const char *event, bool on)
{
	char prefix[128], path[1024];

	snprintf(prefix, sizeof(prefix), "instances/%s/", instance);
	event_path(path, sizeof(path), prefix, event, "enable");
	return uev_append(path, on ? "1" : "0");
}

int uev_dynamic(const char *line)
{
	return uev_append("dynamic_events", line);
}

bool uev_has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (; text && *text; text = strchr(text, '\n'), text += !!text) {
		if (!strncmp(text, line, len) &&
		    (text[len] == '\n' || !text[len]))
			return true;
	}
	return false;
}

int uev_count(const char *text, const char *needle)
{
	int count = 0;

	while ((text = strstr(text, needle))) {
		text += strlen(needle);
		count++;
	}
	return count;
}

bool uev_file_has_line(const char *path, const char *line)
{
	char *text = uev_get(path);
	bool found = uev_has_line(text, line);

	free(text);
	return found;
}

char *uev_status_line(const char *event)
{
	char *text = uev_get("user_events_status"), *line, *rest = text;
	size_t len = strlen(event);
	char *found = NULL;

	while ((line = strsep(&rest, "\n")) && *line) {
		if (!strncmp(line, event, len) &&
		    (!line[len] || line[len] == ' ')) {
			found = strdup(line);
			break;
		}
	}
	free(text);
	return found;
}

bool uev_alive(const char *event)
{
	char *line = uev_status_line(event);

	free(line);
	return !!line;
}

int uev_status_count(const char *label)
{
	char *text = uev_get("user_events_status"), *found;
	char key[32];
	int count = -ENOENT;

	snprintf(key, sizeof(key), "\n%s: ", label);
	found = strstr(text, key);
	if (found)
		count = atoi(found + strlen(key));
	free(text);
	return count;
}

char *uev_trace_of(const char *path, const char *event)
{
	char *text = uev_get(path), *rest = text, *line, *at;
	char *out = calloc(1, strlen(text) + 2);
	char key[300];
	size_t used = 0;

	snprintf(key, sizeof(key), " %s:", event);
	while ((line = strsep(&rest, "\n"))) {
		if (*line == '#')
			continue;
		at = strstr(line, key);
		if (!at)
			continue;
		at += strlen(key);
		/* An event without fields shows nothing after the colon. */
		at += *at == ' ';
		used += sprintf(out + used, "%s\n", at);
	}
	out[used] = '\0';
	free(text);
	return out;
}

void uev_trace_clear(void)
{
	uev_put("trace", "");
}

/* The names in a directory, in one string. */
static char *list_directory(const char *path)
{
	struct dirent **names;
	char full[1024];
	size_t room = 16, used = 0;
	char *out = calloc(1, room);
	int i, count;

	full_path(full, sizeof(full), path);
	count = scandir(full, &names, NULL, alphasort);
	for (i = 0; i < count; i++) {
		size_t len = strlen(names[i]->d_name);

		room += len + 1;
		out = realloc(out, room);
		memcpy(out + used, names[i]->d_name, len);
		used += len;
		out[used++] = '\n';
		out[used] = '\0';
		free(names[i]);
	}
	if (count >= 0)
		free(names);
	return out;
}

void uev_census_take(struct uev_census *census)
{
	census->status = uev_get("user_events_status");
	census->dynamic = uev_get("dynamic_events");
	census->directory = list_directory("events/" USER_EVENTS_SYSTEM);
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
		put(path, "1", 0);
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

	/* Let what waits for readers go, then what waits for reuse. */
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

int uev_perf_open(int event_id, pid_t pid, int cpu, __u64 sample_type)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = event_id,
		.sample_type = sample_type,
		.sample_period = 1,
		.wakeup_events = 1,
	};
	int fd;

	if (event_id < 0)
		return event_id;
	fd = syscall(__NR_perf_event_open, &attr, pid, cpu, -1,
		     PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void uev_stay_on_cpu(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static int set_caps(__u64 caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ .effective = caps, .permitted = caps },
		{ .effective = caps >> 32, .permitted = caps >> 32 },
	};

	return syscall(__NR_capset, &header, data) ? -errno : 0;
}

static int change_user(__u64 caps)
{
	const unsigned int nobody = 65534;

	if (prctl(PR_SET_KEEPCAPS, 1) || setgroups(0, NULL) ||
	    setresgid(nobody, nobody, nobody) ||
	    setresuid(nobody, nobody, nobody))
		return -errno;
	return set_caps(caps);
}

int uev_become_nobody(void)
{
	return change_user(0);
}

int uev_keep_only_cap(int cap)
{
	return change_user(1ULL << cap);
}

pid_t uev_fork(int (*fn)(void *), void *arg)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(arg));
	}
	return pid < 0 ? -errno : pid;
}

int uev_join(pid_t pid)
{
	int status;

	if (!uev_wait_for(waitpid(pid, &status, WNOHANG) == pid)) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int uev_in_child(int (*fn)(void *), void *arg)
{
	pid_t pid = uev_fork(fn, arg);

	return pid < 0 ? pid : uev_join(pid);
}

struct emission {
	int fd;
	__u32 index, payload;
};

static int emit(void *arg)
{
	struct emission *e = arg;

	return uev_emit(e->fd, e->index, &e->payload, sizeof(e->payload)) !=
		sizeof(e->index) + sizeof(e->payload);
}

int uev_emit_in_child(int fd, __u32 index, __u32 payload)
{
	struct emission emission = { fd, index, payload };

	return uev_in_child(emit, &emission);
}

int uev_exec_and_wait(int fd)
{
	/* Not setenv(): its memory may be shared with a parent that runs too. */
	char number[sizeof(EXEC_WAIT_ENV) + 16];
	char *envp[2];

	fcntl(fd, F_SETFD, 0);
	snprintf(number, sizeof(number), EXEC_WAIT_ENV "=%d", fd);
	envp[0] = number;
	envp[1] = NULL;
	execle("/proc/self/exe", "uev_exec_and_wait", NULL, envp);
	return errno;
}

bool uev_is_exec_waiter(pid_t pid)
{
	char path[64], *text;
	bool found;

	sprintf(path, "/proc/%d/cmdline", pid);
	text = uev_get(path);
	found = !strcmp(text, "uev_exec_and_wait");
	free(text);
	return found;
}

void *uev_shared(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

size_t uev_page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static const char *start_disk(int disk, char *path, size_t size)
{
	char file[64];

	snprintf(path, size, "/dev/zram%d", disk);
	if (access(path, F_OK))
		/* Reading makes one more. */
		free(uev_get("/sys/class/zram-control/hot_add"));
	if (!uev_wait_for(!access(path, F_OK) ||
			  access("/sys/class/zram-control", F_OK)) ||
	    access(path, F_OK))
		return "kernel without zram";
	/* Whoever had it last may be about to let go of it. */
	snprintf(file, sizeof(file), "/sys/block/zram%d/reset", disk);
	uev_wait_for(uev_put(file, "1") != -EBUSY);
	snprintf(file, sizeof(file), "/sys/block/zram%d/disksize", disk);
	return uev_put(file, "33554432") ? "zram does not take a size" : NULL;
}

/* With the header that mkswap would write */
const char *uev_swap_on(int disk)
{
	struct {
		char boot[1024];
		__u32 version, last_page, bad_pages;
		char rest[4096 - 1024 - 12 - 10];
		char magic[10];
	} header = { .version = 1, .last_page = 8191, .magic = "SWAPSPACE2" };
	const char *why;
	char path[64];
	int fd;

	if (uev_page_size() != sizeof(header))
		return "page size is not 4096";
	why = start_disk(disk, path, sizeof(path));
	if (why)
		return why;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, &header, sizeof(header)) != sizeof(header))
		return "zram cannot be written";
	fsync(fd);
	close(fd);
	return swapon(path, 0) ? "kernel without swap" : NULL;
}

int uev_swap_off(int disk)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/zram%d", disk);
	if (swapoff(path))
		return -errno;
	snprintf(path, sizeof(path), "/sys/block/zram%d/reset", disk);
	return uev_put(path, "1");
}

const char *uev_mount_disk(int disk, bool make, char *dir)
{
	char path[64], command[128];
	const char *why;

	snprintf(path, sizeof(path), "/dev/zram%d", disk);
	why = make ? start_disk(disk, path, sizeof(path)) : NULL;
	if (why)
		return why;
	snprintf(command, sizeof(command),
		 "mke2fs -q -t ext2 %s >/dev/null 2>&1", path);
	if (make && system(command))
		return "no mke2fs";
	if (make && !mkdtemp(dir))
		return "no /tmp";
	if (!mount(path, dir, "ext2", 0, NULL))
		return NULL;
	rmdir(dir);
	return "kernel without ext2";
}

const char *uev_open_on_disk(int disk, int *fd)
{
	char dir[] = "/tmp/uev-XXXXXX", path[64];
	const char *why = uev_mount_disk(disk, true, dir);

	if (why)
		return why;
	snprintf(path, sizeof(path), "%s/file", dir);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unlink(path);
	/* The open file keeps the file system mounted, out of sight. */
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	return *fd < 0 ? "no file on the disk" : NULL;
}

bool uev_kernel_is_slow(void)
{
	/* lockdep and kmemleak, which come with KASAN, each have a file. */
	return uev_exists("/proc/lockdep_chains") ||
	       uev_exists("/sys/kernel/debug/kmemleak");
}

bool uev_kernel_is_64(void)
{
	struct utsname name;

	if (sizeof(long) == 8)
		return true;
	return !uname(&name) && !strcmp(name.machine, "x86_64");
}

int uev_rounds(int rounds)
{
	if (uev_kernel_is_slow())
		rounds /= 8;
	if (sizeof(long) == 4)
		rounds /= 4;
	return rounds ?: 1;
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

/* Triggers of an instance hold it, and the event. */
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
		list = list_directory(path);
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
	list = list_directory(path);
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
	uev_trace_clear();
}
