"""Parameters are checked in a process of their own, which is ended when a schema takes too long."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from penstock_operator.core.model import Checked
from penstock_operator.runtime.checker import PROGRAM, TOO_LONG, Checker

BACKTRACKS = {"properties": {"a": {"pattern": "^(a+)+$"}}}
SLOW = {"a": "a" * 60 + "!"}
MULTIPLIES = {
    "$ref": "#/$defs/a0",
    "$defs": {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)} | {"a40": {}},
}
INTEGER = {"properties": {"a": {"type": "integer"}}}


def on(story: Callable[[Checker], Awaitable[Any]], checker: Checker | None = None) -> Any:
    async def play() -> Any:
        made = checker or Checker((*PROGRAM, "0.3"))
        try:
            return await story(made)
        finally:
            await made.close()

    return asyncio.run(play())


def test_answers() -> None:
    async def story(checker: Checker) -> list[Checked]:
        asked: list[tuple[dict[str, Any], dict[str, Any]]] = [
            (INTEGER, {"a": 1}),
            (INTEGER, {"a": "x"}),
            ({"type": "nonsense"}, {}),
            ({"$ref": "http://x/y"}, {}),
        ]
        return [await checker.check(schema, parameters) for schema, parameters in asked]

    right, wrong, nonsense, elsewhere = on(story)
    assert right == Checked()
    assert wrong.bad == "parameters.a: 'x' is not of type 'integer'"
    assert "parametersSchema.type" in nonsense.unusable
    assert "none is fetched" in elsewhere.unusable


@pytest.mark.parametrize(
    ("schema", "parameters"), [(BACKTRACKS, SLOW), (MULTIPLIES, {})], ids=["pattern", "references"]
)
def test_what_takes_too_long_is_ended_and_the_operator_goes_on(
    schema: dict[str, Any], parameters: dict[str, Any]
) -> None:
    """The loop is never held up; the next question is answered by a new process; the same question is not tried again."""

    async def story(checker: Checker) -> tuple[Checked, Checked, int, float]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        first = await checker.check(schema, parameters)
        ticking.cancel()
        other = await checker.check(INTEGER, {"a": "x"})
        begun = time.process_time()
        assert await checker.check(schema, parameters) is first
        return first, other, ticks, time.process_time() - begun

    first, other, ticks, again = on(story)
    assert first == Checked(unusable=TOO_LONG)
    assert other.bad is not None
    assert ticks > 5
    assert again < 0.1


def test_its_start_is_light() -> None:
    """A check that was ended costs a new process: none of the operator's models is loaded for it."""
    code = "import sys, penstock_operator.runtime.checks; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in loaded if name.startswith("penstock_operator.")} == {
        "penstock_operator.core",
        "penstock_operator.core.faults",
        "penstock_operator.core.parameters",
        "penstock_operator.runtime",
        "penstock_operator.runtime.checks",
    }


def test_a_process_that_hangs_is_given_up() -> None:
    hangs = Checker((sys.executable, "-c", "import time; time.sleep(60)"), seconds=0.2)
    assert on(lambda checker: checker.check(INTEGER, {}), hangs) == Checked(unusable=TOO_LONG)


def test_questions_wait_for_their_turn() -> None:
    async def story(checker: Checker) -> list[Checked]:
        return list(await asyncio.gather(*(checker.check(INTEGER, {"a": "x" * n}) for n in range(1, 20))))

    assert [answer.bad for answer in on(story)] == [
        f"parameters.a: {'x' * n!r} is not of type 'integer'" for n in range(1, 20)
    ]


def test_an_answer_is_never_anothers() -> None:
    """A question whose asker was cancelled leaves no answer behind."""

    async def story(checker: Checker) -> Checked:
        asking = asyncio.create_task(checker.check(INTEGER, {"a": "abandoned"}))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return await checker.check(INTEGER, {"a": 1})

    assert on(story) == Checked()


def test_the_process_has_bounds() -> None:
    """Comparing each with each is no pattern, and takes as long."""
    huge = {
        "schema": {"properties": {"a": {"uniqueItems": True}}},
        "parameters": {"a": [{"x": n} for n in range(9_000)]},
    }
    done = subprocess.run([*PROGRAM, "0.2"], input=json.dumps(huge).encode() + b"\n", capture_output=True, check=False)
    assert done.stdout == b""
    assert done.returncode < 0, "ended by the kernel"


def test_a_namespace_that_asks_much_waits_for_itself() -> None:
    """Six questions that backtrack, of one namespace; another's is answered meanwhile."""

    async def story(checker: Checker) -> list[str]:
        order: list[str] = []

        async def ask(name: str, schema: dict[str, Any], parameters: dict[str, Any], namespace: str) -> None:
            await checker.check(schema, parameters, asks=namespace)
            order.append(name)

        slow = [asyncio.create_task(ask("slow", BACKTRACKS, {**SLOW, "n": n}, "a")) for n in range(6)]
        await asyncio.sleep(0)
        await ask("fine", INTEGER, {"a": 1}, "b")
        await asyncio.gather(*slow)
        return order

    order = on(story)
    assert order.index("fine") <= 2
    assert order.count("slow") == 6
