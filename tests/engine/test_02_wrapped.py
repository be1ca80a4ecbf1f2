"""What is decorated: wrappers, mocks, objects that answer to every name, and annotations that cannot be resolved."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import functools
import typing
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, MagicMock, Mock, create_autospec

import pytest

from penstock import flow, task
from penstock.exceptions import ParameterBindError, ParameterTypeError
from penstock.utilities.asyncutils import is_async_fn
from penstock.utilities.callables import parameters_to_args_kwargs

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal as Money

KINDS = pytest.mark.parametrize("kind", [flow, task])


class Answers:
    """Has every attribute, and another one each time."""

    def __getattr__(self, name: str) -> Any:
        return Answers()

    def __call__(self, *args: Any) -> int:
        return len(args)


@KINDS
@pytest.mark.parametrize(
    ("fn", "gives"),
    [
        (MagicMock(return_value=3), 3), (Mock(return_value=3), 3), (Answers(), 1),
        (MagicMock(spec=functools.partial, return_value=4), 4), (create_autospec(lambda a: a, return_value=5), 5),
        (functools.partial(MagicMock(return_value=6), 1), 6), (functools.partial(functools.partial(max, 1), 2), 7),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_objects_that_answer_to_every_name(kind: Any, fn: Any, gives: int) -> None:
    made = kind(fn, name="any")
    assert made(7) == gives
    assert (made.isasync, made.isgenerator) == (False, False)
    assert made.with_options(name="other")(7) == gives
    assert made.version is None or isinstance(made.version, str)


@KINDS
def test_an_async_mock_is_async(kind: Any) -> None:
    for fn in (AsyncMock(return_value=3), functools.partial(AsyncMock(return_value=3), 1)):
        made = kind(fn, name="any")
        assert made.isasync
        assert asyncio.run(made()) == 3


def test_what_answers_to_every_name_is_mapped_over_by_its_class_alone() -> None:
    kept = task(lambda x, n: n, name="kept")
    assert flow(lambda: kept.map(Answers(), [1, 2]).result(), name="f")() == [1, 2]


def syncify(fn: Any) -> Any:
    @functools.wraps(fn)
    def wrapper(*args: Any) -> Any:
        return asyncio.run(fn(*args))

    return wrapper


def collect(fn: Any) -> Any:
    @functools.wraps(fn)
    def wrapper(*args: Any) -> Any:
        return list(fn(*args))

    return wrapper


def asyncify(fn: Any) -> Any:
    @functools.wraps(fn)
    async def wrapper(*args: Any) -> Any:
        return fn(*args)

    return wrapper


@KINDS
def test_what_is_called_counts_not_what_it_wraps(kind: Callable[[Any], Any]) -> None:
    @kind
    @syncify
    async def one(x: int) -> int:
        return x

    @kind
    @collect
    def many(n: int) -> Any:
        yield from range(n)

    @kind
    @contextlib.contextmanager
    def opened(x: int) -> Any:
        yield x

    @kind
    @asyncify
    def later(x: int) -> int:
        return x

    assert (one(1), many(3)) == (1, [0, 1, 2])
    with opened(3) as value:
        assert value == 3
    assert later.isasync
    assert asyncio.run(later(4)) == 4
    assert not is_async_fn(syncify(one.fn))


def injects(fn: Any) -> Any:
    @functools.wraps(fn)
    def wrapper(a: int, **kwargs: Any) -> Any:
        return fn(a, 2, logger="given", **kwargs)

    return wrapper


def fills(fn: Any) -> Any:
    @functools.wraps(fn)
    def wrapper(a: int, **kwargs: Any) -> Any:
        kwargs.setdefault("logger", "filled")
        return fn(a, **kwargs)

    return wrapper


def extends(fn: Any) -> Any:
    @functools.wraps(fn)
    def wrapper(a: int, *more: Any, verbose: bool = False, **kwargs: Any) -> Any:
        return (*fn(a, *more, **kwargs), verbose)

    return wrapper


def hands_on(fn: Any) -> Any:
    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **{"logger": "handed", **kwargs})

    return wrapper


def renames(fn: Any) -> Any:
    @functools.wraps(fn)
    def wrapper(first: int, **kwargs: Any) -> Any:
        return fn(first, **kwargs)

    return wrapper


def reorders(fn: Any) -> Any:
    @functools.wraps(fn)
    def wrapper(b: int, **kwargs: Any) -> Any:
        return fn(b=b, **kwargs)

    return wrapper


def narrows(fn: Any) -> Any:
    @functools.wraps(fn)
    def wrapper(a: int) -> Any:
        return fn(a, 9)

    return wrapper


CALLS = [
    (injects, (1,), {}, (1, 2, "given")), (injects, (), {"a": 1}, (1, 2, "given")), (fills, (1,), {"b": 3}, (1, 3, "filled")),
    (fills, (1,), {"b": 3, "logger": 4}, (1, 3, 4)), (extends, (1, 2), {}, (1, 2, None, False)),
    (extends, (1, 2), {"verbose": True}, (1, 2, None, True)), (hands_on, (1, 2), {}, (1, 2, "handed")),
    (hands_on, (1,), {"b": 2, "logger": 3}, (1, 2, 3)), (narrows, (1,), {}, (1, 9, None)),
    (reorders, (), {"b": 2, "a": 1}, (1, 2, None)),
    (renames, (1,), {"b": 2}, (1, 2, None)),
]  # fmt: skip


@KINDS
@pytest.mark.parametrize(("wrap", "args", "kwargs", "gives"), CALLS)
def test_wrappers_are_called_by_their_own_signature(kind: Any, wrap: Any, args: Any, kwargs: Any, gives: Any) -> None:
    def fn(a: int, b: int, logger: Any = None) -> Any:
        return a, b, logger

    made = kind(wrap(fn))
    assert made(*args, **kwargs) == gives
    given = dict(zip("ab", args, strict=False)) | kwargs
    if wrap is not extends or "verbose" not in kwargs:
        assert made.run_engine(parameters=given).result() == gives
    # Upstreams are put in place, and the call is made anew.
    same = task(lambda x: x, name="same")
    future = flow(lambda: made(*[same.submit(arg) for arg in args], **kwargs), name="outer")
    assert kind is flow or future() == gives
    if kind is flow and args:
        assert made(str(args[0]), *args[1:], **kwargs) == gives  # validated by the annotation of what is wrapped
        with pytest.raises(ParameterTypeError, match="a: Input should be a valid integer"):
            made("one", *args[1:], **kwargs)


@KINDS
def test_a_call_that_the_wrapper_does_not_take_is_refused(kind: Any) -> None:
    made = kind(narrows(lambda a, b=1: (a, b)), name="narrow")
    for args in ((), (1, 2)):
        with pytest.raises(ParameterBindError):
            made(*args)
    with pytest.raises(ParameterBindError, match="missing a required argument: 'b'"):
        kind(hands_on(lambda a, b, logger: a), name="open")(1)


def test_a_call_that_only_the_wrapper_takes_is_mapped_by_its_names() -> None:
    def counts(fn: Any) -> Any:
        @functools.wraps(fn)
        def wrapper(*args: Any, times: int = 1, labels: tuple[str, ...] = ("a", "b"), **kwargs: Any) -> Any:
            return [fn(*args, **kwargs), times, labels]

        return wrapper

    @task
    @counts
    def fn(a: int, b: int = 0) -> Any:
        return a, b

    @flow
    def mapped() -> Any:
        return fn.map([1, 2], times=3).result(), fn.map([1, 2], b=5).result()

    assert mapped() == (
        [[(1, 0), 3, ("a", "b")], [(2, 0), 3, ("a", "b")]], [[(1, 5), 1, ("a", "b")], [(2, 5), 1, ("a", "b")]],
    )  # fmt: skip


def test_more_arguments_reach_a_wrapper_as_it_takes_them() -> None:
    assert flow(fills(lambda a, b, **more: (a, b, more)))(1, b=2, c=3) == (1, 2, {"c": 3, "logger": "filled"})
    assert flow(extends(lambda a, *more: (a, more)))(1, 2, 3) == (1, (2, 3), False)
    assert flow(hands_on(lambda a, /, b, logger=0: (a, b, logger)))(1, 2) == (1, 2, "handed")


def test_a_method_below_a_wrapper() -> None:
    class Holder:
        @flow
        @fills
        def run(self, b: int, logger: Any = None) -> Any:
            return type(self).__name__, b, logger

    assert Holder().run(b="3") == ("Holder", 3, "filled")


@KINDS
def test_a_definition_has_what_was_set_on_its_function(kind: Any) -> None:
    def fn(a: int, b: str = "x") -> float:
        return 1.0

    fn.owner = "me"  # type: ignore[attr-defined]
    fn.submit = "not ours"  # type: ignore[attr-defined]
    made = kind(hands_on(fn))
    assert (made.owner, made.__name__, made.__wrapped__.__wrapped__) == ("me", "fn", fn)
    assert getattr(made, "submit", None) != "not ours" or kind is flow
    assert typing.get_type_hints(made) == {"a": int, "b": str, "return": float}
    assert made.with_options(name="n").owner == "me"


@KINDS
def test_abstract_methods_stay_abstract(kind: Callable[[Any], Any]) -> None:
    class Base(abc.ABC):
        @kind
        @abc.abstractmethod
        def run(self) -> int: ...

    class Real(Base):
        @kind
        def run(self) -> int:
            return 1

    with pytest.raises(TypeError, match="abstract method"):
        Base()  # type: ignore[abstract]
    assert Real().run() == 1


def test_each_annotation_is_resolved_by_itself() -> None:
    class Local:
        pass

    @flow
    def returning(n: int) -> Money:
        return n  # type: ignore[return-value]

    @flow
    def local(n: int, it: Local, *more: Money, **named: Money) -> Any:
        return n, isinstance(it, Local)

    @flow
    def unresolved(n: int, price: list[Money]) -> Any:
        return n, price

    assert returning("5") == 5
    assert local("5", Local(), 1, x=2) == (5, True)
    with pytest.raises(ParameterTypeError, match="n: Input should be a valid integer"):
        returning("five")
    with pytest.raises(ParameterTypeError, match="n: Input should be a valid integer"):
        local("five", Local())
    with pytest.raises(ParameterTypeError, match="it: Input should be an instance of"):
        local(5, "no")
    state = unresolved(5, [], return_state=True)
    assert state.is_failed()
    with pytest.raises(NameError, match=r"'list\[Money\]' of parameter 'price' of flow 'unresolved'.*'Money'"):
        unresolved(5, [])
    assert unresolved.with_options(validate_parameters=False)("5", []) == ("5", [])
    assert set(unresolved.parameters.properties) == {"n", "price"}


@KINDS
def test_a_wrapper_that_takes_by_name_what_it_wraps_takes_by_place(kind: Any) -> None:
    def add(a: int, b: int, c: int = 3) -> tuple[int, int, int]:
        return a, b, c

    @functools.wraps(add)
    def strict(a: int, *, b: int, c: int = 3) -> Any:
        return add(a, b, c)

    @functools.wraps(add)
    def opened(a: int, **others: Any) -> Any:
        return add(a, **others)

    for wrapper in (strict, opened):
        definition = kind(wrapper)
        assert definition(1, b=2) == (1, 2, 3)
        assert definition(1, b=2, c=5) == (1, 2, 5)
        assert parameters_to_args_kwargs(wrapper, {"a": 1, "b": 2, "c": 4}) == ((1,), {"b": 2, "c": 4})
