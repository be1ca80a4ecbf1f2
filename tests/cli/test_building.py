"""`penstock build`: what is made of a file, which of it is meant, and what is said where it cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest
import yaml

import penstock_cli.building as building
from penstock.base.exceptions import PenstockException
from penstock.definitions import survey as engine_survey
from penstock_cli.building_sources import read_sources
from penstock_cli.building_survey import Target
from penstock_cli.building_yaml import dump
from penstock_cli.errors import CliError
from penstock_cli.main import main
from tests.cli.conftest import Penstock
from tests.support.cli import kubectl

HEAD = "from penstock import flow\nfrom penstock.schedules import Cron, Interval\n"
ETL = (
    HEAD
    + '''

@flow(name="Nightly ETL")
def etl(day: str = "today", rows: int = 5) -> None:
    """Collect the orders.

    Of all shops.

    Args:
        day: of the orders
    """
'''
)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Write files to be built; they are surveyed in this process, which is the same and takes no time."""

    def surveyed(target: Target, folders: list[Path], timeout: float) -> Any:
        sys.path[:0] = map(str, folders)
        try:
            return json.loads(json.dumps(engine_survey.survey(str(target), target.name)))
        except PenstockException as exc:
            raise CliError(f"error: {exc}") from exc

    def written(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        return tmp_path / f"{next(iter(files))}.py"

    modules, path = set(sys.modules), list(sys.path)
    monkeypatch.setattr(building, "survey", surveyed)
    monkeypatch.chdir(tmp_path)
    yield written
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def built(text: str, **options: Any) -> Any:
    options = {"name": None, "image": None, "timeout": 60.0, **options}
    return building.build(Target.parse(text), **options)


def spec(text: str, **options: Any) -> Any:
    return built(text, **options).flow["spec"]


def test_a_file_that_stands_alone(write: Callable[..., Path]) -> None:
    file = write(etl=ETL)
    made = built(f"{file}:etl")
    assert list(yaml.safe_load_all(made.to_yaml())) == [made.flow]
    assert made.to_yaml().startswith("# Made by `penstock build` of etl.py:etl; change it there.\napiVersion: ")
    assert made.flow["metadata"] == {"name": "nightly-etl"}
    day = {"title": "day", "position": 0, "type": "string", "default": "today", "description": "of the orders"}
    assert made.flow["spec"] == {
        "description": "Collect the orders.\n\nOf all shops.",
        "entrypoint": "etl.py:etl",
        "parametersSchema": {
            "title": "Parameters",
            "type": "object",
            "properties": {"day": day, "rows": {"title": "rows", "position": 1, "type": "integer", "default": 5}},
            "required": [],
            "definitions": {},
            "additionalProperties": False,
        },
        "source": {"inline": ETL},
    }


def test_what_to_flow_says(write: Callable[..., Path]) -> None:
    said = """
nightly = etl.to_flow(
    "Every Night",
    schedules=[Cron("0 6 * * *", timezone="Europe/Berlin"), Cron("0 7 * * *", parameters={"rows": "7"}), Interval(60)],
    parameters={"rows": 3}, concurrency=1, suspend=False, labels={"team": "shop"}, description="Mine.",
    run_policy={"retries": {"infrastructure": 5}}, env={"A": "b"}, history_limits={"completed": 3},
)
"""
    file = write(etl=ETL + said)
    made = built(f"{file}:nightly")
    found = made.flow["spec"]
    assert made.flow["metadata"] == {"name": "every-night", "labels": {"team": "shop"}}
    assert [(each["name"], each.get("parameters")) for each in found["schedules"]] == [
        ("cron-e4f4bc", None), ("cron-a91afe", {"rows": 7}), ("interval", None),
    ]  # fmt: skip
    assert found["schedules"][0]["timeZone"] == "Europe/Berlin"
    assert {name: found[name] for name in ("concurrency", "suspend", "parameters", "description", "env")} == {
        "concurrency": {"limit": 1}, "suspend": False, "parameters": {"rows": 3}, "description": "Mine.",
        "env": [{"name": "A", "value": "b"}],
    }  # fmt: skip
    # The flow's name means it too, and so does the file alone; one call alone needs no variable.
    assert built(f"{file}:etl").flow == built(str(file)).flow == made.flow
    write(etl=ETL + said.replace("nightly = ", ""))
    assert built(f"{file}:etl").flow["metadata"]["name"] == "every-night"


def test_values_of_python_become_those_of_json(write: Callable[..., Path]) -> None:
    file = write(
        etl=HEAD
        + """
import datetime, enum, pathlib, pydantic
class Colour(enum.Enum):
    RED = "red"
class Item(pydantic.BaseModel):
    name: str = pydantic.Field(alias="n")
@flow
def etl(day: datetime.date, wait: datetime.timedelta, colour: Colour, where: pathlib.Path, item: Item, names: set[str], free=1): ...
made = etl.to_flow(parameters=dict(day=datetime.date(2026, 1, 2), wait=datetime.timedelta(hours=1), colour=Colour.RED,
    where=pathlib.Path("a/b"), item=Item(n="x"), names={"b", "a"}, free=[1]))
"""
    )
    assert spec(f"{file}:made")["parameters"] == {
        "day": "2026-01-02", "wait": "PT1H", "colour": "red", "where": "a/b", "item": {"n": "x"}, "names": ["a", "b"],
        "free": [1],
    }  # fmt: skip


def test_a_flow_that_checks_nothing_has_nothing_refused(write: Callable[..., Path]) -> None:
    file = write(etl=HEAD + "\n@flow(validate_parameters=False)\ndef etl(a: int = 3, b=1, **more: int): ...\n")
    schema = spec(str(file))["parametersSchema"]
    assert schema["properties"]["a"] == {"title": "a", "position": 0, "default": 3, "anyOf": [{"type": "integer"}, {}]}
    assert schema["properties"]["b"] == {"title": "b", "position": 1, "default": 1}
    assert schema["additionalProperties"] is True


MAIN = HEAD + "import json, helper\n@flow\ndef top(): helper.other.z\n"


def test_several_modules_go_into_a_config_map(write: Callable[..., Path]) -> None:
    guarded = '\nif __name__ == "__main__":\n    top.to_flow(suspend=True)\n'
    file = write(main=MAIN + guarded, helper="import other\n", other="z = 1\n", unused="")
    made = built(f"{file}:top")
    assert made.config_map == {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "top-source"},
        "data": {"main.py": MAIN + guarded, "helper.py": "import other\n", "other.py": "z = 1\n"},
    }  # fmt: skip
    assert made.flow["spec"]["source"] == {"configMap": {"name": "top-source"}}
    assert made.flow["spec"]["entrypoint"] == "main.py:top"
    assert list(yaml.safe_load_all(made.to_yaml())) == [made.config_map, made.flow]
    assert made.notes == ('line 8: to_flow below `if __name__ == "__main__"` is not seen: call it at module level',)
    before = made.flow["metadata"]["annotations"][building.DIGEST]
    write(other="z = 2\n")
    assert built(f"{file}:top").flow["metadata"]["annotations"][building.DIGEST] != before


