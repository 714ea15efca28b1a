// SPDX-License-Identifier: GPL-2.0
/*
 * The library: events that a program declares with user_event.h, as the kernel sees
 * them, and what becomes of the program when something is in the way.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "uev_harness.h"
#include <user_event.h>

USER_EVENT(lib_numbers, u8 a, u16 b, u32 c, u64 d, s8 e, s16 f, s32 g, s64 h);
USER_EVENT(lib_texts, str s, chars(8) fixed, str t, u32 after);
USER_EVENT(lib_bytes, u8 before, blob data, bytes(4) mac);
USER_EVENT(lib_none);
USER_EVENT(lib_plain, u32 n);
USER_EVENT_WITH(USER_EVENT_MULTI_FORMAT, lib_multi, u32 n);
USER_EVENT_WITH(USER_EVENT_PERSIST, lib_persist, u32 n);
USER_EVENT(lib_sixteen, u32 a, u32 b, u32 c, u32 d, u32 e, u32 f, u32 g, u32 h,
	   u32 i, u32 j, u32 k, u32 l, u32 m, u32 n, u32 o, str p);

FIXTURE(library) {
	int fd;
};

/* uev_reset() deletes unheld events; those of the library are held. */
FIXTURE_SETUP(library)
{
	uev_reset();
	self->fd = uev_open();
	ASSERT_LE(0, self->fd)
		TH_LOG("no " UEV_DATA);
	ASSERT_EQ(0, user_event_retry());
}

FIXTURE_TEARDOWN(library)
{
	close(self->fd);
	uev_reset();
}

static char *beside(const char *name)
{
	static char path[512];

	memset(path, 0, sizeof(path));
	if (readlink("/proc/self/exe", path, sizeof(path) - 64) < 0)
		return NULL;
	strcat(strcat(dirname(path), "/"), name);
	return path;
}

static bool declared(const char *line)
{
	return uev_file_has_line("dynamic_events", line);
}

