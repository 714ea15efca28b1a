// SPDX-License-Identifier: GPL-2.0
/*
 * User events: the life of an event.
 *
 * An event goes when nothing holds it, nothing listens to it and it does not
 * persist. Holders let go without a lock, from an exiting task for instance, so
 * the last one leaves the event to the reaper, a work item that decides again
 * under event_mutex. An idle event that is not yet reaped counts as deleted.
 *
 * Records outlive their event. A deleted event keeps its type number for as long
 * as a trace buffer may have a record of it, so that no record is ever shown as
 * one of another event.
 */
#include <linux/jiffies.h>
#include <linux/rcupdate.h>
#include <linux/ring_buffer.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "trace_events_user.h"

static void reap(struct work_struct *work);
static DECLARE_DELAYED_WORK(reaper, reap);

/*
 * Events that had no holder when they were put here, in three lists, each with the
 * newest first: the trace core finds those the fastest. All that have come by a
 * moment are reaped before those that come later, so they move to another list.
 * Those that the reaper could not delete, as something else in the kernel used them,
 * are out of the way.
 */
static struct user_event *idle_events;	/* the later ones */
static struct user_event *idle_now;
static struct user_event *idle_again;
static unsigned long idle_rounds;	/* how often idle_now was filled */
static DEFINE_SPINLOCK(idle_lock);

/* Deleted events that have a type number, by when they were looked at; event_mutex */
static LIST_HEAD(remembered);

/* How soon to look again at an event that something else in the kernel uses */
#define REAP_AGAIN	HZ

/* Idle events that a registration deletes at once when there is no room */
#define REAP_SOME	4

/* Deleted events whose records are looked for when another one is deleted */
#define FORGET_SOME	2

/* Deleted events whose records are looked for at once when there is no room */
#define FORGET_PIECE	16

/* How soon a registration that finds no room looks for their records again */
#define FORGET_AGAIN	HZ

/* The periodic search for their records: its interval, and how many events it checks */
#define FORGET_LATER	(10 * HZ)
#define FORGET_MANY	1024

/* Much longer than the trace clocks of two CPUs can be apart */
#define CLOCKS_AGREE	HZ

/* Used by something that is not a holder, with event_mutex held */
static bool has_user(struct user_event *event)
{
	return event->listeners || trace_event_dyn_busy(&event->call);
}

/**
 * user_event_life_is_idle() - check if an event counts as deleted
 * @event: the event
 *
 * Context: event_mutex held.
 * Return: whether nothing holds or uses it.
 */
bool user_event_life_is_idle(struct user_event *event)
{
	lockdep_assert_held(&event_mutex);

	return !event->dead && !event->persist &&
		!atomic_read(&event->holders) && !has_user(event);
}

/**
 * user_event_life_is_busy() - check if anything holds or uses an event
 * @event: the event
 *
 * Context: event_mutex held.
 * Return: whether it cannot be deleted.
 */
bool user_event_life_is_busy(struct user_event *event)
{
	lockdep_assert_held(&event_mutex);

	return atomic_read(&event->holders) || has_user(event);
}

/**
 * user_event_life_has_other_user() - check for uses besides those of ftrace and
 * perf
 * @event: the event
 *
 * An event probe on it is such a use.
 *
 * Context: event_mutex held.
 * Return: whether there is one.
 */
bool user_event_life_has_other_user(struct user_event *event)
{
	int users = atomic_read(&event->call.refcnt);

#ifdef CONFIG_PERF_EVENTS
	users -= event->call.perf_refcount;
#endif
	return users > 0;
}

/* Put an event into a list of the reaper; false if it is in one */
static bool push_idle(struct user_event **list, struct user_event *event)
{
	bool added;

	spin_lock(&idle_lock);
	added = !event->idle;
	if (added) {
		event->idle = true;
		event->next_idle = *list;
		*list = event;
	}
	spin_unlock(&idle_lock);
	return added;
}

/* The next event for the reaper, or NULL */
static struct user_event *pop_idle(void)
{
	struct user_event *event;

