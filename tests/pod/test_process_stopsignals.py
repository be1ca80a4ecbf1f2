"""Whatever user code does to handlers and to the wakeup descriptor, a signal that stops the pod is heard."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

import pytest
import uvloop

from tests.pod.conftest import StartPod
from tests.support.pod_process import ENGINE
from tests.support.pod_server import PodServer

ASYNC = (
    "@flow(**HOOKS)\nasync def main():\n{before}    mark('body')\n    try:\n"
    "        await asyncio.sleep(100)\n    finally:\n        mark('finally')\n"
)
SYNC = "@flow(**HOOKS)\ndef main():\n{before}    mark('body')\n    try:\n        time.sleep(100)\n    finally:\n        mark('finally')\n"
C_CALL = (
    "@flow(**HOOKS)\ndef main():\n{before}    import hashlib\n    mark('body')\n"
    "    hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)\n"
)
LOOP = "    loop = asyncio.get_running_loop()\n"
SOCKETS = "    import socket\n    here, there = socket.socketpair()\n    here.setblocking(False)\n    there.setblocking(False)\n"
WAIT_UNTIL_HEARD = (
    "import ctypes, signal\nlibc = ctypes.CDLL(None)\ndef handler():\n    action = ctypes.create_string_buffer(512)\n"
    "    libc.sigaction(int(signal.SIGTERM), None, action)\n    return action.raw[:8]\nours = handler()\n"
    "def wait_until_heard():\n    while handler() != ours:\n        time.sleep(0.01)\n"
)


@dataclass(frozen=True)
class Taking:
    """What user code does before the signal comes.

    Attributes:
        id: The row.
        source: The flow.
        number: The signal.
        prelude: Before the flow.
    """

    id: str
    source: str
    number: int = signal.SIGTERM
    prelude: str = "import signal\n"


HEARD = [
    Taking("a loop's handler", ASYNC.format(before=f"{LOOP}    loop.add_signal_handler(signal.SIGUSR1, mark, 'x')\n")),
    Taking(
        "a loop's handler that was removed",
        ASYNC.format(
            before=f"{LOOP}    loop.add_signal_handler(signal.SIGTERM, mark, 'x')\n"
            "    loop.remove_signal_handler(signal.SIGTERM)\n"
        ),
    ),
    Taking(
        "a loop that has ended",
        SYNC.format(
            before="    async def inner():\n        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, mark, 'x')\n"
            "    asyncio.run(inner())\n"
        ),
    ),
    Taking("a descriptor of its own", C_CALL.format(before=f"{SOCKETS}    signal.set_wakeup_fd(here.fileno())\n")),
    Taking("no descriptor", C_CALL.format(before="    signal.set_wakeup_fd(-1)\n")),
    Taking(
        "a descriptor by a way that we do not see",
        SYNC.format(before=f"{SOCKETS}    import sitecustomize\n    sitecustomize.original(here.fileno())\n"),
    ),
    Taking("the default handler", SYNC.format(before="    signal.signal(signal.SIGTERM, signal.SIG_DFL)\n")),
    Taking("a handler that does nothing", SYNC.format(before="    signal.signal(signal.SIGTERM, lambda *_: None)\n")),
    Taking("a handler, in a C call", C_CALL.format(before="    signal.signal(signal.SIGTERM, lambda *_: mark('x'))\n")),
    Taking(
        "a handler that restores the default and sends the signal again",
        SYNC.format(
            before="    def cleans(number, _):\n        signal.signal(number, signal.SIG_DFL)\n        signal.raise_signal(number)\n"
            "    signal.signal(signal.SIGTERM, cleans)\n"
        ),
    ),
    Taking(
        "a handler that does so with a signal of its own",
        SYNC.format(
            before="    def cleans(number, _):\n        signal.signal(number, signal.SIG_DFL)\n        os.kill(os.getpid(), number)\n"
            "    signal.signal(signal.SIGUSR1, cleans)\n"
        ),
        signal.SIGUSR1,
    ),
    Taking(
        "a wait for any signal",
        "@flow(**HOOKS)\ndef main():\n    mark('body')\n    try:\n        signal.pause()\n    finally:\n        mark('finally')\n",
    ),
    Taking("a handler that exits", SYNC.format(before="    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n")),
    Taking(
        "a handler in C",
        SYNC.format(
            before="    import faulthandler\n    faulthandler.register(signal.SIGTERM)\n    wait_until_heard()\n"
        ),
        prelude=WAIT_UNTIL_HEARD,
    ),
    Taking(
        "the default handler, by C",
        SYNC.format(before="    libc.signal(15, None)\n    wait_until_heard()\n"),
        prelude=WAIT_UNTIL_HEARD,
    ),
    Taking(
        "a mask on the main thread",
        C_CALL.format(before="    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"),
    ),
    Taking(
        "a call that keeps the interpreter's lock, and looks for signals",
        "@flow(**HOOKS)\ndef main():\n    mark('body')\n    try:\n        pow(3, 1 << 1_000_000, (1 << 100_001) - 1)\n"
        "    finally:\n        mark('finally')\n",
    ),
    Taking(
        "a loop in C of a sync flow",
        "@flow(**HOOKS)\ndef main():\n    import uvloop\n    async def sleepy():\n        mark('body')\n        await asyncio.sleep(100)\n"
        "    try:\n        uvloop.run(sleepy())\n    finally:\n        mark('finally')\n",
    ),
    *(
        Taking(f"{name} as the image's STOPSIGNAL", SYNC.format(before=""), number)
        for name, number in (
            ("SIGQUIT", signal.SIGQUIT),
            ("SIGHUP", signal.SIGHUP),
            ("SIGUSR1", signal.SIGUSR1),
            ("SIGUSR2", signal.SIGUSR2),
            ("SIGWINCH", signal.SIGWINCH),
            ("SIGPWR", signal.SIGPWR),
            ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        )
    ),
    Taking(
        "a signal that was given back",
        ASYNC.format(
            before=f"{LOOP}    loop.add_signal_handler(signal.SIGUSR1, mark, 'x')\n    loop.remove_signal_handler(signal.SIGUSR1)\n"
        ),
        signal.SIGUSR1,
    ),
]


@pytest.mark.parametrize("taking", HEARD, ids=lambda taking: taking.id)
def test_the_signal_ends_the_run(start: StartPod, server: PodServer, taking: Taking) -> None:
    pod = start(
        taking.prelude + taking.source,
        files={"work/sitecustomize.py": "import signal\noriginal = signal.set_wakeup_fd\n"},
        env={"PYTHONPATH": f"{ENGINE}:.:{os.path.dirname(os.path.dirname(uvloop.__file__))}"},
    )
    pod.marked("body")
    pod.signal(taking.number)
    assert pod.wait() == 128 + taking.number, pod.output
    assert server.report is not None
    name = "SIGRTMIN+3" if taking.number > signal.SIGRTMIN else signal.Signals(taking.number).name
    assert (server.report["type"], server.report["signal"]) == ("Interrupted", name)
    assert server.report["hooks"] == {"ran": ["crashed"]}
    assert pod.has_mark("finally") == ("finally" in taking.source)
    assert "Traceback" not in pod.output, pod.output


def test_the_signal_ends_a_run_under_uvloop(start: StartPod, server: PodServer) -> None:
    """It takes the descriptor for as long as it runs, whatever the flow does."""
    folder = os.path.dirname(os.path.dirname(uvloop.__file__))
    pod = start("import uvloop\nuvloop.install()\n" + ASYNC.format(before=""), env={"PYTHONPATH": f"{ENGINE}:{folder}"})
    pod.marked("body")
    pod.signal()
    assert pod.wait() == 128 + signal.SIGTERM, pod.output
    assert server.report is not None
    assert server.report["hooks"] == {"ran": ["crashed"]}
    assert pod.has_mark("finally")


TAKEN = [
    Taking(
        "a handler of its own",
        "@flow(**HOOKS)\ndef main():\n    signal.signal(signal.SIGUSR1, lambda *_: mark('seen'))\n    mark('body')\n"
        "    wait_for('go')\n    return 3\n",
        signal.SIGUSR1,
    ),
    Taking(
        "a loop's handler",
        "@flow(**HOOKS)\nasync def main():\n    asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, mark, 'seen')\n"
        "    mark('body')\n    while not (FOLDER / 'go').exists():\n        await asyncio.sleep(0.01)\n    return 3\n",
        signal.SIGQUIT,
    ),
    Taking(
        "a handler that has gone again since",
        "@flow(**HOOKS)\ndef main():\n    signal.signal(signal.SIGUSR1, lambda *_: mark('seen'))\n"
        "    for _ in range(50):\n        signal.raise_signal(signal.SIGUSR1)\n"
        "        signal.signal(signal.SIGUSR1, signal.signal(signal.SIGUSR1, signal.SIG_DFL))\n"
        "        signal.signal(signal.SIGUSR1, lambda *_: mark('seen'))\n"
        "    mark('body')\n    wait_for('go')\n    return 3\n",
        signal.SIGUSR1,
    ),
    Taking(
        "ignored on purpose",
        "@flow(**HOOKS)\ndef main():\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    mark('seen')\n    mark('body')\n"
        "    wait_for('go')\n    return 3\n",
    ),
]


@pytest.mark.parametrize("taking", TAKEN, ids=lambda taking: taking.id)
def test_a_signal_that_user_code_has_taken_is_its_own(start: StartPod, server: PodServer, taking: Taking) -> None:
    pod = start(f"from marks import FOLDER, wait_for\n{taking.prelude}{taking.source}")
    pod.marked("body")
    pod.signal(taking.number)
    pod.marked("seen")
    pod.mark("go")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert (server.report["type"], server.report["result"]["json"]) == ("Completed", "3")


def test_user_code_finds_the_signals_of_a_plain_process(start: StartPod, server: PodServer) -> None:
    pod = start(
        "import signal\n@flow\ndef main():\n    there, here = os.pipe()\n    os.set_blocking(here, False)\n"
        "    found = [signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, signal.set_wakeup_fd(here)]\n"
        "    found += [signal.signal(signal.SIGUSR1, mark) is signal.SIG_DFL, signal.getsignal(signal.SIGUSR1) is mark]\n"
        "    signal.signal(signal.SIGUSR1, lambda *_: None)\n    signal.raise_signal(signal.SIGUSR1)\n"
        "    found += [os.read(there, 1)[0], signal.set_wakeup_fd(-1) == here]\n"
        "    for bad in (9999, there):\n        try:\n            signal.set_wakeup_fd(bad)\n"
        "        except (OSError, ValueError) as error:\n            found.append(type(error).__name__)\n"
        "    return found\n"
    )
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert (
        server.report["result"]["json"]
        == f'[true, -1, true, true, {int(signal.SIGUSR1)}, true, "OSError", "ValueError"]'
    )
