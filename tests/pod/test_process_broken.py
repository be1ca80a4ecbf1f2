"""User code that takes away what the pod's own threads are made of: nobody waits for them for ever, and what can still be said is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pod.conftest import StartPod


WITH_A_LAST_WORD = {
    "what sends requests": "import httpx\n    httpx.HTTPTransport.handle_request = None",
    "modules": "[sys.modules.pop(name) for name in list(sys.modules) if name.startswith(('http', 'socket', 'ssl'))]",
    "the guard's pipe": "os.closerange(3, 1000)",
}
WITHOUT_ONE = {
    "what encodes reports": "import json\n    json.dumps = json.loads = None",
    "locks": "threading.Lock = threading.Condition = None",
}
ENGINE_ERROR = 70


@pytest.mark.parametrize("taken", WITH_A_LAST_WORD)
def test_an_outcome_that_the_termination_message_tells(start: StartPod, taken: str) -> None:
    pod = start(f"@flow\ndef main():\n    {WITH_A_LAST_WORD[taken]}\n    return 7\n")
    assert pod.wait() == 0, pod.output
    assert (pod.termination["type"], pod.termination["exit"]) == ("Completed", 0)
    assert pod.termination["result"]["json"] == "7"


@pytest.mark.parametrize("taken", WITH_A_LAST_WORD)
def test_a_cancellation_that_the_termination_message_tells(start: StartPod, taken: str) -> None:
    """By the file: no kubelet kills the process when a grace is over."""
    source = f"@flow(**HOOKS)\ndef main():\n    {WITH_A_LAST_WORD[taken]}\n    mark('body')\n    time.sleep(100)\n"
    pod = start(source)
    pod.marked("body")
    pod.intend("Cancelled")
    assert pod.wait() == 0, pod.output
    assert (pod.termination["type"], pod.termination["exit"]) == ("Cancelled", 0)
    assert pod.has_mark("hook-cancelled")


@pytest.mark.parametrize("taken", WITHOUT_ONE)
@pytest.mark.parametrize("end", ["return 7", "time.sleep(100)"], ids=["returns", "is cancelled"])
def test_a_process_that_can_only_leave(start: StartPod, taken: str, end: str) -> None:
    pod = start(f"@flow\ndef main():\n    {WITHOUT_ONE[taken]}\n    mark('body')\n    {end}\n")
    pod.marked("body")
    pod.intend("Cancelled")
    assert pod.wait() in (0, ENGINE_ERROR), pod.output
