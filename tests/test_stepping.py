"""Work in steps: what it returns, its order, its errors, its stages; and answers given side by side."""

from __future__ import annotations

from contextvars import copy_context

import pytest

from occasion import Context, Event, Item, Recommender, Settings
from occasion.stepping import finished, side_by_side
from occasion.stores import open_store
from occasion.timing import measuring, stage, stepped


def work(name, count, seen):
    for n in range(count):
        seen.append((name, n))
        yield
    if name == "bad":
        raise ValueError(name)
    return name


def test_work_alone_is_done_to_its_end():
    seen = []
    assert finished(work("a", 3, seen)) == "a"
    assert seen == [("a", 0), ("a", 1), ("a", 2)]
    with pytest.raises(ValueError, match="bad"):
        finished(work("bad", 1, []))


def test_several_take_a_step_each_by_turns_and_are_told_of_as_they_end():
    seen = []
    works = [(copy_context(), work(name, count, seen)) for name, count in (("a", 2), ("bad", 1), ("c", 3))]
    told = list(side_by_side(works))
    assert seen == [("a", 0), ("bad", 0), ("c", 0), ("a", 1), ("c", 1), ("c", 2)]
    assert [number for number, _ in told] == [1, 0, 2]
    assert isinstance(told[0][1], ValueError)
    assert [made for _, made in told[1:]] == ["a", "c"]


def test_each_has_the_time_of_its_own_steps_alone(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("occasion.timing.time.perf_counter", lambda: clock[0])

    @stage("leaf")
    def leaf(seconds):
        clock[0] += seconds

    @stepped("outer")
    def steps(seconds):
        leaf(seconds)
        yield
        leaf(seconds)
        return seconds

    found = [measuring() for _ in range(2)]
    made = side_by_side((context, steps(seconds)) for (context, _), seconds in zip(found, (1.0, 10.0), strict=True))
    assert sorted(made) == [(0, 1.0), (1, 10.0)]
    assert [stages for _, stages in found] == [{"leaf": 2.0, "outer": 2.0}, {"leaf": 20.0, "outer": 20.0}]
    assert finished(steps(1.0)) == 1.0, "nobody asks for the time"


def shop(home):
    settings = Settings(home=home)
    store = open_store(settings.resolved_store_url)
    kinds = ("salsa", "soup", "chips", "syrup", "lager")
    store.put_items([Item(id=f"i{n}", text={"title": f"{kinds[n % 5]} number {n}"}, price=float(n)) for n in range(60)])
    store.append([Event(user=f"u{n % 9}", item=f"i{n * 7 % 60}", at=1_790_000_000.0 + n, id=f"e{n}") for n in range(90)])
    store.close()
    return settings


def test_answers_side_by_side_are_those_given_one_after_the_other(tmp_path):
    at = 1_790_100_000.0
    asked = [
        (Context(user="u1", text="chips for the party", at=at), {}),
        (Context(user="u2", at=at, signals={"weather": "rain"}), {"policy": "plackett-luce"}),
        (Context(text="hot soup", at=at, locale="zh"), {"k": 5}),
        (Context(user="nobody", session="s", recent=("i3",), at=at), {"explore": 0.5}),
        (Context(user="u1", text="chips for the party", at=at), {"diversity": 0.4}),
    ]
    with Recommender(shop(tmp_path)) as recommender:
        one_by_one = [recommender.recommend(c, slate_id=f"s{n}", keep=False, **o) for n, (c, o) in enumerate(asked)]
        works = [(copy_context(), recommender.recommending(c, slate_id=f"s{n}", **options)) for n, (c, options) in enumerate(asked)]
        bad = (copy_context(), recommender.recommending(Context(user="u1"), k=0))
        told = dict(side_by_side([*works, bad]))
        assert [told[n] for n in range(len(asked))] == one_by_one
        assert "k is 0" in str(told[len(asked)])
        assert all(recommender.store.get_slate(f"s{n}") is not None for n in range(len(asked)))


def test_one_look_tells_all_of_what_is_new(tmp_path):
    with Recommender(shop(tmp_path)) as recommender:
        recommender.recommend(Context(text="soup"))
        first = recommender.recommend(Context(user="u1", text="soup"), 1).items[0]
        recommender.feedback(Event(user="u1", item=first, type="dislike"))
        standing = recommender.look()
        works = [(copy_context(), recommender.recommending(Context(user="u1", text="soup"), standing=standing)) for _ in range(3)]
        assert all(first not in slate.items for _, slate in side_by_side(works))
