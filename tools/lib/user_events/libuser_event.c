// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * libuser_event - the functions of user_event.h, for languages that bind to C
 *
 * A program in C needs the header alone. This file has the header's functions as a
 * shared library, and functions that make an event from a command string at run time.
 */
#define USER_EVENT_LIBRARY
#include "user_event.h"
#include "libuser_event.h"

struct user_event *user_event_new(const char *command, unsigned int options)
{
	struct user_event *event;
	char *copy = strdup(command);
	void *memory;

	if (!copy)
		return NULL;
	/* Alone in its cache lines: the kernel may write it at any time */
	if (posix_memalign(&memory, 64, (sizeof(*event) + 63) & ~63UL)) {
		free(copy);
		return NULL;
	}

	event = memory;
	memset(event, 0, sizeof(*event));
	event->index = UINT32_MAX;
	event->error = -1;
	/* Bits that do not fit are unknown to the kernel, and so is this */
	event->flags = options > UINT16_MAX ? UINT16_MAX : (uint16_t)options;
	event->command = copy;
	user_event_register(event);
	return event;
}

void user_event_free(struct user_event *event)
{
	if (!event)
		return;
	/* Memory that the kernel may still write to must stay */
	if (user_event_unregister(event))
		return;
	free((char *)event->command);
	free(event);
}

const uint32_t *user_event_word(const struct user_event *event)
{
	return &event->enabled;
}

int user_event_write(struct user_event *event, const void *payload, size_t size)
{
	uint32_t index;
	int file = user_event_where(event, &index);
	struct iovec iov[] = {
		{ &index, sizeof(index) },
		{ (void *)(uintptr_t)payload, size },
	};
	int saved = errno, error = 0;

	if (file < 0)
		return EBADF;
	if (user_event_syscall(SYS_writev, file, iov, 2L) < 0) {
		error = errno;
		if (error == EBADF)
			user_event_file_lost(file);
		errno = saved;
	}
	return error;
}
