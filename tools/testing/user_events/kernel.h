/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel functions that the pure functions of user_events call, for a program in
 * user space. They are as strict as the kernel's, where the C library's are not.
 */
#ifndef UEV_KERNEL_H
#define UEV_KERNEL_H

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef long long s64;

#define NAME_MAX	255
#define U16_MAX		UINT16_MAX
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define sizeof_field(type, field)	sizeof(((type *)0)->field)
#define struct_size(p, member, n)	\
	(sizeof(*(p)) + sizeof((p)->member[0]) * (size_t)(n))

#define WARN_ON_ONCE(condition)	({		\
	assert(!(condition));			\
	false;					\
})

#define get_unaligned(p)	({		\
	typeof(*(p)) _value;			\
						\
	memcpy(&_value, p, sizeof(_value));	\
	_value;					\
})

static inline void *ERR_PTR(long error)
{
	return (void *)error;
}

static inline bool IS_ERR(const void *p)
{
	return (unsigned long)p >= (unsigned long)-4095;
}

/* Memory: the sanitizer finds overruns and uses after free. */

#define GFP_KERNEL		0
#define GFP_KERNEL_ACCOUNT	0

static inline void *kmalloc(size_t size, int gfp)
{
	return malloc(size);
}

static inline void *kzalloc(size_t size, int gfp)
{
	return calloc(1, size);
}

static inline char *kmemdup_nul(const char *text, size_t len, int gfp)
{
	return strndup(text, len);
}

static inline void kfree(const void *p)
{
	free((void *)p);
}

/* Strings */

static inline ssize_t strscpy(char *to, const char *from, size_t size)
{
	size_t len = strnlen(from, size);

	if (len == size)
		return -E2BIG;
	memcpy(to, from, len + 1);
	return len;
}

static inline size_t str_has_prefix(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) ? 0 : len;
}

static inline int kstrtouint(const char *text, unsigned int base, unsigned int *number)
{
	unsigned long long value;
	char *end;

	if (isspace((unsigned char)*text) || *text == '-')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, base);
	if (end == text || (*end && strcmp(end, "\n")))
		return -EINVAL;
	if (errno || value > UINT_MAX)
		return -ERANGE;
	*number = value;
	return 0;
}

/* Buffers for text: what does not fit leaves them full. */

struct seq_buf {
	char	*buffer;
	size_t	size;
	size_t	len;
};

static inline void seq_buf_init(struct seq_buf *s, char *buffer, size_t size)
{
	*s = (struct seq_buf){ .buffer = buffer, .size = size };
}

static inline bool seq_buf_has_overflowed(const struct seq_buf *s)
{
	return s->len > s->size;
}

static inline void seq_buf_putmem(struct seq_buf *s, const void *data, size_t len)
{
	if (s->len + len > s->size) {
		s->len = s->size + 1;
		return;
	}
	memcpy(s->buffer + s->len, data, len);
	s->len += len;
}

__attribute__((format(printf, 2, 3)))
static inline void seq_buf_printf(struct seq_buf *s, const char *format, ...)
{
	char text[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	assert(len >= 0 && (size_t)len < sizeof(text));
	seq_buf_putmem(s, text, len);
}

#define seq_buf_putc(s, c)	seq_buf_printf(s, "%c", c)

/* For one event */
struct seq_file {
	struct seq_buf	seq;
};

#define seq_puts(file, text)	seq_buf_printf(&(file)->seq, "%s", text)
#define seq_printf(file, ...)	seq_buf_printf(&(file)->seq, __VA_ARGS__)

struct trace_seq {
	char		buffer[8192 - 16];
	struct seq_buf	seq;
	int		full;
};

static inline void trace_seq_putmem(struct trace_seq *s, const void *data, size_t len)
{
	/* All of it or nothing, and nothing after that */
	if (s->full || s->seq.len + len > s->seq.size)
		s->full = 1;
	else
		seq_buf_putmem(&s->seq, data, len);
}

#define trace_seq_printf(s, ...) do {				\
	char _text[2048];					\
	int _len = snprintf(_text, sizeof(_text), __VA_ARGS__);	\
								\
	trace_seq_putmem(s, _text, _len);			\
} while (0)
#define trace_seq_puts(s, text)	trace_seq_putmem(s, text, strlen(text))
#define trace_seq_putc(s, c)	trace_seq_printf(s, "%c", c)

/* What each record begins with */
struct trace_entry {
	u16	type;
	u8	flags;
	u8	preempt_count;
	s32	pid;
};

#endif /* UEV_KERNEL_H */
