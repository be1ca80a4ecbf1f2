#!/usr/bin/env bash
# A descriptor that is set not to block blocks its reader: patched by eventlet, os.read waits for data instead of raising BlockingIOError.
#
# Versions: eventlet 0.41.3, CPython 3.11 to 3.13.
# Input: a pipe whose reading end is non-blocking and empty; it is read with os.read before and after monkey_patch(os=True). For the second
#   time somebody writes a byte 0.4 s later.
# Seen: before, BlockingIOError at once; after, the byte, 0.4 s later.
# Why: the green os.read takes the error that says "nothing there" for the moment to give way, and reads again when the descriptor is ready. It
#   does so for every descriptor, and in every thread: one that has no other greenlets waits in a hub of its own.
# Why it matters: the way to empty a pipe that wakes a thread, or that signals are written to, is to read until the error comes. In such a
#   program the thread stays in that read, until the next byte.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "eventlet==0.41.3"
cat > case.py <<'PY'
import os
import time

import eventlet

read, write = os.pipe()
os.set_blocking(read, False)


def look(name):
    begun = time.monotonic()
    try:
        seen = repr(os.read(read, 10))
    except BlockingIOError:
        seen = "BlockingIOError"
    print(f"{name}: {seen} {'at once' if time.monotonic() - begun < 0.2 else 'later'}")


look("as it is")
eventlet.monkey_patch(os=True)
eventlet.spawn_after(0.4, os.write, write, b"x")
look("patched")
PY
seen=$(venv/bin/python -W ignore case.py)
wanted="as it is: BlockingIOError at once
patched: b'x' later"
printf '%s\n' "$seen"
[ "$seen" = "$wanted" ]
