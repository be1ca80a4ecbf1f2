"""Keys of stored results: equal if and only if type, value and attributes are equal, in every process."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import enum
import functools
import io
import operator
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import types
import typing
import zoneinfo
from typing import TYPE_CHECKING, Any, ClassVar
from unittest.mock import MagicMock

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, PrivateAttr, create_model

from penstock import flow, task
from penstock.cache_policies import DEFAULT, INPUTS, TASK_SOURCE
from penstock.storage.keys import Unhashable, canonical
from penstock.utilities.hashing import hash_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Listed(list[Any]):
    pass


class Mapped(dict[Any, Any]):
    pass


class Tupled(tuple[Any, ...]):
    pass


class Unique(set[Any]):
    pass


class Number(int):
    pass


class Slotted:
    __slots__ = ("a",)


class Model(BaseModel):
    x: int = 1
    hidden: int = Field(2, exclude=True)
    _private: int = PrivateAttr(0)


@dataclasses.dataclass
class Record(list[Any]):
    name: str = ""


class Reduced:
    def __init__(self, of: Any) -> None:
        self.of = of

    def __reduce__(self) -> Any:
        return Reduced, (frozenset(self.of),)


class Lazy:
    def __init__(self, n: int) -> None:
        self.n = n

    @functools.cached_property
    def double(self) -> int:
        return self.n * 2


Bits = enum.Flag("Bits", "A B")
Pair = collections.namedtuple("Pair", "a b")


def put(value: Any, **attributes: Any) -> Any:
    for name, item in attributes.items():
        setattr(value, name, item)
    return value


def filled(value: Any, *items: Any) -> Any:
    value.extend(items)
    return value


def made(n: int) -> Any:
    class Made:
        def n(self) -> int:
            return n

    return Made


def constant(value: Any) -> Any:
    class Constant:
        options = (1, value)

    return Constant


def fields(kind: Any) -> Any:
    class Fields(BaseModel):
        x: kind
        more: list[Fields] = []

    return Fields


def record(value: Any) -> Any:
    @dataclasses.dataclass(slots=True)
    class Row:
        x: int = value

    return Row


def colour(value: int) -> Any:
    class Colour(enum.Enum):
        RED = value

    return Colour


def made_tuple(names: str) -> Any:
    return collections.namedtuple("Names", names)


# Made while the program runs: several have one name.
CLASSES: list[tuple[Callable[..., Any], Any, Any]] = [
    (constant, 1, 2), (fields, int, str), (record, 1, 2), (colour, 1, 2), (lambda value: colour(value).RED, 1, 2),
    (lambda kind: fields(kind)(x=1), int, float), (lambda value: record(value)(3), 1, 2),
    (lambda kind: list[fields(kind)], int, str),  # type: ignore[misc]
    (lambda names: collections.namedtuple("Names", names), "a", "b"),
    (lambda names: made_tuple(names)(1), "a", "b"),
    (lambda value: type("Made", (), {"a": value}), 1, 2), (lambda base: type("Made", (base,), {}), int, str),
    (lambda name: create_model("Made", **{name: (int, 1)}), "a", "b"),  # type: ignore[call-overload]
    (lambda name: dataclasses.make_dataclass("Made", [name]), "a", "b"),
    (lambda name: attrs.make_class("Made", [name], frozen=True), "a", "b"),
    (lambda value: enum.Enum("Made", {"A": value}), 1, 2), (lambda kind: typing.NewType("Made", kind), int, str),
    (lambda kind: typing.TypedDict("Made", {"a": kind}), int, str),  # type: ignore[operator]
    (lambda kind: typing.TypeVar("Made", bound=kind), int, str),
]  # fmt: skip
ordered, default = collections.OrderedDict, collections.defaultdict
DIFFERENT: list[tuple[Any, Any]] = [
    (ordered(a=1, b=2), ordered(b=2, a=1)), (ordered(a=1), {"a": 1}), (default(int, a=1), default(list, a=1)),
    (b"a", bytearray(b"a")), ({1}, frozenset({1})), (True, 1), (1, 1.0), ("1", 1), (Pair(1, 2), (1, 2)),
    (put(Listed([1]), z=1), put(Listed([1]), z=2)), (put(Mapped(a=1), z=1), put(Mapped(a=1), z=2)),
    (put(Tupled([1]), z=1), put(Tupled([1]), z=2)), (put(Unique([1]), z=1), put(Unique([1]), z=2)),
    (put(Number(1), z=1), Number(1)), (Model(hidden=3), Model()), (put(Model(), _private=3), Model()),
    (filled(Record(), 1), filled(Record(), 2)), (filled(Record("a"), 1), filled(Record(), 1)), (Record("a"), Record()),
    (put(Slotted(), a=1), put(Slotted(), a=2)),
    (re.compile("a"), re.compile("a", re.IGNORECASE)), (made(1), made(2)), (made(1)(), made(2)()),
    (lambda: 1, lambda: 2), (functools.partial(int, 1), functools.partial(int, 2)), (int, str), (len, abs),
    (operator.attrgetter("a"), operator.attrgetter("b")), (list[int], list[str]), (range(3), range(4)),
    (pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a")), (Bits.A | Bits.B, Bits.A), (slice(1), slice(2)),
    (collections.deque([1], 3), collections.deque([1])), (array.array("i", [1]), array.array("q", [1])),
    (iter([1]), iter([2])), (types.SimpleNamespace(a=1), types.SimpleNamespace(a=2)), (Reduced([1]), Reduced([2])),
    (datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC"))),
    (memoryview(b"ab"), memoryview(bytearray(b"ab"))), (memoryview(b"ab"), memoryview(b"ab").cast("H")),
    (ValueError("a"), KeyError("a")), (put(ValueError("a"), n=1), ValueError("a")),
]  # fmt: skip
SAME: list[tuple[Any, Any]] = [
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (Mapped(a=1, b=2), Mapped(b=2, a=1)), (Unique("abc"), Unique("cba")),
    (default(int, a=1, b=2), default(int, b=2, a=1)), (Model(x=1), Model()), (Reduced([1, 2]), Reduced([2, 1])),
    (collections.Counter("ab"), collections.Counter("ba")), (made(1), made(1)), (made(1)(), made(1)()),
    (re.compile("a", re.IGNORECASE), re.compile("a", re.IGNORECASE)), (Lazy(1), put(Lazy(1), double=2)),
]  # fmt: skip


@pytest.mark.parametrize("pair", DIFFERENT, ids=lambda pair: type(pair[0]).__name__)
def test_what_is_not_the_same(pair: tuple[Any, Any]) -> None:
    assert canonical(pair[0]) != canonical(pair[1])
    assert canonical([pair[0]]) == canonical([pair[0]])


@pytest.mark.parametrize("pair", SAME, ids=lambda pair: type(pair[0]).__name__)
def test_what_is_the_same(pair: tuple[Any, Any]) -> None:
    assert canonical(pair[0]) == canonical(pair[1])


@pytest.mark.parametrize(("make", "one", "other"), CLASSES)
def test_classes_that_are_made_count_by_what_they_are_made_of(make: Callable[..., Any], one: Any, other: Any) -> None:
    assert canonical(make(one)) == canonical(make(one)) != canonical(make(other))


def test_what_contains_itself_has_a_form() -> None:
    first: list[Any] = [1]
    first.append(first)
    second: list[Any] = [1]
    second.append(second)
    assert canonical(first) == canonical(second) != canonical([1, [1]])


@pytest.mark.parametrize(
    "make", [lambda: iter([1, 2]), lambda: (each for each in "12"), lambda: map(int, "12"), lambda: io.StringIO("1\n2")]
)
def test_what_can_be_read_once_is_left_to_the_task(make: Callable[[], Iterator[Any]]) -> None:
    @task(cache_policy=INPUTS)
    def total(given: Any) -> int:
        return sum(int(each) for each in given)

    assert total(make()) == 3


def test_what_has_no_form_is_refused(tmp_path: Path) -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with (tmp_path / "a").open("w+") as file:
        for value in (file, (each for each in "12"), deep):
            with pytest.raises(Unhashable):
                canonical(value)
            assert hash_objects(value) is None
    assert canonical(MagicMock())


# What a value is made of, as a tree: kind, content, attribute. Two builds of equal trees have one key, and no others do.
LEAVES = st.one_of(
    st.tuples(st.just("int"), st.integers(-2, 2)), st.tuples(st.just("float"), st.sampled_from([0.0, 1.0, 2.5])),
    st.tuples(st.just("bool"), st.booleans()), st.tuples(st.just("str"), st.sampled_from(["", "1", "a", "ab"])),
    st.tuples(st.just("bytes"), st.sampled_from([b"", b"a"])), st.tuples(st.just("bytearray"), st.sampled_from([b"", b"a"])),
    st.tuples(st.sampled_from(["set", "frozenset", "Unique"]), st.frozensets(st.sampled_from("abc"), max_size=2)),
)  # fmt: skip
ATTRIBUTE = st.sampled_from([None, 1, 2])


def _nodes(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    items = st.lists(inner, max_size=2).map(tuple)
    pairs = st.lists(st.tuples(st.sampled_from("ab"), inner), max_size=2, unique_by=lambda pair: pair[0]).map(tuple)
    return st.one_of(
        st.tuples(st.sampled_from(["list", "tuple", "deque"]), items),
        st.tuples(st.sampled_from(["Listed", "Tupled", "Record"]), items, ATTRIBUTE),
        st.tuples(st.sampled_from(["dict", "OrderedDict", "int default", "list default"]), pairs),
        st.tuples(st.just("Mapped"), pairs, ATTRIBUTE),
        st.tuples(st.sampled_from(["Reduced", "Model", "SimpleNamespace"]), inner),
    )


TREES = st.recursive(LEAVES, _nodes, max_leaves=5)
PLAIN: dict[str, Any] = {
    "int": int, "float": float, "bool": bool, "str": str, "bytes": bytes, "bytearray": bytearray, "set": set,
    "frozenset": frozenset, "Unique": Unique, "list": list, "tuple": tuple, "deque": collections.deque, "dict": dict,
    "OrderedDict": ordered, "int default": functools.partial(default, int), "Listed": Listed, "Tupled": Tupled,
    "list default": functools.partial(default, list), "Mapped": Mapped,
}  # fmt: skip


def build(tree: Any, backwards: bool) -> Any:
    kind, content, *attribute = tree
    if kind == "Model":
        return put(Model(), _private=build(content, backwards))
    if kind == "SimpleNamespace":
        return types.SimpleNamespace(a=build(content, backwards))
    if kind == "Reduced":
        return functools.partial(Reduced, build(content, backwards))
    if kind == "Record":
        value = filled(Record(), *[build(each, backwards) for each in content])
    elif isinstance(content, tuple):
        named = kind in ("dict", "OrderedDict", "int default", "list default", "Mapped")
        built = [(e[0], build(e[1], backwards)) if named else build(e, backwards) for e in content]
        value = PLAIN[kind](built[::-1] if named and backwards and kind != "OrderedDict" else built)
    else:
        value = PLAIN[kind](sorted(content, reverse=backwards) if isinstance(content, frozenset) else content)
    return put(value, z=attribute[0]) if attribute and attribute[0] is not None else value


def meaning(tree: Any) -> Any:
    """The tree with the order of dicts taken out, and types kept apart (True is 1 for Python)."""
    kind, content, *attribute = tree
    if isinstance(content, tuple) and content and isinstance(content[0], str):
        return kind, meaning(content), attribute
    if kind in ("dict", "int default", "list default", "Mapped"):
        return kind, sorted((name, repr(meaning(each))) for name, each in content), attribute
    if kind == "OrderedDict":
        return kind, [(name, meaning(each)) for name, each in content], attribute
    if isinstance(content, tuple):
        return kind, [meaning(each) for each in content], attribute
    return kind, sorted(content) if isinstance(content, frozenset) else content, attribute


@settings(max_examples=150, deadline=None)
@given(TREES, TREES)
def test_keys_are_equal_exactly_when_values_are(one: Any, other: Any) -> None:
    assert canonical(build(one, False)) == canonical(build(one, True))
    same = repr(meaning(one)) == repr(meaning(other))
    assert (canonical(build(one, False)) == canonical(build(other, False))) is same


def test_keys_are_equal_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        textwrap.dedent("""
        import collections, dataclasses, enum, functools, re
        import attrs
        from penstock import task
        from penstock.cache_policies import DEFAULT, INPUTS
        NAMES = {"a", "b", "c"}
        class Reduced:
            def __reduce__(self):
                return Reduced.make, ({"x", "y", "z"},)
            @classmethod
            def make(cls, of): ...
        class Named(set): pass
        @attrs.frozen(slots=False, cache_hash=True)
        class Sealed: x: str = "a"
        hash(hashed := Sealed())
        def helper(x):
            return x in {"d", "e", "f"} or x in NAMES
        def local():
            class Inside:
                kinds = ("a", 1)
                def f(self): return {"g", "h", "i"}
            return Inside
        @task
        def t(x): ...
        values = [Reduced, Reduced(), helper, lambda: {"d", "e"} or helper, local(), local()(), Named("xyz"), re.compile("a", 2),
                  collections.OrderedDict(a={"x", "y"}), functools.partial(helper, {"p", "q"}), Reduced.make, {Reduced: {helper}}, hashed]
        class Context: task = t
        print([INPUTS.compute_key(Context, {"x": value}, {}) for value in values])
        """)
    )
    printed = {
        subprocess.run(
            [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(printed) == 1
    keys = eval(printed.pop())
    assert len(set(keys)) == len(keys) == 13


SENT = """
import dataclasses, enum, subprocess, sys, cloudpickle, pydantic
from penstock.utilities.hashing import hash_objects
class Own:
    def f(self): return {1}
