# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Sequential async no-op subflows."""

import asyncio
import time

import _lib

lib = _lib.module()


@lib.flow
async def child() -> None:
    pass


@lib.flow
async def flow() -> None:
    await child()
    began = time.perf_counter()
    for _ in range(_lib.N):
        await child()
    _lib.report(ms_each=(time.perf_counter() - began) / _lib.N * 1e3)


asyncio.run(flow())
