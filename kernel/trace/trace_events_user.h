/* SPDX-License-Identifier: GPL-2.0 */
/*
 * User events: trace events that user programs declare and write.
 *
 * The map of the implementation: the objects, who owns them, what protects
 * each field, and what each file offers to the others.
 *
 * Objects
 * -------
 *
 *   user_events_fd ---> user_event <--- user_event_enabler
 *   (open file:          (format,        (address and bit in ...)
 *    index -> event)      listeners)           |
 *                                              v
 *   mm_struct ---> user_event_mm ------> user_event_set
 *                  (a tracked            (... these address spaces)
 *                   address space)
 *                        |
 *                        v
 *                  user_event_owner
 *                  (the user whose address spaces wait for repair)
 *
 * user_event		one trace event. Slots of open files and enablers hold
 *			it; it also lives while it has a listener or is
 *			persistent. Code that only needs the memory takes a
 *			reference.
 * user_event_enabler	one registered address, bit and size, in one set and on
 *			the list of its event.
 * user_event_set	the enablers of one address space, or of several since
 *			fork: it shares the parent's set; the first change
 *			copies it.
 * user_event_mm	one address space that has a set, and the work that
 *			repairs its bits when they could not be written at
 *			once. There is one for an mm_struct, so tasks that
 *			share an address space share it.
 * user_event_owner	one user, the address spaces of that user whose repair
 *			has to wait, and the turn of its tasks at event_mutex.
 * user_event_group	the events that one set of files shows. Open files and
 *			events take a reference; an administrator removes it.
 *
 * Files
 * -----
 *
 * A file uses those above it or left of it, never one further down:
 *
 *   format	command strings		    record	what is in a record
 *   limit	limits and charges	    owner	users
 *   group	groups of events	    call	the trace core's view
 *   registry	which events there are	    life	holding, deleting, reaping
 *   set		registered enablers	    mm		address spaces
 *   bit		enable bits in memory	    access	locks and pages
 *   repair	fixing bits later	    switch	the bits of an event
 *   register	bits of the caller	    hooks	fork, exec, exit, unmap
 *   losses	records that were lost	    listener	listeners
 *   event	declaring, deleting	    dyn		lines of dynamic_events
 *   write	records			    status	files to read
 *   (core)	files, ioctls, start-up	    control	making groups
 *
 * Locks, outermost first
 * ----------------------
 *
 *   control_lock	making and removing groups
 *   user_events_fd.lock	registering through one file
 *     user_event_owner.turn	waiting for event_mutex
 *       event_mutex		events, listeners, enablers, bits
 *         user_event_mm.access	by trylock only: a write into the address space
 *           mmap_lock		by trylock only
 *             page table lock	of the entry that has the page
 *         trace_types_lock	by the trace core; here, to walk the instances
 *         trace_event_sem	by the trace core
 *     user_event_set.lock	under the mmap_lock of fork as well
 *       mmap_lock of another address space	by trylock only
 *     user_event_owner.lock, idle_lock, retired_lock	innermost
 *     xa_lock of groups, owners and other arrays	innermost
 *
 * The kernel takes event_mutex inside an mmap_lock: unmapping a perf buffer
 * can free a perf event. So never sleep on an mmap_lock, or on what its holder may
 * sleep on, such as the arrival of a page, under event_mutex. Nor sleep on
 * event_mutex under an mmap_lock, else a process would wait for tracing, and for
 * each other process that tracing looks at. Code that needs both and may wait
 * takes turns, see trace_events_user_access.c.
 *
 * All of tracing needs event_mutex: work in proportion to what one process
 * registered is done in pieces, with event_mutex dropped in between.
 *
 * Invariants
 * ----------
 *
 * - A bit is written with event_mutex held and from the state the event has at
 *   that moment, so a late write never undoes a newer one.
 * - The set of an address space, and a bit that is registered or
 *   unregistered, change under the mmap_lock (for reading). fork holds it for
 *   writing over the whole copy and takes the set before it drops it: what the
 *   child has in memory and what it has registered describe the same instant.
 * - Taking an enabler off its event's list needs event_mutex, so it stays there for a
 *   while after its set has lost its last reference. Its hold on the event ends with
 *   that reference.
 */
#ifndef _TRACE_EVENTS_USER_H
#define _TRACE_EVENTS_USER_H

#include <linux/cred.h>
#include <linux/kref.h>
#include <linux/llist.h>
#include <linux/rbtree.h>
#include <linux/rhashtable-types.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/tracepoint.h>
#include <linux/user_events.h>
#include <linux/user_namespace.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <uapi/linux/user_events.h>

