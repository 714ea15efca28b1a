// SPDX-License-Identifier: GPL-2.0
/*
 * User events: which enable bits a program has registered.
 *
 * A program can wait until its own bits are right, and does: registering and
 * unregistering retry while a lock is busy or a page is missing.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "trace_events_user.h"

/**
 * struct change - a change of what an address space has registered
 * @access: how the memory is accessed
 * @enabler: the enabler to be added, until it is
 * @addr: address of the enable word
 * @bit: number of the bit in it
 * @more: number of enablers that a copy of the set gets in addition
 * @force: take the enabler off although its bit cannot be cleared
 * @shared: the bit was cleared in this file, which others can have registered
 *	too; referenced, or NULL
 * @pgoff: number of the page in @shared
 * @wanted: the set that own_set() wants a copy of, referenced, or NULL for an
 *	empty one; until change_prepare()
 * @copied: the set that @copy has the enablers of, referenced, or NULL
 * @copy: a set that only this address space uses, made without locks; or NULL
 *
 * Belongs to the task that makes the change.
 */
struct change {
	struct user_event_access	access;
	struct user_event_enabler	*enabler;
	unsigned long			addr;
	unsigned int			bit;
	unsigned int			more;
	bool				force;
	struct file			*shared;
	pgoff_t				pgoff;
	struct user_event_set		*wanted;
	struct user_event_set		*copied;
	struct user_event_set		*copy;
};

/* Drop the reference of @umm on @set, or that of a copier, without @umm */
static void leave_set(struct user_event_set *set, struct user_event_mm *umm)
{
	struct user_event_mm *other = user_event_set_leave(set, umm);

	if (!other)
		return;
	user_event_repair_queue_work(other, 0);
	user_event_mm_put(other);
}

/* Drop a copy that was not used, and the set that it was made of */
static void change_end(struct change *change)
{
	if (change->copy)
		user_event_set_put(change->copy);
	if (change->copied)
		leave_set(change->copied, NULL);
	change->copy = NULL;
	change->copied = NULL;
}

/* Make the set that own_set() asked for; no locks held */
static int change_prepare(struct change *change)
{
	struct user_event_set *copy;

	/* A copy that is out of date can be large */
	change_end(change);
	change->copied = change->wanted;
	change->wanted = NULL;
	copy = change->copied ?
		user_event_set_copy(change->copied, change->more,
				    change->access.umm->owner) :
		user_event_set_alloc();
	if (IS_ERR_OR_NULL(copy))
		return copy ? PTR_ERR(copy) : -ENOMEM;
	change->copy = copy;
	return 0;
}

/**
 * user_event_register_leave() - an address space leaves its set
 * @umm: the address space, which has one
 *
 * Leaves user_event_mm.set as it is.
 *
 * Context: process context. Takes no mutex: it can be an exiting task.
 */
void user_event_register_leave(struct user_event_mm *umm)
{
	leave_set(umm->set, umm);
}

/*
 * Whether the set of the address space is its alone and may be changed. That stays so
 * while all locks are held, as fork, which shares it, needs the mmap_lock.
 */
static __always_inline bool has_own_set(const struct user_event_mm *umm)
{
	return umm->set && refcount_read(&umm->set->users) == 1;
}

/*
 * Give the address space a set that may be changed, as it has none, with all locks held.
 * -ESTALE when change_prepare() has to make one first.
 */
static int own_set(struct change *change)
{
	struct user_event_mm *umm = change->access.umm;
	struct user_event_set *set = umm->set;
	int ret;

	if (!change->copy || change->copied != set) {
		if (set)
			user_event_set_get(set);
		change->wanted = set;
		return -ESTALE;
	}

	/* Other processes may have taken the room meanwhile */
	if (change->more) {
		ret = user_event_set_charge(change->copy, 1);
		if (ret)
			return ret;
		user_event_set_uncharge(change->copy);
	}
	if (set)
		user_event_register_leave(umm);
	umm->set = change->copy;
	change->copy = NULL;
	user_event_set_join(umm->set, umm);
	return 0;
}

/* Enablers that are looked at under one hold of event_mutex */
#define CLEAN_PIECE	256

