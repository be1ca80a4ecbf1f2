"""Flows that run when they change, and that keep their history short."""

from __future__ import annotations

import json
from typing import Any

from tests.support.cluster import Space
from tests.support.flows import flow, run
from tests.support.world import until

JSON = dict[str, Any]


def saying(word: str) -> str:
    return f"from penstock import flow\n\n@flow\ndef main():\n    return {word!r}\n"


def changes(space: Space, name: str) -> list[JSON]:
    return list(((space.get("flow", name) or {}).get("status") or {}).get("changes") or ())


def settled(space: Space, name: str, number: int, runs: int = 1) -> JSON:
    """Wait until the number-th revision was run so often, and return what the status says of it."""

    def there() -> bool:
        found = changes(space, name)
        return len(found) == number and not found[-1].get("pending") and found[-1]["runs"] == runs

    until(f"{number} revisions are known, the last one run {runs} times", there)
    return changes(space, name)[-1]


def test_a_change_runs_once_and_a_revert_again(space: Space) -> None:
    space.apply(flow("app", saying("one"), runOnChange="Always"))
    first = settled(space, "app", 1)
    assert first["runName"] == first["revision"]
    assert space.finish(first["runName"])["result"]["json"] == '"one"'
    space.apply(flow("app", saying("two"), runOnChange="Always", description="another text, too"))
    second = settled(space, "app", 2)
    assert space.finish(second["runName"])["result"]["json"] == '"two"'
    space.apply(flow("app", saying("two"), runOnChange="Always", description="only a text"))
    space.apply(flow("app", saying("one"), runOnChange="Always"))
    again = settled(space, "app", 2, runs=2)
    assert again["runName"] == f"{first['revision']}-2"
    status = space.finish(again["runName"])
    assert (status["result"]["json"], status["flow"]["revision"]) == ('"one"', first["revision"])
    runs = json.loads(space.kubectl("get", "fr", "-o", "json"))["items"]
    assert len(runs) == 3


def test_ten_quick_edits(space: Space) -> None:
    """Each at most once, the last surely; each run says what its revision says."""
    words = [f"w{number}" for number in range(10)]
    for word in words:
        space.apply(flow("quick", saying(word), runOnChange="Always"))
    until("the last is run", lambda: bool(changes(space, "quick")) and not changes(space, "quick")[-1].get("pending"))

    def results() -> list[str]:
        found = json.loads(space.kubectl("get", "fr", "-o", "json"))["items"]
        return [fr["status"]["result"]["json"] for fr in found if fr.get("status", {}).get("result")]

    until("the last has completed", lambda: '"w9"' in results(), seconds=60)
    known = changes(space, "quick")
    until("all have", lambda: len(results()) == len(known), seconds=60)
    assert len(set(results())) == len(known)


def test_history_keeps_what_is_needed(space: Space) -> None:
    """Of four finished runs of changes: the tracked one, the one that is repeated, and the newest stay."""
    names = []
    for number in range(4):
        space.apply(flow("kept", saying(f"v{number}"), runOnChange="Always"))
        names.append(settled(space, "kept", number + 1)["runName"])
        space.finish(names[-1])
    tracked, repeated, old, newest = names
    space.kubectl("label", "flowrun", tracked, "app.kubernetes.io/instance=git")
    again = run("again", ref="kept")
    again["spec"]["rerunOf"] = {"name": repeated}
    space.apply(again)
    space.finish("again")
    space.apply(flow("kept", saying("v3"), runOnChange="Always", historyLimits={"completed": 1, "failed": 0}))
    until("the old one is gone", lambda: space.get("flowrun", old) is None)
    assert {name for name in (tracked, repeated, newest, "again") if space.get("flowrun", name)} == {
        tracked,
        repeated,
        newest,
        "again",
    }
    assert len(changes(space, "kept")) == 4, "what is gone is not run again"
