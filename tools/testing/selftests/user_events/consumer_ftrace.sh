#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# User events in ftrace: what the trace shows, filters, pids, instances.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/consumer_lib.sh"

tests=(trace_text trace_pipe_text raw_and_hex filter_numbers filter_fixed_strings
	filter_dynamic_strings filter_is_checked set_event_pid_follows_a_task
	instances_with_different_filters a_32_bit_writer)
slow_tests=(trace_pipe_text instances_with_different_filters)

# One of each type
every="every s8 a; u8 b; s16 c; u16 d; s32 e; u32 f; s64 g; u64 h; char i; \
unsigned char j; short k; unsigned short l; int m; unsigned int n; char[6] o; \
__data_loc char[] p"
lowest="-128 255 -32768 65535 -2147483648 4294967295 -9223372036854775808 \
18446744073709551615 -1 200 -2 60000 -3 4000000000 fixed dynamic"
lowest_shown="every: a=-128 b=255 c=-32768 d=65535 e=-2147483648 f=4294967295 \
g=-9223372036854775808 h=18446744073709551615 i=-1 j=200 k=-2 l=60000 m=-3 \
n=4000000000 o=fixed p=dynamic"

trace_text()
{
	local pid

	events "$every" "bare" "rel u32 n; __rel_loc char[] a; __rel_loc char[] b"
	echo 1 >events/user_events/enable
	emit <<-END
		event $every
		event bare
		event rel u32 n; __rel_loc char[] a; __rel_loc char[] b
		emit every $lowest
		emit bare
		2*emit rel # first second
	END
	is "the trace" "$lowest_shown
bare: 
rel: n=0 a=first b=second
rel: n=1 a=first b=second" "$(shown)"
	pid=$(sed -nE 's/^ *[^ ]+-([0-9]+) .*/\1/p' trace | sort -u)
	has "one process wrote all" '^[0-9]+$' "$pid"
}

trace_pipe_text()
{
	local reader

	events "pipe u32 n; __rel_loc char[] s"
	echo 1 >events/user_events/pipe/enable
	timeout "$patience" cat trace_pipe >"$scratch/pipe" &
	reader=$!
	emit <<-END
		event pipe u32 n; __rel_loc char[] s
		20*emit pipe # text
	END
	await eval "[ \$(grep -c pipe: $scratch/pipe) -ge 20 ]"
	kill $reader
	wait $reader 2>/dev/null
	is "trace_pipe" "$(for n in {0..19}; do echo "pipe: n=$n s=text"; done)" \
		"$(shown "$scratch/pipe")"
	is "the trace, once it is read" "" "$(shown)"
}

# Like events of the kernel, user events have no raw and hex format of their own.
raw_and_hex()
{
	local id pid text

	events "plain u32 n; u16 m; char[4] s"
	echo 1 >events/user_events/plain/enable
	id=$(cat events/user_events/plain/id)
	open_writer
	pid=$writer
	tell "event plain u32 n; u16 m; char[4] s" "emit plain 0x11223344 0xabcd xyz"
	close_writer
	is "without an option" "plain: n=287454020 m=43981 s=xyz" "$(shown)"
	echo 1 >options/raw
	text=$(grep -v '^#' trace)
	echo 0 >options/raw
	has "raw" "^$pid [0-9]+ [0-9]+ type: $id\$" "$text"
	is "lines" 1 "$(wc -l <<<"$text")"
	echo 1 >options/hex
	text=$(grep -v '^#' trace)
	echo 0 >options/hex
	has "hex" "^$(printf %08x "$pid") [0-9a-f]{8} [0-9a-f]{16} type: $id\$" "$text"
	[ -e options/fields ] || return 0
	echo 1 >options/fields
	text=$(shown)
	echo 0 >options/fields
	is "fields" "plain: n=0x11223344 (287454020) m=0xabcd (43981) s=xyz" "$text"
}

# matches EVENT FILTER EXPECTED: the numbers n of the records that pass, of those
# that are written when the writer is told $records
matches()
{
	local passed

	: >trace
	if ! echo "$2" >"events/user_events/$1/filter"; then
		wrong "filter $2 is refused: $(cat "events/user_events/$1/filter")"
		return
	fi
	tell "${records[@]}" || return
	passed=$(sed -nE 's/^.*: n=([0-9]+).*/\1/p' trace)
	is "$2" "$3" "${passed//$'\n'/ }"
}

