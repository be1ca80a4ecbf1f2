"""Strings of the wire that operator, chart and tests share: group, labels, annotations, env, paths.

The engine's image does not hold this package, so what the pod's entrypoint needs of these it says itself; a test compares the two.
"""

from __future__ import annotations

from typing import Final

GROUP: Final = "penstock.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
FLOWRUN_PLURAL: Final = "flowruns"
FLOW_PLURAL: Final = "flows"

MANAGED_BY: Final = "penstock"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_FLOW_RUN: Final = f"{GROUP}/flow-run"
LABEL_FLOW_RUN_UID: Final = f"{GROUP}/flow-run-uid"
LABEL_ATTEMPT: Final = f"{GROUP}/attempt"
LABEL_FLOW: Final = f"{GROUP}/flow"
LABEL_REVISION: Final = f"{GROUP}/revision"
LABEL_SCHEDULE: Final = f"{GROUP}/schedule"
ANNOTATION_INTENT: Final = f"{GROUP}/intent"
OWN_PREFIX: Final = f"{GROUP}/"
KUEUE_PREFIX: Final = "kueue.x-k8s.io/"

ENGINE_CONTAINER: Final = "engine"
VOLUME_INTENT: Final = "penstock-intent"
VOLUME_FLOW: Final = "penstock-flow"
VOLUME_SCRATCH: Final = "penstock-scratch"
INTENT_DIR: Final = "/run/penstock/podinfo"
INTENT_FILE: Final = "intent"
FLOW_DIR: Final = "/run/penstock/flow"
SCRATCH_DIR: Final = "/run/penstock/scratch"
FLOW_JSON: Final = "flow.json"
TERMINATION_LOG: Final = "/dev/termination-log"
RUN_AS: Final = 65532

ENV_NAMESPACE: Final = "PENSTOCK_NAMESPACE"
ENV_FLOWRUN: Final = "PENSTOCK_FLOWRUN"
ENV_FLOWRUN_UID: Final = "PENSTOCK_FLOWRUN_UID"
ENV_ATTEMPT: Final = "PENSTOCK_ATTEMPT"
ENV_ENTRYPOINT: Final = "PENSTOCK_ENTRYPOINT"
ENV_GRACE_SECONDS: Final = "PENSTOCK_GRACE_SECONDS"
ENV_RUN_DIR: Final = "PENSTOCK_RUN_DIR"
ENV_LASTING_PATHS: Final = "PENSTOCK_LASTING_PATHS"
ENV_RESULTS_STORAGE: Final = "PENSTOCK_RESULTS_STORAGE"
ENV_RESULTS_PERSIST: Final = "PENSTOCK_RESULTS_PERSIST_BY_DEFAULT"
ENV_RESULTS_PREVIEW: Final = "PENSTOCK_RESULTS_PREVIEW"
ENV_POD_NAME: Final = "POD_NAME"
ENV_POD_UID: Final = "POD_UID"
ENV_NODE_NAME: Final = "NODE_NAME"

# Exit codes of the engine (the process says by them what a report could not).
EXIT_LOAD_ERROR: Final = 66
EXIT_ENGINE_ERROR: Final = 70
EXIT_REFUSED: Final = 77

CONCURRENCY_CONFIGMAP: Final = "penstock-concurrency"
ADMINISTER_VERB: Final = "administer"
LEASE_NAME: Final = "penstock-operator"  # the one that the chart's Role allows
