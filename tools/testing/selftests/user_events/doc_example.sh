#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Does the example in Documentation/trace/user_events.rst do what the text says?
# The program run here is the one in the text: the Makefile takes it from there.

program=$(dirname "$0")/doc_example
tracefs=/sys/kernel/tracing
instance=$tracefs/instances/doc_example.$$
loaf=events/user_events/loaf
scratch=$(mktemp -d) || exit 1
said=$scratch/said
pid=
record_cmd=
number=0
failed=0

finish()
{
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	[ ! -d "$instance" ] || rmdir "$instance"
	[ -z "$record_cmd" ] || echo "$record_cmd" >$tracefs/options/record-cmd
	rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# await COMMAND...: until it succeeds, for a minute at most
await()
{
	deadline=$(($(date +%s) + 60))

	until "$@"; do
		[ "$(date +%s)" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}

# check WHAT COMMAND...
check()
{
	what=$1
	shift
	number=$((number + 1))

	if "$@"; then
		echo "ok $number $what"
	else
		echo "not ok $number $what"
		failed=1
	fi
}

listed()
{
	grep -q '^loaf$' $tracefs/user_events_status
}

format_as_documented()
{
	# @ for the tabs, which <<- would take away
	cat >"$scratch/documented" <<-'END'
		@field:u32 grams;@offset:8;@size:4;@signed:0;
		@field:__rel_loc char kind[];@offset:12;@size:4;@signed:1;

		print fmt: "grams=%u kind=%s", REC->grams, __get_rel_str(kind)
	END
	tail -n 4 $tracefs/$loaf/format | tr '\t' '@' | diff -u "$scratch/documented" -
}

three_records()
{
	[ "$(grep -c -e "-$pid .* loaf: grams=750 kind=rye$" "$instance/trace")" = 3 ]
}

ended()
{
	# Some shells leave it a zombie until wait, others take notice before
	[ ! -e "/proc/$pid" ] || grep -qs '^State:.Z' "/proc/$pid/status"
}

success()
{
	await ended && wait "$pid" && grep -q '^[0-9]* loaves, 3 records$' "$said"
}

gone()
{
	[ ! -e $tracefs/$loaf ] && ! grep -q '^loaf' $tracefs/user_events_status
}

echo "TAP version 13"
if [ "$(id -u)" != 0 ] || [ ! -e $tracefs/user_events_data ]; then
	echo "1..0 # SKIP needs root, and user events in $tracefs"
	exit 4
fi
echo "1..6"

# No names of processes are looked at here, and recording them patches the code of
# the scheduler each time, which emulators do not always survive. A new instance
# inherits the options of the top one.
record_cmd=$(cat $tracefs/options/record-cmd)
echo 0 >$tracefs/options/record-cmd
mkdir "$instance" || exit 1

"$program" >"$said" 2>&1 &
pid=$!

check "the event shows up, and nobody uses it" await listed
check "its format file is as documented" format_as_documented
echo 1 >"$instance/$loaf/enable"
check "switched on, three records arrive" await three_records
check "the program ends with success" success
pid=
check "the event is still there while it is switched on" [ -e $tracefs/$loaf ]
echo 0 >"$instance/$loaf/enable"
check "switched off, the event goes" await gone

[ $failed = 0 ] || sed 's/^/# doc_example: /' "$said"
exit $failed
