"""A real browser before the page: Chromium, driven by Playwright; the two control planes; and the runs that are looked at.

`make ui` runs these; `make test` does not. Each story may use what the browser has: a fresh profile, a window size, a colour scheme. Whatever
the browser complains of (an error of a script, something that the content policy refused) fails the story that it happened in. Pictures are
kept below build/ui.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cluster import Cluster, DevCluster, Program, RealCluster, die_with_parent, program
from tests.support.issuer import CLIENT, Issuer
from tests.support.realserver import ASSETS_NEW, MISSING, RealServer, assets, other_apiserver
from tests.support.world import until
from tests.ui.looking import PICTURES, Open
from tests.ui.stage import Stage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page

PLANES = ["dev", "real"]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def executable() -> str:
    """Return the browser: the one that PENSTOCK_CHROMIUM names, else the machine's."""
    named = os.environ.get("PENSTOCK_CHROMIUM")
    if named and not Path(named).exists():
        raise FileNotFoundError(f"PENSTOCK_CHROMIUM={named} is no program")
    found = named or next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no browser: apt-get install chromium, or set PENSTOCK_CHROMIUM")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all stories."""
    driver = pytest.importorskip("playwright.sync_api", reason="no driver of the browser: pip install -e '.[browser]'")
    chromium = executable()
    with driver.sync_playwright() as playwright:
        # As root there is no sandbox to have; what is shown is our own.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="session", params=PLANES)
def stage(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """A control plane with runs of every kind on it, and `penstock ui` before it."""
    cluster: Cluster
    issuer: Issuer | None = None
    program("kubectl")
    if request.param == "dev":
        cluster = DevCluster()
    else:
        folder = assets()
        if folder is None:
            pytest.skip(MISSING)
        issuer = Issuer(tmp_path_factory.mktemp("issuer")).start()
        trusted = (
            f"--oidc-issuer-url={issuer.url}", f"--oidc-client-id={CLIENT}", f"--oidc-ca-file={issuer.ca}", "--oidc-username-claim=email",
        )  # fmt: skip
        cluster = RealCluster(server=RealServer(folder, apiserver=other_apiserver(ASSETS_NEW), arguments=trusted))
    try:
        cluster.start()
        made = Stage(request.param, cluster, issuer=issuer)
        made.begin()
        yield made
        made.end()
    finally:
        cluster.stop()
        if issuer:
            issuer.stop()


@pytest.fixture
def served(stage: Stage) -> Iterator[str]:
    """`python -m penstock_ui`, as the chart starts it: without anything that proves who it is."""
    assert isinstance(stage.cluster, RealCluster)
    server, log = stage.cluster.own, stage.cluster.folder / "page.log"
    command = [
        sys.executable, "-m", "penstock_ui", "--host", "127.0.0.1", "--port", "0", "--recheck-seconds", "1",
        "--log-format", "text", "--server", server.url, "--certificate-authority", str(server.ca),
    ]  # fmt: skip
    env = {name: value for name, value in os.environ.items() if "KUBE" not in name}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env, preexec_fn=die_with_parent)
    page = Program("page", process, log)
    found: list[str] = []

    def serving() -> bool:
        assert process.poll() is None, page.tail()
        found[:] = re.findall(r"serving on port (\d+)", page.tail())
        return bool(found)

    until("the page is served", serving)
    yield f"http://localhost:{found[0]}"
    assert page.end() == 0


@pytest.fixture
def profile(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Makes a fresh profile of the browser; what goes wrong in any of its pages fails the story."""
    made: list[BrowserContext] = []
    wrong: list[str] = []

    def make(**options: Any) -> BrowserContext:
        expected: tuple[str, ...] = options.pop("expected", ())
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(15_000)

        def complain(text: str) -> None:
            if not any(part in text for part in expected):
                wrong.append(text)

        def of_console(said: ConsoleMessage) -> None:
            if said.type in ("error", "warning"):
                complain(said.text)

        def of_dialog(dialog: Dialog) -> None:
            complain(f"a dialog: {dialog.message}")
            dialog.dismiss()

        context.on("weberror", lambda error: complain(f"error of a script: {error.error}"))
        context.on("console", of_console)
        context.on("dialog", of_dialog)
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()
    assert wrong == []


@pytest.fixture
def open_(profile: Callable[..., BrowserContext], stage: Stage) -> Open:
    """Opens a path of the page in a fresh profile, signed in; pages of a story with the same options share it."""
    made: dict[str, BrowserContext] = {}

    def open_path(path: str, **options: Any) -> Page:
        key = repr(sorted(options.items()))
        if key not in made:
            made[key] = profile(**options)
        page = made[key].new_page()
        page.goto(stage.address(path))
        return page

    return open_path


@pytest.fixture
def picture(request: pytest.FixtureRequest, stage: Stage) -> Callable[[Page, str], None]:
    """Keeps a picture of a page, by its name."""

    def take(page: Page, name: str) -> None:
        folder = PICTURES / stage.plane
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", full_page=True)

    return take
