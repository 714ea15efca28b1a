// SPDX-License-Identifier: GPL-2.0
/*
 * The library on the stand-in for a kernel of kernel.c, for scripts/test-library:
 * moments that no test meets on a kernel. The argument names the test.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
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
	EXPECT(user_event_process.file >= USER_EVENT_FILE_MIN);
	EXPECT(!user_event_unregister(&late));
	EXPECT(!is_bound(&late));
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
	pthread_t thread;
	int i;

	fake_reg_error = ENOMEM;
	EXPECT(!pthread_create(&thread, NULL, retry_often, NULL));
	for (i = 0; i < 300; i++) {
		EXPECT(user_event_register(&late) == ENOMEM);
		usleep(100);
		user_event_unregister(&late);
	}
	pthread_join(thread, NULL);
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
	TEST(file_that_is_replaced),
	TEST(location_that_is_too_large),
	TEST(event_alone_in_its_line),
	TEST(unknown_options),
	TEST(given_file_that_is_closed),
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