	spin_lock(&idle_lock);
	if (!idle_now && idle_events) {
		idle_now = idle_events;
		idle_events = NULL;
		idle_rounds++;
	}
	event = idle_now;
	if (event) {
		idle_now = event->next_idle;
		event->idle = false;
	}
	spin_unlock(&idle_lock);
	return event;
}

/* The caller must hold a reference; the list gets one of its own */
static void leave_to_reaper(struct user_event *event)
{
	kref_get(&event->ref);
	if (push_idle(&idle_events, event))
		mod_delayed_work(system_unbound_wq, &reaper, 0);
	else
		user_event_registry_put(event);
}

/**
 * user_event_life_check() - a listener has left an event
 * @event: the event
 *
 * Context: event_mutex held.
 */
void user_event_life_check(struct user_event *event)
{
	/*
	 * Not user_event_life_is_idle(): a listener drops its reference on the
	 * trace event only after this, but before it lets go of event_mutex.
	 */
	if (!event->listeners && !event->persist &&
	    !atomic_read(&event->holders))
		leave_to_reaper(event);
}

/**
 * user_event_life_hold() - hold an event
 * @event: the event
 *
 * Context: event_mutex held, or the event has another holder that stays.
 */
void user_event_life_hold(struct user_event *event)
{
	kref_get(&event->ref);
	atomic_inc(&event->holders);
}

/**
 * user_event_life_unhold() - stop holding an event, but keep its memory
 * @event: the event, held
 *
 * The reference that came with the hold stays with the caller.
 *
 * Context: process context. Takes no mutex, so that an exiting task need not
 * wait.
 */
void user_event_life_unhold(struct user_event *event)
{
	if (atomic_dec_and_test(&event->holders))
		leave_to_reaper(event);
}

/**
 * user_event_life_persist() - let an event stay until it is deleted
 * @event: the event, held
 *
 * Context: takes event_mutex.
 */
void user_event_life_persist(struct user_event *event)
{
	mutex_lock(&event_mutex);
	event->persist = true;
	mutex_unlock(&event_mutex);
}

static bool is_record_of(const void *record, void *data)
{
	const struct trace_entry *entry = record;
	struct user_event *event = data;

	return entry->type == event->shown.event.type;
}

/*
 * Check by time stamps if what @buffer has of a CPU may include a record of @event
 * from before @tracer left the instance
 */
static bool cpu_has_records(struct trace_buffer *buffer, int cpu,
			    struct user_event *event,
			    const struct user_event_tracer *tracer)
{
	if (!buffer || ring_buffer_empty_cpu(buffer, cpu))
		return false;
	/* The time of the oldest record leaves out the reader's page */
	return !tracer->left_at ||
		ring_buffer_oldest_event_ts(buffer, cpu) <= tracer->left_at ||
		ring_buffer_any_on_reader_page(buffer, cpu, is_record_of, event);
}

/* The same for both buffers of the instance, which a snapshot may swap at any time */
static bool buffers_have_records(struct trace_array *tr, struct user_event *event,
				 const struct user_event_tracer *tracer)
{
	bool has = false;
	int cpu;

	for_each_possible_cpu(cpu) {
		local_irq_disable();
		arch_spin_lock(&tr->max_lock);
		has = cpu_has_records(tr->array_buffer.buffer, cpu, event, tracer);
#ifdef CONFIG_TRACER_MAX_TRACE
		has = has ||
			cpu_has_records(tr->max_buffer.buffer, cpu, event, tracer);
#endif
		arch_spin_unlock(&tr->max_lock);
		local_irq_enable();
		if (has)
			break;
	}
	return has;
}

static bool instance_has_records(struct user_event *event,
				 struct user_event_tracer *tracer)
{
	struct trace_array *tr;

	/*
	 * A writer that saw the tracer may still be writing. Nor need the
	 * clocks of two CPUs agree on what came first, if little time lies
	 * between.
	 */
	if (time_before64(get_jiffies_64(), tracer->left_jiffies + CLOCKS_AGREE))
		return true;
	if (!poll_state_synchronize_rcu(tracer->left_rcu)) {
		/* It may be that nobody else wants that grace period */
		start_poll_synchronize_rcu();
		return true;
	}

