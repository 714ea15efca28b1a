// SPDX-License-Identifier: GPL-2.0
/*
 * User events: which events there are.
 *
 * The tables that find an event by its name, or walk over all of them, and the
 * memory of events. A single-format event is found by its name alone, one of a
 * multi-format name by its fields as well, both only in their group, and at the
 * same cost however many there are.
 */
#include <linux/jhash.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/sysctl.h>

#include "trace_events_user.h"

/* Events by struct event_key; changed under event_mutex */
static struct rhashtable events_by_key;

/* How many events there are in all groups; event_mutex */
static unsigned int nr_events;

/*
 * Each event takes memory, a directory in every trace instance and one of the
 * 65,535 type numbers that all events of the system share.
 */
static unsigned int max_events = 32768;

/* Aligns struct user_event */
static struct kmem_cache *event_cache;

/* How dynamic_events treats a user event; constant */
static struct dyn_event_operations *dyn_ops;

/**
 * struct event_key - what an event is found by
 * @group: its group
 * @name: its name
 * @format: its fields, NULL if it is a single-format event
 */
struct event_key {
	const struct user_event_group	*group;
	const char			*name;
	const struct user_event_format	*format;
};

static struct event_key event_key(const struct user_event *event)
{
	return (struct event_key) {
		.group = event->group,
		.name = event->format->name,
		.format = event->multi ? event->format : NULL,
	};
}

