#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# User events in perf: list, record and script, stat, trace.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/consumer_lib.sh"

tests=(list record_a_program_that_starts record_all_shows_every_field
	negative_numbers_of_8_and_16_bits record_a_running_process
	record_attached_after_the_start record_with_a_filter record_several_events
	stat_counts trace_shows_fields a_32_bit_writer
	the_largest_record what_is_lost_is_reported)
slow_tests=(record_a_running_process)

data=$scratch/perf.data
# What perf said, in case it failed
log=$scratch/perf.log

perf_ok()
{
	perf "$@" >"$log" 2>&1 || wrong "perf $1: $(cat "$log")"
}

# script: "EVENT: FIELDS" of each record in the order of time
script()
{
	perf script -i "$data" -F event,trace 2>"$log" | sed -E 's/^ +//; s/ +$//; s/: +/: /' |
		sed 's/^user_events://'
}

# start_perf ARG...: in the background, returns once it records
start_perf()
{
	rm -f "$scratch/ctl" "$scratch/ack"
	mkfifo "$scratch/ctl" "$scratch/ack"
	perf "$@" --control "fifo:$scratch/ctl,$scratch/ack" >"$log" 2>&1 &
	perf=$!
	exec 7<>"$scratch/ctl" 8<>"$scratch/ack"
	perf_says enable
}

# perf_says COMMAND: and it says that it has done it
perf_says()
{
	local ack

	echo "$1" >&7
	read -r -t "$patience" -u 8 ack
	[[ $ack == *ack* ]] || wrong "perf does not $1: $(cat "$log")"
}

stop_perf()
{
	echo stop >&7
	wait "$perf" || wrong "perf: $(cat "$log")"
	exec 7>&- 8>&-
}

list()
{
	local listed

	events "listed u32 n" "other u32 n"
	listed=$(perf list 'user_events:*' 2>&1)
	has "perf list" '^ +user_events:listed +\[Tracepoint event\]' "$listed"
	has "perf list" '^ +user_events:other +\[Tracepoint event\]' "$listed"
}

# The event is there before the program is, which perf starts.
record_a_program_that_starts()
{
	events "early u32 n; __rel_loc char[] s"
	cat >"$scratch/todo" <<-END
		event early u32 n; __rel_loc char[] s
		wait early
		5*emit early # text
	END
	perf_ok record -q -o "$data" -e user_events:early -- sh -c "exec '$uev' <'$scratch/todo'"
	is "perf script" "$(for n in {0..4}; do echo "early: n=$n s=text"; done)" "$(script)"
	used_by early "" || wrong "perf has gone, its use has not"
}

record_all_shows_every_field()
{
	local fields="s8 a; u8 b; s16 c; u16 d; s32 e; u32 f; s64 g; u64 h; char[6] i; \
__data_loc char[] j; __rel_loc char[] k"

	events "all $fields"
	start_perf record -a -q -D -1 -o "$data" -e user_events:all
	used_by all perf || wrong "not used by perf"
	emit <<-END
		event all $fields
		emit all 7 255 8 65535 -2147483648 4294967295 -9223372036854775808 18446744073709551615 fixed data rel
		emit all 127 0 32767 0 2147483647 0 9223372036854775807 0 f d r
	END
	stop_perf
	is "perf script" "all: a=7 b=255 c=8 d=65535 e=-2147483648 f=4294967295 \
g=-9223372036854775808 h=18446744073709551615 i=fixed j=data k=rel
all: a=127 b=0 c=32767 d=0 e=2147483647 f=0 g=9223372036854775807 h=0 i=f j=d k=r" "$(script)"
}

