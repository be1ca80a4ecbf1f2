#!/usr/bin/env bash
# A function that travels by cloudpickle 3.1 forgets its file: its tracebacks say "<dynamic-code>" and show no source.
#
# Versions: cloudpickle 3.1.3 beside 3.0.0, CPython 3.
# Input: a function of a script, pickled by value, unpickled in the same process, and called; it raises.
# Seen: with 3.0.0 the frame names the script's path, and Python prints the line. With 3.1.3 `co_filename` is "<dynamic-code>": no path, no line,
#   and `inspect.getsource` finds nothing. It is done for payloads that are equal wherever the function stands, and is on no page of the documentation.
# Why it matters: a failure in a worker (of joblib, Dask, Spark, a process pool) cannot be read any more.
# Fails when one of the two changes. Needs Python.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
cat > case.py <<'PY'
import pickle
import traceback

import cloudpickle


def fails():
    return 1 / 0


try:
    pickle.loads(cloudpickle.dumps(fails))()
except ZeroDivisionError as exc:
    frame = traceback.extract_tb(exc.__traceback__)[-1]
    print(frame.filename.rpartition("/")[2], repr(frame.line))
PY
seen=""
for version in 3.0.0 3.1.3; do
  venv/bin/pip install --quiet --disable-pip-version-check "cloudpickle==$version"
  seen+="$version: $(venv/bin/python case.py)"$'\n'
done
wanted="3.0.0: case.py 'return 1 / 0'
3.1.3: <dynamic-code> ''
"
printf '%s' "$seen"
[ "$seen" = "$wanted" ]
