// SPDX-License-Identifier: GPL-2.0
/*
 * User events: the end of an event.
 *
 * An event goes when nobody holds it, traces it or wants it to persist. Holders
 * let go without a lock, from an exiting task for instance, so the last one
 * leaves the event to the reaper, a work item that decides again under
 * event_mutex. Whoever meets an unheld event before the reaper does may do as
 * if it were gone already.
 */
#include <linux/llist.h>
#include <linux/workqueue.h>

#include "trace_events_user.h"

static void reap(struct work_struct *work);
static DECLARE_DELAYED_WORK(reaper, reap);

/* Events that had no holder when they were put here */
static LLIST_HEAD(idle_events);

/*
 * Deleted events whose records may still be in a trace buffer; event_mutex.
 * They keep their type numbers, so that the records are shown for what they
 * are: after another event got the number, its print function would have to
 * make sense of what a user program wrote.
 */
static LIST_HEAD(remembered);
static unsigned int nr_remembered;

/* Past this many, clear all trace buffers once and forget them */
#define REMEMBERED_MAX	1024

/* How soon to look again at an event that something else in the kernel uses */
#define REAP_AGAIN	HZ

/* Used by something that is not a holder, with event_mutex held */
static bool is_traced(struct user_event *event)
{
	return event->consumers || trace_event_dyn_busy(&event->call);
}

/**
 * user_event_is_idle() - would nobody miss the event
 * @event: the event
 *
 * Context: event_mutex held.
 * Return: whether it is to be deleted.
 */
bool user_event_is_idle(struct user_event *event)
{
	lockdep_assert_held(&event_mutex);

	return !event->dead && !event->persist &&
		!atomic_read(&event->holders) && !is_traced(event);
}

/**
 * user_event_is_busy() - does anybody hold or trace the event
 * @event: the event
 *
 * Context: event_mutex held.
 * Return: whether it cannot be deleted.
 */
bool user_event_is_busy(struct user_event *event)
{
	lockdep_assert_held(&event_mutex);

	return atomic_read(&event->holders) || is_traced(event);
}

/**
 * user_event_used_by_other() - is the event used beside ftrace and perf
 * @event: the event
 *
 * An event probe on it is such a use.
 *
 * Context: event_mutex held.
 * Return: whether it is.
 */
bool user_event_used_by_other(struct user_event *event)
{
	int users = atomic_read(&event->call.refcnt);

#ifdef CONFIG_PERF_EVENTS
	users -= event->call.perf_refcount;
#endif
	return users > 0;
}

/* The caller keeps the memory, if by nothing else than a reference */
static void leave_to_reaper(struct user_event *event)
{
	if (test_and_set_bit(0, &event->idle_queued))
		return;

	kref_get(&event->ref);
	llist_add(&event->idle_node, &idle_events);
	mod_delayed_work(system_unbound_wq, &reaper, 0);
}

/**
 * user_event_check_idle() - a tracer has left the event
 * @event: the event
 *
 * Context: event_mutex held.
 */
void user_event_check_idle(struct user_event *event)
{
	/*
	 * Not user_event_is_idle(): who detached gives its reference on the
	 * trace event back only after this, but before it lets go of
	 * event_mutex.
	 */
	if (!event->consumers && !event->persist &&
	    !atomic_read(&event->holders))
		leave_to_reaper(event);
}

/**
 * user_event_hold() - keep an event
 * @event: the event, found under event_mutex
 *
 * Context: event_mutex held.
 */
void user_event_hold(struct user_event *event)
{
	lockdep_assert_held(&event_mutex);

	kref_get(&event->ref);
	atomic_inc(&event->holders);
}

/**
 * user_event_unhold() - stop keeping an event, but not its memory
 * @event: the event, held
 *
 * The reference that came with the hold stays with the caller.
 *
 * Context: any. Takes no lock, so that an exiting task need not wait.
 */
void user_event_unhold(struct user_event *event)
{
	if (atomic_dec_and_test(&event->holders))
		leave_to_reaper(event);
}

