// SPDX-License-Identifier: GPL-2.0
/*
 * User events: an event as the rest of tracing sees it.
 *
 * The trace core asks for its fields and has its records printed,
 * dynamic_events makes, shows and deletes it by a line of text.
 */
#include <linux/slab.h>

#include "trace_events_user.h"
#include "trace_output.h"

static enum print_line_t print_event(struct trace_iterator *iter,
				     struct user_event *event, size_t size)
{
	trace_seq_printf(&iter->seq, "%s: ", user_event_name(event));
	user_event_format_text(event->format, &iter->seq, iter->ent, size);
	trace_seq_putc(&iter->seq, '\n');
	return trace_handle_return(&iter->seq);
}

/* From a trace buffer, by the type number */
static enum print_line_t print_record(struct trace_iterator *iter, int flags,
				      struct trace_event *trace_event)
{
	return print_event(iter, container_of(trace_event, struct user_event,
					      shown.event), iter->ent_size);
}

/*
 * While it is being recorded, with tp_printk. The size is not known here, but
 * what the record points to has just been checked.
 */
static enum print_line_t print_at_once(struct trace_iterator *iter, int flags,
				       struct trace_event *trace_event)
{
	return print_event(iter, container_of(trace_event, struct user_event,
					      call.event), U16_MAX);
}

/* Of a record that is read from a trace buffer */
struct trace_event_functions user_event_record_funcs = {
	.trace = print_record,
};

/* Of one that is being made */
struct trace_event_functions user_event_call_funcs = {
	.trace = print_at_once,
};

/*
 * The trace core asks for the fields when it makes the first directory. Whether
 * all came about it does not ask, see add_to_tracefs().
 */
static int define_fields(struct trace_event_call *call)
{
	struct user_event *event = container_of(call, struct user_event, call);
	const struct user_event_format *format = event->format;
	int i, ret;

	for (i = 0; i < format->nr_fields; i++) {
		const struct user_event_field *field = &format->fields[i];

		ret = trace_define_field(call, field->type, field->name,
					 field->offset, field->size,
					 field->is_signed, FILTER_OTHER);
		if (ret)
			return ret;

		/* Else tools see char NAME[], of any length */
		if (field->kind == USER_EVENT_STRING)
			list_first_entry(&event->class.fields,
					 struct ftrace_event_field,
					 link)->len = field->size;
	}
	return 0;
}

/* Fields of all user events: each adds its own */
struct trace_event_fields user_event_fields[] = {
	{ .type = TRACE_FUNCTION_TYPE, .define_fields = define_fields },
	{ }
};

static int user_event_show(struct seq_file *seq, struct dyn_event *dyn)
{
	struct user_event *event = container_of(dyn, struct user_event, dyn);

	seq_puts(seq, USER_EVENTS_PREFIX);
	user_event_format_show(event->format, user_event_name(event), seq);
	seq_putc(seq, '\n');
	return 0;
}

static bool user_event_dyn_is_busy(struct dyn_event *dyn)
{
	return user_event_is_busy(container_of(dyn, struct user_event, dyn));
}

static int user_event_dyn_free(struct dyn_event *dyn)
{
	struct user_event *event = container_of(dyn, struct user_event, dyn);

	if (user_event_is_busy(event))
		return -EBUSY;
	if (event->persist && !perfmon_capable())
		return -EPERM;
	return user_event_destroy(event);
}

/* Words of a line of dynamic_events after the name, as a command string */
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

	format = user_event_format_parse(cmd);
	kfree(cmd);
	return format;
}

static bool user_event_match(const char *system, const char *name, int argc,
			     const char **argv, struct dyn_event *dyn)
{
	struct user_event *event = container_of(dyn, struct user_event, dyn);
	struct user_event_format *format;
	bool same;

	if (strcmp(user_event_name(event), name))
		return false;
	if (system && *system && strcmp(event->class.system, system))
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

static int user_event_dyn_create(const char *line)
{
	struct user_event_format *format;

	if (!str_has_prefix(line, USER_EVENTS_PREFIX))
		return -ECANCELED;
	line += strlen(USER_EVENTS_PREFIX);

	if (!perfmon_capable())
		return -EPERM;

	format = user_event_format_parse(line);
	if (IS_ERR(format))
		return PTR_ERR(format);
	return user_event_create_persistent(format);
}

/* User events among the dynamic events */
struct dyn_event_operations user_event_dyn_ops = {
	.create		= user_event_dyn_create,
	.show		= user_event_show,
	.is_busy	= user_event_dyn_is_busy,
	.free		= user_event_dyn_free,
	.match		= user_event_match,
};
