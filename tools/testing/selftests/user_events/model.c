// SPDX-License-Identifier: GPL-2.0
/*
 * What the ABI says, see model.h. Where it says nothing, or leaves to the kernel when
 * something happens, several results are right:
 *
 * - An event that nothing holds goes "soon". Until OP_LOOK has waited for that it
 *   can be found, or not.
 * - What was unmapped leaves its event a moment later, so the event can still be held.
 * - If several things are wrong at once, any of their errors will do.
 * - A bit that could not be written, or that the program has overwritten or discarded,
 *   is right again after its event was switched; until then it is "unsure".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define MODEL_TYPES_ONLY
#include "model.h"

struct model model;

const char * const model_formats[ALL_FORMATS][SPELLINGS] = {
	{ "", "", " ;" },
	{ " u32 a", " u32 a;", " u32 a ; " },
	{ " u32 a;u64 b", " ; u32 a ; u64 b", " u32 a;;u64 b;" },
	{ " __rel_loc char[] s;u8 c", " __rel_loc char[] s ; u8 c ;",
	  " __rel_loc char[] s; u8 c" },
	{ " long a", " u32", " u32 a 4" },
	{ " u32 a;u32 a", " char[0] a", " char[1025] a" },
	{ " u32 common_pid", " struct s a", " struct s a 0" },
	{ ":flag u32 a", "/b u32 a", "' u32 a" },
	{ " u32 1a", " u33 a", " unsigned long a" },
	{ " u32 a,u32 b", " u32 a-b", "* u32 a" },
};

/* Bytes of the fields */
static const int fixed_sizes[FORMATS] = { 0, 4, 12, 5 };

/* What a trace buffer takes is less than a page, and what perf takes less than 64 KiB. */
#define BIG	5000
#define HUGE	70000

static bool big_endian(void)
{
	const __u16 one = 1;

	return !*(const __u8 *)&one;
}

__u64 model_mask(int bit, int size)
{
	return 1ULL << (size == 4 && big_endian() ? bit + 32 : bit);
}

struct word *model_word(struct mm *mm, int page, int word)
{
	return page == SHARED ? &model.shared[word] : &mm->pages[page].words[word];
}

static bool listens(const struct event *event)
{
	return event->ftrace || event->instance || event->perf;
}

const char *model_used_by(const struct event *event)
{
	if (event->ftrace || event->instance)
		return event->perf ? " # Used by ftrace perf" : " # Used by ftrace";
	return event->perf ? " # Used by perf" : "";
}

static void result(struct results *results, int value)
{
	int i;

	for (i = 0; i < results->nr; i++) {
		if (results->of[i] == value)
			return;
	}
	results->of[results->nr++] = value;
}

/* Enable words */

/* The bit of an enabler is written through the mapping of @mm, if that is writable. */
static void write_bit(struct mm *mm, struct enabler *enabler, bool on)
{
	struct page *page = &mm->pages[enabler->page];
	struct word *word = model_word(mm, enabler->page, enabler->word);
	__u64 mask = model_mask(enabler->bit, enabler->size);

	if (page->state != PAGE_WRITABLE)
		return;
	word->value = on ? word->value | mask : word->value & ~mask;
	word->unsure &= ~mask;
	page->absent = false;
}

static void put_bit(struct mm *mm, struct enabler *enabler, bool on)
{
	if (!enabler->gone)
		write_bit(mm, enabler, on);
}

static void switch_event(int number)
{
	bool on = listens(&model.events[number]);
	struct enabler *enabler;
	int m, i;

	for (m = 0; m < PROCS; m++) {
		for (i = 0; model.mms[m].users && i < MAX_ENABLERS; i++) {
			enabler = &model.mms[m].enablers[i];
			if (enabler->used && enabler->event == number)
				put_bit(&model.mms[m], enabler, on);
		}
	}
}

/* Bits of a page that are wrong, and are not written before the next switch */
static void spoil(struct mm *mm, int page)
{
	struct enabler *enabler;
	struct word *word;
	__u64 mask;
	int i;

	for (i = 0; i < MAX_ENABLERS; i++) {
		enabler = &mm->enablers[i];
		if (!enabler->used || enabler->gone || enabler->page != page)
			continue;
		word = model_word(mm, page, enabler->word);
		mask = model_mask(enabler->bit, enabler->size);
		if (!!(word->value & mask) != listens(&model.events[enabler->event]))
			word->unsure |= mask;
	}
}