/* A child's page has to be copied first: its bit may follow a moment later. */
#define ENABLE(event) do {					\
	ASSERT_OK(uev_enable(#event, true));			\
	ASSERT_TRUE(uev_wait_for(user_event_enabled(event)));	\
} while (0)

#define DISABLE(event) do {					\
	ASSERT_OK(uev_enable(#event, false));			\
	ASSERT_TRUE(uev_wait_for(!user_event_enabled(event)));	\
} while (0)

#define EXPECT_TRACE(event, text) do {				\
	char *_trace = uev_trace_of("trace", event);		\
								\
	EXPECT_STREQ(text, _trace);				\
	free(_trace);						\
} while (0)

TEST_F(library, is_declared_from_the_start)
{
	EXPECT_TRUE(declared("u:lib_numbers u8 a; u16 b; u32 c; u64 d; "
			     "s8 e; s16 f; s32 g; s64 h"));
	EXPECT_TRUE(declared("u:lib_texts __rel_loc char[] s; char[8] fixed; "
			     "__rel_loc char[] t; u32 after"));
	EXPECT_TRUE(declared("u:lib_bytes u8 before; __rel_loc u8[] data; "
			     "unsigned char[4] mac"));
	EXPECT_TRUE(declared("u:lib_none"));
	EXPECT_TRUE(uev_exists("events/user_events/lib_persist"));
	EXPECT_EQ(NULL, strstr(uev_get("user_events_status"), "lib_multi\n"));
	EXPECT_NE(NULL, strstr(uev_get("user_events_status"), "lib_multi."));
	EXPECT_EQ(0, strncmp("nobody listens", user_event_why(lib_plain), 14));
}

TEST_F(library, numbers)
{
	ENABLE(lib_numbers);
	user_event(lib_numbers, 255, 65535, 4294967295U, 18446744073709551615ULL,
		   -128, -32768, -2147483647 - 1, -9223372036854775807LL - 1);
	user_event(lib_numbers, 1, 2, 3, 4, 5, 6, 7, 8);
	EXPECT_TRACE("lib_numbers",
		     "a=255 b=65535 c=4294967295 d=18446744073709551615 e=-128 f=-32768 g=-2147483648 h=-9223372036854775808\n"
		     "a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8\n");
	DISABLE(lib_numbers);
}

TEST_F(library, texts)
{
	char longer[601], line[700];

	memset(longer, 'x', 600);
	longer[600] = '\0';
	ENABLE(lib_texts);
	user_event(lib_texts, "one", "12345678", "two", 7);
	user_event(lib_texts, "", "", "", 8);
	user_event(lib_texts, NULL, NULL, NULL, 9);
	user_event(lib_texts, "cut", "123456789abc", "off", 10);
	EXPECT_TRACE("lib_texts",
		     "s=one fixed=12345678 t=two after=7\n"
		     "s= fixed= t= after=8\n"
		     "s= fixed= t= after=9\n"
		     "s=cut fixed=12345678 t=off after=10\n");
	uev_trace_clear();
	/* More than fits in one piece */
	user_event(lib_texts, longer, "f", "end", 11);
	sprintf(line, "s=%s fixed=f t=end after=11\n", longer);
	EXPECT_TRACE("lib_texts", line);
	DISABLE(lib_texts);
}

TEST_F(library, bytes)
{
	ENABLE(lib_bytes);
	ASSERT_OK(uev_event_put("lib_bytes", "trigger", "hist:keys=before"));
	user_event(lib_bytes, 1, "\1\2\3", 3, "abcd");
	user_event(lib_bytes, 2, NULL, 0, "efgh");
	user_event(lib_bytes, 3, NULL, 5, NULL);
	EXPECT_EQ(3, uev_count(uev_get("trace"), "lib_bytes: before="));
	EXPECT_EQ(1, uev_count(uev_get("trace"), "mac=abcd"));
	EXPECT_EQ(1, uev_count(uev_get("trace"), "data=01 02 03") +
		  uev_count(uev_get("trace"), "data={1,2,3}") +
		  uev_count(uev_get("trace"), "data={0x1,0x2,0x3}"))
		TH_LOG("%s", uev_get("trace"));
	ASSERT_OK(uev_event_put("lib_bytes", "trigger", "!hist:keys=before"));
	DISABLE(lib_bytes);
}

TEST_F(library, others)
{
	ENABLE(lib_none);
	ENABLE(lib_sixteen);
	user_event(lib_none);
	user_event(lib_sixteen, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
		   "sixteen");
	EXPECT_TRACE("lib_none", "\n");
	EXPECT_TRACE("lib_sixteen",
		     "a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 i=9 j=10 k=11 l=12 m=13 n=14 o=15 p=sixteen\n");
	DISABLE(lib_none);
	DISABLE(lib_sixteen);
}

TEST_F(library, off_evaluates_nothing)
{
	int evaluated = 0;

	user_event(lib_plain, ++evaluated);
	EXPECT_EQ(0, evaluated);
	EXPECT_FALSE(user_event_enabled(lib_plain));
	ENABLE(lib_plain);
	EXPECT_STREQ("it is recorded: somebody listens", user_event_why(lib_plain));
	/* Part of a statement, without braces */
	if (evaluated)
		user_event(lib_plain, 100);
	else
		user_event(lib_plain, ++evaluated);
	EXPECT_EQ(1, evaluated);
	EXPECT_TRACE("lib_plain", "n=1\n");
	DISABLE(lib_plain);
}

TEST_F(library, record_that_is_too_large)
{
	char *text = malloc(1 << 17);

	memset(text, 'y', 1 << 17);
	text[(1 << 17) - 1] = '\0';
	ENABLE(lib_texts);
	errno = 77;
	user_event(lib_texts, text, "f", "t", 1);
	user_event(lib_texts, "s", "f", text, 2);
	text[60000] = '\0';
	user_event(lib_texts, text, "f", text, 3);
	user_event(lib_texts, "ok", "f", "t", 4);
	EXPECT_EQ(77, errno);
	EXPECT_TRACE("lib_texts", "s=ok fixed=f t=t after=4\n");
	DISABLE(lib_texts);
	free(text);
}

/* To another file, for no listener takes as much */
static int emit_largest(void *arg)
{
	char *blob = calloc(1, USER_EVENT_SIZE_MAX + 1);
	int fd = memfd_create("largest", 0);
	struct stat st;

	user_event_process.file = fd;
	user_event(lib_bytes, 1, blob, USER_EVENT_SIZE_MAX + 1, "abcd");
	fstat(fd, &st);
	if (st.st_size)
		return 1;
	user_event(lib_bytes, 1, blob, USER_EVENT_SIZE_MAX, "abcd");
	fstat(fd, &st);
	return st.st_size == 4 + 1 + 4 + 4 + USER_EVENT_SIZE_MAX ? 0 : 2;
}

TEST_F(library, largest_record)
{
	ENABLE(lib_bytes);
	EXPECT_EQ(0, uev_in_child(emit_largest, NULL));
	DISABLE(lib_bytes);
}

/* Other ways to run */

static void on_signal(int sig)
{
	user_event(lib_plain, 5);
}

static void *in_thread(void *arg)
{
	user_event(lib_plain, 6);
	return NULL;
}

TEST_F(library, fork_threads_and_signals)
{
	pthread_t thread;
	pid_t pid;

	/* trace orders by time, and clocks of two CPUs may be a little apart */
	uev_stay_on_cpu(0);
	ENABLE(lib_plain);
	signal(SIGUSR1, on_signal);
	errno = 78;
	ASSERT_EQ(0, raise(SIGUSR1));
	ASSERT_EQ(0, pthread_create(&thread, NULL, in_thread, NULL));
	pthread_join(thread, NULL);
	pid = fork();
	if (!pid) {
		user_event(lib_plain, 7);
		_exit(user_event_retry());
	}
	EXPECT_EQ(0, uev_join(pid));
	pid = vfork();
	if (!pid) {
		user_event(lib_plain, 8);
		_exit(0);
	}
	EXPECT_EQ(0, uev_join(pid));
	EXPECT_EQ(78, errno);
	EXPECT_TRACE("lib_plain", "n=5\nn=6\nn=7\nn=8\n");

	/* A child has its own bit. */
	pid = fork();
	if (!pid) {
		while (user_event_enabled(lib_plain))
			uev_nap();
		_exit(0);
	}
	DISABLE(lib_plain);
	EXPECT_EQ(0, uev_join(pid));
}

/* Closes all descriptors, and opens files of its own under the same numbers */
static int close_all(void *arg)
{
	char name[] = "/tmp/uev_lib_XXXXXX", path[32];
	struct stat st;
	int fd, i, ret = 0;

	for (fd = 3; fd < 8192; fd++)
		close(fd);
	for (i = 0; i < 20; i++) {
		memcpy(path, name, sizeof(name));
		fd = mkstemp(path);
		if (fd < 0)
			return 10;
		unlink(path);
	}
	for (i = 0; i < 3; i++)
		user_event(lib_plain, 9);
	for (fd = 3; fd < 8192; fd++) {
		if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size)
			ret = 1;
	}
	if (strncmp("the program has closed the file", user_event_why(lib_plain), 31))
		ret = 2;
	/* Even with the file closed, unregistering reaches the kernel */
	user_event_unregister(&user_event_of_lib_none);
	if (uev_unreg(uev_open(), &user_event_of_lib_none.enabled, 0) != -ENOENT)
		ret = 4;
	if (user_event_retry())
		ret = 3;
	user_event(lib_plain, 10);
	return ret;
}

