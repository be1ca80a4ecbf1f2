"""The pages of Flows, of concurrency groups and of the operator, made of recorded objects."""

from __future__ import annotations

import inspect
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from penstock_operator.api.flowrun import FlowRun
from penstock_operator.core import concurrency
from penstock_reading import flows, operators, slots
from penstock_reading.flowactions import actions
from penstock_reading.revisions import Revision, difference
from penstock_ui.durations import MOST, chart
from penstock_ui.runrow import run_row
from tests.ui_pages.recorded import JSON, Recorded, run
from tests.ui_pages.test_pages import HOSTILE, Browser, Strict, ask, patches

NOW = datetime(2026, 11, 30, 4, 30, tzinfo=UTC)


def flow(name: str = "etl", **more: Any) -> JSON:
    """A Flow as the API server shows it."""
    status = more.pop("status", {
        "revision": f"{name}-bbbbbbbbbb", "activeRuns": 1, "queuedRuns": 2,
        "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": ""}],
        "lastOutcome": {"runName": "etl-0", "state": "Failed", "reason": "TimedOut", "completionTime": "2026-11-30T04:00:00Z"},
        "schedules": [{"name": "nightly", "lastScheduledTime": "2026-11-30T04:00:00Z", "nextScheduledTime": "2026-12-01T05:00:00Z"}],
    })  # fmt: skip
    return {
        "apiVersion": "penstock.dev/v1alpha1", "kind": "Flow",
        "metadata": {"name": name, "namespace": more.pop("namespace", "default"), "uid": f"uid-{name}", "creationTimestamp": "2026-11-29T04:00:00Z"},
        "spec": {"entrypoint": "etl.py:etl", "source": {"configMap": {"name": "etl-source"}}, **more}, "status": status,
    }  # fmt: skip


def revision(name: str, created: str, code: str, **fields: Any) -> JSON:
    metadata = {
        "name": name,
        "creationTimestamp": created,
        "ownerReferences": [{"uid": "uid-etl"}],
        "labels": {"penstock.dev/flow": "etl"},
    }
    return {
        "metadata": metadata,
        "data": {"flow.json": json.dumps({"entrypoint": "etl.py:etl", **fields}), "etl.py": code},
    }


def placed(name: str, kind: str, **more: Any) -> JSON:
    """A run that holds a slot, or waits for one."""
    status: JSON = {
        "state": {"type": kind, "name": kind, "message": "", "time": "2026-11-30T04:00:00Z"},
        "flow": {"name": more.get("flowRef", {"name": "etl"})["name"], "revision": "r"},
    }
    if kind == "Scheduled":
        status["state"] |= {"name": "AwaitingConcurrencySlot", "message": "the only slot of Flow 'etl' taken"}
        status["queue"] = {"position": 1}
    else:
        status |= {"attempt": {"number": 1, "podName": f"{name}-1", "podUID": "u"}, "startTime": "2026-11-30T04:00:01Z"}
    return run(name, status=status, **more)


LIMITS = {
    "metadata": {"name": "penstock-concurrency", "namespace": "default"},
    "data": {"db": "1", "idle": "3", "odd": "many"},
}
SCHEDULES = [
    {"name": "nightly", "cron": "0 6 * * *", "timeZone": "Europe/Berlin"}, {"name": "often", "intervalSeconds": 900, "suspend": True},
    {"name": "wrong", "cron": "0 25 * * *"},
]  # fmt: skip


