"""Manifests as YAML for people and for Git: texts of several lines as blocks, the same bytes for the same values.

Any reader gives back exactly what went in, kubectl's and PyYAML's alike: what either could take for a number, a date, a boolean or
null is quoted, and a text that a block cannot hold (CRLF, control characters, line breaks of Unicode) stands in quotes with escapes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from .terminal import unsafe

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["dump"]

# Words that no reader takes for anything but text: letters first, and none of YAML 1.1's constants.
_PLAIN = re.compile(r"[A-Za-z_/](?:[A-Za-z0-9_./@,;()=+*'-]|:(?=[A-Za-z0-9_/])| (?=[A-Za-z0-9_./@,;()=+*'-]))*\Z")
_CONSTANTS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
# What no block holds: PyYAML escapes them in quotes.
_UNPRINTABLE = re.compile("[\ufeff\ufffe\uffff]")


class _Dumper(yaml.SafeDumper):
    """Never folds a line, and decides about blocks itself: PyYAML has none for texts with tabs or blanks at the ends of lines."""

    def analyze_scalar(self, scalar: str) -> Any:
        analysis = super().analyze_scalar(scalar)
        if _is_block(scalar):
            analysis.allow_block = True
            analysis.multiline = True
        return analysis

    def determine_block_hints(self, text: str) -> str:
        """Say the indentation of a block that begins with a blank, a tab or an empty line: it cannot be told from that line."""
        hints: str = super().determine_block_hints(text)
        return f"{self.best_indent}{hints}" if text.startswith("\t") else hints

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """Escape whatever a terminal would act on, and with it everything beyond ASCII in that text."""
        self.allow_unicode = not unsafe(text)
        super().write_double_quoted(text, split)
        self.allow_unicode = True

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _is_block(text: str) -> bool:
    """Whether a text goes into a block: it has lines, the last one has an end or a letter, and nothing that a reader would change."""
    if "\n" not in text or not text.strip() or unsafe(text) or _UNPRINTABLE.search(text):
        return False
    last = text.rpartition("\n")[2]
    return not last or bool(last.strip())


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    if _is_block(text):
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
    plain = _PLAIN.match(text) and text.lower() not in _CONSTANTS
    style = None if plain else ('"' if not text.isprintable() or "'" in text or "\\" in text else "'")
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _number(dumper: yaml.SafeDumper, number: float) -> yaml.ScalarNode:
    """A number as JSON has it, which YAML's readers agree about."""
    text = repr(number)
    mantissa, exponent, power = text.partition("e")
    return dumper.represent_scalar(
        "tag:yaml.org,2002:float", (mantissa if "." in mantissa else f"{mantissa}.0") + exponent + power
    )


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _number)


def dump(documents: Iterable[Any], comment: str) -> str:
    """Write documents, after a line of comment.

    Args:
        documents: values of JSON, in the order in which their keys are to stand.
        comment: one line for people.
    """
    parts = [
        yaml.dump(
            each, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"), default_flow_style=False
        )
        for each in documents
    ]
    return f"# {comment}\n" + "---\n".join(parts)