TEST_F(library, descriptors_that_are_closed)
{
	ENABLE(lib_plain);
	EXPECT_EQ(0, uev_in_child(close_all, NULL));
	EXPECT_TRACE("lib_plain", "n=10\n");
	DISABLE(lib_plain);
}

static void close_all_but(int keep)
{
	int fd;

	for (fd = 3; fd < 8192; fd++) {
		if (fd != keep)
			close(fd);
	}
}

/* A new file has other indexes: an event keeps none of the old file */
static int register_after_closing(void *arg)
{
	static struct user_event later = {
		.index = UINT32_MAX, .error = -1, .command = "lib_later u32 n"
	};
	int i;

	close_all_but(-1);
	user_event(lib_numbers, 1, 2, 3, 4, 5, 6, 7, 8);
	if (user_event_register(&later))
		return 1;
	for (i = 0; i < 3; i++)
		user_event(lib_numbers, 1, 2, 3, 4, 5, 6, 7, 8);
	user_event(lib_plain, 1);
	if (user_event_retry())
		return 2;
	user_event(lib_numbers, 2, 2, 3, 4, 5, 6, 7, 8);
	if (user_event_unregister(&later))
		return 3;
	return 0;
}

TEST_F(library, event_after_descriptors_are_closed)
{
	ASSERT_OK(uev_dynamic("u:lib_later u32 n"));
	ASSERT_OK(uev_enable("lib_later", true));
	ENABLE(lib_numbers);
	ENABLE(lib_plain);
	EXPECT_EQ(0, uev_in_child(register_after_closing, NULL));
	EXPECT_TRACE("lib_later", "");
	EXPECT_TRACE("lib_plain", "");
	EXPECT_TRACE("lib_numbers", "a=2 b=2 c=3 d=4 e=5 f=6 g=7 h=8\n");
	DISABLE(lib_numbers);
	DISABLE(lib_plain);
	ASSERT_OK(uev_enable("lib_later", false));
	ASSERT_OK(uev_dynamic("-:lib_later"));
}

