// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that consumer_libbpf.c attaches to its events. A record is seen the
 * way its event declares it: packed, after the 8 bytes of the common fields.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "consumer_libbpf.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fields_seen);
} fields SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NR_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void count(__u32 which)
{
	__u64 *counter = bpf_map_lookup_elem(&counters, &which);

	if (counter)
		__sync_fetch_and_add(counter, 1);
}

struct every_record {
	__u64 common;
	__s8 a;
	__u8 b;
	__s16 c;
	__u16 d;
	__s32 e;
	__u32 f;
	__s64 g;
	__u64 h;
	char fixed[EVERY_FIXED];
	__u16 data_at, data_size;
	__u16 rel_at, rel_size;
} __attribute__((packed));

/* The verifier loses the range of a number that is assembled from bytes. */
static __always_inline const void *at(void *record, __u64 offset)
{
	asm volatile("%0 &= 0xffff" : "+r"(offset));
	return record + offset;
}

SEC("tracepoint")
int read_every_field(struct every_record *record)
{
	__u32 zero = 0;
	struct fields_seen *seen = bpf_map_lookup_elem(&fields, &zero);
	int i;

	if (!seen)
		return 0;
	seen->a = record->a;
	seen->b = record->b;
	seen->c = record->c;
	seen->d = record->d;
	seen->e = record->e;
	seen->f = record->f;
	seen->g = record->g;
	seen->h = record->h;
#pragma unroll
	for (i = 0; i < EVERY_FIXED; i++)
		seen->fixed[i] = record->fixed[i];
	bpf_probe_read_kernel_str(seen->data, sizeof(seen->data),
				  at(record, record->data_at));
	bpf_probe_read_kernel_str(seen->rel, sizeof(seen->rel),
				  at(record, sizeof(struct every_record) +
				     record->rel_at));
	count(COUNT_EVERY);
	return 0;
}

SEC("tracepoint")
int count_first(void *ctx)
{
	count(COUNT_FIRST);
	return 1;
}

SEC("tracepoint")
int count_second(void *ctx)
{
	count(COUNT_SECOND);
	return 1;
}

/* perf gets what a program lets pass. */
SEC("tracepoint")
int let_none_pass(void *ctx)
{
	count(COUNT_NONE);
	return 0;
}

/* The record of an event without fields ends after the common fields. */
SEC("tracepoint")
int read_beyond(struct every_record *record)
{
	if (record->a)
		count(COUNT_BEYOND);
	return 0;
}
