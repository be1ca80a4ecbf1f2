"""Small tools of the benchmarks: medians with their spread, peak memory and wall time of a process, results as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing: its goal, and every sample.

    Attributes:
        name: what it is.
        unit: of the samples and the goal.
        goal: what is wanted; None: a peer's figure, or one that explains another.
        samples: what was measured.
        statistic: which one of the samples the goal is about: median, p99, max.
        at_least: whether more is better.
    """

    name: str
    unit: str
    goal: float | None
    samples: tuple[float, ...]
    statistic: str = "median"
    at_least: bool = False

    @property
    def value(self) -> float:
        """The statistic that the goal is about."""
        if self.statistic == "p99":
            return percentile(self.samples, 99)
        if self.statistic == "max":
            return max(self.samples)
        return statistics.median(self.samples)

    @property
    def met(self) -> bool:
        """Whether the goal is met; without a goal there is nothing to miss."""
        if self.goal is None:
            return True
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def row(self) -> str:
        """One line for a person."""
        spread = f"{min(self.samples):.4g} … {max(self.samples):.4g}, n={len(self.samples)}"
        return f"{self.name:58} {self.value:9.4g} {self.unit:6} {self.statistic:6} {self._verdict():36} ({spread})"

    def _verdict(self) -> str:
        if self.goal is None:
            return ""
        wanted = f"goal {'>=' if self.at_least else '<='} {self.goal:<6.4g}"
        return f"{wanted} {'meets' if self.met else f'misses by {self._factor():.2f}x'}"

    def _factor(self) -> float:
        assert self.goal is not None
        return self.goal / self.value if self.at_least else self.value / self.goal

    def to_json(self) -> dict[str, Any]:
        """The form in the results' file."""
        return {
            "name": self.name,
            "unit": self.unit,
            "statistic": self.statistic,
            "value": self.value,
            "goal": self.goal,
            "at_least": self.at_least,
            "met": self.met,
            "samples": [float(f"{sample:.4g}") for sample in self.samples],
        }


def percentile(samples: Sequence[float], percent: int) -> float:
    """Return the sample below which that many per cent of them are (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ran to its end."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    code: int


def process(command: Sequence[str], **options: Any) -> Ended:
    """Run a command to its end and measure it with `wait4`."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    return Ended(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, child.returncode)


def resident_mb(pid: int) -> float:
    """Resident memory of a process now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak_mb(pid: int) -> float:
    """The most that a process has had resident so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(what: str, condition: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition; return how long it took."""
    start = time.perf_counter()
    while not condition():
        if time.perf_counter() - start > seconds:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(0.002)
    return time.perf_counter() - start


def machine() -> dict[str, Any]:
    """What figures depend on, and how busy it is now."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load_average": list(os.getloadavg()),
    }


def save(name: str, figures: Sequence[Figure]) -> Path:
    """Write the figures as JSON, with what is needed to read them later."""
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(figure.to_json()) for figure in figures)
    path.write_text(f'{{"machine": {json.dumps(machine())},\n"figures": [\n{lines}\n]}}\n')
    return path