/* The memory of an event that the kernel still writes to is not freed */
static int free_without_permission(void *arg)
{
	struct user_event *(*new_event)(const char *command, unsigned int options);
	void (*free_event)(struct user_event *event);
	void *object = dlopen(beside("libuser_event.so.0"), RTLD_NOW | RTLD_LOCAL);
	struct user_event *event;
	int i, error;
	char *block;

	if (!object)
		return 1;
	*(void **)&new_event = dlsym(object, "user_event_new");
	*(void **)&free_event = dlsym(object, "user_event_free");
	event = new_event("lib_freed u32 n", 0);
	close_all_but(-1);
	if (!event || event->error || uev_become_nobody())
		return 2;
	errno = 79;
	error = user_event_unregister(&user_event_of_lib_plain);
	if (error != EACCES || errno != 79)
		return 3;
	if (user_event_unregister(&user_event_of_lib_plain) != EACCES)
		return 4;
	free_event(event);
	for (i = 0; i < 1000; i++) {
		block = malloc(1 + i % 128);
		if (block <= (char *)event && (char *)event < block + 1 + i % 128)
			return 5;
	}
	return 0;
}

TEST_F(library, unregistration_that_fails)
{
	EXPECT_EQ(0, uev_in_child(free_without_permission, NULL));
}

/* Bits that struct user_event has no room for are unknown to the kernel, too */
static int register_unknown_options(void *arg)
{
	struct user_event *(*new_event)(const char *command, unsigned int options);
	void *object = dlopen(beside("libuser_event.so.0"), RTLD_NOW | RTLD_LOCAL);
	struct user_event *event;

	if (!object)
		return 1;
	*(void **)&new_event = dlsym(object, "user_event_new");
	event = new_event("lib_options u32 n", 0x10000);
	return event && event->error == EINVAL ? 0 : 2;
}

TEST_F(library, unknown_options)
{
	EXPECT_EQ(0, uev_in_child(register_unknown_options, NULL));
}

/* The library does not open a file of its own in place of the one it was given */
static int use_closed_file(void *arg)
{
	if (!user_event_use_file(999) || !user_event_retry())
		return 1;
	if (strncmp("the file that was handed over is not open", user_event_why(lib_plain), 41))
		return 2;
	user_event(lib_plain, 15);
	if (user_event_use_file(-1))
		return 3;
	user_event(lib_plain, 16);
	return 0;
}

TEST_F(library, file_handed_over_that_is_not_open)
{
	ENABLE(lib_plain);
	EXPECT_EQ(0, uev_in_child(use_closed_file, NULL));
	EXPECT_TRACE("lib_plain", "n=16\n");
	DISABLE(lib_plain);
}

