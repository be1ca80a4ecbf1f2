#!/usr/bin/env bash
# The Python client reads as quantities what no API server takes: 1K, 1e3Ki, 1_0, NaN, digits of other scripts.
#
# Versions: kubernetes 37.0.2 (kubernetes.utils.parse_quantity), CPython 3.11 to 3.13. A kube-apiserver 1.36.3 answers 400 to a LimitRange with
#   each of the last five (it does not parse them), and takes the first three.
# Input: quantities as people write them for memory.
# Seen: all eight are read without an error; the suffix K as a thousand, an exponent together with a suffix, and whatever else Python's
#   Decimal takes for a number, "NaN" included.
# Why: the suffix is looked up in a table that has K beside k, and the rest is handed to Decimal as it is.
# Why it matters: a check of manifests that rests on it lets them pass, and the apply fails; and a sum of requests with "NaN" in it can't be
#   compared with a limit any more.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "kubernetes==37.0.2"
cat > case.py <<'PY'
from kubernetes.utils import parse_quantity

for text in ("1k", "1Ki", "1e3", "1K", "1e3Ki", "1_0", "NaN", "\u0661"):
    print(ascii(text), "->", f"{parse_quantity(text):f}")
PY
seen=$(venv/bin/python case.py)
wanted="'1k' -> 1000
'1Ki' -> 1024
'1e3' -> 1000
'1K' -> 1000
'1e3Ki' -> 1024000
'1_0' -> 10
'NaN' -> NaN
'\\u0661' -> 1"
printf '%s\n' "$seen"
[ "$seen" = "$wanted" ]
