"""What may be counted and what must be foretold: properties of the split over any log."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.errors import DataError
from occasion.evaluation.split import LONGEST, Split, split_by_order, split_by_time, split_log
from occasion.protocols import EventColumns

START = 1_700_000_000.0
Row = tuple[int, int, str, float | None, int]  # user, item, type, time, context


def log(rows: list[Row], values: list[float] | None = None) -> EventColumns:
    types = tuple(dict.fromkeys(r[2] for r in rows)) or ("click",)
    return EventColumns(
        seq=np.arange(1, len(rows) + 1),
        user=np.array([r[0] for r in rows], np.int32),
        item=np.array([r[1] for r in rows], np.int32),
        type=np.array([types.index(r[2]) for r in rows], np.int16),
        value=np.array(values if values is not None else [np.nan] * len(rows), np.float32),
        at=np.array([np.nan if r[3] is None else r[3] for r in rows], np.float64),
        context=np.array([r[4] for r in rows], np.int32),
        types=types,
    )


def rows(timed: bool) -> st.SearchStrategy[list[Row]]:
    times = st.integers(0, 40_000).map(lambda t: START + t) if timed else st.none()
    row = st.tuples(
        st.integers(0, 5), st.integers(0, 9), st.sampled_from(["click", "view", "hide", "impression"]), times, st.integers(-1, 2)
    )
    return st.lists(row, min_size=1, max_size=60)


def split_or_none(columns: EventColumns, cut: float | None) -> Split | None:
    try:
        return split_by_order(columns) if cut is None else split_by_time(columns, cut)
    except DataError:
        return None


@given(rows(timed=True), st.integers(0, 40_000), st.sampled_from([0.0, 600.0, 1800.0]))
def test_a_time_split_partitions_the_liked_late_events(events: list[Row], offset: int, window: float) -> None:
    columns, cut = log(events), START + offset
    try:
        split = split_by_time(columns, cut, window=window)
    except DataError:
        late = [e for e in events if e[3] >= cut]
        assert len(late) == len(events) or all(e[2] in ("hide", "impression") for e in late)
        return
    assert set(split.held_out.tolist()) == {n + 1 for n, e in enumerate(events) if e[3] >= cut}
    assert split.counted + len(split.held_out) == len(events)
    liked = {(e[0], e[1]) for e in events if e[3] >= cut and e[2] in ("click", "view")}
    moments = split.moments
    assert {(u, i) for u, a in zip(moments.user.tolist(), moments.answers, strict=True) for i in a.tolist()} == liked
    for n in range(len(moments)):
        user, at, context = moments.user[n], moments.at[n], moments.context[n]
        assert moments.seq[n] in split.held_out
        inside = {
            e[1] for e in events if e[0] == user and e[4] == context and at <= e[3] <= at + window and e[2] in ("click", "view")
        }
        assert set(moments.answers[n].tolist()) <= inside


@given(rows(timed=True), st.integers(0, 40_000), st.randoms(use_true_random=False))
def test_events_before_the_cut_do_not_change_the_moments(events: list[Row], offset: int, random: object) -> None:
    cut = START + offset
    split = split_or_none(log(events), cut)
    changed = [(e[0], 9 - e[1], "click", e[3], e[4]) if e[3] < cut else e for e in events]
    other = split_or_none(log(changed), cut)
    assert (split is None) == (other is None)
    if split is not None and other is not None:
        assert np.array_equal(split.moments.seq, other.moments.seq)
        assert all(np.array_equal(a, b) for a, b in zip(split.moments.answers, other.moments.answers, strict=True))


@given(rows(timed=False))
def test_an_order_split_holds_out_the_end_of_each_user(events: list[Row]) -> None:
    split = split_or_none(log(events), None)
    if split is None:
        liked_by = {e[0] for e in events if e[2] in ("click", "view")}
        assert not liked_by or len(events) == len({e[0] for e in events}) or len(liked_by) == len({e[0] for e in events})
        return
    held = set(split.held_out.tolist())
    for user in {e[0] for e in events}:
        mine = [n + 1 for n, e in enumerate(events) if e[0] == user]
        hidden = [s for s in mine if s in held]
        assert hidden == mine[len(mine) - len(hidden) :]
    assert len(set(split.moments.user.tolist())) == len(split.moments)
    for n in range(len(split.moments)):
        assert split.moments.seq[n] in held
        assert len(split.moments.answers[n]) >= 1


def test_a_moment_ends_with_the_window_or_the_context() -> None:
    at = [0, 600, 1700, 1900, 1950, 9000]
    events: list[Row] = [(1, 0, "click", START, 0)]
    events += [(1, n + 1, "click", START + 10_000 + t, 0 if t < 1950 else 1) for n, t in enumerate(at)]
    split = split_by_time(log(events), START + 10_000)
    assert [a.tolist() for a in split.moments.answers] == [[1, 2, 3], [4], [5], [6]]
    assert split.moments.at.tolist() == [START + 10_000 + t for t in (0, 1900, 1950, 9000)]


def test_without_times_events_that_share_the_last_context_are_held_out_together() -> None:
    events: list[Row] = [(1, 0, "click", None, 3), (1, 1, "click", None, 5), (1, 2, "click", None, 5), (2, 4, "click", None, -1)]
    events += [(2, 5, "click", None, -1)]
    split = split_by_order(log(events))
    assert [a.tolist() for a in split.moments.answers] == [[1, 2], [5]]
    assert split.held_out.tolist() == [2, 3, 5]


@pytest.mark.parametrize("before", [0, LONGEST])
def test_a_context_that_is_a_trait_makes_no_moment(before: int) -> None:
    events: list[Row] = [(1, 0, "click", None, 1)] * (before > 0)
    events += [(1, n, "click", None, 0) for n in range(max(3, before + 1))]
    split = split_by_order(log(events))
    assert [len(a) for a in split.moments.answers] == [1]


def test_positions_are_no_times() -> None:
    events: list[Row] = [(u, n, "click", float(n), -1) for u in range(4) for n in range(5)]
    split = split_log(log(events))
    assert split.mode == "order"
    assert split.cut is None
    assert [a.tolist() for a in split.moments.answers] == [[4]] * 4


def test_positions_order_a_user_even_where_they_arrived_otherwise() -> None:
    events: list[Row] = [(1, n, "click", float(n), -1) for n in (3, 0, 2, 1)]
    assert split_log(log(events)).moments.answers[0].tolist() == [3]


def test_the_default_cut_leaves_a_tenth_behind_it() -> None:
    events: list[Row] = [(n % 7, n % 5, "click", START + 100 * n, -1) for n in range(1000)]
    split = split_log(log(events))
    assert split.mode == "time"
    assert len(split.held_out) == pytest.approx(100, abs=1)


def test_ratings_are_judged_on_the_scale_known_before_the_cut() -> None:
    events: list[Row] = [(1, n, "rating", START + n, -1) for n in range(4)]
    split = split_by_time(log(events, [1, 5, 4, 2]), START + 2)
    assert [a.tolist() for a in split.moments.answers] == [[2]]


@given(rows(timed=True))
def test_answers_outside_the_catalogue_go_and_empty_moments_with_them(events: list[Row]) -> None:
    split = split_or_none(log(events), START + 20_000)
    if split is None:
        return
    known = np.zeros(6, bool)
    known[::2] = True
    left = split.moments.among(known)
    assert all(set(a.tolist()) <= {0, 2, 4} and len(a) for a in left.answers)
    assert sum(map(len, left.answers)) == sum(i in (0, 2, 4) for a in split.moments.answers for i in a.tolist())
    assert not len(split.moments.among(np.zeros(0, bool)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"share": 0.0}, "share"),
        ({"share": float("nan")}, "share"),
        ({"window": -1.0}, "window"),
        ({"until": START - 1}, "nothing to learn"),
        ({"until": START + 10_000}, "nothing to foretell"),
    ],
)
def test_what_cannot_be_split_is_said(options: dict[str, float], said: str) -> None:
    columns = log([(1, n, "click", START + n, -1) for n in range(5)])
    with pytest.raises(DataError, match=said):
        split_log(columns, **options)


def test_an_empty_log_and_a_date_without_times_are_said() -> None:
    with pytest.raises(DataError, match="no events"):
        split_log(log([]))
    with pytest.raises(DataError, match="cannot be cut at a date"):
        split_log(log([(1, 1, "click", None, -1), (1, 2, "click", None, -1)]), until=START)
    for at_once in ([(1, 1, "click", START, -1)], [(user, 1, "click", START, -1) for user in range(9)]):
        with pytest.raises(DataError, match="more events, each with the time"):
            split_log(log(at_once))
    with pytest.raises(DataError, match="nobody liked"):
        split_log(log([(1, 1, "hide", None, -1), (1, 2, "hide", None, -1)]))
