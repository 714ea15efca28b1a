#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# User events with triggers: histograms, switches, snapshots, and synthetic
# events made of two of them.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/consumer_lib.sh"

tests=(hist_of_a_number hist_sorted_by_a_sum hist_of_strings hist_of_two_keys
	hist_with_a_filter hist_by_pid hist_by_stack traceoff_and_traceon
	snapshot_keeps_the_trace enable_and_disable_another_event
	latency_between_two_events probe_on_an_event)
slow_tests=(enable_and_disable_another_event latency_between_two_events)

# trigger EVENT TRIGGER
trigger()
{
	echo "$2" >>"events/user_events/$1/trigger" ||
		wrong "$1: trigger $2 is refused: $(cat error_log)"
}

# hist EVENT: its lines and totals, blanks squeezed
hist()
{
	grep -E '^[{}]|^    ' "events/user_events/$1/hist" | sed -E 's/ +/ /g; s/^ | $//g'
}

fruit()
{
	emit <<-END
		event fruit u32 n; s32 weight; char[8] kind; __rel_loc char[] grower; __data_loc char[] shop
		emit fruit 1 -5 apple anna here
		emit fruit 2 10 pear bert there
		emit fruit 1 20 apple anna there
		emit fruit 2 30 apple bert here
		emit fruit 2 40 fig anna here
	END
}

fruit_events()
{
	events "fruit u32 n; s32 weight; char[8] kind; __rel_loc char[] grower; __data_loc char[] shop"
}

hist_of_a_number()
{
	fruit_events
	trigger fruit "hist:keys=n"
	used_by fruit ftrace || wrong "a histogram does not count as ftrace"
	fruit
	is "hist" "{ n: 1 } hitcount: 2
{ n: 2 } hitcount: 3
Hits: 5
Entries: 2
Dropped: 0" "$(hist fruit)"
	trigger fruit "!hist:keys=n"
	used_by fruit "" || wrong "in use without its histogram"
}

hist_sorted_by_a_sum()
{
	fruit_events
	trigger fruit "hist:keys=n:vals=hitcount,weight:sort=weight.descending"
	fruit
	is "hist" "{ n: 2 } hitcount: 3 weight: 80
{ n: 1 } hitcount: 2 weight: 15
Hits: 5
Entries: 2
Dropped: 0" "$(hist fruit)"
}

hist_of_strings()
{
	local key

	for key in kind grower shop; do
		reset
		fruit_events
		trigger fruit "hist:keys=$key:sort=hitcount"
		fruit
		case $key in
		kind) is "$key" "{ kind: pear } hitcount: 1
{ kind: fig } hitcount: 1
{ kind: apple } hitcount: 3" "$(hist fruit | grep '{' | sort -k6n -k3r)" ;;
		grower) is "$key" "{ grower: bert } hitcount: 2
{ grower: anna } hitcount: 3" "$(hist fruit | grep '{')" ;;
		shop) is "$key" "{ shop: there } hitcount: 2
{ shop: here } hitcount: 3" "$(hist fruit | grep '{')" ;;
		esac
	done
}

hist_of_two_keys()
{
	fruit_events
	trigger fruit "hist:keys=kind,grower:vals=weight:sort=weight"
	fruit
	is "hist" "{ kind: pear , grower: bert } hitcount: 1 weight: 10
{ kind: apple , grower: anna } hitcount: 2 weight: 15
{ kind: apple , grower: bert } hitcount: 1 weight: 30
{ kind: fig , grower: anna } hitcount: 1 weight: 40" "$(hist fruit | grep '{')"
}

hist_with_a_filter()
{
	fruit_events
	trigger fruit 'hist:keys=n:vals=weight:sort=n if weight > 0 && kind == "apple"'
	fruit
	is "hist" "{ n: 1 } hitcount: 1 weight: 20
{ n: 2 } hitcount: 1 weight: 30" "$(hist fruit | grep '{')"
}

hist_by_pid()
{
	local pid

	fruit_events
	trigger fruit "hist:keys=common_pid"
	open_writer
	pid=$writer
	tell "event fruit u32 n; s32 weight; char[8] kind; __rel_loc char[] grower; __data_loc char[] shop" \
		"7*emit fruit 1 1 a b c"
	close_writer
	is "hist" "{ common_pid: $pid } hitcount: 7" "$(hist fruit | grep '{')"
}

