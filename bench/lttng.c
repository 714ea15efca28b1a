// SPDX-License-Identifier: GPL-2.0
/* What an event of LTTng-UST costs, to compare with bench.c. */
#define LTTNG_UST_TRACEPOINT_DEFINE
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#include "lttng-event.h"

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

int main(void)
{
	uint64_t fastest = UINT64_MAX, from;
	int round, loop;

	for (round = 0; round < 20; round++) {
		from = now();
		for (loop = 0; loop < 100; loop++)
			lttng_ust_tracepoint(bench, event, loop);
		from = (now() - from) / 100;
		if (from < fastest)
			fastest = from;
	}
	printf("peer: LTTng-UST event, 4 B\t%llu\n",
	       (unsigned long long)fastest);
	return 0;
}