/* The same in all that have the page */
static void spoil_all(struct mm *mm, int page)
{
	int m;

	if (page != SHARED)
		spoil(mm, page);
	for (m = 0; page == SHARED && m < PROCS; m++) {
		if (model.mms[m].users)
			spoil(&model.mms[m], page);
	}
}

static struct enabler *find_enabler(struct mm *mm, int page, int word, int bit)
{
	int i;

	for (i = 0; i < MAX_ENABLERS; i++) {
		struct enabler *enabler = &mm->enablers[i];

		if (enabler->used && enabler->page == page &&
		    enabler->word == word && enabler->bit == bit)
			return enabler;
	}
	return NULL;
}

/* The memory of a page goes: what is registered there ends. */
static void lose(struct mm *mm, int page)
{
	int i;

	for (i = 0; i < MAX_ENABLERS; i++) {
		struct enabler *enabler = &mm->enablers[i];

		if (!enabler->used || enabler->gone || enabler->page != page)
			continue;
		enabler->gone = true;
		model.events[enabler->event].loose = true;
	}
	mm->pages[page] = (struct page){};
}

/* Processes and files */

static struct mm *new_mm(void)
{
	int m;

	for (m = 0; m < PROCS; m++) {
		if (!model.mms[m].users) {
			model.mms[m] = (struct mm){ .users = 1 };
			return &model.mms[m];
		}
	}
	return NULL;
}

static struct file *new_file(int group)
{
	size_t i;

	for (i = 0; i < PROCS * FILES; i++) {
		if (!model.open_files[i].users) {
			model.open_files[i] = (struct file){ .group = group };
			return &model.open_files[i];
		}
	}
	return NULL;
}

static void set_file(struct proc *proc, int number, struct file *file)
{
	if (file)
		file->users++;
	if (proc->files[number])
		proc->files[number]->users--;
	proc->files[number] = file;
}

static void fork_mm(struct mm *child, struct mm *parent)
{
	int p, i;

	parent->forked = true;
	*child = *parent;
	child->users = 1;
	for (p = 0; p < PAGES; p++) {
		if (child->pages[p].not_inherited)
			lose(child, p);
		if (!child->pages[p].wiped)
			continue;
		memset(child->pages[p].words, 0, sizeof(child->pages[p].words));
		child->pages[p].absent = true;
		for (i = 0; i < MAX_ENABLERS; i++) {
			struct enabler *enabler = &child->enablers[i];

			if (enabler->used && enabler->page == p)
				put_bit(child, enabler,
					listens(&model.events[enabler->event]));
		}
	}
}

static void start_proc(const struct op *op)
{
	struct proc *parent = &model.procs[op->who], *proc = &model.procs[op->proc];
	int i;

	*proc = (struct proc){ .state = PROC_ALIVE, .nobody = parent->nobody };
	for (i = 0; i < FILES; i++)
		set_file(proc, i, parent->files[i]);
	if (op->kind == OP_FORK) {
		proc->mm = new_mm();
		fork_mm(proc->mm, parent->mm);
	} else {
		proc->mm = parent->mm;
		proc->mm->users++;
	}
	if (op->kind == OP_VFORK) {
		parent->state = PROC_WAITING;
		proc->vforked_by = parent;
	}
}

static void end_proc(struct proc *proc, bool executes)
{
	int i;

	if (proc->mm)
		proc->mm->users--;
	proc->mm = NULL;
	if (proc->vforked_by)
		proc->vforked_by->state = PROC_ALIVE;
	proc->vforked_by = NULL;
	for (i = 0; i < PROCS; i++) {
		if (model.procs[i].vforked_by == proc)
			model.procs[i].vforked_by = NULL;
	}
	for (i = 0; i < FILES; i++) {
		if (!executes || i & 1)
			set_file(proc, i, NULL);
	}
	proc->state = executes ? PROC_EXECUTED : PROC_FREE;
}

/* Events */

static bool file_has(const struct file *file, int event)
{
	int i;

	for (i = 0; i < file->nr; i++) {
		if (file->events[i] == event)
			return true;
	}
	return false;
}

/* Files, enablers and listeners: what makes deleting it fail */
bool model_is_busy(int event)
{
	int i, m;

	if (listens(&model.events[event]))
		return true;
	for (i = 0; i < PROCS * FILES; i++) {
		if (model.open_files[i].users &&
		    file_has(&model.open_files[i], event))
			return true;
	}
	for (m = 0; m < PROCS; m++) {
		for (i = 0; model.mms[m].users && i < MAX_ENABLERS; i++) {
			const struct enabler *enabler = &model.mms[m].enablers[i];

			if (enabler->used && !enabler->gone && enabler->event == event)
				return true;
		}
	}
	return false;
}

