// SPDX-License-Identifier: GPL-2.0
/*
 * User events: declaring and deleting events.
 *
 * An event is made when the first program asks for it, and is found from then
 * on, until it is deleted or nothing needs it any more.
 */
#include <linux/slab.h>

#include "trace_events_user.h"

/* Events that are deleted, or looked at, before others get event_mutex */
#define DELETE_PIECE	4
#define LOOK_PIECE	1024

/* A new event, held; takes over @format when it succeeds */
static struct user_event *create_event(struct user_event_group *group,
				       struct user_event_format *format,
				       bool multi)
{
	struct user_event *event;
	int ret;

	if (user_event_registry_is_full(group))
		return ERR_PTR(-EMFILE);
	event = user_event_registry_alloc(group, format, multi);
	if (IS_ERR(event))
		return event;
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
	event->call.event.type = register_trace_event(&event->shown.event);
	if (!event->call.event.type)
		goto err_remove;
	ret = user_event_call_add(event);
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

/* Find the event declared with the same words; changes @cmd, and restores it */
static struct user_event *find_spelled(struct user_event_group *group, char *cmd)
{
	char *args = strchrnul(cmd, ' '), end = *args;
	struct user_event *event;

	*args = '\0';
	event = group->dead ? NULL : user_event_registry_find(group, cmd, NULL);
	*args = end;
	if (event && user_event_format_is_spelled(event->format,
						  end ? args + 1 : args))
		return event;
	return NULL;
}

/*
 * Find or create the event, with event_mutex held; returns it held. Takes over
 * @format, which is charged, only if the event uses it.
 */
static struct user_event *find_or_create(struct user_event_group *group,
					 struct user_event_format *format,
					 bool multi)
{
	struct user_event *event;
	struct mem_cgroup *old;

	/* Removed since the file was opened */
	if (group->dead)
		return ERR_PTR(-ENODEV);

	event = user_event_registry_find(group, format->name,
					 multi ? format : NULL);
	if (event && !user_event_format_same(event->format, format)) {
		/* An idle event counts as deleted */
		if (user_event_life_is_idle(event) &&
		    !user_event_life_destroy(event))
			event = NULL;
		else
			event = ERR_PTR(-EADDRINUSE);
	}

	if (!event) {
		old = user_event_limit_charged_begin();
		event = create_event(group, format, multi);
		user_event_limit_charged_end(old);
	} else if (!IS_ERR(event)) {
		user_event_life_hold(event);
	}
	return event;
}

/* Whether find_or_create() failed with @event for want of room */
static bool lacks_room(const struct user_event_group *group,
		       const struct user_event *event)
{
	return event == ERR_PTR(-EMFILE) ||
		(event == ERR_PTR(-ENODEV) && !group->dead);
}

/*
 * find_or_create(), after room was made if that is what it takes. Takes @format over,
 * also if this fails. Drops event_mutex.
 */
static struct user_event *declare(struct user_event_group *group,
				  struct user_event_owner *owner,
				  struct user_event_format *format, bool multi)
{
	struct user_event_room room = {};
	struct user_event *event;
	bool again = true;

	event = find_or_create(group, format, multi);
	while (lacks_room(group, event) && again) {
		again = user_event_life_make_room(group, &room);
		event = find_or_create(group, format, multi);
		if (!lacks_room(group, event) || !again)
			break;
		mutex_unlock(&event_mutex);
		if (user_event_life_wait_for_room(&room) ||
		    user_event_owner_lock_killable(owner)) {
			user_event_registry_free_format(format);
			return ERR_PTR(-EINTR);
		}
	}
	mutex_unlock(&event_mutex);
	if (IS_ERR(event) || event->format != format)
		user_event_registry_free_format(format);
	return event;
}

/**
 * user_event_find_or_create() - find or make the event that a program declares
 * @group: the group of the program's file
 * @owner: the user that the caller counts for
 * @cmd: its command string
 * @flags: enum user_reg_flag
 *
 * Context: takes event_mutex. May sleep.
 * Return: the event, held and referenced, or
 * * -EINVAL		- @cmd is no command string
 * * -EADDRINUSE	- an event of this name that is in use has other fields
 * * -EMFILE		- as many events as the system, the group or the caller may
 *			  have
 * * -ENODEV		- all type numbers of trace events are taken, or the group
 *			  was removed
 * * -ENOMEM		- no memory
 * * -EINTR		- the caller is being killed
 */
struct user_event *user_event_find_or_create(struct user_event_group *group,
					     struct user_event_owner *owner,
					     char *cmd, unsigned int flags)
{
	bool multi = flags & USER_EVENT_REG_MULTI_FORMAT;
	struct user_event_format *format;
	struct user_event *event = NULL;
	int ret;

	/* A known event, declared with the same words, needs no parsing */
	if (!multi) {
		if (user_event_owner_lock_killable(owner))
			return ERR_PTR(-EINTR);
		event = find_spelled(group, cmd);
		if (event)
			user_event_life_hold(event);
		mutex_unlock(&event_mutex);
	}
	if (event)
		return event;

	format = user_event_format_parse(cmd, multi);
	if (IS_ERR(format))
		return ERR_CAST(format);

	ret = user_event_registry_charge(format);
	if (!ret && user_event_owner_lock_killable(owner))
		ret = -EINTR;
	if (ret) {
		user_event_registry_free_format(format);
		return ERR_PTR(ret);
	}
	return declare(group, owner, format, multi);
}

/**
 * user_event_create_persistent() - make an event that needs no holder
 * @system: the system it shall be in, which tells the group
 * @len: bytes of @system
 * @format: name and fields; taken over, also if this fails
 *
 * Context: takes event_mutex. May sleep.
 * Return: 0, -EINVAL if there is no such system, or the errors of
 * user_event_find_or_create().
 */
int user_event_create_persistent(const char *system, size_t len,
				 struct user_event_format *format)
{
	struct user_event_group *group;
	struct user_event *event;
	int ret;

	ret = user_event_registry_charge(format);
	if (ret) {
		user_event_registry_free_format(format);
		return ret;
	}

	mutex_lock(&event_mutex);
	group = user_event_group_of_system(system, len);
	if (!group) {
		mutex_unlock(&event_mutex);
		user_event_registry_free_format(format);
		return -EINVAL;
	}
	user_event_group_get(group);
	event = declare(group, NULL, format, false);
	user_event_group_put(group);
	if (IS_ERR(event))
		return PTR_ERR(event);
	user_event_life_persist(event);
	user_event_life_unhold(event);
	user_event_registry_put(event);
	return 0;
}

static bool is_named(const struct user_event *event, const char *name)
{
	return !name || !strcmp(event->format->name, name);
}

/**
 * struct deletion - events that are being deleted
 * @group: their group
 * @owner: the user that the caller counts for, or NULL
 * @name: their name, of multi-format events without the ID; NULL for all
 * @id: user_event.id to go on from
 * @found: there was one
 * @denied: one persists, and the caller may not delete it
 */
struct deletion {
	struct user_event_group	*group;
	struct user_event_owner	*owner;
	const char		*name;
	unsigned long		id;
	bool			found;
	bool			denied;
};

/*
 * With event_mutex held: look whether some events can be deleted. Returns 1 when
 * there may be more of them, 0 when there are not, or -EBUSY.
 */
static int check_some(struct deletion *deletion)
{
	struct user_event *event;
	int nr = 0;

	for (; (event = user_event_registry_next(deletion->group, &deletion->id));
	     deletion->id++) {
		if (nr++ == LOOK_PIECE)
			return 1;
		if (!is_named(event, deletion->name))
			continue;
		if (user_event_life_is_busy(event))
			return -EBUSY;
		deletion->found = true;
		deletion->denied |= event->persist && !perfmon_capable();
	}
	return 0;
}

/* With event_mutex held: delete some events; returns as check_some(), or -EPERM */
static int delete_some(struct deletion *deletion)
{
	struct user_event *event;
	int ret, nr = 0, looked = 0;

	for (; (event = user_event_registry_next(deletion->group, &deletion->id));
	     deletion->id++) {
		if (looked++ == LOOK_PIECE)
			return 1;
		if (!is_named(event, deletion->name))
			continue;
		if (nr++ == DELETE_PIECE)
			return 1;
		/* It may have become persistent after check_some() */
		if (event->persist && !perfmon_capable())
			return -EPERM;
		ret = user_event_life_is_busy(event) ? -EBUSY :
			user_event_life_destroy(event);
		if (ret)
			return ret;
	}
	return 0;
}

/* Do all of it, with event_mutex held for one piece at a time */
static int in_pieces(struct deletion *deletion,
		     int (*piece)(struct deletion *deletion))
{
	int ret;

	lockdep_assert_held(&event_mutex);

	deletion->id = 0;
	while ((ret = piece(deletion)) > 0) {
		mutex_unlock(&event_mutex);
		cond_resched();
		user_event_owner_lock(deletion->owner);
	}
	return ret;
}

/**
 * user_event_delete() - delete the events of a name
 * @group: the group of the caller's file
 * @owner: the user that the caller counts for
 * @name: the name, of a multi-format event without the ID
 *
 * Context: takes event_mutex, for some events at a time. May sleep.
 * Return: 0, and all of them are gone, or
 * * -ENOENT	- there is none
 * * -EBUSY	- one is held or has a listener; others may be gone by then
 * * -EPERM	- one persists and the caller lacks CAP_PERFMON; as -EBUSY
 * * -EINTR	- the caller is being killed; none is gone
 */
int user_event_delete(struct user_event_group *group,
		      struct user_event_owner *owner, const char *name)
{
	struct deletion deletion = {
		.group = group, .owner = owner, .name = name,
	};
	int ret;

	if (user_event_owner_lock_killable(owner))
		return -EINTR;
	ret = in_pieces(&deletion, check_some);
	if (!ret && deletion.denied)
		ret = -EPERM;
	if (!ret && !deletion.found)
		ret = -ENOENT;
	if (!ret)
		ret = in_pieces(&deletion, delete_some);
	mutex_unlock(&event_mutex);
	return ret;
}

/**
 * user_event_delete_all() - delete all events of a group, for ever
 * @group: the group, dead when this succeeds: no event comes any more
 *
 * Context: event_mutex held, which is dropped between pieces. May sleep.
 * Return: 0, or -EBUSY when one is held or has a listener; others may be gone
 * by then.
 */
int user_event_delete_all(struct user_event_group *group)
{
	struct deletion deletion = { .group = group };
	int ret;

	ret = in_pieces(&deletion, check_some);
	if (ret)
		return ret;
	group->dead = true;
	ret = in_pieces(&deletion, delete_some);
	if (ret)
		group->dead = false;
	return ret;
}
