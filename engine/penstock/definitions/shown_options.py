"""Signatures that show options: what a function takes as `**options` and hands on, it shows as keywords.

Who asks for a signature is a person at a prompt, an editor, or a test. So a method is shown so when it is first looked up,
and what lists its options need not be loaded before. Neighbours: `flow` and `task`; `changing` and `to_flow` know the options.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

F = TypeVar("F", bound="Callable[..., Any]")


def options_of(
    lists: Callable[..., Any], left_out: Iterable[str] = (), unless_given: Mapping[str, Any] | None = None
) -> list[inspect.Parameter]:
    """The options that a function lists, as keywords.

    Args:
        lists: its first two parameters are no options: the instance or the flow, and the function or the name.
        left_out: options that are not taken.
        unless_given: defaults by name; None for the others. Without it those that are listed.
    """
    _, _, *options = inspect.signature(lists).parameters.values()
    chosen = [each for each in options if each.name not in left_out]
    if unless_given is not None:
        chosen = [each.replace(default=unless_given.get(each.name)) for each in chosen]
    return [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in chosen]


def options_of_flow_copies(init: Callable[..., Any]) -> list[inspect.Parameter]:
    """What `Flow.with_options` takes, of what `Flow` does."""
    from penstock.definitions.changing import RESETTABLE_OF_FLOWS

    return options_of(init, unless_given=RESETTABLE_OF_FLOWS)


def options_of_task_copies(init: Callable[..., Any]) -> list[inspect.Parameter]:
    """What `Task.with_options` takes, of what `Task` does."""
    from penstock.definitions.changing import LEFT_OUT_OF_COPIES, RESETTABLE_OF_TASKS

    return options_of(init, LEFT_OUT_OF_COPIES, RESETTABLE_OF_TASKS)


def options_of_resources() -> list[inspect.Parameter]:
    """What `Flow.to_flow` takes."""
    from penstock.definitions.to_flow import define

    return options_of(define, left_out=("others",))


def show(fn: F, options: list[inspect.Parameter]) -> F:
    """Let a function show these in the place of its `**options`."""
    first = [each for each in inspect.signature(fn).parameters.values() if each.kind is not each.VAR_KEYWORD]
    fn.__signature__ = inspect.Signature([*first, *options])  # type: ignore[attr-defined]
    return fn


def takes_options(find: Callable[[], list[inspect.Parameter]]) -> Callable[[F], F]:
    """Let a method show options from the moment when it is first looked up.

    Args:
        find: gives them; see `options_of`.
    """

    def stand_in(method: F) -> F:
        return cast("F", _ShownWhenAsked(method, find))

    return stand_in


class _ShownWhenAsked:
    """Stands in a class for a method until that is looked up."""

    def __init__(self, method: Callable[..., Any], find: Callable[[], list[inspect.Parameter]]) -> None:
        self.method = method
        self.find = find

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        shown = show(self.method, self.find())
        setattr(self.owner, self.name, shown)
        return shown.__get__(instance, owner)
