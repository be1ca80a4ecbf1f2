"""The read model over a scripted watch: lists in parts, ends, versions that are forgotten, servers that are away or refuse; and its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from penstock_operator.runtime.errors import ApiError
from penstock_ui.feed import Feed
from penstock_ui.objects import Key, Objects
from penstock_ui.pool import Pool
from penstock_ui.runrow import RunRow, run_row
from tests.support import virtualtime
from tests.ui_pages.recorded import AWAY, Recorded, run

PATH = "/apis/penstock.dev/v1alpha1/flowruns"


class Stage:
    """A feed in virtual time: seconds since the epoch are those of the loop."""

    def __init__(self, client: Recorded) -> None:
        self.client = client
        self.runs: Objects[RunRow] = Objects(run_row)
        self.feed = Feed(client, PATH, None, self.runs, clock=lambda: 1000 + asyncio.get_running_loop().time())

    @property
    def names(self) -> list[str]:
        return sorted(row.key.name for row in self.runs.rows)


def play(client: Recorded, *steps: Callable[[Stage], None]) -> Stage:
    """Run the feed, with ten seconds after each step."""
    stage = Stage(client)

    async def main() -> Stage:
        task = asyncio.create_task(stage.feed.run())
        await asyncio.sleep(10)
        for step in steps:
            step(stage)
            await asyncio.sleep(10)
        task.cancel()
        return stage

    return virtualtime.run(main)


def test_a_list_in_parts_and_what_changes() -> None:
    client = Recorded(*(run(f"r{number:04}") for number in range(600)))

    def change(stage: Stage) -> None:
        assert len(stage.runs) == 600
        client.say("ADDED", run("new"))
        client.say("MODIFIED", run("r0000", status={"state": {"type": "Failed", "name": "TimedOut"}}))
        client.say("DELETED", run("r0001"))

    stage = play(client, change)
    assert len(stage.runs) == 600
    row = stage.runs.row(Key("default", "r0000"))
    assert row is not None
    assert row.words == "Failed/TimedOut"
    assert stage.runs.row(Key("default", "r0001")) is None
    assert stage.runs.row(Key("default", "new")) is not None
    assert client.asked.count(PATH) == 3, "three parts, and no list again"
    assert stage.feed.blind is None


def test_a_watch_that_ends_goes_on_where_it_was() -> None:
    client = Recorded(run("a"))
    stage = play(
        client, lambda _: client.say("ADDED", run("b")), lambda _: client.end(), lambda _: client.say("ADDED", run("c"))
    )
    assert stage.names == ["a", "b", "c"]
    assert client.asked == [PATH, f"{PATH}?1", f"{PATH}?2"]


def test_a_version_that_is_forgotten_means_a_list_and_what_it_does_not_show_is_gone() -> None:
    client = Recorded(run("a"), run("b"))

    def forget(stage: Stage) -> None:
        client.runs = [run("b"), run("c")]
        client.end(ApiError(410, "Expired", "too old resource version"))

    stage = play(client, forget)
    assert stage.names == ["b", "c"]
    assert client.asked.count(PATH) == 2


def test_while_the_server_is_away_what_was_seen_stays_and_it_is_said_since_when() -> None:
    client = Recorded(run("a"))

    def away(stage: Stage) -> None:
        client.failure = AWAY
        client.end(AWAY)

    blind = []

    def look(stage: Stage) -> None:
        blind.append((stage.feed.blind, stage.names))
        client.failure = None

    stage = play(client, away, look)
    found, names = blind[0]
    assert found is not None
    assert (found.since, found.why, found.refused) == (1000.0, "Connection refused", False)
    assert names == ["a"], "nothing is concluded from silence"
    assert stage.feed.blind is None, "a quiet watch that was opened is heard"
    assert client.asked.count(PATH) == 1, "the version is still good"


def test_a_network_that_swallows_everything_is_noticed() -> None:
    """A watch of a quiet cluster is as silent as one that leads nowhere: so something is asked for now and then."""
    client = Recorded(run("a"))

    def swallow(stage: Stage) -> None:
        client.silent = True

    def wait(stage: Stage) -> None:
        assert stage.feed.blind is None

    stage = play(client, wait, wait, swallow, lambda _: None, lambda _: None)
    assert stage.feed.blind is not None
    assert stage.feed.blind.why == "no answer in 5 s"
    assert stage.feed.blind.since == 1020, "since the last answer"


@pytest.mark.parametrize(("code", "refused"), [(403, True), (401, True), (503, False), (429, False)])
def test_a_server_that_refuses_is_told_apart_from_one_that_is_away(code: int, refused: bool) -> None:
    client = Recorded(run("a"))
    client.failure = ApiError(code, "Forbidden", "may not", what="list")
    stage = play(client)
    assert stage.feed.blind is not None
    assert (stage.feed.blind.since, stage.feed.blind.why, stage.feed.blind.refused) == (0.0, "may not", refused)
    assert 3 < len(client.asked) < 12, "asked again, and not in a tight loop"


def test_a_watch_that_makes_no_sense_is_not_believed() -> None:
    client = Recorded(run("a"))

    def nonsense(stage: Stage) -> None:
        client.runs = [run("b")]
        client.end(ApiError(200, "NotAnEvent", "a watch sent no event"))

    assert play(client, nonsense).names == ["b"]


def test_a_run_of_the_same_name_is_not_deleted_with_the_first() -> None:
    runs: Objects[RunRow] = Objects(run_row)
    runs.put(run("a", uid="second"))
    runs.drop(Key("default", "a"), "first")
    assert len(runs) == 1
    runs.drop(Key("default", "a"), "second")
    assert len(runs) == 0


def test_bodies_are_kept_without_bookkeeping_and_within_bounds() -> None:
    runs: Objects[RunRow] = Objects(run_row, most=100, packed=5_000)
    body = run("a")
    body["metadata"]["managedFields"] = [{"x": 1}]
    body["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}
    runs.put(body)
    kept = runs.body(Key("default", "a"))
    assert kept is not None
    assert "managedFields" not in kept["metadata"]
    assert kept["metadata"]["annotations"] == {"mine": "1"}
    assert body["metadata"]["managedFields"], "what is taken is not changed"
    large = run("large", parameters={"x": "y" * 600_000})
    runs.put(large)
    assert runs.body(Key("default", "large")) is None
    for number in range(300):
        state = "Running" if number % 3 else "Completed"
        created = f"2026-11-30T04:{number // 60:02}:{number % 60:02}Z"
        runs.put(run(f"r{number}", created=created, status={"state": {"type": state, "name": state}}))
    assert 100 <= len(runs) <= 110
    assert runs.left_out == 302 - len(runs)
    # Those that have ended go first, the oldest of them before the others.
    assert {row.kind for row in runs.rows} == {"Running"} or len([row for row in runs.rows if row.over]) <= 10
    assert runs.row(Key("default", "r299")) is not None
    assert sum(len(packed) for packed in runs._bodies.values()) == runs._packed <= 5_000


def test_rows_stay_in_their_order() -> None:
    """The newest first, then by name, whatever changes: what has changed is put where it was, and not all sorted again."""
    runs: Objects[RunRow] = Objects(run_row)
    dice, known = Random(7), dict[Key, RunRow]()
    for _ in range(300):
        name, second = f"r{dice.randrange(40)}", dice.randrange(4)
        if dice.random() < 0.2:
            runs.drop(Key("default", name))
            known.pop(Key("default", name), None)
        else:
            body = run(name, created=f"2026-11-30T04:00:0{second}Z", displayName=str(dice.random()))
            runs.put(body)
            known[Key("default", name)] = run_row(body)
        assert runs.rows == sorted(known.values(), key=lambda row: (row.created, row.key), reverse=True)


def test_a_fault_of_this_server_is_said_and_the_watch_goes_on() -> None:
    """And does not end in silence, with a page that says that it is live."""
    client = Recorded(run("a"))
    found = []

    def stumble(stage: Stage) -> None:
        taken = stage.runs.put
        stage.runs.put = lambda body, size=0: 1 / 0  # type: ignore[method-assign, assignment, misc]
        client.say("ADDED", run("b"))
        asyncio.get_running_loop().call_later(3, lambda: found.append(stage.feed.blind))
        asyncio.get_running_loop().call_later(4, lambda: setattr(stage.runs, "put", taken))

    stage = play(client, stumble)
    assert found[0] is not None
    assert "this server's log says why" in found[0].why
    assert stage.feed.blind is None
    assert stage.names == ["a", "b"]


def test_a_worker_that_fails_is_made_anew_for_the_next_who_looks() -> None:
    class Worker:
        def __init__(self, number: int) -> None:
            self.number = number

        async def run(self) -> None:
            if self.number == 1:
                raise LookupError("a fault")
            await asyncio.sleep(3600)

    async def main() -> None:
        numbers = iter((1, 2))
        pool: Pool[str, Worker] = Pool(lambda key: Worker(next(numbers)))
        with pool.used("a") as first:
            await asyncio.sleep(0.01)
            with pool.used("a") as second:
                assert (first.number, second.number) == (1, 2)
        assert len(pool) == 1
        pool.end()

    asyncio.run(main())


def test_a_change_wakes_those_who_look_at_it() -> None:
    runs: Objects[RunRow] = Objects(run_row)

    async def main() -> None:
        with runs.listening() as every, runs.listening(Key("default", "a")) as one:
            runs.put(run("b"))
            assert (every.is_set(), one.is_set()) == (True, False)
            runs.put(run("a"))
            assert one.is_set()
            one.clear()
            runs.touch()
            assert one.is_set(), "blindness is everybody's"
        runs.put(run("a"))

    asyncio.run(main())


NONSENSE: list[dict[str, object]] = [
    {"metadata": {"name": "x"}},
    {"metadata": {"name": "x", "labels": None, "creationTimestamp": 5}, "spec": None, "status": []},
    {
        "metadata": {"name": "x", "creationTimestamp": "yesterday"},
        "status": {"state": "Running", "attempt": {"number": "2"}},
    },
    {
        "metadata": {"name": "x"},
        "status": {"flow": {"name": 3}, "report": {"progress": "much"}, "startTime": "99999-01-01"},
    },
]


@pytest.mark.parametrize("body", NONSENSE)
def test_fields_that_are_not_what_they_should_be_count_as_absent(body: dict[str, object]) -> None:
    row = run_row(body)
    assert row.key.name == "x"
    assert (row.created, row.attempt, row.started) == (0.0, 0, 0.0)
