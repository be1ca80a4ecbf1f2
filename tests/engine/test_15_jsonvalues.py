"""What may go out as JSON, and what is refused with its path."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import json
import pathlib
import types
import uuid
from typing import Any

import pydantic
import pytest

from penstock.base.exceptions import NotJsonError, TooLargeError
from penstock.base.jsonvalues import (
    LARGEST_BYTES,
    json_size,
    parameters_to_json,
    step,
    to_json,
)
from penstock.exceptions import SerializationError


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3


class Word(enum.StrEnum):
    A = "a"


class Model(pydantic.BaseModel):
    day: datetime.date = datetime.date(2026, 11, 21)
    tags: set[int] = {1}
    raw: bytes = b"x"
    share: float = 0.5
    count: int = 1
    named: int = pydantic.Field(2, alias="Named")
    secret: pydantic.SecretStr | None = None
    by_number: dict[int, str] = {1: "a"}


class Loose(pydantic.BaseModel):
    anything: Any = None


@dataclasses.dataclass
class Point:
    x: int
    when: datetime.datetime | None = None


@dataclasses.dataclass
class Bag:
    items: set[int]


@dataclasses.dataclass
class Anything:
    it: Any = None


class Pair(collections.namedtuple("Pair", "a b")):
    pass


NINE = datetime.datetime(2026, 11, 21, 9, tzinfo=datetime.UTC)
GOES: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (2**63 - 1, 2**63 - 1),
    (-(2**63), -(2**63)),
    (1.0, 1.0),
    (1e300, 1e300),
    ("é\0\u2028😀", "é\0\u2028😀"),
    ((1, "a"), [1, "a"]),
    (Pair(1, 2), [1, 2]),
    (collections.deque([1]), [1]),
    (types.MappingProxyType({"a": 1}), {"a": 1}),
    (collections.OrderedDict(b=1, a=None), {"b": 1, "a": None}),
    ({"": 1, Word.A: Word.A}, {"": 1, "a": "a"}),
    (Colour.RED, 1),
    (Level.HIGH, 3),
    (datetime.date(2026, 11, 21), "2026-11-21"),
    (NINE, "2026-11-21T09:00:00Z"),
    (datetime.time(12, 30), "12:30:00"),
    (datetime.timedelta(hours=1), "PT1H"),
    (decimal.Decimal("1.10"), "1.10"),
    (pathlib.PurePosixPath("/a/b"), "/a/b"),
    (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (ipaddress.ip_address("::1"), "::1"),
    (Point(1, NINE), {"x": 1, "when": "2026-11-21T09:00:00Z"}),
    (Bag({1}), {"items": [1]}),
    (
        Model(),
        {
            "day": "2026-11-21",
            "tags": [1],
            "raw": "x",
            "share": 0.5,
            "count": 1,
            "Named": 2,
            "secret": None,
            "by_number": {"1": "a"},
        },
    ),
]
REFUSED: list[tuple[Any, str, str]] = [
    (2**63, "v", "64 bits"),
    (-(2**63) - 1, "v", "64 bits"),
    ({"rows": [{"id": 2**70}]}, "v.rows[0].id", "64 bits"),
    (float("nan"), "v", "nan"),
    ([0.5, float("-inf")], "v[1]", "-inf"),
    ({1}, "v", "a set"),
    ({"a b": frozenset()}, 'v["a b"]', "a frozenset"),
    ([b""], "v[0]", "bytes"),
    (bytearray(b"x"), "v", "bytearray"),
    (memoryview(b"x"), "v", "memoryview"),
    ({1: "a"}, "v", "the key 1 is an int"),
    ({"a": {None: 1}}, "v.a", "the key None"),
    ({(1, 2): 1}, "v", "the key (1, 2)"),
    ("\ud800", "v", "surrogate"),
    ("\ud83d\ude00", "v", "surrogate"),
    ({"\udc80": 1}, "v, key '\\udc80'", "surrogate"),
    (Model(share=float("nan")), "v.share", "nan"),
    (Model(count=2**63), "v.count", "64 bits"),
    (Model(raw=b"\xff"), "v", "Model cannot be written"),
    ([Model(secret=pydantic.SecretStr("x"))], "v[0].secret", "asterisks"),
    (pydantic.SecretStr("x"), "v", "asterisks"),
    (Anything(pydantic.SecretStr("x")), "v.it", "asterisks"),
    (Anything({1}), "v.it", "a set"),
    (Loose(anything=[b"x"]), "v.anything[0]", "bytes"),
    (Loose(anything={1: 1}), "v.anything", "the key 1"),
    (object(), "v", "an object"),
    (len, "v", "a builtin_function_or_method"),
    (Model, "v", "has no form"),
    (ValueError("x"), "v", "a ValueError"),
    ((n for n in [1]), "v", "as a list"),
    (range(3), "v", "as a list"),
    ({"a": 1}.keys(), "v", "as a list"),
]


@pytest.mark.parametrize(("value", "form"), GOES, ids=lambda each: type(each).__name__)
def test_goes_out_as_pydantic_writes_it(value: Any, form: Any) -> None:
    given = to_json(value)
    assert given == form
    assert type(given) is type(form)
    assert json.loads(json.dumps(given)) == form


@pytest.mark.parametrize(("value", "path", "words"), REFUSED, ids=lambda each: type(each).__name__)
def test_is_refused_with_its_path(value: Any, path: str, words: str) -> None:
    with pytest.raises(NotJsonError) as error:
        to_json(value, "v")
    assert error.value.path == path
    assert words in error.value.reason
    assert str(error.value).startswith(f"{path}: ")
    assert isinstance(error.value, SerializationError)
    assert isinstance(error.value, ValueError)


def test_what_comes_back_makes_the_typed_value_again() -> None:
    for value in (Model(), Bag({1}), Point(1, NINE), NINE, decimal.Decimal("1.10"), uuid.UUID(int=7), 1.0, Colour.RED):
        kind: Any = pydantic.TypeAdapter(type(value))
        # Go writes 1.0 as 1; the annotation makes a float of it.
        back = kind.validate_python(json.loads(json.dumps(to_json(value)).replace(": 1.0", ": 1")))
        assert back == value
        assert type(back) is type(value)


def test_a_generator_is_not_used_up() -> None:
    generator = (n for n in [1, 2])
    with pytest.raises(NotJsonError):
        to_json(generator)
    assert list(generator) == [1, 2]


def test_what_is_inside_itself_and_what_is_too_deep() -> None:
    around: list[Any] = []
    around.append({"a": around})
    with pytest.raises(NotJsonError, match=r"v\[0\]\.a: it contains itself"):
        to_json(around, "v")
    point = Anything()
    point.it = point
    with pytest.raises(NotJsonError, match=r"itself|recursion|Circular"):
        to_json(point, "v")
    shared = [1]
    assert to_json([shared, shared]) == [[1], [1]]
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    assert to_json(deep) == deep
    with pytest.raises(NotJsonError, match="deeper than 100"):
        to_json([deep])


def test_more_than_a_megabyte_goes_by_reference() -> None:
    rows = "é" * 250_000
    fits = {"rows": rows, "more": "x" * (LARGEST_BYTES - 500_000 - len('{"rows":"","more":""}'))}
    assert json_size(parameters_to_json(fits)) == LARGEST_BYTES
    with pytest.raises(TooLargeError, match=r"parameters: 1\.0 MB .*parameters\.rows alone has 0\.5 MB.*results store"):
        parameters_to_json({**fits, "one": 1})


def test_paths() -> None:
    assert step("a", "b-c") == "a.b-c"
    assert step("a", 3) == "a[3]"
    assert step("a", 'x"y') == 'a["x\\"y"]'