#include "trace.h"
#include "trace_dynevent.h"
#include "trace_events_user_base.h"

struct address_space;
struct iov_iter;
struct poll_table_struct;

/*
 * Longest command string. Registration copies and parses it for any user;
 * the bound keeps that cheap, and keeps a line of dynamic_events in one page.
 */
#define USER_EVENT_CMD_MAX	512

/* The longest name that still takes the ".ID" of a multi-format event */
#define USER_EVENT_MULTI_NAME_MAX	(NAME_MAX - 1 - 2 * (int)sizeof(u64))

/* Longest char[N]; what is longer is better off dynamic */
#define USER_EVENT_ARRAY_MAX	1024

/* Numbers of events are positions in files as well, and there is one after the last */
#define USER_EVENT_ID_MAX	(LONG_MAX - 2UL)

/* Offsets in __data_loc and __rel_loc have 16 bits, which limits a record */
#define USER_EVENT_SIZE_MAX	(U16_MAX - (int)sizeof(struct trace_entry))

/*
 * trace_events_user_format.c - command strings
 */

/**
 * struct user_event_charge - memory that a cgroup is charged for
 * @cgroup: the cgroup, referenced, or NULL if it is charged to none
 * @size: in bytes
 */
struct user_event_charge {
	struct obj_cgroup	*cgroup;
	size_t			size;
};

/* How a field is laid out and shown */
enum user_event_kind {
	USER_EVENT_NUMBER,		/* integer of its size */
	USER_EVENT_STRING,		/* char[N] */
	USER_EVENT_STRUCT,		/* bytes without a layout */
	USER_EVENT_DATA_LOC,		/* __data_loc, from the record's start */
	USER_EVENT_REL_LOC,		/* __rel_loc, from the field's end */
};

/**
 * struct user_event_field - a field of a record
 * @type: its type, words separated by single blanks
 * @name: its name
 * @offset: in bytes from the start of the record, common fields included
 * @size: in bytes; of a dynamic field the 4 bytes of its location
 * @kind: enum user_event_kind
 * @element: of a dynamic field, the bytes of one element of its data
 * @is_signed: type is signed
 * @is_char: dynamic field of characters, shown as a string
 */
struct user_event_field {
	const char		*type;
	const char		*name;
	u16			offset;
	u16			size;
	u8			kind;
	u8			element;
	bool			is_signed;
	bool			is_char;
};

/**
 * struct user_event_format - a parsed command string
 * @charge: what the event's memory is charged to; only its owner changes it
 * @name: name of the event as the program gave it
 * @size: bytes of all fields together
 * @nr_fields: number of @fields
 * @nr_locs: number of dynamic fields
 * @fields: the fields in their order, followed by the text they point to
 *
 * All but @charge is constant once parsed.
 */
struct user_event_format {
	struct user_event_charge charge;
	const char		*name;
	u16			size;
	u16			nr_fields;
	u16			nr_locs;
	struct user_event_field	fields[];
};

struct user_event_format *user_event_format_parse(const char *cmd, bool multi);
bool user_event_format_same(const struct user_event_format *a,
			    const struct user_event_format *b);
bool user_event_format_is_spelled(const struct user_event_format *format,
				  const char *args);
void user_event_format_show(const struct user_event_format *format,
			    const char *name, struct seq_file *seq);

/*
 * trace_events_user_record.c - what is in a record
 */
size_t user_event_record_print_fmt_size(const struct user_event_format *format);
char *user_event_record_print_fmt(const struct user_event_format *format);
int user_event_record_check(const struct user_event_format *format,
			    const void *record, size_t size);
void user_event_record_text(const struct user_event_format *format,
			    struct trace_seq *seq, const void *record,
			    size_t size);

/*
 * trace_events_user_limit.c - limits per user, and charges per cgroup
 */
struct ucounts *user_event_limit_get_user(void);
int user_event_limit_charge(struct ucounts *user, enum ucount_type type,
			    unsigned int nr);
int user_event_limit_move(struct ucounts *from, struct ucounts *to,
			  enum ucount_type type, unsigned int nr, unsigned int more);
void user_event_limit_uncharge(struct ucounts *user, enum ucount_type type,
			       unsigned int nr);
int user_event_limit_charge_memory(struct user_event_charge *charge,
				   size_t size);
void user_event_limit_uncharge_memory(const struct user_event_charge *charge);
struct mem_cgroup *user_event_limit_charged_begin(void);
void user_event_limit_charged_end(struct mem_cgroup *old);
void user_event_limit_init(void);

/*
 * trace_events_user_owner.c - the users whose address spaces have enable bits
 */

