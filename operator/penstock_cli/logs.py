"""`logs`: what the pods of a run's attempts wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import CliError
from .follow import LogLine, follow
from .kinds import FLOWRUN, POD, run_names
from .loglines import LogReader
from .runs import attempts_pods, find
from .terminal import pass_on, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .api import Api

__all__ = ["logs"]


def logs(api: Api, words: Sequence[str], namespace: str, *, follow_on: bool, attempt: int | None, raw: bool) -> None:
    """Show a run's log: all attempts that still have their pod, in order; with `follow_on` until the run has ended.

    What the pod wrote is given on as it is, escape sequences included, as kubectl logs does.
    """
    names = run_names(words)
    if len(names) != 1:
        raise CliError("error: expected one FlowRun: penstock logs NAME")
    run = find(api, namespace, names[0])
    if follow_on and not run.finished and attempt is None and not raw:
        for event in follow(api, [run]):
            if isinstance(event, LogLine):
                pass_on(event.text)
        return
    pods = [(number, pod) for number, pod in attempts_pods(api, run) if attempt in (None, number)]
    if not pods:
        state = " - ".join(part for part in run.state[1:] if part) or "the operator has not seen it yet"
        raise CliError(
            f"error: {FLOWRUN.label(run.name)} has no pod{f' of attempt {attempt}' if attempt else ''}, so no log ({state})"
        )
    for number, pod in pods:
        if len(pods) > 1:
            say(f"--- attempt {number} ({pod})")
        last = number == pods[-1][0]
        reader = LogReader()
        query = {"container": "engine"} | ({"follow": "true"} if follow_on and last else {})
        for written in api.lines(POD.path(namespace, pod, "log"), query):
            text = written if raw else reader.readable(written)
            if text is not None:
                pass_on(text)
