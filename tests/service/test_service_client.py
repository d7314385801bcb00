"""The clients against a real service."""

from __future__ import annotations

import asyncio
import inspect
import time
from dataclasses import replace

import httpx
import pytest
from service_shop import ITEMS, fill, running

from occasion.client import AsyncClient, Client, ServiceError
from occasion.data import Context, Event, Item, User
from waiting import until


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with running(fill(tmp_path_factory.mktemp("client") / "home")) as service:
        yield service.url


def test_a_whole_conversation(address):
    odd = ITEMS[6].id
    with Client(address) as shop:
        assert shop.put_items([Item(id="tea", text={"title": "Green tea"}, attributes={"tags": ("hot", "leaf")}, price=4.0)]) == 1
        assert shop.get_items(["tea", odd, "none"]).keys() == {"tea", odd}
        assert shop.get_items(["tea"])["tea"].attributes["tags"] == ("hot", "leaf")
        assert shop.put_users([User(id="ann", attributes={"town": "Bonn"})]) == 1
        answer = shop.recommend(Context(user="ann", text="watching the game with friends"), 3, rules={"exclude": ["beer"]})
        assert len(answer.items) == 3
        assert answer.entries[0].score == pytest.approx(sum(answer.entries[0].parts.values()), abs=1e-5)
        assert not set(
            shop.recommend(Context(user="ann", text="watching the game with friends"), 3, after=answer.slate).items
        ) & set(answer.items)
        top = answer.items[0]
        click = Event(user="ann", item=top, slate=answer.slate)
        assert shop.feedback(click).new == 1
        time.sleep(0.01)
        assert shop.feedback(click).new == 1, "the same act again, a moment later, is another event"
        assert shop.feedback([Event(user="ann", item=top, type="dislike", id="d1")] * 2).new == 1
        assert top not in shop.recommend(Context(user="ann"), 9).items
        assert shop.rank(["pancakes", "syrup", "none"], Context(text="breakfast")).items[0][0] == "pancakes"
        levels = {"explore": 1.0, "rules": {"exclude": ["chips"]}}
        assert all("chips" not in side.items for side in shop.what_if(Context(), {"text": "a party"}, 8, **levels))
        before, after = shop.what_if(Context(), {"text": "a cold and a cough"}, 2)
        assert before.items != after.items
        assert shop.explain(answer.slate, top)["place"] == 1
        assert len(shop.similar(odd, 2).items) == 2
        chinese = shop.similar(odd, 2, locale="zh")
        assert all(any("一" <= sign <= "鿿" for sign in entry.reason) for entry in chinese.entries)
        told = shop.stream(Event(user=f"s{n}", item="chips", id=f"cs-{n}") for n in range(700))
        assert (told.received, told.new, told.rejected, told.notes) == (700, 700, 0, ())
        lost = [Event(user="ann", item="chips", signals={"latitude": 131.2})] * 2
        assert shop.feedback(lost).notes == shop.stream(lost).notes
        assert "in 2 of 2 events: latitude 131.2" in shop.feedback(lost).notes[0]
        drawn = shop.recommend(Context(user="ann"), 3, policy="plackett-luce", policy_options={"temperature": 0.5})
        assert drawn.policy == "plackett-luce"
        assert all(0 < entry.propensity < 1 for entry in drawn.entries)
        assert shop.delete_items(["tea"]) == 1
        assert shop.info()["tenant"] == "default"
        assert shop.request("GET", "/v1/versions")["in_service"] == "blend"


def test_imports(address):
    with Client(address) as shop:
        job = shop.start_import(b"id,title,price\nx1,Wooden spoon,3\n,No id,1\nx2,Iron pan,dear\n", "items.csv")["id"]
        until(lambda: shop.get_import(job)["state"] not in ("queued", "running"))
        found = shop.get_import(job)
        assert found["state"] == "done"
        assert found["result"]["rows"] == 3
        assert sum(found["result"]["rejected"].values()) == 2
        rejects = shop.request("GET", f"/v1/imports/{job}/rejects")
        assert len(rejects.splitlines()) == 2
        assert "x1" in shop.get_items(["x1"])


