// SPDX-License-Identifier: GPL-2.0
/* RAM disks, see uev_util.h. */

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>

#include "uev_util.h"

static const char *start_disk(int disk, char *path, size_t size)
{
	char file[64];

	snprintf(path, size, "/dev/zram%d", disk);
	if (access(path, F_OK))
		/* Reading this file makes one more disk. */
		free(uev_get("/sys/class/zram-control/hot_add"));
	if (!uev_wait_for(!access(path, F_OK) ||
			  access("/sys/class/zram-control", F_OK)) ||
	    access(path, F_OK))
		return "kernel without zram";
	/* The last user of the disk may be about to release it. */
	snprintf(file, sizeof(file), "/sys/block/zram%d/reset", disk);
	uev_wait_for(uev_put(file, "1") != -EBUSY);
	snprintf(file, sizeof(file), "/sys/block/zram%d/disksize", disk);
	return uev_put(file, "33554432") ? "zram does not take a size" : NULL;
}

/* With the header that mkswap would write */
const char *uev_swap_on(int disk)
{
	struct {
		char boot[1024];
		__u32 version, last_page, bad_pages;
		char rest[4096 - 1024 - 12 - 10];
		char magic[10];
	} header = { .version = 1, .last_page = 8191, .magic = "SWAPSPACE2" };
	const char *why;
	char path[64];
	int fd;

	if (uev_page_size() != sizeof(header))
		return "page size is not 4096";
	why = start_disk(disk, path, sizeof(path));
	if (why)
		return why;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, &header, sizeof(header)) != sizeof(header))
		return "zram cannot be written";
	fsync(fd);
	close(fd);
	return swapon(path, 0) ? "kernel without swap" : NULL;
}

int uev_swap_off(int disk)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/zram%d", disk);
	if (swapoff(path))
		return -errno;
	snprintf(path, sizeof(path), "/sys/block/zram%d/reset", disk);
	return uev_put(path, "1");
}

/*
 * A page stays for a while in a list of the CPU that brought it in, perhaps for a
 * worker of the kernel, and MADV_PAGEOUT looks only into that of its own CPU.
 */
bool uev_swap_out(void *addr)
{
	void *page = (char *)addr - (uintptr_t)addr % uev_page_size();
	int cpus = sysconf(_SC_NPROCESSORS_CONF), cpu = 0;
	cpu_set_t before;
	bool swapped;

	if (sched_getaffinity(0, sizeof(before), &before))
		return false;
	swapped = uev_wait_for((uev_stay_on_cpu(cpu++ % cpus),
				madvise(page, uev_page_size(), MADV_PAGEOUT),
				uev_page_is_swapped(addr)));
	sched_setaffinity(0, sizeof(before), &before);
	return swapped;
}

const char *uev_mount_disk(int disk, bool make, char *dir)
{
	char path[64], command[128];
	const char *why;

	snprintf(path, sizeof(path), "/dev/zram%d", disk);
	why = make ? start_disk(disk, path, sizeof(path)) : NULL;
	if (why)
		return why;
	snprintf(command, sizeof(command),
		 "mke2fs -q -t ext2 %s >/dev/null 2>&1", path);
	if (make && system(command))
		return "no mke2fs";
	if (make && !mkdtemp(dir))
		return "no /tmp";
	if (!mount(path, dir, "ext2", 0, NULL))
		return NULL;
	rmdir(dir);
	return "kernel without ext2";
}

const char *uev_open_on_disk(int disk, int *fd)
{
	char dir[] = "/tmp/uev-XXXXXX", path[64];
	const char *why = uev_mount_disk(disk, true, dir);

	if (why)
		return why;
	snprintf(path, sizeof(path), "%s/file", dir);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unlink(path);
	/* The open file keeps the file system mounted, out of sight. */
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	return *fd < 0 ? "no file on the disk" : NULL;
}
