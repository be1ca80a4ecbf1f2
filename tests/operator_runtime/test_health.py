"""Probes: a loop that is blocked is found out from outside; metrics are served beside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import httpx
import pytest

from penstock_operator.runtime.health import LOOP_STUCK_SECONDS, HealthServer, Pulse
from penstock_operator.runtime.metrics import Metrics
from tests.support.operatorprocess import free_port


class Vitals:
    """What an operator would say."""

    def __init__(self, trouble: str | None = None, *, ready: bool = True) -> None:
        self.trouble = trouble
        self.ready = ready

    def problem(self) -> str | None:
        return self.trouble

    def readiness(self) -> tuple[bool, str]:
        return self.ready, "ok: leading" if self.ready else "not yet"


def ask(vitals: Vitals, *paths: str) -> list[tuple[int, str]]:
    metrics = Metrics()
    metrics.transitions.labels("Running", "Running").inc()

    async def main() -> list[tuple[int, str]]:
        server = HealthServer(free_port(), vitals, metrics.registry, asyncio.get_running_loop(), clock=lambda: 0.0)
        server.start()
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
                answers = [await client.get(path) for path in paths]
            return [(answer.status_code, answer.text) for answer in answers]
        finally:
            await asyncio.to_thread(server.stop)

    return asyncio.run(main())


def test_all_is_well() -> None:
    livez, healthz, readyz, metrics, other = ask(Vitals(), "/livez", "/healthz", "/readyz?verbose", "/metrics", "/")
    assert livez == healthz == (200, "ok\n")
    assert readyz == (200, "ok: leading\n")
    assert 'penstock_run_transitions_total{name="Running",type="Running"} 1.0' in metrics[1]
    assert other[0] == 404


def test_trouble() -> None:
    livez, readyz = ask(Vitals("a worker is stuck", ready=False), "/livez", "/readyz")
    assert livez == (503, "a worker is stuck\n")
    assert readyz == (503, "not yet\n")


def test_the_port_is_free_again_after_the_end() -> None:
    port = free_port()

    async def main() -> None:
        for _ in range(2):
            server = HealthServer(port, Vitals(), Metrics().registry, asyncio.get_running_loop(), clock=lambda: 0.0)
            server.start()
            server.stop()

    asyncio.run(main())
    assert not [t for t in threading.enumerate() if t.name == "health"]


class Loop:
    """A loop that answers when told to."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []
        self.closed = False

    def call_soon_threadsafe(self, callback: Callable[..., object], *arguments: object) -> None:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        self.calls.append(lambda: callback(*arguments))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe waits no time for an answer."""
    monkeypatch.setattr("penstock_operator.runtime.health.PATIENCE_SECONDS", 0.0)


@pytest.mark.usefixtures("impatient")
def test_a_loop_that_does_not_answer_for_long_is_stuck() -> None:
    loop, time = Loop(), [0.0]
    pulse = Pulse(loop, lambda: time[0])  # type: ignore[arg-type]
    assert pulse.problem() is None, "busy is not stuck"
    time[0] = LOOP_STUCK_SECONDS - 1
    assert pulse.problem() is None
    assert len(loop.calls) == 1, "one question at a time"
    time[0] = LOOP_STUCK_SECONDS + 1
    assert pulse.problem() == "the event loop has not answered for 31 s"
    loop.calls.pop()()
    assert pulse.problem() is None, "it answered: the next question is a new one"


def test_a_loop_that_answers_is_well() -> None:
    async def main() -> str | None:
        pulse = Pulse(asyncio.get_running_loop(), lambda: 0.0)
        return await asyncio.to_thread(pulse.problem)

    assert asyncio.run(main()) is None


def test_a_loop_that_is_closed_is_not() -> None:
    loop = Loop()
    loop.closed = True
    assert Pulse(loop, lambda: 0.0).problem() == "the event loop is closed"  # type: ignore[arg-type]
