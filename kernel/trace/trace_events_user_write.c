// SPDX-License-Identifier: GPL-2.0
/*
 * User events: the way of a record to its listeners.
 *
 * A record goes from user space straight into the buffer of each listener: one
 * copy each, no allocation, no lock, with preemption and page faults disabled. The
 * record is fetched into kernel memory first only if a page is
 * missing, a trigger without a condition needs it, or it is too large for
 * perf's per-CPU buffer; the listeners go on from there.
 */
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "trace_events_user.h"

/*
 * An entry of this size fits into every trace buffer, whatever the headers of
 * its pages and events; what is larger has to ask.
 */
#define RING_ALWAYS_TAKES	(PAGE_SIZE - 64)

/*
 * perf puts a u32 before a record, and wants both together aligned. Its per-CPU
 * buffer takes payloads of so many bytes.
 */
#define PERF_SIZE(len) \
	(ALIGN(sizeof(struct trace_entry) + (len) + sizeof(u32), \
	       sizeof(u64)) - sizeof(u32))
#define PERF_BUF_TAKES \
	(PERF_MAX_TRACE_SIZE - sizeof(u32) - sizeof(struct trace_entry))

/*
 * The size of a sample has 16 bits. Besides the record it has what a perf event
 * asks for: a fixed part that is far below this, and things of any size, see
 * sample_fits().
 */
#define PERF_SAMPLE_REST	1024

/*
 * Up to this size samples are not checked: the kernel's own events have records as
 * large, and perf does not check those either.
 */
#define PERF_SMALL		1024

#define PERF_TAKES \
	(U16_MAX + 1 - PERF_SAMPLE_REST - sizeof(u32) - \
	 sizeof(struct trace_entry))

/*
 * Up to here a record, most often a number or two, is copied by the word. The
 * general copy is a call, and takes the bytes after the last 8 one by one.
 */
#define COPY_BY_WORDS	32

/* What makes a trace instance look at records before it keeps them */
#define FILE_FL_CHOOSY	(EVENT_FILE_FL_FILTERED | EVENT_FILE_FL_SOFT_DISABLED | \
			 EVENT_FILE_FL_TRIGGER_MODE | EVENT_FILE_FL_PID_FILTER)

/*
 * Those of them that are looked at before the record is made. Triggers with a
 * condition are not: they look at the record.
 */
#define FILE_FL_EARLY \
	(EVENT_FILE_FL_SOFT_DISABLED | EVENT_FILE_FL_TRIGGER_MODE | \
	 EVENT_FILE_FL_PID_FILTER)

/* What makes a trace instance add stack traces to records */
#define TRACE_ITER_STACKS \
	(TRACE_ITER_STACKTRACE | TRACE_ITER_USERSTACKTRACE)

/**
 * struct user_event_payload - what follows the index in a record
 * @len: its bytes
 * @buf: where it is in user space, in one piece, if neither of these is set:
 * @iter: what it is gathered from, index included
 * @copy: where the kernel has it, after a page was missing, because it has to be
 *	known early, or because it is too large for perf's buffer; behind room for
 *	the common fields, and padded with zeroes as perf wants it
 * @done: serial number of the last trace instance that has been asked already
 * @result: -EMSGSIZE if one of these does not take it, else 0
 */
struct user_event_payload {
	size_t			len;
	const char __user	*buf;
	const struct iov_iter	*iter;
	void			*copy;
	u64			done;
	int			result;
};

/* With page faults disabled; false when a page is missing */
static __always_inline bool copy_words(void *to, const char __user *from,
				       size_t len)
{
	if (!user_read_access_begin(from, len))
		return false;

	for (; len >= sizeof(long); len -= sizeof(long)) {
		unsafe_get_user(*(long *)to, (const long __user *)from, missing);
		to += sizeof(long);
		from += sizeof(long);
	}
	if (len & sizeof(u32)) {
		unsafe_get_user(*(u32 *)to, (const u32 __user *)from, missing);
		to += sizeof(u32);
		from += sizeof(u32);
	}
	if (len & sizeof(u16)) {
		unsafe_get_user(*(u16 *)to, (const u16 __user *)from, missing);
		to += sizeof(u16);
		from += sizeof(u16);
	}
	if (len & sizeof(u8))
		unsafe_get_user(*(u8 *)to, (const u8 __user *)from, missing);

	user_read_access_end();
	return true;

missing:
	user_read_access_end();
	return false;
}

