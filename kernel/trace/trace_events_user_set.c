// SPDX-License-Identifier: GPL-2.0
/*
 * User events: what address spaces have registered.
 *
 * Enablers are kept in sets, so that fork has nothing to copy: a child shares the
 * set of its parent until one of them registers or unregisters something. A set
 * is ordered by address and bit.
 *
 * Sets can be large, and all of tracing needs event_mutex: copying and freeing
 * one takes it for a few hundred enablers at a time.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "trace_events_user.h"

static struct kmem_cache *enabler_cache, *set_cache;

/* Enablers that are put on the lists of events, or taken off, in one go */
#define SET_PIECE	256

/* Sets without users, whose enablers are on the lists of their events */
static LIST_HEAD(retired_sets);
static DEFINE_SPINLOCK(retired_lock);
static void free_retired_sets(struct work_struct *work);
static DECLARE_WORK(retired_work, free_retired_sets);

/**
 * user_event_set_from() - find the next enabler in order
 * @set: the set
 * @addr: an address
 * @bit: a bit there; it may be past the last one of an enable word
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
 * user_event_set_overlaps() - check a range for enable words
 * @set: the set
 * @start: first address of the range, that of a page
 * @end: first address after it, that of a page
 * @gap: set to addresses without enable words that include the range, if it has
 *	none
 *
 * Context: event_mutex or the mmap_lock of an address space with the set held.
 * Return: whether an enabler of the set has an address in the range.
 */
bool user_event_set_overlaps(struct user_event_set *set, unsigned long start,
			     unsigned long end, struct user_event_gap *gap)
{
	struct rb_node *node = set->enablers.rb_node;

	gap->start = 0;
	gap->end = ULONG_MAX;
	while (node) {
		unsigned long addr = enabler_addr(to_enabler(node));

		if (addr < start) {
			gap->start = addr + 1;
			node = node->rb_right;
		} else if (addr >= end) {
			gap->end = addr;
			node = node->rb_left;
		} else {
			return true;
		}
	}
	return false;
}

/**
 * user_event_set_enabler() - make an enabler for a set
 * @event: the event, held or referenced by the caller
 * @addr: address of the enable word
 * @size: bytes of the enable word, 4 or 8
 * @bit: number of the bit
 *
 * Context: may sleep.
 * Return: the enabler, in no set yet, or NULL when there is no memory.
 */
struct user_event_enabler *user_event_set_enabler(struct user_event *event,
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
	INIT_HLIST_NODE(&enabler->on_event);
	return enabler;
}

/**
 * user_event_set_enabler_free() - free an enabler that is in no set
 * @enabler: the enabler
 */
void user_event_set_enabler_free(struct user_event_enabler *enabler)
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

/* Count what is in a set for the caller, who is another user than before, and @more */
static int set_move(struct user_event_set *set, unsigned int more)
{
	struct ucounts *user = user_event_limit_get_user();
	int ret;

	if (!user)
		return -EMFILE;
	ret = user_event_limit_move(set->user, user, UCOUNT_USER_EVENT_BITS, set->nr,
				    more);
	if (!ret)
		swap(set->user, user);
	put_ucounts(user);
	return ret;
}

/**
 * user_event_set_charge() - count enable bits for the caller
 * @set: the set, which no two address spaces share
 * @more: how many are to be added to it, 0 or 1
 *
 * To be followed by user_event_set_add(), or by user_event_set_uncharge() if
 * the bit is not added. What the set has counts for the caller from now on, too.
 *
 * Context: event_mutex held.
 * Return: 0, or -EMFILE when the user has as many as it may.
 */
int user_event_set_charge(struct user_event_set *set, unsigned int more)
{
	if (unlikely(!user_event_set_counts_for_caller(set)))
		return set_move(set, more);
	return more ? user_event_limit_charge(set->user, UCOUNT_USER_EVENT_BITS, more) : 0;
}

/**
 * user_event_set_uncharge() - give back what user_event_set_charge() took
 * @set: the set
 *
 * Context: event_mutex held.
 */
void user_event_set_uncharge(struct user_event_set *set)
{
	user_event_limit_uncharge(set->user, UCOUNT_USER_EVENT_BITS, 1);
}

