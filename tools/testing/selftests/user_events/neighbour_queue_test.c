// SPDX-License-Identifier: GPL-2.0
/*
 * A bad neighbour has many processes that ask for event_mutex. That is first come, first
 * served, so a user must not queue with all of them. In these tests an administrator
 * holds it for long; QUEUE processes of one user ask for it, and then a switch does. All
 * of them share a CPU, and the switch has a real-time priority: none of the others runs
 * while the test counts them. It is perf that switches: ftrace would wait for another lock
 * first, and find event_mutex free when it has that.
 *
 * It is enough to look at the first place where an ioctl takes event_mutex: tasks that
 * were let in there one by one cannot be many at any later place.
 */
#include <sched.h>
#include <sys/prctl.h>

#include "neighbour.h"
#include "uev_perf.h"

#define QUEUE		16	/* processes, at most */

/*
 * A kernel with checkers takes half a minute to make an instance, and as long to look
 * at all processes: so there are fewer of them there, and not all ways to ask.
 */
static int queue = QUEUE, next_way = 1;

/*
 * The first one asked before the switch did, and the next ones may now. At times one
 * finds event_mutex free before the switch runs, and then another one: that does not
 * happen in each try, as it would if all of them were queued.
 */
#define MAY_GO_FIRST	4

struct way {
	const char *text;
	int (*ask)(const __u32 *value);
	int (*undo)(const __u32 *value);	/* so that it can ask again */
	bool undone;				/* undo once before the first ask */
	bool contained;		/* each with a UID of its own, in a container */
	bool changed;		/* each was another user when its memory came to be */
};

static int registers(const __u32 *value)
{
	return uev_reg(data_fd, value, 0, 4, 0, BAD " u32 a", NULL);
}

static int registers_multi(const __u32 *value)
{
	return uev_reg(data_fd, value, 0, 4, USER_EVENT_REG_MULTI_FORMAT,
		       BAD " u32 a", NULL);
}

static int unregisters(const __u32 *value)
{
	return uev_unreg(data_fd, value, 0);
}

static int deletes(const __u32 *value)
{
	return uev_delete(data_fd, BAD "_of_nobody") == -ENOENT ? 0 : -1;
}

static int nothing(const __u32 *value)
{
	return 0;
}

static int status_fd, enablers_fd;

static int reads_status(const __u32 *value)
{
	char c;

	return pread(status_fd, &c, 1, 0) == 1 ? 0 : -1;
}

static int reads_enablers(const __u32 *value)
{
	char c;

	return pread(enablers_fd, &c, 1, 0) == 1 ? 0 : -1;
}

static const struct way ways[] = {
	{ "registers", registers, unregisters },
	{ "registers a format", registers_multi, unregisters },
	{ "unregisters", unregisters, registers, .undone = true },
	{ "registers in a container", registers, unregisters, .contained = true },
	{ "reads the status", reads_status, nothing },
	{ "reads the enablers", reads_enablers, nothing },
	{ "deletes", deletes, nothing },
	{ "unregisters as another user", unregisters, registers, .undone = true, .changed = true },
};

static int gate[2][2];	/* for the first one, and for the others */

static int asks(const struct way *way, int gate, int nr)
{
	static __u32 value;
	char c;

	if (way->changed && uev_become_nobody())
		return failed();
	if (way->contained && setresuid(1000 + nr, 1000 + nr, 1000 + nr))
		return failed();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (way->undone && way->undo(&value))
		return failed();
	ready();
	while (read(gate, &c, 1) == 1) {
		if (way->ask(&value) || way->undo(&value))
			return failed();
		__atomic_fetch_add(&shared->done, 1, __ATOMIC_SEQ_CST);
	}
	return 0;
}

static int map_uids(void *arg)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/uid_map", *(pid_t *)arg);
	return uev_put(path, "0 100000 65536") ? 1 : 0;
}

/* Root of a container that root has made, with many UIDs */
static int enter_container(void)
{
	int go[2];
	pid_t self = getpid(), mapper;
	char c;

	if (pipe(go))
		return -errno;
	mapper = fork();
	if (!mapper)
		_exit(read(go[0], &c, 1) == 1 ? map_uids(&self) : 1);
	if (mapper < 0 || unshare(CLONE_NEWUSER) || write(go[1], "", 1) != 1 ||
	    uev_join(mapper))
		return -1;
	close(go[0]);
	close(go[1]);
	return setresuid(0, 0, 0) ? -errno : 0;
}

