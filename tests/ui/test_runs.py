"""The table of runs: a run appears and changes while one looks, filters stand in the address, links lead to the very thing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.flows import run
from tests.ui.looking import Open, expect, row_of
from tests.ui.stage import NAMESPACE, QUICK, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext, Page


def test_a_run_appears_and_ends_while_one_looks(stage: Stage, open_: Open) -> None:
    """Without loading the page again."""
    page = open_("/runs")
    page.evaluate("window.once = true")
    name = stage.name("appears")
    stage.space.apply(run(name, QUICK))
    expect(row_of(page, name)).to_be_visible()
    expect(row_of(page, name), 30).to_contain_text("Completed")
    first = page.locator("#runs tr").first
    expect(first).to_contain_text(name)
    stage.space.kubectl("delete", "flowrun", name)
    expect(row_of(page, name)).to_have_count(0)
    assert page.evaluate("window.once") is True


def test_filters(stage: Stage, open_: Open) -> None:
    """By hand: each changes the address, and the address alone shows the same to somebody else."""
    stage.finished("orders-2026-11-30")
    stage.finished("failing")
    page = open_("/runs")
    page.get_by_label("Text", exact=True).fill("orders")
    page.keyboard.press("Enter")
    expect(row_of(page, "orders-2026-11-30")).to_be_visible()
    expect(row_of(page, "failing")).to_have_count(0)
    page.get_by_role("link", name="Clear").click()
    page.get_by_label("Label").fill("team=sales")
    page.keyboard.press("Enter")
    expect(page.locator("#runs tr")).to_have_count(1)
    expect(row_of(page, "orders-2026-11-30")).to_be_visible()
    page.get_by_role("link", name="Clear").click()
    page.locator("#counts").get_by_role("link", name="Failed").click()
    expect(row_of(page, "failing")).to_be_visible()
    expect(row_of(page, "orders-2026-11-30")).to_have_count(0)
    expect(page).to_have_url(re.compile("state=Failed"))
    page.locator("select[name=time]").select_option("1h")
    expect(page).to_have_url(re.compile("time=1h"))
    expect(row_of(page, "failing")).to_be_visible()
    other = open_(page.url.removeprefix(stage.url))
    expect(row_of(other, "failing")).to_be_visible()
    expect(row_of(other, "orders-2026-11-30")).to_have_count(0)


def test_a_filtered_table_is_live_too(stage: Stage, open_: Open) -> None:
    """What does not fit does not come; what comes to fit does, and what ceases to, goes."""
    name = stage.name("slow")
    page = open_(f"/runs?text={name}&state=Completed")
    stage.space.apply(run(name, QUICK), run(stage.name("unasked"), QUICK))
    expect(row_of(page, name), 30).to_contain_text("Completed")
    expect(page.locator("#runs tr")).to_have_count(1)


def test_links_lead_to_the_thing(stage: Stage, open_: Open) -> None:
    """From the table to the run and back; and into the middle, by namespace and name."""
    page = open_("/runs")
    page.get_by_role("link", name="failing", exact=True).click()
    expect(page).to_have_url(f"{stage.url}/runs/{NAMESPACE}/failing")
    expect(page.get_by_role("heading", level=1)).to_have_text("failing")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    deep = open_(f"/runs/{NAMESPACE}/twice")
    expect(deep.get_by_role("heading", level=1)).to_have_text("twice")
    assert "token" not in deep.url, "people copy addresses"


def test_what_is_not_there(stage: Stage, open_: Open) -> None:
    """Says so, and how to go on."""
    page = open_(f"/runs/{NAMESPACE}/no-such-run", expected=("404",))
    expect(page.locator("main")).to_contain_text("no-such-run")
    page.locator("main").get_by_role("link").first.click()
    expect(page).to_have_url(f"{stage.url}/runs")


def test_a_stranger_sees_nothing(stage: Stage, profile: Callable[..., BrowserContext]) -> None:
    """Without the token of the address there is no page."""
    page: Page = profile(expected=("401",)).new_page()
    answer = page.goto(f"{stage.url}/runs")
    assert answer is not None
    assert answer.status == 401
    assert "orders" not in page.content()
