"""Methods of flows and tasks that do not exist here on purpose, and what to use instead.

They are put on the classes when these are made; the larger tables, of names and modules, are `absent`'s, which is loaded when
one of them is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

FLOW = "`penstock build FILE.py:flow`, which writes a `Flow` resource, and `kubectl apply`"
TO_FLOW = "`to_flow`, which says the same of a `Flow` resource, and `penstock build FILE.py:flow`"
SUBMIT = "`.submit`, or a FlowRun of its own"
WHAT_HAPPENED = "an observer (`penstock.observers`), or the lines of state changes in the log"

ABSENT_METHODS: dict[str, dict[str, str]] = {
    "Flow": {
        "serve": TO_FLOW, "deploy": TO_FLOW, "adeploy": TO_FLOW, "to_deployment": TO_FLOW, "ato_deployment": TO_FLOW,
        "from_source": FLOW, "afrom_source": FLOW, "visualize": WHAT_HAPPENED, "avisualize": WHAT_HAPPENED,
        "generate_mermaid_graph": WHAT_HAPPENED,
    },
    "Task": {"delay": SUBMIT, "apply_async": SUBMIT, "serve": SUBMIT, "aserve": SUBMIT},
}  # fmt: skip


class AbsentMethod:
    """A method that refuses to be called, on the class and on its instances."""

    __slots__ = ("_instead", "_name")

    def __init__(self, name: str, instead: str) -> None:
        self._name = name
        self._instead = instead

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse.

        Raises:
            NotImplementedError: always; says what to use.
        """
        raise NotImplementedError(f"{self._name} does not exist here; use {self._instead}.")


def refuse_absent_methods(cls: type, kind: str, names: Iterable[str] | None = None) -> None:
    """Put the methods of the table on a class.

    Args:
        cls: what users may call them on.
        kind: whose they are.
        names: which; default: all of that kind.
    """
    table = ABSENT_METHODS[kind]
    for name in table if names is None else names:
        setattr(cls, name, AbsentMethod(f"{kind}.{name}", table[name]))
