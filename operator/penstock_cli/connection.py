"""The API server that a command talks to: the one that its options, the environment, this folder or the user's kubeconfig name."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

    from penstock_operator.runtime.credentials import Credentials

    from .api import Api

__all__ = ["CLUSTER", "asked_namespace", "connect", "credentials", "program"]

# Where a context keeps what `options.cluster_options` were given.
CLUSTER = "penstock.cluster"


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
    from .api import Api

    with Api(credentials(context)) as api:
        api.namespace = asked_namespace(context) or api.namespace
        yield api


def credentials(context: typer.Context, *, silent: bool = False) -> Credentials:
    """Return where the API server is and who asks.

    In this order: `--kubeconfig`, `$KUBECONFIG`, a `penstock dev` that runs in this folder (said on standard error), the service account of
    the pod that this is, `~/.kube/config`.

    Args:
        context: of the command.
        silent: do not say that it is that of `penstock dev`.

    Raises:
        CliError: none is configured, or its kubeconfig can't be used.
    """
    from penstock_operator.runtime import credentials
    from penstock_operator.runtime.errors import NoClusterError

    from .devserver import running
    from .terminal import say

    environ = dict(os.environ)
    if kubeconfig := _given(context, "kubeconfig"):
        if not os.path.exists(kubeconfig):
            raise CliError(f"error: --kubeconfig {kubeconfig}: there is no such file")
        environ["KUBECONFIG"] = kubeconfig
    wanted = _given(context, "context")
    if not environ.get("KUBECONFIG") and wanted is None and (found := running()):
        environ["KUBECONFIG"] = str(found)
        if not silent:
            say(f"(using the penstock dev of this folder: {found})", error=True)
    try:
        return credentials.load(environ, clock=time.monotonic, context=wanted)
    except NoClusterError as error:
        hint = "" if "kubeconfig" in str(error).lower() else " (no usable kubeconfig)"
        raise CliError(f"error: {error}{hint}") from error


def _given(context: typer.Context, option: str) -> str | None:
    value: str | None = context.meta.get(CLUSTER, {}).get(option)
    return value