def stage() -> Recorded:
    client = Recorded(
        placed("holder", "Running"), placed("second", "Scheduled"), placed("first", "Scheduled", priority=5, created="2026-11-30T04:10:00Z"),
        placed("other", "Running", flowRef={"name": "load"}), run("done", status={
            "state": {"type": "Completed", "name": "Completed"}, "startTime": "2026-11-30T04:00:00Z", "completionTime": "2026-11-30T04:00:40Z"}),
    )  # fmt: skip
    client.flows = [
        flow(
            concurrency={"limit": 1, "policy": "Queue"},
            concurrencyGroups=["db", "unset"],
            schedules=SCHEDULES,
            description="Collects.\nAll.",
        ),
        flow("load", concurrencyGroups=["db"]),
    ]
    client.configmaps = [
        LIMITS, revision("etl-aaaaaaaaaa", "2026-11-29T04:00:00Z", "rows = 1\n"),
        revision("etl-bbbbbbbbbb", "2026-11-30T03:00:00Z", "rows = 2\n", image="r/e:2"),
        {**revision("", "", "evil"), "metadata": {"name": "etl-cccccccccc", "ownerReferences": [{"uid": "another"}]}},
    ]  # fmt: skip
    return client


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_page_of_a_flow() -> None:
    async def work(browser: Browser) -> None:
        html = await browser.get("/flows/default/etl")
        page = text_of(html)
        for words in (
            "Ready", "Collects. All.", "ConfigMap etl-source", "etl-bbbbbbbbbb", "Failed/TimedOut, etl-0",
            "1 Completed", "every 15m", "suspended", "schedule &#39;wrong&#39;",
            "Its own : 1 of 1 taken, then Queue", "db : 2 of 1 taken, shared by etl , load", "unset : no limit is set",
            "penstock run etl --watch", "penstock next etl",
            "kubectl patch fl etl --type=merge -p &#39;{&#34;spec&#34;:{&#34;suspend&#34;:true}}&#39;",
            "+rows = 2", "-rows = 1", "image", "None: the API server keeps them for an hour.",
        ):  # fmt: skip
            assert words in page, words
        assert len(re.findall(r"\d{4}-\d\d-\d\d 06:00:00 Europe/Berlin", page)) == 10
        assert "etl-cccccccccc" not in page, "another owns it"
        queue = re.findall(r"<ol class=\"slotlist\">(.*?)</ol>", html, re.S)[0]
        assert re.findall(r"/runs/default/(\w+)", queue) == ["first", "second"]
        assert html.count('<rect class="k-') == 2, "a bar for each run that has begun"
        same = await browser.get("/flows/default/etl?before=etl-bbbbbbbbbb&after=etl-bbbbbbbbbb")
        assert "They do not differ." in same
        assert "there is no Flow default/none" in await browser.get("/flows/default/none", status=404)

    ask(stage(), work)


def test_all_flows_and_those_of_a_name() -> None:
    async def work(browser: Browser) -> None:
        html = await browser.get("/flows")
        assert re.findall(r"/flows/default/(\w+)\"", html) == ["etl", "load"]
        assert '1 of 1<span class="sub">2 wait</span>' in html
        assert re.findall(r"/flows/default/(\w+)\"", await browser.get("/flows?text=LOA")) == ["load"]
        assert "None of 2 Flows has such a name." in await browser.get("/flows?text=xyz")
        assert 'aria-current="page">Flows<' in html

    ask(stage(), work)


def test_a_page_of_a_flow_changes_with_it_and_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    client = stage()
    for page in ("flow", "groups"):
        # It is woken, it does not look by itself.
        monkeypatch.setattr(f"penstock_ui.pages.{page}._View.tick", 1000.0)

    async def work(browser: Browser) -> None:
        async with browser.stream("/flows/default/etl/live") as until:
            await until(lambda text: "holder" in text)
            client.say("MODIFIED", placed("holder", "Completed"))
            text = await until(lambda text: "no slot" in text or "0 of 1 taken" in text)
            assert "holder" not in patches(text)[-1]["regions"]["slots"][1]
            for kind, words in (("Running", "1 of 1 taken"), ("Completed", "0 of 1 taken")):
                client.say("MODIFIED", placed("holder", kind))
                await until(lambda text, words=words: words in text)  # type: ignore[misc]
        async with browser.stream("/groups.live") as until:
            await until(lambda text: "1 of 1 taken" in text)
            client.say("MODIFIED", placed("other", "Completed", flowRef={"name": "load"}))
            await until(lambda text: "0 of 1 taken" in text)

    ask(client, work)


