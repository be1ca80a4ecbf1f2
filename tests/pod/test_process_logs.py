"""The log of a pod: whole lines, and a run that is heard whatever user code does to logging."""

from __future__ import annotations

import json
import signal
from itertools import pairwise

import pytest

from penstock_reading.wholelines import whole_lines
from tests.pod.conftest import StartPod
from tests.support.pod_process import PodProcess
from tests.support.pod_server import PodServer

FILE_CONFIG = """[loggers]
keys=root
[handlers]
keys=here
[formatters]
keys=
[logger_root]
level=WARNING
handlers=here
[handler_here]
class=StreamHandler
args=()
"""
CONFIGURED = {
    "dictConfig": "logging.config.dictConfig({'version': 1})",
    "dictConfig with a root": (
        "logging.config.dictConfig({'version': 1, 'handlers': {'h': {'class': 'logging.StreamHandler'}},"
        " 'root': {'handlers': ['h'], 'level': 'ERROR'}})"
    ),
    "dictConfig that spares": "logging.config.dictConfig({'version': 1, 'disable_existing_loggers': False})",
    "fileConfig": f"logging.config.fileConfig(io.StringIO({FILE_CONFIG!r}))",
    "basicConfig": "logging.basicConfig(force=True, level='ERROR')",
    "shutdown": "logging.shutdown()",
    "disable": "logging.disable(logging.CRITICAL)",
    "no handlers": "logging.getLogger().handlers.clear()",
    "stdout is closed": "sys.stdout.close(); sys.stdout = open(os.devnull, 'w')",
    "stdout is another": "sys.stdout = io.StringIO()",
    "descriptor 1 leads elsewhere": "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)",
}
SAYING = """
import io, logging, logging.config
@task
def work():
    get_run_logger().info("from the task")
    print("printed in the task")
@flow(log_prints=True)
def main():
    get_run_logger().info("before")
    {done}
    get_run_logger().info("after")
    logging.getLogger("penstock.pod").info("of the pod")
    print("printed")
    work()
    work.submit().result()
"""


@pytest.mark.parametrize("done", CONFIGURED.values(), ids=CONFIGURED.keys())
def test_a_run_is_heard_whatever_is_done_to_logging(start: StartPod, server: PodServer, done: str) -> None:
    pod = start(SAYING.format(done=done))
    assert pod.wait() == 0, pod.output
    said = [line["msg"] for line in pod.lines if line.get("event") != "state"]
    want = ["before", "after", "of the pod", "printed", *2 * ["from the task", "printed in the task"]]
    assert [text for text in said if text in want] == want
    assert pod.output.count("after") == 1, "once, and in one format"
    assert pod.lines[-1]["msg"] == "Finished in state Completed()"
    assert [line["to"] for line in pod.lines if line.get("event") == "state"].count("COMPLETED") == 3


def test_users_records_go_where_their_configuration_says(start: StartPod, server: PodServer) -> None:
    pod = start(
        "import logging\n@flow\ndef main():\n    logging.getLogger('mine').warning('one')\n"
        "    logging.basicConfig(force=True, format='MINE %(message)s')\n    logging.getLogger('mine').warning('two')\n"
        "    get_run_logger().warning('three')\n"
    )
    assert pod.wait() == 0, pod.output
    assert [line["msg"] for line in pod.lines if line["msg"] in ("one", "two", "three")] == ["one", "three"]
    assert (pod.folder / "stderr").read_text() == "MINE two\n"


def check_whole(pod: PodProcess) -> list[str]:
    """Each line is a JSON object, or holds none; gives those that hold none."""
    plain = []
    for line in pod.stdout.splitlines():
        if '"ts"' in line:
            json.loads(line)
        else:
            plain.append(line)
    return plain


PRINTING = """
def talk(name):
    for i in range(30):
        print(name, end=" ")
        get_run_logger().info("line %d", i)
        sys.stdout.write("i")
        print("s", end="")
        sys.stdout.buffer.write(b" ")
        print("here")
    return name
@task
def work(name):
    return talk(name)
"""


def test_prints_without_log_prints_are_whole_lines(start: StartPod, server: PodServer) -> None:
    pod = start(
        f"{PRINTING}@flow\ndef main():\n    futures = [work.submit(name) for name in 'abcd']\n    talk('main')\n"
        "    for future in futures:\n        future.wait()\n    print('the', 'end', end='')\n"
    )
    assert pod.wait() == 0, pod.output
    plain = check_whole(pod)
    assert sorted(plain[:-1]) == sorted(30 * [f"{name} is here" for name in (*"abcd", "main")])
    assert plain[-1] == "the end"


