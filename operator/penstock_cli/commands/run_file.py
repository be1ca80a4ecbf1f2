"""`penstock run-file`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..connection import connect, program
from ..options import At, DryRun, Env, GenerateName, Labels, OutputFormat, Parameters, RunName, Watch

EXAMPLES = """
penstock run-file etl.py:etl --watch
penstock run-file etl.py:etl -p rows=5 --name trial
"""


def command(
    context: typer.Context,
    place: Annotated[str, typer.Argument(help="The flow: FILE.py:FLOW.", metavar="FILE.py:FLOW")],
    parameters: Parameters = None,
    name: RunName = None,
    generate_name: GenerateName = None,
    at: At = None,
    labels: Labels = None,
    env: Env = None,
    watch: Watch = False,
    dry_run: DryRun = False,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long importing the file may take.")
    ] = 60.0,
    output: OutputFormat = "",
) -> int:
    """Run a flow from a file of this machine.

    Without a Flow in the cluster: the run brings the file along, and what it imports from its folder. -p is typed by the flow's signature.
    On a cluster the engine's image has to have the packages that the file imports; penstock dev has those of this environment.
    """
    from ..creating import Wish
    from ..outputs import output as read_output
    from ..runfile import run_file
    from ..starting import Options

    options = Options(parameters or (), name, generate_name, at, labels or (), env or ())
    wish = Wish(read_output(output), dry_run, watch, program(context))
    with connect(context) as api:
        return run_file(api, place, options, wish, timeout=timeout)