static void event_goes(int number)
{
	struct event *event = &model.events[number];

	event->state = EVENT_GONE;
	event->persist = false;
	event->loose = false;
}

static void event_is_made(int number, int format)
{
	model.events[number].state = EVENT_HELD;
	model.events[number].format = format;
}

/* Whether what an operation has left holds the events */
static void update_events(void)
{
	int i;

	for (i = 0; i < EVENTS; i++) {
		struct event *event = &model.events[i];

		if (event->state != EVENT_GONE)
			event->state = event->persist || model_is_busy(i) ?
				EVENT_HELD : EVENT_IDLE;
	}
}

static bool is_in(int event, int group)
{
	return group < 0 || IN_GROUP(event) == group;
}

int model_held(int group)
{
	int i, held = 0;

	for (i = 0; i < EVENTS; i++)
		held += is_in(i, group) && model.events[i].state == EVENT_HELD;
	return held;
}

/* Nothing holds them, but memory that was unmapped may for a moment. */
static int loose_events(int group)
{
	int i, loose = 0;

	for (i = 0; i < EVENTS; i++)
		loose += is_in(i, group) && model.events[i].state == EVENT_IDLE &&
			model.events[i].loose;
	return loose;
}

int model_group_of(const struct op *op)
{
	const struct file *file = op->who == ADMIN ? NULL :
		model.procs[op->who].files[op->file];

	return file ? file->group : 0;
}

/* One that waits goes on when the last one that does not has ended. */
static int living(void)
{
	int i, count = 0;

	for (i = 0; i < PROCS; i++)
		count += model.procs[i].state == PROC_ALIVE ||
			model.procs[i].state == PROC_WAITING;
	return count;
}

/*
 * Adds the errors of finding or making an event; returns true if it must be one of
 * them.
 */
static bool expect_event(int number, int format, struct results *results)
{
	const struct event *event = &model.events[number];
	bool same = event->format == format, must = false, full, over;
	int group = IN_GROUP(number);

	full = model.no_events || model_held(-1) >= model.max ||
		(group && model_held(group) >= model.group_max);
	over = full || model_held(-1) + loose_events(-1) >= model.max ||
		(group && model_held(group) + loose_events(group) >= model.group_max);
	if (event->state != EVENT_GONE && !same) {
		must = event->state == EVENT_HELD;
		if (must || event->loose)
			result(results, -EADDRINUSE);
	}
	/* Events that nothing holds are in nobody's way. */
	if ((event->state != EVENT_HELD || !same) && over) {
		result(results, -EMFILE);
		if (event->state != EVENT_IDLE || !same)
			must |= full;
	}
	return must;
}

static struct event *written_event(const struct op *op)
{
	const struct file *file = model.procs[op->who].files[op->file];

	if (!file || op->index < 0 || op->index >= file->nr)
		return NULL;
	return &model.events[file->events[op->index]];
}

static void put_hex(char *to, const void *bytes, int size)
{
	int i;

	for (i = 0; i < size; i++)
		sprintf(to + 2 * i, "%02x", ((const __u8 *)bytes)[i]);
}

static int text_size(const struct op *op)
{
	return op->value % 7;
}

int model_payload(const struct op *op, char *payload)
{
	const struct event *event = written_event(op);
	int format = event ? event->format : 1, size = fixed_sizes[format];
	struct {
		__u32 loc;
		__u8 c;
		char text[8];
	} __packed text = { .text = "mnopqr" };
	__u32 a = op->value;
	__u64 b = ~(__u64)op->value;

	switch (format) {
	case 1:
	case 2:
		put_hex(payload, &a, sizeof(a));
		if (format == 2)
			put_hex(payload + 8, &b, sizeof(b));
		break;
	case 3:
		/* Its text comes after c, and may be empty */
		text.loc = text_size(op) ? DYN_LOC(1, text_size(op)) : 0;
		if (text_size(op) && op->bad != WRITE_LOC)
			text.text[text_size(op) - 1] = '\0';
		text.c = op->value;
		if (op->bad == WRITE_LOC)
			text.loc = DYN_LOC(op->value & 1 ? 1 : 100, 5);
		put_hex(payload, &text, sizeof(text));
		size += op->bad == WRITE_LOC ? 6 : text_size(op);
		payload[2 * size] = '\0';
		break;
	}
	switch (op->bad) {
	case WRITE_MORE:
		return size + 8;
	case WRITE_NO_INDEX:
		payload[0] = '\0';
		return -1 - (int)op->value % 4;
	case WRITE_SHORT:
		size = fixed_sizes[format] ? fixed_sizes[format] - 1 : 0;
		payload[2 * size] = '\0';
		return size;
	case WRITE_BIG:
		return BIG;
	case WRITE_HUGE:
		return HUGE;
	}
	return size;
}

