"""The commands, a module each, imported when one is used or told about.

A module has `command`, the function whose parameters are the options, whose docstring is the help, and which returns the exit code (None: 0);
and `EXAMPLES`, lines to paste. `LOCAL = True` says that it asks no API server, and so takes no `--namespace`, `--context`, `--kubeconfig`;
`SETTINGS` are further settings for typer. A command with commands of its own has `app` instead of `command`.
What a command does stands in a module beside this package, free of options.
"""

from __future__ import annotations

__all__ = ["COMMANDS"]

# Headings of `penstock --help`, and the commands below each, in their order.
COMMANDS: dict[str, tuple[str, ...]] = {
    "Runs": ("run", "run-file", "retry", "logs", "tasks", "result", "wait", "cancel", "pause", "resume", "suspend"),
    "Flows": ("build", "next"),
    "Any object": ("apply", "get", "describe", "delete"),
    "Where it runs": ("ui", "dev", "version", "completion", "operator"),
}