static size_t gather(void *to, const struct user_event_payload *payload)
{
	struct iov_iter iter = *payload->iter;

	iov_iter_advance(&iter, sizeof(s32));
	return copy_from_iter(to, payload->len, &iter);
}

/* A payload that is not in one piece of user space */
static noinline bool payload_get_pieces(const struct user_event_payload *payload,
					void *to)
{
	size_t len = payload->len;

	if (payload->copy) {
		memcpy(to, payload->copy + sizeof(struct trace_entry), len);
	} else {
		pagefault_disable();
		len = gather(to, payload);
		pagefault_enable();
	}
	return len == payload->len;
}

/* Copy the payload; false when a page is missing */
static __always_inline bool payload_get(const struct user_event_payload *payload,
					void *to)
{
	size_t len = payload->len;
	bool ok;

	if (payload->copy || payload->iter) {
		struct user_event_payload same = *payload;

		return payload_get_pieces(&same, to);
	}

	pagefault_disable();
	if (IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS) &&
	    likely(len <= COPY_BY_WORDS))
		ok = copy_words(to, payload->buf, len);
	else
		ok = !__copy_from_user_inatomic(to, payload->buf, len);
	pagefault_enable();
	return likely(ok);
}

/* Fetch the payload into memory of the kernel, faulting pages in */
static int payload_fetch(struct user_event_payload *payload)
{
	size_t len = payload->len, size = PERF_SIZE(len);
	void *to;
	bool ok;

	payload->copy = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!payload->copy)
		return -ENOMEM;

	/* A location can point here: do not leak what the memory had before */
	memset(payload->copy, 0, sizeof(struct trace_entry));
	to = payload->copy + sizeof(struct trace_entry);
	memset(to + len, 0, size - sizeof(struct trace_entry) - len);
	if (payload->iter)
		ok = gather(to, payload) == len;
	else
		ok = !copy_from_user(to, payload->buf, len);
	return ok ? 0 : -EFAULT;
}

/*
 * Put the payload behind the common fields of @entry, and check it where it
 * lies: user space can change it until it is copied. -EAGAIN when a page is
 * missing, -EFAULT when listeners must not see it.
 */
static __always_inline int fill_entry(struct user_event *event,
				      const struct user_event_payload *payload,
				      void *entry)
{
	if (unlikely(!payload_get(payload, entry + sizeof(struct trace_entry))))
		return -EAGAIN;
	if (!event->format->nr_locs)
		return 0;
	return user_event_record_check(event->format, entry,
				       sizeof(struct trace_entry) +
				       payload->len);
}

/* The trace instance of @file keeps a record and does nothing else with it */
static __always_inline bool only_keeps(const struct trace_event_file *file)
{
	return !(READ_ONCE(file->flags) & FILE_FL_CHOOSY) &&
		!(READ_ONCE(file->tr->trace_flags) & TRACE_ITER_STACKS) &&
		!READ_ONCE(tracepoint_printk) &&
		!static_branch_unlikely(&trace_event_exports_enabled);
}

/*
 * A trigger without a condition fires before the record is made. The payload is
 * fetched and checked first, so that the trigger fires once, and for good
 * records.
 */
static int check_before_triggers(struct user_event *event,
				 unsigned long flags,
				 const struct user_event_payload *payload)
{
	if (!(flags & EVENT_FILE_FL_TRIGGER_MODE))
		return 0;
	if (!payload->copy)
		return -EAGAIN;
	return user_event_record_check(event->format, payload->copy,
				       sizeof(struct trace_entry) +
				       payload->len);
}

/*
 * The entry is not in the buffer of the instance. Either that was swapped for the one
 * of the snapshot just now, or it had no room, and the entry is only for triggers.
 */
static noinline int write_elsewhere(struct trace_event_buffer *fbuffer)
{
	struct trace_event_file *file = fbuffer->trace_file;
	bool lost = user_event_losses_is_wanted(file, fbuffer->entry);

#ifdef CONFIG_TRACER_MAX_TRACE
	if (fbuffer->buffer == file->tr->max_buffer.buffer)
		lost = false;
#endif
	trace_event_buffer_commit(fbuffer);
	return lost ? -ENOBUFS : 0;
}