def test_imports_are_found_wherever_they_stand(write: Callable[..., Path]) -> None:
    file = write(
        main='def f():\n    import a\n    from b import x\n    import_module("c")\nif 0:\n    import os, sys\nimport json\n',
        a="", b="from main import f\n", c="import time\n", json="", time="", os="",
    )  # fmt: skip
    assert list(read_sources(file).files) == ["main.py", "a.py", "b.py", "c.py", "json.py", "os.py"]


def test_larger_files_go_elsewhere(write: Callable[..., Path]) -> None:
    text = HEAD + "\n@flow\ndef etl(): ...\n" + "#" * building.INLINE_MAXIMUM
    file = write(etl=text)
    made = built(str(file))
    assert made.config_map is not None
    assert made.config_map["data"] == {"etl.py": text}
    write(etl=HEAD + "\n@flow\ndef etl(): ...\n" + "#" * 900_000)
    with pytest.raises(CliError, match=r"have 900,\d+ bytes, and a resource holds 900,000: put the code into an image"):
        built(str(file))


def test_code_in_an_image(write: Callable[..., Path], tmp_path: Path) -> None:
    package = tmp_path / "shop" / "inner"
    package.mkdir(parents=True)
    (package / "flows.py").write_text(HEAD + "from ..helper import y\n@flow\ndef order(n: int = y): ...\n")
    (package / "__init__.py").write_text("")
    (package.parent / "__init__.py").write_text("")
    (package.parent / "helper.py").write_text("y = 1\n")
    for text in (f"{package}/flows.py:order", "shop.inner.flows:order", "shop.inner.flows.order"):
        found = spec(text, image="registry.example/shop:1")
        assert (found["entrypoint"], found["image"]) == ("shop.inner.flows:order", "registry.example/shop:1")
        assert "source" not in found
    with pytest.raises(CliError, match="say which image has it, with --image"):
        built("shop.inner.flows:order")
    with pytest.raises(CliError, match=r"No module named 'shop\.inner\.flows\.order'"):
        built("shop.inner.flows.order:order", image="registry.example/shop:1")
    file = write(etl=ETL + "\nmade = etl.to_flow(image='registry.example/base:1')\n")
    found = spec(str(file))
    assert (found["image"], "inline" in found["source"]) == ("registry.example/base:1", True)