/* A record is offered to the listeners: each takes it, or finds it too large. */
static void write_record(const struct op *op, struct event *event)
{
	struct record *record;
	char text[32] = "mnopqr";
	int i;

	for (i = 0; i < 2; i++) {
		if (!(i ? event->instance : event->ftrace) ||
		    op->bad == WRITE_BIG || op->bad == WRITE_HUGE ||
		    model.nr_records[i] == MAX_RECORDS)
			continue;
		record = &model.records[i][model.nr_records[i]++];
		memcpy(record->name, event->name, sizeof(record->name));
		switch (event->format) {
		case 0:
			sprintf(record->text, ":");
			break;
		case 1:
			sprintf(record->text, ": a=%u", op->value);
			break;
		case 2:
			sprintf(record->text, ": a=%u b=%llu", op->value,
				~(unsigned long long)op->value);
			break;
		case 3:
			text[text_size(op) ? text_size(op) - 1 : 0] = '\0';
			sprintf(record->text, ": s=%s c=%u", text, (__u8)op->value);
			break;
		}
	}
	if (event->perf && op->bad != WRITE_HUGE)
		event->perf_count++;
}

/* Which operations there can be */

static bool proc_is(int number, enum proc_state state)
{
	return number < PROCS && model.procs[number].state == state;
}

static bool can_unmap(const struct op *op, const struct page *page)
{
	switch (op->way) {
	case UNMAP_MREMAP:
		return op->page > 0 && page[-1].state != PAGE_NONE;
	case UNMAP_BRK:
		return !model.procs[op->who].nobody;
	case UNMAP_SHMDT:
		return page->is_segment;
	}
	return true;
}

bool model_is_valid(const struct op *op)
{
	const struct proc *proc = &model.procs[op->who];
	const struct page *page;
	int i, used = 0;

	if (op->who != ADMIN && !proc_is(op->who, PROC_ALIVE))
		return false;
	page = op->who == ADMIN ? NULL : &proc->mm->pages[op->page];

	switch (op->kind) {
	case OP_DUP:
		return op->file != op->file2;
	case OP_TAKE:
		/* Whether a user may take a file of its own other process: not our ABI */
		return op->proc != op->who && model.procs[op->proc].state != PROC_FREE &&
			!(proc->nobody && model.procs[op->proc].nobody);
	case OP_REGISTER:
		for (i = 0; i < MAX_ENABLERS; i++)
			used += proc->mm->enablers[i].used;
		if (used == MAX_ENABLERS)
			return false;
		if (op->bit >= 8 * op->size)
			return false;
		/* There, bits 32 to 63 of 8 bytes are all that 4 bytes have. */
		if (big_endian() && op->size == 8 && op->bit >= 32)
			return false;
		/* Two events at one bit in shared memory would be the program's mistake. */
		return op->page != SHARED ||
			(op->word == op->event && !model_group_of(op) &&
			 !(op->flags & USER_EVENT_REG_MULTI_FORMAT));
	case OP_WRITE:
		if (op->bad == WRITE_LOC) {
			const struct event *event = written_event(op);

			return event && event->format == 3 && op->pieces;
		}
		/* writev() of nothing does not come to the file. */
		if (op->bad == WRITE_NO_INDEX)
			return op->pieces == 1 || (op->pieces && op->value % 4 != 3);
		if (op->bad == WRITE_BIG)
			return sysconf(_SC_PAGESIZE) < BIG - 100;
		return true;
	case OP_FORK:
	case OP_CLONE_VM:
	case OP_VFORK:
		return proc_is(op->proc, PROC_FREE);
	case OP_EXIT:
	case OP_EXEC:
		return living() > 1;
	case OP_KILL:
		return proc_is(op->proc, PROC_EXECUTED) ||
			(!proc_is(op->proc, PROC_FREE) && living() > 1);
	case OP_NOBODY:
		return !proc->nobody;
	case OP_MAP:
		return op->page != SHARED &&
			(op->way != MAP_SEGMENT || model.has_segments);
	case OP_MOVE:
		/* What is left of a segment has the same memory as what was moved. */
		return op->page != SHARED && op->page2 != SHARED &&
			op->page != op->page2 && page->state != PAGE_NONE &&
			!(op->way == MOVE_PAGES && page->is_segment);
	case OP_UNMAP:
		return page->state != PAGE_NONE && can_unmap(op, page);
	case OP_ADVISE:
		return page->state != PAGE_NONE && !page->is_segment &&
			(op->page != SHARED || op->on == MADV_DONTFORK ||
			 op->on == MADV_DOFORK);
	case OP_PROTECT:
	case OP_DISCARD:
		return page->state != PAGE_NONE;
	case OP_FLIP:
		return page->state == PAGE_WRITABLE;
	case OP_PERF:
		/* What becomes of an event that is about to go is a race: perf's affair */
		if (op->on)
			return model.events[op->event].state != EVENT_IDLE &&
				!model.events[op->event].perf;
		return model.events[op->event].perf;
	case OP_CPU:
		return model.has_hotplug;
	}
	return true;
}

