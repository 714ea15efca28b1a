// SPDX-License-Identifier: GPL-2.0
/*
 * Registrations belong to an address space: what threads, fork, vfork,
 * CLONE_VM, exec, exit and signals do to them.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "uev_harness.h"

#define STACK_SIZE	(256 * 1024)
#define EVENT		"proc_event u32 a"
#define EVENT_NAME	"proc_event"

/*
 * Orders for a process, which carries them out one at a time. They are in memory
 * that all processes share; both sides poll.
 */
enum order {
	IDLE, REGISTER, UNREGISTER, SET_VALUE, FORK, SHARE, EXEC, BAD_EXEC,
	THREAD_EXEC, LAST_THREAD_EXEC, THREAD_EXIT, LEADER_EXIT, CLOSE_FILE, QUIT,
};

struct remote {
	int order;
	int result;
	int fd, wait_fd;
	__u32 *value;
	int bit;
	__u32 set_to;
	pid_t pid;
	struct remote *next;	/* orders for the child that FORK or SHARE makes */
};

static int obey(void *arg);

static int clone_obey(int flags, struct remote *r, char *stack)
{
	fflush(NULL);
	return clone(obey, stack + STACK_SIZE, flags | SIGCHLD, r);
}

static char *new_stack(void)
{
	return mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static bool is_zombie(pid_t pid)
{
	char path[64], *text;
	bool zombie;

	sprintf(path, "/proc/%d/stat", pid);
	text = uev_get(path);
	zombie = strstr(text, ") Z ");
	free(text);
	return zombie;
}

static void *exec_thread(void *arg)
{
	struct remote *r = arg;

	if (r->order == LAST_THREAD_EXEC && !uev_wait_for(is_zombie(getpid())))
		return NULL;
	UEV_WRITE(r->order, IDLE);
	uev_exec_and_wait(r->wait_fd);
	return NULL;
}

static void *register_thread(void *arg)
{
	struct remote *r = arg;

	r->result = uev_reg(r->fd, r->value, r->bit, 4, 0, EVENT, NULL);
	return NULL;
}

/* Goes on when the first thread of its process is gone */
static void *obey_thread(void *arg)
{
	struct remote *r = arg;

	r->result = uev_wait_for(is_zombie(getpid())) ? 0 : -ETIME;
	UEV_WRITE(r->order, IDLE);
	obey(r);
	return NULL;
}

static int obey(void *arg)
{
	struct remote *r = arg;
	static char * const nothing[] = { NULL };
	pthread_t thread;

	/* Some outlive their parent; the teardown finds them by their pid. */
	prctl(PR_SET_PDEATHSIG, 0);
	UEV_WRITE(r->pid, getpid());
	for (;;) {
		int order = UEV_READ(r->order);

		switch (order) {
		case IDLE:
			uev_nap();
			continue;
		case REGISTER:
			r->result = uev_reg(r->fd, r->value, r->bit, 4, 0,
					    EVENT, NULL);
			break;
		case UNREGISTER:
			r->result = uev_unreg(r->fd, r->value, r->bit);
			break;
		case SET_VALUE:
			UEV_WRITE(*r->value, r->set_to);
			r->result = 0;
			break;
		case FORK:
			r->result = uev_fork(obey, r->next);
			break;
		case SHARE:
			/* Nobody waits for it. */
			signal(SIGCHLD, SIG_IGN);
			r->result = clone_obey(CLONE_VM, r->next, new_stack());
			break;
		case EXEC:
			UEV_WRITE(r->order, IDLE);
			return uev_exec_and_wait(r->wait_fd);
		case BAD_EXEC:
			r->result = execve("/nonexistent", nothing, nothing);
			break;
		case THREAD_EXEC:
			pthread_create(&thread, NULL, exec_thread, r);
			pthread_join(thread, NULL);
			return 1;
		case LAST_THREAD_EXEC:
			pthread_create(&thread, NULL, exec_thread, r);
			pthread_exit(NULL);
		case THREAD_EXIT:
			pthread_create(&thread, NULL, register_thread, r);
			pthread_join(thread, NULL);
			break;
		case LEADER_EXIT:
			pthread_create(&thread, NULL, obey_thread, r);
			pthread_exit(NULL);
		case CLOSE_FILE:
			r->result = close(r->fd);
			break;
		case QUIT:
			UEV_WRITE(r->order, IDLE);
			_exit(0);
		}
		UEV_WRITE(r->order, IDLE);
	}
}

static int tell(struct remote *r, enum order order)
{
	r->result = -EINPROGRESS;
	UEV_WRITE(r->order, order);
	if (!uev_wait_for(UEV_READ(r->order) == IDLE))
		return -ETIME;
	return order == EXEC || order == THREAD_EXEC ||
	       order == LAST_THREAD_EXEC || order == QUIT ? 0 : r->result;
}

/* The enable word in the memory of another process; ~0 if it has none there. */
static __u32 peek(pid_t pid, const __u32 *at)
{
	__u32 value = ~0U;
	char path[64];
	int fd;

	sprintf(path, "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		if (pread64(fd, &value, sizeof(value), (uintptr_t)at) !=
		    sizeof(value))
			value = ~0U;
		close(fd);
	}
	return value;
}

