// SPDX-License-Identifier: GPL-2.0
/*
 * User events: enable bits in memory.
 *
 * The kernel writes a bit when it changes whether somebody listens, in whatever
 * context that changes: a tracer that must not wait for the program. So a write
 * is only tried: the page must be present, and writable as it is.
 */
#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "trace_events_user.h"

/* What is at a mapped value: its bit is on */
static bool value_test(const void *value, unsigned int size, unsigned int bit)
{
	if (size == 8)
		return READ_ONCE(*(const u64 *)value) >> bit & 1;
	return READ_ONCE(*(const u32 *)value) >> bit & 1;
}

/*
 * Set or clear one bit, atomically against user space, and touch no byte
 * outside of the value. The operand has the value's own size, so that a bit has
 * its number on either byte order.
 */
static void value_change(void *value, unsigned int size, unsigned int bit,
			 bool on)
{
	if (size == 4) {
		if (on)
			atomic_or(1U << bit, (atomic_t *)value);
		else
			atomic_andnot(1U << bit, (atomic_t *)value);
	} else {
#ifdef CONFIG_64BIT
		if (on)
			atomic64_or(1ULL << bit, (atomic64_t *)value);
		else
			atomic64_andnot(1ULL << bit, (atomic64_t *)value);
#endif
	}
}

/**
 * user_event_mm_write() - set or clear a bit
 * @umm: the address space
 * @enabler: which bit
 * @on: whether it is to be set
 * @lazy: leave a bit alone that is right already, even if it could not be
 *	written, as on a page that the process shares since a fork
 *
 * Nothing is waited for, the page least of all.
 *
 * Context: between user_event_mm_begin() or user_event_mm_lock() and its
 * counterpart.
 * Return: 0, or
 * * -EAGAIN	- somebody has the page locked
 * * -EFAULT	- the page is missing, or not writable as it is
 */
int user_event_mm_write(struct user_event_mm *umm,
			const struct user_event_enabler *enabler, bool on,
			bool lazy)
{
	unsigned int size = enabler_size(enabler), bit = enabler_bit(enabler);
	unsigned long addr = enabler_addr(enabler);
	struct user_events_page at;
	bool is_on = false;
	void *value = NULL;
	int ret;

	ret = user_events_page_lock(umm->mm, addr, &at);
	if (ret)
		return ret;

	if (at.page) {
		value = kmap_local_page(at.page) + offset_in_page(addr);
		is_on = value_test(value, size, bit);
	}
	if (at.writable) {
		if (is_on != on) {
			value_change(value, size, bit, on);
			flush_dcache_page(at.page);
			/*
			 * The entry of the page table, which a write by the
			 * process would mark, is locked: nothing can begin to
			 * write the page back between the change and this.
			 */
			folio_mark_dirty(page_folio(at.page));
		}
	} else if (!lazy || is_on != on) {
		ret = -EFAULT;
	}
	if (value)
		kunmap_local(value);
	user_events_page_unlock(&at);
	return ret;
}

/* What is at the address of @enabler, between user_event_mm_begin() and _end() */
static enum user_event_bit_state look_at(struct user_event_mm *umm,
					 const struct user_event_enabler *enabler)
{
	unsigned int size = enabler_size(enabler), bit = enabler_bit(enabler);
	unsigned long addr = enabler_addr(enabler);
	struct user_events_page at;
	struct vm_area_struct *vma;
	bool on = false;
	void *value;

	vma = vma_lookup(umm->mm, addr);
	if (!vma)
		return USER_EVENT_BIT_UNMAPPED;
	if (!(vma->vm_flags & VM_WRITE))
		return USER_EVENT_BIT_READ_ONLY;

	if (user_events_page_lock(umm->mm, addr, &at)) {
		if (vma->vm_file &&
		    linear_page_index(vma, addr) * PAGE_SIZE >=
		    i_size_read(file_inode(vma->vm_file)))
			return USER_EVENT_BIT_PAST_EOF;
		return USER_EVENT_BIT_ABSENT;
	}

	/* The page of zeroes has no bit set */
	if (at.page) {
		value = kmap_local_page(at.page) + offset_in_page(addr);
		on = value_test(value, size, bit);
		kunmap_local(value);
	}
	user_events_page_unlock(&at);
	return on == !!enabler_event(enabler)->consumers ?
		USER_EVENT_BIT_OK : USER_EVENT_BIT_WRONG;
}

/**
 * user_event_mm_bit_state() - tell what is the matter with a bit
 * @umm: the address space
 * @enabler: which bit
 *
 * Looks at the memory, so that it costs nothing to know. Nothing is waited for,
 * and nothing brought in.
 *
 * Context: event_mutex held. May sleep.
 * Return: enum user_event_bit_state, or
 * * -ESRCH	- the address space is about to go
 */
int user_event_mm_bit_state(struct user_event_mm *umm,
			    const struct user_event_enabler *enabler)
{
	enum user_event_bit_state state = USER_EVENT_BIT_LOCKED;
	int ret = user_event_mm_begin(umm);

	if (ret == -ESRCH)
		return ret;
	if (!ret) {
		state = look_at(umm, enabler);
		user_event_mm_end(umm);
	}
	/* Nothing has been given up as long as it goes on */
	if (state != USER_EVENT_BIT_OK && READ_ONCE(umm->stale))
		state = USER_EVENT_BIT_REPAIR;
	return state;
}
