"""`penstock get`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..connection import connect
from ..errors import CliError
from ..options import Words

EXAMPLES = """
penstock get flowruns
penstock get fr,fl -o wide
penstock get fr -l penstock.dev/flow=etl --watch
"""


def command(
    context: typer.Context,
    words: Words,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FORMAT", help="wide, yaml, json or name.")] = "",
    selector: Annotated[str, typer.Option("--selector", "-l", metavar="LABELS", help="A label selector.")] = "",
    fields: Annotated[str, typer.Option("--field-selector", metavar="FIELDS", help="status.state.type=Running.")] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show changes as they come.")] = False,
) -> int:
    """Show objects in a table, or as YAML, JSON or names."""
    if output not in ("", "wide", "yaml", "json", "name"):
        raise CliError(
            f'error: unable to match a printer suitable for the output format "{output}", allowed formats are: json,name,wide,yaml'
        )
    from ..getting import get

    with connect(context) as api:
        return get(
            api,
            words,
            namespace=api.namespace,
            everywhere=everywhere,
            output=output,
            selectors={"labelSelector": selector, "fieldSelector": fields},
            watch=watch,
        )
