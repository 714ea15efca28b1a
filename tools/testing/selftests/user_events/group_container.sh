#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A group given to a container: a program in user, mount and PID namespaces of its
# own, started by a user without privileges, and an administrator outside who looks
# at its events with the usual tools.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/consumer_lib.sh"

tests=(the_folder_over_tracefs the_unchanged_sample the_data_file_alone seen_by_ftrace seen_by_perf
	seen_by_trace_cmd seen_by_bpftrace it_sees_itself_alone two_containers
	it_goes_and_leaves_nothing)
slow_tests=(the_folder_over_tracefs it_goes_and_leaves_nothing)

groups=user_events_groups
user=1234

# Programs that the user can reach, wherever the tests are
bin=$scratch/bin
chmod 755 "$scratch"
mkdir -m 755 "$bin"
cp "$uev" "$bin/writer"
cp "$here/heartbeat" "$bin"

# Does what a container runtime does: root mounts the files that the container is to
# have, and the user does the rest.
cat >"$bin/container" <<'END'
#!/bin/bash
# container FOLDER COMMAND..., container FILE COMMAND...
to=/sys/kernel/tracing
if [ ! -d "$1" ]; then
	# Keep the file open: the next mount hides it
	exec 9<"$1"
	mount -t tmpfs -o mode=755 tmpfs "$to" || exit 100
	to=$to/user_events_data
	: >"$to"
	set -- /proc/self/fd/9 "${@:2}"
fi
mount --bind "$1" "$to" || exit 100
exec 9<&-
shift
exec setpriv --reuid=1234 --regid=1234 --clear-groups --inh-caps=-all \
	unshare --user --map-root-user --mount --pid --fork --kill-child --mount-proc "$@"
