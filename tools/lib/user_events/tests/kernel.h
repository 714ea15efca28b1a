/* SPDX-License-Identifier: GPL-2.0 */
/* What tests tell the stand-in for a kernel, and ask it: see kernel.c */
#ifndef USER_EVENT_TESTS_KERNEL_H
#define USER_EVENT_TESTS_KERNEL_H

extern void (*fake_hook)(const char *moment);
extern int fake_open_error[2], fake_reg_error, fake_unreg_error;

int fake_bound(const void *from, const void *to);

#endif /* USER_EVENT_TESTS_KERNEL_H */
