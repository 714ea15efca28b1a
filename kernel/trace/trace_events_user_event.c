// SPDX-License-Identifier: GPL-2.0
/*
 * User events: the life of an event.
 *
 * An event is made when the first program asks for it, is found by its name
 * from then on, and goes when nobody holds it, traces it or wants it to
 * persist. Holders let go without a lock, from an exiting task for instance, so
 * the last one leaves the event to the reaper, a work item that decides again
 * under event_mutex. Whoever meets an unheld event before the reaper does may
 * do as if it were gone already.
 */
#include <linux/cred.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <linux/workqueue.h>

#include "trace_events_user.h"

/* Events by the name programs gave them; changed under event_mutex */
static struct rhltable events_by_name;

/* Events by user_event.id; changed under event_mutex */
static DEFINE_XARRAY(events_by_id);

/* The id of the newest event, and how many there are; event_mutex */
static unsigned long last_id;
static unsigned int nr_events;

/*
 * Each event takes memory, a directory in every trace instance and one of the
 * 65,535 type numbers that all events of the system share.
 */
static unsigned int max_events = 32768;

/* Sees to the alignment of struct user_event */
static struct kmem_cache *event_cache;

/* Credentials to add files to tracefs with; constant */
static const struct cred *tracefs_cred;

static void reap(struct work_struct *work);
static DECLARE_DELAYED_WORK(reaper, reap);

/* Events that had no holder when they were put here */
static LLIST_HEAD(idle_events);

/*
 * Deleted events whose records may still be in a trace buffer; event_mutex.
 * They keep their type numbers, so that the records are shown for what they
 * are: after another event got the number, its print function would have to
 * make sense of what a user program wrote.
 */
static LIST_HEAD(remembered);
static unsigned int nr_remembered;

/* Past this many, clear all trace buffers once and forget them */
#define REMEMBERED_MAX	1024

/* How soon to look again at an event that something else in the kernel uses */
#define REAP_AGAIN	HZ

static u32 name_hash(const void *data, u32 len, u32 seed)
{
	const char *name = data;

	return jhash(name, strlen(name), seed);
}

static u32 event_hash(const void *data, u32 len, u32 seed)
{
	const struct user_event *event = data;

	return name_hash(event->format->name, 0, seed);
}

static int event_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct user_event *event = obj;

	return strcmp(event->format->name, arg->key);
}

/*
 * Systems that use this have dozens of events, or hundreds: a table of that size
 * spares them to see it grow while programs start and register.
 */
#define NAMES_MIN	256

static const struct rhashtable_params name_params = {
	.min_size		= NAMES_MIN,
	.head_offset		= offsetof(struct user_event, node),
	.hashfn			= name_hash,
	.obj_hashfn		= event_hash,
	.obj_cmpfn		= event_cmp,
	.automatic_shrinking	= true,
};

static void free_event(struct kref *ref)
{
	struct user_event *event = container_of(ref, struct user_event, ref);

	kfree(event->call.print_fmt);
	kfree(event->name);
	kfree(event->format);
	kmem_cache_free(event_cache, event);
}

/**
 * user_event_put() - let go of the memory of an event
 * @event: the event, referenced
 *
 * Context: any that may free memory.
 */
void user_event_put(struct user_event *event)
{
	kref_put(&event->ref, free_event);
}

/* Used by something that is not a holder, with event_mutex held */
static bool is_traced(struct user_event *event)
{
	return event->consumers || trace_event_dyn_busy(&event->call);
}

static bool is_idle(struct user_event *event)
{
	return !event->dead && !event->persist &&
		!atomic_read(&event->holders) && !is_traced(event);
}

/**
 * user_event_is_busy() - does anybody hold or trace the event
 * @event: the event
 *
 * Context: event_mutex held.
 * Return: whether it cannot be deleted.
 */
bool user_event_is_busy(struct user_event *event)
{
	lockdep_assert_held(&event_mutex);

	return atomic_read(&event->holders) || is_traced(event);
}

/**
 * user_event_used_by_other() - is the event used beside ftrace and perf
 * @event: the event
 *
 * An event probe on it is such a use.
 *
 * Context: event_mutex held.
 * Return: whether it is.
 */
