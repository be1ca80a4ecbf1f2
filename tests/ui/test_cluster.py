"""The page of the chart in a browser: one signs in with a token, sees what it may see, and is sent away when that ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.ui.looking import expect, faults
from tests.ui.stage import NAMESPACE, Stage

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.parametrize("stage", ["real"], indirect=True)


def test_signing_in_and_being_sent_away(
    stage: Stage,
    served: str,
    profile: Callable[..., BrowserContext],
    picture: Callable[[Page, str], None],
) -> None:
    """The form, the person's own runs, another namespace, and the end of the right while the page is open."""
    kubectl, name = stage.cluster.kubectl, stage.name("viewer")
    kubectl("-n", NAMESPACE, "create", "serviceaccount", name)
    view = ("--clusterrole=view", f"--serviceaccount={NAMESPACE}:{name}")
    kubectl("-n", NAMESPACE, "create", "rolebinding", name, *view)
    token = kubectl("-n", NAMESPACE, "create", "token", name).strip()
    page = profile(expected=("401", "403")).new_page()
    page.goto(f"{served}/runs?namespace={NAMESPACE}")
    assert faults(page) == []
    picture(page, "sign-in")
    page.get_by_label("Token").fill("not-one-of-this-cluster")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("main")).to_contain_text("does not accept this token")
    page.get_by_label("Token").fill(token)
    page.keyboard.press("Enter")
    expect(page.locator("#runs")).to_contain_text("failing")
    expect(page).to_have_url(f"{served}/runs?namespace={NAMESPACE}")
    expect(page.locator("header")).to_contain_text(name)
    cookie = next(each for each in page.context.cookies() if each["name"] == "penstock-token")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    page.goto(f"{served}/runs/kube-system/anything")
    expect(page.locator("main")).to_contain_text("may not list")
    assert faults(page) == []
    page.goto(f"{served}/runs/{NAMESPACE}/failing")
    expect(page.locator("#health")).to_contain_text("live")
    kubectl("-n", NAMESPACE, "delete", "rolebinding", name)
    expect(page.locator("main"), 30).to_contain_text("may not list")
    expect(page.locator("main")).not_to_contain_text("invalid literal")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This page does not know you")
    assert not [each for each in page.context.cookies() if each["name"] == "penstock-token"]
