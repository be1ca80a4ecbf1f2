#!/usr/bin/env bash
# A class that travels by cloudpickle is not what it was: it forgets where it was made, and its slots become attributes too.
#
# Versions: cloudpickle 3.1.3, CPython 3.
# Input: a class with `__slots__` that is made inside a function, and an instance of it; pickled by value, unpickled in another process.
# Seen: `__qualname__` is "local.<locals>.Row" here and "Row" there, though functions and enums keep theirs; the instance has no `__dict__`
#   here, and one there, in which its slot stands a second time: what `object.__reduce_ex__` says of it differs. It is on no page of the documentation.
# Why it matters: whatever makes a name or a digest of a class (keys of caches, registries, `repr`s in logs) makes another one in the worker
#   than in the program; two classes of two functions come to have one name; `__slots__` save no memory there.
# Fails when one of the two changes. Needs Python.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "cloudpickle==3.1.3"
cat > case.py <<'PY'
import subprocess
import sys

import cloudpickle

SHOW = "print(type(row).__qualname__, hasattr(row, '__dict__'), row.__reduce_ex__(4)[2])"


def local():
    class Row:
        __slots__ = ("x",)

        def __init__(self):
            self.x = 1

    return Row()


row = local()
exec(SHOW)
there = f"import pickle, sys; row = pickle.load(sys.stdin.buffer); {SHOW}"
subprocess.run([sys.executable, "-c", there], input=cloudpickle.dumps(row), check=True)
PY
seen=$(venv/bin/python -u case.py)
wanted="local.<locals>.Row False (None, {'x': 1})
Row True ({'x': 1}, {'x': 1})"
printf '%s\n' "$seen"
[ "$seen" = "$wanted" ]
