// SPDX-License-Identifier: GPL-2.0
/*
 * User events: the consumers of records.
 *
 * An event is on, and its bits in programs are set, while it has a consumer:
 * trace instances, each with what it has been told to do with the event, or
 * perf, which has BPF programs as well.
 */
#include <linux/rculist.h>
#include <linux/slab.h>

#include "trace_events_user.h"

static void set_consumer(struct user_event *event, unsigned int consumer,
			 bool on)
{
	unsigned int old = event->consumers;
	unsigned int new = on ? old | consumer : old & ~consumer;

	lockdep_assert_held(&event_mutex);

	WRITE_ONCE(event->consumers, new);
	if (!old != !new)
		user_event_mm_switch(event);
	if (!new)
		user_event_check_idle(event);
}

static int add_tracer(struct user_event *event, struct trace_event_file *file)
{
	struct user_event_tracer *tracer = kmalloc(sizeof(*tracer), GFP_KERNEL);

	if (!tracer)
		return -ENOMEM;

	tracer->file = file;
	tracer->serial = ++event->last_tracer;
	event->recorded = true;
	list_add_tail_rcu(&tracer->node, &event->tracers);
	set_consumer(event, USER_EVENT_BY_FTRACE, true);
	return 0;
}

static void remove_tracer(struct user_event *event,
			  struct trace_event_file *file)
{
	struct user_event_tracer *tracer;

	list_for_each_entry(tracer, &event->tracers, node) {
		if (tracer->file == file) {
			/* The trace core waits for writers that use @file */
			list_del_rcu(&tracer->node);
			kfree_rcu(tracer, rcu);
			break;
		}
	}
	set_consumer(event, USER_EVENT_BY_FTRACE,
		     !list_empty(&event->tracers));
}

/**
 * user_event_reg() - a consumer comes or goes
 * @call: the trace event
 * @type: which consumer, and whether it comes
 * @data: of ftrace, the event in the trace instance
 *
 * Context: event_mutex held and may sleep, but for TRACE_REG_PERF_ADD and _DEL,
 * which come from the scheduler.
 * Return: 0, or -ENOMEM.
 */
int user_event_reg(struct trace_event_call *call, enum trace_reg type,
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
		set_consumer(event, USER_EVENT_BY_PERF, true);
		break;
	case TRACE_REG_PERF_UNREGISTER:
		set_consumer(event, USER_EVENT_BY_PERF, false);
		break;
#endif
	default:
		/* perf has its own list of who is to get records right now */
		break;
	}
	return 0;
}
