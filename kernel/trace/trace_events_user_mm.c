// SPDX-License-Identifier: GPL-2.0
/*
 * User events: enable bits in address spaces.
 *
 * Programs register addresses where the kernel keeps a bit that says whether
 * somebody listens to an event. The kernel writes it when that changes, in
 * whatever context it changes: a tracer that must not wait for the program. So
 * a write is only tried: the mmap_lock must be free, and the page present and
 * writable as it is. A write that fails is left to a worker, one for each address
 * space, which may wait for all of that.
 */
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "trace_events_user.h"

static struct kmem_cache *mm_cache;

static struct user_event_mm *umm_alloc(struct mm_struct *mm)
{
	struct user_event_mm *umm = kmem_cache_zalloc(mm_cache,
						      GFP_KERNEL_ACCOUNT);

	if (!umm)
		return NULL;

	mmgrab(mm);
	umm->mm = mm;
	mutex_init(&umm->access);
	refcount_set(&umm->ref, 1);
	INIT_WORK(&umm->repair, user_event_mm_repair);
	return umm;
}

static void umm_free(struct rcu_head *rcu)
{
	kmem_cache_free(mm_cache, container_of(rcu, struct user_event_mm, rcu));
}

/**
 * user_event_mm_put() - let go of what is known of an address space
 * @umm: the address space, referenced
 *
 * Context: process context, event_mutex may be held.
 */
void user_event_mm_put(struct user_event_mm *umm)
{
	if (!refcount_dec_and_test(&umm->ref))
		return;

	mmdrop(umm->mm);
	/* A walker of the set may be looking at it */
	call_rcu(&umm->rcu, umm_free);
}

/*
 * The end of @umm if no task uses the address space any more, only its repair:
 * no write follows when this returns, and the events are given up. Called
 * whenever a task has left.
 */
static void umm_kill_if_unused(struct user_event_mm *umm)
{
	bool kill;

	/* Waits for a write in progress, which itself waits for nothing */
	mutex_lock(&umm->access);
	kill = !umm->dead &&
		atomic_read(&umm->mm->mm_users) <= umm->repairing;
	if (kill)
		umm->dead = true;
	mutex_unlock(&umm->access);

	/* There is no task that could register anything now */
	if (kill && umm->set)
		user_event_set_leave(umm->set, umm);
}

/**
 * user_event_mm_begin() - allow for writes without waiting for the process
 * @umm: the address space
 *
 * Context: event_mutex held. May sleep.
 * Return: 0, with the mmap_lock and user_event_mm.access held as well, or
 * * -EAGAIN	- the mmap_lock is not free
 * * -ESRCH	- the address space is about to go
 */