negative_numbers_of_8_and_16_bits()
{
	local text

	events "neg s8 a; s16 b; char c; short d"
	start_perf record -a -q -D -1 -o "$data" -e user_events:neg
	emit <<-END
		event neg s8 a; s16 b; char c; short d
		emit neg -1 -2 -3 -4
	END
	stop_perf
	text=$(script)
	if [ "$text" = "neg: a=255 b=65534 c=253 d=65532" ]; then
		skip "$(perf --version) takes \"%d\" of a number of 8 or 16 bits to be unsigned: $text"
		return
	fi
	is "perf script" "neg: a=-1 b=-2 c=-3 d=-4" "$text"
}

# Of two processes that write, record only one
record_a_running_process()
{
	events "one u32 n"
	open_writer
	start_perf record -p "$writer" -q -D -1 -o "$data" -e user_events:one
	tell "event one u32 n" "emit one 1" "emit one 2"
	# The bit of this process is set as well: bits go by the event.
	emit <<-END
		event one u32 n
		wait one
		emit one 3
	END
	tell "emit one 4"
	stop_perf
	close_writer
	is "perf script" "one: n=1
one: n=2
one: n=4" "$(script)"
}

record_attached_after_the_start()
{
	open_writer
	tell "event late u32 n" "idle late"
	start_perf record -a -q -D -1 -o "$data" -e user_events:late
	tell "wait late" "3*emit late #"
	stop_perf
	tell "idle late"
	is "perf script" "late: n=0
late: n=1
late: n=2" "$(script)"
	close_writer
}

record_with_a_filter()
{
	events "flt u32 n; char[8] a; __rel_loc char[] b"
	start_perf record -a -q -D -1 -o "$data" -e user_events:flt --filter 'n > 1 && n < 5 && b ~ "o*"'
	emit <<-END
		event flt u32 n; char[8] a; __rel_loc char[] b
		emit flt 1 x one
		emit flt 2 x two
		emit flt 3 x other
		emit flt 4 x only
		emit flt 5 x one
	END
	stop_perf
	is "perf script" "flt: n=3 a=x b=other
flt: n=4 a=x b=only" "$(script)"
}

# (perf takes "red" for the number of a raw event.)
record_several_events()
{
	events "pink u32 n" "grey u32 n" "blue __rel_loc char[] s"
	start_perf record -a -q -D -1 -o "$data" -e user_events:pink \
		-e 'user_events:[gb]*'
	emit <<-END
		event pink u32 n
		event grey u32 n
		event blue __rel_loc char[] s
		emit pink 1
		emit blue sky
		emit grey 2
		emit pink 3
	END
	stop_perf
	is "in the order of time" "pink: n=1
blue: s=sky
grey: n=2
pink: n=3" "$(script)"
}

stat_counts()
{
	local counts

	events "cnt u32 n" "two u32 n"
	cat >"$scratch/todo" <<-END
		event cnt u32 n
		event two u32 n
		123*emit cnt #
		2*emit two #
	END
	perf_ok stat -a -x, -o "$scratch/counts" -e user_events:cnt,user_events:two -- \
		sh -c "exec '$uev' <'$scratch/todo'"
	counts=$(grep -v '^#' "$scratch/counts" | cut -d, -f1,3 | sed '/^$/d')
	is "perf stat" "123,user_events:cnt
2,user_events:two" "$counts"
}

trace_shows_fields()
{
	local text

	events "tr u32 n; __rel_loc char[] s"
	cat >"$scratch/todo" <<-END
		event tr u32 n; __rel_loc char[] s
		wait tr
		3*emit tr # text
	END
	# On one CPU: perf trace shows the buffers of several CPUs in any order.
	perf trace -o "$scratch/traced" -e user_events:tr -- \
		taskset -c 0 sh -c "exec '$uev' <'$scratch/todo'" \
		>"$log" 2>&1 || wrong "perf trace: $(cat "$log")"
	text=$(grep -o 'user_events:tr(.*' "$scratch/traced")
	# perf trace leaves out fields that are 0.
	is "perf trace" 'user_events:tr(s: "text")
user_events:tr(n: 1, s: "text")
user_events:tr(n: 2, s: "text")' "$text"
}

