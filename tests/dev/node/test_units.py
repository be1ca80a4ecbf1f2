"""The node's pure parts: paths, expansion, quantities, files that change at once, the order of waiting pods, the selection of log lines."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_dev.node import atomic, downward, quantity
from penstock_dev.node.command import host_command
from penstock_dev.node.downward import FieldError, Host
from penstock_dev.node.mounts import PathMap, expand
from penstock_dev.node.scheduler import waits_for_node

PATHS = PathMap({"/tmp": "/tmp/node/v/tmp", "/mnt/results": "/host/results", "/run/penstock/flow": "/tmp/node/v/flow"})
HOST = Host("node", "127.0.0.1", 4, 8 * 2**30)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/tmp", "/tmp/node/v/tmp"),
        ("/tmp/x", "/tmp/node/v/tmp/x"),
        ("file:///mnt/results", "file:///host/results"),
        ("--out=/mnt/results/a --in=/tmp/b", "--out=/host/results/a --in=/tmp/node/v/tmp/b"),
        ("open('/tmp/a')", "open('/tmp/node/v/tmp/a')"),
        ("/a:/tmp:/b", "/a:/tmp/node/v/tmp:/b"),
        ("/var/tmp", "/var/tmp"),
        ("/tmpfs", "/tmpfs"),
        ("/tmp.old /tmp-2", "/tmp.old /tmp-2"),
        ("tmp/x", "tmp/x"),
        ("/tmp/node/v/tmp/x", "/tmp/node/v/tmp/x"),  # a path of this machine already
        ("/mnt/result", "/mnt/result"),
        ("", ""),
    ],
)
def test_mounted_paths_are_rewritten(text: str, wanted: str) -> None:
    assert PATHS.rewrite(text) == wanted


@given(st.text(alphabet="/tmpmnt resultsx:.-", max_size=40))
def test_rewriting_twice_changes_nothing_more(text: str) -> None:
    once = PATHS.rewrite(text)
    assert PATHS.rewrite(once) == once


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/tmp", "/tmp/node/v/tmp"),
        ("/run/penstock/flow/a.py", "/tmp/node/v/flow/a.py"),
        ("/run/penstock", None),
        ("/tmpfs", None),
    ],
)
def test_where_a_path_lies(path: str, wanted: str | None) -> None:
    assert PATHS.host(path) == wanted


def test_the_deepest_mount_wins() -> None:
    assert PathMap({"/a": "/1", "/a/b": "/2"}).rewrite("/a/b/c /a/c") == "/2/c /1/c"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$(A)", "1"),
        ("x$(A)$(B)y", "x12y"),
        ("$(NONE)", "$(NONE)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} 5$", "$A ${A} 5$"),
        ("$(A", "$(A"),
    ],
)
def test_expansion(text: str, wanted: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == wanted


@pytest.mark.parametrize(
    ("amount", "divisor", "wanted"),
    [
        ("250m", "1", 1),
        ("250m", "1m", 250),
        ("2", "1m", 2000),
        ("64Mi", "1Mi", 64),
        ("1G", "1Mi", 954),
        ("1.5", "1", 2),
        ("0", "0", 0),
        ("1e3", "1", 1000),
    ],
)
def test_quantities(amount: str, divisor: str, wanted: int) -> None:
    assert quantity.divided(amount, divisor) == wanted


@pytest.mark.parametrize("text", ["", "x", "1KB", "--1"])
def test_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity.parse(text)


def pod(**spec: Any) -> dict[str, Any]:
    meta = {
        "name": "p",
        "namespace": "ns",
        "uid": "u-1",
        "labels": {"b": "2", "a": 'say "x"'},
        "annotations": {"k/x.y": "v"},
    }
    return {"metadata": meta, "spec": {"containers": [{"name": "main"}], **spec}, "status": {}}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("metadata.annotations['k/x.y']", "v"),
        ("metadata.annotations['none']", ""),
        ("metadata.labels", 'a="say \\"x\\""\nb="2"'),
        ("metadata.uid", "u-1"),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", "127.0.0.1"),
    ],
)
def test_fields(path: str, wanted: str) -> None:
    assert downward.field(pod(), HOST, path) == wanted


def test_unknown_fields_and_limits_that_are_not_set() -> None:
    with pytest.raises(FieldError, match="unsupported fieldPath"):
        downward.field(pod(), HOST, "spec.priority")
    with pytest.raises(FieldError, match="unsupported resource"):
        downward.resource(pod(), HOST, "main", "cpu", "1")
    assert downward.resource(pod(), HOST, "main", "limits.cpu", "1") == "4"
    assert downward.resource(pod(), HOST, "main", "requests.cpu", "1") == "0"


def test_files_change_all_at_once(tmp_path: Path) -> None:
    """A reader that opens both files anew never sees one old and one new."""
    volume = tmp_path / "v"
    atomic.write(volume, {name: atomic.File(b"0") for name in ("a", "dir/b")})
    torn: list[tuple[bytes, bytes]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            data = os.readlink(volume / "..data")
            try:
                pair = (volume / data / "a").read_bytes(), (volume / data / "dir/b").read_bytes()
            except FileNotFoundError:
                continue
            if pair[0] != pair[1]:
                torn.append(pair)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 200):
        atomic.write(volume, {name: atomic.File(str(number).encode()) for name in ("a", "dir/b")})
        assert (volume / "a").read_bytes() == (volume / "dir/b").read_bytes() == str(number).encode()
    stop.set()
    reader.join()
    assert not torn
    assert sorted(entry.name for entry in volume.iterdir() if not entry.name.startswith("..")) == ["a", "dir"]


def test_files_that_did_not_change_are_not_written(tmp_path: Path) -> None:
    assert atomic.write(tmp_path, {"a": atomic.File(b"x"), "b": atomic.File(b"y")})
    before = os.readlink(tmp_path / "..data")
    assert not atomic.write(tmp_path, {"a": atomic.File(b"x"), "b": atomic.File(b"y")})
    assert os.readlink(tmp_path / "..data") == before
    assert atomic.write(tmp_path, {"b": atomic.File(b"y")})
    assert [entry.name for entry in tmp_path.iterdir() if not entry.name.startswith("..")] == ["b"]
    assert len([entry for entry in tmp_path.iterdir() if entry.name.startswith("..")]) == 2  # the link and one folder


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, True),
        ({"nodeName": "other"}, False),
        ({"schedulingGates": [{"name": "x"}]}, False),
        ({"schedulerName": "default-scheduler"}, True),
        ({"schedulerName": "volcano"}, False),
    ],
)
def test_who_waits_for_a_node(changes: dict[str, Any], wanted: bool) -> None:
    assert waits_for_node(pod(**changes)) is wanted


@pytest.mark.parametrize(
    ("program", "replaced"),
    [
        ("python", True),
        ("python3", True),
        ("/usr/local/no/such/bin/python3.12", True),
        ("pythonic", False),
        ("sh", False),
    ],
)
def test_this_interpreter_stands_in(program: str, replaced: bool) -> None:
    import sys

    assert host_command([program, "-m", "x"]) == [sys.executable if replaced else program, "-m", "x"]