/**
 * user_event_set_add() - put an enabler into a set and hold its event for it
 * @set: the set, which no two address spaces share, charged for one more
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
	user_event_life_hold(event);
}

/* Free an enabler that is off its event's list and no longer holds the event */
static void enabler_release(struct user_event_enabler *enabler)
{
	if (!enabler_is_gone(enabler))
		user_event_registry_put(enabler_event(enabler));
	user_event_set_enabler_free(enabler);
}

/**
 * user_event_set_leave_event() - detach an enabler from its event
 * @enabler: the enabler, of memory that no address space with its set has
 *
 * One whose memory is gone stays in its set, marked so, until it is
 * unregistered.
 *
 * Context: event_mutex held.
 */
void user_event_set_leave_event(struct user_event_enabler *enabler)
{
	struct user_event *event = enabler_event(enabler);

	hlist_del_init(&enabler->on_event);
	WRITE_ONCE(enabler->addr_size, enabler->addr_size | 2);
	user_event_life_unhold(event);
	user_event_registry_put(event);
}

/**
 * user_event_set_remove() - take an enabler out of its set and drop its hold on
 * the event
 * @enabler: the enabler, in a set that no two address spaces share
 *
 * Context: event_mutex held.
 */
void user_event_set_remove(struct user_event_enabler *enabler)
{
	user_event_set_uncharge(enabler->set);
	user_event_set_make_way(enabler);
}

/**
 * user_event_set_make_way() - user_event_set_remove() for another enabler
 * @enabler: the enabler, whose charge passes to the one that is added next
 *
 * Context: event_mutex held.
 */
void user_event_set_make_way(struct user_event_enabler *enabler)
{
	rb_erase(&enabler->node, &enabler->set->enablers);
	enabler->set->nr--;
	if (!enabler_is_gone(enabler))
		user_event_set_leave_event(enabler);
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
	struct ucounts *user = user_event_limit_get_user();
	struct user_event_set *set;

	if (!user)
		return NULL;
	set = kmem_cache_alloc(set_cache, GFP_KERNEL_ACCOUNT);
	if (!set) {
		put_ucounts(user);
		return NULL;
	}

	set->user = user;
	set->enablers = RB_ROOT;
	set->left = 0;
	set->nr = 0;
	refcount_set(&set->users, 1);
	spin_lock_init(&set->lock);
	INIT_HLIST_HEAD(&set->mms);
	return set;
}

/* Free a set, after its enablers were freed */
static void set_free_last(struct user_event_set *set)
{
	put_ucounts(set->user);
	kmem_cache_free(set_cache, set);
}

/* Free a retired set and the enablers in it, in pieces; @owner may be NULL */
static void set_free(struct user_event_set *set, struct user_event_owner *owner)
{
	struct rb_node *node = rb_first_postorder(&set->enablers), *next, *piece;
	unsigned int i;

	while (node) {
		user_event_owner_lock(owner);
		for (next = node, i = 0; next && i < SET_PIECE; i++) {
			hlist_del_init(&to_enabler(next)->on_event);
			next = rb_next_postorder(next);
		}
		mutex_unlock(&event_mutex);

		while (node != next) {
			piece = node;
			node = rb_next_postorder(node);
			enabler_release(to_enabler(piece));
		}
		cond_resched();
	}
	set_free_last(set);
}

/*
 * Free one retired set. Returns how many enablers it had, plus one for itself,
 * or 0 if there is none, or the next one has more than @max.
 */
static unsigned int free_one_retired_set(struct user_event_owner *owner,
					 unsigned int max)
{
	struct user_event_set *set;
	unsigned int nr;

	spin_lock(&retired_lock);
	set = list_first_entry_or_null(&retired_sets, struct user_event_set,
				       retired);
	if (set && set->nr > max)
		set = NULL;
	if (set)
		list_del(&set->retired);
	spin_unlock(&retired_lock);
	if (!set)
		return 0;

	nr = set->nr + 1;
	set_free(set, owner);
	return nr;
}

static void free_retired_sets(struct work_struct *work)
{
	while (free_one_retired_set(NULL, UINT_MAX))
		cond_resched();
}