@dataclasses.dataclass(slots=True)
class Row: x: int = 1
class Kind(enum.Enum): A = 1
def local():
    class Node(pydantic.BaseModel):
        x: int = pydantic.Field(1, gt=0)
        more: list["Node"] = []
    class Slots:
        __slots__ = ("a",)
        def __init__(self): self.a = 1
    return [Node, Node(), Slots, Slots()]
values = [Own, Own(), Row, Row(), Kind, Kind.A, *local()]
here = [hash_objects(value) for value in values]
there = "import pickle, sys; from penstock.utilities.hashing import hash_objects as h; print(list(map(h, pickle.load(sys.stdin.buffer))))"
out = subprocess.run([sys.executable, "-c", there], input=cloudpickle.dumps(values), capture_output=True, check=True).stdout
assert eval(out) == here and None not in here and len(set(here)) == len(here), (out, here)
"""


def test_keys_of_what_a_script_has_made_are_equal_where_its_tasks_are_executed(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SENT)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True)


def test_tasks_of_equal_name_and_text_in_two_modules_share_no_key() -> None:
    def key(policy: Any, module: str) -> Any:
        def twin(x: int) -> int:
            return x

        twin.__module__ = module
        context = types.SimpleNamespace(task=task(twin), task_run=types.SimpleNamespace(flow_run_id=1))
        return policy.compute_key(context, {"x": 1}, {})

    for policy in (INPUTS, TASK_SOURCE, DEFAULT):
        assert key(policy, "one") == key(policy, "one") != key(policy, "two")


def test_a_stored_subflow_does_not_run_again_when_its_parent_retries() -> None:
    ran: list[Any] = []

    @flow(persist_result=True)
    def sub(x: Any) -> Any:
        ran.append(x)
        if x == "bad" and ran.count("bad") == 1:
            raise ValueError(x)
        return [x]

    @flow(persist_result=True)
    async def asub(x: Any) -> Any:
        ran.append(x)
        return [x]

    @flow
    def forgetful(x: Any) -> Any:
        ran.append(x)
        return [x]

    @flow(retries=1)
    def main() -> Any:
        found = [sub(1), sub(1), asub(2), forgetful(3), sub(len(ran))]
        state = sub(1, return_state=True)
        return found, state.name, sub("bad")

    # Equal calls are two calls; what failed, what is not stored, and what has other parameters runs again.
    assert main() == ([[1], [1], [2], [3], [8]], "Cached", ["bad"])
    assert ran == [1, 1, 2, 3, 4, 1, "bad", 3, 8, "bad"]
    ran.clear()
    main()
    assert ran[:4] == [1, 1, 2, 3]


def test_a_data_frame_counts_by_its_columns_and_not_by_how_they_lie_in_memory() -> None:
    class Column:
        def __init__(self, array: Any) -> None:
            self.array = array

    class DataFrame:
        """What is asked of one of pandas; two equal ones pickle differently."""

        attrs: ClassVar[dict[str, Any]] = {}

        def __init__(self, blocks: list[Any], **columns: list[int]) -> None:
            self.blocks, self.columns, self.index = blocks, list(columns), range(2)
            self.arrays = list(columns.values())
            self.shape = (2, len(columns))

        @property
        def iloc(self) -> Any:
            return self

        def __getitem__(self, place: tuple[slice, int]) -> Column:
            return Column(self.arrays[place[1]])

    DataFrame.__module__ = "pandas.core.frame"
    one = canonical(DataFrame(["one block"], a=[1, 2], b=[3, 4]))
    assert one == canonical(DataFrame(["a", "b"], a=[1, 2], b=[3, 4]))
    assert one != canonical(DataFrame([], a=[1, 2], b=[3, 5])) != canonical(DataFrame([], a=[1, 2], c=[3, 5]))


def test_what_pandas_has_kept_of_an_array_since_somebody_looked_does_not_count() -> None:
    class DatetimeArray:
        """As one of pandas pickles: what it keeps stands behind the rest, or among its attributes."""

        def __init__(self, data: Any, *kept: Any) -> None:
            self.state = ("datetime64", data, *kept)

        def __reduce__(self) -> Any:
            return DatetimeArray, (), self.state

    class IntegerArray(types.SimpleNamespace):
        pass

    DatetimeArray.__module__, IntegerArray.__module__ = "pandas.core.arrays.datetimes", "pandas.core.arrays.integer"
    one = canonical(DatetimeArray([1, 2]))
    assert one == canonical(DatetimeArray([1, 2], {"_cache": {"dtype": "UTC"}})) != canonical(DatetimeArray([1, 3]))
    assert canonical(IntegerArray(a=[1])) == canonical(IntegerArray(a=[1], _cache={})) != canonical(IntegerArray(a=[2]))
    assert canonical(types.SimpleNamespace(a=[1])) != canonical(types.SimpleNamespace(a=[1], _cache={}))


def test_an_array_counts_by_its_values_and_not_by_how_they_lie_in_memory() -> None:
    class ndarray:  # noqa: N801
        """What is asked of one of numpy."""

        def __init__(self, values: list[int], order: str = "C") -> None:
            self.values, self.order = values, order

        @property
        def flags(self) -> Any:
            return types.SimpleNamespace(fnc=self.order == "F")

        def copy(self, order: str) -> Any:
            return ndarray(self.values, order)

        def __reduce__(self) -> Any:
            return ndarray, (), (self.values, self.order)

    assert canonical(ndarray([1], "F")) != canonical(ndarray([1]))
    ndarray.__module__ = "numpy"
    assert canonical(ndarray([1], "F")) == canonical(ndarray([1])) != canonical(ndarray([2]))
