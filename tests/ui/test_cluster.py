"""The page of the chart in a browser: one signs in with a token, sees what it may see, and is sent away when that ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import Program, RealCluster, die_with_parent
from tests.support.world import until
from tests.ui.looking import expect, faults
from tests.ui.stage import NAMESPACE, Stage

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.parametrize("stage", ["real"], indirect=True)


@pytest.fixture
def served(stage: Stage) -> Iterator[str]:
    """`python -m penstock_ui`, without anything that proves who it is."""
    assert isinstance(stage.cluster, RealCluster)
    server, log = stage.cluster.own, stage.cluster.folder / "page.log"
    command = [
        sys.executable, "-m", "penstock_ui", "--host", "127.0.0.1", "--port", "0", "--recheck-seconds", "1",
        "--log-format", "text", "--server", server.url, "--certificate-authority", str(server.ca),
    ]  # fmt: skip
    env = {name: value for name, value in os.environ.items() if "KUBE" not in name}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env, preexec_fn=die_with_parent)
    program = Program("page", process, log)
    found: list[str] = []

    def serving() -> bool:
        assert process.poll() is None, program.tail()
        found[:] = re.findall(r"serving on port (\d+)", program.tail())
        return bool(found)

    until("the page is served", serving)
    yield f"http://localhost:{found[0]}"
    assert program.end() == 0


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