/* The old file is closed, and a new one cannot be opened: only @arg is there */
static int take_over_file(void *arg)
{
	int file = *(int *)arg;

	close_all_but(file);
	if (uev_become_nobody())
		return 1;
	if (!user_event_retry() || strncmp("no permission", user_event_why(lib_plain), 13))
		return 2;
	/* All but lib_persist, which takes a privilege */
	if (user_event_use_file(file) != 1)
		return 3;
	user_event(lib_plain, 11);
	return user_event_of_lib_persist.error == EPERM ? 0 : 4;
}

TEST_F(library, file_handed_over_after_closing)
{
	ENABLE(lib_plain);
	EXPECT_EQ(0, uev_in_child(take_over_file, &self->fd));
	EXPECT_TRACE("lib_plain", "n=11\n");
	DISABLE(lib_plain);
}

/* While the file changes a record never has the index of the other file */
static int emitters;

static void *emit_until(void *arg)
{
	bool first = true;

	while (!UEV_READ(*(int *)arg)) {
		user_event(lib_plain, 1);
		user_event(lib_persist, 2);
		if (first)
			__atomic_add_fetch(&emitters, 1, __ATOMIC_SEQ_CST);
		first = false;
	}
	return NULL;
}

static int change_file_beside_writers(void *arg)
{
	pthread_t threads[2];
	int i, stop = 0, ret = 0;

	for (i = 0; i < 2; i++) {
		if (pthread_create(&threads[i], NULL, emit_until, &stop))
			return 1;
	}
	if (!uev_wait_for(UEV_READ(emitters) == 2))
		return 3;
	for (i = uev_rounds(100); i && !ret; i--) {
		if (user_event_use_file(*(int *)arg) || user_event_use_file(-1))
			ret = 2;
	}
	UEV_WRITE(stop, 1);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return ret;
}

TEST_F(library, file_changes_beside_writers)
{
	__u32 other = 0, index = 0;
	char *trace;

	/* In this file other indexes: the first one is that of lib_plain */
	ASSERT_OK(uev_reg(self->fd, &other, 0, sizeof(other), 0, "lib_plain u32 n", &index));
	ASSERT_NE(user_event_of_lib_plain.index, index);
	ENABLE(lib_plain);
	ENABLE(lib_persist);
	EXPECT_EQ(0, uev_in_child(change_file_beside_writers, &self->fd));
	trace = uev_get("trace");
	EXPECT_NE(0, uev_count(trace, "lib_plain: n=1\n"));
	EXPECT_NE(0, uev_count(trace, "lib_persist: n=2\n"));
	EXPECT_EQ(0, uev_count(trace, "lib_plain: n=2\n"));
	EXPECT_EQ(0, uev_count(trace, "lib_persist: n=1\n"));
	free(trace);
	DISABLE(lib_plain);
	DISABLE(lib_persist);
	ASSERT_OK(uev_unreg(self->fd, &other, 0));
}

TEST_F(library, vfork_child_closes_descriptors)
{
	pid_t pid;

	ENABLE(lib_plain);
	pid = vfork();
	if (!pid) {
		close_all_but(-1);
		user_event(lib_plain, 12);
		_exit(0);
	}
	EXPECT_EQ(0, uev_join(pid));
	user_event(lib_plain, 13);
	EXPECT_EQ(0, strncmp("it is recorded", user_event_why(lib_plain), 14));
	EXPECT_TRACE("lib_plain", "n=13\n");
	DISABLE(lib_plain);
}

/* A thread that is cancelled while it opens the file does not keep the lock */
static void *open_when_cancelled(void *missing)
{
	pthread_cancel(pthread_self());
	*(int *)missing = user_event_retry();
	pthread_testcancel();
	return NULL;
}

static int cancel_in_open(void *arg)
{
	int missing = -1;
	pthread_t thread;
	void *result;

	close_all_but(-1);
	if (pthread_create(&thread, NULL, open_when_cancelled, &missing))
		return 1;
	pthread_join(thread, &result);
	if (result != PTHREAD_CANCELED || missing)
		return 2;
	alarm(UEV_WAIT_MS / 1000);
	return user_event_use_file(-1) ? 3 : 0;
}