SHOP = {
    "shop/__init__.py": "",
    "shop/unused.py": "x = 1\n",
    "shop/helper.py": "import nowhere_at_all\ny = 1\n",
    "shop/inner/__init__.py": "from .deep import d\n",
    "shop/inner/deep.py": "d = 4\n",
    "shop/inner/alone.py": HEAD + "@flow\ndef alone(): ...\n",
    "shop/inner/flows.py": HEAD
    + "from shop import helper\nfrom . import deep\n@flow\ndef order(n: int = deep.d, t: helper.y = 1): ...\n",
    "lib/sub/thing.py": "x = 1\n",
    "main.py": HEAD
    + "import shop.inner.deep as deep\nfrom lib.sub import thing\n@flow\ndef main(n: int = deep.d): ...\n",
}


def test_packages_beside_the_flow_and_around_it(write: Callable[..., Path], tmp_path: Path) -> None:
    for name, text in SHOP.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    beside = built(str(tmp_path / "main.py"))
    assert (beside.made_of, beside.flow["spec"]["entrypoint"]) == ("main.py:main", "main.py:main")
    modules = ["lib.sub.thing.py", "shop.__init__.py", "shop.inner.__init__.py", "shop.inner.deep.py"]
    assert list(beside.config_map["data"]) == ["main.py", *modules], (
        "the flow's file first; what is not imported stays out"
    )
    assert beside.flow["spec"]["parametersSchema"]["properties"]["n"]["default"] == 4
    around = built(f"{tmp_path}/shop/inner/flows.py:order")
    assert (around.flow["metadata"]["name"], around.flow["spec"]["entrypoint"]) == ("order", "shop.inner.flows:order")
    assert around.flow["spec"]["source"] == {"configMap": {"name": "order-source"}}
    assert list(around.config_map["data"]) == ["shop.inner.flows.py", *modules[1:2], "shop.helper.py", *modules[2:]]
    assert around.notes == (
        "not installed here: nowhere_at_all; parameters of types of it are described without a type",
    )
    assert around.flow["spec"]["parametersSchema"]["properties"]["n"]["default"] == 4
    alone = built(f"{tmp_path}/shop/inner/alone.py")
    assert (alone.config_map, alone.flow["spec"]["entrypoint"]) == (None, "alone.py:alone"), (
        "it needs nothing of its package"
    )


