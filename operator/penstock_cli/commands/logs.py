"""`penstock logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..connection import connect
from ..options import Names

EXAMPLES = """
penstock logs hello
penstock logs -f hello
"""


def command(
    context: typer.Context,
    name: Names,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run has ended, over all attempts.")
    ] = False,
    attempt: Annotated[int | None, typer.Option("--attempt", min=1, help="Of this attempt only.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The lines as the pod wrote them (JSON).")] = False,
) -> None:
    """Show the log of a run. What the pod wrote is passed on as it is, escape sequences included, as kubectl logs does."""
    from ..logs import logs

    with connect(context) as api:
        logs(api, name, api.namespace, follow_on=follow, attempt=attempt, raw=raw)
