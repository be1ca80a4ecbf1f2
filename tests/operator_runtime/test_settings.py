"""The command line and the environment."""

from __future__ import annotations

import pytest

from penstock_operator.runtime.config import Config
from penstock_operator.settings import parse


def test_nothing_said() -> None:
    settings = parse([], {})
    expected = Config(identity=settings.config.identity)
    assert settings.config == expected
    assert (settings.log_format, settings.log_level) == ("auto", "info")


def test_flags() -> None:
    flags = "--namespace a --namespace b --namespace a --engine-image i:1 --health-port 8080 --leader-elect --pod-security none"
    config = parse(flags.split(), {"POD_NAMESPACE": "mine"}).config
    assert config.namespaces == ("a", "b")
    assert (config.engine_image, config.health_port) == ("i:1", 8080)
    assert config.leader_elect
    assert not config.pod_security
    assert config.lease_namespace == "mine"


ENVIRONMENT = {
    "PENSTOCK_OPERATOR_NAMESPACE": "a, b",
    "PENSTOCK_OPERATOR_ENGINE_IMAGE": "i:1",
    "PENSTOCK_OPERATOR_HEALTH_PORT": "8080",
    "PENSTOCK_OPERATOR_LEADER_ELECT": "true",
    "PENSTOCK_OPERATOR_POD_SECURITY": "none",
    "PENSTOCK_OPERATOR_WORKERS": "3",
    "PENSTOCK_OPERATOR_API_QPS": "12.5",
    "PENSTOCK_OPERATOR_LOG_FORMAT": "json",
}


def test_the_environment() -> None:
    settings = parse([], ENVIRONMENT)
    config = settings.config
    assert config.namespaces == ("a", "b")
    assert (config.engine_image, config.health_port, config.workers, config.api_qps) == ("i:1", 8080, 3, 12.5)
    assert config.leader_elect
    assert not config.pod_security
    assert settings.log_format == "json"


def test_a_flag_goes_over_the_environment() -> None:
    flags = ["--namespace=c", "--engine-image=j:2", "--no-leader-elect", "--workers=5"]
    config = parse(flags, ENVIRONMENT).config
    assert (config.namespaces, config.engine_image, config.leader_elect, config.workers) == (("c",), "j:2", False, 5)


def test_a_flag_is_not_kept_from_its_word_by_a_variable_that_can_not_be_understood() -> None:
    environ = {"PENSTOCK_OPERATOR_HEALTH_PORT": "x", "PENSTOCK_OPERATOR_LOG_LEVEL": "loud"}
    settings = parse(["--health-port=8080", "--log-level=info"], environ)
    assert settings.config.health_port == 8080
    assert settings.ignored == ()


def test_a_link_to_a_service_is_no_setting() -> None:
    """Kubernetes sets it in each pod of a namespace that has a Service named penstock-operator-health."""
    environ = {"PENSTOCK_OPERATOR_HEALTH_PORT": "tcp://10.96.3.4:80", "PENSTOCK_OPERATOR_WORKERS": "3"}
    settings = parse([], environ)
    assert (settings.config.health_port, settings.config.workers) == (0, 3)
    (word,) = settings.ignored
    assert "PENSTOCK_OPERATOR_HEALTH_PORT=tcp://10.96.3.4:80" in word
    assert parse(["--health-port=8080"], environ).config.health_port == 8080


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        (["--health-port=x"], {}, "--health-port"),
        (["--workers=0"], {}, "--workers"),
        (["--pod-security=loose"], {}, "loose"),
        ([], {"PENSTOCK_OPERATOR_HEALTH_PORT": "x"}, "PENSTOCK_OPERATOR_HEALTH_PORT is 'x', which is no int"),
        ([], {"PENSTOCK_OPERATOR_LOG_LEVEL": "loud"}, "PENSTOCK_OPERATOR_LOG_LEVEL is 'loud'; choose from"),
        (["--nonsense"], {}, "--nonsense"),
    ],
)
def test_what_cannot_be_understood(
    arguments: list[str], environ: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments, environ)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_two_processes_of_one_pod_are_two_candidates() -> None:
    one, two = (parse([], {"POD_NAME": "operator-0"}).config.identity for _ in range(2))
    assert one != two
    assert one.startswith("operator-0_")


@pytest.mark.parametrize("text", ["{", "[]", '{"spec": {"containers": [{"image": "x"}]}}', '{"spec": []}'])
def test_a_template_that_makes_no_pod_ends_the_start(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It would end every run otherwise."""
    with pytest.raises(SystemExit) as ended:
        parse(["--engine-template", text], {})
    assert ended.value.code == 2
    assert "--engine-template is no pod template" in capsys.readouterr().err
