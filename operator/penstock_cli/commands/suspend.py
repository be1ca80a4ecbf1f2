"""`penstock suspend`."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import completing
from ..connection import connect
from ..options import OutputFormat

EXAMPLES = """
penstock suspend fl/etl
penstock suspend etl-friday
"""


def command(
    context: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            help="Flows: fl/NAME. FlowRuns: NAME or fr/NAME.", metavar="NAME", autocompletion=completing.runs_and_flows
        ),
    ],
    output: OutputFormat = "",
) -> int:
    """Hold a Flow, or a run and give up its pod.

    A suspended Flow's schedules and changes start no runs; runs that are made by hand still run. `resume` takes either back.
    """
    from ..outputs import output as read_output
    from ..steering import suspend

    form = read_output(output)
    with connect(context) as api:
        return suspend(api, names, form)
