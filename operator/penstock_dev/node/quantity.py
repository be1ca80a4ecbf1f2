"""Kubernetes quantities (`500m`, `2Gi`) as numbers, as far as the downward API needs them."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

__all__ = ["divided", "parse"]

_SUFFIXES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip


def parse(text: str) -> Decimal:
    """Return the number that a quantity stands for.

    Raises:
        ValueError: it is none.
    """
    number = text.rstrip("numkKMGTPEi")
    try:
        return Decimal(number) * _SUFFIXES[text[len(number) :]]
    except (InvalidOperation, KeyError) as error:
        raise ValueError(f"{text!r} is not a quantity") from error


def divided(quantity: str, divisor: str) -> int:
    """Return a quantity in units of a divisor, rounded up, as a `resourceFieldRef` shows it."""
    unit = parse(divisor)
    return math.ceil(parse(quantity) / (unit or Decimal(1)))
