"""A second module."""


def total(numbers: list[int]) -> int:
    """Return the sum."""
    return sum(numbers)