bool user_event_used_by_other(struct user_event *event)
{
	int users = atomic_read(&event->call.refcnt);

#ifdef CONFIG_PERF_EVENTS
	users -= event->call.perf_refcount;
#endif
	return users > 0;
}

/* The caller keeps the memory, if by nothing else than a reference */
static void leave_to_reaper(struct user_event *event)
{
	if (test_and_set_bit(0, &event->idle_queued))
		return;

	kref_get(&event->ref);
	llist_add(&event->idle_node, &idle_events);
	mod_delayed_work(system_unbound_wq, &reaper, 0);
}

/**
 * user_event_check_idle() - a tracer has left the event
 * @event: the event
 *
 * Context: event_mutex held.
 */
void user_event_check_idle(struct user_event *event)
{
	/*
	 * Not is_idle(): who detached gives its reference on the trace event
	 * back only after this, but before it lets go of event_mutex.
	 */
	if (!event->consumers && !event->persist &&
	    !atomic_read(&event->holders))
		leave_to_reaper(event);
}

/**
 * user_event_hold() - keep an event
 * @event: the event, found under event_mutex
 *
 * Context: event_mutex held.
 */
void user_event_hold(struct user_event *event)
{
	lockdep_assert_held(&event_mutex);

	kref_get(&event->ref);
	atomic_inc(&event->holders);
}

/**
 * user_event_unhold() - stop keeping an event, but not its memory
 * @event: the event, held
 *
 * The reference that came with the hold stays with the caller.
 *
 * Context: any. Takes no lock, so that an exiting task need not wait.
 */
void user_event_unhold(struct user_event *event)
{
	if (atomic_dec_and_test(&event->holders))
		leave_to_reaper(event);
}

/* With event_mutex held */
static void forget_all(void)
{
	struct user_event *event, *next;
	struct trace_array *tr;

	if (list_empty(&remembered))
		return;

	mutex_lock(&trace_types_lock);
	list_for_each_entry(tr, &ftrace_trace_arrays, list)
		tr->clear_trace = true;
	tracing_reset_all_online_cpus_unlocked();
	mutex_unlock(&trace_types_lock);

	list_for_each_entry_safe(event, next, &remembered, remembered) {
		list_del(&event->remembered);
		unregister_trace_event(&event->shown.event);
		user_event_put(event);
	}
	nr_remembered = 0;
}

/* The type number of a deleted event; its last reference may go with it */
static void release_type(struct user_event *event)
{
	if (!event->recorded) {
		unregister_trace_event(&event->shown.event);
		user_event_put(event);
		return;
	}

	list_add_tail(&event->remembered, &remembered);
	if (++nr_remembered >= REMEMBERED_MAX)
		forget_all();
}

/**
 * user_event_destroy() - take an event out of the system
 * @event: the event, without holders or tracers
 *
 * Context: event_mutex held. May sleep.
 * Return: 0, or -EBUSY when the trace core uses it after all.
 */
int user_event_destroy(struct user_event *event)
{
	int ret;

	lockdep_assert_held(&event_mutex);

	/* Else the type number would go with it */
	event->call.event.funcs = NULL;
	ret = trace_remove_event_call(&event->call);
	if (ret) {
		event->call.event.funcs = &user_event_call_funcs;
		return ret;
	}

	dyn_event_remove(&event->dyn);
	rhltable_remove(&events_by_name, &event->node, name_params);
	xa_erase(&events_by_id, event->id);
	nr_events--;
	event->dead = true;
	release_type(event);
	return 0;
}

/**
 * user_event_unhold_now() - stop keeping an event and clean up at once
 * @event: the event, held; the reference goes with the hold
 *
 * A registration that failed must not leave an event behind.
 *
 * Context: event_mutex held. May sleep.
 */
void user_event_unhold_now(struct user_event *event)
{
	lockdep_assert_held(&event_mutex);

	if (atomic_dec_and_test(&event->holders) && is_idle(event) &&
	    user_event_destroy(event))
		leave_to_reaper(event);
	user_event_put(event);
}

