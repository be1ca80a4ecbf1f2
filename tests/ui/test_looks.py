"""How the pages look and are used: accessible by axe's rules, by keyboard alone, enlarged, on a telephone, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from tests.ui.looking import OF_COLOURS, Open, expect, faults, tab_to, too_wide
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
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# 200 % zoom, a telephone, 400 % zoom: what a window then has, in pixels of the stylesheet.
SIZES = {"zoom": (640, 450), "telephone": (390, 844), "narrow": (320, 640)}


def settled(stage: Stage) -> None:
    """Wait until the runs that end have ended."""
    stage.finished("orders-2026-11-30", "failing", "twice", "hostile")


@pytest.mark.parametrize("name", list(PAGES))
def test_how_it_looks(stage: Stage, open_: Open, name: str, picture: Callable[[Page, str], None]) -> None:
    """Axe finds nothing in either scheme (WCAG 2.2 A and AA, and its best practices), and no size makes the page scroll sideways."""
    settled(stage)
    page = open_(PAGES[name])
    expect(page.locator("#health")).to_contain_text("live")
    found = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {fault}" for fault in faults(page, *(OF_COLOURS if scheme == "dark" else ()))]
        picture(page, f"{name}-{scheme}")
    page.emulate_media(color_scheme="light")
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{size}: {element}" for element in too_wide(page)]
        if size == "telephone" or (size, name) == ("zoom", "failed"):
            picture(page, f"{name}-{size}")
    assert not found, "\n".join(found)


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
