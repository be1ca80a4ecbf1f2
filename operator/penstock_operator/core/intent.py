"""The pod's annotation `penstock.dev/intent`: what is wanted, and a token that changes when the inputs do.

The kubelet projects it into a file that the engine polls. Pod and spec alone tell whether a PATCH is due: the token is a hash of
`spec.inputs`, and `.n` behind it counts the repetitions for an engine that did not obey.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock_operator.api import constants as k
from penstock_operator.api.flowrun import DesiredState, FlowRun

from .canonical import digest, too_deep
from .observe import Pod


@dataclass(frozen=True, slots=True)
class Intent:
    """A parsed annotation."""

    state: DesiredState
    token: str = ""  # of the inputs
    repeated: int = 0

    def __str__(self) -> str:
        token = self.token + (f".{self.repeated}" if self.repeated else "")
        return f"{self.state.value} {token}" if token else self.state.value


def parse_intent(text: str) -> Intent:
    """Read an annotation; what is no intent counts as Running, as the engine takes it."""
    word, _, token = text.partition(" ")
    inputs, _, repeated = token.partition(".")
    state = DesiredState(word) if word in DesiredState.__members__.values() else DesiredState.RUNNING
    return Intent(state, inputs, int(repeated) if repeated.isdecimal() else 0)


def pod_intent(pod: Pod) -> Intent:
    """Return what the pod was told."""
    return parse_intent(pod.annotations.get(k.ANNOTATION_INTENT, ""))


def wanted_intent(run: FlowRun) -> Intent:
    """Return what the run's pod should be told. A FlowRun that is being deleted counts as cancelled."""
    state = DesiredState.CANCELLED if run.metadata.deletion_timestamp is not None else run.spec.desired_state
    inputs = run.spec.inputs
    if not inputs:
        return Intent(state)
    # Inputs that nobody can serialise have one token: a cancellation must get through all the same.
    return Intent(state, digest(None if too_deep(inputs) else inputs)[:8])


def intent_annotation(run: FlowRun) -> str:
    """Return the annotation for a new pod."""
    return str(wanted_intent(run))
