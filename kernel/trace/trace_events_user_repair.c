// SPDX-License-Identifier: GPL-2.0
/*
 * User events: switching bits, and repairing those that could not be switched.
 *
 * A switch writes the bits of an event in whatever context a tracer comes or
 * goes, which must not wait for any of the programs. A write that fails there is
 * left to a worker, one for each address space, which waits for whatever is in
 * the way and then brings every bit of the address space up to date.
 */
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "trace_events_user.h"

/* At most this many lines a minute about values that cannot be written */
static DEFINE_RATELIMIT_STATE(complaints, 60 * HZ, 10);

/* Repairs: unbound, so that one that waits for a page holds nobody up */
static struct workqueue_struct *repair_queue;

/* A switch is under way: set by holders of event_mutex, read by fork */
static bool switching;

static void complain(struct mm_struct *mm, struct user_event *event,
		     unsigned long addr, unsigned int bit, int error)
{
	struct task_struct *leader, *task, *user = NULL;

	/* It also says how many it has left out, under this name */
	if (!___ratelimit(&complaints, "user_events"))
		return;

	rcu_read_lock();
	for_each_process_thread(leader, task) {
		if (READ_ONCE(task->mm) == mm) {
			user = leader;
			goto found;
		}
	}
found:
	if (user)
		pr_warn("user_events: %s[%d]: cannot write bit %u at 0x%lx for event %s: error %d\n",
			user->comm, task_pid_nr(user), bit, addr,
			user_event_name(event), error);
	rcu_read_unlock();
}

/**
 * struct repair_pos - where a repair has got to
 * @addr: of the first value that may be wrong
 * @bit: in this value
 * @event: of this bit, with a reference, once it could not be written
 * @try: how often the locks were tried for it
 * @missing: how often its page was missing when they were had
 */
struct repair_pos {
	unsigned long		addr;
	unsigned int		bit;
	struct user_event	*event;
	unsigned int		try;
	unsigned int		missing;
};

static void repair_go_to(struct repair_pos *pos, unsigned long addr,
			 unsigned int bit, struct user_event *event)
{
	if (pos->event)
		user_event_put(pos->event);
	if (event)
		kref_get(&event->ref);
	*pos = (struct repair_pos) {
		.addr = addr, .bit = bit, .event = event,
	};
}

/*
 * Bring all bits from @pos on up to date, between user_event_mm_lock() and
 * user_event_mm_unlock(). Returns 0 when they are, or what kept the one that is
 * now at @pos from being written.
 */
static int repair_from(struct user_event_mm *umm, struct repair_pos *pos)
{
	struct user_event_enabler *enabler;
	struct user_event *event;
	int ret;

	if (!umm->set)
		return 0;

	enabler = user_event_set_from(umm->set, pos->addr, pos->bit);
	for (; enabler; enabler = enabler_next(enabler)) {
		event = enabler_event(enabler);
		ret = user_event_mm_write(umm, enabler, event->consumers, true);
		if (!ret)
			continue;
		if (!pos->event || enabler_cmp(enabler, pos->addr, pos->bit))
			repair_go_to(pos, enabler_addr(enabler),
				     enabler_bit(enabler), event);
		return ret;
	}
	return 0;
}

/*
 * Go over the values of an address space once. One whose page cannot be had is
 * passed over until the next switch.
 */
static void repair_all(struct user_event_mm *umm)
{
	struct repair_pos pos = { };
	unsigned int failures = 0;
	bool begun = false;
	int ret;

	for (;;) {
		user_event_mm_back_off(pos.try);
		ret = user_event_mm_lock(umm, pos.try, pos.addr, pos.event);
		if (!ret) {
			/* What fails from here on has another repair queued */
			if (!begun)
				failures = umm->failures;
			begun = true;
			ret = repair_from(umm, &pos);
			if (!ret && umm->failures == failures)
				WRITE_ONCE(umm->stale, false);
			user_event_mm_unlock(umm);
			if (ret == -EFAULT &&
			    pos.missing++ < USER_EVENT_MM_TRIES)
				ret = -EAGAIN;
		} else if (ret == -ENOMEM) {
			/* Not the fault of the process, and may come to an end */
			ret = -EAGAIN;
		}
		if (!ret || ret == -ESRCH)
			break;

		pos.try++;
		if (ret != -EAGAIN) {
			complain(umm->mm, pos.event, pos.addr, pos.bit, ret);
			repair_go_to(&pos, pos.addr, pos.bit + 1, NULL);
		}
		cond_resched();
	}
	repair_go_to(&pos, 0, 0, NULL);
}

