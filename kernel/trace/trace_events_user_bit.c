// SPDX-License-Identifier: GPL-2.0
/*
 * User events: enable bits in memory.
 *
 * A bit is written in the context of the listener that comes or goes, which must
 * not wait for the program. So a write is only tried: the page must be present,
 * and writable as it is.
 */
#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "trace_events_user.h"

/* Is @bit set? */
static bool word_test(const void *word, unsigned int size, unsigned int bit)
{
	if (size == 8)
		return READ_ONCE(*(const u64 *)word) >> bit & 1;
	return READ_ONCE(*(const u32 *)word) >> bit & 1;
}

/*
 * Set or clear one bit, atomically against user space, and touch no byte
 * outside of the enable word. The operand has the word's own size, so that a bit has
 * its number on either byte order.
 */
static void word_change(void *word, unsigned int size, unsigned int bit,
			bool on)
{
	if (size == 4) {
		if (on)
			atomic_or(1U << bit, (atomic_t *)word);
		else
			atomic_andnot(1U << bit, (atomic_t *)word);
	} else {
#ifdef CONFIG_64BIT
		if (on)
			atomic64_or(1ULL << bit, (atomic64_t *)word);
		else
			atomic64_andnot(1ULL << bit, (atomic64_t *)word);
#endif
	}
}

/* Set or clear a bit as @on says; see user_event_bit_write() for the rest */
static __always_inline int put_bit(struct user_event_mm *umm,
				   const struct user_event_enabler *enabler,
				   bool on, unsigned int flags, bool *shared)
{
	unsigned int size = enabler_size(enabler), bit = enabler_bit(enabler);
	unsigned long addr = enabler_addr(enabler);
	struct user_events_page at;
	bool is_on = false;
	void *word = NULL;
	int ret;

	if (unlikely(!RB_EMPTY_ROOT(&umm->gone)) &&
	    user_event_mm_is_gone(umm, addr))
		return 0;

	ret = user_events_page_lock(umm->mm, addr, &at);
	if (ret)
		return ret;

	if (at.page) {
		word = kmap_local_page(at.page) + offset_in_page(addr);
		is_on = word_test(word, size, bit);
	}
	if (shared)
		*shared = at.flags & VM_SHARED;
	if (at.writable) {
		if (is_on != on) {
			word_change(word, size, bit, on);
			flush_dcache_page(at.page);
			/*
			 * The entry of the page table, which a write by the
			 * process would mark, is locked: writeback cannot
			 * begin between the change and this.
			 */
			folio_mark_dirty(page_folio(at.page));
		}
	} else if (!(flags & USER_EVENT_BIT_LAZY) || is_on != on) {
		ret = -EFAULT;
	}
	if (word)
		kunmap_local(word);
	user_events_page_unlock(&at);
	return ret;
}

/**
 * user_event_bit_write() - make a bit say whether its event has listeners
 * @umm: the address space
 * @enabler: which bit
 * @flags: USER_EVENT_BIT_LAZY, or 0
 *
 * Waits for nothing, least of all for the page. Memory that was unmapped since the
 * bit was registered is left alone.
 *
 * Context: event_mutex held, between user_event_mm_begin() or
 * user_event_access() and its end.
 * Return: 0, or
 * * -EAGAIN	- the page is locked by another task
 * * -EFAULT	- the page is missing, or not writable as it is
 */
int user_event_bit_write(struct user_event_mm *umm,
			 const struct user_event_enabler *enabler,
			 unsigned int flags)
{
	return put_bit(umm, enabler, enabler_event(enabler)->listeners, flags,
		       NULL);
}

/**
 * user_event_bit_check() - check that a bit could be written
 * @umm: the address space
 * @addr: address of the enable word
 *
 * Context: as user_event_bit_write().
 * Return: as user_event_bit_write().
 */
int user_event_bit_check(struct user_event_mm *umm, unsigned long addr)
{
	struct user_events_page at;
	int ret = user_events_page_lock(umm->mm, addr, &at);

	if (ret)
		return ret;
	ret = at.writable ? 0 : -EFAULT;
	user_events_page_unlock(&at);
	return ret;
}

/**
 * user_event_bit_clear() - clear a bit that is unregistered
 * @umm: the address space
 * @enabler: which bit
 * @shared: set to whether it is in memory that others may have mapped
 *
 * Context: as user_event_bit_write().
 * Return: as user_event_bit_write(); 0 also for a bit that is clear.
 */
int user_event_bit_clear(struct user_event_mm *umm,
			 const struct user_event_enabler *enabler,
			 bool *shared)
{
	return put_bit(umm, enabler, false, USER_EVENT_BIT_LAZY, shared);
}

/* Look at the bit, between user_event_mm_begin() and user_event_mm_end() */
static enum user_event_bit_state look_at(struct user_event_mm *umm,
					 const struct user_event_enabler *enabler)
{
	unsigned int size = enabler_size(enabler), bit = enabler_bit(enabler);
	unsigned long addr = enabler_addr(enabler);
	struct user_events_page at;
	struct vm_area_struct *vma;
	bool on = false;
	void *word;

	vma = vma_lookup(umm->mm, addr);
	if (!vma)
		return USER_EVENT_BIT_UNMAPPED;
	if (!user_events_vma_writable(vma))
		return USER_EVENT_BIT_READ_ONLY;

	if (user_events_page_lock(umm->mm, addr, &at)) {
		if (vma->vm_file &&
		    ((loff_t)vma->vm_pgoff << PAGE_SHIFT) + (addr - vma->vm_start) >=
		    i_size_read(file_inode(vma->vm_file)))
			return USER_EVENT_BIT_PAST_EOF;
		return USER_EVENT_BIT_ABSENT;
	}

	/* The zero page has no bit set */
	if (at.page) {
		word = kmap_local_page(at.page) + offset_in_page(addr);
		on = word_test(word, size, bit);
		kunmap_local(word);
	}
	user_events_page_unlock(&at);
	return on == !!enabler_event(enabler)->listeners ?
		USER_EVENT_BIT_OK : USER_EVENT_BIT_WRONG;
}

/**
 * user_event_bit_state() - tell how a bit in memory compares to its event
 * @umm: the address space
 * @enabler: which bit
 *
 * Looks at the memory, so that no state has to be kept up to date. Waits for
 * nothing, and brings nothing in.
 *
 * Context: event_mutex held. May sleep.
 * Return: enum user_event_bit_state, or
 * * -ESRCH	- the address space is about to go, or the memory is gone
 */
int user_event_bit_state(struct user_event_mm *umm,
			 const struct user_event_enabler *enabler)
{
	enum user_event_bit_state state = USER_EVENT_BIT_LOCKED;
	int ret = user_event_mm_begin(umm);

	if (ret == -ESRCH)
		return ret;
	if (!ret) {
		if (user_event_mm_is_gone(umm, enabler_addr(enabler)))
			ret = -ESRCH;
		else
			state = look_at(umm, enabler);
		user_event_mm_end(umm);
		if (ret)
			return ret;
	}
	/* A pending repair may still fix it */
	if (state != USER_EVENT_BIT_OK && READ_ONCE(umm->stale))
		state = USER_EVENT_BIT_REPAIR;
	return state;
}
