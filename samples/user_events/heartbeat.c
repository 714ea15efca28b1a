// SPDX-License-Identifier: GPL-2.0
/*
 * heartbeat - a program that can be traced
 *
 * Declares a trace event and, at each beat, writes a record of it if somebody
 * listens. Made to be copied from: tracepoint.h is all that a program needs, and
 * every error is answered with what to do about it. See
 * Documentation/trace/user_events.rst.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "tracepoint.h"

#define TRACEFS		"/sys/kernel/tracing"
#define DATA_FILE	TRACEPOINT_DATA

/* Everything after the name; heartbeat_write() lays records out like this */
#define FIELDS		"u32 count; __rel_loc char[] note"

/* What to do about an error; a list ends with error 0, for all others */
struct advice {
	int		error;
	const char	*text;
};

static const struct advice open_advice[] = {
	{ EACCES, "this user may not write records. For members of GROUP to, as root:\n"
		  "    chmod o-rx " TRACEFS "/events\n"
		  "    chmod o+x " TRACEFS "\n"
		  "    chgrp GROUP " DATA_FILE "\n"
		  "    chmod g+w " DATA_FILE },
	{ EPERM,  "tracing is locked down: boot without lockdown=confidentiality" },
	{ EMFILE, "too many files are open in this process: close some, or raise ulimit -n" },
	{ ENFILE, "too many files are open in the system: raise /proc/sys/fs/file-max" },
	{ 0,	  "see Documentation/trace/user_events.rst" },
};

static const struct advice register_advice[] = {
	{ EADDRINUSE,
		  "this address and bit are registered already, or there is an event of\n"
		  "    this name with other fields (see " TRACEFS "/dynamic_events):\n"
		  "    take another name, or register with USER_EVENT_REG_MULTI_FORMAT" },
	{ EMFILE, "a limit is reached: see kernel.user_events_max, user.max_user_events,\n"
		  "    user.max_user_event_bits, or max= of the group" },
	{ EINVAL, "a name, field, flag, bit or address that the kernel does not take:\n"
		  "    a name has letters, digits, '_', '-' and '.', a field is TYPE NAME,\n"
		  "    and the address is a multiple of enable_size" },
	{ EFAULT, "the enable address is not writable, or the command string not readable" },
	{ E2BIG,  "struct user_reg has fields that this kernel does not know: zero them" },
	{ EPERM,  "USER_EVENT_REG_PERSIST takes CAP_PERFMON: do without the flag" },
	{ ENOTTY, "the kernel does not know this call: is the program a 32-bit one?" },
	{ ENOMEM, "out of memory: do without the trace point, or try again later" },
	{ 0,	  "see Documentation/trace/user_events.rst" },
};

static const struct advice unregister_advice[] = {
	{ ENOENT, "this process has not registered that address and bit, or not since its exec" },
	{ EINVAL, "set user_unreg.size, and zero what is reserved" },
	{ 0,	  "see Documentation/trace/user_events.rst" },
};

static const struct advice write_advice[] = {
	{ ENOENT, "an index holds for the file it was registered through: write to that one" },
	{ EINVAL, "the record is shorter than its fields" },
	{ EFAULT, "part of the record is not readable, or a string is outside of it or not\n"
		  "    ended by a NUL" },
	{ EMSGSIZE, "a listener's buffer does not take a record of this size: write less" },
	{ 0,	  "see Documentation/trace/user_events.rst" },
};

static int fail(const char *what, int error, const struct advice *advice)
{
	while (advice->error && advice->error != error)
		advice++;

	fprintf(stderr, "heartbeat: %s: %s\n", what, strerror(error));
	fprintf(stderr, "heartbeat: %s\n", advice->text);
	return -1;
}

/* ENOENT has three causes, and each another cure */
static int fail_open(int error)
{
	struct advice none = { 0, "this kernel lacks CONFIG_USER_EVENTS, or is locked down" };
	struct statfs fs;

	if (error == ENOENT) {
		if (statfs(TRACEFS, &fs))
			none.text = "this kernel was built without tracing, CONFIG_TRACING";
		else if (fs.f_type != TRACEFS_MAGIC)
			none.text = "tracefs is not mounted. As root:\n"
				    "    mount -t tracefs nodev " TRACEFS;
	}
	return fail("open " DATA_FILE, error, error == ENOENT ? &none : open_advice);
}