/**
 * user_event_forget_all() - give the type numbers of deleted events back
 *
 * All trace buffers are cleared for it, if there is any.
 *
 * Context: event_mutex held. May sleep.
 */
void user_event_forget_all(void)
{
	struct user_event *event, *next;
	struct trace_array *tr;

	if (list_empty(&remembered))
		return;

	mutex_lock(&trace_types_lock);
	list_for_each_entry(tr, &ftrace_trace_arrays, list)
		tr->clear_trace = true;
	tracing_reset_all_online_cpus_unlocked();
	mutex_unlock(&trace_types_lock);

	list_for_each_entry_safe(event, next, &remembered, remembered) {
		list_del(&event->remembered);
		unregister_trace_event(&event->shown.event);
		user_event_put(event);
	}
	nr_remembered = 0;
}

/* The type number of a deleted event; its last reference may go with it */
static void release_type(struct user_event *event)
{
	if (!event->recorded) {
		unregister_trace_event(&event->shown.event);
		user_event_put(event);
		return;
	}

	list_add_tail(&event->remembered, &remembered);
	if (++nr_remembered >= REMEMBERED_MAX)
		user_event_forget_all();
}

/**
 * user_event_destroy() - take an event out of the system
 * @event: the event, without holders or tracers
 *
 * Context: event_mutex held. May sleep.
 * Return: 0, or -EBUSY when the trace core uses it after all.
 */
int user_event_destroy(struct user_event *event)
{
	int ret;

	lockdep_assert_held(&event_mutex);

	/* Else the type number would go with it */
	event->call.event.funcs = NULL;
	ret = trace_remove_event_call(&event->call);
	if (ret) {
		event->call.event.funcs = &user_event_call_funcs;
		return ret;
	}

	user_event_remove(event);
	event->dead = true;
	release_type(event);
	return 0;
}

/**
 * user_event_unhold_now() - stop keeping an event and clean up at once
 * @event: the event, held; the reference goes with the hold
 *
 * A registration that failed must not leave an event behind.
 *
 * Context: event_mutex held. May sleep.
 */
void user_event_unhold_now(struct user_event *event)
{
	lockdep_assert_held(&event_mutex);

	if (atomic_dec_and_test(&event->holders) && user_event_is_idle(event) &&
	    user_event_destroy(event))
		leave_to_reaper(event);
	user_event_put(event);
}

/* With event_mutex held; true if some event has to be looked at again */
static bool reap_one(struct user_event *event)
{
	bool again = false;

	clear_bit(0, &event->idle_queued);
	/* Pairs with the bit's setting after the count was brought to 0 */
	smp_mb__after_atomic();

	if (user_event_is_idle(event)) {
		again = user_event_destroy(event);
	} else if (!event->dead && !event->persist && !event->consumers &&
		   !atomic_read(&event->holders)) {
		/* An event probe on it goes without telling */
		again = true;
	}

	if (again && !test_and_set_bit(0, &event->idle_queued)) {
		/* The reference goes along */
		llist_add(&event->idle_node, &idle_events);
		return true;
	}
	user_event_put(event);
	return false;
}

static void reap(struct work_struct *work)
{
	struct user_event *event, *next;
	struct llist_node *list;
	bool again = false;

	list = llist_reverse_order(llist_del_all(&idle_events));
	llist_for_each_entry_safe(event, next, list, idle_node) {
		/* One at a time: whoever waits for event_mutex gets in between */
		mutex_lock(&event_mutex);
		again |= reap_one(event);
		mutex_unlock(&event_mutex);
		cond_resched();
	}

	if (again)
		queue_delayed_work(system_unbound_wq, &reaper, REAP_AGAIN);
}

/**
 * user_event_reap_all() - delete what the reaper would, now
 *
 * Makes room when the system holds as many events as it may.
 *
 * Context: event_mutex held. May sleep.
 */
void user_event_reap_all(void)
{
	struct user_event *event;
	unsigned long id = 0;

	for (; (event = user_event_next(&id)); id++) {
		if (user_event_is_idle(event))
			user_event_destroy(event);
	}
}
