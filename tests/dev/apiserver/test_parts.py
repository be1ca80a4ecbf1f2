"""The pure parts, where a request says too little about the corner cases."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from penstock_dev.apiserver import managed, patches, protobuf, watching
from penstock_dev.apiserver.builtin import Builtin
from penstock_dev.apiserver.columns import duration, pod_status
from penstock_dev.apiserver.rules import ABSENT, check_rules, compile_rules
from penstock_dev.apiserver.schema import Schema, python_pattern
from penstock_dev.apiserver.selectors import labels
from penstock_dev.apiserver.status import ApiError, FieldError
from penstock_dev.apiserver.store import Store
from penstock_dev.apiserver.tables import custom_columns, json_path


@pytest.mark.parametrize(
    ("seconds", "want"),
    [
        (0, "0s"), (119, "119s"), (120, "2m"), (150, "2m30s"), (600, "10m"), (3 * 3600 - 1, "179m"), (3 * 3600, "3h"),
        (3 * 3600 + 120, "3h2m"), (8 * 3600 + 60, "8h"), (47 * 3600, "47h"), (50 * 3600, "2d2h"), (8 * 86400, "8d"),
        (800 * 86400, "2y70d"), (9 * 365 * 86400, "9y"), (-5, "<invalid>"),
    ],
)  # fmt: skip
def test_ages(seconds: float, want: str) -> None:
    assert duration(seconds) == want


OBJECT = {
    "a": {"b": [{"t": "x", "v": 1}, {"t": "y", "v": 2}], "c.d": 3, "list": [1, 2]},
    "metadata": {"annotations": {"a.b/c": "z"}},
}


@pytest.mark.parametrize(
    ("path", "want"),
    [
        (".a.b[0].v", [1]), (".a.b[-1].v", [2]), (".a.b[*].v", [1, 2]), ('.a.b[?(@.t=="y")].v', [2]), (".a.b[?(@.t=='x')].v", [1]),
        (".a['c.d']", [3]), (r".a.c\.d", [3]), (r".metadata.annotations.a\.b/c", ["z"]), (".a.nope.x", []), (".a.list", [[1, 2]]),
        ("{.a.list[1]}", [2]),
    ],
)  # fmt: skip
def test_json_path(path: str, want: list[Any]) -> None:
    compiled = json_path(path)
    assert compiled is not None
    assert compiled(OBJECT) == want


def test_json_path_outside_its_bounds() -> None:
    assert json_path(".a[0:2]") is None


@pytest.mark.parametrize(
    ("selector", "want"),
    [
        ("a=1", True), ("a==1", True), ("a!=1", False), ("b!=1", True), ("a", True), ("!a", False), ("!b", True), ("a in (1,2)", True),
        ("a notin (1,2)", False), ("b notin (1)", True), ("a=1,c=3", True), ("a=1, c in (4)", False), ("x.y/z=1", False),
    ],
)  # fmt: skip
def test_label_selectors(selector: str, want: bool) -> None:
    matches = labels(selector)
    assert matches is not None
    assert matches({"metadata": {"labels": {"a": "1", "c": "3"}}}) is want


@pytest.mark.parametrize(
    ("pattern", "text", "want"),
    [
        ("^a$", "a\n", False), (r"^\$$", "$", True), ("[$]", "$", True), (r"a\z", "a", True),
        (r"^\S$", "\x85", True), (r"^\s$", "\x0b", False), (r"^[\s]$", "\xa0", False), (r"^\d$", "\u0661", False), (r"^[^\w]$", "\xe9", True),
    ],
)  # fmt: skip
def test_patterns_end_where_re2_ends(pattern: str, text: str, want: bool) -> None:
    assert bool(re.search(python_pattern(pattern), text)) is want


POD = Builtin().schema("v1", "Pod")


def containers(*items: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": list(items)}}


@pytest.mark.parametrize(
    ("patch", "want"),
    [
        ({"spec": {"containers": [{"name": "b", "image": "2"}]}}, [("a", "1"), ("b", "2")]),
        ({"spec": {"containers": [{"name": "c", "image": "3"}]}}, [("c", "3"), ("a", "1"), ("b", "1")]),
        ({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}, [("b", "1")]),
        ({"spec": {"containers": [{"$patch": "replace"}, {"name": "z", "image": "9"}]}}, [("z", "9")]),
        (
            {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a", "image": "5"}]}},
            [("b", "1"), ("a", "5")],
        ),
    ],
    ids=["merged", "added", "deleted", "replaced", "ordered"],
)  # fmt: skip
def test_strategic_merge_of_a_keyed_list(patch: dict[str, Any], want: list[tuple[str, str]]) -> None:
    before = containers({"name": "a", "image": "1"}, {"name": "b", "image": "1"})
    after = patches.strategic(before, patch, POD)
    assert [(c["name"], c["image"]) for c in after["spec"]["containers"]] == want
    assert before == containers({"name": "a", "image": "1"}, {"name": "b", "image": "1"})


def test_strategic_directives() -> None:
    pod = {"metadata": {"finalizers": ["a/b", "c/d"]}, "spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}
    assert patches.strategic(pod, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/b"]}}, POD)["metadata"] == {
        "finalizers": ["c/d"]
    }
    patch = {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}]}}
    assert patches.strategic(pod, patch, POD)["spec"]["volumes"] == [{"name": "v", "configMap": {"name": "c"}}]
    assert patches.strategic(pod, {"spec": {"$patch": "replace", "nodeName": "n"}}, POD)["spec"] == {"nodeName": "n"}
    with pytest.raises(ApiError, match="unrecognized"):
        patches.strategic(pod, {"spec": {"$patch": "frob"}}, POD)


def test_json_patch_leaves_its_input_alone() -> None:
    before: dict[str, Any] = {"a": {"b": [1]}}
    assert patches.json_patch(before, [{"op": "add", "path": "/a/b/-", "value": 2}]) == {"a": {"b": [1, 2]}}
    assert before == {"a": {"b": [1]}}


def test_ownership_survives_its_encoding() -> None:
    pod = {"metadata": {"labels": {"a": "b"}}, **containers({"name": "a", "image": "1", "command": ["x"]})}
    leaves = managed.leaves(pod, POD)
    assert ("f:spec", "f:containers", 'k:{"name":"a"}') in leaves
    assert leaves["f:spec", "f:containers", 'k:{"name":"a"}', "f:command"] == ["x"]
    assert managed.decode(managed.encode(leaves)) == set(leaves)


def owners(obj: dict[str, Any]) -> dict[str, set[str]]:
    """Return who owns which leaf, the paths joined."""
    return {
        f"{entry['manager']} {entry['operation']}": {".".join(path) for path in managed.decode(entry["fieldsV1"])}
        for entry in obj["metadata"]["managedFields"]
    }


def test_an_update_takes_what_it_changes_from_everybody_else() -> None:
    pods = next(resource for resource in Builtin().resources() if resource.plural == "pods")
    base = {"metadata": {"name": "p", "labels": {"a": "1", "b": "1"}}}
    made = managed.after_update(base, None, pods, "", "one", "t1")
    assert owners(made) == {"one Update": {"f:metadata.f:labels.f:a", "f:metadata.f:labels.f:b"}}
    changed = {"metadata": {**made["metadata"], "labels": {"a": "2", "c": "1"}}}
    after = managed.after_update(changed, made, pods, "", "two", "t2")
    assert owners(after) == {"two Update": {"f:metadata.f:labels.f:a", "f:metadata.f:labels.f:c"}}
    again = managed.after_update(after, after, pods, "", "three", "t3")
    assert again["metadata"]["managedFields"] == after["metadata"]["managedFields"]


def rule_errors(schema: dict[str, Any], new: Any, old: Any = ABSENT) -> list[FieldError]:
    compiled = Schema(schema)
    assert list(compile_rules(compiled)) == []
    errors: list[FieldError] = []
    check_rules(new, old, compiled, "", errors, [])
    return errors


def rule(text: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "x-kubernetes-validations": [{"rule": text, **more}],
                "properties": {
                    "when": {"type": "string", "format": "date-time"},
                    "n": {"type": "integer"},
                    "ratio": {"type": "number"},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        },
    }


@pytest.mark.parametrize(
    ("schema", "new", "old", "want"),
    [
        (rule("self.n > 1"), {"n": 1}, ABSENT, "Invalid value: failed rule: self.n > 1"),
        (rule("self.n > 1", message="m"), {"n": 1}, ABSENT, "Invalid value: m"),
        (rule("self.n > 1", messageExpression="'n is ' + string(self.n)"), {"n": 1}, ABSENT, "Invalid value: n is 1"),
        (rule("self.n > 1", reason="FieldValueForbidden", message="m"), {"n": 1}, ABSENT, "Forbidden: m"),
        (rule("self.n > 1"), {}, ABSENT, "Invalid value: no such key: n evaluating rule: self.n > 1"),
        (rule("self.n >= oldSelf.n"), {"n": 1}, ABSENT, ""),
        (rule("self.n >= oldSelf.n", message="m"), {"n": 1}, {"n": 2}, "Invalid value: m"),
        (rule("self.when > timestamp('2026-01-01T00:00:00Z')", message="m"), {"when": "2025-01-01T00:00:00Z"}, ABSENT, "Invalid value: m"),
        (rule("self.ratio < 1.5"), {"ratio": 1}, ABSENT, ""),
        (rule("!has(self.free.x)", message="m"), {"free": {"x": 1}}, ABSENT, ""),
    ],
)  # fmt: skip
def test_rules(schema: dict[str, Any], new: Any, old: Any, want: str) -> None:
    errors = rule_errors(schema, {"spec": new}, old if old is ABSENT else {"spec": old})
    assert [error.message for error in errors] == ([want] if want else [])
    assert all(error.field == "spec" for error in errors)


def test_a_function_that_the_library_lacks_is_named_when_the_rule_is_written() -> None:
    ((place, why),) = compile_rules(Schema(rule("self.n == 1 && isURL('x')")))
    assert place == ".properties[spec].x-kubernetes-validations[0].rule"
    assert "isURL()" in why


def test_protobuf_of_an_unknown_kind_says_what_to_do() -> None:
    about = b"\n\x07apps/v1\x12\nDeployment"
    body = b"k8s\x00" + b"\n" + bytes([len(about)]) + about
    with pytest.raises(ApiError, match="does not read Deployment in apps/v1 as protobuf") as caught:
        protobuf.read(body)
    assert caught.value.code == 415


@pytest.mark.parametrize("data", [b"", b"{}", b"k8s\x00\x0a\xff", b"k8s\x00\x0b"])
def test_broken_protobuf_is_a_bad_request(data: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        protobuf.read(data)
    assert caught.value.code in (400, 415)


def status(phase: str, *states: dict[str, Any], **more: Any) -> dict[str, Any]:
    entries = [{"name": str(i), "restartCount": 1, "ready": "running" in s, "state": s} for i, s in enumerate(states)]
    return {
        "metadata": {},
        "spec": {"containers": list(states)},
        "status": {"phase": phase, "containerStatuses": entries, **more},
    }


@pytest.mark.parametrize(
    ("pod", "want"),
    [
        (status("Running", {"running": {}}), ("Running", "1/1", "1")),
        (status("Pending", {"waiting": {"reason": "ImagePullBackOff"}}), ("ImagePullBackOff", "0/1", "1")),
        (status("Failed", {"terminated": {"exitCode": 1, "reason": "Error"}}), ("Error", "0/1", "1")),
        (status("Failed", {"terminated": {"exitCode": 3}}), ("ExitCode:3", "0/1", "1")),
        (status("Failed", {"terminated": {"exitCode": 0, "signal": 9}}), ("Signal:9", "0/1", "1")),
        (status("Succeeded", {"terminated": {"reason": "Completed"}}), ("Completed", "0/1", "1")),
        (status("Running", {"running": {}}, {"terminated": {"reason": "Completed"}}), ("NotReady", "1/2", "2")),
        (status("Failed", reason="DeadlineExceeded"), ("DeadlineExceeded", "0/0", "0")),
        ({**status("Running", {"running": {}}), "metadata": {"deletionTimestamp": "x"}}, ("Terminating", "1/1", "1")),
    ],
)  # fmt: skip
def test_pod_status_column(pod: dict[str, Any], want: tuple[str, str, str]) -> None:
    assert pod_status(pod) == want


@pytest.mark.parametrize("kind", ["string", "integer", "number", "boolean", "date"])
@pytest.mark.parametrize("obj", [{}, {"a": None}, {"a": 1}], ids=["absent", "null", "of another shape"])
def test_a_column_without_a_value_is_null(kind: str, obj: dict[str, Any]) -> None:
    """As a real API server has it; kubectl shows nothing then, of dates too."""
    (_, column) = custom_columns([{"name": "C", "type": kind, "jsonPath": ".a.b"}])
    assert column.cell(obj, 0.0) is None


def test_a_bookmark_is_never_ahead_of_what_the_watch_has_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that comes in the moment of a time out is told, or is behind no bookmark: who goes on from there must hear of it."""
    pods = next(resource for resource in Builtin().resources() if resource.plural == "pods")
    store = Store()
    options = watching.WatchOptions(version=0, timeout=0.01, bookmarks=True)
    watch = watching.Watch(store, pods, "", None, options, lambda: 0.0)

    async def late() -> None:
        store.put(pods.storage, {"metadata": {"name": "x", "namespace": "n"}})
        await asyncio.sleep(0.02)
        raise TimeoutError

    monkeypatch.setattr(watch._queue, "get", late)

    async def told() -> list[bytes]:
        return [line async for line in watch.lines()]

    assert asyncio.run(told()) == []
