"""`penstock describe`."""

from __future__ import annotations

import typer

from ..connection import connect, program
from ..options import Words

EXAMPLES = """
penstock describe flowrun hello
penstock describe fl/etl
"""


def command(context: typer.Context, words: Words) -> int:
    """Show objects in full, with the next step to take.

    Of a run: its state and why, the next step to take, what it asks and the command that answers, attempts, and the end of its log.
    """
    from ..describe import describe

    with connect(context) as api:
        return describe(api, words, api.namespace, program(context))
