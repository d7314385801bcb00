"""Whatever the OpenAPI document allows, and much that it does not: no 5xx, nothing that it does not describe, for each role.

Another tenant's data lies beside, full of one odd word, and its ids are among what is sent: the word must never come back, and
nothing of it may change. OCCASION_FUZZ=200 in the environment looks longer.
"""

from __future__ import annotations

import json
import os

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from service_shop import bearer, fill

from occasion.data import Context, Event, Item, Slate, SlateEntry, User
from occasion.encoders import load_encoder
from occasion.service import create_app
from occasion.settings import Settings

EXAMPLES = int(os.environ.get("OCCASION_FUZZ", "6"))
CANARY = "zanzibarcanary"


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value).encode()


def plant(store):
    """Fill the other tenant's store with things whose every text holds the word."""
    store.put_items([Item(id=f"{CANARY}-{n}", text={"title": f"{CANARY} lamp {n}"}, categories=(CANARY,)) for n in range(5)])
    store.put_users([User(id="ann", attributes={"town": CANARY})])
    at = 1_790_000_000.0
    store.append([Event(user="ann", item=f"{CANARY}-{n}", id=f"{CANARY}-e{n}", at=at, text=CANARY) for n in range(5)])
    entry = SlateEntry(item=f"{CANARY}-1", score=1.0, propensity=1.0, parts={"moment": 1.0}, reason=CANARY)
    store.put_slate(Slate(id="canary-slate", context=Context(user="ann", at=at, text=CANARY), entries=(entry,), sentence=CANARY))


def held(store):
    """Return everything of a store that could change."""
    events = [(e.id, e.user, e.item, e.text) for e in store.read_events()]
    items = [(s.key, s.revision, s.item and s.item.title) for s in store.items()]
    people = store.consents("ann"), store.get_user("ann")
    return events, items, people, store.counts(), [a.act for a in store.audit()], store.cursor()


def no_word_of_others(context, response, case):
    """A check for schemathesis: an answer that holds the word, where the request did not, came from the other tenant."""
    sent = f"{case.body}{case.query}{case.path_parameters}{dict(case.headers or {})}"
    if CANARY in response.text and CANARY not in sent:
        raise AssertionError("the other tenant's data came out")


CHECKS = [no_word_of_others, not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    home = fill(tmp_path_factory.mktemp("fuzz") / "home")
    app = create_app(Settings(home=home, rate_limit=0), encoder=load_encoder(), open_access=False)
    tokens = {role: app.state.service.keys.create(role)[1] for role in ("read", "write", "admin")}
    app.state.service.keys.create("admin", "acme")
    other = app.state.service.tenants.get("acme").store
    plant(other)
    before = held(other)
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
    assert held(other) == before, "another tenant's data was changed"
    app.state.service.close()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("role", ["read", "write", "admin", None])
def test_every_operation(served, role):
    schema, tokens = served
    headers = bearer(tokens[role]) if role else {}
    tried, failures = 0, []
    for found in schema.get_all_operations():
        operation = found.ok()
        tried += 1

        @given(case=operation.as_strategy())
        @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
        def fuzz(case):
            # The first one opens what the others find open.
            case.call_and_validate(headers=headers, checks=CHECKS, timeout=300)

        try:
            fuzz()
        except Exception as failure:
            failures.append(failure)
    assert tried > 30
    if failures:
        raise ExceptionGroup(f"{len(failures)} operations failed", failures)


ASKED = {
    "/v1/items": {"id": f"{CANARY}-1"},
    "/v1/users": {"id": "ann"},
    "/v1/events": {"user": "ann"},
    "/v1/slates": {"slate": "canary-slate"},
    "/v1/people/export": {"user": "ann"},
    "/v1/people/consent": {"user": "ann"},
}


@pytest.mark.parametrize("role", ["read", "write", "admin"])
def test_ids_of_another_tenant_open_nothing(served, role):
    """Every operation is sent the other tenant's ids wherever an id fits."""
    schema, tokens = served
    names = {
        "user": "ann",
        "session": None,
        "id": f"{CANARY}-1",
        "item": f"{CANARY}-1",
        "slate": "canary-slate",
        "after": "canary-slate",
    }
    client = TestClient(schema.app, headers=bearer(tokens[role]), raise_server_exceptions=False)
    for path, methods in schema.raw_schema["paths"].items():
        for method in methods:
            if method == "delete":
                continue
            body = None if method == "get" else {name: value for name, value in names.items() if value} | {"items": [f"{CANARY}-1"]}
            params = ASKED.get(path, {})
            for sent in (
                {"json": body, "params": params},
                {"json": {"user": "ann"}},
                {"json": {"slate": "canary-slate", "item": "x"}},
            ):
                text = client.request(method, path.replace("{", "").replace("}", ""), **sent).text
                told = text.replace(f"{CANARY}-1", "")
                assert CANARY not in told, (method, path, text[:300])
