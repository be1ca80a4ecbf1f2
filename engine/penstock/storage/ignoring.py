"""Patterns of files that are left out of a copy, as git reads them. Neighbours: `filesystems` copies directories."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Ignored:
    """Tells what the patterns leave out of a directory.

    Args:
        base: the directory that is copied.
        lines: one pattern each; `#` begins a comment, `!` takes back, `/` at the end means directories alone, and one
            before it ties the pattern to the base. The last that fits decides.
    """

    def __init__(self, base: Path, lines: Iterable[str]) -> None:
        self._base = base
        self._rules = [_rule(line.rstrip()) for line in lines if line.strip() and not line.startswith("#")]

    def among(self, folder: str, names: Iterable[str]) -> list[str]:
        """The names in a folder that are left out; the form of `shutil.copytree`."""
        return [name for name in names if self._out(Path(folder) / name)]

    def _out(self, path: Path) -> bool:
        relative = path.relative_to(self._base).as_posix()
        out = False
        for pattern, back, folders in self._rules:
            if pattern.fullmatch(relative) and (not folders or path.is_dir()):
                out = not back
        return out


def _rule(line: str) -> tuple[re.Pattern[str], bool, bool]:
    back = line.startswith("!")
    body = line[1:] if back else line
    folders = body.endswith("/")
    body = body.rstrip("/")
    anchored = "/" in body
    return re.compile(("" if anchored else "(?:.*/)?") + _expression(body.lstrip("/"))), back, folders


def _expression(glob: str) -> str:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}

    def one(found: re.Match[str]) -> str:
        token = found.group()
        if token.startswith("[") and len(token) > 1:
            return "[^" + token[2:] if token[1] in "!^" else token
        return parts.get(token) or re.escape(token.removeprefix("\\") or token)

    return re.sub(r"\*\*/|\*\*|\*|\?|\[[!^]?[^\]]+\]|\\.|.", one, glob)
