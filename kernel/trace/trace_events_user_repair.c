// SPDX-License-Identifier: GPL-2.0
/*
 * User events: repairing enable bits that a switch could not write.
 *
 * A repair goes over the enablers of an address space whose events were switched
 * since its bits were right. It comes in two kinds. A work item does what needs
 * no waiting: busy locks, copy-on-write, the zero page, until one page takes long
 * because its cgroup exceeds memory.high. What has to wait, for
 * a page that its pager brings or for a lock that the program keeps, goes to one
 * of the few threads of its owner. One wait of such a thread is limited, and
 * ends with the address space, so that other address spaces of the same owner
 * get their turn and memory goes with its process.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/hash.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "trace_events_user.h"

/* Threads that wait on behalf of one owner */
#define OWNER_THREADS	4

/* How long such a thread may go on with one address space without getting further */
#define WAIT_MAX	HZ

/* Pages of one pass that a work item tries in vain, with some retries for each */
#define BUSY_MAX	16

/* Enablers that are looked at before event_mutex is dropped once */
#define REPAIR_PIECE	256

/* Repairs that need no waiting */
static struct workqueue_struct *repair_queue;

/* Switches so far; event_mutex */
static u64 nr_switches;

/*
 * Lines a minute about enable words that cannot be written: of one user, who comes and
 * goes at will, so that they are counted by a hash of the UID; and of all users
 */
#define COMPLAINTS_BITS	8
#define COMPLAINTS_MAX	10
static struct ratelimit_state complaints[1 << COMPLAINTS_BITS];
static DEFINE_RATELIMIT_STATE(all_complaints, 60 * HZ, 10 * COMPLAINTS_MAX);

/**
 * struct repair - one pass over the enablers of an address space
 * @access: how it gets at them
 * @timeout: what ends a wait of a thread, or NULL in a work item
 * @bit: of the enable word at @access.addr, where it has got to
 * @event: of this bit, referenced, once it could not be written
 * @switches: value of nr_switches when it began
 * @whole: it began at the first enabler
 * @begun: @switches is set
 * @lost: event of the first enabler that was passed over for good, referenced; or NULL
 * @lost_addr: address of that enabler
 * @lost_bit: its bit
 * @left: an enabler was passed over that has to wait
 * @busy: pages passed over because they would have to wait
 *
 * Belongs to the task that makes the pass.
 */
struct repair {
	struct user_event_access	access;
	struct delayed_work		*timeout;
	unsigned int			bit;
	struct user_event		*event;
	u64				switches;
	struct user_event		*lost;
	unsigned long			lost_addr;
	unsigned int			lost_bit;
	unsigned int			busy;
	bool				whole;
	bool				begun;
	bool				left;
};

static void complain(struct user_event_mm *umm, struct user_event *event,
		     unsigned long addr, unsigned int bit)
{
	u32 user_hash = hash_32(__kuid_val(umm->owner->uid), COMPLAINTS_BITS);
	struct task_struct *leader, *task, *user = NULL;

	/* Under this name it also logs how many lines it has suppressed */
	if (!___ratelimit(&complaints[user_hash], "user_events") ||
	    !___ratelimit(&all_complaints, "user_events of all users"))
		return;

	rcu_read_lock();
	for_each_process_thread(leader, task) {
		if (READ_ONCE(task->mm) == umm->mm) {
			user = leader;
			goto found;
		}
	}
found:
	if (user)
		pr_warn("user_events: %s[%d]: cannot write bit %u at 0x%lx for event %s\n",
			user->comm, task_pid_nr(user), bit, addr,
			user_event_name(event));
	rcu_read_unlock();
}

static void repair_go_to(struct repair *repair, unsigned long addr,
			 unsigned int bit, struct user_event *event)
{
	if (repair->event)
		user_event_registry_put(repair->event);
	if (event)
		kref_get(&event->ref);
	user_event_access_go_to(&repair->access, addr);
	repair->bit = bit;
	repair->event = event;
}

