"""`penstock operator`."""

from __future__ import annotations

import typer

from ..options import HELP

EXAMPLES = """
penstock operator --help
"""
LOCAL = True
# All that follows is for the operator's own reader of options, --help too.
SETTINGS = {
    "context_settings": {**HELP, "allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    "add_help_option": False,
}


def command(context: typer.Context) -> int:
    """Run the operator.

    It takes all options of `python -m penstock_operator`.
    """
    from penstock_operator.__main__ import main as operator

    return operator(context.args)
