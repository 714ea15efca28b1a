// SPDX-License-Identifier: GPL-2.0
/*
 * What holds an event; that it is deleted after the last holder in whatever order
 * they leave; and that an event that nothing holds never blocks another one.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>

#include "uev_harness.h"
#include "uev_pager.h"

#define EVENT		"life_event u32 a"
#define EVENT_NAME	"life_event"

enum holder { H_FILE, H_ADDRESS, H_TRACER, H_PERF, H_BPF, HOLDERS };

static const char * const holder_names[] = {
	"file", "address", "tracer", "perf", "bpf",
};

struct held {
	int fd, perf, bpf, prog;
	__u32 *value;
};

/* "return 0", the shortest program there is */
static int load_program(void)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_TRACEPOINT,
		.insns = (uintptr_t)insns,
		.insn_cnt = 2,
		.license = (uintptr_t)"GPL",
	};

	return syscall(__NR_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

/* Makes each kind of holder hold the event. */
static int hold(struct held *h)
{
	int ret;

	h->fd = uev_open();
	if (h->fd < 0)
		return h->fd;
	ret = uev_reg(h->fd, h->value, 0, 4, 0, EVENT, NULL);
	if (ret)
		return ret;
	ret = uev_enable(EVENT_NAME, true);
	if (ret)
		return ret;
	h->perf = uev_perf_open(uev_event_id(EVENT_NAME), -1, 0, 0);
	if (h->perf < 0)
		return h->perf;
	h->bpf = uev_perf_open(uev_event_id(EVENT_NAME), -1, 0, 0);
	if (h->bpf < 0)
		return h->bpf;
	/* Without BPF in the kernel it is one more perf event. */
	if (h->prog >= 0 && ioctl(h->bpf, PERF_EVENT_IOC_SET_BPF, h->prog))
		return -errno;
	return 0;
}

static int let_go(struct held *h, enum holder who, int fd)
{
	switch (who) {
	case H_FILE:
		return close(h->fd);
	case H_ADDRESS:
		return uev_unreg(fd, h->value, 0);
	case H_TRACER:
		return uev_enable(EVENT_NAME, false);
	case H_PERF:
		return close(h->perf);
	case H_BPF:
		return close(h->bpf);
	default:
		return -EINVAL;
	}
}

/*
 * All orders in which five holders can leave. After the last one, by turns, the event
 * goes by itself, or is deleted, registered again, or replaced at once.
 */
TEST_F(uev, last_holder_in_every_order)
{
	/* Steps of 7 visit all 120 orders, since 7 and 120 share no divisor. */
	const int orders = uev_rounds(120);
	struct held h = { .prog = load_program(), .value = self->value };
	int order[HOLDERS], number, n, i, j, rest, ret;

	for (n = 0; n < orders; n++) {
		char text[64] = "";
		bool used[HOLDERS] = { };

		number = n * 7 % 120;
		for (i = 0, rest = number; i < HOLDERS; i++) {
			int nth = rest % (HOLDERS - i);

			rest /= HOLDERS - i;
			for (j = 0; used[j] || nth--; j++)
				;
			used[j] = true;
			order[i] = j;
			sprintf(text + strlen(text), " %s", holder_names[j]);
		}

		ret = hold(&h);
		ASSERT_OK(ret) TH_LOG("order%s", text);
		for (i = 0; i < HOLDERS; i++) {
			ASSERT_ERR(EBUSY, uev_delete(self->fd, EVENT_NAME))
				TH_LOG("order%s, %d gone", text, i);
			ASSERT_TRUE(uev_event_exists(EVENT_NAME));
			ASSERT_OK(let_go(&h, order[i], self->fd));
		}
		switch (n % 4) {
		case 0:
			EXPECT_TRUE(uev_wait_for(!uev_event_exists(EVENT_NAME) &&
						 !uev_alive(EVENT_NAME)))
				TH_LOG("order%s: still there", text);
			break;
		case 1:
			ret = uev_delete(self->fd, EVENT_NAME);
			EXPECT_TRUE(!ret || ret == -ENOENT)
				TH_LOG("order%s: delete %d", text, ret);
			EXPECT_FALSE(uev_event_exists(EVENT_NAME));
			break;
		case 2:
			EXPECT_OK(uev_reg(self->fd, h.value, 1, 4, 0, EVENT,
					  NULL)) TH_LOG("order%s", text);
			break;
		case 3:
			EXPECT_OK(uev_reg(self->fd, h.value, 1, 4, 0,
					  EVENT_NAME " s64 other", NULL))
				TH_LOG("order%s", text);
			break;
		}
		if (n % 4 >= 2) {
			EXPECT_TRUE(uev_event_exists(EVENT_NAME));
			EXPECT_OK(uev_enable(EVENT_NAME, true));
			EXPECT_TRUE(BECOMES(2, *h.value));
			EXPECT_OK(uev_enable(EVENT_NAME, false));
			EXPECT_OK(uev_unreg(self->fd, h.value, 1));
			close(self->fd);
			self->fd = uev_open();
		}
	}
	close(h.prog);
}

TEST_F(uev, each_file_counts)
{
	int files[10], i;
	__u32 index;

	for (i = 0; i < 10; i++) {
		files[i] = uev_open();
		ASSERT_LE(0, files[i]);
		ASSERT_OK(uev_reg(files[i], &self->value[i], 0, 4, 0, EVENT,
				  &index));
		/* Twice by one file is still one file. */
		ASSERT_OK(uev_reg(files[i], &self->value[i], 1, 4, 0, EVENT,
				  &index));
		ASSERT_OK(uev_unreg(files[i], &self->value[i], 0));
		ASSERT_OK(uev_unreg(files[i], &self->value[i], 1));
	}
	for (i = 0; i < 10; i++) {
		ASSERT_ERR(EBUSY, uev_delete(self->fd, EVENT_NAME));
		close(files[i]);
	}
	i = uev_delete(self->fd, EVENT_NAME);
	EXPECT_TRUE(!i || i == -ENOENT) TH_LOG("%d", i);
}

TEST_F(uev, duplicated_file_is_one_file)
{
	int copy;

	ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
	ASSERT_OK(uev_unreg(self->fd, self->value, 0));
	copy = dup(self->fd);
	close(self->fd);
	self->fd = uev_open();
	EXPECT_ERR(EBUSY, uev_delete(self->fd, EVENT_NAME));
	close(copy);
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
}

/*
 * Deletes an event right after its last holder left, thousands of times: it waits
 * for its deletion, is being deleted, or is gone, and none of that may show.
 */
TEST_F(uev, unheld_event_is_deleted)
{
	const int rounds = uev_rounds(2000);
	int i, fd, ret;

	for (i = 0; i < rounds; i++) {
		fd = uev_open();
		ASSERT_OK(uev_reg(fd, self->value, 0, 4, 0, EVENT, NULL));
		if (i & 1) {
			ASSERT_OK(uev_unreg(fd, self->value, 0));
			close(fd);
		} else {
			close(fd);
			ASSERT_OK(uev_unreg(self->fd, self->value, 0));
		}
		ret = uev_delete(self->fd, EVENT_NAME);
		ASSERT_TRUE(!ret || ret == -ENOENT)
			TH_LOG("round %d: error %d", i, ret);
	}
}

TEST_F(uev, unheld_event_is_revived)
{
	const int rounds = uev_rounds(2000);
	__u32 index, payload = 1;
	int i, fd;

	for (i = 0; i < rounds; i++) {
		fd = uev_open();
		ASSERT_OK(uev_reg(fd, self->value, 0, 4, 0, EVENT, &index));
		ASSERT_ERR(EBADF, uev_emit(fd, index, &payload, 4));
		if (i % 100 == 0) {
			ASSERT_OK(uev_enable(EVENT_NAME, true));
			ASSERT_BECOMES(1, *self->value);
			ASSERT_EQ(8, uev_emit(fd, index, &payload, 4));
			ASSERT_OK(uev_enable(EVENT_NAME, false));
		}
		ASSERT_OK(uev_unreg(fd, self->value, 0));
		close(fd);
	}
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
	EXPECT_FALSE(uev_event_exists(EVENT_NAME));
}

TEST_F(uev, unheld_event_is_replaced)
{
	static const char * const formats[] = {
		EVENT_NAME, EVENT_NAME " u32 a", EVENT_NAME " u32 b",
		EVENT_NAME " __rel_loc char[] c;u8 d",
	};
	const int rounds = uev_rounds(2000);
	char *text;
	int i, fd;

	for (i = 0; i < rounds; i++) {
		fd = uev_open();
		ASSERT_OK(uev_reg(fd, self->value, 0, 4, 0, formats[i % 4],
				  NULL)) TH_LOG("round %d", i);
		if (i % 100 == 2) {
			text = uev_event_get(EVENT_NAME, "format");
			EXPECT_NE(NULL, strstr(text, "u32 b;"));
			free(text);
		}
		ASSERT_OK(uev_unreg(fd, self->value, 0));
		close(fd);
	}
}

TEST_F(uev, unheld_after_its_tracer_left)
{
	const int rounds = uev_rounds(100);
	int i, fd, perf, ret;

	for (i = 0; i < rounds; i++) {
		fd = uev_open();
		ASSERT_OK(uev_reg(fd, self->value, 0, 4, 0, EVENT, NULL));
		if (i & 1) {
			ASSERT_OK(uev_enable(EVENT_NAME, true));
		} else {
			perf = uev_perf_open(uev_event_id(EVENT_NAME), -1, 0, 0);
			ASSERT_LE(0, perf);
		}
		ASSERT_OK(uev_unreg(fd, self->value, 0));
		close(fd);
		ASSERT_OK(i & 1 ? uev_enable(EVENT_NAME, false) : close(perf));
		if (i & 2) {
			ret = uev_delete(self->fd, EVENT_NAME);
			ASSERT_TRUE(!ret || ret == -ENOENT)
				TH_LOG("round %d: error %d", i, ret);
		} else {
			ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0,
					  EVENT_NAME " u8 other", NULL))
				TH_LOG("round %d", i);
			ASSERT_OK(uev_unreg(self->fd, self->value, 0));
			close(self->fd);
			self->fd = uev_open();
		}
	}
}

