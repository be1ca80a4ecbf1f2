"""Random runs against models: task graphs, retries with caching and persistence, transactions."""

from __future__ import annotations

import contextlib
import tempfile
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock import allow_failure, flow, task
from penstock.cache_policies import INPUTS, NO_CACHE
from penstock.core.given import _count
from penstock.core.retry import delay_of
from penstock.exceptions import UnfinishedRun
from penstock.settings import temporary_settings
from penstock.states import AwaitingRetry, State
from penstock.task_runners import ThreadPoolTaskRunner
from penstock.transactions import transaction

QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)

Node = tuple[list[int], list[int], bool, bool, bool]


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    """Tasks in order of submission: upstreams by data, by order only, tolerant of failures, failing, direct."""
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, 8))):
        earlier = st.lists(st.integers(0, number - 1), max_size=2, unique=True) if number else st.just([])
        nodes.append((draw(earlier), draw(earlier), draw(st.booleans()), draw(st.booleans()), draw(st.booleans())))
    return nodes


def model_of(nodes: list[Node]) -> list[str]:
    """What each task ends as."""
    ends: list[str] = []
    for data, order, tolerant, fails, _ in nodes:

        def holds(up: int, allowed: bool) -> bool:
            end = ends[up]
            return end != "Completed" and not allowed

        if any(holds(up, tolerant) for up in data) or any(holds(up, False) for up in order):
            ends.append("NotReady")
        else:
            ends.append("Failed" if fails else "Completed")
    return ends


@QUICK
@given(graphs(), st.integers(1, 3))
def test_random_graphs_of_futures(nodes: list[Node], workers: int) -> None:
    @task
    def node(inputs: Any, fails: bool) -> Any:
        if fails:
            raise ValueError("chosen")
        return inputs

    ends: list[str] = []

    @flow(task_runner=ThreadPoolTaskRunner(workers))
    def graph() -> None:
        futures: list[Any] = []
        for data, order, tolerant, fails, nested in nodes:
            inputs: Any = [futures[up] for up in data]
            inputs = {"in": inputs} if nested else inputs
            inputs = allow_failure(inputs) if tolerant else inputs
            futures.append(node.submit(inputs, fails, wait_for=[futures[up] for up in order]))
        for future in futures:
            future.wait()
            ends.append(future.state.name)
            if future.state.name == "NotReady":
                with contextlib.suppress(UnfinishedRun):
                    future.result()

    graph()
    assert ends == model_of(nodes)


@QUICK
@given(
    outcomes=st.lists(st.sampled_from(["ok", "raise", "failed", "cancelled"]), min_size=1, max_size=5),
    retries=st.integers(0, 4),
    persist=st.booleans(),
    cached=st.booleans(),
    calls=st.integers(1, 3),
)
def test_retries_with_caching_and_persistence(
    outcomes: list[str], retries: int, persist: bool, cached: bool, calls: int
) -> None:
    script = iter(outcomes + ["ok"] * 50)
    ran: list[str] = []

    @task(retries=retries, persist_result=persist, cache_policy=INPUTS if cached and persist else NO_CACHE)
    def t(x: int) -> Any:
        step = next(script)
        ran.append(step)
        if step == "raise":
            raise ValueError
        return {"ok": x, "failed": State("FAILED", message="m"), "cancelled": State("CANCELLED")}[step]

    @flow
    def f() -> list[str]:
        return [t(1, return_state=True).name for _ in range(calls)]

    expected_names: list[str] = []
    expected_runs: list[str] = []
    model = iter(outcomes + ["ok"] * 50)
    stored = False
    for _ in range(calls):
        if stored:
            expected_names.append("Cached")
            continue
        for attempt in range(retries + 1):
            step = next(model)
            expected_runs.append(step)
            if step in ("raise", "failed") and attempt < retries:
                continue
            expected_names.append({"ok": "Completed", "cancelled": "Cancelled"}.get(step, "Failed"))
            stored = step == "ok" and persist and cached
            break
    with tempfile.TemporaryDirectory() as home, temporary_settings({"PENSTOCK_HOME": home}):
        names = f()
    assert names == expected_names
    assert ran == expected_runs


Step = tuple[str, bool]


@QUICK
@given(st.lists(st.tuples(st.sampled_from(["step", "nested", "caught"]), st.booleans()), max_size=6), st.booleans())
def test_random_transactions(steps: list[Step], ends_badly: bool) -> None:
    log: list[tuple[str, int]] = []

    @task
    def step(number: int) -> None:
        pass

    def note(kind: str) -> Any:
        def hook(txn: Any) -> None:
            log.append((kind, txn.get("number")))

        return hook

    @task(on_failure=[])
    def broken() -> None:
        raise ValueError

    def numbered(number: int) -> None:
        from penstock.transactions import Transaction

        with Transaction() as inner:
            inner.set("number", number)
            inner.stage(number, on_rollback_hooks=[note("undone")], on_commit_hooks=[note("done")])
            step(number)

    @flow
    def f() -> None:
        with transaction():
            for number, (kind, _) in enumerate(steps):
                if kind == "caught":
                    broken(return_state=True)
                elif kind == "nested":
                    with transaction():
                        numbered(number)
                else:
                    numbered(number)
            if ends_badly:
                raise RuntimeError

    try:
        f()
    except RuntimeError:
        assert ends_badly
    staged = [number for number, (kind, _) in enumerate(steps) if kind != "caught"]
    if ends_badly:
        assert log == [("undone", number) for number in reversed(staged)]
    else:
        assert log == [("done", number) for number in staged]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=10), st.integers(1, 30))
def test_short_lists_of_delays_repeat_their_last(delays: list[float], tries: int) -> None:
    assert delay_of(delays, tries) == (delays[tries - 1] if tries <= len(delays) else delays[-1])


def test_the_count_of_a_given_retry_defaults_to_one() -> None:
    assert _count(AwaitingRetry()) == 1