static int many_ask(void *arg)
{
	const struct way *way = arg;
	int i, fds[QUEUE][3];
	pid_t pid;

	setpgid(0, 0);
	/* One file each: through a shared one they would wait for each other */
	for (i = 0; i < queue; i++) {
		fds[i][0] = uev_open();
		fds[i][1] = open(TRACEFS "user_events_status", O_RDONLY | O_CLOEXEC);
		fds[i][2] = open(TRACEFS "user_events_enablers", O_RDONLY | O_CLOEXEC);
		if (fds[i][0] < 0 || fds[i][1] < 0 || fds[i][2] < 0)
			return failed();
	}
	if (way->contained ? enter_container() : !way->changed && uev_become_nobody())
		return failed();
	/* A test that fails leaves no process behind */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < queue; i++) {
		data_fd = fds[i][0];
		status_fd = fds[i][1];
		enablers_fd = fds[i][2];
		if (way->changed && setresuid(2000 + i, 0, 0))
			return failed();
		pid = fork();
		if (!pid)
			_exit(asks(way, gate[!!i][0], i));
		if (pid < 0)
			return failed();
		shared->askers[i] = pid;
	}
	for (;;)
		pause();
}

/* As many work items may wait for one user, and some for others */
#define WORKERS_OF_ONE	8

/* shared->go, of event_mutex */
enum { HELD = 1, RELEASED };

/* Holds event_mutex for as long as it takes to make a trace instance */
static int has_event_mutex(void *unused)
{
	int ret;

	UEV_WRITE(shared->go, HELD);
	ret = mkdir(INSTANCE, 0755);
	UEV_WRITE(shared->go, RELEASED);
	return ret ? 1 : 0;
}

static int set_policy(pid_t pid, int policy)
{
	struct sched_param param = { };

	return sched_setscheduler(pid, policy, &param) ? -errno : 0;
}

/* Leaves no time for a process that only runs when no other one does */
static int spins(void *unused)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	UEV_WRITE(shared->spinner, getpid());
	set_policy(0, SCHED_IDLE);
	ready();
	while (!UEV_READ(shared->quit))
		;
	return 0;
}

/* Gives @pid no CPU: what it has locked stays so for as long as a test needs */
static int starve(pid_t pid, bool on)
{
	return set_policy(pid, on ? SCHED_IDLE : SCHED_OTHER) ?:
	       set_policy(shared->spinner, on ? SCHED_OTHER : SCHED_IDLE);
}

/*
 * How often an asking process has gone to sleep so far, if it waits for a lock, or -1.
 * It is more if the process was let in and waits again.
 */
static long sleeps(int asker)
{
	char path[64], *text, *times;
	long nr = -1;

	snprintf(path, sizeof(path), "/proc/%d/status", shared->askers[asker]);
	text = uev_get(path);
	times = strstr(text, "\nvoluntary_ctxt_switches:");
	if (strstr(text, "\nState:\tD") && times)
		nr = atol(strchr(times, ':') + 1);
	free(text);
	return nr;
}

/* Leaves the CPU to the others, for longer than it took to look at one of them */
static void let_others_run(int asker)
{
	__u64 begin = now_us();

	sleeps(asker);
	usleep(500 + 3 * (now_us() - begin));
}

/* Lets the first one ask. True if it waits, false once it has got what it wants. */
static bool first_one_waits(long *slept)
{
	int same = 0;
	long now;

	if (write(gate[0][1], "", 1) != 1)
		return false;
	while (!UEV_READ(shared->done) && !UEV_READ(shared->failed)) {
		now = sleeps(0);
		same = now >= 0 && now == *slept ? same + 1 : 0;
		*slept = now;
		if (same == 3)
			return true;
		let_others_run(0);
	}
	UEV_WRITE(shared->done, 0);
	return false;
}

/*
 * Starts the process that holds event_mutex, and stops it while it does. Then lets the
 * others ask, the first one before the rest; @slept is set to what sleeps() tells of
 * each. False if event_mutex was free again before all of them waited for it.
 */
