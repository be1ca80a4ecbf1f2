"""Suspensions that the flow's own code asks for: the pod is given up, a later attempt comes back to the same place.

A record in the result storage tells the later attempt that it has been here: then the call returns at once, with its
input if one is wanted and there, else it suspends again. So results must be stored where they outlive the pod.
Neighbours: ``suspend_flow_run`` calls :meth:`Suspensions.suspend`; the report names the key and what is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock.base.exceptions import FlowPauseTimeout, Pause
from penstock.pod.pauses import asked_for, digest, validated
from penstock.pod.report import PausePart

CLOCKS_SECONDS = 60.0
"""By how much the clocks of a node and of the operator may differ where a deadline is over for one of them."""


class Suspensions:
    """The suspensions of one root flow run; see the module.

    Attributes:
        part: What the report says of the suspension that ends this attempt.

    Args:
        uid: Of the FlowRun.
        attempt: Number of this attempt.
        inputs: Gives the answers of ``spec.inputs`` as they were read last.
        now: Gives the wall-clock time.
    """

    def __init__(
        self,
        uid: str,
        attempt: int,
        inputs: Callable[[], Mapping[str, Any]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._uid = uid
        self._attempt = attempt
        self._inputs = inputs
        self._now = now
        self._ordinal = 0
        self.part: PausePart | None = None

    def suspend(self, flow_run: Any, wait_for_input: Any, timeout: float | None, key: str | None) -> Any:
        """Suspend, or go on where an earlier attempt suspended; the body of ``suspend_flow_run`` in a pod.

        Args:
            flow_run: The root flow run.
            wait_for_input: What resuming must bring, if anything.
            timeout: Seconds after which the suspension fails.
            key: Tells one suspension of a run from another; default: its ordinal.

        Raises:
            RuntimeError: Results are not durable.
            FlowPauseTimeout: The suspension was not resumed in time.
            Pause: The process is given up.
        """
        from penstock.storage.persisting import get_result_store

        store = get_result_store()
        if not store.durable:
            raise RuntimeError(
                "A flow run can be suspended only if its results outlive the pod: set the storage of results, by "
                "spec.results.storage (PENSTOCK_RESULTS_STORAGE) or result_storage= of the flow."
            )
        if key is None:
            self._ordinal += 1
            key = str(self._ordinal)
        model = _model(wait_for_input)
        record_key = f"suspend-{_hash(str(flow_run.lineage_id), flow_run.address, key)}"
        earlier = _earlier(store, record_key, self._uid, self._attempt)
        error = seen = None
        if earlier is not None:
            given = self._inputs()
            if key not in given:
                # Nobody has answered: only its time can have brought an attempt here, by whatever clock.
                _check_deadline(earlier, self._now() + timedelta(seconds=CLOCKS_SECONDS), key)
            if model is None and key not in given:
                return None
            if key in given:
                try:
                    return validated(model, given[key])
                except Exception as invalid:  # noqa: BLE001 - users' validators raise whatever they like
                    error, seen = str(invalid), digest(given[key])
            _check_deadline(earlier, self._now(), key)
        raise self._given_up(store, record_key, earlier, key, timeout, model, error, seen)

    def _given_up(
        self,
        store: Any,
        record_key: str,
        earlier: Mapping[str, Any] | None,
        key: str,
        timeout: float | None,
        model: Any,
        error: str | None,
        seen: str | None,
    ) -> Pause:
        from penstock.core.states import Suspended
        from penstock.storage.steps import run_steps

        since = self._now()
        state = Suspended(timeout_seconds=timeout, pause_key=key)
        deadline = state.state_details.pause_timeout
        if earlier is not None and earlier.get("deadline") is not None:
            # It goes on waiting for what it waited for: the time that it had is not given anew.
            deadline = state.state_details.pause_timeout = datetime.fromisoformat(earlier["deadline"])
        noted = {
            "run": self._uid,
            "attempt": self._attempt,
            "deadline": None if deadline is None else deadline.isoformat(),
        }
        run_steps(store._write_steps(store.create_result_record(noted, key=record_key, kind="suspend")))
        description, schema = asked_for(model)
        self.part = PausePart(
            key=key, since=since, deadline=deadline, seen=seen, schema=schema, description=description, error=error
        )
        return Pause(state=state)


def _earlier(store: Any, record_key: str, uid: str, attempt: int) -> Mapping[str, Any] | None:
    record = store.read_now(record_key)
    noted = None if record is None else record.read_value()
    # One of this very attempt is of an earlier try in it: that one was not given up. And a run that this one repeats has
    # its lineage, but its answers are its own.
    ours = isinstance(noted, Mapping) and noted.get("run") == uid and noted.get("attempt", attempt) < attempt
    return noted if ours else None


def _check_deadline(earlier: Mapping[str, Any], now: datetime, key: str) -> None:
    deadline = earlier.get("deadline")
    if deadline is not None and datetime.fromisoformat(deadline) <= now:
        raise FlowPauseTimeout(f"Flow run was suspended and never resumed: suspension {key!r} timed out at {deadline}.")


def _model(wait_for_input: Any) -> Any:
    if wait_for_input is None:
        return None
    from penstock.inside.run_input import model_of

    return model_of(wait_for_input)


def _hash(lineage: str, address: str, key: str) -> str:
    return hashlib.sha256("\n".join((lineage, address, key)).encode()).hexdigest()
