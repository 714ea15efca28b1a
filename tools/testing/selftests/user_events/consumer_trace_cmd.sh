#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# User events in trace-cmd: record, report and stream. The fields are decoded by
# libtraceevent from the format file, and not by the kernel.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/consumer_lib.sh"

tests=(list record_a_program record_with_a_filter record_several_events stream_is_live
	extract_what_ftrace_has a_32_bit_writer)
slow_tests=(record_a_program stream_is_live)

data=$scratch/trace.dat
log=$scratch/trace-cmd.log

tc()
{
	(cd "$scratch" && trace-cmd "$@") >"$log" 2>&1 || wrong "trace-cmd $1: $(cat "$log")"
}

# From the event's name on: "EVENT: FIELDS". A filter has to come before -i.
report()
{
	(cd "$scratch" && trace-cmd report "$@" -i "$data") 2>"$log" | events_of
}

events_of()
{
	sed -nE 's/^ *[^ ]+-[0-9]+ +\[[0-9]+\] [^ ]* *[0-9]+\.[0-9]+: ([^ ]+:) */\1 /p' | sed 's/ *$//'
}

all="all s8 a; u8 b; s16 c; u16 d; s32 e; u32 f; s64 g; u64 h; char[6] i; __data_loc char[] j; \
__rel_loc char[] k"
all_values="7 255 8 65535 -2147483648 4294967295 -9223372036854775808 \
18446744073709551615 fixed data rel"
all_shown="all: a=7 b=255 c=8 d=65535 e=-2147483648 f=4294967295 g=-9223372036854775808 \
h=18446744073709551615 i=fixed j=data k=rel"

list()
{
	events "listed u32 n; __rel_loc char[] s"
	has "trace-cmd list" '^user_events:listed$' "$(trace-cmd list -e user_events 2>&1)"
	has "its format" 'field:u32 n;.*offset:8;.*size:4;.*signed:0;' \
		"$(trace-cmd list -e '^user_events:listed$' -F 2>&1)"
}

record_a_program()
{
	events "$all"
	cat >"$scratch/todo" <<-END
		event $all
		wait all
		emit all $all_values
	END
	tc record -q -o "$data" -e user_events:all sh -c "exec '$uev' <'$scratch/todo'"
	is "trace-cmd report" "$all_shown" "$(report)"
	# By libtraceevent alone, without the print fmt
	has "the numbers by themselves" 'a=7 b=(0xff|255) c=8 ' "$(report -R)"
	has "a string by itself" 'i=fixed' "$(report -R)"
	used_by all "" || wrong "trace-cmd has gone, its use has not"
}

record_with_a_filter()
{
	events "flt u32 n; __rel_loc char[] s"
	cat >"$scratch/todo" <<-END
		event flt u32 n; __rel_loc char[] s
		emit flt 1 one
		emit flt 2 two
		emit flt 3 one
		emit flt 4 four
	END
	tc record -q -o "$data" -e user_events:flt -f 'n > 1 && s ~ "*o*"' \
		sh -c "exec '$uev' <'$scratch/todo'"
	is "filtered by the kernel" "flt: n=2 s=two
flt: n=3 s=one
flt: n=4 s=four" "$(report)"
	is "filtered by the report" "flt: n=3 s=one" "$(report -F 'flt: n == 3')"
}

record_several_events()
{
	events "red u32 n" "green u32 n"
	cat >"$scratch/todo" <<-END
		event red u32 n
		event green u32 n
		emit red 1
		emit green 2
		emit red 3
	END
	tc record -q -o "$data" -e user_events sh -c "exec '$uev' <'$scratch/todo'"
	is "in the order of time" "red: n=1
green: n=2
red: n=3" "$(report)"
}

streamed()
{
	events_of <"$scratch/stream" | grep -q "$1"
}

# Records show up once trace-cmd has everything in place.
stream_has_begun()
{
	tell "emit live 0 begun" && streamed "live: n=0 s=begun"
}

stream_is_live()
{
	local stream

	open_writer
	tell "event live u32 n; __rel_loc char[] s"
	(cd "$scratch" && exec setsid stdbuf -oL trace-cmd stream -e user_events:live) \
		>"$scratch/stream" 2>"$log" &
	stream=$!
	tell "wait live"
	await stream_has_begun || say "$(cat "$log")"
	tell "emit live 1 early"
	await streamed "live: n=1 s=early"
	tell "emit live 2 late"
	await streamed "live: n=2 s=late"
	# Not by SIGINT: trace-cmd would then wait for its readers, which may wait
	# for a record.
	kill -- "-$stream"
	wait "$stream" 2>/dev/null
	is "trace-cmd stream" "live: n=1 s=early
live: n=2 s=late" "$(events_of <"$scratch/stream" | grep -v begun)"
	close_writer
}

extract_what_ftrace_has()
{
	events "ext u32 n"
	tc start -e user_events:ext
	emit <<-END
		event ext u32 n
		3*emit ext #
	END
	tc stop
	has "trace-cmd show" 'ext: n=1$' "$(trace-cmd show 2>&1)"
	tc extract -o "$data"
	is "trace-cmd report" "ext: n=0
ext: n=1
ext: n=2" "$(report)"
	tc reset
}

a_32_bit_writer()
{
	local uev

	writer_of_32_bits || return
	events "$all"
	cat >"$scratch/todo" <<-END
		event $all
		wait all
		emit all $all_values
	END
	tc record -q -o "$data" -e user_events:all sh -c "exec '$uev' <'$scratch/todo'"
	is "trace-cmd report" "$all_shown" "$(report)"
}

need trace-cmd
run_tests
