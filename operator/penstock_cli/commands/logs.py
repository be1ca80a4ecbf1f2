"""`penstock logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..connection import connect
from ..options import OneRun

EXAMPLES = """
penstock logs hello
penstock logs hello --follow
penstock logs hello --attempt 1 --json
"""


def command(
    context: typer.Context,
    run: OneRun,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run has ended, over all attempts.")
    ] = False,
    attempt: Annotated[int | None, typer.Option("--attempt", min=1, metavar="N", help="Of this attempt only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="An object a line, for programs; prints too.")] = False,
) -> int:
    """Show the log of a run, from its first attempt to its last, and what the run is.

    What the pod wrote is passed on as it is, escape sequences included, as kubectl logs does. With --follow the exit code tells the
    outcome: 0 Completed, 1 Failed or Crashed, 3 Cancelled.
    """
    from ..logs import logs

    with connect(context) as api:
        return logs(api, run, api.namespace, follow_on=follow, attempt=attempt, as_json=as_json)