/*
 * An event probe holds the event as long as the probe exists, enabled or not. It is
 * deleted without a call to the event.
 */
TEST_F(uev, event_probe_is_a_user)
{
	static const char remove[] = "-:uev_probes/life_probe";
	bool on;
	int i;

	uev_dynamic(remove);
	for (i = 0; i < 2; i++) {
		on = i;
		ASSERT_OK(uev_reg(self->fd, self->value, 0, 4, 0, EVENT, NULL));
		if (uev_append("dynamic_events", "e:uev_probes/life_probe "
			       USER_EVENTS_SYSTEM "." EVENT_NAME " a=$a"))
			SKIP(return, "kernel without event probes");
		if (on) {
			ASSERT_OK(uev_append("events/uev_probes/life_probe/enable",
					     "1"));
			ASSERT_BECOMES(1, *self->value);
		}
		ASSERT_OK(uev_unreg(self->fd, self->value, 0));
		close(self->fd);
		self->fd = uev_open();
		ASSERT_LE(0, self->fd);
		EXPECT_ERR(EBUSY, uev_delete(self->fd, EVENT_NAME));
		usleep(100000);
		EXPECT_TRUE(uev_alive(EVENT_NAME));
		EXPECT_TRUE(uev_event_exists(EVENT_NAME));
		if (on)
			ASSERT_OK(uev_append("events/uev_probes/life_probe/enable",
					     "0"));
		ASSERT_OK(uev_dynamic(remove));
		EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
		EXPECT_FALSE(uev_event_exists(EVENT_NAME));
	}
}

