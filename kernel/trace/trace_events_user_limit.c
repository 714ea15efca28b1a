// SPDX-License-Identifier: GPL-2.0
/*
 * User events: limits per user.
 *
 * Events and enable bits count against the user who causes them, in the
 * counters that the kernel has for each user in each user namespace: what a
 * user of a namespace has counts in those above it as well, for the creator of
 * the namespace.
 */
#include <linux/cred.h>
#include <linux/user_namespace.h>

#include "trace_events_user.h"

/*
 * What a user may have unless an administrator says otherwise: half of the events
 * that the system holds, and enable bits that take 64 MiB.
 */
#define EVENTS_MAX	16384
#define BITS_MAX	1048576

/**
 * user_event_limit_get_user() - get the counters that limit the caller
 *
 * Return: the counters, referenced; NULL when their reference count is at its
 * limit.
 */
struct ucounts *user_event_limit_get_user(void)
{
	return get_ucounts(current_ucounts());
}

/**
 * user_event_limit_uncharge() - give back what user_event_limit_charge() took
 * @user: the counters
 * @type: UCOUNT_USER_EVENTS or UCOUNT_USER_EVENT_BITS
 * @nr: how many
 *
 * Context: any.
 */
void user_event_limit_uncharge(struct ucounts *user, enum ucount_type type,
			       unsigned int nr)
{
	for (; user; user = user->ns->ucounts)
		atomic_long_sub(nr, &user->ucount[type]);
}

/* Charge in one namespace */
static bool charge_one(struct ucounts *user, enum ucount_type type,
		       unsigned int nr)
{
	long max = READ_ONCE(user->ns->ucount_max[type]);
	long old = atomic_long_read(&user->ucount[type]);

	do {
		if (old + nr > max)
			return false;
	} while (!atomic_long_try_cmpxchg(&user->ucount[type], &old, old + nr));
	return true;
}

/**
 * user_event_limit_charge() - count events or enable bits for a user
 * @user: the counters
 * @type: UCOUNT_USER_EVENTS or UCOUNT_USER_EVENT_BITS
 * @nr: how many
 *
 * Context: any.
 * Return: 0, or -EMFILE when it would exceed the limit of the user, or of the
 * creator of a user namespace that the user is in.
 */
int user_event_limit_charge(struct ucounts *user, enum ucount_type type,
			    unsigned int nr)
{
	struct ucounts *at, *undo;

	for (at = user; at; at = at->ns->ucounts) {
		if (charge_one(at, type, nr))
			continue;
		for (undo = user; undo != at; undo = undo->ns->ucounts)
			atomic_long_sub(nr, &undo->ucount[type]);
		return -EMFILE;
	}
	return 0;
}

/**
 * user_event_limit_init() - set the default limits
 */
void __init user_event_limit_init(void)
{
	init_user_ns.ucount_max[UCOUNT_USER_EVENTS] = EVENTS_MAX;
	init_user_ns.ucount_max[UCOUNT_USER_EVENT_BITS] = BITS_MAX;
}
