"""`penstock get`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..connection import connect
from ..options import OutputFormat, Words

EXAMPLES = """
penstock get flowruns
penstock get fr,fl -o wide
penstock get fr hello -o jsonpath='{.status.result.json}'
penstock get fr --field-selector status.state.type=Running --watch
"""


def command(
    context: typer.Context,
    words: Words,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
    output: OutputFormat = "",
    selector: Annotated[str, typer.Option("--selector", "-l", metavar="LABELS", help="A label selector.")] = "",
    fields: Annotated[str, typer.Option("--field-selector", metavar="FIELDS", help="status.state.type=Running.")] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show changes as they come.")] = False,
) -> int:
    """Show objects in a table, or as documents.

    With -o as json, yaml, name, wide, or what a jsonpath template makes of them; with --watch also what changes, until Ctrl-C.
    """
    from ..outputs import output as read_output

    form = read_output(output, ("json", "yaml", "name", "wide", "jsonpath"))
    from ..getting import get

    with connect(context) as api:
        return get(
            api,
            words,
            namespace=api.namespace,
            everywhere=everywhere,
            output=form,
            selectors={"labelSelector": selector, "fieldSelector": fields},
            watch=watch,
        )
