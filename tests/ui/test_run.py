"""One run: why it failed, its task runs as a chart, its log while it is written and of an earlier attempt, and what to do next."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.support.cluster import ROOT
from tests.support.flows import run
from tests.ui.looking import PICTURES, Open, expect
from tests.ui.stage import NAMESPACE, SHORT, SLOW, Stage

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def named(page: Page, name: str) -> Locator:
    """The rows of task runs and subflows whose name begins so."""
    return page.locator("table.tasks tbody tr").filter(has=page.locator("th", has_text=re.compile(f"^{name}")))


def in_state(page: Page, state: str) -> Locator:
    """The rows in a state."""
    return page.locator("table.tasks tbody tr").filter(has=page.locator("td.kind", has_text=state))


def test_why_it_failed(stage: Stage, open_: Open) -> None:
    """The exception, the traceback down to the user's line, the place of it, and the next step to copy."""
    stage.finished("failing")
    page = open_(f"/runs/{NAMESPACE}/failing")
    main = page.locator("main")
    expect(main).to_contain_text("ValueError")
    expect(main).to_contain_text("invalid literal for int() with base 10: 'not a number'")
    expect(main.locator("pre", has_text="Traceback").first).to_contain_text("return int(fields[2])")
    expect(main).not_to_contain_text("penstock/engines")
    expect(main).to_contain_text(re.compile(r"penstock retry failing"))


def test_the_chart_of_task_runs(stage: Stage, open_: Open, picture: Callable[[Page, str], None]) -> None:
    """Each task run is a row with its time: a subflow, what it holds, a try that failed, a cached result."""
    stage.finished("orders-2026-11-30")
    page = open_(f"/runs/{NAMESPACE}/orders-2026-11-30")
    for name, count in {"settings": 2, "fetch": 4, "clean": 4, "write": 1}.items():
        expect(named(page, name)).to_have_count(count)
    expect(in_state(page, "Cached")).to_have_count(1)
    expect(page.locator("table.tasks tr.sub")).to_have_count(1)
    expect(page.locator("svg.gantt rect.retry, svg.gantt rect.try")).not_to_have_count(0)
    expect(page.locator("svg.gantt rect")).to_have_count(page.locator("svg.gantt rect title").count())
    picture(page, "gantt")
    named(page, "fetch").first.get_by_role("link").click()
    expect(page.locator("#log")).to_contain_text("1,204 orders")
    expect(page.locator("#log")).not_to_contain_text("Beginning flow run")


def test_bars_grow_while_it_runs(stage: Stage, open_: Open) -> None:
    """A task run appears when it begins, and its row changes when it ends, without loading the page again."""
    name = stage.name("growing")
    stage.space.apply(run(name, SLOW))
    page = open_(f"/runs/{NAMESPACE}/{name}")
    page.evaluate("window.once = true")
    expect(in_state(page, "Running"), 30).not_to_have_count(0)
    expect(in_state(page, "Completed"), 30).to_have_count(3)
    expect(page.locator("#head")).to_contain_text("Completed")
    assert page.evaluate("window.once") is True


def test_a_log_while_it_is_written(stage: Stage, open_: Open) -> None:
    """New lines come by themselves; what one searches for is found, also in what comes."""
    stage.space.wait_type("talking", "Running", seconds=60)
    page = open_(f"/runs/{NAMESPACE}/talking")
    expect(page.locator("#loghead")).to_contain_text("live")
    first = last_line(page)
    page.wait_for_function(
        f"() => Number(document.querySelector('#log p:last-child').textContent.split(' ').pop()) > {first} + 10"
    )
    page.get_by_role("search", name="Search the log").get_by_label("Search").fill("line 3")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("text=line"))
    expect(page.locator("#log p").first).to_contain_text("line 3")
    assert all("line 3" in text for text in page.locator("#log p").all_inner_texts())


