// SPDX-License-Identifier: GPL-2.0
/*
 * User events: lines of dynamic_events.
 *
 * dynamic_events makes, shows and deletes a user event by a line of text.
 */
#include <linux/ctype.h>
#include <linux/slab.h>

#include "trace_events_user.h"

static int dyn_show(struct seq_file *seq, struct dyn_event *dyn)
{
	struct user_event *event = container_of(dyn, struct user_event, dyn);

	seq_puts(seq, USER_EVENTS_PREFIX);
	if (event->group->id)
		seq_printf(seq, "%s/", event->class.system);
	user_event_format_show(event->format, user_event_name(event), seq);
	seq_putc(seq, '\n');
	return 0;
}

static bool dyn_is_busy(struct dyn_event *dyn)
{
	return user_event_life_is_busy(container_of(dyn, struct user_event, dyn));
}

static int dyn_free(struct dyn_event *dyn)
{
	struct user_event *event = container_of(dyn, struct user_event, dyn);

	if (user_event_life_is_busy(event))
		return -EBUSY;
	if (event->persist && !perfmon_capable())
		return -EPERM;
	return user_event_life_destroy(event);
}

/* Parse the words of a line after the name as those of a command string */
static struct user_event_format *parse_words(const char *name, int argc,
					     const char **argv)
{
	struct user_event_format *format;
	size_t size = strlen(name) + 1;
	char *cmd, *end;
	int i;

	for (i = 0; i < argc; i++)
		size += strlen(argv[i]) + 1;
	cmd = kmalloc(size, GFP_KERNEL);
	if (!cmd)
		return ERR_PTR(-ENOMEM);

	end = cmd + sprintf(cmd, "%s", name);
	for (i = 0; i < argc; i++)
		end += sprintf(end, " %s", argv[i]);

	format = user_event_format_parse(cmd, false);
	kfree(cmd);
	return format;
}

static bool dyn_match(const char *system, const char *name, int argc,
		      const char **argv, struct dyn_event *dyn)
{
	struct user_event *event = container_of(dyn, struct user_event, dyn);
	struct user_event_format *format;
	bool same;

	if (strcmp(user_event_name(event), name))
		return false;
	/* A line without a system is for the default group */
	if (system && *system ? strcmp(event->class.system, system) :
				event->group->id)
		return false;
	if (!argc)
		return true;

	format = parse_words(name, argc, argv);
	if (IS_ERR(format))
		return false;
	same = user_event_format_same(event->format, format);
	kfree(format);
	return same;
}

static int dyn_create(const char *line)
{
	const char *system = USER_EVENTS_SYSTEM, *slash;
	struct user_event_format *format;
	size_t len = strlen(system);

	if (!str_has_prefix(line, USER_EVENTS_PREFIX))
		return -ECANCELED;
	line += strlen(USER_EVENTS_PREFIX);

	if (!perfmon_capable())
		return -EPERM;

	/* No name has a slash */
	slash = strpbrk(line, "/ ");
	if (slash && *slash == '/') {
		system = line;
		len = slash - line;
		line = slash + 1;
		if (isspace(*line))
			return -EINVAL;
	}

	format = user_event_format_parse(line, false);
	if (IS_ERR(format))
		return PTR_ERR(format);
	return user_event_create_persistent(system, len, format);
}

/* User events among the dynamic events */
struct dyn_event_operations user_event_dyn_ops = {
	.create		= dyn_create,
	.show		= dyn_show,
	.is_busy	= dyn_is_busy,
	.free		= dyn_free,
	.match		= dyn_match,
};