	list_for_each_entry(tr, &ftrace_trace_arrays, list) {
		if (tr != tracer->tr)
			continue;
		/* With another clock, the instance began anew after that */
		if (tracer->left_at && tracer->clock_id != tr->clock_id)
			return false;
		if (!tracer->left_at) {
			tracer->clock_id = tr->clock_id;
			tracer->left_at =
				ring_buffer_time_stamp(tr->array_buffer.buffer);
		}
		return buffers_have_records(tr, event, tracer);
	}
	/* The instance is gone, and its buffers with it */
	return false;
}

/*
 * Check if any trace buffer may have records of a deleted event, as far as one look
 * tells: 1, 0, or -EAGAIN while a lock is busy.
 */
static int has_records(struct user_event *event)
{
	struct user_event_tracer *tracer;
	struct hlist_node *next;
	bool has = false;

	if (hlist_empty(&event->left))
		return 0;
	/* A task that resizes a buffer holds it for long, and others want event_mutex */
	if (!mutex_trylock(&trace_types_lock))
		return -EAGAIN;
	hlist_for_each_entry_safe(tracer, next, &event->left, left_node) {
		has = instance_has_records(event, tracer);
		if (has)
			break;
		hlist_del(&tracer->left_node);
		kfree_rcu(tracer, rcu);
	}
	mutex_unlock(&trace_types_lock);
	return has;
}

/* Return the type number of a deleted event; the last reference may go with it */
static void release_type(struct user_event *event)
{
	unregister_trace_event(&event->shown.event);
	user_event_registry_uncharge(event);
	user_event_registry_put(event);
}

/*
 * Return the type numbers of some deleted events that have no records left: 0, or
 * -EAGAIN if that could not be told of all of them.
 */
static int forget(unsigned int max)
{
	struct user_event *event, *next;
	LIST_HEAD(kept);
	int ret = 0;

	list_for_each_entry_safe(event, next, &remembered, remembered) {
		if (!max--)
			break;
		ret = has_records(event);
		if (ret < 0)
			break;
		if (ret) {
			/* Behind those that were not looked at */
			event->looked_at = jiffies;
			list_move_tail(&event->remembered, &kept);
			continue;
		}
		list_del(&event->remembered);
		release_type(event);
	}
	list_splice_tail(&kept, &remembered);
	return min(ret, 0);
}

/*
 * Forget some. Returns whether any is left that was last checked before @since; sets
 * @busy if they cannot be checked now.
 */
static bool forget_since(unsigned long since, bool *busy)
{
	struct user_event *oldest;

	*busy = forget(FORGET_PIECE) < 0;
	oldest = list_first_entry_or_null(&remembered, struct user_event, remembered);
	return oldest && (*busy || time_before(oldest->looked_at, since));
}

static void forget_later(struct work_struct *work)
{
	int left = FORGET_MANY / FORGET_PIECE;
	unsigned long since = jiffies;
	bool more, any, busy;

	do {
		mutex_lock(&event_mutex);
		more = forget_since(since, &busy);
		any = !list_empty(&remembered);
		mutex_unlock(&event_mutex);
		cond_resched();
	} while (more && !busy && --left);
	if (any)
		queue_delayed_work(system_unbound_wq, to_delayed_work(work),
				   FORGET_LATER);
}

static DECLARE_DELAYED_WORK(forgetter, forget_later);

/**
 * user_event_life_destroy() - take an event out of the system
 * @event: the event, without holders or listeners
 *
 * Context: event_mutex held. May sleep. Drops a reference.
 * Return: 0, or -EBUSY when the trace core uses it after all.
 */
int user_event_life_destroy(struct user_event *event)
{
	int ret;

	lockdep_assert_held(&event_mutex);

	ret = user_event_call_remove(event);
	if (ret)
		return ret;

	user_event_registry_remove(event);
	event->dead = true;
	event->looked_at = jiffies;
	ret = has_records(event);
	if (ret) {
		list_add_tail(&event->remembered, &remembered);
		queue_delayed_work(system_unbound_wq, &forgetter, FORGET_LATER);
	} else {
		release_type(event);
	}
	/* It was not looked at yet: when there is no room, it is the first */
	if (ret < 0) {
		event->looked_at -= FORGET_LATER;
		list_move(&event->remembered, &remembered);
	}
	forget(FORGET_SOME);
	return 0;
}

