// SPDX-License-Identifier: GPL-2.0
/*
 * User events: declaring and deleting events.
 *
 * An event is made when the first program asks for it, and is found from then
 * on, until it is deleted or nothing needs it any more.
 */
#include <linux/cred.h>
#include <linux/slab.h>

#include "trace_events_user.h"

/* Events that are deleted before others get a turn at event_mutex */
#define DELETE_PIECE	64

/* Credentials to add files to tracefs with; constant */
static const struct cred *tracefs_cred;

/* A new event, held; takes over @format when it succeeds */
static struct user_event *create_event(struct user_event_format *format,
				       bool multi)
{
	struct user_event *event;
	int ret;

	if (user_event_registry_is_full())
		user_event_life_reap_some();
	if (user_event_registry_is_full())
		return ERR_PTR(-EMFILE);

	event = user_event_registry_alloc(format, multi);
	if (!event)
		return ERR_PTR(-ENOMEM);
	ret = user_event_call_init(event, user_event_listener_reg);
	if (ret)
		goto err_free;
#ifdef CONFIG_PERF_EVENTS
	event->call.perf_perm = user_event_listener_perf_perm;
#endif
	ret = user_event_registry_add(event);
	if (ret)
		goto err_free;
	ret = -ENODEV;
	event->call.event.type = user_event_life_get_type(event);
	if (!event->call.event.type)
		goto err_remove;
	ret = user_event_call_add(event, tracefs_cred);
	if (ret)
		goto err_type;

	user_event_life_hold(event);
	return event;

err_type:
	unregister_trace_event(&event->shown.event);
err_remove:
	user_event_registry_remove(event);
err_free:
	/* The format stays the caller's */
	event->format = NULL;
	user_event_registry_put(event);
	return ERR_PTR(ret);
}

/* The event that was declared with the same words; @cmd is as it was after */
static struct user_event *find_spelled(char *cmd)
{
	char *args = strchrnul(cmd, ' '), end = *args;
	struct user_event *event;

	*args = '\0';
	event = user_event_registry_find(cmd, NULL);
	*args = end;
	if (event && user_event_format_is_spelled(event->format,
						  end ? args + 1 : args))
		return event;
	return NULL;
}

/* With event_mutex held; @format is taken over, whatever comes of it */
static struct user_event *find_or_create(struct user_event_format *format,
					 bool multi)
{
	struct user_event *event;

	event = user_event_registry_find(format->name, multi ? format : NULL);
	if (event && !user_event_format_same(event->format, format)) {
		/* An idle event counts as deleted */
		if (user_event_life_is_idle(event) &&
		    !user_event_life_destroy(event))
			event = NULL;
		else
			event = ERR_PTR(-EADDRINUSE);
	}

	if (!event) {
		event = create_event(format, multi);
		if (!IS_ERR(event))
			return event;
	} else if (!IS_ERR(event)) {
		user_event_life_hold(event);
	}

	kfree(format);
	return event;
}

/**
 * user_event_find_or_create() - find or make the event that a program declares
 * @cmd: its command string
 * @flags: enum user_reg_flag
 *
 * Context: takes event_mutex. May sleep.
 * Return: the event, held and referenced, or
 * * -EINVAL		- @cmd is no command string
 * * -EADDRINUSE	- an event of this name that is in use has other fields
 * * -EMFILE		- as many events as there may be
 * * -ENODEV		- all type numbers of trace events are taken
 * * -ENOMEM		- no memory
 */
struct user_event *user_event_find_or_create(char *cmd, unsigned int flags)
{
	bool multi = flags & USER_EVENT_REG_MULTI_FORMAT;
	struct user_event_format *format;
	struct user_event *event = NULL;

	/* A known event, declared with the same words, needs no parsing */
	if (!multi) {
		mutex_lock(&event_mutex);
		event = find_spelled(cmd);
		if (event)
			user_event_life_hold(event);
		mutex_unlock(&event_mutex);
	}
	if (event)
		return event;

	format = user_event_format_parse(cmd, multi);
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
		user_event_life_unhold(event);
		user_event_registry_put(event);
	}
	mutex_unlock(&event_mutex);
	return PTR_ERR_OR_ZERO(event);
}

static bool is_named(const struct user_event *event, const char *name)
{
	return !strcmp(event->format->name, name);
}

/* With event_mutex held: 0, or why the events of @name cannot be deleted */
static int check_delete(const char *name)
{
	struct user_event *event;
	unsigned long id = 0;
	int ret = -ENOENT;

	for (; (event = user_event_registry_next(&id)); id++) {
		if (!is_named(event, name))
			continue;
		if (user_event_life_is_busy(event))
			return -EBUSY;
		if (event->persist && !perfmon_capable())
			ret = -EPERM;
		else if (ret == -ENOENT)
			ret = 0;
	}
	return ret;
}

/*
 * With event_mutex held: delete some events of @name from @id on. Returns 1 when
 * there may be more of them, 0 when there are not, or -EBUSY.
 */
static int delete_some(const char *name, unsigned long *id)
{
	struct user_event *event;
	int ret, nr = 0;

	for (; (event = user_event_registry_next(id)); ++*id) {
		if (!is_named(event, name))
			continue;
		if (nr++ == DELETE_PIECE)
			return 1;
		ret = user_event_life_is_busy(event) ? -EBUSY :
			user_event_life_destroy(event);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * user_event_delete() - delete the events of a name
 * @name: the name, of a multi-format event without the ID
 *
 * Context: takes event_mutex, for some events at a time. May sleep.
 * Return: 0, and all of them are gone, or
 * * -ENOENT	- there is none
 * * -EBUSY	- one is held or has a listener, maybe since others were deleted
 * * -EPERM	- one persists and the caller lacks CAP_PERFMON
 */
int user_event_delete(const char *name)
{
	unsigned long id = 0;
	int ret;

	mutex_lock(&event_mutex);
	ret = check_delete(name);
	if (!ret)
		ret = delete_some(name, &id);
	while (ret > 0) {
		mutex_unlock(&event_mutex);
		cond_resched();
		mutex_lock(&event_mutex);
		ret = delete_some(name, &id);
	}
	mutex_unlock(&event_mutex);
	return ret;
}

/**
 * user_event_event_init() - prepare to make events
 *
 * Return: 0, or -ENOMEM.
 */
int __init user_event_event_init(void)
{
	tracefs_cred = prepare_kernel_cred(&init_task);
	return tracefs_cred ? 0 : -ENOMEM;
}
