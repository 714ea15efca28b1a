// SPDX-License-Identifier: GPL-2.0
/*
 * User events: the address spaces that have enable bits.
 *
 * An address space is tracked from its first registration, or from the fork
 * that made it, until its last task has left. Code that writes into it either
 * takes only locks that are free, as a switch does, or waits for them in an
 * order that cannot deadlock, see trace_events_user_access.c.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "trace_events_user.h"

static struct kmem_cache *mm_cache;

/* Work function of user_event_mm.work; constant */
static work_func_t mm_work;

/**
 * user_event_mm_alloc() - make the object of an address space
 * @mm: the address space
 * @owner: the user it belongs to; the object takes a reference of its own
 *
 * Context: may sleep.
 * Return: the object, without a set, with one reference; NULL when there is no
 * memory.
 */
struct user_event_mm *user_event_mm_alloc(struct mm_struct *mm,
					  struct user_event_owner *owner)
{
	struct user_event_mm *umm = kmem_cache_zalloc(mm_cache,
						      GFP_KERNEL_ACCOUNT);

	if (!umm)
		return NULL;

	mmgrab(mm);
	umm->mm = mm;
	user_event_owner_get(owner);
	umm->owner = owner;
	mutex_init(&umm->access);
	refcount_set(&umm->ref, 1);
	INIT_LIST_HEAD(&umm->waiting);
	umm->gone = RB_ROOT;
	INIT_DELAYED_WORK(&umm->work, mm_work);
	return umm;
}

static void umm_free(struct rcu_head *rcu)
{
	kmem_cache_free(mm_cache, container_of(rcu, struct user_event_mm, rcu));
}

/* With many ranges this takes long */
static void umm_release(struct user_event_mm *umm)
{
	struct user_event_range *range, *next;

	rbtree_postorder_for_each_entry_safe(range, next, &umm->gone, node) {
		kfree(range);
		cond_resched();
	}
	mmdrop(umm->mm);
	user_event_owner_put(umm->owner);
	/* A walk of the set under RCU may be looking at it */
	call_rcu(&umm->rcu, umm_free);
}

static LLIST_HEAD(released);

static void release(struct work_struct *work)
{
	struct llist_node *list = llist_del_all(&released);
	struct user_event_mm *umm, *next;

	llist_for_each_entry_safe(umm, next, list, released)
		umm_release(umm);
}

static DECLARE_WORK(release_work, release);

/**
 * user_event_mm_put() - drop a reference on the object of an address space
 * @umm: the address space
 *
 * Context: process context, locks may be held.
 */
void user_event_mm_put(struct user_event_mm *umm)
{
	if (!refcount_dec_and_test(&umm->ref))
		return;
	if (RB_EMPTY_ROOT(&umm->gone)) {
		umm_release(umm);
	} else {
		llist_add(&umm->released, &released);
		queue_work(system_unbound_wq, &release_work);
	}
}

/**
 * user_event_mm_put_unlocked() - user_event_mm_put() where that may take long
 * @umm: the address space
 *
 * For a task that may drop many last references: it frees the ranges itself, and does
 * not leave them to the work item of all.
 *
 * Context: no locks held. May sleep.
 */
void user_event_mm_put_unlocked(struct user_event_mm *umm)
{
	if (refcount_dec_and_test(&umm->ref))
		umm_release(umm);
}

/**
 * user_event_mm_add_gone() - remember that a range with enablers was unmapped
 * @umm: the address space
 * @start: first address of the range
 * @end: first address after it
 * @gfp: how to allocate
 *
 * Context: the mmap_lock held for writing, or @umm not visible to anybody yet. May
 * sleep if @gfp says so.
 * Return: 0, or -ENOMEM.
 */
int user_event_mm_add_gone(struct user_event_mm *umm, unsigned long start,
			   unsigned long end, gfp_t gfp)
{
	struct rb_node **link = &umm->gone.rb_node, *parent = NULL;
	struct user_event_range *range, *new;

	new = kmalloc(sizeof(*new), gfp);
	if (!new)
		return -ENOMEM;

	/* Merge the ranges that overlap the new one or border on it */
	while (*link) {
		parent = *link;
		range = to_range(parent);
		if (end < range->start) {
			link = &parent->rb_left;
		} else if (start > range->end) {
			link = &parent->rb_right;
		} else {
			start = min(start, range->start);
			end = max(end, range->end);
			rb_erase(parent, &umm->gone);
			kfree(range);
			link = &umm->gone.rb_node;
			parent = NULL;
		}
	}
	new->start = start;
	new->end = end;
	rb_link_node(&new->node, parent, link);
	rb_insert_color(&new->node, &umm->gone);
	return 0;
}