STATES = """
from penstock import pause_flow_run
class Unheard(Exception): pass
@task(retries=1, on_failure=[lambda *_: None])
def bad(): raise Unheard("a word")
@task
def good(): return 1
@flow
def below():
    get_run_logger().info("below")
    bad()
@flow(on_failure=[lambda *_: None])
def main():
    good.submit(wait_for=[good.submit()]).wait()
    below()
"""


def test_each_state_is_said_once_and_a_traceback_too(start: StartPod, server: PodServer) -> None:
    pod = start(STATES)
    assert pod.wait() == 1, pod.output
    changes = [(line.get("address", ""), line["to"], line["tries"]) for line in pod.lines if "event" in line]
    assert len(set(changes)) == len(changes) == 3 + 3 + 3 + 3 + 4, changes
    finished = [line for line in pod.lines if line["msg"].startswith("Finished in state")]
    assert [line.get("event") for line in finished] == 5 * ["state"], "the line or the event, not both"
    assert [line["level"] for line in finished] == ["INFO", "INFO", "ERROR", "ERROR", "ERROR"]
    assert [line["msg"].partition(" run ")[0] for line in pod.lines if line["msg"].startswith("Beginning")] == [
        "Beginning flow",
        "Beginning subflow",
    ]
    assert ["exc" in line for line in pod.lines].count(True) == 1
    ids = {line["address"]: line["taskRun"] for line in pod.lines if line.get("to") == "PENDING" and "taskRun" in line}
    upstreams = [(line["address"], line["to"], line["after"]) for line in pod.lines if "after" in line]
    assert upstreams == [("good:1", "RUNNING", [ids["good:0"]])], "what a task waited for, once"
    assert [line["address"] for line in pod.lines if line["msg"] == "below"] == ["below:0"]
    names = {line.get("address"): line.get("taskRunName") or line["flowRun"] for line in pod.lines if "event" in line}
    assert all(name.count("-") == 1 for address, name in names.items() if address)
    assert {line["flowRun"] for line in pod.lines if line.get("address") == "below:0"} == {names["below:0"]}


UNLOADABLE = {
    "a package that is missing": ("import pandaz", "ModuleNotFoundError: No module named 'pandaz'", "import pandaz"),
    "no Python": ("def main(:", "SyntaxError: invalid syntax", "def main(:"),
    "parameters that do not fit": ("@flow\ndef main(a): pass", "missing a required argument: 'a'", ""),
}


@pytest.mark.parametrize(("source", "says", "shows"), UNLOADABLE.values(), ids=UNLOADABLE.keys())
def test_why_there_is_no_run_is_in_the_log(
    start: StartPod, server: PodServer, source: str, says: str, shows: str
) -> None:
    pod = start(source)
    assert pod.wait() != 0
    (line,) = pod.lines
    assert line["level"] == "ERROR"
    assert says in line["msg"]
    assert shows in line.get("exc", "")
    assert "importlib" not in pod.output, "the user's frames alone"
    assert server.report is not None
    assert line["msg"].startswith(f"{server.report['name']}: ")


UNFINISHED = {
    "flushed": "print('begun', end='', flush=True)",
    "written to the descriptor": "os.write(1, b'begun')",
    "by a child": "__import__('subprocess').run(['printf', 'begun'])",
    "by code in C": "__import__('ctypes').CDLL(None).dprintf(1, b'begun')",
    "by a child that was forked": "os.waitpid(p, 0) if (p := os.fork()) else (print('begun', end=''), sys.exit())",
}


@pytest.mark.parametrize("begin", UNFINISHED.values(), ids=UNFINISHED.keys())
def test_an_unfinished_line_is_ended_before_the_logs(start: StartPod, server: PodServer, begin: str) -> None:
    pod = start(f"@flow\ndef main():\n    {begin}\n    get_run_logger().info('said')\n    print('done')\n")
    assert pod.wait() == 0, pod.output
    assert check_whole(pod) == ["begun", "done"]


