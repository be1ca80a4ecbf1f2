"""The pod's variables (the table of the pod's environment): required, defaults, malformed."""

from __future__ import annotations

import pytest

from penstock.pod.environment import ConfigurationError, PodEnvironment, Timings, parse

REQUIRED = {
    "PENSTOCK_NAMESPACE": "team-a",
    "PENSTOCK_FLOWRUN": "etl",
    "PENSTOCK_FLOWRUN_UID": "u-1",
    "PENSTOCK_ATTEMPT": "2",
    "POD_NAME": "etl-7f3c2-2",
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
}


def test_defaults_are_those_of_a_pod_in_a_cluster() -> None:
    assert parse(REQUIRED) == PodEnvironment(
        namespace="team-a",
        flow_run="etl",
        uid="u-1",
        attempt=2,
        pod_name="etl-7f3c2-2",
        api_server="https://10.0.0.1:443",
        entrypoint=None,
        source_dir="/run/penstock/flow",
        grace=30.0,
        intent_file="/run/penstock/podinfo/intent",
        token_file="/var/run/secrets/kubernetes.io/serviceaccount/token",
        ca_file="/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        termination_log="/dev/termination-log",
        run_dir="/run/penstock/scratch",
        log_format="auto",
        log_level="INFO",
        previews=True,
        timings=Timings(300.0, 60.0, 30.0, 0.2, 10.0),
    )
    assert parse(REQUIRED).status_path == "/apis/penstock.dev/v1alpha1/namespaces/team-a/flowruns/etl/status"


@pytest.mark.parametrize("variable", ["PENSTOCK_NAMESPACE", "PENSTOCK_FLOWRUN"])
def test_what_names_no_object_is_refused(variable: str) -> None:
    """It would lead to another object."""
    with pytest.raises(ConfigurationError, match="PENSTOCK_FLOWRUN"):
        parse({**REQUIRED, variable: "../other/flowruns/x"})


@pytest.mark.parametrize(
    ("variable", "value", "field", "want"),
    [
        ("PENSTOCK_ENTRYPOINT", "a.py:f", "entrypoint", "a.py:f"),
        ("PENSTOCK_SOURCE_DIR", "/src", "source_dir", "/src"),
        ("PENSTOCK_GRACE_SECONDS", "0", "grace", 0.0),
        ("PENSTOCK_INTENT_FILE", "/i", "intent_file", "/i"),
        ("PENSTOCK_API_SERVER", "http://127.0.0.1:8080", "api_server", "http://127.0.0.1:8080"),
        ("PENSTOCK_TOKEN_FILE", "/t", "token_file", "/t"),
        ("PENSTOCK_CA_FILE", "/c", "ca_file", "/c"),
        ("PENSTOCK_TERMINATION_LOG", "/m", "termination_log", "/m"),
        ("PENSTOCK_RUN_DIR", "/r", "run_dir", "/r"),
        ("PENSTOCK_LOGGING_FORMAT", "TEXT", "log_format", "text"),
        ("PENSTOCK_LOGGING_LEVEL", "debug", "log_level", "DEBUG"),
        ("PENSTOCK_RESULTS_PREVIEW", "Never", "previews", False),
        ("KUBERNETES_SERVICE_HOST", "fd00::1", "api_server", "https://[fd00::1]:443"),
        ("PENSTOCK_GRACE_SECONDS", "", "grace", 30.0),
        ("PENSTOCK_POD_CLAIM_TIMEOUT_SECONDS", "1.5", "timings", Timings(claim_timeout=1.5)),
        ("PENSTOCK_POD_REPORT_TIMEOUT_SECONDS", "2", "timings", Timings(report_timeout=2.0)),
        ("PENSTOCK_POD_PROGRESS_SECONDS", "3", "timings", Timings(progress=3.0)),
        ("PENSTOCK_POD_INTENT_POLL_SECONDS", "4", "timings", Timings(intent_poll=4.0)),
        ("POD_UID", "p-1", "pod_uid", "p-1"),
        ("NODE_NAME", "n-1", "node_name", "n-1"),
        ("PENSTOCK_POD_SUSPEND_WAIT_SECONDS", "6", "timings", Timings(suspend_wait=6.0)),
    ],
)
def test_a_variable_is_read(variable: str, value: str, field: str, want: object) -> None:
    assert getattr(parse({**REQUIRED, variable: value}), field) == want


@pytest.mark.parametrize(
    "variable",
    [
        "PENSTOCK_NAMESPACE",
        "PENSTOCK_FLOWRUN",
        "PENSTOCK_FLOWRUN_UID",
        "PENSTOCK_ATTEMPT",
        "POD_NAME",
        "KUBERNETES_SERVICE_HOST",
        "KUBERNETES_SERVICE_PORT",
    ],
)
@pytest.mark.parametrize("value", [None, ""])
def test_a_required_variable_that_is_missing_is_named(variable: str, value: str | None) -> None:
    environ = {name: text for name, text in REQUIRED.items() if name != variable}
    if value is not None:
        environ[variable] = value
    with pytest.raises(ConfigurationError, match=variable):
        parse(environ)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PENSTOCK_ATTEMPT", "0"),
        ("PENSTOCK_ATTEMPT", "-1"),
        ("PENSTOCK_ATTEMPT", "two"),
        ("PENSTOCK_ATTEMPT", "²"),
        ("PENSTOCK_GRACE_SECONDS", "-1"),
        ("PENSTOCK_GRACE_SECONDS", "soon"),
        ("PENSTOCK_GRACE_SECONDS", "nan"),
        ("PENSTOCK_GRACE_SECONDS", "inf"),
        ("PENSTOCK_POD_PROGRESS_SECONDS", "often"),
        ("PENSTOCK_API_SERVER", "10.0.0.1:443"),
        ("PENSTOCK_LOGGING_FORMAT", "xml"),
    ],
)
def test_a_malformed_variable_is_named_with_its_value(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=variable) as raised:
        parse({**REQUIRED, variable: value})
    assert repr(value) in str(raised.value)