def test_concurrency_groups() -> None:
    async def work(browser: Browser) -> None:
        page = text_of(await browser.get("/groups"))
        for words in (
            "db : 2 of 1 taken, shared by etl , load", "idle : 0 of 3 taken; no Flow names it", "odd : no limit is set", "unset : no limit is set",
            "etl : 1 of 1 taken", "Wait, in this order", "of load",
        ):  # fmt: skip
            assert words in page, words

    ask(stage(), work)


METRICS = """# TYPE penstock_leader gauge
penstock_leader 1.0
# TYPE penstock_queue_depth gauge
penstock_queue_depth 4.0
# TYPE penstock_watch_age_seconds gauge
penstock_watch_age_seconds{{path="/api/v1/pods"}} 31.5
penstock_watch_age_seconds{{path="/apis/penstock.dev/v1alpha1/flowruns"}} 0.25
# TYPE penstock_runs gauge
penstock_runs{{type="Running"}} 7.0
# TYPE penstock_run_transitions counter
penstock_run_transitions_total{{type="Running",name="Running"}} {count}
# TYPE penstock_event_to_status_seconds histogram
penstock_event_to_status_seconds_bucket{{le="+Inf"}} {count}
penstock_event_to_status_seconds_count {count}
penstock_event_to_status_seconds_sum {count}
"""


def operator_pod(name: str) -> JSON:
    labels = {"app.kubernetes.io/component": "operator"}
    spec = {"containers": [{"image": "r/operator:1"}]}
    return {
        "metadata": {"name": name, "namespace": "ops", "labels": labels},
        "spec": spec,
        "status": {"phase": "Running"},
    }


def test_the_operator() -> None:
    client = Recorded()
    client.pods = [operator_pod("penstock-a"), operator_pod("penstock-b")]
    client.logs["penstock-a"] = METRICS.format(count=10).splitlines()
    client.leases = [{"metadata": {"namespace": "ops"}, "spec": {"holderIdentity": "penstock-a_1_ff", "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-30T00:00:00Z", "renewTime": "2026-11-30T00:00:00Z"}}]  # fmt: skip

    async def work(browser: Browser) -> None:
        page = text_of(await browser.get("/operator"))
        for words in (
            "penstock-a_1_ff leads for", "not within its 15s, so nobody decides now", "penstock-a leader", "Queue 4", "7 Running",
            "/api/v1/pods 31.5s ago", "From the second look on.", "cannot get resource &#34;pods/proxy&#34;", "for which one needs get on pods/proxy",
        ):  # fmt: skip
            assert words in page, words

    ask(client, work)


def test_an_operator_that_may_not_be_seen() -> None:
    client = Recorded()
    client.refused = {"/leases": "cannot list leases", "/pods": "cannot list pods", "/flows": "cannot list flows"}

    async def work(browser: Browser) -> None:
        page = await browser.get("/operator")
        for words in (
            "Leases of the namespace penstock-system are not known: cannot list leases",
            "No Lease is seen",
            "No pod of an operator",
        ):
            assert words in page, words
        assert "The Flows are not heard of: cannot list flows" in await browser.get("/flows")
        assert "The Flows are not heard of: cannot list flows" in await browser.get("/groups")
        assert "<span>live</span>" in await browser.get("/runs"), "the runs are heard all the same"

    ask(client, work)


def test_rates_are_of_two_readings() -> None:
    before, now = (operators.read_metrics(METRICS.format(count=count), at) for count, at in ((10, 100.0), (30, 110.0)))
    told = dict(operators.rates(before, now))
    assert (told["Changes of state"], told["Event to status"]) == ("2.00/s", "1000.0ms on average")
    assert list(operators.rates(now, before)) == []
    assert list(operators.rates(operators.Reading(0.0, now.values), before)) == [], "it began anew in between"
    assert operators.watches(now)[0] == ("/api/v1/pods", 31.5)
    with pytest.raises(ValueError, match="float"):
        operators.read_metrics("penstock_leader one\n", 0.0)


