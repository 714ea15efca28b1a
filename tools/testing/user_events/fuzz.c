// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzing of the pure functions of user_events. The input is a byte of flags, a command
 * string up to its NUL, and the payload of a record. The functions must stay inside of
 * their memory, and agree with each other.
 */
#include "trace_events_user.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* The line of an event in dynamic_events can be written back: it is the same event. */
static void check_format(const struct user_event_format *format, bool multi)
{
	char line[4 * USER_EVENT_CMD_MAX], *args;
	struct user_event_format *again;
	struct seq_file file;
	bool has_struct = false;
	unsigned int total = 0;
	int i, nr_locs = 0;

	for (i = 0; i < format->nr_fields; i++) {
		const struct user_event_field *field = &format->fields[i];

		assert(field->size);
		assert(field->offset == sizeof(struct trace_entry) + total);
		total += field->size;
		nr_locs += field->kind >= USER_EVENT_DATA_LOC;
		has_struct |= field->kind == USER_EVENT_STRUCT;
	}
	assert(total == format->size && total <= USER_EVENT_SIZE_MAX);
	assert(nr_locs == format->nr_locs);

	seq_buf_init(&file.seq, line, sizeof(line) - 1);
	user_event_format_show(format, format->name, &file);
	assert(!seq_buf_has_overflowed(&file.seq));
	line[file.seq.len] = '\0';

	again = user_event_format_parse(line, multi);
	assert(!IS_ERR(again));
	assert(!strcmp(again->name, format->name));
	assert(user_event_format_same(format, again));
	kfree(again);
	args = strchr(line, ' ');
	assert(has_struct ||
	       user_event_format_is_spelled(format, args ? args + 1 : ""));
}

static void check_print_fmt(const struct user_event_format *format)
{
	char *text = user_event_record_print_fmt(format);

	assert(text);
	assert(text[0] == '"' && strchr(text + 1, '"'));
	kfree(text);
}

static void check_record(const struct user_event_format *format, const u8 *payload,
			 size_t len)
{
	size_t size = sizeof(struct trace_entry) + len, i, begun;
	struct trace_seq *seq = malloc(sizeof(*seq));
	/* Allocated to size, so that the sanitizer sees reads past the end */
	u8 *record = malloc(size);

	memset(record, 0, sizeof(struct trace_entry));
	memcpy(record + sizeof(struct trace_entry), payload, len);
	seq_buf_init(&seq->seq, seq->buffer, sizeof(seq->buffer));
	seq->full = 0;
	/* As if the line already had some text */
	begun = len % 100;
	for (i = 0; i < begun; i++)
		trace_seq_putc(seq, '-');

	/* Also for a malformed record: showing it must not rely on the check */
	user_event_record_text(format, seq, record, size);
	assert(!seq->full);
	for (i = begun; i < seq->seq.len; i++)
		assert((u8)seq->buffer[i] >= ' ' && seq->buffer[i] != 0x7f);
	if (len >= format->size)
		user_event_record_check(format, record, size);
	free(record);
	free(seq);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const u8 *end = size ? memchr(data + 1, '\0', size - 1) : NULL;
	struct user_event_format *format;
	bool multi;

	if (!end)
		return 0;
	multi = data[0] & 1;
	format = user_event_format_parse((const char *)data + 1, multi);
	if (IS_ERR(format))
		return 0;
	check_format(format, multi);
	check_print_fmt(format);
	check_record(format, end + 1, data + size - end - 1);
	kfree(format);
	return 0;
}
