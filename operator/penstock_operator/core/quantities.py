"""Quantities as Kubernetes writes them (`500m`, `1Gi`, `2e3`), as exact numbers. Rule: apimachinery's `resource.Quantity`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_QUANTITY = re.compile(r"^([+-]?[0-9]*\.?[0-9]+|[+-]?[0-9]+\.)(?:([eE][+-]?[0-9]{1,3})|([numkMGTPE]|[KMGTPE]i))?$")
_SUFFIXES: Final = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9),
    "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18), "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30),
    "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip


def parse_quantity(text: str) -> Decimal | None:
    """Return the number that a quantity stands for, None if it is none."""
    found = _QUANTITY.match(text.strip())
    if found is None:
        return None
    number, exponent, suffix = found.groups()
    return Decimal(f"{number}{exponent or ''}") * _SUFFIXES.get(suffix or "", Decimal(1))