/* What may come out */

static void expect_register(const struct op *op, struct results *results)
{
	const struct proc *proc = &model.procs[op->who];
	const struct file *file = proc->files[op->file];
	bool multi = op->flags & USER_EVENT_REG_MULTI_FORMAT, good = true;
	int event = EVENT_OF(file->group, op->event, op->format, multi), i;
	const struct enabler *enabler;

	switch (op->bad) {
	case REG_GOOD:
	case REG_LONG_ZERO:
		break;
	case REG_LONG:
		result(results, -E2BIG);
		break;
	case REG_KERNEL:
	case REG_NO_COMMAND:
	case REG_READ_ONLY:
		result(results, -EFAULT);
		break;
	default:
		result(results, -EINVAL);
	}
	if (op->size == 8 && !model.is_64)
		result(results, -EINVAL);
	enabler = find_enabler(proc->mm, op->page, op->word, op->bit);
	if (enabler && !enabler->gone)
		result(results, -EADDRINUSE);
	if (proc->mm->pages[op->page].state != PAGE_WRITABLE)
		result(results, -EFAULT);
	if ((op->flags & USER_EVENT_REG_PERSIST) && proc->nobody)
		result(results, -EPERM);
	if (op->format >= FORMATS)
		result(results, -EINVAL);
	if (file->dead)
		result(results, -ENODEV);
	if (model.no_bits && !enabler)
		result(results, -EMFILE);
	good = !results->nr;
	/* One that is gone makes room, but not in a set that is to be copied. */
	if (model.no_bits)
		result(results, -EMFILE);
	if (op->format < FORMATS && !file->dead &&
	    expect_event(event, op->format, results))
		good = false;
	if (!good)
		return;
	for (i = 0; i < file->nr && file->events[i] != event; i++)
		;
	result(results, i);
}

static void expect_unregister(const struct op *op, struct results *results)
{
	struct mm *mm = model.procs[op->who].mm;

	if (op->bad)
		result(results, op->bad == UNREG_LONG ? -E2BIG : -EINVAL);
	if (!find_enabler(mm, op->page, op->word, op->bit))
		result(results, -ENOENT);
	if (!results->nr)
		result(results, 0);
	/* What is shared is copied first. */
	if (model.no_bits && mm->forked)
		result(results, -EMFILE);
}

/* Events that DIAG_IOCSDEL would delete: that of a name, and its multi formats */
static bool is_deleted(int event, const struct op *op)
{
	int in_group = event % GROUP_EVENTS;

	if (IN_GROUP(event) != model_group_of(op))
		return false;
	return IS_MULTI(event) ? (in_group - NAMES) / FORMATS == op->event :
		in_group == op->event;
}

