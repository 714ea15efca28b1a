// SPDX-License-Identifier: GPL-2.0
/*
 * User events: getting at the memory of an address space.
 *
 * A bit is written with event_mutex, user_event_mm.access and the mmap_lock
 * held, and its page present. The page can only be brought in without
 * event_mutex, and neither that nor the mmap_lock may be waited for while the
 * other is held. So tries take turns: one waits for event_mutex and takes the
 * mmap_lock if it is free, the next one the other way round. If the page is missing,
 * it is brought in before the mmap_lock is dropped, as there may be something else
 * after that.
 *
 * While user_event_mm.access is held the address space cannot end. Bringing in a page is
 * the only work that uses the memory without, and is counted: the last task of the
 * address space waits for it. So a kernel thread never is the one that takes down
 * mappings and closes files, which can wait for whoever serves them.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/jiffies.h>
#include <linux/magic.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagewalk.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/userfaultfd_k.h>
#include <linux/wait_bit.h>

#include "trace_events_user.h"

/*
 * Retries after fault-in before giving up. Reclaim and a colliding fork need one
 * or two; a program that discards the page in a loop must not keep a worker busy
 * for ever. Lock contention never counts.
 */
#define MISSING_MAX	16

/* Tries before an access that may not wait is given up */
#define PATIENCE	8

/*
 * A fault that takes longer does so because the cgroup that is charged exceeds its
 * memory.high, and delays whoever allocates: the next one would have to wait, too.
 */
#define SLOW_FAULT	(HZ / 10)

/*
 * The first tries come at once, later ones after 1 ms to half a second, so that
 * a process that keeps its locks busy costs little.
 */
static void back_off(unsigned int try)
{
	if (try > 5)
		schedule_timeout_killable(msecs_to_jiffies(1U << min(try - 6, 9U)));
}

/* Whether a program serves the file behind @vma */
static bool is_served(struct vm_area_struct *vma)
{
	return vma->vm_file &&
		file_inode(vma->vm_file)->i_sb->s_magic == FUSE_SUPER_MAGIC;
}

static int note_if_away(pte_t *pte, unsigned long addr, unsigned long next,
			struct mm_walk *walk)
{
	pte_t entry = ptep_get(pte);

	*(bool *)walk->private = !pte_none(entry) && !pte_present(entry);
	return 0;
}

/* Is a page of the process itself swapped out, or under way to another place? */
static bool is_away(struct vm_area_struct *vma, unsigned long addr)
{
	static const struct mm_walk_ops ops = { .pte_entry = note_if_away };
	bool away = false;

	addr &= PAGE_MASK;
	walk_page_range(vma->vm_mm, addr, addr + PAGE_SIZE, &ops, &away);
	return away;
}

/* Whether the fault at @addr only copies a page that is present */
static bool only_copies(struct vm_area_struct *vma, unsigned long addr)
{
	struct user_events_page at;

	if (vma->vm_flags & VM_SHARED ||
	    user_events_page_lock(vma->vm_mm, addr, &at))
		return false;
	user_events_page_unlock(&at);
	return true;
}

/* Whether the fault at @addr can be handled without waiting for user space */
static bool needs_no_wait(struct vm_area_struct *vma, unsigned long addr)
{
	if (userfaultfd_armed(vma) || is_vm_hugetlb_page(vma))
		return false;
	if (vma_is_anonymous(vma) || vma_is_shmem(vma))
		return true;
	/* Another thread can discard the page before it is copied */
	return !is_served(vma) && only_copies(vma, addr);
}

/*
 * A thread of the owner must not wait for the file behind @vma where nothing could
 * end the wait. While the file system is frozen, it tries again later; a page that a
 * program has to serve it passes over, and comes back: the process itself may have
 * brought it in.
 */
static int check_file(struct vm_area_struct *vma, unsigned long addr)
{
	if (is_served(vma))
		return only_copies(vma, addr) ||
			(!(vma->vm_flags & VM_SHARED) && is_away(vma, addr)) ?
			0 : -EBUSY;
	if (vma->vm_file && vma->vm_flags & VM_SHARED &&
	    READ_ONCE(file_inode(vma->vm_file)->i_sb->s_writers.frozen) !=
	    SB_UNFROZEN)
		return -EAGAIN;
	return 0;
}

/*
 * The credentials of an address space, referenced: file systems give a page to root that
 * its own tasks would not get, past a quota for instance. Until its fork ends, the first
 * task is in no cgroup that the page could be charged to, and if its fork fails, it has
 * no credentials any more, and goes: then -EAGAIN.
 */