/**
 * user_event_life_unhold_now() - stop holding an event and clean up at once
 * @event: the event, held; the reference goes with the hold
 *
 * A registration that failed must not leave an event behind.
 *
 * Context: event_mutex held. May sleep.
 */
void user_event_life_unhold_now(struct user_event *event)
{
	lockdep_assert_held(&event_mutex);

	/* The reaper comes back to one that an event probe still uses */
	if (atomic_dec_and_test(&event->holders) &&
	    (!user_event_life_is_idle(event) || user_event_life_destroy(event)))
		leave_to_reaper(event);
	user_event_registry_put(event);
}

/* With event_mutex held: delete an event that was in a list of the reaper */
static void reap_one(struct user_event *event)
{
	bool again = false;

	if (user_event_life_is_idle(event))
		again = user_event_life_destroy(event);
	else if (!event->dead && !event->persist && !event->listeners &&
		 !atomic_read(&event->holders))
		/* An event probe goes without notice: look again later */
		again = true;

	/* The reference passes to the list */
	if (!again || !push_idle(&idle_again, event))
		user_event_registry_put(event);
}

/* Look later at the events that could not be deleted */
static void reap_again(void)
{
	if (READ_ONCE(idle_again))
		queue_delayed_work(system_unbound_wq, &reaper, REAP_AGAIN);
}

/* Have those that could not be deleted looked at with the others */
static void reap_again_now(void)
{
	struct user_event *event;

	spin_lock(&idle_lock);
	while ((event = idle_again)) {
		idle_again = event->next_idle;
		event->next_idle = idle_events;
		idle_events = event;
	}
	spin_unlock(&idle_lock);
}

static void reap(struct work_struct *work)
{
	struct user_event *event;

	reap_again_now();
	do {
		/*
		 * One at a time, so that others get event_mutex in between. A
		 * registration that needs room finds the rest in idle_now.
		 */
		mutex_lock(&event_mutex);
		event = pop_idle();
		if (event)
			reap_one(event);
		mutex_unlock(&event_mutex);
		cond_resched();
	} while (event);
	reap_again();
}

/**
 * user_event_life_make_room() - delete a few events that the reaper would, and
 * forget a few that have no records left
 * @group: the group that another event is wanted in
 * @room: zeroed at first; for the next calls
 *
 * For a registration at a limit: events that count as deleted must not be in its way,
 * nor their type numbers. Others get event_mutex between the calls.
 *
 * Context: event_mutex held. May sleep.
 * Return: whether to call again: idle events that were queued at the first call are
 * left, or deleted events that had not been checked in the second before it.
 */
bool user_event_life_make_room(const struct user_event_group *group,
			       struct user_event_room *room)
{
	struct user_event *event = NULL;
	int i;

	room->busy = false;
	if (!room->round) {
		reap_again_now();
		/* The rest of this round, and what waits for the next one */
		room->round = READ_ONCE(idle_rounds) + 2;
		room->since = jiffies - FORGET_AGAIN;
	}
	for (i = 0; i < REAP_SOME; i++) {
		event = pop_idle();
		if (!event)
			break;
		reap_one(event);
	}
	reap_again();
	if (event && (long)(room->round - READ_ONCE(idle_rounds)) > 0)
		return true;
	/* Deleted ones do not count there */
	if (user_event_registry_is_full(group))
		return false;
	return forget_since(room->since, &room->busy);
}

/**
 * user_event_life_wait_for_room() - wait for what user_event_life_make_room() could
 * not do at once
 * @room: as that has left it
 *
 * Context: no locks held. May sleep.
 * Return: 0, or -EINTR if the caller is being killed.
 */
int user_event_life_wait_for_room(const struct user_event_room *room)
{
	int ret = room->busy ? mutex_lock_killable(&trace_types_lock) : 0;

	if (room->busy && !ret)
		mutex_unlock(&trace_types_lock);
	cond_resched();
	return ret;
}
