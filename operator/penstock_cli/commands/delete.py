"""`penstock delete`."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import completing
from ..connection import connect
from ..options import Files, OutputFormat

EXAMPLES = """
penstock delete fr hello
penstock delete -f flow.yaml
"""


def command(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(help="TYPE NAME... or TYPE/NAME...", metavar="TYPE[/NAME]", autocompletion=completing.objects),
    ] = None,
    files: Files = None,
    missing_ok: Annotated[bool, typer.Option("--ignore-not-found", help="It is no error if there is none.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Return when they are gone.")] = True,
    output: OutputFormat = "",
) -> None:
    """Delete objects.

    A running flow gets SIGTERM. With -o as json, yaml or jsonpath they are printed as they were.
    """
    from ..deleting import delete
    from ..outputs import output as read_output

    form = read_output(output)
    with connect(context) as api:
        delete(api, words or [], files or [], api.namespace, form, missing_ok=missing_ok, wait_for=wait)
