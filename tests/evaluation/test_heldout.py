"""A store with events held out looks like a store that never had them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from shop import START, shop_events

from occasion.evaluation.heldout import HeldOutStore
from occasion.protocols import EventColumns, Store


def rows(columns: EventColumns) -> list[tuple]:
    return list(zip(columns.seq.tolist(), columns.user.tolist(), columns.item.tolist(), columns.at.tolist(), strict=True))


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(
    hidden=st.sets(st.integers(1, 120)),
    uncounted=st.sets(st.integers(1, 120)),
    limit=st.integers(1, 40),
    before=st.one_of(st.none(), st.integers(0, 300_000)),
)
@pytest.mark.parametrize("batch", [7, 1000])
def test_hidden_events_are_neither_counted_nor_remembered(
    shop: Store, hidden: set[int], uncounted: set[int], limit: int, before: int | None, batch: int
) -> None:
    view = HeldOutStore(shop, np.array(sorted(uncounted), np.int64), np.array(sorted(hidden), np.int64))
    counted = [r for columns in view.events(batch=batch) for r in rows(columns)]
    assert counted == [r for columns in shop.events() for r in rows(columns) if r[0] not in uncounted]
    until = None if before is None else START + before
    for user in ("u 0", "u 3"):
        key = shop.user_key(user)
        assert key is not None
        whole = rows(shop.history(key, before=until, limit=1000))
        assert rows(view.history(key, before=until, limit=limit)) == [r for r in whole if r[0] not in hidden][-limit:]


@pytest.fixture
def shop(open_shop: Callable[..., Store]) -> Store:
    return open_shop(shop_events(people=4))


def test_all_else_is_the_store_itself(shop: Store) -> None:
    view = HeldOutStore(shop, np.array([1], np.int64), np.array([1], np.int64))
    assert isinstance(view, Store)
    assert view.cursor() == shop.cursor()
    assert view.item_key("i/3") == shop.item_key("i/3")
    assert view.put_items([]) == 0