filter_numbers()
{
	local fields="u32 n; s8 b; u8 B; s16 w; u16 W; s64 l; u64 L; char c"
	local records=("emit num 1 -1 1 -1 1 -1 1 -1"
		"emit num 2 100 200 30000 60000 5000000000 18446744073709551615 65"
		"emit num 3 0 0 0 0 0 0 0"
		"emit num 4 -128 255 -32768 65535 -9223372036854775808 9223372036854775808 97")

	open_writer
	tell "event num $fields"
	echo 1 >events/user_events/num/enable
	matches num "n == 3" 3
	matches num "n != 3 && n > 1" "2 4"
	matches num "b < 0" "1 4"
	matches num "b == -128 || b == 100" "2 4"
	matches num "B >= 200" "2 4"
	matches num "w <= -1" "1 4"
	matches num "W > 60000" 4
	matches num "l < -1" 4
	matches num "l > 4294967296" 2
	matches num "L > 9223372036854775807" "2 4"
	matches num "L == 18446744073709551615" 2
	matches num "B & 4" "4"
	matches num "c == 65" 2
	matches num "!(c < 0) && n < 4" "2 3"
	close_writer
}

# strings EVENT TYPE
strings()
{
	local records=("emit $1 1 apple" "emit $1 2 pineapple" "emit $1 3 apples" "emit $1 4 pear")

	open_writer
	tell "event $1 u32 n; $2 s"
	echo 1 >"events/user_events/$1/enable"
	matches "$1" 's == "apple"' 1
	matches "$1" 's != "apple"' "2 3 4"
	matches "$1" 's ~ "apple*"' "1 3"
	matches "$1" 's ~ "*apple*"' "1 2 3"
	matches "$1" 's ~ "p*r"' 4
	matches "$1" 's ~ "[ap]?[pa]*"' "1 3 4"
	matches "$1" 's ~ "*pp*" && n > 1' "2 3"
	matches "$1" 's ~ "*apple"' "1 2"
	close_writer
}

# As large as its longest value
filter_fixed_strings()
{
	strings fix "char[10]"
}

filter_dynamic_strings()
{
	strings dyn "__data_loc char[]"
	strings rel "__rel_loc char[]"
}

filter_is_checked()
{
	events "chk u32 n; char[8] s"
	if { echo 'missing == 1' >events/user_events/chk/filter; } 2>/dev/null; then
		wrong "a filter on a field that is not there is taken"
	fi
	has "what the kernel says" "Field not found" "$(cat events/user_events/chk/filter)"
	if { echo 'n == "text"' >events/user_events/chk/filter; } 2>/dev/null; then
		wrong "a filter of a number against text is taken"
	fi
	echo 'common_pid == 1' >events/user_events/chk/filter || wrong "common_pid"
}

set_event_pid_follows_a_task()
{
	local chosen

	events "who u32 n"
	echo 1 >events/user_events/who/enable
	open_writer
	chosen=$writer
	echo "$chosen" >set_event_pid
	emit <<-END
		event who u32 n
		3*emit who #
	END
	tell "event who u32 n" "2*emit who #"
	close_writer
	is "records of the chosen one" "who: n=0
who: n=1" "$(shown)"
	has "its pid" "-$chosen " "$(cat trace)"
	: >trace
	echo >set_event_pid
	emit <<-END
		event who u32 n
		3*emit who #
	END
	is "records of all" 3 "$(shown | wc -l)"
}

instances_with_different_filters()
{
	events "both u32 n; __rel_loc char[] s"
	mkdir instances/consumer_a instances/consumer_b || wrong "no instances"
	echo 'n < 3' >instances/consumer_a/events/user_events/both/filter
	echo 's ~ "o*"' >instances/consumer_b/events/user_events/both/filter
	echo 1 >instances/consumer_a/events/user_events/both/enable
	echo 1 >instances/consumer_b/events/user_events/both/enable
	emit <<-END
		event both u32 n; __rel_loc char[] s
		emit both 1 one
		emit both 2 two
		emit both 3 three
		emit both 11 oneone
	END
	is "instance a" "both: n=1 s=one
both: n=2 s=two" "$(shown instances/consumer_a/trace)"
	is "instance b" "both: n=1 s=one
both: n=11 s=oneone" "$(shown instances/consumer_b/trace)"
	is "the top instance" "" "$(shown)"
	echo 0 >instances/consumer_a/events/user_events/both/enable
	used_by both ftrace || wrong "not used by ftrace, while instance b is on"
	echo 0 >instances/consumer_b/events/user_events/both/enable
	used_by both "" || wrong "still in use: $(cat user_events_status)"
}

a_32_bit_writer()
{
	local uev

	writer_of_32_bits || return
	events "$every"
	echo 1 >events/user_events/every/enable
	emit <<-END
		event $every
		wait every
		emit every $lowest
	END
	is "the trace" "$lowest_shown" "$(shown)"
}

run_tests
