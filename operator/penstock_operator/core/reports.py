"""What the engine said of its attempt, by report or by termination message, and what that makes of the run.

A report is believed of the run's own pod only: `situation` looks at the pod's owner first, and gives none of another's.
Precedence: a report that is an outcome and the last word (the fence accepted it: whatever the pod does later); when the engine has ended, the
termination message of this run, attempt and instance; then a report whose `ending` nobody took back. Otherwise the pod's fate tells.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from penstock_operator.api.flowrun import FlowRun, StateType
from penstock_operator.api.report import Hooks, Report, ReportType
from penstock_operator.api.times import seconds_between

from .limits import goes_on
from .observe import Container
from .verdict import Budget, Verdict

_NAME = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
# The engine never got as far as user code: not the flow's doing.
_NOT_REACHED = ("ApiUnreachable", "NotAuthorized")


def own_report(run: FlowRun) -> Report | None:
    """Return the report of the attempt under way; an older attempt's is none."""
    report, attempt = run.status.report, run.status.attempt
    return report if report is not None and attempt is not None and report.attempt == attempt.number else None


def final_report(report: Report | None) -> Report | None:
    """Return the report if it is an outcome and the engine's last word."""
    return report if report is not None and report.type.outcome and not report.ending else None


def last_words(run: FlowRun, report: Report | None, container: Container | None) -> Report | None:
    """Return the outcome that an engine left which has ended without a last report, or None.

    Args:
        run: as a live read showed it: a report that is on its way must have been seen.
        report: this attempt's report, if any.
        container: the engine's container.
    """
    if container is not None:
        for state in (container.state, container.last_state):
            if state is not None and state.kind == "terminated" and state.message:
                message = _termination_message(run, state.message)
                if message is not None and (report is None or message.instance == report.instance):
                    return message
    return report if report is not None and report.type.outcome else None


def _termination_message(run: FlowRun, text: str) -> Report | None:
    """Return the outcome in a termination message, if it is one of this run and attempt."""
    try:
        raw = json.loads(text)
        if not isinstance(raw, dict) or raw.get("uid") != run.metadata.uid:
            return None
        message = _read(raw)
    except (ValueError, ValidationError, RecursionError):
        return None
    attempt = run.status.attempt
    if attempt is None or message.attempt != attempt.number or not message.type.outcome:
        return None
    return message


def _read(raw: dict[str, Any]) -> Report:
    """Read a message that no server has checked: what it comes to counts, though the rest be unreadable."""
    try:
        return Report.model_validate(raw)
    except ValidationError:
        return Report(
            attempt=raw.get("attempt", 0),
            instance=str(raw.get("instance"))[:64],
            type=raw.get("type", ""),
            name=str(raw.get("name") or "")[:64] or None,
            message=str(raw.get("message") or "")[:1024] or None,
        )


def judge_report(report: Report, image: str = "") -> Verdict:
    """Return what an outcome comes to, before cancellation, deadline and budgets have their say.

    Args:
        report: an outcome.
        image: of the engine's container, for the message about a module that is not in it.
    """
    name, message = _name(report, _told(report, image))
    match report.type:
        case ReportType.COMPLETED:
            return Verdict(StateType.COMPLETED, name, message or "completed", result=report.result)
        case ReportType.CANCELLED:
            return Verdict(StateType.CANCELLED, name, _with_hooks(message or "cancelled", report.hooks))
        case ReportType.FAILED:
            budget = None if name == "InvalidParameters" else Budget.APPLICATION
            return Verdict(StateType.FAILED, name, message or name.lower(), budget, error=report.error)
        case ReportType.CRASHED:
            return _judge_crash(report, name, message or name.lower())
        case ReportType.INTERRUPTED:
            text = _with_hooks(message or f"interrupted by {report.signal or 'a signal'}", report.hooks)
            return Verdict(StateType.CRASHED, "Interrupted", text, Budget.INFRASTRUCTURE, error=report.error)
        case ReportType.SUSPENDED:
            resume = report.resume_time or (report.pause.deadline if report.pause is not None else None)
            said = Verdict(StateType.PAUSED, "Suspended", message or "suspended", pause=report.pause)
            return _resuming(said, report, resume)
        case ReportType.AWAITING_RETRY:
            waits = f": {report.waiting}" if report.waiting else ""
            text = message or f"the flow waits{waits}"
            return _resuming(Verdict(StateType.SCHEDULED, "AwaitingRetry", text), report, report.resume_time)
        case ReportType.RUNNING | ReportType.PAUSED:
            raise ValueError(f"a report of type {report.type} is no outcome")


def _resuming(verdict: Verdict, report: Report, resume: datetime | None) -> Verdict:
    """Add when the engine wants to go on: the moment, and how long that is from its report, by one clock."""
    if resume is None:
        return verdict
    wait = seconds_between(report.time, resume) if report.time is not None else 0.0
    return replace(verdict, resume_at=resume, resume_in=max(0.0, wait))


def _judge_crash(report: Report, name: str, message: str) -> Verdict:
    verdict = Verdict(StateType.CRASHED, name, message, Budget.APPLICATION, error=report.error)
    if name in ("LoadError", "RevisionChanged"):
        return replace(verdict, budget=None)
    if name in _NOT_REACHED:
        return replace(verdict, budget=Budget.INFRASTRUCTURE)
    return verdict


def _name(report: Report, message: str) -> tuple[str, str]:
    """Return the state's name and message; a name that no condition could bear goes before the message."""
    name = report.name
    if not name:
        return report.type.value, message
    if _NAME.fullmatch(name):
        return name, message
    return report.type.value, f"{name}: {message}" if message else name


def _told(report: Report, image: str) -> str:
    """Return the words of an outcome: of an exception what is wrong and where, unless the flow has words of its own for it."""
    said, error = " ".join((report.message or "").split()), report.error
    if error is None or not error.type:
        return said
    words = " ".join((error.message or "").split())
    if said and report.name != "LoadError" and (not words or words not in said):
        return said
    cause = ": ".join(part for part in (error.type, words) if part)
    place = (error.location or "").removesuffix(" in <module>")
    missing = f"; not in image {image}" if image and error.type == "ModuleNotFoundError" else ""
    return f"{cause}{f' ({place})' if place else ''}{missing}{_added(said, error.type, words)}"


def _added(said: str, kind: str, words: str) -> str:
    """What the engine has said besides an exception's words, behind them: what was not kept, or what a parameter was read as."""
    if not words:
        return ""
    start = f"{kind.rpartition('.')[2]}: {words}"
    begin, found, rest = said.partition(start if start in said else words)
    told = found == start or (not begin and bool(found))
    return rest if told and rest.startswith("; ") else ""


def _with_hooks(message: str, hooks: Hooks | None) -> str:
    """Add what became of the hooks, unless the message tells it already."""
    if hooks is None:
        return message
    parts = [
        f"{label}: {', '.join(names)}"
        for label, names in (("hooks ran", hooks.ran), ("failed", hooks.failed), ("not run", hooks.not_run))
        if names and f"{label}: {', '.join(names)}" not in message
    ]
    return "; ".join([goes_on(message) if parts else message, *parts])