/* Order of the address @key and a range: before it, in it, or after it */
static int cmp_range(const void *key, const struct rb_node *node)
{
	const struct user_event_range *range = rb_entry(node, struct user_event_range,
							node);
	unsigned long addr = (unsigned long)key;

	return addr < range->start ? -1 : addr >= range->end;
}

/**
 * user_event_mm_is_gone() - check if an enable word was unmapped after it was
 * registered
 * @umm: the address space
 * @addr: its address
 *
 * Context: event_mutex and the mmap_lock held.
 * Return: whether it was.
 */
bool user_event_mm_is_gone(struct user_event_mm *umm, unsigned long addr)
{
	lockdep_assert_held(&event_mutex);

	return rb_find((void *)addr, &umm->gone, cmp_range);
}

/**
 * user_event_mm_is_gone_in_all() - check if an enable word was unmapped wherever it
 * was registered
 * @umm: an address space where it was
 * @addr: its address
 *
 * What is gone in an address space stays so for as long as that has the set, and
 * is gone in its children, so the answer "yes" cannot change while event_mutex is
 * held.
 *
 * Context: event_mutex and the mmap_lock of @umm held.
 * Return: 1 if it was in each address space with the set of @umm, 0 if not, or
 * * -EAGAIN	- an mmap_lock is not free, or the set is being copied or left
 */
int user_event_mm_is_gone_in_all(struct user_event_mm *umm, unsigned long addr)
{
	struct user_event_set *set = umm->set;
	struct user_event_mm *other;
	unsigned int nr = 0;
	int ret = 1;

	/* While it is held, none of them leaves, and a child has to wait to join */
	spin_lock(&set->lock);
	hlist_for_each_entry(other, &set->mms, in_set) {
		nr++;
		if (other == umm)
			continue;
		if (!mmap_read_trylock(other->mm)) {
			ret = -EAGAIN;
			break;
		}
		ret = user_event_mm_is_gone(other, addr);
		mmap_read_unlock(other->mm);
		if (!ret)
			break;
	}
	/* A copier reads the set without locks */
	if (ret > 0 && refcount_read(&set->users) != nr)
		ret = -EAGAIN;
	spin_unlock(&set->lock);
	return ret;
}

/**
 * user_event_mm_begin() - get ready to write without waiting for the process
 * @umm: the address space
 *
 * Context: event_mutex held.
 * Return: 0, with the mmap_lock and user_event_mm.access held as well, or
 * * -EAGAIN	- one of them is not free
 * * -ESRCH	- the address space is about to go
 */
int user_event_mm_begin(struct user_event_mm *umm)
{
	int ret = -ESRCH;

	lockdep_assert_held(&event_mutex);

	/* A task that has left looks at all processes with it held */
	if (!mutex_trylock(&umm->access))
		return -EAGAIN;
	if (!umm->dead) {
		if (mmap_read_trylock(umm->mm))
			return 0;
		ret = -EAGAIN;
	}
	mutex_unlock(&umm->access);
	return ret;
}

/**
 * user_event_mm_end() - end what user_event_mm_begin() began
 * @umm: the address space
 */
void user_event_mm_end(struct user_event_mm *umm)
{
	mmap_read_unlock(umm->mm);
	mutex_unlock(&umm->access);
}

/**
 * user_event_mm_of_current() - find or make the object of the caller's address
 * space
 *
 * The object stays for as long as the caller is in the address space.
 *
 * Context: may sleep.
 * Return: the address space, or -ENOMEM.
 */
struct user_event_mm *user_event_mm_of_current(void)
{
	struct mm_struct *mm = current->mm;
	struct user_event_owner *owner;
	struct user_event_mm *umm, *first;

	/* Pairs with the cmpxchg() of another thread below */
	umm = smp_load_acquire(&mm->user_event_mm);
	if (umm)
		return umm;

	owner = user_event_owner_of_current(NULL);
	if (!owner)
		return ERR_PTR(-ENOMEM);
	umm = user_event_mm_alloc(mm, owner);
	user_event_owner_put(owner);
	if (!umm)
		return ERR_PTR(-ENOMEM);

	/* Publishes it fully initialised, unless another thread was faster */
	first = cmpxchg(&mm->user_event_mm, NULL, umm);
	if (first) {
		user_event_mm_put(umm);
		umm = first;
	}
	return umm;
}

/**
 * user_event_mm_init() - prepare to track address spaces
 * @work: work function of user_event_mm.work
 *
 * Return: 0, or -ENOMEM.
 */
int __init user_event_mm_init(work_func_t work)
{
	mm_work = work;
	mm_cache = KMEM_CACHE(user_event_mm, 0);
	return mm_cache ? 0 : -ENOMEM;
}
