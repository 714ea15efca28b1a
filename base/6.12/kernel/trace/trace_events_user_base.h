/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What user_events needs that has another form from kernel to kernel.
 * This is the form of 6.12.
 */
#ifndef _TRACE_EVENTS_USER_BASE_H
#define _TRACE_EVENTS_USER_BASE_H

#include <linux/cacheflush.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagewalk.h>
#include <linux/perf_event.h>
#include <linux/ring_buffer.h>
#include <linux/secretmem.h>
#include <linux/uio.h>
#include <linux/unaligned.h>

/* A table of sysctls ends where its array ends */
#define USER_EVENTS_SYSCTL_END

/**
 * user_events_vma_writable() - may a program write in a mapping
 * @vma: the mapping
 *
 * Return: whether it may, by instructions of any kind.
 */
static inline bool user_events_vma_writable(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & (VM_WRITE | VM_SHADOW_STACK)) == VM_WRITE;
}

/**
 * struct user_events_page - a page where an address space has it mapped
 * @page: the page, NULL if it is the one of zeroes
 * @writable: the address space can write it as it is
 * @shared: it belongs to a file that others can map
 * @walk: the entry of the page table, locked
 * @vma: the mapping; NULL if the page itself is locked
 */
struct user_events_page {
	struct page		*page;
	bool			writable;
	bool			shared;
	struct folio_walk	walk;
	struct vm_area_struct	*vma;
};

static inline bool user_events_walk_writable(const struct folio_walk *walk)
{
	switch (walk->level) {
	case FW_LEVEL_PTE:
		return pte_write(walk->pte);
	case FW_LEVEL_PMD:
		return pmd_write(walk->pmd);
	default:
		return pud_write(walk->pud);
	}
}

/* Files on DAX have pages that a walk does not show */
static inline int user_events_dax_page_lock(struct mm_struct *mm,
					    unsigned long addr,
					    struct user_events_page *at)
{
	if (get_user_pages_remote(mm, addr, 1, FOLL_NOFAULT | FOLL_WRITE,
				  &at->page, NULL) != 1)
		return -EFAULT;
	if (!trylock_page(at->page)) {
		put_page(at->page);
		return -EAGAIN;
	}
	at->vma = NULL;
	at->writable = true;
	return 0;
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
 * Context: may sleep for a moment; not between this and
 * user_events_page_unlock().
 * Return: 0, or
 * * -EAGAIN	- it is on DAX, and somebody has it locked
 * * -EFAULT	- there is no page that could be looked at
 */
static inline int user_events_page_lock(struct mm_struct *mm,
					unsigned long addr,
					struct user_events_page *at)
{
	struct vm_area_struct *vma = vma_lookup(mm, addr);

	/* The kernel cannot see secret memory, and devices are not memory */
	if (!vma || (vma->vm_flags & (VM_IO | VM_PFNMAP)) ||
	    vma_is_secretmem(vma))
		return -EFAULT;
	at->shared = vma->vm_flags & VM_SHARED && vma->vm_file;
	if (vma_is_dax(vma))
		return user_events_dax_page_lock(mm, addr, at);
	if (!folio_walk_start(&at->walk, vma, addr, FW_ZEROPAGE))
		return -EFAULT;

	at->vma = vma;
	at->page = at->walk.page;
	/*
	 * Where data caches have aliases, what the process has written may be
	 * in another line than the kernel will look at. None of its threads on
	 * this CPU runs before the page is unlocked.
	 */
	if (at->page)
		flush_cache_page(vma, addr, page_to_pfn(at->page));
	at->writable = at->page && user_events_walk_writable(&at->walk) &&
		user_events_vma_writable(vma);
	return 0;
}

/**
 * user_events_page_unlock() - end what user_events_page_lock() began
 * @at: the page
 */
static inline void user_events_page_unlock(struct user_events_page *at)
{
	if (at->vma) {
		folio_walk_end(&at->walk, at->vma);
	} else {
		unlock_page(at->page);
		put_page(at->page);
	}
}

/**
 * user_events_ring_max() - the largest entry that a trace buffer takes
 * @buffer: the trace buffer
 *
 * The base's own figure counts an absolute time stamp (histograms want them)
 * but not that an entry then pays for its header once more.
 *
 * Return: bytes.
 */
static inline size_t user_events_ring_max(struct trace_buffer *buffer)
{
	size_t max = ring_buffer_max_event_size(buffer);

	return ring_buffer_time_stamp_abs(buffer) ? max - 8 : max;
}

/**
 * user_events_iov() - the pieces of user space an iterator is at
 * @iter: the iterator, iter_is_iovec()
 *
 * Return: the current piece; the iterator is at its iov_offset.
 */
static inline const struct iovec *user_events_iov(const struct iov_iter *iter)
{
	return iter_iov(iter);
}

/**
 * user_events_has_files() - whether an event has its files in an instance
 * @file: the event in the instance
 *
 * Return: whether the directory could be made. What is in it is made when
 * somebody looks.
 */
static inline bool user_events_has_files(const struct trace_event_file *file)
{
	return file->ei;
}

/**
 * user_events_not_for() - whether an instance may be without an event
 * @tr: the instance
 *
 * Return: whether it was made for certain systems only.
 */
static inline bool user_events_not_for(const struct trace_array *tr)
{
	return tr->system_names;
}

#ifdef CONFIG_PERF_EVENTS
/**
 * user_events_perf_allowed() - may the caller read records through perf
 * @perf: the perf event that is opened
 *
 * Return: 0, -EACCES or -EPERM.
 */
static inline int user_events_perf_allowed(struct perf_event *perf)
{
	return perf_allow_tracepoint();
}
#endif

#endif /* _TRACE_EVENTS_USER_BASE_H */
