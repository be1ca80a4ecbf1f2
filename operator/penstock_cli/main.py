"""The command line: options, help, and how errors end a command. What a command does lives in its own module, imported when it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock_operator.api.paths import NotANameError

from .errors import CliError
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from .api import Api

__all__ = ["app", "main", "run"]

_HELP = {"help_option_names": ["-h", "--help"]}
_INTERRUPTED = 130
# Newer versions of typer bring click along under a name of their own; its public classes lead there in all of them.
_UsageError: Any = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="penstock",
    help="Flows as Kubernetes resources, in Python.",
    epilog="apply, get, describe, logs, wait, delete take kubectl's words; resources: flowruns (fr), flows (fl), pods, ...",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=_HELP,
)
dev_app = typer.Typer(invoke_without_command=True, context_settings=_HELP)
app.add_typer(dev_app, name="dev", help="A control plane on this machine, for development: no Docker, no cluster.")

Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="The namespace; default: the kubeconfig's.")]
Names = Annotated[list[str], typer.Argument(help="FlowRuns: NAME or fr/NAME.", metavar="NAME...")]
Words = Annotated[list[str], typer.Argument(help="TYPE, TYPE NAME... or TYPE/NAME...", metavar="TYPE [NAME]...")]
Files = Annotated[list[str] | None, typer.Option("--filename", "-f", help="A file, a folder, or - for standard input.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder for kubeconfig, logs and, kept over a restart, objects.", file_okay=False),
]
MaxPods = Annotated[
    int | None, typer.Option("--max-pods", min=1, help="Pods that run at a time; default: 2 a CPU, at least 8.")
]


@contextmanager
def _api() -> Iterator[Api]:
    import os
    import time

    from penstock_operator.runtime import credentials
    from penstock_operator.runtime.errors import NoClusterError

    from .api import Api

    try:
        found = credentials.load(os.environ, clock=time.monotonic)
    except NoClusterError as error:
        hint = "" if "kubeconfig" in str(error).lower() else " (no usable kubeconfig)"
        raise CliError(f"error: {error}{hint}") from error
    with Api(found) as api:
        yield api


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"penstock {version('penstock')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Flows as Kubernetes resources, in Python."""


def _devrun() -> ModuleType:
    """Import what `penstock dev` needs, which the operator's image and `pip install penstock[operator]` do not bring."""
    try:
        from . import devrun
    except ModuleNotFoundError as missing:
        raise CliError(
            f"penstock dev needs more than is installed here ({missing.name} is missing): pip install 'penstock[dev]'"
        ) from None
    return devrun


@dev_app.callback()
def _dev(
    context: typer.Context,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of the API server on 127.0.0.1; 0: a free one.")
    ] = 0,
    data: Data = None,
    apply: Annotated[
        list[str] | None, typer.Option("--apply", help="Apply this file and follow its FlowRuns; may be repeated.")
    ] = None,
    exit_when_finished: Annotated[
        bool,
        typer.Option(
            "--exit-when-finished", help="End when the applied runs have; exit code 0 if all are Completed, else 1."
        ),
    ] = False,
    max_pods: MaxPods = None,
) -> int:
    """A control plane on this machine, for development: an API server in memory, a node that runs pods as processes, the operator.

    It listens on loopback only. Use it with kubectl (it prints how), or with this command.
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
    )
    return code


@dev_app.command("node", context_settings=_HELP)
def _node(
    data: Data = None,
    max_pods: MaxPods = None,
    name: Annotated[str, typer.Option("--name", help="Name of the Node object.")] = "penstock-dev",
) -> int:
    """Only the node: runs pods of the kubeconfig's API server as processes of this machine. For development."""
    code: int = _devrun().node(data or Path(".penstock/node"), max_pods=max_pods, name=name)
    return code


