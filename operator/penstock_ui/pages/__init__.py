"""The pages, a module each: `add` puts its routes into the application. A page that people begin at has an entry in `LINKS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..site import Link
from . import flow, flows, groups, operator, run, runlog, runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

__all__ = ["LINKS", "ROUTES"]

LINKS: Final = (
    Link("Runs", "/runs"),
    Link("Flows", "/flows"),
    Link("Groups", "/groups"),
    Link("Operator", "/operator"),
)
ROUTES: Final[tuple[Callable[[web.Application], None], ...]] = (
    runs.add, run.add, runlog.add, flows.add, flow.add, groups.add, operator.add,
)  # fmt: skip
