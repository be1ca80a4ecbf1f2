"""`penstock ui`."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = """
penstock ui --all-namespaces --open
"""


def command(
    context: typer.Context,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Show the runs of all namespaces.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="PORT", help="Port on 127.0.0.1; 0: a free one.")
    ] = 0,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> int:
    """Serve a page of runs on this machine, until Ctrl-C.

    It reads with your kubeconfig, as the other commands do, and changes nothing: it shows what to type. Its address has a token in it;
    who does not know the token sees nothing.
    """
    from ..connection import asked_namespace, credentials, program
    from ..uirun import serve

    found = credentials(context)
    namespace = asked_namespace(context) or found.endpoint.namespace
    return serve(found, None if all_namespaces else [namespace], port=port, open_it=open_it, program=program(context))
