"""What the pages of one caller share: the read model, and how a template becomes an answer.

On a person's own machine there is one site; in the cluster each caller has their own, so that a page finds its data by `site_of` and by
nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from .objects import Objects
from .runrow import run_row
from .templates import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import jinja2

    from .access import Caller
    from .client import Client
    from .feed import Blind, Feed
    from .runrow import RunRow

__all__ = ["Link", "Site", "caller_of", "note", "page", "rendered", "site_of"]


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of the navigation."""

    title: str
    path: str


@dataclass(slots=True)
class Site:
    """What one caller sees.

    Attributes:
        client: asks the API server for the read model.
        namespaces: those that are shown; None: all.
        links: the navigation.
        runs: the runs.
        feeds: what fills the read model.
        clock: seconds since the epoch.
        program: what commands to copy begin with.
        over: it is closed: who still looks at it loads the page again.
    """

    client: Client
    namespaces: tuple[str, ...] | None
    links: Sequence[Link]
    runs: Objects[RunRow] = field(default_factory=lambda: Objects(run_row))
    feeds: list[Feed] = field(default_factory=list)
    clock: Callable[[], float] = time.time
    program: str = "penstock"
    over: bool = False
    templates: jinja2.Environment = field(default_factory=environment)

    @property
    def several(self) -> bool:
        """Whether more than one namespace is shown."""
        return self.namespaces is None or len(self.namespaces) > 1

    @property
    def blind(self) -> Blind | None:
        """Since when nothing is heard of what is shown, and why; None: all is well."""
        return min((feed.blind for feed in self.feeds if feed.blind), key=lambda blind: blind.since, default=None)

    async def listed(self) -> None:
        """Wait a moment for the first list: then the first page is whole without a script."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_LIST_SECONDS):
                for feed in self.feeds:
                    await feed.synced.wait()


_FIRST_LIST_SECONDS: Final = 0.4
_SITE: Final = "penstock.site"
_CALLER: Final = "penstock.caller"


def page(request: web.Request, template: str, status: int = 200, **values: Any) -> web.Response:
    """Return a page.

    Args:
        request: that it answers.
        template: its name.
        status: of the answer.
        values: for the template.
    """
    return web.Response(text=rendered(request, template, **values), content_type="text/html", status=status)


def rendered(request: web.Request, template: str, **values: Any) -> str:
    """Return what a template says to a caller."""
    site = site_of(request)
    return site.templates.get_template(template).render(
        site=site, links=site.links, path=request.path, blind=site.blind, now=site.clock(), **values
    )


def site_of(request: web.Request) -> Site:
    """Return what the caller of a request sees."""
    site: Site = request[_SITE]
    return site


def caller_of(request: web.Request) -> Caller:
    """Return who asks."""
    caller: Caller = request[_CALLER]
    return caller


def note(request: web.Request, caller: Caller, site: Site) -> None:
    """Note who asks, and what they see; `server` does so before any page is made."""
    request[_CALLER], request[_SITE] = caller, site
