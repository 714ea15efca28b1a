// SPDX-License-Identifier: GPL-2.0
/*
 * User events: command strings.
 *
 * Pure functions: they parse a command string into a list of fields, and
 * compare two such lists. Nothing here takes a lock or knows what an event is.
 */
#include <linux/ctype.h>
#include <linux/limits.h>
#include <linux/overflow.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "trace_events_user.h"

/*
 * isspace() also takes 0xa0, which is a part of many UTF-8 characters that a
 * name may have.
 */
static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static const struct {
	const char	*name;
	u8		size;
} number_types[] = {
	{ "u32", 4 }, { "u64", 8 }, { "s32", 4 }, { "s64", 8 },
	{ "u8", 1 }, { "u16", 2 }, { "s8", 1 }, { "s16", 2 },
	{ "int", 4 }, { "unsigned int", 4 },
	{ "char", 1 }, { "unsigned char", 1 },
	{ "short", 2 }, { "unsigned short", 2 },
};

static const char * const common_fields[] = {
	"common_type", "common_flags", "common_preempt_count", "common_pid",
};

static char *skip_blanks(char *text)
{
	while (is_blank(*text))
		text++;
	return text;
}

/* Cut the next word off *@text; NULL when there is none */
static char *next_word(char **text)
{
	char *word = skip_blanks(*text), *end = word;

	while (*end && !is_blank(*end))
		end++;
	if (end == word)
		return NULL;

	*text = end;
	if (*end) {
		*end = '\0';
		(*text)++;
	}
	return word;
}

/*
 * Put @word and @end at *@out. By hand, since registering a known event is
 * mostly parsing, and that was mostly sprintf().
 */
static void put_word(char **out, const char *word, char end)
{
	char *to = *out;

	while (*word)
		*to++ = *word++;
	*to++ = end;
	*out = to;
}

/* Bytes of the number type @name, 0 if there is no such type */
static unsigned int number_size(const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(number_types); i++) {
		if (!strcmp(number_types[i].name, name))
			return number_types[i].size;
	}
	return 0;
}

/*
 * A name is a path component, a word of set_event, of dynamic_events and of
 * perf's command line. The directory of a single-format event is beside the
 * files of its system.
 */
static bool name_is_valid(const char *name, bool multi)
{
	const unsigned char *c;

	if (strlen(name) > (multi ? USER_EVENT_MULTI_NAME_MAX : NAME_MAX))
		return false;
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	if (!multi && (!strcmp(name, "enable") || !strcmp(name, "filter")))
		return false;

	for (c = name; *c; c++) {
		/* Not strchr(): a name has many characters */
		switch (*c) {
		case 0 ... ' ':
		case 0x7f:
		case '/': case ':': case ';': case '"': case '\'': case '\\':
		case '%': case '#': case '!': case '*': case '?': case '[':
		case ']': case ',': case '=':
			return false;
		case 0xc2:
			/* A control character in UTF-8, U+0080 to U+009f */
			if (c[1] >= 0x80 && c[1] < 0xa0)
				return false;
			break;
		}
	}
	return c != (const unsigned char *)name;
}

static bool is_identifier(const char *name)
{
	const char *c;

	for (c = name; *c; c++) {
		if (!isascii(*c) || (!isalnum(*c) && *c != '_'))
			return false;
	}
	return *name && !isdigit(*name);
}

/* Filters, histograms and libtraceevent parse it as a C identifier */
static bool field_name_is_valid(const char *name)
{
	int i;

	if (!is_identifier(name))
		return false;

	for (i = 0; i < ARRAY_SIZE(common_fields); i++) {
		if (!strcmp(common_fields[i], name))
			return false;
	}
	return true;
}

/* char[N] and unsigned char[N]: N, or 0 if @type is not one of them */
static unsigned int char_array_size(const char *type)
{
	char digits[8];
	unsigned int n;
	size_t len;

	if (!str_has_prefix(type, "unsigned char["))
		len = str_has_prefix(type, "char[");
	else
		len = strlen("unsigned char[");
	if (!len)
		return 0;
	type += len;

	/* C-style number of at most 6 characters, and the bracket */
	len = strlen(type);
	if (len < 2 || len > 7 || type[len - 1] != ']')
		return 0;
	memcpy(digits, type, len - 1);
	digits[len - 1] = '\0';

	/* kstrtouint() would take a sign */
	if (!isdigit(*digits) || kstrtouint(digits, 0, &n))
		return 0;
	return n <= USER_EVENT_ARRAY_MAX ? n : 0;
}

