"""`penstock cancel`."""

from __future__ import annotations

import typer

from ..connection import connect
from ..options import Names

EXAMPLES = """
penstock cancel hello
penstock cancel fr/one fr/two
"""


def command(context: typer.Context, names: Names) -> None:
    """Ask runs to stop; their on_cancellation hooks run, pod and log stay."""
    from ..steering import cancel

    with connect(context) as api:
        cancel(api, names, api.namespace)
