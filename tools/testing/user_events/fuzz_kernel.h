/* SPDX-License-Identifier: GPL-2.0 */
/* What the two parts of fuzz_kernel need of each other */
#ifndef UEV_FUZZ_KERNEL_H
#define UEV_FUZZ_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#define TRACEFS		"/sys/kernel/tracing/"
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* For coverage, a file for each process of an input, or -1 */
#define NR_COVERS	4
extern int covers[NR_COVERS];

/* Trace systems that user events are in; "a" is the group that inputs make */
#define NR_SYSTEMS	4
extern const char * const systems[NR_SYSTEMS];

/* What a line begins with */
const char *any_call(unsigned int random);

int put(const char *path, int flags, const void *text, size_t len);
int put_text(const char *path, const char *text);
bool event_path(char *path, size_t size, const char *root, int system, int nth,
		const char *file);

/* Returns whether an event may outlive the process */
bool parse_input(const char *text);
/* The last one that was parsed, in a process of its own, which ends */
void run_input(void);

#endif /* UEV_FUZZ_KERNEL_H */
