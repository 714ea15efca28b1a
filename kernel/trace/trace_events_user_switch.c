// SPDX-License-Identifier: GPL-2.0
/*
 * User events: switching the bits of an event.
 *
 * A switch writes the bits of an event when its first listener comes or its last
 * one goes, in the context of that listener, which must not wait for any of the
 * programs. What cannot be written at once is left to a repair.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "trace_events_user.h"

/*
 * Writes of one switch into sets that are shared since a fork. These copies count
 * against no user's limit: once there were so many, the sets that come next are left
 * to repairs.
 */
#define SHARED_MAX	16384

/* A switch is under way: set by holders of event_mutex, read by fork */
static bool switching;

/* Have the bits of @umm repaired that were switched by number @switched */
static void leave_to_repair(struct user_event_mm *umm, u64 switched)
{
	/* Every switch before this one was complete, as far as is known */
	if (xchg(&umm->stale, USER_EVENT_MM_STALE) == USER_EVENT_MM_RIGHT)
		umm->right = switched - 1;
	umm->failed = switched;
	user_event_repair_queue(umm);
}

/* Returns 0 if the bit is right now; what failed is left to a repair */
static int switch_one(struct user_event_mm *umm,
		      struct user_event_enabler *enabler)
{
	int ret = user_event_mm_begin(umm);

	if (!ret) {
		ret = user_event_bit_write(umm, enabler, USER_EVENT_BIT_LAZY);
		user_event_mm_end(umm);
	}
	if (ret && ret != -ESRCH)
		leave_to_repair(umm, enabler_event(enabler)->switched);
	return ret;
}

/**
 * user_event_switch() - switch the bits of an event
 * @event: the event, user_event.listeners up to date
 *
 * Costs in proportion to the enablers of @event and to the processes that have
 * them. Does not wait for any of these.
 *
 * Context: event_mutex held. May sleep.
 */
void user_event_switch(struct user_event *event)
{
	struct user_event_mm *umm, *list = NULL;
	struct user_event_enabler *enabler;
	struct user_event_set *set;
	unsigned int nr_shared = 0;
	bool shared;

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
		set = enabler->set;
		if (set->left == event->switched)
			continue;
		shared = refcount_read(&set->users) > 1;
		if (shared && nr_shared >= SHARED_MAX)
			set->left = event->switched;

		rcu_read_lock();
		hlist_for_each_entry_rcu(umm, &set->mms, in_set) {
			if (!refcount_inc_not_zero(&umm->ref))
				continue;
			umm->next = list;
			list = umm;
		}
		rcu_read_unlock();

		while (list) {
			umm = list;
			list = umm->next;
			if (set->left == event->switched)
				leave_to_repair(umm, event->switched);
			/* After one failure the repair does it */
			else if (!shared || umm->failed != event->switched)
				switch_one(umm, enabler);
			user_event_mm_put(umm);
			nr_shared += shared;
		}
		cond_resched();
	}

	/* After all marks of failures; pairs with the acquire below */
	smp_store_release(&switching, false);
}

/* The object of an address space, referenced, or NULL */
static struct user_event_mm *get_umm(struct mm_struct *mm)
{
	struct user_event_mm *umm;

	/* The address space can be about to go, and with it the object */
	rcu_read_lock();
	umm = READ_ONCE(mm->user_event_mm);
	if (umm && !refcount_inc_not_zero(&umm->ref))
		umm = NULL;
	rcu_read_unlock();
	return umm;
}

/* Mappings of a page that are looked up in one go, and how often that is done */
#define SHARERS_PIECE	32
#define SHARERS_ROUNDS	64

/* How often they are looked up from the first one on, as one of them has gone */
#define SHARERS_SWEEPS	8

/* Mappings that are looked at before other tasks may run */
#define SHARERS_BREAK	1024

/**
 * struct sharer - where an address space has a shared page mapped
 * @mm: the address space; to compare alone, it may be gone
 * @umm: its object, referenced; NULL if it has none any more
 * @addr: of the enable word there
 */
struct sharer {
	struct mm_struct	*mm;
	struct user_event_mm	*umm;
	unsigned long		addr;
};

/* An order that stays when others map the page, or unmap it */
static bool sharer_before(const struct sharer *a, const struct sharer *b)
{
	return a->mm != b->mm ? a->mm < b->mm : a->addr < b->addr;
}

/*
 * Find the first shared mappings after @last, in tracked address spaces, of the
 * page at @pgoff; returns how many. They are in the order of sharer_before().
 */
