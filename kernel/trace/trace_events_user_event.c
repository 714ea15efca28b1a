// SPDX-License-Identifier: GPL-2.0
/*
 * User events: which events there are.
 *
 * An event is made when the first program asks for it, and is found by its name
 * from then on, until it is deleted or trace_events_user_reap.c finds that nobody
 * needs it any more.
 */
#include <linux/cred.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/sysctl.h>

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
	if (event->multi)
		kfree(event->tp.name);
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

/**
 * user_event_remove() - let an event not be found any more
 * @event: the event
 *
 * Context: event_mutex held.
 */
void user_event_remove(struct user_event *event)
{
	dyn_event_remove(&event->dyn);
	rhltable_remove(&events_by_name, &event->node, name_params);
	xa_erase(&events_by_id, event->id);
	nr_events--;
}

/* A type number for the records, or 0 */
static int get_type(struct user_event *event)
{
	int type = register_trace_event(&event->shown.event);

	if (!type) {
		user_event_forget_all();
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
		user_event_reap_all();
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
		event->tp.name = kasprintf(GFP_KERNEL_ACCOUNT, "%s.%lx",
					   format->name, event->id);
	else
		event->tp.name = format->name;
	if (!event->call.print_fmt || !event->tp.name)
		goto err_free;

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
		if (user_event_is_idle(event) && !user_event_destroy(event))
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