def hostile() -> Recorded:
    """Every text from outside is an attack."""
    client = stage()
    client.runs = [placed("evil", "Scheduled", displayName=HOSTILE)]
    client.runs[0]["status"]["state"]["message"] = HOSTILE
    client.flows = [
        flow(
            description=HOSTILE, entrypoint=HOSTILE, image=HOSTILE, concurrencyGroups=[HOSTILE], concurrency={"limit": 1, "policy": HOSTILE},
            schedules=[{"name": HOSTILE, "cron": HOSTILE, "timeZone": HOSTILE}], parametersSchema={"required": [HOSTILE]},
            status={"revision": HOSTILE, "conditions": [{"type": "Stalled", "status": "True", "reason": HOSTILE, "message": HOSTILE}],
                    "lastOutcome": {"runName": HOSTILE, "state": HOSTILE, "reason": HOSTILE, "completionTime": HOSTILE},
                    "schedules": [{"name": HOSTILE, "lastScheduledTime": HOSTILE, "nextScheduledTime": HOSTILE}]},
        )
    ]  # fmt: skip
    client.configmaps = [
        {**LIMITS, "data": {HOSTILE: HOSTILE}}, revision("etl-a", "2026-11-29T04:00:00Z", "x"),
        revision("etl-b", HOSTILE, HOSTILE, image=HOSTILE),
    ]  # fmt: skip
    client.events = [{"metadata": {}, "type": HOSTILE, "reason": HOSTILE, "message": HOSTILE}]
    client.leases = [
        {
            "metadata": {"namespace": HOSTILE},
            "spec": {"holderIdentity": HOSTILE, "renewTime": HOSTILE, "leaseDurationSeconds": HOSTILE},
        }
    ]
    client.pods = [{**operator_pod("penstock-a"), "spec": {"containers": [{"image": HOSTILE}]}}]
    client.logs["penstock-a"] = [f'penstock_watch_age_seconds{{path="{HOSTILE.replace(chr(34), "")}"}} 1.0']
    return client


def test_nothing_from_outside_becomes_html() -> None:
    async def work(browser: Browser) -> None:
        for path in ("/flows", f"/flows?text={'%3Cscript%3E'}", "/flows/default/etl", "/groups", "/operator"):
            html = await browser.get(path)
            read = Strict()
            read.feed(html)
            assert read.wrong == [], path
            assert read.scripts == 1
            assert len(set(read.ids)) == len(read.ids), path
            assert "\x1b" not in html
            assert "\u202e" not in html
        assert "&lt;script&gt;alert(1)" in await browser.get("/flows/default/etl")

    ask(hostile(), work)


PLACES: dict[str, dict[str, Any]] = {
    "new": {}, "running": {"state": {"type": "Running"}, "attempt": {"number": 1, "podUID": "u"}},
    "pending": {"state": {"type": "Pending", "name": "Submitting"}, "attempt": {"number": 1}},
    "pending, recorded": {"state": {"type": "Pending", "name": "Submitting"}, "attempt": {"number": 1}, "flow": {"name": "etl", "revision": "r"}},
    "its source is missing": {"state": {"type": "Pending", "name": "ConfigError"}, "attempt": {"number": 1}},
    "waits": {"state": {"type": "Scheduled", "name": "AwaitingConcurrencySlot"}, "queue": {"position": 1}},
    "waits for a limit": {"state": {"type": "Scheduled", "name": "AwaitingConcurrencySlot"}},
    "waits for a retry": {"state": {"type": "Scheduled", "name": "AwaitingRetry"}, "attempt": {"number": 2}},
    "paused with its pod": {"state": {"type": "Paused"}, "attempt": {"number": 1, "podUID": "u"}},
    "paused, reported": {"state": {"type": "Paused"}, "attempt": {"number": 2}, "report": {"attempt": 2}},
    "suspended": {"state": {"type": "Paused", "name": "Suspended"}, "attempt": {"number": 2}},
    "cancelling": {"state": {"type": "Cancelling"}, "attempt": {"number": 1, "podUID": "u"}},
    "ended": {"state": {"type": "Completed"}, "attempt": {"number": 1, "podUID": "u"}},
}  # fmt: skip