TEST_F(library, thread_that_is_cancelled)
{
	EXPECT_EQ(0, uev_in_child(cancel_in_open, NULL));
}

/* Nor is a thread cancelled by an event */
static void *emit_when_cancelled(void *arg)
{
	pthread_cancel(pthread_self());
	user_event(lib_plain, 14);
	*(int *)arg = 1;
	pthread_testcancel();
	return NULL;
}

TEST_F(library, event_cancels_nothing)
{
	int done = 0;
	pthread_t thread;

	ENABLE(lib_plain);
	ASSERT_EQ(0, pthread_create(&thread, NULL, emit_when_cancelled, &done));
	pthread_join(thread, NULL);
	EXPECT_EQ(1, done);
	EXPECT_TRACE("lib_plain", "n=14\n");
	DISABLE(lib_plain);
}

/* Programs */

struct program {
	pid_t pid;
	FILE *in, *out;
	char line[512];
};

struct start {
	const char *name, *data, *argument;
	bool nobody;
};

static void start(struct program *p, const struct start *how)
{
	char *path = beside(how->name ?: "library_program");
	/* Where it is may be no place for the user nobody. */
	int in[2], out[2], program = open(path, O_RDONLY | O_CLOEXEC);

	if (program < 0 || pipe(in) || pipe(out))
		abort();
	fflush(NULL);
	p->pid = fork();
	if (!p->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		if (how->data)
			setenv("USER_EVENTS_DATA", how->data, 1);
		if (how->nobody && uev_become_nobody())
			_exit(101);
		fexecve(program, (char *[]){ path, (char *)how->argument, NULL }, environ);
		_exit(102);
	}
	close(program);
	close(in[0]);
	close(out[1]);
	p->in = fdopen(in[1], "w");
	p->out = fdopen(out[0], "r");
}

static const char *says(struct program *p)
{
	if (!fgets(p->line, sizeof(p->line), p->out))
		snprintf(p->line, sizeof(p->line), "(nothing)");
	p->line[strcspn(p->line, "\n")] = '\0';
	return p->line;
}

static int finish(struct program *p)
{
	while (getc(p->out) != EOF)
		;
	fclose(p->out);
	return uev_join(p->pid);
}

#define EXPECT_SAYS(p, text)						\
	EXPECT_NE(NULL, strstr(says(p), text))				\
		TH_LOG("it says \"%s\", not \"%s\"", (p)->line, text)

TEST_F(library, why_and_retry)
{
	struct program p;

	/* Nothing in the way */
	start(&p, &(struct start){});
	EXPECT_SAYS(&p, "nobody listens");
	EXPECT_TRUE(uev_alive("lib_program"));
	ASSERT_OK(uev_enable("lib_program", true));
	fclose(p.in);
	EXPECT_SAYS(&p, "0: it is recorded");
	EXPECT_EQ(0, finish(&p));
	EXPECT_TRACE("lib_program", "step=3 text=retried\n");
	ASSERT_OK(uev_enable("lib_program", false));
	EXPECT_TRUE(uev_wait_for(!uev_alive("lib_program")));

	/* No such file, and no permission */
	start(&p, &(struct start){ .data = "/nowhere/user_events_data" });
	EXPECT_SAYS(&p, "USER_EVENTS_DATA names a file that does not exist");
	fclose(p.in);
	EXPECT_SAYS(&p, "1: USER_EVENTS_DATA names a file that does not exist");
	EXPECT_EQ(0, finish(&p));
	start(&p, &(struct start){ .data = "/dev/null" });
	EXPECT_SAYS(&p, "this is no user_events_data");
	fclose(p.in);
	EXPECT_EQ(0, finish(&p));

	/* A name that is taken, and then free */
	ASSERT_OK(uev_dynamic("u:lib_program u64 other"));
	start(&p, &(struct start){});
	EXPECT_SAYS(&p, "stop what still listens");
	ASSERT_OK(uev_dynamic("-:lib_program"));
	fclose(p.in);
	EXPECT_SAYS(&p, "0: nobody listens");
	EXPECT_EQ(0, finish(&p));
	EXPECT_TRUE(uev_wait_for(!uev_alive("lib_program")));

	/* The limit */
	ASSERT_OK(uev_put(UEV_MAX_SYSCTL, "1"));
	start(&p, &(struct start){});
	EXPECT_SAYS(&p, "raise kernel.user_events_max");
	ASSERT_OK(uev_put(UEV_MAX_SYSCTL, "32768"));
	fclose(p.in);
	EXPECT_SAYS(&p, "0: nobody listens");
	EXPECT_EQ(0, finish(&p));
	EXPECT_TRUE(uev_wait_for(!uev_alive("lib_program")));
	EXPECT_EQ(NULL, strstr(uev_get("dynamic_events"), "u:lib_program"));
}