static unsigned int find_sharers(struct address_space *mapping, pgoff_t pgoff,
				 unsigned int offset, const struct sharer *last,
				 struct sharer *sharers)
{
	unsigned int nr = 0, seen = 0, i;
	struct vm_area_struct *vma;
	struct sharer one;

	i_mmap_lock_read(mapping);
	vma_interval_tree_foreach(vma, &mapping->i_mmap, pgoff, pgoff) {
		if (!(++seen % SHARERS_BREAK))
			cond_resched();
		if (!(vma->vm_flags & VM_SHARED) ||
		    !READ_ONCE(vma->vm_mm->user_event_mm))
			continue;
		one.mm = vma->vm_mm;
		one.addr = vma->vm_start + offset +
			((pgoff - vma->vm_pgoff) << PAGE_SHIFT);
		if (!sharer_before(last, &one))
			continue;
		if (nr < SHARERS_PIECE)
			nr++;
		else if (!sharer_before(&one, &sharers[nr - 1]))
			continue;
		for (i = nr - 1; i && sharer_before(&one, &sharers[i - 1]); i--)
			sharers[i] = sharers[i - 1];
		sharers[i] = one;
	}
	/* None of them can go before this unlock */
	for (i = 0; i < nr; i++)
		sharers[i].umm = get_umm(sharers[i].mm);
	i_mmap_unlock_read(mapping);
	return nr;
}

/**
 * struct restoring - a bit that was cleared in shared memory is set again
 * @access: to the word, through a mapping of the caller
 * @mapping: the memory
 * @pgoff: number of the page in @mapping
 * @bit: number of the bit
 * @nr: number of @sharers
 * @sharers: where else the page is mapped
 * @lost: one of them has the bit no more: a fork of it may have
 *
 * Belongs to the task that has cleared the bit.
 */
struct restoring {
	struct user_event_access	access;
	struct address_space		*mapping;
	pgoff_t				pgoff;
	unsigned int			bit;
	unsigned int			nr;
	struct sharer			sharers[SHARERS_PIECE];
	bool				lost;
};

/*
 * Was the word of @sharer unmapped since it was registered? If that cannot be told
 * now, the repair of the sharer finds out, and the search goes on.
 */
static bool is_gone_there(const struct sharer *sharer,
			  struct user_event_enabler *enabler)
{
	struct user_event_mm *umm = sharer->umm;
	bool gone;

	if (!mmap_read_trylock(umm->mm)) {
		enabler_event(enabler)->switched = user_event_repair_count_switch();
		leave_to_repair(umm, enabler_event(enabler)->switched);
		return true;
	}
	gone = user_event_mm_is_gone(umm, sharer->addr);
	mmap_read_unlock(umm->mm);
	return gone;
}

/* The enabler of @sharer at @bit, with event_mutex held; NULL if it has none */
static struct user_event_enabler *enabler_of(struct restoring *restoring,
					     const struct sharer *sharer)
{
	struct user_event_enabler *enabler;

	/* If it is not dead, event_mutex keeps the set, even if it goes now */
	if (!sharer->umm || READ_ONCE(sharer->umm->dead)) {
		restoring->lost = true;
		return NULL;
	}
	enabler = sharer->umm->set ?
		user_event_set_find(sharer->umm->set, sharer->addr,
				    restoring->bit) : NULL;
	/* One that is gone in all has left its event, which may be freed */
	if (enabler && (enabler_is_gone(enabler) || is_gone_there(sharer, enabler))) {
		restoring->lost = true;
		return NULL;
	}
	return enabler;
}

/* That of the first sharer that has one, with event_mutex held */
static struct user_event_enabler *find_enabler(struct restoring *restoring)
{
	struct user_event_enabler *enabler = NULL;
	unsigned int i;

	for (i = 0; i < restoring->nr && !enabler; i++)
		enabler = enabler_of(restoring, &restoring->sharers[i]);
	return enabler;
}

/* Whether the caller has the word mapped as before, with all locks held */
static bool is_mapped(const struct user_event_access *access)
{
	const struct restoring *restoring = container_of(access, struct restoring,
							 access);
	struct user_event_mm *umm = access->umm;
	unsigned long addr = access->addr;
	struct vm_area_struct *vma = vma_lookup(umm->mm, addr);

	return vma && vma->vm_flags & VM_SHARED && vma->vm_file &&
		vma->vm_file->f_mapping == restoring->mapping &&
		vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT) ==
		restoring->pgoff &&
		!user_event_mm_is_gone(umm, addr);
}

