"""`images/build`: which builder, which base, what is pushed, and what it says when there is none. The builders are played by a script."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What the script itself uses.
NEEDED = [
    "bash",
    "sed",
    "git",
    "date",
    "mktemp",
    "rm",
    "mkdir",
    "stat",
    "timeout",
    "env",
    "dirname",
    "readlink",
    "id",
    "cat",
    "basename",
]
PLAYED = """#!/bin/sh
echo "$(basename "$0") $*" >> {log}
case "$(basename "$0") $*" in {fails}) exit 1 ;; esac
previous=
for word in "$@"; do
  case "$word" in docker-archive:*) file=${{word#docker-archive:}}; : > "${{file%%:*}}" ;; esac
  [ "$previous" = --output ] && : > "$word"
  previous=$word
done
exit 0
"""


@dataclass(frozen=True)
class Case:
    """Programs that are there, the calls of them that fail, and what must come of it."""

    id: str
    there: str
    fails: str = "nothing"
    env: dict[str, str] = field(default_factory=dict)
    does: tuple[str, ...] = ()  # parts of lines of calls, in this order
    never: str = "\0"
    says: str = ""  # the one line of the error; empty: it works
    root: bool = True


PULL_FAILS = "'podman pull '*|'buildah pull '*|'docker pull '*"
CASES = [
    Case("podman first", "podman buildah docker", does=("podman pull", "podman build --layers", "podman save")),
    Case(
        "buildah next", "buildah docker", does=("buildah bud", "--isolation chroot", "buildah push --quiet docker.io")
    ),
    Case("docker last", "docker", does=("docker build", "--target engine", "docker save", "--target operator")),
    Case(
        "a client without a daemon is no builder",
        "docker",
        "'docker version'*",
        says="none of podman, buildah and docker",
    ),
    Case("nothing there", "", says="apt-get install buildah"),
    Case("asked for one that is not there", "podman", env={"BUILDER": "buildah"}, says="BUILDER=buildah is not there"),
    Case("vfs where overlay does not mount", "buildah", "'buildah mount'*", does=("buildah --storage-driver vfs bud",)),
    Case("both targets", "podman", does=("--target engine", "--target operator"), never="push"),
    Case(
        "given base", "podman", env={"BASE": "b@sha256:1"}, does=("--build-arg BASE=b@sha256:1",), never="podman pull"
    ),
    Case(
        "no registry: Debian's packages",
        "podman mmdebstrap",
        PULL_FAILS,
        does=("mmdebstrap --quiet --variant=minbase",),
    ),
    Case("neither", "podman", PULL_FAILS, says="mmdebstrap is not there"),
    Case("mmdebstrap fails", "podman mmdebstrap", PULL_FAILS + "|mmdebstrap*", says="no base from Debian's packages"),
    Case("only one", "podman", env={"TARGETS": "engine"}, does=("--target engine",), never="--target operator"),
    Case(
        "pushed under a prefix",
        "podman",
        env={"PUSH": "registry.example/team", "TAG": "9"},
        does=("--tag registry.example/team/engine:9", "podman push --quiet registry.example/team/engine:9"),
    ),
    Case(
        "not pushed is said",
        "podman",
        "'podman push'*",
        {"PUSH": "registry.example/team"},
        says="was built (",
    ),
    Case("a certificate is a secret", "podman", env={"PIP_CERT": "/ca.pem"}, does=("--secret id=ca,src=/ca.pem",)),
    Case("without one there is none", "podman", never="id=ca"),
    Case(
        "every step anew",
        "podman",
        env={"NO_CACHE": "1"},
        does=("podman build --layers", "--no-cache", "--target engine"),
    ),
    Case("steps may be known", "podman", never="--no-cache"),
    Case("the date is given", "podman", env={"SOURCE_DATE_EPOCH": "7"}, does=("--timestamp 7", "SOURCE_DATE_EPOCH=7")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_builders(case: Case, tmp_path: Path) -> None:
    """A row each. An error is one line."""
    programs, log = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    log.touch()
    for name in NEEDED:
        found = next(p for folder in ("/usr/bin", "/bin") if (p := Path(folder) / name).exists())
        (programs / name).symlink_to(found)
    for name in case.there.split():
        (programs / name).write_text(PLAYED.format(log=log, fails=case.fails))
        (programs / name).chmod(0o755)
    (programs / "id").unlink()
    (programs / "id").write_text("#!/bin/sh\necho 0\n")
    (programs / "id").chmod(0o755)
    if "mmdebstrap" in case.there:  # the played builder knows no image yet
        (programs / "podman").write_text(PLAYED.format(log=log, fails=f"{case.fails}|*'inspect --type image'*"))
    env = {"PATH": str(programs), "OUT": str(tmp_path / "out"), "HOME": str(tmp_path), **case.env}
    done = subprocess.run(["bash", str(ROOT / "images/build")], env=env, capture_output=True, text=True, check=False)
    calls = log.read_text()
    if case.says:
        assert done.returncode == 1
        (line,) = [
            line for line in done.stderr.splitlines() if line.startswith("make images: ") and "making" not in line
        ]
        assert case.says in line
        return
    assert done.returncode == 0, done.stderr
    place = 0
    for part in case.does:
        place = calls.find(part, place)
        assert place >= 0, f"{part!r} is not in, or not in this order:\n{calls}"
    assert case.never not in calls
    assert len(done.stdout.splitlines()) == len(case.env.get("TARGETS", "engine operator").split())


def test_constraints_are_those_of_the_environment() -> None:
    """What was tested is what is built: every package that the images install is pinned, to a version that this project allows."""
    sys.path.insert(0, str(ROOT / "images"))
    try:
        import lock  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    lines = (ROOT / "images/constraints.txt").read_text().splitlines()[1:]
    pinned = dict(line.split("==") for line in lines)
    assert pinned.keys() == lock.constraints().keys(), "run images/lock.py"
    for requirement in lock.allowed():
        assert requirement.specifier.contains(pinned[lock.canonicalize_name(requirement.name)]), requirement
