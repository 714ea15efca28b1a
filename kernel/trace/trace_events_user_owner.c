// SPDX-License-Identifier: GPL-2.0
/*
 * User events: the users whose address spaces have enable bits.
 *
 * Some repairs have to wait for something that a program controls, such as a
 * page that its pager holds back. What waits is bounded for each user: an
 * object here lists the address spaces of one user whose repair has to wait,
 * and the few threads that do the waiting.
 */
#include <linux/cred.h>
#include <linux/ratelimit.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uidgid.h>

#include "trace_events_user.h"

/* At most this many lines a minute about enable words that cannot be written */
#define COMPLAINTS_MAX	10

/* Owners by UID; its lock serialises adding and removing */
static DEFINE_XARRAY(owners);

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
	kuid_t uid = current_uid();
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
		spin_lock_init(&owner->lock);
		INIT_LIST_HEAD(&owner->fresh);
		INIT_LIST_HEAD(&owner->waited);
		INIT_LIST_HEAD(&owner->waiters);
		ratelimit_state_init(&owner->complaints, 60 * HZ,
				     COMPLAINTS_MAX);

		ret = xa_insert(&owners, __kuid_val(uid), owner,
				GFP_KERNEL_ACCOUNT);
		if (ret)
			kfree(owner);
		/* Another task of this user was faster */
	} while (ret == -EBUSY);

	return ret ? NULL : owner;
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
	if (!refcount_dec_and_lock(&owner->ref, &owners.xa_lock))
		return;

	__xa_erase(&owners, __kuid_val(owner->uid));
	xa_unlock(&owners);
	kfree(owner);
}
