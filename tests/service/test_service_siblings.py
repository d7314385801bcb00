"""Workers that answer for each other, and the short way of a body."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from service_shop import fill

from occasion.protocols import Encoder
from occasion.service import core, create_app
from occasion.service.keys import KeyRing
from occasion.service.routes import answers, events
from occasion.service.routes.direct import DirectRoute, SharedRoute
from occasion.service.siblings import AWAY, MOST, TABLE, Handed, Siblings
from occasion.settings import Settings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="workers share a port on Unix systems alone")
ASKED = {"user": "ann", "text": "something salty", "k": 3}


@contextlib.asynccontextmanager
async def worker(home: Path, folder: Path, slot: int, encoder: Encoder, **settings: Any) -> AsyncIterator[Any]:
    """Start one worker of a service in this process, ready to answer; give its application and a client."""
    app = create_app(Settings(home=home, **settings), encoder=encoder)
    app.state.service.join(Siblings(folder, slot))
    async with contextlib.AsyncExitStack() as closing:
        await closing.enter_async_context(app.router.lifespan_context(app))
        await asyncio.to_thread(app.state.service.ready.wait, 180)
        transport = httpx.ASGITransport(app)
        client = await closing.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1"))
        yield app.state.service, client


@contextlib.asynccontextmanager
async def busy(service: Any, requests: int = 1) -> AsyncIterator[None]:
    """Keep a worker's lane of answers busy with so many requests."""
    free = threading.Event()
    tasks = [asyncio.create_task(service.answers.run(free.wait)) for _ in range(requests)]
    while service.answers.busy < requests:
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        free.set()
        await asyncio.gather(*tasks)


async def stages(service: Any) -> float:
    """Return how many answers a worker's own recommender has given."""
    found = [s.value for m in service.measures.stages.collect() for s in m.samples if s.name.endswith("_count")]
    return max(found, default=0)


@pytest.fixture
def folder() -> Any:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="occ") as made:
        Siblings.prepare(Path(made))
        yield Path(made)


def test_a_busy_worker_has_an_idle_one_answer(tmp_path: Path, folder: Path, encoder: Encoder) -> None:
    async def run() -> None:
        home = tmp_path / "home"
        fill(home)
        async with worker(home, folder, 0, encoder) as (one, client), worker(home, folder, 1, encoder) as (two, _):
            assert (await client.post("/v1/recommend", json=ASKED)).status_code == 200
            assert (await stages(one), await stages(two)) == (1, 0)
            async with busy(one):
                answer = await asyncio.wait_for(client.post("/v1/recommend", json=ASKED), 120)
                assert answer.status_code == 200
                assert len(answer.json()["items"]) == 3
                # What the other worker answered is stored, and can be read here.
                slate = answer.json()["slate"]
                assert one.tenants.get("default").store.get_slate(slate) is not None
                # A dislike acknowledged here is in the other's next answer.
                first = answer.json()["items"][0]["item"]
                event = {"user": "ann", "item": first, "type": "dislike"}
                assert (await client.post("/v1/events", json=event)).status_code == 200
                answer = await asyncio.wait_for(client.post("/v1/recommend", json=ASKED), 120)
                assert first not in [entry["item"] for entry in answer.json()["items"]]
            assert (one.siblings.handed, two.siblings.handed) == (2, 0)
            assert (await stages(one), await stages(two)) == (1, 2)

    asyncio.run(run())


def test_a_request_goes_where_the_fewest_are_though_none_is_idle(tmp_path: Path, folder: Path, encoder: Encoder) -> None:
    async def run() -> None:
        home = tmp_path / "home"
        fill(home)
        async with worker(home, folder, 0, encoder) as (one, client), worker(home, folder, 1, encoder) as (two, _):
            assert (await client.post("/v1/recommend", json=ASKED)).status_code == 200
            async with busy(one, 2), busy(two, 1):
                assert one.siblings.freer() is None
            async with busy(one, 1):
                assert one.siblings.freer() == 1
            async with busy(one, 3):
                async with busy(two, 1):
                    assert (one.siblings.freer(), two.siblings.freer()) == (1, None)
                    waiting = asyncio.create_task(client.post("/v1/recommend", json=ASKED))
                    while two.answers.busy < 2:
                        await asyncio.sleep(0.01)
                    # It waits there, behind one in place of three.
                    assert not waiting.done()
                assert (await asyncio.wait_for(waiting, 120)).status_code == 200
            assert (one.siblings.handed, two.siblings.handed) == (1, 0)

    asyncio.run(run())


def test_events_in_bulk_give_way_to_answers_that_wait_anywhere(
    tmp_path: Path, folder: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "YIELD_SECONDS", 60.0)

    async def run() -> None:
        home = tmp_path / "home"
        fill(home)
        async with worker(home, folder, 0, encoder) as (one, client), worker(home, folder, 1, encoder) as (two, _):
            many = {"events": [{"user": "ann", "item": "chips", "id": f"bulk-{n}"} for n in range(events.BULK)]}
            async with busy(two, 2):
                assert one.siblings.longest() == 2
                waiting = asyncio.create_task(client.post("/v1/events", json=many))
                # One event is what somebody just did: it waits for nobody.
                assert (await client.post("/v1/events", json={"user": "ann", "item": "dip"})).json()["new"] == 1
                assert not waiting.done()
            assert (await asyncio.wait_for(waiting, 60)).json()["new"] == events.BULK
            monkeypatch.setattr(core, "YIELD_SECONDS", 0.01)
            async with busy(two, 2):
                # However long the queue, not for ever.
                assert (await asyncio.wait_for(client.post("/v1/events", json=many), 60)).json()["received"] == events.BULK

    asyncio.run(run())


