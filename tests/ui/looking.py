"""What the stories ask of a page: that something comes to be seen, that nothing is cut off, that axe finds no fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.support.cluster import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

# What axe checks: WCAG 2.2 A and AA, and its own best practices.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# The rules that a colour scheme can break: the others read the same page.
OF_COLOURS = ("color-contrast", "link-in-text-block")
PICTURES = ROOT / "build/ui"
Open = Callable[..., "Page"]


def expect(what: Any, seconds: float = 15) -> Any:
    """Playwright's assertions, which wait; loaded here, so that the stories are collected without it."""
    from playwright.sync_api import expect as driver

    driver.set_options(timeout=seconds * 1000)
    return driver(what)


def row_of(page: Page, name: str) -> Locator:
    """The row of a run in the table."""
    return page.locator("#runs tr").filter(has=page.get_by_role("link", name=name, exact=True))


def faults(page: Page, *rules: str) -> list[str]:
    """Return what axe finds wrong with a page, with the place of each.

    Args:
        page: that is looked at.
        rules: those that are asked; none: all of `TAGS`.
    """
    from axe_playwright_python.sync_playwright import Axe

    asked = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": TAGS}
    found = Axe().run(page, options={"runOnly": asked, "resultTypes": ["violations"]})
    return [
        f"{fault['id']}: {fault['help']}: {node['target']} {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for fault in found.response["violations"]
        for node in fault["nodes"]
    ]


def too_wide(page: Page) -> list[str]:
    """Return the elements that make the page scroll sideways; what scrolls by itself does not."""
    return list(
        page.evaluate(
            """() => {
              const width = document.documentElement.clientWidth;
              if (document.documentElement.scrollWidth <= width) return [];
              return [...document.querySelectorAll("body *")]
                .filter((each) => each.getBoundingClientRect().right > width + 1)
                .map((each) => `${each.tagName} ${each.id} ${each.className} ${Math.round(each.getBoundingClientRect().right)}`)
                .slice(0, 8);
            }"""
        )
    )


def marks(page: Page) -> list[str]:
    """Return what hostile texts have left on a page: nothing, where each is shown as text."""
    found: list[str] = page.evaluate(
        """() => [
          ...(window.hostile === undefined ? [] : [`a script ran: ${window.hostile}`]),
          ...[...document.querySelectorAll(".hostile")].map((each) => `an element: ${each.outerHTML.slice(0, 120)}`),
        ]"""
    )
    text = str(page.evaluate("document.body.innerText"))
    if "49${" in text or "$49" in text or "<%=49" in text:
        found.append("a template was evaluated")
    found += [f"sent as it is: {sign!a}" for sign in ("\u202e", "\u2066", "\x1b") if sign in text]
    return found


def focused(page: Page) -> str:
    """What has the focus: its name for people who do not see."""
    return str(
        page.evaluate(
            """() => {
              const it = document.activeElement;
              return (it.getAttribute("aria-label") || it.innerText || it.value || it.name || it.tagName).trim();
            }"""
        )
    )


def tab_to(page: Page, name: str, most: int = 60) -> None:
    """Press Tab until something of this name has the focus, and check that one sees where it is."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if focused(page).startswith(name):
            assert page.evaluate(
                """() => {
                  const style = getComputedStyle(document.activeElement);
                  return style.outlineStyle !== "none" || style.boxShadow !== "none";
                }"""
            ), f"{name} has the focus, and nothing shows it"
            return
    raise AssertionError(f"{name} is not reached by {most} times Tab; the last was {focused(page)!r}")
