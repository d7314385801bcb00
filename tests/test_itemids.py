"""Keys to ids and back, packed or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.itemids import ItemIds


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.text(min_size=1, max_size=6)), max_size=80, unique_by=(lambda p: p[0], lambda p: p[1])
    ),
    st.integers(0, 20),
    st.integers(0, 80),
    st.data(),
)
def test_is_a_table_both_ways(pairs: list[tuple[int, str]], fresh: int, kept: int, data: st.DataObject) -> None:
    """Whatever the order of the keys, however often they are packed, and whether they were kept in between."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("occasion.itemids.FRESH", fresh)
        table, truth = ItemIds(), {}
        for n, (key, item_id) in enumerate(pairs):
            if n == kept:
                table = ItemIds.restore(table.arrays())
            table.put(key, item_id)
            truth[key] = item_id
            again = data.draw(st.sampled_from(sorted(truth)))
            table.put(again, truth[again])
            assert len(table) == max(truth) + 1
    assert [table[key] for key in range(len(table))] == [truth.get(key, "") for key in range(len(table))]
    assert {item_id: table.key(item_id) for item_id in truth.values()} == {item_id: key for key, item_id in truth.items()}
    assert table.key("") is None
    assert table.key("an id that is too long to be there") is None
    for wrong in (-1, len(table)):
        with pytest.raises(IndexError):
            table[wrong]


def test_equal_hashes_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checksum of 32 bits is that of many texts."""
    monkeypatch.setattr("occasion.itemids.FRESH", 0)
    monkeypatch.setattr("occasion.packed.crc32", len)
    table = ItemIds()
    for key in range(300):
        table.put(key, f"item {key}")
    assert [table.key(f"item {key}") for key in range(300)] == list(range(300))
    assert table.key("item x") is None
