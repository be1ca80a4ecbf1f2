"""Texts of users are shown and are nothing else: names, messages, parameters, errors, task names, logs, annotations."""

from __future__ import annotations

import pytest

from tests.support.flows import run
from tests.ui.looking import Open, expect, marks
from tests.ui.stage import ATTRIBUTE, CLOSING, HOSTILE, MARKUP, NAMESPACE, QUICK, TEMPLATE, Stage

# How a text is shown does not depend on the control plane.
pytestmark = pytest.mark.parametrize("stage", ["dev"], indirect=True)
READABLE = (MARKUP, ATTRIBUTE, TEMPLATE, CLOSING)


def test_on_the_page_of_the_run(stage: Stage, open_: Open) -> None:
    """As it is loaded, and as the stream sends it again."""
    stage.finished("hostile")
    page = open_(f"/runs/{NAMESPACE}/hostile")
    expect(page.get_by_role("heading", level=1)).to_contain_text(MARKUP)
    for text in READABLE:
        expect(page.locator("main")).to_contain_text(text)
    assert marks(page) == []
    stage.space.kubectl(
        "patch", "flowrun", "hostile", "--type=merge", "-p", '{"spec":{"displayName":"<b class=hostile>"}}'
    )
    expect(page.get_by_role("heading", level=1)).to_contain_text("<b class=hostile>")
    assert marks(page) == []


def test_in_the_table(stage: Stage, open_: Open) -> None:
    """Name and message; and in a row that comes while one looks."""
    page = open_("/runs")
    expect(page.locator("#runs")).to_contain_text("RuntimeError: <")
    name = stage.name("hostile")
    made = run(name, QUICK, displayName=CLOSING)
    made["metadata"]["labels"] = {"team": "hostile"}
    stage.space.apply(made)
    expect(page.locator("#runs")).to_contain_text(CLOSING)
    assert marks(page) == []


@pytest.mark.parametrize("field", ["text", "flow", "namespace", "label", "state", "time", "order", "page", "from"])
def test_in_the_address(stage: Stage, open_: Open, field: str) -> None:
    """What an address says is text too."""
    from urllib.parse import quote

    page = open_("/runs?" + "&".join(f"{field}={quote(text)}" for text in HOSTILE), expected=("400", "403", "404"))
    expect(page.locator("main")).to_be_visible()
    assert marks(page) == []


def test_in_the_path(stage: Stage, open_: Open) -> None:
    """Of what is not there."""
    from urllib.parse import quote

    page = open_("/runs", expected=("404",))
    for text in (MARKUP, ATTRIBUTE, CLOSING, "..", "%2e%2e%2f"):
        page.goto(f"{stage.url}/runs/{NAMESPACE}/{quote(text, safe='')}")
        expect(page.locator("main")).to_be_visible()
        assert marks(page) == []


def test_the_policy(stage: Stage, open_: Open) -> None:
    """If all else failed, the browser would run nothing that stands in a page."""
    page = open_("/runs", expected=("Content Security Policy", "Content-Security-Policy"))
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.hostile = 4";
          document.body.append(script);
        }"""
    )
    assert page.evaluate("window.hostile") is None
    answer = page.goto(page.url)
    assert answer is not None
    policy = answer.header_value("content-security-policy")
    assert policy is not None
    assert "unsafe" not in policy
