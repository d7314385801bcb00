"""Every source keeps the same promises over a small real world: allowed keys only, best first, the same scores twice."""

from dataclasses import replace

import numpy as np
import pytest

from occasion.data import Context
from occasion.indexes import make_index
from occasion.liking import liking
from occasion.protocols import EventColumns, Moment, NamingSource
from occasion.sources import SOURCES, again, make_source
from occasion.statistics import Statistics
from occasion.textindex import TextIndex

TEXTS = ["red phone", "blue phone case", "green tea", "black tea", "camera bag", "travel camera", "tea pot", "old radio"]
N = len(TEXTS)
NOW = 1.1e9


def log():
    rng = np.random.default_rng(5)
    n = 200
    user = rng.integers(0, 12, n).astype(np.int32)
    item = ((user % 4) * 2 + rng.integers(0, 2, n)).astype(np.int32)
    return EventColumns(
        seq=np.arange(1, n + 1),
        user=user,
        item=item,
        type=np.zeros(n, np.int16),
        value=np.full(n, np.nan, np.float32),
        at=np.arange(n, dtype=np.float64) * 3600,
        context=np.full(n, -1, np.int32),
        types=("click",),
    )


@pytest.fixture(scope="module")
def parts():
    statistics, text_index, index = Statistics(), TextIndex(), make_index(16, N)
    events = log()
    statistics.build(events, N, {"weekend": ((events.item % 2).astype(np.int32), (False, True))})
    vectors = np.random.default_rng(0).normal(size=(N, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index.add(np.arange(N, dtype=np.int32), vectors)
    for key, text in enumerate(TEXTS):
        text_index.add(key, text)
    pictures = make_index(16, N)
    # The last item has no picture.
    pictures.add(np.arange(N - 1, dtype=np.int32), vectors[: N - 1, ::-1].copy())
    return {"statistics": statistics, "text_index": text_index, "index": index, "pictures": pictures}


def moment(parts, allowed=None, history=(0, 1), kind="click", text="a phone for travel"):
    n = len(history)
    columns = EventColumns(
        seq=np.arange(n),
        user=np.zeros(n, np.int32),
        item=np.array(history, np.int32),
        type=np.zeros(n, np.int16),
        value=np.full(n, np.nan, np.float32),
        at=np.arange(n, dtype=np.float64),
        context=np.full(n, -1, np.int32),
        types=(kind,),
    )
    weights = liking(columns, None)
    taste = weights @ parts["index"].vectors(columns.item) if n else None
    taste = None if taste is None else (taste / np.linalg.norm(taste)).astype(np.float32)
    words = parts["index"].vectors(np.array([5], np.int32))[0]
    return Moment(
        context=Context(text=text),
        at=1e6,
        signals={"weekend": True},
        sentence=text,
        user=0,
        history=columns,
        weights=weights,
        context_vector=words,
        taste_vector=taste,
        allowed=np.ones(N, bool) if allowed is None else allowed,
        rng=np.random.default_rng(1),
    )


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"learned"}))
def test_contract(parts, name):
    source = make_source(name, parts)
    allowed = np.array([True, False] * (N // 2))
    found = source.candidates(moment(parts, allowed), 3)
    assert len(found.keys) == len(found.scores) <= 3
    assert found.keys.dtype == np.int32
    assert found.scores.dtype == np.float32
    assert len(set(found.keys.tolist())) == len(found.keys)
    assert allowed[found.keys].all()
    assert name == "explore" or np.all(np.diff(found.scores) <= 1e-6)
    same = source.score(moment(parts, allowed), found.keys)
    np.testing.assert_allclose(same, found.scores, atol=1e-4)
    everything = source.score(moment(parts), np.arange(N + 3, dtype=np.int32))
    assert everything.shape == (N + 3,)
    assert np.isfinite(everything).all()


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"learned"}))
def test_nobody_without_words_or_history_is_answered(parts, name):
    bare = moment(parts, history=(), text="")
    bare.context_vector = bare.taste_vector = None
    source = make_source(name, parts)
    assert np.isfinite(source.score(bare, np.arange(N, dtype=np.int32))).all()
    source.candidates(bare, 5)


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"learned"}))
def test_nothing_allowed_finds_nothing(parts, name):
    assert len(make_source(name, parts).candidates(moment(parts, np.zeros(N, bool)), 5).keys) == 0


@pytest.mark.parametrize("name", ["taste", "lookalike", "looks", "again", "together"])
def test_a_dislike_turns_the_score_of_history_sources_around(parts, name):
    source = make_source(name, parts)
    keys = np.arange(N, dtype=np.int32)
    liked = source.score(moment(parts), keys)
    disliked = source.score(moment(parts, kind="dislike"), keys)
    best = int(np.argmax(liked))
    assert liked[best] > 0 > disliked[best]


def test_habits_of_long_ago_count_less_whatever_the_clocks(parts):
    source = make_source("again", parts)

    def scores(*at):
        asked = moment(parts, history=(1, 2))
        asked.at, asked.history = NOW, replace(asked.history, at=np.array(at))
        return source.score(asked, np.array([1, 2], np.int32))

    alike = scores(np.nan, np.nan)
    assert alike[0] == alike[1] > 0
    old = scores(1e9 - again.HALF_LIFE, 1e9)
    assert old[1] == alike[1], "the newest counts as ever, however long ago that is"
    assert np.expm1(old[0]) == pytest.approx(np.expm1(old[1]) / 2, rel=1e-5)
    assert scores(1.0, 2.0) == pytest.approx(alike, abs=1e-6), "positions are no times"
    assert scores(NOW, NOW + 1e9) == pytest.approx(alike), "a clock that is fast makes nothing old"


def test_the_situation_decides_what_the_moment_source_likes(parts):
    source = make_source("moment", parts)
    keys = np.arange(N, dtype=np.int32)
    lift = source.score(moment(parts), keys)
    assert np.all(lift[1::2] > 0)
    assert np.all(lift[::2] < 0)


@pytest.mark.parametrize("name", ["again", "explore", "popular", "together"])
@pytest.mark.parametrize("k", [1, 3, 50])
def test_names_are_those_of_the_candidates(parts, name, k):
    source = make_source(name, parts)
    assert isinstance(source, NamingSource)
    allowed = np.arange(N) != 4
    found = source.candidates(moment(parts, allowed, history=(0, 1, 1, 2, 4)), k).keys
    assert sorted(source.named(moment(parts, allowed, history=(0, 1, 1, 2, 4)), k).tolist()) == sorted(found.tolist())
