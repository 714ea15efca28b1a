/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a program that model_test prints has around its steps, behind model_run.h. It
 * exits with 1 at the first step that does not do what is expected.
 */

/* @want: what follows the name in user_events_status, NULL for no line */
static int m_status_is(int event, const char *want)
{
	return status_is(event, want) ? 0 : -1;
}

static int m_count_is(int group, const char *label, int want)
{
	const char *status = file_of(group, "user_events_status");
	const char *line = line_with(text_of(status), label, ":");

	return line && atoi(line + strlen(label) + 1) == want ? 0 : -1;
}

/* The index that an open file of another process has for an event, or -1 */
static int m_index_of(int proc, int file, int event)
{
	return index_in(fdinfo_of(proc, file), event);
}

/* Apart from bits that are @unsure */
static int m_word_is(int page, int word, unsigned long long want,
		     unsigned long long unsure)
{
	__u64 *at = word_at(page, word);

	return WAIT_FOR(!((GET(*at) ^ want) & ~unsure)) ? 0 : -1;
}

/* The next record is @want of an event called @name, or NAME.ID */
static int m_record_is(int instance, const char *name, const char *want)
{
	const char *record = m_next_record(instance), *fields;

	if (!*want)
		return *record ? -1 : 0;
	fields = strchr(record, ':');
	return !strncmp(record, name, strlen(name)) && fields &&
		!strcmp(fields, want) ? 0 : -1;
}

/* A process does the steps that are its own, when it is their turn. */
#define STEP(who, call, ...) do {					\
	const int want[] = { __VA_ARGS__ };				\
									\
	if (++step > from && me == (who)) {				\
		wait_for_turn(me, step);				\
		compare(#call, call, want, sizeof(want) / sizeof(int), step); \
	}								\
} while (0)

/* The last one of a process */
#define LAST(who, call) do {						\
	if (++step > from && me == (who)) {				\
		wait_for_turn(me, step);				\
		SET(run->step, step);					\
		call;							\
	}								\
} while (0)

/* The parent goes on after the steps of the child. */
#define VFORK(who, proc) do {						\
	if (++step > from && me == (who)) {				\
		wait_for_turn(me, step);				\
		SET(run->born, 0);					\
		SET(run->step, step);					\
		m_vfork(proc);						\
	}								\
} while (0)

static void wait_for_turn(int me, long step)
{
	while (GET(run->step) != step - 1 && !GET(run->wrong))
		usleep(300);
	if (!GET(run->wrong))
		return;
	if (me == ADMIN)
		m_end();
	_exit(1);
}

static void compare(const char *call, int ret, const int *want, int nr, long step)
{
	int i;

	for (i = 0; i < nr && want[i] != ret; i++)
		;
	if (i == nr) {
		printf("step %ld: %s is %d, not %d\n", step, call, ret, want[0]);
		fflush(stdout);
		SET(run->wrong, 1);
	}
	SET(run->step, step);
}

static void steps(int me, long from)
{
	long step = 0;

	/* STEPS */
	step++;
	wait_for_turn(me, me == ADMIN ? step : LONG_MAX);
}

static int child(void *arg)
{
	long from = GET(run->step) + (GET(run->born) >= 0);

	SET(run->born, 1);
	steps((long)arg, from);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		for (;;)
			pause();
	}
	if (run_setup(PREFIX)) {
		perror("as root, with tracefs mounted");
		return 2;
	}
	run->born = -1;
	m_fork(0);
	steps(ADMIN, 0);
	m_end();
	m_group("-" GROUP);
	printf("all as expected\n");
	return 0;
}
