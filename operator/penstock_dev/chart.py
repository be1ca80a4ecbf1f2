"""The chart's values: one table, from which values.yaml, values.schema.json and the chart's README are made.

A value that is not in the table does not exist: the schema refuses it, with its place. Neighbours: `generate` writes the three files, the
templates under charts/penstock use the values.
"""

# ruff: noqa: E501 - one row of the table is one line

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

STRING: Final = {"type": "string"}
FLAG: Final = {"type": "boolean"}
STRINGS: Final = {"type": "array", "items": STRING}
TEXTS: Final = {
    "type": "object",
    "additionalProperties": {"type": ["string", "null"]},
}  # labels, annotations, node selectors
# Kubernetes' own types: the API server checks them.
FREE: Final = {"type": "object"}
LIST: Final = {"type": "array", "items": {"type": "object"}}
COUNT: Final = {"type": "integer", "minimum": 0}
# Not said: Kubernetes decides.
UNSET_COUNT: Final = {"type": ["integer", "null"], "minimum": 0}
UNSET_FLAG: Final = {"type": ["boolean", "null"]}
PODS: Final = {"type": ["integer", "string", "null"], "pattern": "^[0-9]+%$", "minimum": 0}
NAMESPACES: Final = {
    "type": "array",
    "uniqueItems": True,
    "items": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
}


