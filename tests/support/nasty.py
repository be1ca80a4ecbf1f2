"""FlowRuns and Flows as a user should not write them and may: odd values at any depth, numbers and times at their edges, big, deep, in Unicode.

By a seed, so that a failure can be told again. What our CRDs refuse is not handed out: the others are what the operator has to decide about.
Nothing here harms a program: patterns don't backtrack, and sizes stay far below what a server takes.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.crdcheck import FLOWS, RUNS

JSON = dict[str, Any]

TEXTS = [
    "",
    " ",
    "a",
    "0",
    "null",
    "true",
    "etl",
    "\n",
    "a\nb",
    "\t",
    "\x00",
    "\x07",
    "\x1b[31m",
    "\x7f",
    "\x85",
    "\xa0",
    "\u2028",
    "\u200b",
    "\ufeff",
    "\ufffd",
    "\U0001f600",
    "\u202eabc",
    "A" * 63,
    "a" * 64,
    "a" * 253,
    "x" * 5_000,
    "../..",
    "a/b",
    "a?b=c",
    "a#b",
    "%2e%2e",
    "{}",
    "$(HOME)",
    "$$",
    "'",
    '"',
    "\\",
    "a.b",
    "A.B",
    "-",
    "_",
    "~",
    "a b",
    "\u0660",
    "\xdf",
    "e\u0301",
    "1e400",
    "NaN",
    "Infinity",
    "0x10",
    "9999-12-31T23:59:59Z",
]
NUMBERS = [
    0,
    1,
    -1,
    2,
    29,
    30,
    100,
    101,
    3_600,
    3_601,
    86_400,
    86_401,
    2**31 - 1,
    2**31,
    -(2**31),
    251_606_316_737,
    2**53,
    2**63 - 1,
    -(2**63),
    0.0,
    -0.0,
    1.5,
    1e15,
    600.0,
]
TIMES = [
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:01.5Z",
    "2026-01-01T00:00:00+23:59",
    "2026-01-01T00:00:00-23:59",
    "0001-01-01T00:00:00Z",
    "0002-01-01T00:00:00+23:59",
    "9998-12-31T23:59:59-23:59",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
    "0000-01-01T00:00:00Z",
    "2026-01-01t00:00:00z",
    "2026-06-30T23:59:60Z",
    "2024-02-29T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01T00:00:00.123456789Z",
]
ENTRYPOINTS = [
    "a.py:f",
    "a:f",
    "a.b.c:f.g",
    "dir/a.py:f",
    "\xe9.py:f",
    "\U0001f600.py:f",
    "a\xa0b.py:f",
    "x" * 500 + ":f",
    ".:f",
    "/:f",
    "..:f",
]
NAMES = ["etl", "absent", "a", "x" * 41, "x" * 52, "x" * 63, "a-b", "0", "nasty-0", "nasty-1", "nasty-2"]
POD_FIELDS = [
    "containers",
    "initContainers",
    "volumes",
    "env",
    "envFrom",
    "ports",
    "volumeMounts",
    "volumeDevices",
    "imagePullSecrets",
    "hostAliases",
    "tolerations",
    "nodeSelector",
    "affinity",
    "securityContext",
    "resources",
    "schedulingGates",
    "resourceClaims",
    "topologySpreadConstraints",
    "terminationGracePeriodSeconds",
    "restartPolicy",
    "serviceAccountName",
    "activeDeadlineSeconds",
    "dnsConfig",
    "overhead",
    "lifecycle",
    "livenessProbe",
    "command",
    "args",
    "image",
    "name",
    "mountPath",
    "hostNetwork",
    "ephemeralContainers",
    "readinessGates",
    "os",
    "priorityClassName",
    "runtimeClassName",
    "nodeName",
    "$patch",
    "$retainKeys",
    "$setElementOrder/containers",
    "$deleteFromPrimitiveList/command",
    "nodeSelctor",
]


class Nasty:
    """Makes objects.

    Args:
        seed: the same seed, the same objects.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def flow(self, name: str) -> JSON:
        """A Flow that our CRD takes."""
        base = {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": "Flow",
            "metadata": {"name": name},
            "spec": self._execution(),
        }
        twists = [*EXECUTION, _suspend, _schedules, _concurrency, _groups, _history, _on_change]
        return self._twisted(base, FLOWS.admit, lambda body: body["spec"], twists)

    def run(self, name: str, flow: str | None = None) -> JSON:
        """A FlowRun that our CRD takes: of a Flow, or with a flow of its own."""
        spec = {"flowRef": {"name": flow}} if flow is not None else {"flowSpec": self._execution()}
        base = {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun", "metadata": {"name": name}, "spec": spec}
        run_twists = [
            _parameters,
            _context,
            _template,
            _env,
            _resources,
            _image,
            _policy,
            _policy,
            _time,
            _time,
            _inputs,
            _run_fields,
            _labels,
        ]
        if flow is None and self._random.random() < 0.6:
            return self._twisted(base, RUNS.admit, lambda body: body["spec"]["flowSpec"], EXECUTION)
        return self._twisted(base, RUNS.admit, lambda body: body["spec"], run_twists)

    def _execution(self) -> JSON:
        return (
            {"entrypoint": "a.py:f", "source": {"inline": "def f(): pass"}}
            if self._random.random() < 0.5
            else {"entrypoint": "a:f"}
        )

    def _twisted(
        self,
        base: JSON,
        admit: Callable[[JSON], JSON | None],
        at: Callable[[JSON], JSON],
        twists: Sequence[Callable[[Nasty, JSON, JSON], None]],
    ) -> JSON:
        """Twist an object some times; a twist that the CRD refuses is left out."""
        stored = admit(base)
        assert stored is not None
        for _ in range(self._random.randint(1, 4)):
            for _ in range(8):
                body = _copied(base)
                self._random.choice(twists)(self, at(body), body)
                taken = admit(body)
                if taken is not None:
                    base, stored = body, taken
                    break
        return stored

    # --- values -----------------------------------------------------------------------------------------------------------------------

    def one(self, *choices: Any) -> Any:
        return self._random.choice(choices)

    def some(self, probability: float) -> bool:
        return self._random.random() < probability

    def text(self) -> str:
        return str(self._random.choice(TEXTS))

    def number(self) -> float:
        return self._random.choice(NUMBERS)

    def junk(self, depth: int = 3) -> Any:
        """Any JSON value."""
        kind = self._random.randrange(10 if depth else 6)
        if kind < 3:
            return self.text()
        if kind == 3:
            return self.number()
        if kind < 6:
            return self.one(None, True, False, [], {})
        if kind < 8:
            return [self.junk(depth - 1) for _ in range(self._random.randint(0, 3))]
        return {self.one(*TEXTS, *POD_FIELDS): self.junk(depth - 1) for _ in range(self._random.randint(0, 4))}

    def deep(self) -> Any:
        """A value nested deeper than people write, within what a server's parser takes."""
        value: Any = self.text()
        kind = self.one(list, dict)
        for _ in range(self.one(20, 99, 100, 101, 254, 256, 300)):
            value = [value] if kind is list else {"a": value}
        return value

    def big(self) -> Any:
        """Many things."""
        return self.one([{}] * 500, ["x"] * 500, list(range(500)), {f"k{n}": n for n in range(200)}, "y" * 100_000)

    def value(self) -> Any:
        return self.one(self.junk, self.junk, self.junk, self.deep, self.big)()

    def free(self, keys: int = 5) -> JSON:
        return {self.one(*TEXTS[2:]): self.value() for _ in range(self._random.randint(0, keys))}


def _copied(body: JSON) -> JSON:
    """A copy as far down as twists reach: they set whole fields, but for the run policy's."""
    spec = {**body["spec"]}
    if "flowSpec" in spec:
        spec["flowSpec"] = {**spec["flowSpec"]}
    for part in (spec, spec.get("flowSpec", {})):
        if "runPolicy" in part:
            part["runPolicy"] = copy.deepcopy(part["runPolicy"])
    return {**body, "metadata": {**body["metadata"]}, "spec": spec}


# --- twists: of an execution, or of a run's spec ------------------------------------------------------------------------------------------


def _entrypoint(n: Nasty, spec: JSON, _: JSON) -> None:
    spec["entrypoint"] = n.one(*ENTRYPOINTS, f"{n.text()}:f", f"a.py:{n.text()}")
    spec.pop("source", None)


def _source(n: Nasty, spec: JSON, _: JSON) -> None:
    spec["entrypoint"] = "a.py:f"
    spec["source"] = n.one(
        {"inline": n.text() or "x"}, {"inline": "y" * 200_000}, {"configMap": {"name": n.one(*NAMES, *TEXTS)}}
    )


def _parameters(n: Nasty, spec: JSON, _: JSON) -> None:
    spec["parameters"] = n.free()


def _context(n: Nasty, spec: JSON, _: JSON) -> None:
    spec["context"] = n.free()


def _inputs(n: Nasty, spec: JSON, _: JSON) -> None:
    spec["inputs"] = n.free()


def _schema(n: Nasty, spec: JSON, _: JSON) -> None:
    odd = [
        {"type": n.junk(1)},
        {"$ref": n.one("#", "#/x", "https://example.invalid/s", "file:///x", n.text())},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"properties": {n.text(): n.junk(2)}},
        {"required": n.junk(1)},
        {"pattern": n.one("(", "[", "\\p{L}", "(?<n>a)", n.text())},
        {"enum": n.junk(1)},
        {"allOf": [{}] * 500},
        {"minimum": n.number()},
        {"multipleOf": n.number()},
        {"not": {}},
        {"$schema": n.text()},
        {"$id": n.text()},
        {"$dynamicRef": "#a"},
        {"if": n.junk(2)},
        {"patternProperties": {n.text(): {}}},
        {"unevaluatedProperties": False},
        {"format": n.text()},
        n.free(3),
        {"items": n.deep()},
        {"properties": {"x": n.deep()}},
    ]
    spec["parametersSchema"] = n.one(*odd)


