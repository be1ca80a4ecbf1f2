"""One table of requests, two servers: the embedded one answers as a real kube-apiserver does.

The embedded half always runs and checks each row's code and words; the comparison needs KUBEBUILDER_ASSETS.
"""

from __future__ import annotations

import difflib
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.dev.apiserver.rows import Row, Seen
from tests.dev.apiserver.table import TABLE_ROWS
from tests.support.apiserver import Answer, Client, Embedded
from tests.support.realserver import RealServer

_VOLATILE = {
    "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "managedFields", "lastTransitionTime", "time", "selfLink",
    "token", "expirationTimestamp", "continue", "clusterIP",
}  # fmt: skip
DEADLINE = 30.0


def run(client: Client) -> Iterator[tuple[Row, Answer]]:
    """Send the rows in order."""
    seen: Seen = {}
    for row in TABLE_ROWS:
        deadline, pause = time.monotonic() + DEADLINE, 0.01
        while True:
            path = row.path(seen) if callable(row.path) else row.path
            body = row.body(seen) if callable(row.body) else row.body
            headers = {"Accept": row.accept} if row.accept else {}
            answer = client.call(row.method, path, body, row.media, **headers)
            if not row.until or _holds(row, answer):
                break
            assert time.monotonic() < deadline, f"{row.name}: still {answer.code} {answer.body}"
            time.sleep(pause)  # between two looks: asked without one, a server has less time for what is waited for
            pause = min(pause * 1.5, 0.25)
        seen[row.name] = answer
        yield row, answer


def _holds(row: Row, answer: Answer) -> bool:
    return answer.code == row.code and (
        row.says in answer.message or row.says in json.dumps(answer.body, ensure_ascii=False)
    )


def wrong(row: Row, answer: Answer) -> str:
    """Return what is wrong with an answer by the row itself, "" when nothing is."""
    if _holds(row, answer):
        return ""
    return f"{row.name}: wanted {row.code} {row.says!r}, got {answer.code} {json.dumps(answer.body)[:600]}"


def comparable(row: Row, answer: Answer) -> Any:
    """Return the parts of an answer that must be the same on both servers."""
    body: Any = _stable(answer.body)
    if body.get("kind") == "Status" and body.get("status") == "Failure":
        details = body.get("details") or {}
        causes = sorted({json.dumps(cause, sort_keys=True) for cause in details.get("causes") or ()})
        body["details"] = {**details, "causes": causes} if causes else details
        if len(causes) > 1:
            body.pop("message", None)  # their order is that of a Go map
        if "causes" in row.ignore and isinstance(body.get("details"), dict):
            body["details"].pop("causes", None)
    for column in body.get("columnDefinitions") or ():
        column.pop("description", None)  # prose
    for part in row.ignore:
        body.pop(part, None)
        for table_row in body.get("rows") or ():
            table_row.pop(part, None)
    if "object" in row.ignore:
        body = {"kind": body.get("kind")}
    warning = None if "warning" in row.ignore else answer.headers.get("Warning")
    return {"code": answer.code, "warning": warning, "body": body}


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "(set)" if key in _VOLATILE and item else _stable(item)
            for key, item in value.items()
            if key != "managedFields"
        }
    if isinstance(value, list):
        return [_stable(item) for item in value]
    if isinstance(value, str):
        value = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "(uid)", value)
        value = re.sub(r"^(gen-|kube-api-access-)[a-z0-9]{5}$", r"\1(random)", value)
        value = re.sub(r"^\d+[smh](\d+[sm])?$", "(age)", value)
        value = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "(time)", value)
    return value


@pytest.fixture(scope="module")
def embedded() -> list[tuple[Row, Answer]]:
    with Embedded() as server, server.client() as client:
        return list(run(client))


def test_every_row_has_its_own_name() -> None:
    names = [row.name for row in TABLE_ROWS]
    assert sorted(set(names)) == sorted(names)


def test_embedded_server_answers_the_table(embedded: list[tuple[Row, Answer]]) -> None:
    problems = [problem for row, answer in embedded if (problem := wrong(row, answer))]
    assert not problems, "\n".join(problems)


@pytest.mark.real
@pytest.mark.timeout(300)
def test_real_server_answers_alike(embedded: list[tuple[Row, Answer]], real_server: RealServer) -> None:
    with Client(real_server.url, real_server.admin_token, real_server.ca) as client:
        real = list(run(client))
    problems = []
    for (row, mine), (_, theirs) in zip(embedded, real, strict=True):
        if problem := wrong(row, theirs):
            problems.append("real server, " + problem)
        ours, its = (
            json.dumps(comparable(row, a), indent=1, sort_keys=True, ensure_ascii=False) for a in (mine, theirs)
        )
        if ours != its:
            lines = difflib.unified_diff(its.splitlines(), ours.splitlines(), "real", "embedded", n=1, lineterm="")
            problems.append(f"{row.name} ({row.method} {row.path}):\n" + "\n".join(lines))
    assert not problems, f"{len(problems)} rows differ\n" + "\n\n".join(problems)
