"""One live read of a revision for a crowd of runs; what is old, absent or refused is read anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from penstock_operator.core.model import MISSING, Absence, ConfigMap
from penstock_operator.runtime.checker import Checker
from penstock_operator.runtime.errors import ApiError
from penstock_operator.runtime.gather import Facts, Gatherer
from penstock_operator.runtime.resources import Key
from penstock_operator.runtime.sharedreads import KEPT, MOMENT, SharedReads
from penstock_operator.runtime.store import Store
from tests.support import virtualtime
from tests.support.builders import pod, run
from tests.support.runtimerig import half, now

REVISION = Key("default", "etl-abc")
FOUND = ConfigMap("etl-abc", {"flow.json": "{}"})


class Server:
    """Answers a read after a tenth of a second."""

    def __init__(self, *answers: ConfigMap | Absence | ApiError) -> None:
        self.answers = list(answers)
        self.reads = 0

    async def read(self) -> ConfigMap | Absence:
        self.reads += 1
        await asyncio.sleep(0.1)
        answer = self.answers.pop(0) if self.answers else FOUND
        if isinstance(answer, ApiError):
            raise answer
        return answer


def told(story: Callable[[SharedReads, Server], Coroutine[Any, Any, None]], *answers: Any) -> int:
    """Tell a story; return how often the server was asked."""
    server = Server(*answers)

    async def main() -> None:
        await story(SharedReads(now), server)

    virtualtime.run(main)
    return server.reads


async def crowd(reads: SharedReads, server: Server, size: int = 20) -> list[Any]:
    return await asyncio.gather(*(reads.read(REVISION, server.read) for _ in range(size)), return_exceptions=True)


def test_a_crowd_reads_once() -> None:
    async def story(reads: SharedReads, server: Server) -> None:
        assert await crowd(reads, server) == [FOUND] * 20
        assert await reads.read(REVISION, server.read) == FOUND, "a moment later"
        assert server.reads == 1
        await asyncio.sleep(MOMENT.total_seconds())
        assert await reads.read(REVISION, server.read) == FOUND

    assert told(story) == 2


@pytest.mark.parametrize("answer", [MISSING, ApiError(500, "InternalError", "no", what="get")])
def test_what_was_not_found_is_asked_for_again(answer: Any) -> None:
    async def story(reads: SharedReads, server: Server) -> None:
        assert await crowd(reads, server) == [answer] * 20
        assert await reads.read(REVISION, server.read) == FOUND

    assert told(story, answer) == 2


def test_who_gives_up_leaves_the_answer_to_the_others() -> None:
    async def story(reads: SharedReads, server: Server) -> None:
        first = asyncio.create_task(reads.read(REVISION, server.read))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(reads.read(REVISION, server.read))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == FOUND

    assert told(story) == 1


def test_few_are_kept() -> None:
    async def story(reads: SharedReads, server: Server) -> None:
        for number in range(KEPT + 1):
            server.answers.append(FOUND)
            await asyncio.gather(reads.read(Key("default", f"etl-{number}"), server.read))
        assert len(reads._reads) <= KEPT

    assert told(story) == KEPT + 1


@pytest.mark.parametrize(
    ("attempt", "known", "begins"), [(None, False, True), (1, False, True), (1, True, False), (2, False, False)]
)
def test_only_first_attempts_are_a_crowd(attempt: int | None, known: bool, begins: bool) -> None:
    """An attempt after a loss may come a moment after its Flow went, and the revision with it."""
    store = Store(lambda _: None, lambda _: None, lambda _: None)
    gatherer = Gatherer(None, store, Checker(), now=now, random=half, engine_image="engine", pod_security=True)  # type: ignore[arg-type]
    status = {} if attempt is None else {"attempt": {"number": attempt, "podName": f"etl-{attempt}"}}
    facts = Facts(pods={f"etl-{attempt}": pod()} if known else {})
    assert gatherer._first_begins(run(status=status), facts) is begins
