"""`penstock run`."""

from __future__ import annotations

import typer

from ..connection import connect, program
from ..options import At, DryRun, Env, FlowName, GenerateName, Labels, OutputFormat, Parameters, RunName, Watch

EXAMPLES = """
penstock run etl
penstock run etl -p day=2026-11-21 -p rows=5 -p 'shops:=["north", "south"]' --watch
penstock run etl -p @parameters.yaml --name etl-friday --at +10m
penstock run etl -p rows=5 --dry-run -o yaml
"""


def command(
    context: typer.Context,
    flow: FlowName,
    parameters: Parameters = None,
    name: RunName = None,
    generate_name: GenerateName = None,
    at: At = None,
    labels: Labels = None,
    env: Env = None,
    watch: Watch = False,
    dry_run: DryRun = False,
    output: OutputFormat = "",
) -> int:
    """Start a run of a Flow.

    -p n=5 is a number where the Flow's parametersSchema says so, and a text where it says text or nothing; -p n:=5 is JSON in any case,
    -p @FILE takes parameters from YAML or JSON. What the schema does not allow is refused before anything is made.
    With --watch the exit code is that of the run: 0 Completed, 1 Failed or Crashed, 3 Cancelled.
    """
    from ..creating import Wish
    from ..outputs import output as read_output
    from ..starting import Options, run

    options = Options(parameters or (), name, generate_name, at, labels or (), env or ())
    wish = Wish(read_output(output), dry_run, watch, program(context))
    with connect(context) as api:
        return run(api, flow, options, wish)