int user_event_mm_begin(struct user_event_mm *umm)
{
	int ret = -ESRCH;

	lockdep_assert_held(&event_mutex);

	mutex_lock(&umm->access);
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

/* What is at a mapped value: its bit is on */
static bool value_test(const void *value, unsigned int size, unsigned int bit)
{
	if (size == 8)
		return READ_ONCE(*(const u64 *)value) >> bit & 1;
	return READ_ONCE(*(const u32 *)value) >> bit & 1;
}

/*
 * Set or clear one bit, atomically against user space, and touch no byte
 * outside of the value. The operand has the value's own size, so that a bit has
 * its number on either byte order.
 */
static void value_change(void *value, unsigned int size, unsigned int bit,
			 bool on)
{
	if (size == 4) {
		if (on)
			atomic_or(1U << bit, (atomic_t *)value);
		else
			atomic_andnot(1U << bit, (atomic_t *)value);
	} else {
#ifdef CONFIG_64BIT
		if (on)
			atomic64_or(1ULL << bit, (atomic64_t *)value);
		else
			atomic64_andnot(1ULL << bit, (atomic64_t *)value);
#endif
	}
}

/**
 * user_event_mm_write() - set or clear a bit
 * @umm: the address space
 * @enabler: which bit
 * @on: whether it is to be set
 * @lazy: leave a bit alone that is right already, even if it could not be
 *	written, as on a page that the process shares since a fork
 *
 * Nothing is waited for, the page least of all.
 *
 * Context: between user_event_mm_begin() or user_event_mm_lock() and its
 * counterpart.
 * Return: 0, or
 * * -EAGAIN	- somebody has the page locked
 * * -EFAULT	- the page is missing, or not writable as it is
 */
int user_event_mm_write(struct user_event_mm *umm,
			const struct user_event_enabler *enabler, bool on,
			bool lazy)
{
	unsigned int size = enabler_size(enabler), bit = enabler_bit(enabler);
	unsigned long addr = enabler_addr(enabler);
	struct user_events_page at;
	bool is_on = false;
	void *value = NULL;
	int ret;

	ret = user_events_page_lock(umm->mm, addr, &at);
	if (ret)
		return ret;

	if (at.page) {
		value = kmap_local_page(at.page) + offset_in_page(addr);
		is_on = value_test(value, size, bit);
	}
	if (at.writable) {
		if (is_on != on) {
			value_change(value, size, bit, on);
			flush_dcache_page(at.page);
			/*
			 * The entry of the page table, which a write by the
			 * process would mark, is locked: nothing can begin to
			 * write the page back between the change and this.
			 */
			folio_mark_dirty(page_folio(at.page));
		}
	} else if (!lazy || is_on != on) {
		ret = -EFAULT;
	}
	if (value)
		kunmap_local(value);
	user_events_page_unlock(&at);
	return ret;
}

/* What is at the address of @enabler, between user_event_mm_begin() and _end() */
static enum user_event_bit_state look_at(struct user_event_mm *umm,
					 const struct user_event_enabler *enabler)
{
	unsigned int size = enabler_size(enabler), bit = enabler_bit(enabler);
	unsigned long addr = enabler_addr(enabler);
	struct user_events_page at;
	struct vm_area_struct *vma;
	bool on = false;
	void *value;

	vma = vma_lookup(umm->mm, addr);
	if (!vma)
		return USER_EVENT_BIT_UNMAPPED;
	if (!(vma->vm_flags & VM_WRITE))
		return USER_EVENT_BIT_READ_ONLY;

	if (user_events_page_lock(umm->mm, addr, &at)) {
		if (vma->vm_file &&
		    linear_page_index(vma, addr) * PAGE_SIZE >=
		    i_size_read(file_inode(vma->vm_file)))
			return USER_EVENT_BIT_PAST_EOF;
		return USER_EVENT_BIT_ABSENT;
	}

	/* The page of zeroes has no bit set */
	if (at.page) {
		value = kmap_local_page(at.page) + offset_in_page(addr);
		on = value_test(value, size, bit);
		kunmap_local(value);
	}
	user_events_page_unlock(&at);
	return on == !!enabler_event(enabler)->consumers ?
		USER_EVENT_BIT_OK : USER_EVENT_BIT_WRONG;
}

/**
 * user_event_mm_bit_state() - tell what is the matter with a bit
 * @umm: the address space
 * @enabler: which bit
 *
 * Looks at the memory, so that it costs nothing to know. Nothing is waited for,
 * and nothing brought in.
 *
 * Context: event_mutex held. May sleep.
 * Return: enum user_event_bit_state, or
 * * -ESRCH	- the address space is about to go
 */
int user_event_mm_bit_state(struct user_event_mm *umm,
			    const struct user_event_enabler *enabler)
{
	enum user_event_bit_state state = USER_EVENT_BIT_LOCKED;
	int ret = user_event_mm_begin(umm);

	if (ret == -ESRCH)
		return ret;
	if (!ret) {
		state = look_at(umm, enabler);
		user_event_mm_end(umm);
	}
	/* Nothing has been given up as long as it goes on */
	if (state != USER_EVENT_BIT_OK && READ_ONCE(umm->stale))
		state = USER_EVENT_BIT_REPAIR;
	return state;
}

static int mmap_lock_first(struct user_event_mm *umm, unsigned long addr,
			   bool fault)
{
	struct mm_struct *mm = umm->mm;
	bool unlocked = false;
	int ret = 0;

	mmap_read_lock(mm);
	if (fault)
		ret = fixup_user_fault(mm, addr, FAULT_FLAG_WRITE |
				       FAULT_FLAG_REMOTE, &unlocked);
	if (!ret && !mutex_trylock(&event_mutex))
		ret = -EAGAIN;
	if (ret) {
		mmap_read_unlock(mm);
		return ret;
	}

	mutex_lock(&umm->access);
	if (!umm->dead)
		return 0;

	user_event_mm_end(umm);
	mutex_unlock(&event_mutex);
	return -ESRCH;
}

/**
 * user_event_mm_lock() - allow for writes, wait if need be
 * @umm: the address space
 * @try: how often this has been called in vain
 * @addr: a value in the address space
 * @fault: bring in the page at @addr on those tries that can
 *
 * No lock may be waited for while the other one is held, so tries take turns:
 * even ones wait for event_mutex, odd ones for the mmap_lock, and for the page.
 *
 * Context: the mm_users of the address space are kept. May sleep.
 * Return: 0, with event_mutex, user_event_mm.access and the mmap_lock held, or
 * * -EAGAIN	- the other lock was busy, try again
 * * -ESRCH	- the address space is about to go
 * * others	- why there will be no page, see fixup_user_fault()
 */
int user_event_mm_lock(struct user_event_mm *umm, unsigned int try,
		       unsigned long addr, bool fault)
{
	int ret;

	if (try & 1)
		return mmap_lock_first(umm, addr, fault);

	mutex_lock(&event_mutex);
	ret = user_event_mm_begin(umm);
	if (ret)
		mutex_unlock(&event_mutex);
	return ret;
}

/**
 * user_event_mm_unlock() - let go of what user_event_mm_lock() took
 * @umm: the address space
 */
void user_event_mm_unlock(struct user_event_mm *umm)
{
	user_event_mm_end(umm);
	mutex_unlock(&event_mutex);
}

/**
 * user_event_mm_back_off() - sleep before another user_event_mm_lock()
 * @try: how often that was done in vain
 *
 * The first tries come at once, later ones after 1 ms to half a second, so that
 * a process that keeps its locks busy costs little.
 *
 * Context: may sleep.
 */
void user_event_mm_back_off(unsigned int try)
{
	if (try > 5)
		msleep(1 << min(try - 6, 9U));
}

/* The address space of the caller; made on first use */
static struct user_event_mm *current_umm(void)
{
	struct mm_struct *mm = current->mm;
	struct user_event_mm *umm;

	/* Pairs with the release of another thread below */
	umm = smp_load_acquire(&mm->user_event_mm);
	if (umm)
		return umm;

	umm = umm_alloc(mm);
	if (!umm)
		return ERR_PTR(-ENOMEM);

	mutex_lock(&event_mutex);
	if (mm->user_event_mm) {
		user_event_mm_put(umm);
		umm = mm->user_event_mm;
	} else {
		/* All of it, to the other threads */
		smp_store_release(&mm->user_event_mm, umm);
	}
	mutex_unlock(&event_mutex);
	return umm;
}

/* With all locks held: have a set that may be changed */
static int umm_own_set(struct user_event_mm *umm)
{
	struct user_event_set *set = umm->set;

	/* fork, which alone could share it now, waits for the mmap_lock */
	if (set && refcount_read(&set->users) == 1)
		return 0;

	set = set ? user_event_set_copy(set) : user_event_set_alloc();
	if (!set)
		return -ENOMEM;

	if (umm->set)
		user_event_set_leave(umm->set, umm);
	umm->set = set;
	user_event_set_join(set, umm);
	return 0;
}

/* With all locks held */
static int try_register(struct user_event_mm *umm, struct user_event *event,
			struct user_event_enabler *enabler)
{
	unsigned long addr = enabler_addr(enabler);
	unsigned int bit = enabler_bit(enabler);
	struct user_event_set *set = umm->set;
	struct user_event_place place;
	bool first = !set;
	int ret;

	if (set && user_event_set_place(set, addr, bit, &place))
		return -EADDRINUSE;

	ret = umm_own_set(umm);
	if (ret)
		return ret;
	if (umm->set != set)
		user_event_set_place(umm->set, addr, bit, &place);

	ret = user_event_mm_write(umm, enabler, event->consumers, false);
	if (!ret) {
		user_event_set_add(umm->set, enabler, &place);
	} else if (first) {
		user_event_set_leave(umm->set, umm);
		umm->set = NULL;
	}
	return ret;
}

/**
 * user_event_mm_register() - have a bit of the caller say who listens
 * @event: the event, held
 * @addr: address of the value, a multiple of @size
 * @size: bytes of the value, 4 or 8
 * @bit: number of the bit in it
 *
 * The bit is up to date when this returns.
 *
 * Context: takes event_mutex. May sleep, and fault pages in.
 * Return: 0, and the event has one more holder, or
 * * -EADDRINUSE	- the address space has registered the address and bit
 * * -EFAULT	- the value cannot be written
 * * -EINTR	- the caller is being killed
 * * -ENOMEM	- no memory
 */
int user_event_mm_register(struct user_event *event, unsigned long addr,
			   unsigned int size, unsigned int bit)
{
	struct user_event_mm *umm = current_umm();
	struct user_event_enabler *enabler;
	unsigned int try = 0, missing = 0;
	int ret;

	if (IS_ERR(umm))
		return PTR_ERR(umm);

	enabler = user_event_enabler_alloc(event, addr, size, bit);
	if (!enabler)
		return -ENOMEM;

	do {
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		user_event_mm_back_off(try);
		ret = user_event_mm_lock(umm, try, addr, true);
		if (!ret) {
			ret = try_register(umm, event, enabler);
			user_event_mm_unlock(umm);
			/* Missing, or a mapping that is never to be written */
			if (ret == -EFAULT && missing++ < USER_EVENT_MM_TRIES)
				ret = -EAGAIN;
		} else if (ret != -EAGAIN && ret != -ENOMEM) {
			ret = -EFAULT;
		}
		try++;
	} while (ret == -EAGAIN);

	if (ret)
		user_event_enabler_free(enabler);
	return ret;
}

/* With all locks held; with @force even if the bit stays as it is */
static int try_unregister(struct user_event_mm *umm, unsigned long addr,
			  unsigned int bit, bool force)
{
	struct user_event_enabler *enabler;
	int ret;

	if (!umm->set || !user_event_set_find(umm->set, addr, bit))
		return -ENOENT;

	ret = umm_own_set(umm);
	if (ret)
		return ret;

	enabler = user_event_set_find(umm->set, addr, bit);
	ret = user_event_mm_write(umm, enabler, false, true);
	if (ret && !force)
		return ret;

	user_event_set_remove(enabler);
	if (!umm->set->nr) {
		user_event_set_leave(umm->set, umm);
		umm->set = NULL;
	}
	return 0;
}

/**
 * user_event_mm_unregister() - stop updating a bit of the caller
 * @addr: address of the value
 * @bit: number of the bit in it
 *
 * The bit is clear when this returns, unless there is nothing at @addr that
 * could be written.
 *
 * Context: takes event_mutex. May sleep, and fault pages in.
 * Return: 0, or
 * * -ENOENT	- the address space has not registered the address and bit
 * * -EINTR	- the caller is being killed
 * * -ENOMEM	- no memory to part from what other address spaces share
 */
int user_event_mm_unregister(unsigned long addr, unsigned int bit)
{
	struct user_event_mm *umm = READ_ONCE(current->mm->user_event_mm);
	unsigned int try = 0, missing = 0;
	bool force = false;
	int ret;

	if (!umm)
		return -ENOENT;

	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		user_event_mm_back_off(try);
		ret = user_event_mm_lock(umm, try, addr, !force);
		if (!ret) {
			ret = try_unregister(umm, addr, bit, force);
			user_event_mm_unlock(umm);
			if (ret != -EFAULT)
				continue;
			force = missing++ >= USER_EVENT_MM_TRIES;
			ret = -EAGAIN;
		} else if (ret != -EAGAIN && ret != -ENOMEM) {
			/* There is no page that could have a bit */
			force = true;
			ret = -EAGAIN;
		}
	} while (try++, ret == -EAGAIN);

	return ret;
}