static const struct cred *get_cred_of(struct mm_struct *mm)
{
#ifdef CONFIG_MEMCG
	const struct cred *cred = ERR_PTR(-EBUSY);
	struct task_struct *owner;
	unsigned int state;

	if (mm == current->mm)
		return get_current_cred();
	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	if (owner) {
		state = READ_ONCE(owner->__state);
		cred = state == TASK_NEW || state == TASK_DEAD ?
			ERR_PTR(-EAGAIN) : get_task_cred(owner);
	}
	rcu_read_unlock();
	return cred;
#else
	/* Nothing tells of its tasks */
	return get_current_cred();
#endif
}

/*
 * handle_mm_fault() as if a task of the address space had the fault: with its credentials,
 * and charged to its cgroup, page tables, too
 */
static vm_fault_t handle_fault(struct vm_area_struct *vma, unsigned long addr,
			       unsigned int flags, const struct cred *cred)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(vma->vm_mm);
	struct mem_cgroup *old_memcg = set_active_memcg(memcg);
	const struct cred *old_cred = override_creds(cred);
	vm_fault_t fault = handle_mm_fault(vma, addr, flags, NULL);

	revert_creds(old_cred);
	set_active_memcg(old_memcg);
	mem_cgroup_put(memcg);
	return fault;
}

/*
 * Bring in the page at @access->addr for writing, with the mmap_lock held. Clears
 * @locked if the mmap_lock was dropped for it.
 */
static int fault_in(struct user_event_access *access, bool *locked)
{
	unsigned int flags = FAULT_FLAG_WRITE | FAULT_FLAG_REMOTE |
			     FAULT_FLAG_ALLOW_RETRY;
	const struct cred *cred;
	struct vm_area_struct *vma;
	unsigned long begin;
	vm_fault_t fault;
	int ret;

	vma = vma_lookup(access->umm->mm, access->addr);
	if (!vma || !user_events_vma_writable(vma) ||
	    !user_events_vma_visible(vma))
		return -EFAULT;
	if (access->flags & USER_EVENT_ACCESS_WAIT) {
		ret = current->flags & PF_KTHREAD ?
			check_file(vma, access->addr) : 0;
		if (ret)
			return ret;
		flags |= FAULT_FLAG_KILLABLE;
	} else {
		if (access->slow || !needs_no_wait(vma, access->addr))
			return -EBUSY;
		flags |= FAULT_FLAG_RETRY_NOWAIT;
	}

	cred = get_cred_of(vma->vm_mm);
	if (IS_ERR(cred))
		return PTR_ERR(cred);
	begin = jiffies;
	fault = handle_fault(vma, access->addr, flags, cred);
	put_cred(cred);
	access->slow = time_after(jiffies, begin + SLOW_FAULT);
	if (fault & (VM_FAULT_COMPLETED | VM_FAULT_RETRY)) {
		*locked = flags & FAULT_FLAG_RETRY_NOWAIT;
		return -EAGAIN;
	}
	return vm_fault_to_errno(fault, 0);
}

/* Wait for event_mutex first */
static int lock_event_mutex_first(struct user_event_access *access)
{
	int ret;

	/* Workers are few: the queue of one user must not hold them up */
	ret = user_event_owner_lock_killable(access->flags & USER_EVENT_ACCESS_WAIT ?
					     access->umm->owner : NULL);
	if (ret)
		return ret;
	ret = user_event_mm_begin(access->umm);
	if (ret)
		mutex_unlock(&event_mutex);
	return ret;
}

/* Take the other locks if they are free, with the mmap_lock held */
static int lock_others(struct user_event_access *access)
{
	struct user_event_mm *umm = access->umm;
	int ret = -EAGAIN;

	if (!mutex_trylock(&event_mutex))
		return -EAGAIN;
	if (mutex_trylock(&umm->access)) {
		if (!umm->dead)
			return 0;
		mutex_unlock(&umm->access);
		ret = -ESRCH;
	}
	mutex_unlock(&event_mutex);
	return ret;
}

/* Take the mmap_lock first */
static int lock_mmap_first(struct user_event_access *access)
{
	struct mm_struct *mm = access->umm->mm;
	int ret;

	if (!(access->flags & USER_EVENT_ACCESS_WAIT)) {
		if (!mmap_read_trylock(mm))
			return -EAGAIN;
	} else if (mmap_read_lock_killable(mm)) {
		return -EINTR;
	}

	ret = lock_others(access);
	if (ret)
		mmap_read_unlock(mm);
	return ret;
}