/*
 * Take enablers whose memory was unmapped off their events, in a set that may be
 * changed, with all locks held. Returns 1 if there are more of them.
 */
static int clean_some(struct user_event_mm *umm)
{
	struct user_event_enabler *enabler;
	struct user_event_range *range;
	unsigned int nr = 0;

	while ((range = to_range(rb_first(&umm->gone)))) {
		enabler = umm->set ?
			user_event_set_from(umm->set, range->start, 0) : NULL;
		for (; enabler && enabler_addr(enabler) < range->end;
		     enabler = enabler_next(enabler)) {
			/* An address has at most 64: a piece gets past it */
			if (nr++ == CLEAN_PIECE) {
				range->start = enabler_addr(enabler);
				return 1;
			}
			if (!enabler_is_gone(enabler))
				user_event_set_leave_event(enabler);
		}
		rb_erase(&range->node, &umm->gone);
		kfree(range);
	}
	return 0;
}

/*
 * Limit of enablers times address spaces above which a shared set is not
 * cleaned up: any of its processes could repeat the work at will.
 */
#define CLEAN_SHARED_MAX	1024

/*
 * Take enablers off their events whose memory was unmapped in all address spaces that
 * share the set, @users at most, with all locks held. @gone stays as it is: it tells what
 * else is gone here. -EAGAIN if a lock is busy.
 */
static int clean_shared(struct user_event_mm *umm, unsigned int users)
{
	struct user_event_enabler *enabler;
	struct user_event_range *range;
	struct rb_node *node;
	unsigned long addr;
	int ret;

	if ((u64)umm->set->nr * users > CLEAN_SHARED_MAX)
		return 0;
	for (node = rb_first(&umm->gone); node; node = rb_next(node)) {
		range = to_range(node);
		enabler = user_event_set_from(umm->set, range->start, 0);
		for (; enabler; enabler = enabler_next(enabler)) {
			addr = enabler_addr(enabler);
			if (addr >= range->end)
				break;
			if (enabler_is_gone(enabler))
				continue;
			ret = user_event_mm_is_gone_in_all(umm, addr);
			if (ret < 0)
				return ret;
			if (ret)
				user_event_set_leave_event(enabler);
		}
	}
	return 0;
}

static int visit_clean(struct user_event_access *access)
{
	struct user_event_set *set = access->umm->set;
	unsigned int users = set ? user_event_set_users(set) : 1;

	/* A shared set is not copied for this */
	if (users != 1)
		return clean_shared(access->umm, users);
	return clean_some(access->umm);
}

/* Take enablers whose memory was unmapped off their events, if that can be done */
static void clean(struct user_event_mm *umm)
{
	struct user_event_access access = { .umm = umm, .visit = visit_clean };
	int ret;

	do {
		access.try = 0;
		ret = user_event_access(&access);
		cond_resched();
	} while (ret > 0);
	/* A process keeps its lock busy: nothing is lost by coming back */
	if (ret == -EBUSY)
		user_event_repair_queue_work(umm, HZ / 10);
}

/* Work items of one owner that run at a time */
#define OWNER_WORKS	4

/*
 * Count the work item of @umm as running. False if OWNER_WORKS of its owner do: then it
 * is queued behind them or, if @umm is in the list of a thread, runs again a bit later.
 */
static bool begin_work(struct user_event_mm *umm)
{
	struct user_event_owner *owner = umm->owner;
	bool may, again = false;

	spin_lock(&owner->lock);
	may = umm->counted || owner->nr_works < OWNER_WORKS;
	if (may) {
		owner->nr_works += !umm->counted;
		umm->counted = false;
	} else if (list_empty(&umm->waiting)) {
		refcount_inc(&umm->ref);
		umm->queued = true;
		list_add_tail(&umm->waiting, &owner->queued);
	} else {
		again = !umm->queued;
	}
	spin_unlock(&owner->lock);
	if (again)
		user_event_repair_queue_work(umm, HZ / 10);
	return may;
}

/*
 * Start the work item whose turn is next, as a work item of its own. Doing its work here
 * would make anything queued for this address space wait until that was done, too.
 */