/* Of two events that wait for their probes to go, none is forgotten. */
TEST_F(uev, event_probes_on_two_events)
{
	static const char * const names[] = { EVENT_NAME, EVENT_NAME "_too" };
	char line[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(line, sizeof(line), "%s u32 a", names[i]);
		ASSERT_OK(uev_reg(self->fd, self->value, i, 4, 0, line, NULL));
		snprintf(line, sizeof(line), "-:uev_probes/life_probe%zu", i);
		uev_dynamic(line);
		snprintf(line, sizeof(line),
			 "e:uev_probes/life_probe%zu " USER_EVENTS_SYSTEM ".%s a=$a", i, names[i]);
		if (uev_append("dynamic_events", line))
			SKIP(return, "kernel without event probes");
		ASSERT_OK(uev_unreg(self->fd, self->value, i));
	}
	close(self->fd);
	self->fd = uev_open();
	ASSERT_LE(0, self->fd);
	/* The kernel looks at them time and again */
	usleep(1500000);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_TRUE(uev_alive(names[i]));
		snprintf(line, sizeof(line), "-:uev_probes/life_probe%zu", i);
		ASSERT_OK(uev_dynamic(line));
	}
	for (i = 0; i < ARRAY_SIZE(names); i++)
		EXPECT_TRUE(uev_wait_for(!uev_alive(names[i]))) TH_LOG("%s", names[i]);
}

