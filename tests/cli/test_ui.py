"""`penstock ui`: an address that is printed, a page behind it, and an end by Ctrl-C; and what is in its way."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys

import httpx

from tests.cli.conftest import Penstock
from tests.support.cli import Stage
from tests.support.cluster import die_with_parent


def test_it_prints_its_address_and_ends_by_ctrl_c(at: Stage) -> None:
    at.run("seen")
    at.status("seen", "Running", message="the engine runs the flow")
    env = {**os.environ, "KUBECONFIG": str(at.kubeconfig)}
    command = [sys.executable, "-m", "penstock_cli", "ui"]
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent
    ) as child:
        assert child.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", child.stdout.readline())
        assert found is not None
        assert "Runs of namespace default" in child.stdout.readline()
        with httpx.Client(follow_redirects=True, trust_env=False) as browser:
            page = browser.get(found[0])
            assert page.url.path == "/runs"
            assert "token" not in str(page.url)
            assert ">seen<" in page.text
            assert "the engine runs the flow" in browser.get(page.url.join("/runs/default/seen")).text
        assert httpx.get(found[0].partition("?")[0] + "runs", trust_env=False).status_code == 401
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=20)
        assert (child.returncode, told) == (0, "")


def test_a_port_that_is_taken_is_said_in_a_line(at: Stage, penstock: Penstock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = penstock("ui", "--port", str(port))
    assert done.code == 1
    assert done.err.startswith(f"error: port {port} of 127.0.0.1 cannot be listened on: ")
    assert "--port 0" in done.err
