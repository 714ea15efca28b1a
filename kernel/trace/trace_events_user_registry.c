// SPDX-License-Identifier: GPL-2.0
/*
 * User events: which events there are.
 *
 * The tables that find an event by its name, or walk over all of them, and the
 * memory of events. A single-format event is found by its name alone, one of a
 * multi-format name by its fields as well, at the same cost however many there
 * are.
 */
#include <linux/jhash.h>
#include <linux/poll.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <linux/wait.h>

#include "trace_events_user.h"

/* Events by what finds them; changed under event_mutex */
static struct rhashtable events_by_key;

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

/*
 * Counts changes of what there is to see: which events there are, and who listens
 * to them. Changed under event_mutex, read without. 0 is before the first one.
 */
static unsigned long nr_changes = 1;
static DECLARE_WAIT_QUEUE_HEAD(change_wait);

/* Sees to the alignment of struct user_event */
static struct kmem_cache *event_cache;

/* How dynamic_events treats a user event; constant */
static struct dyn_event_operations *dyn_ops;

/**
 * struct event_key - what finds an event
 * @name: its name
 * @format: its fields, NULL if it is a single-format event
 */
struct event_key {
	const char			*name;
	const struct user_event_format	*format;
};

static struct event_key event_key(const struct user_event *event)
{
	return (struct event_key) {
		.name = event->format->name,
		.format = event->multi ? event->format : NULL,
	};
}

static u32 key_hash(const void *data, u32 len, u32 seed)
{
	const struct event_key *key = data;
	u32 hash = jhash(key->name, strlen(key->name), seed);
	int i;

	for (i = 0; key->format && i < key->format->nr_fields; i++) {
		const struct user_event_field *field = &key->format->fields[i];

		hash = jhash(field->type, strlen(field->type), hash);
		hash = jhash(field->name, strlen(field->name), hash);
	}
	return hash;
}

static u32 event_hash(const void *data, u32 len, u32 seed)
{
	struct event_key key = event_key(data);

	return key_hash(&key, sizeof(key), seed);
}

static int event_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct user_event *event = obj;
	const struct event_key *key = arg->key;

	return event->multi != !!key->format ||
		strcmp(event->format->name, key->name) ||
		(key->format && !user_event_format_same(event->format,
							key->format));
}

/*
 * Systems that use this have dozens of events, or hundreds: a table of that size
 * spares them its growth while programs start and register.
 */
#define KEYS_MIN	256

static const struct rhashtable_params key_params = {
	.min_size		= KEYS_MIN,
	.key_len		= sizeof(struct event_key),
	.head_offset		= offsetof(struct user_event, node),
	.hashfn			= key_hash,
	.obj_hashfn		= event_hash,
	.obj_cmpfn		= event_cmp,
	.automatic_shrinking	= true,
};

static void free_event(struct kref *ref)
{
	struct user_event *event = container_of(ref, struct user_event, ref);

	user_event_call_free(event);
	if (event->multi)
		kfree(event->tp.name);
	kfree(event->format);
	kmem_cache_free(event_cache, event);
}

/**
 * user_event_registry_put() - drop a reference on the memory of an event
 * @event: the event
 *
 * Context: any that may free memory.
 */
void user_event_registry_put(struct user_event *event)
{
	kref_put(&event->ref, free_event);
}

/**
 * user_event_registry_changed() - wake up those who wait for a change
 *
 * Context: event_mutex held, after the change.
 */
void user_event_registry_changed(void)
{
	lockdep_assert_held(&event_mutex);

	WRITE_ONCE(nr_changes, nr_changes + 1);
	/* Pairs with the barrier in poll_wait(): one of both sees the other */
	if (wq_has_sleeper(&change_wait))
		wake_up_interruptible_poll(&change_wait, EPOLLIN | EPOLLPRI);
}

/**
 * user_event_registry_changes() - count the changes
 *
 * Context: any; with event_mutex held it is the number that belongs to what can
 * be seen.
 * Return: number of changes so far, never 0.
 */
unsigned long user_event_registry_changes(void)
{
	return READ_ONCE(nr_changes);
}

/**
 * user_event_registry_poll() - wait for a change
 * @file: the file that is polled
 * @wait: what poll() waits with
 * @seen: number of changes that the caller knows of, 0 if none
 *
 * Return: EPOLLIN | EPOLLPRI if there was another one, else 0.
 */
