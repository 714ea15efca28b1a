/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ring buffer of a perf event, for tests that look at raw records. All records
 * have to fit in: a test does not read while records are written.
 */
#ifndef UEV_PERF_H
#define UEV_PERF_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/perf_event.h>

#include "uev_util.h"

/* Records are copied out of a ring of so many bytes; a power of two. */
#define UEV_RING_SIZE	(256 * 1024)

struct uev_perf {
	int fd;
	struct perf_event_mmap_page *head;
	char *ring;
	__u64 tail;
};

/* One sample: what perf adds, and the record as the event has it */
struct uev_sample {
	__u32 pid, tid;
	__u32 raw_size;
	char raw[65536];
};

#define UEV_SAMPLE_TYPE	(PERF_SAMPLE_TID | PERF_SAMPLE_RAW)

static inline int uev_perf_map(struct uev_perf *perf, int fd)
{
	size_t page = sysconf(_SC_PAGESIZE);

	perf->fd = fd;
	perf->tail = 0;
	if (fd < 0)
		return fd;
	perf->head = mmap(NULL, page + UEV_RING_SIZE, PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);
	if (perf->head == MAP_FAILED)
		return -errno;
	perf->ring = (char *)perf->head + page;
	return 0;
}

static inline void uev_perf_close(struct uev_perf *perf)
{
	munmap(perf->head, sysconf(_SC_PAGESIZE) + UEV_RING_SIZE);
	close(perf->fd);
}

static inline void uev_ring_copy(struct uev_perf *perf, void *to, __u64 from,
				 size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		((char *)to)[i] = perf->ring[(from + i) % UEV_RING_SIZE];
}

/* The next sample, false if there is none; other kinds of records count. */
static inline bool uev_perf_next(struct uev_perf *perf, struct uev_sample *s,
				 int *others)
{
	__u64 head = __atomic_load_n(&perf->head->data_head,
					__ATOMIC_ACQUIRE);
	struct perf_event_header header;
	__u64 at;

	while (perf->tail < head) {
		at = perf->tail;
		uev_ring_copy(perf, &header, at, sizeof(header));
		perf->tail += header.size;
		__atomic_store_n(&perf->head->data_tail, perf->tail,
				 __ATOMIC_RELEASE);
		if (header.type != PERF_RECORD_SAMPLE) {
			if (others)
				++*others;
			continue;
		}
		uev_ring_copy(perf, s, at + sizeof(header),
			      offsetof(struct uev_sample, raw));
		memset(s->raw, 0, sizeof(s->raw));
		if (s->raw_size <= sizeof(s->raw))
			uev_ring_copy(perf, s->raw, at + sizeof(header) +
				      offsetof(struct uev_sample, raw),
				      s->raw_size);
		return true;
	}
	return false;
}

/* The first field of a record, if it is a u32 */
static inline __u32 uev_sample_u32(const struct uev_sample *s)
{
	__u32 value;

	memcpy(&value, s->raw + 8, sizeof(value));
	return value;
}

#endif /* UEV_PERF_H */
