// SPDX-License-Identifier: GPL-2.0
/*
 * A shared object with an enable word, which unmap_test.c loads and unloads.
 */
#include <linux/types.h>

extern __u32 unmap_object_word[2048];

/* Pages of its own, with nothing else in them */
__u32 unmap_object_word[2048] = { 4 };
