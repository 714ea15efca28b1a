// SPDX-License-Identifier: GPL-2.0
/*
 * User events: records that were lost.
 *
 * A record that a listener did not get is counted for its event, with the
 * reason. A record that is kept never gets here: ftrace says when it could not
 * reserve an entry, and perf counts what its buffers do not take for each perf
 * event, so those counts are only added up when they are read.
 */
#include <linux/perf_event.h>
#include <linux/ring_buffer.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "trace_events_user.h"

static const char * const reasons[] = {
	[USER_EVENT_LOSS_FULL]	= "full",
	[USER_EVENT_LOSS_OFF]	= "off",
	[USER_EVENT_LOSS_SIZE]	= "size",
	[USER_EVENT_LOSS_DATA]	= "data",
};

/**
 * user_event_losses_count() - count a record that a listener did not get
 * @event: the event
 * @reason: why
 *
 * Context: any.
 */
void user_event_losses_count(struct user_event *event,
			     enum user_event_loss reason)
{
	atomic64_inc(&event->losses[reason]);
}

/**
 * user_event_losses_of_ring() - tell why a trace instance did not take a record
 * @file: the event in the instance
 *
 * Context: preemption disabled, on the CPU that tried.
 * Return: USER_EVENT_LOSS_OFF, or USER_EVENT_LOSS_FULL.
 */
enum user_event_loss
user_event_losses_of_ring(const struct trace_event_file *file)
{
	struct array_buffer *buf = &file->tr->array_buffer;

	/* The latter is how tracing_cpumask excludes a CPU */
	if (!ring_buffer_record_is_on(buf->buffer) ||
	    atomic_read(&this_cpu_ptr(buf->data)->disabled))
		return USER_EVENT_LOSS_OFF;
	return USER_EVENT_LOSS_FULL;
}

/**
 * user_event_losses_is_wanted() - check if a trace instance would keep a record
 * @file: the event in the instance
 * @entry: the record
 *
 * Context: preemption disabled.
 * Return: whether neither a soft disable nor the filter of @file discards it.
 */
bool user_event_losses_is_wanted(const struct trace_event_file *file,
				 void *entry)
{
	unsigned long flags = READ_ONCE(file->flags);

	return !(flags & EVENT_FILE_FL_SOFT_DISABLED) &&
		(!(flags & EVENT_FILE_FL_FILTERED) ||
		 filter_match_preds(rcu_dereference_sched(file->filter), entry));
}

#ifdef CONFIG_PERF_EVENTS
/**
 * struct losses_perf - a perf event whose losses count
 * @node: in user_event.perf_events; event_mutex
 * @perf: the perf event, which outlives this; constant
 */
struct losses_perf {
	struct hlist_node	node;
	struct perf_event	*perf;
};

/*
 * Like PERF_FORMAT_LOST: whatever the perf event had no room for, and those that tasks
 * inherited from it, which perf counts there.
 */
static u64 perf_losses(const struct losses_perf *at)
{
	return atomic64_read(&at->perf->lost_samples);
}

/**
 * user_event_losses_open_perf() - count what a perf event loses from now on
 * @event: the event
 * @perf: the perf event
 *
 * Context: event_mutex held. May sleep.
 * Return: 0, or -ENOMEM.
 */
int user_event_losses_open_perf(struct user_event *event,
				struct perf_event *perf)
{
	struct losses_perf *at;

	if (perf->parent)
		return 0;

	at = kmalloc(sizeof(*at), GFP_KERNEL);
	if (!at)
		return -ENOMEM;

	at->perf = perf;
	hlist_add_head(&at->node, &event->perf_events);
	return 0;
}

/**
 * user_event_losses_close_perf() - remember what a perf event has lost
 * @event: the event
 * @perf: the perf event, which gets no more records
 *
 * Context: event_mutex held.
 */
void user_event_losses_close_perf(struct user_event *event,
				  struct perf_event *perf)
{
	struct losses_perf *at;

	/* A program may have as many of these as it has threads */
	if (perf->parent)
		return;

	hlist_for_each_entry(at, &event->perf_events, node) {
		if (at->perf != perf)
			continue;
		atomic64_add(perf_losses(at),
			     &event->losses[USER_EVENT_LOSS_FULL]);
		hlist_del(&at->node);
		kfree(at);
		break;
	}
}

/* What the perf events of @event have lost so far, with event_mutex held */
static u64 losses_of_perf(const struct user_event *event)
{
	struct losses_perf *at;
	u64 lost = 0;

	hlist_for_each_entry(at, &event->perf_events, node)
		lost += perf_losses(at);
	return lost;
}
#else
static u64 losses_of_perf(const struct user_event *event)
{
	return 0;
}
#endif

/**
 * struct losses_state - one reading of user_events_losses
 * @group: see user_event_group_seq_open()
 * @passed: events since event_mutex was taken; event_mutex
 */
struct losses_state {
	struct user_event_group	*group;
	unsigned int		passed;
};

/* The position is the id of an event, which no other one in its group ever gets */
static void *losses_at(struct losses_state *state, loff_t *pos)
{
	unsigned long id = *pos;
	struct user_event *event;

	event = *pos <= USER_EVENT_ID_MAX ? user_event_registry_next(state->group, &id) :
				  NULL;
	if (event)
		*pos = id;
	return event;
}

static void *losses_start(struct seq_file *seq, loff_t *pos)
{
	struct losses_state *state = seq->private;
	int ret = user_event_owner_lock_to_read();

	if (ret)
		return ERR_PTR(ret);
	state->passed = 0;
	return losses_at(state, pos);
}

static void *losses_next(struct seq_file *seq, void *v, loff_t *pos)
{
	struct losses_state *state = seq->private;
	int ret = user_event_owner_let_others_go(&state->passed);

	++*pos;
	return ret ? ERR_PTR(ret) : losses_at(state, pos);
}

static void losses_stop(struct seq_file *seq, void *v)
{
	if (!IS_ERR(v))
		mutex_unlock(&event_mutex);
}

static int losses_show(struct seq_file *seq, void *v)
{
	struct user_event *event = v;
	u64 lost[USER_EVENT_LOSSES], all = 0;
	int i;

	for (i = 0; i < USER_EVENT_LOSSES; i++) {
		lost[i] = atomic64_read(&event->losses[i]);
		if (i == USER_EVENT_LOSS_FULL)
			lost[i] += losses_of_perf(event);
		all += lost[i];
	}
	if (!all)
		return SEQ_SKIP;

	seq_puts(seq, user_event_name(event));
	for (i = 0; i < USER_EVENT_LOSSES; i++)
		seq_printf(seq, " %s=%llu", reasons[i], lost[i]);
	seq_putc(seq, '\n');
	return 0;
}

static const struct seq_operations losses_seq_ops = {
	.start	= losses_start,
	.next	= losses_next,
	.stop	= losses_stop,
	.show	= losses_show,
};

static int losses_open(struct inode *inode, struct file *file)
{
	return user_event_group_seq_open(inode, file, &losses_seq_ops,
					 sizeof(struct losses_state));
}

const struct file_operations user_event_losses_fops = {
	.owner		= THIS_MODULE,
	.open		= losses_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= user_event_group_seq_release,
};
