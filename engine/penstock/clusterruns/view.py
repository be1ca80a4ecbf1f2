"""A FlowRun of the cluster as Python sees it: its state as a `State`, its names as Prefect's.

Pure: what the API server shows in, a frozen value out. Neighbours: `stored` reads results; everything here gives these values.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from penstock.clusterruns.stored import NotKept, StoredElsewhere
from penstock.core.state import State
from penstock.core.state_parts import TERMINAL_STATES, StateType
from penstock.kube.times import read_time

_NAMES = {"Scheduled": StateType.SCHEDULED, "Pending": StateType.PENDING, "Running": StateType.RUNNING,
          "Paused": StateType.PAUSED, "Cancelling": StateType.CANCELLING, "Cancelled": StateType.CANCELLED,
          "Completed": StateType.COMPLETED, "Failed": StateType.FAILED, "Crashed": StateType.CRASHED}  # fmt: skip


@dataclass(frozen=True, repr=False)
class FlowRunView:
    """One FlowRun, as it was when it was read.

    Attributes:
        body: The object as the API server showed it.
        history: The states that were seen on the way to this one, oldest first; of whom nobody waited for, only the last.
    """

    __penstock_flow_run__ = True

    body: Mapping[str, Any]
    history: tuple[State, ...] = field(default=(), compare=False)

    @property
    def _meta(self) -> Mapping[str, Any]:
        return self.body.get("metadata") or {}

    @property
    def _spec(self) -> Mapping[str, Any]:
        return self.body.get("spec") or {}

    @property
    def _status(self) -> Mapping[str, Any]:
        return self.body.get("status") or {}

    @property
    def id(self) -> UUID | str:
        """Its UID."""
        return _uuid(self._meta.get("uid", ""))

    @property
    def name(self) -> str:
        """Its name in the cluster."""
        return str(self._meta.get("name", ""))

    @property
    def namespace(self) -> str:
        """Where it is."""
        return str(self._meta.get("namespace", ""))

    @property
    def display_name(self) -> str | None:
        """What people call it, if it was given such a name."""
        return self._spec.get("displayName")

    @property
    def flow_name(self) -> str | None:
        """The Flow, or the function, that it is a run of."""
        return (self._spec.get("flowRef") or {}).get("name") or (self._status.get("flow") or {}).get("name")

    @property
    def parameters(self) -> dict[str, Any]:
        """Its own parameters, and those that it took from the run which it repeats; those that its Flow adds are not among them."""
        taken = json.loads(self._status.get("parameters") or "{}")
        return {**taken, **(self._spec.get("parameters") or {})}

    @property
    def context(self) -> dict[str, Any]:
        """What it was given as context."""
        return dict(self._spec.get("context") or {})

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self._meta.get("labels") or {})

    @property
    def idempotency_key(self) -> str | None:
        """The key under which it was started, if by one."""
        return (self._meta.get("annotations") or {}).get("penstock.dev/idempotency-key")

    @property
    def parent_flow_run_name(self) -> str | None:
        """The run that it is a child of."""
        owners = self._meta.get("ownerReferences") or ()
        return next((str(o["name"]) for o in owners if o.get("kind") == "FlowRun" and o.get("controller")), None)

    @property
    def desired_state(self) -> str:
        """What is wanted of it: Running, Paused, Suspended or Cancelled."""
        return str(self._spec.get("desiredState") or "Running")

    @property
    def run_count(self) -> int:
        """The number of its attempt, 0 before the first."""
        return int((self._status.get("attempt") or {}).get("number") or 0)

    @property
    def pods(self) -> tuple[str, ...]:
        """The names of its pods, the first attempt's first."""
        now = (self._status.get("attempt") or {}).get("podName")
        before = [a.get("podName") for a in self._status.get("attempts") or () if a.get("podName")]
        return tuple(dict.fromkeys([*before, *([now] if now else [])]))

    @property
    def created(self) -> datetime | None:
        """When it was made."""
        return read_time(self._meta.get("creationTimestamp"))

    @property
    def expected_start_time(self) -> datetime | None:
        """When it is, or was, to begin."""
        return read_time(self._status.get("scheduledTime") or self._spec.get("scheduledTime")) or self.created

    @property
    def start_time(self) -> datetime | None:
        """When it first ran."""
        return read_time(self._status.get("startTime"))

    @property
    def end_time(self) -> datetime | None:
        """When it ended."""
        return read_time(self._status.get("completionTime"))

    @property
    def progress(self) -> dict[str, Any]:
        """How far its tasks are, as its engine last said."""
        return dict((self._status.get("report") or {}).get("progress") or {})

    @cached_property
    def state(self) -> State:
        """Its state."""
        return state_of(self.body)

    @property
    def states(self) -> tuple[State, ...]:
        """The states that were seen, and the present one."""
        return self.history if self.history and self.history[-1] == self.state else (*self.history, self.state)

    @property
    def state_type(self) -> StateType:
        """The type of its state."""
        return self.state.type

    @property
    def state_name(self) -> str:
        """The name of its state."""
        return self.state.name

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.state.type in TERMINAL_STATES

    def __repr__(self) -> str:
        return f"FlowRunView({self.namespace}/{self.name}, flow={self.flow_name!r}, state={self.state})"

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"


def state_of(body: Mapping[str, Any]) -> State:
    """Give the state of a FlowRun; one that no operator has seen yet is Pending."""
    status, meta = body.get("status") or {}, body.get("metadata") or {}
    said = status.get("state") or {}
    kind = _NAMES.get(str(said.get("type")), StateType.PENDING)
    uid = _uuid(meta.get("uid", ""))
    details: dict[str, Any] = {"flow_run_id": uid} if isinstance(uid, UUID) else {}
    if kind is StateType.SCHEDULED:
        details["scheduled_time"] = read_time(status.get("scheduledTime"))
    state = State(
        kind,
        name=str(said["name"]) if said.get("name") else None,
        timestamp=read_time(said.get("time")) or read_time(meta.get("creationTimestamp")),
        message=_message(status, said),
        data=_data(body, kind),
        state_details=details,
        # The same state is the same object wherever it is read.
        id=_state_id(str(meta.get("uid", "")), said),
    )
    # A run ended in it whose value is not known, unless it is known to be None.
    state.ended = kind is StateType.COMPLETED and (status.get("result") or {}).get("json") == "null"
    return state


def _message(status: Mapping[str, Any], said: Mapping[str, Any]) -> str | None:
    error = status.get("error") or {}
    text = said.get("message") or error.get("message")
    return str(text) if text else None


def _data(body: Mapping[str, Any], kind: StateType) -> Any:
    result = (body.get("status") or {}).get("result") or {}
    if kind is not StateType.COMPLETED:
        return None
    if result.get("location"):
        return StoredElsewhere(str(result["location"]), result)
    if isinstance(result.get("json"), str):
        with contextlib.suppress(ValueError):  # that of an engine which cut it
            return json.loads(result["json"])
    return NotKept(str((body.get("metadata") or {}).get("name", "")), result) if result else None


def _state_id(uid: str, said: Mapping[str, Any]) -> UUID:
    from uuid import NAMESPACE_OID, uuid5

    return uuid5(NAMESPACE_OID, f"{uid} {said.get('type')} {said.get('name')} {said.get('time')}")


def _uuid(text: str) -> UUID | str:
    try:
        return UUID(text)
    except ValueError:
        return text
