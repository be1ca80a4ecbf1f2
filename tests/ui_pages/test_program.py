"""The command line of the page in the cluster: what cannot be served is said in a line, before anything listens."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from penstock_dev.apiserver.certificates import make_identity
from penstock_ui.__main__ import main

WRONG = [
    ("--port=70000", "70000 is no port"), ("--port=-1", "-1 is no port"), ("--port=x", "x is no port"),
    ("--namespace=Team_A", "'Team_A' is no name"), ("--namespace=", "'' is no name"),
    ("--server=http://10.0.0.1", "tokens are sent to https:// only"), ("--server=https://", "https://HOST:PORT"),
    ("--server=https://[::1", "https://HOST:PORT"), ("--server=https://a:b", "https://HOST:PORT"),
    ("--server=https://a/?x=1", "https://HOST:PORT"), ("--server=https://ann@a", "https://HOST:PORT"),
    ("--certificate-authority=no-such-file", "No such file"), (f"--certificate-authority={__file__}", "holds no certificates"),
    ("--recheck-seconds=nan", "nan is no time"), ("--recheck-seconds=inf", "inf is no time"), ("--recheck-seconds=0", "0 is no time"),
    ("--most-people=0", "0 is no number of people"), ("--most-people=-2", "-2 is no number of people"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "words"), WRONG, ids=[option for option, _ in WRONG])
def test_what_cannot_be_served(option: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = tmp_path / "ca.crt"
    authority.write_text(make_identity(time.time()).certificate)
    try:
        code = main(["--server=https://127.0.0.1:9", f"--certificate-authority={authority}", option])
    except SystemExit as error:
        code = int(str(error.code))
    assert code == 2
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told
