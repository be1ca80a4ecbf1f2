"""The vocabulary of `status.state.name`: closed, and every name of it is said by the core."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import penstock_operator.core
from tests.operator_core import (
    test_concurrency,
    test_not_running_yet,
    test_recordings,
    test_revisions,
    test_running_and_ending,
    test_stopping,
)
from tests.support.cases import Case

NAMES = {
    "Scheduled": "Scheduled Late AwaitingFlow AwaitingConcurrencySlot AwaitingRetry Resuming",
    "Pending": "Submitting QuotaExceeded Forbidden SchedulingGated Unschedulable ContainerCreating Initializing"
    " ImagePullBackOff ConfigError CreateContainerError SandboxError Starting",
    "Running": "Running Retrying Terminating NodeUnreachable",
    "Paused": "Paused Suspended",
    "Cancelling": "Cancelling",
    "Cancelled": "Cancelled Skipped Replaced",
    "Completed": "Completed Cached",
    "Failed": "Failed TimedOut InvalidParameters InvalidFlow",
    "Crashed": "NoReport Interrupted ExitCode Signal Killed OOMKilled StorageLimitExceeded Evicted Preempted NodeShutdown"
    " NodeTainted NodeLost NodeRejected ContainerLost Unresponsive PodDeleted PodNameConflict PodRejected QuotaExceeded"
    " Unschedulable ImagePullFailed ConfigError CreateContainerError StartError InitContainerFailed"
    " InitContainerOOMKilled LoadError Refused FlowDeleted RevisionChanged EngineError ApiUnreachable NotAuthorized ContainerRestarted"
    " DeviceTainted Crashed",
}
# Of flows, which bring their names with their reports.
NOT_THE_CORES = {"Cached"}
CASES = [
    case
    for module in (test_concurrency, test_not_running_yet, test_revisions, test_running_and_ending, test_stopping)
    for value in vars(module).values()
    if isinstance(value, list)
    for case in value
    if isinstance(case, Case)
]
TOLD = sorted(
    {c.state for c in CASES if c.state is not None}
    | {state for fate in test_recordings.EXPECTED.values() for state in fate.states}
)


@pytest.mark.parametrize("state", TOLD)
def test_a_state_of_the_tables_is_in_the_vocabulary(state: str) -> None:
    type_, name = state.split("/")
    allowed = NAMES[type_].split()
    if type_ == "Crashed":
        # A pending deadline ends a run with the name under which it waited.
        allowed += NAMES["Pending"].split()
    assert name in allowed


def test_every_name_is_said_by_the_core() -> None:
    core = Path(penstock_operator.core.__file__).parent
    said = {word for path in core.glob("*.py") for word in re.findall(r'"([A-Z][A-Za-z0-9]*)"', path.read_text())}
    missing = {name for names in NAMES.values() for name in names.split()} - said - NOT_THE_CORES
    # A report's own type is its name where it brings none: Failed, Completed, Crashed.
    assert missing <= {"Failed", "Completed", "Crashed"}


def test_there_are_rows_for_every_table() -> None:
    assert len(CASES) > 250
