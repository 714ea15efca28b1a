# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""Trace events of a Python program.

    import user_event

    loaf_sold = user_event.Event("loaf_sold", grams="u32", took_ns="u64", kind="str")

    loaf_sold(750, 1200000, "rye")

ftrace, perf, trace-cmd and BPF see the event as user_events:loaf_sold. A call writes
a record if somebody listens, and costs a comparison if nobody does:

    if loaf_sold:
        loaf_sold(750, expensive(), "rye")

or, with a function that is called only then,

    @user_event.event(grams="u32", kind="str")
    def loaf_sold(loaf):
        return loaf.weigh(), loaf.kind

    loaf_sold(loaf)

Such a function returns a tuple with a value for each field; of a single field the value
is enough, and of none nothing need be returned.

Types of fields: u8 u16 u32 u64 s8 s16 s32 s64 (integers), str (a string, or None), bytes
(a bytes object, or None). Options, PERSIST and MULTI_FORMAT, come before the fields.
The kernel takes up to 511 characters of "NAME TYPE FIELD; TYPE FIELD;", in which a str is
"__rel_loc char[]" and a bytes "__rel_loc u8[]", and no field called common_type,
common_flags, common_preempt_count or common_pid.

Whatever is in the way, the program runs on, and why() tells what it is. That includes a
call with wrong values, and an exception in a decorated function, which would be noticed
only while somebody listens: no record is written, and why() says so until the next call
with right values. emit() raises an error for wrong values, and Event() for unknown types
or options and for a NUL in a name.

Use a few names that do not change, and a field for what varies: each name is an event of its
own, which may stay until the program ends and counts against limits.

The event is unregistered by close(), or when the object is deleted. A call in another
thread beside close() is safe: the event stays until that call returns.
"""

import ctypes
import errno
import functools
import operator
import struct
import weakref

PERSIST = 1
MULTI_FORMAT = 2

_NUMBERS = {
    "u8": "B", "u16": "H", "u32": "I", "u64": "Q",
    "s8": "b", "s16": "h", "s32": "i", "s64": "q",
}
_DYNAMIC = {"str": "__rel_loc char[]", "bytes": "__rel_loc u8[]"}

# As in user_event.h
_SIZE_MAX = 64500


def _load():
    library = ctypes.CDLL("libuser_event.so.0")
    library.user_event_new.restype = ctypes.c_void_p
    library.user_event_new.argtypes = [ctypes.c_char_p, ctypes.c_uint]
    library.user_event_free.restype = None
    library.user_event_free.argtypes = [ctypes.c_void_p]
    library.user_event_word.restype = ctypes.POINTER(ctypes.c_uint32)
    library.user_event_word.argtypes = [ctypes.c_void_p]
    library.user_event_write.argtypes = [ctypes.c_void_p, ctypes.c_char_p,
                                         ctypes.c_size_t]
    library.user_event_retry.argtypes = []
    library.user_event_use_file.argtypes = [ctypes.c_int]
    library.user_event_reason.restype = ctypes.c_char_p
    library.user_event_reason.argtypes = [ctypes.c_void_p]
    return library


_library = _load()

# The word of an event that was closed
_CLOSED = (ctypes.c_uint32 * 1)()
_CLOSED.event = None


def retry():
    """Try again what could not be registered; the number of events that are not."""
    return _library.user_event_retry()


def use_file(file):
    """Use an open user_events_data that was handed over, by its number; -1 for one's own.

    Returns what retry() does. TypeError or ValueError for what is no number of a file.
    """
    number = operator.index(file)
    # ctypes would cut it off, to the number of another file
    if not -1 <= number < 1 << 31:
        raise ValueError(f"{number} is no number of a file")
    return _library.user_event_use_file(number)


def _encode(text):
    """Any string: the bytes that os.fsdecode() made it from, or escape sequences."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


class Event:
    """An event of the program: see the module."""

    def __init__(self, name, options=0, /, **fields):
        command = name
        for field, kind in fields.items():
            if kind not in _NUMBERS and kind not in _DYNAMIC:
                raise TypeError(f"{name}: field {field} has the unknown type {kind!r}")
            command += f" {_DYNAMIC.get(kind, kind)} {field};"
        # C would cut these off and declare another event
        if "\0" in command:
            raise ValueError(f"{command!r} has a NUL")
        if options not in range(4):
            raise ValueError(f"{name}: the options {options!r} are unknown")
        self.name = name
        self._mistake = None
        self._fields = fields
        self._fixed = struct.Struct("=" + "".join(_NUMBERS.get(kind, "I")
                                                  for kind in fields.values()))
        event = _library.user_event_new(_encode(command), options)
        if not event:
            raise MemoryError(name)
        # The event goes with the last reference to its word: that may be one of a call in
        # another thread. At exit it stays, for calls that come later still.
        self._word = _library.user_event_word(event)
        self._word.event = event
        weakref.finalize(self._word, _library.user_event_free, event).atexit = False

    def __bool__(self):
        """Does somebody listen?"""
        return self._word[0] != 0

    def __call__(self, *values):
        if self._word[0]:
            try:
                self.emit(*values)
            except Exception as error:
                self._mistake = str(error)

    def emit(self, *values):
        """Write a record; an errno, or 0 if it was taken.

        TypeError if the values are not what the fields are declared as.
        """
        if len(values) != len(self._fields):
            raise TypeError(f"{self.name} has {len(self._fields)} fields "
                            f"({', '.join(self._fields)}), not {len(values)}")
        fixed, data, at = [], b"", 0
        for (field, kind), value in zip(self._fields.items(), values):
            if kind in _NUMBERS:
                fixed.append(value)
                at += struct.calcsize("=" + _NUMBERS[kind])
                continue
            if value is None:
                piece = b""
            elif kind == "str" and isinstance(value, str):
                piece = _encode(value) + b"\0"
            elif kind == "bytes" and isinstance(value, (bytes, bytearray)):
                piece = bytes(value)
            else:
                raise TypeError(f"{self.name}: field {field} is a {kind}, "
                                f"not {value!r}")
            if len(data) + len(piece) > _SIZE_MAX:
                return errno.EMSGSIZE
            at += 4
            offset = self._fixed.size - at + len(data)
            if offset > 0xffff:
                return errno.EMSGSIZE
            fixed.append(len(piece) << 16 | offset)
            data += piece
        try:
            payload = self._fixed.pack(*fixed) + data
        except struct.error as error:
            raise TypeError(f"{self.name}{tuple(self._fields)}: {error}") from None
        self._mistake = None
        word = self._word
        if not word.event:
            return errno.EBADF
        return _library.user_event_write(word.event, payload, len(payload))

    def why(self):
        """Why there are no records, in words."""
        word = self._word
        if not word.event:
            return "the event was closed"
        if self._mistake:
            return f"a call had wrong values: {self._mistake}"
        return _library.user_event_reason(word.event).decode(errors="replace")

    def close(self):
        """Take the event back."""
        self._word = _CLOSED


def event(options=0, /, **fields):
    """A decorator: what the function returns is a record, if somebody listens."""
    def decorate(function):
        declared = Event(function.__name__, options, **fields)

        @functools.wraps(function)
        def call(*args, **kwargs):
            if declared:
                try:
                    values = function(*args, **kwargs)
                except Exception as error:
                    declared._mistake = f"{function.__name__}() raised {error!r}"
                    return
                if values is None and not fields:
                    values = ()
                elif not isinstance(values, tuple):
                    values = (values,)
                declared(*values)
        call.event = declared
        return call
    return decorate
