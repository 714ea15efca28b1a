/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Trace events that user programs declare and write.
 *
 * See Documentation/trace/user_events.rst.
 */
#ifndef _UAPI_LINUX_USER_EVENTS_H
#define _UAPI_LINUX_USER_EVENTS_H

#include <linux/types.h>
#include <linux/ioctl.h>

/* Trace system (directory in events/) of events and of multi-format events */
#define USER_EVENTS_SYSTEM "user_events"
#define USER_EVENTS_MULTI_SYSTEM "user_events_multi"

/* What a line in dynamic_events starts with */
#define USER_EVENTS_PREFIX "u:"

/* The 4 bytes of a __data_loc or __rel_loc field */
#define DYN_LOC(offset, size) ((size) << 16 | (offset))

/* user_reg.flags */
enum user_reg_flag {
	/* The event stays until it is deleted; takes CAP_PERFMON */
	USER_EVENT_REG_PERSIST		= 1U << 0,

	/* Events of one name and different fields live side by side */
	USER_EVENT_REG_MULTI_FORMAT	= 1U << 1,

	/* Not ABI: this bit and those above it are refused */
	USER_EVENT_REG_MAX		= 1U << 2,
};

/*
 * Argument of DIAG_IOCSREG: which event, and where the kernel keeps the enable
 * bit, which is set while the event has a listener.
 */
struct user_reg {
	/* In: sizeof(struct user_reg) */
	__u32	size;

	/* In: number of the enable bit in the enable word */
	__u8	enable_bit;

	/* In: bytes of the enable word, 4 or 8 */
	__u8	enable_size;

	/* In: enum user_reg_flag */
	__u16	flags;

	/* In: address of the enable word, a multiple of enable_size */
	__u64	enable_addr;

	/* In: address of the command string, NAME [TYPE FIELD[;TYPE FIELD...]] */
	__u64	name_args;

	/* Out: what each record written for the event starts with */
	__u32	write_index;
} __attribute__((__packed__));

/* Argument of DIAG_IOCSUNREG: the address and bit not to be updated any more */
struct user_unreg {
	/* In: sizeof(struct user_unreg) */
	__u32	size;

	/* In: number of the bit */
	__u8	disable_bit;

	/* In: 0 */
	__u8	__reserved;

	/* In: 0 */
	__u16	__reserved2;

	/* In: address of the enable word */
	__u64	disable_addr;
} __attribute__((__packed__));

#define DIAG_IOC_MAGIC '*'

/* Register an event and an enable bit for it */
#define DIAG_IOCSREG _IOWR(DIAG_IOC_MAGIC, 0, struct user_reg *)

/* Delete all events of a name */
#define DIAG_IOCSDEL _IOW(DIAG_IOC_MAGIC, 1, char *)

/* Unregister an enable bit */
#define DIAG_IOCSUNREG _IOW(DIAG_IOC_MAGIC, 2, struct user_unreg *)

#endif /* _UAPI_LINUX_USER_EVENTS_H */