/*
 * Skip what cannot be written: return @addr if it is mapped for writing, else the start
 * of the next mapping or the end of this one. What comes there may not be writable
 * either.
 */
static unsigned long writable_from(struct user_event_mm *umm, unsigned long addr)
{
	struct vm_area_struct *vma = find_vma(umm->mm, addr);

	if (!vma)
		return ULONG_MAX;
	if (addr < vma->vm_start)
		return vma->vm_start;
	return user_events_vma_writable(vma) ? addr : vma->vm_end;
}

/* Pass over an enabler for good; the first one of a pass is logged in the end */
static void give_up(struct repair *repair, struct user_event *event,
		    unsigned long addr, unsigned int bit)
{
	if (repair->lost)
		return;
	kref_get(&event->ref);
	repair->lost = event;
	repair->lost_addr = addr;
	repair->lost_bit = bit;
}

/*
 * Write all bits from @repair on, up to one that cannot be written at once.
 * -EINPROGRESS when the locks should be dropped in between.
 */
static int repair_visit(struct user_event_access *access)
{
	struct repair *repair = container_of(access, struct repair, access);
	struct user_event_mm *umm = access->umm;
	struct user_event_enabler *enabler;
	struct user_event *event;
	unsigned int piece = 0;
	unsigned long addr, next;
	int ret;

	/* A switch that fails from here on queues another repair */
	if (!repair->begun)
		repair->switches = nr_switches;
	repair->begun = true;
	if (!umm->set)
		goto done;

	enabler = user_event_set_from(umm->set, access->addr, repair->bit);
	while (enabler) {
		event = enabler_event(enabler);
		addr = enabler_addr(enabler);
		if (++piece > REPAIR_PIECE) {
			repair_go_to(repair, addr, enabler_bit(enabler), NULL);
			return -EINPROGRESS;
		}
		ret = enabler_is_gone(enabler) ||
			event->switched <= umm->right ? 0 :
			user_event_bit_write(umm, enabler, USER_EVENT_BIT_LAZY);
		if (!ret) {
			enabler = enabler_next(enabler);
			continue;
		}

		next = ret == -EFAULT ? writable_from(umm, addr) : addr;
		if (next > addr) {
			give_up(repair, event, addr, enabler_bit(enabler));
			enabler = user_event_set_from(umm->set, next, 0);
			continue;
		}
		if (!repair->event || enabler_cmp(enabler, access->addr,
						  repair->bit))
			repair_go_to(repair, addr, enabler_bit(enabler), event);
		return ret;
	}
done:
	if (repair->whole && !repair->left) {
		umm->right = repair->switches;
		if (umm->failed <= umm->right)
			WRITE_ONCE(umm->stale, USER_EVENT_MM_RIGHT);
	}
	return 0;
}

/*
 * Go once over the enablers of an address space, in a thread from where its last pass
 * was interrupted by @timeout. Returns whether all that could be done has been done.
 */