def test_packages_that_cannot_go_along(write: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(
        CliError, match=r"up.py:3: a relative import beyond the packages that the file is in: is an __init__"
    ):
        built(str(write(up=HEAD + "from . import x\n@flow\ndef up(): ...\n")))
    (tmp_path / "fast").mkdir()
    (tmp_path / "fast/__init__.py").write_text("")
    (tmp_path / f"fast/core{EXTENSION_SUFFIXES[0]}").write_text("")
    with pytest.raises(
        CliError, match=r"use.py:3: .*/fast/core\..*so is compiled, and a resource holds text; put the code into"
    ):
        built(str(write(use=HEAD + "from fast import core\n@flow\ndef use(): ...\n")))


def test_defaults_that_no_resource_can_carry_are_left_out(write: Callable[..., Path]) -> None:
    signature = "a: int = 2**64, b: str = '\\ud83d', c: int = -(2**63), default: list[int] = [2**70]"
    write(flows=f"{HEAD}@flow\ndef f({signature}): ...\n")
    properties = spec("flows.py:f")["parametersSchema"]["properties"]
    assert {name: field.get("default") for name, field in properties.items()} == {
        "a": None, "b": None, "c": -(2**63), "default": None,
    }  # fmt: skip


TWO = (
    HEAD + '@flow\ndef first():\n    """The first."""\n@flow(name="Number Two")\ndef second(): ...\ndef helper(): ...\n'
)


@pytest.mark.parametrize(
    ("text", "name", "words", "code"),
    [
        (TWO, None, "flows.py has several: say which\n  flows.py:first   The first.\n  flows.py:second  Number Two", 2),
        (TWO, "frist", "flows.py has no flow 'frist'. Did you mean 'first'?", 4),
        (TWO, "Number Two", "The flow of that name is flows.py:second.", 4),
        (TWO, "x", "flows.py has no flow 'x'. It has first, second", 4),
        (HEAD, None, "flows.py has no flow: decorate a function with @flow", 4),
        (TWO + "a = first.to_flow()\nb = first.to_flow()\n", "first", "to_flow is called 2 times for first: say which\n  flows.py:a  to_flow", 2),
        (TWO + "first.to_flow()\nfirst.to_flow()\n", None, "and to_flow without a variable", 2),
        (TWO + "a = first.with_options(name='x').to_flow()\n", "a", "the flow 'x', which is no variable of the module", 1),
        (TWO + "a = first.to_flow(parameters={'n': 1})\n", "a", "provided with parameters ['n']", 1),
        (ETL + "a = etl.to_flow(parameters={'rows': 'x'})\n", "a", "rows: Input should be a valid integer", 1),
        (ETL + "a = etl.to_flow(schedules=[Cron('99 * * * *')])\n", "a", 'cron "99 * * * *", column 1', 1),
        (ETL + "a = etl.to_flow(schedules=[Cron('1 * * * *', 'Mars/Base')])\n", "a", "'Mars/Base' is not in the tz database", 1),
        (HEAD + "@flow\ndef f(day: str): ...\na = f.to_flow(schedules=[Cron('1 * * * *')])\n", "a", "the schedule 'cron' gives no value for day", 1),
        (ETL + "a = etl.to_flow(schedules=[Cron('1 * * * *', slug='x'), Interval(60, slug='x')])\n", "a", "two schedules are called 'x'", 1),
        (ETL + "a = etl.to_flow(run_policy={'gracePeriodSecnds': 1})\n", "a", "'gracePeriodSecnds'. Did you mean 'gracePeriodSeconds'?", 1),
        (ETL + "a = etl.to_flow(concurrency=0)\n", "a", "spec.concurrency.limit: 0 is less than the minimum of 1", 1),
        (ETL + "a = etl.to_flow(run_on_change='always')\n", "a", "spec.runOnChange: 'always' is not one of", 1),
        (ETL + "a = etl.to_flow(resources={'a': 2**70})\n", "a", "spec.resources.a: an integer of 71 bits", 1),
        (ETL + "a = etl.to_flow(resources={'limits': {'memory': '1Gb'}})\n", "a", "spec.resources.limits.memory: '1Gb' is no quantity", 1),
        (ETL + "a = etl.to_flow(env=[{'name': 'A', 'value': '1'}, {'name': 'A', 'value': '2'}])\n", "a", "spec.env[1]: A stands there twice", 1),
        (ETL + "a = etl.to_flow(concurrency_groups=['a', 'b', 'a'])\n", "a", "spec.concurrencyGroups[2]: a stands there twice", 1),
        (ETL + "a = etl.to_flow(labels={'a b': 'c'})\n", "a", "metadata.labels: 'a b' is no key", 1),
        (ETL + "a = etl.to_flow(labels={'x.y/a': 'c d'})\n", "a", "metadata.labels.x.y/a: 'c d' is no value of a label", 1),
        (ETL + "a = etl.to_flow(annotations={'X/a': 'c d'})\n", "a", "metadata.annotations: 'X/a' is no key", 1),
        (HEAD + "import pydantic\n@flow\ndef f(key: pydantic.SecretStr): ...\na = f.to_flow(parameters={'key': 'x'})\n", "a", "parameters: key", 1),
        (HEAD + "@flow(name='分析')\ndef f(): ...\n", None, "no name for Kubernetes can be made of '分析': say one with --name", 1),
        ("def f(:\n", None, "flows.py:1: SyntaxError", 1),
        (HEAD + "class R:\n  @flow\n  def run(self): ...\n", "R.run", "flows.py:R.run is a method, and a pod has no object to call it on", 1),
    ],
)  # fmt: skip
def test_what_cannot_be_built(write: Callable[..., Path], text: str, name: str | None, words: str, code: int) -> None:
    write(flows=text)
    with pytest.raises(CliError) as caught:
        built(f"flows.py:{name}" if name else "flows.py")
    assert words in str(caught.value)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("etl", "etl"),
        ("Nightly ETL (v2)", "nightly-etl-v2"),
        ("Café_größe", "cafe-grosse"),
        ("x" * 41, "x" * 41),
        ("a-" * 30, "a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-52111f"),
    ],
)
def test_names_that_kubernetes_takes(given: str, want: str) -> None:
    assert building._name(None, given) == want
    assert building._name(want, given) == want


