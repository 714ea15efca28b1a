// SPDX-License-Identifier: GPL-2.0
/*
 * User events: the listeners of an event.
 *
 * An event is on, and its bits in programs are set, while it has a listener: a
 * trace instance, with filters and triggers of its own, or perf, which also
 * runs BPF programs.
 */
#include <linux/perf_event.h>
#include <linux/rculist.h>
#include <linux/slab.h>

#include "trace_events_user.h"

static void set_listener(struct user_event *event, unsigned int listener,
			 bool on)
{
	unsigned int old = event->listeners;
	unsigned int new = on ? old | listener : old & ~listener;

	lockdep_assert_held(&event_mutex);

	/* A writer that sees the listener sees its lists; pairs with the acquire */
	smp_store_release(&event->listeners, new);
	if (old != new)
		user_event_group_changed(event->group);
	if (!old != !new)
		user_event_switch(event);
	if (!new)
		user_event_life_check(event);
}

static int add_tracer(struct user_event *event, struct trace_event_file *file)
{
	struct user_event_tracer *tracer = kzalloc(sizeof(*tracer), GFP_KERNEL);

	if (!tracer)
		return -ENOMEM;

	tracer->file = file;
	tracer->tr = file->tr;
	tracer->serial = ++event->last_tracer;
	list_add_tail_rcu(&tracer->node, &event->tracers);
	set_listener(event, USER_EVENT_BY_FTRACE, true);
	return 0;
}

/* Remember that the instance may have records, once for each instance */
static void leave_instance(struct user_event *event,
			   struct user_event_tracer *tracer)
{
	struct user_event_tracer *before;

	hlist_for_each_entry(before, &event->left, left_node) {
		if (before->tr == tracer->tr) {
			hlist_del(&before->left_node);
			kfree_rcu(before, rcu);
			break;
		}
	}
	tracer->left_rcu = get_state_synchronize_rcu();
	tracer->left_jiffies = get_jiffies_64();
	hlist_add_head(&tracer->left_node, &event->left);
}

static void remove_tracer(struct user_event *event,
			  struct trace_event_file *file)
{
	struct user_event_tracer *tracer;

	list_for_each_entry(tracer, &event->tracers, node) {
		if (tracer->file == file) {
			/* The trace core waits for writers that use @file */
			list_del_rcu(&tracer->node);
			leave_instance(event, tracer);
			break;
		}
	}

	/*
	 * The trace core clears every buffer that has records of an event that
	 * goes. Those of a user event outlive it, see trace_events_user_life.c.
	 */
	clear_bit(EVENT_FILE_FL_WAS_ENABLED_BIT, &file->flags);
	set_listener(event, USER_EVENT_BY_FTRACE,
		     !list_empty(&event->tracers));
}

/**
 * user_event_listener_reg() - a listener comes or goes
 * @call: the trace event
 * @type: which listener, and whether it comes
 * @data: of ftrace, the event in the trace instance; of perf, the perf event
 *
 * Context: event_mutex held and may sleep, but for TRACE_REG_PERF_ADD and _DEL,
 * which come from the scheduler.
 * Return: 0, or -ENOMEM.
 */
int user_event_listener_reg(struct trace_event_call *call, enum trace_reg type,
			    void *data)
{
	struct user_event *event = container_of(call, struct user_event, call);

	switch (type) {
	case TRACE_REG_REGISTER:
		return add_tracer(event, data);
	case TRACE_REG_UNREGISTER:
		remove_tracer(event, data);
		break;
#ifdef CONFIG_PERF_EVENTS
	case TRACE_REG_PERF_REGISTER:
		set_listener(event, USER_EVENT_BY_PERF, true);
		break;
	case TRACE_REG_PERF_UNREGISTER:
		set_listener(event, USER_EVENT_BY_PERF, false);
		break;
	case TRACE_REG_PERF_OPEN:
		return user_event_losses_open_perf(event, data);
	case TRACE_REG_PERF_CLOSE:
		user_event_losses_close_perf(event, data);
		break;
#endif
	default:
		/* perf itself lists which perf events get records now */
		break;
	}
	return 0;
}

#ifdef CONFIG_PERF_EVENTS
/**
 * user_event_listener_perf_perm() - check if the caller may listen through perf
 * @call: the trace event
 * @perf: the perf event that is opened
 *
 * Even a perf event that only counts sets the bits of every program that has
 * registered the event, so it needs the permission that reading records needs.
 *
 * Context: process context of the opener.
 * Return: 0, -EACCES or -EPERM.
 */
int user_event_listener_perf_perm(struct trace_event_call *call,
				  struct perf_event *perf)
{
	/* It was checked for the event that this one was inherited from */
	return perf->parent ? 0 : user_events_perf_allowed(perf);
}
#endif
