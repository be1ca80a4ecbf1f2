"""What a CPU profile's stacks were about: by kind of write, and by concern. Pure.

A stack belongs to the first rule of a table that one of its frames meets, so the order is from the particular to the general: what is done for
everybody (collecting garbage, telling watchers) before what is done for one kind of request, and a concern within a request before the request.
Neighbours: `profiling` takes the profiles, `profile` makes figures of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "mins": 60.0, "hrs": 3600.0}
_SAMPLE = re.compile(r"\s*([\d.]+)(ns|us|ms|s|mins|hrs)?\s{2,}(\S.*)$")
REST = "the rest"


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that was seen.

    Attributes:
        weight: for how long; seconds of CPU, or samples.
        frames: names of functions, in any order.
    """

    weight: float
    frames: tuple[str, ...]


Rules = Sequence[tuple[str, str]]

# Of the API server: for whom or what. Frames are Go's, as of Kubernetes 1.30 to 1.37.
KINDS: Rules = (
    ("collecting garbage", r"gcBgMarkWorker|runtime\.bgsweep|runtime\.bgscavenge"),
    ("watches: from etcd, FlowRuns", r"watchChan.*apiextensions|watchChan.*unstructured"),
    ("watches: from etcd", r"etcd3\.\(\*watchChan\)"),
    ("watches: to watchers", r"handleWatch|\(\*WatchServer\)|cacher\.\(\*Cacher\)\.(dispatch|processEvent)"),
    ("FlowRuns: status", r"customresource\.\(\*StatusREST\)|apiextensions.*PatchResource|apiextensions.*\(\*patcher\)"),
    ("FlowRuns: create and read", r"apiextensions-apiserver|customresource"),
    ("pods: binding", r"\(\*BindingREST\)|assignPod|setPodNodeAndMetadata"),
    ("pods: status", r"registry/core/pod/storage\.\(\*StatusREST\)|\(\*patcher\)|PatchResource"),
    ("Events", r"registry/core/event|events/v1\b.*Event|core/v1\.\(\*Event\)|Event_To_|event\.eventStrategy"),
    ("leases", r"coordination.*Lease"),
    ("pods: create", r"core/v1\.\(\*Pod|core\.Pod|_Pod|podStrategy|SetDefaults_|serviceaccount\.|registry/core/pod"),
    ("pods and Events: create, not told apart", r"createHandler|\(\*Store\)\.Create"),
    ("reads", r"GetResource|\(\*Store\)\.Get|ListResource"),
    ("connections and filters", r"net/http|crypto/tls|http2|grpc"),
)
# What is done. The first column of a person who wants to know what a field, a rule or a policy costs.
CONCERNS: Rules = (
    ("collecting garbage", r"gcBgMarkWorker|runtime\.bgsweep|runtime\.bgscavenge"),
    ("watches", r"watchChan|handleWatch|\(\*WatchServer\)|cacher\.\(\*Cacher\)\.(dispatch|processEvent)"),
    ("authorisation", r"RBACAuthorizer|authorizer/rbac"),
    ("CEL: admission policies", r"plugin/policy|policy/validating"),
    ("CEL: rules of CRDs", r"schema/cel\."),
    ("managed fields", r"managedfields|structured-merge-diff"),
    ("schema: validation", r"kube-openapi/pkg/validation|customResourceValidator"),
    (
        "schema: pruning, defaults, metadata",
        r"unstructuredSchemaCoercer|schemaCoercing|schema/(pruning|defaulting|objectmeta)",
    ),
    ("admission", r"pkg/admission|plugin/pkg/admission"),
    ("applying patches", r"applyPatch"),
    ("etcd", r"etcd/client|etcd/api|grpc"),
    ("answers", r"transformResponseObject|responsewriters"),
    ("JSON and protobuf", r"encoding/json|\)\.Unmarshal|\)\.Marshal|serializer"),
    ("connections and filters", r"net/http|crypto/tls|http2"),
)
# Of the operator: the first of its own rooms from the inside that a stack is in.
ROOMS: Rules = (
    ("core: deciding", r"penstock_operator/core/"),
    ("api: models", r"pydantic|penstock_operator/api/"),
    ("runtime: JSON", r"json/(decoder|encoder|__init__)|runtime/jsontext"),
    ("runtime: requests", r"aiohttp|runtime/(client|wire)"),
    ("runtime: store", r"runtime/(store|table|packing|podindex|slots|references|outcomes)"),
    ("runtime: Events", r"runtime/recorder"),
    ("runtime: the rest", r"penstock_operator/"),
    ("watches (kopf)", r"kopf"),
    ("asyncio", r"asyncio/|selectors|ssl"),
)


def of_traces(text: str) -> list[Stack]:
    """Read what `go tool pprof -traces` prints; seconds of CPU."""
    found: list[Stack] = []
    weight, frames = 0.0, list[str]()
    for line in [*text.splitlines(), "-----------+"]:
        if line.startswith("-----------+"):
            if frames:
                found.append(Stack(weight, tuple(frames)))
            frames = []
        elif frames:
            if line.strip():
                frames.append(line.strip())
        elif match := _SAMPLE.match(line):
            weight = float(match[1]) * _UNITS[match[2] or "s"]
            frames = [match[3].strip()]
    return found


def of_collapsed(text: str) -> list[Stack]:
    """Read collapsed stacks, `outermost;...;innermost COUNT` a line, the form of flame graphs; samples."""
    found = []
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if stack and count.isdecimal():
            found.append(Stack(float(count), tuple(stack.split(";"))))
    return found


def shares(stacks: Iterable[Stack], rules: Rules) -> dict[str, float]:
    """Return which part of all is whose, in the order of the rules; what no rule knows is the rest."""
    compiled = [(name, re.compile(pattern)) for name, pattern in rules]
    found = dict.fromkeys([*(name for name, _ in rules), REST], 0.0)
    for stack in stacks:
        text = " ".join(stack.frames)
        found[next((name for name, pattern in compiled if pattern.search(text)), REST)] += stack.weight
    whole = sum(found.values())
    return {name: weight / whole for name, weight in found.items()} if whole else {}