/* With event_mutex held; true if some event has to be looked at again */
static bool reap_one(struct user_event *event)
{
	bool again = false;

	clear_bit(0, &event->idle_queued);
	/* Pairs with the bit's setting after the count was brought to 0 */
	smp_mb__after_atomic();

	if (is_idle(event)) {
		again = user_event_destroy(event);
	} else if (!event->dead && !event->persist && !event->consumers &&
		   !atomic_read(&event->holders)) {
		/* An event probe on it goes without telling */
		again = true;
	}

	if (again && !test_and_set_bit(0, &event->idle_queued)) {
		/* The reference goes along */
		llist_add(&event->idle_node, &idle_events);
		return true;
	}
	user_event_put(event);
	return false;
}

static void reap(struct work_struct *work)
{
	struct user_event *event, *next;
	struct llist_node *list;
	bool again = false;

	list = llist_reverse_order(llist_del_all(&idle_events));
	llist_for_each_entry_safe(event, next, list, idle_node) {
		/* One at a time: whoever waits for event_mutex gets in between */
		mutex_lock(&event_mutex);
		again |= reap_one(event);
		mutex_unlock(&event_mutex);
		cond_resched();
	}

	if (again)
		queue_delayed_work(system_unbound_wq, &reaper, REAP_AGAIN);
}

/* Make room when the system holds as many events as it may */
static void reap_all(void)
{
	struct user_event *event;
	unsigned long id;

	xa_for_each(&events_by_id, id, event) {
		if (is_idle(event))
			user_event_destroy(event);
	}
}

/* A type number for the records, or 0 */
static int get_type(struct user_event *event)
{
	int type = register_trace_event(&event->shown.event);

	if (!type) {
		forget_all();
		type = register_trace_event(&event->shown.event);
	}
	return type;
}

/*
 * The files are there. Instances that were made for certain systems only have
 * no file of the event; where there is one, it is the first of the list.
 */
static bool has_files(struct user_event *event)
{
	struct trace_event_file *file;
	struct trace_array *tr;
	bool has = true;

	mutex_lock(&trace_types_lock);
	list_for_each_entry(tr, &ftrace_trace_arrays, list) {
		file = list_first_entry_or_null(&tr->events,
						struct trace_event_file, list);
		if (file && file->event_call == &event->call)
			has &= user_events_has_files(file);
		else
			has &= user_events_not_for(tr);
	}
	mutex_unlock(&trace_types_lock);
	return has;
}

static int add_to_tracefs(struct user_event *event)
{
	const struct cred *old;
	struct list_head *pos;
	int ret, missing = event->format->nr_fields;

	/*
	 * Who may open user_events_data may have events, though it may not
	 * look into tracefs, let alone add directories there.
	 */
	old = override_creds(tracefs_cred);
	ret = trace_add_event_call(&event->call);
	revert_creds(old);
	if (ret)
		return ret;

	/* No memory for a file or a field is no error to the core */
	list_for_each(pos, &event->class.fields)
		missing--;
	if (!missing && has_files(event))
		return 0;

	event->call.event.funcs = NULL;
	trace_remove_event_call(&event->call);
	return -ENOMEM;
}

