"""Results in a bucket of a real S3 server: kept, found again, expired, locked; and a server that refuses, is away, or answers nothing."""

from __future__ import annotations

import asyncio
import datetime
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from penstock import flow, task
from penstock.cache_policies import INPUTS
from penstock.clusterruns.results import stored_task_result
from penstock.exceptions import MissingResult
from penstock.filesystems import RemoteFileSystem
from penstock.locking.filesystem import FileSystemLockManager
from penstock.results import ResultStore
from penstock.settings import temporary_settings
from penstock.storage import object_client
from penstock.transactions import IsolationLevel
from tests.support.s3server import Bucket, S3Server, serving

PROGRAM = """
import os, sys
from penstock import flow, task
from penstock.cache_policies import INPUTS

@task(cache_policy=INPUTS)
def load(day):
    with open(sys.argv[1], "a") as calls:
        calls.write(day + "\\n")
    return {"day": day, "rows": list(range(1000))}

@flow(persist_result=True)
def etl(days):
    return [load(day)["day"] for day in days]

print(etl(["mon", "tue", "mon"]))
"""


def test_a_file_system(bucket: Bucket) -> None:
    fs = RemoteFileSystem(bucket.url)
    with pytest.raises(ValueError, match="does not exist"):
        fs.read_path("a")
    assert fs.write_path("sub/a é+%", b"1") == f"{bucket.url}/sub/a é+%"
    assert fs.write_path("large", bytes(12_000_000)) == f"{bucket.url}/large"
    assert [len(fs.read_path(key)) for key in ("sub/a é+%", "large")] == [1, 12_000_000]
    assert [fs.exists(key) for key in ("sub/a é+%", "sub/b")] == [True, False]
    fs.delete("large")
    fs.delete("large")
    assert len(bucket.objects()) == 1
    with pytest.raises(OSError, match="empty path segment"):
        fs.write_path("a//b", b"")


def test_what_another_process_has_stored(bucket: Bucket, tmp_path: Path) -> None:
    """A program of its own, twice: told where by the setting, and who by the variables."""
    calls = tmp_path / "calls"
    env = {**bucket.server.environment, "PENSTOCK_RESULTS_STORAGE": bucket.url, "PENSTOCK_HOME": str(tmp_path)}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(calls)], env=env, capture_output=True, text=True, check=True
        )
        assert done.stdout == "['mon', 'tue', 'mon']\n"
    assert calls.read_text() == "mon\ntue\n"
    assert len(bucket.objects()) == 4  # two of tasks, one of each flow run
    assert list((tmp_path).iterdir()) == [calls]


def test_what_expires(bucket: Bucket) -> None:
    calls: list[int] = []

    @task(cache_policy=INPUTS, cache_expiration=datetime.timedelta(hours=1), result_storage=bucket.url)
    def load(x: int) -> int:
        calls.append(x)
        return len(calls)

    store = ResultStore(result_storage=bucket.url, cache_result_in_memory=False)
    assert [load(7), load(7)] == [1, 1]
    (key,) = bucket.objects()
    record = store.read(key)
    assert record.expiration is not None
    assert record.expiration > datetime.datetime.now(datetime.UTC)
    store.write(1, key=key, expiration=datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1))
    assert not store.exists(key)
    assert [load(7), load(7)] == [2, 2]


def test_equal_calls_one_after_the_other(bucket: Bucket, tmp_path: Path) -> None:
    """SERIALIZABLE: the locks lie in a folder, the results in the bucket; of four equal calls in threads one runs."""
    calls: list[int] = []
    policy = INPUTS.configure(
        isolation_level=IsolationLevel.SERIALIZABLE, lock_manager=FileSystemLockManager(tmp_path / "locks")
    )

    @task(cache_policy=policy, result_storage=bucket.url)
    def load(x: int) -> int:
        calls.append(x)
        return x

    @flow
    def main() -> list[str]:
        return [future.state.name for future in [load.submit(3) for _ in range(4)] if future.wait() is None]

    assert sorted(main()) == ["Cached", "Cached", "Cached", "Completed"]
    assert calls == [3]


def test_results_of_tasks_are_found(bucket: Bucket) -> None:
    """By the headers of the records in the bucket, as `get_task_result` and `penstock result RUN TASK` look for them."""
    lineage: list[str] = []

    @task
    def load(x: int) -> int:
        return x * 10

    @flow(persist_result=True, result_storage=bucket.url)
    def main() -> Any:
        from penstock import runtime

        lineage.append(str(runtime.flow_run.lineage_id))
        return load.map([1, 2, 3]).result()

    assert main() == [10, 20, 30]
    assert stored_task_result(bucket.url, lineage[0], "load", "r") == [10, 20, 30]
    assert stored_task_result(bucket.url, lineage[0], "load:0[1]", "r") == 20


