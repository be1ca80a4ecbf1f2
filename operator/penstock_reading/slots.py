"""Who holds a slot of a Flow or of a concurrency group, and who waits for one, in what order. Pure.

The rule is the operator's (`penstock_operator.core.concurrency`), read off a run's object without a model: a page looks at thousands. A test
holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar

from penstock_operator.core.concurrency import AWAITING_SLOT, limit_of
from penstock_operator.core.verdict import CONFIG_ERROR

from .parts import mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["HOLDS", "WAITS", "Place", "Pool", "Runs", "group_limit", "place", "pool", "pools"]

Place = Literal["", "holds", "waits"]
HOLDS: Final = "holds"
WAITS: Final = "waits"
_LIVE: Final = ("Pending", "Running", "Cancelling")


class Runs(Protocol):
    """What is asked of each run."""

    @property
    def place(self) -> Place:
        """Whether it holds its slots, or waits for one; see `place`."""

    @property
    def flow(self) -> str:
        """Name of its Flow."""

    @property
    def priority(self) -> int:
        """As in its spec."""

    @property
    def created(self) -> float:
        """Seconds since the epoch."""

    @property
    def uid(self) -> str:
        """Its UID."""


R = TypeVar("R", bound=Runs)


@dataclass(frozen=True, slots=True)
class Pool:
    """A set of slots: of a Flow, or of a group.

    Attributes:
        group: its name; empty: the Flow's own.
        limit: how many slots; None: nobody has set it, so whoever needs one waits.
        policy: what becomes of who finds none; of a group always Queue.
        flows: names of the Flows whose runs need one of them.
    """

    group: str
    limit: int | None
    policy: str = "Queue"
    flows: tuple[str, ...] = ()


def place(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Place:
    """Return what a run is to the others: it holds its slots, stands in its queues, or neither.

    Args:
        spec: of the FlowRun.
        status: of the FlowRun.
    """
    state, attempt = mapping(status.get("state")), mapping(status.get("attempt"))
    if not mapping(spec.get("flowRef")).get("name"):
        return ""
    if state.get("name") == AWAITING_SLOT and status.get("queue"):
        return WAITS
    if not attempt or not state or spec.get("managedBy") is not None or _open_yet(status, state, attempt):
        return ""
    if state.get("type") == "Paused":
        reported = mapping(status.get("report")).get("attempt") == attempt.get("number")
        return HOLDS if attempt.get("podUID") is not None or reported else ""
    return HOLDS if state.get("type") in _LIVE else ""


def _open_yet(status: Mapping[str, Any], state: Mapping[str, Any], attempt: Mapping[str, Any]) -> bool:
    """Whether what the run executes is not settled: then it has no pod."""
    recorded = mapping(status.get("flow")).get("revision") is not None
    number = attempt.get("number")
    begun = isinstance(number, int) and number > 1
    begun = begun or attempt.get("podUID") is not None or status.get("report") is not None
    pending = state.get("type") != "Scheduled" and state.get("name") != CONFIG_ERROR
    return not recorded and not begun and not pending


def group_limit(limits: Mapping[str, str] | None, group: str) -> int | None:
    """Return a group's limit as the ConfigMap `penstock-concurrency` has it; None: no whole number stands there."""
    return limit_of((limits or {}).get(group))


def pools(name: str, spec: Mapping[str, Any], limits: Mapping[str, str] | None) -> list[Pool]:
    """Return the pools that a Flow's runs need a slot of: its own, and its groups'.

    Args:
        name: of the Flow.
        spec: of the Flow.
        limits: the data of the ConfigMap `penstock-concurrency`; None: not known.
    """
    rule = mapping(spec.get("concurrency"))
    own = [Pool("", int(rule["limit"]), str(rule.get("policy") or "Queue"), (name,))] if rule.get("limit") else []
    return [*own, *(Pool(str(group), group_limit(limits, str(group))) for group in spec.get("concurrencyGroups") or ())]


def pool(runs: Iterable[R], flows: Iterable[str]) -> tuple[list[R], list[R]]:
    """Return the runs of some Flows that hold a slot, the oldest first, and those that wait for one, in their order.

    Args:
        runs: of one namespace.
        flows: names of the Flows that share the slots.
    """
    names = set(flows)
    concerned = [run for run in runs if run.place and run.flow in names]
    holding = sorted((run for run in concerned if run.place == HOLDS), key=lambda run: (run.created, run.uid))
    waiting = [run for run in concerned if run.place == WAITS]
    return holding, sorted(waiting, key=lambda run: (-run.priority, run.created, run.uid))
