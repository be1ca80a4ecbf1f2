"""Pods are created: defaults, admission, validation."""

from __future__ import annotations

from tests.dev.apiserver.rows import (
    NS,
    STRICT,
    Row,
    pod,
)

POD = f"{NS}/pods"
FULL = pod(
    "p",
    restartPolicy="Never",
    nodeName="nowhere",
    automountServiceAccountToken=False,
    volumes=[
        {"name": "info", "downwardAPI": {"items": [{"path": "x", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"name": "cm", "configMap": {"name": "c"}},
        {"name": "tmp", "emptyDir": {}},
    ],
    containers=[
        {
            "name": "main",
            "image": "x",
            "command": ["a"],
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            ],
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
            "livenessProbe": {"exec": {"command": ["true"]}},
            "ports": [{"containerPort": 80}],
        }
    ],
)

PODS = [
    Row("pod: created", 201, "POST", POD + STRICT, FULL),
    Row("pod: with a token volume", 201, "POST", POD, pod("t"), ignore=()),
    Row("pod: unknown field", 400, "POST", POD + STRICT, pod("q", colour="x"), says='unknown field "spec.colour"'),
    Row(
        "pod: unknown container field",
        400,
        "POST",
        POD + STRICT,
        pod("q", containers=[{"name": "m", "image": "x", "imag": "y"}]),
        says='unknown field "spec.containers[0].imag"',
    ),
    Row("pod: warned", 201, "POST", POD, pod("w", colour="x"), ignore=("spec",)),
    Row("pod: no containers", 422, "POST", POD, pod("q", containers=[]), says="spec.containers: Required value"),
    Row(
        "pod: no container name",
        422,
        "POST",
        POD,
        pod("q", containers=[{"image": "x"}]),
        says="spec.containers[0].name: Required value",
    ),
    Row(
        "pod: bad container name",
        422,
        "POST",
        POD,
        pod("q", containers=[{"name": "A", "image": "x"}]),
        says="RFC 1123 label",
    ),
    Row(
        "pod: two of a name",
        422,
        "POST",
        POD,
        pod("q", containers=[{"name": "a", "image": "x"}, {"name": "a", "image": "x"}]),
        says="Duplicate value",
    ),
    Row("pod: no image", 422, "POST", POD, pod("q", containers=[{"name": "a"}]), says="image"),
    Row("pod: bad restartPolicy", 422, "POST", POD, pod("q", restartPolicy="Sometimes"), says="restartPolicy"),
    Row(
        "pod: bad pull policy",
        422,
        "POST",
        POD,
        pod("q", containers=[{"name": "a", "image": "x", "imagePullPolicy": "Now"}]),
        says="imagePullPolicy",
    ),
    Row(
        "pod: unknown volume",
        422,
        "POST",
        POD,
        pod("q", containers=[{"name": "a", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]),
        says='Not found: "v"',
    ),
    Row(
        "pod: two volumes of a name",
        422,
        "POST",
        POD,
        pod("q", volumes=[{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]),
        says="Duplicate value",
    ),
    Row(
        "pod: volume of two kinds",
        422,
        "POST",
        POD,
        pod("q", volumes=[{"name": "v", "emptyDir": {}, "configMap": {"name": "c"}}]),
        says="more than 1 volume type",
    ),
    Row(
        "pod: mount without path",
        422,
        "POST",
        POD,
        pod(
            "q",
            volumes=[{"name": "v", "emptyDir": {}}],
            containers=[{"name": "a", "image": "x", "volumeMounts": [{"name": "v"}]}],
        ),
        says="mountPath",
    ),
    Row(
        "pod: bad env name",
        422,
        "POST",
        POD,
        pod("q", containers=[{"name": "a", "image": "x", "env": [{"name": "A=B"}]}]),
        says="environment variable name",
    ),
    Row(
        "pod: env of two kinds",
        422,
        "POST",
        POD,
        pod(
            "q",
            containers=[
                {
                    "name": "a",
                    "image": "x",
                    "env": [{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                }
            ],
        ),
        says="may not be specified when",
    ),
    Row("pod: bad deadline", 422, "POST", POD, pod("q", activeDeadlineSeconds=0), says="activeDeadlineSeconds"),
    Row(
        "pod: negative grace",
        201,
        "POST",
        POD,
        pod("neg", terminationGracePeriodSeconds=-5),
        says='"terminationGracePeriodSeconds": 1',
    ),
    Row(
        "pod: no such account",
        403,
        "POST",
        POD,
        pod("q", serviceAccountName="nobody"),
        says='serviceaccount "nobody" not found',
    ),
    Row(
        "pod: wrong type",
        400,
        "POST",
        POD,
        pod("q", containers="x"),
        says="cannot be handled as a Pod",
        ignore=("message",),
    ),
    Row("pod: bad name", 422, "POST", POD, pod("A")),
]
