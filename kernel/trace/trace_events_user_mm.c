// SPDX-License-Identifier: GPL-2.0
/*
 * User events: the address spaces that have enable bits.
 *
 * They are known from the first registration until the last task has left: fork
 * makes another one, exec and exit end one. Who is to write into one says so
 * first, and either takes only locks that are free, as tracers do, or waits for
 * them in an order that cannot deadlock.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
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
 * Whether the address space, which the caller has left, has another task. Its
 * mm_users do not tell: a repair is among them, and everybody who looks into
 * /proc/PID. Two tasks that leave at once find one another, or the later one of
 * them finds nobody, by user_event_mm.access.
 */
static bool umm_has_task(struct user_event_mm *umm)
{
	struct mm_struct *mm = umm->mm, *used;
	struct task_struct *process, *task;
	bool found;

	lockdep_assert_held(&umm->access);

	/* Another thread comes here after this one */
	if ((current->flags & PF_EXITING) && atomic_read(&current->signal->live))
		return true;

	rcu_read_lock();
	/* Most of those who share memory and are not threads: vfork() */
	found = READ_ONCE(rcu_dereference(current->real_parent)->mm) == mm;
	if (found)
		goto unlock;

	for_each_process(process) {
		if (process->flags & PF_KTHREAD)
			continue;
		for_each_thread(process, task) {
			/*
			 * If it has left, whom it has forked must be seen: pairs
			 * with the locks that fork lets go of before.
			 */
			used = smp_load_acquire(&task->mm);
			found = used == mm;
			if (found)
				goto unlock;
			/* It is the same for all threads that have one */
			if (used)
				break;
		}
	}
unlock:
	rcu_read_unlock();
	return found;
}

/*
 * The end of @umm, if no task uses the address space any more: no write follows
 * when this returns, and the events are given up.
 */
static void umm_kill_if_unused(struct user_event_mm *umm)
{
	bool kill;

	/* Waits for a write in progress, which itself waits for nothing */
	mutex_lock(&umm->access);
	kill = !umm->dead &&
		(!atomic_read(&umm->mm->mm_users) || !umm_has_task(umm));
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

/**
 * user_event_mm_of_current() - what is known of the caller's address space
 *
 * Made on first use; there for as long as the caller is in the address space.
 *
 * Context: takes event_mutex. May sleep.
 * Return: the address space, or -ENOMEM.
 */
struct user_event_mm *user_event_mm_of_current(void)
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
