"""The file with the built-in kinds' fields is what a real server's OpenAPI documents say."""

from __future__ import annotations

import json

import pytest

from penstock_dev.apiserver.builtin import Builtin
from tests.support.apiserver_schemas import TARGET, fetch, rendered
from tests.support.realserver import MISSING, RealServer, assets


@pytest.mark.real
def test_made_again_it_is_the_same() -> None:
    folder = assets()
    if folder is None:
        pytest.skip(MISSING)
    server = RealServer(folder, controllers=False).start()
    try:
        made = rendered(fetch(server.url, server.admin_token, str(server.ca)))
    finally:
        server.stop()
    assert made == TARGET.read_text(), "python -m tests.support.apiserver_schemas URL TOKEN CA makes it again"


def test_every_kind_has_its_schema() -> None:
    builtin = Builtin()
    for resource in builtin.resources():
        assert resource.schema.properties["metadata"] is not None, resource.kind


def test_it_holds_no_prose() -> None:
    assert '"description"' not in json.dumps(json.loads(TARGET.read_text())["types"]["io.k8s.api.core.v1.Pod"])
