"""What is mounted proves itself before user code; and what the pod writes is its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.pod import loading, revision, scratch
from penstock_operator.core.canonical import digest_files
from tests.support.pod_process import PodProcess
from tests.support.pod_server import PodServer, flow_run

JSON = dict[str, Any]
StartPod = Callable[..., PodProcess]
FLOW = """
MARKS_AT_IMPORT = mark("imported")

@flow
def main():
    return "ran"
"""


def mounted(folder: Path, files: dict[str, bytes]) -> Path:
    """A ConfigMap as a kubelet mounts it."""
    data = folder / "..2026"
    data.mkdir(parents=True)
    (folder / "..data").symlink_to("..2026")
    for name, content in files.items():
        (data / name).write_bytes(content)
        (folder / name).symlink_to(f"..data/{name}")
    return folder


def recorded(digest: str | None, **spec: Any) -> JSON:
    made = flow_run(**(spec or {"flowRef": {"name": "etl"}}))
    made["status"]["flow"] = {"name": "etl", "revision": "etl-0123456789", "revisionDigest": digest}
    return made


FILES = {"flow.json": b"{}", "etl.py": "x = 'caf\u00e9'\n".encode(), "model.bin": b"\xff\xfe\x00\x01"}


def test_operator_and_engine_make_the_same_digest(tmp_path: Path) -> None:
    source = mounted(tmp_path / "flow", FILES)
    assert revision.digest(revision.files_of(str(source))) == digest_files(FILES)
    proven = revision.prove(recorded(digest_files(FILES)), str(source))
    assert proven is not None
    assert set(proven) == set(FILES)


@pytest.mark.parametrize(
    "files",
    [
        {**FILES, "etl.py": b"other"},
        {**FILES, "os.py": b""},
        {name: FILES[name] for name in ("flow.json", "etl.py")},
        {},
    ],
    ids=["other content", "one more", "one less", "nothing"],
)
def test_something_else_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    source = mounted(tmp_path / "flow", files)
    with pytest.raises(revision.RevisionChangedError, match="is not revision etl-0123456789"):
        revision.prove(recorded(digest_files(FILES)), str(source))


def test_nothing_mounted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(revision.RevisionChangedError):
        revision.prove(recorded(digest_files(FILES)), str(tmp_path / "nothing"))


@pytest.mark.parametrize("made", [recorded(None), recorded("0" * 64, flowSpec={"entrypoint": "a.py:f"}), {}])
def test_a_run_that_recorded_nothing_has_nothing_to_prove(tmp_path: Path, made: JSON) -> None:
    assert revision.prove(made, str(tmp_path)) is None


def test_what_was_compiled_ahead_counts_only_if_it_is_what_was_proven(tmp_path: Path) -> None:
    """The folder is swapped as a whole: what was read before may have been another's."""
    source = str(mounted(tmp_path / "flow", {"etl.py": b"x = 1"}))
    ahead = loading.compile_ahead("etl.py:main", source)
    assert ahead is not None
    good = revision.files_of(source)
    assert loading.still_valid(ahead, source, source, None) is ahead.entry
    assert loading.still_valid(ahead, source, source, good) is ahead.entry
    assert loading.still_valid(ahead, source, source, {**good, "etl.py": "0" * 64}) is None
    assert loading.still_valid(ahead, source, source, {}) is None
    assert loading.still_valid(ahead, source, str(tmp_path / "inline"), None) is None


def test_a_changed_revision_is_told_and_never_executed(server: PodServer, start: StartPod) -> None:
    server.document = recorded("0" * 64)
    pod = start(FLOW)
    assert pod.wait() == 66
    report = server.document["status"]["report"]
    assert (report["type"], report["name"]) == ("Crashed", "RevisionChanged")
    assert "is not revision etl-0123456789" in report["message"]
    assert not pod.has_mark("imported")


def test_a_proven_revision_runs(server: PodServer, start: StartPod, tmp_path: Path) -> None:
    pod_folder = tmp_path / "digest"
    pod_folder.mkdir()
    probe = PodProcess(pod_folder, server, FLOW)  # not started: only to see what it mounts
    server.document = recorded(revision.digest(revision.files_of(str(probe.source_dir))))
    pod = start(FLOW)
    assert pod.wait() == 0, pod.output
    assert server.document["status"]["report"]["type"] == "Completed"
    assert pod.has_mark("imported")


@pytest.mark.parametrize("content", ["no json", "[1]", '{"entrypoint": "other.py:g"}'])
def test_a_flow_json_beside_a_flow_spec_is_the_users(server: PodServer, start: StartPod, content: str) -> None:
    server.document = flow_run(flowSpec={"entrypoint": "flow.py:main", "source": {"configMap": {"name": "code"}}})
    pod = start(FLOW, files={"source/flow.json": content}, entrypoint=None)
    assert pod.wait() == 0, pod.output


# --- the pod's own folder -----------------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    first, second = (scratch.fresh_folder(str(tmp_path), "source") for _ in range(2))
    assert first == str(tmp_path / "source")
    assert second != first
    assert Path(second).parent == tmp_path
    assert os.stat(second).st_mode & 0o077 == 0


def test_a_file_that_is_there_is_not_written_to(tmp_path: Path) -> None:
    """Not through a link either, which somebody else may have laid."""
    (tmp_path / "others").write_text("theirs")
    (tmp_path / "beat").symlink_to("others")
    descriptor = scratch.fresh_file(str(tmp_path / "beat"), 0o644)
    os.write(descriptor, b"mine")
    os.close(descriptor)
    assert (tmp_path / "others").read_text() == "theirs"
    assert (tmp_path / "beat").read_text() == "mine"
    assert not (tmp_path / "beat").is_symlink()


def test_where_it_cannot_write_another_folder_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(scratch.VARIABLE, "before")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    found = scratch.folder(str(tmp_path / "file/below"))
    assert found is not None
    assert Path(found).parent == tmp_path
    assert os.environ[scratch.VARIABLE] == found
    assert scratch.folder(str(tmp_path / "own/run")) == str(tmp_path / "own/run")


def test_nothing_that_can_be_written_is_normal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def none(**_: Any) -> str:
        raise FileNotFoundError("no usable temporary directory")

    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tempfile.mkdtemp", none)
    monkeypatch.setenv(scratch.VARIABLE, "before")
    assert scratch.folder(str(tmp_path / "file/below")) is None
    assert scratch.VARIABLE not in os.environ


def test_inline_source_is_this_pods_own(server: PodServer, start: StartPod) -> None:
    """Neither a file of that name in the working directory is taken for it, nor what another left under the scratch folder."""
    text = "from penstock import flow\n\n@flow\ndef main():\n    return 'mine'\n"
    server.document = flow_run(flowSpec={"entrypoint": "flow.py:main", "source": {"inline": text}})
    theirs = text.replace("mine", "theirs")
    pod = start(files={"work/flow.py": theirs, "run/source/flow.py": theirs}, entrypoint="flow.py:main")
    assert pod.wait() == 0, pod.output
    assert server.document["status"]["report"]["result"]["json"] == '"mine"'
    assert (pod.run_dir / "source/flow.py").read_text() == theirs
