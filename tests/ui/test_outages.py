"""What goes away while one looks: a run, the API server, the page's own server. What was seen stays, and the page says what it is."""

from __future__ import annotations

from tests.support.flows import run
from tests.ui.looking import Open, expect, row_of
from tests.ui.stage import NAMESPACE, QUICK, Stage


def test_a_run_is_deleted_while_it_is_shown(stage: Stage, open_: Open) -> None:
    """Its page stays, and says so."""
    name = stage.name("deleted")
    stage.space.apply(run(name, QUICK))
    stage.space.finish(name)
    page = open_(f"/runs/{NAMESPACE}/{name}")
    expect(page.locator("#health")).to_contain_text("live")
    stage.space.kubectl("delete", "flowrun", name)
    expect(page.get_by_role("alert")).to_contain_text("deleted")
    expect(page.locator("main")).to_contain_text("Completed")


def test_the_api_server_is_lost_and_comes_back(stage: Stage, open_: Open) -> None:
    """Both pages say since when they are blind, stay readable, load all the same, and go on by themselves."""
    stage.finished("failing")
    runs, one = open_("/runs"), open_(f"/runs/{NAMESPACE}/failing")
    for page in (runs, one):
        expect(page.locator("#health")).to_contain_text("live")
    with stage.cluster.server_away():
        for page in (runs, one):
            expect(page.locator("#health"), 30).to_contain_text("blind for")
        expect(row_of(runs, "failing")).to_be_visible()
        again = open_(f"/runs/{NAMESPACE}/failing")
        expect(again.locator("#health")).to_contain_text("blind for")
        expect(again.locator("main")).to_contain_text("invalid literal for int()")
        unknown = open_(f"/runs/{NAMESPACE}/never-seen", expected=("404", "503"))
        expect(unknown.locator("main")).not_to_contain_text("there is no run")
    for page in (runs, one):
        expect(page.locator("#health"), 60).to_contain_text("live")
    name = stage.name("after")
    stage.space.apply(run(name, QUICK))
    expect(row_of(runs, name)).to_be_visible()
    expect(row_of(runs, name), 60).to_contain_text("Completed")


def test_the_pages_own_server_ends(stage: Stage, open_: Open) -> None:
    """Said too; with the next one, under its own token, the page is opened anew."""
    page = open_("/runs", expected=("Failed to load", "ERR_CONNECTION", "401"))
    expect(page.locator("#health")).to_contain_text("live")
    assert stage.server
    assert stage.server.end() == 0
    expect(page.locator("#health")).to_contain_text("the server of this page is not there")
    expect(row_of(page, "failing")).to_be_visible()
    stage.start_page()
    expect(open_("/runs").locator("#health")).to_contain_text("live")
