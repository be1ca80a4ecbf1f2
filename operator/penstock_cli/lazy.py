"""The group of all commands, which imports a command's module only when that command is used or told about."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from .commands import COMMANDS
from .connection import CLUSTER
from .errors import OutputClosedError, writing
from .helping import PLAIN, HelpfulCommand
from .nearness import near
from .options import HELP, cluster_options

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Commands"]


class Commands(TyperGroup):
    """`penstock`: knows the commands' names, and loads one when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help."""
        return [name for names in COMMANDS.values() for name in names]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, made from its module; None if there is none of this name."""
        if cmd_name not in self.commands and cmd_name in self.list_commands(ctx):
            self.commands[cmd_name] = _load(cmd_name)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is meant; for a name that is none, the near ones are said."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(f"No such command {name!r}.{near(name, self.list_commands(ctx))}")
        found = super().resolve_command(ctx, args)
        self._refuse_unused(ctx, found[1])
        return found

    def _refuse_unused(self, ctx: Any, command: Any) -> None:
        """Refuse what stands before a command that does not take it: it would do nothing."""
        taken = {parameter.name for parameter in command.params}
        unused = [name for name in ctx.meta.get(CLUSTER, ()) if name not in taken]
        if unused:
            ctx.fail(f"{command.name!r} takes no --{unused[0]}.")

    def invoke(self, ctx: Any) -> Any:
        """Run the command; its output is out when it returns, or it is told that nobody reads it."""
        try:
            result = super().invoke(ctx)
            with writing():
                sys.stdout.flush()
        except BrokenPipeError as error:
            raise OutputClosedError from error
        return result

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands below their headings."""
        width = max(len(name) for name in self.list_commands(ctx))
        for heading, names in COMMANDS.items():
            with formatter.section(heading):
                loaded = {name: self.get_command(ctx, name) for name in names}
                limit = formatter.width - 6 - width
                formatter.write_dl(
                    [(f"{name:<{width}}", each.get_short_help_str(limit)) for name, each in loaded.items()]
                )


def _load(name: str) -> Any:
    module = import_module(f"penstock_cli.commands.{name.replace('-', '_')}")
    if hasattr(module, "app"):
        group: Any = typer.main.get_command(module.app)
        group.name, group.examples = name, module.EXAMPLES
        return group
    return _made(name, module)


def _made(name: str, module: ModuleType) -> Any:
    app = typer.Typer(**PLAIN)
    settings: dict[str, Any] = {"context_settings": HELP, **getattr(module, "SETTINGS", {})}
    app.command(name, cls=HelpfulCommand, **settings)(module.command)
    command: Any = typer.main.get_command(app)
    command.examples = module.EXAMPLES
    if not getattr(module, "LOCAL", False):
        command.params += cluster_options()
    return command