/* Whether the instance wants no record of the caller: a filter of PIDs has dropped it */
static bool is_ignored(struct trace_event_file *file)
{
	return READ_ONCE(file->flags) & EVENT_FILE_FL_PID_FILTER &&
		trace_event_ignore_this_pid(file);
}

/* Whether the instance would look at a record, were it not too large */
static bool is_wanted(struct trace_event_file *file)
{
	unsigned long flags = READ_ONCE(file->flags);

	return flags & EVENT_FILE_FL_TRIGGER_MODE ||
		!(flags & EVENT_FILE_FL_SOFT_DISABLED || is_ignored(file));
}

/*
 * Write through the trace core, like any trace event, whatever the instance is
 * told to do. -ENOBUFS when its buffer does not take the record.
 */
static noinline int write_by_core(struct user_event *event,
				  struct trace_event_file *file,
				  const struct user_event_payload *payload)
{
	size_t size = sizeof(struct trace_entry) + payload->len;
	struct trace_event_buffer fbuffer;
	unsigned long flags;
	void *entry;
	int ret;

	if (size > user_events_ring_max(file->tr->array_buffer.buffer))
		return is_wanted(file) ? -EMSGSIZE : 0;
	flags = READ_ONCE(file->flags);
	if (unlikely(flags & FILE_FL_EARLY) &&
	    !(flags & EVENT_FILE_FL_TRIGGER_COND)) {
		ret = check_before_triggers(event, flags, payload);
		if (ret)
			return ret;
		if (trace_trigger_soft_disabled(file))
			return 0;
	}

	entry = trace_event_buffer_reserve(&fbuffer, file, size);
	if (!entry)
		return is_ignored(file) ? 0 : -ENOBUFS;

	ret = fill_entry(event, payload, entry);
	if (unlikely(ret)) {
		__trace_event_discard_commit(fbuffer.buffer, fbuffer.event);
		return ret;
	}
	if (unlikely(fbuffer.buffer != file->tr->array_buffer.buffer))
		return write_elsewhere(&fbuffer);

	/* Other events set it too, and never reset it */
	__this_cpu_write(trace_buffered_event_lost, 0);
	trace_event_buffer_commit(&fbuffer);
	if (unlikely(__this_cpu_read(trace_buffered_event_lost) ==
		     event->call.event.type)) {
		__this_cpu_write(trace_buffered_event_lost, 0);
		return -ENOBUFS;
	}
	return 0;
}

/*
 * Mostly a trace instance only keeps the record. As that is known here, and
 * that the caller is a system call, the ring buffer is used without the
 * functions that find out both, which cost as much as the copy.
 */
static __always_inline int
write_to_tracer(struct user_event *event, struct trace_event_file *file,
		const struct user_event_payload *payload)
{
	size_t size = sizeof(struct trace_entry) + payload->len;
	struct ring_buffer_event *ring_event;
	struct trace_buffer *buffer;
	void *entry;
	int ret;

	if (unlikely(!only_keeps(file))) {
		/* A copy: so that the original can be in registers */
		struct user_event_payload same = *payload;

		return write_by_core(event, file, &same);
	}

	buffer = file->tr->array_buffer.buffer;
	if (unlikely(size > RING_ALWAYS_TAKES) &&
	    size > user_events_ring_max(buffer))
		return -EMSGSIZE;

	ring_event = ring_buffer_lock_reserve(buffer, size);
	if (unlikely(!ring_event))
		return -ENOBUFS;

	entry = ring_buffer_event_data(ring_event);
	tracing_generic_entry_update(entry, event->call.event.type,
				     tracing_gen_ctx_syscall());
	ret = fill_entry(event, payload, entry);
	if (unlikely(ret))
		ring_buffer_discard_commit(buffer, ring_event);
	else
		trace_buffer_unlock_commit_nostack(buffer, ring_event);
	return ret;
}

