"""Writes of this process that go to the pod's stdout past ``sys.stdout``: each in its turn, and known by its last byte.

``os.write(1, …)``, a file that somebody opens on descriptor 1 or on ``/dev/stdout``, a duplicate of the descriptor: the
functions of ``os`` that write, and ``open``, are stood in for. What does not lead to the pod's stdout goes on to the
function itself. What leads there waits for the log's line that is under way, and the log's next line knows whether it
was left unfinished. Code in C that asks ``ctypes`` for a function that writes is not seen writing, so it is taken for
one who writes all the time.

A stand-in has name, text and signature of what it stands for, is pickled as it, and does not bind as an attribute of a
class: it is a method that is bound already, which costs least of all that do so.

In pods only. Neighbour: ``penstock.pod.lines`` owns the lock. Nothing of what is written is changed or held back.
"""

from __future__ import annotations

import _io
import abc
import builtins
import fcntl
import functools
import importlib
import io
import os
import threading
from collections.abc import Callable
from types import MethodType
from typing import Any, Protocol, TypeVar

Count = TypeVar("Count", int, "int | None")

_WRITING_IN_C = frozenset({"write", "writev", "dprintf", "vdprintf", "sendfile", "splice", "syscall"})
_write, _writev, _sendfile, _splice = os.write, os.writev, os.sendfile, os.splice
_dup, _dup2, _os_open, _fcntl, _open = os.dup, os.dup2, os.open, fcntl.fcntl, builtins.open


class Turns(Protocol):
    """Who gives the turns."""

    def turn(self, descriptor: int, write: Callable[[], Count], ends: Callable[[int], bool | None]) -> Count:
        """Have something written while nobody else of this process writes.

        Args:
            descriptor: Where it goes.
            write: Writes; returns how many bytes.
            ends: Takes how many; whether they end a line, None if that is not known.
        """


class _Place:
    """Where the pod's stdout leads, and who gives the turns there."""

    def __init__(self, turns: Turns, descriptor: int) -> None:
        self.turns = turns
        found = os.fstat(descriptor)
        self._inode = (found.st_dev, found.st_ino)

    def leads_here(self, descriptor: Any) -> bool:
        try:
            found = os.stat(descriptor)
        except (OSError, ValueError, TypeError):
            return False
        return (found.st_dev, found.st_ino) == self._inode


_places: list[_Place] = []
_watched: set[Any] = set()  # descriptors that may lead there; asked anew at each write
_in_c = threading.Event()


def _place_of(descriptor: Any) -> _Place | None:
    """Where a descriptor leads now, if that is the pod's stdout."""
    if _places and _places[-1].leads_here(descriptor):
        return _places[-1]
    if descriptor > 2:
        _watched.discard(descriptor)
    return None


def _noted(made: Any) -> Any:
    if _place_of(made) is not None:
        _watched.add(made)
    return made


class _Kind(abc.ABCMeta):
    """Files that were opened by others are of that class too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _io.FileIO) if cls is _File else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _io.FileIO) if cls is _File else super().__subclasscheck__(subclass)


class _File(_io.FileIO, metaclass=_Kind):
    """A raw file that writes in its turn if it leads to the pod's stdout."""

    def write(self, content: Any, /) -> Any:
        place = None if self.closed else _place_of(self.fileno())
        if place is None:
            return super().write(content)
        write = functools.partial(super().write, content)
        return place.turns.turn(self.fileno(), write, functools.partial(_ends, content))


_File.__name__ = _File.__qualname__ = "FileIO"
_File.__module__ = "io"
_File.__doc__ = _io.FileIO.__doc__


def may_write_in_c() -> bool:
    """Whether code in C may write there by itself at any time."""
    return _in_c.is_set()


def raw_file(descriptor: int) -> io.RawIOBase:
    """A raw file on a descriptor, which stays open when the file is closed."""
    return _File(descriptor, "wb", closefd=False)


def install(turns: Turns, descriptors: set[int]) -> None:
    """Stand in for the functions that write.

    Args:
        turns: Gives the turns.
        descriptors: Those that lead to the pod's stdout.
    """
    _places.append(_Place(turns, min(descriptors)))
    _watched.update(descriptors)
    for module, function in (
        (os, _for_write), (os, _for_writev), (os, _for_sendfile), (os, _for_splice), (os, _for_dup), (os, _for_dup2),
        (os, _for_os_open), (fcntl, _for_fcntl), (builtins, _for_open),
    ):  # fmt: skip
        _stand_in(module, function)
    io.open = builtins.open
    io.FileIO = _File  # type: ignore[misc]
    _watch_ctypes()


