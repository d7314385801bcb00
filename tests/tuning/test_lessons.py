"""Lessons and questions: nothing of what is examined is taught; figures agree with a count by hand."""

import numpy as np
import pytest
import tuning_worlds

from occasion.errors import DataError
from occasion.keyed import joined
from occasion.people import Consent
from occasion.tuning.lessons import LEAST_EVENTS, read_lessons
from occasion.tuning.questions import Questions, compare, judge
from occasion.tuning.teacher import soft_targets


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    store = tuning_worlds.fill(tmp_path_factory.mktemp("world"), words=True)
    yield store
    store.close()


def test_hidden_items_and_late_events_are_not_taught(world):
    lessons = read_lessons(world)
    columns = joined(list(world.events()))
    cut = np.quantile(columns.at, 0.9)
    assert lessons.counts.sum() == lessons.events <= (columns.at < cut + 1).sum()
    hidden = np.flatnonzero((lessons.counts == 0) & (np.bincount(columns.item, minlength=len(lessons.texts)) > 0))
    assert len(hidden) >= 6
    assert lessons.report.cold[hidden].all()
    assert lessons.targets[hidden].nnz == 0
    assert lessons.targets[:, hidden].nnz == 0
    assert not np.isin(lessons.pairs[:, 1], hidden).any()
    assert not np.isin(lessons.rows, hidden).any()


def test_words_are_lessons(world):
    lessons = read_lessons(world)
    assert sorted(lessons.sentences) == [f"in the mood for {letter}" for letter in tuning_worlds.LETTERS]
    row = len(lessons.texts) + lessons.sentences.index("in the mood for c")
    chosen = lessons.targets[row].indices
    assert len(chosen) > 3
    assert {lessons.texts[k].split()[1] for k in chosen} == {"c"}
    assert lessons.text(row) == "in the mood for c"
    assert any(lessons.report.sentence)


def test_a_seed_gives_the_same_lessons(world):
    one, same, other = read_lessons(world, seed=3), read_lessons(world, seed=3), read_lessons(world, seed=4)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert (one.targets != same.targets).nnz == 0
    assert (one.report.user == same.report.user).all()


def test_no_person_decides_and_is_reported(world):
    lessons = read_lessons(world)
    assert not set(lessons.stop.user) & set(lessons.report.user)
    assert len(lessons.stop)
    assert len(lessons.report)


def test_targets_are_distributions_over_what_goes_together():
    user = np.array([0, 0, 1, 1, 2, 2], np.int32)
    item = np.array([0, 1, 0, 1, 2, 3], np.int32)
    rows = soft_targets(user, item, 5).toarray()
    assert rows.sum(1) == pytest.approx([1, 1, 1, 1, 0])
    assert rows[0, 1] == pytest.approx(1)
    assert rows[2, 3] == pytest.approx(1)
    assert not np.diag(rows).any()


def questions(**changes):
    some = {
        "user": np.array([0, 1], np.int32),
        "history": (np.array([0], np.int32), np.array([1], np.int32)),
        "sentence": ("", ""),
        "answers": (np.array([2], np.int32), np.array([3], np.int32)),
        "cold": np.array([False, False, True, False]),
        "candidates": np.arange(4, dtype=np.int32),
        "repeats": False,
    }
    return Questions(**(some | changes))


def test_places_and_ties_by_hand():
    vectors = np.array([[1, 0, 0], [0, 1, 0], [1, 0.1, 0], [1, 0.1, 0]], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = judge(questions(), vectors, np.zeros((2, 3), np.float32))
    assert found.kind.tolist() == [1, 0]
    # 2 and 3 share their score: place 1.5 for the first person, whose own item is not ranked; for the second, who has the
    # opposite of them all, item 0 comes before both: place 2.5.
    assert found.ndcg == pytest.approx([1 / np.log2(2.5), 1 / np.log2(3.5)])
    assert found.hit.tolist() == [1, 1]
    same = compare(found, found)
    assert same["cold"]["questions"] == same["warm"]["questions"] == 1
    assert same["all"]["ndcg_gain"] == 0


def test_words_alone_can_ask():
    vectors = np.eye(4, dtype=np.float32)
    some = questions(history=(np.zeros(0, np.int32),) * 2, sentence=("x", "y"))
    assert judge(some, vectors, vectors[[2, 3]]).ndcg.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("world_of", "told"),
    [({"people": 3, "events": 2}, f"at least {LEAST_EVENTS} events"), ({"text": False}, "no item of this store has a text")],
)
def test_too_little_is_refused_in_words(tmp_path, world_of, told):
    store = tuning_worlds.fill(tmp_path, **world_of)
    with pytest.raises(DataError, match=told):
        read_lessons(store)
    store.close()


def test_an_empty_store_is_refused(tmp_path):
    from occasion.stores import open_store

    store = open_store(f"sqlite:///{tmp_path / 'occasion.db'}")
    with pytest.raises(DataError, match="Cure"):
        read_lessons(store)
    store.close()


def test_who_refuses_to_train_is_not_learnt_from(tmp_path):
    store = tuning_worlds.fill(tmp_path)
    before = read_lessons(store)
    refusing = {f"u{n}" for n in range(0, 60, 3)}
    store.put_consents([Consent(user=user, purpose="train", granted=False, at=tuning_worlds.T0) for user in sorted(refusing)])
    keys = {store.user_key(user) for user in refusing}
    after = read_lessons(store)
    assert 0 < after.events < before.events
    assert not keys & set(after.report.user.tolist())
    assert keys & set(before.report.user.tolist())
    with pytest.raises(DataError, match="events"):
        read_lessons(store, by_default=("personalise",))
    store.close()
