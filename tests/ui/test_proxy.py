"""oauth2-proxy in front of the page of the chart, with the options of docs/ui.md: people sign in at their issuer, and see what they may see.

It is skipped where there is no oauth2-proxy: `make test` and `make ui` do without.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.cluster import ROOT, Program, RealCluster, die_with_parent
from tests.support.flows import run
from tests.support.issuer import SECRET
from tests.support.realserver import free_port
from tests.support.world import until
from tests.ui.looking import expect, row_of
from tests.ui.stage import NAMESPACE, QUICK, Stage

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.parametrize("stage", ["real"], indirect=True)
NAMED = "PENSTOCK_OAUTH2_PROXY"
MISSING = f"no oauth2-proxy: set {NAMED}, or `go install github.com/oauth2-proxy/oauth2-proxy/v7@v7.15.6` onto the PATH"
LASTS = 6  # seconds that an ID token is good here


@pytest.fixture(scope="module")
def program() -> str:
    found = os.environ.get(NAMED) or shutil.which("oauth2-proxy")
    if not found:
        pytest.skip(MISSING)
    return found


def documented() -> dict[str, str]:
    """The options that docs/ui.md gives, by name."""
    text = (ROOT / "docs/ui.md").read_text()
    found = re.search(r"^oauth2-proxy (.+?)\n```", text, re.DOTALL | re.MULTILINE)
    assert found
    return dict(option.removeprefix("--").split("=", 1) for option in shlex.split(found[1].replace("\\\n", " ")))


@pytest.fixture
def proxy(program: str, stage: Stage, served: str, tmp_path: Path) -> Iterator[str]:
    """The proxy before the page; what is of this machine and of plain HTTP takes the place of what the documents have."""
    assert isinstance(stage.cluster, RealCluster)
    assert stage.issuer
    stage.issuer.lasts = LASTS
    for name, secret in (("client", SECRET), ("cookie", secrets.token_hex(16))):
        (tmp_path / name).write_text(secret)
    port = free_port()
    here = {
        "oidc-issuer-url": stage.issuer.url, "provider-ca-file": str(stage.issuer.ca), "upstream": served, "cookie-refresh": "2s",
        "client-secret-file": str(tmp_path / "client"), "cookie-secret-file": str(tmp_path / "cookie"),
        "http-address": f"127.0.0.1:{port}", "redirect-url": f"http://localhost:{port}/oauth2/callback", "cookie-secure": "false",
    }  # fmt: skip
    options = [f"--{name}={value}" for name, value in {**documented(), **here}.items()]
    log = tmp_path / "proxy.log"
    with log.open("wb") as out:
        process = subprocess.Popen([program, *options], stdout=out, stderr=out, preexec_fn=die_with_parent)
    started = Program("oauth2-proxy", process, log)

    def serving() -> bool:
        assert process.poll() is None, started.tail()
        try:
            return httpx.get(f"http://127.0.0.1:{port}/ping", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    until("the proxy listens", serving)
    yield f"http://localhost:{port}"
    started.end()


def test_people_sign_in_at_their_issuer(stage: Stage, proxy: str, profile: Callable[..., BrowserContext]) -> None:
    """Ann sees the runs that she may see, live, beyond the end of her first token; Bob, who has no right, is told so."""
    assert stage.issuer
    rights = ("--clusterrole=view", "--user=ann@example.com")
    stage.cluster.kubectl("-n", NAMESPACE, "create", "rolebinding", "ann", *rights)
    page = profile(ignore_https_errors=True).new_page()
    page.goto(f"{proxy}/runs?namespace={NAMESPACE}")
    expect(page.locator("header")).to_contain_text("ann@example.com")
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
    expect(row_of(page, "failing")).to_be_visible()
    page.evaluate("window.first = true")
    live(stage, page)
    assert page.evaluate("window.first"), "the page was loaded again"
    page.wait_for_function("() => window.first === undefined", timeout=LASTS * 4000)
    assert len(stage.issuer.given) > 1
    live(stage, page)
    stage.issuer.person = "bob@example.com"
    other = profile(ignore_https_errors=True, expected=("403",)).new_page()
    other.goto(f"{proxy}/runs?namespace={NAMESPACE}")
    expect(other.locator("main")).to_contain_text("may not list")
    expect(other.locator("header")).to_contain_text("bob@example.com")
    expect(row_of(page, "failing")).to_be_visible()


def live(stage: Stage, page: Page) -> None:
    """A run comes to the table through the proxy while one looks."""
    expect(page.locator("#health")).to_contain_text("live")
    name = stage.name("proxied")
    stage.space.apply(run(name, QUICK))
    expect(row_of(page, name)).to_be_visible()
