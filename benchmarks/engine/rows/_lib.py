"""What every scenario needs: the library that LIB names, a clock around a loop, one line of JSON as the outcome."""

from __future__ import annotations

import atexit
import importlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LIB = os.environ.get("LIB", "penstock")
N = int(os.environ.get("N", "1000"))


def module(name: str = "") -> Any:
    """A module of the library under test: `module("task_runners")` is `prefect.task_runners`, or ours."""
    return importlib.import_module(LIB + (f".{name}" if name else ""))


def resident_kb() -> float:
    """Resident set of this process in kB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def timed(work: Callable[[], Any], count: int) -> None:
    """Run `work`, and print milliseconds for each of `count` and the growth of the resident set."""
    before = resident_kb()
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    report(ms_each=seconds / count * 1e3, kb_each=(resident_kb() - before) / count)


def report(**figures: float) -> None:
    """Print the outcome of a scenario."""
    print(json.dumps(figures), file=sys.__stdout__, flush=True)


@atexit.register
def _peak() -> None:
    """The peak of the resident set; `wait4` would count what the runner had in memory when it forked."""
    with open("/proc/self/status") as status:
        kb = next(line for line in status if line.startswith("VmHWM")).split()[1]
    report(peak_mb=int(kb) / 1024)
