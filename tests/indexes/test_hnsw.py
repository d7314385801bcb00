import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_contract import OPERATIONS, SETTINGS, IndexContract, clustered, unit_rows

from occasion.errors import VectorIndexError
from occasion.indexes import build_index, make_index, open_index, save_index
from occasion.indexes.exact import ExactIndex
from occasion.indexes.hnsw import HnswIndex


class TestHnswIndex(IndexContract):
    @pytest.fixture
    def make(self):
        return HnswIndex


class TestHnswIndexOfWholeNumbers(IndexContract):
    tolerance = 0.01

    @pytest.fixture
    def make(self):
        return lambda dim: HnswIndex(dim, precision="int8")


class TestHnswIndexThroughTheGraph(IndexContract):
    """The same with the exact way shut, as far as the graph can answer at all."""

    @pytest.fixture
    def make(self, monkeypatch):
        monkeypatch.setattr("occasion.indexes.hnsw.COST_SCORED", 50.0)
        return HnswIndex


def opened(dim, folder, **options):
    """Return an index that is read from files, and has lost all that was in them."""
    index = HnswIndex(dim, **options)
    index.add(np.arange(31, dtype=np.int32), unit_rows(31, dim, 77))
    index.save(folder)
    index = HnswIndex.open(folder)
    index.remove(np.arange(31, dtype=np.int32))
    return index


class TestHnswIndexFromItsFiles(IndexContract):
    @pytest.fixture
    def make(self, tmp_path):
        return lambda dim: opened(dim, tmp_path)


class TestHnswIndexFromItsFilesTakenIn(IndexContract):
    """The same where the graph is soon copied into memory."""

    tolerance = 0.01

    @pytest.fixture
    def make(self, tmp_path, monkeypatch):
        monkeypatch.setattr("occasion.indexes.hnsw.BESIDE", 40)
        return lambda dim: opened(dim, tmp_path, precision="int8")


def recall_at_10(index, exact, queries):
    return np.mean([len(set(index.search(q, 10).keys) & set(exact.search(q, 10).keys)) / 10 for q in queries])


def named_at_10(index, exact, queries):
    return np.mean([len(set(index.near(q, 40)) & set(exact.search(q, 10).keys)) / 10 for q in queries])


@pytest.fixture(scope="module")
def titles():
    """Vectors of real product titles where there are some beside the repository."""
    from occasion.encoders import load_encoder

    shared = Path(os.environ.get("OCCASION_SHARED", Path(__file__).parents[2] / ".." / "shared"))
    path = shared / "bench/tasks/groceries/items.parquet"
    if not path.exists():
        pytest.skip(f"no product titles at {path}")
    import polars as pl

    texts = pl.read_parquet(path)["title"].drop_nulls().unique(maintain_order=True).head(6000).to_list()
    sentences = [
        "dinner for two with red wine",
        "breakfast on sunday morning",
        "cold drinks for a hot day",
        "barbecue",
        "the baby is ill",
    ]
    vectors = load_encoder().encode([*texts, *sentences])
    return vectors[:-5], np.concatenate([vectors[-5:], vectors[:6000:100]])


def test_recall_on_real_titles(titles):
    vectors, queries = titles
    keys = np.arange(len(vectors), dtype=np.int32)
    for precision in ("float32", "int8"):
        index, exact = HnswIndex(512, precision=precision), ExactIndex(512)
        index.add(keys, vectors)
        exact.add(keys, vectors)
        assert recall_at_10(index, exact, queries) >= 0.95
        assert named_at_10(index, exact, queries) >= 0.95


@pytest.fixture(scope="module")
def cluster():
    vectors = clustered(12_000, 64, 200)
    index, exact = HnswIndex(64), ExactIndex(64)
    for at in (index, exact):
        at.add(np.arange(len(vectors), dtype=np.int32), vectors)
    return index, exact, clustered(12_000, 64, 200)[::97]


def test_what_is_named_in_a_hurry_leaves_searches_as_they_were(cluster):
    index, _, queries = cluster
    for query in queries[:20]:
        index.forget()
        before = index.search(query, 10).keys
        assert len(index.near(query, 5)) >= 5
        index.forget()
        assert index.search(query, 10).keys.tolist() == before.tolist()