def one_of(*words: str) -> dict[str, Any]:
    """Return the schema of a closed set."""
    return {"type": "string", "enum": list(words)}


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the chart.

    Attributes:
        path: keys joined by dots.
        default: what it is when nobody says anything.
        schema: what it may be.
        text: what it is for, in a sentence or two.
    """

    path: str
    default: Any
    schema: Mapping[str, Any]
    text: str


VALUES: Final = (
    Value("nameOverride", "", STRING, "The label app.kubernetes.io/name of everything. Default: penstock."),
    Value("fullnameOverride", "", STRING, "The names of all objects begin with it. Default: the release's name."),
    Value("commonLabels", {}, TEXTS, "Labels of every object and pod of the release; CRDs and policies, which there are once only, have none."),
    Value("extraObjects", [], LIST, "Further objects, installed with the release as they are (a Secret of your secrets operator, a dashboard)."),
    Value("image.repository", "penstock/operator", STRING, "The operator's image; the page is in it too."),
    Value("image.tag", "", STRING, "Its tag. Default: the chart's appVersion."),
    Value("image.digest", "", {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"}, "Its digest, sha256:…; goes before the tag."),
    Value("image.pullPolicy", "IfNotPresent", one_of("Always", "IfNotPresent", "Never"), "When it is pulled."),
    Value("imagePullSecrets", [], LIST, "Secrets for the operator's image: [{name: registry}]."),
    Value("namespaces", [], NAMESPACES, "Where FlowRuns are served. Empty: everywhere (ClusterRoles). A list: only there (Roles; nothing cluster-wide but CRDs and policies)."),
    Value("replicas", 1, {"type": "integer", "minimum": 0, "maximum": 10}, "More than one: leader election over a Lease; the others are warm standbys."),
    Value("podSecurity", "restricted", one_of("restricted", "none"), "restricted: engine pods get the security context that the Pod Security Standard of that name asks for. none: it is left to template and cluster (OpenShift)."),
    Value("engine.image", "", STRING, "The image of flows whose Flow and FlowRun name none. Default: penstock/engine:<appVersion>."),
    Value("engine.namespaces", [], NAMESPACES, "The namespaces whose ServiceAccounts may report of runs. Empty: those of `namespaces`; if that is empty too, every namespace, or with admissionPolicies.enabled=false none: then each is bound by hand, as the notes after the installation tell."),
    Value("engine.resources", {}, FREE, "Requests and limits of engine containers, unless Flow or run say otherwise."),
    Value("engine.imagePullSecrets", [], LIST, "Secrets for the engines' images. They must be in the runs' namespaces."),
    Value("engine.nodeSelector", {}, TEXTS, "Where engine pods are placed."),
    Value("engine.tolerations", [], LIST, "Taints that engine pods tolerate."),
    Value("engine.affinity", {}, FREE, "Affinity of engine pods."),
    Value("engine.priorityClassName", "", STRING, "Priority class of engine pods."),
    Value("engine.env", [], LIST, "Environment variables of engine containers: [{name, value}]."),
    Value("engine.labels", {}, TEXTS, "Labels of engine pods."),
    Value("engine.annotations", {}, TEXTS, "Annotations of engine pods."),
    Value("engine.spec", {}, FREE, "A PodSpec that is merged under every engine pod, over the values above; the container is named engine."),
    Value("engine.serviceAccount.name", "", STRING, "The ServiceAccount of engine pods, unless a template names one. Default: the namespace's `default`."),
    Value("engine.serviceAccount.create", False, FLAG, "Create it, in engine.namespaces (or `namespaces`)."),
    Value("engine.serviceAccount.annotations", {}, TEXTS, "Annotations of the created ones (a cloud's identity)."),
    Value("engine.serviceAccount.startRuns", False, FLAG, "Let the created ones start FlowRuns, wait for them, read their logs and stop them: for flows that start other runs."),
    Value("crds.enabled", True, FLAG, "Install and upgrade the CRDs with the chart. One release in a cluster does."),
    Value("crds.keep", True, FLAG, "Keep them, and all FlowRuns, when the chart is uninstalled."),
    Value("admissionPolicies.enabled", True, FLAG, "Who may write which field, and that nobody has done through a FlowRun what they may not do themselves (docs/security.md). One release in a cluster installs them. Without them whoever may patch flowruns/status in a namespace writes any state there, and whoever may edit Flows and FlowRuns uses the Secrets of others'."),
    Value("restrict.images", [], STRINGS, 'The images that Flows and FlowRuns may name, for everybody, in `image` and in templates; the engine\'s default image needs no entry. Compared with the image as it is written; * stands for any characters: "registry.example/team/*". Empty: any image.'),
    Value("rbac.create", True, FLAG, "Make Roles and bindings. false: somebody else makes them; `helm template -s templates/rbac.yaml` prints what is needed."),
    Value("aggregateRoles", True, FLAG, "Let the cluster's own view, edit and admin roles include Flows and FlowRuns."),
    Value("serviceAccount.name", "", STRING, "The operator's ServiceAccount. Default: the release's name."),
    Value("serviceAccount.create", True, FLAG, "Create it."),
    Value("serviceAccount.annotations", {}, TEXTS, "Its annotations."),
    Value("serviceAccount.labels", {}, TEXTS, "Its labels, over commonLabels."),
    Value("serviceAccount.automount", True, FLAG, "Whether pods of this account get its token. The operator needs it, unless `volumes` brings one."),
    Value("automountServiceAccountToken", None, UNSET_FLAG, "The same, said in the operator's pod."),
    Value("logFormat", "json", one_of("json", "text"), "How the operator writes its log."),
    Value("logLevel", "info", one_of("debug", "info", "warning", "error"), "What it writes."),
    Value("resources", {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "384Mi"}}, FREE, "The operator's requests and limits."),
    Value("podSecurityContext", {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}}, FREE, "The operator's pod and the page's. A key that is set to null goes away: on OpenShift runAsUser and runAsGroup."),
    Value("securityContext", {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, FREE, "The operator's container and the page's."),
    Value("livenessProbe", {"periodSeconds": 20, "timeoutSeconds": 5}, FREE, "When the operator counts as hanging; what is asked is fixed."),
    Value("readinessProbe", {"periodSeconds": 5, "timeoutSeconds": 5}, FREE, "When it counts as ready; what is asked is fixed."),
    Value("volumes", [], LIST, "Further volumes of the operator's pod: certificates of a proxy, a kubeconfig."),
    Value("volumeMounts", [], LIST, "Where the operator's container has them."),
    Value("hostAliases", [], LIST, "Names for /etc/hosts of the operator's pod and the page's."),
    Value("dnsPolicy", "", STRING, "Their DNS policy. Default: Kubernetes' own."),
    Value("dnsConfig", {}, FREE, "Their DNS settings."),
    Value("hostUsers", None, UNSET_FLAG, "false: a user namespace of its own for each of both (Kubernetes 1.33 or newer, and a runtime that can)."),
    Value("strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}, FREE, "How a new operator takes the place of the old one. Recreate: rollingUpdate must be null."),
    Value("revisionHistoryLimit", None, UNSET_COUNT, "How many old ReplicaSets stay for `kubectl rollout undo`. Default: Kubernetes' own, 10."),
    Value("deploymentAnnotations", {}, TEXTS, "Annotations of the Deployment (a tool that restarts it when a Secret changes)."),
    Value("priorityClassName", "", STRING, "The operator's priority class."),
    Value("nodeSelector", {}, TEXTS, "Where the operator is placed."),
    Value("tolerations", [], LIST, "Taints that it tolerates."),
    Value("affinity", {}, FREE, "Its affinity."),
    Value("topologySpreadConstraints", [], LIST, "How several replicas are spread; labelSelector is filled in where it is missing."),
    Value("podDisruptionBudget.enabled", True, FLAG, "With more than one replica: not all of them are drained at a time."),
    Value("podDisruptionBudget.maxUnavailable", 1, PODS, "How many may be drained at a time, as a number or in per cent."),
    Value("podDisruptionBudget.minAvailable", None, PODS, "How many must stay instead; maxUnavailable must be null then."),
    Value("podAnnotations", {}, TEXTS, "Annotations of the operator's pod."),
    Value("podLabels", {}, TEXTS, "Labels of the operator's pod."),
    Value("extraArgs", [], STRINGS, "Further options of the operator (docs/reference.md)."),
    Value("extraEnv", [], LIST, "Further environment variables of the operator."),
    Value("networkPolicy.enabled", False, FLAG, "The operator: out to DNS and the API server only, in to probes and metrics only. The page likewise, in to its port only."),
    Value("networkPolicy.apiServerPorts", [443, 6443], {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}}, "Ports of the API server; where it has others, name them."),
    Value("networkPolicy.metricsFrom", [], LIST, "Who may read metrics, as peers of a NetworkPolicy. Empty: everybody in the cluster."),
    Value("networkPolicy.uiFrom", [], LIST, "Who may reach the page, as peers of a NetworkPolicy: your proxy, your Ingress controller. Empty: everybody in the cluster."),
    Value("metrics.service.enabled", False, FLAG, "A Service for /metrics of the operator."),
    Value("metrics.service.annotations", {}, TEXTS, "Its annotations (prometheus.io/scrape)."),
    Value("metrics.service.labels", {}, TEXTS, "Its labels, over commonLabels."),
    Value("metrics.serviceMonitor.enabled", False, FLAG, "A ServiceMonitor for the Prometheus operator; brings the Service."),
    Value("metrics.serviceMonitor.interval", "30s", STRING, "How often metrics are read."),
    Value("metrics.serviceMonitor.scrapeTimeout", "", STRING, "How long a reading may take. Default: Prometheus' own."),
    Value("metrics.serviceMonitor.relabelings", [], LIST, "What Prometheus makes of the target's labels."),
    Value("metrics.serviceMonitor.metricRelabelings", [], LIST, "What it makes of the metrics'; the way to drop some."),
    Value("metrics.serviceMonitor.labels", {}, TEXTS, "Labels by which your Prometheus selects it."),
    Value("metrics.rules.enabled", False, FLAG, "A PrometheusRule: no leader, a deaf watch, a stuck worker, a slow queue, errors, runs that wait long."),
    Value("metrics.rules.labels", {}, TEXTS, "Labels by which your Prometheus selects it."),
    Value("metrics.dashboard.enabled", False, FLAG, "A Grafana dashboard in a ConfigMap."),
    Value("metrics.dashboard.labels", {"grafana_dashboard": "1"}, TEXTS, "Labels by which Grafana's sidecar finds it."),
    Value("ui.enabled", False, FLAG, "A page of runs, flows and groups in the cluster: a Deployment without rights of its own, and a Service. Each request is answered with the rights of the person who asks (docs/ui.md)."),
    Value("ui.replicas", 1, {"type": "integer", "minimum": 0, "maximum": 10}, "How many; they share nothing."),
    Value("ui.resources", {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "384Mi"}}, FREE, "Its requests and limits."),
    Value("ui.service.port", 80, {"type": "integer", "minimum": 1, "maximum": 65535}, "The port of its Service; it speaks HTTP: TLS is your proxy's or your Ingress controller's."),
    Value("ui.service.annotations", {}, TEXTS, "Annotations of the Service."),
    Value("ui.service.labels", {}, TEXTS, "Its labels, over commonLabels."),
    Value("ui.ingress.enabled", False, FLAG, "An Ingress for the page; needs a host."),
    Value("ui.ingress.host", "", {"type": "string", "pattern": "^([a-z0-9*]([-a-z0-9.]*[a-z0-9])?)?$"}, "The name under which the page is reached."),
    Value("ui.ingress.className", "", STRING, "The IngressClass. Default: the cluster's."),
    Value("ui.ingress.tlsSecret", "", STRING, "The Secret with the certificate of that name. Tokens pass here: without it TLS must end before the Ingress."),
    Value("ui.ingress.annotations", {}, TEXTS, "Annotations of the Ingress: those that ask oauth2-proxy, an issuer of certificates."),
    Value("ui.livenessProbe", {"periodSeconds": 20, "timeoutSeconds": 5}, FREE, "When the page counts as hanging; what is asked is fixed."),
    Value("ui.readinessProbe", {"periodSeconds": 5, "timeoutSeconds": 5}, FREE, "When it counts as ready; what is asked is fixed. Without the API server it stays ready, and says since when it is blind."),
    Value("ui.deploymentAnnotations", {}, TEXTS, "Annotations of its Deployment."),
    Value("ui.podAnnotations", {}, TEXTS, "Annotations of its pod."),
    Value("ui.podLabels", {}, TEXTS, "Labels of its pod."),
    Value("ui.priorityClassName", "", STRING, "Its priority class."),
    Value("ui.nodeSelector", {}, TEXTS, "Where it is placed."),
    Value("ui.tolerations", [], LIST, "Taints that it tolerates."),
    Value("ui.affinity", {}, FREE, "Its affinity."),
    Value("ui.extraArgs", [], STRINGS, "Further options of the page's server (docs/ui.md)."),
    Value("ui.extraEnv", [], LIST, "Further environment variables of the page's server."),
)  # fmt: skip

SECTIONS: Final = {
    "image": "",
    "engine": "What runs flows.",
    "engine.serviceAccount": "Who engine pods are.",
    "crds": "The CustomResourceDefinitions.",
    "admissionPolicies": "ValidatingAdmissionPolicies.",
    "restrict": "What users' specs may say.",
    "rbac": "Rights.",
    "serviceAccount": "Who the operator is.",
    "podDisruptionBudget": "For drains.",
    "networkPolicy": "NetworkPolicies for operator and page.",
    "metrics": "What Prometheus and Grafana need.",
    "metrics.service": "",
    "metrics.serviceMonitor": "",
    "metrics.rules": "",
    "metrics.dashboard": "",
    "ui": "The page.",
    "ui.service": "",
    "ui.ingress": "",
}


def schema() -> str:
    """Return values.schema.json. `global` is Helm's own."""
    root: dict[str, Any] = _closed()
    root["properties"]["global"] = FREE
    for value in VALUES:
        node = root
        *folders, name = value.path.split(".")
        for folder in folders:
            node = node["properties"].setdefault(folder, _closed())
        node["properties"][name] = {"description": value.text, **value.schema}
    return (
        json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", **root}, indent=1, ensure_ascii=False) + "\n"
    )


