"""Flows that run by themselves: an outage, a suspension under fire, schedules that can't be used, and whose their runs are."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock_operator.api.times import read_time, rfc3339
from penstock_operator.core.flows.names import scheduled_name
from tests.support.cluster import Space
from tests.support.flows import QUICK_FLOW, flow, run
from tests.support.world import until

ONE = {"limit": 1, "policy": "Skip"}


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def status(space: Space, name: str) -> dict[str, Any]:
    found = (space.get("flow", name) or {}).get("status", {})
    assert isinstance(found, dict)
    return found


def conditions(space: Space, name: str) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["message"]) for c in status(space, name).get("conditions", ())}


def children(space: Space, name: str, schedule: str = "") -> dict[str, dict[str, Any]]:
    """The runs that a Flow has started, by name."""
    selector = f"penstock.dev/flow={name}" + (f",penstock.dev/schedule={schedule}" if schedule else "")
    items = json.loads(space.kubectl("get", "fr", "-l", selector, "-o", "json"))["items"]
    return {item["metadata"]["name"]: item for item in items}


def set_back(space: Space, name: str, times: dict[str, datetime]) -> None:
    """Let the Flow's status say that nobody has looked at it since: so it is after an outage."""
    rows = [
        {**row, "nextScheduledTime": rfc3339(times.get(row["name"], read_time(row["nextScheduledTime"])))}
        for row in status(space, name)["schedules"]
    ]
    patch = json.dumps({"status": {"schedules": rows}})
    space.kubectl("patch", "flow", name, "--subresource=status", "--type=merge", "-p", patch)


def test_an_outage_of_three_hours(space: Space) -> None:
    """Each policy makes up for what it should; the runs have the schedule's parameters, and nothing is made a second time."""
    half_past = now() - timedelta(minutes=30)
    due = [half_past.replace(second=0) - timedelta(hours=hours) for hours in (2, 1, 0)]
    cron = f"{half_past.minute} * * * *"
    policies = {"latest": "Latest", "all": "All", "none": "None"}
    schedules = [
        {"name": name, "cron": cron, "missedRunPolicy": policy, "parameters": {"x": 7}}
        for name, policy in policies.items()
    ]
    space.apply(flow("outage", QUICK_FLOW, schedules=schedules))
    until("it is scheduled", lambda: len(status(space, "outage").get("schedules", ())) == 3)
    set_back(space, "outage", dict.fromkeys(policies, due[0]))
    wanted = {scheduled_name("outage", "all", time_) for time_ in due} | {scheduled_name("outage", "latest", due[-1])}
    until("what was missed is made up for", lambda: set(children(space, "outage")) == wanted)
    for name in wanted:
        assert space.finish(name)["result"]["json"] == "8"
    last = max(children(space, "outage", "all"))
    space.kubectl("delete", "fr", last)
    rows = {row["name"]: row for row in status(space, "outage")["schedules"]}
    assert rows["all"]["lastScheduledTime"] == rfc3339(due[-1])
    assert "lastScheduledTime" not in rows["none"]
    assert all(read_time(row["nextScheduledTime"]) > now() for row in rows.values())
    # A look at it afterwards makes nothing that was deleted.
    space.kubectl("annotate", "flow", "outage", "look=again")
    until(
        "the last outcome is told", lambda: status(space, "outage").get("lastOutcome", {}).get("state") == "Completed"
    )
    assert set(children(space, "outage")) == wanted - {last}
    events = space.kubectl(
        "get", "events", "--field-selector=involvedObject.kind=Flow", "-o", "jsonpath={.items[*].message}"
    )
    assert "was missed, and only the latest run is started" in events


