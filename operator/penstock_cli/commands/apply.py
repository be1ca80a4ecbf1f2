"""`penstock apply`."""

from __future__ import annotations

import typer

from ..connection import asked_namespace, connect
from ..errors import CliError
from ..exits import Exit
from ..options import DryRun, Files, OutputFormat

EXAMPLES = """
penstock apply -f flow.yaml
penstock apply -f manifests/ -f more.yaml
penstock apply -f flow.yaml --dry-run
"""


def command(context: typer.Context, files: Files = None, dry_run: DryRun = False, output: OutputFormat = "") -> None:
    """Create or change what manifests describe."""
    if not files:
        raise CliError("error: must specify -f FILE", Exit.USAGE)
    from ..applying import apply
    from ..manifests import read
    from ..outputs import output as read_output

    form = read_output(output)
    with connect(context) as api:
        for applied in apply(api, read(files), asked_namespace(context), dry_run=dry_run):
            form.told(*applied.told)