/**
 * struct user_event_owner - a user, and what waits on its behalf
 * @uid: the user; constant
 * @ref: address spaces, threads, and tasks that look it up
 * @turn: held by the one task of the user that waits for event_mutex
 * @lock: protects the lists and numbers
 * @fresh: address spaces whose repair has to wait
 * @waited: address spaces that have been waited for in vain; come after @fresh
 * @waiters: threads that wait
 * @nr_threads: number of these threads, and of those being started
 * @nr_works: work items of these address spaces that run, or are to run next
 * @queued: address spaces whose work items wait until fewer do
 */
struct user_event_owner {
	kuid_t			uid;
	refcount_t		ref;
	struct mutex		turn;	/* waiting for event_mutex */
	spinlock_t		lock;	/* lists, numbers */
	struct list_head	fresh;
	struct list_head	waited;
	struct list_head	waiters;
	struct list_head	queued;
	unsigned int		nr_threads;
	unsigned int		nr_works;
};

struct user_event_owner *
user_event_owner_of_current(struct user_event_owner *likely_one);
void user_event_owner_get(struct user_event_owner *owner);
void user_event_owner_put(struct user_event_owner *owner);
void user_event_owner_lock(struct user_event_owner *owner);
int user_event_owner_lock_killable(struct user_event_owner *owner);
int user_event_owner_lock_to_read(void);
int user_event_owner_let_others_go(unsigned int *passed);

/* Lines, and what is passed over, before others get event_mutex */
#define USER_EVENT_READ_PIECE	256

/*
 * trace_events_user_group.c - groups of events
 */

/* The longest name of a group */
#define USER_EVENT_GROUP_NAME_MAX	32

/**
 * struct user_event_group - events that have files of their own
 * @name: as an administrator gave it, "" for the default group; constant
 * @system: system of its single-format events; constant
 * @multi_system: system of its multi-format events; constant
 * @id: number that its files know it by, 0 for the default group; constant
 * @ref: memory
 * @max: how many events it may have; event_mutex
 * @nr_events: how many it has; event_mutex
 * @last_id: user_event.id of its newest event; event_mutex
 * @events: its events by user_event.id; event_mutex
 * @dead: is being removed and takes no new events; event_mutex
 * @nr_changes: counts changes of its events and of their listeners, from 1 on.
 *	Changed under event_mutex, read without
 * @change_wait: tasks that poll for a change
 * @dir: its directory in tracefs; control_lock, or the task that has set @dead
 */
struct user_event_group {
	const char		*name;
	const char		*system;
	const char		*multi_system;
	unsigned long		id;
	struct kref		ref;
	unsigned int		max;
	unsigned int		nr_events;
	unsigned long		last_id;
	struct xarray		events;
	bool			dead;
	unsigned long		nr_changes;
	wait_queue_head_t	change_wait;
	struct dentry		*dir;
};

struct user_event_group *user_event_group_open(struct inode *inode);
struct user_event_group *user_event_group_get(struct user_event_group *group);
void user_event_group_put(struct user_event_group *group);
int user_event_group_seq_open(struct inode *inode, struct file *file,
			      const struct seq_operations *ops, size_t size);
int user_event_group_seq_release(struct inode *inode, struct file *file);
struct user_event_group *user_event_group_next(unsigned long *id);
struct user_event_group *user_event_group_of_system(const char *system,
						    size_t len);
struct user_event_group *user_event_group_find(const char *name);
struct user_event_group *user_event_group_add(const char *name,
					      unsigned int max);
void user_event_group_remove(struct user_event_group *group);
void user_event_group_changed(struct user_event_group *group);
unsigned long user_event_group_changes(struct user_event_group *group);
__poll_t user_event_group_poll(struct user_event_group *group,
			       struct file *file,
			       struct poll_table_struct *wait,
			       unsigned long seen);

/*
 * The events
 */

/* user_event.listeners */
#define USER_EVENT_BY_FTRACE	1U
#define USER_EVENT_BY_PERF	2U

/* Why a listener did not get a record */
enum user_event_loss {
	USER_EVENT_LOSS_FULL,		/* no room in a buffer */
	USER_EVENT_LOSS_OFF,		/* recording is switched off */
	USER_EVENT_LOSS_SIZE,		/* larger than the listener takes */
	USER_EVENT_LOSS_DATA,		/* not readable, or points outside */
	USER_EVENT_LOSSES
};

