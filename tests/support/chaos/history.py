"""What was seen, said and done in a chaos: one list of facts, in the order of their arrival, with the API server's own order beside it.

The versions of all objects of one API server are numbers of one sequence, so that a pod's creation and a status can be put in order
without any clock. Neighbours: `observer`, `kubelet`, `user` write it, `checker` and `timeline` read it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]

TERMINAL = frozenset({"Completed", "Failed", "Crashed", "Cancelled"})


@dataclass(frozen=True, slots=True)
class Version:
    """A FlowRun as the API server showed it once; `deleted`: its last sight."""

    at: float
    run: str
    uid: str
    rv: int
    spec: JSON
    status: JSON
    deleting: bool = False
    deleted: bool = False

    @property
    def state(self) -> str:
        """type/name; empty: none yet."""
        state = self.status.get("state")
        return f"{state['type']}/{state['name']}" if state else ""

    @property
    def type(self) -> str:
        return str((self.status.get("state") or {}).get("type", ""))

    @property
    def terminal(self) -> bool:
        return self.type in TERMINAL

    @property
    def attempt(self) -> int:
        """The number of the attempt under way; 0: none yet."""
        return int((self.status.get("attempt") or {}).get("number", 0))

    @property
    def judged(self) -> tuple[str, ...]:
        """The finished attempts, each reason/budget."""
        return tuple(f"{a.get('reason')}/{a.get('budget') or '-'}" for a in self.status.get("attempts") or ())

    @property
    def cancel_asked(self) -> bool:
        return self.deleting or self.spec.get("desiredState") == "Cancelled"


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod as the API server showed it once."""

    at: float
    run: str
    pod: str
    uid: str
    attempt: int
    rv: int
    event: str  # ADDED, MODIFIED, DELETED
    phase: str = ""
    words: str = ""

    @property
    def ended(self) -> bool:
        """No process runs in it any more, and none will: terminal, gone, or its engine's container has terminated."""
        return self.event == "DELETED" or self.phase in ("Succeeded", "Failed", "EngineEnded")


@dataclass(frozen=True, slots=True)
class Said:
    """A claim or a report of a simulated process, and what came of it."""

    at: float
    run: str
    attempt: int
    instance: str
    type: str  # of the report; Running: the claim
    accepted: bool
    rv: int = 0  # of the answer


@dataclass(frozen=True, slots=True)
class Lived:
    """A process of the engine began (True) or was gone for good (False)."""

    at: float
    run: str
    attempt: int
    instance: str
    begins: bool


@dataclass(frozen=True, slots=True)
class Note:
    """Anything else that a person wants to know: acts of users, faults, kills. `run` empty: it concerns all."""

    at: float
    text: str
    run: str = ""


Fact = Version | PodSeen | Said | Lived | Note


@dataclass
class History:
    """All facts of a chaos.

    Attributes:
        clock: monotonic seconds; times are since the beginning.
    """

    clock: Callable[[], float] = time.monotonic
    facts: list[Fact] = field(default_factory=list)
    _begun: float | None = None

    def now(self) -> float:
        """Seconds since the first question."""
        if self._begun is None:
            self._begun = self.clock()
        return self.clock() - self._begun

    def add(self, fact: Fact) -> None:
        self.facts.append(fact)

    def note(self, text: str, run: str = "") -> None:
        self.add(Note(self.now(), text, run))

    def of(self, run: str) -> list[Fact]:
        """The facts about one run."""
        return [fact for fact in self.facts if fact.run == run]
