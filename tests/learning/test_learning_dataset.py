"""Reading frames: kinds of columns, times, histories."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_worlds import catalogue, walkers

from occasion.learning.dataset import Dataset, Requests, build_requests
from occasion.learning.folds import shortened
from occasion.learning.signals import CLOCK, SignalCodes, Signals


def frame(**columns: list) -> pl.DataFrame:
    n = len(next(iter(columns.values())))
    return pl.DataFrame({"user_id": ["a"] * n, "item_id": [f"i{k}" for k in range(n)], **columns})


@pytest.mark.parametrize(
    ("times", "kind"),
    [([1, 2, 3], "position"), ([1.6e9, 1.6e9 + 5, 1.6e9 + 9], "unix"), ([None, None, None], "none"), ([1.6e12] * 3, "unix")],
)
def test_the_kind_of_times_is_found_out(times, kind):
    assert Dataset.from_frames(catalogue(), frame(time=times)).times == kind


def test_milliseconds_become_seconds():
    data = Dataset.from_frames(catalogue(), frame(time=[1.6e12, 1.6e12 + 1000]))
    assert data.events.time.tolist() == [1.6e9, 1.6e9 + 1]


def test_no_time_column_at_all():
    events = pl.DataFrame({"user_id": ["a"], "item_id": ["i0"]})
    assert Dataset.from_frames(catalogue(), events).times == "none"


def test_items_that_only_events_name_are_added():
    events = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["new", "i0"]})
    data = Dataset.from_frames(catalogue(5), events)
    assert data.items.ids[-1] == "new"
    assert data.items.texts[-1] == ""
    assert len(data.events) == 2


def test_columns_of_items_are_told_apart():
    items = catalogue().with_columns(link=pl.lit("https://x.org/") + pl.col("item_id"), code=pl.col("price").cast(pl.String))
    data = Dataset.from_frames(items, walkers(3))
    assert "kind" in data.items.attributes
    assert data.items.number_names == ["price", "code"]
    assert "https" not in data.items.texts[0]
    rows = data.items.attributes["kind"]
    assert np.allclose(np.sqrt(rows.multiply(rows).sum(1)), 1, atol=1e-5)


def test_items_without_any_text():
    data = Dataset.from_frames(pl.DataFrame({"item_id": ["i0", "i1"]}), frame(time=[1, 2]))
    assert data.items.texts == ["", ""]


def test_numeric_signals_are_binned_and_unknown_values_are_missing():
    rng = np.random.default_rng(0)
    events = frame(ctx_heat=rng.normal(size=200).tolist(), ctx_place=["home", "work"] * 100)
    data = Dataset.from_frames(catalogue(), events)
    asked = pl.DataFrame({"query_id": ["q", "r"], "user_id": ["a", "b"], "ctx_heat": [None, 99.0], "ctx_place": ["moon", "home"]})
    queries = data.queries(asked)
    heat, place = (data.signals.names.index(n) for n in ("ctx_heat", "ctx_place"))
    assert queries.signals[:, heat].tolist() == [-1, data.signals.sizes[heat] - 1]
    assert queries.signals[:, place].tolist() == [-1, data.signals.values["ctx_place"].index("home")]
    assert queries.user.tolist() == [0, -1]


def test_a_signal_with_one_value_says_nothing():
    assert Dataset.from_frames(catalogue(), frame(ctx_a=["x"] * 3)).signals.names == []


def test_hours_are_derived_only_from_clocks_that_show_them():
    days = Dataset.from_frames(catalogue(), frame(time=[86400.0 * 18000, 86400.0 * 18001]))
    assert days.signals.names == []
    hours = Dataset.from_frames(catalogue(), frame(time=[86400.0 * 18000 + 7200, 86400.0 * 18001 + 3600]))
    assert hours.signals.names == ["clock_hour", "clock_weekday"]
    assert hours.events.signals[:, 0].tolist() == [2, 1]


def test_repeats_are_found_out():
    once, again = walkers(20, 6), pl.concat([walkers(20, 6)] * 2)
    assert Dataset.from_frames(catalogue(), frame(time=[1, 2, 3])).exclude_seen
    assert not Dataset.from_frames(catalogue(), again).exclude_seen
    assert Dataset.from_frames(catalogue(), again, exclude_seen=True).exclude_seen
    assert len(once) * 2 == len(again)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 8)), min_size=1, max_size=40), st.integers(0, 9))
def test_a_history_is_everything_strictly_before(rows, at):
    events = pl.DataFrame([(f"u{u}", f"i{i}", t) for u, i, t in rows], schema=["user_id", "item_id", "time"], orient="row")
    data = Dataset.from_frames(catalogue(10), events)
    asked = pl.DataFrame({"query_id": [f"q{u}" for u in range(4)], "user_id": [f"u{u}" for u in range(4)], "time": [at] * 4})
    requests = build_requests(data.events, data.queries(asked))
    for u in range(4):
        mine = requests.part(u, u + 1)
        assert sorted(mine.item.tolist()) == sorted(i for w, i, t in rows if w == u and t < at)
        assert (np.diff(mine.when) >= 0).all()


def test_parts_selections_and_renamings_agree():
    data = Dataset.from_frames(catalogue(), walkers(10))
    requests = build_requests(data.events, data.queries(last_asked(data)))
    picked = requests.select(np.array([3, 1]))
    assert picked.item[: picked.ptr[1]].tolist() == requests.part(3, 4).item.tolist()
    place = np.full(60, -1, np.int32)
    place[::2] = np.arange(30)
    renamed = requests.rename(place)
    assert renamed.item.tolist() == [place[i] for i in requests.item if place[i] >= 0]
    assert renamed.ptr[-1] == len(renamed.item)


def last_asked(data: Dataset) -> pl.DataFrame:
    return pl.DataFrame({"query_id": data.users, "user_id": data.users, "time": [100] * len(data.users)})


def test_the_most_frequent_items_are_kept():
    data = Dataset.from_frames(catalogue(), walkers(30))
    kept = data.frequent(10)
    small = data.restrict(kept)
    count = np.bincount(data.events.item, minlength=60)
    assert count[kept].min() >= np.delete(count, kept).max()
    assert len(small.items) == 10
    assert len(small.events) == count[kept].sum()
    assert small.items.ids[0] == data.items.ids[kept[0]]


def test_more_items_are_kept_where_a_few_hold_too_little_of_the_events():
    data = Dataset.from_frames(catalogue(), walkers(30))
    count = np.sort(np.bincount(data.events.item, minlength=60))[::-1]
    held = count[:10].sum() / count.sum()
    assert len(data.frequent(10, most=20, share=held - 0.01)) == 10
    assert len(data.frequent(10, most=20, share=held + 0.01)) == 20


@settings(derandomize=True, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from(["rain", "sun", None, "fog"]), st.sampled_from(["desk", "phone", None]), st.floats(0, 2e9)),
        min_size=1,
        max_size=20,
    )
)
def test_moments_are_coded_as_frames_are(rows):
    signals = Signals(
        names=["ctx_weather", "ctx_device", *CLOCK],
        values={"ctx_weather": ["rain", "sun"], "ctx_device": ["desk", "phone"]},
        clock=True,
    )
    weather, device, time = ([row[n] for row in rows] for n in range(3))
    wanted, _ = signals.code(
        pl.DataFrame(
            {"ctx_weather": weather, "ctx_device": device}, schema=dict.fromkeys(("ctx_weather", "ctx_device"), pl.String)
        ),
        np.array(time),
    )
    codes = SignalCodes(signals)
    one_by_one = np.stack([codes.of({"weather": w, "device": d, "other": 1})[0] for w, d in zip(weather, device, strict=True)])
    codes.set_clock(one_by_one, np.array(time))
    assert one_by_one.tolist() == wanted.tolist()
    values = {"weather": ["sun", "fog", "rain"], "device": ["phone", "desk"]}
    columns = {
        name: (np.array([-1 if v is None else values[name].index(v) for v in given], np.int32), values[name])
        for name, given in (("weather", weather), ("device", device))
    }
    at_once, _ = codes.of_columns(columns, {}, np.arange(len(rows)))
    codes.set_clock(at_once, np.array(time))
    assert at_once.tolist() == wanted.tolist()


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.lists(st.integers(0, 8), min_size=8, max_size=8))
def test_the_newest_of_histories_are_their_ends(lengths, counts):
    total = sum(lengths)
    requests = Requests(
        time=np.arange(len(lengths), dtype=float), signals=np.zeros((len(lengths), 1), np.int32),
        numbers=np.zeros((len(lengths), 0), np.float32), ptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        item=np.arange(total, dtype=np.int32), when=np.arange(total, dtype=float), value=np.ones(total, np.float32),
        past=np.arange(total, dtype=np.int32)[:, None],
    )  # fmt: skip
    count = np.array(counts[: len(lengths)])
    short = requests.newest(count)
    for row, (start, stop) in enumerate(zip(requests.ptr[:-1], requests.ptr[1:], strict=True)):
        wanted = requests.item[start:stop][max(stop - start - count[row], 0) :]
        got = slice(short.ptr[row], short.ptr[row + 1])
        assert short.item[got].tolist() == wanted.tolist() == short.when[got].tolist() == short.past[got, 0].tolist()
    assert short.time.tolist() == requests.time.tolist()


def with_lengths(lengths):
    """Requests about nothing, with histories of these lengths, whose events are told apart by their times."""
    lengths, total = np.asarray(lengths, np.int64), int(np.sum(lengths))
    return Requests(
        time=np.zeros(len(lengths)), signals=np.zeros((len(lengths), 0), np.int32),
        numbers=np.zeros((len(lengths), 0), np.float32), ptr=np.concatenate([[0], np.cumsum(lengths)]),
        item=np.zeros(total, np.int32), when=np.arange(total, dtype=float), value=np.ones(total, np.float32),
        past=np.zeros((total, 0), np.int32),
    )  # fmt: skip


def test_some_requests_are_asked_with_a_shorter_history():
    requests = with_lengths(np.full(4000, 150))
    short, rows, whole = shortened(requests, np.random.default_rng(0))
    left = np.diff(short.ptr)
    assert rows.tolist() == list(range(4000)), "enough of so many are short without copies"
    assert whole.tolist() == (left == 150).tolist()
    assert abs(np.mean(left < 150) - 0.2) < 0.02
    few = [np.sum((left >= low) & (left <= high)) for low, high in ((0, 0), (1, 2), (3, 6), (7, 14))]
    assert max(few) < 1.7 * min(few)
    assert left[left < 150].max() <= 100


def test_few_requests_are_asked_a_second_time_with_a_shorter_history():
    short, rows, whole = shortened(with_lengths(np.full(800, 150)), np.random.default_rng(0))
    assert (~whole).sum() == 500
    assert rows[:800].tolist() == list(range(800))
    assert whole[:800].mean() > 0.75, "what is asked with everything stays the greater part"
    assert not whole[800:].any()
    assert np.diff(short.ptr)[~whole].max() <= 100


@given(st.lists(st.integers(0, 200), max_size=60), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_shorter_histories_are_the_newest_events_of_the_given_ones(lengths, seed):
    requests = with_lengths(lengths)
    short, rows, whole = shortened(requests, np.random.default_rng(seed))
    n = len(lengths)
    assert rows[:n].tolist() == list(range(n))
    assert len(rows) == len(whole) == len(short) <= 1.5 * n
    assert len(set(rows[n:].tolist())) == len(rows) - n, "nothing is copied twice"
    for place, row in enumerate(rows):
        told = short.when[short.ptr[place] : short.ptr[place + 1]].tolist()
        given = requests.when[requests.ptr[row] : requests.ptr[row + 1]].tolist()
        assert told == given[len(given) - len(told) :]
        assert len(told) == len(given) or not whole[place]
    if n and np.mean(np.array(lengths) <= 10) > 0.2:
        assert whole.all(), "enough are short by themselves"
