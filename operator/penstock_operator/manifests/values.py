"""From the events of a YAML document to values of JSON. Iterative: no depth of nesting breaks it.

`events` reads the text. Keys become text, merge keys are laid in, aliases are copies,
and their number is bounded as Go bounds it, before they are made. A key that comes twice counts as Go has it, the last one,
and `n` as a key is false; both is noted.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from .events import Events, place
from .faults import Malformed
from .scalars import MERGE, as_value, key_text, plain, tagged

DEEPEST: Final = 500  # levels; Go takes 10,000, and nobody needs them
# Above so many values at least, so large a part of a document may come of aliases; less and less of a larger one (goyaml.v2).
_FREE: Final = 1000
_NO_KEY: Final = "a list or a mapping cannot be a key"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SMALL, _LARGE = 400_000, 4_000_000
_PART_OF_SMALL, _PART_OF_LARGE = 0.99, 0.10


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a text.

    Attributes:
        value: what it says, as JSON has it.
        line: where it begins, from 1.
        notes: what is odd about it, in words, each with its line.
    """

    value: Any
    line: int
    notes: tuple[str, ...] = ()


def read_documents(text: str) -> Iterator[Document]:
    """Yield the documents of a YAML text; one without content is null.

    Raises:
        Malformed: the text is no YAML, or means nothing in JSON.
    """
    try:
        events = Events(text)
        yield from _documents(events)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        why = str(error.problem or error.context)
        raise Malformed(mark.line + 1 if mark else 1, mark.column + 1 if mark else 0, why) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Malformed(line, 0, "control characters are not allowed") from error


def _documents(events: Events) -> Iterator[Document]:
    while not isinstance(event := events.take(), StreamEndEvent):
        if isinstance(event, DocumentStartEvent):
            first = events.ahead()
            builder = _Builder()
            while not isinstance(event := events.take(), DocumentEndEvent):
                builder.take(event)
            yield Document(builder.root.value, place(first)[0], tuple(builder.notes))


@dataclass(slots=True)
class _Node:
    """A value that is being made.

    Attributes:
        value: a dict, a list or a scalar.
        weight: how many values it has, itself and copies included.
        own: of a mapping: the keys that it has itself, not by a merge.
        key: of a mapping: the key whose value comes next; None: a key comes next.
        merges: whether that key lays a mapping in.
        anchor: its name, if it has one.
    """

    value: Any
    weight: int = 1
    own: set[str] = field(default_factory=set)
    key: str | None = None
    merges: bool = False
    anchor: str | None = None


@dataclass(slots=True)
class _Builder:
    """One document."""

    root: _Node = field(default_factory=lambda: _Node(None))
    notes: list[str] = field(default_factory=list)
    _open: list[_Node] = field(default_factory=list)
    _anchors: dict[str, _Node | None] = field(default_factory=dict)
    _made: int = 0
    _copied: int = 0

    def take(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, CollectionEndEvent):
            self._place(self._open.pop(), event)
            return
        assert isinstance(event, NodeEvent)
        inside = self._open[-1] if self._open else None
        is_key = inside is not None and isinstance(inside.value, dict) and inside.key is None
        if isinstance(event, AliasEvent):
            node = self._copy(event)
        elif isinstance(event, ScalarEvent):
            if is_key and inside is not None and _merges(event):
                inside.key, inside.merges = "<<", True
                return
            node = _Node(_scalar(event), anchor=event.anchor)
        else:
            self._begin(event, is_key=is_key)
            return
        self._made += 1
        if is_key and inside is not None:
            self._name(inside, node, event)
        else:
            node.value = _checked(as_value, node.value, event) if isinstance(event, ScalarEvent) else node.value
            self._place(node, event)

    def _begin(self, event: NodeEvent, *, is_key: bool) -> None:
        if is_key:
            raise _fault(event, _NO_KEY)
        if len(self._open) >= DEEPEST:
            raise _fault(event, f"nested deeper than {DEEPEST} levels")
        if event.anchor:
            self._anchors[event.anchor] = None
        assert isinstance(event, MappingStartEvent | SequenceStartEvent)
        self._made += 1
        self._open.append(_Node({} if isinstance(event, MappingStartEvent) else [], anchor=event.anchor))

    def _name(self, inside: _Node, node: _Node, event: Event) -> None:
        """Take a scalar as the key of a mapping."""
        if node.anchor:
            self._anchors[node.anchor] = node
        if isinstance(node.value, dict | list):
            raise _fault(event, _NO_KEY)
        key = _checked(key_text, node.value, event)
        if isinstance(event, ScalarEvent) and key != event.value and not isinstance(node.value, str):
            self.notes.append(
                f"line {place(event)[0]}: the key {event.value} is read as {key!r}; quote it if it is a name"
            )
        if key in inside.own:
            self.notes.append(f"line {place(event)[0]}: the key {key!r} comes twice; the last one counts")
        inside.own.add(key)
        inside.key = key

    def _place(self, node: _Node, event: Event) -> None:
        """Put a whole value where it belongs."""
        if node.anchor:
            self._anchors[node.anchor] = node
        if not self._open:
            self.root = node
            return
        inside = self._open[-1]
        inside.weight += node.weight
        if isinstance(inside.value, list):
            inside.value.append(node.value)
            return
        assert inside.key is not None
        if inside.merges:
            _merge(inside.value, node.value, event)
        else:
            inside.value[inside.key] = node.value
        inside.key, inside.merges = None, False

    def _copy(self, event: AliasEvent) -> _Node:
        if event.anchor not in self._anchors:
            raise _fault(event, f"unknown anchor '{event.anchor}' referenced")
        node = self._anchors[event.anchor]
        if node is None:
            raise _fault(event, f"anchor '{event.anchor}' value contains itself")
        self._made += node.weight
        self._copied += node.weight
        if self._copied > 100 and self._made > _FREE and self._copied > _allowed(self._made) * self._made:
            raise _fault(event, "document contains excessive aliasing")
        return _Node(copy.deepcopy(node.value), 1 + node.weight)


def _allowed(made: int) -> float:
    """Return which part of so many values may come of aliases."""
    if made <= _SMALL:
        return _PART_OF_SMALL
    if made >= _LARGE:
        return _PART_OF_LARGE
    return _PART_OF_SMALL - (_PART_OF_SMALL - _PART_OF_LARGE) * (made - _SMALL) / (_LARGE - _SMALL)


def _scalar(event: ScalarEvent) -> Any:
    if _SURROGATE.search(event.value):  # only an escape can make one
        raise _fault(event, "found invalid Unicode character escape code")
    if event.tag is None:
        return plain(event.value) if event.implicit[0] else event.value
    return _checked(lambda text: tagged(event.tag, text), event.value, event)


def _merges(event: ScalarEvent) -> bool:
    return event.value == "<<" and (event.tag == MERGE or (event.tag is None and event.implicit[0]))


def _merge(into: dict[str, Any], value: Any, event: Event) -> None:
    maps = [value] if isinstance(value, dict) else value
    if not isinstance(maps, list) or not all(isinstance(part, dict) for part in maps):
        raise _fault(event, "map merge requires map or sequence of maps as the value")
    for part in reversed(maps):
        into.update(part)


def _checked(make: Any, value: Any, event: Event) -> Any:
    try:
        return make(value)
    except ValueError as error:
        raise _fault(event, str(error)) from None


def _fault(event: Event, why: str) -> Malformed:
    return Malformed(*place(event), why)
