"""`penstock retry`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..connection import connect, program
from ..options import DryRun, OneRun, OutputFormat, RunName, Watch

EXAMPLES = """
penstock retry etl-friday
penstock retry etl-friday --all --watch
"""


def command(
    context: typer.Context,
    run: OneRun,
    everything: Annotated[bool, typer.Option("--all", help="From the start, not from the point of failure.")] = False,
    name: RunName = None,
    watch: Watch = False,
    dry_run: DryRun = False,
    output: OutputFormat = "",
) -> int:
    """Repeat a run, from where it failed.

    A new run is made, NAME-2 or the next that is free, with what the other was made of. Tasks that were done are not done again
    where their results are stored (results.persist, persist_result).
    """
    from ..creating import Wish
    from ..kinds import run_name
    from ..outputs import output as read_output
    from ..retrying import retry

    wish = Wish(read_output(output), dry_run, watch, program(context))
    with connect(context) as api:
        return retry(api, run_name(run), wish, everything=everything, new_name=name)
