// SPDX-License-Identifier: GPL-2.0
/*
 * The library on the stand-in for a kernel of kernel.c, for scripts/test-library:
 * moments that no test meets on a kernel. The argument names the test.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <libuser_event.h>
#include <user_event.h>

#include "kernel.h"

USER_EVENT(plain, u32 n);
USER_EVENT(large, blob a, blob b, chars(1024) c, chars(1024) d, chars(1024) e);

static struct user_event late = {
	.index = UINT32_MAX, .error = -1, .command = "late u32 n"
};

static const char *moment;
static bool unregisters, met;
static int child_status;

#define EXPECT(condition) do {							\
	if (!(condition)) {							\
		printf("%s:%d: not %s\n", __func__, __LINE__, #condition);	\
		fflush(stdout);							\
		_exit(1);							\
	}									\
} while (0)

static bool is_bound(const struct user_event *event)
{
	return fake_bound(event, event + 1);
}

/* Bytes of the records written so far */
static long written(void)
{
	struct stat st;

	return stat(getenv("USER_EVENTS_DATA"), &st) ? -1 : st.st_size;
}

static bool says(const struct user_event *event, const char *text)
{
	return !strncmp(user_event_reason(event), text, strlen(text));
}

/* A child that is forked while the library is at work on @late */
static void fork_at(const char *now)
{
	pid_t pid;

	if (strcmp(now, moment))
		return;
	fake_hook = NULL;
	met = true;
	pid = fork();
	if (!pid) {
		if (!unregisters) {
			EXPECT(!user_event_retry());
			EXPECT(says(&late, "nobody listens"));
			EXPECT(late.index != UINT32_MAX);
			EXPECT(is_bound(&late));
		}
		EXPECT(!user_event_unregister(&late));
		EXPECT(!is_bound(&late));
		EXPECT(!user_event_retry());
		EXPECT(is_bound(&user_event_of_plain));
		_exit(0);
	}
	EXPECT(waitpid(pid, &child_status, 0) == pid);
}

static void meet(const char *when, bool child_unregisters)
{
	moment = when;
	unregisters = child_unregisters;
	met = false;
	fake_hook = fork_at;
}

static void fork_in_registration(void)
{
	static const char *const moments[] = { "before reg", "after reg" };
	int i;

	for (i = 0; i < 4; i++) {
		meet(moments[i / 2], i % 2);
		EXPECT(!user_event_register(&late));
		EXPECT(met && !child_status);
		EXPECT(!user_event_unregister(&late));
		EXPECT(!is_bound(&late));
	}
}

static void fork_in_unregistration(void)
{
	static const char *const moments[] = { "before unreg", "after unreg" };
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT(!user_event_register(&late));
		meet(moments[i], true);
		EXPECT(!user_event_unregister(&late));
		EXPECT(met && !child_status);
	}
}

/* What a child may find: an index, but no file any more, or no success yet */
static void fork_leaves_old_index(void)
{
	user_event_of_plain.error = -1;
	user_event_close(user_event_process.file);
	EXPECT(!user_event_register(&late));
	EXPECT(user_event_of_plain.index == UINT32_MAX);
	EXPECT(!user_event_retry());
	user_event_close(user_event_process.file);
	user_event_process.file = -1;
	EXPECT(!user_event_unregister(&late));
	EXPECT(!user_event_register(&late));
	EXPECT(user_event_of_plain.index == UINT32_MAX);
	EXPECT(!user_event_retry());
}

static void no_tracefs(void)
{
	unsetenv("USER_EVENTS_DATA");
	user_event_close(user_event_process.file);
	fake_open_error[0] = ENOENT;
	fake_open_error[1] = EACCES;
	EXPECT(user_event_retry());
	EXPECT(says(&user_event_of_plain, "there is no user_events_data"));
	fake_open_error[0] = EACCES;
	fake_open_error[1] = ENOENT;
	EXPECT(user_event_retry());
	EXPECT(says(&user_event_of_plain, "no permission"));
	fake_open_error[0] = EROFS;
	EXPECT(user_event_retry());
	EXPECT(says(&user_event_of_plain, "tracefs is mounted read-only"));
}

/* The advice is for where the file was looked for */
static void no_file_of_that_name(void)
{
	user_event_close(user_event_process.file);
	setenv("USER_EVENTS_DATA", "/nowhere", 1);
	EXPECT(user_event_retry());
	EXPECT(says(&user_event_of_plain, "USER_EVENTS_DATA names a file that does not exist"));
	setenv("USER_EVENTS_DATA", "", 1);
	fake_open_error[0] = ENOENT;
	fake_open_error[1] = ENOENT;
	EXPECT(user_event_retry());
	EXPECT(says(&user_event_of_plain, "there is no user_events_data: mount tracefs"));
}