def test_a_refusal_says_what_the_service_said(address):
    with Client(address) as shop:
        with pytest.raises(ServiceError) as caught:
            shop.recommend(rules={"filter": "price <"})
        assert caught.value.status == 422
        assert caught.value.code == "invalid_rule"
        assert caught.value.cure
        assert caught.value.request_id
    with Client("http://127.0.0.1:1", attempts=2) as nobody, pytest.raises(ServiceError) as caught:
        nobody.info()
    assert caught.value.status == 0


def test_a_busy_service_is_asked_again():
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if len(asked) < 3:
            return httpx.Response(503, headers={"retry-after": "0"}, json={})
        return httpx.Response(200, json={"received": 1, "new": 1})

    with Client("http://shop", transport=httpx.MockTransport(answer)) as shop:
        assert shop.feedback(Event(user="a", item="b")).new == 1
    assert len({request.content for request in asked}) == 1, "each try has the same event id"


class Torn:
    """A door before a service that lets the first connections of a stream break, before or after it has done its work."""

    def __init__(self, address: str, breaks: list[str]) -> None:
        self.address, self.breaks, self.sent = address, breaks, []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request.content)
        how = self.breaks.pop(0) if self.breaks else ""
        if how == "before":
            raise httpx.ConnectError("nobody there", request=request)
        kind = {"content-type": request.headers["content-type"]}
        answer = httpx.request(request.method, f"{self.address}{request.url.path}", content=request.content, headers=kind)
        if how == "after":
            raise httpx.ReadError("connection reset", request=request)
        return httpx.Response(answer.status_code, json=answer.json())


@pytest.mark.parametrize("awaited", [False, True])
def test_a_stream_goes_on_where_its_connection_broke(address, monkeypatch, awaited):
    monkeypatch.setattr("occasion.client.calls.STREAM_LINES", 10)
    name = f"torn-{awaited}"
    # Neither ids nor times are given: both are made once, not at each try.
    events = [Event(user=name, item="chips", value=float(n)) for n in range(25)]
    # A line longer than the service takes.
    events[16] = replace(events[16], signals={f"s{n}": "x" * 90_000 for n in range(12)}, id="")
    door = Torn(address, ["", "before", "after", ""])

    async def talk():
        async with AsyncClient("http://shop", transport=httpx.MockTransport(door)) as shop:
            return await shop.stream(iter(events))

    if awaited:
        told = asyncio.run(talk())
    else:
        with Client("http://shop", transport=httpx.MockTransport(door)) as shop:
            told = shop.stream(iter(events))
    first, again, third, fourth, last = door.sent
    assert again == third == fourth
    assert len({first, again, last}) == 3
    assert (told.received, told.new, told.rejected) == (24, 15, 1), "nine were stored when the connection broke"
    assert told.rejects[0]["line"] == 17
    stored = httpx.get(f"{address}/v1/events", params={"user": name, "limit": 100}).json()["events"]
    assert sorted(event["value"] for event in stored) == [float(n) for n in range(25) if n != 16]


def test_a_stream_gives_up_in_the_end():
    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there", request=request)

    with Client("http://shop", attempts=2, transport=httpx.MockTransport(nobody)) as shop:
        with pytest.raises(ServiceError, match="does not answer"):
            shop.stream([Event(user="a", item="b")])
        assert shop.stream([]).received == 0


def test_the_awaited_client_has_the_same_methods(address):
    async def talk():
        async with AsyncClient(address) as shop:
            answers = await asyncio.gather(*(shop.recommend(Context(user=f"u{n}"), 2) for n in range(5)))
            told = await shop.stream(Event(user=f"t{n}", item="chips", id=f"as-{n}") for n in range(10))
            with pytest.raises(ServiceError):
                await shop.explain("none", "none")
            return answers, told

    answers, told = asyncio.run(talk())
    assert all(len(answer.items) == 2 for answer in answers)
    assert told.new == 10

    def methods(cls):
        return {n: str(inspect.signature(f)) for n, f in vars(cls).items() if not n.startswith("_") and callable(f)}

    assert methods(Client) == methods(AsyncClient)
