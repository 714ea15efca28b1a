// SPDX-License-Identifier: GPL-2.0
/*
 * A program with an event, which library_test.c starts in all circumstances. It says
 * why there are no records, waits for the end of its input, and tries again. Built as
 * C++ it writes records before main() and after it, too.
 */
#include <stdio.h>
#include <user_event.h>

USER_EVENT(lib_program, u32 step, str text);

#ifdef __cplusplus
struct early_and_late {
	early_and_late() { user_event(lib_program, 1, "constructor"); }
	~early_and_late() { user_event(lib_program, 4, "destructor"); }
};

static early_and_late object;
#endif

int main(int argc, char **argv)
{
	int missing;

	if (argc > 1)
		user_event_use_file(atoi(argv[1]));
	user_event(lib_program, 2, "main");
	/* Whoever reads this may listen from now on */
	printf("%s\n", user_event_why(lib_program));
	fflush(stdout);
	while (getchar() != EOF)
		;
	missing = user_event_retry();
	user_event(lib_program, 3, "retried");
	printf("%d: %s\n", missing, user_event_why(lib_program));
	return 0;
}
