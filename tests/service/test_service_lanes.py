"""Lanes: a bounded queue, and work of one kind that waits at the same time is done together."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from occasion.service import core
from occasion.service.lanes import TOGETHER, Lane, OverloadedError
from occasion.service.routes import answers
from occasion.service.tenants import FEW_LEFT
from waiting import until


class Held:
    """Work that waits until it is let go, so that others queue up behind it."""

    def __init__(self):
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self):
        self.begun.set()
        assert self.go.wait(30)


async def queued(lane, held, wishes, perform):
    """Let wishes queue up behind held work; return what came of them."""
    first = asyncio.create_task(lane.run(held))
    await asyncio.to_thread(held.begun.wait, 30)
    tasks = [asyncio.create_task(lane.run_together(kind, wish, perform)) for kind, wish in wishes]
    await asyncio.sleep(0)
    held.go.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_what_waits_is_done_together_by_kind_and_no_more_than_so_many():
    batches = []

    def perform(wishes):
        batches.append(list(wishes))
        for number, wish in reversed(list(enumerate(wishes))):
            yield number, ValueError(wish) if wish == 3 else wish * 10

    lane = Lane("test", 100)
    wishes = [("a", n) for n in range(TOGETHER + 2)] + [("b", 100)]
    made = asyncio.run(queued(lane, Held(), wishes, perform))
    assert batches == [list(range(TOGETHER)), [TOGETHER, TOGETHER + 1], [100]]
    assert isinstance(made[3], ValueError)
    assert [m for n, m in enumerate(made) if n != 3] == [n * 10 for _, n in wishes if n != 3]
    assert lane.busy == 0
    lane.close()


def test_an_error_of_the_whole_is_everybodys_who_was_not_told_before():
    def perform(wishes):
        yield 0, "told"
        raise RuntimeError("broken")

    lane = Lane("test", 100)
    made = asyncio.run(queued(lane, Held(), [("a", 1), ("a", 2), ("a", 3)], perform))
    assert made[0] == "told"
    assert [str(m) for m in made[1:]] == ["broken", "broken"]
    assert lane.busy == 0
    lane.close()


def test_who_went_away_is_left_out_and_a_full_queue_refuses():
    seen = []

    def perform(wishes):
        seen.extend(wishes)
        return enumerate(wishes)

    async def run():
        lane, held = Lane("test", 3), Held()
        first = asyncio.create_task(lane.run(held))
        await asyncio.to_thread(held.begun.wait, 30)
        one, two = (asyncio.create_task(lane.run_together("a", n, perform)) for n in (1, 2))
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await lane.run_together("a", 3, perform)
        one.cancel()
        await asyncio.sleep(0)
        assert lane.busy == 2, "who went away makes room"
        held.go.set()
        await first
        assert await two == 2
        assert lane.busy == 0
        return lane

    lane = asyncio.run(run())
    assert seen == [2]
    lane.close()


def test_closing_drops_what_waits():
    async def run():
        lane, held = Lane("test", 10), Held()
        first = asyncio.create_task(lane.run(held))
        await asyncio.to_thread(held.begun.wait, 30)
        waiting = asyncio.create_task(lane.run_together("a", 1, enumerate))
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(lane.close))
        await asyncio.sleep(0.05)
        held.go.set()
        await closing
        await first
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(OverloadedError):
            await lane.run_together("a", 2, enumerate)
        assert lane.busy == 0

    asyncio.run(run())


def test_what_nobody_waits_for_is_done_in_portions_behind_all_requests(caplog):
    lane, held, order = Lane("test", 100), Held(), []

    def portion(name, of):
        order.append(name)
        return order.count(name) < of

    async def ask():
        first = asyncio.create_task(lane.run(held))
        await asyncio.to_thread(held.begun.wait, 30)
        lane.run_idle("a", lambda: portion("a", 3))
        lane.run_idle("a", lambda: portion("never", 3))
        lane.run_idle("b", lambda: 1 / 0)
        second = asyncio.create_task(lane.run(lambda: order.append("asked")))
        await asyncio.sleep(0)
        assert lane.busy == 2, "what nobody waits for does not count"
        held.go.set()
        await asyncio.gather(first, second)

    asyncio.run(ask())
    until(lambda: not lane._idle)
    assert order == ["asked", "a", "a", "a"]
    assert "ZeroDivisionError" in caplog.text
    lane.run_idle("a", lambda: portion("again", 1))
    until(lambda: "again" in order)
    lane.close()
    lane.run_idle("a", lambda: portion("closed", 1))
    assert "closed" not in order
    assert not lane._idle


def test_after_a_flood_of_events_counts_follow_without_further_requests(serve, monkeypatch):
    monkeypatch.setattr("occasion.live.SLICE", 10)
    client = serve()
    flood = [{"user": f"u{n}", "item": "chips", "type": "click"} for n in range(90)]
    assert client.post("/v1/recommend", json={"user": "u1"}).status_code == 200
    tenant = client.app.state.service.tenants.opened("default")
    live = tenant.recommender.live
    assert client.post("/v1/events", json={"events": flood}).json()["new"] == 90
    assert client.post("/v1/recommend", json={"user": "u1"}).status_code == 200
    until(lambda: live.statistics.cursor == tenant.store.cursor()[1])
    until(lambda: not live.behind)


def test_events_in_bulk_wait_while_earlier_ones_are_taken_over(serve, monkeypatch):
    client = serve()
    assert client.post("/v1/recommend", json={"user": "u1"}).status_code == 200
    live = client.app.state.service.tenants.opened("default").recommender.live
    flood = {"events": [{"user": f"u{n}", "item": "chips", "id": f"bulk-{n}"} for n in range(90)]}
    monkeypatch.setattr(core, "YIELD_SECONDS", 60.0)
    live._events_left, live._newest = True, live.statistics.cursor + FEW_LEFT
    few = [{"user": f"u{n}", "item": "dip", "id": f"few-{n}"} for n in range(20)]
    assert client.post("/v1/events", json={"events": few}).json()["new"] == 20
    live._newest += 1
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.post, "/v1/events", json=flood)
        assert client.post("/v1/events", json={"user": "ann", "item": "dip"}).json()["new"] == 1
        assert not waiting.done()
        live._events_left = False
        assert waiting.result(60).json()["new"] == 90


def test_requests_that_wait_are_answered_side_by_side_each_for_itself(serve, monkeypatch):
    http, held, widths = serve(), Held(), []
    asked = [
        {"text": "chips"},
        {"text": "hot soup", "k": 2},
        {"scenario": "nowhere"},
        {"user": "u1", "rules": {"filter": "price < 4"}},
    ]
    alone = [http.post("/v1/recommend", json=body) for body in asked]
    genuine = answers.side_by_side

    def recorded(works):
        works = list(works)
        widths.append(len(works))
        return genuine(works)

    monkeypatch.setattr(answers, "side_by_side", recorded)
    lane = http.app.state.service.answers
    lane._pool.submit(held)
    with ThreadPoolExecutor(len(asked)) as pool:
        sent = [pool.submit(http.post, "/v1/recommend", json=body) for body in asked]
        until(lambda: lane.busy == len(asked))
        held.go.set()
        together = [one.result(60) for one in sent]
    assert widths == [len(asked)]
    assert [a.status_code for a in together] == [a.status_code for a in alone] == [200, 200, 404, 200]
    for one, other in zip(alone, together, strict=True):
        if one.status_code == 200:
            assert [e["item"] for e in one.json()["items"]] == [e["item"] for e in other.json()["items"]]
            assert {"parse", "queue", "refresh", "context", "search", "rank", "policy", "write", "total"} <= set(
                other.json()["timing"]
            )
            assert http.get("/v1/slates", params={"slate": other.json()["slate"]}).status_code == 200
