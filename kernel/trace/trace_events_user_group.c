// SPDX-License-Identifier: GPL-2.0
/*
 * User events: groups.
 *
 * A group is a set of events with files of its own, so that whoever gets these
 * files cannot touch, or even see, the events of others. What works on several
 * events stays within one group; groups share only the limit of the system and
 * the type numbers. The default group has the files at the top of tracefs.
 *
 * Files know their group by its number, which is never used again: a group that is
 * being removed is found until its files are gone, but takes no events.
 */
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "trace_events_user.h"

/* All groups but the default one, by their number; xa_lock protects it */
static DEFINE_XARRAY(groups);

/* The number of the newest group; event_mutex */
static unsigned long last_id;

/*
 * The highest ID that an event of a removed group had: another group can get the same
 * name. event_mutex
 */
static unsigned long retired_id;

static struct user_event_group default_group = {
	.name		= "",
	.system		= USER_EVENTS_SYSTEM,
	.multi_system	= USER_EVENTS_MULTI_SYSTEM,
	.max		= UINT_MAX,
	.ref		= KREF_INIT(1),
	.events		= XARRAY_INIT(default_group.events, 0),
	.nr_changes	= 1,
	.change_wait	= __WAIT_QUEUE_HEAD_INITIALIZER(default_group.change_wait),
};

static void group_free(struct kref *ref)
{
	struct user_event_group *group = container_of(ref,
						      struct user_event_group,
						      ref);

	xa_destroy(&group->events);
	kfree(group->system);
	kfree(group->multi_system);
	kfree(group);
}

/**
 * user_event_group_put() - drop a reference on the memory of a group
 * @group: the group
 *
 * Context: any that may free memory.
 */
void user_event_group_put(struct user_event_group *group)
{
	kref_put(&group->ref, group_free);
}

/**
 * user_event_group_get() - take another reference on the memory of a group
 * @group: the group, referenced
 *
 * Context: any.
 * Return: @group.
 */
struct user_event_group *user_event_group_get(struct user_event_group *group)
{
	kref_get(&group->ref);
	return group;
}

/**
 * user_event_group_open() - the group of a file that is opened
 * @inode: the file
 *
 * Context: may sleep.
 * Return: the group, referenced, or
 * * -ENODEV	- it is gone, or tracing is disabled
 * * -EPERM	- the kernel is locked down
 */
struct user_event_group *user_event_group_open(struct inode *inode)
{
	unsigned long id = (unsigned long)inode->i_private;
	struct user_event_group *group;
	int ret;

	ret = tracing_check_open_get_tr(NULL);
	if (ret)
		return ERR_PTR(ret);
	if (!id)
		return user_event_group_get(&default_group);

	xa_lock(&groups);
	group = xa_load(&groups, id);
	/* A group has a reference for as long as it is found */
	if (group)
		user_event_group_get(group);
	xa_unlock(&groups);
	return group ?: ERR_PTR(-ENODEV);
}

/**
 * user_event_group_seq_open() - open a file that shows the events of its group
 * @inode: the file
 * @file: the open file
 * @ops: how it is read
 * @size: bytes of its state, which is zero but for a pointer to the group,
 *	referenced, that it begins with
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM, or the errors of user_event_group_open().
 */
int user_event_group_seq_open(struct inode *inode, struct file *file,
			      const struct seq_operations *ops, size_t size)
{
	struct user_event_group *group = user_event_group_open(inode);
	struct user_event_group **state;

	if (IS_ERR(group))
		return PTR_ERR(group);
	state = __seq_open_private(file, ops, size);
	if (!state) {
		user_event_group_put(group);
		return -ENOMEM;
	}
	*state = group;
	return 0;
}

/**
 * user_event_group_seq_release() - end what user_event_group_seq_open() began
 * @inode: the file
 * @file: the open file
 *
 * Return: 0.
 */
int user_event_group_seq_release(struct inode *inode, struct file *file)
{
	struct seq_file *seq = file->private_data;
	struct user_event_group **state = seq->private;

	user_event_group_put(*state);
	return seq_release_private(inode, file);
}

/**
 * user_event_group_next() - walk over the groups in the order of their making
 * @id: smallest number wanted, 0 for the default group; set to that of the group
 *
 * Context: event_mutex held.
 * Return: the group, or NULL if there is no further one.
 */
struct user_event_group *user_event_group_next(unsigned long *id)
{
	lockdep_assert_held(&event_mutex);

