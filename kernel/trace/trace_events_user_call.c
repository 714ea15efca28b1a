// SPDX-License-Identifier: GPL-2.0
/*
 * User events: an event as the trace core sees it.
 *
 * The trace core looks at the fields of an event and has its records printed.
 */
#include <linux/cred.h>
#include <linux/slab.h>

#include "trace_events_user.h"
#include "trace_output.h"

/* Credentials to add files to tracefs with; constant */
static const struct cred *tracefs_cred;

static enum print_line_t print_event(struct trace_iterator *iter,
				     struct user_event *event, size_t size)
{
	trace_seq_printf(&iter->seq, "%s: ", user_event_name(event));
	user_event_record_text(event->format, &iter->seq, iter->ent, size);
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

/* Prints a record that is read from a trace buffer */
static struct trace_event_functions record_funcs = {
	.trace = print_record,
};

/* Prints one that is being made */
static struct trace_event_functions call_funcs = {
	.trace = print_at_once,
};

/* Fields for the trace core to define: none, each event brings its own list */
static struct trace_event_fields call_fields[] = {
	{ }
};

static LIST_HEAD(no_fields);

/*
 * The trace core frees the fields in this list when it removes an event, so it gets an
 * empty one then: records may be printed by the fields at this moment.
 */
static struct list_head *get_fields(struct trace_event_call *call)
{
	return call->event.funcs ? &call->class->fields : &no_fields;
}

/*
 * How many instances there were when an event was declared last. Changed under
 * event_mutex, read without
 */
static unsigned int nr_instances = 1;

/**
 * user_event_call_size() - tell how much memory the trace core needs for an event
 * @format: its fields
 *
 * Instances made since the last declaration, or later, are not counted: an
 * administrator makes them.
 *
 * Context: any.
 * Return: bytes, roughly.
 */
size_t user_event_call_size(const struct user_event_format *format)
{
	return READ_ONCE(nr_instances) * USER_EVENTS_FILES_SIZE +
		format->nr_fields *
		kmalloc_size_roundup(sizeof(struct ftrace_event_field)) +
		kmalloc_size_roundup(user_event_record_print_fmt_size(format));
}

/* Make the fields: the trace core would tell by the type alone what is a string */
static int make_fields(struct user_event *event)
{
	const struct user_event_format *format = event->format;
	struct ftrace_event_field *to;
	int i;

	for (i = 0; i < format->nr_fields; i++) {
		const struct user_event_field *field = &format->fields[i];

		to = kzalloc(sizeof(*to), GFP_KERNEL);
		if (!to)
			return -ENOMEM;
		to->type = field->type;
		to->name = field->name;
		/* A tag that looks like a type must not make it a string */
		to->filter_type = field->kind == USER_EVENT_STRUCT ?
			FILTER_OTHER : filter_assign_type(field->type);
		to->offset = field->offset;
		to->size = field->size;
		to->is_signed = field->is_signed;
		/* Else tools see char NAME[], of any length */
		if (field->kind == USER_EVENT_STRING)
			to->len = field->size;
		list_add(&to->link, &event->class.fields);
	}
	return 0;
}

/*
 * Check that @event, just added, has its files in every instance. The newest
 * event is the first in an instance's list; an instance that was made for
 * certain systems only has no file of it. Counts the instances on the way, for
 * user_event_call_size().
 */
static bool has_files(struct user_event *event)
{
	struct trace_event_file *file;
	unsigned int instances = 0;
	struct trace_array *tr;
	bool has = true;

	mutex_lock(&trace_types_lock);
	list_for_each_entry(tr, &ftrace_trace_arrays, list) {
		instances++;
		file = list_first_entry_or_null(&tr->events,
						struct trace_event_file, list);
		if (file && file->event_call == &event->call)
			has &= user_events_has_files(file);
		else
			has &= user_events_not_for(tr);
	}
	WRITE_ONCE(nr_instances, instances);
	mutex_unlock(&trace_types_lock);
	return has;
}

/**
 * user_event_call_init() - describe an event to the trace core
 * @event: the event, its format and name set
 * @reg: what the trace core calls when a listener comes or goes
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int user_event_call_init(struct user_event *event,
			 int (*reg)(struct trace_event_call *call,
				    enum trace_reg type, void *data))
{
	int ret = make_fields(event);

	if (ret)
		return ret;
	event->call.print_fmt = user_event_record_print_fmt(event->format);
	if (!event->call.print_fmt)
		return -ENOMEM;

	event->class.system = event->multi ? event->group->multi_system :
					     event->group->system;
	event->class.fields_array = call_fields;
	event->class.get_fields = get_fields;
	event->class.reg = reg;
	event->call.class = &event->class;
	event->call.tp = &event->tp;
	event->call.flags = TRACE_EVENT_FL_TRACEPOINT | TRACE_EVENT_FL_DYNAMIC;
	event->call.event.funcs = &call_funcs;
	event->shown.class = &event->class;
	event->shown.tp = &event->tp;
	event->shown.flags = TRACE_EVENT_FL_TRACEPOINT;
	event->shown.event.funcs = &record_funcs;
	return 0;
}

/**
 * user_event_call_remove() - take an event away from the trace core
 * @event: the event, without holders or listeners
 *
 * Its type number stays, and so do the fields, to show its records by.
 *
 * Context: event_mutex held. May sleep.
 * Return: 0, or -EBUSY when the trace core uses it.
 */
int user_event_call_remove(struct user_event *event)
{
	int ret;

	/* Else the trace core would return the number, and free the fields */
	event->call.event.funcs = NULL;
	ret = trace_remove_event_call(&event->call);
	if (ret)
		event->call.event.funcs = &call_funcs;
	return ret;
}

/**
 * user_event_call_free() - free what describes an event to the trace core
 * @event: the event, which the trace core does not know (any more)
 */
void user_event_call_free(struct user_event *event)
{
	struct ftrace_event_field *field, *next;

	list_for_each_entry_safe(field, next, &event->class.fields, link)
		kfree(field);
	kfree(event->call.print_fmt);
}

/**
 * user_event_call_override_creds() - take credentials to add files to tracefs
 *
 * A program that may open user_events_data may declare events, even if it may
 * not look into tracefs, let alone add directories there.
 *
 * Return: what to give to revert_creds() afterwards.
 */
const struct cred *user_event_call_override_creds(void)
{
	return override_creds(tracefs_cred);
}

/**
 * user_event_call_add() - give an event to the trace core, files and all
 * @event: the event
 *
 * Context: event_mutex held. May sleep.
 * Return: 0, -ENOMEM, or another error of the trace core.
 */
int user_event_call_add(struct user_event *event)
{
	const struct cred *old;
	int ret;

	old = user_event_call_override_creds();
	ret = trace_add_event_call(&event->call);
	revert_creds(old);
	if (ret)
		return ret;

	/* No memory for a file is no error to the core */
	if (has_files(event))
		return 0;

	user_event_call_remove(event);
	return -ENOMEM;
}

/**
 * user_event_call_setup() - prepare to give events to the trace core
 *
 * Return: 0, or -ENOMEM.
 */
int __init user_event_call_setup(void)
{
	tracefs_cred = prepare_kernel_cred(&init_task);
	return tracefs_cred ? 0 : -ENOMEM;
}
