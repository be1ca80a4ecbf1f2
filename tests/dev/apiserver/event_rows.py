"""Events in both of their APIs."""

from __future__ import annotations

from tests.dev.apiserver.rows import (
    MERGE,
    NS,
    TABLE,
    Row,
)

EVENTS = [
    Row(
        "event: core",
        201,
        "POST",
        f"{NS}/events",
        {
            "metadata": {"name": "e1"},
            "involvedObject": {"kind": "Widget", "namespace": "table", "name": "a", "uid": "u1"},
            "reason": "Made",
            "message": "a made",
            "type": "Normal",
            "firstTimestamp": "2026-01-01T00:00:00Z",
            "lastTimestamp": "2026-01-01T00:00:00Z",
            "count": 2,
            "source": {"component": "me"},
        },
    ),
    Row(
        "event: core other namespace",
        422,
        "POST",
        f"{NS}/events",
        {"metadata": {"name": "e2"}, "involvedObject": {"kind": "Widget", "namespace": "default", "name": "a"}},
        says="does not match event.namespace",
    ),
    Row(
        "event: new",
        201,
        "POST",
        "/apis/events.k8s.io/v1/namespaces/table/events",
        {
            "metadata": {"name": "e3"},
            "regarding": {"kind": "Widget", "namespace": "table", "name": "b", "uid": "u2"},
            "reason": "Made",
            "note": "b made",
            "type": "Warning",
            "action": "Make",
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingController": "example.dev/me",
            "reportingInstance": "me-1",
        },
    ),
    Row(
        "event: new, nothing in it",
        422,
        "POST",
        "/apis/events.k8s.io/v1/namespaces/table/events",
        {"metadata": {"name": "e4"}, "regarding": {"namespace": "table"}},
        says="eventTime",
    ),
    Row(
        "event: new, only a time",
        422,
        "POST",
        "/apis/events.k8s.io/v1/namespaces/table/events",
        {"metadata": {"name": "e4"}, "regarding": {"namespace": "table"}, "eventTime": "2026-01-01T00:00:00.000000Z"},
        says="reason",
    ),
    Row("event: new seen by core", 200, "GET", f"{NS}/events/e3", says='"message": "b made"'),
    Row(
        "event: core seen by new",
        200,
        "GET",
        "/apis/events.k8s.io/v1/namespaces/table/events/e1",
        says='"note": "a made"',
    ),
    Row(
        "event: by involved object",
        200,
        "GET",
        f"{NS}/events?fieldSelector=involvedObject.name%3Da,involvedObject.kind%3DWidget,involvedObject.uid%3Du1,reason%3DMade,type%3DNormal",
    ),
    Row(
        "event: by regarding",
        200,
        "GET",
        "/apis/events.k8s.io/v1/namespaces/table/events?fieldSelector=regarding.name%3Db",
    ),
    Row(
        "event: table",
        200,
        "GET",
        f"{NS}/events?fieldSelector=involvedObject.uid%3Du1",
        accept=TABLE,
        ignore=("cells",),
    ),
    Row(
        "event: series",
        200,
        "PATCH",
        "/apis/events.k8s.io/v1/namespaces/table/events/e3",
        {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:05.000000Z"}},
        MERGE,
    ),
    Row("event: deleted", 200, "DELETE", f"{NS}/events/e1"),
]
