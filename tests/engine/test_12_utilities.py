"""Small helpers that users import: by name, in the file system, texts."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from penstock.exceptions import ScriptError
from penstock.utilities.callables import parameter_schema
from penstock.utilities.collections import get_from_dict
from penstock.utilities.filesystem import (
    filename,
    is_local_path,
    relative_path_to_current_platform,
    tmpchdir,
    to_display_path,
)
from penstock.utilities.importtools import (
    from_qualified_name,
    import_object,
    lazy_import,
    load_module,
    load_script_as_module,
    to_qualified_name,
)
from penstock.utilities.names import generate_slug, obfuscate, obfuscate_string
from penstock.utilities.text import fuzzy_match_string, truncated_to
from penstock.utilities.timeout import timeout, timeout_async


def test_names_and_what_they_mean() -> None:
    assert to_qualified_name(json.dumps) == "json.dumps"
    assert from_qualified_name("json.dumps") is json.dumps
    assert from_qualified_name("json") is json
    assert import_object("json:dumps") is import_object("json.dumps") is json.dumps
    assert load_module("json") is json
    for bad, error in (("no_such_module", ImportError), ("json.nope", AttributeError)):
        with pytest.raises(error):
            from_qualified_name(bad)
    with pytest.raises(ValueError, match="Invalid format"):
        import_object("json")


def test_scripts_as_modules(tmp_path: Path) -> None:
    (tmp_path / "script_of_a_test.py").write_text(
        "import beside_a_test\nX = beside_a_test.Y + 1\nclass A:\n    b = 3\n"
    )
    (tmp_path / "beside_a_test.py").write_text("Y = 1\n")
    (tmp_path / "bad_of_a_test.py").write_text("1 / 0\n")
    before = list(sys.path)
    script = str(tmp_path / "script_of_a_test.py")
    assert load_script_as_module(script).X == 2
    assert load_script_as_module(script).__name__.startswith("__penstock_loader_")
    assert import_object(f"{script}:A.b") == 3
    with pytest.raises(ScriptError) as caught:
        load_script_as_module(str(tmp_path / "bad_of_a_test.py"))
    assert isinstance(caught.value.user_exc, ZeroDivisionError)
    with pytest.raises(ValueError, match="python file"):
        load_script_as_module("x.txt")
    assert sys.path == before
    for name in [name for name in sys.modules if "of_a_test" in name or "beside_a_test" in name]:
        del sys.modules[name]


def test_modules_that_come_later_or_never() -> None:
    sys.modules.pop("colorsys", None)
    colors: Any = lazy_import("colorsys")
    assert colors.rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)
    assert lazy_import("random") is random
    missing: Any = lazy_import("no_such_module", help_message="Install it.")
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'no_such_module'.\nInstall it."):
        missing.anything  # noqa: B018
    with pytest.raises(ModuleNotFoundError):
        lazy_import("no_such_module", error_on_import=True)


def test_paths(tmp_path: Path) -> None:
    before = os.getcwd()
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file"):
        with tmpchdir(place) as entered:
            assert os.getcwd() == entered == str(tmp_path.resolve())
    assert os.getcwd() == before
    assert [filename(path) for path in ("a/b.txt", "s3://b/c", "a\\b")] == ["b.txt", "c", "b"]
    assert [is_local_path(path) for path in ("a/b", Path("x"), "file:///x", "s3://b/c")] == [True, True, True, False]
    assert to_display_path(tmp_path / "x", tmp_path) == "x"
    assert relative_path_to_current_platform("a\\b") == Path("a/b")


def test_texts() -> None:
    assert [truncated_to(4, text) for text in (None, "", "abcd")] == ["", "", "abcd"]
    assert truncated_to(10, "a" * 100) == "aaaaa...90 additional characters...aaaaa"
    assert truncated_to(10, "a" * 20) == "a" * 20
    assert fuzzy_match_string("hell", ["hello", "x"]) == "hello"
    assert fuzzy_match_string("zzz", ["hello"]) is None
    assert [obfuscate(None), obfuscate("abc"), obfuscate_string("abcdefghijklmno", show_tail=True)] == [
        "********", "********", "****lmno",
    ]  # fmt: skip
    assert generate_slug(3).count("-") == 2


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("years.2026", 42),
        ("n.1", "number"),
        ("both.1", "text"),
        ("of[1]", 8),
        ("of.-1", 8),
        ("n.01", None),
        ("of.2", None),
        ("of.²", None),
    ],
)
def test_a_path_into_dicts_and_lists(place: str, found: Any) -> None:
    held = {"years": {"2026": 42}, "n": {1: "number"}, "both": {"1": "text", 1: "number"}, "of": [7, 8]}
    assert get_from_dict(held, place) == found


def test_the_schema_of_a_method_leaves_out_its_instance() -> None:
    def method(self: Any, a: int) -> None: ...

    schema = parameter_schema(method).model_dump()
    assert (schema["properties"], schema["required"]) == (
        {"a": {"title": "a", "position": 1, "type": "integer"}},
        ["a"],
    )


@pytest.mark.parametrize("scope", [timeout, timeout_async])
@pytest.mark.parametrize("seconds", [None, 1])
def test_a_timeout_raises_timeouts_alone(scope: Any, seconds: float | None) -> None:
    with pytest.raises(ValueError, match="subclass of `TimeoutError`"), scope(seconds, OSError):
        pass


def test_a_timeout_beside_an_alarm_of_the_users() -> None:
    class LateError(TimeoutError):
        pass

    def wait() -> None:
        # Until time is up, and said so. Who wakes this thread then may be listed before it has started.
        while any(each.name != "penstock-wake" for each in set(threading.enumerate()) - running):
            time.sleep(0.001)

    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 60)
    try:
        running = set(threading.enumerate())
        with pytest.raises(LateError), timeout(0.01, LateError):
            wait()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
