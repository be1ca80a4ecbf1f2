"""Methods of the user's that raise where the engine prints, compares, copies or asks: the run goes on all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from penstock import flow, observers, task, unmapped
from penstock.cache_policies import INPUTS
from penstock.pod.errors import describe
from penstock.states import Completed, Failed, State

NOTE = "Evil: <no text: __str__ of Evil raises RuntimeError>"


def no(*_: object, **__: object) -> Any:
    raise RuntimeError("not with me")


class Evil(Exception):  # noqa: N818
    __str__ = __repr__ = __eq__ = __bool__ = __reduce__ = __reduce_ex__ = __format__ = __copy__ = __deepcopy__ = no
    __len__ = __iter__ = no
    __hash__ = None  # type: ignore[assignment]


class Thing:
    __str__ = __repr__ = __eq__ = __bool__ = __reduce__ = __reduce_ex__ = __format__ = __copy__ = __deepcopy__ = no
    __len__ = __hash__ = no

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def boom(*_: object, **__: object) -> Any:
    raise Evil


async def aboom(*_: object, **__: object) -> Any:
    raise Evil


@task(retries=1, retry_condition_fn=lambda *_: True)
def failing() -> None:
    boom()


@task
def given(x: Any) -> Any:
    return x


@task(persist_result=True)
def kept() -> Thing:
    return Thing()


@task(cache_policy=INPUTS, persist_result=True)
def cached(x: Any) -> int:
    return 1


@task(cache_key_fn=boom, persist_result=True)
def keyed() -> int:
    return 1


@task(retries=1, retry_condition_fn=boom)
def undecided() -> None:
    raise ValueError("mine")


class Hook(Thing):
    def __call__(self, *_: object) -> None:
        boom()


BODIES: dict[str, tuple[Callable[[], Any], str]] = {
    "raises": (boom, "Failed"),
    "task raises": (failing, "Failed"),
    "submitted task raises": (lambda: failing.submit().result(), "Failed"),
    "returned future": (lambda: failing.submit(), "Failed"),
    "task's state": (lambda: failing(return_state=True) and 1, "Completed"),
    "returned state": (lambda: Failed(data=Evil()), "Failed"),
    "group": (lambda: (_ for _ in ()).throw(ExceptionGroup("g", [Evil(), ValueError()])), "Failed"),
    "returned": (Thing, "Completed"),
    "parameter": (lambda: given(Thing()), "Completed"),
    "parameter of a submitted task": (lambda: given.submit(Thing()).result(), "Completed"),
    "mapped": (lambda: given.map([Thing(), Thing()]).result(), "Completed"),
    "unmapped": (lambda: given.map(unmapped(Thing())) and 1, "Failed"),
    "stored": (kept, "Completed"),
    "cached": (lambda: cached(Thing()), "Completed"),
    "key function": (keyed, "Completed"),
    "retry condition": (lambda: undecided(return_state=True) and 1, "Completed"),
    "raised from it": (lambda: _chained(), "Failed"),
}


def _chained() -> None:
    try:
        boom()
    except Evil as evil:
        raise ValueError("later") from evil


@pytest.mark.parametrize(("body", "name"), BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize(
    "hooks", [{}, {"on_failure": [boom, Hook()], "on_completion": [boom, Hook()]}], ids=["", "hooks"]
)
def test_the_run_ends_as_it_would(
    body: Callable[[], Any], name: str, hooks: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    state: State = flow(body, name="f", retries=1, **hooks)(return_state=True)
    assert state.name == name
    if name == "Failed" and state.message is not None and "Evil" in state.message:
        assert NOTE in state.message
    assert "Logging error" not in capsys.readouterr().err


def test_an_async_run() -> None:
    state: State = asyncio.run(flow(aboom, retries=1)(return_state=True))
    assert (state.name, state.message) == ("Failed", f"Flow run encountered an exception: {NOTE}")
    assert type(state.data) is Evil


def test_the_callers_get_the_exception_itself() -> None:
    with pytest.raises(Evil):
        flow(boom, name="f")()


def test_an_observer() -> None:
    leave = observers.subscribe(boom)
    try:
        assert flow(lambda: 1, name="f")() == 1
    finally:
        leave()


def test_states_and_reports_can_be_shown() -> None:
    assert "<no text: __repr__ of Thing raises RuntimeError>" in repr(Completed(data=Thing()))
    try:
        boom()
    except Evil as evil:
        part = describe(evil)
    assert part.type.endswith("Evil")
    assert part.message == "<no text: __str__ of Evil raises RuntimeError>"
    assert "in boom" in part.location
    assert part.message in part.traceback
