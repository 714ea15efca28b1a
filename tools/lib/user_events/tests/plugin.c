// SPDX-License-Identifier: GPL-2.0
/*
 * An object that shares nothing with the program that loads it, for library.c: linked
 * with -Bsymbolic it has its own user_event_process.
 */
#include <user_event.h>

USER_EVENT(plugged, u32 n);

int plugin_first_number(void)
{
	return user_event_first_number();
}

int plugin_retry(void)
{
	return user_event_retry();
}
