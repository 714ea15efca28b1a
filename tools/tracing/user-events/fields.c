// SPDX-License-Identifier: GPL-2.0
/*
 * The fields of a record, by the format file of its event.
 *
 * libtraceevent would refuse events with "-" or "." in their names, and does not know the
 * sign and the size of what dynamic arrays hold, so the file is read here.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user-events.h"

struct field {
	const char *name;
	unsigned int offset, size;	/* in the record */
	unsigned int element;		/* bytes of a number */
	bool is_signed, is_array, is_text, is_struct;
	bool is_bytes;			/* "unsigned char NAME[N]": text only in a line */
	bool data_loc, rel_loc;		/* the record has the place of the data */
};

struct format {
	char *text;			/* of the file, with the names */
	const char *name;
	char *system;
	int id;
	unsigned int nr_fields;
	struct field fields[];
};

static bool skip(char **text, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(*text, prefix, len))
		return false;
	*text += len;
	return true;
}

/* "TYPE NAME", "TYPE NAME[N]", "__rel_loc TYPE NAME[]", "__data_loc TYPE[] NAME" */
static bool parse_field(struct field *field, char *type)
{
	char *end = strstr(type, ";\toffset:"), *name;

	if (!end || sscanf(end, ";\toffset:%u;\tsize:%u;", &field->offset, &field->size) != 2)
		return false;
	*end = '\0';
	name = strrchr(type, ' ');
	if (!name)
		return false;
	*name++ = '\0';
	field->name = name;
	field->is_array = strchr(type, '[') || strchr(name, '[');
	type[strcspn(type, "[")] = '\0';
	name[strcspn(name, "[")] = '\0';

	field->data_loc = skip(&type, "__data_loc ");
	field->rel_loc = skip(&type, "__rel_loc ");
	if ((field->data_loc || field->rel_loc) && field->size != sizeof(uint32_t))
		return false;
	field->element = ue_type_size(type);
	field->is_text = field->is_array &&
		(!strcmp(type, "char") || !strcmp(type, "unsigned char"));
	field->is_bytes = field->is_text && *type == 'u' && !field->data_loc && !field->rel_loc;
	field->is_struct = !field->is_array && field->element != field->size;
	if (!field->element || field->is_struct)
		field->element = 1;
	else
		field->is_signed = *type != 'u';
	return true;
}

/* Parse a format file of @system: @text becomes part of the result; NULL if it is none */
struct format *ue_format_parse(char *text, const char *system)
{
	char *rest = text, *line;
	struct format *format;
	bool own = false;
	int nr = 0;

	for (line = text; (line = strstr(line, "\tfield:")); line++)
		nr++;
	format = calloc(1, sizeof(*format) + nr * sizeof(format->fields[0]));
	if (!format) {
		free(text);
		return NULL;
	}
	format->text = text;
	format->system = ue_text("%s", system);
	while ((line = strsep(&rest, "\n"))) {
		if (skip(&line, "name: "))
			format->name = line;
		else if (skip(&line, "ID: "))
			format->id = atoi(line);
		else if (!*line)
			own = true;	/* what all events have came before */
		else if (own && skip(&line, "\tfield:") &&
			 parse_field(&format->fields[format->nr_fields], line))
			format->nr_fields++;
	}
	if (format->name && format->id)
		return format;
	ue_format_free(format);
	return NULL;
}

void ue_format_free(struct format *format)
{
	if (!format)
		return;
	free(format->text);
	free(format->system);
	free(format);
}

int ue_format_id(const struct format *format)
{
	return format->id;
}

const char *ue_format_name(const struct format *format)
{
	return format->name;
}

const char *ue_format_system(const struct format *format)
{
	return format->system;
}

/* Where the value is, and in @len how many bytes; NULL if not all are in the record */
static const char *data_of(const struct field *field, const char *record, size_t size, size_t *len)
{
	size_t start = field->offset;
	uint32_t loc;

	*len = field->size;
	if (start > size || *len > size - start)
		return NULL;
	if (field->data_loc || field->rel_loc) {
		memcpy(&loc, record + start, sizeof(loc));
		start = (loc & 0xffff) + (field->rel_loc ? start + sizeof(loc) : 0);
		*len = loc >> 16;
		if (start > size || *len > size - start)
			return NULL;
	}
	return record + start;
}

/* The number in @size bytes, extended to all bits */
static unsigned long long number(const char *data, size_t size, bool is_signed)
{
	unsigned int unused = 64 - 8 * size;
	unsigned long long number = 0;

	memcpy(&number, data, size);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	number <<= unused;
#endif
	if (is_signed)
		return (long long)number >> unused;
	return number >> unused;
}

static json_object *number_json(const struct field *field, const char *data)
{
	unsigned long long value = number(data, field->element, field->is_signed);

	return field->is_signed ? json_object_new_int64(value) : json_object_new_uint64(value);
}

/* The fields of a record as a JSON object; a value that is not in the record is null */
json_object *ue_format_json(const struct format *format, const char *record, size_t size)
{
	json_object *object = json_object_new_object(), *value, *name;
	const struct field *field;
	const char *data;
	size_t len;

	for (field = format->fields; field < format->fields + format->nr_fields; field++) {
		data = data_of(field, record, size, &len);
		if (!data) {
			value = NULL;
		} else if (field->is_text && !field->is_bytes) {
			value = ue_json_text(data, strnlen(data, len));
		} else if (field->is_array || field->is_struct) {
			value = json_object_new_array();
			for (; len >= field->element; len -= field->element) {
				json_object_array_add(value, number_json(field, data));
				data += field->element;
			}
		} else {
			value = number_json(field, data);
		}
		/* On mainline's kernel it need not be UTF-8 */
		name = ue_json_string(field->name);
		json_object_object_add(object, json_object_get_string(name), value);
		json_object_put(name);
	}
	return object;
}

/* The same as the kernel's text has it: " NAME=VALUE NAME=VALUE" */
void ue_format_print(const struct format *format, const char *record, size_t size)
{
	const struct field *field;
	const char *data, *comma;
	size_t len;

	for (field = format->fields; field < format->fields + format->nr_fields; field++) {
		putchar(' ');
		ue_print_text(field->name, strlen(field->name));
		putchar('=');
		data = data_of(field, record, size, &len);
		if (!data) {
			fputs("(outside of the record)", stdout);
		} else if (field->is_text) {
			ue_print_text(data, strnlen(data, len));
		} else if (field->is_struct) {
			/* Its first bytes, as many as a number has */
			len = len >= 8 ? 8 : len >= 4 ? 4 : len >= 2 ? 2 : 1;
			printf("%llu", number(data, len, false));
		} else if (field->is_array) {
			putchar('{');
			for (comma = ""; len >= field->element; len -= field->element) {
				printf("%s0x%llx", comma, number(data, field->element, false));
				data += field->element;
				comma = ",";
			}
			putchar('}');
		} else if (field->is_signed) {
			printf("%lld", (long long)number(data, field->element, true));
		} else {
			printf("%llu", number(data, field->element, false));
		}
	}
}