FIXTURE(process) {
	int fd;
	__u32 *value;	/* private, registered at bit 0 */
	__u32 *shared;	/* a page that all have, MAP_SHARED */
	struct remote *remote;	/* four of them */
	int gate[2];		/* what exec'ed processes wait for */
};

FIXTURE_SETUP(process)
{
	int i;

	uev_reset();
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	self->value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	self->shared = uev_shared(uev_page_size());
	self->remote = uev_shared(4 * sizeof(*self->remote));
	ASSERT_EQ(0, pipe(self->gate));
	fcntl(self->gate[1], F_SETFD, FD_CLOEXEC);
	for (i = 0; i < 4; i++) {
		self->remote[i].fd = self->fd;
		self->remote[i].value = self->value;
		self->remote[i].wait_fd = self->gate[0];
		self->remote[i].next = &self->remote[i + 1];
	}
	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
}

FIXTURE_TEARDOWN(process)
{
	int i;

	/* Kill what is left: children of this process, and theirs. */
	for (i = 0; i < 4; i++) {
		if (self->remote[i].pid > 0)
			kill(self->remote[i].pid, SIGKILL);
	}
	close(self->gate[0]);
	close(self->gate[1]);
	close(self->fd);
	while (waitpid(-1, NULL, 0) > 0)
		;
	uev_reset();
}

/* Starts remote[0] as a child, which inherits the enabler of this process. */
static pid_t start(FIXTURE_DATA(process) *self)
{
	pid_t pid = uev_fork(obey, &self->remote[0]);

	uev_wait_for(UEV_READ(self->remote[0].pid) == pid);
	return pid;
}

/*
 * The same, and the child registers shared[8] of its own: this process can see what
 * is written there.
 */
static pid_t start_registered(FIXTURE_DATA(process) *self)
{
	struct remote *r = &self->remote[0];
	pid_t pid = start(self);

	r->value = &self->shared[8];
	return pid > 0 && tell(r, REGISTER) ? -1 : pid;
}

#define ASSERT_PEEK(want, pid, at)					\
	ASSERT_TRUE(uev_wait_for(peek(pid, at) == (want)))		\
		TH_LOG("process has 0x%x, not 0x%x", peek(pid, at), want)

/*
 * Switches the event many times: nothing may be written to @at meanwhile. The enable
 * word of this process must follow each switch, so that there is something to write. At
 * last nothing else holds the event.
 */