static bool repair_pass(struct user_event_mm *umm, struct delayed_work *timeout)
{
	struct repair repair = {
		.access = {
			.umm = umm,
			.visit = repair_visit,
			.flags = timeout ? USER_EVENT_ACCESS_WAIT : 0,
		},
		.timeout = timeout,
	};
	int ret;

	if (timeout)
		repair.access.addr = READ_ONCE(umm->resume);
	repair.whole = !repair.access.addr;

	for (;;) {
		if (timeout)
			mod_delayed_work(system_unbound_wq, timeout, WAIT_MAX);
		ret = user_event_access(&repair.access);
		if (ret == -EINPROGRESS) {
			repair.access.try = 0;
			cond_resched();
			continue;
		}
		if (ret != -EFAULT && ret != -EBUSY)
			break;
		/* Without the locks it is not known which bit is in the way */
		if (!repair.event) {
			repair.left = true;
			break;
		}
		if (ret == -EBUSY) {
			/* What else is on this page would have to wait, too */
			repair.left = true;
			if (++repair.busy >= BUSY_MAX)
				break;
			repair_go_to(&repair, (repair.access.addr | ~PAGE_MASK) + 1,
				     0, NULL);
		} else {
			give_up(&repair, repair.event, repair.access.addr,
				repair.bit);
			repair_go_to(&repair, repair.access.addr,
				     repair.bit + 1, NULL);
		}
		repair.access.missing = 0;
		repair.access.try = 0;
		cond_resched();
	}

	if (timeout) {
		cancel_delayed_work_sync(timeout);
		/* The next pass begins behind the page that this one waited for in vain */
		WRITE_ONCE(umm->resume, ret && repair.event ?
			   (repair.access.addr | ~PAGE_MASK) + 1 : 0);
	}
	repair_go_to(&repair, 0, 0, NULL);
	if (repair.lost) {
		complain(umm, repair.lost, repair.lost_addr, repair.lost_bit);
		user_event_registry_put(repair.lost);
	}
	return ret == -ESRCH || (!ret && repair.whole && !repair.left);
}

/**
 * struct waiter - a thread that repairs what has to wait
 * @node: in user_event_owner.waiters; user_event_owner.lock
 * @task: the thread; constant
 * @umm: what it repairs, referenced, or NULL; user_event_owner.lock
 * @timeout: interrupts it when it has waited too long
 */
struct waiter {
	struct list_head	node;
	struct task_struct	*task;
	struct user_event_mm	*umm;
	struct delayed_work	timeout;
};

static void interrupt_waiter(struct work_struct *work)
{
	struct waiter *waiter = container_of(to_delayed_work(work),
					     struct waiter, timeout);

	send_sig(SIGKILL, waiter->task, 1);
}

/* The next address space of @owner that @waiter is to repair, or NULL */
static struct user_event_mm *next_waiting(struct user_event_owner *owner,
					  struct waiter *waiter)
{
	struct user_event_mm *umm;

	spin_lock(&owner->lock);
	umm = list_first_entry_or_null(&owner->fresh, struct user_event_mm,
				       waiting);
	if (!umm)
		umm = list_first_entry_or_null(&owner->waited,
					       struct user_event_mm, waiting);
	waiter->umm = umm;
	if (umm) {
		list_del_init(&umm->waiting);
	} else {
		list_del(&waiter->node);
		owner->nr_threads--;
	}
	spin_unlock(&owner->lock);
	return umm;
}

/* Put @umm in a list of its owner, with a reference, unless it is in one */
static void wait_in(struct list_head *list, struct user_event_mm *umm)
{
	spin_lock(&umm->owner->lock);
	if (list_empty(&umm->waiting)) {
		refcount_inc(&umm->ref);
		umm->queued = false;
		list_add_tail(&umm->waiting, list);
	}
	spin_unlock(&umm->owner->lock);
}

static int waiter_thread(void *data)
{
	struct user_event_owner *owner = data;
	struct waiter waiter = { .task = current };
	struct user_event_mm *umm;
	bool done;

	allow_kernel_signal(SIGKILL);
	INIT_DELAYED_WORK_ONSTACK(&waiter.timeout, interrupt_waiter);
	spin_lock(&owner->lock);
	list_add(&waiter.node, &owner->waiters);
	spin_unlock(&owner->lock);

	while ((umm = next_waiting(owner, &waiter))) {
		done = !READ_ONCE(umm->stale) || repair_pass(umm, &waiter.timeout);
		/* Nothing interrupts this thread for @umm from here on */
		spin_lock(&owner->lock);
		waiter.umm = NULL;
		spin_unlock(&owner->lock);
		flush_signals(current);

		if (!done && !READ_ONCE(umm->dead)) {
			wait_in(&owner->waited, umm);
			/* In case it could not even wait */
			msleep(100);
		}
		user_event_mm_put_unlocked(umm);
	}

	destroy_delayed_work_on_stack(&waiter.timeout);
	user_event_owner_put(owner);
	return 0;
}

