"""`penstock pause`."""

from __future__ import annotations

import typer

from ..connection import connect
from ..options import Names, OutputFormat

EXAMPLES = """
penstock pause etl-friday
penstock pause fr/etl-friday -o name
"""


def command(context: typer.Context, names: Names, output: OutputFormat = "") -> int:
    """Ask runs to hold between two steps.

    Their pods stay. `resume` lets them go on; `suspend` gives the pods up too.
    """
    from ..outputs import output as read_output
    from ..steering import pause

    form = read_output(output)
    with connect(context) as api:
        return pause(api, names, form)