static void end_work(struct user_event_owner *owner)
{
	struct user_event_mm *umm;

	spin_lock(&owner->lock);
	umm = list_first_entry_or_null(&owner->queued, struct user_event_mm, waiting);
	if (umm) {
		list_del_init(&umm->waiting);
		umm->counted = true;
	} else {
		owner->nr_works--;
	}
	spin_unlock(&owner->lock);
	if (!umm)
		return;
	user_event_repair_queue_work(umm, 0);
	user_event_mm_put(umm);
}

/**
 * user_event_register_work() - do what could not be done at once
 * @work: user_event_mm.work
 *
 * Others must not wait until all that one user has is done: its address spaces
 * take turns in a few work items.
 *
 * Context: a workqueue; takes event_mutex.
 */
void user_event_register_work(struct work_struct *work)
{
	struct user_event_mm *umm = container_of(to_delayed_work(work),
						 struct user_event_mm, work);
	struct user_event_owner *owner = umm->owner;

	if (!begin_work(umm)) {
		user_event_mm_put(umm);
		return;
	}
	user_event_owner_get(owner);
	user_event_repair(umm);
	/* A race with unmapping queues another run */
	if (data_race(!RB_EMPTY_ROOT(&umm->gone)))
		clean(umm);
	/* Takes long if it frees many ranges, so it counts as well */
	user_event_mm_put_unlocked(umm);
	end_work(owner);
	user_event_owner_put(owner);
}

static void drop_set(struct user_event_mm *umm)
{
	user_event_register_leave(umm);
	umm->set = NULL;
}

/* Access the enable word until the change is made or cannot be */
static int change_make(struct change *change)
{
	int ret;

	do {
		ret = user_event_access(&change->access);
		if (ret == -ESTALE)
			ret = change_prepare(change);
		else if (ret > 0)
			/* A piece was cleaned up: no reason to back off */
			change->access.try = 0;
		else
			break;
	} while (ret >= 0);

	change_end(change);
	return ret;
}

static int visit_register(struct user_event_access *access)
{
	struct change *change = container_of(access, struct change, access);
	struct user_event_mm *umm = access->umm;
	struct user_event_set *set = umm->set;
	struct user_event_place place;
	bool gone = false;
	int ret = 0;

	if (set && user_event_set_place(set, change->addr, change->bit,
					&place)) {
		gone = enabler_is_gone(user_event_set_find(set, change->addr,
							   change->bit)) ||
			user_event_mm_is_gone(umm, change->addr);
		if (!gone)
			return -EADDRINUSE;
	}

	/* It may take the place of one whose memory was unmapped */
	change->more = !gone;
	/* A registration that fails leaves no copy, and no charge of another user */
	if (set && (!has_own_set(umm) || !user_event_set_counts_for_caller(set)))
		ret = user_event_bit_check(umm, change->addr);
	if (!ret && !has_own_set(umm))
		ret = own_set(change);
	if (!ret && !RB_EMPTY_ROOT(&umm->gone))
		ret = clean_some(umm);
	if (ret)
		return ret;

	ret = user_event_set_charge(umm->set, change->more);
	if (ret)
		goto err_set;
	ret = user_event_bit_write(umm, change->enabler, 0);
	if (ret)
		goto err_charge;
	if (gone)
		user_event_set_make_way(user_event_set_find(umm->set,
							    change->addr,
							    change->bit));
	if (gone || umm->set != set)
		user_event_set_place(umm->set, change->addr, change->bit,
				     &place);
	user_event_set_add(umm->set, change->enabler, &place);
	umm->gap = (struct user_event_gap){};
	change->enabler = NULL;
	return 0;

err_charge:
	if (!gone)
		user_event_set_uncharge(umm->set);
err_set:
	if (!umm->set->nr)
		drop_set(umm);
	return ret;
}

/**
 * user_event_register() - register an enable bit of the caller
 * @umm: the caller's address space
 * @event: the event, held
 * @addr: address of the enable word, a multiple of @size
 * @size: bytes of the enable word, 4 or 8
 * @bit: number of the bit in it
 *
 * The bit is up to date when this returns.
 *
 * Context: takes event_mutex. May sleep, and fault pages in.
 * Return: 0, and the event has one more holder, or
 * * -EADDRINUSE	- the address space has registered the address and bit
 * * -EFAULT	- the enable word cannot be written
 * * -EINTR	- the caller is being killed
 * * -EMFILE	- the caller has as many enable bits as it may
 * * -ENOMEM	- no memory
 */
