"""Commands of containers as they are run on this machine. Neighbours: containers and their probes start by it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["host_command"]

_PYTHON = re.compile(r"^python(3(\.\d+)?)?$")


def host_command(command: Sequence[str]) -> list[str]:
    """Return the command with this interpreter in the place of the image's `python`."""
    first = Path(command[0])
    absolute = first.is_absolute() and first.exists()
    return [sys.executable if _PYTHON.match(first.name) and not absolute else command[0], *command[1:]]