/* The T[] that a __data_loc or __rel_loc points to */
static int parse_dynamic_type(struct user_event_field *field, char *type)
{
	size_t len = strlen(type);

	if (len < 3 || strcmp(type + len - 2, "[]"))
		return -EINVAL;

	type[len - 2] = '\0';
	field->element = number_size(type);
	field->is_char = !strcmp(type, "char") || !strcmp(type, "unsigned char");
	type[len - 2] = '[';
	return field->element ? 0 : -EINVAL;
}

/*
 * TYPE NAME [SIZE], blanks around it stripped. The type is put together again
 * at *@out, and the name after it, both terminated.
 */
static int parse_field(struct user_event_field *field, char *text, char **out)
{
	char *type = *out, *word = next_word(&text), *size_word;
	char *first = word, *base = type;
	unsigned int size = 0;
	bool is_struct;

	if (!word)
		return -EINVAL;

	if (!strcmp(word, "__data_loc") || !strcmp(word, "__rel_loc")) {
		field->kind = word[2] == 'd' ? USER_EVENT_DATA_LOC :
					       USER_EVENT_REL_LOC;
		put_word(out, word, ' ');
		base = *out;
		word = next_word(&text);
	}
	is_struct = word == first && !strcmp(word, "struct");
	if (word && (is_struct || !strcmp(word, "unsigned"))) {
		put_word(out, word, ' ');
		word = next_word(&text);
	}
	if (!word || (is_struct && !is_identifier(word)))
		return -EINVAL;
	put_word(out, word, '\0');

	word = next_word(&text);
	if (!word || !field_name_is_valid(word))
		return -EINVAL;
	field->type = type;
	field->name = *out;
	put_word(out, word, '\0');

	/* Only the size of a struct is not known from its type */
	size_word = next_word(&text);
	if (next_word(&text) || !size_word == is_struct)
		return -EINVAL;

	if (is_struct) {
		field->kind = USER_EVENT_STRUCT;
		if (!isdigit(*size_word) || kstrtouint(size_word, 0, &size))
			return -EINVAL;
	} else if (base != type) {
		if (parse_dynamic_type(field, base))
			return -EINVAL;
		size = sizeof(u32);
	} else {
		size = number_size(type);
		if (!size) {
			field->kind = USER_EVENT_STRING;
			size = char_array_size(type);
		}
	}
	if (!size || size > USER_EVENT_SIZE_MAX)
		return -EINVAL;

	field->size = size;
	field->is_signed = *type != 'u';
	return 0;
}

static bool field_name_is_taken(const struct user_event_format *format,
				const char *name)
{
	int i;

	for (i = 0; i < format->nr_fields; i++) {
		if (!strcmp(format->fields[i].name, name))
			return true;
	}
	return false;
}

static int parse_fields(struct user_event_format *format, char *text, char *out)
{
	unsigned int total = 0;

	while (text) {
		struct user_event_field *field =
			&format->fields[format->nr_fields];
		char *part = skip_blanks(strsep(&text, ";"));
		int ret;

		/* A ';' may have nothing before or after it */
		if (!*part)
			continue;
		ret = parse_field(field, part, &out);
		if (ret)
			return ret;
		if (field_name_is_taken(format, field->name))
			return -EINVAL;

		field->offset = sizeof(struct trace_entry) + total;
		total += field->size;
		if (total > USER_EVENT_SIZE_MAX)
			return -EINVAL;
		if (field->kind >= USER_EVENT_DATA_LOC)
			format->nr_locs++;
		format->nr_fields++;
	}

	format->size = total;
	return 0;
}

/*
 * Copy a command string without the blanks after a ';': user_event_format_show() puts
 * one there, and what it shows of the longest string can be written back. Counts the
 * parts that may have a field. Returns its length, or -E2BIG.
 */
static ssize_t copy_command(char *to, const char *cmd, unsigned int *nr_parts)
{
	bool in_part = false;
	size_t len = 0;

	*nr_parts = 0;
	for (; *cmd; cmd++) {
		if (!in_part && is_blank(*cmd))
			continue;
		if (len == USER_EVENT_CMD_MAX - 1)
			return -E2BIG;
		if (*cmd != ';' && !in_part)
			++*nr_parts;
		in_part = *cmd != ';';
		to[len++] = *cmd;
	}
	to[len] = '\0';
	return len;
}