__poll_t user_event_registry_poll(struct file *file, poll_table *wait,
				  unsigned long seen)
{
	poll_wait(file, &change_wait, wait);
	return user_event_registry_changes() == seen ? 0 : EPOLLIN | EPOLLPRI;
}

/**
 * user_event_registry_alloc() - allocate an event
 * @format: name and fields; the event takes it over
 * @multi: several formats may have this name
 *
 * Context: event_mutex held. May sleep.
 * Return: the event with one reference, its name and id set, not to be found
 * yet; NULL when there is no memory.
 */
struct user_event *user_event_registry_alloc(struct user_event_format *format,
					     bool multi)
{
	struct user_event *event = kmem_cache_zalloc(event_cache,
						     GFP_KERNEL_ACCOUNT);

	if (!event)
		return NULL;

	event->id = last_id + 1;
	event->multi = multi;
	event->tp.name = format->name;
	if (multi)
		event->tp.name = kasprintf(GFP_KERNEL_ACCOUNT, "%s.%lx",
					   format->name, event->id);
	if (!event->tp.name) {
		kmem_cache_free(event_cache, event);
		return NULL;
	}

	event->format = format;
	kref_init(&event->ref);
	INIT_LIST_HEAD(&event->tracers);
	INIT_LIST_HEAD(&event->class.fields);
	INIT_HLIST_HEAD(&event->left);
	INIT_HLIST_HEAD(&event->enablers);
	return event;
}

/**
 * user_event_registry_is_full() - does the system hold as many events as it may
 *
 * Context: event_mutex held.
 */
bool user_event_registry_is_full(void)
{
	return nr_events >= READ_ONCE(max_events);
}

/**
 * user_event_registry_add() - let an event be found
 * @event: the event
 *
 * Context: event_mutex held. May sleep.
 * Return: 0, or -ENOMEM.
 */
int user_event_registry_add(struct user_event *event)
{
	int ret;

	ret = xa_insert(&events_by_id, event->id, event, GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;
	ret = rhashtable_insert_fast(&events_by_key, &event->node, key_params);
	if (ret) {
		xa_erase(&events_by_id, event->id);
		return ret;
	}

	dyn_event_init(&event->dyn, dyn_ops);
	dyn_event_add(&event->dyn, &event->call);
	last_id = event->id;
	nr_events++;
	user_event_registry_changed();
	return 0;
}

/**
 * user_event_registry_remove() - let an event not be found any more
 * @event: the event
 *
 * Context: event_mutex held.
 */
void user_event_registry_remove(struct user_event *event)
{
	dyn_event_remove(&event->dyn);
	rhashtable_remove_fast(&events_by_key, &event->node, key_params);
	xa_erase(&events_by_id, event->id);
	nr_events--;
	user_event_registry_changed();
}

/**
 * user_event_registry_find() - find an event
 * @name: its name, of a multi-format event without the ID
 * @format: fields of a multi-format event, or NULL for the single-format event
 *
 * Context: event_mutex held.
 * Return: the event, or NULL.
 */
struct user_event *
user_event_registry_find(const char *name,
			 const struct user_event_format *format)
{
	struct event_key key = { .name = name, .format = format };

	lockdep_assert_held(&event_mutex);

	return rhashtable_lookup_fast(&events_by_key, &key, key_params);
}

/**
 * user_event_registry_next() - walk over all events in the order of their making
 * @id: smallest id wanted; set to that of the event
 *
 * Context: event_mutex held.
 * Return: the event, or NULL if there is no further one.
 */
struct user_event *user_event_registry_next(unsigned long *id)
{
	return xa_find(&events_by_id, id, ULONG_MAX, XA_PRESENT);
}

static struct ctl_table registry_sysctls[] = {
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
 * user_event_registry_init() - prepare to hold events
 * @ops: how dynamic_events treats a user event
 *
 * Return: 0, or -ENOMEM.
 */
int __init user_event_registry_init(struct dyn_event_operations *ops)
{
	int ret;

	dyn_ops = ops;
	event_cache = KMEM_CACHE(user_event, 0);
	if (!event_cache)
		return -ENOMEM;

	ret = rhashtable_init(&events_by_key, &key_params);
	if (ret)
		return ret;
	ret = dyn_event_register(ops);
	if (ret)
		return ret;

	register_sysctl_init("kernel", registry_sysctls);
	return 0;
}
