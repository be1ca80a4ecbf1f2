"""run-file: a flow of this disk, with its files, as a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Penstock
from tests.cli.test_running import made, names
from tests.support.cli import Stage

SCRIPT = '''
from penstock import flow


@flow
def etl(rows: int, name: str = "x") -> int:
    """Load rows."""
    return rows
'''


@pytest.fixture
def script(tmp_path: Path) -> str:
    (tmp_path / "etl.py").write_text(SCRIPT)
    return f"{tmp_path}/etl.py:etl"


def test_a_file_becomes_a_run(at: Stage, penstock: Penstock, script: str) -> None:
    body = made(penstock("run-file", script, "-p", "rows=5", "-p", "name=7", "-l", "a=b", "-o", "json"))
    assert body["metadata"]["name"].startswith("etl-")
    assert body["metadata"]["labels"] == {"a": "b"}
    assert body["spec"]["parameters"] == {"rows": 5, "name": "7"}
    assert body["spec"]["flowSpec"]["source"] == {"inline": SCRIPT}
    assert body["spec"]["flowSpec"]["entrypoint"] == "etl.py:etl"
    assert "description" not in body["spec"]["flowSpec"]


def test_several_files_go_with_the_run(at: Stage, penstock: Penstock, script: str, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("n = 1\n")
    (tmp_path / "etl.py").write_text(f"import helper\n{SCRIPT}")
    config_maps = "/api/v1/namespaces/default/configmaps"
    before = {item["metadata"]["name"] for item in at.get(config_maps)["items"]}
    body = made(penstock("run-file", script, "-p", "rows=5", "--name", "mine", "-o", "json"))
    assert body["spec"]["flowSpec"]["source"] == {"configMap": {"name": "mine-source"}}
    found = at.get(f"{config_maps}/mine-source")
    assert set(found["data"]) == {"etl.py", "helper.py"}
    assert [owner["uid"] for owner in found["metadata"]["ownerReferences"]] == [body["metadata"]["uid"]]
    done = penstock("run-file", script, "-p", "rows=5", "--name", "mine")
    assert (done.code, done.out) == (1, "")
    assert "ConfigMap mine-source, and there is one (of an earlier run mine?): choose another --name" in done.err
    # What is refused leaves nothing behind.
    done = penstock("run-file", script, "-p", "rows=5", "--name", "other", "-l", "no label=b")
    assert (done.code, names(at)) == (1, ["mine"])
    done = penstock("run-file", script, "-p", "rows=5", "--name", "dry", "--dry-run")
    assert (done.code, names(at)) == (0, ["mine"])
    after = {item["metadata"]["name"] for item in at.get(config_maps)["items"]}
    assert after - before == {"mine-source"}


def test_what_is_refused(at: Stage, penstock: Penstock, script: str, tmp_path: Path) -> None:
    """By the flow's signature, before anything is made."""
    cases = [
        ([script], 2, "flow etl needs rows (integer)"),
        ([script, "-p", "rowz=5"], 2, "has no parameter 'rowz'. Did you mean 'rows'?"),
        ([f"{tmp_path}/none.py:etl"], 4, "does not exist"),
        ([str(tmp_path)], 2, "is a folder: name the file in it"),
        (["shop.flows:etl"], 2, "shop.flows:etl is no file: write FILE.py:flow."),
        ([script, "-p", "rows=5", "--at", "+10x"], 2, "invalid duration"),
        ([script, "-p", "rows=5", "-o", "xml"], 2, "allowed formats are"),
    ]
    for words, code, why in cases:
        done = penstock("run-file", *words)
        assert (done.code, done.out) == (code, "")
        assert why in done.err
        assert "Traceback" not in done.err
    (tmp_path / "etl.py").write_text("syntax error")
    done = penstock("run-file", script, "-p", "rows=5")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert names(at) == []
