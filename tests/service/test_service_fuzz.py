"""Whatever the OpenAPI document allows, and much that it does not: no 5xx, nothing that it does not describe, for each role."""

from __future__ import annotations

import json
import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from service_shop import bearer, fill

from occasion.encoders import load_encoder
from occasion.service import create_app
from occasion.settings import Settings

EXAMPLES = int(os.environ.get("OCCASION_FUZZ", "6"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value).encode()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    home = fill(tmp_path_factory.mktemp("fuzz") / "home")
    app = create_app(Settings(home=home, rate_limit=0), encoder=load_encoder(), open_access=False)
    tokens = {role: app.state.service.keys.create(role)[1] for role in ("read", "write", "admin")}
    app.state.service.ready.set()
    app.state.service.imports.start()

    async def without_lifespan(scope, receive, send):
        # Each case would start and stop the application otherwise.
        if scope["type"] == "http":
            await app(scope, receive, send)
            return
        for _ in range(2):
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})

    yield schemathesis.openapi.from_asgi("/v1/openapi.json", without_lifespan), tokens
    app.state.service.close()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("role", ["read", "write", "admin", None])
def test_every_operation(served, role):
    schema, tokens = served
    headers = bearer(tokens[role]) if role else {}
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        tried += 1

        @given(case=operation.as_strategy())
        @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
        def fuzz(case):
            case.call_and_validate(headers=headers, checks=CHECKS)

        fuzz()
    assert tried > 30