static void expect_delete(const struct op *op, struct results *results)
{
	bool denied = false, found = false, maybe = false, loose = false, busy = false;
	const struct proc *proc = &model.procs[op->who];
	bool dead = op->who != ADMIN && proc->files[op->file]->dead;
	int i;

	if (op->bad) {
		result(results, op->bad > 1 ? -EINVAL : -ENOENT);
		return;
	}
	for (i = 0; i < EVENTS; i++) {
		const struct event *event = &model.events[i];

		if (dead || !is_deleted(i, op) || event->state == EVENT_GONE)
			continue;
		found |= event->state == EVENT_HELD;
		maybe |= event->state == EVENT_IDLE;
		loose |= event->loose;
		busy |= model_is_busy(i);
		denied |= event->persist && proc->nobody;
	}
	if (busy || loose)
		result(results, -EBUSY);
	if (denied)
		result(results, -EPERM);
	if (!found)
		result(results, -ENOENT);
	if ((found || maybe) && !busy && !denied)
		result(results, 0);
}

static void expect_write(const struct op *op, struct results *results)
{
	const struct event *event = written_event(op);
	char payload[200] = "";
	int size = model_payload(op, payload);

	if (size < 0)
		result(results, -EFAULT);
	if (op->index < 0)
		result(results, -EINVAL);
	else if (!event)
		result(results, -ENOENT);
	if (event && size < fixed_sizes[event->format])
		result(results, -EINVAL);
	if (event && !listens(event))
		result(results, -EBADF);
	if ((!op->pieces && size > 0) || op->bad == WRITE_LOC)
		result(results, -EFAULT);
	if (event && (op->bad == WRITE_HUGE ||
		      (op->bad == WRITE_BIG && (event->ftrace || event->instance))))
		result(results, -EMSGSIZE);
	if (!results->nr)
		result(results, 4 + size);
}

static void expect_create(const struct op *op, struct results *results)
{
	bool good = true;

	if (op->format >= FORMATS || (IN_GROUP(op->event) && !model.has_group)) {
		result(results, -EINVAL);
		return;
	}
	good = !expect_event(op->event, op->format, results);
	if (good)
		result(results, 0);
}

static void expect_remove(const struct op *op, struct results *results)
{
	const struct event *event = &model.events[op->event];
	bool other = op->bad == REMOVE_FIELDS && event->format != op->format &&
		*model_formats[op->format][op->spelling];

	if (event->state == EVENT_GONE || other) {
		result(results, -ENOENT);
		return;
	}
	if (event->state == EVENT_IDLE)
		result(results, -ENOENT);
	if (model_is_busy(op->event) || event->loose)
		result(results, -EBUSY);
	if (!model_is_busy(op->event))
		result(results, 0);
}

static void expect_group(const struct op *op, struct results *results)
{
	bool busy = false, loose = false;
	int i;

	if (op->bad == GROUP_MAKE ? model.has_group : !model.has_group) {
		result(results, op->bad == GROUP_MAKE ? -EEXIST : -ENOENT);
		return;
	}
	for (i = 0; op->bad == GROUP_REMOVE && i < EVENTS; i++) {
		if (!IN_GROUP(i) || model.events[i].state == EVENT_GONE)
			continue;
		busy |= model_is_busy(i);
		loose |= model.events[i].loose;
	}
	if (busy || loose)
		result(results, -EBUSY);
	if (!busy)
		result(results, 0);
}

void model_expect(const struct op *op, struct results *results)
{
	const struct proc *proc = &model.procs[op->who];
	const struct event *event = &model.events[op->event];
	const struct file *file = op->who != ADMIN && op->file < FILES ?
		proc->files[op->file] : NULL;

	results->nr = 0;
	switch (op->kind) {
	case OP_CLOSE:
	case OP_DUP:
	case OP_REGISTER:
	case OP_UNREGISTER:
	case OP_WRITE:
	case OP_DELETE:
		if (!file && op->who != ADMIN) {
			result(results, -EBADF);
			return;
		}
		break;
	}

	switch (op->kind) {
	case OP_OPEN:
		result(results, proc->nobody ? -EACCES :
		       op->group && !model.has_group ? -ENOENT : 0);
		break;
	case OP_TAKE:
		if (proc->nobody)
			result(results, -EPERM);
		if (!model.procs[op->proc].files[op->file])
			result(results, -EBADF);
		if (!results->nr)
			result(results, 0);
		break;
	case OP_REGISTER:
		expect_register(op, results);
		break;
	case OP_UNREGISTER:
		expect_unregister(op, results);
		break;
	case OP_DELETE:
		expect_delete(op, results);
		break;
	case OP_WRITE:
		expect_write(op, results);
		break;
	case OP_CREATE:
		expect_create(op, results);
		break;
	case OP_REMOVE:
		expect_remove(op, results);
		break;
	case OP_FTRACE:
	case OP_INSTANCE:
		if (event->state == EVENT_HELD) {
			result(results, 0);
			break;
		}
		result(results, -ENOENT);
		if (event->state == EVENT_IDLE) {
			/* Its files go while one is open. */
			result(results, -ENODEV);
			result(results, 0);
		}
		break;
	case OP_PERF:
		result(results, event->state == EVENT_HELD ? 0 : -ENOENT);
		break;
	case OP_GROUP:
		expect_group(op, results);
		break;
	default:
		result(results, 0);
	}
}