#ifdef CONFIG_PERF_EVENTS
/* Whether a sample for @perf with a record of @size bytes fits into 16 bits */
static bool sample_fits(const struct perf_event *perf, size_t size)
{
	const struct perf_event_attr *attr = &perf->attr;
	u64 type = attr->sample_type;

	if (!(type & PERF_SAMPLE_RAW))
		return true;

	size += sizeof(u32) + sizeof(struct perf_event_header) +
		perf->header_size + perf->id_header_size;
	if (type & PERF_SAMPLE_CALLCHAIN)
		size += sizeof(u64) * (1UL + sysctl_perf_event_max_stack +
				       sysctl_perf_event_max_contexts_per_stack);
	if (type & PERF_SAMPLE_REGS_USER)
		size += sizeof(u64) * (1 + hweight64(attr->sample_regs_user));
	if (type & PERF_SAMPLE_REGS_INTR)
		size += sizeof(u64) * (1 + hweight64(attr->sample_regs_intr));
	/* The stack makes do with what is left, but not if more comes after it */
	if (type & PERF_SAMPLE_STACK_USER)
		size += 3 * sizeof(u64);
	if (type & PERF_SAMPLE_STACK_USER &&
	    type & (PERF_SAMPLE_REGS_INTR | PERF_SAMPLE_AUX))
		size += attr->sample_stack_user;
	if (type & PERF_SAMPLE_AUX)
		size += sizeof(u64);
	return size <= round_down(U16_MAX, sizeof(u64));
}

/*
 * Check all perf events that listen on this CPU. Interrupts are off: an IPI could add
 * one after the check.
 */
static bool samples_fit(struct hlist_head *head, size_t size)
{
	struct perf_event *perf;

	hlist_for_each_entry_rcu(perf, head, hlist_entry,
				 rcu_read_lock_sched_held()) {
		if (!sample_fits(perf, size))
			return false;
	}
	return true;
}

/*
 * A record that is too large for the per-CPU buffer goes to perf from where it was
 * fetched to. Of the buffer it takes only what comes with it: the protection
 * against recursion, and the registers.
 */
static noinline int write_large_to_perf(struct user_event *event,
					const struct user_event_payload *payload,
					struct hlist_head *head, bool has_bpf)
{
	struct trace_event_call *call = &event->call;
	size_t size = PERF_SIZE(payload->len);
	struct pt_regs *regs;
	unsigned long flags;
	int ret, rctx;

	if (payload->len > PERF_TAKES)
		return -EMSGSIZE;
	if (!payload->copy)
		return -EAGAIN;

	ret = user_event_record_check(event->format, payload->copy,
				      sizeof(struct trace_entry) + payload->len);
	if (ret)
		return ret;

	local_irq_save(flags);
	if (!samples_fit(head, size))
		ret = -EMSGSIZE;
	if (!ret && !perf_trace_buf_alloc(sizeof(u64), &regs, &rctx))
		ret = -ENOBUFS;
	if (!ret) {
		perf_fetch_caller_regs(regs);
		if (has_bpf)
			perf_trace_run_bpf_submit(payload->copy, size, rctx,
						  call, 1, regs, head, NULL);
		else
			perf_trace_buf_submit(payload->copy, size, rctx,
					      call->event.type, 1, regs, head,
					      NULL);
	}
	local_irq_restore(flags);
	return ret;
}

/* A record for the per-CPU buffer, of a size that leaves room in every sample */
static __always_inline int
write_small_to_perf(struct user_event *event,
		    const struct user_event_payload *payload,
		    struct hlist_head *head, bool has_bpf)
{
	struct trace_event_call *call = &event->call;
	int ret, rctx, size = PERF_SIZE(payload->len);
	struct pt_regs *regs;
	void *entry;

	entry = perf_trace_buf_alloc(size, &regs, &rctx);
	if (!entry)
		return -ENOBUFS;

	ret = fill_entry(event, payload, entry);
	if (unlikely(ret)) {
		perf_swevent_put_recursion_context(rctx);
		return ret;
	}

	perf_fetch_caller_regs(regs);
	if (has_bpf)
		perf_trace_run_bpf_submit(entry, size, rctx, call, 1, regs,
					  head, NULL);
	else
		perf_trace_buf_submit(entry, size, rctx, call->event.type, 1,
				      regs, head, NULL);
	return 0;
}

/* A record for the per-CPU buffer that may be too large for a sample with much else */
static noinline int write_medium_to_perf(struct user_event *event,
					 const struct user_event_payload *payload,
					 struct hlist_head *head, bool has_bpf)
{
	unsigned long flags;
	int ret = -EMSGSIZE;

	local_irq_save(flags);
	if (samples_fit(head, PERF_SIZE(payload->len)))
		ret = write_small_to_perf(event, payload, head, has_bpf);
	local_irq_restore(flags);
	return ret;
}

/*
 * Whether this task has preempted a BPF program, or the kernel's work on a map, so that
 * no BPF program runs on this CPU: perf would then drop the record without counting it.
 */
