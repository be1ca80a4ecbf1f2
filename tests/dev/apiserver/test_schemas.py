"""The file with the built-in kinds' fields is what a real server's OpenAPI documents say."""

from __future__ import annotations

import json

import pytest

from penstock_dev.apiserver.builtin import Builtin
from tests.support.apiserver_schemas import TARGET, fetch, rendered
from tests.support.realserver import RealServer


@pytest.mark.real
def test_made_again_it_is_the_same(real_server: RealServer) -> None:
    made = rendered(fetch(real_server.url, real_server.admin_token, str(real_server.ca)))
    assert made == TARGET.read_text(), "python -m tests.support.apiserver_schemas URL TOKEN CA makes it again"


def test_every_kind_has_its_schema() -> None:
    builtin = Builtin()
    for resource in builtin.resources():
        assert resource.schema.properties["metadata"] is not None, resource.kind


def test_it_holds_no_prose() -> None:
    assert '"description"' not in json.dumps(json.loads(TARGET.read_text())["types"]["io.k8s.api.core.v1.Pod"])
