// SPDX-License-Identifier: GPL-2.0
/*
 * A shared object with events, which library_test.c loads and unloads.
 */
#include <user_event.h>

USER_EVENT(lib_object, u32 round);
USER_EVENT_WITH(USER_EVENT_MULTI_FORMAT, lib_object_multi, u32 round, str text);

void library_object_emit(unsigned int round)
{
	user_event(lib_object, round);
	user_event(lib_object_multi, round, "text");
}