static u32 key_hash(const void *data, u32 len, u32 seed)
{
	const struct event_key *key = data;
	u32 hash = jhash(key->name, strlen(key->name), seed + key->group->id);
	int i;

	for (i = 0; key->format && i < key->format->nr_fields; i++) {
		const struct user_event_field *field = &key->format->fields[i];

		hash = jhash(field->type, strlen(field->type), hash);
		hash = jhash(field->name, strlen(field->name), hash);
		/* All that tells one struct from another of that type and name */
		if (field->kind == USER_EVENT_STRUCT)
			hash = jhash_1word(field->size, hash);
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

	return event->group != key->group ||
		event->multi != !!key->format ||
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

/**
 * user_event_registry_charge() - charge the memory of an event
 * @format: its name and fields
 *
 * As if each one took a node of the table of ids by itself: numbers that failed
 * registrations leave unused may be all that a node has beside it.
 *
 * Context: event_mutex not held. May sleep, see user_event_limit_charge_memory().
 * Return: 0, or -ENOMEM.
 */
int user_event_registry_charge(struct user_event_format *format)
{
	return user_event_limit_charge_memory(&format->charge,
					      kmem_cache_size(event_cache) +
					      sizeof(struct xa_node) +
					      user_event_call_size(format));
}

/**
 * user_event_registry_free_format() - free a format and what is charged for it
 * @format: the format, or NULL
 *
 * Context: any that may free memory.
 */
void user_event_registry_free_format(const struct user_event_format *format)
{
	if (format)
		user_event_limit_uncharge_memory(&format->charge);
	kfree(format);
}

static void free_event(struct kref *ref)
{
	struct user_event *event = container_of(ref, struct user_event, ref);

	user_event_call_free(event);
	user_event_registry_uncharge(event);
	user_event_group_put(event->group);
	if (event->multi)
		kfree(event->tp.name);
	user_event_registry_free_format(event->format);
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
 * user_event_registry_uncharge() - stop counting an event for its user
 * @event: the event, whose type number is free again
 *
 * Context: event_mutex held, or the event not visible to anybody else.
 */
void user_event_registry_uncharge(struct user_event *event)
{
	if (!event->user)
		return;
	user_event_limit_uncharge(event->user, UCOUNT_USER_EVENTS, 1);
	put_ucounts(event->user);
	event->user = NULL;
}

/* Where a long has 32 bits, numbers come again after 2 billion events */
static unsigned long next_id(struct user_event_group *group)
{
	unsigned long id = group->last_id;
	static bool again;

	do {
		if (id++ == USER_EVENT_ID_MAX) {
			id = 1;
			again = true;
		}
	} while (again && xa_load(&group->events, id));
	return id;
}

/**
 * user_event_registry_alloc() - allocate an event
 * @group: the group it belongs to
 * @format: name and fields; the event takes it over
 * @multi: several formats may have this name
 *
 * Context: event_mutex held. May sleep.
 * Return: the event with one reference, name and id set, in no table yet, or
 * * -EMFILE	- the caller has as many events as it may
 * * -ENOMEM	- no memory
 */
struct user_event *user_event_registry_alloc(struct user_event_group *group,
					     struct user_event_format *format,
					     bool multi)
{
	struct ucounts *user = user_event_limit_get_user();
	struct user_event *event;

	if (!user)
		return ERR_PTR(-ENOMEM);
	if (user_event_limit_charge(user, UCOUNT_USER_EVENTS, 1)) {
		put_ucounts(user);
		return ERR_PTR(-EMFILE);
	}

	event = kmem_cache_zalloc(event_cache, GFP_KERNEL);
	if (!event)
		goto err_user;

	event->user = user;
	event->id = next_id(group);
	event->multi = multi;
	event->tp.name = format->name;
	if (multi)
		event->tp.name = kasprintf(GFP_KERNEL, "%s.%lx",
					   format->name, event->id);
	if (!event->tp.name)
		goto err_event;

	event->group = user_event_group_get(group);
	event->format = format;
	kref_init(&event->ref);
	INIT_LIST_HEAD(&event->tracers);
	INIT_LIST_HEAD(&event->class.fields);
	INIT_HLIST_HEAD(&event->left);
	INIT_HLIST_HEAD(&event->enablers);
	return event;

err_event:
	kmem_cache_free(event_cache, event);
err_user:
	user_event_limit_uncharge(user, UCOUNT_USER_EVENTS, 1);
	put_ucounts(user);
	return ERR_PTR(-ENOMEM);
}

/**
 * user_event_registry_is_full() - check if a limit leaves no room for an event
 * @group: the group that another one is wanted in
 *
 * Context: event_mutex held.
 * Return: whether the system, or @group, has as many as it may.
 */
bool user_event_registry_is_full(const struct user_event_group *group)
{
	return nr_events >= READ_ONCE(max_events) ||
		group->nr_events >= group->max;
}

/**
 * user_event_registry_add() - put an event into the tables that it is found in
 * @event: the event
 *
 * Context: event_mutex held. May sleep.
 * Return: 0, or -ENOMEM.
 */
int user_event_registry_add(struct user_event *event)
{
	struct user_event_group *group = event->group;
	int ret;

	ret = xa_insert(&group->events, event->id, event, GFP_KERNEL);
	if (ret)
		return ret;
	ret = rhashtable_insert_fast(&events_by_key, &event->node, key_params);
	if (ret) {
		xa_erase(&group->events, event->id);
		return ret;
	}

	dyn_event_init(&event->dyn, dyn_ops);
	dyn_event_add(&event->dyn, &event->call);
	group->last_id = event->id;
	group->nr_events++;
	nr_events++;
	user_event_group_changed(group);
	return 0;
}

/**
 * user_event_registry_remove() - take an event out of the tables
 * @event: the event
 *
 * Context: event_mutex held.
 */
void user_event_registry_remove(struct user_event *event)
{
	struct user_event_group *group = event->group;

	dyn_event_remove(&event->dyn);
	rhashtable_remove_fast(&events_by_key, &event->node, key_params);
	xa_erase(&group->events, event->id);
	group->nr_events--;
	nr_events--;
	user_event_group_changed(group);
}

/**
 * user_event_registry_find() - find an event
 * @group: its group
 * @name: its name, of a multi-format event without the ID
 * @format: fields of a multi-format event, or NULL for the single-format event
 *
 * Context: event_mutex held.
 * Return: the event, or NULL.
 */
struct user_event *
user_event_registry_find(struct user_event_group *group, const char *name,
			 const struct user_event_format *format)
{
	struct event_key key = {
		.group = group, .name = name, .format = format,
	};

	lockdep_assert_held(&event_mutex);

	return rhashtable_lookup_fast(&events_by_key, &key, key_params);
}

/**
 * user_event_registry_next() - walk over the events in the order of their making
 * @group: their group
 * @id: smallest id wanted; set to that of the event
 *
 * Context: event_mutex held.
 * Return: the event, or NULL if there is no further one.
 */
struct user_event *user_event_registry_next(struct user_event_group *group,
					    unsigned long *id)
{
	return xa_find(&group->events, id, ULONG_MAX, XA_PRESENT);
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