/**
 * struct user_event - a trace event declared by user programs
 * @format: fields; constant
 * @listeners: USER_EVENT_BY_*; changed under event_mutex, read by writers without
 * @multi: several formats may have this name; constant
 * @persist: stays without holders; event_mutex
 * @dead: removed from the trace core; event_mutex
 * @idle: in a list of the reaper; the reaper's lock
 * @tracers: one for each trace instance that has the event enabled; changed
 *	under event_mutex, walked under RCU
 * @call: what the trace core knows the event by; the trace core's locks
 * @shown: has the type number, and shows the records; unlike @call it is not
 *	in the list of events, and may outlive the event for the records that
 *	are left. The trace core's locks
 * @class: describes @call; constant
 * @tp: gives @call its name, is never hit; constant
 * @group: the group it belongs to, referenced; constant
 * @user: whose limit it counts against, until its type number is free again, then
 *	NULL; event_mutex
 * @id: unique in its group, while the system is up if a long has 64 bits; constant
 * @switched: number of its last switch; event_mutex
 * @last_tracer: serial number of the newest of these; event_mutex
 * @left: those that have left, whose instances may still have its records;
 *	event_mutex
 * @enablers: where to set and clear bits; event_mutex
 * @holders: open files and enablers; 0 becomes 1 only under event_mutex
 * @ref: memory
 * @node: in the table that it is found in; event_mutex
 * @dyn: in the list of dynamic events, until it is deleted; event_mutex
 * @remembered: in the list of deleted events that have records; event_mutex
 * @next_idle: the next one in a list of the reaper; the reaper's lock
 * @looked_at: when its records were last looked for, in jiffies; event_mutex
 * @perf_events: perf events whose losses count; event_mutex
 * @losses: records that a listener did not get, by reason
 *
 * Aligned so that an enabler can put a bit number into the low bits of a
 * pointer to it.
 */
struct user_event {
	/* What a write looks at, together */
	const struct user_event_format	*format;
	unsigned int			listeners;
	bool				multi;
	bool				persist;
	bool				dead;
	bool				idle;
	struct list_head		tracers;
	struct trace_event_call		call;

	struct trace_event_call		shown;
	struct trace_event_class	class;
	struct tracepoint		tp;
	struct user_event_group		*group;
	struct ucounts			*user;
	unsigned long			id;
	u64				switched;
	u64				last_tracer;
	struct hlist_head		left;
	struct hlist_head		enablers;
	atomic_t			holders;
	struct kref			ref;
	struct rhash_head		node;
	union {
		struct dyn_event	dyn;
		struct list_head	remembered;
	};
	struct user_event		*next_idle;
	unsigned long			looked_at;
#ifdef CONFIG_PERF_EVENTS
	struct hlist_head		perf_events;
#endif
	atomic64_t			losses[USER_EVENT_LOSSES];
} __aligned(64);

/* Its name in tracefs, with the ID of a multi-format event */
static inline const char *user_event_name(const struct user_event *event)
{
	return event->tp.name;
}

/*
 * trace_events_user_call.c - an event as the trace core sees it
 */
int user_event_call_setup(void);
size_t user_event_call_size(const struct user_event_format *format);
const struct cred *user_event_call_override_creds(void);
int user_event_call_init(struct user_event *event,
			 int (*reg)(struct trace_event_call *call,
				    enum trace_reg type, void *data));
int user_event_call_remove(struct user_event *event);
void user_event_call_free(struct user_event *event);
int user_event_call_add(struct user_event *event);

/*
 * trace_events_user_registry.c - which events there are
 */
int user_event_registry_init(struct dyn_event_operations *ops);
int user_event_registry_charge(struct user_event_format *format);
void user_event_registry_free_format(const struct user_event_format *format);
struct user_event *user_event_registry_alloc(struct user_event_group *group,
					     struct user_event_format *format,
					     bool multi);
void user_event_registry_put(struct user_event *event);
bool user_event_registry_is_full(const struct user_event_group *group);
void user_event_registry_uncharge(struct user_event *event);
int user_event_registry_add(struct user_event *event);
void user_event_registry_remove(struct user_event *event);
struct user_event *
user_event_registry_find(struct user_event_group *group, const char *name,
			 const struct user_event_format *format);
struct user_event *user_event_registry_next(struct user_event_group *group,
					    unsigned long *id);

/*
 * trace_events_user_life.c - the life of an event
 */

/**
 * struct user_event_tracer - a trace instance that has an event enabled
 * @node: in the list of the event, in the order of @serial; event_mutex, RCU
 * @file: the event in that instance; constant, invalid once it has left
 * @serial: rises from one to the next of an event; constant
 * @tr: the instance; constant, may be gone once it has left
 * @left_node: in user_event.left once it has left; event_mutex
 * @left_rcu: when it left, as RCU counts; event_mutex
 * @left_jiffies: when it left; event_mutex
 * @left_at: time in the instance's clock past which no record was made for it,
 *	or 0 before that is known; event_mutex
 * @clock_id: the clock of @left_at; event_mutex
 * @rcu: frees
 */
