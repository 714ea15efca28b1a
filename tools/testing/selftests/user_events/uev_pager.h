/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages that come when a test delivers them, by userfaultfd(2).
 */
#ifndef UEV_PAGER_H
#define UEV_PAGER_H

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>

#include "uev_util.h"

#define UEV_NO_PAGER	"kernel without userfaultfd"

static inline bool uev_has_pager(void)
{
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd < 0)
		return errno != ENOSYS;
	close(uffd);
	return true;
}

/*
 * From now on, the missing pages of @size bytes at @at come from the caller.
 * A userfaultfd, or a negative errno; -EOPNOTSUPP if there is none in this kernel.
 */
static inline int uev_pager(const void *at, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = {
		.range = { (uintptr_t)at, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		return -EOPNOTSUPP;
	return ioctl(uffd, UFFDIO_REGISTER, &area) ? -errno : uffd;
}

/* A page that has such a pager, and nothing in it yet; NULL if there is none. */
static inline void *uev_paged_page(int *uffd)
{
	void *page = mmap(NULL, uev_page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	*uffd = uev_pager(page, uev_page_size());
	return *uffd < 0 ? NULL : page;
}

/* Delivers the page at @to: that at @from, or zeroes. */
static inline int uev_deliver(int uffd, const void *to, const void *from)
{
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)to, uev_page_size() },
	};
	struct uffdio_copy copy = {
		.dst = (uintptr_t)to,
		.src = (uintptr_t)from,
		.len = uev_page_size(),
	};
	int ret = from ? ioctl(uffd, UFFDIO_COPY, &copy) :
			 ioctl(uffd, UFFDIO_ZEROPAGE, &zero);

	return ret ? -errno : 0;
}

/*
 * A page with @command registered in it, which went away afterwards and comes
 * again when it is delivered; NULL if there is no pager.
 */
static inline void *uev_register_and_lose(int fd, const char *command, int *uffd)
{
	void *page = uev_paged_page(uffd);

	/* Registering needs it once. */
	if (!page || uev_deliver(*uffd, page, NULL) ||
	    uev_reg(fd, page, 0, 4, 0, command, NULL) ||
	    madvise(page, uev_page_size(), MADV_DONTNEED))
		return NULL;
	return page;
}

#endif /* UEV_PAGER_H */