/* Of a set without users the holds on events end at once, the rest is a worker's */
static void retire(struct user_event_set *set)
{
	struct user_event_enabler *enabler;
	unsigned int nr = 0;

	for (enabler = enabler_first(set); enabler;
	     enabler = enabler_next(enabler)) {
		if (!enabler_is_gone(enabler))
			user_event_life_unhold(enabler_event(enabler));
		if (!(++nr % SET_PIECE))
			cond_resched();
	}
	user_event_limit_uncharge(set->user, UCOUNT_USER_EVENT_BITS, set->nr);

	spin_lock(&retired_lock);
	list_add_tail(&set->retired, &retired_sets);
	spin_unlock(&retired_lock);
	queue_work(system_unbound_wq, &retired_work);
}

/**
 * user_event_set_put() - drop a reference on a set
 * @set: the set
 *
 * The last reference retires the set. Its holds on events end at once; freeing
 * takes event_mutex and is left to a worker, because an exiting task must not
 * wait for it.
 *
 * Context: process context, event_mutex may be held.
 */
void user_event_set_put(struct user_event_set *set)
{
	if (refcount_dec_and_test(&set->users))
		retire(set);
}

/**
 * user_event_set_get() - take a reference on a set
 * @set: the set of an address space
 *
 * Context: the mmap_lock of that address space held, and event_mutex unless the
 * mmap_lock is held for writing.
 */
void user_event_set_get(struct user_event_set *set)
{
	refcount_inc(&set->users);
}

/**
 * user_event_set_join() - an address space gets a set
 * @set: the set; the reference of the caller passes to @umm
 * @umm: the address space
 *
 * Context: process context.
 */
void user_event_set_join(struct user_event_set *set, struct user_event_mm *umm)
{
	spin_lock(&set->lock);
	hlist_add_head_rcu(&umm->in_set, &set->mms);
	spin_unlock(&set->lock);
}

/**
 * user_event_set_leave() - an address space leaves its set
 * @set: the set; the reference of @umm is dropped
 * @umm: the address space; NULL for a reference that was taken to copy the set
 *
 * Context: process context. Takes no mutex: it can be an exiting task.
 * Return: an address space that still has the set and has unmapped something,
 * referenced, or NULL. The caller has it look for enablers that are now gone in all
 * that are left.
 */
struct user_event_mm *user_event_set_leave(struct user_event_set *set,
					   struct user_event_mm *umm)
{
	struct user_event_mm *other;
	bool last;

	spin_lock(&set->lock);
	if (umm)
		hlist_del_rcu(&umm->in_set);
	other = hlist_entry_safe(set->mms.first, struct user_event_mm, in_set);
	/* If it unmaps something from now on, its work item counts the users that are left */
	if (other && data_race(RB_EMPTY_ROOT(&other->gone)))
		other = NULL;
	/* What is in the list is referenced */
	if (other)
		refcount_inc(&other->ref);
	last = refcount_dec_and_test(&set->users);
	spin_unlock(&set->lock);
	if (last)
		retire(set);
	return other;
}

/**
 * user_event_set_users() - count the users of a set
 * @set: the set of an address space
 *
 * Context: event_mutex and the mmap_lock of that address space held.
 * Return: the number. Whoever leaves the set after this call sees what this address
 * space has unmapped before.
 */
unsigned int user_event_set_users(struct user_event_set *set)
{
	unsigned int users;

	spin_lock(&set->lock);
	users = refcount_read(&set->users);
	spin_unlock(&set->lock);
	return users;
}

/*
 * Put @nr enablers of a copy, from @enabler on, on the lists of their events. Returns
 * the next one, or -EINTR.
 */
static struct user_event_enabler *
link_piece(struct user_event_enabler *enabler, unsigned int nr,
	   struct user_event_owner *owner)
{
	if (user_event_owner_lock_killable(owner))
		return ERR_PTR(-EINTR);
	for (; enabler && nr; enabler = enabler_next(enabler), nr--) {
		if (!enabler_is_gone(enabler))
			hlist_add_head(&enabler->on_event,
				       &enabler_event(enabler)->enablers);
	}
	mutex_unlock(&event_mutex);
	return enabler;
}

/*
 * Free a copy, charged for @charged enablers, of which none is on the list of its
 * event
 */