struct user_event_tracer {
	struct list_head	node;
	struct trace_event_file	*file;
	u64			serial;
	struct trace_array	*tr;
	struct hlist_node	left_node;
	unsigned long		left_rcu;
	u64			left_jiffies;
	u64			left_at;
	int			clock_id;
	struct rcu_head		rcu;
};

/**
 * struct user_event_room - room is being made for an event
 * @round: idle events up to this round of the reaper are deleted; 0 before the first
 *	call
 * @since: in jiffies: deleted events that were last checked earlier are checked
 * @busy: a lock is, without which it cannot be told if they have records
 *
 * Belongs to the task that wants the room.
 */
struct user_event_room {
	unsigned long		round;
	unsigned long		since;
	bool			busy;
};

void user_event_life_hold(struct user_event *event);
void user_event_life_unhold(struct user_event *event);
void user_event_life_unhold_now(struct user_event *event);
void user_event_life_persist(struct user_event *event);
void user_event_life_check(struct user_event *event);
bool user_event_life_is_idle(struct user_event *event);
bool user_event_life_is_busy(struct user_event *event);
bool user_event_life_has_other_user(struct user_event *event);
int user_event_life_destroy(struct user_event *event);
bool user_event_life_make_room(const struct user_event_group *group,
			       struct user_event_room *room);
int user_event_life_wait_for_room(const struct user_event_room *room);

/*
 * trace_events_user_set.c - what address spaces have registered
 */

/**
 * struct user_event_set - enablers that one or more address spaces share
 * @enablers: by address and bit; changes under event_mutex, and only while
 *	@users is 1. Except that in a shared set an enabler may be marked gone
 *	once each address space with the set has unmapped its memory.
 * @nr: number of enablers; as @enablers
 * @user: whose limit @nr counts against, referenced; as @enablers. It is the user
 *	who last registered something.
 * @users: address spaces, and tasks that are copying the set. Only a fork of its
 *	one address space, with the mmap_lock held for writing, raises it from 1.
 * @lock: protects @mms; address spaces leave @users under it
 * @mms: these address spaces; walked under RCU by holders of event_mutex
 * @retired: in the list of sets to be freed, once @users is 0; retired_lock
 * @left: number of the last switch that left bits of the set to repairs without
 *	trying; event_mutex
 */
struct user_event_set {
	struct rb_root		enablers;
	u64			left;
	unsigned int		nr;
	struct ucounts		*user;
	refcount_t		users;
	spinlock_t		lock;	/* mms */
	struct hlist_head	mms;
	struct list_head	retired;
};

/* Whether the enable bits in a set count against the limit of the caller */
static inline bool user_event_set_counts_for_caller(const struct user_event_set *set)
{
	return set->user == current_ucounts();
}

/**
 * struct user_event_enabler - one registered address, bit and size
 * @node: in the set; event_mutex
 * @on_event: in the list of the event; event_mutex
 * @set: the set it is in; constant
 * @event_bit: the event, and in the low bits the number of the bit; constant
 * @addr_size: the address, in bit 0 whether the enable word has 8 bytes, and in
 *	bit 1 whether the enabler is gone: its memory was unmapped, it has left its
 *	event and is only kept to be unregistered. event_mutex
 *
 * A process may have thousands: one must not take more than a cache line.
 */
struct user_event_enabler {
	struct rb_node		node;
	struct hlist_node	on_event;
	struct user_event_set	*set;
	unsigned long		event_bit;
	unsigned long		addr_size;
};

static inline struct user_event *
enabler_event(const struct user_event_enabler *enabler)
{
	return (struct user_event *)(enabler->event_bit &
				     -(unsigned long)__alignof__(struct user_event));
}

static inline unsigned int
enabler_bit(const struct user_event_enabler *enabler)
{
	return enabler->event_bit & (__alignof__(struct user_event) - 1);
}

static inline unsigned long
enabler_addr(const struct user_event_enabler *enabler)
{
	/*
	 * A worker may mark it gone meanwhile, on behalf of another address
	 * space with this set
	 */
	return READ_ONCE(enabler->addr_size) & ~3UL;
}

static inline bool enabler_is_gone(const struct user_event_enabler *enabler)
{
	return enabler->addr_size & 2;
}

static inline unsigned int
enabler_size(const struct user_event_enabler *enabler)
{
	return enabler->addr_size & 1 ? 8 : 4;
}

