/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel interfaces that user_events uses and that differ between kernels. Each
 * base implements them in its own trace_events_user_form.h.
 */
#ifndef _TRACE_EVENTS_USER_BASE_H
#define _TRACE_EVENTS_USER_BASE_H

#include <linux/cacheflush.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/perf_event.h>
#include <linux/ring_buffer.h>
#include <linux/secretmem.h>
#include <linux/uio.h>

struct user_events_page;

/**
 * user_events_vma_writable() - check whether a program may write to a mapping
 * @vma: the mapping
 *
 * Return: whether it may, with ordinary instructions: not to a shadow stack.
 */
static inline bool user_events_vma_writable(const struct vm_area_struct *vma);

/**
 * user_events_entry_lock() - lock the entry of the page table for an address
 * @vma: the mapping, its mmap_lock held; neither secret nor device memory
 * @addr: the address
 * @at: is filled in
 *
 * Return: as user_events_page_lock().
 */
static inline int user_events_entry_lock(struct vm_area_struct *vma,
					 unsigned long addr,
					 struct user_events_page *at);

/**
 * user_events_page_unlock() - end what user_events_page_lock() began
 * @at: the page
 */
static inline void user_events_page_unlock(struct user_events_page *at);

/**
 * user_events_ring_max() - the largest entry that a trace buffer takes
 * @buffer: the trace buffer
 *
 * Return: bytes.
 */
static inline size_t user_events_ring_max(struct trace_buffer *buffer);

/**
 * user_events_iov() - the pieces of user space an iterator is at
 * @iter: the iterator, iter_is_iovec()
 *
 * Return: the current piece; the iterator is at its iov_offset.
 */
static inline const struct iovec *user_events_iov(const struct iov_iter *iter);

/**
 * user_events_has_files() - check that an event has its files in an instance
 * @file: the event in the instance
 *
 * Return: whether its directory was made, and also the files in it if this
 * kernel makes them at once rather than on lookup.
 */
static inline bool user_events_has_files(const struct trace_event_file *file);

/**
 * user_events_not_for() - check whether an instance may lack an event
 * @tr: the instance
 *
 * Return: whether it was made for certain systems only.
 */
static inline bool user_events_not_for(const struct trace_array *tr);

#ifdef CONFIG_PERF_EVENTS
/**
 * user_events_perf_allowed() - check if the caller may read records by perf
 * @perf: the perf event that is opened
 *
 * Return: 0, -EACCES or -EPERM.
 */
static inline int user_events_perf_allowed(struct perf_event *perf);
#endif

/*
 * For a page without a page table entry to lock: take a reference, for writing if
 * that can be, and trylock the page itself.
 */
static inline int user_events_whole_page_lock(struct mm_struct *mm,
					      unsigned long addr,
					      struct user_events_page *at);

/*
 * For a hugetlb page, which get_user_pages() would fault in. -EAGAIN if the
 * lock of the file's mappings is busy.
 */
static inline int user_events_hugetlb_page_lock(struct vm_area_struct *vma,
						unsigned long addr,
						struct user_events_page *at);

#include "trace_events_user_form.h"

#ifdef CONFIG_HUGETLB_PAGE
static inline int user_events_hugetlb_page_lock(struct vm_area_struct *vma,
						unsigned long addr,
						struct user_events_page *at)
{
	struct address_space *mapping = vma->vm_file->f_mapping;
	struct hstate *h = hstate_vma(vma);
	pte_t entry, *pte;

	*at = (struct user_events_page){ .flags = at->flags };
	/* Keeps a shared page table from going until its own lock is taken */
	if (!i_mmap_trylock_read(mapping))
		return -EAGAIN;
	pte = huge_pte_offset(vma->vm_mm, addr & huge_page_mask(h),
			      huge_page_size(h));
	if (!pte) {
		i_mmap_unlock_read(mapping);
		return -EFAULT;
	}
	at->ptl = huge_pte_lock(h, vma->vm_mm, pte);
	i_mmap_unlock_read(mapping);
	entry = user_events_huge_ptep_get(vma->vm_mm, addr & huge_page_mask(h),
					  pte);
	if (!pte_present(entry)) {
		spin_unlock(at->ptl);
		return -EFAULT;
	}
	at->page = nth_page(pte_page(entry),
			    (addr & ~huge_page_mask(h)) >> PAGE_SHIFT);
	at->writable = huge_pte_write(entry) && user_events_vma_writable(vma);
	/* For sparse: held until user_events_page_unlock() */
	__release(at->ptl);
	return 0;
}
#else
static inline int user_events_hugetlb_page_lock(struct vm_area_struct *vma,
						unsigned long addr,
						struct user_events_page *at)
{
	return -EFAULT;
}
#endif

static inline int user_events_whole_page_lock(struct mm_struct *mm,
					      unsigned long addr,
					      struct user_events_page *at)
{
	bool writable = true;
	struct page *page;

	if (user_events_get_page(mm, addr, FOLL_WRITE, &page) != 1) {
		/* Since a fork, for instance */
		writable = false;
		if (user_events_get_page(mm, addr, 0, &page) != 1)
			return -EFAULT;
	}
	if (!trylock_page(page)) {
		put_page(page);
		return -EAGAIN;
	}
	*at = (struct user_events_page){
		.page = page, .writable = writable, .flags = at->flags,
	};
	return 0;
}

/* The kernel cannot see secret memory, and devices are not memory */
static inline bool user_events_vma_visible(struct vm_area_struct *vma)
{
	return !(vma->vm_flags & (VM_IO | VM_PFNMAP)) && !vma_is_secretmem(vma);
}

/**
 * user_events_page_lock() - find the page at an address and keep it there
 * @mm: the address space, its mmap_lock held
 * @addr: the address
 * @at: is filled in
 *
 * The entry of the page table is locked: as long as it is, a write to the page
 * is as good as one by the process itself, if @at->writable.
 *
 * Context: may sleep for a moment, but waits for no lock of @mm; may not sleep
 * between this and user_events_page_unlock().
 * Return: 0, or
 * * -EAGAIN	- the page itself must be locked (on DAX; on 6.1 also a
 *		  transparent huge page) or, for a hugetlb page, the mappings of
 *		  its file, and another task has that lock
 * * -EFAULT	- there is no page that could be looked at
 */
static inline int user_events_page_lock(struct mm_struct *mm,
					unsigned long addr,
					struct user_events_page *at)
{
	struct vm_area_struct *vma = vma_lookup(mm, addr);

	if (!vma || !user_events_vma_visible(vma))
		return -EFAULT;
	at->flags = vma->vm_flags;
	return user_events_entry_lock(vma, addr, at);
}

#endif /* _TRACE_EVENTS_USER_BASE_H */
