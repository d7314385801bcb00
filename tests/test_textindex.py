"""The text index against a plain computation, and against itself when texts come, change and go."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from occasion import textindex
from occasion.textindex import TextIndex, tokens

words = st.lists(st.sampled_from("red green blue phone phones camera 手机 相机 tea".split()), min_size=0, max_size=6).map(" ".join)


def made(texts):
    index = TextIndex()
    for key, text in enumerate(texts):
        index.add(key, text)
    return index


def test_tokens_of_words_plurals_and_chinese():
    assert tokens("Two Phones, a glass!") == ["two", "phone", "glass"]
    assert tokens("高性能手机") == ["高性", "性能", "能手", "手机"]
    assert tokens("") == []
    assert tokens("😀 🎉") == []


@settings(max_examples=80, deadline=None)
@given(st.lists(words, min_size=1, max_size=12), words)
def test_search_and_score_agree_and_lie_between_zero_and_one(texts, query):
    index = made(texts)
    q = index.query(query)
    found = index.search(q, 5)
    np.testing.assert_allclose(index.score(q, found.keys), found.scores, atol=1e-5)
    assert np.all(np.diff(found.scores) <= 1e-6)
    assert np.all((found.scores > 0) & (found.scores <= 1 + 1e-5))


def test_a_query_asked_before_knows_words_that_came_since():
    index = made(["red phone", "green tea"])
    for _ in range(3):
        assert len(index.query("yellow lamp")) == 0
    index.add(2, "yellow lamp")
    found = index.query("yellow lamp")
    assert len(found) == 2
    assert index.search(found, 3).keys.tolist() == [2]


@settings(max_examples=60, deadline=None)
@given(st.lists(words, min_size=1, max_size=8), st.lists(st.tuples(st.integers(0, 9), words), max_size=8), words)
@example([""], [(0, "green"), (0, "red")], "green")
@example([""], [(0, "green"), (0, ""), (0, "red")], "green")
def test_texts_that_come_change_and_go_leave_no_trace_of_the_old(texts, changes, query):
    index = made(texts)
    index.search(index.query(query), 3)
    now = dict(enumerate(texts))
    for key, text in changes:
        if text:
            index.add(key, text)
            now[key] = text
        else:
            index.remove(np.array([key], np.int32))
            now.pop(key, None)
    found = index.search(index.query(query), 50).keys.tolist()
    share = {k for k, t in now.items() if set(tokens(t)) & set(tokens(query))}
    assert set(found) == share


def test_compaction_changes_no_answer(monkeypatch):
    monkeypatch.setattr(textindex, "LATE", 3)
    index = made(["red phone", "blue phone", "green tea", "camera"])
    index.search(index.query("phone"), 2)
    for n in range(10):
        index.add(10 + n % 4, f"purple lamp number {n}")
    found = index.search(index.query("purple lamp"), 10)
    assert set(found.keys.tolist()) == {10, 11, 12, 13}
    assert index.search(index.query("phone"), 10).keys.tolist() == [0, 1]


def test_a_mask_is_obeyed():
    index = made(["red phone", "blue phone", "tea"])
    allowed = np.array([False, True, True])
    assert index.search(index.query("phone"), 5, allowed).keys.tolist() == [1]


def test_a_query_of_items_finds_their_likes_first():
    index = made(["red phone case", "red phone cover", "green tea", "black tea"])
    q = index.query_of(np.array([0], np.int32), np.array([1.0], np.float32))
    assert index.search(q, 2).keys.tolist() == [0, 1]


@pytest.mark.parametrize("query", ["", "unheard", "😀", " \n"])
def test_a_query_without_known_words_finds_nothing(query):
    index = made(["tea"])
    assert len(index.search(index.query(query), 3).keys) == 0
    assert not index.score(index.query(query), np.array([0, 5], np.int32)).any()


def test_an_empty_index_answers_empty():
    index = TextIndex()
    assert len(index.search(index.query("tea"), 3).keys) == 0
    index.remove(np.array([3], np.int32))


def test_an_index_of_which_nothing_is_left_finds_nothing():
    index = made(["red phone", "blue phone"])
    index.add(0, "")
    index.remove(np.array([1], np.int32))
    assert not len(index.search(index.query("phone"), 5).keys)
    index.add(1, "green phone")
    assert index.search(index.query("phone"), 5).keys.tolist() == [1]
    index.remove(np.array([0, 1], np.int32))
    assert not len(index.search(index.query("phone"), 5).keys)
    assert index.score(index.query("phone"), np.array([0, 1, 7], np.int32)).tolist() == [0, 0, 0]


def test_postings_of_a_frequent_word_are_the_weightiest(monkeypatch):
    monkeypatch.setattr(textindex, "POSTINGS", 3)
    texts = ["red " + " ".join(f"w{n}{m}" for m in range(n)) for n in range(10)]
    index = made(texts)
    found = index.search(index.query("red"), 10)
    assert found.keys.tolist() == [0, 1, 2]


@settings(max_examples=80, deadline=None)
@given(st.lists(words, min_size=1, max_size=12), st.lists(st.tuples(st.integers(0, 13), words), max_size=4), words)
def test_near_names_allowed_keys_that_search_would_find(texts, changes, query):
    index = made(texts)
    index.search(index.query(query), 1)
    for key, text in changes:
        index.add(key, text)
    allowed = np.arange(14) % 2 == 0
    found = index.near(index.query(query), 3, allowed)
    all_of_them = index.search(index.query(query), 14, allowed).keys
    assert len(set(found.tolist())) == len(found)
    assert set(found.tolist()) <= set(all_of_them.tolist())
    # Every posting of so few texts is read: the three best are among those named.
    best = [np.sort(index.score(index.query(query), keys))[::-1][:3] for keys in (found, all_of_them)]
    np.testing.assert_allclose(best[0], best[1], atol=1e-5)


def told(index, queries, keys=14):
    """Return what an index finds for queries, and for its own texts."""
    every = np.arange(keys, dtype=np.int32)
    asked = [index.query(query) for query in queries] + [
        index.query_of(every[n : n + 1], np.ones(1, np.float32)) for n in range(keys)
    ]
    found = [index.search(query, 20) for query in asked]
    return [(f.keys.tolist(), f.scores.tolist(), index.score(q, every).tolist()) for q, f in zip(asked, found, strict=True)]


def change(index, changes):
    for key, text in changes:
        if text is None:
            index.remove(np.array([key], np.int32))
        else:
            index.add(key, text)


changes = st.lists(st.tuples(st.integers(0, 9), words | st.none()), max_size=10)


@settings(max_examples=100, deadline=None)
@given(changes, changes, changes, st.lists(words, max_size=3), st.sampled_from([2, 1000]))
def test_an_index_that_was_kept_finds_the_same_and_goes_on_the_same(before, then, after, queries, late):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(textindex, "LATE", late)
        index = TextIndex()
        change(index, before)
        told(index, queries)
        change(index, then)
        again = TextIndex.restore({name: array.copy() for name, array in index.arrays().items()})
        for step in ((), after):
            change(index, step)
            change(again, step)
            np.testing.assert_equal(told(again, queries), told(index, queries))


def test_words_of_texts_that_are_gone_are_not_kept():
    index = made(["red phone", "private letter", "green tea"])
    index.search(index.query("phone"), 2)
    index.add(1, "blue lamp")
    index.remove(np.array([2], np.int32))
    arrays = index.arrays()
    assert arrays["terms.text"].tobytes() == b"redphonebluelamp"
    assert told(TextIndex.restore(arrays), ["red lamp", "tea"]) == told(index, ["red lamp", "tea"])


def test_the_same_text_again_changes_nothing():
    index = made(["red phone red", "blue phone", "", "green tea"])
    index.search(index.query("phone"), 2)
    for key, text in enumerate(["red phone red", "blue phone", "", "green tea"]):
        index.add(key, text)
    assert not index._gone
    index.add(0, "red red red phone")
    assert index._gone == {0}
