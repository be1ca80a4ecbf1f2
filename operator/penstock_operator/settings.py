"""The operator's command line and environment: one table of settings, each a flag and a variable `PENSTOCK_OPERATOR_…`; the flag wins."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from penstock_operator.api.constants import ENGINE_CONTAINER
from penstock_operator.api.execution import Template
from penstock_operator.core.faults import Unusable
from penstock_operator.core.merge import strategic_merge
from penstock_operator.runtime.config import Config

PREFIX = "PENSTOCK_OPERATOR_"
_SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://\S+:\d+")
_SILENT: Final = object()  # the command line says nothing


@dataclass(frozen=True, slots=True)
class Settings:
    """What a start of the program was asked for.

    Attributes:
        config: of the operator.
        log_format: auto, json or text.
        log_level: of our own lines.
        ignored: variables that were not taken, and why, a line each.
    """

    config: Config
    log_format: str = "auto"
    log_level: str = "info"
    ignored: tuple[str, ...] = ()


def parse(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Read the command line and the environment.

    Args:
        arguments: without the program's name.
        environ: the process environment.

    Raises:
        SystemExit: 0 for `--help`, 2 for what can't be understood, after a line that says so.
    """
    parser = _parser()
    variables = _Variables(environ, parser)
    silent = argparse.Namespace(**{a.dest: _SILENT for a in parser._actions if a.dest not in ("help", "namespace")})
    given = parser.parse_args(arguments, silent)
    if given.namespace is None:
        given.namespace = _SILENT
    variables.fill(given)
    if given.workers < 1 or given.api_qps <= 0 or given.api_burst < 1:
        parser.error("--workers and --api-burst must be at least 1, --api-qps more than 0")
    host = environ.get("POD_NAME") or socket.gethostname()
    config = Config(
        namespaces=tuple(dict.fromkeys(name for name in given.namespace or () if name)),
        engine_image=given.engine_image,
        engine_template=_template(parser, given.engine_template),
        pod_security=given.pod_security != "none",
        health_port=given.health_port,
        leader_elect=given.leader_elect,
        lease_name=given.lease_name,
        lease_namespace=given.lease_namespace or environ.get("POD_NAMESPACE", ""),
        # Two processes on one host, or a restarted container, are two identities: a lease is never mistaken for one's own.
        identity=f"{host}_{os.getpid()}_{secrets.token_hex(4)}",
        workers=given.workers,
        api_qps=given.api_qps,
        api_burst=given.api_burst,
    )
    return Settings(config, given.log_format, given.log_level, tuple(variables.ignored))


def _template(parser: argparse.ArgumentParser, text: str) -> Template | None:
    """Read --engine-template; what no pod could be made with ends the start, not every run."""
    if not text:
        return None
    try:
        template = Template.model_validate_json(text)
        strategic_merge({"containers": [{"name": ENGINE_CONTAINER}]}, template.spec or {}, "spec")
    except (ValueError, Unusable) as error:
        parser.error(f"--engine-template is no pod template: {error}")
    return template


@dataclass(frozen=True, slots=True)
class Option:
    """One option as the documents show it."""

    name: str
    default: str
    help: str


def options() -> list[Option]:
    """Every option with its default, in the order of `--help`."""
    found = []
    for action in _parser()._actions:
        if action.dest == "help":
            continue
        default = (
            "all"
            if action.dest == "namespace"
            else str(action.default).lower()
            if isinstance(action.default, bool)
            else str(action.default)
        )
        text = (
            (action.help or "")
            .replace(" (default: %(default)s)", "")
            .replace(" (default: all)", "")
            .replace(" (default)", "")
        )
        found.append(Option(action.dest.replace("_", "-"), default, text))
    return found


class _Variables:
    """What the environment says where the command line is silent: the flag wins, and then no variable is even looked at."""

    def __init__(self, environ: Mapping[str, str], parser: argparse.ArgumentParser) -> None:
        self._environ = environ
        self._parser = parser
        self.ignored: list[str] = []

    def fill(self, given: argparse.Namespace) -> None:
        """Put in what was not given."""
        for action in self._parser._actions:
            if getattr(given, action.dest, None) is _SILENT:
                text = self._text(action)
                setattr(given, action.dest, action.default if text is None else self._value(action, text))

    def _text(self, action: argparse.Action) -> str | None:
        variable = _variable(action)
        text = self._environ.get(variable)
        if text is None or not _SERVICE_LINK.match(text):
            return text
        # Kubernetes sets such variables for each Service of the namespace: for one named penstock-operator-health, this very one.
        self.ignored.append(f"{variable}={text} is a link to a Service, not a setting: ignored")
        return None

    def _value(self, action: argparse.Action, text: str) -> Any:
        if isinstance(action, argparse.BooleanOptionalAction):
            return text.lower() in ("1", "true", "yes")
        if action.dest == "namespace":
            return [name.strip() for name in text.split(",")]
        kind = action.type if callable(action.type) else str
        try:
            value = kind(text)
        except ValueError:
            self._parser.error(
                f"{_variable(action)} is {text!r}, which is no {getattr(kind, '__name__', 'such value')}"
            )
        if action.choices is not None and value not in action.choices:
            self._parser.error(f"{_variable(action)} is {text!r}; choose from {', '.join(action.choices)}")
        return value


def _variable(action: argparse.Action) -> str:
    return PREFIX + action.dest.upper()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m penstock_operator",
        description="Penstock's controller: runs FlowRuns as pods, and keeps their status true.",
        epilog=f"Each option is also a variable: {PREFIX}ENGINE_IMAGE for --engine-image, and so on; lists are separated by commas.",
    )
    default = Config()

    def add(name: str, fallback: Any, help_: str, **more: Any) -> None:
        parser.add_argument(f"--{name}", default=fallback, help=help_, **more)

    parser.add_argument(
        "--namespace",
        action="append",
        metavar="NS",
        help="serve this namespace only; may be given several times (default: all)",
    )
    add("engine-image", default.engine_image, "image of engines whose Flow and run name none (default: %(default)s)")
    add(
        "engine-template",
        "",
        'JSON of {"metadata": {"labels", "annotations"}, "spec": PodSpec}, merged under what Flows and runs say of their pods',
    )
    add(
        "pod-security",
        "restricted",
        "how engine pods are hardened unless their template says otherwise",
        choices=("restricted", "none"),
    )
    add("health-port", 0, "port of /livez, /readyz and /metrics; 0: none (default)", type=int)
    parser.add_argument(
        "--leader-elect",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="decide only while holding a Lease, so that several may run",
    )
    add(
        "lease-name",
        default.lease_name,
        "of the Lease; the chart's Role allows the default only (default: %(default)s)",
    )
    add("lease-namespace", "", "where it is (default: POD_NAMESPACE, or the namespace of the credentials)")
    add("workers", default.workers, "runs worked on at the same time (default: %(default)s)", type=int)
    add("api-qps", default.api_qps, "requests a second to the API server (default: %(default)s)", type=float)
    add("api-burst", default.api_burst, "requests at once after a quiet time (default: %(default)s)", type=int)
    add("log-format", "auto", "auto: text on a terminal, else json", choices=("auto", "json", "text"))
    add("log-level", "info", "of our own lines", choices=("debug", "info", "warning", "error"))
    return parser
