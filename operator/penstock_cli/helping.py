"""What `--help` looks like: plain text that can be pasted, the examples before the options as kubectl has them."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

__all__ = ["PLAIN", "HelpfulCommand", "HelpfulGroup"]

# Settings of every `Typer`: no boxes and no wrapped examples, no tracebacks of its own, and nothing to load for either.
PLAIN: dict[str, Any] = {"rich_markup_mode": None, "add_completion": False, "pretty_exceptions_enable": False}
_OWN_NAME = "penstock "


def _write_examples(examples: str, ctx: Any, formatter: Any) -> None:
    """Write lines as they are to be pasted: under the name that the program was called by."""
    called = f"{ctx.find_root().info_name} "
    with formatter.section("Examples"):
        for example in examples.strip().splitlines():
            text = called + example.removeprefix(_OWN_NAME) if example.startswith(_OWN_NAME) else example
            formatter.write(f"{'':>{formatter.current_indent}}{text}\n")


class HelpfulCommand(TyperCommand):
    """A command with examples."""

    examples = ""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write description and examples."""
        super().format_help_text(ctx, formatter)
        _write_examples(self.examples, ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line; an argument stands as it is called, without the braces that some versions add."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]


class HelpfulGroup(TyperGroup):
    """A command with commands of its own, and examples."""

    examples = ""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write description and examples."""
        super().format_help_text(ctx, formatter)
        _write_examples(self.examples, ctx, formatter)
