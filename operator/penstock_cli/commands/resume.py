"""`penstock resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import completing
from ..connection import connect, program
from ..options import OutputFormat

EXAMPLES = """
penstock resume etl-friday
penstock resume approval approve=true note='looks good'
penstock resume fl/etl
"""


def command(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="A FlowRun: NAME or fr/NAME. A Flow: fl/NAME.",
            metavar="NAME",
            autocompletion=completing.runs_and_flows,
        ),
    ],
    answer: Annotated[
        list[str] | None, typer.Argument(help="The answer: key=value, key:=JSON or @FILE.", metavar="KEY=VALUE")
    ] = None,
    output: OutputFormat = "",
) -> int:
    """Let what was paused or suspended go on.

    A run takes the answer that it waits for; a Flow starts runs by itself again. The answer is typed and checked by what the
    run asks; what is missing is told with the question.
    """
    from ..outputs import output as read_output
    from ..steering import resume

    form = read_output(output)
    with connect(context) as api:
        return resume(api, name, answer or [], form, program(context))
