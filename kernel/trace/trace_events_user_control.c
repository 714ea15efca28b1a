// SPDX-License-Identifier: GPL-2.0
/*
 * User events: making and removing groups.
 *
 * user_events_groups/control makes, limits and removes groups by lines of text.
 * A group has a directory beside it, with the files that the default group has
 * at the top of tracefs.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/tracefs.h>

#include "trace_events_user.h"

/* Events that a group may have unless max= says otherwise */
#define EVENTS_MAX	1024

/* Serialises making and removing groups; outside of event_mutex */
static DEFINE_MUTEX(control_lock);

/* The directory of the groups' directories; constant */
static struct dentry *groups_dir;

/*
 * Check a group's name: no system of single-format events may end in _multi, and
 * the directory of a group stands beside the file control.
 */
static bool is_name(const char *name)
{
	size_t len = strlen(name), i;

	if (!len || len > USER_EVENT_GROUP_NAME_MAX)
		return false;
	for (i = 0; i < len; i++) {
		if (!isascii(name[i]) || (!isalnum(name[i]) && name[i] != '_'))
			return false;
	}
	if (!strcmp(name, "multi") || !strcmp(name, "control"))
		return false;
	return len < 6 || strcmp(name + len - 6, "_multi");
}

/* Take a group out of the system, with control_lock held, which is dropped meanwhile */
static int group_remove(struct user_event_group *group)
{
	int ret;

	mutex_lock(&event_mutex);
	/* Another task is about to */
	ret = group->dead ? -EBUSY : user_event_delete_all(group);
	mutex_unlock(&event_mutex);
	if (ret)
		return ret;

	/* Waits for programs that read the directory, so without what others wait for */
	mutex_unlock(&control_lock);
	tracefs_remove(group->dir);
	mutex_lock(&control_lock);

	mutex_lock(&event_mutex);
	user_event_group_remove(group);
	mutex_unlock(&event_mutex);
	return 0;
}

static int group_create(const char *name, unsigned int max)
{
	struct user_event_group *group;
	const struct cred *old;
	struct dentry *dir;
	bool complete;

	mutex_lock(&event_mutex);
	group = user_event_group_find(name) ? ERR_PTR(-EEXIST) :
		user_event_group_add(name, max);
	mutex_unlock(&event_mutex);
	if (IS_ERR(group))
		return PTR_ERR(group);

	old = user_event_call_override_creds();
	dir = tracefs_create_dir(name, groups_dir);
	complete = dir && user_event_create_files(dir, group->id);
	revert_creds(old);
	group->dir = dir;
	if (complete)
		return 0;

	/* A program may have registered through the files that were made */
	return group_remove(group) ?: -ENOMEM;
}

/* A word max=N */
static int parse_max(const char *word, unsigned int *max)
{
	size_t len = str_has_prefix(word, "max=");

	return len && !kstrtouint(word + len, 10, max) ? 0 : -EINVAL;
}

/* +NAME [max=N] */
static int run_create(int argc, char **argv)
{
	unsigned int max = EVENTS_MAX;
	int ret = 0;

	if (argc > 2 || !is_name(argv[0] + 1))
		return -EINVAL;
	if (argc == 2)
		ret = parse_max(argv[1], &max);
	return ret ?: group_create(argv[0] + 1, max);
}

/* -NAME, or NAME max=N */
static int run_change(int argc, char **argv)
{
	bool remove = argv[0][0] == '-';
	struct user_event_group *group;
	unsigned int max;
	int ret = 0;

	if (argc != (remove ? 1 : 2) || !is_name(argv[0] + remove))
		return -EINVAL;
	if (!remove)
		ret = parse_max(argv[1], &max);
	if (ret)
		return ret;

	mutex_lock(&event_mutex);
	group = user_event_group_find(argv[0] + remove);
	if (group && !remove)
		group->max = max;
	mutex_unlock(&event_mutex);
	/* @group stays: it is freed with control_lock held */
	if (!group)
		return -ENOENT;
	return remove ? group_remove(group) : 0;
}

static int run_line(const char *line)
{
	int argc, ret = 0;
	char **argv;

	argv = argv_split(GFP_KERNEL, line, &argc);
	if (!argv)
		return -ENOMEM;

	if (mutex_lock_killable(&control_lock)) {
		argv_free(argv);
		return -EINTR;
	}
	if (argc)
		ret = argv[0][0] == '+' ? run_create(argc, argv) :
					  run_change(argc, argv);
	mutex_unlock(&control_lock);
	argv_free(argv);
	return ret;
}

static ssize_t control_write(struct file *file, const char __user *buf,
			     size_t count, loff_t *pos)
{
	if (!perfmon_capable())
		return -EPERM;
	return trace_parse_run_command(file, buf, count, pos, run_line);
}

/* The position is the number of a group, which no other group ever gets */
static void *control_at(loff_t *pos)
{
	struct user_event_group *group;
	unsigned long id = *pos;

	group = *pos < LONG_MAX ? user_event_group_next(&id) : NULL;
	if (group)
		*pos = id;
	return group;
}

static void *control_start(struct seq_file *seq, loff_t *pos)
{
	mutex_lock(&event_mutex);
	/* The default group has number 0, and is not shown */
	if (!*pos)
		*pos = 1;
	return control_at(pos);
}

static void *control_next(struct seq_file *seq, void *v, loff_t *pos)
{
	++*pos;
	return control_at(pos);
}

static void control_stop(struct seq_file *seq, void *v)
{
	mutex_unlock(&event_mutex);
}

static int control_show(struct seq_file *seq, void *v)
{
	struct user_event_group *group = v;

	seq_printf(seq, "%s max=%u events=%u\n", group->name, group->max,
		   group->nr_events);
	return 0;
}

static const struct seq_operations control_seq_ops = {
	.start	= control_start,
	.next	= control_next,
	.stop	= control_stop,
	.show	= control_show,
};

static int control_open(struct inode *inode, struct file *file)
{
	int ret = tracing_check_open_get_tr(NULL);

	return ret ?: seq_open(file, &control_seq_ops);
}

static const struct file_operations control_fops = {
	.owner		= THIS_MODULE,
	.open		= control_open,
	.read		= seq_read,
	.write		= control_write,
	.llseek		= seq_lseek,
	.release	= seq_release,
};

static int __init control_init(void)
{
	if (tracing_init_dentry())
		return 0;
	groups_dir = tracefs_create_dir("user_events_groups", NULL);
	if (groups_dir)
		trace_create_file("control", 0600, groups_dir, NULL,
				  &control_fops);
	return 0;
}
fs_initcall(control_init);
