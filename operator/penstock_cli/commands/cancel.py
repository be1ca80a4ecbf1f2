"""`penstock cancel`."""

from __future__ import annotations

import typer

from ..connection import connect
from ..options import Names, OutputFormat

EXAMPLES = """
penstock cancel hello
penstock cancel fr/one fr/two
"""


def command(context: typer.Context, names: Names, output: OutputFormat = "") -> int:
    """Ask runs to stop.

    Their on_cancellation hooks run; pod and log stay. It cannot be taken back.
    """
    from ..outputs import output as read_output
    from ..steering import cancel

    form = read_output(output)
    with connect(context) as api:
        return cancel(api, names, form)
