"""`-o jsonpath=`: what kubectl prints for the same template, and what is said of one that cannot be read."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from penstock_cli.jsonpath import JsonPathError, parse
from tests.cli.conftest import Penstock
from tests.support.cli import Stage, kubectl

# Where a FlowRun is free for it; P in a template.
PARAMETERS: dict[str, Any] = {
    "items": [
        {
            "meta": {"name": "one", "labels": {"penstock.dev/flow": "etl", "b": "2"}},
            "data": {"a": "x", "b": "y z", "c.d": "dotted"},
            "list": [
                {"type": "Ready", "n": 1, "up": "True"},
                {"type": "Done", "n": 2, "up": "False", "ok": True, "size": 2.5},
            ],
            "numbers": [1, 2, 3, 4, 5],
        },
        {"meta": {"name": "two"}, "data": {"a": "z", "n": None}},
    ]
}
DOCUMENT = {"kind": "FlowRun", "spec": {"parameters": PARAMETERS}}
TEMPLATES = {
    "{P.items[*].meta.name}": "one two",
    "{P.items[0].meta.labels.penstock\\.dev/flow}": "etl",
    "{P.items[0].meta.labels['penstock\\.dev/flow']}": "etl",
    "{P.items[0].data['c\\.d']}": "dotted",
    "{P.items[0].data['a','b']}": "x y z",
    "{P.items[1].meta.*}": "two",
    '{range P.items[*]}{.meta.name}{"\\t"}{.data.a}{"\\n"}{end}': "one\tx\ntwo\tz\n",
    "{range P.items[*]}{.meta.name}{'\\n'}{end}": "one\ntwo\n",
    "{range P.items[*]}{range .list[*]}{.n},{end};{end}": "1,2,;;",
    '{P.items[0].list[?(@.type=="Ready")].up}': "True",
    "{P.items[0].list[?(@.type=='Ready')].up}": "True",
    '{P.items[0].list[?(@.type!="Ready")].up}': "False",
    "{P.items[0].list[?(@.n>1)].type}": "Done",
    "{P.items[0].list[?(@.ok)].type}": "Done",
    "{P.items[0].list[?(@.ok==true)].type}": "Done",
    "{P.items[?(@.meta.name=='two')].data.a}": "z",
    "{P.items[0].numbers[1:3]}": "2 3",
    "{P.items[0].numbers[-1]}": "5",
    "{P.items[0].numbers[-2:]}": "4 5",
    "{P.items[0].numbers[0,2]}": "1 3",
    "{P.items[0].numbers[::2]}": "1 3 5",
    "{P.items[0].numbers}": "[1,2,3,4,5]",
    "{P.items[0].list[1].size}": "2.5",
    "{P.items[0].list[1].ok}": "true",
    "{P..name}": "one two",
    "{$.kind} and {@.kind}": "FlowRun and FlowRun",
    "text {.kind} more": "text FlowRun more",
    "{P.nothing.here}": "",
    "{P.items[1].meta}": '{"name":"two"}',
    "{.spec['parameters'].items[1].meta.name}": "two",
}


def full(template: str) -> str:
    return template.replace("P", ".spec.parameters")


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template(template: str) -> None:
    assert parse(full(template)).render(DOCUMENT) == TEMPLATES[template]


def test_kubectl_prints_the_same(at: Stage, penstock: Penstock) -> None:
    """All templates in one call of each."""
    program = kubectl()
    at.run("one", parameters=PARAMETERS)
    words = ["get", "fr", "one", "-o", "jsonpath=" + '{"\\n"}'.join(map(full, TEMPLATES))]
    theirs = subprocess.run(
        [program, "--kubeconfig", str(at.kubeconfig), *words], capture_output=True, text=True, check=True
    )
    assert penstock(*words).out == theirs.stdout


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{.a", "no closing brace"),
        ("{.a[0}", "a bracket is not closed"),
        ("{.a[x]}", "use [0], [1:3]"),
        ("{.a[]}", "an empty bracket"),
        ("{range .a}{.b}", "has no {end}"),
        ("{.a}{end}", "{end} without {range ...}"),
        ("{.a[?(@.b==1 && @.c==2)]}", "neither && nor ||"),
        ("{.a[?(@.b==1}", "not closed by )]"),
        ("{.a b}", "is not understood"),
        ("{.a.}", "a name is missing"),
        ('{"\\q"}', "escapes are those of JSON"),
    ],
)
def test_a_template_that_cannot_be_read(template: str, why: str) -> None:
    with pytest.raises(JsonPathError) as caught:
        parse(template)
    assert why in str(caught.value)


def test_a_path_without_braces_is_a_path() -> None:
    assert parse(".metadata.name").render({"metadata": {"name": "x"}}) == "x"
    assert json.loads(parse("{}").render({"a": "é"})) == {"a": "é"}