def test_recall_on_clusters(cluster):
    index, exact, queries = cluster
    assert recall_at_10(index, exact, queries) >= 0.95
    assert named_at_10(index, exact, queries) >= 0.95
    allowed = np.random.default_rng(1).random(12_000) < 0.5
    for query in queries[:20]:
        near = index.near(query, 40, allowed)
        assert 40 <= len(near) <= 96
        assert allowed[near].all()


def flat(n, dim, directions, seed=0):
    """Return unit rows that lie mostly in a few directions, as texts of one catalogue do."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(np.random.default_rng(99).standard_normal((dim, directions)))[0]
    rows = clustered(n, directions, 100, seed) @ basis.T + 0.25 * rng.standard_normal((n, dim)) / np.sqrt(dim)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def projected():
    vectors = flat(9000, 512, 100)
    index, exact = HnswIndex(512), ExactIndex(512)
    for at in (index, exact):
        at.add(np.arange(6000, dtype=np.int32), vectors[:6000])
        at.add(np.arange(6000, 9000, dtype=np.int32), vectors[6000:])
    queries = vectors[::150] + 0.5 * unit_rows(60, 512, 4)
    return index, exact, (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)


def test_recall_of_a_projected_graph(projected):
    index, exact, queries = projected
    assert index._graph.ndim < 512
    assert recall_at_10(index, exact, queries) >= 0.95
    assert named_at_10(index, exact, queries) >= 0.95
    for query in queries[:5]:
        found = index.search(query, 100)
        assert np.array_equal(found.scores, exact.score(query, found.keys))


def test_a_projected_graph_saved_and_opened_is_the_same(projected, tmp_path):
    index, _, queries = projected
    index.save(tmp_path)
    again = HnswIndex.open(tmp_path)
    for query in queries[:20]:
        assert again.search(query, 10).keys.tolist() == index.search(query, 10).keys.tolist()
    row = unit_rows(1, 512, 8)
    again.add(np.array([77_777], np.int32), row)
    assert again.search(row[0], 1).keys.tolist() == [77_777]


def test_copies_in_a_projected_graph_take_one_node():
    index, rows = HnswIndex(512), flat(2500, 512, 100)
    index.add(np.arange(2500, dtype=np.int32), rows)
    index.add(np.arange(2500, 5000, dtype=np.int32), rows)
    assert (index.nodes, len(index)) == (2500, 5000)
    assert set(index.search(rows[3], 2).keys.tolist()) == {3, 2503}


def test_vectors_in_all_directions_and_few_vectors_are_not_projected():
    for vectors in (unit_rows(3000, 512), flat(500, 512, 100), clustered(3000, 64, 50)):
        index = HnswIndex(vectors.shape[1])
        index.add(np.arange(len(vectors), dtype=np.int32), vectors)
        assert index._graph.ndim == vectors.shape[1]


@pytest.mark.parametrize("share", [0.8, 0.3, 0.05, 0.001])
def test_recall_with_a_mask(cluster, share):
    index, exact, queries = cluster
    allowed = np.random.default_rng(0).random(12_000) < share
    found = [(index.search(q, 10, allowed).keys, exact.search(q, 10, allowed).keys) for q in queries]
    assert np.mean([len(set(a) & set(b)) / max(len(b), 1) for a, b in found]) >= 0.95


def test_a_mask_that_shuts_out_the_whole_neighbourhood(cluster):
    index, exact, queries = cluster
    for query in queries[:10]:
        allowed = np.ones(12_000, np.bool_)
        allowed[exact.search(query, 4000).keys] = False
        found, best = index.search(query, 50, allowed), exact.search(query, 50, allowed)
        assert len(set(found.keys) & set(best.keys)) >= 45


def test_recall_after_half_is_replaced_and_a_third_removed():
    vectors, rng = clustered(8000, 32, 100), np.random.default_rng(2)
    index, exact = HnswIndex(32), ExactIndex(32)
    for at in (index, exact):
        at.add(np.arange(8000, dtype=np.int32), vectors)
        at.add(np.arange(0, 8000, 2, dtype=np.int32), np.ascontiguousarray(vectors[::-2]))
        at.remove(np.arange(0, 8000, 3, dtype=np.int32))
    queries = vectors[rng.integers(0, 8000, 50)]
    assert len(index) == len(exact) == 8000 - 2667
    assert recall_at_10(index, exact, queries) >= 0.95


@settings(max_examples=40, **SETTINGS)
@given(operations=OPERATIONS, seed=st.integers(0, 1000), k=st.integers(1, 12))
def test_equal_vectors_share_a_node_and_are_all_found(operations, seed, k):
    pool, rng = np.concatenate([unit_rows(3, 6), np.zeros((1, 6), np.float32)]), np.random.default_rng(seed)
    index, truth = HnswIndex(6), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("occasion.indexes.hnsw.COST_SCORED", 1e6)
        for what, keys in operations:
            if what == "add":
                which = rng.integers(0, 4, len(keys))
                index.add(np.array(keys, np.int32), pool[which])
                truth.update(zip(keys, which.tolist(), strict=True))
            else:
                index.remove(np.array(keys, np.int32))
                truth = {key: w for key, w in truth.items() if key not in keys}
            assert len(index) == len(truth)
            assert index.nodes <= len(truth)
        allowed = rng.random(31) < 0.7
        for mask in (None, allowed):
            for query in pool[:3]:
                order = sorted((-round(float(pool[w] @ query), 2), key) for key, w in truth.items() if mask is None or mask[key])
                assert index.search(query, k, mask).keys.tolist() == [key for _, key in order[:k]]


def test_copies_added_at_once_or_later_take_one_node():
    index, rows = HnswIndex(16), unit_rows(3, 16)
    index.add(np.arange(300, dtype=np.int32), np.tile(rows, (100, 1)))
    assert index.nodes == 3
    index.add(np.arange(300, 600, dtype=np.int32), np.tile(rows, (100, 1)))
    assert (index.nodes, len(index)) == (3, 600)
    index.remove(np.arange(0, 599, dtype=np.int32))
    assert (index.nodes, len(index)) == (1, 1)
    assert index.search(rows[2], 5).keys.tolist() == [599]


def test_many_equal_vectors_do_not_cut_the_graph():
    vectors = np.concatenate([np.repeat(unit_rows(20, 16), 200, axis=0), clustered(4000, 16, 50, seed=9)])
    index, exact = HnswIndex(16), ExactIndex(16)
    for at in (index, exact):
        at.add(np.arange(8000, dtype=np.int32), vectors)
    for query in vectors[::211]:
        found, best = index.search(query, 10), exact.search(query, 10)
        assert found.scores[-1] >= best.scores[-1] - 2e-3


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_saved_and_opened_is_the_same(tmp_path, precision):
    vectors = clustered(5000, 24, 50)
    vectors[17] = 0
    index = HnswIndex(24, precision=precision, connectivity=12, expansion=80)
    index.add(np.arange(5000, dtype=np.int32) * 2, vectors)
    index.remove(np.array([4, 10, 20], np.int32))
    index.save(tmp_path)
    again = HnswIndex.open(tmp_path)
    assert (len(again), again.unsaved, again.kept_in) == (4997, 0, tmp_path)
    for query in vectors[100:120]:
        one, other = index.search(query, 10), again.search(query, 10)
        assert one.keys.tolist() == other.keys.tolist()
        assert np.array_equal(one.scores, other.scores)
    for at in (index, again):
        at.add(np.array([4, 6, 34], np.int32), unit_rows(3, 24, 5))
        at.remove(np.array([8], np.int32))
    assert again.search(unit_rows(3, 24, 5)[0], 1).keys.tolist() == [4]
    assert len(again) == len(index) == 4997
    again.save(tmp_path)
    assert len(HnswIndex.open(tmp_path)) == 4997


def test_a_new_state_replaces_the_old_and_leaves_other_files_alone(tmp_path):
    (tmp_path / "head.json").write_text("mine")
    index = HnswIndex(8)
    index.add(np.arange(50, dtype=np.int32), unit_rows(50, 8))
    index.save(tmp_path)
    first = {p.name for p in tmp_path.iterdir()}
    index.save(tmp_path)
    second = {p.name for p in tmp_path.iterdir()}
    assert len(first) == len(second)
    assert first & second == {"head.json", "manifest.json", "lock"}
    assert (tmp_path / "head.json").read_text() == "mine"


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


ARRAYS = ("matrix", "keys", "scale", "first", "hashes", "hints")
DAMAGES = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: path.write_bytes(b""),
    "flipped": flipped,
    "garbage": lambda path: path.write_bytes(b"\x00\xff" * 500),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize(
    "name",
    ["graph.usearch", "matrix.npy", "keys.npy", "scale.npy", "first.npy", "hashes.npy", "hints.npy", "basis.npy", "manifest.json"],
)
@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_damaged_file_is_one_clear_error_and_can_be_rebuilt(tmp_path, name, damage):
    vectors, keys = unit_rows(300, 8), np.arange(300, dtype=np.int32)
    index = build_index(keys, vectors, exact_limit=10)
    assert save_index(index, tmp_path)
    (path,) = [p for p in tmp_path.iterdir() if p.name.endswith(name)]
    DAMAGES[damage](path)
    with pytest.raises(VectorIndexError, match="Cure"):
        open_index(tmp_path, 8)
    assert save_index(build_index(keys, vectors, exact_limit=10), tmp_path)
    assert len(open_index(tmp_path, 8)) == 300


@pytest.mark.parametrize("manifest", ["[]", "{}", '{"about": {}, "files": {}}', '{"about": {"kind": "flat"}, "files": {}}', "null"])
def test_a_strange_manifest_is_one_clear_error(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(VectorIndexError, match="Cure"):
        open_index(tmp_path, 8)


def test_no_folder_and_another_length(tmp_path):
    with pytest.raises(VectorIndexError, match="missing"):
        open_index(tmp_path / "none", 8)
    assert not (tmp_path / "none").exists()
    save_index(build_index(np.arange(30, dtype=np.int32), unit_rows(30, 8), exact_limit=1), tmp_path)
    with pytest.raises(VectorIndexError, match="8 dimensions, 9 were due"):
        open_index(tmp_path, 9)


def test_the_kind_suits_the_number_of_items():
    assert isinstance(make_index(8, 100, exact_limit=100), ExactIndex)
    assert isinstance(make_index(8, 101, exact_limit=100), HnswIndex)
    floats, whole = make_index(64, 1000, exact_limit=0), make_index(64, 1_000_000, exact_limit=0)
    rows, key = unit_rows(1, 64), np.zeros(1, np.int32)
    for index in (floats, whole):
        index.add(key, rows)
    assert np.array_equal(floats.vectors(key), rows)
    assert 0 < np.abs(whole.vectors(key) - rows).max() < 2e-3


def test_an_index_is_kept_when_that_pays(tmp_path):
    exact = build_index(np.arange(30, dtype=np.int32), unit_rows(30, 8))
    assert not save_index(exact, tmp_path)
    index = build_index(np.arange(30, dtype=np.int32), unit_rows(30, 8), exact_limit=1)
    assert save_index(index, tmp_path)
    index.add(np.arange(31, dtype=np.int32), unit_rows(31, 8))
    assert not save_index(index, tmp_path)
    index.add(np.arange(1500, dtype=np.int32), unit_rows(1500, 8))
    assert save_index(index, tmp_path)
    assert save_index(index, tmp_path / "elsewhere")
    assert len(open_index(tmp_path, 8)) == 1500
    assert not save_index(open_index(tmp_path, 8), tmp_path)


def test_a_file_in_the_way_is_one_clear_error(tmp_path):
    (tmp_path / "index").write_text("no folder")
    with pytest.raises(VectorIndexError, match="Cure"):
        build_index(np.arange(30, dtype=np.int32), unit_rows(30, 8), exact_limit=1).save(tmp_path / "index")


def test_the_graph_leaves_lightgbm_whole():
    """Their C++ libraries get in each other's way in the wrong order of loading; a fresh process shows it."""
    code = """
import numpy as np
from occasion.indexes import make_index
index = make_index(8, 10**6, exact_limit=1)
index.add(np.arange(50, dtype=np.int32), np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32))
import lightgbm
x = np.random.default_rng(0).random((200, 12))
trees = lightgbm.train({"objective": "binary", "verbosity": -1}, lightgbm.Dataset(x, x[:, 0] > 0.5), 2)
assert trees.feature_name()[11] == "Column_11", trees.feature_name()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("beside", [0, 200, 5000])
def test_what_comes_and_goes_beside_the_files_is_as_if_it_were_in_the_graph(tmp_path, monkeypatch, beside):
    """Whether it stays beside it (5000), is taken in half way (200), or at once (0)."""
    vectors = clustered(6000, 32, 100)
    index, exact = HnswIndex(32), ExactIndex(32)
    for at in (index, exact):
        at.add(np.arange(5000, dtype=np.int32), np.concatenate([vectors[:4000], vectors[:1000]]))
    index.save(tmp_path)
    monkeypatch.setattr("occasion.indexes.hnsw.BESIDE", beside)
    index = HnswIndex.open(tmp_path)
    queries = vectors[::151]
    for step in range(10):
        new = np.arange(6000 + step * 20, 6020 + step * 20, dtype=np.int32)
        changed = np.arange(step * 30, step * 30 + 15, dtype=np.int32)
        for at in (index, exact):
            at.add(new, vectors[5000 + step * 20 : 5020 + step * 20])
            at.add(changed, vectors[4000 + step * 15 : 4015 + step * 15])
            at.remove(np.arange(4000 + step * 7, 4005 + step * 7, dtype=np.int32))
        assert len(index) == len(exact)
        assert recall_at_10(index, exact, queries) >= 0.95
    asked = np.arange(7000, dtype=np.int32)
    assert np.allclose(index.vectors(asked), exact.vectors(asked))
    assert np.allclose(index.score(queries[0], asked), exact.score(queries[0], asked), atol=1e-6)
    index.save(tmp_path)
    again = HnswIndex.open(tmp_path)
    assert np.allclose(again.vectors(asked), exact.vectors(asked))
    assert recall_at_10(again, exact, queries) >= 0.95


def test_the_files_stay_as_they_are_until_they_are_written_anew(tmp_path):
    index = HnswIndex(32)
    index.add(np.arange(9000, dtype=np.int32), clustered(9000, 32, 50))
    index.save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    one, two = HnswIndex.open(tmp_path), HnswIndex.open(tmp_path)
    one.remove(np.arange(0, 9000, 10, dtype=np.int32))
    one.add(np.array([9001], np.int32), unit_rows(1, 32))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert (len(one), len(two)) == (8101, 9000)
    assert two.vectors(np.array([0], np.int32)).any()


def test_the_same_vector_again_changes_nothing():
    index, rows = HnswIndex(32), clustered(500, 32, 10)
    for precision in ("float32", "int8"):
        index = HnswIndex(32, precision=precision)
        index.add(np.arange(500, dtype=np.int32), rows)
        unsaved = index.unsaved
        index.add(np.arange(100, 200, dtype=np.int32), rows[100:200])
        assert (index.unsaved, index.nodes) == (unsaved, 500)


def test_a_search_that_is_remembered_sees_what_came_and_went():
    rows = clustered(4000, 32, 100)
    index, exact = HnswIndex(32), ExactIndex(32)
    for at in (index, exact):
        at.add(np.arange(3000, dtype=np.int32), rows[:3000])
    for step in range(20):
        for _ in range(3):
            assert recall_at_10(index, exact, rows[:2000:500]) >= 0.95
        for at in (index, exact):
            at.remove(exact.search(rows[0], 2).keys)
            at.add(np.array([3000 + step], np.int32), rows[500:501])
        assert 3000 + step in index.search(rows[500], 30).keys


def test_what_is_remembered_of_searches_can_be_dropped():
    rows = clustered(4000, 32, 100)
    index = HnswIndex(32)
    index.add(np.arange(4000, dtype=np.int32), rows)
    before = [index.search(rows[0], 10).keys.tolist() for _ in range(3)]
    assert len(index._met) == 1
    index.forget()
    assert len(index._met) == 0
    assert index.search(rows[0], 10).keys.tolist() == before[0] == before[2]