/**
 * __user_events_dup_mmap() - user_events_dup_mmap() of a parent that has bits
 * @mm: address space of the child, its copy complete
 * @oldmm: address space of the parent
 *
 * Since the parent's mmap_lock was taken nothing could be registered or
 * unregistered there, nor a bit written, so the child gets what belongs to the
 * memory it has. Its bits are wrong only if the parent's were, or if a switch
 * goes on that may have missed it.
 *
 * Context: both mmap locks held for writing. May sleep.
 * Return: 0, or -ENOMEM.
 */
int __user_events_dup_mmap(struct mm_struct *mm, struct mm_struct *oldmm)
{
	struct user_event_mm *parent = READ_ONCE(oldmm->user_event_mm);
	struct user_event_set *set = parent->set;
	struct user_event_mm *umm;

	if (!set)
		return 0;

	umm = umm_alloc(mm);
	if (!umm)
		return -ENOMEM;

	refcount_inc(&set->users);
	umm->set = set;
	mm->user_event_mm = umm;
	user_event_set_join(set, umm);

	if (user_event_mm_is_stale(parent))
		user_event_mm_queue_repair(umm);
	return 0;
}

/**
 * __user_events_mmput() - user_events_mmput() of an address space that has bits
 * @mm: the address space
 *
 * Context: task context, no locks held. May sleep.
 */
void __user_events_mmput(struct mm_struct *mm)
{
	struct user_event_mm *umm = READ_ONCE(mm->user_event_mm);

	refcount_inc(&umm->ref);
	mmput(mm);
	umm_kill_if_unused(umm);
	user_event_mm_put(umm);
}

/**
 * __user_events_release() - user_events_release() of an address space that has
 * bits
 * @mm: the address space
 *
 * Context: before exit_mmap(). May sleep.
 */
void __user_events_release(struct mm_struct *mm)
{
	umm_kill_if_unused(mm->user_event_mm);
	user_event_mm_put(mm->user_event_mm);
}

/**
 * user_event_mm_init() - prepare to track address spaces
 *
 * Return: 0, or -ENOMEM.
 */
int __init user_event_mm_init(void)
{
	mm_cache = KMEM_CACHE(user_event_mm, 0);
	return mm_cache ? 0 : -ENOMEM;
}
