"""What happened to one run, as lines for a person: every version, every pod event, every word of an engine, every line of an operator about it.

Neighbours: `history` (the facts), `campaign` (the operators' logs).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .history import History, Lived, Note, PodSeen, Said, Version

LONGEST = 300


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an operator's log."""

    at: float  # seconds since the beginning of the chaos
    operator: str
    logger: str
    level: str
    message: str
    run: str = ""
    error: str = ""


def read_log(path: Path, began: datetime) -> list[Line]:
    """Read an operator's log; what is no JSON is a line of its own, without a time."""
    lines: list[Line] = []
    for text in path.read_text(errors="replace").splitlines():
        try:
            said = json.loads(text)
            at = (datetime.fromisoformat(said["time"]) - began).total_seconds()
        except (ValueError, KeyError, TypeError):
            lines.append(Line(lines[-1].at if lines else 0.0, path.stem, "", "raw", text))
            continue
        run = str(said.get("run", "")).rpartition("/")[2]
        lines.append(Line(at, path.stem, said["logger"], said["level"], said["message"], run, said.get("error", "")))
    return lines


def timeline(history: History, run: str, lines: Iterable[Line]) -> str:
    """Everything about a run in the order of time; what concerns all runs stands between."""
    told = [(f.at, _fact(f)) for f in history.facts if f.run in (run, "")]
    told += [(line.at, _line(line)) for line in lines if line.run == run or (not line.run and line.level != "debug")]
    return "\n".join(f"{at:8.3f} {text}" for at, text in sorted(told, key=lambda entry: entry[0]))


def _line(line: Line) -> str:
    text = f"  {line.operator} {line.level}: {line.message}"
    return f"{text[:LONGEST]} {line.error if line.run else ''}".rstrip()


def _fact(fact: object) -> str:
    match fact:
        case Version():
            return f"RUN  {fact.rv} {_version(fact)}"
        case PodSeen():
            return f"POD  {fact.rv} {fact.pod} {fact.uid[:8]} {fact.event} {fact.phase} {fact.words}".rstrip()
        case Said():
            return f"SAID {fact.rv or '-'} {fact.instance} {fact.type}: {'accepted' if fact.accepted else 'REFUSED'}"
        case Lived():
            return f"PROC {fact.instance} {'begins' if fact.begins else 'is gone'}"
        case Note():
            return f"---- {fact.text}"
    raise TypeError(fact)


def _version(version: Version) -> str:
    report = version.status.get("report") or {}
    words = [
        "DELETED" if version.deleted else "deleting" if version.deleting else "",
        version.state or "(no state)",
        f"attempt {version.attempt}",
        f"judged {', '.join(version.judged)}" if version.judged else "",
        f"report {report.get('type')} {report.get('instance')}" if report else "",
        f"wanted {version.spec.get('desiredState')}" if version.spec.get("desiredState") != "Running" else "",
        f"| {(version.status.get('state') or {}).get('message', '')}",
    ]
    return " ".join(word for word in words if word)