@pytest.mark.parametrize("wanted", ["UPPER", "a" * 42, "-a", ""])
def test_names_that_are_asked_for_are_not_changed(wanted: str) -> None:
    with pytest.raises(CliError, match="--name"):
        building._name(wanted, "x")


def test_files_that_no_resource_can_hold(tmp_path: Path, write: Callable[..., Path]) -> None:
    (tmp_path / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\n")
    (tmp_path / "bad.py").write_bytes(b"x = '\xff'\n")
    write(good=ETL)
    (tmp_path / "my flow.py").write_text(ETL)
    rows = [("latin", "UTF-8 only"), ("bad", "missing encoding"), ("my flow", "rename the file"), ("god", "'good.py'")]
    for name, words in rows:
        with pytest.raises(CliError, match=words):
            built(f"{name}.py")
    with pytest.raises(CliError, match=r"neither FILE.py:flow nor package.module:flow") as caught:
        built("a b:c")
    assert caught.value.code == 2


def test_packages_that_are_not_installed(write: Callable[..., Path]) -> None:
    code = "import nowhere_at_all as na\n@flow(name='Etl It')\ndef etl(a: na.Table, b: int = 2): ...\n"
    file = write(etl=HEAD + code + "made = etl.to_flow(suspend=True)\n")
    made = built(f"{file}:etl")
    assert made.notes == ("not installed here: nowhere_at_all; parameters of types of it are described without a type",)
    assert made.flow["metadata"]["name"] == "etl-it"
    assert made.flow["spec"]["suspend"] is True
    assert made.flow["spec"]["parametersSchema"]["properties"]["a"] == {"title": "a", "position": 0}
    with pytest.raises(CliError, match=r"has no flow 'elt'\. Did you mean 'etl'\?") as caught:
        built(f"{file}:elt")
    assert caught.value.code == 4


def test_the_page_says_what_is_so(write: Callable[..., Path]) -> None:
    """docs/build.md: its script is built, by the file, the flow, or the variable."""
    page = (Path(__file__).parents[2] / "docs/build.md").read_text()
    file = write(etl=page.split("```python\n")[1].split("```")[0])
    made = built(str(file))
    assert made.flow == built(f"{file}:etl").flow == built(f"{file}:nightly").flow
    assert made.flow["metadata"] == {"name": "etl"}
    assert [each["name"] for each in made.flow["spec"]["schedules"]] == ["morning", "hourly"]
    assert made.flow["spec"]["concurrency"] == {"limit": 1}


# Texts that YAML's readers take for something else, or that a block holds only just.
NASTY = [
    "", " ", "\n", "\n\n", "a\n", "a\n\n\n", "\na", "\n\n a\n", "  a\nb\n", "\ta\n\tb\n", "a \nb  \n", "a\n   \nb\n", "a\n   ",
    "   \na\n", "a\n\t\nb\n", "a\n\t", "a\r\nb\r\n", "a\rb", "a\x85b\nc", "a\u2028b\nc\n", "\ufeffa\nb\n", "# c\nx: y\n- z\n",
    "---\na\n...\n", "\x0c\nclass A:\n", "é 漢字 😀\nx\n", "x" * 5000 + " y" * 3000 + "\nb\n", "'\"\\\n", "a: b", "- a", "yes", "y",
    "N", "1e3", "0o17", "0888", "12:30:45", "2026-11-21", "~", "null", ".inf", "=", "<<", "!foo", "&a", "*a", "%a", "@a", "`a",
    "a #b", "a:", "0x1f", "1_000", "-", "?", "|", ">", "{", "[", ",", "TRUE", "1.", "a\tb", "a ", "\x00", "\x7f", "\ud7ff\n",
    "\ue000\nx\n", "\ufffd\nx\n", "\uffff\nx\n", "\U0010ffff\nx\n", "a\n\n\n\n b\n\n\n", "a\n#\n", "a\u202eb\nc\n", "a:b", "x:y z",
]  # fmt: skip


def test_yaml_is_read_as_it_was_meant(tmp_path: Path) -> None:
    """By PyYAML, and by kubectl, which needs no cluster for this."""
    manifest = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "Flow",
        "metadata": {"name": "x"},
        "spec": {
            "list": NASTY,
            "deep": [{"a": [text]} for text in NASTY],
            "keys": {text: number for number, text in enumerate(NASTY) if text and len(text) < 100},
            "numbers": [1.5, 1e300, 1e16, 1.5e-7, 0.1, 2**53, -1, 2**63 - 1, 1e22, True, None],
        },
    }
    text = dump([manifest], "made")
    assert yaml.safe_load(text) == manifest
    assert not any(ord(sign) < 32 and sign not in "\n\t" for sign in text)
    assert "\u202e" not in text
    (tmp_path / "nasty.yaml").write_text(text, newline="")
    command = [kubectl(), "label", "--local", "-f", str(tmp_path / "nasty.yaml"), "-o", "json", "a=b"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["spec"] == manifest["spec"]


def test_a_source_stays_readable() -> None:
    """Tabs, blanks at the ends of lines, long lines: all are in a block, as they are."""
    source = "def f():\n\tif x:  \n\t\treturn 'a: b'  # é\n\n\n" + "y" * 500 + "\n"
    assert dump([{"s": source}], "c") == "# c\ns: |\n" + "".join(
        f"  {line}\n" if line else "\n" for line in source.split("\n")[:-1]
    )


@pytest.mark.parametrize("command", ["check", "written"])
def test_the_command(penstock: Penstock, write: Callable[..., Path], tmp_path: Path, command: str) -> None:
    write(etl=ETL)
    out = tmp_path / "flow.yaml"
    if command == "check":
        done = penstock("build", "etl.py:etl", "--check")
        assert (done.code, "-o FILE" in done.err) == (2, True)
        assert penstock("build", "etl.py:etl", "-o", "-", "--check").code == 2
        assert penstock("build", "etl.py:etl", "-o", "yaml").err.startswith("error: -o is a file here, ./yaml for one")
        assert penstock("build", "etl.py:etl", "-o", "-").out.startswith("# Made by `penstock build`")
        done = penstock("build", "etl.py:etl", "-o", str(out), "--check")
        assert done.code == 1
        assert "+kind: Flow\n" in done.out
        assert not out.exists()
    done = penstock("build", "etl.py:etl", "-o", str(out))
    assert (done.code, done.out) == (0, f"{out} written\n")
    done = penstock("build", "etl.py:etl", "-o", str(out))
    assert (done.code, done.out) == (0, f"{out} unchanged\n")
    done = penstock("build", "etl.py:etl", "-o", str(out), "--check")
    assert (done.code, done.out, done.err) == (0, "", "")
    write(etl=ETL.replace("rows: int", "rows: float"))
    done = penstock("build", "etl.py:etl", "-o", str(out), "--check")
    assert done.code == 1
    assert done.out.startswith(f"--- {out} (committed)\n+++ {out} (built)\n")
    assert "-        type: integer\n+        type: number\n" in done.out
    assert done.err == f"error: {out} is stale: write it again with `penstock build etl.py:etl -o {out}`\n"
    done = penstock("build", "etl.py:etl", "-o", str(out), "--check", "--image", "x:1")
    assert done.err.endswith(f"`penstock build etl.py:etl -o {out} --image x:1`\n")
    done = penstock("build", "etl.py:etl", "-o", str(tmp_path / "none" / "flow.yaml"))
    assert (done.code, "cannot be written" in done.err) == (1, True)


def test_what_is_written_to_is_not_always_a_file(tmp_path: Path) -> None:
    """A device has no end to read to, and is not replaced; a link stays one."""
    with pytest.raises(CliError, match="/dev/full cannot be written: No space left on device"):
        building.write("a", Path("/dev/full"))
    with pytest.raises(CliError, match="compares with a file, and /dev/full is none"):
        building.difference("a", Path("/dev/full"))
    assert building.write("a", Path(os.devnull))
    assert Path(os.devnull).is_char_device()
    (tmp_path / "link.yaml").symlink_to(tmp_path / "flow.yaml")
    assert building.write("a", tmp_path / "link.yaml")
    assert (tmp_path / "link.yaml").is_symlink()
    assert (tmp_path / "flow.yaml").read_text() == "a"
    assert not building.write("a", tmp_path / "link.yaml")


def test_the_file_is_imported_in_a_process_that_may_be_ended(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "etl.py").write_text(
        ETL + 'import os, threading, time\nprint("noise")\nos.write(1, b"more\\n")\n'
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
    )
    assert main(["build", f"{tmp_path}/etl.py:etl"]) == 0
    told = capfd.readouterr()
    assert yaml.safe_load(told.out)["spec"]["entrypoint"] == "etl.py:etl"
    assert sorted(told.err.split()) == ["more", "noise"]
    assert not (tmp_path / "__pycache__").exists()
    (tmp_path / "hangs.py").write_text("import time\ntime.sleep(600)\n")
    assert main(["build", f"{tmp_path}/hangs.py", "--timeout", "0.2"]) == 124
    assert "was not imported within 0.2 s" in capfd.readouterr().err
