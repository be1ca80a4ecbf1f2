"""What the pages of one person share: the read model, and how a template becomes an answer.

A page has its data from `site_of(request)` and from nowhere else; what all persons share (`Shared`) holds nobody's data.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from .access import FRESH_SECONDS
from .flowrow import flow_row
from .flowwatch import FlowWatch, LimitsWatch
from .objects import Key, Objects
from .operatorwatch import OperatorWatch
from .podlog import LogKey, PodLog
from .pool import Pool
from .runrow import run_row
from .runwatch import RunWatch
from .templates import environment
from .tokens import by_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import jinja2

    from .access import Access, Caller
    from .client import Client
    from .feed import Blind, Feed
    from .flowrow import FlowRow
    from .runrow import RunRow

# Beside those of the runs, which are more and larger.
_FLOWS_PACKED_BYTES: Final = 8 * 2**20
_MOST_LIMITS: Final = 50

__all__ = ["SHARED", "Link", "Shared", "Site", "caller_of", "key_of", "note", "page", "rendered", "site_of"]


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of the navigation."""

    title: str
    path: str


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sites of a server have in common.

    Attributes:
        client: the connections to the API server.
        access: decides who may look.
        links: the navigation.
        program: what commands to copy begin with.
        sign_in: asks whose token it is, for the form that takes one; None: there is no such form.
        fresh: seconds that an answer about rights counts.
        templates: of the pages.
    """

    client: Client
    access: Access
    links: Sequence[Link]
    program: str = "penstock"
    sign_in: Callable[[str], Awaitable[Caller]] | None = None
    fresh: float = FRESH_SECONDS
    templates: jinja2.Environment = field(default_factory=environment)


@dataclass(slots=True)
class Site:
    """What one person sees.

    Attributes:
        client: asks the API server as that person.
        namespaces: those that are shown; None: all.
        program: what commands to copy begin with.
        runs: the runs.
        flows: the Flows.
        feeds: what fills the read model.
        clock: seconds since the epoch.
        watches: pods and Events of runs that somebody looks at.
        logs: logs that somebody looks at.
        flow_watches: revisions and Events of Flows that somebody looks at.
        limits: limits of concurrency groups, by namespace, while somebody looks.
        operators: operators, while somebody looks.
        over: it is closed: who still looks at it loads the page again.
    """

    client: Client
    namespaces: tuple[str, ...] | None
    program: str = "penstock"
    runs: Objects[RunRow] = field(default_factory=lambda: Objects(run_row))
    flows: Objects[FlowRow] = field(default_factory=lambda: Objects(flow_row, packed=_FLOWS_PACKED_BYTES))
    feeds: list[Feed] = field(default_factory=list)
    clock: Callable[[], float] = time.time
    over: bool = False
    watches: Pool[tuple[Key, str], RunWatch] = field(init=False)
    logs: Pool[LogKey, PodLog] = field(init=False)
    flow_watches: Pool[tuple[Key, str], FlowWatch] = field(init=False)
    limits: Pool[str, LimitsWatch] = field(init=False)
    operators: Pool[str, OperatorWatch] = field(init=False)

    def __post_init__(self) -> None:
        self.watches = Pool(lambda of: RunWatch(self.client, self.runs, *of))
        self.logs = Pool(lambda key: PodLog(self.client, key))
        self.flow_watches = Pool(lambda of: FlowWatch(self.client, self.flows, *of))
        self.limits = Pool(lambda namespace: LimitsWatch(self.client, namespace), most=_MOST_LIMITS)
        self.operators = Pool(lambda _: OperatorWatch(self.client, self.clock))

    def end(self) -> None:
        """Forget everything, and end what is read while somebody looks."""
        self.over = True
        for pool in (self.watches, self.logs, self.flow_watches, self.limits, self.operators):
            pool.end()
        self.runs.keep_only(None, set())
        self.flows.keep_only(None, set())

    @property
    def several(self) -> bool:
        """Whether more than one namespace is shown."""
        return self.namespaces is None or len(self.namespaces) > 1

    @property
    def filled(self) -> bool:
        """Whether each first list is here, or was refused: until then what is missing may only not have come yet."""
        return all(feed.synced.is_set() or bool(feed.blind and feed.blind.refused) for feed in self.feeds)

    @property
    def blind(self) -> Blind | None:
        """Since when nothing is heard of the runs, and why; None: all is well."""
        return self.blind_of(self.runs)

    def blind_of(self, objects: Objects[Any]) -> Blind | None:
        """Since when nothing is heard of some objects, and why; None: all is well."""
        found = (feed.blind for feed in self.feeds if feed.blind and feed.sink is objects)
        return min(found, key=lambda blind: blind.since, default=None)

    async def listed(self, *objects: Objects[Any]) -> None:
        """Wait a moment for the first list of runs, and of other objects: then the first page is whole without a script."""
        wanted = [feed for feed in self.feeds if any(feed.sink is each for each in (self.runs, *objects))]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_LIST_SECONDS):
                for feed in wanted:
                    if not (feed.blind and feed.blind.refused):
                        await feed.synced.wait()


_FIRST_LIST_SECONDS: Final = 0.4
SHARED: Final = web.AppKey("shared", Shared)
# aiohttp warns of plain texts as keys since 3.14, and has nothing else before.
_key: Any = getattr(web, "RequestKey", lambda name, _: name)
_CALLER: Final = _key("caller", object)
_SITE: Final = _key("site", object)


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
    """Return what a template says to a caller; to a stranger, of whom there is no site, only what it is given."""
    shared, site = request.app[SHARED], request.get(_SITE)
    given = {"site": site, "blind": site and site.blind, "now": site.clock() if site else 0.0}
    caller: Caller | None = request.get(_CALLER)
    who = caller.name if caller else ""
    leaves = shared.sign_in is not None and by_form(request.headers, request.cookies)
    return shared.templates.get_template(template).render(
        shared=shared, links=shared.links, path=request.path, who=who, leaves=leaves, **given, **values
    )


def caller_of(request: web.Request) -> Caller:
    """Return who asks, as `access` has found."""
    caller: Caller = request[_CALLER]
    return caller


def key_of(request: web.Request) -> Key:
    """Return the namespace and name that stand in the address."""
    return Key(request.match_info["namespace"], request.match_info["name"])


def site_of(request: web.Request) -> Site:
    """Return what the person who asks sees."""
    site: Site = request[_SITE]
    return site


def note(request: web.Request, caller: Caller, site: Site | None) -> None:
    """Note whose request it is, for the functions above."""
    request[_CALLER] = caller
    if site is not None:
        request[_SITE] = site
