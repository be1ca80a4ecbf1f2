"""`penstock build`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..errors import CliError
from ..exits import Exit

LOCAL = True
EXAMPLES = """
penstock build etl.py:etl
penstock build etl.py:etl -o flow.yaml
penstock build etl.py:etl -o flow.yaml --check
penstock build etl.py:etl | kubectl apply -f -
penstock build shop.flows:etl --image registry.example/shop:1 -o flow.yaml
"""


def command(
    target: Annotated[
        str,
        typer.Argument(
            help="The flow, or what its to_flow gave: FILE.py:NAME or package.module:NAME.", metavar="FILE.py:FLOW"
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write into this file; default, or -: standard output.",
            dir_okay=False,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 and the difference, if the file of -o is stale.")
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="Name of the Flow; default: the one in to_flow, or the flow's own."
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option("--image", metavar="IMAGE", help="The code is in this image; default: it goes into the YAML."),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long importing the file may take.")
    ] = 60.0,
) -> int:
    """Write a flow as YAML: a Flow with its source, the schema of its parameters, and what to_flow says in the code.

    The file is imported, in a process of its own; no flow is run, and no cluster is asked.
    """
    if output == Path("-"):
        output = None
    if check and output is None:
        raise CliError("error: --check compares with a file: say which, with -o FILE", Exit.USAGE)
    if str(output) in ("json", "yaml", "name", "wide"):
        raise CliError(
            f"error: -o is a file here, ./{output} for one of this name; YAML is printed without -o", Exit.USAGE
        )
    from ..building import build, difference, write
    from ..building_survey import Target
    from ..terminal import say

    built = build(Target.parse(target), name=name, image=image, timeout=timeout)
    for note in built.notes:
        say(f"note: {target.rpartition(':')[0] or target}: {note}", error=True)
    text = built.to_yaml()
    if output is None:
        say(text, end="")
        return Exit.OK
    if check:
        stale = difference(text, output)
        if stale is None:
            return Exit.OK
        say(stale, end="")
        options = {"-o": str(output), "--name": name, "--image": image}
        words = [word for option, value in options.items() if value for word in (option, value)]
        again = shlex.join(["penstock", "build", target, *words])
        raise CliError(f"error: {output} is stale: write it again with `{again}`")
    said = "written" if write(text, output) else "unchanged"
    if output.is_file():
        say(f"{output} {said}")
    return Exit.OK
