"""The jump back to a loop that is the first thing in a `try`, at which an interruption would miss the `try`.

CPython looks for signals, and for exceptions from other threads, where a loop jumps back. What is raised there counts as raised by
the instruction before the loop (3.11, 3.12), or by a jump that the table of the `try` leaves out (3.13): neither `except` nor
`finally` see it. Measured with 3.11.7, 3.12.1 and 3.13.0, in 30 interruptions of

    try:
        while True: n += 1
    finally: ...

the `finally` never ran on 3.11 and 3.12 (with the body on a line of its own it always did); on 3.13 it never ran with
`while n >= 0`, in any form and anywhere in the `try`, nor did the `__exit__` of a `with` around it. One instruction later all is well.
Neighbours: `section` raises there what it is to deliver; `injection` looks where another thread is.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType

_CACHE = 0
_BY_THE_JUMP = sys.version_info >= (3, 13)


def _endless() -> None:
    while True:
        pass


# Its last instruction: the module of their names takes a millisecond to import.
_BACK = next(code for code in reversed(_endless.__code__.co_code[::2]) if code != _CACHE)


def interrupted(frame: FrameType | None) -> FrameType | None:
    """The frame of the body, whatever handlers of ours stand in it: they wait while another thread interrupts it."""
    while frame is not None and "__penstock_waits__" in frame.f_globals:
        frame = frame.f_back
    return frame


def misses_a_try(frame: FrameType | None) -> bool:
    """Whether what is raised in this frame now would miss the `try` that its next instruction is in."""
    if frame is None or frame.f_lasti < 0:
        return False
    code, at = frame.f_code.co_code, frame.f_lasti
    if code[at] != _BACK:
        return False
    behind = at + 2
    while behind < len(code) and code[behind] == _CACHE:
        behind += 2
    loop = behind - 2 * _argument(code, at)
    wanted = _handler(frame.f_code, loop)
    return wanted is not None and wanted != _handler(frame.f_code, at if _BY_THE_JUMP else loop - 2)


def at_next_instruction(frame: FrameType, act: Callable[[], object]) -> bool:
    """Have something done in the frame of a signal's handler before its next instruction; False: a debugger is there first."""
    present = sys.gettrace()
    if present is not None:
        return present is _waits  # somebody has asked already
    before = frame.f_trace, frame.f_trace_opcodes

    def trace(reached: FrameType, _event: str, _arg: Any) -> Any:
        if reached is not frame:
            return None
        sys.settrace(None)
        frame.f_trace, frame.f_trace_opcodes = before
        act()
        return None

    frame.f_trace, frame.f_trace_opcodes = trace, True
    sys.settrace(_waits)
    return True


def _waits(*_: object) -> None:
    """Trace nothing but the frame that waits for its next instruction."""


def _argument(code: bytes, at: int) -> int:
    """The argument of an instruction, with what stands in front of it for large ones."""
    from opcode import EXTENDED_ARG

    value, shift = code[at + 1], 8
    while at >= 2 and code[at - 2] == EXTENDED_ARG:
        at -= 2
        value |= code[at + 1] << shift
        shift += 8
    return value


def _handler(code: CodeType, offset: int) -> int | None:
    """Where an exception of an instruction goes; None: out of the function."""
    table = iter(code.co_exceptiontable)
    try:
        while True:
            start = 2 * _number(table)
            length, target, _ = 2 * _number(table), 2 * _number(table), _number(table)
            if start <= offset < start + length:
                return target
    except StopIteration:
        return None


def _number(table: Iterator[int]) -> int:
    """Read a number of the table: six bits a byte, the highest first; the seventh says that more follow."""
    byte = next(table)
    value = byte & 63
    while byte & 64:
        byte = next(table)
        value = value << 6 | byte & 63
    return value
