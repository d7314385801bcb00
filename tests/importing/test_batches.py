"""Which events came in one import is known afterwards, whatever stopped it and whatever came in between."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.data import Event, Item
from occasion.importing import import_files
from occasion.importing.batches import batch_numbers, noted_batches
from occasion.learning.folds import split
from occasion.recommender import Recommender
from occasion.settings import load_settings
from occasion.stores import open_store
from occasion.training.log import read_log


class Stop(Exception):
    pass


def log(path, first, count, wide=0):
    rows = (f"u{n % 50},i{(n * 7) % 40},{n // 50},{'x' * wide}\n" for n in range(first, first + count))
    path.write_text("user,item,time,notes\n" + "".join(rows))
    return str(path)


@pytest.fixture
def store(tmp_path):
    made = open_store(f"sqlite:///{tmp_path / 'o.db'}")
    yield made
    made.close()


def test_each_import_is_a_batch_and_so_is_what_comes_between(store, tmp_path):
    import_files(store, log(tmp_path / "a.csv", 0, 600))
    import_files(store, log(tmp_path / "b.csv", 600, 300))
    import_files(store, log(tmp_path / "b.csv", 600, 300))  # nothing new in it
    store.append([Event(user="u1", item="i1", at=1000.0)])
    import_files(store, log(tmp_path / "c.csv", 900, 10))
    assert noted_batches(store) == [(1, 600), (601, 900), (902, 911)]
    seq = np.arange(1, 912)
    assert batch_numbers(noted_batches(store), seq).tolist() == [0] * 600 + [1] * 300 + [2] + [3] * 10


def test_items_make_no_batch(store, tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("id,title\ni1,one\ni2,two\n")
    import_files(store, str(path))
    assert noted_batches(store) == []


def test_a_stopped_import_and_its_end_are_one_batch(store, tmp_path):
    import_files(store, log(tmp_path / "a.csv", 0, 400))
    long = log(tmp_path / "b.csv", 400, 120_000, wide=250)
    told = []

    def progress(done, total):
        told.append(done)
        if len(told) == 3:
            raise Stop

    with pytest.raises(Stop):
        import_files(store, long, progress=progress)
    assert 400 < store.counts()["events"] < 120_400
    assert noted_batches(store) == [(1, 400)]
    assert import_files(store, long).resumed
    assert noted_batches(store) == [(1, 400), (401, 120_400)]


@given(st.lists(st.integers(1, 5), max_size=6), st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_numbers_go_up_and_are_equal_within_an_import(sizes, gaps):
    batches, last = [], 0
    for size, gap in zip(sizes, gaps, strict=False):
        batches.append((last + gap + 1, last + gap + size))
        last += gap + size
    numbers = batch_numbers(batches, np.arange(1, last + 3))
    assert numbers[0] == 0
    assert set(np.diff(numbers).tolist()) <= {0, 1}
    for first, end in batches:
        assert len(set(numbers[first - 1 : end].tolist())) == 1
    assert len(set(numbers.tolist())) >= len(batches)


def test_without_a_clock_the_newest_import_is_what_is_asked_for(tmp_path):
    """As the benchmarks do, which hand the parts of a task to the learner one after the other."""
    settings = load_settings(home=tmp_path)
    with Recommender(settings) as recommender:
        recommender.store.put_items([Item(id=f"i{n}", text={"title": f"thing {n}"}) for n in range(40)])
        import_files(recommender.store, log(tmp_path / "a.csv", 0, 1500))
        import_files(recommender.store, log(tmp_path / "b.csv", 1500, 500))
        recommender.refresh()
        (fold,) = split(read_log(recommender).data, np.random.default_rng(0))
        assert fold.newest
        assert fold.labels.sum() == 500
