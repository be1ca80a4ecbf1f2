"""Writes of this process that go to the pod's stdout past ``sys.stdout``: each in its turn, and known by its last byte.

``os.write(1, …)`` and its like, also to a duplicate of the descriptor, and the raw side of ``sys.stdout``: the functions of
``os`` that write have stand-ins. What does not lead to the pod's stdout goes on to the function itself. What leads there
waits for the log's line that is under way, and the log's next line knows whether it was left unfinished. Code in C that
asks ``ctypes`` for a function that writes is not seen writing, so it is taken for one who writes all the time. ``open`` and
``io.FileIO`` stay as they are: too much of what others write asks what they are (``os.supports_dir_fd``, classes that
derive from it).

A stand-in has name, text and signature of what it stands for, is pickled as it, and does not bind as an attribute of a
class: it is a method that is bound already, which costs least of all that do so.

In pods only. Neighbour: ``penstock.pod.lines`` owns the lock. Nothing of what is written is changed or held back.
"""

from __future__ import annotations

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
_dup, _dup2 = os.dup, os.dup2


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
        self._inode = inode_of(descriptor)

    def leads_here(self, descriptor: Any) -> bool:
        return inode_of(descriptor) == self._inode


def inode_of(place: Any) -> tuple[int, int] | None:
    """What tells where a descriptor, or a path, leads; None if it leads nowhere."""
    try:
        found = os.stat(place)
    except (OSError, ValueError, TypeError):
        return None
    return found.st_dev, found.st_ino


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


class _Raw(io.FileIO):
    """The raw side of ``sys.stdout``: writes in its turn."""

    def write(self, content: Any, /) -> Any:
        place = None if self.closed else _place_of(self.fileno())
        if place is None:
            return super().write(content)
        write = functools.partial(super().write, content)
        return place.turns.turn(self.fileno(), write, functools.partial(_ends, content))


def may_write_in_c() -> bool:
    """Whether code in C may write there by itself at any time."""
    return _in_c.is_set()


def raw_file(descriptor: int) -> io.RawIOBase:
    """A raw file on a descriptor, which stays open when the file is closed."""
    return _Raw(descriptor, "wb", closefd=False)


def install(turns: Turns, descriptors: set[int]) -> None:
    """Stand in for the functions that write.

    Args:
        turns: Gives the turns.
        descriptors: Those that lead to the pod's stdout.
    """
    _places.append(_Place(turns, min(descriptors)))
    _watched.update(descriptors)
    for function in (_for_write, _for_writev, _for_sendfile, _for_splice, _for_dup, _for_dup2):
        _stand_in(function)
    _watch_ctypes()


class _Owner:
    """What a stand-in is bound to: pickled as the module that its function is of, so that it is found there."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self._module,)


def _stand_in(function: Any) -> None:
    """Put it where its users look: in ``os``, and in the module in C that the function is of."""
    name = function.__name__.removeprefix("_for_")
    real = getattr(os, name, None)
    if real is None:
        return
    # Where it is defined stays, for who pickles it by that.
    function.__name__, function.__doc__, function.__annotations__ = name, real.__doc__, {}
    made = MethodType(function, _Owner(real.__module__))
    for each in (os, importlib.import_module(real.__module__)):
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
