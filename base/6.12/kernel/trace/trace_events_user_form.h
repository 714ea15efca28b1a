/* SPDX-License-Identifier: GPL-2.0 */
/* What trace_events_user_base.h declares, on 6.12. Only it includes this. */

#include <linux/pagewalk.h>
#include <linux/unaligned.h>

/* A table of sysctls ends where its array ends */
#define USER_EVENTS_SYSCTL_END

#ifdef CONFIG_MEMCG
#define USER_EVENTS_MEMCG
#endif

/* A trace_event_file, and an inode of eventfs with its name */
#define USER_EVENTS_FILES_SIZE	384

static inline bool user_events_vma_writable(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & (VM_WRITE | VM_SHADOW_STACK)) == VM_WRITE;
}

/**
 * struct user_events_page - a page where an address space has it mapped
 * @page: the page, NULL for the zero page
 * @writable: the address space can write it as it is
 * @flags: vm_flags of its mapping
 * @walk: the entry of the page table, locked
 * @vma: the mapping; NULL if @ptl or the page itself is locked
 * @ptl: the lock of the entry of a hugetlb page, held, or NULL
 */
struct user_events_page {
	struct page		*page;
	bool			writable;
	unsigned long		flags;
	struct folio_walk	walk;
	struct vm_area_struct	*vma;
	spinlock_t		*ptl;	/* of the entry */
};

#ifdef CONFIG_HUGETLB_PAGE
static inline pte_t user_events_huge_ptep_get(struct mm_struct *mm,
					      unsigned long addr, pte_t *pte)
{
	return huge_ptep_get(mm, addr, pte);
}
#endif

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

static inline long user_events_get_page(struct mm_struct *mm,
					unsigned long addr, unsigned int flags,
					struct page **page)
{
	return get_user_pages_remote(mm, addr, 1, FOLL_NOFAULT | flags,
				     page, NULL);
}

static inline int user_events_entry_lock(struct vm_area_struct *vma,
					 unsigned long addr,
					 struct user_events_page *at)
{
	/* folio_walk_start() does not find the pages of files on DAX */
	if (vma_is_dax(vma))
		return user_events_whole_page_lock(vma->vm_mm, addr, at);
	/* There folio_walk_start() waits for whoever changes the mapping */
	if (is_vm_hugetlb_page(vma))
		return user_events_hugetlb_page_lock(vma, addr, at);
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

static inline void user_events_page_unlock(struct user_events_page *at)
{
	if (at->vma) {
		folio_walk_end(&at->walk, at->vma);
	} else if (at->ptl) {
		__acquire(at->ptl);
		spin_unlock(at->ptl);
	} else {
		unlock_page(at->page);
		put_page(at->page);
	}
}

/*
 * ring_buffer_max_event_size() allows for an absolute time stamp (histograms
 * want them), but with one the ring buffer counts the entry's header twice.
 */
static inline size_t user_events_ring_max(struct trace_buffer *buffer)
{
	size_t max = ring_buffer_max_event_size(buffer);

	return ring_buffer_time_stamp_abs(buffer) ? max - 8 : max;
}

static inline const struct iovec *user_events_iov(const struct iov_iter *iter)
{
	return iter_iov(iter);
}

static inline bool user_events_has_files(const struct trace_event_file *file)
{
	return file->ei;
}

static inline bool user_events_not_for(const struct trace_array *tr)
{
	return tr->system_names;
}

#ifdef CONFIG_PERF_EVENTS
static inline int user_events_perf_allowed(struct perf_event *perf)
{
	return perf_allow_tracepoint();
}
#endif
