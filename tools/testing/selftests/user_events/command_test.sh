#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The command user-events: each subcommand for a person, in a pipe and as JSON, and its
# exit status.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/consumer_lib.sh"

tests=(list_in_a_pipe list_for_a_person list_as_json list_of_groups list_bits_and_losses
	list_one_name_twice list_odd_names list_long_paths list_without_permission
	watch_what_is_there watch_what_comes_later watch_with_a_filter watch_as_json watch_systems
	watch_numbers watch_text watch_bytes watch_arrays watch_structs watch_forged_fields
	watch_bidirectional_text
	watch_names_that_libraries_refuse watch_fields_that_are_odd watch_a_type_twice
	watch_what_is_deleted watch_forged_names
	watch_all_cpus watch_cpus_that_glibc_does_not_count watch_large_records
	watch_what_is_lost watch_leaves_nothing watch_stops_while_nobody_reads
	unreadable_files signals_that_are_ignored
	emit_each_type emit_any_blanks emit_waits emit_loses_its_listener emit_what_is_wrong
	stat_counts stat_counts_all_threads stat_ends_at_once group_life group_names_and_users
	group_without_permission group_reached_by_its_user
	record_with_perf record_leaves_out doctor_is_content doctor_finds doctor_is_not_root
	doctor_finds_what_is_left doctor_says_who_may_open doctor_looks_at_the_mount
	doctor_looks_at_groups doctor_cannot_read doctor_enlarges_the_buffer doctor_quotes wrong_usage
	output_that_fails tracefs_is_not_mounted completion)
slow_tests=(list_in_a_pipe watch_what_comes_later emit_each_type)