def _container(n: Nasty) -> Any:
    fields = {n.one(*POD_FIELDS): n.one(n.value(), [n.junk(2)], {n.one(*POD_FIELDS): n.junk(2)}) for _ in range(3)}
    return n.one(
        {"name": "engine", **fields},
        {"name": n.text(), **fields},
        {"name": "engine", "$patch": n.one("replace", "delete", "merge", n.junk(1)), **fields},
        n.junk(2),
    )


def _template(n: Nasty, spec: JSON, _: JSON) -> None:
    pod: Any = n.one({}, {"$patch": n.one("replace", "delete", "merge", n.junk(1))})
    pod |= {n.one(*POD_FIELDS): n.one(n.value(), [n.junk(2), n.junk(2)], n.junk(3)) for _ in range(n.one(0, 1, 2, 3))}
    if n.some(0.6):
        pod["containers"] = n.one([_container(n)], [_container(n), _container(n)], [_container(n)], n.junk(2))
    if n.some(0.3):
        pod["volumes"] = n.one(
            [n.junk(2)], [{"name": n.one("tmp", "penstock-intent", n.text()), "emptyDir": n.junk(1)}], n.junk(2)
        )
    spec["template"] = {"spec": pod}
    if n.some(0.4):
        spec["template"]["metadata"] = {
            n.one("labels", "annotations"): {
                n.one("penstock.dev/flow-run", "a", *TEXTS[2:]): n.text()[:60] for _ in range(3)
            }
        }


