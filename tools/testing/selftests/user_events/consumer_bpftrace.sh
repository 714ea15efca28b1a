#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# User events in bpftrace: counts by fields, and what two programs at once see.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/consumer_lib.sh"

tests=(counts_by_number_and_string sums_and_prints two_programs_on_one_event
	an_event_without_fields a_fixed_string a_rel_loc_string)
slow_tests=(two_programs_on_one_event)

# Without BTF, which this kernel may lack, bpftrace knows only the types of C.
types='#include <linux/types.h>
#define u32 __u32
#define s64 __s64
'

# start_bpftrace FILE PROGRAM: in the background, returns once it counts. bpftrace
# attaches one probe after the other, the first or the last one first, and sets an
# event's bit before the program is in place. So PROGRAM is put between two probes of
# other events: once the bits of both are set, all of PROGRAM is attached.
start_bpftrace()
{
	events head tail
	bpftrace -B line -e "$types tracepoint:user_events:head { exit(); } $2
		tracepoint:user_events:tail { exit(); }" >"$scratch/$1" 2>"$scratch/$1.err" &
	bpftrace=$!
	await used_by head perf || say "$(cat "$scratch/$1.err")"
	await used_by tail perf || say "$(cat "$scratch/$1.err")"
}

catches_sigint()
{
	local caught

	caught=$(sed -n 's/^SigCgt:\t//p' "/proc/$1/status" 2>/dev/null)
	[ ! -e "/proc/$1/fd/0" ] || ((16#${caught:-0} & 2))
}

stop_bpftrace()
{
	local end gone="[ ! -e /proc/$bpftrace/fd/0 ]"

	# A background job of a shell ignores SIGINT until it installs a handler. Another
	# one while it ends would cut off what it prints, but it can miss the first.
	await catches_sigint "$bpftrace"
	kill -INT "$bpftrace"
	end=$((SECONDS + 60))
	until eval "$gone" || [ $SECONDS -ge $end ]; do
		sleep 0.05
	done
	eval "$gone" || kill -INT "$bpftrace"
	await eval "$gone" || kill -KILL "$bpftrace"
	wait "$bpftrace" || wrong "bpftrace: $(cat "$scratch/$1.err")"
}

# Maps without the empty lines, sorted: their order is not defined
maps()
{
	grep '^@' "$scratch/$1" | sort
}

counts_by_number_and_string()
{
	open_writer
	tell "event hit u32 n; __data_loc char[] s"
	start_bpftrace out 'tracepoint:user_events:hit { @n[args->n] = count(); @s[str(args->s)] = count(); }'
	tell "wait hit" || say "$(cat "$scratch/out.err")"
	used_by hit perf || wrong "not used by perf"
	tell "5*emit hit 7 seven" "3*emit hit 8 eight" "emit hit 4294967295 seven"
	stop_bpftrace out
	tell "idle hit"
	close_writer
	is "bpftrace" "@n[4294967295]: 1
@n[7]: 5
@n[8]: 3
@s[eight]: 3
@s[seven]: 6" "$(maps out)"
}

sums_and_prints()
{
	open_writer
	tell "event sum s64 big; u32 n; __data_loc char[] s"
	start_bpftrace out 'tracepoint:user_events:sum /args->n > 1/ {
		printf("%s is %lld\n", str(args->s), args->big); @ = sum(args->big); @pid = pid; }'
	tell "wait sum" || say "$(cat "$scratch/out.err")"
	tell "emit sum -5000000000 1 unseen" "emit sum -7000000000 2 less" "emit sum 9000000000 3 more"
	# What is printed is on its way through a ring buffer.
	await grep -q more "$scratch/out"
	stop_bpftrace out
	is "bpftrace" "less is -7000000000
more is 9000000000" "$(grep ' is ' "$scratch/out")"
	is "its maps" "@: 2000000000
@pid: $writer" "$(maps out)"
	close_writer
}

two_programs_on_one_event()
{
	open_writer
	tell "event both u32 n"
	start_bpftrace out 'tracepoint:user_events:both { @first = sum(args->n); }
		tracepoint:user_events:both { @second = count(); }'
	tell "wait both" || say "$(cat "$scratch/out.err")"
	tell "4*emit both 3"
	stop_bpftrace out
	close_writer
	is "bpftrace" "@first: 12
@second: 4" "$(maps out)"
}

an_event_without_fields()
{
	open_writer
	tell "event none"
	start_bpftrace out 'tracepoint:user_events:none { @[comm] = count(); }'
	tell "wait none" || say "$(cat "$scratch/out.err")"
	tell "6*emit none"
	stop_bpftrace out
	close_writer
	is "bpftrace" "@[consumer_writer]: 6" "$(maps out)"
}

a_fixed_string()
{
	open_writer
	tell "event fix char[8] s; u32 n"
	start_bpftrace out 'tracepoint:user_events:fix { @[args->s] = sum(args->n); }'
	tell "wait fix" || say "$(cat "$scratch/out.err")"
	tell "2*emit fix one 10" "emit fix two 1"
	stop_bpftrace out
	close_writer
	is "bpftrace" "@[one]: 20
@[two]: 1" "$(maps out)"
}

a_rel_loc_string()
{
	events "rel u32 n; __rel_loc char[] s"
	bpftrace -e "$types tracepoint:user_events:rel { @[str(args->s)] = count(); } BEGIN { exit(); }" \
		>"$scratch/out" 2>"$scratch/err"
	if grep -q "__rel_loc" "$scratch/err"; then
		skip "$(bpftrace --version): $(grep -m1 __rel_loc "$scratch/err")"
		return
	fi
	open_writer
	tell "event rel u32 n; __rel_loc char[] s"
	start_bpftrace out 'tracepoint:user_events:rel { @[str(args->s)] = sum(args->n); }'
	tell "wait rel" || say "$(cat "$scratch/out.err")"
	tell "2*emit rel 10 one" "emit rel 1 two"
	stop_bpftrace out
	close_writer
	is "bpftrace" "@[one]: 20
@[two]: 1" "$(maps out)"
}

need bpftrace
run_tests