@pytest.mark.parametrize("status", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize(
    "spec",
    [{}, {"managedBy": "kueue.x-k8s.io/multikueue"}, {"flowRef": None, "flowSpec": {"entrypoint": "a:b"}}],
    ids=str,
)
def test_who_holds_a_slot_is_what_the_operator_says(spec: JSON, status: JSON) -> None:
    whole = json.loads(json.dumps(status))
    for key, value in {"time": "2026-11-30T04:00:00Z", "since": "2026-11-30T04:00:00Z"}.items():
        whole.get("state", {}).setdefault(key, value)
    whole.get("state", {}).setdefault("name", whole.get("state", {}).get("type"))
    whole.get("state", {}).setdefault("message", "")
    if "attempt" in whole:
        whole["attempt"] |= {"podName": "p"}
    if "report" in whole:
        whole["report"] |= {"instance": "i", "type": "Paused", "time": "2026-11-30T04:00:00Z"}
    body = run("x", **spec, status=whole)
    body["spec"] = {key: value for key, value in body["spec"].items() if value is not None}
    known = FlowRun.model_validate(body)
    want = "holds" if concurrency.holds(known) else "waits" if concurrency.waits(known) else ""
    want = want if known.spec.flow_ref is not None else ""  # as the operator's own count has it
    assert slots.place(body["spec"], whole) == want
    assert run_row(body).place == want


def test_durations_as_a_chart() -> None:
    assert chart([], 0.0).bars == ()
    rows = [
        run_row(run(f"r{n:03}", status={
            "state": {"type": "Failed" if n == 7 else "Completed", "name": "x"}, "startTime": f"2026-11-30T04:{n // 60:02}:{n % 60:02}Z",
            "completionTime": f"2026-11-30T05:{n // 60:02}:{n % 60:02}Z"}))
        for n in range(100)
    ]  # fmt: skip
    made = chart(rows, 0.0)
    assert len(made.bars) == MOST
    assert [bar.run.key.name for bar in made.bars][::59] == ["r040", "r099"], "the newest, the oldest of them first"
    assert (made.counts, made.median) == ("60 Completed", "1h00m")
    assert [words for _, words in made.lines] == ["20m00s", "40m00s", "1h00m"]
    assert all(0 <= bar.y <= 100 and bar.y + bar.height <= 100.01 for bar in made.bars)
    going = chart(
        [run_row(run(status={"state": {"type": "Running"}, "startTime": "2026-11-30T04:00:00Z"}))], NOW.timestamp()
    )
    assert going.bars[0].words == "etl-1: Running, took 30m00s so far"


def test_what_a_flow_is_in_a_word() -> None:
    def told(*conditions: tuple[str, str], **spec: Any) -> str:
        known = [{"type": kind, "status": value, "message": kind} for kind, value in conditions]
        return flows.state({"spec": spec, "status": {"conditions": known}})[0]

    assert told() == ""
    assert told(("Ready", "True")) == "Ready"
    assert told(("Ready", "True"), suspend=True) == "Suspended"
    assert told(("Ready", "False")) == "NotReady"
    assert told(("Ready", "False"), ("Stalled", "True"), suspend=True) == "Stalled"


def test_commands_of_a_flow() -> None:
    body = flow(
        namespace="team",
        suspend=True,
        parameters={"a": 1},
        parametersSchema={"required": ["a", "day"], "properties": {"a": {}, "day": {}}},
    )
    found = {action.what: action.command for action in actions(body, "penstock")}
    assert found["Run it"] == "penstock run etl -p day=... -n team --watch"
    assert found["Let it go on"] == "penstock resume fl/etl -n team"
    assert "Suspend it: no run begins by itself" not in found


def test_a_difference_is_bounded() -> None:
    old, new = (Revision(name, "", {"a.py": f"{name}\n" * 3000}) for name in "ab")
    assert difference(old, old) == []
    assert len(difference(old, new)) == 2001
    assert inspect.iscoroutinefunction(Browser.get)
