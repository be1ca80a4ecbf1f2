"""How the pages look and are used: accessible by axe's rules, by keyboard alone, enlarged, on a telephone, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.ui.looking import Open, expect, faults, tab_to, too_wide
from tests.ui.stage import NAMESPACE, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

# How a page looks does not depend on the control plane.
pytestmark = pytest.mark.parametrize("stage", ["dev"], indirect=True)
PAGES = {
    "runs": "/runs",
    "completed": f"/runs/{NAMESPACE}/orders-2026-11-30",
    "failed": f"/runs/{NAMESPACE}/failing",
    "twice": f"/runs/{NAMESPACE}/twice",
    "running": f"/runs/{NAMESPACE}/talking",
    "hostile": f"/runs/{NAMESPACE}/hostile",
    "scheduled": f"/runs/{NAMESPACE}/tomorrow",
    "log": f"/runs/{NAMESPACE}/failing/log",
    "flows": "/flows",
    "flow": f"/flows/{NAMESPACE}/orders",
    "groups": "/groups",
    "operator": "/operator",
}
TELEPHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "device_scale_factor": 2}
ENLARGED: dict[str, Any] = {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2}
NARROW: dict[str, Any] = {"viewport": {"width": 320, "height": 640}}


def settled(stage: Stage) -> None:
    """Wait until the runs that end have ended."""
    for name in ("orders-2026-11-30", "failing", "twice", "hostile"):
        stage.space.finish(name, 90)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(stage: Stage, open_: Open, scheme: str, picture: Callable[[Page, str], None]) -> None:
    """On no page, in both schemes: WCAG 2.2 A and AA, and axe's best practices. And a picture of each."""
    settled(stage)
    found = []
    for name, path in PAGES.items():
        page = open_(path, color_scheme=scheme)
        expect(page.locator("#health")).to_contain_text("live")
        picture(page, f"{name}-{scheme}")
        found += [f"{name}: {fault}" for fault in faults(page)]
        page.close()
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", list(PAGES))
def test_nothing_is_cut_off(stage: Stage, open_: Open, name: str, picture: Callable[[Page, str], None]) -> None:
    """At 200 % zoom, on a telephone, and at 320 pixels (400 %) the page scrolls down and never sideways."""
    settled(stage)
    wide = {}
    for size, options in (("zoom", ENLARGED), ("telephone", TELEPHONE), ("narrow", NARROW)):
        page = open_(PAGES[name], **options)
        expect(page.locator("#health")).to_contain_text("live")
        if over := too_wide(page):
            wide[size] = over
        if size == "telephone":
            picture(page, f"{name}-telephone")
        page.close()
    assert wide == {}


def test_by_keyboard_alone(stage: Stage, open_: Open) -> None:
    """From the top of the page to a run, with the place of the focus to be seen; a change of the page does not take it away."""
    settled(stage)
    page = open_("/runs")
    expect(page.locator("#health")).to_contain_text("live")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to(page, "Filter")
    tab_to(page, "failing")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("failing")


def test_the_focus_stays(stage: Stage, open_: Open) -> None:
    """While rows change around it."""
    page = open_("/runs")
    link = page.get_by_role("link", name="talking", exact=True)
    link.focus()
    stage.space.kubectl("label", "flowrun", "talking", "--overwrite", f"touched={stage.name('t')}")
    stage.space.kubectl(
        "patch", "flowrun", "tomorrow", "--type=merge", "-p", '{"spec":{"displayName":"Tomorrow morning"}}'
    )
    expect(page.locator("#runs")).to_contain_text("Tomorrow morning")
    expect(link).to_be_focused()


def test_without_a_script(stage: Stage, open_: Open) -> None:
    """Each page is whole as it is loaded."""
    settled(stage)
    open_("/runs").close()  # the first list takes a moment
    page = open_("/runs", java_script_enabled=False)
    expect(page.locator("#runs")).to_contain_text("orders-2026-11-30")
    page.get_by_role("link", name="failing", exact=True).click()
    expect(page.locator("main")).to_contain_text("invalid literal for int()")