/* To open it must not wait, as that is before main() */
static void file_that_is_a_fifo(void)
{
	const char *path = getenv("USER_EVENTS_DATA");

	EXPECT(!unlink(path) && !mkfifo(path, 0600));
	user_event_close(user_event_process.file);
	alarm(10);
	EXPECT(user_event_retry());
	EXPECT(says(&user_event_of_plain, "this is no user_events_data"));
	unlink(path);
}

/* Another file, which the library opens when it tries again */
static void name_other_file(char *path)
{
	int file = mkstemp(path);

	EXPECT(file >= 0);
	close(file);
	setenv("USER_EVENTS_DATA", path, 1);
}

static bool is_file(int file, const char *path)
{
	struct stat st, want;

	return !fstat(file, &st) && !stat(path, &want) && st.st_ino == want.st_ino;
}

/* Of a program that has opened a wrong file, and is told the right one */
static void file_that_cannot_work(void)
{
	static const int errors[] = { ENOTTY, ENODEV };
	const char *right = strdup(getenv("USER_EVENTS_DATA"));
	char wrong[] = "/tmp/user-event-XXXXXX";
	int i, file;

	EXPECT(!user_event_unregister(&user_event_of_large));
	name_other_file(wrong);
	for (i = 0; i < 4; i++) {
		user_event_close(user_event_process.file);
		setenv("USER_EVENTS_DATA", wrong, 1);
		/* The event is still bound in the first round, and in the third one */
		fake_reg_error = errors[i / 2];
		fake_unreg_error = i % 2 ? 0 : errors[i / 2];
		user_event_retry();
		EXPECT(user_event_of_plain.error == errors[i / 2]);
		EXPECT(is_bound(&user_event_of_plain) == !(i % 2));
		EXPECT(user_event_process.file == -1);
		EXPECT(fcntl(user_event_first_number(), F_GETFD) < 0);

		setenv("USER_EVENTS_DATA", right, 1);
		fake_reg_error = 0;
		fake_unreg_error = 0;
		EXPECT(!user_event_retry());
		EXPECT(is_file(user_event_process.file, right));
	}

	/* One through which another event is registered works */
	file = user_event_process.file;
	fake_reg_error = ENODEV;
	EXPECT(user_event_register(&late) == ENODEV);
	EXPECT(user_event_process.file == file && is_file(file, right));

	/* The caller's is left open, and none is opened for it */
	file = open(right, O_WRONLY);
	EXPECT(user_event_use_file(file) == 2);
	EXPECT(user_event_process.file == file && is_file(file, right));
	unlink(wrong);
}

/* An error stays that of what failed, whatever becomes of the file */
static void error_of_open_or_registration(void)
{
	char *path = strdup(getenv("USER_EVENTS_DATA"));

	unsetenv("USER_EVENTS_DATA");
	user_event_close(user_event_process.file);
	fake_open_error[0] = EMFILE;
	EXPECT(user_event_retry());
	setenv("USER_EVENTS_DATA", path, 1);
	EXPECT(!user_event_register(&late));
	EXPECT(says(&user_event_of_plain, "too many open files"));
	EXPECT(!user_event_unregister(&late));
	EXPECT(!user_event_retry());

	fake_reg_error = EMFILE;
	EXPECT(user_event_register(&late) == EMFILE);
	user_event_close(user_event_process.file);
	unsetenv("USER_EVENTS_DATA");
	fake_open_error[0] = EPERM;
	EXPECT(says(user_event_new("other u32 n", 0), "the kernel is locked down"));
	EXPECT(says(&late, "too many user events"));
	EXPECT(user_event_retry());
	EXPECT(says(&late, "the kernel is locked down"));
	setenv("USER_EVENTS_DATA", path, 1);
	fake_reg_error = EPERM;
	EXPECT(user_event_retry());
	EXPECT(says(&late, "USER_EVENT_PERSIST"));
	free(path);
}

/* Another thread replaces the file when this one has found it closed */
static void replace_at(const char *now)
{
	if (strcmp(now, "closed"))
		return;
	fake_hook = NULL;
	met = true;
	EXPECT(!user_event_retry());
}

static void file_that_is_replaced(void)
{
	int file = user_event_process.file;
	long before = written();

	user_event_close(file);
	user_event_of_plain.enabled = 1;
	fake_hook = replace_at;
	user_event(plain, 1);
	EXPECT(met);
	EXPECT(user_event_process.file == file);
	EXPECT(says(&user_event_of_plain, "it is recorded"));
	user_event(plain, 2);
	EXPECT(written() > before);
}

