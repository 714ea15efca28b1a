# SPDX-License-Identifier: GPL-2.0
"""The Python module on the stand-in for a kernel of kernel.c, which is
preloaded, for scripts/test-library. The argument names the test."""

import atexit
import ctypes
import errno
import gc
import os
import sys

kernel = ctypes.CDLL(None)


# Before the module's own, so that it runs after them
@atexit.register
def at_exit():
    if "late" in globals():
        assert kernel.fake_bound_all() == 1
        late(1)
        assert written() == 8


import user_event


def written():
    return os.stat(os.environ["USER_EVENTS_DATA"]).st_size


def enable(event):
    event._word[0] = 1


def is_collected():  # test
    event = user_event.Event("collected", n="u32")
    word = event._word
    del event
    gc.collect()
    del word
    assert kernel.fake_bound_all() == 0
    for _ in range(3):
        event = user_event.Event("collected", n="u32")
        assert kernel.fake_bound_all() == 1
        event.close()
        assert kernel.fake_bound_all() == 0
        del event
        assert kernel.fake_bound_all() == 0


def writes_at_exit():  # test
    global late
    late = user_event.Event("late", n="u32")
    enable(late)


def closes_beside_a_call():  # test
    event = user_event.Event("closed", n="u32")
    write = user_event._library.user_event_write

    def close_and_write(*args):
        event.close()
        assert kernel.fake_bound_all() == 1
        return write(*args)

    user_event._library.user_event_write = close_and_write
    assert event.emit(1) == 0
    assert kernel.fake_bound_all() == 0
    assert event.emit(1) == errno.EBADF
    assert event.why() == "the event was closed" and not event
    event(1)


def decorated_function_raises():  # test
    @user_event.event(n="u32")
    def loaf_sold(loaf):
        return loaf.weight

    loaf_sold(None)
    enable(loaf_sold.event)
    loaf_sold(None)
    why = loaf_sold.event.why()
    assert why.startswith("a call had wrong values: loaf_sold() raised AttributeError("), why


def decorated_function_without_fields():  # test
    @user_event.event()
    def oven_on():
        pass

    enable(oven_on.event)
    oven_on()
    assert oven_on.event.why() == "it is recorded: somebody listens", oven_on.event.why()
    assert written() == 4

    @user_event.event(kind="str")
    def loaf_kind():
        pass

    enable(loaf_kind.event)
    loaf_kind()
    assert written() == 4 + 4 + 4


def right_call_after_a_wrong_one():  # test
    event = user_event.Event("mistaken", n="u32")
    enable(event)
    event("text")
    assert event.why().startswith("a call had wrong values"), event.why()
    event(1)
    assert event.why() == "it is recorded: somebody listens", event.why()


def refuses_what_would_be_another_event():  # test
    for name, options, fields in (
            ("a\0b", 0, {}), ("a", 0, {"n\0": "u32"}), ("a", -1, {}), ("a", 4, {}),
            ("a", 1 << 32, {})):
        try:
            event = user_event.Event(name, options, **fields)
        except ValueError:
            continue
        assert False, (name, options, fields)
    assert kernel.fake_bound_all() == 0


def takes_any_name():  # test
    assert "nobody listens" in user_event.Event("x\udc80", n="u32").why()
    assert "nobody listens" in user_event.Event("x\ud800", n="u32").why()


def location_that_is_too_large():  # test
    numbers = {f"n{i}": "u64" for i in range(200)}
    event = user_event.Event("large", a="bytes", b="bytes", **numbers)
    size = 65535 - 200 * 8
    assert event.emit(b"x" * (size + 1), b"b", *range(200)) == errno.EMSGSIZE
    assert written() == 0
    assert event.emit(b"x" * size, b"b", *range(200)) == 0
    assert written() == 4 + 4 + 4 + 200 * 8 + size + 1


def uses_only_numbers_of_files():  # test
    event = user_event.Event("handed", n="u32")
    file = os.open(os.environ["USER_EVENTS_DATA"], os.O_WRONLY)
    for wrong, expected in (
            (-2, ValueError), (1 << 31, ValueError), ((1 << 32) + file, ValueError),
            (None, TypeError), (str(file), TypeError), (float(file), TypeError)):
        try:
            user_event.use_file(wrong)
        except expected:
            continue
        assert False, wrong
    assert user_event.use_file(file) == 0
    enable(event)
    assert event.emit(1) == 0
    os.close(file)
    assert event.why().startswith("the file that was handed over"), event.why()
    assert user_event.use_file(-1) == 0
    assert event.emit(1) == 0


globals()[sys.argv[1]]()