static bool let_them_ask(pid_t *holder, long slept[QUEUE])
{
	char bytes[QUEUE] = "";
	int i;

	slept[0] = -1;
	UEV_WRITE(shared->done, 0);
	UEV_WRITE(shared->go, 0);
	*holder = uev_fork(has_event_mutex, NULL);
	if (*holder < 0 || !uev_wait_for(UEV_READ(shared->go)) || starve(*holder, true))
		return false;
	/* A little of mkdir() at a time */
	while (!first_one_waits(&slept[0])) {
		if (UEV_READ(shared->go) != HELD || starve(*holder, false))
			return false;
		uev_nap();
		if (starve(*holder, true))
			return false;
	}
	if (queue > 1 && write(gate[1][1], bytes, queue - 1) < 0)
		return false;
	for (i = 1; i < queue; i++) {
		while ((slept[i] = sleeps(i)) < 0 && UEV_READ(shared->go) == HELD)
			let_others_run(i);
	}
	return UEV_READ(shared->go) == HELD;
}

/* Priority over all others on this CPU, or no more */
static int be_first(bool on)
{
	struct sched_param param = { .sched_priority = on };

	return sched_setscheduler(0, (on ? SCHED_FIFO : SCHED_OTHER) |
				     SCHED_RESET_ON_FORK, &param) ? -errno : 0;
}

/* Moves this process to CPU 0, and with it all that it starts */
static int share_a_cpu(void)
{
	if (uev_kernel_is_slow()) {
		queue = 6;
		next_way = 3;
	}
	uev_stay_on_cpu(0);
	return pipe(gate[0]) || pipe(gate[1]) ? -errno : 0;
}

/* The instance is there, and goes: to look meanwhile would keep the CPU from it */
static bool release_event_mutex(pid_t holder)
{
	int status;

	return !be_first(false) && !starve(holder, false) &&
	       waitpid(holder, &status, 0) == holder && !status && !rmdir(INSTANCE);
}

/* Processes whose enablers the kernel takes off their events once they unmap them */
#define UNMAPPERS	(uev_kernel_is_slow() ? 40 : 200)

/* The event goes when all of them have: nothing else holds it. */
#define UNMAPPED	BAD "_unmapped"

