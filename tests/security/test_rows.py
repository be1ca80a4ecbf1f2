"""The table of docs/security.md on a real API server: every row holds, and every row falls with its rule.

The fast part of `python -m tests.security.mutations`, which takes out each rule by itself.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from penstock_operator.api.admission import images_policy, policies
from tests.security.mutations import CLAUSES, ROWS, Mutation, all_at_once, rule_of, run
from tests.security.names import NAMES
from tests.security.rows import Row
from tests.security.stage import Stage

DOCUMENT = Path(__file__).parents[2] / "docs/security.md"
STEPS = ("flow-images", "flowrun-spec", "flowrun-status", "crd", "rbac")


@pytest.mark.real
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(stage: Stage, row: Row) -> None:
    """One request by one actor, with the answer that the document promises."""
    assert row.holds(stage) == ""


@pytest.mark.real
@pytest.mark.parametrize("step", STEPS)
def test_rows_fall_with_their_rules(stage: Stage, step: str) -> None:
    """Without a policy, the patterns, or the bounds of roles, every row that names one of its rules turns red."""
    mutation: Mutation = next(m for m in all_at_once(stage.documents) if m.name.startswith(step))
    red = run(stage, mutation)
    assert len(mutation.rows) > 2
    assert set(mutation.rows) <= set(red)


def test_every_rule_has_a_row_and_every_row_a_rule() -> None:
    validations = [v for d in (*policies(), *images_policy("[]")) for v in d["spec"].get("validations", ())]
    assert [v["message"] for v in validations if not any(rule_of(row, v) for row in ROWS)] == []
    known = {f"crd/{row.id.removeprefix('odd-name-')}" for row in NAMES}
    known |= {f"rbac/{row.actor}" for row in ROWS}
    lost = [
        row.id for row in ROWS if row.rule and row.rule not in known and not any(rule_of(row, v) for v in validations)
    ]
    assert lost == []
    assert len({row.id for row in ROWS}) == len(ROWS)


def test_clauses_are_there() -> None:
    """What the mutations cut out of expressions is in them."""
    texts = {
        d["metadata"]["name"].split(".")[0]: str(d["spec"])
        for d in (*policies(), *images_policy("[]"))
        if "validations" in d["spec"]
    }
    assert [
        part for name, part, _ in CLAUSES if part.replace("'", "\\'") not in texts[name] and part not in texts[name]
    ] == []


def test_the_document_and_the_rows_are_the_same() -> None:
    """Each line of the document's tables names its rows; `x-*` stands for several."""
    told = [
        word
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith("| ") and line.count("|") >= 5
        for word in re.findall(r"`([a-z][-a-zA-Z.*]+)`", line.rsplit("|", 2)[1])
    ]
    ids = [row.id for row in ROWS]
    assert [word for word in told if not any(fnmatch(id_, word) for id_ in ids)] == [], "tells of rows that are none"
    assert [id_ for id_ in ids if not any(fnmatch(id_, word) for word in told)] == [], "rows that it does not tell of"