@pytest.mark.usefixtures("impatient")
def test_who_looks_for_a_result_hears_that_the_store_does_not_say(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that there is none."""
    RemoteFileSystem(bucket.url).write_path("k", b"{}")
    with (
        bucket.server.away(),
        pytest.raises(MissingResult, match=r"cannot be read from here \(s3://.*refused\); mount"),
    ):
        stored_task_result(bucket.url, "lineage", "load", "r")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(MissingResult, match="SignatureDoesNotMatch"):
        stored_task_result(bucket.url, "lineage", "load", "r")


# --- a store that does not do what it is asked -------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up after a moment what the client asks for half a minute otherwise."""
    patience = {"max_retries": 3, "retry_timeout": datetime.timedelta(seconds=1)}
    monkeypatch.setattr(object_client, "PATIENCE", patience)


@pytest.fixture(scope="module")
def readonly(s3: S3Server) -> Iterator[S3Server]:
    with serving(readonly=True, root=s3.root) as server:
        yield server


Trouble = Callable[[Bucket, S3Server], tuple[str, dict[str, Any], AbstractContextManager[None]]]
# Where it is stored, with which settings, and what happens meanwhile; what the log says of reading, and of writing.
TROUBLES: dict[str, tuple[Trouble, str, str]] = {
    "a wrong secret": (
        lambda b, _: (b.url, {"secret_access_key": "wrong"}, nullcontext()), "403 Forbidden", "SignatureDoesNotMatch",
    ),
    "an unknown key": (
        lambda b, _: (b.url, {"access_key_id": "nobody"}, nullcontext()), "403 Forbidden", "InvalidAccessKeyId",
    ),
    "no such bucket": (lambda b, _: (f"{b.url}-2".replace(b.name, "absent"), {}, nullcontext()), "", "NoSuchBucket"),
    "read only": (lambda b, r: (b.url, {"endpoint": r.url}, nullcontext()), "", "AccessDenied"),
    "away": (lambda b, _: (b.url, {}, b.server.away()), "Connection refused", "Connection refused"),
    "a region that is not its own": (lambda b, _: (b.url, {"region": "eu-west-1"}, nullcontext()), "400", "is wrong"),
}  # fmt: skip


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.usefixtures("impatient")
def test_the_run_goes_on_or_fails_by_setting(
    trouble: str, required: bool, bucket: Bucket, readonly: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing pretends to be persisted, and what is said is one line: where, what the server said, no dump of a library's insides."""
    make, reading, writing = TROUBLES[trouble]
    url, settings, meanwhile = make(bucket, readonly)
    store = RemoteFileSystem(url, settings)
    bodies: list[int] = []

    @task(persist_result=True)
    def one(x: int) -> int:
        bodies.append(x)
        return x

    @flow(result_storage=store)
    def main() -> Any:
        return one(1) + one.submit(2).result()

    began = time.monotonic()
    with temporary_settings({"PENSTOCK_RESULTS_REQUIRED": required}), meanwhile:
        state = main(return_state=True)
    assert time.monotonic() - began < 20
    assert bucket.objects() == []
    words = reading if required and reading else writing
    if required:
        assert state.is_failed()
        assert any("(results.required)" in r.getMessage() and words in r.getMessage() for r in caplog.records)
        assert words in (state.message or "")
        # What cannot be stored in the end is not begun, where that is known.
        assert bodies == ([] if reading else [1])
    else:
        assert state.result() == 3
        assert bodies == [1, 2]
        assert not hasattr(state.data, "metadata")
        assert ("so the body runs: " in caplog.text) is bool(reading)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any(words in line for line in lines) or required
    for line in [*lines, state.message or ""]:
        assert "\n" not in line
        assert "Debug source" not in line
        assert "only-for-tests" not in line


@pytest.mark.usefixtures("impatient")
def test_away_in_the_middle(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    """What was stored before and after is; a store that was given up costs the next ones no patience, and is asked again."""

    @task(persist_result=True)
    def step(n: int) -> int:
        return n

    @flow(result_storage=bucket.url)
    def main() -> list[int]:
        done = [step(n) for n in range(3)]
        with bucket.server.away():
            began = time.monotonic()
            done += [step(n) for n in range(3, 23)]
            took.append(time.monotonic() - began)
        return done + [step(n) for n in range(23, 25)]

    took: list[float] = []
    assert main() == list(range(25))
    assert len(bucket.objects()) == 3 + 2 + 1
    assert took[0] < 10, "forty requests in vain, and one of them with patience"
    assert sum("was not stored" in record.getMessage() for record in caplog.records) == 20


def test_a_moment_without_an_answer_is_waited_for(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    asked = threading.Event()

    @task(persist_result=True)
    def step(n: int) -> int:
        return n

    @flow(result_storage=bucket.url)
    def main() -> int:
        asked.set()
        return step(1)

    with ThreadPoolExecutor(1) as pool:
        with bucket.server.away():
            running = pool.submit(main)
            asked.wait(10)
            assert not wait([running], 1.5).done
        assert running.result() == 1
    assert len(bucket.objects()) == 2
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_the_loop_of_async_code_goes_on(bucket: Bucket) -> None:
    """While the server takes its time, other tasks of the loop run."""

    @task(persist_result=True)
    async def one() -> int:
        return 1

    @flow(result_storage=bucket.url)
    async def main() -> int:
        return await one()

    async def beside() -> tuple[int, int]:
        with bucket.server.silent():
            running = asyncio.create_task(main())
            ticks = 0
            while ticks < 20:
                await asyncio.sleep(0.02)
                ticks += 1
            assert not running.done()
        return await running, ticks

    assert asyncio.run(beside()) == (1, 20)
    assert len(bucket.objects()) == 2
