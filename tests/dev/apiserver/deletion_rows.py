"""Deletion: preconditions, finalizers, propagation, garbage collection."""

from __future__ import annotations

from tests.dev.apiserver.rows import (
    MERGE,
    NS,
    WIDGETS,
    A,
    Row,
)

DELETION = [
    Row("plain finalizer removed", 200, "PATCH", WIDGETS + "/fin", {"metadata": {"finalizers": None}}, MERGE),
    Row("delete", 200, "DELETE", WIDGETS + "/w1"),
    Row("delete again", 404, "DELETE", WIDGETS + "/w1"),
    Row(
        "delete with another uid",
        409,
        "DELETE",
        WIDGETS + "/w2",
        {"preconditions": {"uid": "x"}},
        says="the UID in the precondition (x) does not match",
    ),
    Row(
        "delete with another version",
        409,
        "DELETE",
        WIDGETS + "/w2",
        {"preconditions": {"resourceVersion": "1"}},
        says="the ResourceVersion in the precondition (1) does not match",
        ignore=("message",),
    ),
    Row("delete dry run", 200, "DELETE", WIDGETS + "/w2?dryRun=All"),
    Row(
        "delete with uid",
        200,
        "DELETE",
        WIDGETS + "/w2",
        lambda seen: {"preconditions": {"uid": seen["cr: ignored unknown"]["metadata.uid"]}},
    ),
    Row(
        "delete bad policy",
        422,
        "DELETE",
        WIDGETS + "/n1",
        {"propagationPolicy": "Later"},
        says="propagationPolicy",
        ignore=("message", "causes", "details"),
    ),
    Row("finalizer", 200, "PATCH", WIDGETS + "/n1", {"metadata": {"finalizers": ["example.dev/x"]}}, MERGE),
    Row("delete held", 200, "DELETE", WIDGETS + "/n1", says="deletionTimestamp"),
    Row("delete held again", 200, "DELETE", WIDGETS + "/n1"),
    Row(
        "finalizer added late",
        422,
        "PATCH",
        WIDGETS + "/n1",
        {"metadata": {"finalizers": ["example.dev/x", "example.dev/y"]}},
        MERGE,
        says="no new finalizers can be added",
        ignore=("message",),
    ),
    Row("held may change", 200, "PATCH", WIDGETS + "/n1", {"spec": {"size": 50}}, MERGE),
    Row("finalizer removed", 200, "PATCH", WIDGETS + "/n1", {"metadata": {"finalizers": None}}, MERGE),
    Row("held is gone", 404, "GET", WIDGETS + "/n1"),
    Row("owner", 201, "POST", f"{NS}/configmaps", {"metadata": {"name": "owner"}}),
    Row(
        "dependent",
        201,
        "POST",
        f"{NS}/configmaps",
        lambda seen: {
            "metadata": {
                "name": "dep",
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "name": "owner",
                        "uid": seen["owner"]["metadata.uid"],
                        "blockOwnerDeletion": True,
                        "controller": True,
                    }
                ],
            }
        },
    ),
    Row(
        "delete foreground",
        200,
        "DELETE",
        f"{NS}/configmaps/owner?propagationPolicy=Foreground",
        says="foregroundDeletion",
    ),
    Row("dependent is gone", 404, "GET", f"{NS}/configmaps/dep", until=True),
    Row("owner is gone", 404, "GET", f"{NS}/configmaps/owner", until=True),
    Row("owner 2", 201, "POST", f"{NS}/configmaps", {"metadata": {"name": "owner2"}}),
    Row(
        "dependent 2",
        201,
        "POST",
        f"{NS}/configmaps",
        lambda seen: {
            "metadata": {
                "name": "dep2",
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "name": "owner2",
                        "uid": seen["owner 2"]["metadata.uid"],
                    }
                ],
            }
        },
    ),
    Row("delete background", 200, "DELETE", f"{NS}/configmaps/owner2", {"propagationPolicy": "Background"}),
    Row("dependent 2 is gone", 404, "GET", f"{NS}/configmaps/dep2", until=True),
    Row("owner 3", 201, "POST", f"{NS}/configmaps", {"metadata": {"name": "owner3"}}),
    Row(
        "dependent 3",
        201,
        "POST",
        f"{NS}/configmaps",
        lambda seen: {
            "metadata": {
                "name": "dep3",
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "name": "owner3",
                        "uid": seen["owner 3"]["metadata.uid"],
                    }
                ],
            }
        },
    ),
    Row("delete orphan", 200, "DELETE", f"{NS}/configmaps/owner3", {"propagationPolicy": "Orphan"}, says="orphan"),
    Row("owner 3 is gone", 404, "GET", f"{NS}/configmaps/owner3", until=True),
    Row("dependent 3 stays, alone", 200, "GET", f"{NS}/configmaps/dep3"),
    Row(
        "dependent of nobody",
        201,
        "POST",
        f"{NS}/configmaps",
        {
            "metadata": {
                "name": "dep4",
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "name": "ghost",
                        "uid": "11111111-1111-4111-8111-111111111111",
                    }
                ],
            }
        },
    ),
    Row("dependent of nobody is gone", 404, "GET", f"{NS}/configmaps/dep4", until=True),
    Row("delete collection", 200, "DELETE", WIDGETS + "?labelSelector=x%3D1"),
    Row("collection is gone", 404, "GET", A),
]
