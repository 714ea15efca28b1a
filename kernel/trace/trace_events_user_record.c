// SPDX-License-Identifier: GPL-2.0
/*
 * User events: what is in a record.
 *
 * Pure functions: they make the texts that tools read from a list of fields,
 * and check and print records by it. Nothing here takes a lock or knows what an
 * event is.
 */
#include <linux/seq_buf.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/trace_seq.h>

#include "trace_events_user.h"

static const char *number_format(const struct user_event_field *field)
{
	if (field->size == sizeof(u64) || field->kind == USER_EVENT_STRUCT)
		return field->is_signed && field->kind != USER_EVENT_STRUCT ?
			"%lld" : "%llu";
	return field->is_signed ? "%d" : "%u";
}

static void print_fmt_arg(struct seq_buf *s,
			  const struct user_event_field *field)
{
	const char *rel = field->kind == USER_EVENT_REL_LOC ? "rel_" : "";
	const char *name = field->name;

	if (field->kind < USER_EVENT_DATA_LOC) {
		seq_buf_printf(s, ", REC->%s", name);
	} else if (field->is_char) {
		seq_buf_printf(s, ", __get_%sstr(%s)", rel, name);
	} else {
		seq_buf_printf(s, ", __print_array(__get_%sdynamic_array(%s), ",
			       rel, name);
		seq_buf_printf(s, "__get_%sdynamic_array_len(%s)", rel, name);
		if (field->element > 1)
			seq_buf_printf(s, " / %u", field->element);
		seq_buf_printf(s, ", %u)", field->element);
	}
}

static void print_fmt(struct seq_buf *s, const struct user_event_format *format)
{
	int i;

	seq_buf_putc(s, '"');
	for (i = 0; i < format->nr_fields; i++) {
		const struct user_event_field *field = &format->fields[i];

		seq_buf_printf(s, "%s%s=%s", i ? " " : "", field->name,
			       field->kind == USER_EVENT_NUMBER ||
			       field->kind == USER_EVENT_STRUCT ?
			       number_format(field) : "%s");
	}
	seq_buf_putc(s, '"');
	for (i = 0; i < format->nr_fields; i++)
		print_fmt_arg(s, &format->fields[i]);
}

/**
 * user_event_record_print_fmt_size() - tell how long the print fmt is at most
 * @format: the format
 *
 * Context: any.
 * Return: bytes.
 */
size_t user_event_record_print_fmt_size(const struct user_event_format *format)
{
	size_t size = 3;
	int i;

	for (i = 0; i < format->nr_fields; i++) {
		const struct user_event_field *field = &format->fields[i];
		size_t len = strlen(field->name);

		/* What print_fmt() adds to the names, rounded up */
		size += field->kind < USER_EVENT_DATA_LOC || field->is_char ?
			24 + 2 * len : 88 + 3 * len;
	}
	return size;
}

/**
 * user_event_record_print_fmt() - tell tools how to print a record
 * @format: the format
 *
 * Context: may sleep.
 * Return: what the format file says after "print fmt: ", to be freed with
 * kfree(), or NULL when there is no memory.
 */
char *user_event_record_print_fmt(const struct user_event_format *format)
{
	size_t size = user_event_record_print_fmt_size(format);
	struct seq_buf s;
	char *buf, *text = NULL;

	buf = kmalloc(size, GFP_KERNEL);
	if (!buf)
		return NULL;

	seq_buf_init(&s, buf, size);
	print_fmt(&s, format);
	/* Kept as long as the event, so without the slack */
	if (!WARN_ON_ONCE(seq_buf_has_overflowed(&s)))
		text = kmemdup_nul(buf, s.len, GFP_KERNEL);
	kfree(buf);
	return text;
}

/*
 * Where a dynamic field points to: the bytes, and in @len how many. NULL if
 * they are not all inside of the record.
 */
static const void *dynamic_data(const struct user_event_field *field,
				const void *record, size_t size, size_t *len)
{
	u32 loc = get_unaligned((u32 *)(record + field->offset));
	size_t start = loc & 0xffff;

	if (field->kind == USER_EVENT_REL_LOC)
		start += field->offset + sizeof(loc);
	*len = loc >> 16;
	if (start > size || *len > size - start)
		return NULL;
	return record + start;
}

/**
 * user_event_record_check() - check that listeners can use a record safely
 * @format: the format of the event
 * @record: the record, common fields included
 * @size: its bytes, at least what the fields take
 *
 * Listeners follow the dynamic fields into the record, and read strings up to
 * their NUL, without checks of their own.
 *
 * Context: any, preemption may be disabled.
 * Return: 0, or -EFAULT when a dynamic field points outside of the record or to
 * characters that do not end in NUL.
 */
int user_event_record_check(const struct user_event_format *format,
			    const void *record, size_t size)
{
	const struct user_event_field *field = format->fields;
	unsigned int left = format->nr_locs;

	for (; left; field++) {
		const char *data;
		size_t len;

		if (field->kind < USER_EVENT_DATA_LOC)
			continue;
		left--;

		data = dynamic_data(field, record, size, &len);
		if (!data)
			return -EFAULT;
		if (!field->is_char || !len)
			continue;
		/* The common fields may be filled in later */
		if (data[len - 1] || (const void *)data + len <=
		    record + sizeof(struct trace_entry))
			return -EFAULT;
	}
	return 0;
}

/*
 * The longest text of one record. It leaves room for the rest of the record's
 * line in an empty trace_seq: without its end, the next record would continue
 * the line.
 */