/* 1: recorded; 0: the listener left in the meantime; -1: a mistake, reported */
static int heartbeat_write(const struct tracepoint *tp, __u32 count, const char *note)
{
	size_t note_size = strlen(note) + 1;
	struct {
		__u32 count;
		__u32 note_loc;
	} fixed = {
		.count		= count,
		/* The string starts right behind the location: offset 0 */
		.note_loc	= DYN_LOC(0, (__u32)note_size),
	};
	const struct iovec part[3] = {
		{ (void *)&tp->write_index, sizeof(tp->write_index) },
		{ &fixed, sizeof(fixed) },
		{ (void *)note, note_size },
	};
	int ret;

	/* The location has 16 bits for the size */
	if (note_size > UINT16_MAX)
		return fail("write", EMSGSIZE, write_advice);

	ret = tracepoint_write(tp, part, 3);
	if (!ret)
		return 1;
	/* The last listener left between the test of the bit and the write */
	if (ret == -EBADF)
		return 0;
	return fail("write", -ret, write_advice);
}

static int beat(const struct tracepoint *tp, unsigned long interval_ms, unsigned long beats,
		const char *note)
{
	const struct timespec interval = {
		.tv_sec		= interval_ms / 1000,
		.tv_nsec	= interval_ms % 1000 * 1000000,
	};
	unsigned long count, records = 0;
	int enabled, seen = 0;
	sigset_t stop;

	/* The signals wait for sigtimedwait(), so that none is missed */
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);

	for (count = 1; !beats || count <= beats; count++) {
		enabled = tracepoint_enabled(tp);
		if (enabled != seen) {
			printf("the bit is %s\n", enabled ? "set: somebody listens" :
							    "clear: nobody listens");
			seen = enabled;
		}

		if (enabled) {
			switch (heartbeat_write(tp, count, note)) {
			case 1:
				printf("wrote count=%lu note=%s\n", count, note);
				records++;
				break;
			case 0:
				printf("the listener left before count=%lu was written\n", count);
				break;
			default:
				return -1;
			}
		}

		if (sigtimedwait(&stop, NULL, &interval) > 0)
			break;
	}

	printf("ending, %lu records written\n", records);
	return 0;
}

static int bad_usage(void)
{
	fputs("usage: heartbeat [-n NAME] [-i MILLISECONDS] [-c BEATS] [-t TEXT]\n"
	      "  -n  name of the event (heartbeat)\n"
	      "  -i  time between beats (1000)\n"
	      "  -c  end after so many beats (0: at SIGINT or SIGTERM)\n"
	      "  -t  text of the field \"note\" (ok)\n", stderr);
	return 2;
}

static int number(const char *text, unsigned long *value)
{
	char *end;

	errno = 0;
	*value = strtoul(text, &end, 10);
	return errno || end == text || *end || *text == '-';
}

int main(int argc, char **argv)
{
	unsigned long interval_ms = 1000, beats = 0;
	const char *name = "heartbeat", *note = "ok";
	struct tracepoint tp;
	char command[512];
	int option, ret, closed;

	while ((option = getopt(argc, argv, "n:i:c:t:")) != -1) {
		switch (option) {
		case 'n':
			name = optarg;
			break;
		case 'i':
			if (number(optarg, &interval_ms))
				return bad_usage();
			break;
		case 'c':
			if (number(optarg, &beats))
				return bad_usage();
			break;
		case 't':
			note = optarg;
			break;
		default:
			return bad_usage();
		}
	}
	if (optind < argc)
		return bad_usage();

	/* Lines show up as they happen, in a pipe or a file too */
	setvbuf(stdout, NULL, _IOLBF, 0);

	ret = snprintf(command, sizeof(command), "%s " FIELDS, name);
	if (ret >= (int)sizeof(command)) {
		fail("register", EINVAL, register_advice);
		return 1;
	}

	ret = tracepoint_open(&tp, command);
	if (ret) {
		if (tp.fd < 0)
			fail_open(-ret);
		else
			fail("register", -ret, register_advice);
		return 1;
	}

	printf("registered \"%s\"\n", command);
	printf("the bit is %s at address %p\n", tracepoint_enabled(&tp) ? "set" : "clear",
	       (void *)&tp.enabled);

	ret = beat(&tp, interval_ms, beats, note);

	closed = tracepoint_close(&tp);
	if (closed)
		ret = fail("unregister", -closed, unregister_advice);

	return ret ? 1 : 0;
}