a_32_bit_writer()
{
	local uev

	writer_of_32_bits || return
	events "small s64 n; __rel_loc char[] s"
	start_perf record -a -q -D -1 -o "$data" -e user_events:small
	emit <<-END
		event small s64 n; __rel_loc char[] s
		wait small
		2*emit small -5000000000 text
	END
	stop_perf
	is "perf script" "small: n=-5000000000 s=text
small: n=-5000000000 s=text" "$(script)"
}

# With a text that makes the largest record that perf takes, and with a byte more
the_largest_record()
{
	local text

	text=$(seq -w 20000 | tr -d '\n' | head -c 64495)
	events "large __rel_loc char[] s"
	start_perf record -a -q -m 256 -D -1 -o "$data" -e user_events:large
	emit <<-END
		event large __rel_loc char[] s
		emit large $text
	END
	if printf 'event large __rel_loc char[] s\nemit large %s\n' "${text}1" |
		"$uev" >"$scratch/said"; then
		wrong "perf took one byte more"
	fi
	has "the writer" 'Message too long' "$(cat "$scratch/said")"
	stop_perf
	script >"$scratch/shown"
	echo "large: s=$text" | cmp - "$scratch/shown" ||
		wrong "perf script shows $(wc -c <"$scratch/shown") bytes: $(head -c 100 "$scratch/shown")"
	grep -qx 'large full=0 off=0 size=1 data=0' user_events_losses ||
		wrong "the losses are $(cat user_events_losses)"
}

# stormed: true once all writers have ended their storm. Starts no process.
stormed()
{
	local i line

	for i in 1 2 3 4; do
		while read -r line && [ "$line" != stormed ]; do :; done <"$scratch/said.$i"
		[ "$line" = stormed ] || return
	done
}

# Four writers while perf stands still: what it has and what it lost is what they wrote.
what_is_lost_is_reported()
{
	local i pids=() wrote seen lost end

	# perf also counts lost records about processes: so no process starts or
	# ends while the buffers may be full.
	for i in 1 2 3 4; do
		"$uev" >"$scratch/said.$i" <<-END &
			event fast u32 n; u64 m
			event go
			wait go
			storm fast 200 $i #
			echo stormed
			idle go
		END
		pids+=($!)
	done
	for i in 1 2 3 4; do
		await grep -q "registered go" "$scratch/said.$i"
	done
	start_perf record -a -q -m 4 -D -1 -o "$data" -e user_events:fast
	kill -STOP "$perf"
	echo 1 >events/user_events/go/enable
	end=$((SECONDS + patience))
	until stormed || [ $SECONDS -ge $end ]; do
		# Sleeps without a process: there is nothing to read
		read -r -t 0.1 -u 8
	done
	kill -CONT "$perf"
	# perf looks for a ping after it has read what there was: at the second
	# answer it has read all.
	perf_says ping
	perf_says ping
	echo 0 >events/user_events/go/enable
	wait "${pids[@]}" || wrong "a writer: $(cat "$scratch"/said.?)"
	stop_perf
	wrote=$(cat "$scratch"/said.? | awk '/ records$/ { sum += $2 } END { print sum }')
	# Each record is another one: perf can write a part of its buffer down twice
	seen=$(script | grep "^fast: n=" | sort -u | wc -l)
	# Others that perf has opened for itself have lines of this kind, too
	lost=$(perf report --stats -i "$data" 2>/dev/null | awk '
		/stats:$/ { ours = /^user_events:fast / }
		ours && /LOST_SAMPLES events:/ { print $3 }')
	say "$wrote written, $seen seen, $lost lost"
	is "seen and lost" "$wrote" "$((seen + ${lost:-0}))"
	[ "${lost:-0}" -gt 0 ] || wrong "nothing was lost: more records, or a smaller buffer"
}

need perf
run_tests
