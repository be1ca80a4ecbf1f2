"""Which Helm: the one beside the real control plane, and a second one, of another major version, where the environment names it."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.support.cluster import program

SECOND = "HELM3"
HELMS = ("helm", "helm3")


def helm_program(which: str) -> str:
    """Return a helm's path; without one the test is skipped.

    Args:
        which: one of HELMS.
    """
    if which == "helm":
        return program("helm")
    named = os.environ.get(SECOND)
    if not named:
        pytest.skip(f"Helm 3 too: set {SECOND} to its program")
    found = shutil.which(named)
    if found is None:
        raise FileNotFoundError(f"{SECOND}={named} is no program")
    return found