/**
 * user_event_mm_repair() - bring all bits of an address space up to date
 * @work: user_event_mm.repair
 *
 * Context: its own workqueue; takes event_mutex, and may wait for the mmap_lock
 * and for pages.
 */
void user_event_mm_repair(struct work_struct *work)
{
	struct user_event_mm *umm = container_of(work, struct user_event_mm,
						 repair);

	/* An earlier repair has seen to all that failed before this one */
	if (READ_ONCE(umm->stale) && mmget_not_zero(umm->mm)) {
		repair_all(umm);
		mmput(umm->mm);
	}
	user_event_mm_put(umm);
}

/**
 * user_event_mm_queue_repair() - have a worker bring all bits up to date
 * @umm: the address space
 *
 * Takes no memory, so it cannot fail.
 *
 * Context: event_mutex held, or nobody else sees @umm yet.
 */
void user_event_mm_queue_repair(struct user_event_mm *umm)
{
	WRITE_ONCE(umm->stale, true);
	refcount_inc(&umm->ref);
	if (!queue_work(repair_queue, &umm->repair))
		user_event_mm_put(umm);
}

static void switch_one(struct user_event_mm *umm,
		       struct user_event_enabler *enabler)
{
	struct user_event *event = enabler_event(enabler);
	int ret = user_event_mm_begin(umm);

	if (!ret) {
		ret = user_event_mm_write(umm, enabler, event->consumers, true);
		user_event_mm_end(umm);
	}
	if (ret && ret != -ESRCH) {
		umm->failures++;
		user_event_mm_queue_repair(umm);
	}
}

/**
 * user_event_mm_switch() - tell programs that an event has its first or lost
 * its last listener
 * @event: the event, its consumers up to date
 *
 * Costs in proportion to the addresses registered for @event. Does not wait for
 * any of their processes.
 *
 * Context: event_mutex held. May sleep.
 */
void user_event_mm_switch(struct user_event *event)
{
	struct user_event_mm *umm, *list = NULL;
	struct user_event_enabler *enabler;

	lockdep_assert_held(&event_mutex);

	/*
	 * A fork whose child comes too late to be found below sees this and
	 * has the child repaired, and one that comes after this has ended
	 * sees whether its parent is stale.
	 */
	WRITE_ONCE(switching, true);
	/* Pairs with the one in user_event_mm_is_stale() */
	smp_mb();

	hlist_for_each_entry(enabler, &event->enablers, on_event) {
		rcu_read_lock();
		hlist_for_each_entry_rcu(umm, &enabler->set->mms, in_set) {
			if (!refcount_inc_not_zero(&umm->ref))
				continue;
			umm->next = list;
			list = umm;
		}
		rcu_read_unlock();

		while (list) {
			umm = list;
			list = umm->next;
			switch_one(umm, enabler);
			user_event_mm_put(umm);
		}
		cond_resched();
	}

	/* After all marks of failures; pairs with user_event_mm_is_stale() */
	smp_store_release(&switching, false);
}

/**
 * user_event_mm_is_stale() - may a copy of an address space have wrong bits
 * @umm: the address space; the copy can be found by a switch already
 *
 * Context: the mmap_lock held for writing since before the copy was begun.
 * Return: whether the bits of @umm may be wrong, or a switch goes on that has
 * not found the copy.
 */
bool user_event_mm_is_stale(struct user_event_mm *umm)
{
	/* In the set, then the look; pairs with user_event_mm_switch() */
	smp_mb();
	/* An ended switch has left its marks; pairs with its end */
	return smp_load_acquire(&switching) || READ_ONCE(umm->stale);
}

/**
 * user_event_repair_init() - prepare to repair
 *
 * Return: 0, or -ENOMEM.
 */
int __init user_event_repair_init(void)
{
	repair_queue = alloc_workqueue("user_events", WQ_UNBOUND,
				       WQ_UNBOUND_MAX_ACTIVE);
	return repair_queue ? 0 : -ENOMEM;
}
