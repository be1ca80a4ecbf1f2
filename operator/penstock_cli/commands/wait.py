"""`penstock wait`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..connection import connect
from ..options import Names, OutputFormat

EXAMPLES = """
penstock wait hello
penstock wait one two --timeout 10m
penstock wait hello --for condition=Finished --timeout 1h
"""


def command(
    context: typer.Context,
    names: Names,
    condition: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="CONDITION",
            help="condition=NAME[=STATUS], jsonpath={PATH}=VALUE or delete; default: the run's end.",
        ),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="TIME", help="30s, 5m, 1h30m; default: 30s with --for, else no limit."),
    ] = None,
    output: OutputFormat = "",
) -> int:
    """Wait for the end of runs.

    With --for they are waited for as kubectl does. Without it the exit code tells the outcome: 0 all are Completed, 1 one
    Failed or Crashed, 3 one was Cancelled; in any case
    4 one does not exist, 124 the time was over.
    """
    from ..moments import seconds
    from ..outputs import output as read_output
    from ..waiting import wait

    limit = None if timeout is None else seconds(timeout)
    form = read_output(output)
    with connect(context) as api:
        return wait(api, names, form, condition=condition, timeout=limit)
