// SPDX-License-Identifier: GPL-2.0
/*
 * User events: which bits a program has registered.
 *
 * A program can wait until its own bits are right, and does: registering and
 * unregistering try for as long as locks are busy and pages missing.
 */
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "trace_events_user.h"

/* With all locks held: have a set that may be changed */
static int umm_own_set(struct user_event_mm *umm)
{
	struct user_event_set *set = umm->set;

	/* fork, which alone could share it now, waits for the mmap_lock */
	if (set && refcount_read(&set->users) == 1)
		return 0;

	set = set ? user_event_set_copy(set) : user_event_set_alloc();
	if (!set)
		return -ENOMEM;

	if (umm->set)
		user_event_set_leave(umm->set, umm);
	umm->set = set;
	user_event_set_join(set, umm);
	return 0;
}

/* With all locks held */
static int try_register(struct user_event_mm *umm, struct user_event *event,
			struct user_event_enabler *enabler)
{
	unsigned long addr = enabler_addr(enabler);
	unsigned int bit = enabler_bit(enabler);
	struct user_event_set *set = umm->set;
	struct user_event_place place;
	bool first = !set;
	int ret;

	if (set && user_event_set_place(set, addr, bit, &place))
		return -EADDRINUSE;

	ret = umm_own_set(umm);
	if (ret)
		return ret;
	if (umm->set != set)
		user_event_set_place(umm->set, addr, bit, &place);

	ret = user_event_mm_write(umm, enabler, event->consumers, false);
	if (!ret) {
		user_event_set_add(umm->set, enabler, &place);
	} else if (first) {
		user_event_set_leave(umm->set, umm);
		umm->set = NULL;
	}
	return ret;
}

/**
 * user_event_mm_register() - have a bit of the caller say who listens
 * @event: the event, held
 * @addr: address of the value, a multiple of @size
 * @size: bytes of the value, 4 or 8
 * @bit: number of the bit in it
 *
 * The bit is up to date when this returns.
 *
 * Context: takes event_mutex. May sleep, and fault pages in.
 * Return: 0, and the event has one more holder, or
 * * -EADDRINUSE	- the address space has registered the address and bit
 * * -EFAULT	- the value cannot be written
 * * -EINTR	- the caller is being killed
 * * -ENOMEM	- no memory
 */
int user_event_mm_register(struct user_event *event, unsigned long addr,
			   unsigned int size, unsigned int bit)
{
	struct user_event_mm *umm = user_event_mm_of_current();
	struct user_event_enabler *enabler;
	unsigned int try = 0, missing = 0;
	int ret;

	if (IS_ERR(umm))
		return PTR_ERR(umm);

	enabler = user_event_enabler_alloc(event, addr, size, bit);
	if (!enabler)
		return -ENOMEM;

	do {
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		user_event_mm_back_off(try);
		ret = user_event_mm_lock(umm, try, addr, true);
		if (!ret) {
			ret = try_register(umm, event, enabler);
			user_event_mm_unlock(umm);
			/* Missing, or a mapping that is never to be written */
			if (ret == -EFAULT && missing++ < USER_EVENT_MM_TRIES)
				ret = -EAGAIN;
		} else if (ret != -EAGAIN && ret != -ENOMEM) {
			ret = -EFAULT;
		}
		try++;
	} while (ret == -EAGAIN);

	if (ret)
		user_event_enabler_free(enabler);
	return ret;
}

/* With all locks held; with @force even if the bit stays as it is */
static int try_unregister(struct user_event_mm *umm, unsigned long addr,
			  unsigned int bit, bool force)
{
	struct user_event_enabler *enabler;
	int ret;

	if (!umm->set || !user_event_set_find(umm->set, addr, bit))
		return -ENOENT;

	ret = umm_own_set(umm);
	if (ret)
		return ret;

	enabler = user_event_set_find(umm->set, addr, bit);
	ret = user_event_mm_write(umm, enabler, false, true);
	if (ret && !force)
		return ret;

	user_event_set_remove(enabler);
	if (!umm->set->nr) {
		user_event_set_leave(umm->set, umm);
		umm->set = NULL;
	}
	return 0;
}

/**
 * user_event_mm_unregister() - stop updating a bit of the caller
 * @addr: address of the value
 * @bit: number of the bit in it
 *
 * The bit is clear when this returns, unless there is nothing at @addr that
 * could be written.
 *
 * Context: takes event_mutex. May sleep, and fault pages in.
 * Return: 0, or
 * * -ENOENT	- the address space has not registered the address and bit
 * * -EINTR	- the caller is being killed
 * * -ENOMEM	- no memory to part from what other address spaces share
 */
int user_event_mm_unregister(unsigned long addr, unsigned int bit)
{
	struct user_event_mm *umm = READ_ONCE(current->mm->user_event_mm);
	unsigned int try = 0, missing = 0;
	bool force = false;
	int ret;

	if (!umm)
		return -ENOENT;

	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		user_event_mm_back_off(try);
		ret = user_event_mm_lock(umm, try, addr, !force);
		if (!ret) {
			ret = try_unregister(umm, addr, bit, force);
			user_event_mm_unlock(umm);
			if (ret != -EFAULT)
				continue;
			force = missing++ >= USER_EVENT_MM_TRIES;
			ret = -EAGAIN;
		} else if (ret != -EAGAIN && ret != -ENOMEM) {
			/* There is no page that could have a bit */
			force = true;
			ret = -EAGAIN;
		}
	} while (try++, ret == -EAGAIN);

	return ret;
}