def test_suspended_under_fire(space: Space) -> None:
    """A run each second; from the moment at which the operator knows, none is started but those made by hand; then it goes on from now."""
    begin = now()
    schedules = [
        {"name": f"s{n}", "intervalSeconds": 10, "anchorTime": rfc3339(begin + timedelta(seconds=n))} for n in range(10)
    ]
    space.apply(flow("fire", QUICK_FLOW, schedules=schedules, concurrency=ONE))
    until("some were started", lambda: len(children(space, "fire")) >= 2)
    space.kubectl("patch", "flow", "fire", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    until("it says so", lambda: conditions(space, "fire").get("Suspended", ("",))[0] == "True")
    started = set(children(space, "fire"))
    until("its runs have ended", lambda: status(space, "fire").get("activeRuns") == 0)
    space.apply(run("by-hand", ref="fire"))
    assert space.finish("by-hand")["state"]["type"] == "Completed"
    table = space.kubectl("get", "fl", "fire")
    assert "suspended: schedules and changes start no runs; those that you create still run" in table
    time.sleep(3)  # three would have been due
    assert set(children(space, "fire")) == started
    assert "nextScheduledTime" not in status(space, "fire")
    resumed = now()
    space.kubectl("patch", "flow", "fire", "--type=merge", "-p", '{"spec":{"suspend":false}}')
    until("it goes on", lambda: len(children(space, "fire")) > len(started))
    since = [
        read_time(fr["spec"]["scheduledTime"]) for name, fr in children(space, "fire").items() if name not in started
    ]
    assert min(since) >= resumed


def test_what_cannot_be_used_or_made_is_told(space: Space) -> None:
    """A zone that there is not, and a name that somebody else's run has: the Flow says so, and the other schedule goes on."""
    # Due once a day, and hours ago: the next time, which would drop this one, is never near.
    due = now().replace(minute=0, second=0) - timedelta(hours=3)
    taken = scheduled_name("told", "taken", due)
    space.apply(run(taken, QUICK_FLOW))
    schedules = [
        {"name": "zone", "cron": "0 6 * * *", "timeZone": "Mars/Base"},
        {"name": "taken", "cron": f"0 {due.hour} * * *"},
        {"name": "good", "intervalSeconds": 10},
    ]
    space.apply(flow("told", QUICK_FLOW, schedules=schedules))
    until("the good one runs", lambda: bool(children(space, "told", "good")))
    told = conditions(space, "told")
    assert told["Stalled"][0] == "True"
    assert "schedule 'zone': timeZone 'Mars/Base'" in told["Stalled"][1]
    assert told["Ready"][0] == "False"
    rows = status(space, "told")["schedules"]
    patch = [{**row, "nextScheduledTime": rfc3339(due)} if row["name"] == "taken" else row for row in rows]
    body = json.dumps({"status": {"schedules": patch}})
    space.kubectl("patch", "flow", "told", "--subresource=status", "--type=merge", "-p", body)
    until("it is told", lambda: conditions(space, "told")["Degraded"][0] == "True")
    assert f"there is another FlowRun '{taken}' already" in conditions(space, "told")["Degraded"][1]
    space.kubectl("delete", "fr", taken)
    until("it is made then", lambda: taken in children(space, "told", "taken"), 40)
    until("all is said", lambda: conditions(space, "told")["Degraded"][0] == "False")


def test_a_flow_takes_its_runs_along(space: Space) -> None:
    """Those that it has started go with it; those made by hand stay. Another Flow of its name begins anew."""
    schedules = [{"name": "quick", "intervalSeconds": 10, "anchorTime": rfc3339(now() + timedelta(seconds=2))}]
    space.apply(flow("owner", QUICK_FLOW, schedules=schedules), run("by-hand", ref="owner"))
    space.finish("by-hand")
    until("one was started", lambda: bool(children(space, "owner")))
    first = set(children(space, "owner"))
    space.kubectl("delete", "flow", "owner")
    until("its runs are gone", lambda: not children(space, "owner"))
    assert space.get("fr", "by-hand")
    again = now()
    space.apply(flow("owner", QUICK_FLOW, schedules=schedules))
    until("the new one starts its own", lambda: bool(children(space, "owner")))
    assert not first & set(children(space, "owner"))
    assert all(read_time(fr["spec"]["scheduledTime"]) >= again for fr in children(space, "owner").values())
