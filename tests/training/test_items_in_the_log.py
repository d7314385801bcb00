"""What a fit is told of the items of a store."""

from __future__ import annotations

import pytest

from occasion import Event, Item, Recommender
from occasion.settings import load_settings
from occasion.training.log import read_log

START, HOUR = 1_790_000_000.0, 3600.0


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
def test_when_an_item_came_out_is_told_by_the_clock_of_the_events(tmp_path, zone):
    # A piece an hour, read by each of five people an hour after it came out.
    pieces = [Item(id=f"p{n}", text={"title": f"piece {n}"}, available_from=START + n * HOUR) for n in range(120)]
    reads = [
        Event(user=f"u{u}", item=f"p{n}", type="click", at=START + (n + 1) * HOUR + 60 * u) for n in range(1, 120) for u in range(5)
    ]
    with Recommender(load_settings(home=tmp_path, time_zone=zone)) as desk:
        desk.store.put_items(pieces)
        desk.feedback(reads)
        desk.refresh()
        data = read_log(desk).data
    assert data.fresh == "available_from"
    days = data.items.numbers[data.events.item, data.items.number_names.index("available_from")]
    age = data.events.time / 86400 - days
    assert (abs(age - 1 / 24) < 0.01).all()