def test_errors_are_told_by_the_worker_that_was_asked(tmp_path: Path, folder: Path, encoder: Encoder) -> None:
    async def run() -> None:
        home = tmp_path / "home"
        fill(home)
        async with worker(home, folder, 0, encoder) as (one, client), worker(home, folder, 1, encoder) as (two, _):
            alone = await client.post("/v1/recommend", json=ASKED | {"scenario": "none"})
            async with busy(one):
                waiting = asyncio.create_task(client.post("/v1/recommend", json=ASKED | {"scenario": "none"}))
                await asyncio.sleep(0.3)
                assert not waiting.done()
            answer = await waiting
            assert answer.status_code == alone.status_code == 404
            assert answer.json()["error"]["message"] == alone.json()["error"]["message"]
            assert two.answers.busy == 0

    asyncio.run(run())


def test_keys_and_tenants_hold_for_what_is_handed_over(tmp_path: Path, folder: Path, encoder: Encoder) -> None:
    async def run() -> None:
        home = tmp_path / "home"
        fill(home)
        async with worker(home, folder, 0, encoder) as (one, client), worker(home, folder, 1, encoder) as (two, _):
            ring: KeyRing = one.keys
            made, token = ring.create(role="read", tenant="other")
            headers = {"authorization": f"Bearer {token}"}
            handed = Handed(path="/recommend", tenant="other", key=made.id, request_id="r", begun=0.0)
            body = json.dumps(ASKED).encode()
            # The other worker has nothing of this tenant at hand: it leaves it to the one that was asked.
            assert await one.siblings.ask(1, handed, body) is None
            assert (await client.post("/v1/recommend", json=ASKED, headers=headers)).json()["items"] == []
            ring.revoke(made.id)
            default = Handed(path="/recommend", tenant="default", key=made.id, request_id="r", begun=0.0)
            assert await one.siblings.ask(1, default, body) is None
            unknown = Handed(path="/nowhere", tenant="default", key=None, request_id="r", begun=0.0)
            assert await one.siblings.ask(1, unknown, body) is None
            assert two.answers.busy == 0

    asyncio.run(run())


def test_a_sibling_that_died_is_passed_over(tmp_path: Path, folder: Path, encoder: Encoder) -> None:
    async def run() -> None:
        home = tmp_path / "home"
        fill(home)
        async with worker(home, folder, 0, encoder) as (one, client):
            # It looks idle, and nobody is there: killed a moment ago.
            with (folder / TABLE).open("r+b") as file:
                file.seek(7)
                file.write(b"\0")
            async with busy(one):
                assert one.siblings.freer() == 7
                waiting = asyncio.create_task(client.post("/v1/recommend", json=ASKED))
                await asyncio.sleep(0.2)
            assert (await waiting).status_code == 200
            Siblings.mourn(folder, 7)
            async with busy(one):
                assert one.siblings.freer() is None
        assert (folder / TABLE).read_bytes() == bytes([AWAY]) * MOST

    asyncio.run(run())


def test_an_answer_cut_off_is_given_again(tmp_path: Path, folder: Path, encoder: Encoder) -> None:
    async def run() -> None:
        home = tmp_path / "home"
        fill(home)

        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"\0\0\1\0{")
            writer.close()

        async with worker(home, folder, 0, encoder) as (one, _):
            server = await asyncio.start_unix_server(half, folder / "worker-3")
            handed = Handed(path="/recommend", tenant="default", key=None, request_id="r", begun=0.0)
            assert await one.siblings.ask(3, handed, b"{}") is None
            server.close()

    asyncio.run(run())


def test_all_answers_go_the_short_way_and_say_the_same_of_wrong_bodies(tmp_path: Path, encoder: Encoder) -> None:
    assert all(isinstance(r, SharedRoute) and r.perform for r in answers.router.routes)
    assert [r.path for r in events.router.routes if isinstance(r, DirectRoute) and r.perform] == ["/events"]
    assert not any(isinstance(r, SharedRoute) for r in events.router.routes)

    async def run() -> None:
        home = tmp_path / "home"
        fill(home)
        app = create_app(Settings(home=home), encoder=encoder, warm=False)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            good = {"user": "ann", "item": "chips"}
            for body, kind, status in (
                (json.dumps(good), "application/json", 200),
                (json.dumps(good), "application/json; charset=utf-8", 200),
                (json.dumps(good), "text/plain", 422),
                ("{", "application/json", 422),
                ('{"user": "ann"}', "application/json", 422),
                ('{"user": "ann", "item": "chips", "more": 1}', "application/json", 422),
                ('{"user": "ann", "item": "chips", "value": NaN}', "application/json", 422),
            ):
                answer = await client.post("/v1/events", content=body, headers={"content-type": kind})
                assert answer.status_code == status, (body, answer.text)
                assert status == 200 or {"code", "message", "cure", "request_id"} == set(answer.json()["error"])

    asyncio.run(run())
