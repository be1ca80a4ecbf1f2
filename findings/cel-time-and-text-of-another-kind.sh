#!/usr/bin/env bash
# The same rule of a CustomResourceDefinition gives another answer in Python: a text's size is in bytes, a time's hour is the one written.
#
# Versions: common-expression-language 0.10.0 (the module `cel`), CPython 3.11 to 3.13. A kube-apiserver 1.36.3 answers otherwise in each row.
# Input: expressions of CEL's own standard functions, with a letter of two bytes, a time that has an offset, a digit of another script, and a
#   negative duration.
# Seen: size('née') is 4 (the language counts code points: 3); getHours() of 23:45+01:00 is 23 (without a zone it is UTC's: 22), and with a zone
#   there is no such function; '\d' matches an Arabic digit (RE2's is ASCII: no match); string(duration('-1h')) is a large number of hours
#   (Kubernetes: -3600s), while the duration itself is right.
# Why it matters: who checks manifests with it before they are applied accepts what the cluster refuses, and refuses what it accepts.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "common-expression-language==0.10.0"
cat > case.py <<'PY'
import cel

TIME = "timestamp('2024-02-29T23:45:10+01:00')"
for rule in (
    "size('née')",
    f"{TIME}.getHours()",
    f"{TIME}.getHours('Europe/Berlin')",
    r"'٣'.matches('^\\d$')",
    "duration('-1h') == duration('-60m')",
    "string(duration('-1h')) == '-3600s'",
    "string(duration('-1h')).size() > 20",
):
    try:
        print(rule, "->", cel.evaluate(rule))
    except RuntimeError as error:
        print(rule, "->", str(error).split(".")[0])
PY
seen=$(venv/bin/python case.py)
wanted="size('née') -> 4
timestamp('2024-02-29T23:45:10+01:00').getHours() -> 23
timestamp('2024-02-29T23:45:10+01:00').getHours('Europe/Berlin') -> Undefined variable or function: 'getHours'
'٣'.matches('^\\\\d\$') -> True
duration('-1h') == duration('-60m') -> True
string(duration('-1h')) == '-3600s' -> False
string(duration('-1h')).size() > 20 -> True"
printf '%s\n' "$seen"
[ "$seen" = "$wanted" ]