/* The program closes all, then an object opens the same file for itself */
static void file_of_another_copy(void)
{
	void *object = dlopen("libplugin.so", RTLD_NOW | RTLD_LOCAL);
	int (*number)(void);
	int (*retry)(void);
	long before = written();

	EXPECT(object);
	*(void **)&retry = dlsym(object, "plugin_retry");
	*(void **)&number = dlsym(object, "plugin_first_number");
	EXPECT(dlsym(object, "user_event_process_0") != &user_event_process);
	/* In one run of about 400 */
	if (number() == user_event_first_number())
		return;
	EXPECT(!close_range(3, ~0U, 0));
	EXPECT(!retry());
	user_event_of_plain.enabled = 1;
	user_event(plain, 1);
	EXPECT(written() == before);
	EXPECT(says(&user_event_of_plain, "the program has closed the file"));
	EXPECT(!user_event_retry());
	user_event(plain, 2);
	EXPECT(written() > before);
}

/* The number is below the limit, and not a low one */
static void number_of_the_file(void)
{
	static const int limits[] = { 1, 20, 100, 1000, 1024, 4096, 8191, 8192, 8193, 20000 };
	struct rlimit limit;
	size_t i;

	for (i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		EXPECT(!getrlimit(RLIMIT_NOFILE, &limit));
		if ((rlim_t)limits[i] > limit.rlim_max)
			break;
		limit.rlim_cur = limits[i];
		EXPECT(!setrlimit(RLIMIT_NOFILE, &limit));
		EXPECT(user_event_first_number() < limits[i]);
		EXPECT(user_event_first_number() >= (limits[i] > 8192 ? 4096 : limits[i] / 2));
		EXPECT(user_event_first_number() < 8192);
	}
}

/* The program closes all, and then has another file under the number */
static void number_that_is_reused(void)
{
	int file = user_event_process.file, other;
	long before = written();
	struct stat st, there;

	EXPECT(!close_range(3, ~0U, 0));
	other = memfd_create("other", 0);
	EXPECT(other >= 0 && !fstat(other, &st));
	EXPECT(dup2(other, file) == file);
	EXPECT(!user_event_retry());
	EXPECT(user_event_process.file != file);
	user_event_of_plain.enabled = 1;
	user_event(plain, 1);
	EXPECT(written() > before);
	EXPECT(!fstat(file, &there) && there.st_ino == st.st_ino && !there.st_size);
}

static void location_that_is_too_large(void)
{
	static char text[64000];
	long before = written();

	user_event_of_large.enabled = 1;
	user_event(large, text, 62464, "b", 1, "c", "d", "e");
	EXPECT(written() == before);
	user_event(large, text, 62463, "b", 1, "c", "d", "e");
	EXPECT(written() == before + 4 + 4 + 4 + 3 * 1024 + 62463 + 1);
}

static void event_alone_in_its_line(void)
{
	struct user_event *event = user_event_new("alone u32 n", 0);

	EXPECT(!((uintptr_t)event % 64));
	EXPECT(malloc_usable_size(event) >= 64);
	user_event_free(event);
}

static void unknown_options(void)
{
	struct user_event *event = user_event_new("options u32 n", 0x10000);

	EXPECT(says(event, "the kernel does not take"));
	EXPECT(user_event_retry() == 1);
	user_event_free(event);
	event = user_event_new("options u32 n", 3);
	EXPECT(says(event, "nobody listens"));
	user_event_free(event);
}

static void given_file_that_is_closed(void)
{
	int file = open(getenv("USER_EVENTS_DATA"), O_WRONLY);

	/* Never open */
	EXPECT(user_event_use_file(999) == 2);
	EXPECT(says(&user_event_of_plain, "the file that was handed over is not open"));
	EXPECT(user_event_of_plain.error == EBADF);
	EXPECT(user_event_register(&late) == EBADF);
	EXPECT(user_event_retry() == 3);

	/* Closed later */
	EXPECT(!user_event_use_file(file));
	EXPECT(user_event_process.file == file);
	close(file);
	EXPECT(says(&late, "the file that was handed over is not open"));
	EXPECT(user_event_retry() == 3);

	/* The library's own */
	EXPECT(!user_event_use_file(-1));
	EXPECT(user_event_process.file >= user_event_first_number());
	EXPECT(!user_event_unregister(&late));
	EXPECT(!is_bound(&late));
}

static void given_file_that_is_read_only(void)
{
	int file = open(getenv("USER_EVENTS_DATA"), O_RDONLY);

	EXPECT(file >= 0);
	EXPECT(user_event_use_file(file) == 2);
	EXPECT(says(&user_event_of_plain, "the file that was handed over is not open for writing"));
	EXPECT(!user_event_use_file(open(getenv("USER_EVENTS_DATA"), O_RDWR)));
	EXPECT(!user_event_use_file(-1));
}