/* A new event, held; takes over @format when it succeeds */
static struct user_event *create_event(struct user_event_format *format,
				       bool multi)
{
	struct user_event *event;
	int ret;

	if (nr_events >= READ_ONCE(max_events))
		reap_all();
	if (nr_events >= READ_ONCE(max_events))
		return ERR_PTR(-EMFILE);

	event = kmem_cache_zalloc(event_cache, GFP_KERNEL_ACCOUNT);
	if (!event)
		return ERR_PTR(-ENOMEM);

	event->format = format;
	event->multi = multi;
	event->id = last_id + 1;
	kref_init(&event->ref);
	INIT_LIST_HEAD(&event->tracers);
	INIT_HLIST_HEAD(&event->enablers);

	ret = -ENOMEM;
	event->call.print_fmt = user_event_format_print_fmt(format);
	if (multi)
		event->name = kasprintf(GFP_KERNEL_ACCOUNT, "%s.%lx",
					format->name, event->id);
	else
		event->name = kstrdup(format->name, GFP_KERNEL_ACCOUNT);
	if (!event->call.print_fmt || !event->name)
		goto err_free;

	event->tp.name = event->name;
	event->class.system = multi ? USER_EVENTS_MULTI_SYSTEM :
				      USER_EVENTS_SYSTEM;
	event->class.fields_array = user_event_fields;
	event->class.reg = user_event_reg;
	INIT_LIST_HEAD(&event->class.fields);
	event->call.class = &event->class;
	event->call.tp = &event->tp;
	event->call.flags = TRACE_EVENT_FL_TRACEPOINT | TRACE_EVENT_FL_DYNAMIC;
	event->call.event.funcs = &user_event_call_funcs;
	event->shown.class = &event->class;
	event->shown.tp = &event->tp;
	event->shown.flags = TRACE_EVENT_FL_TRACEPOINT;
	event->shown.event.funcs = &user_event_record_funcs;

	ret = xa_insert(&events_by_id, event->id, event, GFP_KERNEL_ACCOUNT);
	if (ret)
		goto err_free;
	ret = rhltable_insert_key(&events_by_name, format->name, &event->node,
				  name_params);
	if (ret)
		goto err_id;
	ret = -ENODEV;
	event->call.event.type = get_type(event);
	if (!event->call.event.type)
		goto err_name;
	ret = add_to_tracefs(event);
	if (ret)
		goto err_type;

	dyn_event_init(&event->dyn, &user_event_dyn_ops);
	dyn_event_add(&event->dyn, &event->call);
	last_id++;
	nr_events++;
	user_event_hold(event);
	return event;

err_type:
	unregister_trace_event(&event->shown.event);
err_name:
	rhltable_remove(&events_by_name, &event->node, name_params);
err_id:
	xa_erase(&events_by_id, event->id);
err_free:
	event->format = NULL;
	user_event_put(event);
	return ERR_PTR(ret);
}

/*
 * The event of that name which has the fields of @format, or, if they may not
 * differ, the one that stands in its way. Without @format the one that was
 * declared as @args spell it.
 */