static void expect_no_write(struct __test_metadata *_metadata,
			    FIXTURE_DATA(process) *self, __u32 *at)
{
	__u32 *value = self->value;
	int i;

	for (i = 0; i < 50; i++) {
		__u32 mark = i & 1 ? 0xdeadbeef : 0x21524110;

		UEV_WRITE(*at, mark);
		ASSERT_OK(uev_enable(EVENT_NAME, !(i & 1)));
		ASSERT_BECOMES(!(i & 1), *value);
		ASSERT_EQ(mark, UEV_READ(*at));
	}
	usleep(200000);
	EXPECT_EQ(0xdeadbeef, UEV_READ(*at));
	/* Nor is the event held */
	ASSERT_OK(uev_unreg(self->fd, value, 0));
	close(self->fd);
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
	self->fd = uev_open();
}

TEST_F(process, thread_that_registered_exits)
{
	struct remote *r = &self->remote[0];
	pthread_t thread;

	r->value = &self->value[1];
	r->bit = 3;
	ASSERT_EQ(0, pthread_create(&thread, NULL, register_thread, r));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_OK(r->result);
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(8, self->value[1]);
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_BECOMES(0, self->value[1]);
	EXPECT_ERR(EADDRINUSE, uev_reg(self->fd, &self->value[1], 3, 4, 0,
				       EVENT, NULL));
	EXPECT_OK(uev_unreg(self->fd, &self->value[1], 3));
}

TEST_F(process, thread_of_a_child_registers)
{
	__u32 *value = &self->shared[4];
	struct remote *r = &self->remote[0];
	pid_t pid = start(self);

	ASSERT_LT(0, pid);
	r->value = value;
	r->bit = 2;
	ASSERT_OK(tell(r, THREAD_EXIT));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(4, *value);
	ASSERT_PEEK(1, pid, self->value);
}

TEST_F(process, fork_keeps_both_sides_up_to_date)
{
	pid_t pid = start(self);
	int i;

	ASSERT_LT(0, pid);
	for (i = 0; i < 5; i++) {
		ASSERT_OK(uev_enable(EVENT_NAME, true));
		ASSERT_BECOMES(1, *self->value);
		ASSERT_PEEK(1, pid, self->value);
		ASSERT_OK(uev_enable(EVENT_NAME, false));
		ASSERT_BECOMES(0, *self->value);
		ASSERT_PEEK(0, pid, self->value);
	}
}

TEST_F(process, fork_while_enabled)
{
	pid_t pid;

	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *self->value);
	pid = start(self);
	ASSERT_LT(0, pid);
	ASSERT_PEEK(1, pid, self->value);
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_BECOMES(0, *self->value);
	ASSERT_PEEK(0, pid, self->value);
}

TEST_F(process, child_has_the_address_already)
{
	pid_t pid = start(self);

	ASSERT_LT(0, pid);
	EXPECT_ERR(EADDRINUSE, tell(&self->remote[0], REGISTER));
	EXPECT_OK(tell(&self->remote[0], UNREGISTER));
	EXPECT_OK(tell(&self->remote[0], REGISTER));
}

TEST_F(process, unregister_in_the_child_leaves_the_parent)
{
	pid_t pid;

	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *self->value);
	pid = start(self);
	ASSERT_LT(0, pid);
	ASSERT_OK(tell(&self->remote[0], UNREGISTER));
	EXPECT_EQ(0, peek(pid, self->value));
	EXPECT_EQ(1, UEV_READ(*self->value));
	EXPECT_ERR(ENOENT, tell(&self->remote[0], UNREGISTER));

	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_BECOMES(0, *self->value);
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *self->value);
	EXPECT_EQ(0, peek(pid, self->value));
	EXPECT_OK(uev_unreg(self->fd, self->value, 0));
}

TEST_F(process, unregister_in_the_parent_leaves_the_child)
{
	pid_t pid = start(self);

	ASSERT_LT(0, pid);
	ASSERT_OK(uev_unreg(self->fd, self->value, 0));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_PEEK(1, pid, self->value);
	EXPECT_EQ(0, UEV_READ(*self->value));
	EXPECT_OK(tell(&self->remote[0], UNREGISTER));
	EXPECT_EQ(0, peek(pid, self->value));
}