# What is left unfinished where stdout is a pipe, as a kubelet's: what it looks like can't be seen there.
BESIDE = {
    "a child that has ended": ("__import__('subprocess').run(['printf', 'begun'])", "begun"),
    "a child of os.system": ("os.system('printf begun')", "begun"),
    "a child that was forked": (UNFINISHED["by a child that was forked"], "begun"),
    "a bar": ("print('10 %', end='\\r'); print('20 %', end='\\r')", "10 %\r20 %\r"),
    "a line by code in C": ("__import__('ctypes').CDLL(None).printf(b'by C\\n')", "by C"),
    "bytes that are no text": ("sys.stdout.buffer.write(b'\\xff\\n')", "\udcff"),
    "a worker's line": ("from elsewhere import told; told()", "in the worker"),
    "pieces on stderr": ("sys.stderr.write('be'); print('gun', end='', file=sys.stderr, flush=True)", "begun"),
}


def test_whole_lines_in_a_pipe(start: StartPod, server: PodServer) -> None:
    steps = "".join(f"    {done}\n    get_run_logger().info('said')\n" for done, _ in BESIDE.values())
    worker = (
        "from penstock import task\nfrom penstock.task_runners import ProcessPoolTaskRunner\n"
        "@task\ndef tell():\n    print('in', 'the', 'worker')\n    print('half', end='', flush=True)\n"
        "    __import__('subprocess').run(['printf', 'below'])\n"
        "def told():\n    with ProcessPoolTaskRunner(1) as runner:\n        runner.submit(tell, {}).result()\n"
    )
    pod = start(
        f"@flow\ndef main():\n{steps}    __import__('ctypes').CDLL(None).printf(b'left in C')\n",
        files={"work/elsewhere.py": worker},
        piped=True,
        errors_too=True,
    )
    assert pod.wait() == 0, pod.output
    lines = pod.stdout_bytes.decode(errors="surrogateescape").split("\n")
    said = [json.loads(line).get("msg") if line.startswith("{") else line for line in lines if line]
    want = [part for _, text in BESIDE.values() for part in (text, "said")]
    assert [text for text in said if text in want] == want
    assert "half" in said, "what a worker has begun is ended when the worker ends"
    assert "below" in said, "what a worker's child has begun is ended before the log's line"
    assert lines[-1] == "left in C", "what code in C has left in its buffer"


# Who has left a line unfinished in a pipe and lives on, so that no end of a child tells.
ALIVE = {
    "a child": "sh('printf begun; touch $MARKS/{0}; read it')",
    "a child's child": "sh('(printf begun; touch $MARKS/{0}; read it <&3) 3<&0 & wait')",
    "a child with another descriptor": "sh('exec 4>&1 >/dev/null; printf begun >&4; touch $MARKS/{0}; read it')",
    "a child that nobody has waited for": "sh('printf begun'); os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT); mark('{0}')",
    "a child that was forked": "os.fork() or (os.write(1, b'begun'), mark('{0}'), wait_for('done-{0}'), os._exit(0))",
    "a forked child's own log": "os.fork() or (get_run_logger().info('first'), os.write(1, b'begun'), get_run_logger().info('said'), mark('{0}'), os._exit(0))",  # noqa: E501
    "code in C": "c.printf(b'begun'); c.fflush(None); mark('{0}')",
    "code in C, again": "c.printf(b'begun'); c.fflush(None); mark('{0}')",
}


def test_whole_lines_beside_those_who_live(start: StartPod, server: PodServer) -> None:
    steps = "".join(
        f"    get_run_logger().info('before')\n    {step.format(number)}\n    wait_for('{number}')\n    said(p)\n    mark('done-{number}')\n"
        for number, step in enumerate(ALIVE.values())
    )
    pod = start(
        "import ctypes, subprocess\nfrom marks import wait_for\nc = ctypes.CDLL(None)\np = None\n"
        "def sh(command):\n    global p\n    p = subprocess.Popen(['sh', '-c', command], stdin=-1)\n"
        "def said(p):\n    get_run_logger().info('said')\n    if p:\n        p.stdin.close()\n        p.wait()\n"
        f"@flow\ndef main():\n    global p\n{steps}",
        piped=True,
    )
    assert pod.wait() == 0, pod.output
    lines = pod.stdout_bytes.decode().split("\n")
    said = [json.loads(line)["msg"] if '"ts"' in line else line for line in lines]
    assert [text for text in said if text in ("begun", "said")].count("said") == len(ALIVE) + 1
    assert said.count("begun") == len(ALIVE)


