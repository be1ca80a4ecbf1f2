"""The command line as a whole, and how errors end a command. The commands are modules of `commands`, each imported when it is used."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

try:
    import typer
except ModuleNotFoundError as _missing:
    sys.exit(f"penstock: the command needs more than the engine ({_missing}). Try: pip install 'penstock[operator]'")

from penstock_operator.api.paths import NotANameError

from .errors import CliError, OutputClosedError, OutputLostError
from .exits import Exit
from .helping import PLAIN
from .interrupts import keep_interrupts
from .lazy import Commands
from .options import HELP, Context, Kubeconfig, Namespace
from .terminal import have_streams, say

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["app", "main", "run"]

# Newer versions of typer bring click along under a name of their own; its public classes lead there in all of them.
_UsageError: Any = typer.BadParameter.__bases__[0]

_COMPLETE = "__complete"  # what the shells' scripts ask, see `completing`

app = typer.Typer(
    name="penstock",
    cls=Commands,
    help="Flows as Kubernetes resources, in Python.",
    epilog="Exit codes: 0 done or Completed, 1 Failed or Crashed, 2 usage, 3 Cancelled, 4 not found, 124 timed out, 130 Ctrl-C (docs/commands.md).",
    no_args_is_help=True,
    context_settings=HELP,
    **PLAIN,
)


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
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Flows as Kubernetes resources, in Python."""


def main(arguments: Sequence[str], *, name: str = "penstock") -> int:
    """Run a command line and return the exit code; errors are one line on standard error.

    Args:
        arguments: those behind the program's name.
        name: what the program is called in usage lines and examples.
    """
    if list(arguments[:1]) == [_COMPLETE]:
        from .completing import complete

        complete(app, arguments[1:])
        return Exit.OK
    try:
        code = app(args=list(arguments), prog_name=name, standalone_mode=False)
    except CliError as error:
        say(error, error=True)
        if isinstance(error, OutputLostError):
            # Python would try, and complain, once more at the end.
            sys.stdout = None
        return error.code
    except NotANameError as error:
        say(f"error: {error}", error=True)
        return Exit.FAILED
    except _UsageError as error:
        error.show()
        return Exit.USAGE
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except OutputClosedError:
        # Python would complain when it flushes at the end.
        sys.stdout = None
        return Exit.CLOSED
    return code if isinstance(code, int) else 0


def run() -> None:
    """Run the process's command line: the entry point of `penstock`."""
    have_streams()
    keep_interrupts()
    sys.exit(main(sys.argv[1:]))


def run_kubectl() -> None:
    """Run the process's command line as kubectl's plugin: the entry point of `kubectl-penstock`, which `kubectl penstock` calls."""
    have_streams()
    keep_interrupts()
    sys.exit(main(sys.argv[1:], name="kubectl penstock"))


def complete_kubectl() -> None:
    """Complete a command line of `kubectl penstock`: the entry point of `kubectl_complete-penstock`, which kubectl calls."""
    have_streams()
    sys.exit(main([_COMPLETE, *sys.argv[1:]]))
