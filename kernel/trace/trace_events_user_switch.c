// SPDX-License-Identifier: GPL-2.0
/*
 * User events: switching the bits of an event.
 *
 * A switch writes the bits of an event when its first listener comes or its last
 * one goes, in the context of that listener, which must not wait for any of the
 * programs. What cannot be written at once is left to a repair.
 */
#include "trace_events_user.h"

/* A switch is under way: set by holders of event_mutex, read by fork */
static bool switching;

static void switch_one(struct user_event_mm *umm,
		       struct user_event_enabler *enabler)
{
	struct user_event *event = enabler_event(enabler);
	int ret = user_event_mm_begin(umm);

	if (!ret) {
		ret = user_event_bit_write(umm, enabler, USER_EVENT_BIT_LAZY);
		user_event_mm_end(umm);
	}
	if (ret && ret != -ESRCH) {
		/* Every switch before this one was complete */
		if (!umm->stale)
			umm->right = event->switched - 1;
		umm->failed = event->switched;
		user_event_repair_queue(umm);
	}
}

/**
 * user_event_switch() - tell programs whether an event has listeners
 * @event: the event, user_event.listeners up to date
 *
 * Costs in proportion to the enablers of @event. Does not wait for any of their
 * processes.
 *
 * Context: event_mutex held. May sleep.
 */
void user_event_switch(struct user_event *event)
{
	struct user_event_mm *umm, *list = NULL;
	struct user_event_enabler *enabler;

	lockdep_assert_held(&event_mutex);

	event->switched = user_event_repair_count_switch();
	/*
	 * A child that joins a set too late to be found below is caught by its
	 * fork, which sees this flag, or afterwards that the parent is stale.
	 */
	WRITE_ONCE(switching, true);
	/* Pairs with the one in user_event_switch_may_have_missed() */
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

	/* After all marks of failures; pairs with the acquire below */
	smp_store_release(&switching, false);
}

/**
 * user_event_switch_may_have_missed() - may a copied address space have wrong bits
 * @parent: the address space it is a copy of; the copy has joined its set
 *
 * Context: the mmap_lock of @parent held for writing since before the copy was
 * begun.
 * Return: whether the bits of @parent may be wrong, or a switch is under way that
 * has not found the copy.
 */
bool user_event_switch_may_have_missed(struct user_event_mm *parent)
{
	/* Order joining the set before reading @switching; pairs with the switch */
	smp_mb();
	/* A switch that has ended has left its marks; pairs with its end */
	return smp_load_acquire(&switching) || READ_ONCE(parent->stale);
}
