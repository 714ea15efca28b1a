// SPDX-License-Identifier: GPL-2.0
/*
 * bakery - a small server whose requests can be traced
 *
 * Takes orders on its standard input, as inetd or a socket unit of systemd hands it
 * a connection: lines "KIND GRAMS". Each becomes a record of the event bakery_order
 * if somebody listens. With the library, tools/lib/user_events, two lines do that;
 * heartbeat.c shows the system calls behind them.
 */
#include <stdio.h>
#include <time.h>
#include <user_event.h>

USER_EVENT(bakery_order, u32 took_us, u32 grams, u16 status, str kind);

static unsigned int microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned int)now.tv_sec * 1000000U + (unsigned int)now.tv_nsec / 1000;
}

/* Baking takes longer the more there is to bake */
static int bake(unsigned int grams)
{
	const struct timespec oven = { .tv_nsec = grams * 1000L };

	if (grams > 5000)
		return 413;
	nanosleep(&oven, NULL);
	return 200;
}

int main(void)
{
	unsigned int grams, start;
	char line[128], kind[64];
	int status;

	while (fgets(line, sizeof(line), stdin)) {
		start = microseconds();
		grams = 0;
		status = sscanf(line, "%63s %u", kind, &grams) == 2 ? bake(grams) : 400;
		printf("%d\n", status);
		fflush(stdout);
		user_event(bakery_order, microseconds() - start, grams, (unsigned short)status,
			   status == 400 ? "" : kind);
	}
	return 0;
}
