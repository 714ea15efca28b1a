// SPDX-License-Identifier: GPL-2.0
/*
 * User events: what an administrator sees.
 *
 * user_events_status tells which events there are and their kinds of listeners;
 * user_events_enablers, which processes have registered them at which
 * addresses, and the state of these bits. Both are read in pieces, event_mutex
 * is held for one at a time and no process is waited for.
 */
#include <linux/oom.h>
#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>

#include "trace_events_user.h"

/**
 * struct status_state - one reading of user_events_status
 * @group: see user_event_group_seq_open()
 * @event: the event to be shown, NULL for the summary; event_mutex
 * @active: events shown
 * @busy: how many of them were in use
 * @passed: events shown since event_mutex was taken; event_mutex
 * @seen: number of the last change when it began, 0 if it never did
 *
 * Events come and go between the reads it takes. The position is the id of an
 * event, which no other one gets, so that none is shown twice or passed over.
 */
struct status_state {
	struct user_event_group	*group;
	struct user_event	*event;
	unsigned int		active;
	unsigned int		busy;
	unsigned int		passed;
	unsigned long		seen;
};

/* Past the id of any event, and itself not the last position there is */
#define STATUS_SUMMARY	((loff_t)USER_EVENT_ID_MAX + 1)

static void *status_at(struct seq_file *seq, loff_t *pos)
{
	struct status_state *state = seq->private;
	unsigned long id = *pos;

	if (*pos > STATUS_SUMMARY)
		return NULL;

	state->event = *pos < STATUS_SUMMARY ?
		user_event_registry_next(state->group, &id) : NULL;
	*pos = state->event ? id : STATUS_SUMMARY;
	return state;
}

static void *status_start(struct seq_file *seq, loff_t *pos)
{
	struct status_state *state = seq->private;
	int ret = user_event_owner_lock_to_read();

	if (ret)
		return ERR_PTR(ret);
	state->passed = 0;
	if (!*pos) {
		state->active = 0;
		state->busy = 0;
		WRITE_ONCE(state->seen, user_event_group_changes(state->group));
	}
	return status_at(seq, pos);
}

static void *status_next(struct seq_file *seq, void *v, loff_t *pos)
{
	struct status_state *state = v;
	int ret = user_event_owner_let_others_go(&state->passed);

	++*pos;
	return ret ? ERR_PTR(ret) : status_at(seq, pos);
}

static void status_stop(struct seq_file *seq, void *v)
{
	if (!IS_ERR(v))
		mutex_unlock(&event_mutex);
}

static int status_show(struct seq_file *seq, void *v)
{
	struct status_state *state = v;
	struct user_event *event = state->event;
	bool other;

	if (!event) {
		seq_printf(seq, "\nActive: %u\nBusy: %u\n", state->active,
			   state->busy);
		return 0;
	}

	other = user_event_life_has_other_user(event);
	seq_puts(seq, user_event_name(event));
	if (event->listeners || other)
		seq_puts(seq, " # Used by");
	if (event->listeners & USER_EVENT_BY_FTRACE)
		seq_puts(seq, " ftrace");
	if (event->listeners & USER_EVENT_BY_PERF)
		seq_puts(seq, " perf");
	if (other)
		seq_puts(seq, " other");
	seq_putc(seq, '\n');

	/* An event whose line does not fit is shown again, and counts then */
	if (!seq_has_overflowed(seq)) {
		state->active++;
		if (event->listeners || other)
			state->busy++;
	}
	return 0;
}

static const struct seq_operations status_seq_ops = {
	.start	= status_start,
	.next	= status_next,
	.stop	= status_stop,
	.show	= status_show,
};

static int status_open(struct inode *inode, struct file *file)
{
	return user_event_group_seq_open(inode, file, &status_seq_ops,
					 sizeof(struct status_state));
}

/* Ready until it was read from the start, and after a change since then */
static __poll_t status_poll(struct file *file, poll_table *wait)
{
	struct seq_file *seq = file->private_data;
	struct status_state *state = seq->private;

	return user_event_group_poll(state->group, file, wait,
				     READ_ONCE(state->seen));
}

const struct file_operations user_event_status_fops = {
	.owner		= THIS_MODULE,
	.open		= status_open,
	.poll		= status_poll,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= user_event_group_seq_release,
};

/**
 * struct enablers_state - one reading of user_events_enablers
 * @group: see user_event_group_seq_open()
 * @passed: enablers and tasks since event_mutex was taken; event_mutex
 * @tgid: the process to be shown, in the PID namespace of the reader
 * @addr: the address to be shown, if this process still has it, or the next one
 * @bit: as @addr
 * @umm: its address space, referenced; while event_mutex is held
 * @enabler: the enabler at @addr and @bit; event_mutex
 * @comm: name of the process
 *
 * Processes come and go between the reads it takes, so the position is a
 * process, an address and a bit, which have an order.
 */
struct enablers_state {
	struct user_event_group		*group;
	unsigned int			passed;
	int				tgid;
	unsigned long			addr;
	unsigned int			bit;
	struct user_event_mm		*umm;
	struct user_event_enabler	*enabler;
	char				comm[TASK_COMM_LEN];
};

/* What a process has registered, if anything; referenced */
static struct user_event_mm *umm_of(struct task_struct *leader)
{
	struct user_event_mm *umm = NULL;
	struct task_struct *task;

	/* The leader may have ended before its threads */
	task = find_lock_task_mm(leader);
	if (!task)
		return NULL;
	/* find_lock_task_mm() took it, which sparse does not see */
	__acquire(&task->alloc_lock);

