"""`penstock completion`."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = """
source <(penstock completion bash)
penstock completion fish > penstock.fish
"""
LOCAL = True


def command(
    shell: Annotated[
        str, typer.Argument(help="bash, zsh or fish.", metavar="SHELL", autocompletion=lambda: ["bash", "zsh", "fish"])
    ],
) -> None:
    """Print a shell's completion script.

    It completes commands, options, and the names of runs, flows and parameters in the cluster. Each script says in its first
    lines where it goes. kubectl penstock is completed by kubectl's own completion, nothing is to do for it.
    """
    from ..errors import CliError
    from ..exits import Exit
    from ..nearness import near
    from ..shells import SCRIPTS
    from ..terminal import say

    if shell not in SCRIPTS:
        raise CliError(f"error: {shell!r} is none of bash, zsh, fish.{near(shell, SCRIPTS)}", Exit.USAGE)
    say(SCRIPTS[shell], end="")
