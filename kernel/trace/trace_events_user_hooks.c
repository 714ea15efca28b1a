// SPDX-License-Identifier: GPL-2.0
/*
 * User events: following address spaces through fork, exec, exit and unmapping.
 *
 * The hooks of linux/user_events.h: fork makes another tracked address space,
 * exec and exit end one, and unmapping ends what was registered in a range.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "trace_events_user.h"

/*
 * Check whether another task uses the address space that the caller has left.
 * mm_users does not tell: readers of /proc/PID, for one, hold it as well.
 * user_event_mm.access serialises leavers, so exactly one of several sees no
 * other task.
 */
static bool umm_has_task(struct user_event_mm *umm)
{
	struct mm_struct *mm = umm->mm, *used;
	struct task_struct *process, *task;
	bool found;

	lockdep_assert_held(&umm->access);

	/* A thread of this process is left, and comes here later */
	if ((current->flags & PF_EXITING) && atomic_read(&current->signal->live))
		return true;

	rcu_read_lock();
	/*
	 * Mostly, what shares memory and is no thread is a parent in vfork(), or one whose
	 * fork has failed
	 */
	found = current->mm == mm ||
		READ_ONCE(rcu_dereference(current->real_parent)->mm) == mm;
	if (found)
		goto unlock;

	for_each_process(process) {
		if (process->flags & PF_KTHREAD)
			continue;
		for_each_thread(process, task) {
			/*
			 * Acquire: seeing mm == NULL implies seeing the children
			 * that it made before. Pairs with the locks that fork drops.
			 */
			used = smp_load_acquire(&task->mm);
			found = used == mm;
			if (found)
				goto unlock;
			/* All threads that have an mm have the same one */
			if (used)
				break;
		}
	}
unlock:
	rcu_read_unlock();
	return found;
}

/*
 * End @umm if no task uses the address space any more, @users being references of
 * mm_users that the caller has: no write follows when this returns, no repair uses the
 * memory, and its holds on events are gone.
 */
static void umm_kill_if_unused(struct user_event_mm *umm, int users)
{
	bool kill;

	/* Waits for a write in progress, which itself waits for nothing */
	mutex_lock(&umm->access);
	kill = !umm->dead &&
		(atomic_read(&umm->mm->mm_users) == users || !umm_has_task(umm));
	if (kill)
		WRITE_ONCE(umm->dead, true);
	mutex_unlock(&umm->access);
	if (!kill)
		return;

	user_event_repair_interrupt(umm);
	user_event_access_wait(umm);
	/* There is no task that could register anything now */
	if (umm->set)
		user_event_register_leave(umm);
}

/*
 * Of the parent's mappings with enable words, mark those as gone in @umm that
 * the child does not get (MADV_DONTFORK), and set @wiped if it gets one of them
 * empty (MADV_WIPEONFORK).
 */
static int inherit_mappings(struct user_event_mm *umm, struct mm_struct *oldmm,
			    struct user_event_set *set, bool *wiped)
{
	struct vm_area_struct *vma;
	struct user_event_gap gap;
	struct vma_iterator vmi;
	int ret;

	vma_iter_init(&vmi, oldmm, 0);
	for_each_vma(vmi, vma) {
		if (likely(!(vma->vm_flags & (VM_WIPEONFORK | VM_DONTCOPY))))
			continue;
		if (!user_event_set_overlaps(set, vma->vm_start, vma->vm_end,
					     &gap))
			continue;
		if (!(vma->vm_flags & VM_DONTCOPY)) {
			*wiped = true;
			continue;
		}
		ret = user_event_mm_add_gone(umm, vma->vm_start, vma->vm_end,
					     GFP_KERNEL_ACCOUNT);
		if (ret)
			return ret;
	}
	return 0;
}

