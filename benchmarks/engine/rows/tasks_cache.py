# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Tasks under INPUTS: all misses, then all hits."""

import time
import uuid

import _lib

lib = _lib.module()
salt = uuid.uuid4().hex


@lib.task(cache_policy=_lib.module("cache_policies").INPUTS)
def same(x: int, salt: str) -> int:
    return x


@lib.flow
def flow() -> None:
    for name in ("miss_ms", "hit_ms"):
        began = time.perf_counter()
        for number in range(_lib.N):
            same(number, salt)
        _lib.report(**{name: (time.perf_counter() - began) / _lib.N * 1e3})


flow()