TEST_F(process, register_in_the_child_is_its_own)
{
	struct remote *r = &self->remote[0];
	pid_t pid = start(self);

	ASSERT_LT(0, pid);
	r->value = &self->value[2];
	r->bit = 4;
	ASSERT_OK(tell(r, REGISTER));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_PEEK(16, pid, &self->value[2]);
	ASSERT_BECOMES(1, self->value[0]);
	EXPECT_EQ(0, UEV_READ(self->value[2]));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, &self->value[2], 4));
}

/* The child's copy of the set has the same sizes and bits. */
TEST_F(process, registrations_are_the_same_apart)
{
	struct remote *r = &self->remote[0];
	__u32 *small = &self->value[5], word[2];
	__u64 *large = (__u64 *)&self->value[8], value;
	bool has_8 = uev_kernel_is_64();
	pid_t pid;

	ASSERT_OK(uev_reg(self->fd, small, 31, 4, 0, EVENT, NULL));
	if (has_8)
		ASSERT_OK(uev_reg(self->fd, large, 40, 8, 0, EVENT, NULL));
	pid = start(self);
	ASSERT_LT(0, pid);
	r->value = &self->value[2];
	r->bit = 4;
	ASSERT_OK(tell(r, REGISTER));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_PEEK(1, pid, &self->value[0]);
	ASSERT_PEEK(16, pid, &self->value[2]);
	ASSERT_PEEK(1U << 31, pid, small);
	EXPECT_EQ(0, peek(pid, small - 1));
	EXPECT_EQ(0, peek(pid, small + 1));
	if (has_8) {
		ASSERT_TRUE(uev_wait_for(({
			word[0] = peek(pid, (__u32 *)large);
			word[1] = peek(pid, (__u32 *)large + 1);
			memcpy(&value, word, sizeof(value));
			value == 1ULL << 40;
		}))) TH_LOG("0x%llx", (unsigned long long)value);
		ASSERT_BECOMES(1ULL << 40, *large);
	}
	ASSERT_BECOMES(1U << 31, *small);
}

TEST_F(process, three_generations_apart)
{
	pid_t pid = start(self), grandchild;

	ASSERT_LT(0, pid);
	grandchild = tell(&self->remote[0], FORK);
	ASSERT_LT(0, grandchild);
	ASSERT_TRUE(uev_wait_for(UEV_READ(self->remote[1].pid)));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_PEEK(1, grandchild, self->value);
	ASSERT_PEEK(1, pid, self->value);
	ASSERT_OK(tell(&self->remote[1], UNREGISTER));
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_PEEK(0, pid, self->value);
	ASSERT_OK(tell(&self->remote[1], REGISTER));
	ASSERT_OK(tell(&self->remote[0], UNREGISTER));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_PEEK(1, grandchild, self->value);
	EXPECT_EQ(0, peek(pid, self->value));
}

TEST_F(process, grandchild_outlives_its_parent)
{
	pid_t pid = start(self), grandchild;

	ASSERT_LT(0, pid);
	grandchild = tell(&self->remote[0], FORK);
	ASSERT_LT(0, grandchild);
	ASSERT_TRUE(uev_wait_for(UEV_READ(self->remote[1].pid)));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(-SIGKILL, uev_join(pid));
	self->remote[0].pid = 0;
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_PEEK(1, grandchild, self->value);
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_PEEK(0, grandchild, self->value);
	EXPECT_OK(tell(&self->remote[1], UNREGISTER));
}

struct generation {
	__u32 *value;
	int *alive, *go;
	int left;
};

/* Forks down to the last generation; each reports its own bit. */
static int descend(void *arg)
{
	struct generation g = *(struct generation *)arg;
	pid_t child = 0;
	int wrong;

	__atomic_add_fetch(g.alive, 1, __ATOMIC_SEQ_CST);
	if (--g.left)
		child = uev_fork(descend, &g);
	if (!uev_wait_for(UEV_READ(*g.go)))
		return 1;
	wrong = !BECOMES(1, *g.value);
	if (child > 0)
		wrong |= uev_join(child);
	return wrong;
}

