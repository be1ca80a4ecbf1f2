"""Options and arguments that several commands share; those of every command that talks to an API server are `cluster_options`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .helping import PLAIN

__all__ = ["CLUSTER", "HELP", "Files", "Names", "OutputFormat", "Words", "cluster_options"]

HELP = {"help_option_names": ["-h", "--help"]}
# Where a context keeps what `cluster_options` were given.
CLUSTER = "penstock.cluster"

Names = Annotated[list[str], typer.Argument(help="FlowRuns: NAME or fr/NAME.", metavar="NAME...")]
Words = Annotated[list[str], typer.Argument(help="TYPE, TYPE NAME... or TYPE/NAME...", metavar="TYPE [NAME]...")]
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
        help="json, yaml, name (get: also wide) or jsonpath=TEMPLATE, as kubectl has it.",
    ),
]


def _keep(context: typer.Context, parameter: typer.CallbackParam, value: str | None) -> str | None:
    if value is not None:
        context.meta.setdefault(CLUSTER, {})[parameter.name] = value
    return value


def _cluster(
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            metavar="NAME",
            help="The namespace; default: the kubeconfig's.",
            expose_value=False,
            callback=_keep,
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            "--context", metavar="NAME", help="The kubeconfig's context to use.", expose_value=False, callback=_keep
        ),
    ] = None,
    kubeconfig: Annotated[
        str | None,
        typer.Option(
            "--kubeconfig",
            metavar="FILE",
            help="The kubeconfig; default: $KUBECONFIG, else ~/.kube/config.",
            expose_value=False,
            callback=_keep,
        ),
    ] = None,
) -> None:
    """Carry the options; never called."""


def cluster_options() -> list[Any]:
    """Return the options of every command that talks to an API server; what they were given is kept in the context's `meta`."""
    app = typer.Typer(**PLAIN)
    app.command(add_help_option=False)(_cluster)
    return list(typer.main.get_command(app).params)