def _env(n: Nasty, spec: JSON, _: JSON) -> None:
    names = {n.one("HOME", "PENSTOCK_FLOWRUN", "PYTHONPATH", *TEXTS[2:]) for _ in range(n.one(1, 3, 128))}
    spec["env"] = [
        {
            "name": name,
            **n.one(
                {},
                {"value": n.text()},
                {"valueFrom": n.junk(3)},
                {n.one(*POD_FIELDS): n.junk(2)},
                {"valueFrom": n.deep()},
            ),
        }
        for name in sorted(names)
    ]


def _resources(n: Nasty, spec: JSON, _: JSON) -> None:
    spec["resources"] = n.one(
        {"limits": {"memory": n.junk(1)}},
        {"requests": n.junk(2)},
        {"limits": n.junk(1)},
        {"claims": n.junk(2)},
        n.free(3),
        {"limits": {n.text(): "1"}},
    )


def _image(n: Nasty, spec: JSON, _: JSON) -> None:
    spec["image"] = n.text() or "x"


def _results(n: Nasty, spec: JSON, _: JSON) -> None:
    spec["results"] = {
        "storage": n.one("s3://a", n.text() or "x"),
        "persist": n.one(True, False),
        "preview": n.one("Always", "Never"),
    }


def _policy(n: Nasty, spec: JSON, _: JSON) -> None:
    policy = spec.setdefault("runPolicy", {})
    where = n.one(
        policy,
        policy,
        policy.setdefault("retries", {}),
        policy.setdefault("backoff", {}),
        policy.setdefault("retention", {}),
    )
    names = [
        "activeDeadlineSeconds",
        "pendingDeadlineSeconds",
        "imagePullGraceSeconds",
        "gracePeriodSeconds",
        "livenessSeconds",
    ]
    if where is not policy:
        names = {
            id(policy["retries"]): ["infrastructure", "neverStarted", "application"],
            id(policy["backoff"]): ["initialSeconds", "maximumSeconds"],
        }.get(id(where), ["podSeconds", "runSeconds"])
    where[n.one(*names)] = n.number()


