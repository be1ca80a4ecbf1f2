# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Async tasks awaited one by one."""

import asyncio
import time

import _lib

lib = _lib.module()


@lib.task
async def noop() -> None:
    pass


@lib.flow
async def flow() -> None:
    began = time.perf_counter()
    for _ in range(_lib.N):
        await noop()
    _lib.report(ms_each=(time.perf_counter() - began) / _lib.N * 1e3)


asyncio.run(flow())
