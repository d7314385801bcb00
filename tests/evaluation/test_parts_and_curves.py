"""Ablations and learning curves: what is known to matter is seen to matter, and every figure stands where it should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from shop import HOUR, START, HashedWords, shop_events

from occasion.data import Context, Event
from occasion.errors import DataError
from occasion.evaluation import Report, evaluate
from occasion.evaluation.ablation import PARTS, sources_without, without_part
from occasion.evaluation.heldout import HeldOutStore
from occasion.evaluation.report import Curve, Difference, Interval, Point
from occasion.protocols import Store
from occasion.settings import Settings
from occasion.sources import SOURCES

MakeShop = Callable[..., Store]


def report_on(store: Store, settings: Settings, **options: object) -> Report:
    return evaluate(settings, store=store, encoder=HashedWords(), now=START, **{"draws": 200, "baselines": ()} | options)


def test_a_habit_under_signals_needs_context_and_a_useless_part_adds_nothing(open_shop: MakeShop, settings: Settings) -> None:
    report = report_on(open_shop(shop_events(visits=60)), settings, without=("context", "words", "others"), slices=())
    assert set(report.systems) == {"occasion", "without context", "without words", "without others"}
    context = report.parts["context"]["ndcg"]
    assert context.low > 0
    assert context.p < 0.05
    words = report.parts["words"]["ndcg"]
    assert (words.mean, words.low, words.high, words.p) == (0, 0, 0, 1), "no query has words"
    means = {name: figures["ndcg"].mean for name, figures in report.systems.items()}
    assert context.mean == pytest.approx(means["occasion"] - means["without context"])


@pytest.mark.parametrize("part", PARTS)
def test_each_part_takes_away_what_it_says(part: str) -> None:
    context = Context(user="u", at=START, text="rain", signals={"weather": "rain"})
    left = sources_without(part)
    asked = without_part(context, part)
    if part == "context":
        assert left == tuple(SOURCES)
        assert (asked.text, dict(asked.signals), asked.user, asked.at) == ("", {}, "u", START)
    else:
        assert 0 < len(left) < len(SOURCES)
        assert asked == context
    if part in SOURCES:
        assert set(SOURCES) - set(left) == {part}


def test_unknown_parts_are_said(open_shop: MakeShop, settings: Settings) -> None:
    with pytest.raises(DataError, match=r"no part 'luck'.*taste"):
        report_on(open_shop(shop_events(people=3)), settings, without=("luck",))


def test_curves_rise_where_there_is_something_to_learn(open_shop: MakeShop, settings: Settings) -> None:
    report = report_on(open_shop(shop_events(visits=60)), settings, curves=True, slices=())
    person, everybody = report.curves
    assert [p.size for p in person.points] == [0, 1, 3, 10, 30, 60]
    assert person.points[-1].ndcg.mean == pytest.approx(report.systems["occasion"]["ndcg"].mean), (
        "all of it is the recommender itself"
    )
    assert everybody.points[-1].ndcg == person.points[-1].ndcg
    assert everybody.points[-1].size == report.protocol["events_counted"]
    assert person.points[-1].ndcg.mean > person.points[0].ndcg.mean
    assert everybody.points[-1].ndcg.mean > everybody.points[0].ndcg.mean
    for curve in report.curves:
        assert not curve.dips
        total = sum(p.step.mean for p in curve.points if p.step is not None)
        assert total == pytest.approx(curve.points[-1].ndcg.mean - curve.points[0].ndcg.mean)
    assert any("the same at every point" in note for note in report.notes)


def test_a_log_without_times_has_curves_too(open_shop: MakeShop, settings: Settings) -> None:
    report = report_on(open_shop(shop_events(timed=False)), settings, curves=True, slices=())
    assert all(len(c.points) >= 4 for c in report.curves)


def test_a_dip_is_a_step_whose_whole_interval_is_below_zero() -> None:
    def point(size: int, low: float, high: float) -> Point:
        step = Difference(mean=(low + high) / 2, low=low, high=high, p=0.01)
        return Point(size=size, ndcg=Interval(mean=0.1, low=0.05, high=0.2), step=step)

    first = Point(size=0, ndcg=Interval(mean=0.1))
    curve = Curve(name="events of all", points=(first, point(1, -0.1, 0.1), point(3, -0.2, -0.1), point(10, 0.1, 0.2)))
    assert [p.size for p in curve.dips] == [3]


def test_a_history_cut_short_is_its_newest_part(open_shop: MakeShop) -> None:
    store = open_shop(shop_events())
    key = store.user_key("u 1")
    assert key is not None
    whole = store.history(key).seq
    none = np.zeros(0, np.int64)
    for most in (0, 1, 5, 1000):
        assert (
            HeldOutStore(store, none, none, most).history(key).seq.tolist() == whole[len(whole) - min(most, len(whole)) :].tolist()
        )
    hidden = whole[-3:]
    assert HeldOutStore(store, none, hidden, 4).history(key).seq.tolist() == whole[-7:-3].tolist()


def test_the_report_shows_parts_and_curves(open_shop: MakeShop, settings: Settings, tmp_path, capsys) -> None:
    events = [replace(e, signals={}) for e in shop_events(people=6)] + [Event(user="new", item="i/1", at=START + 500 * HOUR)]
    report = report_on(open_shop(events), settings, curves=True, without=("together",))
    report.show()
    shown = capsys.readouterr().out
    assert "events of the person" in shown
    assert "together" in shown
    page = report.to_html()
    assert page.count("<polyline") == 2
    assert "What each part adds" in page
    assert "http" not in page
    plain = report.to_dict()
    assert plain["parts"]["together"]["ndcg"]["p"] == report.parts["together"]["ndcg"].p
    assert [p["size"] for p in plain["curves"][0]["points"]] == [p.size for p in report.curves[0].points]
    pytest.importorskip("matplotlib")
    report.plot(tmp_path / "r.svg")
    assert "events of all" in (tmp_path / "r.svg").read_text() or (tmp_path / "r.svg").stat().st_size > 1000