	/* A kernel thread only borrows its mm */
	if (!(task->flags & PF_KTHREAD))
		/* Pairs with the cmpxchg() in user_event_mm_of_current() */
		umm = smp_load_acquire(&task->mm->user_event_mm);
	/* The task keeps its address space, which has a reference */
	if (umm)
		refcount_inc(&umm->ref);
	task_unlock(task);
	return umm;
}

/*
 * Find the first process from @state->tgid on that has registered something. Returns 1,
 * 0 when there is none, or -EINTR, without event_mutex then.
 */
static int find_process(struct enablers_state *state)
{
	struct pid_namespace *ns = task_active_pid_ns(current);
	int from = state->tgid, tgid;
	struct task_struct *task;
	struct pid *pid;
	int ret;

	for (tgid = from; !state->umm; tgid++) {
		ret = user_event_owner_let_others_go(&state->passed);
		if (ret)
			return ret;
		rcu_read_lock();
		pid = find_ge_pid(tgid, ns);
		if (!pid) {
			rcu_read_unlock();
			return 0;
		}
		tgid = pid_nr_ns(pid, ns);
		task = pid_task(pid, PIDTYPE_TGID);
		if (task)
			state->umm = umm_of(task);
		if (state->umm)
			get_task_comm(state->comm, task);
		rcu_read_unlock();

		if (state->umm && tgid != from) {
			state->addr = 0;
			state->bit = 0;
		}
		if (state->umm)
			state->tgid = tgid;
	}
	return 1;
}

static void leave_process(struct enablers_state *state)
{
	if (state->umm)
		user_event_mm_put(state->umm);
	state->umm = NULL;
}

static void *enablers_at(struct enablers_state *state)
{
	struct user_event_enabler *enabler;
	int ret;

	while ((ret = find_process(state)) > 0) {
		/*
		 * With event_mutex held since before the process was found, the
		 * set stays, whatever becomes of the process.
		 */
		enabler = state->umm->set ?
			user_event_set_from(state->umm->set, state->addr,
					    state->bit) : NULL;
		if (enabler) {
			state->enabler = enabler;
			state->addr = enabler_addr(enabler);
			state->bit = enabler_bit(enabler);
			return state;
		}
		leave_process(state);
		state->tgid++;
		state->addr = 0;
		state->bit = 0;
	}
	return ret ? ERR_PTR(ret) : NULL;
}

static void *enablers_start(struct seq_file *seq, loff_t *pos)
{
	struct enablers_state *state = seq->private;
	int ret = user_event_owner_lock_to_read();

	if (ret)
		return ERR_PTR(ret);
	state->passed = 0;
	if (*pos)
		return enablers_at(state);

	state->tgid = 1;
	state->addr = 0;
	state->bit = 0;
	return SEQ_START_TOKEN;
}

static void *enablers_next(struct seq_file *seq, void *v, loff_t *pos)
{
	struct enablers_state *state = seq->private;

	/* find_process() lets others go, with no process at hand */
	if (++state->passed >= USER_EVENT_READ_PIECE)
		leave_process(state);
	++*pos;
	/* bit + 1 resumes at the next bit or address */
	if (v != SEQ_START_TOKEN)
		state->bit++;
	return enablers_at(state);
}

static void enablers_stop(struct seq_file *seq, void *v)
{
	if (IS_ERR(v))
		return;
	leave_process(seq->private);
	mutex_unlock(&event_mutex);
}

static int enablers_show(struct seq_file *seq, void *v)
{
	static const char * const states[] = {
		[USER_EVENT_BIT_OK]		= "ok",
		[USER_EVENT_BIT_REPAIR]		= "repair",
		[USER_EVENT_BIT_WRONG]		= "wrong",
		[USER_EVENT_BIT_ABSENT]		= "absent",
		[USER_EVENT_BIT_UNMAPPED]	= "unmapped",
		[USER_EVENT_BIT_READ_ONLY]	= "read-only",
		[USER_EVENT_BIT_PAST_EOF]	= "past-eof",
		[USER_EVENT_BIT_LOCKED]		= "locked",
	};
	struct enablers_state *state = seq->private;
	struct user_event_enabler *enabler = state->enabler;
	struct user_event *event;
	int bit_state;

	if (v == SEQ_START_TOKEN) {
		seq_puts(seq, "# event pid address size bit wanted state comm\n");
		return 0;
	}

	/* One that is gone has no event */
	event = enabler_is_gone(enabler) ? NULL : enabler_event(enabler);
	bit_state = event && event->group == state->group ?
		user_event_bit_state(state->umm, enabler) : -ENOENT;
	if (bit_state < 0)
		return SEQ_SKIP;

	seq_printf(seq, "%s %d 0x%lx %u %u %s %s ", user_event_name(event),
		   state->tgid, state->addr, enabler_size(enabler), state->bit,
		   str_on_off(event->listeners), states[bit_state]);
	seq_escape_str(seq, state->comm, ESCAPE_SPACE | ESCAPE_SPECIAL, "\n\\");
	seq_putc(seq, '\n');
	return 0;
}

static const struct seq_operations enablers_seq_ops = {
	.start	= enablers_start,
	.next	= enablers_next,
	.stop	= enablers_stop,
	.show	= enablers_show,
};

static int enablers_open(struct inode *inode, struct file *file)
{
	return user_event_group_seq_open(inode, file, &enablers_seq_ops,
					 sizeof(struct enablers_state));
}

const struct file_operations user_event_enablers_fops = {
	.owner		= THIS_MODULE,
	.open		= enablers_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= user_event_group_seq_release,
};
