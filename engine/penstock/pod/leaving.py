"""When a wait is so long that the pod is given up for it, and what is said then.

Pure. Neighbours: ``penstock.pod.waits`` brings what waits, and sees to it that nothing else is lost by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from penstock.pod.report import PausePart


@dataclass(frozen=True, slots=True)
class Wait:
    """A run between two tries, or before its time.

    Attributes:
        address: Of the run; empty: the flow itself.
        due: When it goes on.
        tries: How many it has made.
        words: What it waits for, for people.
    """

    address: str
    due: datetime
    tries: int
    words: str


@dataclass(frozen=True, slots=True)
class Paused:
    """A pause that nobody has ended yet.

    Attributes:
        lasted: Seconds that it has lasted.
        deadline: When it counts as timed out.
        part: What its code asks for; None: it was paused from outside.
    """

    lasted: float
    deadline: datetime | None = None
    part: PausePart | None = None


@dataclass(frozen=True, slots=True)
class Leaving:
    """The pod is given up.

    Attributes:
        until: When a new one is due; None: when somebody wants it.
        message: What is waited for.
        address: Of the run that goes on first.
        pause: What is asked for, if it is a pause.
        paused: Whether it is a pause.
    """

    until: datetime | None
    message: str
    address: str | None = None
    pause: PausePart | None = None
    paused: bool = False


def leaving(
    waits: Sequence[Wait], pause: Paused | None, now: datetime, limit: float, begun_for: datetime | None
) -> Leaving | None:
    """Say whether what is waited for is worth a pod's end, provided that nothing else happens.

    Args:
        waits: What waits for its time.
        pause: The pause, if the run is paused.
        now: The wall-clock time.
        limit: Seconds that are waited for in the pod; 0: any wait is.
        begun_for: The time that this attempt was begun at. What was due by then is not left again: clocks may differ, and
            each pod would give way to the next.
    """
    if limit <= 0:
        return None
    longer = timedelta(seconds=limit)
    if pause is not None:
        # Beside a wait for time it stays: one of the two would be late.
        if waits or pause.lasted < limit or (pause.deadline is not None and pause.deadline - now <= longer):
            return None
        message = "paused by its own code" if pause.part is not None else "paused by spec.desiredState"
        return Leaving(pause.deadline, f"{message}; the pod was given up", pause=pause.part, paused=True)
    if not waits:
        return None
    first = min(waits, key=lambda wait: wait.due)
    if first.due - now <= longer or (begun_for is not None and first.due <= begun_for):
        return None
    more = f"; {len(waits) - 1} more wait" if len(waits) > 1 else ""
    return Leaving(first.due, f"{first.words}{more}", first.address or None)


def record(
    attempt: int, left: Leaving, waits: Sequence[Wait], tries: Mapping[str, int], deadlines: Mapping[str, datetime]
) -> dict[str, Any]:
    """Give what a later attempt has to know, as JSON has it.

    Args:
        attempt: Number of this attempt.
        left: Why it ends.
        waits: What waits for its time.
        tries: By address, the tries before the one that is left in the middle, of other runs.
        deadlines: When open pauses time out, by key.
    """
    known: dict[str, Any] = {address: {"tries": count} for address, count in tries.items()}
    known |= {wait.address: {"tries": wait.tries, "due": wait.due.isoformat()} for wait in waits}
    return {
        "attempt": attempt,
        "until": None if left.until is None or left.paused else left.until.isoformat(),
        "runs": known,
        "deadlines": {key: deadline.isoformat() for key, deadline in deadlines.items()},
    }


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier attempt gave its pod up for.

    Attributes:
        begun_for: The time that this attempt was begun at, where it is one of those.
        runs: By address, when each is due (None: it is not waiting), and how many tries it has made.
        deadlines: When pauses time out, by key.
    """

    begun_for: datetime | None
    runs: Mapping[str, tuple[datetime | None, int]]
    deadlines: Mapping[str, datetime]


def earlier(noted: object, attempt: int, waited: int, now: datetime, limit: float) -> Earlier | None:
    """Read a record; None where there is none of an earlier attempt, or none that can be read.

    What is left of a wait by this node's clock is waited for, up to the limit: more is a difference of clocks, for whoever
    began this attempt has waited already. An attempt that was lost after it had written its record was never waited for.

    Args:
        noted: What was stored.
        attempt: Number of this attempt.
        waited: That of the last attempt after which was waited.
        now: The wall-clock time.
        limit: Seconds that are waited for in the pod.
    """
    try:
        if not isinstance(noted, Mapping) or noted["attempt"] >= attempt:
            return None
        over = noted["until"] is not None and noted["attempt"] <= waited
        begun_for = datetime.fromisoformat(noted["until"]) if over else None
        latest = now + timedelta(seconds=limit)
        runs: dict[str, tuple[datetime | None, int]] = {}
        for address, known in noted["runs"].items():
            due = datetime.fromisoformat(known["due"]) if "due" in known else None
            if due is not None and begun_for is not None and due <= begun_for:
                due = min(due, latest)
            runs[address] = due, int(known["tries"])
        deadlines = {key: datetime.fromisoformat(text) for key, text in noted["deadlines"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return Earlier(begun_for, runs, deadlines)
