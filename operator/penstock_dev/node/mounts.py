"""Paths of a container, as paths of this machine.

A container sees its volumes under `mountPath`; a local process sees the folders that hold them. `PathMap` knows both, and rewrites
every mention of a mounted path in a command, an argument or a variable (`$(VAR)` is expanded before). Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PathMap", "expand"]

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by the variable's value, as Kubernetes does in commands, arguments and variables.

    A name that is not known stays as it is written, and `$$(NAME)` stands for `$(NAME)` itself.
    """

    def one(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return variables.get(match[2], match[0])

    return _REFERENCE.sub(one, text)


@dataclass(frozen=True, slots=True)
class PathMap:
    """Mount paths and the folders or files behind them.

    Attributes:
        paths: absolute path in the container, without a slash at the end -> absolute path on this machine.
    """

    paths: Mapping[str, str]

    def host(self, path: str) -> str | None:
        """Return where a path of the container lies on this machine, or None when no mount holds it."""
        for mounted in sorted(self.paths, key=len, reverse=True):
            if path == mounted:
                return self.paths[mounted]
            if path.startswith(mounted + "/"):
                return self.paths[mounted] + path[len(mounted) :]
        return None

    def rewrite(self, text: str) -> str:
        """Return a text with every mounted path in it replaced.

        A mention counts when it begins like an absolute path (`/tmp`, `file:///tmp/x`, `a:/tmp`; not `/var/tmp`) and ends with the
        mount's last segment (`/tmp/x`, `/tmp`; not `/tmpfs`).
        """
        if not self.paths:
            return text
        # A path of this machine that is in the text already stays: a host's folder may well lie under `/tmp`, which is mounted too.
        known = {**{path: path for path in self.paths.values()}, **self.paths}
        alternatives = "|".join(re.escape(path) for path in sorted(known, key=len, reverse=True))
        pattern = rf"(?<![\w.\-])({alternatives})(?![\w.\-])"
        return re.sub(pattern, lambda match: known[match[1]], text)
