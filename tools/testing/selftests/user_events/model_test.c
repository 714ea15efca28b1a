// SPDX-License-Identifier: GPL-2.0
/*
 * Random sequences of operations in several processes, one operation at a time, and
 * after each of them all that can be seen compared with what the ABI says: results,
 * enable words of all processes, user_events_status, and now and then records,
 * counts, indexes and files. model.c is what the ABI says, model_run.h what an
 * operation does. enable_bit_torture is the concurrent test.
 *
 * Usage: model_test [-t SECONDS] [-s SEED] [-n OPERATIONS] [-p] [-v]
 *
 * A sequence that shows a difference is reduced to the operations that it takes, and
 * printed as a C program that needs nothing else. -p prints the first sequence as such
 * a program, right or wrong, and ends.
 */
#include <poll.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "model.h"
#include "uev_util.h"
#include "../kselftest.h"

#define MAX_OPS		2000
#define LONG_RUN	30000	/* so many operations have to have reached everything */
#define HANGS_MS	30000
#define SHRINK_MS	300000
#define SHRINK_WAIT_MS	3000	/* once something was wrong, waiting need not be long */

/* A request to a process: the operation, and what it takes besides numbers */
struct request {
	struct op op;
	int size;
	char text[200];
};

struct answer {
	int ret;
};

/* What was found to be wrong, as the line of C that would show it */
static struct difference {
	bool found;
	int kind;
	char text[400];
} difference;

enum { RESULT, BITS, STATUS, SEEN };

static const char * const kind_names[KINDS] = {
	"open", "close", "dup", "take", "register", "unregister", "delete", "write",
	"fork", "clone_vm", "vfork", "exit", "exec", "kill", "nobody", "map", "unmap",
	"move", "protect", "advise", "discard", "flip", "ftrace", "instance", "perf",
	"create", "remove", "group", "limit", "cpu", "look", "end",
};

/* How often a kind is drawn */
static const int weights[KINDS] = {
	[OP_OPEN] = 10, [OP_CLOSE] = 4, [OP_DUP] = 3, [OP_TAKE] = 4,
	[OP_REGISTER] = 50, [OP_UNREGISTER] = 20, [OP_DELETE] = 8, [OP_WRITE] = 50,
	[OP_FORK] = 8, [OP_CLONE_VM] = 4, [OP_VFORK] = 4, [OP_EXIT] = 4, [OP_EXEC] = 3,
	[OP_KILL] = 4,
	[OP_NOBODY] = 3, [OP_MAP] = 5, [OP_UNMAP] = 4, [OP_MOVE] = 4, [OP_PROTECT] = 8,
	[OP_ADVISE] = 5, [OP_DISCARD] = 4, [OP_FLIP] = 10, [OP_FTRACE] = 16,
	[OP_INSTANCE] = 12, [OP_PERF] = 8, [OP_CREATE] = 6, [OP_REMOVE] = 8,
	[OP_GROUP] = 5, [OP_LIMIT] = 6, [OP_CPU] = 1, [OP_LOOK] = 8,
};

/* Errors that have to be seen, besides success of each kind */
static const struct {
	int kind, error;
} errors[] = {
	{ OP_OPEN, EACCES }, { OP_OPEN, ENOENT }, { OP_CLOSE, EBADF }, { OP_DUP, EBADF },
	{ OP_TAKE, EBADF }, { OP_TAKE, EPERM },
	{ OP_REGISTER, EADDRINUSE }, { OP_REGISTER, EINVAL }, { OP_REGISTER, E2BIG },
	{ OP_REGISTER, EFAULT }, { OP_REGISTER, EPERM }, { OP_REGISTER, EMFILE },
	{ OP_REGISTER, EBADF }, { OP_REGISTER, ENODEV },
	{ OP_UNREGISTER, ENOENT }, { OP_UNREGISTER, EINVAL }, { OP_UNREGISTER, E2BIG },
	{ OP_UNREGISTER, EBADF }, { OP_UNREGISTER, EMFILE },
	{ OP_DELETE, ENOENT }, { OP_DELETE, EBUSY }, { OP_DELETE, EINVAL },
	{ OP_DELETE, EPERM }, { OP_DELETE, EBADF },
	{ OP_WRITE, EFAULT }, { OP_WRITE, EINVAL }, { OP_WRITE, ENOENT },
	{ OP_WRITE, EBADF }, { OP_WRITE, EMSGSIZE },
	{ OP_FTRACE, ENOENT }, { OP_INSTANCE, ENOENT }, { OP_PERF, ENOENT },
	{ OP_CREATE, EINVAL }, { OP_CREATE, EADDRINUSE }, { OP_CREATE, EMFILE },
	{ OP_REMOVE, ENOENT }, { OP_REMOVE, EBUSY },
	{ OP_GROUP, EEXIST }, { OP_GROUP, ENOENT }, { OP_GROUP, EBUSY },
};

static const int bits[] = { 0, 1, 5, 31, 32, 40, 63 };
#define KERNEL_BITS	0x80000123U	/* of both halves of a word, among them those */

static long done[KINDS], good[KINDS], refused[ARRAY_SIZE(errors)];
static long sequences, checked, records_seen;
static int request_pipes[PROCS][2], answer_pipe[2], exec_pipe[2];
static FILE *program;		/* where the program is printed to, or NULL */
static bool verbose, counting;
static unsigned long long rnd_state;
static struct op ops[MAX_OPS + 20];

static unsigned int rnd(unsigned int below)
{
	rnd_state = rnd_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (rnd_state >> 33) % below;
}

