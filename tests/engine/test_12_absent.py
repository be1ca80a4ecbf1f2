"""Methods that are absent on purpose refuse on the class too, where Prefect's users call some of them."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import Flow, Task, flow, task
from penstock.base.absent_methods import ABSENT_METHODS

ON_CLASSES = [(Flow, name) for name in ABSENT_METHODS["Flow"]] + [(Task, name) for name in ABSENT_METHODS["Task"]]


@pytest.mark.parametrize(("cls", "name"), ON_CLASSES, ids=[f"{cls.__name__}.{name}" for cls, name in ON_CLASSES])
def test_classes_refuse_as_their_instances_do(cls: Any, name: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"{cls.__name__}\.{name} does not exist here; use"):
        getattr(cls, name)("anything", entrypoint="file.py:fn")


@pytest.mark.parametrize("name", ["from_source", "afrom_source"])
def test_the_decorator_refuses_to_load_from_elsewhere(name: str) -> None:
    with pytest.raises(NotImplementedError, match=f"Flow.{name} does not exist here; use"):
        getattr(flow, name)(source="https://example.com/repository.git", entrypoint="file.py:fn")


@pytest.mark.parametrize("kind", [flow, task])
def test_other_names_are_plain_attribute_errors(kind: Any) -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        kind(lambda: None).nonsense  # noqa: B018
