#!/usr/bin/env bash
# Prefect's parameter_schema says less of a flow than its own validation does.
#
# Versions: prefect 3.9.1, pydantic 2.14.4 (fastapi below 0.140, with which it starts).
# Input: a default `pydantic.Field(...)`, a description in `Annotated`, and a parameter whose annotation is imported for type checkers only.
# Seen: the constraint of `Field(3, gt=1)` is not in the schema; a parameter with a `default_factory` is required; the description is lost;
#   beside one annotation that cannot be resolved, `datetime.date` of another parameter is lost too.
# Why it matters: a deployment's schema refuses a run that the flow would take, and lets others through that it would not.
# Fails when the schema says otherwise. Needs Python.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export PREFECT_HOME="$folder/home"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check prefect==3.9.1 pydantic==2.14.4 'fastapi<0.140'
cat > flows.py <<'PY'
import datetime
import json
from typing import Annotated

from prefect.utilities.callables import parameter_schema
from pydantic import Field


def constraint(n: int = Field(3, gt=1)): ...
def factory(names: list[str] = Field(default_factory=list)): ...
def description(n: Annotated[int, Field(description="how many")] = 1): ...
def unresolved(a: "Elsewhere", day: "datetime.date"): ...


for fn in (constraint, factory, description, unresolved):
    schema = parameter_schema(fn)
    print(fn.__name__, json.dumps(list(schema.properties.values())[-1], sort_keys=True), schema.required)
PY
venv/bin/pip list 2> /dev/null | grep -E '^(prefect|pydantic) '
seen=$(venv/bin/python flows.py)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'SEEN'
constraint {"default": 3, "position": 0, "title": "n", "type": "integer"} []
factory {"items": {"type": "string"}, "position": 0, "title": "names", "type": "array"} ['names']
description {"default": 1, "position": 0, "title": "n", "type": "integer"} []
unresolved {"position": 1, "title": "day"} ['a', 'day']
SEEN
echo "as stated"