static void free_unlinked(struct user_event_set *copy, unsigned int charged)
{
	struct user_event_enabler *enabler, *next;
	unsigned int nr = 0;

	rbtree_postorder_for_each_entry_safe(enabler, next, &copy->enablers, node) {
		if (!enabler_is_gone(enabler))
			user_event_life_unhold(enabler_event(enabler));
		enabler_release(enabler);
		if (!(++nr % SET_PIECE))
			cond_resched();
	}
	user_event_limit_uncharge(copy->user, UCOUNT_USER_EVENT_BITS, charged);
	set_free_last(copy);
}

/**
 * user_event_set_copy() - copy a shared set before it is changed
 * @set: the set. The caller has a reference beside those of address spaces, so
 *	that nobody changes it meanwhile.
 * @more: number of enablers that the copy is to take beside those of @set
 * @owner: the user that the caller counts for
 *
 * The copier frees some retired sets as well, in proportion to what it copies, so
 * they cannot pile up faster than they are freed.
 *
 * Context: no locks held, takes event_mutex. May sleep.
 * Return: a set with the same enablers and one reference, in no address space,
 * or
 * * -EMFILE	- the caller has as many enable bits as it may
 * * -ENOMEM	- no memory
 * * -EINTR	- the caller is being killed
 */
struct user_event_set *user_event_set_copy(struct user_event_set *set,
					   unsigned int more,
					   struct user_event_owner *owner)
{
	struct user_event_enabler *enabler, *dup;
	unsigned int freed, wanted = 2 * set->nr;
	struct rb_node *parent = NULL;
	struct user_event_set *copy;

	do {
		freed = free_one_retired_set(owner, wanted);
		wanted -= min(freed, wanted);
	} while (freed && wanted);

	copy = user_event_set_alloc();
	if (!copy)
		return ERR_PTR(-ENOMEM);
	if (user_event_limit_charge(copy->user, UCOUNT_USER_EVENT_BITS,
				    set->nr + more)) {
		set_free_last(copy);
		return ERR_PTR(-EMFILE);
	}
	/* That there is room for them is all that matters for now */
	user_event_limit_uncharge(copy->user, UCOUNT_USER_EVENT_BITS, more);

	for (enabler = enabler_first(set); enabler;
	     enabler = enabler_next(enabler)) {
		dup = fatal_signal_pending(current) ? NULL :
			user_event_set_enabler(enabler_event(enabler),
					       enabler_addr(enabler),
					       enabler_size(enabler),
					       enabler_bit(enabler));
		if (!dup) {
			free_unlinked(copy, set->nr);
			return ERR_PTR(fatal_signal_pending(current) ?
				       -EINTR : -ENOMEM);
		}
		/* In order: each one goes to the right of the one before */
		rb_link_node(&dup->node, parent, parent ? &parent->rb_right :
			     &copy->enablers.rb_node);
		rb_insert_color(&dup->node, &copy->enablers);
		parent = &dup->node;
		copy->nr++;
		dup->set = copy;
		if (enabler_is_gone(enabler))
			dup->addr_size |= 2;
		else
			/* The original's hold keeps it until here */
			user_event_life_hold(enabler_event(dup));
		cond_resched();
	}

	enabler = enabler_first(copy);
	while (enabler) {
		enabler = link_piece(enabler, SET_PIECE, owner);
		if (IS_ERR(enabler)) {
			user_event_set_put(copy);
			return ERR_CAST(enabler);
		}
		cond_resched();
	}
	return copy;
}

/**
 * user_event_set_init() - prepare to make sets
 *
 * Return: 0, or -ENOMEM.
 */
int __init user_event_set_init(void)
{
	/* For the reasons see struct user_event_enabler, and enabler_bit() */
	BUILD_BUG_ON(sizeof(struct user_event_enabler) > 64);
	BUILD_BUG_ON(__alignof__(struct user_event) < BITS_PER_LONG);

	enabler_cache = KMEM_CACHE(user_event_enabler, SLAB_HWCACHE_ALIGN);
	set_cache = KMEM_CACHE(user_event_set, 0);
	return enabler_cache && set_cache ? 0 : -ENOMEM;
}