# What goes past `sys.stdout` in the flow's own process; `{0}` is what is left unfinished.
PAST = {
    "os.write": "os.write(1, b'{0}')",
    "os.writev": "os.writev(1, [b'{0}'[:1], memoryview(b'{0}')[1:]])",
    "posix.write": "posix.write(1, b'{0}')",
    "the raw side of stdout": "sys.__stdout__.buffer.raw.write(b'{0}')",
    "a duplicate": "os.write(keep(os.dup(1)), b'{0}')",
    "a duplicate under a number": "os.write(keep(os.dup2(1, 60)), b'{0}')",
    "what the kernel copies": "os.sendfile(1, keep(tempfile.TemporaryFile()).write(b'{0}') and kept[-1].flush() or kept[-1].fileno(), 0, 99)",
    "what the kernel moves": "os.write(keep(os.pipe())[1], b'{0}'), os.splice(kept[-1][0], 1, 99)",
    "another thread": "run(lambda: os.write(1, b'{0}'))",
    "a file of the flow's own in the place of stdout": "sys.stdout = open(1, 'w', closefd=False); print('{0}', end='', flush=True)",
    "code in C that writes by itself": "ctypes.CDLL(None).dprintf(1, b'{0}')",
}
STAND_INS = """
import inspect, io, pickle, posix, tempfile
kept = []
def keep(made):
    kept.append(made)
    return made
def run(what):
    made = threading.Thread(target=what)
    made.start()
    made.join()
class Bound:
    write = os.write
def check():
    assert os.write.__name__ == "write" and "bytes" in os.write.__doc__, os.write.__doc__
    assert str(inspect.signature(os.write)) == "(fd, data, /)"
    assert all(pickle.loads(pickle.dumps(made)) is made for made in (os.write, os.writev, os.dup))
    assert os.open in os.supports_dir_fd and open is io.open and type(open("plain", "wb", 0)) is io.FileIO
    assert b"posix" in pickle.dumps(os.write), "whoever reads it gets the one of its own process"
    read, write = os.pipe()
    assert Bound().write(write, b"x") == 1
    os.close(read), os.close(write)
    for wrong in (lambda: os.write("1", b""), lambda: os.write(-1), lambda: os.dup("1")):
        try:
            wrong()
        except (ValueError, TypeError):
            continue
        raise AssertionError(wrong)
"""


def test_whole_lines_past_stdout(start: StartPod, server: PodServer) -> None:
    steps = "".join(
        f"    {step.format(f'begun{number}')}\n    say('said{number}')\n" for number, step in enumerate(PAST.values())
    )
    pod = start(
        f"{STAND_INS}import ctypes\n@flow\ndef main():\n    check()\n    say = get_run_logger().info\n{steps}",
        piped=True,
    )
    assert pod.wait() == 0, pod.output
    lines = pod.stdout_bytes.decode().split("\n")
    said = [json.loads(line)["msg"] if line.startswith("{") else line for line in lines]
    pairs = set(pairwise(said))
    assert not [way for number, way in enumerate(PAST) if (f"begun{number}", f"said{number}") not in pairs]
    assert "" not in said[: said.index(f"said{len(PAST) - 1}")], "each of them left a line unfinished, and no one else"


# Whole lines, or nothing: no line of the log begins with an end of line.
QUIET = {
    "a whole line": "os.write(1, b'whole\\n')",
    "a line in two pieces": "os.write(1, b'who'); os.writev(1, [b'l', b'e\\n'])",
    "stdout as a file of its own": "out = os.fdopen(1, 'w', 1, closefd=False); print('who', end='', file=out); print('le', file=out)",
    "a file": "file = open('file', 'w'); file.write('no end'); file.flush(); os.write(file.fileno(), b'no end')",
    "a socket": "a, b = __import__('socket').socketpair(); a.send(b'no end'); os.write(a.fileno(), b'no end')",
    "a pipe": "r, w = os.pipe(); os.write(w, b'no end'); os.close(w); os.close(r)",
    "a descriptor that was stdout's": "d = os.dup(1); os.close(d); r, w = os.pipe(); os.write(r if r == d else w, b'no end') if w == d else 0",
    "nothing": "os.write(1, b'')",
}


def test_no_empty_line_for_whole_lines_past_stdout(start: StartPod, server: PodServer) -> None:
    steps = "".join(f"    {step}\n    say('said')\n" for step in QUIET.values())
    pod = start(f"@flow\ndef main():\n    say = get_run_logger().info\n{steps}", piped=True)
    assert pod.wait() == 0, pod.output
    lines = pod.stdout_bytes.decode().split("\n")
    assert "" not in lines[:-1]
    assert not [line for line in lines if line.endswith("} ")]
    assert [line for line in lines[:-1] if not line.startswith("{")] == 3 * ["whole"]