/**
 * user_event_repair_queue_work() - run the work item of an address space
 * @umm: the address space
 * @delay: jiffies from now, whenever it was to run before
 *
 * Takes no memory, so it cannot fail.
 *
 * Context: process context.
 */
void user_event_repair_queue_work(struct user_event_mm *umm, unsigned long delay)
{
	refcount_inc(&umm->ref);
	/* One that is queued already has a reference */
	if (mod_delayed_work(repair_queue, &umm->work, delay))
		user_event_mm_put(umm);
}

/* Have a thread of the owner repair @umm, and wait if need be */
static void leave_to_thread(struct user_event_mm *umm)
{
	struct user_event_owner *owner = umm->owner;
	bool enough, listed;

	wait_in(&owner->fresh, umm);

	spin_lock(&owner->lock);
	enough = owner->nr_threads >= OWNER_THREADS;
	if (!enough)
		owner->nr_threads++;
	spin_unlock(&owner->lock);
	if (enough)
		return;

	user_event_owner_get(owner);
	if (!IS_ERR(kthread_run(waiter_thread, owner, "user_events/%u",
				__kuid_val(owner->uid))))
		return;

	/* No memory: come back later */
	spin_lock(&owner->lock);
	owner->nr_threads--;
	listed = !list_empty(&umm->waiting);
	if (listed)
		list_del_init(&umm->waiting);
	spin_unlock(&owner->lock);
	user_event_owner_put(owner);
	user_event_repair_queue_work(umm, HZ);
	if (listed)
		user_event_mm_put(umm);
}

/**
 * user_event_repair() - bring all bits of an address space up to date
 * @umm: the address space
 *
 * Context: a work item; takes event_mutex. What has to wait for something that a
 * program controls is left to a thread, and so is the rest once a page has taken long,
 * as the program's cgroup may exceed its memory.high.
 */
void user_event_repair(struct user_event_mm *umm)
{
	/* An earlier repair may have fixed what failed before this one */
	if (READ_ONCE(umm->stale) && !repair_pass(umm, NULL))
		leave_to_thread(umm);
}

/**
 * user_event_repair_queue() - have all bits of an address space repaired
 * @umm: the address space
 *
 * Takes no memory, so it cannot fail.
 *
 * Context: event_mutex held, or a fork that makes @umm.
 */
void user_event_repair_queue(struct user_event_mm *umm)
{
	WRITE_ONCE(umm->stale, USER_EVENT_MM_STALE);
	user_event_repair_queue_work(umm, 0);
}

/**
 * user_event_repair_count_switch() - count a switch
 *
 * Context: event_mutex held.
 * Return: the number of the switch.
 */
u64 user_event_repair_count_switch(void)
{
	return ++nr_switches;
}

/**
 * user_event_repair_interrupt() - stop waiting for an address space
 * @umm: the address space, dead
 *
 * Context: process context.
 */
void user_event_repair_interrupt(struct user_event_mm *umm)
{
	struct user_event_owner *owner = umm->owner;
	struct waiter *waiter;
	bool waits;

	spin_lock(&owner->lock);
	list_for_each_entry(waiter, &owner->waiters, node) {
		if (waiter->umm == umm)
			send_sig(SIGKILL, waiter->task, 1);
	}
	/* There may be no thread to take it from its list */
	waits = !list_empty(&umm->waiting);
	if (waits)
		list_del_init(&umm->waiting);
	spin_unlock(&owner->lock);
	if (waits)
		user_event_mm_put(umm);
}

/**
 * user_event_repair_init() - prepare to repair
 *
 * Return: 0, or -ENOMEM.
 */
int __init user_event_repair_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(complaints); i++)
		ratelimit_state_init(&complaints[i], 60 * HZ, COMPLAINTS_MAX);
	repair_queue = alloc_workqueue("user_events", WQ_UNBOUND, 0);
	return repair_queue ? 0 : -ENOMEM;
}
