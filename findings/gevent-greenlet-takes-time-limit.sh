#!/usr/bin/env bash
# A time limit by a signal ends the greenlet that runs just then, and the function that was limited returns as if it had done its work.
#
# Versions: gevent 26.9.0, timeout-decorator 0.5.0, CPython 3.11 to 3.13.
# Input: a function that waits for a greenlet which counts for a second, in steps that give way to others; limited to 0.2 s by a timer whose
#   handler raises TimeoutError. Then with a handler that raises SystemExit.
# Seen: the greenlet fails at 0.2 s with TimeoutError, which is printed to standard error; the limited function sees the greenlet as finished,
#   returns, and nobody has heard of a limit. SystemExit leaves the limited function at 0.2 s.
# Why: the handler runs in whatever greenlet the main thread is in. The hub hands on to the main greenlet SystemExit, KeyboardInterrupt and
#   SystemError only; a greenlet keeps every other exception as its own outcome, which `join` does not raise.
# Why it matters: time limits, and clean-up by SIGTERM, of scripts that work in greenlets: half the work is taken for all of it.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "gevent==26.9.0" "timeout-decorator==0.5.0"
cat > case.py <<'PY'
import signal
import time

import gevent
import timeout_decorator


def count():
    until = time.monotonic() + 1
    while time.monotonic() < until:
        gevent.sleep(0)


def work():
    greenlet = gevent.spawn(count)
    greenlet.join()
    print("work: the greenlet ended with", type(greenlet.exception).__name__)


def leave(*_):
    raise SystemExit


def told(name, limited):
    begun = time.monotonic()
    try:
        limited()
        how = "returned"
    except BaseException as exc:
        how = f"left by {type(exc).__name__}"
    print(f"{name}: {how} {'early' if time.monotonic() - begun < 0.9 else 'late'}")


def by_exit():
    signal.signal(signal.SIGALRM, leave)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    work()


told("TimeoutError", timeout_decorator.timeout(0.2)(work))
told("SystemExit", by_exit)
PY
seen=$(venv/bin/python case.py 2>said)
wanted="work: the greenlet ended with TimeoutError
TimeoutError: returned early
SystemExit: left by SystemExit early"
printf '%s\n' "$seen"
[ "$seen" = "$wanted" ]
