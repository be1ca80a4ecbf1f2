"""The intent file: its four words, what is unknown, what wins, and the swap of its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.pod.intent import Intent, IntentFile, Reading, from_word, parse


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", Reading()),
        ("\n", Reading()),
        ("Running", Reading(Intent.RUNNING)),
        ("Paused", Reading(Intent.PAUSED)),
        ("Suspended\n", Reading(Intent.SUSPENDED)),
        ("Cancelled", Reading(Intent.CANCELLED)),
        ("Running 1a2b3c4d", Reading(Intent.RUNNING, "1a2b3c4d")),
        ("Paused 1a2b3c4d.2\n", Reading(Intent.PAUSED, "1a2b3c4d.2")),
        ("Running " + "x" * 100, Reading(Intent.RUNNING, "x" * 64)),
        ("cancelled", Reading(unknown="cancelled")),
        ("Stopped now", Reading(unknown="Stopped")),
    ],
)
def test_parse(text: str, want: Reading) -> None:
    assert parse(text) == want


@pytest.mark.parametrize(
    ("word", "want"),
    [("Cancelled", Intent.CANCELLED), ("Paused", Intent.PAUSED), (None, Intent.RUNNING), (3, Intent.RUNNING)],
)
def test_desired_state(word: object, want: Intent) -> None:
    assert from_word(word) is want


def test_cancelled_wins_over_suspended_over_paused() -> None:
    assert max(Intent.PAUSED, Intent.CANCELLED, Intent.SUSPENDED) is Intent.CANCELLED
    assert max(Intent.PAUSED, Intent.SUSPENDED) is Intent.SUSPENDED
    assert [intent.ends for intent in Intent] == [False, False, True, True]


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "intent"
    file = IntentFile(str(path))
    assert file.read() == Reading()
    path.write_text("Paused")
    assert file.read().intent is Intent.PAUSED
    path.write_text("Running 00000001")
    assert file.read() == Reading(Intent.RUNNING, "00000001")


def test_the_swap_of_the_folder_is_followed(tmp_path: Path) -> None:
    """A kubelet writes a new folder and turns the link ``..data`` to it; between the two nothing is lost."""
    for name, text in (("one", "Paused"), ("two", "Suspended")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "intent").write_text(text)
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "intent").symlink_to("..data/intent")
    file = IntentFile(str(tmp_path / "intent"))
    assert file.read().intent is Intent.PAUSED
    (tmp_path / "..data").unlink()
    assert file.read().intent is Intent.PAUSED
    (tmp_path / "new").symlink_to("two")
    os.rename(tmp_path / "new", tmp_path / "..data")
    assert file.read().intent is Intent.SUSPENDED


def test_cancelled_is_final(tmp_path: Path) -> None:
    path = tmp_path / "intent"
    path.write_text("Cancelled")
    file = IntentFile(str(path))
    assert file.read().intent is Intent.CANCELLED
    path.write_text("Running again")
    assert file.read().intent is Intent.CANCELLED