def test_what_one_reads_in_a_log_stays(stage: Stage, open_: Open) -> None:
    """The oldest lines make room for new ones; not while somebody has scrolled up to read them."""
    stage.space.wait_type("talking", "Running", seconds=60)
    page = open_(f"/runs/{NAMESPACE}/talking")
    log = page.locator("#log")
    page.wait_for_function("() => document.querySelectorAll('#log p').length > 8")
    most = log.evaluate(
        "log => { log.style.maxHeight = '4rem'; log.scrollTop = 0; return log.dataset.most = log.childElementCount; }"
    )
    first = log.locator("p").first.inner_text()
    page.wait_for_function(f"() => document.querySelectorAll('#log p').length > {most} + 5")
    assert log.locator("p").first.inner_text() == first
    log.evaluate("log => { log.scrollTop = log.scrollHeight; }")
    expect(log.locator("p")).to_have_count(int(most))
    assert log.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight") < 40


def last_line(page: Page) -> int:
    """The number of the last line of the run that counts."""
    line = page.locator("#log p", has_text=re.compile(r"line \d+")).last
    return int(line.inner_text().split()[-1])


def test_the_log_of_an_earlier_attempt(stage: Stage, open_: Open) -> None:
    """Both are there, each as what it is."""
    stage.finished("twice")
    page = open_(f"/runs/{NAMESPACE}/twice")
    expect(page.locator("#log")).to_contain_text("this is attempt 2")
    expect(page.locator("#attempts")).to_contain_text("the first one fails")
    page.locator("#loghead").get_by_role("link", name="Attempt 1").click()
    expect(page.locator("#log")).to_contain_text("this is attempt 1")
    expect(page.locator("#log")).not_to_contain_text("this is attempt 2")
    expect(page.locator("#log")).to_contain_text("ValueError: the first one fails")


def test_a_run_whose_pod_is_gone(stage: Stage, open_: Open) -> None:
    """Its table of task runs is still there, from the report of its end; its log is said to be gone."""
    name = stage.name("podless")
    stage.space.apply(run(name, SHORT))
    stage.space.finish(name, 60)
    stage.space.kubectl("delete", "pod", "-l", f"penstock.dev/flow-run={name}", "--wait=true")
    page = open_(f"/runs/{NAMESPACE}/{name}")
    expect(page.locator("#loghead")).to_contain_text("gone")
    expect(page.locator("table.tasks tbody tr")).to_have_count(3)


def test_what_to_do_is_shown_as_commands(stage: Stage, open_: Open) -> None:
    """The page changes nothing: it shows what to type, and copies it."""
    page = open_(f"/runs/{NAMESPACE}/talking", permissions=["clipboard-read", "clipboard-write"])
    commands = page.locator("#commands")
    expect(commands).to_contain_text(f"penstock cancel talking -n {NAMESPACE}")
    assert page.locator("main form").evaluate_all("forms => forms.map(form => form.method)") == ["get"]
    button = commands.locator(".command", has_text="penstock cancel").get_by_role("button")
    button.click()
    expect(button).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"penstock cancel talking -n {NAMESPACE}"


def test_the_picture_of_the_documents(stage: Stage, open_: Open) -> None:
    """README and docs/ui.md show a run as it looks here. PENSTOCK_PICTURES=1 puts the new picture into their place."""
    stage.finished("orders-2026-11-30")
    page = open_(f"/runs/{NAMESPACE}/orders-2026-11-30", viewport={"width": 1200, "height": 1130})
    expect(page.locator("#health")).to_contain_text("live")
    expect(page.locator("#history")).to_contain_text("ended: Completed")
    made = PICTURES / stage.plane / "documents.png"
    made.parent.mkdir(parents=True, exist_ok=True)
    below = page.locator("#p-tasks").bounding_box()
    assert below is not None
    page.screenshot(path=made, clip={"x": 0, "y": 0, "width": 1200, "height": below["y"] + below["height"] + 16})
    assert made.stat().st_size < 150_000
    shown = ROOT / "docs/pictures/run.png"
    if os.environ.get("PENSTOCK_PICTURES") and stage.plane == "dev":
        shown.parent.mkdir(exist_ok=True)
        shutil.copy(made, shown)
    assert shown.stat().st_size < 150_000
