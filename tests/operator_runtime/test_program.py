"""The operator as a program where there is no API server: it says what is missing, and can always be ended."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.support.operatorprocess import OperatorProcess
from tests.support.world import until

ENDS_WITHIN = 3.0  # a tenth of a second on a quiet machine; tests share theirs with others


def _nowhere(folder: Path) -> Path:
    """Return a kubeconfig of a server that is not there."""
    path = folder / "config"
    path.write_text(
        '{"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],'
        '"clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}], "users": [{"name": "x", "user": {}}]}'
    )
    return path


@pytest.mark.parametrize("moment", range(6))
def test_it_may_be_ended_while_it_starts(tmp_path: Path, operators: list[OperatorProcess], moment: int) -> None:
    one = OperatorProcess(_nowhere(tmp_path), tmp_path)
    operators.append(one)
    until("its program has begun", lambda: _handles_sigterm(one.process.pid))
    time.sleep(moment * 0.1)  # how far it has come
    code, seconds = one.stop()
    assert (code, seconds < ENDS_WITHIN) == (0, True), one.text()


def _handles_sigterm(pid: int) -> bool:
    """Whether the process catches SIGTERM, as the kernel says."""
    line = next(ln for ln in Path(f"/proc/{pid}/status").read_text().splitlines() if ln.startswith("SigCgt"))
    return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_a_health_port_that_is_taken_is_said_in_one_line(tmp_path: Path, operators: list[OperatorProcess]) -> None:
    kubeconfig = _nowhere(tmp_path)
    first = OperatorProcess(kubeconfig, tmp_path)
    operators.append(first)
    until("the first one answers", lambda: first.ask("/livez")[0] == 200)
    second = OperatorProcess(kubeconfig, tmp_path, port=first.port)
    operators.append(second)
    assert second.process.wait(15) == 1
    assert f"the health port {first.port} can't be listened on" in second.text()
    assert "Traceback" not in second.text()


def test_it_ends_at_once_also_while_nobody_answers(tmp_path: Path, operators: list[OperatorProcess]) -> None:
    one = OperatorProcess(_nowhere(tmp_path), tmp_path)
    operators.append(one)
    one.says("the API server can't be reached")
    assert one.ask("/livez")[0] == 200
    assert one.ask("/readyz")[0] == 503
    code, seconds = one.stop()
    assert (code, seconds < ENDS_WITHIN) == (0, True)
    assert one.text().count("can't be reached") == 1, "once, not with every try"


def test_without_a_kubeconfig_it_says_so_in_one_line(tmp_path: Path, operators: list[OperatorProcess]) -> None:
    one = OperatorProcess(tmp_path / "none", tmp_path)
    operators.append(one)
    assert one.process.wait(15) == 2
    assert one.text() == f"penstock-operator: KUBECONFIG is '{tmp_path / 'none'}', but there is no such file\n"
