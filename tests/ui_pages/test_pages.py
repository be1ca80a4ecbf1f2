"""The pages as a browser gets them, made of recorded objects: who may look, what they say, that nothing from outside becomes HTML, and streams."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any
from unittest.mock import patch

import pytest
from aiohttp import ClientResponse, ClientSession, DummyCookieJar, web
from aiohttp.test_utils import TestClient, TestServer

from penstock_operator.runtime.errors import ApiError
from penstock_ui import site
from penstock_ui.access import LocalAccess
from penstock_ui.server import application
from penstock_ui.templates import FOLDER
from tests.ui_pages.recorded import AWAY, Recorded, pod, run, said, state

TOKEN = "s3cret-token"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[31m\u202eevil"


class Browser:
    """Asks a page's server as its owner."""

    def __init__(self, client: TestClient[web.Request, web.Application]) -> None:
        self.client = client

    async def get(self, path: str, status: int = 200, **headers: str) -> str:
        answer = await self.answer(path, **headers)
        assert answer.status == status, await answer.text()
        return await answer.text()

    async def answer(self, path: str, **headers: str) -> ClientResponse:
        named = {
            "Authorization": f"Bearer {TOKEN}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return await self.client.get(path, headers=named, allow_redirects=False)

    @asynccontextmanager
    async def stream(
        self, path: str, **headers: str
    ) -> AsyncIterator[Callable[[Callable[[str], bool]], Awaitable[str]]]:
        """Open a stream, and give what waits for a message of which something is true; all messages before are taken."""
        answer = await self.answer(path, **headers)
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"

        async def until(wanted: Callable[[str], bool]) -> str:
            text = ""
            async with asyncio.timeout(10):
                while not wanted(text):
                    line = await answer.content.readline()
                    assert line, f"the stream ended: {text}"
                    text += line.decode()
            return text

        try:
            yield until
        finally:
            answer.close()


def ask(client: Recorded, work: Callable[[Browser], Awaitable[None]], patience: float = 10) -> None:
    """Serve pages of recorded objects while a test asks for them.

    Args:
        client: the API server.
        work: what the test asks.
        patience: seconds for which the first page waits for its lists: on a busy machine even recorded ones take a while.
    """

    async def main() -> None:
        access = LocalAccess(client, TOKEN, 80)
        app = application(client, namespaces=None, access=access, owner=access.owner)
        async with TestClient(TestServer(app), cookie_jar=DummyCookieJar()) as opened:
            await work(Browser(opened))

    with patch.object(site, "_FIRST_LIST_SECONDS", patience):
        asyncio.run(main())


def patches(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: {")]


def test_who_knows_the_token_looks_and_nobody_else() -> None:
    async def work(browser: Browser) -> None:
        client, port = browser.client, browser.client.server.port
        for path in ("/runs", "/runs.live", "/runs/default/etl-1", "/runs/default/etl-1/log.txt", "/nowhere"):
            answer = await client.get(path)
            assert answer.status == 401, path
            assert "the address that penstock ui printed" in await answer.text()
            assert (await client.get(path, headers={"Authorization": "Bearer other"})).status == 401
        assert (await client.get("/runs?token=other")).status == 401
        answer = await client.get(f"/runs?state=Failed&token={TOKEN}", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/runs?state=Failed"), (
            "not in the address that is copied"
        )
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        given = cookie.partition(";")[0]
        async with ClientSession() as session:
            url = f"http://127.0.0.1:{port}/runs"
            async with session.get(url, headers={"Cookie": given}) as again:
                assert again.status == 200
            async with session.get(url, headers={"Cookie": given, "Host": "evil.example"}) as other:
                assert other.status == 401, "a name of the network that leads to this machine"

    ask(Recorded(run()), work)


def test_every_answer_has_its_policy_and_nothing_can_be_changed() -> None:
    async def work(browser: Browser) -> None:
        for path in (
            "/runs",
            "/runs/default/etl-1",
            "/nowhere",
            "/",
            "/static/style.css",
            "/static/nothing.css",
            "/runs.live",
        ):
            answer = await browser.answer(path)
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            answer.close()
        assert (await browser.answer("/runs")).headers["Cache-Control"] == "no-store"
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            headers = {"Authorization": f"Bearer {TOKEN}"}
            assert (await browser.client.request(method, "/runs/default/etl-1", headers=headers)).status == 405

    ask(Recorded(run()), work)


class Strict(HTMLParser):
    """Notes what the page's policy forbids, and what a text from outside might have become."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self.scripts = 0
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "script":
            self.scripts += 1
            self.wrong += [] if str(values.get("src")).startswith("/static/") else [self.get_starttag_text() or ""]
        if tag == "img" and not str(values.get("src")).startswith("/static/"):
            self.wrong.append(self.get_starttag_text() or "")
        self.wrong += [f"{tag} {name}" for name in values if name.startswith("on") or name == "style"]
        self.wrong += [f"{tag} {name}={value}" for name, value in attrs if name == "href" and "script:" in str(value)]
        self.ids += [str(values["id"])] if "id" in values else []


def hostile(**more: Any) -> dict[str, Any]:
    """A run whose every text from outside is an attack."""
    status = {
        "state": {"type": "Failed", "name": "Failed", "message": HOSTILE, "time": HOSTILE},
        "flow": {"name": HOSTILE, "revision": HOSTILE}, "duration": HOSTILE,
        "attempt": {"number": 2, "podName": "etl-1-7f3c2-2", "startTime": "2026-11-30T04:00:05Z"},
        "attempts": [{"number": 1, "podName": HOSTILE, "state": HOSTILE, "reason": HOSTILE, "message": HOSTILE}],
        "error": {"type": HOSTILE, "message": HOSTILE, "location": HOSTILE, "traceback": HOSTILE},
        "result": {"json": json.dumps(HOSTILE), "type": HOSTILE, "location": f"javascript:{HOSTILE}"},
        "conditions": [{"type": "Ready", "status": "False", "reason": HOSTILE, "message": HOSTILE}],
        "report": {"attempt": 2, "progress": {"summary": HOSTILE, "activity": HOSTILE, "total": 9}, "tasks": {"runs": [
            {"address": HOSTILE, "name": HOSTILE, "state": HOSTILE, "startTime": "2026-11-30T04:00:06Z", "durationSeconds": 1.5},
        ]}},
    }  # fmt: skip
    return run(
        status=status,
        labels={HOSTILE: HOSTILE},
        displayName=HOSTILE,
        parameters={HOSTILE: {HOSTILE: [HOSTILE]}},
        **more,
    )


@pytest.mark.parametrize("logged", [False, True])
def test_no_text_from_outside_becomes_part_of_a_page(logged: bool) -> None:
    async def work(browser: Browser) -> None:
        odd = "%3Cscript%3Ealert(1)%3C/script%3E%22%27"
        paths = [
            "/runs", f"/runs?text={odd}&flow={odd}&label={odd}&state={odd}&from={odd}", "/runs/default/etl-1",
            f"/runs/default/etl-1/log?text={odd}&task={odd}&level={odd}&attempt=2", f"/runs/{odd}/{odd}", f"/{odd}",
        ]  # fmt: skip
        for path in paths:
            text = await (await browser.answer(path)).text()
            page = Strict()
            page.feed(text)
            assert page.wrong == [], path
            assert page.scripts == 1
            assert len(set(page.ids)) == len(page.ids), "an id twice"
            assert "\x1b" not in text
            assert "\u202e" not in text
        text = await browser.get("/runs/default/etl-1")
        assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 15
        assert "^[[31m" in text
        async with browser.stream("/runs/default/etl-1/live") as until:
            for html in patches(await until(lambda text: '"regions"' in text))[0]["regions"].values():
                part = Strict()
                part.feed(html[1])
                assert (part.wrong, part.scripts) == ([], 0)

    client = Recorded(hostile())
    if logged:
        client.pods = [pod(client.runs[0], 2, "Succeeded")]
        client.logs["etl-1-7f3c2-2"] = [HOSTILE, said(HOSTILE, HOSTILE, "ERROR"), state(HOSTILE, "RUNNING", "06.000")]
    client.events = [
        {
            "metadata": {},
            "type": HOSTILE,
            "reason": HOSTILE,
            "message": HOSTILE,
            "lastTimestamp": "2026-11-30T04:00:09Z",
        }
    ]
    ask(client, work)


def test_templates_mark_nothing_as_safe() -> None:
    """Escaping is everywhere, so nothing may switch it off; and what the policy forbids is not written either."""
    for path in FOLDER.glob("*.html"):
        assert not re.search(r"\|\s*safe|autoescape|\sstyle=|<script(?! src=)|\son[a-z]+=", path.read_text()), path.name


def test_the_runs_as_a_table() -> None:
    many = [run(f"r{number:03}", created=f"2026-11-30T03:{number // 60:02}:{number % 60:02}Z") for number in range(120)]
    failed = run(
        "bad",
        flowRef={"name": "other"},
        status={"state": {"type": "Failed", "name": "TimedOut", "message": "10 s passed"}},
    )

    async def work(browser: Browser) -> None:
        text = await browser.get("/runs")
        assert "121 runs, page 1 of 3" in text
        assert text.index(">bad<") < text.index(">r119<") < text.index(">r118<")
        assert ">r070<" not in text
        assert ">r070<" in await browser.get("/runs?page=2")
        text = await browser.get("/runs?state=Failed&flow=other")
        assert "10 s passed" in text
        assert ">r119<" not in text
        assert '<span class="number">1</span>' in text
        assert "No run fits" in await browser.get("/runs?text=nowhere")
        assert "there is no state" in await browser.get("/runs?state=Odd")

    ask(Recorded(*many, failed), work)


def test_a_table_that_changes() -> None:
    client = Recorded(run("a"), run("b"))

    async def work(browser: Browser) -> None:
        async with browser.stream("/runs.live") as until:
            first = patches(await until(lambda text: '"lists"' in text))[0]["lists"]["runs"]
            assert sorted(first["order"]) == sorted(first["rows"]) == ["uid-a", "uid-b"]
            client.say("MODIFIED", run("a", status={"state": {"type": "Completed", "name": "Completed"}}))
            client.say("ADDED", run("c", created="2026-11-30T05:00:00Z"))
            client.say("DELETED", run("b"))
            changed = patches(await until(lambda text: "uid-c" in text))[-1]["lists"]["runs"]
            assert changed["order"] == ["uid-c", "uid-a"]
            assert sorted(changed["rows"]) == ["uid-a", "uid-c"], "what has not changed is not sent"
            assert "Completed" in changed["rows"]["uid-a"]
            client.failure = AWAY
            client.end(AWAY)
            health = patches(await until(lambda text: "Connection refused" in text))[-1]
            assert "blind for" in health["regions"]["health"][1]
            assert health["lists"] == {}
        text = await browser.get("/runs/default/a")
        assert "What is shown is what was seen last" in text
        assert "Completed" in text, "a run's page is there while the server is away"

    ask(client, work)


def test_a_list_that_is_on_its_way_takes_nothing_away() -> None:
    """A page may come from another server, or from an earlier token: what is missing may only not have come yet."""
    client = Recorded(run("a"))
    client.failure = AWAY

    async def work(browser: Browser) -> None:
        text = await browser.get("/runs")
        assert "nothing of it has come so far" in text
        assert "There are no runs yet" not in text
        async with browser.stream("/runs.live") as until:
            waiting = patches(await until(lambda text: "Connection refused" in text))
            assert {name for patch in waiting for name in patch["regions"]} == {"health"}
            assert not any(patch["lists"] for patch in waiting)
            client.failure = None
            assert "uid-a" in await until(lambda text: '"lists":{"runs"' in text)

    ask(client, work, 0.1)


def test_the_page_of_a_run_does_not_wait_for_lists() -> None:
    """It is asked for by itself; of the runs that it has started nothing is said until all are known."""
    client = Recorded(run("a"))
    client.refused["/flows"] = ""
    client.unlisted = True

    async def work(browser: Browser) -> None:
        assert "the engine runs the flow" in await browser.get("/runs/default/a")
        async with browser.stream("/runs/default/a/live") as until:
            first = patches(await until(lambda text: '"head"' in text))[-1]["regions"]
            assert "children" not in first
            client.unlisted = False
            await until(lambda text: '"children"' in text)

    ask(client, work, 0.1)


def test_a_run_that_is_deleted_while_it_is_shown() -> None:
    client = Recorded(run())

    async def work(browser: Browser) -> None:
        async with browser.stream("/runs/default/etl-1/live") as until:
            await until(lambda text: '"head"' in text)
            client.say("DELETED", run())
            text = await until(lambda text: "This run was deleted" in text)
            assert "the engine runs the flow" in text
        assert "there is no run default/etl-1" in await browser.get("/runs/default/etl-1", 404)

    ask(client, work)


def test_a_run_whose_pod_is_gone_still_shows_its_task_runs() -> None:
    report = {
        "attempt": 1, "type": "Failed", "progress": {"total": 40},
        "tasks": {"omitted": 38, "runs": [
            {"address": "load:0", "state": "TimedOut", "type": "Failed", "startTime": "2026-11-30T04:00:06Z", "durationSeconds": 1.5, "tries": 3},
            {"address": "below:0", "name": "below-1", "state": "Completed", "subflow": True, "durationSeconds": 2.0},
        ]},
    }  # fmt: skip
    status = {
        "state": {"type": "Failed", "name": "Failed"},
        "attempt": {"number": 1, "podName": "p", "podUID": "u"},
        "report": report,
    }

    async def work(browser: Browser) -> None:
        text = await browser.get("/runs/default/etl-1")
        assert "TimedOut" in text
        assert "1.50s" in text
        assert "below-1" in text
        assert "38 that are not known any more: the report has room for so many, and the log is gone" in text
        assert "The pod of attempt 1 is gone, and its log with it" in text

    ask(Recorded(run(status=status)), work)


RUNNING = {
    "state": {"type": "Running", "name": "Running"},
    "attempt": {"number": 2, "podName": "etl-1-7f3c2-2", "podUID": "u"},
}


def test_the_log_of_a_run_as_it_comes_and_of_earlier_attempts() -> None:
    client = Recorded(run(status=RUNNING))
    client.pods = [pod(client.runs[0], 1, "Failed"), pod(client.runs[0], 2)]
    client.logs["etl-1-7f3c2-1"] = [said("of the first"), said("bad", "load:0", "ERROR")]
    client.logs["etl-1-7f3c2-2"] = ["a print", state("load:0", "RUNNING", "06.000"), said("loading", "load:0")]

    async def work(browser: Browser) -> None:
        text = await browser.get("/runs/default/etl-1")
        assert "a print" in text
        assert "loading" in text
        assert "of the first" not in text
        place = re.search(r'live\?log=([0-9a-f]+-\d+)"', text)
        assert place is not None
        async with browser.stream(f"/runs/default/etl-1/live?log={place[1]}") as until:
            first = patches(await until(lambda text: '"regions"' in text))[0]
            assert "log" not in first["regions"], "the lines are there already"
            assert first["added"] == {}
            client.write("etl-1-7f3c2-2", said("one more"))
            text = await until(lambda text: "one more" in text)
            assert patches(text)[-1]["added"]["log"].count("<p") == 1
            (again,) = re.findall(r"^id: (.*)$", text, re.MULTILINE)[-1:]
            client.write("etl-1-7f3c2-2", state("load:0", "COMPLETED", "07.000", durationMs=1000))
            await until(lambda text: "1 Completed" in text)
        async with browser.stream(f"/runs/default/etl-1/live?log={place[1]}", Last_Event_ID=again) as until:
            client.write("etl-1-7f3c2-2", "the last")
            added = [patch["added"].get("log", "") for patch in patches(await until(lambda text: "the last" in text))]
            assert "one more" not in "".join(added), "what was shown before the connection broke does not come twice"
        async with browser.stream("/runs/default/etl-1/live?log=other-7") as until:
            whole = patches(await until(lambda text: '"regions"' in text))[0]["regions"]["log"][1]
            assert "a print" in whole, "another reading of the log takes the place of what was shown"
        text = await browser.get("/runs/default/etl-1/log?attempt=1")
        assert "of the first" in text
        assert "a print" not in text
        text = await browser.get("/runs/default/etl-1/log?attempt=1&level=error")
        assert ">bad" in text or "- bad" in text
        assert "of the first" not in text
        text = await browser.get("/runs/default/etl-1/log?task=load:0&text=LOAD")
        assert "loading" in text
        assert "a print" not in text
        text = await browser.get("/runs/default/etl-1/log.txt?attempt=1")
        assert text.splitlines()[0].endswith("| INFO    | Flow run 'etl-1' - of the first")
        await browser.get("/runs/default/etl-1/log.txt?attempt=7", 404)

    ask(client, work)


def test_a_run_that_is_too_large_to_be_kept_is_asked_for_and_not_at_each_line() -> None:
    client = Recorded(run(status=RUNNING, parameters={"x": "y" * 600_000}))
    client.pods = [pod(client.runs[0], 2)]
    client.logs["etl-1-7f3c2-2"] = ["a print"]

    async def work(browser: Browser) -> None:
        async with browser.stream("/runs/default/etl-1/live") as until:
            await until(lambda text: "a print" in text)
            for number in range(3):
                client.write("etl-1-7f3c2-2", f"line {number}")
                await until(lambda text, last=f"line {number}": last in text)  # type: ignore[misc]
            assert len([path for path in client.asked if path.endswith("/flowruns/etl-1")]) == 1
            client.say(
                "MODIFIED",
                run(
                    status={"state": {"type": "Failed", "name": "Failed", "message": "no rows"}},
                    parameters={"x": "y" * 600_000},
                ),
            )
            await until(lambda text: "no rows" in text)

    ask(client, work)


def test_what_may_not_be_read_is_said_and_the_rest_is_shown() -> None:
    class NoPods(Recorded):
        def _ask(self, path: str) -> None:
            super()._ask(path)
            if path.endswith(("/pods", "/events")):
                raise ApiError(403, "Forbidden", f"you may not list {path.rpartition('/')[2]}", what=path)

    async def work(browser: Browser) -> None:
        text = await browser.get("/runs/default/etl-1")
        assert "Pods: you may not list pods" in text
        assert "Events: you may not list events" in text
        assert "the engine runs the flow" in text

    ask(NoPods(run()), work)


def test_what_is_read_for_those_who_look_ends_with_them() -> None:
    client = Recorded(run(status=RUNNING))
    client.pods = [pod(client.runs[0], 2)]
    client.logs["etl-1-7f3c2-2"] = ["a print"]

    async def work(browser: Browser) -> None:
        async with (
            browser.stream("/runs/default/etl-1/live") as until,
            browser.stream("/runs/default/etl-1/live") as other,
        ):
            await until(lambda text: "a print" in text)
            await other(lambda text: "a print" in text)
        assert len([path for path in client.asked if path.endswith("/log")]) == 1, "once for all who look"

    ask(client, work)
