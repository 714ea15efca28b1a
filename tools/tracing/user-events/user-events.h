/* SPDX-License-Identifier: GPL-2.0 */
/*
 * user-events - look at user events, and work with them
 *
 * events.c	what the kernel tells of events
 * fields.c	what is in a record
 * output.c	for a person, for a pipe, as JSON
 * the others	a subcommand each
 */
#ifndef USER_EVENTS_H
#define USER_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <json-c/json.h>
#include <tracefs.h>

/* Exit status, see user-events(1) */
enum {
	UE_OK,
	UE_FOUND,		/* doctor: there is something to fix */
	UE_USAGE,
	UE_FAILED,
	UE_NOTHING,		/* no such event, or nobody listened */
};

/* Which files the kernel has: mainline's lacks some */
struct kernel {
	bool losses;
	bool enablers;
	bool groups;
};

/* Of /proc */
struct process {
	int pid;
	int inside;		/* its PID in its own namespace, 0 if that is the same */
	char *exe;
};

/* A program that has registered an event */
struct program {
	int pid;
	int inside;		/* as in struct process */
	char comm[64];
	const char *exe;
	int bits;		/* how many it has registered */
	int wrong;		/* how many are not as they should be */
	char state[16];		/* of one that is not */
};

/* An event, as all the files together tell */
struct event {
	char *group;		/* "" for the default group */
	char *system;
	char *name;
	char *fields;		/* "" if it has none, or it is not known */
	char *listeners;	/* "ftrace perf other", or some of them */
	char *losses;		/* "full=1 off=0 size=0 data=0", or "" */
	bool namesake;		/* another event of the group has its name, see ue_namesake() */
	struct program *programs;
	int nr_programs;
};

struct events {
	struct kernel kernel;
	struct event *events;
	int nr;
	bool complete;		/* no file was unreadable */
	/* To find them by name */
	struct event **sorted;
	void *processes;
};

/* A line of user_events_groups/control */
struct group_line {
	char name[64];
	unsigned int max, nr;	/* how many events it may have, and has */
};

/* events.c */
bool ue_ready(void);
char *ue_read(const char *file);
char *ue_path(const char *file);
bool ue_events_read(struct events *events);
bool ue_names_read(struct events *events);
void ue_events_free(struct events *events);
bool ue_lacks_one(const struct events *events, char **patterns);
bool ue_matches(const struct event *event, char **patterns);
void ue_lacks(const struct kernel *kernel);
char *ue_namesake(const struct event *event);

/* fields.c */
struct format;
struct format *ue_format_parse(char *text, const char *system);
void ue_format_free(struct format *format);
int ue_format_id(const struct format *format);
const char *ue_format_name(const struct format *format);
const char *ue_format_system(const struct format *format);
json_object *ue_format_json(const struct format *format, const char *record, size_t size);
void ue_format_print(const struct format *format, const char *record, size_t size);

/* output.c */
extern bool ue_json, ue_person;
bool ue_output_init(const char *color);
int ue_output_end(int status);
const char *ue_clear(void);
const char *ue_bold(void);
const char *ue_warn(void);
const char *ue_dim(void);
const char *ue_plain(void);
void ue_json_print(json_object *object);
json_object *ue_json_text(const char *text, size_t len);
json_object *ue_json_string(const char *text);
json_object *ue_json_words(const char *text);
json_object *ue_json_counts(const char *text);
void ue_print_text(const char *text, size_t len);
int ue_print(const char *text);
int ue_print_name(const struct event *event);
char *ue_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
void ue_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* group.c */
bool ue_group_parse(const char *line, struct group_line *group);

/* emit.c */
size_t ue_type_size(const char *type);

/* main.c */
int ue_option(int argc, char **argv, const char *options);
bool ue_number(int option, const char *text, long *number);
bool ue_seconds(int option, const char *text, double min, double *seconds);

/* The subcommands: what follows their name, their exit status */
int ue_list(int argc, char **argv);
int ue_watch(int argc, char **argv);
int ue_stat(int argc, char **argv);
int ue_emit(int argc, char **argv);
int ue_record(int argc, char **argv);
int ue_group(int argc, char **argv);
int ue_doctor(int argc, char **argv);

#endif /* USER_EVENTS_H */
