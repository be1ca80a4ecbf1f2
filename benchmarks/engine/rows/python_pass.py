# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Bare interpreter."""
