"""What is wanted of the run in this pod, as far as anybody has said: the fence, the intent file, the last answer.

Neighbours: ``penstock.pod.ending`` asks, in the guard's thread, and acts on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from penstock.pod import assignment
from penstock.pod.delivery import Fence
from penstock.pod.intent import Intent, IntentFile, Reading

if TYPE_CHECKING:
    from penstock.pod.outcome import CauseKind
    from penstock.pod.reporter import Reporter

_KINDS: dict[Intent, CauseKind] = {Intent.CANCELLED: "cancelled", Intent.SUSPENDED: "suspended"}


class Wanted:
    """See the module.

    Args:
        reporter: Knows the fence and the last answer.
        intent_file: What the owner of the run wants.
    """

    def __init__(self, reporter: Reporter, intent_file: IntentFile) -> None:
        self._reporter = reporter
        self._intent_file = intent_file
        self._reading = Reading()
        self._paused_since: Reading | None = None
        self._token = ""
        self._answer: object = None

    def look(self) -> str | None:
        """Look at the file; the word in it, if it is none that is known."""
        self._reading = self._intent_file.read()
        return self._reading.unknown

    @property
    def kind(self) -> CauseKind | None:
        """What ends the run; None while nobody wants that."""
        fenced = self._reporter.fenced
        if fenced is not None:
            # A FlowRun that was deleted was cancelled.
            return "cancelled" if fenced.fence is Fence.GONE else "superseded"
        answer = self._reporter.flow_run
        told = Intent.RUNNING if answer is None else assignment.desired_state(answer)
        return _KINDS.get(max(self._intent_file.read().intent, told))

    @property
    def has_file(self) -> bool:
        """Whether the intent comes by a file."""
        return self._intent_file.present

    @property
    def paused(self) -> bool:
        """Whether the run is to be held."""
        return self._reading.intent is Intent.PAUSED or self._reading == self._paused_since

    def pause_by_answer(self) -> None:
        """The claim's answer says Paused, and the file may not yet: paused until the file changes."""
        self._paused_since = self._reading

    def inputs_changed(self) -> Literal["since", "in the answer"] | None:
        """Whether the run's inputs may have changed: since the last answer, as a new token says, or in it."""
        token, answer = self._reading.token, self._reporter.flow_run
        if token == self._token and answer is self._answer:
            return None
        fresh = token != self._token
        self._token, self._answer = token, answer
        return "since" if fresh else "in the answer"
