// SPDX-License-Identifier: GPL-2.0
/*
 * User events: what address spaces have registered.
 *
 * Enablers are kept in sets, so that fork has nothing to copy: a child has the
 * set of its parent, until one of them registers or unregisters something. A set
 * is ordered by address and bit.
 */
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "trace_events_user.h"

static struct kmem_cache *enabler_cache, *set_cache;

/* Sets without address spaces, whose enablers are on their events' lists */
static LLIST_HEAD(retired_sets);
static void free_retired_sets(struct work_struct *work);
static DECLARE_WORK(retired_work, free_retired_sets);

/**
 * user_event_set_from() - find the next enabler in order
 * @set: the set
 * @addr: an address
 * @bit: a bit there; it may be past the last one a value has
 *
 * Context: event_mutex held.
 * Return: the first enabler at @addr and @bit or after it, or NULL.
 */
struct user_event_enabler *user_event_set_from(struct user_event_set *set,
					       unsigned long addr,
					       unsigned int bit)
{
	struct rb_node *node = set->enablers.rb_node;
	struct user_event_enabler *found = NULL;

	while (node) {
		struct user_event_enabler *enabler = to_enabler(node);

		if (enabler_cmp(enabler, addr, bit) >= 0) {
			found = enabler;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/**
 * user_event_set_find() - find an enabler
 * @set: the set
 * @addr: its address
 * @bit: its bit
 *
 * Context: event_mutex held.
 * Return: the enabler, or NULL.
 */
struct user_event_enabler *user_event_set_find(struct user_event_set *set,
					       unsigned long addr,
					       unsigned int bit)
{
	struct user_event_enabler *enabler = user_event_set_from(set, addr, bit);

	return enabler && !enabler_cmp(enabler, addr, bit) ? enabler : NULL;
}

/**
 * user_event_enabler_alloc() - make an enabler
 * @event: the event, held or referenced by the caller
 * @addr: address of the value
 * @size: bytes of the value, 4 or 8
 * @bit: number of the bit
 *
 * Context: may sleep.
 * Return: the enabler, in no set yet, or NULL when there is no memory.
 */
struct user_event_enabler *user_event_enabler_alloc(struct user_event *event,
						    unsigned long addr,
						    unsigned int size,
						    unsigned int bit)
{
	struct user_event_enabler *enabler;

	enabler = kmem_cache_alloc(enabler_cache, GFP_KERNEL_ACCOUNT);
	if (!enabler)
		return NULL;

	enabler->event_bit = (unsigned long)event | bit;
	enabler->addr_size = addr | (size == 8);
	return enabler;
}

/**
 * user_event_enabler_free() - free an enabler that is in no set
 * @enabler: the enabler
 */
void user_event_enabler_free(struct user_event_enabler *enabler)
{
	kmem_cache_free(enabler_cache, enabler);
}

/**
 * user_event_set_place() - find where an enabler is or would be
 * @set: the set
 * @addr: its address
 * @bit: its bit
 * @place: set to where user_event_set_add() can put it
 *
 * Context: event_mutex held.
 * Return: whether the set has one there.
 */
bool user_event_set_place(struct user_event_set *set, unsigned long addr,
			  unsigned int bit, struct user_event_place *place)
{
	struct rb_node **link = &set->enablers.rb_node, *parent = NULL;

	while (*link) {
		int order;

		parent = *link;
		order = enabler_cmp(to_enabler(parent), addr, bit);
		if (!order)
			return true;
		link = order > 0 ? &parent->rb_left : &parent->rb_right;
	}
	place->parent = parent;
	place->link = link;
	return false;
}

/**
 * user_event_set_add() - put an enabler into a set and hold its event for it
 * @set: the set, which no two address spaces share
 * @enabler: the enabler
 * @place: where it goes, found since the set was last changed
 *
 * Context: event_mutex held.
 */
void user_event_set_add(struct user_event_set *set,
			struct user_event_enabler *enabler,
			const struct user_event_place *place)
{
	struct user_event *event = enabler_event(enabler);

	rb_link_node(&enabler->node, place->parent, place->link);
	rb_insert_color(&enabler->node, &set->enablers);
	set->nr++;
	enabler->set = set;
	hlist_add_head(&enabler->on_event, &event->enablers);
	user_event_hold(event);
}

/* With event_mutex held and the hold on the event given up */
static void enabler_release(struct user_event_enabler *enabler)
{
	hlist_del(&enabler->on_event);
	user_event_put(enabler_event(enabler));
	user_event_enabler_free(enabler);
}

/**
 * user_event_set_remove() - take an enabler out of its set and let go of the
 * event
 * @enabler: the enabler, in a set that no two address spaces share
 *
 * Context: event_mutex held.
 */
void user_event_set_remove(struct user_event_enabler *enabler)
{
	rb_erase(&enabler->node, &enabler->set->enablers);
	enabler->set->nr--;
	user_event_unhold(enabler_event(enabler));
	enabler_release(enabler);
}

/**
 * user_event_set_alloc() - make an empty set for one address space
 *
 * Context: may sleep.
 * Return: the set, or NULL when there is no memory.
 */
struct user_event_set *user_event_set_alloc(void)
{
	struct user_event_set *set = kmem_cache_alloc(set_cache,
						      GFP_KERNEL_ACCOUNT);

	if (!set)
		return NULL;

	set->enablers = RB_ROOT;
	set->nr = 0;
	refcount_set(&set->users, 1);
	spin_lock_init(&set->lock);
	INIT_HLIST_HEAD(&set->mms);
	return set;
}

/* Free a set without users and the enablers in it; event_mutex held */
static void set_free(struct user_event_set *set)
{
	struct user_event_enabler *enabler, *next;

	rbtree_postorder_for_each_entry_safe(enabler, next, &set->enablers, node)
		enabler_release(enabler);
	kmem_cache_free(set_cache, set);
}

static void free_retired_sets(struct work_struct *work)
{
	struct user_event_set *set, *next;

	llist_for_each_entry_safe(set, next, llist_del_all(&retired_sets),
				  retired) {
		mutex_lock(&event_mutex);
		set_free(set);
		mutex_unlock(&event_mutex);
		cond_resched();
	}
}

/*
 * An address space has left @set. The last one gives up the events at once, and
 * may not take event_mutex for it: it can be an exiting task.
 */
static void set_put(struct user_event_set *set)
{
	struct user_event_enabler *enabler;

	if (!refcount_dec_and_test(&set->users))
		return;

	for (enabler = enabler_first(set); enabler;
	     enabler = enabler_next(enabler))
		user_event_unhold(enabler_event(enabler));

	if (llist_add(&set->retired, &retired_sets))
		queue_work(system_unbound_wq, &retired_work);
}

/**
 * user_event_set_join() - an address space gets a set
 * @set: the set; the new user has been counted
 * @umm: the address space
 *
 * Context: any that may not be interrupted by another user of the lock.
 */
void user_event_set_join(struct user_event_set *set, struct user_event_mm *umm)
{
	spin_lock(&set->lock);
	hlist_add_head_rcu(&umm->in_set, &set->mms);
	spin_unlock(&set->lock);
}

/**
 * user_event_set_leave() - an address space gives up its set
 * @set: the set; gone, like its holds on events, if this was the last one
 * @umm: the address space
 *
 * Context: process context. Takes no mutex: it can be an exiting task.
 */
void user_event_set_leave(struct user_event_set *set, struct user_event_mm *umm)
{
	spin_lock(&set->lock);
	hlist_del_rcu(&umm->in_set);
	spin_unlock(&set->lock);
	set_put(set);
}

/**
 * user_event_set_copy() - part from those who have the same set
 * @set: the set
 *
 * Context: event_mutex held. May sleep.
 * Return: a set with the same enablers for one address space, or NULL when
 * there is no memory.
 */
struct user_event_set *user_event_set_copy(struct user_event_set *set)
{
	struct user_event_set *copy = user_event_set_alloc();
	struct user_event_enabler *enabler, *dup;
	struct user_event_place place;

	if (!copy)
		return NULL;

	for (enabler = enabler_first(set); enabler;
	     enabler = enabler_next(enabler)) {
		dup = user_event_enabler_alloc(enabler_event(enabler),
					       enabler_addr(enabler),
					       enabler_size(enabler),
					       enabler_bit(enabler));
		if (!dup) {
			/* The originals keep the events */
			set_put(copy);
			return NULL;
		}
		user_event_set_place(copy, enabler_addr(dup), enabler_bit(dup),
				     &place);
		user_event_set_add(copy, dup, &place);
	}
	return copy;
}

/**
 * user_event_set_init() - prepare to have sets
 *
 * Return: 0, or -ENOMEM.
 */
int __init user_event_set_init(void)
{
	/* See struct user_event_enabler for why, and enabler_bit() */
	BUILD_BUG_ON(sizeof(struct user_event_enabler) > 64);
	BUILD_BUG_ON(__alignof__(struct user_event) < BITS_PER_LONG);

	enabler_cache = KMEM_CACHE(user_event_enabler, SLAB_HWCACHE_ALIGN);
	set_cache = KMEM_CACHE(user_event_set, 0);
	return enabler_cache && set_cache ? 0 : -ENOMEM;
}
