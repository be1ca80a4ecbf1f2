"""`penstock describe`."""

from __future__ import annotations

import typer

from ..connection import connect
from ..options import Words

EXAMPLES = """
penstock describe flowrun hello
penstock describe fl/etl
"""


def command(context: typer.Context, words: Words) -> None:
    """Show objects in full, with their events."""
    from ..describe import describe

    with connect(context) as api:
        describe(api, words, api.namespace)
