"""The program that checks parameters against schemas: a line in, a line out, within a bound of CPU time and memory.

A schema is a program of its author's: a pattern may backtrack for ever, references may multiply, and no check of the schema tells. It runs
in a process of its own, which the kernel ends when a check takes too long. Neighbour: `checker` starts it and asks.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import Any, BinaryIO

from penstock_operator.core.faults import Unusable
from penstock_operator.core.parameters import bad_parameter

CPU_SECONDS = 1.0
MEMORY_BYTES = 512 * 2**20
NICE = 5  # behind the operator, whose machine it shares


def main() -> None:
    """Answer until there are no more questions. An argument: the CPU seconds that a check may take."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else CPU_SECONDS
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    serve(sys.stdin.buffer, sys.stdout.buffer, seconds)


def serve(questions: BinaryIO, answers: BinaryIO, seconds: float) -> None:
    """Answer each line with a line; SIGPROF, which nobody handles, ends the process when a check takes longer."""
    for line in questions:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        told = answer(json.loads(line))
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(json.dumps(told).encode() + b"\n")
        answers.flush()


def answer(question: dict[str, Any]) -> dict[str, str | None]:
    """Return what is wrong with the parameters (`bad`) or with the schema (`unusable`)."""
    try:
        return {"bad": bad_parameter(question["schema"], question["parameters"])}
    except Unusable as error:
        return {"unusable": str(error)}
    except MemoryError:
        return {"unusable": "parametersSchema takes too much memory to check"}


if __name__ == "__main__":
    main()
