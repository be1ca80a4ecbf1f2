"""The interpreter that `warm` starts: it has imported what is no part of Penstock, and forks a process for each order.

A child becomes what `python -m MODULE` is in its folder: its environment, its folder first on the path, an empty `__main__`, no descriptor but
the three that it was given. It runs behind this module's frames, and ends as every interpreter does. Orders come by one socket, each with
the child's output, its errors and a socket of its own, by which its asker learns its number and how it ended; the asker's closing
of that one lets the dead child go, so that nobody ever signals another process of the same number.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

LARGEST = 2**20


@dataclass(slots=True)
class Child:
    """A process, and who asked for it."""

    pid: int
    alive: int  # a descriptor that is readable when it has ended
    asker: socket.socket
    ended: bool = False


def serve(control: int, modules: Sequence[str]) -> None:
    """Fork until nobody can order any more; returns in no process but the children, when their module has come to its end."""
    sys.modules["httpx._main"] = None  # type: ignore[assignment] # the engine imports httpx without its command line too
    for name in modules:
        import_module(name)
    del sys.modules["httpx._main"]
    order = _next_order(socket.socket(fileno=control))
    _become(order)
    runpy._run_module_as_main(order["module"])  # type: ignore[attr-defined] # what `python -m` calls


def _next_order(orders: socket.socket) -> dict[str, Any]:
    """Fork for each order, and return it in the child."""
    children: dict[int, Child] = {}  # by each of their descriptors
    poll = select.poll()
    poll.register(orders, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            if ready != orders.fileno():
                _look(children, ready, poll)
                continue
            message, descriptors, *_ = socket.recv_fds(orders, LARGEST, 3)
            if not message:
                os._exit(0)
            output, errors, told = descriptors
            asker = socket.socket(fileno=told)
            pid = os.fork()
            if pid == 0:
                highest = max([orders.fileno(), *descriptors, *children])
                for one in (orders, asker, *(child.asker for child in children.values())):
                    one.detach()
                os.dup2(output, 1)
                os.dup2(errors, 2)
                os.closerange(3, highest + 1)
                return dict(json.loads(message))
            os.close(output)
            os.close(errors)
            child = Child(pid, os.pidfd_open(pid), asker)
            children[child.alive] = children[told] = child
            poll.register(child.alive, select.POLLIN)
            poll.register(told, select.POLLIN)
            asker.send(str(pid).encode())


def _look(children: dict[int, Child], ready: int, poll: select.poll) -> None:
    """A child has ended, or its asker has gone."""
    child = children.pop(ready)
    poll.unregister(ready)
    if ready == child.alive:
        os.close(ready)
        # It stays as it is until its asker knows.
        found = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert found is not None
        child.ended = True
        code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        with contextlib.suppress(OSError):  # nobody asks any more
            child.asker.send(str(code).encode())
    else:
        child.asker.close()
    if child.ended and child.asker.fileno() < 0:
        os.waitpid(child.pid, 0)


def _become(order: dict[str, Any]) -> None:
    """Be a process that has just begun."""
    if order["tied"]:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # as `die_with_parent`
    os.chdir(order["cwd"])
    # Python itself sets this one at its start, where no locale is named.
    coerced = {name: os.environ[name] for name in ("LC_CTYPE",) if name in os.environ}
    os.environ.clear()
    os.environ.update({**coerced, **order["env"]})
    sys.path[0] = order["cwd"]
    sys.argv[:] = ["-m", *order["arguments"]]
    sys.orig_argv[:] = [sys.executable, "-m", order["module"], *order["arguments"]]
    main = vars(sys.modules["__main__"])
    for name in [name for name in main if not name.startswith("__")]:
        del main[name]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
