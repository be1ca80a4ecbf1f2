"""The operator's command line and environment: one table of settings, each a flag and a variable `PENSTOCK_OPERATOR_…`; the flag wins."""

from __future__ import annotations

import argparse
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock_operator.runtime.config import Config

PREFIX = "PENSTOCK_OPERATOR_"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a start of the program was asked for."""

    config: Config
    log_format: str = "auto"
    log_level: str = "info"


def parse(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Read the command line and the environment.

    Args:
        arguments: without the program's name.
        environ: the process environment.

    Raises:
        SystemExit: 0 for `--help`, 2 for what can't be understood, after a line that says so.
    """
    parser = _parser(environ)
    given = parser.parse_args(arguments)
    if given.workers < 1 or given.api_qps <= 0 or given.api_burst < 1:
        parser.error("--workers and --api-burst must be at least 1, --api-qps more than 0")
    namespaces = given.namespace or [n.strip() for n in environ.get(f"{PREFIX}NAMESPACE", "").split(",")]
    host = environ.get("POD_NAME") or socket.gethostname()
    config = Config(
        namespaces=tuple(dict.fromkeys(name for name in namespaces if name)),
        engine_image=given.engine_image,
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
    return Settings(config, given.log_format, given.log_level)


@dataclass(frozen=True, slots=True)
class Option:
    """One option as the documents show it."""

    name: str
    default: str
    help: str


def options() -> list[Option]:
    """Every option with its default, in the order of `--help`."""
    found = []
    for action in _parser({})._actions:
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


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m penstock_operator",
        description="Penstock's controller: runs FlowRuns as pods, and keeps their status true.",
        epilog=f"Each option is also a variable: {PREFIX}ENGINE_IMAGE for --engine-image, and so on; lists are separated by commas.",
    )
    default = Config()

    def add(name: str, fallback: Any, help_: str, **more: Any) -> None:
        variable = PREFIX + name.upper().replace("-", "_")
        text = environ.get(variable)
        kind = more.get("type", str)
        value = fallback
        if text is not None:
            try:
                value = kind(text)
            except ValueError:
                parser.error(f"{variable} is {text!r}, which is no {kind.__name__}")
            if "choices" in more and value not in more["choices"]:
                parser.error(f"{variable} is {text!r}; choose from {', '.join(more['choices'])}")
        parser.add_argument(f"--{name}", default=value, help=help_, **more)

    parser.add_argument(
        "--namespace",
        action="append",
        metavar="NS",
        help="serve this namespace only; may be given several times (default: all)",
    )
    add("engine-image", default.engine_image, "image of engines whose Flow and run name none (default: %(default)s)")
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
        default=environ.get(f"{PREFIX}LEADER_ELECT", "").lower() in ("1", "true", "yes"),
        help="decide only while holding a Lease, so that several may run",
    )
    add("lease-name", default.lease_name, "of the Lease (default: %(default)s)")
    add("lease-namespace", "", "where it is (default: POD_NAMESPACE, or the namespace of the credentials)")
    add("workers", default.workers, "runs worked on at the same time (default: %(default)s)", type=int)
    add("api-qps", default.api_qps, "requests a second to the API server (default: %(default)s)", type=float)
    add("api-burst", default.api_burst, "requests at once after a quiet time (default: %(default)s)", type=int)
    add("log-format", "auto", "auto: text on a terminal, else json", choices=("auto", "json", "text"))
    add("log-level", "info", "of our own lines", choices=("debug", "info", "warning", "error"))
    return parser