TEST_F(process, deep_tree)
{
	/* Fewer on a slow kernel, since all that wait keep polling */
	const int depth = uev_kernel_is_slow() ? 8 : 25;
	int *counters = (int *)self->shared;
	struct generation g = { self->value, &counters[0], &counters[1], depth };
	pid_t pid = uev_fork(descend, &g);

	ASSERT_LT(0, pid);
	ASSERT_TRUE(uev_wait_for(UEV_READ(counters[0]) == depth));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	UEV_WRITE(counters[1], 1);
	EXPECT_EQ(0, uev_join(pid));
}

TEST_F(process, clone_vm_shares)
{
	struct remote *r = &self->remote[0];
	int status;
	pid_t pid;

	r->value = &self->value[3];
	pid = clone_obey(CLONE_VM, r, new_stack());
	ASSERT_LT(0, pid);
	ASSERT_OK(tell(r, REGISTER));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, self->value[0]);
	ASSERT_BECOMES(1, self->value[3]);

	/* The child exits, the address space stays. */
	ASSERT_OK(tell(r, QUIT));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_BECOMES(0, self->value[0]);
	ASSERT_BECOMES(0, self->value[3]);
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, self->value[3]);
	EXPECT_OK(uev_unreg(self->fd, &self->value[3], 0));
	EXPECT_EQ(0, UEV_READ(self->value[3]));
}

TEST_F(process, clone_vm_child_unregisters_for_all)
{
	struct remote *r = &self->remote[0];
	pid_t pid = clone_obey(CLONE_VM, r, new_stack());

	ASSERT_LT(0, pid);
	ASSERT_OK(tell(r, UNREGISTER));
	EXPECT_ERR(ENOENT, uev_unreg(self->fd, self->value, 0));
	ASSERT_OK(tell(r, QUIT));
}

TEST_F(process, clone_vm_child_execs)
{
	struct remote *r = &self->remote[0];
	pid_t pid = clone_obey(CLONE_VM, r, new_stack());

	ASSERT_LT(0, pid);
	ASSERT_OK(tell(r, EXEC));
	ASSERT_TRUE(uev_wait_for(uev_is_exec_waiter(pid)));
	/* Only the one that called execve() has left the address space. */
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *self->value);
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_BECOMES(0, *self->value);
	EXPECT_OK(uev_unreg(self->fd, self->value, 0));
}

/* Makes remote @i quit, which is no child of this process; polls until it has. */
static void quit_alone(struct __test_metadata *_metadata,
		       FIXTURE_DATA(process) *self, int i)
{
	struct remote *r = &self->remote[i];

	ASSERT_OK(tell(r, QUIT));
	ASSERT_TRUE(uev_wait_for(kill(r->pid, 0) && errno == ESRCH));
	r->pid = 0;
}

/* Three processes share memory, each made by the one before it; one registers. */
static pid_t start_sharers(struct __test_metadata *_metadata,
			   FIXTURE_DATA(process) *self)
{
	struct remote *r = self->remote;
	pid_t pid = start_registered(self);

	ASSERT_LT(0, pid);
	ASSERT_LT(0, tell(&r[0], SHARE));
	ASSERT_TRUE(uev_wait_for(UEV_READ(r[1].pid)));
	ASSERT_LT(0, tell(&r[1], SHARE));
	ASSERT_TRUE(uev_wait_for(UEV_READ(r[2].pid)));
	return pid;
}

