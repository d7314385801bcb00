"""Titles at hand against a plain dictionary, kept in between or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.titles import Titles

keys = st.integers(0, 12)
steps = st.one_of(
    st.tuples(st.just("put"), keys, st.text(max_size=3)),
    st.tuples(st.just("remove"), keys, st.none()),
    st.tuples(st.just("keep"), st.none(), st.none()),
)


@given(st.lists(steps, max_size=40))
def test_is_what_was_put_last(todo: list[tuple[str, int, str]]) -> None:
    titles, truth = Titles(), {}
    for step, key, title in todo:
        if step == "put":
            titles.put(key, title)
            truth[key] = title
        elif step == "remove":
            titles.remove(key)
            truth.pop(key, None)
        else:
            titles = Titles.restore(titles.arrays())
    assert [titles.get(key) for key in range(14)] == [truth.get(key) for key in range(14)]
    assert sorted(titles.some(100)) == sorted(truth.values())
    assert set(titles.some(3)) <= set(truth.values())
    assert len(titles.some(3)) <= 4


def test_there_are_not_more_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occasion.titles.MOST", 10)
    titles = Titles()
    for key in range(20):
        titles.put(key, f"title {key}")
    assert [key for key in range(20) if titles.get(key) is not None] == list(range(10))
    titles = Titles.restore(titles.arrays())
    titles.put(3, "another")
    titles.put(15, "no room")
    assert (titles.get(3), titles.get(15)) == ("another", None)
    titles.remember({15: "named", 16: "named too"}, beside=[3, 4])
    assert {key for key in range(20) if titles.get(key) is not None} == {3, 4, 15, 16}
    titles.put(15, "changed")
    assert titles.get(15) == "changed"