@app.command(
    "operator",
    context_settings={**_HELP, "allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def _operator(context: typer.Context) -> int:
    """Run the operator (all options of `python -m penstock_operator`: penstock operator --help)."""
    from penstock_operator.__main__ import main as operator

    return operator(context.args)


@app.command("apply", context_settings=_HELP)
def _apply(files: Files = None, namespace: Namespace = None) -> None:
    """Create or change what manifests describe."""
    if not files:
        raise CliError("error: must specify -f FILE")
    from . import commands

    with _api() as api:
        commands.apply(api, files, namespace)


@app.command("get", context_settings=_HELP)
def _get(
    words: Words,
    namespace: Namespace = None,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
    output: Annotated[str, typer.Option("--output", "-o", help="wide, yaml, json or name.")] = "",
    selector: Annotated[str, typer.Option("--selector", "-l", help="A label selector.")] = "",
    fields: Annotated[str, typer.Option("--field-selector", help="A field selector: status.state.type=Running.")] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show changes as they come.")] = False,
) -> int:
    """Show objects in a table, or as YAML, JSON or names."""
    if output not in ("", "wide", "yaml", "json", "name"):
        raise CliError(
            f'error: unable to match a printer suitable for the output format "{output}", allowed formats are: json,name,wide,yaml'
        )
    from . import commands

    with _api() as api:
        return commands.get(
            api,
            words,
            namespace=namespace or api.namespace,
            everywhere=everywhere,
            output=output,
            selectors={"labelSelector": selector, "fieldSelector": fields},
            watch=watch,
        )


@app.command("describe", context_settings=_HELP)
def _describe(words: Words, namespace: Namespace = None) -> None:
    """Show objects in full, with their events."""
    from .describe import describe

    with _api() as api:
        describe(api, words, namespace or api.namespace)


@app.command("logs", context_settings=_HELP)
def _logs(
    name: Names,
    namespace: Namespace = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run has ended, over all attempts.")
    ] = False,
    attempt: Annotated[int | None, typer.Option("--attempt", min=1, help="Of this attempt only.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The lines as the pod wrote them (JSON).")] = False,
) -> None:
    """Show the log of a run. What the pod wrote is passed on as it is, escape sequences included, as kubectl logs does."""
    from . import commands

    with _api() as api:
        commands.logs(api, name, namespace or api.namespace, follow_on=follow, attempt=attempt, raw=raw)


@app.command("cancel", context_settings=_HELP)
def _cancel(names: Names, namespace: Namespace = None) -> None:
    """Ask runs to stop; their on_cancellation hooks run, pod and log stay."""
    from . import commands

    with _api() as api:
        commands.cancel(api, names, namespace or api.namespace)


@app.command("wait", context_settings=_HELP)
def _wait(
    names: Names,
    namespace: Namespace = None,
    condition: Annotated[
        str | None, typer.Option("--for", help="condition=NAME[=STATUS] or delete; default: the run's end.")
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", help="How long: 30s, 5m, 1h30m.")] = "30s",
) -> int:
    """Wait for runs; without --for the exit code is 0 if all are Completed, 1 if one ended otherwise."""
    from . import commands

    with _api() as api:
        return commands.wait(
            api, names, namespace or api.namespace, condition=condition, timeout=commands.seconds(timeout)
        )


@app.command("delete", context_settings=_HELP)
def _delete(
    words: Annotated[
        list[str] | None, typer.Argument(help="TYPE NAME... or TYPE/NAME...", metavar="[TYPE NAME...]")
    ] = None,
    files: Files = None,
    namespace: Namespace = None,
    missing_ok: Annotated[bool, typer.Option("--ignore-not-found", help="It is no error if there is none.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Return when they are gone.")] = True,
) -> None:
    """Delete objects; a running flow gets SIGTERM."""
    from . import commands

    with _api() as api:
        commands.delete(api, words or [], files or [], namespace or api.namespace, missing_ok=missing_ok, wait_for=wait)


def main(arguments: Sequence[str]) -> int:
    """Run a command line and return the exit code; errors are one line on standard error."""
    try:
        code = app(args=list(arguments), prog_name="penstock", standalone_mode=False)
    except CliError as error:
        say(error, error=True)
        return error.code
    except NotANameError as error:
        say(f"error: {error}", error=True)
        return 1
    except _UsageError as error:
        error.show()
        return 2
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`); Python would complain when it flushes at the end.
        sys.stdout = None
        return 0
    return code if isinstance(code, int) else 0


def run() -> None:
    """Run the process's command line: the entry point of `penstock`."""
    sys.exit(main(sys.argv[1:]))
