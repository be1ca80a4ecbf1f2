"""The records of runs as hooks and scripts read them: every field of Prefect's is there, and says only what is so."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pydantic
import pytest

from penstock import flow, task
from penstock.client.schemas.objects import FlowRun, FlowRunPolicy, TaskRun, TaskRunPolicy
from penstock.context import FlowRunContext, TaskRunContext
from penstock.filesystems import LocalFileSystem
from penstock.flow_engine import run_flow
from penstock.results import ResultRecord, ResultStore
from penstock.serializers import JSONSerializer, Serializer
from penstock.states import Completed, State

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_A_SERVER = (
    "deployment_id", "deployment_version", "work_pool_id", "work_pool_name", "work_queue_id", "work_queue_name",
    "idempotency_key", "infrastructure_document_id", "infrastructure_pid", "created_by", "next_scheduled_start_time",
)  # fmt: skip


def current(kind: Any) -> Any:
    """The context of that kind, which is there."""
    context = kind.get()
    assert context is not None
    return context


def record_of(**options: Any) -> Any:
    """The record of a flow run, as its hook gets it."""
    seen = []
    flow(lambda: None, on_completion=[lambda _flow, run, _state: seen.append(run)], **options)()
    return seen[0]


@pytest.mark.parametrize("field", OF_A_SERVER)
def test_what_a_server_would_say_is_none_and_no_error(field: str) -> None:
    assert getattr(record_of(name="told"), field) is None
    given: dict[str, Any] = {field: "given"}
    by_hand = FlowRun(**given)
    assert getattr(by_hand, field) == "given"
    setattr(by_hand, field, "set")
    assert (getattr(by_hand, field), getattr(FlowRun(), field)) == ("set", None)


def test_the_id_of_a_flow_is_that_of_its_name() -> None:
    one, again, other = (record_of(name=name).flow_id for name in ("one", "one", "other"))
    assert isinstance(one, UUID)
    assert one == again != other
    assert FlowRun(flow_id=one).flow_id == one
    assert FlowRun().flow_id is None


def test_fields_that_say_the_same_of_every_flow_run() -> None:
    run = record_of(name="plain")
    assert (run.auto_scheduled, run.job_variables, run.labels) == (False, {}, {})
    by_hand = FlowRun(auto_scheduled=True, job_variables={"a": 1}, flow_version="2", parent_task_run_id=UUID(int=1))
    assert (by_hand.auto_scheduled, by_hand.job_variables) == (True, {"a": 1})
    assert (by_hand.flow_version, by_hand.parent_task_run_id) == ("2", UUID(int=1))


def test_policies_say_how_a_run_is_retried() -> None:
    @task(retries=2, retry_delay_seconds=[0, 5], retry_jitter_factor=0.5)
    def body() -> TaskRun:
        return current(TaskRunContext).task_run  # type: ignore[no-any-return]

    @flow(retries=3, retry_delay_seconds=7)
    def outer() -> tuple[Any, Any]:
        return current(FlowRunContext).flow_run.empirical_policy, body().empirical_policy

    of_flow, of_task = outer()
    assert (type(of_flow), of_flow.retries, of_flow.retry_delay) == (FlowRunPolicy, 3, 7)
    assert (type(of_task), of_task.retries, of_task.retry_delay) == (TaskRunPolicy, 2, [0, 5])
    assert of_task.retry_jitter_factor == 0.5
    assert TaskRun().empirical_policy.retries is None
    assert TaskRun(empirical_policy=of_task).empirical_policy is of_task


def test_estimated_times_are_those_until_now() -> None:
    @task
    def body() -> tuple[Any, timedelta]:
        run = current(TaskRunContext).task_run
        return run, run.estimated_run_time

    run, meanwhile = flow(body, name="timed")()
    assert timedelta(0) <= meanwhile <= run.estimated_run_time == run.total_run_time == run.end_time - run.start_time
    assert timedelta(0) <= run.estimated_start_time_delta == run.start_time - run.expected_start_time
    assert run.cache_expiration is None
    by_hand = FlowRun()
    assert (by_hand.estimated_run_time, by_hand.estimated_start_time_delta) == (timedelta(0), timedelta(0))


def test_a_record_brings_its_parameters() -> None:
    @flow
    def body(n: int, m: int = 2) -> tuple[int, int]:
        return n, m

    @flow
    async def later(n: int) -> int:
        return n

    @flow
    def each(n: int) -> Iterator[int]:
        yield n

    assert run_flow(body, flow_run=FlowRun(parameters={"n": 1})) == (1, 2)
    assert run_flow(body, flow_run=FlowRun(parameters={"n": 1}), parameters={"n": 3}) == (3, 2)
    assert asyncio.run(run_flow(later, flow_run=FlowRun(parameters={"n": "4"}))) == 4
    assert list(run_flow(each, flow_run=FlowRun(parameters={"n": 5}))) == [5]


class Kept(pydantic.BaseModel):
    """A model of a user's, with fields of the engine's classes."""

    state: State | None = None
    typed: State[int] | None = None
    serializer: Serializer | None = None
    storage: LocalFileSystem | None = None
    record: ResultRecord | None = None
    run: FlowRun | None = None
    store: ResultStore | None = None


def test_fields_of_users_models_take_instances_as_they_are(tmp_path: Path) -> None:
    record = ResultStore().create_result_record(1, "key")
    given: dict[str, Any] = {
        "state": Completed(data=1), "typed": Completed(data=2), "serializer": JSONSerializer(),
        "storage": LocalFileSystem(tmp_path), "record": record, "run": FlowRun(name="run"), "store": ResultStore(),
    }  # fmt: skip
    model = Kept(**given)
    assert all(getattr(model, name) is value for name, value in given.items())
    assert Kept.model_json_schema()["properties"].keys() == given.keys()
    for name in given:
        with pytest.raises(pydantic.ValidationError, match="is wanted, int was given"):
            Kept(**{name: 3})
    for name in ("state", "serializer", "storage"):
        with pytest.raises(pydantic.ValidationError, match="Error: "):
            Kept(**{name: {"nonsense": 3}})


def test_fields_of_users_models_are_made_of_their_forms(tmp_path: Path) -> None:
    state = Completed(data=[1], message="done", name="Mine")
    model = Kept(state=state, serializer=JSONSerializer())
    again = Kept.model_validate_json(model.model_dump_json())
    assert again.state is not None
    assert (again.state, again.state.data, again.state.state_details) == (state, [1], state.state_details)
    assert again.serializer == JSONSerializer() == Kept(serializer={"type": "json"}).serializer
    assert Kept(storage={"basepath": str(tmp_path)}).storage == LocalFileSystem(tmp_path)
    assert State.model_validate(state) is state
    assert (
        State.model_validate(json.loads(state.model_dump_json())) == state == State.model_validate(state.model_dump())
    )
    assert set(json.loads(state.model_dump_json(include={"name"}))) == {"name"}
