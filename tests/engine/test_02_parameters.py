"""Options as signatures and copies show them; validation by hand; the schema of parameters."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import inspect
from typing import TYPE_CHECKING, Annotated, Any

import pydantic
import pytest

from penstock import Flow, Task, flow, task
from penstock.exceptions import ParameterBindError, ParameterTypeError, SignatureMismatchError
from penstock.tasks import exponential_backoff
from penstock.utilities.callables import parameter_schema

if TYPE_CHECKING:
    from collections.abc import Callable


def nothing() -> None:
    pass


def names_of(fn: Any) -> set[str]:
    return set(inspect.signature(fn).parameters)


@pytest.mark.parametrize(
    ("decorator", "init", "left_out"),
    [(flow, Flow.__init__, set()), (task, Task.__init__, {"on_rollback", "on_commit"})],
)
def test_decorators_show_their_options(decorator: Any, init: Any, left_out: set[str]) -> None:
    first, *options = inspect.signature(decorator).parameters.values()
    assert first.kind is first.POSITIONAL_ONLY
    assert {each.name for each in options} == names_of(init) - {"self", "fn"} - left_out
    assert all(each.kind is each.KEYWORD_ONLY for each in options)


def test_copies_show_the_options_that_they_take() -> None:
    assert names_of(Flow.with_options) == names_of(Flow.__init__) - {"fn"}
    assert names_of(Task.with_options) == names_of(Task.__init__) - {"fn", "version", "on_rollback", "on_commit"}


@pytest.mark.parametrize("kind", [flow, task])
def test_unknown_options_of_copies_are_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"with_options\(\) got an unexpected keyword argument 'nonsense'"):
        kind(nothing).with_options(nonsense=1)


@pytest.mark.parametrize("option", ["on_rollback", "on_commit"])
def test_transaction_hooks_are_options_of_the_class_alone(option: str) -> None:
    hooks: dict[str, Any] = {option: [nothing]}
    with pytest.raises(TypeError, match=option):
        task(**hooks)
    with pytest.raises(TypeError, match=option):
        task(nothing).with_options(**hooks)
    assert getattr(Task(nothing, **hooks), f"{option}_hooks") == [nothing]


@pytest.mark.parametrize("name", ["", None])
def test_a_name_that_says_nothing_is_the_default(name: str | None) -> None:
    assert flow(name=name)(nothing).name == "nothing"
    assert task(name=name)(nothing).name == "nothing"


def test_an_empty_run_name_is_the_default() -> None:
    seen: list[str] = []

    @flow(flow_run_name="", on_completion=[lambda _flow, run, _state: seen.append(run.name)])
    def f() -> None:
        t()

    @task(task_run_name="", on_completion=[lambda _task, run, _state: seen.append(run.name)])
    def t() -> None:
        pass

    f()
    task_run, flow_run = seen
    assert task_run.startswith("t-")
    assert flow_run


def test_descriptions_are_docstrings_without_their_indent() -> None:
    def documented() -> None:
        """First.

        Second.
        """

    assert flow(documented).description == task(documented).description == "First.\n\nSecond."
    assert flow(description="own")(documented).description == "own"


@pytest.mark.parametrize("delays", [(1, 2), "1", {1: 2}])
def test_delays_are_numbers_lists_or_callables(delays: Any) -> None:
    with pytest.raises(TypeError, match="must be an int, float, list or callable"):
        task(retry_delay_seconds=delays)(nothing)


def test_delays_of_a_copy_follow_its_retries() -> None:
    assert task(retries=2, retry_delay_seconds=exponential_backoff(10))(nothing).retry_delay_seconds == [10, 20]
    copy = task(nothing).with_options(retries=3, retry_delay_seconds=exponential_backoff(1))
    assert copy.retry_delay_seconds == [1, 2, 4]


@pytest.mark.parametrize(
    ("options", "persists"), [({}, None), ({"result_serializer": "json"}, True), ({"persist_result": False}, False)]
)
def test_a_flow_with_a_serializer_persists(options: dict[str, Any], persists: bool | None) -> None:
    assert flow(**options)(nothing).persist_result is persists


def test_any_parameter_name_is_passed_by_keyword() -> None:
    @flow
    def f(self: int, fn: int = 1) -> tuple[int, int]:
        return self, fn

    @task
    def t(self: int, fn: int = 1) -> tuple[int, int]:
        return self, fn

    assert f(self=1, fn=2) == t(self=1, fn=2) == (1, 2)


class Model(pydantic.BaseModel):
    """A model."""

    a: int


@flow
def validated(m: Model, n: int, d: datetime.date | None = None) -> None:
    pass


def test_validation_by_hand_fills_in_defaults() -> None:
    assert validated.validate_parameters({"m": {"a": "1"}, "n": "2"}) == {"m": Model(a=1), "n": 2, "d": None}


def test_validation_by_hand_says_what_is_missing_or_unknown() -> None:
    with pytest.raises(ParameterTypeError, match=r"- n: Field required\Z"):
        validated.validate_parameters({"m": {"a": 1}})
    with pytest.raises(
        SignatureMismatchError,
        match=r"expects parameters \['m', 'n', 'd'\] but was provided with parameters \['m', 'z'\]",
    ):
        validated.validate_parameters({"m": {"a": 1}, "z": 1})


def test_a_field_as_default_gives_its_own_default_and_its_rules() -> None:
    @flow
    def f(n: int = pydantic.Field(default=7, gt=3)) -> int:
        return n

    @flow
    def must(n: int = pydantic.Field(gt=3)) -> int:
        return n

    assert (f(), f(5), must(4)) == (7, 5, 4)
    bad: list[Callable[[], int]] = [lambda: f(2), lambda: must()]
    for call in bad:
        with pytest.raises(ParameterTypeError, match="- n: "):
            call()


EMPTY: Any = pydantic.Field(default_factory=list)


def test_a_field_as_default_of_a_task_gives_its_own_default() -> None:
    def fn(n: int = pydantic.Field(default=7), *more: int, of: list[int] = EMPTY) -> Any:
        of.append(n)
        return of

    t, unchecked = task(fn), flow(fn, validate_parameters=False)

    @task
    def must(n: int = pydantic.Field(gt=3)) -> int:
        return n

    class Holder:
        @task
        def method(self, n: int = pydantic.Field(default=2)) -> int:
            return n

    @flow
    def runs() -> Any:
        return t.submit().result(), t.map([1, 2]).result(), t.submit(of=[0]).result(), Holder().method.submit().result()

    assert (t(), t(), t(1), unchecked(), unchecked(1), must(3)) == ([7], [7], [1], [7], [1], 3)
    assert runs() == ([7], [[1], [2]], [0, 7], 2)
    assert t.run_engine().result() == [7]
    assert Holder().method() == 2
    with pytest.raises(ParameterBindError, match="missing a required argument: 'n'"):
        must()


class Colour(enum.Enum):
    RED = "r"


@dataclasses.dataclass
class Point:
    x: int


def test_the_schema_shares_definitions() -> None:
    def f(m: Model, c: Colour, p: Point, more: list[Model], n: Annotated[int, pydantic.Field(le=5)] = 3) -> None:
        """Do.

        Args:
            m: the model
        """

    schema = parameter_schema(f).model_dump()
    assert set(schema["definitions"]) == {"Model", "Colour", "Point"}
    properties = schema["properties"]
    assert properties["m"] == {
        "title": "m", "position": 0, "$ref": "#/definitions/Model", "description": "the model",
    }  # fmt: skip
    assert properties["more"]["items"] == {"$ref": "#/definitions/Model"}
    assert properties["n"] == {"title": "n", "position": 4, "type": "integer", "maximum": 5, "default": 3}
    assert schema["required"] == ["m", "c", "p", "more"]


def test_the_schema_leaves_out_what_json_cannot_say() -> None:
    class Own:
        pass

    def f(own: Own, kind: type = int, anything: Any = None, other: Any = print) -> None:
        pass

    assert parameter_schema(f).properties == {
        "own": {"title": "own", "position": 0},
        "kind": {"title": "kind", "position": 1},
        "anything": {"title": "anything", "position": 2, "default": None},
        "other": {"title": "other", "position": 3},
    }
    empty = parameter_schema(nothing).model_dump()
    assert empty == {"title": "Parameters", "type": "object", "properties": {}, "required": [], "definitions": {}}


def test_the_schema_takes_fields_apart() -> None:
    def f(n: int = pydantic.Field(default=3, description="a number", gt=1)) -> None:
        pass

    assert parameter_schema(f).properties["n"] == {
        "title": "n", "position": 0, "type": "integer", "default": 3, "description": "a number", "exclusiveMinimum": 1,
    }  # fmt: skip


@pytest.mark.parametrize("validate", [True, False])
def test_lists_dicts_and_sets_belong_to_one_call(validate: bool) -> None:
    """As pydantic makes its own, so do we where it has nothing to do."""

    @flow(validate_parameters=validate)
    def add(a: list = [], b: dict = {}, c: set = set(), d: "list" = []) -> list[int]:  # type: ignore[type-arg]  # noqa: B006, UP037
        a.append(1)
        b[len(b)] = 1
        c.add(len(c))
        d.append(1)
        return [len(a), len(b), len(c), len(d)]

    assert add() == [1, 1, 1, 1]
    assert add() == ([1, 1, 1, 1] if validate else [2, 2, 2, 2])
    mine = [1]
    assert add(mine)[0] == 2
    assert mine == ([1] if validate else [1, 1])