hist_by_stack()
{
	local stack

	events "stack u32 n"
	trigger stack "hist:keys=$(stacktrace_key)"
	emit <<-END
		event stack u32 n
		3*emit stack 1
	END
	stack=$(hist stack)
	has "the system call is on it" '(do_syscall_64|entry_SYSCALL|vfs_write|do_writev|ksys_write)' "$stack"
	has "one stack" "^\} hitcount: 3" "$stack"
	has "entries" "Entries: 1" "$stack"
}

stacktrace_key()
{
	if uname -r | grep -q '^6\.1\.'; then echo stacktrace; else echo common_stacktrace; fi
}

# A trigger with a condition looks at the record, which is recorded before it fires.
traceoff_and_traceon()
{
	events "off u32 n" "on"
	trigger off "traceoff if n == 3"
	trigger on "traceon"
	echo 1 >events/user_events/off/enable
	emit <<-END
		event off u32 n
		event on
		emit off 2
		emit off 3
		emit off 4
		emit on
		emit off 5
	END
	is "the trace" "off: n=2
off: n=3
off: n=5" "$(shown)"
	is "tracing" 1 "$(cat tracing_on)"
}

snapshot_keeps_the_trace()
{
	events "snap u32 n"
	echo 1 >events/user_events/snap/enable
	trigger snap "snapshot:1 if n == 4"
	emit <<-END
		event snap u32 n
		8*emit snap #
	END
	is "snapshot" "$(for n in 0 1 2 3 4; do echo "snap: n=$n"; done)" "$(shown snapshot)"
	is "trace" "$(for n in 5 6 7; do echo "snap: n=$n"; done)" "$(shown)"
}

enable_and_disable_another_event()
{
	events "on u32 n" "off u32 n" "other u32 n"
	trigger on "enable_event:user_events:other if n == 1"
	trigger off "disable_event:user_events:other if n == 1"
	# The bit is set from now on: records of other events switch this one.
	used_by other "ftrace other" || wrong "not ready to be switched: $(cat user_events_status)"
	emit <<-END
		event on u32 n
		event off u32 n
		event other u32 n
		emit other 10
		emit on 0
		emit other 11
		emit on 1
		emit other 12
		emit off 0
		emit other 13
		emit off 1
		emit other 14
	END
	is "the trace" "other: n=12
other: n=13" "$(shown)"
}

latency_between_two_events()
{
	local latency name

	events "begin u64 id; __rel_loc char[] what" "end u64 id; s32 result"
	echo "took u64 id; s32 result; u64 lat" >>synthetic_events || {
		wrong "no synthetic event"
		return
	}
	trigger begin "hist:keys=id:ts0=common_timestamp.usecs"
	trigger end "hist:keys=id:lat=common_timestamp.usecs-\$ts0,r=result:onmatch(user_events.begin).trace(took,id,\$r,\$lat)"
	echo 'hist:keys=id:vals=lat' >events/synthetic/took/trigger
	echo 1 >events/synthetic/took/enable
	emit <<-END
		event begin u64 id; __rel_loc char[] what
		event end u64 id; s32 result
		emit begin 1 fast
		emit begin 2 slow
		emit end 1 -7
		sleep 300
		emit end 2 8
		emit end 3 9
	END
	is "pairs" "took: id=1 result=-7
took: id=2 result=8" "$(shown | sed 's/ lat=.*//')"
	# In a guest, sleeps and time stamps use clocks that differ a little
	latency=$(shown | sed -n 's/.* id=2 .* lat=//p')
	if [ "${latency:-0}" -lt 270000 ] || [ "${latency:-0}" -ge 60000000 ]; then
		wrong "300 ms are shown as $latency us"
	fi
	has "its histogram" "id: +2 .*lat: +$latency\$" "$(cat events/synthetic/took/hist)"
	name=$(cat events/synthetic/took/trigger)
	has "its trigger" "^hist:keys=id:vals=.*lat" "$name"
}

# An event probe: an event made of fields of another one
probe_on_an_event()
{
	events "src u32 n; char[8] s; __data_loc char[] d"
	echo 'e:consumer/probe user_events.src m=$n:u32 s=$s:string d=$d:string' >>dynamic_events || {
		wrong "no probe"
		return
	}
	echo 1 >events/consumer/probe/enable
	emit <<-END
		event src u32 n; char[8] s; __data_loc char[] d
		wait src
		2*emit src # fixed dynamic
	END
	is "the trace" 'probe: (user_events.src) m=0 s="fixed" d="dynamic"
probe: (user_events.src) m=1 s="fixed" d="dynamic"' "$(shown)"
	echo 0 >events/consumer/probe/enable
	echo '-:consumer/probe' >>dynamic_events || wrong "the probe does not go"
}

run_tests
