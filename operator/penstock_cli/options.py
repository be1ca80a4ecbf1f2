"""Options and arguments that several commands share; those of every command that talks to an API server are `cluster_options`.

They may stand before the command's name too, as kubectl's do.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import completing
from .connection import CLUSTER
from .helping import PLAIN

__all__ = [
    "HELP", "At", "Context", "DryRun", "Env", "Files", "FlowName", "GenerateName", "Kubeconfig", "Labels", "Names", "Namespace",
    "OneRun", "OutputFormat", "Parameters", "RunName", "Watch", "Words", "cluster_options",
]  # fmt: skip

HELP = {"help_option_names": ["-h", "--help"]}

FlowName = Annotated[
    str, typer.Argument(help="A Flow: NAME or fl/NAME.", metavar="FLOW", autocompletion=completing.flows)
]
OneRun = Annotated[
    str, typer.Argument(help="A FlowRun: NAME or fr/NAME.", metavar="RUN", autocompletion=completing.runs)
]
Names = Annotated[
    list[str], typer.Argument(help="FlowRuns: NAME or fr/NAME.", metavar="NAME", autocompletion=completing.runs)
]
Words = Annotated[
    list[str],
    typer.Argument(help="TYPE, TYPE NAME... or TYPE/NAME...", metavar="TYPE[/NAME]", autocompletion=completing.objects),
]
Files = Annotated[
    list[str] | None,
    typer.Option("--filename", "-f", metavar="FILE", help="A file, a folder, or - for standard input."),
]
OutputFormat = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FORMAT",
        help="json, yaml, name, wide (where there is a table) or jsonpath=TEMPLATE, as kubectl has it.",
    ),
]

Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        metavar="PARAMETER",
        help="key=value, key:=JSON or @FILE; may be repeated.",
        autocompletion=completing.parameters,
    ),
]
RunName = Annotated[str | None, typer.Option("--name", metavar="NAME", help="What to call the run; default: made up.")]
GenerateName = Annotated[
    str | None,
    typer.Option(
        "--generate-name", metavar="PREFIX", help="What a made-up name begins with; default: the flow's name."
    ),
]
At = Annotated[
    str | None, typer.Option("--at", metavar="TIME", help="Begin then: RFC 3339 (2026-11-21T06:00:00Z) or +10m.")
]
Labels = Annotated[
    list[str] | None, typer.Option("--label", "-l", metavar="KEY=VALUE", help="A label of the run; may be repeated.")
]
Env = Annotated[
    list[str] | None, typer.Option("--env", "-e", metavar="NAME=VALUE", help="A variable of its pods; may be repeated.")
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Follow states and log to the end.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Let the API server check it, and change nothing.")]


def _keep(context: typer.Context, parameter: typer.CallbackParam, value: str | None) -> str | None:
    if value is not None:
        context.meta.setdefault(CLUSTER, {})[parameter.name] = value
    return value


Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NAME",
        help="The namespace; default: the kubeconfig's.",
        expose_value=False,
        callback=_keep,
    ),
]
Context = Annotated[
    str | None,
    typer.Option(
        "--context", metavar="NAME", help="The kubeconfig's context to use.", expose_value=False, callback=_keep
    ),
]
Kubeconfig = Annotated[
    str | None,
    typer.Option(
        "--kubeconfig",
        metavar="FILE",
        help="The kubeconfig; default: $KUBECONFIG, a penstock dev in this folder, ~/.kube/config.",
        expose_value=False,
        callback=_keep,
    ),
]


def _cluster(namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None) -> None:
    """Carry the options; never called."""


def cluster_options() -> list[Any]:
    """Return the options of every command that talks to an API server; what they were given is kept in the context's `meta`."""
    app = typer.Typer(**PLAIN)
    app.command(add_help_option=False)(_cluster)
    return list(typer.main.get_command(app).params)