/* What an operation does */

static void apply_register(const struct op *op, int index)
{
	struct proc *proc = &model.procs[op->who];
	struct file *file = proc->files[op->file];
	bool multi = op->flags & USER_EVENT_REG_MULTI_FORMAT;
	int number = EVENT_OF(file->group, op->event, op->format, multi), i;
	struct event *event = &model.events[number];
	struct enabler *enabler;

	event_is_made(number, op->format);
	event->persist |= !!(op->flags & USER_EVENT_REG_PERSIST);
	if (index == file->nr)
		file->events[file->nr++] = number;
	/* One that is gone makes room. */
	enabler = find_enabler(proc->mm, op->page, op->word, op->bit);
	for (i = 0; !enabler; i++) {
		if (!proc->mm->enablers[i].used)
			enabler = &proc->mm->enablers[i];
	}
	*enabler = (struct enabler){
		.used = true, .page = op->page, .word = op->word, .bit = op->bit,
		.size = op->size, .event = number,
	};
	put_bit(proc->mm, enabler, listens(event));
}

static void apply_unregister(const struct op *op, int ret)
{
	struct mm *mm = model.procs[op->who].mm;
	struct enabler *enabler, *other;
	int m;

	if (ret)
		return;
	enabler = find_enabler(mm, op->page, op->word, op->bit);
	put_bit(mm, enabler, false);
	enabler->used = false;
	if (op->page != SHARED || enabler->gone)
		return;
	/* The bits of the others stay right, also where they cannot write them. */
	for (m = 0; m < PROCS; m++) {
		other = model.mms[m].users ?
			find_enabler(&model.mms[m], SHARED, op->word, op->bit) : NULL;
		if (other && !other->gone)
			write_bit(mm, other, listens(&model.events[other->event]));
	}
}

static void apply_memory(const struct op *op)
{
	struct mm *mm = model.procs[op->who].mm;
	struct page *page = &mm->pages[op->page], moved;
	struct word *word;

	switch (op->kind) {
	case OP_MAP:
	case OP_UNMAP:
		lose(mm, op->page);
		page->state = op->kind == OP_MAP ? PAGE_WRITABLE : PAGE_NONE;
		page->absent = true;
		page->is_segment = op->kind == OP_MAP && op->way == MAP_SEGMENT;
		page->not_inherited = page->is_segment;
		break;
	case OP_MOVE:
		moved = *page;
		lose(mm, op->page2);
		lose(mm, op->page);
		mm->pages[op->page2] = moved;
		if (op->way != MOVE_PAGES)
			break;
		memset(moved.words, 0, sizeof(moved.words));
		moved.absent = true;
		mm->pages[op->page] = moved;
		break;
	case OP_PROTECT:
		page->state = op->on ? PAGE_READ_ONLY : PAGE_WRITABLE;
		spoil_all(mm, op->page);
		break;
	case OP_ADVISE:
		if (op->on == MADV_DONTFORK || op->on == MADV_DOFORK)
			page->not_inherited = op->on == MADV_DONTFORK;
		else
			page->wiped = op->on == MADV_WIPEONFORK;
		break;
	case OP_DISCARD:
		page->absent = true;
		if (op->page != SHARED && !page->is_segment) {
			memset(page->words, 0, sizeof(page->words));
			spoil(mm, op->page);
		}
		break;
	case OP_FLIP:
		word = model_word(mm, op->page, op->word);
		word->value ^= op->bits * 0x100000001ULL;
		page->absent = false;
		spoil_all(mm, op->page);
		break;
	}
}

static void apply_listener(const struct op *op)
{
	struct event *event = &model.events[op->event];
	bool before = listens(event);

	if (op->kind == OP_FTRACE)
		event->ftrace = op->on;
	else if (op->kind == OP_INSTANCE)
		event->instance = op->on;
	else
		event->perf = op->on;
	if (op->kind == OP_PERF)
		event->perf_count = 0;
	if (op->on)
		event->state = EVENT_HELD;
	if (before != listens(event))
		switch_event(op->event);
}

