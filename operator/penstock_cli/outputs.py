"""`-o`: how a command prints objects: as a line, as JSON, YAML, a name, or what a jsonpath template makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from .errors import CliError
from .exits import Exit
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .jsonpath import Template

__all__ = ["Output", "output"]

Kind = Literal["", "json", "yaml", "name", "wide", "jsonpath"]


@dataclass(frozen=True, slots=True)
class Output:
    """What `-o` asks for.

    Attributes:
        kind: the format; empty: the command's own words.
        template: that of jsonpath.
    """

    kind: Kind = ""
    template: Template | None = None

    @property
    def document(self) -> bool:
        """Whether whole objects are printed, not a table or the command's words."""
        return self.kind in ("json", "yaml", "jsonpath")

    def text(self, document: Mapping[str, Any]) -> str:
        """Return an object or a list as text, without the newline at its end."""
        if self.template is not None:
            return self.template.render(document)
        if self.kind == "yaml":
            from .yamltext import as_yaml

            return as_yaml(document).rstrip("\n")
        from .render import as_json

        return as_json(document)

    def show(self, document: Mapping[str, Any]) -> None:
        """Print an object or a list; a template's text ends as it says, without a newline, as kubectl's does."""
        say(self.text(document), end="" if self.template is not None else "\n", flush=True)

    def told(self, kind: str, name: str, verb: str, document: Mapping[str, Any]) -> None:
        """Print what was done to one object.

        Args:
            kind: resource and group as kubectl shows them, `flowrun.penstock.dev`.
            name: its name.
            verb: what was done: created, ...
            document: the object as it is now.
        """
        if self.document:
            self.show(document)
        else:
            say(f"{kind}/{name}" + ("" if self.kind == "name" else f" {verb}"), flush=True)


def output(text: str, allowed: Sequence[str] = ("json", "yaml", "name", "jsonpath")) -> Output:
    """Read what `-o` was given.

    Raises:
        CliError: it is no format that this command has, or no template that can be read.
    """
    kind, equals, template = text.partition("=")
    if kind not in ("", *allowed) or (equals and kind != "jsonpath"):
        shown = ",".join("jsonpath=TEMPLATE" if each == "jsonpath" else each for each in sorted(allowed))
        raise CliError(
            f'error: unable to match a printer suitable for the output format "{text}", allowed formats are: {shown}',
            Exit.USAGE,
        )
    if kind != "jsonpath":
        return next(Output(each) for each in get_args(Kind) if each == kind)
    from .jsonpath import JsonPathError, parse

    if not template:
        raise CliError("error: jsonpath needs a template: -o jsonpath='{.status.state.type}'", Exit.USAGE)
    try:
        return Output("jsonpath", parse(template))
    except JsonPathError as error:
        raise CliError(f"error: the jsonpath template cannot be read: {error}", Exit.USAGE) from error