static int register_missing_page(void *arg)
{
	int uffd, fd = uev_open();

	/* Nobody delivers it */
	return uev_reg(fd, uev_paged_page(&uffd), 0, 4, 0, EVENT, NULL);
}

/* The last holder is a registration that fails, and an event probe stays. */
TEST_F(uev, event_probe_outlives_failed_registration)
{
	static const char remove[] = "-:uev_probes/life_probe";
	int uffd, ret;
	pid_t child;

	uev_dynamic(remove);
	if (!uev_paged_page(&uffd))
		SKIP(return, UEV_NO_PAGER);
	close(uffd);
	child = uev_fork(register_missing_page, NULL);
	ASSERT_TRUE(uev_wait_for(uev_alive(EVENT_NAME)));
	ret = uev_append("dynamic_events", "e:uev_probes/life_probe "
			 USER_EVENTS_SYSTEM "." EVENT_NAME " a=$a");
	kill(child, SIGKILL);
	ASSERT_EQ(-SIGKILL, uev_join(child));
	if (ret)
		SKIP(return, "kernel without event probes");
	EXPECT_TRUE(uev_alive(EVENT_NAME));
	ASSERT_OK(uev_dynamic(remove));
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
}

/*
 * Two CPUs register, write to and release the same event, or two formats of one
 * name. An index that was returned works, whatever the other CPU does.
 */
struct racer {
	const char *command;
	__u32 *value;
	int cpu, rounds;
	bool may_clash;
	int *met;	/* how often somebody else got hold of the event */
	/* results */
	int done, failed, clashes, first_error;
};

static void *race(void *arg)
{
	__u64 end = uev_now_ms() + UEV_WAIT_MS;
	struct racer *r = arg;
	__u32 index, payload = 1;
	int i, fd, ret;

	uev_stay_on_cpu(r->cpu);
	/*
	 * If the other thread stands still while it holds the event, as it may on
	 * a busy host, all rounds clash: go on until one is done. The same where they
	 * have to meet.
	 */
	for (i = 0; i < r->rounds ||
	     ((!r->done || (r->met && !UEV_READ(*r->met))) && uev_now_ms() < end); i++) {
		fd = uev_open();
		ret = uev_reg(fd, r->value, 0, 4, 0, r->command, &index);
		if (ret == -EADDRINUSE && r->may_clash) {
			r->clashes++;
			close(fd);
			continue;
		}
		if (!ret) {
			/* Its index is good; somebody may listen, or nobody. */
			ret = uev_emit(fd, index, &payload, sizeof(payload));
			if (ret == 8 || ret == -EBADF)
				ret = uev_unreg(fd, r->value, 0);
		}
		if (ret && !r->failed++)
			r->first_error = ret;
		r->done++;
		close(fd);
	}
	return NULL;
}

