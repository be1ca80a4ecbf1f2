"""19. Flows that share slots: a queue in order, runs that are skipped, runs that are replaced, and a limit for several Flows."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.cluster import Space
from tests.support.flows import GATED_FLOW, flow, run


def gated(name: str, ref: str, folder: Path, **spec: Any) -> dict[str, Any]:
    """A run that goes on when its file is there."""
    return run(name, ref=ref, parameters={"gate": str(folder / name)}, **spec)


def waits(space: Space, name: str, place: int, group: str | None = None) -> dict[str, Any]:
    status = space.wait(name, lambda s: s["state"]["name"] == "AwaitingConcurrencySlot", f"{name} waits for a slot")
    queue = status["queue"]
    assert (queue["position"], queue.get("group")) == (place, group)
    assert space.pods(name) == []
    return status


def test_a_queue(space: Space, tmp_path: Path) -> None:
    """One at a time; priority first, then age; a slot that is freed wakes the next at once."""
    space.apply(flow("one", GATED_FLOW, concurrency={"limit": 1}))
    space.apply(gated("first", "one", tmp_path))
    space.wait_type("first", "Running")
    space.apply(gated("second", "one", tmp_path))
    waits(space, "second", 1)
    space.apply(gated("urgent", "one", tmp_path, priority=5))
    status = waits(space, "urgent", 1)
    assert status["state"]["message"] == "the only slot of Flow 'one' taken"
    for name in ("first", "second", "urgent"):
        (tmp_path / name).touch()
    ended = {name: space.finish(name) for name in ("first", "urgent", "second")}
    assert {s["state"]["type"] for s in ended.values()} == {"Completed"}
    times = {n: (_time(s["startTime"]), _time(s["completionTime"])) for n, s in ended.items()}
    assert times["first"][1] <= times["urgent"][0]
    assert times["urgent"][1] <= times["second"][0]
    assert (times["urgent"][0] - times["first"][1]).total_seconds() < 15
    assert "queue" not in ended["second"]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_skip_and_replace(space: Space, tmp_path: Path) -> None:
    """Skip: the newer run is not begun. Replace: the older one ends, with its hooks, and the newer one takes its slot."""
    space.apply(
        flow("skipping", GATED_FLOW, concurrency={"limit": 1, "policy": "Skip"}),
        flow("replacing", GATED_FLOW, concurrency={"limit": 1, "policy": "Replace"}),
        gated("kept", "skipping", tmp_path),
        gated("old", "replacing", tmp_path),
    )
    space.wait_type("kept", "Running")
    space.wait_type("old", "Running")
    space.apply(gated("left-out", "skipping", tmp_path), gated("new", "replacing", tmp_path))
    status = space.finish("left-out")
    assert (status["state"]["type"], status["state"]["name"]) == ("Cancelled", "Skipped")
    assert space.pods("left-out") == []
    status = space.finish("old")
    assert (status["state"]["type"], status["state"]["name"]) == ("Cancelled", "Replaced")
    assert "replaced by a newer run" in status["state"]["message"]
    assert "begins" in space.log("old")
    space.wait_type("new", "Running")
    for name in ("kept", "new"):
        (tmp_path / name).touch()
        assert space.finish(name)["state"]["type"] == "Completed"


def test_a_group_of_flows(space: Space, tmp_path: Path) -> None:
    """Without a limit for the group nobody begins, and it is said; with one the Flows share it."""
    space.apply(*(flow(name, GATED_FLOW, concurrencyGroups=["database"]) for name in ("reads", "writes")))
    space.apply(gated("reader", "reads", tmp_path))
    status = space.wait("reader", lambda s: s["state"]["name"] == "AwaitingConcurrencySlot", "it waits for a limit")
    assert "data.database of ConfigMap 'penstock-concurrency'" in status["state"]["message"]
    degraded = next(c for c in status["conditions"] if c["type"] == "Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "AwaitingConcurrencySlot")
    limits = {"metadata": {"name": "penstock-concurrency"}, "data": {"database": "1"}}
    space.apply({"apiVersion": "v1", "kind": "ConfigMap", **limits})
    # It would look again within ten seconds; whatever happens to its Flow lets it look at once.
    space.kubectl("label", "flow", "reads", "looks=again")
    space.wait_type("reader", "Running")
    space.apply(gated("writer", "writes", tmp_path))
    waits(space, "writer", 1, "database")
    (tmp_path / "reader").touch()
    assert space.finish("reader")["state"]["type"] == "Completed"
    space.wait_type("writer", "Running")
    (tmp_path / "writer").touch()
    assert space.finish("writer")["state"]["type"] == "Completed"