static bool bpf_is_busy(void)
{
#ifdef CONFIG_BPF_EVENTS
	return __this_cpu_read(bpf_prog_active);
#else
	return false;
#endif
}

static int write_to_perf(struct user_event *event,
			 const struct user_event_payload *payload)
{
	struct hlist_head *head = this_cpu_ptr(event->call.perf_events);
	bool has_bpf = bpf_prog_array_valid(&event->call);

	if (has_bpf) {
		if (unlikely(bpf_is_busy()))
			return -ENOBUFS;
	} else if (hlist_empty(head)) {
		/* perf listens, but not on this CPU or not to this task */
		return 0;
	}

	if (unlikely(payload->len > PERF_BUF_TAKES))
		return write_large_to_perf(event, payload, head, has_bpf);
	if (unlikely(payload->len > PERF_SMALL))
		return write_medium_to_perf(event, payload, head, has_bpf);
	return write_small_to_perf(event, payload, head, has_bpf);
}
#else
static int write_to_perf(struct user_event *event,
			 const struct user_event_payload *payload)
{
	return 0;
}
#endif

/*
 * A listener, the instance of @file or perf, did not get the record. Count that,
 * unless it gets another chance. Returns the error if the program is to see it.
 */
static noinline int count_loss(struct user_event *event,
			       const struct trace_event_file *file, int error)
{
	switch (error) {
	case -ENOBUFS:
		user_event_losses_count(event, file ?
					user_event_losses_of_ring(file) :
					USER_EVENT_LOSS_FULL);
		return 0;
	case -EMSGSIZE:
		user_event_losses_count(event, USER_EVENT_LOSS_SIZE);
		break;
	case -EFAULT:
		user_event_losses_count(event, USER_EVENT_LOSS_DATA);
		break;
	}
	return error;
}

/*
 * Hand the payload to each listener that does not have it yet, with preemption
 * disabled. A trace instance that cannot take it does not keep it from the others. To
 * perf events and BPF programs perf hands it over, to all of them or to none.
 */
static __always_inline int
write_to_listeners(struct user_event *event, unsigned int listeners,
		   struct user_event_payload *payload)
{
	struct user_event_tracer *tracer;
	int error;

	list_for_each_entry_rcu(tracer, &event->tracers, node,
				rcu_read_lock_sched_held()) {
		if (tracer->serial <= payload->done)
			continue;

		error = write_to_tracer(event, tracer->file, payload);
		if (unlikely(error)) {
			error = count_loss(event, tracer->file, error);
			if (error && error != -EMSGSIZE)
				return error;
			if (error)
				payload->result = error;
		}
		payload->done = tracer->serial;
	}

	if (listeners & USER_EVENT_BY_PERF) {
		error = write_to_perf(event, payload);
		if (unlikely(error)) {
			error = count_loss(event, NULL, error);
			if (error)
				return error;
		}
	} else if (unlikely(!payload->done)) {
		/* The last trace instance left after it was seen to listen */
		return -EBADF;
	}
	return payload->result;
}

/* The event at @index, with preemption disabled */
static __always_inline struct user_event *
table_event(struct user_event_table __rcu **table, int index)
{
	struct user_event_table *slots = rcu_dereference_sched(*table);

	if (unlikely(!slots || (unsigned int)index > slots->mask))
		return NULL;
	/* Masked, so that speculation stays within the table, too */
	return READ_ONCE(slots->slots[index & slots->mask]);
}

static __always_inline int
__write_payload(struct user_event_table __rcu **table, int index,
		struct user_event_payload *payload)
{
	struct user_event *event;
	unsigned int listeners;
	int ret;

	if (unlikely(index < 0))
		return -EINVAL;

	preempt_disable_notrace();
	event = table_event(table, index);
	if (unlikely(!event)) {
		ret = -ENOENT;
	} else if (unlikely(payload->len < event->format->size)) {
		ret = -EINVAL;
	} else {
		/* Pairs with the release when a listener comes */
		listeners = smp_load_acquire(&event->listeners);
		if (likely(listeners))
			ret = write_to_listeners(event, listeners, payload);
		else
			ret = payload->done ? payload->result : -EBADF;
	}
	preempt_enable_notrace();
	return ret;
}

static noinline int write_payload(struct user_event_table __rcu **table,
				  int index, struct user_event_payload *payload)
{
	return __write_payload(table, index, payload);
}

