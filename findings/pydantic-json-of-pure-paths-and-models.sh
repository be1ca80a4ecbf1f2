#!/usr/bin/env bash
# pydantic's JSON mode of a value alone knows less, and says less, than the one of a typed field.
#
# Versions: pydantic 2.11.7 with pydantic-core 2.33.2.
# Input: values as parameters of a run, written by `pydantic_core.to_jsonable_python`.
# Seen: a Path is written and a PurePosixPath refused, which `TypeAdapter(PurePosixPath)` writes; a set, a dict with integer keys and a
#   generator are written, as things that do not come back (the generator is used up); NaN stays NaN, which is no JSON.
# Why it matters: who writes arguments for another process by this function sends some that arrive as something else, without a word.
# Fails when one of them behaves otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pydantic==2.11.7 pydantic-core==2.33.2
seen=$("$folder/venv/bin/python" - <<'PY'
import pathlib
import pydantic, pydantic_core
print(pydantic.VERSION, pydantic_core.__version__)
used = (n for n in [1, 2])
for value in (pathlib.PosixPath("/a"), pathlib.PurePosixPath("/a"), {3}, {1: "a"}, used, float("nan")):
    try:
        shown = repr(pydantic_core.to_jsonable_python(value))
    except pydantic_core.PydanticSerializationError as error:
        shown = f"{type(error).__name__}: {error}"
    print(f"{type(value).__name__}: {shown}")
print("left of the generator:", list(used))
print("typed:", pydantic.TypeAdapter(pathlib.PurePosixPath).dump_json(pathlib.PurePosixPath("/a")).decode())
PY
)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'SEEN'
2.11.7 2.33.2
PosixPath: '/a'
PurePosixPath: PydanticSerializationError: Unable to serialize unknown type: <class 'pathlib.PurePosixPath'>
set: [3]
dict: {'1': 'a'}
generator: [1, 2]
float: nan
left of the generator: []
typed: "/a"
SEEN
echo "as stated"
