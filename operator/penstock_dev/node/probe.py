"""Liveness probes that run a command, as `runPolicy.livenessSeconds` asks for one; other probes are not made here.

A probe fails when its command ends with anything but 0 or takes too long. So many failures in a row end the container, with its grace.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .command import host_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from .client import Json

__all__ = ["Liveness", "liveness", "until_failed"]

_SHOWN = 1024


@dataclass(frozen=True, slots=True)
class Liveness:
    """An exec probe; times in seconds.

    Attributes:
        grace: its own grace period, where it has one; else the pod's counts.
    """

    command: Sequence[str]
    delay: float
    period: float
    timeout: float
    threshold: int
    grace: float | None


def liveness(spec: Json, rewrite: Callable[[str], str]) -> Liveness | None:
    """Return a container's liveness probe if it is one that runs a command, with paths as they are on this machine."""
    probe = spec.get("livenessProbe") or {}
    if "exec" not in probe:
        return None
    return Liveness(
        command=[rewrite(part) for part in probe["exec"]["command"]],
        delay=float(probe.get("initialDelaySeconds") or 0),
        period=float(probe.get("periodSeconds") or 10),
        timeout=float(probe.get("timeoutSeconds") or 1),
        threshold=int(probe.get("failureThreshold") or 3),
        grace=probe.get("terminationGracePeriodSeconds"),
    )


async def until_failed(
    probe: Liveness, environment: Mapping[str, str], directory: Path, failed: Callable[[str], None]
) -> None:
    """Probe until it has failed too often in a row.

    Args:
        probe: what to run, and how often.
        environment: the container's.
        directory: where the container works.
        failed: told of each failure, with what the command said.
    """
    await asyncio.sleep(probe.delay)
    row = 0
    while True:
        said = await _once(probe, environment, directory)
        row = 0 if said is None else row + 1
        if said is not None:
            failed(said)
        if row >= probe.threshold:
            return
        await asyncio.sleep(probe.period)


async def _once(probe: Liveness, environment: Mapping[str, str], directory: Path) -> str | None:
    """Run the command once; returns what it said if it failed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *host_command(probe.command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
        )
    except OSError as error:
        return str(error)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), probe.timeout)
    except TimeoutError:
        return f"command timed out after {probe.timeout:g}s"
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    return None if process.returncode == 0 else output.decode(errors="replace")[:_SHOWN]
