#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The first page of the documentation, the programs in the library's manual pages, and
# its Python module.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/consumer_lib.sh"

tests=(five_minutes user_event_3 user_event_why_3 libuser_event_7 python python_says_what_is_wrong python_runs_on)
slow_tests=(user_event_3)

# The first page of the documentation, as it stands there
five_minutes()
{
	"$here/library_example_first" &
	writer=$!
	await grep -qx loaf_sold user_events_status
	bash -e "$here/library_example_first.sh" >"$scratch/said" 2>&1 || wrong "$(cat "$scratch/said")"
	has "format" 'field:u64 took_ns;' "$(cat "$scratch/said")"
	has "trace" 'loaf_sold: grams=750 took_ns=1200000 kind=rye$' "$(cat "$scratch/said")"
	has "histogram" '^\{ kind: rye +\} hitcount: +[0-9]+  grams: +[0-9]+$' "$(cat "$scratch/said")"
}

user_event_3()
{
	events "loaf_sold u32 grams; u64 took_ns; __rel_loc char[] kind"
	echo 1 >events/user_events/loaf_sold/enable
	"$here/library_example_user_event" || wrong "status $?"
	is "trace" "loaf_sold: grams=750 took_ns=1200000 kind=rye
loaf_sold: grams=750 took_ns=1200000 kind=rye
loaf_sold: grams=750 took_ns=1200000 kind=rye" "$(shown)"
}

user_event_why_3()
{
	has "alone" '^order_taken: nobody listens: ' "$("$here/library_example_user_event_why")"
	events "order_taken u32 loaves"
	echo 1 >events/user_events/order_taken/enable
	is "with a listener" "order_taken: it is recorded: somebody listens" \
		"$("$here/library_example_user_event_why")"
	has "without a file" '^no tracing: USER_EVENTS_DATA names a file that does not exist: ' \
		"$(USER_EVENTS_DATA=/nowhere "$here/library_example_user_event_why" 2>&1)"
}

libuser_event_7()
{
	events "oven u32 degrees; s8 door"
	echo 1 >events/user_events/oven/enable
	is "output" "oven: it is recorded: somebody listens" "$("$here/library_example_libuser_event")"
	is "trace" "oven: degrees=230 door=-1" "$(shown)"
}

# python PROGRAM: its output
run_python()
{
	LD_LIBRARY_PATH=$here PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 python3 -c "import user_event
$1" 2>&1
}

python()
{
	if ! command -v python3 >/dev/null; then skip "python3 is not installed"; return; fi
	events "py_all u8 a; s64 b; __rel_loc char[] s; __rel_loc u8[] raw; u16 last" "py_call u32 n; __rel_loc char[] s"
	echo 1 >events/user_events/py_all/enable
	is "output" "True 0
it is recorded: somebody listens
0 called
1 called" "$(run_python '
e = user_event.Event("py_all", a="u8", b="s64", s="str", raw="bytes", last="u16")
print(bool(e), e.emit(255, -5, "rye", b"ab", 9))
print(e.why())
e(1, 2, "", b"", 3)
e.close()
called = 0
@user_event.event(n="u32", s="str")
def py_call(n):
    global called
    called += 1
    return n, "decorated"
enable = "/sys/kernel/tracing/events/user_events/py_call/enable"
py_call(1)
print(called, "called")
open(enable, "w").write("1")
py_call(2)
print(called, "called")')"
	is "trace" "py_all: a=255 b=-5 s=rye raw={0x61,0x62} last=9
py_all: a=1 b=2 s= raw={} last=3
py_call: n=2 s=decorated" "$(shown)"
}

python_says_what_is_wrong()
{
	if ! command -v python3 >/dev/null; then skip "python3 is not installed"; return; fi
	is "output" "py_bad: field a has the unknown type 'u7'
py_bad has 2 fields (a, s), not 1
py_bad: field s is a str, not 5
TypeError" "$(run_python '
def attempt(call):
    try:
        call()
        print("no error")
    except TypeError as error:
        return str(error)
print(attempt(lambda: user_event.Event("py_bad", a="u7")))
e = user_event.Event("py_bad", a="u8", s="str")
print(attempt(lambda: e.emit(1)))
print(attempt(lambda: e.emit(1, 5)))
print("TypeError" if attempt(lambda: e.emit(256, "")) else "")')"
}

python_runs_on()
{
	if ! command -v python3 >/dev/null; then skip "python3 is not installed"; return; fi
	events "py_text __rel_loc char[] name; __rel_loc u8[] options; u8 self"
	echo 1 >events/user_events/py_text/enable
	is "output" "0 0 0
EMSGSIZE EMSGSIZE 0
a call had wrong values: py_text: field name is a str, not 5
EBADF the event was closed
False
field options has the unknown type 2" "$(run_python '
import errno, os
e = user_event.Event("py_text", name="str", options="bytes", self="u8")
print(e.emit(os.fsdecode(b"\xc3\xa4\xff"), b"", 1), e.emit("\ud800", None, 2), e.emit(None, b"ab", 3))
print(errno.errorcode[e.emit("x" * 70000, b"", 4)], errno.errorcode[e.emit("x", b"x" * 64499, 5)],
      e.emit("x", b"", 6))
e("x" * 70000, b"", 7)
e(5, b"", 8)
e("text", b"", 256)
e("text")
e(5, b"", 8)
print(e.why())
e.close()
e.close()
e("x", b"", 9)
print(errno.errorcode[e.emit("x", b"", 10)], e.why())
print(bool(e))
try:
    user_event.Event("py_text", options=user_event.MULTI_FORMAT)
except TypeError as error:
    print(str(error).split(": ")[1])')"
	# Bytes that are no UTF-8 stay as they are
	is "trace" "py_text: name="$'\303\244\377'" options={} self=1
py_text: name=\\ud800 options={} self=2
py_text: name= options={0x61,0x62} self=3
py_text: name=x options={} self=6" "$(shown)"
}

run_tests
