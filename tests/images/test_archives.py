"""What `make images` built: read from the archives, so that no container tool and no root is needed.

PENSTOCK_IMAGES is the folder of the archives (`build/images`), PENSTOCK_IMAGES_OTHER that of a build of the same source on another base, and
PENSTOCK_IMAGES_AGAIN that of a second build on the same base (NO_CACHE=1, with the SOURCE_DATE_EPOCH of the first).
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.archive import Image, read

FOLDER = "PENSTOCK_IMAGES"
OTHER = "PENSTOCK_IMAGES_OTHER"
AGAIN = "PENSTOCK_IMAGES_AGAIN"
TARGETS = ("engine", "operator")
# The whole image, unpacked: as built on Debian 12's own packages, and a tenth more.
MEGABYTES = {"engine": 180, "operator": 270}
PROJECT = {
    # The runners on Dask and Ray come with the engine, their libraries with whoever uses them.
    "engine": {"penstock", "penstock_dask", "penstock_ray"},
    "operator": {"penstock", "penstock_operator", "penstock_cli", "penstock_reading", "penstock_ui"},
}


# What the page is made of is no Python: it comes into the image as data of its package.
PAGE = Path(__file__).parents[2] / "operator/penstock_ui"


@cache
def image(target: str, variable: str = FOLDER) -> Image:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"no images: `make images`, and set {variable} to the folder of what it built")
    return read(Path(folder) / f"{target}.tar")


def packages(target: str, variable: str = FOLDER) -> dict[str, bytes]:
    """The files below site-packages, whatever Python's version."""
    below = image(target, variable).below("opt/penstock")
    pattern = re.compile(r"lib/python3\.\d+/site-packages/(.*)")
    return {m[1]: e.body for path, e in below.items() if (m := pattern.match(path)) and e.info.isfile()}


@pytest.mark.parametrize("target", TARGETS)
def test_configuration(target: str) -> None:
    """Nobody's root; SIGTERM asks it to stop; what it is can be read off it."""
    config = image(target).config
    assert config["User"] == "65532:65532"
    assert config.get("StopSignal", "SIGTERM") == "SIGTERM"
    assert config["Cmd"] == ["python", "-m", "penstock.pod" if target == "engine" else "penstock_operator"]
    assert not config.get("Entrypoint")
    assert "PATH=/opt/penstock/bin:" in "\n".join(config["Env"])
    assert not [v for v in config["Env"] if v.startswith("PIP_")], "the build's own settings stay in the build"
    assert config["Labels"]["org.opencontainers.image.title"] == f"Penstock {target}"


@pytest.mark.parametrize("target", TARGETS)
def test_holds_what_it_needs_and_no_more(target: str) -> None:
    """The engine: what `pip install penstock` brings. The operator: the extra `operator`. No tests, no build tools."""
    tops = {path.split("/")[0] for path in packages(target)}
    assert {t for t in tops if t.startswith("penstock") and not t.endswith(".dist-info")} == PROJECT[target]
    assert ("kopf" in tops) == (target == "operator")
    assert ("pip" in tops) == (target == "engine"), "users add packages to the engine's image, to the operator's nobody"
    assert tops.isdisjoint({"setuptools", "hatchling", "pytest", "mypy", "hypothesis", "cel"})
    size = image(target).size / 1e6
    assert size < MEGABYTES[target], f"{size:.0f} MB"


@pytest.mark.parametrize("target", TARGETS)
def test_leaves_nothing_behind(target: str) -> None:
    """No cache, no source of the build, no secret, no certificate of the builder's."""
    tree = image(target).tree
    left = [
        p for p in tree if re.match(r"(src|wheels)(/|$)|root/\.cache|tmp/.|run/penstock-ca|opt/penstock/.*/\.cache", p)
    ]
    assert left == []
    assert all(tree[p].body == b"" for p in tree if p == "etc/pip.conf")


@pytest.mark.parametrize("target", TARGETS)
def test_who_owns_it(target: str) -> None:
    """The engine's environment is its user's, for `RUN pip install` in an image built on it; the operator cannot change its own."""
    owners = {(e.info.uid, e.info.gid) for e in image(target).below("opt/penstock").values()}
    assert owners == {(65532, 65532) if target == "engine" else (0, 0)}
    assert "penstock:x:65532:65532:" in image(target).tree["etc/passwd"].body.decode()


@pytest.mark.parametrize("target", TARGETS)
def test_byte_code_holds_whatever_the_times(target: str) -> None:
    """A file's time is the build's, so byte code that asked for it would be made anew at every start: it is checked against nothing."""
    codes = {path: body for path, body in packages(target).items() if path.endswith(".pyc")}
    assert len(codes) > 300
    assert {path for path, body in codes.items() if body[4:8] != b"\x01\x00\x00\x00"} == set()
    times = {e.info.mtime for e in image(target).below("opt/penstock").values()}
    assert len(times) == 1, "every file has the date of SOURCE_DATE_EPOCH"


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_on_another_base(target: str) -> None:
    """Below /opt/penstock the files are the same; what is compiled differs where Python's version does."""
    here, there = packages(target), packages(target, OTHER)
    versions = {
        v: next(p for p in image(target, v).below("opt/penstock") if re.fullmatch(r"lib/python3\.\d+", p))
        for v in (FOLDER, OTHER)
    }
    if versions[FOLDER] == versions[OTHER]:
        assert {p for p in here.keys() | there.keys() if here.get(p) != there.get(p)} == set()
        return

    # Byte code, compiled modules and what records them carry the version in name or content; so does the bill of materials of a compiled package.
    def pure(files: dict[str, bytes]) -> dict[str, bytes]:
        own = re.compile(r"\.pyc$|\.so$|\.dist-info/(RECORD$|WHEEL$|sboms/)")
        return {path: body for path, body in files.items() if not own.search(path)}

    left, right = pure(here), pure(there)
    assert {p for p in left.keys() | right.keys() if left.get(p) != right.get(p)} == set()


@pytest.mark.parametrize("target", TARGETS)
def test_built_again_it_is_the_same(target: str) -> None:
    """Layer by layer, to the last bit: files, their order, times, owners and modes."""
    here, there = image(target), image(target, AGAIN)
    differing = [p for p in here.tree.keys() | there.tree.keys() if digest(here, p) != digest(there, p)]
    assert sorted(differing) == []
    assert here.layers == there.layers
    assert here.created == there.created


def digest(found: Image, path: str) -> object:
    """Everything of a file that a layer holds."""
    entry = found.tree.get(path)
    return entry and (
        entry.body,
        entry.info.mtime,
        entry.info.mode,
        entry.info.uid,
        entry.info.gid,
        entry.info.linkname,
    )


def test_the_page_has_its_templates_and_looks() -> None:
    """In the operator's image, as they are in the source; in the engine's nothing of the page."""
    wanted = {
        f"penstock_ui/{path.relative_to(PAGE)}": path.read_bytes()
        for folder in ("templates", "static")
        for path in (PAGE / folder).rglob("*")
        if path.is_file()
    }
    assert len(wanted) > 10
    found = packages("operator")
    assert {name: found.get(name) for name in wanted} == wanted
    assert not [name for name in packages("engine") if name.startswith("penstock_ui/")]