TEST_F(library, file_that_was_handed_over)
{
	struct program p;
	char number[16];
	int fd;

	/* The user nobody may not open the file, but can use an open one. */
	start(&p, &(struct start){ .nobody = true });
	EXPECT_SAYS(&p, "no permission");
	fclose(p.in);
	EXPECT_EQ(0, finish(&p));
	fd = dup(self->fd);
	sprintf(number, "%d", fd);
	start(&p, &(struct start){ .nobody = true, .argument = number });
	EXPECT_SAYS(&p, "nobody listens");
	ASSERT_OK(uev_enable("lib_program", true));
	fclose(p.in);
	EXPECT_SAYS(&p, "0: it is recorded");
	EXPECT_EQ(0, finish(&p));
	EXPECT_TRACE("lib_program", "step=3 text=retried\n");
	ASSERT_OK(uev_enable("lib_program", false));
	close(fd);
}

TEST_F(library, cxx_constructors_and_destructors)
{
	struct program p;

	if (!beside("library_program_cxx") || access(beside("library_program_cxx"), X_OK))
		SKIP(return, "no C++ compiler when this was built");
	ASSERT_OK(uev_dynamic("u:lib_program u32 step; __rel_loc char[] text"));
	ASSERT_OK(uev_enable("lib_program", true));
	start(&p, &(struct start){ .name = "library_program_cxx" });
	EXPECT_SAYS(&p, "it is recorded");
	fclose(p.in);
	EXPECT_SAYS(&p, "0: it is recorded");
	EXPECT_EQ(0, finish(&p));
	EXPECT_TRACE("lib_program", "step=1 text=constructor\nstep=2 text=main\n"
		     "step=3 text=retried\nstep=4 text=destructor\n");
	ASSERT_OK(uev_enable("lib_program", false));
	ASSERT_OK(uev_dynamic("-:lib_program"));
}

/* Objects are loaded and unloaded while listeners come and go */

static int switch_forever(void *arg)
{
	int *stop = arg;

	while (!UEV_READ(*stop)) {
		uev_put("events/user_events/enable", "1");
		uev_put("events/user_events_multi/enable", "1");
		uev_put("events/user_events/enable", "0");
		uev_put("events/user_events_multi/enable", "0");
	}
	return 0;
}

TEST_F(library, object_that_comes_and_goes)
{
	int rounds = uev_rounds(500);
	int i, *stop = uev_shared(4096);
	void (*emit)(unsigned int round);
	char *path = beside("library_object.so");
	struct uev_census before;
	void *object;
	pid_t pid;

	uev_census_take(&before);
	*stop = 0;
	pid = uev_fork(switch_forever, stop);
	ASSERT_LT(0, pid);
	for (i = 0; i < rounds; i++) {
		object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		ASSERT_NE(NULL, object) TH_LOG("%s", dlerror());
		*(void **)&emit = dlsym(object, "library_object_emit");
		emit(i);
		ASSERT_EQ(0, dlclose(object));
	}
	UEV_WRITE(*stop, 1);
	EXPECT_EQ(0, uev_join(pid));
	EXPECT_STREQ("", uev_census_diff(&before));
	uev_census_free(&before);
}

TEST_HARNESS_MAIN
