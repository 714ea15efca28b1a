/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What user_events needs that has another form from kernel to kernel.
 * This is the form of 6.1.
 */
#ifndef _TRACE_EVENTS_USER_BASE_H
#define _TRACE_EVENTS_USER_BASE_H

#include <linux/mm.h>
#include <linux/ring_buffer.h>
#include <linux/uio.h>
#include <asm/unaligned.h>

/* A table of sysctls ends in an empty entry */
#define USER_EVENTS_SYSCTL_END	{ }

/**
 * user_events_get_page() - get the page at an address of an address space
 * @mm: the address space, its mmap_lock held
 * @addr: the address
 * @gup_flags: FOLL_*
 * @page: the page, referenced
 *
 * Return: 1, or a negative errno.
 */
static inline long user_events_get_page(struct mm_struct *mm,
					unsigned long addr,
					unsigned int gup_flags,
					struct page **page)
{
	return get_user_pages_remote(mm, addr, 1, gup_flags, page, NULL, NULL);
}

/**
 * user_events_ring_max() - the largest entry that a trace buffer takes
 * @buffer: the trace buffer
 *
 * An entry has to fit into a page of the buffer, which starts with a time
 * stamp and a commit count, together with its own header of 8 bytes. With
 * absolute time stamps (histograms want them) one of 8 bytes precedes it, and
 * the base counts the header once more.
 *
 * Return: bytes.
 */
static inline size_t user_events_ring_max(struct trace_buffer *buffer)
{
	size_t max = PAGE_SIZE - 2 * sizeof(u32) -
		ALIGN(sizeof(u64) + sizeof(local_t), sizeof(u64));

	return ring_buffer_time_stamp_abs(buffer) ? max - 16 : max;
}

/**
 * user_events_iov() - the pieces of user space an iterator is at
 * @iter: the iterator, iter_is_iovec()
 *
 * Return: the current piece; the iterator is at its iov_offset.
 */
static inline const struct iovec *user_events_iov(const struct iov_iter *iter)
{
	return iter->iov;
}

#endif /* _TRACE_EVENTS_USER_BASE_H */
