/* SPDX-License-Identifier: GPL-2.0 */
/* What consumer_libbpf.c and its BPF programs have in common. */
#ifndef CONSUMER_LIBBPF_H
#define CONSUMER_LIBBPF_H

#define EVERY_FIXED	7

struct fields_seen {
	__s64 g;
	__u64 h;
	__s32 e;
	__u32 f;
	__s16 c;
	__u16 d;
	__s8 a;
	__u8 b;
	char fixed[EVERY_FIXED];
	char data[16];
	char rel[16];
};

enum {
	COUNT_EVERY, COUNT_FIRST, COUNT_SECOND, COUNT_NONE, COUNT_BEYOND,
	NR_COUNTERS
};

#endif /* CONSUMER_LIBBPF_H */
