"""The probe that ends a hung interpreter: an isolated Python that compares the engine's beat with the CPU time used since.

It fails when the beat (pid, monotonic nanoseconds, CPU nanoseconds, written by a thread of the engine) is too old **and** the process used
less than 1 % of a CPU since: a flow that computes is not hung, a deadlocked one is. Without a beat file or a process it passes.
"""

from __future__ import annotations

from typing import Any

PERIOD_SECONDS = 60  # an exec probe costs some 60 CPU milliseconds
TIMEOUT_SECONDS = 10
FAILURES = 2

_SCRIPT = """\
import os, sys, time
try:
    pid, beat, cpu = open(os.environ["PENSTOCK_RUN_DIR"] + "/beat").read().split()
    stat = open("/proc/" + pid + "/stat").read().rsplit(")", 1)[1].split()
except (OSError, KeyError, ValueError):
    sys.exit(0)
age = time.monotonic_ns() - int(beat)
used = (int(stat[11]) + int(stat[12])) * 10**9 // os.sysconf("SC_CLK_TCK") - int(cpu)
sys.exit(1 if age > {seconds} * 10**9 and used * 100 < age else 0)
"""


def liveness_probe(seconds: int) -> dict[str, Any]:
    """Return the probe for `runPolicy.livenessSeconds`."""
    return {
        "exec": {"command": ["python", "-I", "-S", "-c", _SCRIPT.replace("{seconds}", str(seconds))]},
        "periodSeconds": PERIOD_SECONDS,
        "timeoutSeconds": TIMEOUT_SECONDS,
        "failureThreshold": FAILURES,
    }
