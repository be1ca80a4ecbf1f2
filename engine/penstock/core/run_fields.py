"""What a run's record tells to hooks, by Prefect's names: times, policies, and what a server would fill in.

Times are seconds since the epoch until somebody asks. There are no deployments, work pools and work queues here, so their
fields are None. A record that somebody makes by hand gives what it was made with. Neighbours: the records of `runs` inherit these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.core.state_parts import at

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

_NOTHING: dict[str, Any] = {}


class _Policy:
    """Retries and their delay, as values."""

    __slots__ = ("retries", "retry_delay", "retry_jitter_factor")

    def __init__(
        self, retries: int | None = None, retry_delay: Any = None, retry_jitter_factor: float | None = None
    ) -> None:
        self.retries = retries
        self.retry_delay = retry_delay
        self.retry_jitter_factor = retry_jitter_factor


class FlowRunPolicy(_Policy):
    """How a flow run is retried."""

    __slots__ = ()


class TaskRunPolicy(_Policy):
    """How a task run is retried."""

    __slots__ = ()


class _Given:
    """A field that only a record made by hand fills in."""

    __slots__ = ("name",)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, run: Any, owner: type | None = None) -> Any:
        return self if run is None else run.of_record(self.name)

    def __set__(self, run: Any, value: Any) -> None:
        run._given = {**getattr(run, "_given", _NOTHING), self.name: value}


class RunFields:
    """The fields that flow runs and task runs have in common."""

    __slots__ = ()

    _policy: type[_Policy]

    if TYPE_CHECKING:
        definition: Any

    next_scheduled_start_time = _Given()

    def of_record(self, name: str, default: Any = None) -> Any:
        """What a record that somebody made by hand was given under a name."""
        return getattr(self, "_given", _NOTHING).get(name, default)

    @property
    def empirical_policy(self) -> Any:
        """Retries of the flow or task, and their delay."""
        given, body = self.of_record("empirical_policy"), self.definition
        if given is not None or body is None:
            return given or self._policy()
        return self._policy(body.retries, body.retry_delay_seconds, getattr(body, "retry_jitter_factor", None))


class FlowRunFields(RunFields):
    """The fields of flow runs."""

    __slots__ = ()

    _policy = FlowRunPolicy

    if TYPE_CHECKING:
        flow_name: str | None

    deployment_id = _Given()
    deployment_version = _Given()
    work_pool_id = _Given()
    work_pool_name = _Given()
    work_queue_id = _Given()
    work_queue_name = _Given()
    idempotency_key = _Given()
    infrastructure_document_id = _Given()
    infrastructure_pid = _Given()
    created_by = _Given()

    @property
    def auto_scheduled(self) -> bool:
        """Whether a schedule made it, by the record; the resource's owner says it for a run of the cluster."""
        return bool(self.of_record("auto_scheduled"))

    @property
    def job_variables(self) -> dict[str, Any]:
        """Variables of the job: none, the pod's template is in the resource."""
        return self.of_record("job_variables") or {}

    @property
    def flow_id(self) -> UUID | None:
        """Identity of the flow, made of its name: the same in every run and every process."""
        from uuid import NAMESPACE_URL, uuid5

        given: UUID | None = self.of_record("flow_id")
        name = self.definition.name if self.definition is not None else self.flow_name
        return given if given is not None or name is None else uuid5(NAMESPACE_URL, f"penstock:flow/{name}")


class TaskRunFields(RunFields):
    """The fields of task runs."""

    __slots__ = ()

    _policy = TaskRunPolicy

    cache_expiration = _Given()


class RunTimes:
    """The part of a record that tells its times."""

    __slots__ = ()

    if TYPE_CHECKING:
        _start: float | None
        _end: float | None
        _expected: float | None

    @property
    def start_time(self) -> datetime | None:
        """When the first try began."""
        return _when(self._start)

    @property
    def end_time(self) -> datetime | None:
        """When the final state was set."""
        return _when(self._end)

    @property
    def expected_start_time(self) -> datetime | None:
        """When the run was due: its scheduled time, else when it was made."""
        return _when(self._expected)

    @property
    def total_run_time(self) -> timedelta:
        """`end_time` minus `start_time`; nothing before the end."""
        from datetime import timedelta

        start, end = self.start_time, self.end_time
        return timedelta(0) if start is None or end is None else max(timedelta(0), end - start)

    @property
    def estimated_run_time(self) -> timedelta:
        """`total_run_time`; of a run that has not ended the time since its start."""
        from datetime import UTC, datetime, timedelta

        start = self.start_time
        if start is None or self.end_time is not None:
            return self.total_run_time
        return max(timedelta(0), datetime.now(UTC) - start)

    @property
    def estimated_start_time_delta(self) -> timedelta:
        """How much later than expected it began; what has not begun is late by now."""
        from datetime import UTC, datetime, timedelta

        due, begun = self.expected_start_time, self.start_time
        if due is None or (begun is None and self.end_time is not None):
            return timedelta(0)
        return max(timedelta(0), (begun or datetime.now(UTC)) - due)

    created = expected_start_time


def _when(seconds: float | None) -> datetime | None:
    return None if seconds is None else at(seconds)