/* Count a loss of the event at @index, whose payload could not be fetched */
static void count_unfetched(struct user_event_table __rcu **table, int index,
			    int error)
{
	struct user_event *event;

	preempt_disable_notrace();
	event = table_event(table, index);
	if (event)
		user_event_losses_count(event, error == -ENOMEM ?
					USER_EVENT_LOSS_FULL :
					USER_EVENT_LOSS_DATA);
	preempt_enable_notrace();
}

/* Fetch the whole payload, and hand it to the listeners that still lack it */
static noinline int write_fetched(struct user_event_table __rcu **table,
				  int index, struct user_event_payload *payload)
{
	int ret = payload_fetch(payload);

	if (!ret)
		ret = write_payload(table, index, payload);
	else
		count_unfetched(table, index, ret);
	kvfree(payload->copy);
	return ret;
}

/**
 * user_event_write() - write a record
 * @table: the events of the file, protected by RCU; they stay as long as the
 *	caller has the file
 * @buf: index and payload, access_ok()
 * @count: bytes of both
 *
 * Context: task context. May fault pages in.
 * Return: @count, or
 * * -EFAULT	- no index, not readable, or a dynamic field points outside
 * * -EINVAL	- negative index, or the payload is shorter than the fields
 * * -ENOENT	- the file has not registered the index
 * * -EBADF	- the event has no listener
 * * -EMSGSIZE	- a listener does not take records of this size
 * * -ENOMEM	- no memory to fetch the record into
 */
ssize_t user_event_write(struct user_event_table __rcu **table,
			 const char __user *buf, size_t count)
{
	struct user_event_payload payload = {
		.len = count - sizeof(s32),
		.buf = buf + sizeof(s32),
	};
	s32 index;
	int ret;

	if (unlikely(count < sizeof(index)))
		return -EFAULT;
	if (unlikely(__get_user(index, (const s32 __user *)buf)))
		return -EFAULT;

	/* Nearly every record comes this way: inline */
	ret = __write_payload(table, index, &payload);
	if (unlikely(ret == -EAGAIN)) {
		struct user_event_payload same = payload;

		ret = write_fetched(table, index, &same);
	}
	return ret ?: count;
}

/*
 * The index of a record in pieces. A payload that lies in one piece of user
 * space, behind the index or by itself, need not be gathered.
 */
static int iter_index(const struct iov_iter *from, s32 *index,
		      struct user_event_payload *payload)
{
	struct iov_iter iter;

	if (likely(iter_is_iovec(from))) {
		const struct iovec *iov = user_events_iov(from);
		size_t at = from->iov_offset;

		if (likely(iov->iov_len - at >= sizeof(*index))) {
			const char __user *buf = iov->iov_base + at;

			at += sizeof(*index);
			if (iov->iov_len - at >= payload->len) {
				payload->buf = buf + sizeof(*index);
				payload->iter = NULL;
			} else if (iov->iov_len == at &&
				   iov[1].iov_len >= payload->len) {
				payload->buf = iov[1].iov_base;
				payload->iter = NULL;
			}
			return __get_user(*index, (const s32 __user *)buf);
		}
	}

	iter = *from;
	return copy_from_iter(index, sizeof(*index), &iter) == sizeof(*index) ?
		0 : -EFAULT;
}

/**
 * user_event_write_iter() - write a record that lies in several pieces
 * @table: the events of the file, protected by RCU; they stay as long as the
 *	caller has the file
 * @from: index and payload, split anywhere
 *
 * Context: task context. May fault pages in.
 * Return: the bytes of both, or the errors of user_event_write().
 */
ssize_t user_event_write_iter(struct user_event_table __rcu **table,
			      struct iov_iter *from)
{
	size_t count = iov_iter_count(from);
	struct user_event_payload payload = {
		.len = count - sizeof(s32),
		.iter = from,
	};
	s32 index;
	int ret;

	if (unlikely(count < sizeof(index)))
		return -EFAULT;

	if (iter_is_ubuf(from))
		return user_event_write(table, from->ubuf + from->iov_offset,
					count);

	ret = iter_index(from, &index, &payload);
	if (unlikely(ret))
		return ret;

	ret = write_payload(table, index, &payload);
	if (unlikely(ret == -EAGAIN))
		ret = write_fetched(table, index, &payload);
	return ret ?: count;
}
