// SPDX-License-Identifier: GPL-2.0
/*
 * User events: limits per user, and charges per cgroup.
 *
 * Events and enable bits count against the user who causes them, in the
 * counters that the kernel has for each user in each user namespace: what a
 * user of a namespace has counts in those above it as well, for the creator of
 * the namespace.
 *
 * The memory of an event is charged to the memory cgroup of the task that declares
 * it. A charge can put a task to sleep whose cgroup exceeds its limit, so the task
 * charges what it will allocate under event_mutex before it takes event_mutex.
 */
#include <linux/cred.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
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

/* Uncharge in the namespaces below that of @end */
static void uncharge_below(struct ucounts *user, struct ucounts *end,
			   enum ucount_type type, unsigned int nr)
{
	for (; user != end; user = user->ns->ucounts)
		atomic_long_sub(nr, &user->ucount[type]);
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
	uncharge_below(user, NULL, type, nr);
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

/* Charge in the namespaces below that of @end: 0, or -EMFILE */
static __always_inline int charge_below(struct ucounts *user, struct ucounts *end,
					enum ucount_type type, unsigned int nr)
{
	struct ucounts *at;

	for (at = user; at != end; at = at->ns->ucounts) {
		if (charge_one(at, type, nr))
			continue;
		uncharge_below(user, at, type, nr);
		return -EMFILE;
	}
	return 0;
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
	return charge_below(user, NULL, type, nr);
}

/* The nearest counters that both are charged to: of the same creator; or NULL */
static struct ucounts *find_common(struct ucounts *one, struct ucounts *two)
{
	struct ucounts *at;

	for (; one; one = one->ns->ucounts) {
		for (at = two; at; at = at->ns->ucounts) {
			if (at == one)
				return at;
		}
	}
	return NULL;
}

/**
 * user_event_limit_move() - move what counts for one user to another, and charge more
 * @from: the counters of the one
 * @to: those of the other
 * @type: UCOUNT_USER_EVENTS or UCOUNT_USER_EVENT_BITS
 * @nr: how many count for @from
 * @more: how many are new
 *
 * Counters that both are charged to change by @more alone.
 *
 * Context: any.
 * Return: as user_event_limit_charge(); if that fails, nothing has changed.
 */
int user_event_limit_move(struct ucounts *from, struct ucounts *to,
			  enum ucount_type type, unsigned int nr, unsigned int more)
{
	struct ucounts *common = find_common(from, to);
	int ret;

	ret = user_event_limit_charge(to, type, more);
	if (ret)
		return ret;
	ret = charge_below(to, common, type, nr);
	if (ret)
		user_event_limit_uncharge(to, type, more);
	else
		uncharge_below(from, common, type, nr);
	return ret;
}

#ifdef USER_EVENTS_MEMCG
/**
 * user_event_limit_charge_memory() - charge memory before it is allocated
 * @charge: is filled in
 * @size: in bytes
 *
 * Context: event_mutex not held. May sleep, for seconds where the caller's cgroup
 * exceeds its limit.
 * Return: 0, or -ENOMEM.
 */
int user_event_limit_charge_memory(struct user_event_charge *charge,
				   size_t size)
{
	struct obj_cgroup *cgroup = get_obj_cgroup_from_current();

	if (!cgroup)
		return 0;
	if (obj_cgroup_charge(cgroup, GFP_KERNEL, size)) {
		obj_cgroup_put(cgroup);
		return -ENOMEM;
	}
	charge->cgroup = cgroup;
	charge->size = size;
	return 0;
}

/**
 * user_event_limit_uncharge_memory() - give back a charge
 * @charge: as user_event_limit_charge_memory() has left it
 *
 * Context: any.
 */
void user_event_limit_uncharge_memory(const struct user_event_charge *charge)
{
	if (!charge->cgroup)
		return;
	obj_cgroup_uncharge(charge->cgroup, charge->size);
	obj_cgroup_put(charge->cgroup);
}

/**
 * user_event_limit_charged_begin() - allocate memory that is charged already
 *
 * Until user_event_limit_charged_end() no allocation of the caller is charged, as
 * those of the trace core and of tracefs may be.
 *
 * Return: what to give to user_event_limit_charged_end().
 */
struct mem_cgroup *user_event_limit_charged_begin(void)
{
	return set_active_memcg(root_mem_cgroup);
}

/**
 * user_event_limit_charged_end() - go on charging what the caller allocates
 * @old: what user_event_limit_charged_begin() returned
 */
void user_event_limit_charged_end(struct mem_cgroup *old)
{
	set_active_memcg(old);
}
#else
int user_event_limit_charge_memory(struct user_event_charge *charge,
				   size_t size)
{
	return 0;
}

void user_event_limit_uncharge_memory(const struct user_event_charge *charge)
{
}

struct mem_cgroup *user_event_limit_charged_begin(void)
{
	return NULL;
}

void user_event_limit_charged_end(struct mem_cgroup *old)
{
}
#endif

/**
 * user_event_limit_init() - set the default limits
 */
void __init user_event_limit_init(void)
{
	init_user_ns.ucount_max[UCOUNT_USER_EVENTS] = EVENTS_MAX;
	init_user_ns.ucount_max[UCOUNT_USER_EVENT_BITS] = BITS_MAX;
}
