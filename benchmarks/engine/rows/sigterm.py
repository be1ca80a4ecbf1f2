# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""SIGTERM to exit, while the body named by BODY runs; the parent measures from the line that is printed."""

import asyncio
import os
import time

import _lib

lib = _lib.module()


def ready() -> None:
    _lib.report(ready=1)


@lib.task
def naps() -> None:
    ready()
    time.sleep(20)


@lib.flow
def sync() -> None:
    ready()
    time.sleep(20)


@lib.flow
async def in_async() -> None:
    ready()
    await asyncio.sleep(20)


@lib.flow
def direct() -> None:
    naps()


@lib.flow
def submitted() -> None:
    naps.submit().wait()


body = os.environ["BODY"]
if body == "in_async":
    asyncio.run(in_async())
else:
    globals()[body]()