/**
 * user_event_format_parse() - parse a command string
 * @cmd: NAME [TYPE FIELD [SIZE][;TYPE FIELD [SIZE]...]], shorter than
 *	USER_EVENT_CMD_MAX without the blanks after each ';'
 * @multi: several formats may have the name
 *
 * Context: may sleep.
 * Return: the format, to be freed with kfree(), or
 * * -EINVAL	- @cmd is not in that form
 * * -ENOMEM	- no memory
 */
struct user_event_format *user_event_format_parse(const char *cmd, bool multi)
{
	struct user_event_format *format;
	const char *c = cmd;
	unsigned int max_fields;
	/* To be cut into words */
	char copy[USER_EVENT_CMD_MAX];
	char *text = copy, *word, *out;
	ssize_t len;
	int ret;

	len = strscpy(copy, cmd, sizeof(copy));
	for (max_fields = 1; *c; c++)
		max_fields += *c == ';';
	/* Each field has four characters or more */
	if (len < 0 || max_fields > len / 4 + 1)
		len = copy_command(copy, cmd, &max_fields);
	if (len < 0)
		return ERR_PTR(-EINVAL);

	/*
	 * The words that are kept have no more characters than the string: a
	 * terminator stands where a blank or ';' stood.
	 */
	format = kzalloc(struct_size(format, fields, max_fields) + len + 1,
			 GFP_KERNEL_ACCOUNT);
	if (!format)
		return ERR_PTR(-ENOMEM);
	out = (char *)&format->fields[max_fields];

	ret = -EINVAL;
	word = next_word(&text);
	if (!word || !name_is_valid(word, multi))
		goto err;
	format->name = out;
	put_word(&out, word, '\0');

	ret = parse_fields(format, text, out);
	if (ret)
		goto err;
	return format;
err:
	kfree(format);
	return ERR_PTR(ret);
}

/**
 * user_event_format_same() - check if two formats describe the same records
 * @a: a format
 * @b: another
 *
 * Return: whether types, names and sizes agree in order. The names of the
 * events do not matter.
 */
bool user_event_format_same(const struct user_event_format *a,
			    const struct user_event_format *b)
{
	int i;

	if (a->nr_fields != b->nr_fields || a->size != b->size)
		return false;

	for (i = 0; i < a->nr_fields; i++) {
		const struct user_event_field *x = &a->fields[i];
		const struct user_event_field *y = &b->fields[i];

		if (x->size != y->size || strcmp(x->name, y->name) ||
		    strcmp(x->type, y->type))
			return false;
	}
	return true;
}

/* Go past @part at *@text; false if something else is there */
static bool skip_text(const char **text, const char *part)
{
	const char *c = *text;

	while (*part) {
		if (*c++ != *part++)
			return false;
	}
	*text = c;
	return true;
}

/**
 * user_event_format_is_spelled() - compare a command string without parsing it
 * @format: the format
 * @args: what comes after the name and a blank in a command string
 *
 * Programs that register an event mostly do it with the same words, and with
 * single blanks. It is many times faster to compare than to parse.
 *
 * Return: true if @args describe @format; false if that takes parsing to tell.
 */
bool user_event_format_is_spelled(const struct user_event_format *format,
				  const char *args)
{
	int i;

	for (i = 0; i < format->nr_fields; i++) {
		const struct user_event_field *field = &format->fields[i];

		if (field->kind == USER_EVENT_STRUCT)
			return false;
		if (i) {
			if (*args++ != ';')
				return false;
			if (*args == ' ')
				args++;
		}
		if (!skip_text(&args, field->type) || *args++ != ' ' ||
		    !skip_text(&args, field->name))
			return false;
	}
	return !*args;
}

/**
 * user_event_format_show() - the command string, as it can be written back
 * @format: the format
 * @name: name of the event
 * @seq: where the string goes
 */
void user_event_format_show(const struct user_event_format *format,
			    const char *name, struct seq_file *seq)
{
	int i;

	seq_puts(seq, name);
	for (i = 0; i < format->nr_fields; i++) {
		const struct user_event_field *field = &format->fields[i];

		seq_printf(seq, "%s%s %s", i ? "; " : " ", field->type,
			   field->name);
		if (field->kind == USER_EVENT_STRUCT)
			seq_printf(seq, " %u", field->size);
	}
}