int user_event_register(struct user_event_mm *umm, struct user_event *event,
			unsigned long addr, unsigned int size, unsigned int bit)
{
	struct change change = {
		.access = {
			.umm = umm,
			.visit = visit_register,
			.addr = addr,
			.flags = USER_EVENT_ACCESS_WAIT,
		},
		.addr = addr,
		.bit = bit,
	};
	int ret = 0;

	change.enabler = user_event_set_enabler(event, addr, size, bit);
	if (!change.enabler)
		return -ENOMEM;

	/* Most first registrations then need one access */
	if (!READ_ONCE(umm->set))
		ret = change_prepare(&change);
	if (!ret)
		ret = change_make(&change);
	if (change.enabler)
		user_event_set_enabler_free(change.enabler);
	return ret;
}

static int visit_unregister(struct user_event_access *access)
{
	struct change *change = container_of(access, struct change, access);
	struct user_event_mm *umm = access->umm;
	struct user_event_set *set = umm->set;
	struct user_event_enabler *enabler;
	struct vm_area_struct *vma;
	bool shared = false, leave;
	int ret;

	enabler = set ? user_event_set_find(set, change->addr, change->bit) :
			NULL;
	if (!enabler)
		return -ENOENT;

	/* What would be an empty copy takes none */
	leave = !has_own_set(umm) && set->nr == 1;
	ret = has_own_set(umm) || leave ? 0 : own_set(change);
	if (!ret && !leave && !RB_EMPTY_ROOT(&umm->gone))
		ret = clean_some(umm);
	if (ret)
		return ret;
	if (umm->set != set)
		enabler = user_event_set_find(umm->set, change->addr,
					      change->bit);

	if (!enabler_is_gone(enabler)) {
		ret = user_event_bit_clear(umm, enabler, &shared);
		/* A lock that is busy will be free */
		if (ret && !(change->force && ret == -EFAULT))
			return ret;
	}
	vma = !ret && shared ? vma_lookup(umm->mm, change->addr) : NULL;
	/* Anonymous shared memory has a file, too */
	if (vma && vma->vm_file) {
		change->shared = get_file(vma->vm_file);
		change->pgoff = vma->vm_pgoff +
			((change->addr - vma->vm_start) >> PAGE_SHIFT);
	}
	if (!leave)
		user_event_set_remove(enabler);
	if (leave || !umm->set->nr)
		drop_set(umm);
	return 0;
}

/**
 * user_event_unregister() - stop updating an enable bit of the caller
 * @addr: address of the enable word
 * @bit: number of the bit in it
 *
 * The bit is clear when this returns, unless there is nothing at @addr that
 * could be written, or what was there has been unmapped.
 *
 * Context: takes event_mutex. May sleep, and fault pages in.
 * Return: 0, or
 * * -ENOENT	- the address space has not registered the address and bit
 * * -EINTR	- the caller is being killed
 * * -EMFILE	- a copy of the set that the address space shares would exceed
 *		  the limit of enable bits
 * * -ENOMEM	- no memory to copy what other address spaces share
 */
int user_event_unregister(unsigned long addr, unsigned int bit)
{
	struct change change = {
		.access = {
			.umm = READ_ONCE(current->mm->user_event_mm),
			.visit = visit_unregister,
			.addr = addr,
			.flags = USER_EVENT_ACCESS_WAIT,
		},
		.addr = addr,
		.bit = bit,
	};
	int ret;

	if (!change.access.umm)
		return -ENOENT;

	ret = change_make(&change);
	if (ret == -EFAULT) {
		/* No page to write: unregister without clearing the bit */
		change.force = true;
		ret = change_make(&change);
	}

	/* Others may have registered the bit that has just been cleared */
	if (change.shared) {
		user_event_switch_sharers(change.access.umm, addr, bit,
					  change.shared->f_mapping, change.pgoff);
		fput(change.shared);
	}
	return ret;
}