/* Returns 1 when the bit is what the first of the sharers that has it wants */
static int visit_restore(struct user_event_access *access)
{
	struct restoring *restoring = container_of(access, struct restoring, access);
	struct user_event_enabler *theirs, ours;
	int ret;

	theirs = find_enabler(restoring);
	if (!theirs)
		return 0;

	ours = (struct user_event_enabler) {
		.event_bit = theirs->event_bit,
		.addr_size = access->addr | (enabler_size(theirs) == 8),
	};
	/* Another thread may have unmapped it: what is there now is not to be written */
	ret = is_mapped(access) ?
		user_event_bit_write(access->umm, &ours, USER_EVENT_BIT_LAZY) :
		-ENOENT;
	return ret ?: 1;
}

/*
 * The caller cannot write the word any more, or is being killed: have it written through
 * the mapping of a sharer. Returns 1 only if that is done: a sharer that is left to a
 * repair may end before it, so the search goes on.
 */
static int leave_to_sharer(struct restoring *restoring)
{
	struct user_event_enabler *enabler;
	struct sharer *sharer;
	bool done = false;
	unsigned int i;

	user_event_owner_lock(restoring->access.umm->owner);
	for (i = 0; i < restoring->nr && !done; i++) {
		sharer = &restoring->sharers[i];
		enabler = enabler_of(restoring, sharer);
		if (!enabler)
			continue;
		enabler_event(enabler)->switched = user_event_repair_count_switch();
		done = !switch_one(sharer->umm, enabler) &&
			!is_gone_there(sharer, enabler);
		if (!done)
			restoring->lost = true;
	}
	mutex_unlock(&event_mutex);
	return done;
}

/**
 * user_event_switch_sharers() - set a bit in shared memory again, where the caller
 * has cleared one that others have registered
 * @umm: the caller's address space
 * @addr: address of the enable word there
 * @bit: the bit that was cleared
 * @mapping: the memory
 * @pgoff: number of the page in it
 *
 * It is one word for all of them, so the caller writes it, for the first one that is
 * found. The mappings are looked up a few at a time: unmapping takes the lock of the
 * mappings inside an mmap_lock, so no write into an address space may begin under
 * that lock. A program that maps the page very often, or comes and goes all
 * the time, can make the search end early: no worse than writing the word itself.
 *
 * Context: no locks held, takes event_mutex. May sleep.
 */
void user_event_switch_sharers(struct user_event_mm *umm, unsigned long addr,
			       unsigned int bit, struct address_space *mapping,
			       pgoff_t pgoff)
{
	struct restoring restoring = {
		.access = {
			.umm = umm,
			.visit = visit_restore,
			.addr = addr,
			.flags = USER_EVENT_ACCESS_WAIT,
		},
		.mapping = mapping,
		.pgoff = pgoff,
		.bit = bit,
	};
	unsigned int round, sweep = 1, i;
	struct sharer last = {};
	bool more = true;
	int ret = 0;

	for (round = 0; more && !ret && round < SHARERS_ROUNDS; round++) {
		restoring.nr = find_sharers(mapping, pgoff, offset_in_page(addr),
					    &last, restoring.sharers);
		more = restoring.nr == SHARERS_PIECE;
		if (restoring.nr) {
			last = restoring.sharers[restoring.nr - 1];
			restoring.access.try = 0;
			restoring.access.missing = 0;
			ret = user_event_access(&restoring.access);
		}
		if (ret < 0)
			ret = leave_to_sharer(&restoring);
		for (i = 0; i < restoring.nr; i++) {
			if (restoring.sharers[i].umm)
				user_event_mm_put(restoring.sharers[i].umm);
		}
		/*
		 * A sharer that has ended, looked at or not, may have forked before;
		 * its child's mapping is in the tree by now: search again
		 */
		if (more && sweep == 1)
			restoring.lost = true;
		if (!more && restoring.lost && sweep++ < SHARERS_SWEEPS) {
			restoring.lost = false;
			last = (struct sharer){};
			more = true;
		}
		cond_resched();
	}
}

/**
 * user_event_switch_may_have_missed() - check if a forked copy may have wrong bits
 * @parent: the address space it is a copy of; the copy has joined its set
 *
 * Context: the mmap_lock of @parent held for writing since before the copy was
 * begun.
 * Return: whether the bits of @parent may be wrong, or a switch is under way that
 * may not have found the copy.
 */
bool user_event_switch_may_have_missed(struct user_event_mm *parent)
{
	/* Order joining the set before reading @switching; pairs with the switch */
	smp_mb();
	/* A switch that has ended has left its marks; pairs with its end */
	return smp_load_acquire(&switching) || READ_ONCE(parent->stale);
}