END
chmod 755 "$bin"/*

# container FROM COMMAND...: with the folder of a group over /sys/kernel/tracing
container()
{
	local from=$1

	shift
	exec unshare --mount "$bin/container" "$tracefs/$groups/$from" "$@"
}

# container_file FROM COMMAND...: with the group's data file alone
container_file()
{
	local from=$1

	shift
	exec unshare --mount "$bin/container" "$tracefs/$groups/$from/user_events_data" "$@"
}

# give NAME: makes a group, and gives it to the user
give()
{
	echo "+$1 max=50" >"$groups/control" || wrong "no group $1"
	chown -R "$user:$user" "$groups/$1"
}

# take NAME: removes the group, which works once the programs have ended
take()
{
	echo "-$1" >"$groups/control" || wrong "the group $1 is busy: $(cat "$groups/control")"
	[ ! -e "$groups/$1" ] || wrong "$groups/$1 is still there"
}

# open_container NAME [CONTAINER]: a writer in it, told by tell
open_container()
{
	local run=${2:-container}

	coproc CONVERSATION { "$run" "$1" "$bin/writer"; }
	writer=$CONVERSATION_PID
}

the_folder_over_tracefs()
{
	give box
	open_container box
	tell "event loaf u32 grams; __rel_loc char[] kind"
	has "status" '^loaf$' "$(cat $groups/box/user_events_status)"
	has "dynamic_events" '^u:user_events_box/loaf u32 grams; __rel_loc char\[\] kind$' "$(cat dynamic_events)"
	[ ! -e events/user_events/loaf ] || wrong "it is in the default group"
	echo 1 >events/user_events_box/loaf/enable
	tell "wait loaf" "emit loaf 750 rye"
	is "trace" "loaf: grams=750 kind=rye" "$(shown)"
	echo 0 >events/user_events_box/loaf/enable
	tell "idle loaf"
	close_writer
	take box
}

# The sample was written for the files at the top, and knows nothing of groups.
the_unchanged_sample()
{
	give box
	events "user_events_box/heartbeat u32 count; __rel_loc char[] note"
	echo 1 >events/user_events_box/heartbeat/enable
	has "the sample" '^ending, 3 records written$' "$( (container box "$bin/heartbeat" -c 3 -i 50 -t inside) 2>&1)"
	is "trace" "heartbeat: count=1 note=inside
heartbeat: count=2 note=inside
heartbeat: count=3 note=inside" "$(shown)"
	echo 0 >events/user_events_box/heartbeat/enable
	take box
}

the_data_file_alone()
{
	give box
	open_container box container_file
	tell "event loaf u32 grams"
	echo 1 >events/user_events_box/enable
	tell "wait loaf" "emit loaf 500"
	is "trace" "loaf: grams=500" "$(shown)"
	close_writer
	echo 0 >events/user_events_box/enable
	take box
}

seen_by_ftrace()
{
	give box
	open_container box
	tell "event loaf u32 grams" "event order u32 n"
	mkdir instances/consumer_box
	echo 'grams > 600' >instances/consumer_box/events/user_events_box/loaf/filter
	echo 'user_events_box:*' >instances/consumer_box/set_event
	echo 'hist:keys=n' >events/user_events_box/order/trigger
	tell "wait loaf" "wait order" "emit loaf 500" "emit loaf 750" "3*emit order 7"
	is "the instance" "loaf: grams=750
order: n=7
order: n=7
order: n=7" "$(shown instances/consumer_box/trace)"
	is "the top" "" "$(shown)"
	has "histogram" '\{ n: +7 \} hitcount: +3' "$(cat events/user_events_box/order/hist)"
	echo '!hist:keys=n' >events/user_events_box/order/trigger
	echo 0 >instances/consumer_box/events/enable
	close_writer
	take box
}

seen_by_perf()
{
	if ! command -v perf >/dev/null; then skip "perf is not installed"; return; fi
	give box
	give other
	events "loaf u32 grams" "user_events_other/loaf u32 grams"
	open_container box
	tell "event loaf u32 grams"
	mkfifo "$scratch/ctl" "$scratch/ack"
	exec 7<>"$scratch/ctl" 8<>"$scratch/ack"
	# All systems that have it, by a pattern
	perf record -q -a -e 'user_events_*:loaf' -o "$scratch/data" \
		--control "fifo:$scratch/ctl,$scratch/ack" >"$scratch/log" 2>&1 &
	perf=$!
	echo enable >&7
	read -r -t "$patience" -u 8 || wrong "perf: $(cat "$scratch/log")"
	tell "wait loaf" "emit loaf 250"
	has "other" '^loaf # Used by perf$' "$(cat $groups/other/user_events_status)"
	echo stop >&7
	wait "$perf" || wrong "perf: $(cat "$scratch/log")"
	exec 7>&- 8>&-
	is "perf script" "user_events_box:loaf: grams=250" \
		"$(perf script -i "$scratch/data" -F event,trace 2>/dev/null | sed -E 's/^ +//; s/: +/: /')"
	close_writer
	take box
	take other
}

seen_by_trace_cmd()
{
	if ! command -v trace-cmd >/dev/null; then skip "trace-cmd is not installed"; return; fi
	give box
	open_container box
	tell "event loaf u32 grams"
	trace-cmd start -e user_events_box:loaf >"$scratch/log" 2>&1 || wrong "$(cat "$scratch/log")"
	tell "wait loaf" "emit loaf 125"
	trace-cmd stop >/dev/null
	trace-cmd extract -o "$scratch/dat" >"$scratch/log" 2>&1 || wrong "$(cat "$scratch/log")"
	has "trace-cmd report" 'loaf: +grams=125$' "$(trace-cmd report -i "$scratch/dat" 2>/dev/null)"
	trace-cmd reset >/dev/null 2>&1
	close_writer
	take box
}

seen_by_bpftrace()
{
	if ! command -v bpftrace >/dev/null; then skip "bpftrace is not installed"; return; fi
	give box
	open_container box
	tell "event loaf u32 grams"
	bpftrace -B line -e '#include <linux/types.h>
		#define u32 __u32
		tracepoint:user_events_box:loaf { printf("%d of %s\n", args->grams, comm); }' \
		>"$scratch/out" 2>"$scratch/err" &
	bpftrace=$!
	tell "wait loaf" || say "$(cat "$scratch/err")"
	# The bit is set a moment before the program is in place.
	end=$((SECONDS + patience))
	until grep -q '^62 of' "$scratch/out" || [ $SECONDS -ge $end ]; do
		tell "emit loaf 62" || break
		sleep 0.1
	done
	until ! kill -INT $bpftrace 2>/dev/null || [ $SECONDS -ge $end ]; do
		sleep 0.2
	done
	kill -KILL $bpftrace 2>/dev/null
	wait $bpftrace
	has "bpftrace" '^62 of writer$' "$(cat "$scratch/out")"
	close_writer
	take box
}

# The container's root sees only its own events, and its rights end there.
it_sees_itself_alone()
{
	give box
	give other
	events "secret u32 n" "user_events_other/secret u32 n"
	open_writer
	tell "event secret2 u32 n"
	# shellcheck disable=SC2016 # for the container's shell
	is "from inside" "user_events_data
user_events_enablers
user_events_losses
user_events_status
root

Active: 0
Busy: 0
# event pid address size bit wanted state comm
no more groups
not persistent" "$( (container box bash -c '
		cd /sys/kernel/tracing
		ls
		id -un
		cat user_events_status user_events_losses user_events_enablers
		{ echo +mine >../user_events_groups/control; } 2>/dev/null || echo no more groups
		{ echo u:mine >../dynamic_events; } 2>/dev/null || echo not persistent' ) )"
	close_writer
	take box
	take other
}

two_containers()
{
	give box
	give other
	open_container box
	tell "event loaf u32 grams" "event own u32 n"
	echo 1 >events/user_events_box/loaf/enable
	has "nobody listens to the other's" 'error: loaf.*Bad file descriptor' \
		"$( (container other "$bin/writer") <<<"event loaf u64 different
emit loaf 1")"
	echo 0 >events/user_events_box/loaf/enable
	close_writer
	take box
	take other
}

it_goes_and_leaves_nothing()
{
	give box
	open_container box
	tell "event loaf u32 grams" "event order u32 n"
	has "enablers" '^loaf [0-9]+ 0x[0-9a-f]+ 4 0 off ok writer$' "$(cat $groups/box/user_events_enablers)"
	if echo -box 2>/dev/null >"$groups/control"; then wrong "it can be removed"; fi
	# All of the container at once
	kill -KILL "$writer"
	wait "$writer" 2>/dev/null
	writer=
	await grep -qx "box max=50 events=0" "$groups/control"
	[ ! -e events/user_events_box ] || wrong "its events are still there"
	is "enablers" "# event pid address size bit wanted state comm" "$(cat $groups/box/user_events_enablers)"
	take box
}

need unshare setpriv
if [ ! -e "$tracefs/$groups/control" ] || [ ! -e /proc/self/ns/user ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP needs groups of user events, and user namespaces"
	exit "$TAP_SKIP"
fi
run_tests