/* Take all locks; -EAGAIN if one of them is busy */
static int lock_all(struct user_event_access *access)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	/* Its end may keep the mmap_lock for long */
	if (READ_ONCE(access->umm->dead))
		return -ESRCH;
	if (!(access->flags & USER_EVENT_ACCESS_WAIT) && access->try >= PATIENCE)
		return -EBUSY;
	back_off(access->try);
	return access->try++ & 1 ? lock_mmap_first(access) : lock_event_mutex_first(access);
}

/*
 * Make the visit, with all locks held, and drop all but the mmap_lock. -EFAULT keeps the
 * memory, until bring_in() or release_memory().
 */
static int visit(struct user_event_access *access)
{
	struct user_event_mm *umm = access->umm;
	int ret = access->visit(access);

	if (ret == -EFAULT) {
		/* It is taken down already if its fork has failed early */
		if (mmget_not_zero(umm->mm))
			atomic_inc(&umm->faults);
		else
			ret = -ESRCH;
	}
	mutex_unlock(&umm->access);
	mutex_unlock(&event_mutex);
	return ret;
}

/* Never the last reference of mm_users: the last task waits for this */
static void release_memory(struct user_event_mm *umm)
{
	mmput(umm->mm);
	if (atomic_dec_and_test(&umm->faults))
		wake_up_var(&umm->faults);
}

/* fault_in(), and release the memory that visit() has kept */
static int bring_in(struct user_event_access *access, bool *locked)
{
	int ret = fault_in(access, locked);

	release_memory(access->umm);
	return ret;
}

/**
 * user_event_access_wait() - wait until no access uses the memory
 * @umm: the address space, dead
 *
 * Context: a task that leaves the address space, and has interrupted the repairs that
 * wait for a page. May sleep.
 */
void user_event_access_wait(struct user_event_mm *umm)
{
	wait_var_event(&umm->faults, !atomic_read(&umm->faults));
}

/*
 * Bring in the page that a visit has missed, and make another visit if that takes no
 * waiting, all with the mmap_lock that the first one had: nothing else can come to be
 * there, and no fork can protect the page. Clears @locked if the mmap_lock was dropped.
 */
static int visit_again(struct user_event_access *access, bool *locked)
{
	unsigned long addr = access->addr;
	int ret;

	ret = bring_in(access, locked) ?: lock_others(access);
	if (ret)
		return ret;
	ret = visit(access);
	if (ret != -EFAULT)
		return ret;
	/* Now another page is missing: bring it in, too */
	if (access->addr != addr)
		return bring_in(access, locked) ?: -EAGAIN;
	release_memory(access->umm);
	return access->missing++ < MISSING_MAX ? -EAGAIN : -EFAULT;
}

/**
 * user_event_access_go_to() - aim an access at another enable word
 * @access: the access
 * @addr: address of the enable word
 *
 * Context: any; also from @access->visit.
 */
void user_event_access_go_to(struct user_event_access *access,
			     unsigned long addr)
{
	if (access->addr == addr)
		return;
	access->addr = addr;
	access->missing = 0;
	/* What was busy so far was in the way of another word */
	access->try = 1;
}

/**
 * user_event_access() - visit an address space with its page and all locks
 * @access: what to do where
 *
 * Calls @access->visit with event_mutex, user_event_mm.access and the mmap_lock
 * held, again and again until it returns neither -EAGAIN (a lock is busy) nor
 * -EFAULT (the page at @access->addr is missing, bring it in).
 *
 * Context: no locks held. May sleep.
 * Return: what @access->visit returned, or
 * * -EFAULT	- there is no page that can be written at @access->addr
 * * -EBUSY	- it would have to wait, and must not
 * * -EINTR	- the caller is being killed
 * * -ENOMEM	- no memory for the page
 * * -ESRCH	- the address space is about to go
 */
int user_event_access(struct user_event_access *access)
{
	bool locked;
	int ret;

	do {
		ret = lock_all(access);
		if (ret)
			continue;
		locked = true;
		ret = visit(access);
		if (ret == -EFAULT)
			ret = visit_again(access, &locked);
		if (locked)
			mmap_read_unlock(access->umm->mm);
	} while (ret == -EAGAIN);
	return ret;
}