class _Owner:
    """What a stand-in is bound to: pickled as the module that its function is of, so that it is found there."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self._module,)


def _stand_in(module: Any, function: Any) -> None:
    """Put it where its users look: the module, and the one in C that the function is of."""
    name = function.__name__.removeprefix("_for_").removeprefix("os_")
    real = getattr(module, name, None)
    if real is None:
        return
    # Where it is defined stays, for who pickles it by that.
    function.__name__, function.__doc__, function.__annotations__ = name, real.__doc__, {}
    made = MethodType(function, _Owner(real.__module__))
    for each in (module, importlib.import_module(real.__module__)):
        setattr(each, name, made)


def _for_write(_: Any, fd: Any, data: Any, /) -> int:
    if fd in _watched and (place := _place_of(fd)) is not None:
        return place.turns.turn(fd, functools.partial(_write, fd, data), functools.partial(_ends, data))
    return _write(fd, data)


def _for_writev(_: Any, fd: Any, buffers: Any, /) -> int:
    if fd in _watched and (place := _place_of(fd)) is not None:
        return place.turns.turn(fd, functools.partial(_writev, fd, buffers), functools.partial(_all_end, buffers))
    return _writev(fd, buffers)


def _for_sendfile(_: Any, /, out_fd: Any, in_fd: Any, offset: Any, count: Any) -> int:
    copy = functools.partial(_sendfile, out_fd, in_fd, offset, count)
    if out_fd in _watched and (place := _place_of(out_fd)) is not None:
        return place.turns.turn(out_fd, copy, _unknown)
    return copy()


def _for_splice(
    _: Any, /, src: Any, dst: Any, count: Any, offset_src: Any = None, offset_dst: Any = None, flags: Any = 0
) -> int:
    move = functools.partial(_splice, src, dst, count, offset_src, offset_dst, flags)
    if dst in _watched and (place := _place_of(dst)) is not None:
        return place.turns.turn(dst, move, _unknown)
    return move()


def _for_dup(_: Any, fd: Any, /) -> Any:
    made = _dup(fd)
    return _noted(made) if fd in _watched else made


def _for_dup2(_: Any, /, fd: Any, fd2: Any, inheritable: Any = True) -> Any:
    made = _dup2(fd, fd2, inheritable)
    return _noted(made) if fd in _watched else made


def _for_fcntl(_: Any, fd: Any, cmd: Any, arg: Any = 0, /) -> Any:
    made = _fcntl(fd, cmd, arg)
    return _noted(made) if cmd in (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC) else made


def _for_os_open(_: Any, /, path: Any, flags: Any, mode: Any = 0o777, *, dir_fd: Any = None) -> Any:
    made = _os_open(path, flags, mode, dir_fd=dir_fd)
    return _noted(made) if flags & (os.O_WRONLY | os.O_RDWR) else made


def _for_open(
    _: Any, /, file: Any, mode: Any = "r", buffering: Any = -1, encoding: Any = None, errors: Any = None,
    newline: Any = None, closefd: Any = True, opener: Any = None,
) -> Any:  # fmt: skip
    if type(file) is int:
        if file in _watched and _fits(mode, buffering, encoding, errors, newline) and _place_of(file) is not None:
            return _on(_File(file, mode.strip("bt"), closefd), mode, buffering, encoding, errors, newline)
        return _open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    made = _open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    # A path of another name, or a link, may lead there too. Almost everything else can be sought in.
    if "r" in mode or made.seekable() or _place_of(made.fileno()) is None:
        return made
    raw = _File(_dup(made.fileno()), mode.strip("bt"))
    raw.name = file
    made.close()
    return _on(raw, mode, buffering, encoding, errors, newline)


def _fits(mode: Any, buffering: Any, encoding: Any, errors: Any, newline: Any) -> bool:
    """Whether ``open`` would take that, and give something to write to; what is wrong it says itself."""
    if mode in ("wb", "ab", "bw", "ba"):
        return encoding is errors is newline is None
    return mode in ("w", "a", "wt", "at", "tw", "ta") and buffering != 0


def _on(raw: Any, mode: str, buffering: int, encoding: Any, errors: Any, newline: Any) -> Any:
    """What ``open`` puts on a raw file."""
    if buffering == 0:
        return raw
    try:
        buffered = io.BufferedWriter(raw, buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE)
        if "b" in mode:
            return buffered
        text = io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)
        text.mode = mode  # type: ignore[misc]
    except BaseException:
        raw.close()
        raise
    return text


def _watch_ctypes() -> None:
    import ctypes

    real = ctypes.CDLL.__getitem__

    @functools.wraps(real)
    def asked(self: Any, name: Any) -> Any:
        if name in _WRITING_IN_C:
            _in_c.set()
        return real(self, name)

    ctypes.CDLL.__getitem__ = asked  # type: ignore[method-assign]


def _ends(content: Any, written: int) -> bool:
    """Whether so many bytes of something end a line."""
    return memoryview(content).cast("B")[written - 1] == 10


def _all_end(contents: Any, written: int) -> bool:
    return _ends(b"".join(bytes(each) for each in contents), written)


def _unknown(written: int) -> None:
    """What the kernel copies is not looked at."""