/* Makes the call, or prints it. */
#define CALL(call, format, ...)						\
	(program_line ? sprintf(program_line, #call "(" format ")", __VA_ARGS__) : \
	 call(__VA_ARGS__))
#define CALL_0(call)							\
	(program_line ? sprintf(program_line, #call "()") : call())

static int do_op(const struct request *r, char *program_line)
{
	static const char * const group_lines[] = {
		[GROUP_MAKE] = "+" GROUP " max=%d", [GROUP_LIMIT] = GROUP " max=%d",
		[GROUP_REMOVE] = "-" GROUP,
	};
	const struct op *op = &r->op;
	const char *system;
	char line[250];

	switch (op->kind) {
	case OP_OPEN:
		return CALL(m_open, "%d, %d", op->file, op->group);
	case OP_CLOSE:
		return CALL(m_close, "%d", op->file);
	case OP_DUP:
		return CALL(m_dup, "%d, %d", op->file, op->file2);
	case OP_TAKE:
		return CALL(m_take, "%d, %d, %d", op->proc, op->file, op->file2);
	case OP_REGISTER:
		return CALL(m_register, "%d, %d, %d, %d, %d, %d, \"%s\", %d", op->file,
			    op->page, op->word, op->bit, op->size, op->flags, r->text,
			    op->bad);
	case OP_UNREGISTER:
		return CALL(m_unregister, "%d, %d, %d, %d, %d", op->file, op->page,
			    op->word, op->bit, op->bad);
	case OP_DELETE:
		return CALL(m_delete, "%d, \"%s\", %d", op->file, r->text,
			    op->bad > 1 ? 600 : op->bad);
	case OP_WRITE:
		return CALL(m_write, "%d, %d, \"%s\", %d, %d", op->file, op->index,
			    r->text, r->size, op->pieces);
	case OP_FORK:
		return CALL(m_fork, "%d", op->proc);
	case OP_CLONE_VM:
		return CALL(m_clone_vm, "%d", op->proc);
	case OP_VFORK:
		return CALL(m_vfork, "%d", op->proc);
	case OP_EXIT:
		return CALL_0(m_exit);
	case OP_EXEC:
		return CALL_0(m_exec);
	case OP_KILL:
		return CALL(m_kill, "%d", op->proc);
	case OP_NOBODY:
		return CALL_0(m_nobody);
	case OP_MAP:
		return CALL(m_map, "%d, %d", op->page, op->way);
	case OP_UNMAP:
		return CALL(m_unmap, "%d, %d", op->page, op->way);
	case OP_MOVE:
		return CALL(m_move, "%d, %d, %d", op->page, op->page2, op->way);
	case OP_PROTECT:
		return CALL(m_protect, "%d, %d", op->page, op->on);
	case OP_ADVISE:
		return CALL(m_advise, "%d, %d", op->page, op->on);
	case OP_DISCARD:
		return CALL(m_advise, "%d, %d", op->page, MADV_DONTNEED);
	case OP_FLIP:
		return CALL(m_flip, "%d, %d, 0x%llxULL", op->page, op->word,
			    op->bits * 0x100000001ULL);
	case OP_FTRACE:
		return CALL(m_enable, "\"%s\", %d, %d", "", op->event, op->on);
	case OP_INSTANCE:
		return CALL(m_enable, "\"%s\", %d, %d", INSTANCE, op->event, op->on);
	case OP_PERF:
		return op->on ? CALL(m_perf_open, "%d", op->event) :
			CALL(m_perf_close, "%d", op->event);
	case OP_CREATE:
		sprintf(line, USER_EVENTS_PREFIX "%s%s",
			IN_GROUP(op->event) ? USER_EVENTS_SYSTEM "_" GROUP "/" : "", r->text);
		return CALL(m_put, "\"%s\", \"%s\"", TRACEFS "dynamic_events", line);
	case OP_REMOVE:
		system = IN_GROUP(op->event) ? USER_EVENTS_SYSTEM "_" GROUP "/" :
			op->bad == REMOVE_SYSTEM ? USER_EVENTS_SYSTEM "/" : "";
		sprintf(line, "%s%s%s%s", op->bad == REMOVE_BANG ? "!u:" : "-:", system,
			model.events[op->event].name, op->bad == REMOVE_FIELDS ?
			model_formats[op->format][op->spelling] : "");
		return CALL(m_put, "\"%s\", \"%s\"", TRACEFS "dynamic_events", line);
	case OP_GROUP:
		sprintf(line, group_lines[op->bad], op->index);
		return CALL(m_group, "\"%s\"", line);
	case OP_LIMIT:
		return CALL(m_limit, "%d, %d", op->bad, !op->on ? -1 :
			    op->bad == LIMIT_SYSTEM ? model_held(-1) : 0);
	case OP_CPU:
		return CALL(m_cpu, "%d", op->on);
	case OP_LOOK:
		return 0;
	case OP_END:
		return CALL_0(m_end);
	}
	return -EOPNOTSUPP;
}

/* The process number @arg: does what it is asked to. */
static int child(void *arg)
{
	int me = (long)arg;
	struct request request;
	struct answer answer;

	SET(run->born, 1);
	while (read(request_pipes[me][0], &request, sizeof(request)) ==
	       sizeof(request)) {
		answer.ret = do_op(&request, NULL);
		if (write(answer_pipe[1], &answer, sizeof(answer)) < 0)
			break;
	}
	_exit(0);
}

/* The first process has none of the files of this one but those of requests. */
static int first_child(void)
{
	pid_t pid = fork();
	int i;

	if (pid) {
		run->pids[0] = pid;
		return pid < 0 ? -errno : 0;
	}
	for (i = 0; i < PROCS; i++)
		close(request_pipes[i][1]);
	close(answer_pipe[0]);
	close(exec_pipe[1]);
	child(NULL);
	return 0;
}

/* Nothing waits for long, unless it hangs. */
static int next_answer(void)
{
	struct pollfd answers = { .fd = answer_pipe[0], .events = POLLIN };
	struct answer answer;

	if (poll(&answers, 1, wait_ms > HANGS_MS ? wait_ms : HANGS_MS) != 1)
		return -ETIME;
	if (read(answer_pipe[0], &answer, sizeof(answer)) != sizeof(answer))
		return -EPIPE;
	return answer.ret;
}

/* Has @request done by the process it is for. */
static int ask(const struct request *request)
{
	const struct op *op = &request->op;

	if (op->who == ADMIN)
		return do_op(request, NULL);
	if (op->kind == OP_VFORK)
		SET(run->born, 0);
	if (write(request_pipes[op->who][1], request, sizeof(*request)) < 0)
		return -EPIPE;
	switch (op->kind) {
	case OP_VFORK:
		return m_wait_born();
	case OP_EXIT:
		return m_wait_gone(op->who);
	case OP_EXEC:
		return m_wait_exec(op->who);
	}
	return next_answer();
}

/* The parent of a child of vfork() that ends goes on, and answers. */
static bool lets_parent_go_on(const struct op *op)
{
	switch (op->kind) {
	case OP_EXIT:
	case OP_EXEC:
		return model.procs[op->who].vforked_by;
	case OP_KILL:
		return model.procs[op->proc].vforked_by;
	}
	return false;
}

/* A line of the program */
static void say(const char *format, ...)
{
	va_list args;

	if (!program)
		return;
	va_start(args, format);
	fprintf(program, "\t");
	vfprintf(program, format, args);
	fprintf(program, "\n");
	va_end(args);
}

static bool differs(int kind, const char *format, ...)
{
	va_list args;

	if (difference.found)
		return false;
	difference.found = true;
	difference.kind = kind;
	va_start(args, format);
	vsnprintf(difference.text, sizeof(difference.text), format, args);
	va_end(args);
	say("%s", difference.text);
	return false;
}

/* Comparing what is seen with the model */

/* Reads the words of @page, and of no page that is to stay absent. */
static bool read_words(pid_t pid, int page, __u64 *words)
{
	struct iovec local[WORDS], remote[WORDS];
	int i;

	for (i = 0; i < WORDS; i++) {
		local[i] = (struct iovec){ &words[i], sizeof(*words) };
		remote[i] = (struct iovec){ word_at(page, i), sizeof(*words) };
	}
	return process_vm_readv(pid, local, WORDS, remote, WORDS, 0) ==
		WORDS * sizeof(*words);
}

static bool words_are_right(int proc, int *page, int *word)
{
	struct mm *mm = model.procs[proc].mm;
	__u64 words[WORDS];
	struct word *want;

	for (*page = 0; *page < PAGES; ++*page) {
		if (mm->pages[*page].state == PAGE_NONE || mm->pages[*page].absent)
			continue;
		*word = 0;
		if (!read_words(run->pids[proc], *page, words))
			return false;
		for (*word = 0; *word < WORDS; ++*word) {
			want = model_word(mm, *page, *word);
			if ((words[*word] ^ want->value) & ~want->unsure)
				return false;
			checked++;
		}
	}
	return true;
}

/* What waits in vfork() shares its memory with the child. */
static int who_can_look(int proc)
{
	int i;

	for (i = 0; i < PROCS; i++) {
		if (model.procs[i].state == PROC_ALIVE &&
		    model.procs[i].mm == model.procs[proc].mm)
			return i;
	}
	return proc;
}

/* Bits are right at once, or after a repair. */
static bool check_words(void)
{
	const struct word *want;
	int i, page, word;

	for (i = 0; i < PROCS; i++) {
		if (!model.procs[i].mm)
			continue;
		if (WAIT_FOR(words_are_right(i, &page, &word)))
			continue;
		want = model_word(model.procs[i].mm, page, word);
		return differs(BITS, "STEP(%d, m_word_is(%d, %d, 0x%llxULL, 0x%llxULL), 0);",
			       who_can_look(i), page, word, (unsigned long long)want->value,
			       (unsigned long long)want->unsure);
	}
	return true;
}

static int number_of(int group, const char *name, size_t len)
{
	int i;

	for (i = group * GROUP_EVENTS; i < (group + 1) * GROUP_EVENTS; i++) {
		if (strlen(run->names[i]) == len && !strncmp(run->names[i], name, len))
			return i;
	}
	return -1;
}

static int number_after(const char *text, const char *label)
{
	const char *line = line_with(text, label, ":");

	return line ? atoi(line + strlen(label) + 1) : -1;
}

static bool check_status(int group)
{
	char *text = text_of(file_of(group, "user_events_status")), *line = text;
	int lines = 0, busy = 0, number, i;
	bool seen[EVENTS] = { };
	struct event *event;

	for (; *line && *line != '\n'; line += strcspn(line, "\n") + 1) {
		const char *used_by = line + strcspn(line, "\n ");
		size_t len = strcspn(used_by, "\n");

		lines++;
		busy += len > 0;
		if (strncmp(line, run->prefix, strlen(run->prefix)))
			continue;
		number = number_of(group, line, used_by - line);
		if (number < 0)
			return differs(STATUS, "/* unknown event %.*s */",
				       (int)(used_by - line), line);
		seen[number] = true;
		event = &model.events[number];
		if (event->state == EVENT_GONE)
			return differs(STATUS, "STEP(ADMIN, m_status_is(%d, NULL), 0);", number);
		if (strlen(model_used_by(event)) != len ||
		    strncmp(used_by, model_used_by(event), len))
			return differs(STATUS, "STEP(ADMIN, m_status_is(%d, \"%s\"), 0);",
				       number, model_used_by(event));
	}
	if (number_after(line, "Active") != lines)
		return differs(STATUS, "STEP(ADMIN, m_count_is(%d, \"Active\", %d), 0);",
			       group, lines);
	if (number_after(line, "Busy") != busy)
		return differs(STATUS, "STEP(ADMIN, m_count_is(%d, \"Busy\", %d), 0);",
			       group, busy);
	for (i = group * GROUP_EVENTS; i < (group + 1) * GROUP_EVENTS; i++) {
		event = &model.events[i];
		if (event->state == EVENT_HELD && !seen[i])
			return differs(STATUS, "STEP(ADMIN, m_status_is(%d, \"%s\"), 0);", i,
				       model_used_by(event));
	}
	return true;
}

static bool check_records(int instance)
{
	const struct record *want;
	char text[100];
	int i, base;

	for (i = 0; i <= model.nr_records[instance]; i++) {
		want = i < model.nr_records[instance] ?
			&model.records[instance][i] : NULL;
		/* In another run, a multi-format event has another name. */
		base = want ? strcspn(want->name, ".") : 0;
		snprintf(text, sizeof(text), "%s%s", want ? want->name : "",
			 want ? want->text : "");
		if (strcmp(m_next_record(instance), text))
			return differs(SEEN, "STEP(ADMIN, m_record_is(%d, \"%.*s\", \"%s\"), 0);",
				       instance, base, text, want ? want->text : "");
		records_seen += !!want;
		say("STEP(ADMIN, m_record_is(%d, \"%.*s\", \"%s\"), 0);", instance,
		    base, text, want ? want->text : "");
	}
	return true;
}

static bool check_indexes(int proc, int number)
{
	const struct file *file = model.procs[proc].files[number];
	const char *fdinfo = file && file->nr ? fdinfo_of(proc, number) : "";
	int event, i, want;

	for (event = 0; file && event < EVENTS; event++) {
		want = -1;
		for (i = 0; i < file->nr; i++) {
			if (file->events[i] == event)
				want = i;
		}
		if (want >= 0 && index_in(fdinfo, event) != want)
			return differs(SEEN, "STEP(ADMIN, m_index_of(%d, %d, %d), %d);",
				       proc, number, event, want);
	}
	return true;
}

/* @text: what dynamic_events has */
static bool check_dynamic(const char *text, int number)
{
	const struct event *event = &model.events[number];
	const char *fields = model_formats[event->format][0];
	char line[200];
	int want = event->state == EVENT_HELD;

	if (IS_MULTI(number))
		return true;
	/* As it is shown, a blank comes after each semicolon. */
	sprintf(line, USER_EVENTS_PREFIX "%s%s%.*s%s%s",
		IN_GROUP(number) ? USER_EVENTS_SYSTEM "_" GROUP "/" : "", event->name,
		(int)strcspn(fields, ";"), fields, strchr(fields, ';') ? "; " : "",
		strchr(fields, ';') ? strchr(fields, ';') + 1 : "");
	if (!!line_with(text, line, "\n") == want)
		return true;
	return differs(SEEN, "STEP(ADMIN, m_has_line(\"%s\", \"%s\"), %d);",
		       TRACEFS "dynamic_events", line, want);
}

static bool check_group(void)
{
	char line[100];

	sprintf(line, GROUP " max=%d events=%d", model.group_max, model_held(1));
	if (m_has_line(GROUPS_DIR "control", line) == model.has_group &&
	    !access(GROUPS_DIR GROUP, F_OK) == model.has_group)
		return true;
	return differs(SEEN, "STEP(ADMIN, m_has_line(\"%s\", \"%s\"), %d);",
		       GROUPS_DIR "control", line, model.has_group);
}

/* What is not looked at after each operation. The events that nothing holds have gone. */
static bool look(const bool *idle)
{
	static char dynamic[65536];
	int i, f, want;

	for (i = 0; i < EVENTS; i++) {
		if (!idle[i])
			continue;
		say("STEP(ADMIN, m_wait_reaped(%d), 0);", i);
		if (m_wait_reaped(i))
			return differs(SEEN, "/* event %d stays */", i);
	}
	snprintf(dynamic, sizeof(dynamic), "%s", text_of(TRACEFS "dynamic_events"));
	for (i = 0; i < EVENTS; i++) {
		if (model.events[i].state == EVENT_IDLE || !*model.events[i].name)
			continue;
		want = model.events[i].state == EVENT_HELD;
		if (m_exists(i) != want)
			return differs(SEEN, "STEP(ADMIN, m_exists(%d), %d);", i, want);
		if (!check_dynamic(dynamic, i))
			return false;
		if (model.events[i].perf && m_perf_count(i) != model.events[i].perf_count)
			return differs(SEEN, "STEP(ADMIN, m_perf_count(%d), %d);", i,
				       model.events[i].perf_count);
	}
	for (i = 0; i < PROCS; i++) {
		for (f = 0; f < FILES; f++) {
			if (!check_indexes(i, f))
				return false;
		}
	}
	return check_group();
}

/* Executing */

static void count_result(const struct op *op, int ret)
{
	size_t i;

	if (!counting)
		return;
	done[op->kind]++;
	good[op->kind] += ret >= 0;
	for (i = 0; i < ARRAY_SIZE(errors); i++)
		refused[i] += errors[i].kind == op->kind && errors[i].error == -ret;
}

static void make_request(struct request *request, const struct op *op)
{
	*request = (struct request){ .op = *op };
	switch (op->kind) {
	case OP_REGISTER:
	case OP_CREATE:
		sprintf(request->text, "%s%s", model.events[op->event].name,
			model_formats[op->format][op->spelling]);
		break;
	case OP_DELETE:
		sprintf(request->text, "%s", model.events[op->event].name);
		break;
	case OP_WRITE:
		request->size = model_payload(op, request->text);
		break;
	}
}

static void say_op(const struct request *request, const struct results *results)
{
	const struct op *op = &request->op;
	char line[600], want[100] = "", who[8] = "ADMIN";
	int i;

	do_op(request, line);
	if (op->who != ADMIN)
		sprintf(who, "%d", op->who);
	for (i = 0; i < results->nr; i++)
		sprintf(want + strlen(want), ", %d", results->of[i]);
	if (op->kind == OP_EXIT || op->kind == OP_EXEC) {
		say("LAST(%s, %s);", who, line);
		say("STEP(ADMIN, m_wait_%s(%d), 0);",
		    op->kind == OP_EXIT ? "gone" : "exec", op->who);
	} else if (op->kind == OP_VFORK) {
		say("VFORK(%s, %d);", who, op->proc);
		say("STEP(ADMIN, m_wait_born(), 0);");
	} else if (op->kind != OP_LOOK) {
		say("STEP(%s, %s%s);", who, line, want);
	}
}

/* A multi-format event that was registered has a name that no other one had. */
static bool learn_name(const struct op *op)
{
	int number = EVENT_OF(model_group_of(op), op->event, op->format, true);
	struct event *event = &model.events[number];
	char before[32];

	memcpy(before, event->name, sizeof(before));
	say("STEP(ADMIN, m_learn(%d, \"%s\"), 0);", number, model.events[op->event].name);
	if (m_learn(number, model.events[op->event].name) ||
	    (event->state == EVENT_GONE && !strcmp(before, run->names[number])))
		return differs(STATUS, "/* no new name: '%s' */", run->names[number]);
	memcpy(event->name, run->names[number], sizeof(event->name));
	return true;
}

/* Does one operation, and compares. */
static bool execute(const struct op *op)
{
	bool idle[EVENTS];
	struct request request;
	struct results results;
	bool goes_on;
	int ret, i;

	make_request(&request, op);
	model_expect(op, &results);
	if (op->kind == OP_LOOK && (!check_records(0) || !check_records(1)))
		return false;
	if (program || verbose) {
		FILE *out = program;

		if (!program)
			program = stdout;
		say_op(&request, &results);
		fflush(program);
		program = out;
	}
	goes_on = lets_parent_go_on(op);
	ret = ask(&request);
	if (!ret && goes_on)
		ret = next_answer();
	count_result(op, ret);
	for (i = 0; i < results.nr && results.of[i] != ret; i++)
		;
	if (i == results.nr)
		return differs(RESULT, "/* that was %d */", ret);
	for (i = 0; i < EVENTS; i++)
		idle[i] = model.events[i].state == EVENT_IDLE;
	if (op->kind == OP_REGISTER && ret >= 0 &&
	    (op->flags & USER_EVENT_REG_MULTI_FORMAT) && !learn_name(op))
		return false;
	model_apply(op, ret);
	if (op->kind == OP_LOOK && !look(idle))
		return false;
	return check_words() && check_status(0) && (!model.has_group || check_status(1));
}

/* Drawing */

static int any_proc(enum proc_state state)
{
	int i, n = rnd(PROCS);

	for (i = 0; i < PROCS; i++) {
		if (model.procs[(n + i) % PROCS].state == state)
			return (n + i) % PROCS;
	}
	return n;
}

/* Most often one that has a file open */
static int any_writer(void)
{
	int i, f, n = rnd(PROCS);

	for (i = 0; i < PROCS && rnd(30); i++) {
		const struct proc *proc = &model.procs[(n + i) % PROCS];

		for (f = 0; proc->state == PROC_ALIVE && f < FILES; f++) {
			if (proc->files[f])
				return (n + i) % PROCS;
		}
	}
	return any_proc(PROC_ALIVE);
}

/* An event, most often one that there is */
static int any_event(void)
{
	int i, n = rnd(EVENTS);

	for (i = 0; i < EVENTS; i++) {
		if (rnd(20) == 0 || model.events[(n + i) % EVENTS].state == EVENT_HELD)
			return (n + i) % EVENTS;
	}
	return rnd(NAMES);
}

/* A single-format event, one that persists if there is one */
static int persistent_event(void)
{
	int i, n = rnd(NAMES), group = rnd(3) == 0;

	for (i = 0; i < NAMES; i++) {
		if (model.events[EVENT_OF(group, (n + i) % NAMES, 0, false)].persist)
			return EVENT_OF(group, (n + i) % NAMES, 0, false);
	}
	return EVENT_OF(group, n, 0, false);
}

/* A file, most often one that is open */
static int any_file(int proc)
{
	int i, n = rnd(FILES);

	for (i = 0; i < FILES && rnd(40); i++) {
		if (model.procs[proc].files[(n + i) % FILES])
			return (n + i) % FILES;
	}
	return n;
}

/* What a process without privileges may not: delete an event that persists */
static void draw_denied(struct op *op)
{
	int i, f, n = rnd(NAMES);

	for (i = 0; i < NAMES; i++) {
		if (model.events[(n + i) % NAMES].persist && !model_is_busy((n + i) % NAMES))
			break;
	}
	op->event = (n + i) % NAMES;
	n = rnd(PROCS);
	for (i = 0; i < PROCS; i++) {
		const struct proc *proc = &model.procs[(n + i) % PROCS];

		for (f = 0; f < FILES && proc->state == PROC_ALIVE && proc->nobody; f++) {
			if (!proc->files[f] || proc->files[f]->group)
				continue;
			op->who = (n + i) % PROCS;
			op->file = f;
			return;
		}
	}
}

static void draw_enabler(struct op *op)
{
	const struct mm *mm = model.procs[op->who].mm;
	int n = rnd(MAX_ENABLERS), i;

	op->word = rnd(WORDS);
	op->bit = bits[rnd(ARRAY_SIZE(bits))];
	/* One that there is, most often */
	for (i = 0; mm && i < MAX_ENABLERS && rnd(40); i++) {
		const struct enabler *enabler = &mm->enablers[(n + i) % MAX_ENABLERS];

		if (!enabler->used)
			continue;
		op->page = enabler->page;
		op->word = enabler->word;
		op->bit = enabler->bit;
		return;
	}
}

static void draw_write(struct op *op)
{
	const struct file *file = model.procs[op->who].files[op->file];
	int i;

	op->index = file && file->nr ? (int)rnd(file->nr) : 0;
	/* Most often of an event that is listened to */
	for (i = 0; file && i < file->nr && rnd(10); i++) {
		int index = (op->index + i) % file->nr;

		if (*model_used_by(&model.events[file->events[index]])) {
			op->index = index;
			break;
		}
	}
	if (rnd(15) == 0)
		op->index = rnd(2) ? -1 - (int)rnd(100) : (int)rnd(EVENTS + 20);
	op->value = rnd(1U << 31);
	op->pieces = rnd(20) ? 1 + rnd(4) : 0;
	op->bad = rnd(4) ? WRITE_GOOD : rnd(WRITE_BAD_END);
}

/* Would it leave nothing that can open files, or is it about a file that is not open? */
static bool is_poor(const struct op *op)
{
	int who = op->kind == OP_KILL ? op->proc : op->who, i;

	switch (op->kind) {
	case OP_REGISTER:
	case OP_UNREGISTER:
	case OP_WRITE:
		return !model.procs[who].files[op->file] && rnd(10);
	case OP_NOBODY:
	case OP_EXIT:
	case OP_EXEC:
	case OP_KILL:
		for (i = 0; i < PROCS; i++) {
			if (i != who && model.procs[i].mm && !model.procs[i].nobody)
				return false;
		}
		return true;
	}
	return false;
}

static void draw(struct op *op)
{
	int total = 0, i;

	for (i = 0; i < KINDS; i++)
		total += weights[i];
	do {
		int n = rnd(total);

		*op = (struct op){ };
		while (n >= weights[op->kind])
			n -= weights[op->kind++];
		if (op->kind >= OP_FTRACE || op->kind == OP_KILL ||
		    (op->kind == OP_DELETE && rnd(3) == 0))
			op->who = ADMIN;
		else if (op->kind >= OP_CLOSE && op->kind <= OP_WRITE)
			op->who = any_writer();
		else
			op->who = any_proc(PROC_ALIVE);
		op->file = op->who == ADMIN ? FILES : any_file(op->who);
		op->file2 = rnd(FILES);
		op->page = rnd(PAGES);
		op->page2 = rnd(PAGES);
		op->on = rnd(2);
		op->event = any_event();
		op->format = rnd(10) ? rnd(FORMATS) : rnd(ALL_FORMATS);
		op->spelling = rnd(SPELLINGS);
		switch (op->kind) {
		case OP_OPEN:
			op->file = rnd(FILES);
			op->group = rnd(model.has_group ? 3 : 10) == 0;
			break;
		case OP_TAKE:
			op->proc = any_proc(rnd(2) ? PROC_EXECUTED : PROC_ALIVE);
			op->file = any_file(op->proc);
			break;
		case OP_REGISTER:
			op->word = rnd(WORDS);
			op->bit = bits[rnd(ARRAY_SIZE(bits))];
			if (rnd(10) == 0)
				draw_enabler(op);
			op->size = op->bit > 31 || rnd(2) ? 8 : 4;
			op->flags = (rnd(model.procs[op->who].nobody ? 3 : 12) ? 0 :
				     USER_EVENT_REG_PERSIST) |
				(rnd(4) ? 0 : USER_EVENT_REG_MULTI_FORMAT);
			op->event = op->page == SHARED ? op->word : rnd(NAMES);
			op->bad = rnd(6) ? REG_GOOD : rnd(REG_BAD_END);
			/* Most often the fields that it has */
			n = EVENT_OF(model_group_of(op), op->event, 0, false);
			if (rnd(2) && model.events[n].state != EVENT_GONE)
				op->format = model.events[n].format;
			break;
		case OP_UNREGISTER:
			draw_enabler(op);
			op->bad = rnd(15) ? UNREG_GOOD : rnd(UNREG_BAD_END);
			break;
		case OP_DELETE:
			op->event = rnd(2) ? rnd(NAMES) : persistent_event() % GROUP_EVENTS;
			op->bad = rnd(10) ? 0 : 1 + rnd(2);
			if (rnd(3) == 0)
				draw_denied(op);
			break;
		case OP_WRITE:
			draw_write(op);
			break;
		case OP_FORK:
		case OP_CLONE_VM:
		case OP_VFORK:
			op->proc = any_proc(PROC_FREE);
			break;
		case OP_KILL:
			op->proc = any_proc(rnd(2) ? PROC_EXECUTED : PROC_ALIVE);
			break;
		case OP_MAP:
			op->way = rnd(MAP_WAYS);
			break;
		case OP_UNMAP:
			op->way = rnd(UNMAP_WAYS);
			break;
		case OP_MOVE:
			op->way = rnd(MOVE_WAYS);
			break;
		case OP_ADVISE: {
			static const int advice[] = {
				MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK,
				MADV_KEEPONFORK,
			};

			op->on = advice[rnd(ARRAY_SIZE(advice))];
			break;
		}
		case OP_FLIP:
			op->word = rnd(WORDS);
			op->bits = rnd(1U << 31) & ~KERNEL_BITS;
			if (rnd(3) == 0)
				op->bits |= 1U << (bits[rnd(ARRAY_SIZE(bits))] & 31);
			break;
		case OP_LIMIT:
			op->bad = model.no_events ? LIMIT_USER_EVENTS :
				model.no_bits ? LIMIT_USER_BITS : rnd(LIMITS);
			op->on = rnd(4) == 0;
			break;
		case OP_GROUP:
			op->bad = rnd(GROUP_LINES);
			if (!model.has_group && rnd(3))
				op->bad = GROUP_MAKE;
			op->index = rnd(GROUP_EVENTS);
			break;
		case OP_CREATE:
		case OP_REMOVE:
			op->event = EVENT_OF(rnd(3) == 0, rnd(NAMES), 0, false);
			if (op->kind == OP_CREATE)
				break;
			if (rnd(4))
				op->event = persistent_event();
			op->bad = rnd(REMOVE_END);
			op->format %= FORMATS;
			break;
		}
	} while (!model_is_valid(op) || is_poor(op));
}

/* The last operations: all ends, and nothing is left but what persists. */
static int draw_end(struct op *at)
{
	int i, nr = 0;

	at[nr++] = (struct op){ .kind = OP_LOOK, .who = ADMIN };
	at[nr++] = (struct op){ .kind = OP_END, .who = ADMIN };
	at[nr++] = (struct op){ .kind = OP_LOOK, .who = ADMIN };
	at[nr++] = (struct op){ .kind = OP_GROUP, .who = ADMIN, .bad = GROUP_REMOVE };
	for (i = 0; i < NAMES; i++)
		at[nr++] = (struct op){
			.kind = OP_DELETE, .who = ADMIN, .file = FILES, .event = i,
		};
	at[nr++] = (struct op){ .kind = OP_LOOK, .who = ADMIN };
	return nr;
}

/* Sequences */

/* All ends, whatever the state; the events may go later. */
static void clean_up(void)
{
	char path[100];
	int i;

	m_end();
	for (i = 0; i < NAMES; i++)
		m_delete(FILES, run->names[i], 0);
	m_group("-" GROUP);
	/* What is left in the buffers is of names that are not used again. */
	for (i = 0; i < 2; i++) {
		sprintf(path, TRACEFS "%strace", i ? INSTANCE : "");
		close(open(path, O_WRONLY | O_TRUNC | O_CLOEXEC));
		while (*m_next_record(i))
			;
	}
}

static void drain_answers(void)
{
	struct answer answer;

	fcntl(answer_pipe[0], F_SETFL, O_NONBLOCK);
	while (read(answer_pipe[0], &answer, sizeof(answer)) > 0)
		;
	fcntl(answer_pipe[0], F_SETFL, 0);
}

static bool make_pipes(void)
{
	int i;

	for (i = 0; i < PROCS; i++) {
		if (pipe2(request_pipes[i], O_CLOEXEC))
			return false;
	}
	return !pipe2(answer_pipe, O_CLOEXEC) && !pipe2(exec_pipe, O_CLOEXEC) &&
		dup2(exec_pipe[0], 99) >= 0;
}

static void close_pipes(void)
{
	int i;

	for (i = 0; i < PROCS; i++) {
		close(request_pipes[i][0]);
		close(request_pipes[i][1]);
	}
	close(answer_pipe[0]);
	close(answer_pipe[1]);
	close(exec_pipe[0]);
	close(exec_pipe[1]);
	close(99);
}

/*
 * Runs a sequence in new processes, with new names; draws it first if @new. Returns
 * how many operations it took to find a difference, or 0.
 */
static int run_sequence(struct op *sequence, int nr, bool new)
{
	static int number;
	char name[16];
	int i, last = nr;

	difference.found = false;
	sprintf(name, "m%d_", ++number);
	if (!make_pipes() || run_setup(name) || first_child())
		ksft_exit_fail_msg("no first process\n");
	model.has_hotplug = has_hotplug;
	model_init();
	for (i = 0; i < EVENTS; i++)
		memcpy(model.events[i].name, run->names[i], sizeof(run->names[i]));
	if (new)
		last = nr + draw_end(sequence + nr);
	for (i = 0; i < last; i++) {
		if (new && i < nr)
			draw(&sequence[i]);
		if (model_is_valid(&sequence[i]) && !execute(&sequence[i]))
			break;
	}
	clean_up();
	drain_answers();
	close_pipes();
	return difference.found ? i + 1 : 0;
}

/* Reducing: is the same kind of difference still there without some operations? */

static int still_differs(const struct op *from, int nr, int kind)
{
	static struct op copy[MAX_OPS + 20];
	int found;

	memcpy(copy, from, nr * sizeof(*from));
	found = run_sequence(copy, nr, false);
	return found && difference.kind == kind ? found : 0;
}

/* Leaves out pieces that are not needed, ever smaller ones, then single operations. */
static int shrink(struct op *sequence, int nr, int kind)
{
	static struct op fewer[MAX_OPS + 20];
	long end = now_ms() + SHRINK_MS;
	int piece = nr / 2, at, found, size;
	bool any = true;

	while (now_ms() < end && (piece > 1 || any)) {
		any = false;
		/* From the end: what comes late needs what comes early. */
		for (at = nr - piece; at > -piece && now_ms() < end; at -= piece) {
			int from = at < 0 ? 0 : at;

			size = at < 0 ? at + piece : piece;
			if (from + size > nr || size == nr)
				continue;
			memcpy(fewer, sequence, from * sizeof(*fewer));
			memcpy(fewer + from, sequence + from + size,
			       (nr - from - size) * sizeof(*fewer));
			found = still_differs(fewer, nr - size, kind);
			if (!found)
				continue;
			nr = found;
			memcpy(sequence, fewer, nr * sizeof(*fewer));
			any = true;
		}
		ksft_print_msg("%d operations are left\n", nr);
		if (piece > 1)
			piece = piece > nr ? nr / 2 : piece / 2;
		if (piece < 1)
			piece = 1;
	}
	return nr;
}

#define INCLUDE_TEXT(name, file)					\
	asm(".pushsection .rodata\n.globl " name "\n"			\
	    name ": .incbin \"" file "\"\n.byte 0\n.popsection\n")

INCLUDE_TEXT("model_run_text", "model_run.h");
INCLUDE_TEXT("model_steps_text", "model_steps.h");

/* Runs the sequence and prints it as a program; false if nothing was wrong with it. */
static bool print_program(struct op *sequence, int nr, bool new)
{
	static const char mark[] = "\t/* STEPS */\n";
	const char *here = strstr(model_steps_text, mark);
	char *steps = NULL;
	size_t size;
	int found;

	program = open_memstream(&steps, &size);
	found = run_sequence(sequence, nr, new);
	fclose(program);
	program = NULL;
	if (new || found)
		printf("%s\n#define PREFIX \"%s\"\n\n%.*s%s%s", model_run_text,
		       run->prefix, (int)(here - model_steps_text),
		       model_steps_text, steps, here + strlen(mark));
	free(steps);
	return found;
}

static void report(int nr, int seed)
{
	int kind = difference.kind, i;

	ksft_print_msg("seed %d, sequence %ld, operation %d: %s\n", seed, sequences, nr,
		       difference.text);
	wait_ms = SHRINK_WAIT_MS;
	nr = shrink(ops, nr, kind);
	ksft_print_msg("reduced to %d operations: %s\n", nr, difference.text);
	ksft_print_msg("what follows is a C program that shows it\n");
	for (i = 0; i < 5 && !print_program(ops, nr, false); i++)
		;
	if (i == 5)
		ksft_print_msg("it does not happen any more: a matter of timing\n");
	fflush(stdout);
}

/* How often what was done; false if something that is to be reached never was. */
static bool print_counts(void)
{
	bool all = true;
	size_t i;
	int k;

	for (k = 0; k < KINDS; k++) {
		ksft_print_msg("%-10s %6ld, %ld good", kind_names[k], done[k], good[k]);
		all &= good[k] > 0 || (k == OP_CPU && !model.has_hotplug);
		for (i = 0; i < ARRAY_SIZE(errors); i++) {
			if (errors[i].kind != k)
				continue;
			printf(", %ld %s", refused[i], strerrorname_np(errors[i].error));
			all &= refused[i] > 0;
		}
		printf("\n");
	}
	return all;
}

static void usage(const char *name)
{
	fprintf(stderr, "Usage: %s [-t SECONDS] [-s SEED] [-n OPERATIONS] [-p] [-v]\n", name);
	exit(KSFT_FAIL);
}

int main(int argc, char **argv)
{
	int seconds = uev_kernel_is_slow() ? 20 : 60, seed = 1, nr = 200, opt, found = 0;
	bool print = false, all;
	long begin, told, operations = 0;
	int k;

	while ((opt = getopt(argc, argv, "t:s:n:pv")) != -1) {
		switch (opt) {
		case 't':
			seconds = atoi(optarg);
			break;
		case 's':
			seed = atoi(optarg);
			break;
		case 'n':
			nr = atoi(optarg);
			break;
		case 'p':
			print = true;
			break;
		case 'v':
			verbose = true;
			break;
		default:
			usage(argv[0]);
		}
	}
	if (seconds < 1 || nr < 1 || nr > MAX_OPS)
		usage(argv[0]);

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGPIPE, SIG_IGN);
	model.is_64 = uev_kernel_is_64();
	model.has_segments = shmget(IPC_PRIVATE, 0, 0) < 0 && errno == EINVAL;
	wait_ms = UEV_WAIT_MS;
	uev_reset();
	if (print) {
		rnd_state = seed;
		print_program(ops, nr, true);
		uev_reset();
		return 0;
	}

	ksft_print_header();
	ksft_set_plan(2);
	counting = true;
	begin = now_ms();
	told = begin;
	/* A slow machine does one sequence in that time, which can be without a record */
	while (!found && (now_ms() - begin < seconds * 1000L ||
			  (sequences < 20 && !(checked && records_seen)))) {
		rnd_state = seed + ++sequences * 1000003ULL;
		found = run_sequence(ops, nr, true);
		if (now_ms() - told > 60000) {
			told = now_ms();
			ksft_print_msg("%ld s: %ld sequences\n", (told - begin) / 1000,
				       sequences);
		}
	}
	counting = false;
	for (k = 0; k < KINDS; k++)
		operations += done[k];
	ksft_print_msg("seed %d, %ld sequences, %ld operations, %ld words, %ld records\n",
		       seed, sequences, operations, checked, records_seen);
	all = print_counts();
	if (found)
		report(found, seed);
	ksft_test_result(!found && checked && records_seen, "all is as the model says\n");
	if (operations < LONG_RUN)
		ksft_test_result_skip("everything was reached: too few operations\n");
	else
		ksft_test_result(all, "everything was reached\n");
	close(pipes[0]);
	close(pipes[1]);
	m_put(TRACEFS "trace_clock", "local");
	uev_reset();
	ksft_finished();
}
