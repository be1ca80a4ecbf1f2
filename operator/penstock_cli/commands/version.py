"""`penstock version`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from ..connection import connect
from ..options import OutputFormat

EXAMPLES = """
penstock version
penstock version --client -o json
"""


def command(
    context: typer.Context,
    client: Annotated[bool, typer.Option("--client", help="Only of this program; no cluster is asked.")] = False,
    output: OutputFormat = "",
) -> None:
    """Show what runs here and in the cluster.

    The versions of this program, the cluster, its operator and its engine image, with a warning of what does not fit together.
    """
    from ..outputs import output as read_output
    from ..versions import show

    show(None if client else partial(connect, context), read_output(output, ("json", "yaml", "name", "jsonpath")))