def _closed() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def values() -> str:
    """Return values.yaml, each value with its text above it."""
    lines = [
        "# Generated from penstock_dev.chart by `make generate`; do not edit. README.md beside it has the same as a table."
    ]
    open_: list[str] = []
    for value in VALUES:
        *folders, name = value.path.split(".")
        while open_ != folders[: len(open_)]:
            open_.pop()
        for folder in folders[len(open_) :]:
            indent = "  " * len(open_)
            if not open_:
                lines.append("")
            open_.append(folder)
            if text := SECTIONS[".".join(open_)]:
                lines.append(f"{indent}# {text}")
            lines.append(f"{indent}{folder}:")
        indent = "  " * len(open_)
        if not open_:
            lines.append("")
        lines += [f"{indent}# {line}" for line in _wrapped(value.text, 140 - len(indent))]
        lines += [
            indent + line for line in yaml.safe_dump({name: value.default}, sort_keys=False, width=200).splitlines()
        ]
    return "\n".join(lines) + "\n"


def _wrapped(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".lstrip()
    yield line


def readme() -> str:
    """Return the chart's README.md."""
    rows = [f"| `{v.path}` | `{json.dumps(v.default)}` | {v.text.replace('|', chr(92) + '|')} |" for v in VALUES]
    return "\n".join(
        [
            "<!-- Generated from penstock_dev.chart by `make generate`; do not edit. -->",
            "# The chart of Penstock",
            "How to install, upgrade, watch and remove it is told in [docs/install.md](../../docs/install.md).",
            "",
            "```sh",
            "helm install penstock charts/penstock --namespace penstock-system --create-namespace --wait",
            "helm test penstock --namespace penstock-system",
            "```",
            "A value that is not in this table is refused, with its place.",
            "",
            "| value | default | |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )
