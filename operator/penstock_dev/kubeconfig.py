"""Writes the kubeconfig that `penstock dev` hands out; `penstock_operator.runtime.credentials` reads them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["write_kubeconfig"]


def write_kubeconfig(path: Path, document: Mapping[str, Any]) -> None:
    """Write a kubeconfig (as JSON, which is YAML) that only its owner can read; a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
    draft.replace(path)