/* Mark as gone in @umm what was unmapped in @parent */
static int inherit_gone(struct user_event_mm *umm, struct user_event_mm *parent)
{
	struct user_event_range *range;
	int ret;

	for (range = to_range(rb_first(&parent->gone)); range;
	     range = to_range(rb_next(&range->node))) {
		ret = user_event_mm_add_gone(umm, range->start, range->end,
					     GFP_KERNEL_ACCOUNT);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/**
 * __user_events_dup_special() - user_events_dup_special() of a parent that has bits
 * @oldmm: address space of the parent
 *
 * Context: the mmap_lock held for writing.
 */
void __user_events_dup_special(struct mm_struct *oldmm)
{
	oldmm->user_event_mm->special = true;
}

/**
 * __user_events_dup_mmap() - user_events_dup_mmap() of a parent that has bits
 * @mm: address space of the child, its copy complete
 * @oldmm: address space of the parent
 *
 * Since the parent's mmap_lock was taken nothing could be registered or
 * unregistered there, nor a bit written, so what the child has registered
 * matches its memory. Its bits are wrong only if the parent's were, if a switch
 * is under way that may have missed it, or where its memory was wiped.
 *
 * Context: both mmap locks held for writing. May sleep.
 * Return: 0, or -ENOMEM.
 */
int __user_events_dup_mmap(struct mm_struct *mm, struct mm_struct *oldmm)
{
	struct user_event_mm *parent = READ_ONCE(oldmm->user_event_mm);
	struct user_event_set *set = parent->set;
	struct user_event_owner *owner;
	struct user_event_mm *umm;
	bool wiped = false;
	int ret;

	if (!set)
		return 0;

	/* The child's repairs count for the user that forks now */
	owner = user_event_owner_of_current(parent->owner);
	if (!owner)
		return -ENOMEM;
	umm = user_event_mm_alloc(mm, owner);
	user_event_owner_put(owner);
	if (!umm)
		return -ENOMEM;

	ret = inherit_gone(umm, parent);
	if (!ret && parent->special)
		ret = inherit_mappings(umm, oldmm, set, &wiped);
	parent->special = false;
	if (ret) {
		user_event_mm_put(umm);
		return ret;
	}

	/*
	 * A value of @right that is too low only makes the first repair look
	 * at more bits
	 */
	umm->right = wiped ? 0 : data_race(parent->right);
	/* A switch that finds the child from now on leaves @right as it is */
	umm->stale = USER_EVENT_MM_FORKING;
	user_event_set_get(set);
	umm->set = set;
	/* Its mappings are in the trees of files already: pairs with get_umm() */
	smp_store_release(&mm->user_event_mm, umm);
	user_event_set_join(set, umm);

	if (wiped || user_event_switch_may_have_missed(parent))
		user_event_repair_queue(umm);
	else
		cmpxchg(&umm->stale, USER_EVENT_MM_FORKING, USER_EVENT_MM_RIGHT);
	return 0;
}

/**
 * __user_events_unmap() - user_events_unmap() in an address space that has bits
 * @mm: the address space
 * @start: first address of the range
 * @end: first address after it
 *
 * The range is remembered, so that nothing is written there; the enablers leave
 * their events a moment later, without the mmap_lock held for writing.
 *
 * Context: the mmap_lock held for writing, which keeps the set as it is. May sleep.
 */
void __user_events_unmap(struct mm_struct *mm, unsigned long start,
			 unsigned long end)
{
	struct user_event_mm *umm = mm->user_event_mm;
	struct user_event_gap gap;

	if (!umm->set || (start >= umm->gap.start && end <= umm->gap.end))
		return;
	if (!user_event_set_overlaps(umm->set, start, end, &gap)) {
		umm->gap = gap;
		return;
	}

	/* The unmapping cannot fail any more, so neither may this allocation */
	user_event_mm_add_gone(umm, start, end,
			       GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	user_event_repair_queue_work(umm, 0);
}

/**
 * __user_events_mmput() - user_events_mmput() of an address space that has bits
 * @mm: the address space
 *
 * Context: task context, no locks held but exec_update_lock in exec. May sleep.
 */
void __user_events_mmput(struct mm_struct *mm)
{
	struct user_event_mm *umm = READ_ONCE(mm->user_event_mm);

	umm_kill_if_unused(umm, 1);
	mmput(mm);
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
	struct user_event_mm *umm = mm->user_event_mm;

	umm_kill_if_unused(umm, 0);
	/* find_sharers() reads NULL from here on, or fails to take a reference */
	WRITE_ONCE(mm->user_event_mm, NULL);
	user_event_mm_put_unlocked(umm);
}
