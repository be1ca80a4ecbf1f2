"""The words between the policies: what an attempt came to (`Verdict`), or how a live one shows (`Showing`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from penstock_operator.api.flowrun import StateType
from penstock_operator.api.report import Error, Pause, Result

AWAITING_FLOW: Final = "AwaitingFlow"  # what it executes is not there, or can't be used
CONFIG_ERROR: Final = "ConfigError"  # what its pod needs by name is not there


class Budget(StrEnum):
    """What a repeat is counted in; the words are those of `status.attempts[].budget`."""

    NEVER_STARTED = "neverStarted"
    INFRASTRUCTURE = "infrastructure"
    APPLICATION = "application"


@dataclass(frozen=True, slots=True)
class Degraded:
    """Something needs a person: the reason and message of the condition."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an attempt ended.

    Attributes:
        type: the state that the run ends in, or Paused (suspended) and Scheduled (the engine gave the pod up until `resume_at`).
        name: its name.
        message: one line with the numbers that matter.
        budget: what a repeat is counted in; None: there is none, the state is the last one.
        requeued: a queue took the attempt back, and lets the run come again: a repeat is counted in nothing.
        resume_at: when the next attempt is due (Scheduled, a timed suspension), on the clock of the engine's node.
        resume_in: the seconds from the engine's report until then.
    """

    type: StateType
    name: str
    message: str
    budget: Budget | None = None
    requeued: bool = False
    exit_code: int | None = None
    result: Result | None = None
    error: Error | None = None
    pause: Pause | None = None
    resume_at: datetime | None = None
    resume_in: float = 0.0


@dataclass(frozen=True, slots=True)
class Showing:
    """How a run shows whose attempt goes on.

    Attributes:
        again_at: when time alone changes it.
        hopeless: waiting alone can't help: it ends after a while although the run has no deadline for it.
    """

    type: StateType
    name: str
    message: str
    degraded: Degraded | None = None
    again_at: datetime | None = None
    hopeless: bool = False
