"""What the pages of one server share: the read model, who may look, and how a template becomes an answer."""

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

    from .access import Access, Caller
    from .client import Client
    from .feed import Blind, Feed
    from .runrow import RunRow

__all__ = ["SITE", "Link", "Site", "admitted", "caller_of", "page", "rendered"]


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of the navigation."""

    title: str
    path: str


@dataclass(slots=True)
class Site:
    """One server.

    Attributes:
        client: asks the API server for the read model.
        access: decides who may look at what.
        namespaces: those that are shown; None: all.
        links: the navigation.
        runs: the runs.
        feeds: what fills the read model.
        clock: seconds since the epoch.
        program: what commands to copy begin with.
    """

    client: Client
    access: Access
    namespaces: tuple[str, ...] | None
    links: Sequence[Link]
    runs: Objects[RunRow] = field(default_factory=lambda: Objects(run_row))
    feeds: list[Feed] = field(default_factory=list)
    clock: Callable[[], float] = time.time
    program: str = "penstock"
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
SITE: Final = web.AppKey("site", Site)
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
    site = request.app[SITE]
    return site.templates.get_template(template).render(
        site=site, links=site.links, path=request.path, blind=site.blind, now=site.clock(), **values
    )


def caller_of(request: web.Request) -> Caller:
    """Return who asks, as `access` has found."""
    caller: Caller = request[_CALLER]
    return caller


async def admitted(request: web.Request) -> None:
    """Find out who asks; see `access.Access.admit` for what it raises."""
    request[_CALLER] = await request.app[SITE].access.admit(request)