static void folder_of_the_event(void)
{
	struct user_event *event = user_event_new("folder u32 n", USER_EVENT_MULTI_FORMAT);

	EXPECT(strstr(user_event_reason(event), "/events/user_events_multi,"));
	EXPECT(strstr(user_event_reason(&user_event_of_plain), "/events/user_events,"));
	user_event_free(event);
}

static int wait_for(pid_t pid)
{
	int i, status;

	for (i = 0; i < 1000; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return status;
}

static void *keep_lock(void *arg)
{
	user_event_lock();
	__atomic_store_n((bool *)arg, true, __ATOMIC_RELEASE);
	pause();
	return arg;
}

/* As process 1 of a PID namespace fork a process 1 of another one, with the lock held */
static void fork_with_same_pid(bool in_thread)
{
	bool locked = false;
	pthread_t thread;
	pid_t pid;

	EXPECT(getpid() == 1);
	if (in_thread) {
		EXPECT(!pthread_create(&thread, NULL, keep_lock, &locked));
		while (!__atomic_load_n(&locked, __ATOMIC_ACQUIRE))
			usleep(1000);
	} else {
		user_event_lock();
	}
	EXPECT(!unshare(CLONE_NEWPID));
	pid = fork();
	if (!pid) {
		EXPECT(getpid() == 1);
		EXPECT(!user_event_retry());
		_exit(0);
	}
	EXPECT(!wait_for(pid));
}

static void in_pid_namespace(bool in_thread)
{
	pid_t pid;

	EXPECT(!unshare(CLONE_NEWUSER | CLONE_NEWPID));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fork_with_same_pid(in_thread);
		_exit(0);
	}
	EXPECT(!wait_for(pid));
}

static void lock_in_pid_namespace(void)
{
	in_pid_namespace(false);
}

static void lock_of_thread_in_pid_namespace(void)
{
	in_pid_namespace(true);
}

static void *retry_once(void *arg)
{
	user_event_retry();
	return arg;
}

static void sleep_at(const char *now)
{
	if (!strcmp(now, "sleep"))
		__atomic_store_n(&met, true, __ATOMIC_RELEASE);
}

/* A thread that waits for the lock leaves the CPU to others, whatever its priority */
static void sleeps_for_the_lock(void)
{
	pthread_t thread;
	int i;

	fake_hook = sleep_at;
	user_event_lock();
	EXPECT(!pthread_create(&thread, NULL, retry_once, NULL));
	for (i = 0; i < 1000 && !__atomic_load_n(&met, __ATOMIC_ACQUIRE); i++)
		usleep(10000);
	user_event_unlock();
	pthread_join(thread, NULL);
	EXPECT(met);
}

/* For the thread sanitizer: one thread registers, another one tries again */
static void *retry_often(void *arg)
{
	int i;

	for (i = 0; i < 300; i++) {
		user_event_retry();
		usleep(100);
	}
	return arg;
}

static void register_beside_retry(void)
{
	/* With the second one, each closes the file again */
	static const int errors[] = { ENOMEM, ENOTTY };
	pthread_t thread;
	int i, j;

	for (j = 0; j < 2; j++) {
		user_event_close(user_event_process.file);
		fake_reg_error = errors[j];
		EXPECT(!pthread_create(&thread, NULL, retry_often, NULL));
		for (i = 0; i < 300; i++) {
			EXPECT(user_event_register(&late) == errors[j]);
			usleep(100);
			user_event_unregister(&late);
		}
		pthread_join(thread, NULL);
	}
}

#define TEST(name)	{ #name, name }

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	TEST(fork_in_registration),
	TEST(fork_in_unregistration),
	TEST(fork_leaves_old_index),
	TEST(no_tracefs),
	TEST(no_file_of_that_name),
	TEST(file_that_is_a_fifo),
	TEST(file_that_cannot_work),
	TEST(error_of_open_or_registration),
	TEST(file_that_is_replaced),
	TEST(file_of_another_copy),
	TEST(number_of_the_file),
	TEST(number_that_is_reused),
	TEST(location_that_is_too_large),
	TEST(event_alone_in_its_line),
	TEST(unknown_options),
	TEST(given_file_that_is_closed),
	TEST(given_file_that_is_read_only),
	TEST(folder_of_the_event),
	TEST(lock_in_pid_namespace),
	TEST(lock_of_thread_in_pid_namespace),
	TEST(sleeps_for_the_lock),
	TEST(register_beside_retry),
	{ }
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; tests[i].run; i++) {
		if (argc > 1 && !strcmp(argv[1], tests[i].name)) {
			tests[i].run();
			return 0;
		}
	}
	fprintf(stderr, "there is no such test\n");
	return 2;
}
