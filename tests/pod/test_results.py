"""What a report tells of a returned value: whole, or how it begins, how large it is and that it is not kept; cheap for large values."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest

from penstock.clusterruns.stored import NotKept, StoredElsewhere
from penstock.filesystems import NullFileSystem
from penstock.pod.keeping import advice, stored
from penstock.pod.repeats import _found_again
from penstock.pod.report import ResultPart
from penstock.pod.results import Stored, beginning, counted_bytes, result_part, shown_size, whole_json
from penstock.results import ResultStore
from penstock.runners.answering import _value
from penstock.runners.kept import KeptValue
from penstock.states import Completed
from penstock.storage.lasting import VARIABLE, lasts


class Frame:
    """Something that holds its data in a buffer, as arrays do."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Frame, (), {"data": pickle.PickleBuffer(self.data)}


class Shy:
    def __reduce_ex__(self, protocol: Any) -> Any:
        raise RuntimeError("not me")


@pytest.mark.parametrize(
    ("stored", "previews", "want"),
    [
        (Stored(None), True, None),
        (Stored({"rows": 3}), True, ResultPart('{"rows": 3}', "dict", kept=True)),
        (Stored(3, kept=True, location="s3://b/k", size=9), True, ResultPart("3", "int", "s3://b/k", kept=True)),
        (Stored(3), False, ResultPart(None, "int", size="5 B", kept=False)),
        (
            Stored(list(range(10_000))),
            True,
            ResultPart(None, "list", None, "[0, 1, 2, 3, 4, 5, 6, 7, … 9,992 more]", "30 kB", kept=False),
        ),
        (
            Stored("x" * 2000, kept=True, location="s3://b/k", size=2_000),
            True,
            ResultPart(None, "str", "s3://b/k", f'"{"x" * 60}"… (2,000 characters)', "2.0 kB", kept=True),
        ),
        (Stored("x" * 2000, kept=True, location="s3://b/k"), False, ResultPart(None, "str", "s3://b/k", kept=True)),
        (Stored(Shy()), True, ResultPart(None, "Shy", kept=False)),
        (Stored(None, kept=True, location="s3://b/k"), True, ResultPart(None, None, "s3://b/k", kept=True)),
    ],
)
def test_a_result_is_whole_or_says_that_it_is_not(stored: Stored, previews: bool, want: ResultPart | None) -> None:
    assert result_part(stored, previews=previews) == want


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ({"a": [1, {"b": [2, [3]]}]}, '{"a": [1, {"b": [… 2 items]}]}'),
        ({f"k{i}": None for i in range(9)}, "{" + ", ".join(f'"k{i}": null' for i in range(8)) + ", … 1 more}"),
        ([Shy(), 2**70, 1.5, True], "[<Shy>, <int>, 1.5, true]"),
        (Shy(), None),
    ],
)
def test_the_beginning_says_what_it_leaves_out(value: object, want: str | None) -> None:
    assert beginning(value) == want


def test_a_large_value_is_not_encoded_to_find_out_that_it_is_large() -> None:
    class Watched(list[int]):
        looked = 0

        def __iter__(self) -> Iterator[int]:
            for item in super().__iter__():
                Watched.looked += 1
                yield item

    assert whole_json(Watched(range(100_000))) is None
    assert Watched.looked == 0
    cycle: list[Any] = []
    cycle.append(cycle)
    assert whole_json(cycle) is None


def test_counting_stops_at_its_limit_and_holds_nothing() -> None:
    assert counted_bytes(Frame(5_000_000), limit=10_000_000) == pytest.approx(5_000_000, abs=500)
    assert counted_bytes([b"x" * 1000] * 3 + [bytes(100_000)] * 50, limit=50_000) == -50_000
    assert counted_bytes("x" * 1000, limit=10) == -10
    clock = itertools.count(0.0, 0.6)
    stopped = counted_bytes([bytes([i]) * 70_000 for i in range(100)], clock=lambda: next(clock))
    assert stopped is not None
    assert -300_000 < stopped < 0, "a slow value takes a second at most"
    deep: list[Any] = []
    for _ in range(100_000):  # beyond what code in C may nest, which from 3.12 on has a limit of its own
        deep = [deep]
    assert counted_bytes(deep) is None


@pytest.mark.parametrize(
    ("count", "want"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (12_345_678, "12 MB"),
        (-64_000_000, "> 64 MB"),
        (10**13, "10000 GB"),
    ],
)
def test_sizes(count: int, want: str) -> None:
    assert shown_size(count) == want


@pytest.mark.parametrize(
    ("storage", "named", "want"),
    [
        ("/mnt/results", None, True),
        ("/mnt/results", "", False),
        ("/mnt/results", "/mnt", True),
        ("/mnt/results", "/mnt/res", False),
        ("/mnt/results/x", "/mnt:!/mnt/results", False),
        ("/mnt/results/x", "/:/mnt/results:!/mnt", True),
        ("s3://bucket/x", "", True),
        ("memory://x", "", False),
        ("memory://x", None, True),
    ],
)
def test_a_storage_lasts_where_the_operator_says_so(
    storage: str, named: str | None, want: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if named is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, named)
    store = ResultStore(result_storage=storage)
    assert lasts(store.result_storage) is want
    assert store.durable is want
    assert lasts(NullFileSystem()) is False


def test_the_log_names_what_keeps_the_next_one() -> None:
    assert advice(ResultPart("3", "int", kept=True)) is None
    words = advice(ResultPart(type="list", size="12 MB", kept=False))
    assert words is not None
    for part in ("(list, 12 MB)", "not kept", "results.storage", "results.persist: true"):
        assert part in words


@pytest.mark.parametrize("data", [NotKept("child", {"type": "list"}), StoredElsewhere("file:///nowhere/k")])
def test_a_value_that_is_elsewhere_is_not_read_to_be_told_to_another_process(data: Any) -> None:
    told, value, fault = _value(Completed(data=data), 1000)
    assert (told[0], pickle.loads(told[1]).told, value, fault) == ("pickle", data.told, None, None)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (
            NotKept("child", {"type": "list", "size": "15 kB", "preview": "[0, 1, …", "kept": False}),
            ResultPart(None, "list", None, "[0, 1, …", "15 kB", kept=False),
        ),
        (
            StoredElsewhere("s3://b/k", {"type": "dict", "size": "2 kB"}),
            ResultPart(None, "dict", "s3://b/k", None, "2 kB", kept=True),
        ),
        (StoredElsewhere("s3://b/k"), ResultPart(location="s3://b/k", kept=True)),
        (KeptValue(cloudpickle.dumps(3)), ResultPart("3", "int", kept=True)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_of_a_value_that_is_elsewhere(data: Any, part: ResultPart) -> None:
    """A flow may return the state of another run, or of a task elsewhere: nothing is claimed that is not known, nothing fails."""
    assert result_part(stored(data), previews=True) == part
    hidden = result_part(stored(data), previews=False)
    assert hidden is not None
    assert (hidden.json, hidden.preview) == (None, None)
    run = SimpleNamespace(is_flow=True)
    assert not _found_again(run, Completed(data=data))
