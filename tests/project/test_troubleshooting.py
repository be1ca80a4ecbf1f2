"""Every name of a state that the operator's core can give has its line in docs/troubleshooting.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from penstock_operator.core import verdict

ROOT = Path(__file__).parents[2]
CORE = ROOT / "operator/penstock_operator/core"
# What makes a state: its second or third argument is the name.
MAKERS = {"Verdict", "Showing", "Plan", "crashed", "_failed", "_pending"}
NAME = re.compile(r"[A-Z][A-Za-z]+")


def names() -> set[str]:
    """Collect the names that stand in calls which make a state."""
    found = set()
    for path in CORE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                words = (_word(argument) for argument in node.args[:3])
                found |= {word for word in words if isinstance(word, str) and NAME.fullmatch(word)}
    return found


def _word(argument: ast.expr) -> object:
    """What an argument says: a literal, or a constant that more than one policy names."""
    if isinstance(argument, ast.Name):
        return getattr(verdict, argument.id, None)
    return argument.value if isinstance(argument, ast.Constant) else None


def test_every_name_is_explained() -> None:
    """What a person reads in the State column can be looked up."""
    text = (ROOT / "docs/troubleshooting.md").read_text()
    explained = set(
        re.findall(
            r"(?:Scheduled|Pending|Running|Paused|Cancelling|Cancelled|Completed|Failed|Crashed)/([A-Z][A-Za-z]+)", text
        )
    )
    assert len(names()) > 20, "the collector has lost its way"
    assert names() - explained == set()


def test_every_reason_of_a_flows_conditions_is_explained() -> None:
    """Those that say that something is the matter; the others are of no interest to anybody."""
    text = (ROOT / "docs/troubleshooting.md").read_text().partition("## A Flow's conditions")[2]
    trees = [
        ast.parse((CORE / "flows" / name).read_text()) for name in ("conditions.py", "readiness.py", "schedules.py")
    ]
    found = {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch("([A-Z][a-z]+){2,}", node.value)
    }
    fine = {"AsExpected", "NoneMissed", "CreateRun"}  # the last is what was tried
    assert fine < found, "the collector has lost its way"
    assert {reason for reason in found - fine if reason not in text} == set()