static void run_race(struct __test_metadata *_metadata, struct racer *r, int fd)
{
	pthread_t thread[2];
	bool on = false;
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, race, &r[i]));
	/* A listener holds the event now and then, if it exists. */
	while (pthread_tryjoin_np(thread[0], NULL)) {
		uev_enable(EVENT_NAME, on = !on);
		usleep(2000);
	}
	/* A listener that stays would keep the event, of the one format */
	uev_enable(EVENT_NAME, false);
	ASSERT_EQ(0, pthread_join(thread[1], NULL));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, r[i].failed)
			TH_LOG("thread %d, error %d", i, r[i].first_error);
		EXPECT_LT(0, r[i].done) TH_LOG("%d clashes", r[i].clashes);
	}
	/* At the end the event is gone, and the name can be used again. */
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
	EXPECT_FALSE(uev_event_exists(EVENT_NAME));
	EXPECT_LE(0, uev_reg_index(fd, r[0].value, EVENT_NAME " u64 after"));
	EXPECT_OK(uev_enable(EVENT_NAME, true));
	EXPECT_TRUE(BECOMES(1, *r[0].value));
	EXPECT_OK(uev_enable(EVENT_NAME, false));
}

TEST_F(uev, race_of_one_format)
{
	const int rounds = uev_rounds(2000);
	struct racer r[2] = {
		{ EVENT, &self->value[0], 0, rounds },
		{ EVENT, &self->value[1], 1, rounds },
	};

	run_race(_metadata, r, self->fd);
}

TEST_F(uev, race_of_two_formats)
{
	const int rounds = uev_rounds(2000);
	struct racer r[2] = {
		{ EVENT, &self->value[0], 0, rounds, true },
		{ EVENT_NAME " u16 b;u16 c", &self->value[1], 1, rounds, true },
	};

	run_race(_metadata, r, self->fd);
}

/* Deletes what the other registers: ENOENT, EBUSY or done, never anything else */
struct deleter {
	int fd;
	bool tried, stop;
	int done, busy, missing, other;
};

static void *delete_all_the_time(void *arg)
{
	struct deleter *d = arg;

	while (!UEV_READ(d->stop)) {
		switch (uev_delete(d->fd, EVENT_NAME)) {
		case 0:
			d->done++;
			break;
		case -EBUSY:
			d->busy++;
			break;
		case -ENOENT:
			d->missing++;
			break;
		default:
			d->other++;
		}
		UEV_WRITE(d->tried, true);
	}
	return NULL;
}

TEST_F(uev, race_with_deletion)
{
	struct racer r = {
		EVENT, self->value, 0, uev_rounds(2000),
	};
	struct deleter d = { .fd = self->fd };
	pthread_t thread, deleter;

	ASSERT_EQ(0, pthread_create(&deleter, NULL, delete_all_the_time, &d));
	ASSERT_TRUE(uev_wait_for(UEV_READ(d.tried)));
	ASSERT_EQ(0, pthread_create(&thread, NULL, race, &r));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	UEV_WRITE(d.stop, true);
	ASSERT_EQ(0, pthread_join(deleter, NULL));
	EXPECT_EQ(0, r.failed) TH_LOG("error %d", r.first_error);
	EXPECT_EQ(0, d.other);
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
}

/*
 * A listener attaches while the last holder leaves: it gets the event and holds
 * it, or finds nothing.
 */
TEST_F(uev, race_with_a_listener)
{
	int perf, got = 0, ret;
	struct racer r = {
		EVENT, self->value, 1, uev_rounds(1000), .met = &got,
	};
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, race, &r));
	while (pthread_tryjoin_np(thread, NULL)) {
		perf = uev_perf_open(uev_event_id(EVENT_NAME), -1, 0, 0);
		if (perf < 0)
			continue;
		UEV_WRITE(got, got + 1);
		/* It is held: it cannot be deleted, nor go by itself. */
		ret = uev_delete(self->fd, EVENT_NAME);
		EXPECT_ERR(EBUSY, ret);
		EXPECT_TRUE(uev_alive(EVENT_NAME));
		close(perf);
	}
	EXPECT_EQ(0, r.failed) TH_LOG("error %d", r.first_error);
	EXPECT_LT(0, got);
	EXPECT_TRUE(uev_wait_for(!uev_alive(EVENT_NAME)));
}

TEST_HARNESS_MAIN