#define TEXT_MAX	(sizeof_field(struct trace_seq, buffer) - 512)

/* What a field takes beside its name: a blank, "=", and at most 20 digits */
#define FIELD_TEXT_MAX	22

static size_t text_left(const struct trace_seq *seq, size_t start)
{
	size_t len = seq->seq.len - start;

	return seq->full || len >= TEXT_MAX ? 0 : TEXT_MAX - len;
}

/*
 * Bytes of a control character at @data: one of ASCII, or U+0080 to U+009f, which
 * have a 0xc2 before them in UTF-8.
 */
static size_t control_len(const unsigned char *data, const char *end)
{
	if (*data < ' ' || *data == 0x7f)
		return 1;
	if (*data == 0xc2 && (const char *)data + 1 < end &&
	    data[1] >= 0x80 && data[1] < 0xa0)
		return 2;
	return 0;
}

/*
 * A string, up to its NUL or @len bytes. Control characters are escaped: they
 * would forge lines of the trace, or talk to the terminal that shows it.
 */
static void string_text(struct trace_seq *seq, size_t start, const char *data,
			size_t len)
{
	const char *end = data + strnlen(data, len), *plain;
	size_t left, control = 0;

	while (data < end) {
		left = text_left(seq, start);
		if (!left)
			return;
		if (left < end - data)
			end = data + left;
		for (plain = data; plain < end; plain++) {
			control = control_len((const unsigned char *)plain, end);
			if (control)
				break;
		}
		trace_seq_putmem(seq, data, plain - data);
		for (; plain < end && control; control--)
			trace_seq_printf(seq, "\\x%02x",
					 (unsigned char)*plain++);
		data = plain;
	}
}

static void number_text(const struct user_event_field *field,
			struct trace_seq *seq, const void *data)
{
	switch (field->size) {
	case 1:
		trace_seq_printf(seq, number_format(field),
				 field->is_signed ? *(s8 *)data : *(u8 *)data);
		break;
	case 2:
		trace_seq_printf(seq, number_format(field), field->is_signed ?
				 (s16)get_unaligned((u16 *)data) :
				 get_unaligned((u16 *)data));
		break;
	case 4:
		trace_seq_printf(seq, number_format(field),
				 get_unaligned((u32 *)data));
		break;
	case 8:
		trace_seq_printf(seq, number_format(field),
				 get_unaligned((u64 *)data));
		break;
	}
}

/* The first bytes of a struct, as many as a number has */
static void struct_text(const struct user_event_field *field,
			struct trace_seq *seq, const void *data)
{
	u64 number = 0;

	if (field->size >= sizeof(number))
		number = get_unaligned((u64 *)data);
	else if (field->size >= sizeof(u32))
		number = get_unaligned((u32 *)data);
	else if (field->size >= sizeof(u16))
		number = get_unaligned((u16 *)data);
	else
		number = *(u8 *)data;
	trace_seq_printf(seq, "%llu", number);
}

static void array_text(const struct user_event_field *field,
		       struct trace_seq *seq, size_t start, const void *data,
		       size_t len)
{
	const char *parted = "";

	trace_seq_putc(seq, '{');
	for (; len >= field->element && text_left(seq, start);
	     len -= field->element) {
		u64 number = 0;

		switch (field->element) {
		case 1:
			number = *(u8 *)data;
			break;
		case 2:
			number = get_unaligned((u16 *)data);
			break;
		case 4:
			number = get_unaligned((u32 *)data);
			break;
		case 8:
			number = get_unaligned((u64 *)data);
			break;
		}
		trace_seq_printf(seq, "%s0x%llx", parted, number);
		parted = ",";
		data += field->element;
	}
	trace_seq_putc(seq, '}');
}

static void dynamic_text(const struct user_event_field *field,
			 struct trace_seq *seq, size_t start,
			 const void *record, size_t size)
{
	size_t len;
	const void *data = dynamic_data(field, record, size, &len);

	/* Records are checked when written; do not rely on it to read one */
	if (!data)
		trace_seq_puts(seq, "(outside of the record)");
	else if (field->is_char)
		string_text(seq, start, data, len);
	else
		array_text(field, seq, start, data, len);
}

/**
 * user_event_record_text() - show a record as its print fmt says
 * @format: the format of the event
 * @seq: where the text goes
 * @record: the record, common fields included
 * @size: its bytes
 *
 * Text that would not fit into a line of its own ends in "...".
 */
void user_event_record_text(const struct user_event_format *format,
			    struct trace_seq *seq, const void *record,
			    size_t size)
{
	size_t start = seq->seq.len;
	int i;

	if (size < sizeof(struct trace_entry) + format->size) {
		trace_seq_puts(seq, "(record too short)");
		return;
	}

	for (i = 0; i < format->nr_fields; i++) {
		const struct user_event_field *field = &format->fields[i];
		const void *data = record + field->offset;

		/* A name can be as long as the rest of the line may be */
		if (text_left(seq, start) <= strlen(field->name) + FIELD_TEXT_MAX)
			break;
		trace_seq_printf(seq, "%s%s=", i ? " " : "", field->name);

		switch (field->kind) {
		case USER_EVENT_NUMBER:
			number_text(field, seq, data);
			break;
		case USER_EVENT_STRING:
			string_text(seq, start, data, field->size);
			break;
		case USER_EVENT_STRUCT:
			struct_text(field, seq, data);
			break;
		default:
			dynamic_text(field, seq, start, record, size);
			break;
		}
	}
	if (i < format->nr_fields || !text_left(seq, start))
		trace_seq_puts(seq, "...");
}
