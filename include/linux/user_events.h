/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hooks that let user_events follow an address space.
 *
 * The kernel writes enable bits into address spaces that have registered
 * some. These hooks are how it learns that such an address space, or a mapping in
 * it, was copied or is about to go. With nothing registered each one is a test of one
 * pointer in the mm_struct; with CONFIG_USER_EVENTS off, nothing at all.
 */
#ifndef _LINUX_USER_EVENTS_H
#define _LINUX_USER_EVENTS_H

#include <linux/mm_types.h>
#include <linux/sched/mm.h>

#ifdef CONFIG_USER_EVENTS

void __user_events_dup_special(struct mm_struct *oldmm);
int __user_events_dup_mmap(struct mm_struct *mm, struct mm_struct *oldmm);
void __user_events_mmput(struct mm_struct *mm);
void __user_events_release(struct mm_struct *mm);
void __user_events_unmap(struct mm_struct *mm, unsigned long start,
			 unsigned long end);

/**
 * user_events_mm_init() - a new address space has registered nothing
 * @mm: the address space, not visible to anybody yet
 */
static inline void user_events_mm_init(struct mm_struct *mm)
{
	mm->user_event_mm = NULL;
}

/**
 * user_events_dup_special() - note a mapping that the child gets wiped, or not
 * at all
 * @oldmm: address space of the parent
 *
 * Unless there is one, user_events_dup_mmap() need not look at the mappings.
 *
 * Context: the mmap_lock held for writing.
 */
static inline void user_events_dup_special(struct mm_struct *oldmm)
{
	/* As below: with a pointer that is set just now nothing is registered yet */
	if (unlikely(data_race(oldmm->user_event_mm)))
		__user_events_dup_special(oldmm);
}

/**
 * user_events_dup_mmap() - register for a child what its parent has registered
 * @mm: address space of the child, its copy complete
 * @oldmm: address space of the parent
 *
 * Context: both mmap locks held for writing. May sleep.
 * Return: 0, or -ENOMEM.
 */
static inline int user_events_dup_mmap(struct mm_struct *mm,
				       struct mm_struct *oldmm)
{
	/* Another thread may be about to register its first address */
	if (likely(!data_race(oldmm->user_event_mm)))
		return 0;
	return __user_events_dup_mmap(mm, oldmm);
}

/**
 * user_events_mmput() - mmput() of a task that leaves its address space
 * @mm: the address space that the task has used, or would have if its fork had not
 *	failed
 *
 * The last task to leave ends all updates, and waits until no repair uses the memory,
 * so that it goes with this task and not with a kernel thread.
 *
 * Context: task context, no locks held but exec_update_lock in exec. May sleep.
 */
static inline void user_events_mmput(struct mm_struct *mm)
{
	/* A thread that sets it after this test finds it set when it leaves */
	if (likely(!data_race(mm->user_event_mm)))
		mmput(mm);
	else
		__user_events_mmput(mm);
}

/**
 * user_events_release() - the address space is about to be taken down
 * @mm: the address space, mm_users is 0
 *
 * Context: before exit_mmap(). May sleep.
 */
static inline void user_events_release(struct mm_struct *mm)
{
	if (unlikely(mm->user_event_mm))
		__user_events_release(mm);
}

/**
 * user_events_unmap() - what was mapped in a range is about to go
 * @mm: the address space
 * @start: first address of the range
 * @end: first address after it
 *
 * What was registered there ends: nothing is read or written there on its account
 * again, whatever is mapped next.
 *
 * Context: the mmap_lock held for writing, past the point of no return. May sleep.
 */
static inline void user_events_unmap(struct mm_struct *mm, unsigned long start,
				     unsigned long end)
{
	/*
	 * If another thread sets it just now, nothing is registered yet: that takes the
	 * mmap_lock
	 */
	if (unlikely(data_race(mm->user_event_mm)))
		__user_events_unmap(mm, start, end);
}

#else /* !CONFIG_USER_EVENTS */

static inline void user_events_mm_init(struct mm_struct *mm)
{
}

static inline void user_events_dup_special(struct mm_struct *oldmm)
{
}

static inline int user_events_dup_mmap(struct mm_struct *mm,
				       struct mm_struct *oldmm)
{
	return 0;
}

static inline void user_events_mmput(struct mm_struct *mm)
{
	mmput(mm);
}

static inline void user_events_release(struct mm_struct *mm)
{
}

static inline void user_events_unmap(struct mm_struct *mm, unsigned long start,
				     unsigned long end)
{
}

#endif /* CONFIG_USER_EVENTS */

#endif /* _LINUX_USER_EVENTS_H */
