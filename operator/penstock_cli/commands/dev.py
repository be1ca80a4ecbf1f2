"""`penstock dev`, and `penstock dev node`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import CliError
from ..helping import PLAIN, HelpfulGroup
from ..options import HELP

if TYPE_CHECKING:
    from types import ModuleType

EXAMPLES = """
penstock dev --apply examples/hello.yaml --exit-when-finished
penstock dev --ui
"""
app = typer.Typer(cls=HelpfulGroup, invoke_without_command=True, context_settings=HELP, **PLAIN)

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="Folder for kubeconfig, logs and, kept over a restart, objects.",
        file_okay=False,
    ),
]
MaxPods = Annotated[
    int | None,
    typer.Option("--max-pods", min=1, metavar="N", help="Pods that run at a time; default: 2 a CPU, at least 8."),
]


def _devrun() -> ModuleType:
    """Import what `penstock dev` needs, which the operator's image and `pip install penstock[operator]` do not bring."""
    # Some are imported when they are first used, which is in the middle of a start: looked for here.
    absent = next((name for name in ("cel", "jsonpatch") if find_spec(name) is None), None)
    if absent is None:
        try:
            from .. import devrun
        except ModuleNotFoundError as missing:
            absent = missing.name
        else:
            return devrun
    raise CliError(f"penstock dev needs more than is installed here ({absent} is missing): pip install 'penstock[dev]'")


@app.callback()
def _dev(
    context: typer.Context,
    port: Annotated[
        int,
        typer.Option(
            "--port", min=0, max=65535, metavar="PORT", help="Port of the API server on 127.0.0.1; 0: a free one."
        ),
    ] = 0,
    data: Data = None,
    apply: Annotated[
        list[str] | None,
        typer.Option("--apply", metavar="FILE", help="Apply this file and follow its FlowRuns; may be repeated."),
    ] = None,
    exit_when_finished: Annotated[
        bool,
        typer.Option(
            "--exit-when-finished", help="End when the applied runs have; exit code 0 if all are Completed, else 1."
        ),
    ] = False,
    max_pods: MaxPods = None,
    page: Annotated[bool, typer.Option("--ui", help="Serve a page of the runs too; its address is printed.")] = False,
) -> int:
    """Run a control plane on this machine.

    For development: an API server in memory, a node that runs pods as processes, the operator. It listens on loopback only.
    Use it with kubectl (it prints how), or with this command.
    """
    if context.invoked_subcommand is not None:
        return 0
    devrun = _devrun()
    folder = data or Path(".penstock")
    code: int = devrun.run(
        folder,
        port=port,
        keep=data is not None,
        files=apply or [],
        exit_when_finished=exit_when_finished,
        max_pods=max_pods,
        page=page,
    )
    return code


@app.command("node", context_settings=HELP)
def _node(
    data: Data = None,
    max_pods: MaxPods = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the Node object.")] = "penstock-dev",
) -> int:
    """Only the node: runs pods of the kubeconfig's API server as processes of this machine. For development."""
    code: int = _devrun().node(data or Path(".penstock/node"), max_pods=max_pods, name=name)
    return code