static inline struct user_event_enabler *to_enabler(struct rb_node *node)
{
	return rb_entry_safe(node, struct user_event_enabler, node);
}

/* Order of @enabler and (@addr, @bit) in a set */
static inline int enabler_cmp(const struct user_event_enabler *enabler,
			      unsigned long addr, unsigned int bit)
{
	if (enabler_addr(enabler) != addr)
		return enabler_addr(enabler) < addr ? -1 : 1;
	return (int)enabler_bit(enabler) - (int)bit;
}

static inline struct user_event_enabler *
enabler_first(struct user_event_set *set)
{
	return to_enabler(rb_first(&set->enablers));
}

static inline struct user_event_enabler *
enabler_next(struct user_event_enabler *enabler)
{
	return to_enabler(rb_next(&enabler->node));
}

/**
 * struct user_event_gap - addresses without enable words
 * @start: the first one
 * @end: the first one after them; 0 for none
 */
struct user_event_gap {
	unsigned long		start;
	unsigned long		end;
};

/**
 * struct user_event_place - where in a set an enabler goes
 * @parent: node above it, or NULL
 * @link: the pointer that will point to it
 */
struct user_event_place {
	struct rb_node		*parent;
	struct rb_node		**link;
};

int user_event_set_init(void);
struct user_event_set *user_event_set_alloc(void);
struct user_event_set *user_event_set_copy(struct user_event_set *set,
					   unsigned int more,
					   struct user_event_owner *owner);
unsigned int user_event_set_users(struct user_event_set *set);
void user_event_set_get(struct user_event_set *set);
void user_event_set_put(struct user_event_set *set);
void user_event_set_join(struct user_event_set *set, struct user_event_mm *umm);
struct user_event_mm *user_event_set_leave(struct user_event_set *set,
					   struct user_event_mm *umm);
struct user_event_enabler *user_event_set_from(struct user_event_set *set,
					       unsigned long addr,
					       unsigned int bit);
struct user_event_enabler *user_event_set_find(struct user_event_set *set,
					       unsigned long addr,
					       unsigned int bit);
bool user_event_set_overlaps(struct user_event_set *set, unsigned long start,
			     unsigned long end, struct user_event_gap *gap);
bool user_event_set_place(struct user_event_set *set, unsigned long addr,
			  unsigned int bit, struct user_event_place *place);
int user_event_set_charge(struct user_event_set *set, unsigned int more);
void user_event_set_uncharge(struct user_event_set *set);
void user_event_set_add(struct user_event_set *set,
			struct user_event_enabler *enabler,
			const struct user_event_place *place);
void user_event_set_remove(struct user_event_enabler *enabler);
void user_event_set_make_way(struct user_event_enabler *enabler);
void user_event_set_leave_event(struct user_event_enabler *enabler);
struct user_event_enabler *user_event_set_enabler(struct user_event *event,
						  unsigned long addr,
						  unsigned int size,
						  unsigned int bit);
void user_event_set_enabler_free(struct user_event_enabler *enabler);

/*
 * trace_events_user_mm.c - the address spaces that have enable bits
 */

/* user_event_mm.stale */
enum user_event_mm_stale {
	USER_EVENT_MM_RIGHT,		/* every bit is right, or given up */
	/* Its fork has yet to check whether a switch missed it */
	USER_EVENT_MM_FORKING,
	USER_EVENT_MM_STALE,		/* there is something to repair */
};

/**
 * struct user_event_mm - an address space with enable bits
 * @mm: the address space; its mm_count is held
 * @set: what it has registered, or NULL; changes under event_mutex, @access
 *	and the mmap_lock (for reading)
 * @in_set: in the list of the set; user_event_set.lock
 * @next: one-shot list of the address spaces whose bit is switched next. Only
 *	used with event_mutex held, and empty again before that is dropped;
 *	being in it is a reference. No allocation, so it cannot fail.
 * @owner: the user who made it, referenced; constant
 * @access: held over each write into the address space, so that the end of
 *	the address space can wait for it; and by a task that has left, while it
 *	looks at all processes for another one
 * @dead: no more writes; set under @access
 * @faults: accesses that bring in a page, and have a reference of mm_users meanwhile;
 *	counts up under @access, while not @dead
 * @stale: enum user_event_mm_stale: whether some bit could not be written and
 *	is not repaired yet. Changed under event_mutex, and by the fork that makes
 *	the address space; read by fork
 * @right: number of a switch: the bits of every event whose last switch has
 *	this number or a lower one are right or given up; event_mutex
 * @failed: number of the last switch that could not write a bit; event_mutex
 * @resume: address at which the next pass of a thread goes on, not 0 if the last one
 *	has waited in vain; written by the thread that makes the pass
 * @waiting: in a list of @owner; user_event_owner.lock
 * @queued: if @waiting is in a list: whether that is @owner->queued, for work items,
 *	not @fresh or @waited, for threads; user_event_owner.lock
 * @counted: user_event_owner.nr_works includes the next run of @work already;
 *	user_event_owner.lock
 * @gone: unmapped ranges that had enablers; they neither overlap nor touch.
 *	Changes under the mmap_lock for writing, or for reading and event_mutex;
 *	read under either of these. Whether it is empty is also looked at without.
 * @gap: the last range that was unmapped and had no enabler, with its neighbourhood:
 *	the next one is often near. Set under the mmap_lock for writing; emptied by
 *	a registration, under the mmap_lock for reading and event_mutex
 * @ref: memory
 * @special: the fork in progress has met a mapping that the child gets wiped,
 *	or not at all; the mmap_lock for writing
 * @work: takes enablers in @gone off their events and brings bits up to date;
 *	while it is queued it has a reference
 * @released: in a list of those that are to be freed, once there is no reference
 * @rcu: frees, once there is no reference
 */
