"""Fan out and fan in: many small jobs, results as they come, and a part that may fail without stopping the rest.

Run it:  python examples/fan_out.py

Shows `submit`, `as_completed`, `wait_for`, `allow_failure`, a flow inside a flow, and the state of a run whose
failure was expected. The same flow as Kubernetes objects: fan_out.yaml.
"""

from __future__ import annotations

from typing import Any

from penstock import allow_failure, flow, task
from penstock.futures import as_completed
from penstock.task_runners import ThreadPoolTaskRunner


@task
def prepare() -> str:
    """Something that must be done before, but gives nothing that is needed."""
    return "prepared"


@task(tags=["measure"])
def measure(sensor: int) -> float:
    """Read a sensor; number 3 is broken."""
    if sensor == 3:
        raise OSError(f"sensor {sensor} is broken")
    return 20.0 + sensor / 2


@task
def summary(readings: list[Any]) -> dict[str, Any]:
    """Take what there is: a broken sensor is an exception among the numbers."""
    good = [reading for reading in readings if not isinstance(reading, Exception)]
    broken = [str(reading) for reading in readings if isinstance(reading, Exception)]
    return {"mean": round(sum(good) / len(good), 2), "measured": len(good), "broken": broken}


@flow
def report(result: dict[str, Any]) -> str:
    """A flow of its own, called like a function."""
    return f"{result['measured']} sensors, {result['mean']} degrees; broken: {', '.join(result['broken']) or 'none'}"


@flow(task_runner=ThreadPoolTaskRunner(max_workers=4))
def fan_out(sensors: int = 6) -> str:
    """Ask all sensors at once."""
    before = prepare.submit()
    futures = [measure.submit(number, wait_for=[before]) for number in range(sensors)]

    finished = 0
    for future in as_completed(futures):
        finished += 1
        future.wait()
        if future.state.is_failed():
            print(f"a sensor failed: {future.state.message}")
    print(f"{finished} of {sensors} came back")

    result = summary(allow_failure(futures))
    return report(result)


if __name__ == "__main__":
    print(fan_out())
