"""Thousands of runs with their pods, put where the API server keeps them: made once by the real operator, then copied into etcd.

A run that was created, claimed and perhaps completed is the model; its copies differ in names and UIDs, and each pod has the very name that
the operator gives it. Written through the API they would take minutes, and wear out what is to be measured.
"""

from __future__ import annotations

import base64
import copy
import json
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import httpx

from penstock_operator.core.canonical import digest_text

from .plane import node_name

IN_ONE = 100  # puts of a transaction; etcd takes 128


def copies(run: dict[str, Any], pod: dict[str, Any] | None, prefix: str, count: int) -> Iterator[dict[str, Any]]:
    """Yield copies of a run, and of its pod behind each.

    Args:
        run: the model, as the API server shows it.
        pod: of its present attempt; None: the copies have none (any more).
        prefix: of their names.
        count: how many.
    """
    for number in range(count):
        name, uid, pod_uid = f"{prefix}-{number:05}", str(uuid.uuid4()), str(uuid.uuid4())
        pod_name = f"{name}-{digest_text(uid)[:5]}-1"
        made = copy.deepcopy(run)
        made["metadata"] |= {"name": name, "uid": uid}
        del made["metadata"]["resourceVersion"]
        attempt = made["status"]["attempt"]
        attempt |= {"podName": pod_name}
        if "podUID" in attempt:
            attempt["podUID"] = pod_uid
        made["status"]["lineage"] = uid
        made["status"]["report"]["instance"] = pod_name
        yield made
        if pod is None:
            continue
        its = copy.deepcopy(pod)
        its["metadata"] |= {"name": pod_name, "uid": pod_uid}
        del its["metadata"]["resourceVersion"]
        its["metadata"]["labels"] |= {"penstock.dev/flow-run": name, "penstock.dev/flow-run-uid": uid}
        its["metadata"]["ownerReferences"][0] |= {"name": name, "uid": uid}
        its["spec"]["nodeName"] = node_name(number)
        yield its


def key_of(document: dict[str, Any]) -> str:
    """Return where the API server keeps an object."""
    kept = {"Pod": "pods", "Flow": "penstock.dev/flows"}.get(document["kind"], "penstock.dev/flowruns")
    return f"/registry/{kept}/{document['metadata']['namespace']}/{document['metadata']['name']}"


def put(etcd: str, documents: Iterable[dict[str, Any]]) -> int:
    """Write documents into etcd; return how many."""
    written = 0
    batch: list[dict[str, Any]] = []
    with httpx.Client(base_url=etcd, timeout=60, trust_env=False) as client:

        def send() -> None:
            client.post("/v3/kv/txn", json={"success": batch}).raise_for_status()

        for document in documents:
            pair = {"key": _encoded(key_of(document)), "value": _encoded(json.dumps(document))}
            batch.append({"requestPut": pair})
            written += 1
            if len(batch) == IN_ONE:
                send()
                batch.clear()
        if batch:
            send()
    return written


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
