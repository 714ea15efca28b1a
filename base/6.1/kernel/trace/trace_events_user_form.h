/* SPDX-License-Identifier: GPL-2.0 */
/* What trace_events_user_base.h declares, on 6.1. Only it includes this. */

#include <linux/dcache.h>
#include <asm/unaligned.h>

/* A table of sysctls ends in an empty entry */
#define USER_EVENTS_SYSCTL_END	{ }

#ifdef CONFIG_MEMCG_KMEM
#define USER_EVENTS_MEMCG
#endif

/* A trace_event_file, its directory, and up to seven files in there */
#define USER_EVENTS_FILES_SIZE	(sizeof(struct trace_event_file) +		\
		8 * (sizeof(struct dentry) + sizeof(struct inode)))

static inline bool user_events_vma_writable(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_WRITE;
}

/**
 * struct user_events_page - a page where an address space has it mapped
 * @page: the page, NULL for the zero page
 * @writable: the address space can write it as it is
 * @flags: vm_flags of its mapping
 * @pte: the entry of the page table, mapped; NULL if it is a huge page's
 * @ptl: the lock of the entry, held; NULL if the page itself is locked
 */
struct user_events_page {
	struct page		*page;
	bool			writable;
	unsigned long		flags;
	pte_t			*pte;
	spinlock_t		*ptl;	/* of the entry */
};

/* The table that has the entry for @addr, NULL if there is none */
static inline pmd_t *user_events_pte_table(struct mm_struct *mm,
					   unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	if (pgd_none_or_clear_bad(pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none_or_clear_bad(p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	if (!pud_present(*pud) || pud_leaf(*pud))
		return NULL;
	/* The mmap_lock does not keep a huge page from coming here or going */
	pmd = pmd_offset(pud, addr);
	return pmd_trans_unstable(pmd) ? NULL : pmd;
}

#ifdef CONFIG_HUGETLB_PAGE
static inline pte_t user_events_huge_ptep_get(struct mm_struct *mm,
					      unsigned long addr, pte_t *pte)
{
	return huge_ptep_get(pte);
}
#endif

static inline long user_events_get_page(struct mm_struct *mm,
					unsigned long addr, unsigned int flags,
					struct page **page)
{
	return get_user_pages_remote(mm, addr, 1, FOLL_NOFAULT | flags,
				     page, NULL, NULL);
}

static inline int user_events_entry_lock(struct vm_area_struct *vma,
					 unsigned long addr,
					 struct user_events_page *at)
{
	pmd_t *pmd;

	if (is_vm_hugetlb_page(vma))
		return user_events_hugetlb_page_lock(vma, addr, at);

	/* A transparent huge page has no pte, and a pte of DAX gives no page */
	pmd = vma_is_dax(vma) ? NULL : user_events_pte_table(vma->vm_mm, addr);
	if (!pmd)
		return user_events_whole_page_lock(vma->vm_mm, addr, at);

	at->pte = pte_offset_map_lock(vma->vm_mm, pmd, addr, &at->ptl);
	if (pte_present(*at->pte)) {
		at->page = vm_normal_page(vma, addr, *at->pte);
		at->writable = at->page && pte_write(*at->pte) &&
			user_events_vma_writable(vma);
		/*
		 * Where data caches have aliases, what the process has written
		 * may be in another line than the kernel will look at. None of
		 * its threads on this CPU runs before the page is unlocked.
		 */
		if (at->page)
			flush_cache_page(vma, addr, page_to_pfn(at->page));
		if (at->page || is_zero_pfn(pte_pfn(*at->pte))) {
			/* For sparse: held until user_events_page_unlock() */
			__release(at->ptl);
			return 0;
		}
	}
	pte_unmap_unlock(at->pte, at->ptl);
	return -EFAULT;
}

static inline void user_events_page_unlock(struct user_events_page *at)
{
	if (at->pte) {
		__acquire(at->ptl);
		pte_unmap_unlock(at->pte, at->ptl);
	} else if (at->ptl) {
		__acquire(at->ptl);
		spin_unlock(at->ptl);
	} else {
		unlock_page(at->page);
		put_page(at->page);
	}
}

/*
 * An entry has to fit into a page of the buffer, which starts with a time
 * stamp and a commit count, together with its own header of 8 bytes. With
 * absolute time stamps (histograms want them) one of 8 bytes precedes it, and
 * the base counts the header once more.
 */
static inline size_t user_events_ring_max(struct trace_buffer *buffer)
{
	size_t max = PAGE_SIZE - 2 * sizeof(u32) -
		ALIGN(sizeof(u64) + sizeof(local_t), sizeof(u64));

	return ring_buffer_time_stamp_abs(buffer) ? max - 16 : max;
}

static inline const struct iovec *user_events_iov(const struct iov_iter *iter)
{
	return iter->iov;
}

static inline bool user_events_has_files(const struct trace_event_file *file)
{
	static const char * const names[] = {
		"enable", "filter", "trigger", "format",
#ifdef CONFIG_PERF_EVENTS
		"id",
#endif
	};
	struct dentry *dentry;
	size_t i;

	if (!file->dir)
		return false;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct qstr name = QSTR_INIT(names[i], strlen(names[i]));

		dentry = d_hash_and_lookup(file->dir, &name);
		if (IS_ERR_OR_NULL(dentry))
			return false;
		dput(dentry);
	}
	return true;
}

static inline bool user_events_not_for(const struct trace_array *tr)
{
	return false;
}

#ifdef CONFIG_PERF_EVENTS
static inline int user_events_perf_allowed(struct perf_event *perf)
{
	return perf_allow_tracepoint(&perf->attr);
}
#endif
