"""A result that stayed where its task ran: the data of a state, read when somebody asks for it.

Reads itself as stored results do (`__penstock_stored__`). Neighbours: `remote` makes it; runners fetch.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import MissingResult

if TYPE_CHECKING:
    from collections.abc import Callable

_ABSENT = object()


class KeptValue:
    """The value of a task run that ended elsewhere.

    Args:
        payload: the value by cloudpickle, where it was small enough to come along.
        fetch: gets the value from the worker that holds it.
        stored: gets it from its store, where it was persisted.
    """

    __penstock_stored__ = True
    __slots__ = ("__weakref__", "_fetch", "_lock", "_payload", "_stored", "_value")

    def __init__(
        self,
        payload: bytes | None = None,
        fetch: Callable[[], Any] | None = None,
        stored: Callable[[], Any] | None = None,
    ) -> None:
        self._payload = payload
        self._fetch = fetch
        self._stored = stored
        self._value: Any = _ABSENT
        self._lock = threading.Lock()

    def read_value(self) -> Any:
        """The value; fetched at the first call.

        Raises:
            MissingResult: the worker that held it is gone, and it is on no store.
        """
        with self._lock:
            if self._value is _ABSENT:
                self._value = self._read()
                self._payload = self._fetch = self._stored = None
            return self._value

    def _read(self) -> Any:
        if self._payload is not None:
            import cloudpickle

            return cloudpickle.loads(self._payload)
        lost: BaseException | None = None
        if self._fetch is not None:
            try:
                return self._fetch()
            except Exception as exc:
                if self._stored is None:
                    raise MissingResult(
                        f"The result cannot be had from the worker that held it ({_first_line(exc)}): it was lost with "
                        "the worker, or cannot be pickled. One that is persisted (persist_result=True) outlives its worker."
                    ) from exc
                lost = exc
        if self._stored is not None:
            return self._stored()
        raise MissingResult("The result stayed on a worker that is gone.") from lost

    def fetch_quietly(self) -> None:
        """Fetch it now; should that fail, whoever asks later hears why."""
        try:
            self.read_value()
        except Exception as exc:  # noqa: BLE001  (it is raised where the value is asked for)
            reason = MissingResult(str(exc))

            def gone() -> Any:
                raise reason

            self._fetch = gone

    def read_patiently(self, retry: bool = True) -> Any:
        """`read_value`: a worker that is gone does not come back."""
        return self.read_value()

    async def aread_patiently(self, retry: bool = True) -> Any:
        """`read_value`, without blocking the loop."""
        import asyncio

        return await asyncio.get_running_loop().run_in_executor(None, self.read_value)

    @property
    def result(self) -> Any:
        """The value."""
        return self.read_value()

    @property
    def is_here(self) -> bool:
        """Whether reading it needs no worker."""
        return self._fetch is None

    def __reduce__(self) -> Any:
        return _given, (self.read_value(),)

    def __repr__(self) -> str:
        return repr(self._value) if self._value is not _ABSENT else "<on a worker>"


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0]


def _given(value: Any) -> Any:
    return value
