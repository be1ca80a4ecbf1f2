"""What the pod is told by its environment variables.

Pure: a mapping in, a frozen value or an error that names the variable out. Neighbours: ``penstock.pod.main`` reads it
first; everything else in the pod gets its parts passed in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.kube.paths import NotANameError, flow_run_status

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
SOURCE_DIR = "/run/penstock/flow"
INTENT_FILE = "/run/penstock/podinfo/intent"
TERMINATION_LOG = "/dev/termination-log"
RUN_DIR = "/run/penstock/scratch"
GRACE_SECONDS = 30.0
LOG_LEVEL = "INFO"


class ConfigurationError(Exception):
    """A variable that the pod cannot do without is missing or malformed."""


@dataclass(frozen=True, slots=True)
class Timings:
    """How long the pod waits for what, in seconds; each is the setting ``pod.<name>_seconds``."""

    claim_timeout: float = 300.0
    report_timeout: float = 60.0
    progress: float = 30.0
    intent_poll: float = 0.2
    suspend_wait: float = 10.0
    long_wait: float = 60.0


@dataclass(frozen=True, slots=True)
class PodEnvironment:
    """The pod's own view of what it is and where its things are."""

    namespace: str
    flow_run: str
    uid: str
    attempt: int
    pod_name: str
    api_server: str
    proxy: str | None = None
    entrypoint: str | None = None
    source_dir: str = SOURCE_DIR
    grace: float = GRACE_SECONDS
    intent_file: str = INTENT_FILE
    token_file: str = f"{SERVICE_ACCOUNT}/token"
    ca_file: str = f"{SERVICE_ACCOUNT}/ca.crt"
    termination_log: str = TERMINATION_LOG
    run_dir: str = RUN_DIR
    pod_uid: str | None = None
    node_name: str | None = None
    log_format: str = "auto"
    log_level: str = LOG_LEVEL
    previews: bool = True
    timings: Timings = Timings()

    @property
    def status_path(self) -> str:
        """Where this run's status is in the API."""
        return flow_run_status(self.namespace, self.flow_run)


def parse(environ: Mapping[str, str]) -> PodEnvironment:
    """Read the variables.

    Args:
        environ: The process's environment. An empty variable counts as absent.

    Raises:
        ConfigurationError: A required variable is missing, or one is malformed; the text names it and what it must be.
    """
    timings = Timings()
    given = _Given(environ)
    attempt = given.required("PENSTOCK_ATTEMPT")
    if not attempt.isascii() or not attempt.isdigit() or int(attempt) < 1:
        raise ConfigurationError(f"PENSTOCK_ATTEMPT is {attempt!r}: it must be a whole number from 1 on")
    log_format = given.text("PENSTOCK_LOGGING_FORMAT", "auto").lower()
    if log_format not in ("auto", "json", "text"):
        raise ConfigurationError(f"PENSTOCK_LOGGING_FORMAT is {log_format!r}: it must be auto, json or text")
    namespace, flow_run = given.required("PENSTOCK_NAMESPACE"), given.required("PENSTOCK_FLOWRUN")
    try:
        flow_run_status(namespace, flow_run)
    except NotANameError as error:
        raise ConfigurationError(f"PENSTOCK_NAMESPACE and PENSTOCK_FLOWRUN are names of objects: {error}") from error
    return PodEnvironment(
        namespace=namespace,
        flow_run=flow_run,
        uid=given.required("PENSTOCK_FLOWRUN_UID"),
        attempt=int(attempt),
        pod_name=given.required("POD_NAME"),
        api_server=_api_server(given),
        proxy=_proxy(given, environ),
        entrypoint=given.optional("PENSTOCK_ENTRYPOINT"),
        source_dir=given.text("PENSTOCK_SOURCE_DIR", SOURCE_DIR),
        grace=given.seconds("PENSTOCK_GRACE_SECONDS", GRACE_SECONDS),
        intent_file=given.text("PENSTOCK_INTENT_FILE", INTENT_FILE),
        token_file=given.text("PENSTOCK_TOKEN_FILE", f"{SERVICE_ACCOUNT}/token"),
        ca_file=given.text("PENSTOCK_CA_FILE", f"{SERVICE_ACCOUNT}/ca.crt"),
        termination_log=given.text("PENSTOCK_TERMINATION_LOG", TERMINATION_LOG),
        run_dir=given.text("PENSTOCK_RUN_DIR", RUN_DIR),
        pod_uid=given.optional("POD_UID"),
        node_name=given.optional("NODE_NAME"),
        log_format=log_format,
        log_level=given.text("PENSTOCK_LOGGING_LEVEL", LOG_LEVEL).upper(),
        previews=given.text("PENSTOCK_RESULTS_PREVIEW", "Always").lower() != "never",
        timings=Timings(
            claim_timeout=given.seconds("PENSTOCK_POD_CLAIM_TIMEOUT_SECONDS", timings.claim_timeout),
            report_timeout=given.seconds("PENSTOCK_POD_REPORT_TIMEOUT_SECONDS", timings.report_timeout),
            progress=given.seconds("PENSTOCK_POD_PROGRESS_SECONDS", timings.progress),
            intent_poll=given.seconds("PENSTOCK_POD_INTENT_POLL_SECONDS", timings.intent_poll),
            suspend_wait=given.seconds("PENSTOCK_POD_SUSPEND_WAIT_SECONDS", timings.suspend_wait),
            long_wait=given.seconds("PENSTOCK_POD_LONG_WAIT_SECONDS", timings.long_wait),
        ),
    )


def _api_server(given: _Given) -> str:
    server = given.optional("PENSTOCK_API_SERVER")
    if server is None:
        host = given.optional("KUBERNETES_SERVICE_HOST")
        port = given.optional("KUBERNETES_SERVICE_PORT")
        if host is None or port is None:
            raise ConfigurationError(
                "PENSTOCK_API_SERVER is not set, and neither are KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, "
                "which every pod of a cluster has: set it to the API server's base URL"
            )
        return f"https://{f'[{host}]' if ':' in host else host}:{port}"
    if not server.startswith(("http://", "https://")):
        raise ConfigurationError(f"PENSTOCK_API_SERVER is {server!r}: it must begin with http:// or https://")
    return server


def _proxy(given: _Given, environ: Mapping[str, str]) -> str | None:
    """Give the proxy to the API server: none where the server's address is the cluster's own."""
    server = given.optional("PENSTOCK_API_SERVER")
    if server is None or not any(name.lower() in ("http_proxy", "https_proxy") for name in environ):
        return None
    from penstock.kube.proxies import proxy_for

    try:
        return proxy_for(server, environ)
    except ValueError as error:
        raise ConfigurationError(f"PENSTOCK_API_SERVER is {server!r}, which is no URL: {error}") from None


class _Given:
    __slots__ = ("_environ",)

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def optional(self, name: str) -> str | None:
        return self._environ.get(name) or None

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name) or default

    def required(self, name: str) -> str:
        value = self._environ.get(name)
        if not value:
            raise ConfigurationError(f"{name} is not set: the operator sets it in every pod of a FlowRun")
        return value

    def seconds(self, name: str, default: float) -> float:
        value = self._environ.get(name)
        if not value:
            return default
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            raise ConfigurationError(f"{name} is {value!r}: it must be a number of seconds, 0 or more")
        return number