struct user_event_mm {
	struct mm_struct	*mm;
	union {
		struct {
			struct user_event_set	*set;
			struct user_event_mm	*next;
		};
		struct llist_node	released;
		struct rcu_head		rcu;
	};
	struct hlist_node	in_set;
	struct user_event_owner	*owner;
	struct mutex		access;	/* writes, dead */
	bool			dead;
	bool			special;
	bool			queued;
	bool			counted;
	atomic_t		faults;
	int			stale;
	u64			right;
	u64			failed;
	unsigned long		resume;
	struct list_head	waiting;
	struct rb_root		gone;
	struct user_event_gap	gap;
	refcount_t		ref;
	struct delayed_work	work;
};

/**
 * struct user_event_range - addresses that were unmapped
 * @node: in user_event_mm.gone
 * @start: the first one, past the enablers that have left their events; as
 *	user_event_mm.gone
 * @end: the first one after it; constant
 */
struct user_event_range {
	struct rb_node		node;
	unsigned long		start;
	unsigned long		end;
};

static inline struct user_event_range *to_range(struct rb_node *node)
{
	return rb_entry_safe(node, struct user_event_range, node);
}

int user_event_mm_init(work_func_t work);
int user_event_mm_add_gone(struct user_event_mm *umm, unsigned long start,
			   unsigned long end, gfp_t gfp);
bool user_event_mm_is_gone(struct user_event_mm *umm, unsigned long addr);
int user_event_mm_is_gone_in_all(struct user_event_mm *umm, unsigned long addr);
struct user_event_mm *user_event_mm_alloc(struct mm_struct *mm,
					  struct user_event_owner *owner);
struct user_event_mm *user_event_mm_of_current(void);
void user_event_mm_put(struct user_event_mm *umm);
void user_event_mm_put_unlocked(struct user_event_mm *umm);
int user_event_mm_begin(struct user_event_mm *umm);
void user_event_mm_end(struct user_event_mm *umm);

/*
 * trace_events_user_bit.c - enable bits in memory
 */

/* What an enable bit in memory looks like */
enum user_event_bit_state {
	USER_EVENT_BIT_OK,		/* agrees with its event */
	USER_EVENT_BIT_REPAIR,		/* is, or may be, being repaired */
	USER_EVENT_BIT_WRONG,		/* disagrees with its event */
	USER_EVENT_BIT_ABSENT,		/* not in memory at the moment */
	USER_EVENT_BIT_UNMAPPED,	/* nothing there */
	USER_EVENT_BIT_READ_ONLY,	/* cannot be written */
	USER_EVENT_BIT_PAST_EOF,	/* of a file that has become shorter */
	USER_EVENT_BIT_LOCKED,		/* the mmap_lock is not free to look */
};

/*
 * Accept a bit that is right already even if it could not be written, as on a
 * page that is copy-on-write since a fork
 */
#define USER_EVENT_BIT_LAZY	1U

int user_event_bit_write(struct user_event_mm *umm,
			 const struct user_event_enabler *enabler,
			 unsigned int flags);
int user_event_bit_check(struct user_event_mm *umm, unsigned long addr);
int user_event_bit_clear(struct user_event_mm *umm,
			 const struct user_event_enabler *enabler,
			 bool *shared);
int user_event_bit_state(struct user_event_mm *umm,
			 const struct user_event_enabler *enabler);

/*
 * trace_events_user_access.c - getting at the memory of an address space
 */

