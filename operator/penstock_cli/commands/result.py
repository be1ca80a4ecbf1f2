"""`penstock result`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..connection import connect
from ..options import OneRun

EXAMPLES = """
penstock result hello
penstock result etl-friday load
penstock result etl-friday 'load:0[3]'
"""


def command(
    context: typer.Context,
    run: OneRun,
    task: Annotated[
        str | None, typer.Argument(help="A task by its name, or a task run by its address.", metavar="TASK")
    ] = None,
) -> None:
    """Print what a run, or one of its tasks, returned, as JSON where it can be.

    A small result stands in the status. One in a bucket is read with your own credentials, as the engine reads it: by pickle, which
    runs code that the flow's author chose. For one on a volume the command is printed that reads it.
    """
    from ..results import result

    with connect(context) as api:
        result(api, run, api.namespace, task)
