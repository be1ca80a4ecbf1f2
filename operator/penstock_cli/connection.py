"""The API server that a command talks to: the one that its options, the environment or the user's kubeconfig name."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from .errors import CliError
from .options import CLUSTER

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

    from .api import Api

__all__ = ["asked_namespace", "connect", "program"]


def asked_namespace(context: typer.Context) -> str | None:
    """Return what `--namespace` was given; None if it was not."""
    return _given(context, "namespace")


def program(context: typer.Context) -> str:
    """Return what the user called this program: `penstock` or `kubectl penstock`."""
    return str(context.find_root().info_name)


@contextmanager
def connect(context: typer.Context) -> Iterator[Api]:
    """Give the API server; its `namespace` is that of `--namespace`, else the kubeconfig's.

    Raises:
        CliError: none is configured, or its kubeconfig can't be used.
    """
    import os
    import time

    from penstock_operator.runtime import credentials
    from penstock_operator.runtime.errors import NoClusterError

    from .api import Api

    environ = dict(os.environ)
    if kubeconfig := _given(context, "kubeconfig"):
        environ["KUBECONFIG"] = kubeconfig
    try:
        found = credentials.load(environ, clock=time.monotonic, context=_given(context, "context"))
    except NoClusterError as error:
        hint = "" if "kubeconfig" in str(error).lower() else " (no usable kubeconfig)"
        raise CliError(f"error: {error}{hint}") from error
    with Api(found) as api:
        api.namespace = asked_namespace(context) or api.namespace
        yield api


def _given(context: typer.Context, option: str) -> str | None:
    value: str | None = context.meta.get(CLUSTER, {}).get(option)
    return value
