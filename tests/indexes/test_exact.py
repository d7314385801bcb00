import numpy as np
import pytest
from index_contract import IndexContract, clustered, unit_rows

from occasion.indexes.exact import ExactIndex


class TestExactIndex(IndexContract):
    @pytest.fixture
    def make(self):
        return ExactIndex


class TestExactIndexOfWholeNumbers(IndexContract):
    tolerance = 0.01

    @pytest.fixture
    def make(self):
        return lambda dim: ExactIndex(dim, precision="int8")


@pytest.mark.parametrize("share", [None, 0.9, 0.1, 0.01])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_finds_the_very_best(share, dtype):
    n, dim, k = 20_000, 24, 10
    rows = clustered(n, dim, 100)
    keys = np.random.default_rng(1).permutation(2 * n)[:n].astype(np.int32)
    index = ExactIndex(dim, precision=dtype)
    index.add(keys, rows)
    allowed = None if share is None else np.random.default_rng(2).random(2 * n) < share
    held = index.vectors(keys)
    for query in unit_rows(10, dim, 3):
        scores = held.astype(np.float64) @ query
        if allowed is not None:
            scores[~allowed[keys]] = -np.inf
        assert set(index.search(query, k, allowed).keys.tolist()) == set(keys[np.argsort(-scores)[:k]].tolist())


def test_ties_at_the_cut_come_by_key_whatever_was_removed():
    rng = np.random.default_rng(0)
    rows = np.repeat(unit_rows(40, 512), 10, axis=0)
    keys = rng.permutation(len(rows)).astype(np.int32)
    index = ExactIndex(512)
    index.add(keys, rows)
    index.remove(np.arange(0, 400, 7, dtype=np.int32))
    group = {int(key): n // 10 for n, key in enumerate(keys)}
    for n in range(0, 400, 10):
        left = sorted(key for key, g in group.items() if g == n // 10 and key % 7)
        assert index.search(rows[n], 4).keys.tolist() == left[:4]


def test_grows_in_any_order_of_keys():
    index, rows = ExactIndex(3), unit_rows(200, 3)
    for n, key in enumerate(np.random.default_rng(4).permutation(200)):
        index.add(np.array([key], np.int32), rows[n : n + 1])
        assert index.search(rows[n], 1).keys.tolist() == [key]
    assert len(index) == 200
