"""A real browser before the page: Chromium, driven by Playwright; the two control planes; and the runs that are looked at.

`make ui` runs these; `make test` does not. Each story may use what the browser has: a fresh profile, a window size, a colour scheme. Whatever
the browser complains of (an error of a script, something that the content policy refused) fails the story that it happened in. Pictures are
kept below build/ui.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cluster import Cluster, DevCluster, RealCluster, program
from tests.support.realserver import ASSETS_NEW, MISSING, RealServer, assets, other_apiserver
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
def stage(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Stage]:
    """A control plane with runs of every kind on it, and `penstock ui` before it."""
    cluster: Cluster
    program("kubectl")
    if request.param == "dev":
        cluster = DevCluster()
    else:
        folder = assets()
        if folder is None:
            pytest.skip(MISSING)
        cluster = RealCluster(server=RealServer(folder, apiserver=other_apiserver(ASSETS_NEW)))
    try:
        cluster.start()
        made = Stage(request.param, cluster)
        made.begin()
        yield made
        made.end()
    finally:
        cluster.stop()


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
    """Opens a path of the page in a fresh profile, signed in."""

    def open_path(path: str, **options: Any) -> Page:
        page = profile(**options).new_page()
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
