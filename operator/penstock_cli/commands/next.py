"""`penstock next`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..connection import connect, program
from ..options import FlowName, OutputFormat

EXAMPLES = """
penstock next etl
penstock next fl/etl --count 3 -o json
"""


def command(
    context: typer.Context,
    flow: FlowName,
    count: Annotated[int, typer.Option("--count", "-c", min=1, max=1000, metavar="N", help="How many times.")] = 10,
    output: OutputFormat = "",
) -> int:
    """Show when a Flow's schedules start runs.

    In each schedule's time zone, and in that of this machine. The times are computed here, by the rule that the operator
    has. A schedule that is wrong is told, with exit code 1. -o name gives the names of the runs that will be made, -o wide has them in the table.
    """
    from ..nexttimes import show
    from ..outputs import output as read_output

    form = read_output(output, ("json", "yaml", "name", "wide", "jsonpath"))
    with connect(context) as api:
        return show(api, flow, count, form, program(context))
