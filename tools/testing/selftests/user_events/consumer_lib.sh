# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# Sourced by the consumer_*.sh tests: each is a list of functions that look at
# user events through a tracing tool and compare what it prints.
#
#	tests=(NAME...)		functions, each one a test
#	slow_tests=(NAME...)	those of them for a kernel with all its checkers on:
#				listeners that come and go beside writers
#	need TOOL...		skips all of them if a tool is missing
#	run_tests

here=$(cd "$(dirname "$0")" && pwd)
tracefs=/sys/kernel/tracing
# uev is the writer, see consumer_writer.c
uev=$here/consumer_writer
scratch=$(mktemp -d) || exit 1
writer=		# pid of the writer in the background
patience=120	# seconds that a failure may take
TAP_SKIP=4

export LC_ALL=C
cd "$tracefs" || exit 1

say()
{
	# Never a line that looks like a result
	printf '%s\n' "$*" | sed 's/^/# /'
}

wrong()
{
	say "$@"
	failed=1
}

# is WHAT EXPECTED FOUND
is()
{
	[ "$2" = "$3" ] && return
	wrong "$1: expected"
	say "$2"
	say "and found"
	say "$3"
}

# has WHAT REGEX TEXT: a line of it matches
has()
{
	grep -Eq -e "$2" <<<"$3" && return
	wrong "$1: no line matches \"$2\" in"
	say "$3"
}

# skip REASON: to be followed by return
skip()
{
	skipped=$*
}

# await COMMAND...: until it succeeds
await()
{
	local end=$((SECONDS + patience))

	until "$@"; do
		if [ $SECONDS -ge $end ]; then
			wrong "not within $patience s: $*"
			return 1
		fi
		sleep 0.05
	done
}

# events TEXT...: makes events that are there without a program
events()
{
	local event

	for event; do
		echo "u:$event" >>dynamic_events || wrong "u:$event is refused"
	done
}

# writer_of_32_bits: sets uev, which the caller has made local
writer_of_32_bits()
{
	uev=$here/consumer_writer_32
	[ ! -x "$uev" ] || return 0
	skip "the compiler builds no 32-bit programs (Debian: gcc-12-multilib)"
	return 1
}

# emit: runs a writer with the orders on stdin, and waits until it has ended
emit()
{
	"$uev" >"$scratch/said" || wrong "the writer: $(cat "$scratch/said")"
}

# background: the same, without waiting
background()
{
	"$uev" >"$scratch/said" &
	writer=$!
}

said()
{
	grep -qx "$1" "$scratch/said"
}

# A writer that is told line by line: open_writer, tell LINE..., close_writer.
# tell returns once it has done what it was told.
open_writer()
{
	coproc CONVERSATION { exec "$uev"; }
	writer=$CONVERSATION_PID
}

tell()
{
	local line

	if [ -z "${CONVERSATION[1]-}" ]; then
		wrong "the writer has ended"
		return 1
	fi
	printf '%s\n' "$@" "echo that is all" >&"${CONVERSATION[1]}"
	while read -r -t $patience -u "${CONVERSATION[0]}" line; do
		case $line in
		"that is all") return ;;
		error*) break ;;
		esac
	done
	wrong "the writer: ${line:-says nothing}"
	return 1
}

close_writer()
{
	local to=${CONVERSATION[1]-}

	[ -z "$to" ] || exec {to}>&-
	wait "$writer" || wrong "the writer ended with status $?"
	writer=
}

# finish: waits until the writer in the background has ended
finish()
{
	wait "$writer" || wrong "the writer: $(cat "$scratch/said")"
	writer=
}

# shown [FILE]: the records in it from the event's name on. Nothing else may be
# there.
shown()
{
	sed -E -e '/^#/d' -e 's/^ *[^ ]+-[0-9]+ +\[[0-9]+\] [^ ]{4,6} +[0-9]+\.[0-9]+: //' "${1:-trace}"
}

# used_by EVENT [LISTENERS]: does the kernel say that exactly these listen to it?
used_by()
{
	[ "$(grep -E "^$1( |\$)" user_events_status)" = "$1${2:+ # Used by $2}" ]
}

reset()
{
	local dir file line end=$((SECONDS + patience))

	if [ -n "$writer" ]; then
		kill "$writer" 2>/dev/null
		wait "$writer" 2>/dev/null
		writer=
	fi
	for dir in instances/consumer_*; do
		[ -d "$dir" ] || continue
		echo 0 >"$dir/events/enable"
		rmdir "$dir"
	done
	# Truncating the file removes histograms, and nothing else. Those of one
	# event may hold those of another.
	for file in events/{synthetic,user_events*}/*/trigger events/{synthetic,user_events*}/*/trigger; do
		[ -e "$file" ] || continue
		grep -vE '^(#|hist:)' "$file" | while read -r line; do
			line=${line%% *}
			echo "!${line%:*}" >>"$file"
		done
		: >"$file"
	done 2>/dev/null
	for file in events/user_events*/*/filter; do
		[ ! -e "$file" ] || echo 0 >"$file"
	done
	echo 0 >events/enable
	[ ! -e synthetic_events ] || echo >synthetic_events
	echo >set_event_pid
	echo 1 >tracing_on
	echo 0 >snapshot
	: >trace
	# The last holder of an event may not have released it yet.
	while grep '^u:' dynamic_events >"$scratch/left" && [ $SECONDS -lt $end ]; do
		while read -r line; do
			line=${line%% *}
			echo "-:${line#u:}" >>dynamic_events
		done <"$scratch/left" 2>/dev/null
		sleep 0.05
	done
	[ ! -s "$scratch/left" ] || wrong "left behind: $(cat "$scratch/left")"
	for dir in user_events_groups/*/; do
		[ ! -d "$dir" ] || echo "-$(basename "$dir")" >user_events_groups/control
	done
}

# need TOOL...
need()
{
	local tool

	for tool; do
		if ! command -v "$tool" >/dev/null; then
			echo "TAP version 13"
			echo "1..0 # SKIP $tool is not installed"
			exit $TAP_SKIP
		fi
	done
}

slow_kernel()
{
	zcat /proc/config.gz 2>/dev/null | grep -qx 'CONFIG_KASAN=y'
}

run_tests()
{
	local name number=0 result=0 start

	echo "TAP version 13"
	if [ "$(id -u)" != 0 ] || [ ! -e user_events_data ]; then
		echo "1..0 # SKIP needs root, and user events in $tracefs"
		exit $TAP_SKIP
	fi
	# There, tools print the same as on a fast kernel, in ten times the time.
	if slow_kernel; then tests=("${slow_tests[@]}"); fi
	echo "1..${#tests[@]}"
	trap 'reset; rm -rf "$scratch"' EXIT
	trap 'exit 1' HUP INT TERM

	# Recording the names of tasks takes a probe in the scheduler, which comes
	# and goes with each event that is enabled; no test here looks at names.
	echo 0 >options/record-cmd

	for name in "${tests[@]}"; do
		number=$((number + 1))
		failed=0
		skipped=
		start=$EPOCHREALTIME
		reset
		"$name"
		reset
		say "$name took $((${EPOCHREALTIME/./} / 1000 - ${start/./} / 1000)) ms"
		name=${name//_/ }
		if [ $failed != 0 ]; then
			echo "not ok $number $name"
			result=1
		elif [ -n "$skipped" ]; then
			echo "ok $number $name # SKIP $skipped"
		else
			echo "ok $number $name"
		fi
	done
	exit $result
}
