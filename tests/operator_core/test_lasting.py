"""Which mounts outlive a pod, and what is said of results that are to be persisted elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from penstock_operator.core.lasting import lasting_paths, not_durable
from penstock_operator.core.pod import pod_manifest
from penstock_operator.core.policy import Policy
from penstock_operator.core.revisions import Definition
from tests.support.builders import (
    ENGINE_IMAGE,
    POD_UID,
    flow_spec,
    observed,
    pod,
    report,
    run,
    running,
    status_json,
)
from tests.support.cases import decide

CLAIM = {"persistentVolumeClaim": {"claimName": "results"}}


def made(
    results: dict[str, Any], *volumes: tuple[str, dict[str, Any]], env: tuple[dict[str, Any], ...] = ()
) -> dict[str, Any]:
    template = {
        "spec": {
            "volumes": [{"name": f"v{i}", **kind} for i, (_, kind) in enumerate(volumes)],
            "containers": [
                {
                    "name": "engine",
                    "env": list(env),
                    "volumeMounts": [{"name": f"v{i}", "mountPath": path} for i, (path, _) in enumerate(volumes)],
                }
            ],
        }
    }
    return {"flowSpec": flow_spec(results=results, template=template)}


def spec_of(fields: dict[str, Any]) -> dict[str, Any]:
    flowrun = run(fields)
    assert flowrun.spec.flow_spec is not None
    manifest = pod_manifest(
        flowrun, Definition(flowrun.spec.flow_spec), Policy(), 1, engine_image=ENGINE_IMAGE, secure=True
    )
    found: dict[str, Any] = manifest["spec"]
    return found


FILE = {"persist": True, "storage": "file:///results"}


@pytest.mark.parametrize(
    ("fields", "lasting", "said"),
    [
        (made(FILE, ("/results", CLAIM)), "/results", None),
        (
            made(FILE, ("/", {"nfs": {"server": "s", "path": "/"}}), ("/results", {"emptyDir": {}})),
            "/:!/results:!/run/penstock/podinfo:!/run/penstock/scratch:!/tmp",
            "emptyDir",
        ),
        (
            made({**FILE, "storage": "file:///results/deep/"}, ("/results/", {"hostPath": {"path": "/r"}})),
            "/results",
            None,
        ),
        (made({**FILE, "storage": "/results"}, ("/results", {"csi": {"driver": "d"}})), "/results", None),
        (made(FILE, ("/resultsx", CLAIM)), "/resultsx", "no volume is mounted there"),
        (made(FILE), "", "no volume is mounted there"),
        (made({**FILE, "storage": "file:///tmp/x"}), "", "/tmp is a volume of the pod's own: emptyDir"),
        (made(FILE, ("/results", {"ephemeral": {"volumeClaimTemplate": {"spec": {}}}})), "", "ephemeral"),
        (made({**FILE, "storage": "file:///results/../tmp"}, ("/results", CLAIM)), "/results", "emptyDir"),
        (made({**FILE, "storage": "./results"}), "", "a folder of the container's own"),
        (made({**FILE, "storage": "memory://x"}), "", "in the memory of the pod"),
        (made({**FILE, "storage": "s3://bucket/x"}), "", None),
        (made({"persist": True}), "", "no results.storage is set"),
        (made({"persist": True}, ("/root", CLAIM)), "/root", None),
        (made({"persist": False, "storage": "file:///tmp/x"}), "", None),
        (made({"storage": "file:///tmp/x"}), "", None),
    ],
)
def test_a_place_lasts_or_is_told(fields: dict[str, Any], lasting: str, said: str | None) -> None:
    spec = spec_of(fields)
    assert lasting_paths(spec) == lasting
    variables = {v["name"]: v.get("value") for v in spec["containers"][0]["env"]}
    assert variables["PENSTOCK_LASTING_PATHS"] == lasting
    found = not_durable(spec)
    assert (found is None) == (said is None)
    if found is not None and said is not None:
        assert found.reason == "ResultsNotDurable"
        assert said in found.message
        assert "bucket" in found.message


@pytest.mark.parametrize("told", [True, False])
def test_what_the_code_of_a_flow_persists_is_told_by_its_report(told: bool) -> None:
    """The spec asks for nothing: that results are to be persisted, and where, is known in the pod alone."""
    said = "Results are persisted to /tmp/x, which is gone with this pod: mount a claim"
    reported = {**report(), **({"notDurable": said} if told else {})}
    status = decide(
        observed(run(status=status_json("Running", pod_uid=POD_UID, report=reported, started=9)), pod=pod(running()))
    ).status
    assert status is not None
    (condition,) = (c for c in status.conditions or () if c.type == "Degraded")
    want = ("True", "ResultsNotDurable", said) if told else ("False", "Running", "")
    assert (condition.status.value, condition.reason, condition.message) == want


@pytest.mark.parametrize("storage", ["file:///tmp/x", "file:///results"])
def test_a_run_that_persists_to_its_own_pod_is_degraded(storage: str) -> None:
    fields = made({"persist": True, "storage": storage}, ("/results", CLAIM))
    status = decide(observed(run(fields))).status
    assert status is not None
    (condition,) = (c for c in status.conditions or () if c.type == "Degraded")
    want = ("True", "ResultsNotDurable") if storage == "file:///tmp/x" else ("False", "Submitting")
    assert (condition.status.value, condition.reason) == want
