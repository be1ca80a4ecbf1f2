"""`penstock wait`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..connection import connect
from ..options import Names

EXAMPLES = """
penstock wait hello
penstock wait one two --timeout 10m
penstock wait hello --for condition=Finished
"""


def command(
    context: typer.Context,
    names: Names,
    condition: Annotated[
        str | None, typer.Option("--for", help="condition=NAME[=STATUS] or delete; default: the run's end.")
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", help="How long: 30s, 5m, 1h30m.")] = "30s",
) -> int:
    """Wait for runs; without --for the exit code is 0 if all are Completed, 1 if one ended otherwise."""
    from ..waiting import seconds, wait

    with connect(context) as api:
        return wait(api, names, api.namespace, condition=condition, timeout=seconds(timeout))