AT_ONCE = """
import subprocess, sys
from concurrent.futures import ThreadPoolExecutor
def fragments(write):
    for number in range(150):
        write(b"some")
@flow
def main():
    say = get_run_logger().info
    with ThreadPoolExecutor(4) as threads:
        done = [threads.submit(fragments, write) for write in (lambda text: os.write(1, text), sys.__stdout__.buffer.raw.write)]
        for number in range(150):
            say("said %d", number)
            print("printed")
        [each.result() for each in done]
    # It never ends a line, and writes more than the pipe holds.
    child = subprocess.Popen(["sh", "-c", "while :; do printf %0300d 0; done"])
    for number in range(12):
        say("long %d %s", number, number * 1000 * "äx€'", extra={"rows": [number]})
    child.kill()
    child.wait()
"""


def test_whole_lines_beside_all_who_write_at_once(start: StartPod, server: PodServer) -> None:
    pod = start(AT_ONCE, piped=True)
    assert pod.wait() == 0, pod.output[-2000:]
    lines = pod.stdout_bytes.decode().split("\n")
    ours = [line for line in lines if '{"ts"' in line]
    torn = [line[:100] for line in ours if not line.startswith("{") or not line.rstrip(" ").endswith("}")]
    assert not torn
    assert [line for line in ours if '"parts": ' in line]
    assert max(len(line.encode()) for line in ours) <= 4096 - 2
    read = [json.loads(line) for line in whole_lines(ours)]
    said = [each["msg"] for each in read if each["msg"].startswith(("said", "long"))]
    assert said == [
        *[f"said {number}" for number in range(150)],
        *[f"long {number} " + number * 1000 * "äx€'" for number in range(12)],
    ]
    assert [each["extra"]["rows"] for each in read if "extra" in each] == [[number] for number in range(12)]
    assert not any("part" in each for each in read)


def test_no_empty_line_where_nobody_can_have_written(start: StartPod, server: PodServer) -> None:
    worker = (
        "from penstock import task\nfrom penstock.task_runners import ProcessPoolTaskRunner\n"
        "@task\ndef tell():\n    print('in the worker')\n"
        "def told(say):\n    with ProcessPoolTaskRunner(1) as runner:\n        runner.submit(tell, {}).result()\n        say('beside a worker')\n"
    )
    pod = start(
        "import subprocess\nfrom elsewhere import told\n@flow\ndef main():\n    say = get_run_logger().info\n    told(say)\n    say('after it')\n"
        "    quiet = subprocess.Popen(['sh', '-c', 'read it'], stdin=-1, stdout=-3)\n    say('beside a quiet child')\n    say('and again')\n"
        "    quiet.stdin.close()\n    quiet.wait()\n",
        files={"work/elsewhere.py": worker},
        piped=True,
    )
    assert pod.wait() == 0, pod.output
    lines = pod.stdout_bytes.decode().split("\n")
    behind = [lines[number + 1] for number, line in enumerate(lines[:-1]) if not line]
    assert [json.loads(line)["msg"] for line in behind] == ["after it", "Finished in state Completed()"], (
        "a child has ended"
    )
    assert [line for line in lines if line.endswith("} ")] == behind


def test_the_place_of_a_crash_in_c_is_told(start: StartPod, server: PodServer) -> None:
    pod = start("@flow\ndef main():\n    print('begun', flush=True)\n    os.abort()\n", piped=True)
    assert pod.wait() == -signal.SIGABRT
    errors = (pod.folder / "stderr").read_text()
    assert "Fatal Python error: Aborted" in errors
    assert "in main" in errors


def test_stdout_is_as_it_was(start: StartPod, server: PodServer) -> None:
    pod = start(
        "@flow\ndef main():\n    out = sys.stdout\n    out.write('a\\nb\\n')\n    out.writelines(['c\\n', 'd\\n'])\n"
        "    print('e' * 70000)\n    print('\\udce9', 'é')\n    out.buffer.raw.write(b'raw\\n')\n"
        "    return [out.fileno(), out.isatty(), out.writable(), out.encoding, out.name, out.mode, out is sys.__stdout__, out.closed]\n",
        env={"PYTHONIOENCODING": "utf-8:backslashreplace"},
    )
    assert pod.wait() == 0, pod.output[-2000:]
    assert server.report is not None
    assert json.loads(server.report["result"]["json"]) == [1, False, True, "utf-8", "<stdout>", "w", True, False]
    assert check_whole(pod) == ["a", "b", "c", "d", "e" * 70000, "\\udce9 é", "raw"]
