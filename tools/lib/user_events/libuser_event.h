/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * libuser_event.h - events that are declared while the program runs
 *
 * For languages that bind to C. A program in C or C++ is better off with
 * user_event.h, which needs no library.
 */
#ifndef LIBUSER_EVENT_H
#define LIBUSER_EVENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct user_event;

/**
 * user_event_new() - declare an event
 * @command: name and fields as the kernel reads them, "loaf u32 grams; s16 rest"
 * @options: 1 to let it persist, 2 for one of several formats, or both
 *
 * Return: the event, also if it could not be registered: user_event_reason() has
 * the reason. NULL if there is no memory.
 */
struct user_event *user_event_new(const char *command, unsigned int options);

/**
 * user_event_free() - unregister an event and free it
 * @event: the event, or NULL
 *
 * If it cannot be unregistered, its memory is not freed: the kernel may write to it.
 */
void user_event_free(struct user_event *event);

/**
 * user_event_word() - where to look whether somebody listens
 * @event: the event
 *
 * Return: the address of a word that is not 0 while somebody does, for as long as
 * the event is there.
 */
const uint32_t *user_event_word(const struct user_event *event);

/**
 * user_event_write() - write a record
 * @event: the event
 * @payload: its fields, one after the other, with what dynamic ones point to
 * @size: bytes of @payload
 *
 * Return: 0, or an errno; EBADF when nobody listens, or the event is not registered.
 */
int user_event_write(struct user_event *event, const void *payload, size_t size);

/* As in user_event.h */
#ifndef USER_EVENT_H
int user_event_retry(void);
int user_event_use_file(int file);
const char *user_event_reason(const struct user_event *event);
#endif

#ifdef __cplusplus
}
#endif

#endif /* LIBUSER_EVENT_H */
