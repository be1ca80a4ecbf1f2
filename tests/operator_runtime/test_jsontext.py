"""JSON of any depth and of any letters is read; what is nested beyond use is cut off, and nothing else."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from penstock_operator.core.canonical import too_deep
from penstock_operator.runtime.jsontext import CUT_LEVELS, parse, shallow, written


def nested(levels: int, kind: str) -> bytes:
    if kind == "lists":
        return b"[" * levels + b"]" * levels
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize("kind", ["lists", "objects"])
@pytest.mark.parametrize("levels", [1, 100, 199, 201, 1_000, 9_999])
def test_depth(levels: int, kind: str) -> None:
    """One deep object does not hide the others of a listing, and is still too deep for the core."""
    content = b'{"items":[{"x":%s},{"y":"\\"}]{[\\\\"}]}' % nested(levels, kind)
    items = parse(content)["items"]
    assert items[1] == {"y": '"}]{[\\'}
    assert too_deep(items[0]["x"]) == (levels > 101)


def test_nothing_is_cut_that_is_not_deep() -> None:
    rng = random.Random(7)

    def value(depth: int) -> Any:
        if depth == 0 or rng.random() < 0.3:
            return rng.choice([1, None, 'a"' + "[" * 200 + "]" * 200, "}{", "\\", '\\"' + "{" * 200, "\ud800", "ü"])
        if rng.random() < 0.5:
            return [value(depth - 1) for _ in range(rng.randrange(3))]
        return {rng.choice(["[", "k", '"']): value(depth - 1) for _ in range(rng.randrange(3))}

    for _ in range(300):
        made = value(8)
        content = json.dumps(made).encode()
        assert shallow(content) == content
        assert parse(content) == made


def test_what_is_no_json_is_told() -> None:
    for content in (b"", b"{", b'{"a":}', b"[1,]", nested(300, "lists")[:-1]):
        with pytest.raises(ValueError, match=r"."):
            parse(content)


def test_the_bound_leaves_room() -> None:
    content = nested(CUT_LEVELS, "objects")
    assert shallow(content) == content
    assert shallow(nested(CUT_LEVELS + 1, "objects")) != nested(CUT_LEVELS + 1, "objects")


@pytest.mark.parametrize(
    "value", [{"a": [1, 2.5, None, True], "b": {}}, {"ü": "ü\n"}, {"lone": "\ud800"}, {"large": 10**30, "tuple": [1]}]
)
def test_what_is_written_is_read_again(value: Any) -> None:
    text = written(value)
    assert json.loads(text) == value
    assert b" " not in text


def test_what_is_nested_too_deep_to_be_written_is_an_error() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="too deep"):
        written(deep)
