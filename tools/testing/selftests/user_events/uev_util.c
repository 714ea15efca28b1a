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
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <linux/capability.h>
#include <linux/perf_event.h>

#include "uev_util.h"

#define EXEC_WAIT_ENV	"UEV_EXEC_WAIT_FD"
#define TAP_SKIP	4
#define MAX_TEXT	(64UL << 20)

__u64 uev_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

__u64 uev_now_ms(void)
{
	return uev_now_ns() / 1000000;
}

int uev_wait_ms(void)
{
	const char *text = getenv("UEV_WAIT_MS");

	return text ? atoi(text) : 90000;
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

int uev_emit(int fd, __u32 index, const void *payload, size_t size)
{
	struct iovec parts[] = {
		{ &index, sizeof(index) },
		{ (void *)payload, size },
	};
	ssize_t ret = writev(fd, parts, size ? 2 : 1);

	return ret < 0 ? -errno : ret;
}

int uev_largest_payload(int fd, __u32 index, const void *payload, int too_large)
{
	int good = 4, size, ret;

	while (too_large - good > 1) {
		size = (good + too_large) / 2;
		ret = uev_emit(fd, index, payload, size);
		if (ret == size + 4)
			good = size;
		else if (ret == -EMSGSIZE)
			too_large = size;
		else
			return ret < 0 ? ret : -EIO;
	}
	return good;
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

int uev_log_lines(int kmsg, const char *text)
{
	char line[8192];
	int nr = 0;

	while (uev_log_line(kmsg, line, sizeof(line)))
		nr += !!strstr(line, text);
	return nr;
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

int uev_waiting_threads(const char *user)
{
	char path[300], want[32], *name;
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int nr = 0;

	snprintf(want, sizeof(want), "user_events/%s%s", user ?: "", user ? "\n" : "");
	while (proc && (entry = readdir(proc))) {
		if (atoi(entry->d_name) <= 2)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		name = uev_get(path);
		nr += !strncmp(name, want, strlen(want));
		free(name);
	}
	if (proc)
		closedir(proc);
	return nr;
}

#define PROBE	"uev_probe"

int uev_probe(const char *function)
{
	char line[128];

	snprintf(line, sizeof(line), "p:" PROBE " %s", function);
	return uev_append("kprobe_events", line) ||
	       uev_put("events/kprobes/" PROBE "/enable", "1") ? -1 : 0;
}

long uev_probe_hits(void)
{
	char *text = uev_get("kprobe_profile"), *at = strstr(text, PROBE);
	long hits = at ? atol(at + strlen(PROBE)) : -1;

	free(text);
	return hits;
}

void uev_probe_end(void)
{
	uev_put("events/kprobes/" PROBE "/enable", "0");
	uev_append("kprobe_events", "-:" PROBE);
}

char *uev_list(const char *path)
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

bool uev_put_in_cgroup(const char *cgroup, pid_t pid)
{
	char path[64], text[32];

	uev_put(UEV_CGROUPS "cgroup.subtree_control", "+memory");
	snprintf(path, sizeof(path), "%s/memory.high", cgroup);
	if ((mkdir(cgroup, 0755) && errno != EEXIST) || access(path, W_OK))
		return false;
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	snprintf(text, sizeof(text), "%d", pid);
	return !uev_put(path, text);
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
	/* Not self: that names the first thread, which may have left. */
	execle("/proc/thread-self/exe", "uev_exec_and_wait", NULL, envp);
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

__u64 uev_page_entry(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	__u64 entry = 0;

	if (fd >= 0) {
		if (pread(fd, &entry, sizeof(entry),
			  (uintptr_t)addr / uev_page_size() * sizeof(entry)) < 0)
			entry = 0;
		close(fd);
	}
	return entry;
}

long uev_mem_kb(const char *name)
{
	char *text = uev_get("/proc/meminfo"), *at = strstr(text, name);
	long kb = at ? atol(at + strlen(name)) : -1;

	free(text);
	return kb;
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
	const char *times = getenv("UEV_TIMES");

	if (times)
		rounds *= atoi(times);
	if (uev_kernel_is_slow())
		rounds /= 8;
	if (sizeof(long) == 4)
		rounds /= 4;
	return rounds ?: 1;
}
