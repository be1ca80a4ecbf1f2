#!/usr/bin/env bash
# A time limit by a signal leaves a loop without running the `finally` around it.
#
# Versions: timeout-decorator 0.5.0, CPython 3.11 and 3.12 (3.11.7 and 3.12.1 were tried; 3.10.13 is right, 3.13.0 is wrong for `while n >= 0` instead, in any form).
# Input: a function that counts in `while True: n += 1`, on one line, the first in a `try` whose `finally` notes that it ran; limited to 10 ms, called twenty times.
# Seen: the function is left by the library's TimeoutError each time, and its `finally` has never run. With the loop's body on a line of its own it
#   runs each time.
# Why: the interpreter looks for signals where a loop jumps back, and counts what a handler raises there as raised by the instruction before the
#   loop, which is not in the `try`. It is the same for Ctrl-C, and for exceptions that are set in other threads.
# Why it matters: limits of tasks, cancellation by SIGTERM and `with` blocks that release something rest on `finally`.
# Fails when that changes. Needs Python 3.11 or 3.12.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "timeout-decorator==0.5.0"
cat > case.py <<'PY'
import timeout_decorator

ran = []


@timeout_decorator.timeout(0.01)
def on_one_line():
    n = 0
    try:
        while True: n += 1
    finally:
        ran.append("finally")


@timeout_decorator.timeout(0.01)
def on_two_lines():
    n = 0
    try:
        while True:
            n += 1
    finally:
        ran.append("finally")


for limited in (on_one_line, on_two_lines):
    ran.clear()
    left = 0
    for _ in range(20):
        try:
            limited()
        except timeout_decorator.TimeoutError:
            left += 1
    print(limited.__name__, "left by TimeoutError:", left, "finally ran:", len(ran))
PY
seen=$(venv/bin/python -u case.py)
wanted="on_one_line left by TimeoutError: 20 finally ran: 0
on_two_lines left by TimeoutError: 20 finally ran: 20"
printf '%s\n' "$seen"
[ "$seen" = "$wanted" ]