static void apply_end(void)
{
	int i;

	for (i = 0; i < PROCS; i++)
		end_proc(&model.procs[i], false);
	for (i = 0; i < EVENTS; i++) {
		model.events[i].ftrace = false;
		model.events[i].instance = false;
		model.events[i].perf = false;
	}
	model.no_events = false;
	model.no_bits = false;
	model.max = EVENTS + 1;
}

static void apply_group(const struct op *op)
{
	size_t i;

	if (op->bad != GROUP_REMOVE) {
		model.has_group = true;
		model.group_max = op->index;
		return;
	}
	model.has_group = false;
	for (i = 0; i < EVENTS; i++) {
		if (!IN_GROUP(i))
			continue;
		event_goes(i);
		if (IS_MULTI(i))
			model.events[i].name[0] = '\0';
	}
	for (i = 0; i < PROCS * FILES; i++)
		model.open_files[i].dead |= model.open_files[i].group;
}

void model_apply(const struct op *op, int ret)
{
	struct proc *proc = &model.procs[op->who];
	struct event *event;
	int i;

	switch (op->kind) {
	case OP_OPEN:
		if (!ret)
			set_file(proc, op->file, new_file(op->group));
		break;
	case OP_CLOSE:
		set_file(proc, op->file, NULL);
		break;
	case OP_DUP:
		if (!ret)
			set_file(proc, op->file2, proc->files[op->file]);
		break;
	case OP_TAKE:
		if (!ret)
			set_file(proc, op->file2, model.procs[op->proc].files[op->file]);
		break;
	case OP_REGISTER:
		if (ret >= 0)
			apply_register(op, ret);
		break;
	case OP_UNREGISTER:
		apply_unregister(op, ret);
		break;
	case OP_DELETE:
		for (i = 0; !ret && i < EVENTS; i++) {
			if (is_deleted(i, op))
				event_goes(i);
		}
		break;
	case OP_WRITE:
		event = written_event(op);
		if (event && listens(event) && (ret >= 0 || ret == -EMSGSIZE))
			write_record(op, event);
		break;
	case OP_FORK:
	case OP_CLONE_VM:
	case OP_VFORK:
		start_proc(op);
		break;
	case OP_EXIT:
	case OP_EXEC:
		end_proc(proc, op->kind == OP_EXEC);
		break;
	case OP_KILL:
		end_proc(&model.procs[op->proc], false);
		break;
	case OP_NOBODY:
		proc->nobody = true;
		break;
	case OP_FTRACE:
	case OP_INSTANCE:
	case OP_PERF:
		if (!ret)
			apply_listener(op);
		else if (model.events[op->event].state == EVENT_IDLE)
			event_goes(op->event);
		break;
	case OP_CREATE:
		if (!ret) {
			event_is_made(op->event, op->format);
			model.events[op->event].persist = true;
		}
		break;
	case OP_REMOVE:
		if (!ret)
			event_goes(op->event);
		break;
	case OP_GROUP:
		if (!ret)
			apply_group(op);
		break;
	case OP_LIMIT:
		if (op->bad == LIMIT_SYSTEM)
			model.max = op->on ? model_held(-1) : EVENTS + 1;
		else if (op->bad == LIMIT_USER_EVENTS)
			model.no_events = op->on;
		else
			model.no_bits = op->on;
		break;
	case OP_CPU:
		break;
	case OP_LOOK:
		for (i = 0; i < EVENTS; i++) {
			if (model.events[i].state == EVENT_IDLE)
				event_goes(i);
		}
		model.nr_records[0] = 0;
		model.nr_records[1] = 0;
		break;
	case OP_END:
		apply_end();
		break;
	default:
		apply_memory(op);
	}
	update_events();
}

/* One process, with all pages and no file */
void model_init(void)
{
	const bool is_64 = model.is_64, has_hotplug = model.has_hotplug;
	const bool has_segments = model.has_segments;
	int p;

	memset(&model, 0, sizeof(model));
	model.is_64 = is_64;
	model.has_hotplug = has_hotplug;
	model.has_segments = has_segments;
	model.max = EVENTS + 1;
	model.procs[0] = (struct proc){ .state = PROC_ALIVE, .mm = new_mm() };
	for (p = 0; p < PAGES; p++)
		model.procs[0].mm->pages[p] = (struct page){
			.state = PAGE_WRITABLE, .absent = true,
		};
}