static int unmaps_when_told(int fd)
{
	__u32 *value;
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	value = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (value == MAP_FAILED ||
	    uev_reg(fd, value, 0, 4, 0, UNMAPPED " u32 a", NULL))
		return failed();
	close(fd);
	ready();
	if (read(gate[1][0], &c, 1) != 1)
		return 0;
	munmap(value, uev_page_size());
	__atomic_fetch_add(&shared->done, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

static int many_unmap(void *arg)
{
	int i, count = *(int *)arg, fd = uev_open();

	setpgid(0, 0);
	uev_become_nobody();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < count; i++) {
		switch (fork()) {
		case 0:
			_exit(unmaps_when_told(fd));
		case -1:
			return failed();
		}
	}
	close(fd);
	for (;;)
		pause();
}

/* Workers of the kernel that wait for a lock */
static int waiting_workers(void)
{
	char path[64], *text, *at;
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	int nr = 0;

	while (proc && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		text = atoi(entry->d_name) > 2 ? uev_get(path) : NULL;
		at = text ? strrchr(text, ')') : NULL;
		nr += at && strstr(text, "(kworker/") && !strncmp(at, ") D", 3);
		free(text);
	}
	if (proc)
		closedir(proc);
	return nr;
}

/*
 * The kernel runs few work items of a queue at a time, and they are for all users.
 */
TEST_F(neighbour, few_work_items_of_a_user_queue)
{
	int tries, nr, looks, most = 0, count = UNMAPPERS;
	char bytes[200] = "";
	long slept[QUEUE];
	pid_t holder;
	bool ok;

	ASSERT_OK(share_a_cpu());
	/* One that asks, to see that event_mutex is held */
	queue = 1;
	START(0, many_unmap, &count, count);
	START(1, spins, NULL, count + 1);
	START(2, many_ask, (void *)&ways[0], count + 2);
	for (tries = 1; tries <= 10; tries++) {
		ASSERT_OK(be_first(true));
		ok = let_them_ask(&holder, slept);
		if (ok)
			break;
		ASSERT_TRUE(release_event_mutex(holder));
	}
	ASSERT_TRUE(ok);
	ASSERT_EQ(count, write(gate[1][1], bytes, count));
	ASSERT_TRUE(uev_wait_for(UEV_READ(shared->done) == count));
	for (looks = 0; looks < 20; looks++) {
		usleep(2000);
		nr = waiting_workers();
		most = nr > most ? nr : most;
	}
	EXPECT_EQ(HELD, UEV_READ(shared->go));
	ASSERT_TRUE(release_event_mutex(holder));
	ASSERT_EQ(0, UEV_READ(shared->failed));
	/* And none of them is forgotten */
	EXPECT_TRUE(uev_wait_for(!uev_alive(UNMAPPED)));
	TH_LOG("%d of %d work items waited for event_mutex", most, count);
	EXPECT_LT(0, most);
	EXPECT_GE(WORKERS_OF_ONE, most);
}

TEST_F(neighbour, user_queues_once)
{
	long slept[QUEUE];
	int i, way, nr, tries, perf;
	pid_t holder;
	bool ok;

	ASSERT_OK(share_a_cpu());
	perf = uev_perf_open(uev_event_id(GOOD), -1, 0, UEV_SAMPLE_TYPE);
	if (perf < 0)
		SKIP(return, "no perf");
	close(perf);
	START(ARRAY_SIZE(ways), spins, NULL, 1);
	for (way = 0; way < (int)ARRAY_SIZE(ways); way += next_way) {
		if (ways[way].contained && access("/proc/self/ns/user", F_OK))
			continue;
		UEV_WRITE(shared->ready, 0);
		START(way, many_ask, (void *)&ways[way], queue);
		for (tries = 1; tries <= 10; tries++) {
			ASSERT_OK(be_first(true));
			ok = let_them_ask(&holder, slept);
			if (ok) {
				ASSERT_OK(starve(holder, false));
				perf = uev_perf_open(uev_event_id(GOOD), -1, 0, UEV_SAMPLE_TYPE);
				for (i = nr = 0; i < queue; i++)
					nr += sleeps(i) != slept[i];
				ASSERT_LE(0, perf);
				close(perf);
			}
			ASSERT_TRUE(release_event_mutex(holder));
			ASSERT_TRUE(uev_wait_for(!ok || UEV_READ(shared->failed) ||
						 UEV_READ(shared->done) == queue));
			ASSERT_EQ(0, UEV_READ(shared->failed));
			if (ok && nr <= MAY_GO_FIRST)
				break;
		}
		ASSERT_TRUE(ok)
			TH_LOG("event_mutex was never held for long enough");
		EXPECT_GE(MAY_GO_FIRST, nr)
			TH_LOG("%s: a switch waited for %d of %d processes",
			       ways[way].text, nr, queue);
		kill(-self->bad[way], SIGKILL);
		uev_join(self->bad[way]);
		self->bad[way] = 0;
	}
}

TEST_F(neighbour, queued_tasks_can_be_killed)
{
	int i, way, nr, tries;
	long slept[QUEUE];
	pid_t holder;

	ASSERT_OK(share_a_cpu());
	START(ARRAY_SIZE(ways), spins, NULL, 1);
	for (way = 0; way < (int)ARRAY_SIZE(ways); way += next_way) {
		if (ways[way].contained && access("/proc/self/ns/user", F_OK))
			continue;
		/* A try can be too slow: event_mutex is free before all is done */
		for (tries = nr = 0; nr < queue && tries < 10; tries++) {
			UEV_WRITE(shared->ready, 0);
			START(way, many_ask, (void *)&ways[way], queue);
			ASSERT_OK(be_first(true));
			let_them_ask(&holder, slept);
			for (i = 0; i < queue; i++)
				kill(shared->askers[i], SIGKILL);
			/* The others die while the first one waits as everybody does */
			for (nr = 1; nr < queue && sleeps(0) == slept[0]; nr++) {
				while (sleeps(nr) >= 0 && sleeps(0) == slept[0])
					let_others_run(nr);
			}
			if (slept[0] < 0 || sleeps(0) != slept[0])
				nr = 0;
			ASSERT_TRUE(release_event_mutex(holder));
			ASSERT_EQ(0, UEV_READ(shared->failed));
			kill(-self->bad[way], SIGKILL);
			uev_join(self->bad[way]);
			self->bad[way] = 0;
		}
		EXPECT_EQ(queue, nr)
			TH_LOG("%s: they wait until event_mutex is free", ways[way].text);
	}
}

TEST_HARNESS_MAIN
