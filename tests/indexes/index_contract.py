"""What every index must do. A test module inherits `IndexContract` and gives a fixture ``make``: dim -> empty index.

`tolerance` is how far a score may be from that of the float32 vectors (int8: 1e-2 for unit vectors of few dimensions).
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from occasion.errors import VectorIndexError
from occasion.protocols import Index

# One contract runs in several classes, so examples are not kept: those of one class say nothing about another.
SETTINGS = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
}


def unit_rows(n, dim, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def clustered(n, dim, clusters, seed=0, spread=0.6):
    """Unit vectors around cluster centres, as texts of a catalogue are; evenly random ones are no test of a graph."""
    rng = np.random.default_rng(seed)
    centres = unit_rows(clusters, dim, seed + 1)
    rows = centres[rng.integers(0, clusters, n)] + spread * rng.normal(size=(n, dim)).astype(np.float32) / np.sqrt(dim)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def keys_of(*keys):
    return np.array(keys, np.int32)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.integers(0, 30), min_size=1, max_size=8)),
        st.tuples(st.just("remove"), st.lists(st.integers(0, 30), min_size=1, max_size=8)),
    ),
    max_size=12,
)


class IndexContract:
    dim = 5
    tolerance = 1e-3

    def test_is_an_index(self, make):
        assert isinstance(make(self.dim), Index)

    def test_empty(self, make):
        index = make(self.dim)
        found = index.search(np.ones(self.dim, np.float32), 3)
        assert (len(index), len(found.keys), len(found.scores)) == (0, 0, 0)
        assert not index.vectors(keys_of(1, 2)).any()
        assert index.score(np.ones(self.dim, np.float32), keys_of(4)).tolist() == [0]
        index.add(np.zeros(0, np.int32), np.zeros((0, self.dim), np.float32))
        index.remove(keys_of(1, 2))
        assert len(index) == 0

    @settings(max_examples=40, **SETTINGS)
    @given(operations=OPERATIONS, k=st.integers(0, 40), seed=st.integers(0, 5), data=st.data())
    def test_behaves_as_a_dictionary_of_vectors(self, make, operations, k, seed, data):
        index, truth = make(self.dim), {}
        for step, (what, keys) in enumerate(operations):
            if what == "add":
                vectors = unit_rows(len(keys), self.dim, seed * 100 + step)
                index.add(np.array(keys, np.int32), vectors)
                truth.update(zip(keys, vectors, strict=True))
            else:
                index.remove(np.array(keys, np.int32))
                truth = {key: v for key, v in truth.items() if key not in keys}
        assert len(index) == len(truth)
        asked = np.arange(-1, 35, dtype=np.int32)
        expected = np.array([truth.get(int(key), np.zeros(self.dim)) for key in asked])
        assert index.vectors(asked) == pytest.approx(expected, abs=self.tolerance)
        query = unit_rows(1, self.dim, seed)[0]
        assert index.score(query, asked) == pytest.approx(expected @ query, abs=self.tolerance)
        allowed = np.array(data.draw(st.lists(st.booleans(), min_size=20, max_size=31)), np.bool_)
        for mask in (None, allowed):
            able = {key: float(v @ query) for key, v in truth.items() if mask is None or (key < len(mask) and mask[key])}
            self.check(index.search(query, k, mask), able, k, index, query)

    def check(self, found, able, k, index, query):
        assert len(found.keys) == len(found.scores) == min(k, len(able))
        assert found.keys.dtype == np.int32
        assert found.scores.dtype == np.float32
        assert len(set(found.keys.tolist())) == len(found.keys)
        assert set(found.keys.tolist()) <= set(able)
        assert np.all(np.diff(found.scores) <= 0)
        best = sorted(able.values(), reverse=True)[: len(found.keys)]
        assert found.scores == pytest.approx(np.array(best, np.float32), abs=self.tolerance)
        assert np.array_equal(found.scores, index.score(query, found.keys))

    def test_equal_scores_come_by_key(self, make):
        index = make(self.dim)
        row = unit_rows(1, self.dim)[0]
        keys = np.random.default_rng(3).permutation(97).astype(np.int32)
        index.add(keys, np.repeat(row[None], 97, axis=0))
        found = index.search(row, 97)
        assert found.keys.tolist() == list(range(97))
        assert len(set(found.scores.tolist())) == 1

    def test_replacing_leaves_the_new_vector_alone(self, make):
        index, rows = make(self.dim), unit_rows(2, self.dim)
        index.add(keys_of(7), rows[:1])
        index.add(keys_of(7), rows[1:])
        assert len(index) == 1
        assert index.vectors(keys_of(7))[0] == pytest.approx(rows[1], abs=self.tolerance)
        assert index.search(rows[1], 5).keys.tolist() == [7]

    def test_of_a_key_twice_in_one_batch_the_last_counts(self, make):
        index, rows = make(self.dim), unit_rows(3, self.dim)
        index.add(keys_of(4, 9, 4), rows)
        assert len(index) == 2
        assert index.vectors(keys_of(4))[0] == pytest.approx(rows[2], abs=self.tolerance)

    def test_zero_vectors_score_zero_and_are_found(self, make):
        index = make(self.dim)
        row = unit_rows(1, self.dim)[0]
        index.add(keys_of(0, 1, 2, 3), np.stack([row, 0 * row, -row, 0 * row]))
        found = index.search(row, 4)
        assert found.keys.tolist() == [0, 1, 3, 2]
        assert found.scores == pytest.approx([1, 0, 0, -1], abs=self.tolerance)
        assert index.search(row, 2, np.array([False, True, True, True])).keys.tolist() == [1, 3]
        index.remove(keys_of(1))
        index.add(keys_of(3), row[None])
        assert index.search(row, 4).keys.tolist() == [0, 3, 2]

    def test_a_zero_query_gives_zeros(self, make):
        index = make(self.dim)
        index.add(keys_of(5, 2, 9), unit_rows(3, self.dim))
        found = index.search(np.zeros(self.dim, np.float32), 2)
        assert len(found.keys) == 2
        assert not found.scores.any()

    def test_scores_scale_with_the_query(self, make):
        index, rows = make(self.dim), unit_rows(20, self.dim)
        index.add(np.arange(20, dtype=np.int32), rows)
        one, large = index.search(rows[3], 5), index.search(100 * rows[3], 5)
        assert one.keys.tolist() == large.keys.tolist()
        assert large.scores == pytest.approx(100 * one.scores, rel=1e-3)

    @pytest.mark.parametrize("allowed", [[], [False] * 50])
    def test_nothing_allowed(self, make, allowed):
        index = make(self.dim)
        index.add(np.arange(20, dtype=np.int32), unit_rows(20, self.dim))
        assert len(index.search(unit_rows(1, self.dim)[0], 5, np.array(allowed, np.bool_)).keys) == 0

    @pytest.mark.parametrize(
        ("keys", "vectors"),
        [
            (keys_of(1), np.ones((1, 4), np.float32)),
            (keys_of(1, 2), np.ones((1, 5), np.float32)),
            (keys_of(-1), np.ones((1, 5), np.float32)),
            (keys_of(1), np.full((1, 5), np.nan, np.float32)),
            (keys_of(1), np.array([[1, 2, np.inf, 4, 5]], np.float32)),
        ],
    )
    def test_unusable_vectors_are_refused_and_harm_nothing(self, make, keys, vectors):
        index = make(self.dim)
        index.add(keys_of(1), unit_rows(1, self.dim))
        before = index.vectors(keys_of(1))
        with pytest.raises(VectorIndexError, match="Cure"):
            index.add(keys, vectors)
        assert len(index) == 1
        assert np.array_equal(index.vectors(keys_of(1)), before)

    @pytest.mark.parametrize("query", [np.ones(4), np.ones((1, 5)), np.full(5, np.nan), np.array([np.inf, 0, 0, 0, 0])])
    def test_unusable_queries_are_refused(self, make, query):
        index = make(self.dim)
        index.add(keys_of(1), unit_rows(1, self.dim))
        for ask in (lambda: index.search(query, 1), lambda: index.score(query, keys_of(1))):
            with pytest.raises(VectorIndexError, match="Cure"):
                ask()

    @pytest.mark.parametrize("share", [0.5, 0.05, 0.002])
    def test_a_mask_never_leaves_too_few(self, make, share):
        n, dim = 3000, 16
        index, rows = make(dim), clustered(3000, 16, 30)
        index.add(np.arange(n, dtype=np.int32), rows)
        allowed = np.random.default_rng(5).random(n) < share
        for query in unit_rows(5, dim, 9):
            found = index.search(query, 20, allowed)
            assert len(found.keys) == min(20, int(allowed.sum()))
            assert allowed[found.keys].all()

    @settings(max_examples=30, **SETTINGS)
    @given(n=st.integers(0, 40), k=st.integers(1, 12), seed=st.integers(0, 9), data=st.data())
    def test_near_names_about_what_search_finds(self, make, n, k, seed, data):
        index, vectors = make(self.dim), unit_rows(n, self.dim, seed) if n else np.zeros((0, self.dim), np.float32)
        index.add(np.arange(n, dtype=np.int32), vectors)
        allowed = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), np.bool_)
        query = unit_rows(1, self.dim, seed + 100)[0]
        near, found = index.near(query, k, allowed), index.search(query, k, allowed).keys
        assert len(set(near.tolist())) == len(near) >= len(found)
        assert allowed[near].all()
        assert len(index.near(np.zeros(self.dim, np.float32), k, allowed)) >= len(found)
