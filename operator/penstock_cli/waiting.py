"""`wait`: until runs have ended, have a condition or a value, or are gone. One watch for all of them, no polling."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .absent import with_near
from .errors import CliError, outcome_unknown
from .exits import Exit, of_state, worst
from .jsonpath import JsonPathError, parse
from .kinds import FLOWRUN, run_names
from .runs import Run, not_found
from .terminal import line, say
from .watching import changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .api import Api, Json
    from .outputs import Output

__all__ = ["wait"]

# kubectl's, for a condition. The end of a run is waited for as long as it takes.
_CONDITION_SECONDS = 30.0


def wait(api: Api, words: Sequence[str], output: Output, *, condition: str | None, timeout: float | None) -> Exit:
    """Wait for runs, and say of each what it waited for; returns the exit code: without a condition that of their outcomes.

    Args:
        api: the API server.
        words: the runs.
        output: how each is told; as documents they are printed as they are then.
        condition: what `--for` says; None: the end.
        timeout: seconds; None: 30 for a condition, and no limit for the end.
    """
    met = _test(condition)
    if timeout is None and condition is not None:
        timeout = _CONDITION_SECONDS
    deadline = None if timeout is None else time.monotonic() + timeout
    left = dict.fromkeys(run_names(words))
    codes: list[Exit] = []
    with outcome_unknown():
        for name, run in _states(api, list(left), deadline):
            if name not in left:
                continue
            if run is None and condition != "delete":
                missing = with_near(api, FLOWRUN, api.namespace, name, not_found(name))
                say(missing, error=True, flush=True)
                codes.append(Exit.NOT_FOUND)
            elif run is None or met(run):
                codes.append(_tell(name, run, condition, output))
            else:
                continue
            del left[name]
            if not left:
                return worst(codes)
    for name in left:
        say(f"error: timed out waiting for the condition on flowruns/{name}", error=True)
    return Exit.TIMED_OUT


def _tell(name: str, run: Run | None, condition: str | None, output: Output) -> Exit:
    if output.kind:
        if run is not None or output.kind == "name":
            output.told(FLOWRUN.label("").rstrip("/"), name, "", run.body if run is not None else {})
        return Exit.OK if condition is not None or run is None else of_state(run.state[0])
    if condition is not None or run is None:
        say(f"{FLOWRUN.label(name)} {'deleted' if run is None else 'condition met'}", flush=True)
        return Exit.OK
    kind, state, message = run.state
    shown = kind if kind == state else f"{kind}/{state}"
    say(f"{FLOWRUN.label(name)} {shown}" + (f": {line(message)}" if message else ""), flush=True)
    return of_state(kind)


def _test(condition: str | None) -> Callable[[Run], bool]:
    """Return what decides whether a run is as wanted.

    Raises:
        CliError: the condition is not understood.
    """
    if condition in (None, "delete"):
        return lambda run: condition is None and run.finished
    kind, _, rest = str(condition).partition("=")
    if kind == "condition" and rest:
        wanted, _, status = rest.partition("=")
        return lambda run: run.condition(wanted).lower() == (status or "True").lower()
    if kind == "jsonpath" and rest:
        path, _, value = rest.rpartition("}")[0] + "}", "", rest.rpartition("}")[2].removeprefix("=")
        try:
            template = parse(path)
        except JsonPathError as error:
            raise CliError(f"error: --for={condition}: {error}", Exit.USAGE) from error
        return lambda run: template.render(run.body) == value if value else bool(template.render(run.body))
    raise CliError(
        f"error: --for={condition} is not understood: use delete, condition=NAME, condition=NAME=STATUS or jsonpath={{.status.state.name}}=VALUE",
        Exit.USAGE,
    )


def _states(api: Api, names: Sequence[str], deadline: float | None) -> Iterator[tuple[str, Run | None]]:
    """Yield each run as it is, and whenever it changes; None: there is none of this name (any more). Ends at the deadline."""
    query = {"fieldSelector": f"metadata.name={names[0]}"} if len(names) == 1 else {}
    for shown in changes(api, FLOWRUN.path(api.namespace), query, until=deadline):
        if "items" in shown:
            found: dict[str, Json] = {item["metadata"]["name"]: item for item in shown["items"]}
            for name in names:
                yield name, Run(found[name]) if name in found else None
        else:
            body = shown["object"]
            yield str(body["metadata"]["name"]), None if shown["type"] == "DELETED" else Run(body)
