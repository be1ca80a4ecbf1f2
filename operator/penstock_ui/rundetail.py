"""What the page of a run tells, as values for its templates; worded in `penstock_reading`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from penstock_reading import attempts, facts, seen
from penstock_reading.actions import actions
from penstock_reading.asking import question
from penstock_reading.history import history
from penstock_reading.nextsteps import next_steps
from penstock_reading.tasks import chosen
from penstock_reading.timeline import span

from .gantt import chart
from .runrow import run_row, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from penstock_reading.actions import Action
    from penstock_reading.history import Moment
    from penstock_reading.runs import Run
    from penstock_reading.tasks import TaskRun

    from .gantt import Chart
    from .looking import Look

__all__ = ["Detail", "Tasks", "detail"]

SHOWN: Final = 60
_MOST_SHOWN: Final = 1_000
_FAILURES: Final = 5
_MOST_PAIRS: Final = 64
_MOST_MOMENTS: Final = 200
_LONGEST: Final = 2_000
_ERROR: Final = ("type", "message", "location", "traceback")
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Tasks:
    """The task runs of an attempt.

    Attributes:
        chart: those that are shown.
        failures: some that failed, with what they say.
        counts: what is known, by state, in words.
        notes: what is left out, and why.
        more: whether more could be shown.
    """

    chart: Chart
    failures: Sequence[TaskRun]
    counts: str
    notes: Sequence[str]
    more: bool


@dataclass(frozen=True, slots=True)
class Detail:
    """What is told of a run.

    Attributes:
        title: what people call it.
        state: type of its state, for its colour.
        words: its state in words.
        message: what it says.
        steps: what to do next: a text, and whether it is a command.
        actions: what can be done with it.
        question: what it asks, while it is paused.
        facts: labels and values.
        error: the exception that ended it: type, message, location, traceback; empty: none.
        result: labels and values of what is known of its result.
        parameters: its own, by name, as JSON.
        attempts: rows below `facts.ATTEMPTS`.
        ran: how long each attempt ran, in words, by its number.
        parent: name of the run that started it; empty: nobody's.
        flow: name of the Flow that it refers to; empty: its flow is its own.
        logged: numbers of the attempts whose log is there.
        history: what happened, the oldest first.
        tasks: the task runs of the attempt that is looked at.
        conditions: rows below `facts.CONDITIONS`.
        events: rows below `facts.EVENTS`.
        labels: its labels, and annotations.
        unread: why Events or pods are not known.
    """

    title: str
    state: str
    words: str
    message: str
    steps: Sequence[tuple[str, bool]]
    actions: Sequence[Action]
    question: Sequence[str]
    facts: Sequence[tuple[str, str]]
    error: Mapping[str, str]
    result: Sequence[tuple[str, str]]
    parameters: Sequence[tuple[str, str]]
    attempts: Sequence[Sequence[str]]
    ran: Mapping[int, str]
    parent: str
    flow: str
    logged: Sequence[int]
    history: Sequence[Moment]
    tasks: Tasks | None
    conditions: Sequence[Sequence[str]]
    events: Sequence[Sequence[str]]
    labels: Sequence[tuple[str, str]]
    unread: Sequence[str]


def detail(run: Run, look: Look, program: str, now: float, *, limit: int = SHOWN) -> Detail:
    """Return what is told of a run.

    Args:
        run: as it is.
        look: what else is known.
        program: what commands to copy begin with.
        now: seconds since the epoch.
        limit: task runs at most.
    """
    watch = look.watch
    pods = watch.pods if watch is not None else ()
    events = watch.events if watch is not None else ()
    kind, _, message = run.state
    asks = kind == "Paused" and (run.status.get("pause") or {}).get("key")
    error = run.status.get("error") or {}
    metadata = run.body["metadata"]
    told = bool(message) and message.lower() not in (kind.lower(), run.state[1].lower())
    unread = (
        [f"{what}: {why}" for what, why in (("Pods", watch.no_pods), ("Events", watch.no_events)) if why]
        if watch is not None
        else []
    )
    return Detail(
        title=str(run.body["spec"].get("displayName") or run.name),
        state=kind or "New",
        words=facts.state(run),
        message=message if told else "",
        steps=[(step, step.startswith((program, "kubectl "))) for step in next_steps(run, program)],
        actions=actions(run, program),
        question=list(question(run)) if asks else (),
        facts=[*facts.flow(run), *facts.times(run)],
        error={name: str(error.get(name) or "") for name in _ERROR} if error else {},
        result=list(facts.result(run)),
        parameters=_bounded(facts.parameters(run)),
        attempts=facts.attempts(run, _exit_code(run, pods) if run.finished else ""),
        ran=_ran(run),
        parent=run_row(run.body).parent,
        flow=str((run.body["spec"].get("flowRef") or {}).get("name") or ""),
        logged=list(watch.attempts) if watch is not None else (),
        history=history(run, pods, events)[-_MOST_MOMENTS:],
        tasks=_tasks(run, look, now, limit),
        conditions=facts.conditions(run.status),
        events=facts.events(events),
        labels=_bounded([*_pairs(metadata.get("labels")), *_pairs(metadata.get("annotations"))]),
        unread=unread,
    )


def _tasks(run: Run, look: Look, now: float, limit: int) -> Tasks | None:
    attempt = look.attempt
    if not attempt:
        return None
    log = look.log
    known = seen.best(run, attempt, None if log is None else log.tasks.runs)
    if known is None or not known.runs:
        return None
    over = run.finished or attempt != run.attempt
    shown = chosen(known.runs, min(limit, _MOST_SHOWN), over=over)
    counts: dict[str, int] = {}
    for each in known.runs:
        counts[each.state] = counts.get(each.state, 0) + 1
    notes = [*seen.left_out(known, shown, "the link below"), *seen.unknown(known)]
    if known.source == "report":
        notes.append(
            "From the run's end report: what the log told besides (waits, tries, what depends on what) went with the pod."
        )
    return Tasks(
        chart=chart(shown, datetime.fromtimestamp(now, UTC), over=over),
        failures=[each for each in known.runs if each.failed and each.message][:_FAILURES],
        counts=", ".join(f"{count} {state}" for state, count in sorted(counts.items(), key=lambda item: -item[1])),
        notes=notes,
        more=len(known.runs) > len(shown) and len(shown) < _MOST_SHOWN,
    )


def _bounded(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Cut what is long: a page is for looking, and what a user may write has no other bound than the API server's."""
    found = list(pairs)
    shown = [(key[:_LONGEST], _cut(value)) for key, value in found[:_MOST_PAIRS]]
    return [*shown, ("...", f"and {len(found) - _MOST_PAIRS} more")] if len(found) > _MOST_PAIRS else shown


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ... ({len(text) - _LONGEST} characters more)"


def _exit_code(run: Run, pods: Sequence[Mapping[str, Any]]) -> str:
    return next((facts.exit_code(pod) for pod in pods if pod["metadata"]["name"] == run.pod), "")


def _ran(run: Run) -> dict[int, str]:
    found = {}
    for each in run.status.get("attempts") or ():
        began, ended = seconds_of(each.get("startTime")), seconds_of(each.get("endTime"))
        if began and ended:
            found[int(each.get("number") or 0)] = span(max(0.0, ended - began))
    now = run.status.get("attempt") or {}
    began, ended = seconds_of(now.get("startTime")), seconds_of(run.status.get("completionTime"))
    if began and ended:
        found.setdefault(int(now.get("number") or 0), span(max(0.0, ended - began)))
    return found


def _pairs(values: Any) -> list[tuple[str, str]]:
    found = values if isinstance(values, dict) else {}
    return [(str(key), str(value)) for key, value in sorted(found.items()) if key != _LAST_APPLIED]


def between(run: Run, attempt: int) -> str:
    """Return what is said of an attempt that is over, as `penstock logs` says it; empty: it is the last one."""
    return str(attempts.between(run.status, attempt, "")) if attempt < run.attempt else ""
