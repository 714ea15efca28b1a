// SPDX-License-Identifier: GPL-2.0
/*
 * User events: the users whose address spaces have enable bits.
 *
 * What waits is bounded for each user, however many processes it has. An object
 * here lists the address spaces of one user whose repair has to wait for something
 * that a program controls, such as a page that its pager holds back, and the few
 * threads that do the waiting. One task of a user at a time waits for event_mutex in
 * the ioctls.
 */
#include <linux/cred.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "trace_events_user.h"

/* Owners by UID; its lock serialises adding and removing */
static DEFINE_XARRAY(owners);

/*
 * The user that the caller counts for. The root of a user namespace can take any of its
 * thousands of UIDs, so they count as the user who made the namespace. If root made it,
 * for a container, they count as the UID that the container's root has outside; if that
 * is root as well, each one counts as the UID that it has outside.
 */
static kuid_t accountable_uid(void)
{
	struct user_namespace *ns = current_user_ns();
	kuid_t uid = current_uid(), root;

	for (; ns != &init_user_ns; ns = ns->parent) {
		root = uid_eq(ns->owner, GLOBAL_ROOT_UID) ? make_kuid(ns, 0) :
							    ns->owner;
		if (uid_valid(root) && !uid_eq(root, GLOBAL_ROOT_UID))
			uid = root;
	}
	return uid;
}

static struct user_event_owner *owner_get_by_uid(kuid_t uid)
{
	struct user_event_owner *owner;

	xa_lock(&owners);
	owner = xa_load(&owners, __kuid_val(uid));
	/* An owner without references has left the table */
	if (owner)
		refcount_inc(&owner->ref);
	xa_unlock(&owners);
	return owner;
}

/**
 * user_event_owner_of_current() - find or make the object of the caller's user
 * @likely_one: an owner, referenced, that is looked at before the search; or NULL
 *
 * Context: may sleep.
 * Return: the owner, referenced, or NULL when there is no memory.
 */
struct user_event_owner *
user_event_owner_of_current(struct user_event_owner *likely_one)
{
	kuid_t uid = accountable_uid();
	struct user_event_owner *owner;
	int ret;

	if (likely_one && uid_eq(likely_one->uid, uid)) {
		user_event_owner_get(likely_one);
		return likely_one;
	}

	do {
		owner = owner_get_by_uid(uid);
		if (owner)
			return owner;

		owner = kzalloc(sizeof(*owner), GFP_KERNEL_ACCOUNT);
		if (!owner)
			return NULL;
		owner->uid = uid;
		refcount_set(&owner->ref, 1);
		mutex_init(&owner->turn);
		spin_lock_init(&owner->lock);
		INIT_LIST_HEAD(&owner->fresh);
		INIT_LIST_HEAD(&owner->waited);
		INIT_LIST_HEAD(&owner->waiters);
		INIT_LIST_HEAD(&owner->queued);

		ret = xa_insert(&owners, __kuid_val(uid), owner, GFP_KERNEL);
		if (!ret)
			return owner;
		kfree(owner);
		/* Another task of this user was faster */
	} while (ret == -EBUSY);

	return NULL;
}

/**
 * user_event_owner_get() - take another reference
 * @owner: the owner, referenced
 *
 * Context: any.
 */
void user_event_owner_get(struct user_event_owner *owner)
{
	refcount_inc(&owner->ref);
}

/**
 * user_event_owner_put() - drop a reference
 * @owner: the owner
 *
 * Context: process context.
 */
void user_event_owner_put(struct user_event_owner *owner)
{
	bool last;

	if (refcount_dec_not_one(&owner->ref))
		return;

	/* Nobody finds an owner that is about to go */
	xa_lock(&owners);
	last = refcount_dec_and_test(&owner->ref);
	if (last)
		__xa_erase(&owners, __kuid_val(owner->uid));
	xa_unlock(&owners);
	if (last)
		kfree(owner);
}

/*
 * The user whose turn the caller has to take, referenced; NULL if none. The process can
 * have become another user since @owner was found for it.
 */
static struct user_event_owner *owner_of_turn(struct user_event_owner *owner)
{
	struct user_event_owner *own = NULL;

	if (!owner)
		return NULL;
	if (!(current->flags & PF_KTHREAD))
		own = user_event_owner_of_current(owner);
	/* Better a queue that is too long than none, where there is no memory */
	if (!own) {
		user_event_owner_get(owner);
		own = owner;
	}
	return own;
}

/**
 * user_event_owner_lock() - take event_mutex when it is the turn of the caller
 * @owner: the user of the caller's address space, or NULL for a worker that does not
 *	wait for a user
 *
 * event_mutex is first come, first served: a user that may start any number of
 * processes would otherwise make everybody wait for all of them. The turn is
 * only held to wait, so mutex_unlock(&event_mutex) is all it takes to unlock.
 *
 * For work that even a task that is being killed has to do.
 *
 * Context: no locks that may be wanted under event_mutex. May sleep.
 */
void user_event_owner_lock(struct user_event_owner *owner)
{
	if (mutex_trylock(&event_mutex))
		return;

	owner = owner_of_turn(owner);
	if (owner)
		mutex_lock(&owner->turn);
	mutex_lock(&event_mutex);
	if (owner) {
		mutex_unlock(&owner->turn);
		user_event_owner_put(owner);
	}
}

/* Take event_mutex in the turn of @owner, referenced, or NULL; drops the reference */
static int wait_killable(struct user_event_owner *owner)
{
	int ret = owner ? mutex_lock_killable(&owner->turn) : 0;

	if (!ret) {
		mutex_lock(&event_mutex);
		if (owner)
			mutex_unlock(&owner->turn);
	}
	if (owner)
		user_event_owner_put(owner);
	return ret;
}

/**
 * user_event_owner_lock_killable() - user_event_owner_lock() until killed
 * @owner: as in user_event_owner_lock()
 *
 * The queue of a user is as long as that user makes it, so a task in it can be
 * killed, and so can a thread that waits for the user. They sleep killable, so
 * the hung-task detector ignores them.
 *
 * Context: as user_event_owner_lock().
 * Return: 0 with event_mutex held, or -EINTR.
 */
int user_event_owner_lock_killable(struct user_event_owner *owner)
{
	return mutex_trylock(&event_mutex) ? 0 : wait_killable(owner_of_turn(owner));
}

/**
 * user_event_owner_lock_to_read() - user_event_owner_lock_killable() for a task that
 * may have registered nothing
 *
 * Context: as user_event_owner_lock().
 * Return: as user_event_owner_lock_killable().
 */
int user_event_owner_lock_to_read(void)
{
	return mutex_trylock(&event_mutex) ? 0 :
		wait_killable(user_event_owner_of_current(NULL));
}

/**
 * user_event_owner_let_others_go() - let others have event_mutex, after many lines
 * @passed: lines shown or passed over since event_mutex was taken; one more is counted
 *
 * One read can pass over a whole file, to what it is to begin at.
 *
 * Context: event_mutex held, and no locks that may be wanted under it. May sleep.
 * Return: 0 with event_mutex held, still or again, or -EINTR without it.
 */
int user_event_owner_let_others_go(unsigned int *passed)
{
	if (++*passed <= USER_EVENT_READ_PIECE)
		return 0;

	*passed = 0;
	mutex_unlock(&event_mutex);
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR :
		user_event_owner_lock_to_read();
}
