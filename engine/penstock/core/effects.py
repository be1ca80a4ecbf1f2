"""What a run's life asks of its driver: the only things that block, or run user code.

A driver performs an effect and sends its outcome back: a value, or `Raised`. Neighbours: `life` yields them, both
drivers perform them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Effect:
    """Base class; effects are compared by class."""

    __slots__ = ()


class Body(Effect):
    """Run the user's function in an open section, with the run's timeout."""

    __slots__ = ()


class Drain(Effect):
    """Wait until everything that was submitted below this run has ended, or end it when the run was interrupted."""

    __slots__ = ("cancel",)

    def __init__(self, cancel: bool) -> None:
        self.cancel = cancel


class Call(Effect):
    """Call something that may return an awaitable: hooks, handlers, name functions, stores, conditions.

    One that is `far` blocks for long, and knows no event loop: async code waits for it in a thread.
    """

    __slots__ = ("args", "far", "fn", "kwargs")

    def __init__(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        far: bool = False,
    ) -> None:
        self.fn = fn
        self.args = args
        self.kwargs = kwargs or {}
        self.far = far


class Ask(Call):
    """A call of user code that decides nothing yet, so that it is interrupted as a body is: names, keys, conditions, waits for locks."""

    __slots__ = ()


class Wait(Effect):
    """Wait for upstreams; the outcome says nothing, their states do."""

    __slots__ = ("upstreams",)

    def __init__(self, upstreams: Sequence[Any]) -> None:
        self.upstreams = upstreams


class Sleep(Effect):
    """Wait for so many seconds without holding a slot."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Hold(Effect):
    """Wait until the root flow run is resumed; the outcome is None, or `Raised` when the pause timed out."""

    __slots__ = ("state",)

    def __init__(self, state: Any) -> None:
        self.state = state


class Gate(Effect):
    """Pass the gate of the root run, which may hold the run back."""

    __slots__ = ()


BODY = Body()
GATE = Gate()
DRAIN = Drain(cancel=False)
DRAIN_CANCELLING = Drain(cancel=True)