/* Wait for the mmap_lock and for pages, until killed */
#define USER_EVENT_ACCESS_WAIT	1U

/**
 * struct user_event_access - one access to the memory of an address space
 * @umm: the address space
 * @visit: what to do there, see user_event_access()
 * @addr: the enable word whose page is brought in when @visit misses it
 * @flags: USER_EVENT_ACCESS_*
 * @try: number of the next try; an odd one takes the mmap_lock first
 * @missing: how often the page at @addr was missing although it was brought in
 * @slow: the last page took long to come in
 *
 * Belongs to the task that makes the access.
 */
struct user_event_access {
	struct user_event_mm	*umm;
	int			(*visit)(struct user_event_access *access);
	unsigned long		addr;
	unsigned int		flags;
	unsigned int		try;
	unsigned int		missing;
	bool			slow;
};

int user_event_access(struct user_event_access *access);
void user_event_access_wait(struct user_event_mm *umm);
void user_event_access_go_to(struct user_event_access *access,
			     unsigned long addr);

/*
 * trace_events_user_repair.c - repairing bits that could not be switched
 */
int user_event_repair_init(void);
void user_event_repair(struct user_event_mm *umm);
void user_event_repair_queue_work(struct user_event_mm *umm,
				  unsigned long delay);
void user_event_repair_queue(struct user_event_mm *umm);
u64 user_event_repair_count_switch(void);
void user_event_repair_interrupt(struct user_event_mm *umm);

/*
 * trace_events_user_switch.c - switching the bits of an event
 */
void user_event_switch(struct user_event *event);
void user_event_switch_sharers(struct user_event_mm *umm, unsigned long addr,
			       unsigned int bit, struct address_space *mapping,
			       pgoff_t pgoff);
bool user_event_switch_may_have_missed(struct user_event_mm *parent);

/*
 * trace_events_user_register.c - which bits a program has registered
 */
void user_event_register_work(struct work_struct *work);
void user_event_register_leave(struct user_event_mm *umm);
int user_event_register(struct user_event_mm *umm, struct user_event *event,
			unsigned long addr, unsigned int size, unsigned int bit);
int user_event_unregister(unsigned long addr, unsigned int bit);

/*
 * trace_events_user_losses.c - records that were lost
 */
extern const struct file_operations user_event_losses_fops;

void user_event_losses_count(struct user_event *event,
			     enum user_event_loss reason);
enum user_event_loss
user_event_losses_of_ring(const struct trace_event_file *file);
bool user_event_losses_is_wanted(const struct trace_event_file *file,
				 void *entry);
int user_event_losses_open_perf(struct user_event *event,
				struct perf_event *perf);
void user_event_losses_close_perf(struct user_event *event,
				  struct perf_event *perf);

/*
 * trace_events_user_listener.c - the listeners of an event
 */
int user_event_listener_reg(struct trace_event_call *call, enum trace_reg type,
			    void *data);
int user_event_listener_perf_perm(struct trace_event_call *call,
				  struct perf_event *perf);

/*
 * trace_events_user_event.c - declaring and deleting events
 */
struct user_event *user_event_find_or_create(struct user_event_group *group,
					     struct user_event_owner *owner,
					     char *cmd, unsigned int flags);
int user_event_create_persistent(const char *system, size_t len,
				 struct user_event_format *format);
int user_event_delete(struct user_event_group *group,
		      struct user_event_owner *owner, const char *name);
int user_event_delete_all(struct user_event_group *group);

/*
 * trace_events_user_dyn.c - lines of dynamic_events
 */
extern struct dyn_event_operations user_event_dyn_ops;

/*
 * trace_events_user_write.c - the way of a record to its listeners
 */

/**
 * struct user_event_table - what an open file has registered
 * @rcu: frees
 * @mask: number of slots, a power of two, less one
 * @slots: event of each index, or NULL; filled in order under
 *	user_events_fd.lock and never emptied, read by writers without
 */
struct user_event_table {
	struct rcu_head		rcu;
	unsigned int		mask;
	struct user_event	*slots[];
};

ssize_t user_event_write(struct user_event_table __rcu **table,
			 const char __user *buf, size_t count);
ssize_t user_event_write_iter(struct user_event_table __rcu **table,
			      struct iov_iter *from);

/*
 * trace_events_user_status.c - what an administrator sees
 */
extern const struct file_operations user_event_status_fops;
extern const struct file_operations user_event_enablers_fops;

/*
 * trace_events_user.c - the files of a group
 */
bool user_event_create_files(struct dentry *dir, unsigned long id);

#endif /* _TRACE_EVENTS_USER_H */
