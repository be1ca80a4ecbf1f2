"""Async code that a sync body starts, and sync code in async bodies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock import flow, task


@task
async def double(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


@flow
async def quadruple(x: int) -> int:
    return await double(await double(x))


def test_a_loop_that_a_sync_body_starts_awaits_tasks_and_flows() -> None:
    async def both() -> tuple[int, int, list[int]]:
        return await double(1), await quadruple(1), await asyncio.gather(*(double(i) for i in range(3)))

    @flow
    def f() -> tuple[int, int, list[int]]:
        return asyncio.run(both())

    @task
    def t() -> tuple[int, int, list[int]]:
        return asyncio.run(both())

    assert f() == t() == (2, 4, [0, 2, 4])


def test_a_sync_body_in_async_code_gets_values() -> None:
    @flow
    def inner() -> tuple[int, int]:
        return double(1), quadruple(1)  # type: ignore[return-value]

    @flow
    async def outer() -> tuple[int, int]:
        return inner()

    async def outside() -> tuple[int, int]:
        return inner()

    assert asyncio.run(outer()) == asyncio.run(outside()) == inner() == (2, 4)


@pytest.mark.parametrize("callee", [double, quadruple])
def test_a_sync_body_below_a_loop_of_a_sync_body_gets_values(callee: Any) -> None:
    @flow
    def lowest() -> int:
        return callee(1)  # type: ignore[no-any-return]

    async def middle() -> int:
        return lowest()

    @flow
    def top() -> int:
        return asyncio.run(middle())

    assert top() == asyncio.run(callee(1))