static struct user_event *find_event(const char *name, bool multi,
				     const struct user_event_format *format,
				     const char *args)
{
	struct rhlist_head *list, *pos;
	struct user_event *event, *found = NULL;
	bool match;

	rcu_read_lock();
	list = rhltable_lookup(&events_by_name, name, name_params);
	rhl_for_each_entry_rcu(event, pos, list, node) {
		if (event->multi != multi)
			continue;
		if (!format)
			match = user_event_format_is_spelled(event->format,
							     args);
		else
			match = !multi || user_event_format_same(event->format,
								 format);
		if (match) {
			found = event;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

/* The event that was declared with the same words; @cmd is as it was after */
static struct user_event *find_spelled(char *cmd, bool multi)
{
	char *args = strchrnul(cmd, ' '), end = *args;
	struct user_event *event;

	*args = '\0';
	event = find_event(cmd, multi, NULL, end ? args + 1 : args);
	*args = end;
	return event;
}

/* With event_mutex held; @format is taken over, whatever comes of it */
static struct user_event *find_or_create(struct user_event_format *format,
					 bool multi)
{
	struct user_event *event = find_event(format->name, multi, format,
					      NULL);

	if (event && !user_event_format_same(event->format, format)) {
		/* Nobody would notice if this one had gone already */
		if (is_idle(event) && !user_event_destroy(event))
			event = NULL;
		else
			event = ERR_PTR(-EADDRINUSE);
	}

	if (!event) {
		event = create_event(format, multi);
		if (!IS_ERR(event))
			return event;
	} else if (!IS_ERR(event)) {
		user_event_hold(event);
	}

	kfree(format);
	return event;
}

/**
 * user_event_find_or_create() - the event that a program wants to register
 * @cmd: its command string
 * @multi: events of this name may have different fields
 *
 * Context: takes event_mutex. May sleep.
 * Return: the event, held and referenced, or
 * * -EINVAL		- @cmd is no command string
 * * -EADDRINUSE	- somebody uses an event of this name with other fields
 * * -EMFILE		- as many events as there may be
 * * -ENODEV		- all type numbers of trace events are taken
 * * -ENOMEM		- no memory
 */
struct user_event *user_event_find_or_create(char *cmd, bool multi)
{
	struct user_event_format *format;
	struct user_event *event;

	mutex_lock(&event_mutex);
	/* A known event, declared with the same words, needs no parsing */
	event = find_spelled(cmd, multi);
	if (event)
		user_event_hold(event);
	mutex_unlock(&event_mutex);
	if (event)
		return event;

	format = user_event_format_parse(cmd);
	if (IS_ERR(format))
		return ERR_CAST(format);

	mutex_lock(&event_mutex);
	event = find_or_create(format, multi);
	mutex_unlock(&event_mutex);
	return event;
}

/**
 * user_event_create_persistent() - make an event that needs no holder
 * @format: name and fields; taken over, whatever comes of it
 *
 * Context: takes event_mutex. May sleep.
 * Return: 0, or the errors of user_event_find_or_create().
 */
int user_event_create_persistent(struct user_event_format *format)
{
	struct user_event *event;

	mutex_lock(&event_mutex);
	event = find_or_create(format, false);
	if (!IS_ERR(event)) {
		event->persist = true;
		user_event_unhold(event);
		user_event_put(event);
	}
	mutex_unlock(&event_mutex);
	return PTR_ERR_OR_ZERO(event);
}

/**
 * user_event_persist() - let an event stay until it is deleted
 * @event: the event, held
 *
 * Context: takes event_mutex.
 */
void user_event_persist(struct user_event *event)
{
	mutex_lock(&event_mutex);
	event->persist = true;
	mutex_unlock(&event_mutex);
}

/* First of the events that @name deletes which fulfils @test, or any */
static struct user_event *find_by_name(const char *name,
				       bool (*test)(struct user_event *event))
{
	struct rhlist_head *list, *pos;
	struct user_event *event, *found = NULL;

	rcu_read_lock();
	list = rhltable_lookup(&events_by_name, name, name_params);
	rhl_for_each_entry_rcu(event, pos, list, node) {
		if (!test || test(event)) {
			found = event;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

static bool is_persistent(struct user_event *event)
{
	return event->persist;
}

/**
 * user_event_delete() - delete the events of a name
 * @name: the name, of a multi-format event without the ID
 *
 * Context: takes event_mutex. May sleep.
 * Return: 0, and all of them are gone, or none is and
 * * -ENOENT	- there is none
 * * -EBUSY	- one is held or traced
 * * -EPERM	- one persists and the caller lacks CAP_PERFMON
 */
int user_event_delete(const char *name)
{
	struct user_event *event;
	int ret = 0;

	mutex_lock(&event_mutex);

	if (!find_by_name(name, NULL))
		ret = -ENOENT;
	else if (find_by_name(name, user_event_is_busy))
		ret = -EBUSY;
	else if (!perfmon_capable() && find_by_name(name, is_persistent))
		ret = -EPERM;

	while (!ret && (event = find_by_name(name, NULL)))
		ret = user_event_destroy(event);

	mutex_unlock(&event_mutex);
	return ret;
}

/**
 * user_event_next() - walk over all events in the order of their making
 * @id: smallest id wanted; set to that of the event
 *
 * Context: event_mutex held.
 * Return: the event, or NULL if there is no further one.
 */
struct user_event *user_event_next(unsigned long *id)
{
	return xa_find(&events_by_id, id, ULONG_MAX, XA_PRESENT);
}

static struct ctl_table user_event_sysctls[] = {
	{
		.procname	= "user_events_max",
		.data		= &max_events,
		.maxlen		= sizeof(max_events),
		.mode		= 0644,
		.proc_handler	= proc_douintvec,
	},
	USER_EVENTS_SYSCTL_END
};

/**
 * user_event_init() - prepare to have events
 *
 * Return: 0, or -ENOMEM.
 */
int __init user_event_init(void)
{
	int ret;

	event_cache = KMEM_CACHE(user_event, 0);
	tracefs_cred = prepare_kernel_cred(&init_task);
	if (!event_cache || !tracefs_cred)
		return -ENOMEM;

	ret = rhltable_init(&events_by_name, &name_params);
	if (ret)
		return ret;

	ret = dyn_event_register(&user_event_dyn_ops);
	if (ret)
		return ret;

	register_sysctl_init("kernel", user_event_sysctls);
	return 0;
}
