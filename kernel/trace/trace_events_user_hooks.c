// SPDX-License-Identifier: GPL-2.0
/*
 * User events: following address spaces through fork, exec and exit.
 *
 * The hooks of linux/user_events.h: fork makes another tracked address space,
 * exec and exit end one.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "trace_events_user.h"

/*
 * Whether the address space, which the caller has left, has another task. Its
 * mm_users do not tell: a repair is among them, and everybody who looks into
 * /proc/PID. user_event_mm.access serialises leavers, so exactly one of several
 * sees no other task.
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
			 * Acquire: seeing mm == NULL implies seeing its
			 * children. Pairs with the locks that fork drops.
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
 * End @umm if no task uses the address space any more: no write follows when this
 * returns, no repair waits for it, and its holds on events are gone.
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
	if (!kill)
		return;

	user_event_repair_interrupt(umm);
	/* There is no task that could register anything now */
	if (umm->set)
		user_event_set_leave(umm->set, umm);
}

/* Was a page that has an enable word wiped in the child, MADV_WIPEONFORK? */
static bool has_wiped_word(struct mm_struct *mm, struct user_event_set *set)
{
	struct user_event_enabler *enabler;
	struct vm_area_struct *vma;
	VMA_ITERATOR(vmi, mm, 0);

	for_each_vma(vmi, vma) {
		if (likely(!(vma->vm_flags & VM_WIPEONFORK)))
			continue;
		enabler = user_event_set_from(set, vma->vm_start, 0);
		if (enabler && enabler_addr(enabler) < vma->vm_end)
			return true;
	}
	return false;
}

/**
 * __user_events_dup_mmap() - user_events_dup_mmap() of a parent that has bits
 * @mm: address space of the child, its copy complete
 * @oldmm: address space of the parent
 *
 * Since the parent's mmap_lock was taken nothing could be registered or
 * unregistered there, nor a bit written, so the child gets what belongs to the
 * memory it has. Its bits are wrong only if the parent's were, if a switch is
 * under way that may have missed it, or where its memory was wiped.
 *
 * Context: both mmap locks held for writing. May sleep.
 * Return: 0, or -ENOMEM.
 */
int __user_events_dup_mmap(struct mm_struct *mm, struct mm_struct *oldmm)
{
	struct user_event_mm *parent = READ_ONCE(oldmm->user_event_mm);
	struct user_event_set *set = parent->set;
	struct user_event_mm *umm;
	bool wiped;

	if (!set)
		return 0;

	umm = user_event_mm_alloc(mm, parent->owner);
	if (!umm)
		return -ENOMEM;

	wiped = has_wiped_word(mm, set);
	umm->right = wiped ? 0 : parent->right;
	/* A switch that finds the child from now on leaves @right as it is */
	umm->stale = USER_EVENT_MM_FORKING;
	user_event_set_get(set);
	umm->set = set;
	mm->user_event_mm = umm;
	user_event_set_join(set, umm);

	if (wiped || user_event_switch_may_have_missed(parent))
		user_event_repair_queue(umm);
	else
		cmpxchg(&umm->stale, USER_EVENT_MM_FORKING, USER_EVENT_MM_RIGHT);
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
	struct user_event_mm *umm = mm->user_event_mm;

	umm_kill_if_unused(umm);
	/* Those who come by a mapping of @mm see this, or a reference count of 0 */
	WRITE_ONCE(mm->user_event_mm, NULL);
	user_event_mm_put(umm);
}