	if (!*id)
		return &default_group;
	return xa_find(&groups, id, ULONG_MAX, XA_PRESENT);
}

/**
 * user_event_group_of_system() - find the group with single-format events in a
 * system
 * @system: name of the system
 * @len: bytes of the name
 *
 * Context: event_mutex held.
 * Return: the group, or NULL.
 */
struct user_event_group *user_event_group_of_system(const char *system,
						    size_t len)
{
	struct user_event_group *group;
	unsigned long id;

	for (id = 0; (group = user_event_group_next(&id)); id++) {
		if (strlen(group->system) == len &&
		    !memcmp(group->system, system, len))
			return group;
	}
	return NULL;
}

/**
 * user_event_group_find() - find a group by its name
 * @name: its name
 *
 * Context: event_mutex held.
 * Return: the group, or NULL; the default group is not found.
 */
struct user_event_group *user_event_group_find(const char *name)
{
	struct user_event_group *group;
	unsigned long id;

	for (id = 1; (group = user_event_group_next(&id)); id++) {
		if (!strcmp(group->name, name))
			return group;
	}
	return NULL;
}

/**
 * user_event_group_add() - make a group
 * @name: its name, which no other group has
 * @max: how many events it may have
 *
 * Context: event_mutex held. May sleep.
 * Return: the group, or -ENOMEM.
 */
struct user_event_group *user_event_group_add(const char *name,
					      unsigned int max)
{
	struct user_event_group *group;
	int ret = -ENOMEM;

	lockdep_assert_held(&event_mutex);

	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		return ERR_PTR(-ENOMEM);

	kref_init(&group->ref);
	xa_init(&group->events);
	init_waitqueue_head(&group->change_wait);
	group->nr_changes = 1;
	group->last_id = retired_id;
	group->max = max;
	group->system = kasprintf(GFP_KERNEL, "%s_%s",
				  USER_EVENTS_SYSTEM, name);
	group->multi_system = kasprintf(GFP_KERNEL, "%s_%s_multi",
					USER_EVENTS_SYSTEM, name);
	if (group->system && group->multi_system) {
		group->name = group->system + sizeof(USER_EVENTS_SYSTEM);
		group->id = last_id + 1;
		ret = xa_insert(&groups, group->id, group, GFP_KERNEL);
	}
	if (ret) {
		user_event_group_put(group);
		return ERR_PTR(ret);
	}
	last_id = group->id;
	return group;
}

/**
 * user_event_group_changed() - wake up tasks that wait for a change
 * @group: the group; its events or their listeners have changed
 *
 * Context: event_mutex held, after the change.
 */
void user_event_group_changed(struct user_event_group *group)
{
	lockdep_assert_held(&event_mutex);

	WRITE_ONCE(group->nr_changes, group->nr_changes + 1);
	/* Pairs with the barrier in poll_wait(): one side sees the other */
	if (wq_has_sleeper(&group->change_wait))
		wake_up_interruptible_poll(&group->change_wait,
					   EPOLLIN | EPOLLPRI);
}

/**
 * user_event_group_remove() - take a group out of the table that it is found in
 * @group: the group, dead and without events; a reference is dropped
 *
 * Context: event_mutex held. May sleep.
 */
void user_event_group_remove(struct user_event_group *group)
{
	lockdep_assert_held(&event_mutex);

	xa_erase(&groups, group->id);
	retired_id = max(retired_id, group->last_id);
	user_event_group_changed(group);
	user_event_group_put(group);
}

/**
 * user_event_group_changes() - count the changes
 * @group: the group
 *
 * Context: any; with event_mutex held the number matches the state that the
 * caller sees.
 * Return: number of changes so far, never 0.
 */
unsigned long user_event_group_changes(struct user_event_group *group)
{
	return READ_ONCE(group->nr_changes);
}

/**
 * user_event_group_poll() - wait for a change
 * @group: the group
 * @file: the file that is polled
 * @wait: what poll() waits with
 * @seen: number of changes that the caller knows of, 0 if none
 *
 * Return: EPOLLIN | EPOLLPRI if there was another one, else 0.
 */
__poll_t user_event_group_poll(struct user_event_group *group,
			       struct file *file, poll_table *wait,
			       unsigned long seen)
{
	poll_wait(file, &group->change_wait, wait);
	return user_event_group_changes(group) == seen ? 0 : EPOLLIN | EPOLLPRI;
}
