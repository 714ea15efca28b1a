/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small model of what the ABI says, for model_test: it tells which results an
 * operation may have, and is brought up to date with the one that it had.
 */
#ifndef UEV_MODEL_H
#define UEV_MODEL_H

#include <stdbool.h>
#include <linux/types.h>

#include "model_run.h"

#ifndef __packed
#define __packed	__attribute__((packed))
#endif

/* model_run.h and model_steps.h as text */
extern const char model_run_text[], model_steps_text[];

enum kind {
	OP_OPEN, OP_CLOSE, OP_DUP, OP_TAKE, OP_REGISTER, OP_UNREGISTER, OP_DELETE,
	OP_WRITE, OP_FORK, OP_CLONE_VM, OP_VFORK, OP_EXIT, OP_EXEC, OP_KILL, OP_NOBODY,
	OP_MAP, OP_UNMAP, OP_MOVE, OP_PROTECT, OP_ADVISE, OP_DISCARD, OP_FLIP, OP_FTRACE,
	OP_INSTANCE, OP_PERF, OP_CREATE, OP_REMOVE, OP_GROUP, OP_LIMIT, OP_CPU, OP_LOOK,
	OP_END, KINDS,
};

/* An operation: small numbers, those that its kind does not use are 0 */
struct op {
	__u8 kind, who;		/* OP_, and the process that does it */
	__u8 file, file2, proc, page, page2, word, bit, size, flags, bad, on, pieces;
	__u8 group;		/* that a file is opened of */
	__u8 event;		/* number of an event; where there is a file, of a name */
	__u8 format, spelling;
	__u8 way;		/* in which a page is mapped, unmapped or moved */
	__s16 index;
	__u32 value, bits;
};

/* Formats after the first FORMATS are wrong. */
#define ALL_FORMATS	(FORMATS + 6)
#define SPELLINGS	3
extern const char * const model_formats[ALL_FORMATS][SPELLINGS];

/* What is wrong with a record */
enum bad_write {
	WRITE_GOOD, WRITE_MORE, WRITE_NO_INDEX, WRITE_SHORT, WRITE_LOC, WRITE_BIG,
	WRITE_HUGE, WRITE_BAD_END,
};

enum remove_form { REMOVE_NAME, REMOVE_SYSTEM, REMOVE_BANG, REMOVE_FIELDS, REMOVE_END };

/* The results that an operation may have */
struct results {
	int nr, of[8];
};

enum page_state { PAGE_NONE, PAGE_WRITABLE, PAGE_READ_ONLY };

struct word {
	__u64 value;
	__u64 unsure;	/* bits that may have either value until their event is switched */
};

struct page {
	__u8 state;
	bool not_inherited, wiped;	/* MADV_DONTFORK, MADV_WIPEONFORK */
	bool absent;			/* not looked at, so that it stays so */
	bool is_segment;		/* of System V, not inherited */
	struct word words[WORDS];	/* of the page SHARED: model.shared */
};

struct enabler {
	bool used, gone;
	__u8 page, word, bit, size, event;
};

#define MAX_ENABLERS	16

/* An address space */
struct mm {
	int users;
	bool forked;	/* may share what is registered with another one */
	struct page pages[PAGES];
	struct enabler enablers[MAX_ENABLERS];
};

/* An open file */
struct file {
	int users, nr, group;
	bool dead;	/* its group was removed */
	__u8 events[EVENTS];
};

/* PROC_WAITING: in vfork(), for its child */
enum proc_state { PROC_FREE, PROC_ALIVE, PROC_WAITING, PROC_EXECUTED };

struct proc {
	__u8 state;
	bool nobody;
	struct proc *vforked_by;	/* who waits for this one, or NULL */
	struct mm *mm;
	struct file *files[FILES];
};

enum event_state {
	EVENT_GONE,
	EVENT_IDLE,	/* nothing holds it: it has gone, or does a moment later */
	EVENT_HELD,
};

struct event {
	char name[32];	/* as in tracefs; "" if it never was */
	__u8 state, format;
	bool persist;
	bool loose;	/* memory was unmapped: a hold may end a moment later */
	bool ftrace, instance, perf;
	int perf_count;
};

struct record {
	char name[32];
	char text[64];
};

#define MAX_RECORDS	1000

extern struct model {
	struct proc procs[PROCS + 1];
	struct mm mms[PROCS];
	struct file open_files[PROCS * FILES];
	struct event events[EVENTS];
	struct word shared[WORDS];
	int max;		/* user_events_max, as far as events of the test go */
	bool no_events, no_bits; /* no user may have any */
	bool has_group;
	int group_max;
	struct record records[2][MAX_RECORDS];
	int nr_records[2];
	bool is_64, has_hotplug, has_segments;
} model;

void model_init(void);
bool model_is_valid(const struct op *op);
void model_expect(const struct op *op, struct results *results);
void model_apply(const struct op *op, int result);

/* What user_events_status has behind the name of an event */
const char *model_used_by(const struct event *event);
struct word *model_word(struct mm *mm, int page, int word);
__u64 model_mask(int bit, int size);
/* The payload of a record, as m_write() takes it, and its size */
int model_payload(const struct op *op, char *payload);
int model_held(int group);	/* how many events of a group, or of all if negative */
bool model_is_busy(int event);	/* that it cannot be deleted */
/* The group of the file that an operation is about */
int model_group_of(const struct op *op);

#endif /* UEV_MODEL_H */