command=$here/user-events
if [ ! -x "$command" ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP user-events was not built: it takes libtracefs-dev and libjson-c-dev"
	exit "$TAP_SKIP"
fi

# run STATUS ARGUMENT...: what it prints is in out and err
run()
{
	local want=$1 text=${*:2} status=0

	shift
	"$command" "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
	[ $status = "$want" ] || wrong "user-events ${text::80}: status $status, not $want: $(cat "$scratch/err")"
}

out()
{
	cat "$scratch/out"
}

# json EXPRESSION: of what it printed, as "j"
json()
{
	python3 -c "import json, sys
j = json.load(open('$scratch/out'))
print($1)" 2>&1
}

# Takes orders as consumer_writer does, for what only an odd program does:
#
#	event NAME FIELDS	registers an event
#	multi NAME FIELDS	registers a multi-format event
#	comm TEXT		is the name of the process, a line feed in place of each "|"
#	clear			overwrites all enable words with 0
#	fork TIMES		a process each writes a record of the event, which has a u32
#	write HEX		writes a record of the event with these bytes
#	echo TEXT
cat >"$scratch/odd_writer" <<'END'
#!/usr/bin/env python3
import ctypes, fcntl, os, struct, sys

DIAG_IOCSREG = 3 << 30 | struct.calcsize("P") << 16 | ord("*") << 8
data = os.open("/sys/kernel/tracing/user_events_data", os.O_RDWR)
words = (ctypes.c_uint32 * 16384)()
nr = 0
for line in sys.stdin.buffer:
    order, _, rest = line.rstrip(b"\n").partition(b" ")
    if order in (b"event", b"multi"):
        text = ctypes.create_string_buffer(rest)
        reg = bytearray(struct.pack("=IBBHQQI", 28, 0, 4, 2 * (order == b"multi"),
                                    ctypes.addressof(words) + 4 * nr, ctypes.addressof(text), 0))
        fcntl.ioctl(data, DIAG_IOCSREG, reg)
        nr += 1
    elif order == b"comm":
        ctypes.CDLL(None).prctl(15, rest.replace(b"|", b"\n"), 0, 0, 0)
    elif order == b"clear":
        ctypes.memset(words, 0, ctypes.sizeof(words))
    elif order == b"fork":
        for _ in range(int(rest)):
            if not os.fork():
                os.write(data, reg[24:28] + bytes(4))
                os._exit(0)
            os.wait()
    elif order == b"write":
        os.write(data, reg[24:28] + bytes.fromhex(rest.decode()))
    elif order == b"echo":
        print(rest.decode(), flush=True)
END
chmod 755 "$scratch/odd_writer"

list_in_a_pipe()
{
	events "loaf u32 grams; __rel_loc char[] kind" "empty"
	open_writer
	tell "event own u64 n"
	echo 1 >events/user_events/loaf/enable
	run 0 list
	is "list" "user_events:loaf	u32 grams; __rel_loc char[] kind	ftrace	-	-
user_events:empty	-	-	-	-
user_events:own	u64 n	-	consumer_writer[$writer]	-" "$(out)"
	run 0 list 'user_events:e*'
	is "by a pattern" "user_events:empty	-	-	-	-" "$(out)"
	run 4 list nothing
	is "stderr" "user-events: no event is called nothing" "$(cat "$scratch/err")"
	run 4 list 'n*' loaf nothing
	is "what there is" "user_events:loaf" "$(cut -f1 "$scratch/out")"
	is "each that there is not" "user-events: no event is called n*
user-events: no event is called nothing" "$(cat "$scratch/err")"
	run 4 --json list loaf nothing
	is "JSON" "['loaf']" "$(json "[e['name'] for e in j]")"
	close_writer
}

list_for_a_person()
{
	local esc=$'\033'

	events "loaf u32 grams"
	echo 1 >events/user_events/loaf/enable
	run 0 --color=always list
	is "with colour" "${esc}[1muser_events:loaf${esc}[0m                                ftrace
    u32 grams" "$(out)"
	# In a terminal of 80 columns, as it decides itself
	python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$command" list >"$scratch/out" </dev/null
	has "in a terminal" "^$esc\\[1muser_events:loaf$esc\\[0m +ftrace" "$(tr -d '\r' <"$scratch/out")"
	NO_COLOR=1 python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$command" list >"$scratch/out" </dev/null
	has "without colour" '^user_events:loaf +ftrace' "$(tr -d '\r' <"$scratch/out")"
	is "columns" "" "$(tr -d '\r' <"$scratch/out" | awk 'length > 80')"
}

list_as_json()
{
	open_writer
	tell "event own u64 n"
	run 0 --json list
	is "JSON" "1 user_events own u64 n [] $writer consumer_writer 1 0" \
		"$(json "len(j), j[0]['system'], j[0]['name'], j[0]['fields'], j[0]['listeners'],
			j[0]['programs'][0]['pid'], j[0]['programs'][0]['comm'], j[0]['programs'][0]['bits'],
			j[0]['programs'][0]['wrong_bits']" | tr -d "(),'")"
	close_writer
	await eval '! grep -q "^own" user_events_status'
	run 0 --json list
	is "nothing" "[]" "$(out)"
}

list_of_groups()
{
	echo "+box" >user_events_groups/control
	events "user_events_box/loaf u32 grams" "loaf u64 other"
	run 0 list loaf
	is "both" "user_events:loaf	u64 other	-	-	-
user_events_box:loaf	u32 grams	-	-	-" "$(out)"
	run 0 list 'user_events_*:loaf'
	is "those of groups" "user_events_box:loaf	u32 grams	-	-	-" "$(out)"
}

list_bits_and_losses()
{
	open_writer
	tell "event loaf __rel_loc char[] s"
	# An instance without room
	mkdir instances/consumer_small
	echo 0 >instances/consumer_small/tracing_on
	echo 1 >instances/consumer_small/events/user_events/loaf/enable
	tell "wait loaf" "emit loaf x"
	run 0 list
	is "losses" "user_events:loaf	__rel_loc char[] s	ftrace	consumer_writer[$writer]	full=0 off=1 size=0 data=0" \
		"$(out)"
	run 0 --json list
	is "JSON" "['ftrace'] {'full': 0, 'off': 1, 'size': 0, 'data': 0}" \
		"$(json "j[0]['listeners'], j[0]['losses']")"
	run 0 --json stat -n 1
	is "stat as JSON" "1" "$(json "j[0]['losses']['off']")"
	echo 0 >instances/consumer_small/events/enable
	close_writer
}

# A single-format event with the name of a multi-format one
list_one_name_twice()
{
	local uev=$scratch/odd_writer name

	open_writer
	tell "multi loaf u32 n"
	name=$(grep -o '^loaf\.[0-9a-f]*' user_events_status)
	run 0 list
	is "before" "user_events_multi:$name	u32 n	-	python3[$writer]	-" "$(out)"
	events "$name u64 other"
	run 0 list "$name"
	is "list" "user_events:$name	-	-	-	-
user_events_multi:$name	-	-	-	-" "$(out)"
	has "what is not known" "user_events:$name has the name of another event" "$(cat "$scratch/err")"
	run 0 --json list
	is "JSON" "[['user_events', True], ['user_events_multi', True]]" \
		"$(json "[[e['system'], e['ambiguous']] for e in j]")"
	run 0 stat -i 0.1 -n 1
	has "stat" "^user_events:$name	0	0.0	-$" "$(out)"
	has "stat" "user_events_multi:$name has the name of another event" "$(cat "$scratch/err")"
	run 4 stat -i 0.1 -n 1 'loaf*' laof
	has "what there is not" 'no event is called laof$' "$(cat "$scratch/err")"
	run 0 doctor
	has "doctor" "^--   user_events:$name has the name of another event" "$(out)"
	is "its last word" "" "$(grep 'nothing to fix' "$scratch/out")"
	watch watch -n 1 'loaf*'
	await eval "[ \$(grep -c ' # Used by ftrace' user_events_status) = 2 ]"
	tell "fork 1"
	wait $watcher || wrong "status $?"
	has "watch" "user_events_multi:$name n=0$" "$(cat "$scratch/watched")"
	close_writer
	await eval "[ \$(grep -c ^loaf user_events_status) = 1 ]"
	run 0 list
	is "after" "user_events:$name	u64 other	-	-	-" "$(out)"
}

list_odd_names()
{
	local uev=$scratch/$'w\e[m\n\xc2\x9b\xff\x9b' name=$'loaf\xff'

	cp "$here/consumer_writer" "$uev"
	open_writer
	tell "event $name u32 n"
	run 0 list
	is "a pipe" $'user_events:loaf\xff\tu32 n\t-\tw\\x1b[m\\x0a\\xc2\\x9b\xff\\x9b['"$writer]	-" "$(out)"
	run 0 --color=always list
	has "a person" '\[2mw\\x1b\[m\\x0a' "$(out)"
	is "control characters" 0 "$(sed 's/\x1b\[[0-9]*m//g' "$scratch/out" | grep -caP '[\x00-\x09\x0b-\x1f\x7f-\x9f]')"
	is "lines" 3 "$(wc -l <"$scratch/out")"
	run 0 --json list
	is "JSON" "'loaf\\\\xff' '/w\\x1b[m\\n\\x9b\\\\xff\\\\x9b'" \
		"$(json "ascii(j[0]['name']), ascii(j[0]['programs'][0]['exe'][$((${#scratch})):])")"
	run 0 --json stat -n 1
	is "stat as JSON" "'user_events:loaf\\\\xff'" "$(json "ascii(j[0]['event'])")"
	close_writer

	# Each program, also one without a name
	uev=$scratch/odd_writer
	open_writer
	tell "event loaf u32 n" "event roll u32 n" "comm "
	run 0 --json list
	is "no name" "[['loaf', 1, ''], ['roll', 1, '']]" \
		"$(json "[[e['name'], len(e['programs']), *(p['comm'] for p in e['programs'])] for e in j]")"
	# The kernel escapes these two in its file
	tell 'comm a\nb|\\x0a'
	run 0 --json list
	is "backslashes" "'a\\\\nb\\n\\\\\\\\x0a'" "$(json "ascii(j[0]['programs'][0]['comm'])")"
	tell "event loaf u32 n" "clear"
	run 0 --json list
	is "enablers" "[2, 1]" "$(json "[e['programs'][0]['bits'] for e in j]")"
	close_writer
}

list_long_paths()
{
	local part uev

	part=$(printf 'x%.0s' {1..200})
	uev=$scratch/$part/$part/writer
	mkdir -p "$(dirname "$uev")"
	cp "$here/consumer_writer" "$uev"
	open_writer
	tell "event loaf u32 n"
	run 0 --json list
	is "exe" "$(readlink "/proc/$writer/exe")" "$(json "j[0]['programs'][0]['exe']")"
	close_writer
}

# A user who may read the status alone
list_without_permission()
{
	mkdir -p "$scratch/bin"
	chmod 755 "$scratch" "$scratch/bin"
	cp "$command" "$scratch/bin"
	events "loaf u32 grams"
	chmod o+x . user_events_groups
	chmod o+r user_events_status user_events_groups dynamic_events
	setpriv --reuid=65534 --regid=65534 --clear-groups "$scratch/bin/user-events" list >"$scratch/out" 2>"$scratch/err"
	is "list" 3 $?
	is "what can be read" "user_events:loaf	u32 grams	-	-	-" "$(out)"
	has "what cannot" 'user_events_enablers: Permission denied' "$(cat "$scratch/err")"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$scratch/bin/user-events" group 2>"$scratch/err"
	is "group" 3 $?
	has "control" 'user_events_groups/control: Permission denied' "$(cat "$scratch/err")"
	chmod o-rx . user_events_groups user_events_status dynamic_events
}

# watch ARGUMENT...: in the background, returns once it is set up
watch()
{
	"$command" "$@" >"$scratch/watched" 2>"$scratch/err" &
	watcher=$!
	await compgen -G "instances/user-events-*" >/dev/null
}

# records EXPRESSION: of each that was watched as JSON, as "r"
records()
{
	python3 -c "import json
for line in open('$scratch/watched'):
    r = json.loads(line)
    print($1)" 2>&1
}

watch_what_is_there()
{
	open_writer
	tell "event loaf u32 grams; __rel_loc char[] kind" "event other u32 n"
	watch watch -n 2 'lo*'
	tell "wait loaf" "emit loaf 750 rye" "emit loaf 500 oat"
	wait $watcher || wrong "status $?"
	is "watch" "consumer_writer[$writer] loaf grams=750 kind=rye
consumer_writer[$writer] loaf grams=500 kind=oat" "$(cut -d' ' -f2- "$scratch/watched")"
	used_by other "" || wrong "it listens to what it was not told"
	close_writer
}

watch_what_comes_later()
{
	watch watch -n 1 loaf
	open_writer
	tell "event loaf u32 grams" "wait loaf" "emit loaf 1"
	wait $watcher || wrong "status $?"
	has "watch" 'loaf grams=1$' "$(cat "$scratch/watched")"
	close_writer
}

watch_with_a_filter()
{
	open_writer
	tell "event loaf u32 grams"
	watch watch -n 1 -f 'grams > 600' loaf
	tell "wait loaf" "emit loaf 500" "emit loaf 700"
	wait $watcher || wrong "status $?"
	is "watch" "consumer_writer[$writer] loaf grams=700" "$(cut -d' ' -f2- "$scratch/watched")"
	run 2 watch -f 'nonsense >' loaf
	has "a filter that is none" 'does not take the filter' "$(cat "$scratch/err")"

	watch watch -n 1 -f 'grams > 600' 'l*'
	tell "wait loaf" "event late u32 n"
	await grep -q 'user_events:late is left out' "$scratch/err"
	tell "emit loaf 800"
	wait $watcher || wrong "status $?"
	is "without the one that lacks the field" "consumer_writer[$writer] loaf grams=800" \
		"$(cut -d' ' -f2- "$scratch/watched")"
	is "warnings" 1 "$(grep -c 'is left out' "$scratch/err")"
	close_writer
}

watch_as_json()
{
	open_writer
	tell "event loaf u32 grams"
	watch --json watch -n 2 loaf
	tell "wait loaf" "2*emit loaf #"
	wait $watcher || wrong "status $?"
	is "JSON lines" "consumer_writer $writer loaf {'grams': 0}
consumer_writer $writer loaf {'grams': 1}" "$(records "r['comm'], r['pid'], r['event'], r['fields']")"
	close_writer
}

# in_box ARGUMENT...: runs the command with the files of the group box for those of tracefs
in_box()
{
	# shellcheck disable=SC2016 # for the other shell
	unshare --mount bash -c 'mount --bind "$1/user_events_groups/box" "$1" && exec "${@:2}"' - \
		"$tracefs" "$command" "$@" || wrong "in the group: status $?"
}

watch_systems()
{
	local option

	echo "+box" >user_events_groups/control
	for option in --json --color=never; do
		watch $option watch -n 3 loaf 'loaf.*'
		run 0 emit -w 60 'loaf u32 n' 1
		run 0 emit -m -w 60 'loaf u32 n' 2
		in_box emit -w 60 'loaf u32 n' 3
		wait $watcher || wrong "status $?"
		if [ $option = --json ]; then
			is "JSON" "user_events loaf {'n': 1}
user_events_multi loaf {'n': 2}
user_events_box loaf {'n': 3}" "$(records "r['system'], r['event'].split('.')[0], r['fields']")"
		else
			is "text" "loaf n=1
user_events_multi:loaf. n=2
user_events_box:loaf n=3" "$(cut -d' ' -f3- "$scratch/watched" | sed 's/\.[0-9a-f]* /. /')"
		fi
	done
}

watch_numbers()
{
	local fields='u8 a; s8 b; char c; u16 d; short e; u32 f; int g; u64 h; s64 i'

	watch --json watch -n 2 all
	run 0 emit -w 60 "all $fields" 255 -128 -1 65535 -32768 4294967295 -2147483648 \
		18446744073709551615 -9223372036854775808
	run 0 emit -w 60 "all $fields" 0 127 1 0 32767 0 2147483647 9007199254740993 9223372036854775807
	wait $watcher || wrong "status $?"
	is "JSON" "[255, -128, -1, 65535, -32768, 4294967295, -2147483648, 18446744073709551615, -9223372036854775808]
[0, 127, 1, 0, 32767, 0, 2147483647, 9007199254740993, 9223372036854775807]" \
		"$(records "list(r['fields'].values())")"

	watch watch -n 1 all
	run 0 emit -w 60 "all $fields" 255 -128 -1 65535 -32768 4294967295 -2147483648 \
		18446744073709551615 -9223372036854775808
	wait $watcher || wrong "status $?"
	has "text" " all a=255 b=-128 c=-1 d=65535 e=-32768 f=4294967295 g=-2147483648 h=18446744073709551615 i=-9223372036854775808$" \
		"$(cat "$scratch/watched")"
}

watch_text()
{
	local fields='char[8] a; __rel_loc char[] b; unsigned char[3] c; __data_loc unsigned char[] d'

	watch --json watch -n 2 all
	run 0 emit -w 60 "all $fields" eight '"\' abc $'a\nb\e[m\x7f'
	run 0 emit -w 60 "all $fields" '' $'\xff\xc3(\xed\xa0\x80' é $'\xe6\x97\xa5\xf0\x9f\x8d\x9e\xc2\x9b'
	wait $watcher || wrong "status $?"
	is "JSON" "['eight', '\"\\\\', [97, 98, 99], 'a\\nb\\x1b[m\\x7f']
['', '\\\\xff\\\\xc3(\\\\xed\\\\xa0\\\\x80', [195, 169, 0], '\\u65e5\\U0001f35e\\x9b']" \
		"$(records "ascii(list(r['fields'].values()))")"
	is "control characters" "" "$(grep -P '[\x00-\x1f\x7f]|\xc2[\x80-\x9f]' "$scratch/watched")"

	watch watch -n 1 all
	run 0 emit -w 60 "all $fields" '' $'\xff\xc2\x9b\x9b\xe6\x97\xa5\xe0\x80' abc $'a\nb\e[m'
	wait $watcher || wrong "status $?"
	is "text" $'a= b=\xff\\xc2\\x9b\\x9b\xe6\x97\xa5\xe0\\x80 c=abc d=a\\x0ab\\x1b[m' "$(cut -d' ' -f4- "$scratch/watched")"
}

# All of the bytes as JSON, up to the first NUL in a line
watch_bytes()
{
	local uev=$scratch/odd_writer

	open_writer
	tell "event loaf unsigned char[5] a; char[3] b; unsigned char c"
	watch --json watch -n 1 loaf
	await used_by loaf ftrace
	tell "write 01000200ff 614100 ff"
	wait $watcher || wrong "status $?"
	is "JSON" "[[1, 0, 2, 0, 255], 'aA', 255]" "$(records "list(r['fields'].values())")"
	watch watch -n 1 loaf
	await used_by loaf ftrace
	tell "write 6100626300 614100 ff"
	wait $watcher || wrong "status $?"
	has "text" ' loaf a=a b=aA c=255$' "$(cat "$scratch/watched")"
	close_writer
}

watch_arrays()
{
	open_writer
	tell "event all __rel_loc u8[] a; __data_loc s8[] b; __rel_loc s16[] c; __data_loc unsigned int[] d; __rel_loc u64[] e"
	watch --json watch -n 1 all
	# With the NUL behind each
	tell "wait all" "emit all ab "$'\x80'"b "$'\xfe\xfe\xfe'" abcdefg abc"
	wait $watcher || wrong "status $?"
	is "JSON" "$(python3 -c "from struct import unpack
print([[97, 98, 0], [-128, 98, 0], list(unpack('=2h', b'\xfe\xfe\xfe\0')), list(unpack('=2I', b'abcdefg\0')), []])")" \
		"$(records "list(r['fields'].values())")"
	watch watch -n 1 all
	tell "wait all" "emit all ab "$'\x80'"b a a abc"
	wait $watcher || wrong "status $?"
	has "text" ' all a=\{0x61,0x62,0x0\} b=\{0x80,0x62,0x0\} c=\{0x[16]+(00)?\} d=\{\} e=\{\}$' \
		"$(cat "$scratch/watched")"
	close_writer
}

watch_structs()
{
	open_writer
	tell "event loaf struct size a 3; struct loaf b 9; u8 c"
	watch --json watch -n 1 loaf
	tell "wait loaf" "emit loaf ab c 4"
	wait $watcher || wrong "status $?"
	is "JSON" "[[97, 98, 0], [99, 0, 0, 0, 0, 0, 0, 0, 0], 4]" "$(records "list(r['fields'].values())")"
	watch watch -n 1 loaf
	tell "wait loaf" "emit loaf aa c 4"
	wait $watcher || wrong "status $?"
	has "text" ' loaf a=24929 b=(99|7133701809754865664) c=4$' "$(cat "$scratch/watched")"
	close_writer
}

# Characters that reorder or end a line, and the ones beside them
watch_bidirectional_text()
{
	local text escaped

	read -r text escaped < <(PYTHONUTF8=1 python3 -c "
text = ''.join(map(chr, [*range(0x2027, 0x2030), *range(0x2065, 0x206b)]))
print(text, ''.join(c if c in '\u2027\u202f\u2065\u206a' else
    ''.join(f'\\\\x{b:02x}' for b in c.encode()) for c in text))")
	watch watch -n 1 loaf
	run 0 emit -w 60 'loaf __rel_loc char[] s' "$text"
	wait $watcher || wrong "status $?"
	is "text" "$escaped" "$(sed 's/.* s=//' "$scratch/watched")"
	watch --json watch -n 1 loaf
	run 0 emit -w 60 'loaf __rel_loc char[] s' "$text"
	wait $watcher || wrong "status $?"
	is "JSON" "$text" "$(PYTHONUTF8=1 records "r['fields']['s']")"
	is "characters as they are" 4 "$(grep -oP '\xe2[\x80\x81]' "$scratch/watched" | wc -l)"
}

watch_forged_fields()
{
	watch --json watch -n 1 loaf
	run 0 emit -w 60 'loaf __rel_loc char[] kind; u32 grams' $'rye grams=1\n1.0 x[1] loaf grams=2' 750
	wait $watcher || wrong "status $?"
	is "JSON" "{'kind': 'rye grams=1\\n1.0 x[1] loaf grams=2', 'grams': 750}" "$(records "r['fields']")"
	watch watch -n 1 loaf
	run 0 emit -w 60 'loaf __rel_loc char[] kind; u32 grams' $'rye\n1.0 x[1] loaf grams=2' 750
	wait $watcher || wrong "status $?"
	is "lines" 1 "$(wc -l <"$scratch/watched")"
}

watch_names_that_libraries_refuse()
{
	events "loaf-of.rye u32 grams"
	open_writer
	tell "event loaf-of.rye u32 grams"
	watch watch -n 1 'loaf-*'
	tell "wait loaf-of.rye" "emit loaf-of.rye 7"
	wait $watcher || wrong "status $?"
	has "watch" 'loaf-of.rye grams=7$' "$(cat "$scratch/watched")"
	watch --json watch -n 1 'loaf-*'
	tell "wait loaf-of.rye" "emit loaf-of.rye 8"
	wait $watcher || wrong "status $?"
	is "JSON" "loaf-of.rye {'grams': 8}" "$(records "r['event'], r['fields']")"
	close_writer
}

# As another kernel may have them: this one gets to see such a format file
watch_fields_that_are_odd()
{
	local format

	watch --json watch loaf
	kill -STOP $watcher
	open_writer
	tell "event loaf u32 grams; __rel_loc char[] kind; __data_loc char[] flour"
	format=$(echo instances/user-events-*)/events/user_events/loaf/format
	sed -e 's/grams/gr\xffms/' -e '/_loc/s/size:4/size:2/' "$format" >"$scratch/format"
	mount --bind "$scratch/format" "$format" || wrong "status $?"
	kill -CONT $watcher
	tell "wait loaf" "emit loaf 7 rye dark"
	await grep -q loaf "$scratch/watched"
	await umount "$format"
	kill -TERM $watcher
	wait $watcher || wrong "status $?"
	is "JSON" "{'gr\\\\xffms': 7}" "$(records "ascii(r['fields'])")"
	close_writer
}

# late TYPE: makes an event that has this type number, once that is free. Some kernels take
# the lowest number that is free: others below it are taken first. Some count up and take no
# number again until all were used: there it has another one.
late()
{
	local type

	events "late char[4] kind"
	type=$(cat events/user_events/late/id)
	[ "$type" = "$1" ] || [ "$type" -gt "${last:-$type}" ] && return
	echo "-:late" >>dynamic_events
	if [ "$type" -lt "$1" ]; then
		events "below$((below += 1))"
	else
		last=$type
	fi
	return 1
}

watch_a_type_twice()
{
	local id last='' below=0

	events "earlier" "loaf u32 grams"
	watch --json watch -n 2 'l*'
	run 0 emit -w 60 "loaf u32 grams" 750
	await grep -q loaf "$scratch/watched"
	id=$(cat events/user_events/loaf/id)
	kill -STOP $watcher
	echo 0 >"$(echo instances/user-events-*)/events/enable"
	echo "-:earlier" >>dynamic_events || wrong "-:earlier is refused"
	echo "-:loaf" >>dynamic_events || wrong "-:loaf is refused"
	await late "$id"
	kill -CONT $watcher
	run 0 emit -w 60 "late char[4] kind" rye
	wait $watcher || wrong "status $?"
	is "JSON" "loaf {'grams': 750}
late {'kind': 'rye'}" "$(records "r['event'], r['fields']")"
}

# After its file was opened: the file is one that says so, on opening
watch_what_is_deleted()
{
	local file

	mknod "$scratch/gone" c 10 250
	watch watch loaf
	kill -STOP $watcher
	events "loaf u32 n"
	file=$(echo instances/user-events-*)/events/user_events/loaf/enable
	mount --bind "$scratch/gone" "$file" || wrong "status $?"
	is "its error" 1 "$( (: >"$file") 2>&1 | grep -c 'No such device$')"
	kill -CONT $watcher
	sleep 1.5
	# The kernel asks modprobe for a driver meanwhile
	await umount "$file"
	await used_by loaf ftrace
	kill -TERM $watcher
	wait $watcher || wrong "status $?"
	is "stderr" "" "$(cat "$scratch/err")"
}

# The kernel saves the names of processes in a text, a line each, as they are
watch_forged_names()
{
	local uev=$scratch/odd_writer ended

	echo 1 >options/record-cmd
	open_writer
	tell "event loaf u32 n"
	watch watch -n 4 loaf
	await used_by loaf ftrace
	kill -STOP $watcher
	tell "comm honest" "fork 1"
	ended=$(sed -n 's/^ *honest-\([0-9]*\) .*/\1/p' instances/user-events-*/trace)
	tell "comm x|$ended bad" "fork 1" "comm y|$writer bad" "fork 1" "comm z|nonsense" "write 00000000"
	kill -CONT $watcher
	wait $watcher || wrong "status $?"
	is "names" "<...>[$ended] x[] y[] z\x0anonsense[$writer]" \
		"$(cut -d' ' -f2 "$scratch/watched" | sed "/^[xy]/s/[0-9]*//g" | xargs -d '\n')"
	echo 0 >options/record-cmd
	close_writer
}

# lose OPTION...: a record, then more than the buffer keeps while nobody reads it. With
# records of this size a full page has room for how many are missing before it.
lose()
{
	watch "$@" watch loaf
	tell "wait loaf" "emit loaf 7 0 0"
	await grep -q loaf "$scratch/watched"
	kill -STOP $watcher
	echo 4 >"$(echo instances/user-events-*)/buffer_size_kb"
	tell "3000*emit loaf # 0 0"
	kill -CONT $watcher
	await grep -q '\b2999\b' "$scratch/watched"
	kill -TERM $watcher
	wait $watcher || wrong "status $?"
}

watch_what_is_lost()
{
	open_writer
	taskset -cp 0 "$writer" >/dev/null
	tell "event loaf u32 n; u64 a; u32 b"
	lose --json
	is "JSON" "1 True" "$(python3 -c "import json
lines = [json.loads(line) for line in open('$scratch/watched')]
lost = [i for i, line in enumerate(lines) if 'lost' in line]
def n(i): return lines[i]['fields']['n']
print(len(lost), n(lost[0] - 1) + lines[lost[0]]['lost'] + 1 == n(lost[0] + 1) > 1000)")"
	lose
	is "lines" 1 "$(grep -c '^\[CPU 0: [0-9]* records lost\]$' "$scratch/watched")"
	close_writer
}

# Records of two CPUs while they are written
watch_all_cpus()
{
	local cpu=0 name

	events "loaf u32 n" "roll u32 n"
	watch --json watch -n 2000 loaf roll
	for name in loaf roll; do
		printf '%s\n' "event $name u32 n" "wait $name" "1000*emit $name #" |
			taskset -c $((cpu++ % $(nproc))) "$uev" >"$scratch/said" &
	done
	wait $watcher || wrong "status $?"
	wait
	is "records" "True True True" "$(python3 -c "import json
r = [json.loads(line) for line in open('$scratch/watched')]
t = [x['time'] for x in r]
# Each second it looks again at what there is
print(sum(a > b for a, b in zip(t, t[1:])) <= 10 + t[-1] - t[0], *([x['fields']['n'] for x in r if x['event'] == name] ==
    list(range(1000)) for name in ('loaf', 'roll')))")"
}

# As on a machine whose CPUs have numbers with gaps
watch_cpus_that_glibc_does_not_count()
{
	local possible=/sys/devices/system/cpu/possible

	if [ "$(nproc)" = 1 ]; then skip "there is one CPU"; return; fi
	echo 0 >"$scratch/possible"
	mount --bind "$scratch/possible" $possible || wrong "status $?"
	watch --json watch -n 1 loaf
	taskset -c 1 "$command" emit -w 60 'loaf u32 n' 7 || wrong "status $?"
	wait $watcher || wrong "status $?"
	umount $possible
	is "JSON" "1 {'n': 7}" "$(records "r['cpu'], r['fields']")"
}

# Larger than a page, with sub-buffers of the top instance that are so, too
watch_large_records()
{
	local kb

	if [ ! -e buffer_subbuf_size_kb ]; then skip "no buffer_subbuf_size_kb"; return; fi
	kb=$(cat buffer_subbuf_size_kb)
	echo $((2 * kb)) >buffer_subbuf_size_kb
	watch --json watch -n 1 loaf
	run 0 emit -w 60 'loaf __rel_loc char[] s' "$(printf "%0$((1024 * kb))d" 0)"
	[ $failed = 0 ] || kill -TERM $watcher
	wait $watcher || wrong "status $?"
	echo "$kb" >buffer_subbuf_size_kb
	is "its length" $((1024 * kb)) "$(records "len(r['fields']['s'])")"
}

watch_leaves_nothing()
{
	events "loaf u32 grams"
	watch watch loaf
	await used_by loaf ftrace
	kill -TERM $watcher
	wait $watcher || wrong "status $?"
	used_by loaf "" || wrong "it still listens"
	is "instances" "" "$(ls instances)"

	# Another one has left an instance of the same name
	# shellcheck disable=SC2016 # for the other shell
	bash -c 'mkdir "instances/user-events-$$"; exec env --default-signal=QUIT "$@"' - "$command" watch loaf \
		>"$scratch/watched" &
	watcher=$!
	await used_by loaf ftrace
	is "the old one" 0 "$(cat instances/user-events-$watcher/events/user_events/loaf/enable)"
	kill -QUIT $watcher
	wait $watcher || wrong "status $?"
	is "instances" "user-events-$watcher" "$(ls instances)"
	echo 0 >"instances/user-events-$watcher/events/enable"
	rmdir "instances/user-events-$watcher"
	for dir in instances/user-events-*; do
		[ ! -d "$dir" ] || rmdir "$dir"
	done
}

# Interrupted while it writes to a pipe that is full
watch_stops_while_nobody_reads()
{
	mkfifo "$scratch/full"
	exec 5<>"$scratch/full"
	open_writer
	tell "event loaf u32 n"
	"$command" watch loaf >&5 2>"$scratch/err" &
	watcher=$!
	tell "wait loaf" "5000*emit loaf #"
	await python3 -c 'import select; exit(len(select.select([], [5], [], 0)[1]))'
	# Again, in case it came just before the write
	await eval "! kill -TERM $watcher 2>/dev/null"
	wait $watcher || wrong "status $?"
	is "stderr" "" "$(cat "$scratch/err")"
	is "instances" "" "$(ls instances)"
	exec 5>&-
	close_writer
}

# What could be read is shown, with another status
unreadable_files()
{
	open_writer
	tell "event loaf u32 n"
	# Root may open it, and cannot read it
	mount --bind trace_marker user_events_losses || wrong "status $?"
	run 3 stat -i 0.1 -n 1 loaf
	is "stat" "user_events:loaf	0	0.0	-" "$(out)"
	has "which file" 'user_events_losses: ' "$(cat "$scratch/err")"
	watch watch -n 1 loaf
	tell "wait loaf" "emit loaf 7"
	wait $watcher
	is "watch" 3 $?
	has "the record" ' loaf n=7$' "$(cat "$scratch/watched")"
	run 3 doctor
	has "doctor" '^--   some events, bits or losses: a file could not be read$' "$(out)"
	is "what is not known" "" "$(grep 'no record was lost' "$scratch/out")"
	umount user_events_losses
	close_writer
}

signals_that_are_ignored()
{
	open_writer
	tell "event loaf u32 grams"
	(trap '' HUP; exec "$command" watch -n 1 loaf) >"$scratch/watched" &
	watcher=$!
	tell "wait loaf"
	kill -HUP $watcher
	sleep 0.2
	tell "emit loaf 7"
	wait $watcher || wrong "status $?"
	has "nohup" 'loaf grams=7$' "$(cat "$scratch/watched")"
	close_writer
}

emit_each_type()
{
	events "all u8 a; s16 b; int c; u64 d; char[8] e; __rel_loc char[] f; __data_loc char[] g; s64 h"
	echo 1 >events/user_events/all/enable
	run 0 emit 'all u8 a; s16 b; int c; u64 d; char[8] e; __rel_loc char[] f; __data_loc char[] g; s64 h' \
		255 -32768 0x10 18446744073709551615 eight "a b" "" -1
	run 0 emit -n 2 'all u8 a; s16 b; int c; u64 d; char[8] e; __rel_loc char[] f; __data_loc char[] g; s64 h' \
		0 0 0 0 12345678 f g 9223372036854775807
	is "trace" "all: a=255 b=-32768 c=16 d=18446744073709551615 e=eight f=a b g= h=-1
all: a=0 b=0 c=0 d=0 e=12345678 f=f g=g h=9223372036854775807
all: a=0 b=0 c=0 d=0 e=12345678 f=f g=g h=9223372036854775807" "$(shown)"
}

emit_any_blanks()
{
	local text=$' \tall   u8  a ;;\n unsigned\t char   b;__rel_loc   char[]\tc; char[2]\vd\r;'

	events "all u8 a; unsigned char b; __rel_loc char[] c; char[2] d"
	echo 1 >events/user_events/all/enable
	run 0 emit "$text" 1 2 c d
	run 0 emit $'all\tu8 a; unsigned char b; __rel_loc char[] c; char[2] d' 3 4 "" ""
	is "trace" "all: a=1 b=2 c=c d=d
all: a=3 b=4 c= d=" "$(shown)"
	run 2 emit $'all \t u8 \t; u8' 1 2
	is "a field without a name" 'user-events: "u8" is no field: TYPE NAME' "$(cat "$scratch/err")"
}

emit_waits()
{
	watch watch -n 1 late
	run 0 emit -w 60 'late u32 n' 5
	wait $watcher || wrong "status $?"
	has "watch" 'late n=5$' "$(cat "$scratch/watched")"
	run 4 emit 'late u32 n' 5
	run 4 emit -w 0.1 'late u32 n' 5
	run 4 emit -w 0 'late u32 n' 5
}

emit_loses_its_listener()
{
	watch watch -n 1 loaf
	run 4 emit -w 60 -n 1000000000 'loaf u32 n' 1
	has "how many" '^user-events: nothing listens any more: [1-9][0-9]* of 1000000000 records were written$' \
		"$(cat "$scratch/err")"
	wait $watcher || wrong "status $?"
	run 4 emit -n 2 'loaf u32 n' 1
	is "none" "" "$(cat "$scratch/err")"
}

emit_what_is_wrong()
{
	run 2 emit
	run 2 emit 'bad u8 n'
	is "no value" "user-events: no value for the field n" "$(cat "$scratch/err")"
	run 2 emit 'bad u8 n' 1 2
	is "a value too many" "user-events: too many values: bad has 1 field" "$(cat "$scratch/err")"
	run 2 emit ' bad' 1
	is "a value too many" "user-events: too many values: bad has 0 fields" "$(cat "$scratch/err")"
	run 2 emit 'bad u8 n' x
	run 2 emit 'bad u8 n' 256
	is "a number" 'user-events: n: "256" does not fit' "$(cat "$scratch/err")"
	run 2 emit 'bad s8 n' -129
	run 2 emit 'bad s8 n' 200
	run 2 emit 'bad u8 n' -128
	run 2 emit 'bad s32 n' 4294967295
	run 2 emit 'bad s64 n' 9223372036854775808
	run 2 emit 'bad u64 n' ' -1'
	run 2 emit 'bad u64 n' 18446744073709551616
	run 2 emit 'bad char[2] n' abc
	run 2 emit 'bad u7 n' 1
	run 2 emit "bad $(printf 'char[1024] n%d;' {1..300})" {1..300}
	has "too long" 'makes the record too long$' "$(cat "$scratch/err")"
	run 2 emit 'bad __rel_loc char[] n' "$(printf '%065530d' 0)"
	run 3 emit 'bad!name u8 n' 1
	has "the kernel's no" 'does not take this name' "$(cat "$scratch/err")"
	is "left" "" "$(grep bad dynamic_events)"
}

stat_counts()
{
	open_writer
	tell "event loaf u32 grams"
	"$command" stat -i 0.5 loaf >"$scratch/stats" &
	watcher=$!
	tell "wait loaf" "5*emit loaf 1"
	await grep -q '^user_events:loaf	5	' "$scratch/stats"
	# An event that is declared again is counted from 0
	echo 1 >events/user_events/loaf/enable
	: >"$(echo instances/user-events-*/events/user_events/loaf/trigger)"
	tell "2*emit loaf 1"
	await eval 'tail -n 1 "$scratch/stats" | grep -q "^user_events:loaf	[0-2]	"'
	kill -TERM $watcher
	wait $watcher || wrong "status $?"
	is "negative rates" "" "$(grep '	-[0-9]' "$scratch/stats")"
	echo 0 >events/user_events/loaf/enable
	: >trace
	has "what is counted once has a rate once" '^user_events:loaf	[1-5]	([1-9][0-9]*\.[0-9]|0\.[1-9])	-$' \
		"$(cat "$scratch/stats")"
	is "the trace" "" "$(shown)"
	is "instances" "" "$(ls instances)"
	# The first table has a time to count in: a little more than the interval
	"$command" --json stat -i 30 -n 1 loaf >"$scratch/out" &
	watcher=$!
	tell "wait loaf" "5*emit loaf 1"
	wait $watcher || wrong "status $?"
	is "JSON" "user_events:loaf 5 True" \
		"$(json "j[0]['event'], j[0]['records'], 0 < j[0]['per_second'] < 1")"
	close_writer
}

# More of them than the histogram has room for
stat_counts_all_threads()
{
	local uev=$scratch/odd_writer

	open_writer
	tell "event loaf u32 n"
	"$command" stat -i 0.5 loaf >"$scratch/stats" &
	watcher=$!
	await used_by loaf ftrace
	tell "fork 200"
	await grep -q '^user_events:loaf	200	' "$scratch/stats" || say "$(tail -n 1 "$scratch/stats")"
	kill -TERM $watcher
	wait $watcher || wrong "status $?"
	close_writer
}

# A signal that comes while it works
stat_ends_at_once()
{
	local uev=$scratch/odd_writer

	open_writer
	tell "event loaf"{1..100}
	"$command" stat -i 600 >"$scratch/stats" &
	watcher=$!
	await grep -qx 'loaf1 # Used by ftrace' user_events_status
	kill -TERM $watcher
	if ! await eval "! kill -0 $watcher 2>/dev/null"; then kill -TERM $watcher; fi
	wait $watcher || wrong "status $?"
	is "instances" "" "$(ls instances)"
	close_writer
}

group_life()
{
	run 0 group add box 10
	run 0 group add small
	run 0 group
	is "list" "box	0	10
small	0	1024" "$(out)"
	run 0 group limit box 20
	run 0 --json group
	is "JSON" "box 20" "$(json "j[0]['group'], j[0]['max']" | tr -d "(),'")"
	run 0 group delegate box nobody
	is "its files" "nobody nobody nobody nobody" "$(stat -c %U user_events_groups/box/* | xargs)"
	events "user_events_box/loaf"
	echo 1 >events/user_events_box/loaf/enable
	run 3 group remove box
	has "busy" "user-events list 'user_events_box\\*:\\*'" "$(cat "$scratch/err")"
	echo 0 >events/user_events_box/loaf/enable
	run 0 group remove box
	run 0 group remove small
	run 3 group remove box
	run 2 group bake
}

group_names_and_users()
{
	local name user uid gid

	run 0 group add box
	for name in '' . ../events control multi _multi a_multi b-x abcdefghijklmnopqrstuvwxyz1234567 $'box\n+evil'; do
		run 2 group delegate "$name" nobody
		run 2 group add "$name"
	done
	run 2 group limit $'box max=5\n+evil' 5
	run 2 group remove $'evil\n+evil'
	for name in '' x -1 ' 1' 4294967296 $'5\n+evil'; do run 2 group add evil "$name"; done
	run 2 group limit box $'5\n+evil'
	is "groups" "box max=1024 events=0" "$(cat user_events_groups/control)"
	for user in no-such-user '' -1 ' 1' 0x10 4294967295 4294967296 18446744073709551616; do
		run 2 group delegate box "$user"
	done
	is "its owner" "0:0" "$(stat -c %u:%g user_events_groups/box)"
	is "other owners" "0 0 0" "$(stat -c %u . user_events_groups user_events_groups/control | xargs)"
	run 0 group delegate box 12345
	is "no such user" "12345:12345" "$(stat -c %u:%g user_events_groups/box/user_events_data)"
	read -r uid gid < <(awk -F: '$3 != $4 { print $3, $4; exit }' /etc/passwd)
	run 0 group delegate box "$uid"
	is "a user" "$uid:$gid" "$(stat -c %u:%g user_events_groups/box/user_events_data)"
	run 3 group delegate other nobody
}

group_without_permission()
{
	local mode

	mkdir -p "$scratch/bin"
	chmod 755 "$scratch" "$scratch/bin"
	cp "$command" "$scratch/bin"
	for mode in o-x o+x; do
		chmod $mode .
		setpriv --reuid=65534 --regid=65534 --clear-groups "$scratch/bin/user-events" group add box 2>"$scratch/err"
		is "$mode" 3 $?
		is "$mode" "" "$(grep 'no groups' "$scratch/err")"
	done
	has "why" 'user_events_groups/control: Permission denied$' "$(cat "$scratch/err")"
	chmod o-x .
}

# may_write STATUS: may the user of the group box open its data file where it is?
may_write()
{
	local status=0

	setpriv --reuid=65534 --regid=65534 --clear-groups test -w "$tracefs/user_events_groups/box/user_events_data" ||
		status=$?
	is "may write" "$1" $status
}

group_reached_by_its_user()
{
	run 0 group add box
	run 0 group delegate box 65534
	may_write 1
	chmod o+x . user_events_groups
	may_write 0
	chmod o-x . user_events_groups
}

record_with_perf()
{
	if ! command -v perf >/dev/null; then skip "perf is not installed"; return; fi
	open_writer
	tell "event loaf u32 grams"
	events "loaf-x u32 n"
	# It listens a moment before it records, and says when it does
	mkfifo "$scratch/control" "$scratch/ack"
	exec 5<>"$scratch/control" 6<>"$scratch/ack"
	(cd "$scratch" && exec "$command" record 'loaf*' -- -q -o "$scratch/data" -D -1 \
		--control "fifo:$scratch/control,$scratch/ack") >"$scratch/out" 2>"$scratch/err" &
	watcher=$!
	echo enable >&5
	read -r -t "$patience" -u 6 || wrong "perf does not say that it records"
	tell "wait loaf" "emit loaf 9"
	kill -TERM $watcher
	wait $watcher
	exec 5>&- 6>&-

	has "what perf cannot read" 'user_events:loaf-x is left out' "$(cat "$scratch/err")"
	has "perf script" 'loaf: grams=9' "$(perf script -i "$scratch/data" -F event,trace 2>/dev/null)"
	close_writer
	run 4 record nothing
}

record_leaves_out()
{
	local PATH=$scratch/bin:$PATH name

	mkdir -p "$scratch/bin"
	printf '#!/bin/sh\necho "$@"\n' >"$scratch/bin/perf"
	cp "$scratch/bin/perf" "$scratch/bin/trace-cmd"
	chmod 755 "$scratch/bin"/*
	events loaf_1 a@b 'a|b' loaf-x é 1loaf cycles read pp rff _
	run 0 record
	is "perf" "record -a -e user_events:loaf_1 -e user_events:_" "$(out)"
	for name in a@b 'a\|b' loaf-x é 1loaf cycles read pp rff; do
		has "$name" "user_events:$name is left out: perf" "$(cat "$scratch/err")"
	done
	run 0 record -- -q -e x
	is "arguments alone" "-e user_events:_ -q -e x" "$(cut -d' ' -f 5- "$scratch/out")"
	run 0 record loaf_1 -- -q
	is "a pattern and arguments" "record -a -e user_events:loaf_1 -q" "$(out)"
	run 4 record loaf_1 laof 'r*' 'x*' -- -q
	is "what there is not" "user-events: no event is called laof
user-events: no event is called x*" "$(cat "$scratch/err")"
	is "what was run" "" "$(out)"
	run 4 record cycles
	has "none is left" 'no event to record is called cycles' "$(cat "$scratch/err")"
	run 0 record -t
	has "trace-cmd" '^record -e user_events:loaf_1 .*-e user_events:cycles' "$(out)"
	rm "$scratch/bin/perf" "$scratch/bin/trace-cmd"
}

doctor_is_content()
{
	events "loaf u32 grams"
	run 0 doctor
	is "its last word" "nothing to fix" "$(tail -n 1 "$scratch/out")"
	has "the kernel" '^ok   the kernel has CONFIG_USER_EVENTS$' "$(out)"
	has "the limit" '^ok   1 of 32768 events' "$(out)"
	run 0 --json doctor
	is "JSON" "[]" "$(json j)"
}

doctor_finds()
{
	local max

	events "loaf u32 grams"
	echo 0 >tracing_on
	run 1 doctor
	has "tracing_on" '^!!   the trace does not record$' "$(out)"
	has "what fixes it" '^       echo 1 > tracing_on$' "$(out)"
	run 1 --json doctor
	is "JSON" "echo 1 > tracing_on" "$(json "j[0]['fix']")"
	echo 1 >tracing_on

	max=$(cat /proc/sys/kernel/user_events_max)
	echo 1 >/proc/sys/kernel/user_events_max
	run 1 doctor
	has "the limit" 'sysctl kernel.user_events_max=2$' "$(out)"
	echo "$max" >/proc/sys/kernel/user_events_max

	# As somebody who may not do anything here
	mkdir -p "$scratch/bin"
	chmod 755 "$scratch" "$scratch/bin"
	cp "$command" "$scratch/bin"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$scratch/bin/user-events" doctor >"$scratch/out"
	is "status" 1 $?
	has "permission" 'chmod o\+x /sys/kernel/tracing' "$(out)"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$scratch/bin/user-events" list 2>"$scratch/err"
	is "list" 3 $?
	has "where help is" 'try user-events doctor' "$(cat "$scratch/err")"
}

# As somebody who may declare events, and does not see limits, bits and losses
doctor_is_not_root()
{
	mkdir -p "$scratch/bin"
	chmod 755 "$scratch" "$scratch/bin"
	cp "$command" "$scratch/bin"
	chmod o-rx events
	chmod o+x .
	chmod o+w user_events_data
	setpriv --reuid=65534 --regid=65534 --clear-groups "$scratch/bin/user-events" doctor >"$scratch/out"
	is "status" 0 $?
	has "what it can see" '^ok   user_events_data can be opened$' "$(out)"
	is "its last word" "--   limits, bits and losses: only root can see them" "$(tail -n 1 "$scratch/out")"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$scratch/bin/user-events" --json doctor >"$scratch/out"
	is "JSON" "[['unchecked']]" "$(json "[list(x) for x in j]")"
	chmod o-x .
	chmod o-w user_events_data
}

# Instances of a watch that was killed, and of one that runs
doctor_finds_what_is_left()
{
	local fix

	events "loaf u32 n"
	watch watch loaf
	await used_by loaf ftrace
	run 0 doctor
	kill -KILL $watcher
	wait $watcher 2>/dev/null
	run 1 doctor
	has "what is left" "^!!   instances/user-events-$watcher is left of a watch or stat" "$(out)"
	fix=$(grep -A 1 'is left of' "$scratch/out" | sed -n 's/^       //p')
	eval "$fix"
	run 0 doctor
	is "instances" "" "$(ls instances)"
	used_by loaf "" || wrong "it still listens"

	# Somebody keeps it
	watch watch loaf
	await used_by loaf ftrace
	exec 5<"instances/user-events-$watcher/trace"
	kill -TERM $watcher
	wait $watcher
	is "status" 3 $?
	is "stderr" "user-events: instances/user-events-$watcher is left: Device or resource busy" \
		"$(cat "$scratch/err")"
	exec 5<&-
	rmdir "instances/user-events-$watcher"
}

# The usual failure: root may open the file, and the programs are not root's
doctor_says_who_may_open()
{
	local data=$tracefs/user_events_data

	run 0 doctor
	is "root alone" "ok   user_events_data can be opened by root alone; for programs of a group:
       chmod o-rx $tracefs/events; chmod o+x $tracefs; chgrp GROUP $data; chmod g+w $data" "$(grep -A 1 'can be opened' "$scratch/out")"
	eval "$(sed -n 's/GROUP/65534/; s/^       \(chmod o\)/\1/p' "$scratch/out")"
	run 0 doctor
	has "a group" "^ok   user_events_data can be opened by root and the group $(getent group 65534 | cut -d: -f1)$" \
		"$(out)"
	setpriv --reuid=1 --regid=65534 --clear-groups test -w $data || wrong "the group may not open it"
	chmod o+rx events
	run 1 doctor
	has "the events" "^!!   other users may look into $tracefs/events, and so delay registrations$" \
		"$(out)"
	eval "$(grep -A 1 'may look into' "$scratch/out" | sed -n 's/^       //p')"
	run 0 doctor
	chmod o-x .
	run 0 doctor
	has "a group that cannot pass" ' by root alone' "$(out)"
	chmod o+x .
	chmod o+w $data
	run 0 doctor
	has "all" '^ok   user_events_data can be opened by all users$' "$(out)"
	chmod o-x .
	chmod 640 $data
	chgrp root $data
}

# doctor_in COMMAND...: doctor's output after these in a namespace for mounts, where
# tracefs is in no second place
doctor_in()
{
	(cd / && unshare --mount sh -c "umount -l /sys/kernel/debug 2>/dev/null; $*; exec '$command' doctor" >"$scratch/out")
	is "status" 1 $?
}

doctor_looks_at_the_mount()
{
	doctor_in mount -o remount,bind,ro $tracefs
	is "read-only" "!!   $tracefs is mounted read-only
       mount -o remount,rw $tracefs" "$(tail -n 2 "$scratch/out")"
	mkdir "$scratch/elsewhere"
	doctor_in "umount -l $tracefs; mount -t tracefs nodev $scratch/elsewhere"
	has "where" "^ok   tracefs is mounted on $scratch/elsewhere$" "$(out)"
	has "elsewhere" '^!!   programs look in /sys/kernel/tracing, ' "$(out)"
	has "what fixes it" '^       mount -t tracefs nodev /sys/kernel/tracing$' "$(out)"
}

# unmounted COMMAND...: where tracefs is in no place; says so if it is in one after it
unmounted()
{
	# shellcheck disable=SC2016 # for the other shell
	(cd / && unshare --mount sh -c 'umount -l /sys/kernel/debug 2>/dev/null; umount -l "$1" || exit; shift
		timeout 60 "$@"; status=$?; ! grep tracefs /proc/self/mounts; exit $status' - "$tracefs" "$@") \
		>"$scratch/out" 2>"$scratch/err"
}

# Root would mount it, with a call of libtracefs that looks harmless
tracefs_is_not_mounted()
{
	local line

	for line in list "--json list loaf" "watch -n 1 loaf" "stat -n 1" record group "group add box" \
		"group delegate box root"; do
		# shellcheck disable=SC2086 # words
		unmounted "$command" $line
		is "$line" 3 $?
		has "$line" '^user-events: tracefs is not mounted' "$(cat "$scratch/err")"
		is "$line" "" "$(out)"
	done
	# shellcheck disable=SC2016 # for the other shell
	unmounted env PATH="$here:$PATH" bash -c '. "$1"; COMP_WORDS=(user-events list ""); COMP_CWORD=2
		_user_events; [ ${#COMPREPLY[@]} = 0 ]' - "$here/completion.bash"
	is "completion" "0 " "$? $(out)"
}

doctor_looks_at_groups()
{
	run 0 group add box 2
	run 0 group add empty
	events user_events_box/loaf
	run 0 doctor
	has "below it" '^ok   no group is near its limit$' "$(out)"
	events user_events_box/roll
	run 1 doctor
	has "at it" '^!!   2 of 2 events that the group box may have are there$' "$(out)"
	is "what fixes it" "       user-events group limit box 4" "$(grep 'group limit' "$scratch/out")"
	run 1 --json doctor
	is "JSON" "user-events group limit box 4" "$(json "j[0]['fix']")"
	run 0 group limit box 4
	run 0 doctor
}

# Files that root may open and cannot read
doctor_cannot_read()
{
	local max=/proc/sys/kernel/user_events_max

	mount --bind trace_marker tracing_on || wrong "status $?"
	mount --bind trace_marker $max || wrong "status $?"
	run 0 doctor
	umount $max
	umount tracing_on
	has "recording" '^--   whether the trace records: ' "$(out)"
	has "the limit" '^--   the limit of events: ' "$(out)"
	is "what is not known" "" "$(grep -E '^ok .*(the trace records|that the system)' "$scratch/out")"
	is "its last word" "" "$(grep 'nothing to fix' "$scratch/out")"
}

# A buffer that was full: the command is to make it larger, whatever its size
doctor_enlarges_the_buffer()
{
	local overwrite size old

	overwrite=$(cat options/overwrite)
	old=$(sed 's/.*expanded: //; s/)//' buffer_size_kb)
	open_writer
	tell "event loaf u32 n"
	echo 1 >events/user_events/loaf/enable
	echo 0 >options/overwrite
	for size in 8 9000; do
		echo $size >buffer_size_kb
		size=$(cat buffer_size_kb)
		[ "$size" -gt 1000 ] || tell "wait loaf" "5000*emit loaf #"
		run 1 doctor
		has "$size kB" '^!!   user_events:loaf: listeners have lost records' "$(out)"
		is "$size kB" "       echo $((2 * size)) > buffer_size_kb" "$(grep buffer_size_kb "$scratch/out")"
	done
	echo "$overwrite" >options/overwrite
	echo "$old" >buffer_size_kb
	echo 0 >events/user_events/loaf/enable
	close_writer
}

# advice: the command that doctor prints for a bit that is wrong
advice()
{
	grep -A 1 'a bit of .* is wrong' "$scratch/out" | sed -n 's/^       //p'
}

doctor_quotes()
{
	# shellcheck disable=SC2016 # a name that a shell would run
	local uev=$scratch/odd_writer name='$(id>pwned)`|&<{}'

	while [ ${#name} -lt 255 ]; do name+=x; done
	open_writer
	tell "event $name u32 n"
	echo 1 >"events/user_events/$name/enable"
	tell clear "comm "$'\e[m'
	run 1 doctor
	has "who" 'a bit of \\x1b\[m\[' "$(out)"
	# The top's file does not help while another instance listens as well
	mkdir instances/consumer_other
	echo 1 >"instances/consumer_other/events/user_events/$name/enable"
	run 1 doctor
	is "advice while another instance listens" "" "$(advice)"
	has "what to do" 'stop all of its listeners' "$(out)"
	echo 0 >"instances/consumer_other/events/user_events/$name/enable"

	run 1 doctor
	run 1 --json doctor
	is "JSON" True "$(json "j[0]['fix'].startswith('echo 0 > events/user_events/')")"
	run 1 doctor
	eval "$(advice)"
	run 0 doctor
	is "on again" 1 "$(cat "events/user_events/$name/enable")"
	close_writer
}

wrong_usage()
{
	run 2
	run 2 bake
	run 2 --bake list
	run 2 watch
	run 2 doctor now
	run 2 list -x loaf
	is "an option" "user-events: list has no option -x" "$(cat "$scratch/err")"
	run 2 list --help
	run 2 list --json loaf
	is "output" "" "$(out)"
	is "the place of an option" \
		"user-events: list has no option --json: --json, --color and --help stand before the subcommand" \
		"$(cat "$scratch/err")"
	run 2 record -x
	run 2 record -x -- -q
	run 2 doctor --json
	has "doctor" 'doctor has no option --json' "$(cat "$scratch/err")"
	run 2 group -x
	run 2 group list extra junk
	run 2 --json group list extra
	run 2 group list --json
	run 2 stat -i
	is "no argument" "user-events: stat: -i takes an argument" "$(cat "$scratch/err")"
	run 2 stat --json
	has "stat" 'user-events: stat has no option --json' "$(cat "$scratch/err")"
	run 2 emit -x 'loaf u32 n' 1
	for value in 0 -1 nan inf 1e30 '' 1x; do run 2 stat -i "$value" -n 1; done
	for value in 0 -1 abc '' 1x 99999999999999999999; do run 2 stat -n "$value"; done
	run 2 watch -n abc loaf
	run 2 emit -n abc 'loaf u32 n' 1
	run 2 emit -w nan 'loaf u32 n' 1
	run 2 emit -w -1 'loaf u32 n' 1
	run 2 --color=pink list
	run 2 --json emit 'loaf u32 n' 1
	run 2 --json record
	run 2 --json group add box
	[ ! -e user_events_groups/box ] || wrong "there is a group"
	run 0 help
	run 0 --help
	is "columns" "" "$(awk 'length > 80' "$scratch/out")"
}

output_that_fails()
{
	local status

	events "loaf u32 n"
	for line in list "--json list" "--color=always list" --help help "stat -n 1" "stat -i 0.1" \
		"--json stat -i 0.1" doctor "--json doctor"; do
		# shellcheck disable=SC2086 # words
		timeout -s KILL 30 "$command" $line >/dev/full 2>"$scratch/err"
		status=$?
		is "$line" "3 user-events: cannot write the output" "$status $(cat "$scratch/err")"
	done
	timeout -s KILL 60 "$command" watch loaf >/dev/full 2>"$scratch/err" &
	watcher=$!
	await used_by loaf ftrace
	run 0 emit 'loaf u32 n' 1
	wait $watcher
	is "watch" 3 $?
	is "instances" "" "$(ls instances)"
	# Without colour the terminal is not cleared
	python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$command" --color=never stat -n 1 >"$scratch/out" </dev/null
	is "sequences" 0 "$(grep -c $'\e' "$scratch/out")"
}

# completed WORD...: what completion makes of the last one, a line each
completed()
{
	local COMP_WORDS=(user-events "$@") COMPREPLY=()
	local COMP_CWORD=$#

	_user_events
	printf '%s\n' "${COMPREPLY[@]}"
}

# typed TEXT: the words of the command "show" that bash runs after TEXT and a tab
typed()
{
	# shellcheck disable=SC2016 # for the other shell
	printf '%s\n' ". '$here/completion.bash'" 'complete -F _user_events show' \
		'show() { printf "%s\n" "$*" >typed; exit; }' >"$scratch/rc"
	: >typed
	printf 'show %s\t\n' "$1" | INPUTRC=/dev/null timeout -s KILL 60 \
		python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' bash --noprofile --rcfile "$scratch/rc" -i >/dev/null 2>&1
	cat typed
}

completion()
{
	local PATH=$here:$PATH name
	# shellcheck disable=SC2016 # a name that a shell would run
	local names=('$(id>pwned)' '`id>pwned`' 'a|b&c<d' '${HOME}')

	# shellcheck disable=SC1091
	. "$here/completion.bash"
	events loaf loaf_2 roll "${names[@]}"
	echo "+box" >user_events_groups/control
	cd "$scratch" || return
	is "all" "$(printf '%q\n' loaf loaf_2 roll "${names[@]}")" "$(completed list '')"
	for name in "${names[@]}"; do
		is "by its start" "$(printf %q "$name")" "$(completed watch "${name::3}")"
		name=$(printf %q "$name")
		is "by its start as typed" "$name" "$(completed --json watch "${name::4}")"
	done
	is "by its start" "loaf
loaf_2" "$(completed stat lo)"
	is "nothing" "" "$(completed stat x)"
	is "subcommands" "list" "$(completed l)"
	is "groups" "box" "$(completed group remove '')"
	is "a colour" "always
never" "$(completed --color =)"
	is "a colour" "never" "$(completed --color = n)"
	is "behind a colour" "list" "$(completed --color = always l)"
	is "behind a colour" roll "$(completed --json --color = always watch r)"
	# As bash itself splits it
	is "typed" "list roll" "$(typed "list ro")"
	is "typed" "--color=always" "$(typed --color=a)"
	is "typed" "--color=always doctor" "$(typed "--color=always do")"
	is "typed" "--json --color=never watch roll" "$(typed "--json --color=never watch ro")"
	is "typed" "list \$(id>pwned)" "$(typed 'list \$\(')"
	[ ! -e pwned ] || wrong "a name was run"
	cd "$tracefs" || return
}

need python3 setpriv
run_tests