def _time(n: Nasty, spec: JSON, _: JSON) -> None:
    spec["scheduledTime"] = n.one(*TIMES)


def _run_fields(n: Nasty, spec: JSON, _: JSON) -> None:
    name, value = n.one(
        ("priority", n.number()),
        ("displayName", n.text()),
        ("rerunOf", {"name": n.one(*NAMES)}),
        ("desiredState", n.one("Running", "Paused", "Suspended", "Cancelled")),
    )
    spec[name] = value


def _labels(n: Nasty, _: JSON, body: JSON) -> None:
    body["metadata"]["labels"] = {
        n.one("kueue.x-k8s.io/queue-name", "app.kubernetes.io/managed-by", "penstock.dev/flow-run"): n.one(
            "a", "Helm", "x" * 63, ""
        )
    }
    body["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": n.text()}


# --- twists: of a Flow --------------------------------------------------------------------------------------------------------------------


def _suspend(_: Nasty, spec: JSON, __: JSON) -> None:
    spec["suspend"] = True


def _schedules(n: Nasty, spec: JSON, _: JSON) -> None:
    when = n.one({"cron": n.one("* * * * *", "61 * * * *", n.text() or "x")}, {"intervalSeconds": n.number()})
    spec["schedules"] = [
        {
            "name": "s",
            **when,
            "timeZone": n.one("UTC", "Europe/Berlin", n.text()[:60]),
            "anchorTime": n.one(*TIMES),
            "parameters": n.free(2),
        },
        {"name": "t", "intervalSeconds": 10, "startingDeadlineSeconds": n.number()},
    ]


def _concurrency(n: Nasty, spec: JSON, _: JSON) -> None:
    spec["concurrency"] = {"limit": n.number(), "policy": n.one("Queue", "Skip", "Replace")}


def _groups(n: Nasty, spec: JSON, _: JSON) -> None:
    spec["concurrencyGroups"] = [n.text() or "x" for _ in range(2)]


def _history(n: Nasty, spec: JSON, _: JSON) -> None:
    spec["historyLimits"] = {"completed": n.number()}


def _on_change(_: Nasty, spec: JSON, __: JSON) -> None:
    spec["runOnChange"] = "Always"


EXECUTION: list[Callable[[Nasty, JSON, JSON], None]] = [
    _entrypoint,
    _source,
    _parameters,
    _schema,
    _template,
    _template,
    _template,
    _template,
    _env,
    _env,
    _resources,
    _image,
    _results,
    _policy,
    _policy,
]
