"""`penstock tasks`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..connection import connect
from ..errors import CliError
from ..exits import Exit
from ..options import OneRun, OutputFormat

EXAMPLES = """
penstock tasks hello
penstock tasks hello --watch
penstock tasks hello -o json
"""


def command(
    context: typer.Context,
    run: OneRun,
    attempt: Annotated[
        int | None, typer.Option("--attempt", min=1, metavar="N", help="Of this attempt; default: the last.")
    ] = None,
    limit: Annotated[
        int,
        typer.Option("--limit", min=0, metavar="N", help="Show so many, the failed and the longest first; 0: all."),
    ] = 50,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show changes until the run has ended.")] = False,
    output: OutputFormat = "",
) -> int:
    """Show the task runs of a run as a table and a timeline, subflows indented.

    They are read from the log of its pod, or from its end report when the pod is gone. -o name gives their addresses, as penstock result
    takes them, -o wide has them in the table. With --watch the exit code tells the outcome:
    0 Completed, 1 Failed or Crashed, 3 Cancelled.
    """
    from ..outputs import output as read_output
    from ..tasks import tasks
    from ..tasks import watch as watch_tasks

    form = read_output(output, ("json", "yaml", "name", "wide", "jsonpath"))
    if watch and (form.kind or attempt):
        raise CliError("error: --watch shows the table of the present attempt: without -o and --attempt", Exit.USAGE)
    with connect(context) as api:
        if watch:
            return watch_tasks(api, run, api.namespace, limit=limit)
        return tasks(api, run, api.namespace, form, attempt=attempt, limit=limit)
