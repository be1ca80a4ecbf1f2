"""FlowRuns and Flows for the stories: their Python source is written out where it is used."""

from __future__ import annotations

import textwrap
from typing import Any

API = "penstock.dev/v1alpha1"
QUICK = {"backoff": {"initialSeconds": 0, "maximumSeconds": 1}}


def source(text: str) -> str:
    """Return a source text without the indentation of the story around it."""
    return textwrap.dedent(text).strip() + "\n"


def execution(text: str, entrypoint: str = "story.py:main", **fields: Any) -> dict[str, Any]:
    """The execution fields of an inline flow."""
    return {"entrypoint": entrypoint, "source": {"inline": source(text)}, **fields}


def flow(name: str, text: str, **fields: Any) -> dict[str, Any]:
    """A Flow with its source inline."""
    return {"apiVersion": API, "kind": "Flow", "metadata": {"name": name}, "spec": execution(text, **fields)}


def run(name: str, text: str = "", *, ref: str = "", **spec: Any) -> dict[str, Any]:
    """A FlowRun: of an inline flow, or of the Flow `ref`."""
    which = {"flowRef": {"name": ref}} if ref else {"flowSpec": execution(text)}
    policy = {**QUICK, **spec.pop("runPolicy", {})}
    return {
        "apiVersion": API,
        "kind": "FlowRun",
        "metadata": {"name": name},
        "spec": {**which, "runPolicy": policy, **spec},
    }


SLEEPER = """
    import time
    from pathlib import Path
    from penstock import flow

    @flow
    def main():
        print("sleeping", flush=True)
        time.sleep(300)
"""
GATED_FLOW = """
    import time
    from pathlib import Path
    from penstock import flow

    @flow
    def main(gate: str):
        print("begins", flush=True)
        while not Path(gate).exists():
            time.sleep(0.05)
        return "through"
"""
QUICK_FLOW = """
    from penstock import flow

    @flow
    def main(x: int = 1):
        print("x is", x)
        return x + 1
"""