/* Processes share the memory, and those that made them are gone. */
TEST_F(process, clone_vm_without_the_parents)
{
	struct remote *r = self->remote;
	pid_t pid = start_sharers(_metadata, self);
	__u32 *value = &self->shared[8];

	/* First the middle one quits, then the last one leaves by exec. */
	quit_alone(_metadata, self, 1);
	ASSERT_OK(tell(&r[2], EXEC));
	ASSERT_TRUE(uev_wait_for(uev_is_exec_waiter(r[2].pid)));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *value);

	/* Then the first one quits: a new one is alone in the address space. */
	ASSERT_LT(0, tell(&r[0], SHARE));
	ASSERT_TRUE(uev_wait_for(UEV_READ(r[1].pid)));
	ASSERT_OK(tell(&r[0], QUIT));
	ASSERT_EQ(0, uev_join(pid));
	r[0].pid = 0;
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_BECOMES(0, *value);

	quit_alone(_metadata, self, 1);
	expect_no_write(_metadata, self, value);
}

/* The same, and of the process that is left the first thread is gone, too. */
TEST_F(process, clone_vm_without_the_first_thread)
{
	struct remote *r = self->remote;
	pid_t pid = start_sharers(_metadata, self);
	__u32 *value = &self->shared[8];

	quit_alone(_metadata, self, 1);
	ASSERT_OK(tell(&r[0], LEADER_EXIT));
	ASSERT_OK(tell(&r[2], EXEC));
	ASSERT_TRUE(uev_wait_for(uev_is_exec_waiter(r[2].pid)));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *value);
	ASSERT_OK(tell(&r[0], QUIT));
	ASSERT_EQ(0, uev_join(pid));
	r[0].pid = 0;
	expect_no_write(_metadata, self, value);
}

TEST_F(process, vfork_and_exit)
{
	struct remote *r = &self->remote[0];
	int status;
	pid_t pid;

	r->order = QUIT;
	pid = clone_obey(CLONE_VM | CLONE_VFORK, r, new_stack());
	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *self->value);
	EXPECT_OK(uev_unreg(self->fd, self->value, 0));
}

TEST_F(process, vfork_and_exec)
{
	struct remote *r = &self->remote[0];
	pid_t pid;

	r->order = EXEC;
	pid = clone_obey(CLONE_VM | CLONE_VFORK, r, new_stack());
	ASSERT_LT(0, pid);
	ASSERT_TRUE(uev_wait_for(uev_is_exec_waiter(pid)));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, *self->value);
	EXPECT_OK(uev_unreg(self->fd, self->value, 0));
}

TEST_F(process, exec_drops_everything)
{
	struct remote *r = &self->remote[0];
	pid_t pid = start_registered(self);

	ASSERT_LT(0, pid);
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, self->shared[8]);
	ASSERT_OK(tell(r, EXEC));
	ASSERT_TRUE(uev_wait_for(uev_is_exec_waiter(pid)));
	expect_no_write(_metadata, self, &self->shared[8]);
}

static void exec_by_thread(struct __test_metadata *_metadata,
			   FIXTURE_DATA(process) *self, enum order order)
{
	pid_t pid = start_registered(self);

	ASSERT_LT(0, pid);
	ASSERT_OK(tell(&self->remote[0], order));
	ASSERT_TRUE(uev_wait_for(uev_is_exec_waiter(pid)));
	expect_no_write(_metadata, self, &self->shared[8]);
}

TEST_F(process, exec_of_a_thread_drops_everything)
{
	exec_by_thread(_metadata, self, THREAD_EXEC);
}

/* The first thread has left before. */
TEST_F(process, exec_of_the_last_thread_drops_everything)
{
	exec_by_thread(_metadata, self, LAST_THREAD_EXEC);
}

TEST_F(process, failed_exec_drops_nothing)
{
	pid_t pid = start(self);

	ASSERT_LT(0, pid);
	ASSERT_EQ(-1, tell(&self->remote[0], BAD_EXEC));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_PEEK(1, pid, self->value);
	EXPECT_OK(tell(&self->remote[0], UNREGISTER));
}

