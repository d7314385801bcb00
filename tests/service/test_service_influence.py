"""What one account can do to the answers of others is capped."""

from __future__ import annotations

import numpy as np
import pytest

from occasion.protocols import EventColumns
from occasion.statistics import LATE_NEIGHBOURS, MOST_OF_ONE, Statistics


def log(users, items, first=1):
    n = len(items)
    return EventColumns(
        seq=np.arange(first, first + n), user=np.array(users, np.int32), item=np.array(items, np.int32), type=np.zeros(n, np.int16),
        value=np.full(n, np.nan, np.float32), at=np.full(n, 1.7e9), context=np.full(n, -1, np.int32), types=("click",),
    )  # fmt: skip


@pytest.mark.parametrize("built", [True, False])
def test_one_account_counts_no_more_than_so_many_honest_ones(built):
    honest = [(user, 1) for user in range(10, 10 + MOST_OF_ONE + 5)]
    events = [(1, 0)] * 5000 + honest
    columns = log([u for u, _ in events], [i for _, i in events])
    counts = Statistics()
    if built:
        counts.build(columns, 2)
    else:
        counts.build(log([], []), 2)
        counts.observe(columns, {}, {})
    assert counts.count.tolist()[:2] == [MOST_OF_ONE, MOST_OF_ONE + 5]
    assert counts.top(2).keys.tolist() == [1, 0]


def test_the_newest_events_are_those_that_count():
    columns = log([1] * 100, [0] * 100)
    columns.at[:50] -= 365 * 86_400
    counts = Statistics()
    counts.build(columns, 1)
    assert counts.now[0] == pytest.approx(MOST_OF_ONE)


def test_late_neighbours_of_a_popular_item_stay_few_and_the_strongest_stay():
    counts = Statistics()
    counts.build(log([], []), 1)
    users, items = [], []
    for user in range(2000):
        other = 1 if user % 4 == 0 else 2 + user
        users += [user, user]
        items += [0, other]
    counts.observe(log(users, items), {}, {})
    near = counts.together(0)
    assert len(near.keys) <= 2 * LATE_NEIGHBOURS
    assert int(near.keys[np.argmax(near.scores)]) == 1
    # An answer kept in memory follows the next event.
    counts.observe(log([5000, 5000] * 3, [0, 3] * 3, first=9000), {}, {})
    after = counts.together(0)
    assert after.scores[after.keys == 3].sum() > near.scores[near.keys == 3].sum()