TEST_F(process, exit_drops_everything)
{
	struct remote *r = &self->remote[0];
	pid_t pid = start_registered(self);

	ASSERT_LT(0, pid);
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_BECOMES(1, self->shared[8]);
	ASSERT_OK(tell(r, QUIT));
	ASSERT_EQ(0, uev_join(pid));
	r->pid = 0;
	expect_no_write(_metadata, self, &self->shared[8]);
}

TEST_F(process, kill_drops_everything)
{
	struct remote *r = &self->remote[0];
	pid_t pid = start_registered(self);

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(-SIGKILL, uev_join(pid));
	r->pid = 0;
	expect_no_write(_metadata, self, &self->shared[8]);
}

/* Nothing else holds the event: it goes with the process. */
TEST_F(process, last_process_takes_the_event_with_it)
{
	struct remote *r = &self->remote[0];
	pid_t pid = start(self);

	ASSERT_LT(0, pid);
	/* The child has an address of its own and its inherited file. */
	ASSERT_OK(uev_unreg(self->fd, self->value, 0));
	close(self->fd);
	EXPECT_TRUE(uev_alive(EVENT_NAME));
	ASSERT_OK(tell(r, CLOSE_FILE));
	EXPECT_TRUE(uev_alive(EVENT_NAME));
	ASSERT_OK(tell(r, QUIT));
	ASSERT_EQ(0, uev_join(pid));
	r->pid = 0;
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
	EXPECT_FALSE(uev_event_exists(EVENT_NAME));
	self->fd = uev_open();
}

TEST_F(process, stopped_process_is_kept_up_to_date)
{
	pid_t pid = start(self);
	int status;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_OK(uev_enable(EVENT_NAME, true));
	ASSERT_PEEK(1, pid, self->value);
	ASSERT_OK(uev_enable(EVENT_NAME, false));
	ASSERT_PEEK(0, pid, self->value);
	ASSERT_EQ(0, kill(pid, SIGCONT));
	EXPECT_OK(tell(&self->remote[0], UNREGISTER));
}

/* Threads that change the set while the address space is copied. */
struct changer {
	int fd;
	__u32 *value;
	bool *stop;
	long rounds, failed;
};

static void *change_set(void *arg)
{
	struct changer *c = arg;

	while (!UEV_READ(*c->stop)) {
		c->failed += !!uev_reg(c->fd, c->value, c->rounds % 32, 4, 0,
				       EVENT, NULL);
		c->failed += !!uev_unreg(c->fd, c->value, c->rounds % 32);
		UEV_WRITE(c->rounds, c->rounds + 1);
	}
	return NULL;
}

struct fork_check {
	int fd;
	__u32 *value;
	bool enabled;
};

static int check_after_fork(void *arg)
{
	struct fork_check *c = arg;

	if (!BECOMES(c->enabled, *c->value))
		return 1;
	return uev_unreg(c->fd, c->value, 0) ? 2 : UEV_READ(*c->value) ? 3 : 0;
}

TEST_F(process, fork_while_threads_register)
{
	const int forks = uev_rounds(150);
	struct fork_check check = { self->fd, self->value };
	bool stop = false;
	struct changer changer[3];
	pthread_t thread[3];
	int i;

	for (i = 0; i < 3; i++) {
		changer[i] = (struct changer){ self->fd, &self->value[16 + i],
					       &stop };
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, change_set,
					    &changer[i]));
		ASSERT_TRUE(uev_wait_for(UEV_READ(changer[i].rounds)));
	}
	for (i = 0; i < forks; i++) {
		if (i % 10 == 0) {
			check.enabled = !check.enabled;
			EXPECT_OK(uev_enable(EVENT_NAME, check.enabled));
		}
		EXPECT_EQ(0, uev_in_child(check_after_fork, &check))
			TH_LOG("fork %d", i);
	}
	UEV_WRITE(stop, true);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		EXPECT_EQ(0, changer[i].failed);
	}
	EXPECT_TRUE(BECOMES(check.enabled, *self->value));
}

TEST_HARNESS_MAIN
