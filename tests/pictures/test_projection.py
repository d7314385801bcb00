"""From pictures to the space of texts: learned where there is something to learn, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.pictures.projection import LEAST_PAIRS, TextProjection
from occasion.pictures.space import PictureSpace


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def related(n, noise, seed=0, p=20, t=12):
    """Return pictures and texts that share five hidden causes."""
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(n, 5))
    pictures = causes @ rng.normal(size=(5, p)) + noise * rng.normal(size=(n, p))
    texts = causes @ rng.normal(size=(5, t)) + noise * rng.normal(size=(n, t))
    return unit(pictures), unit(texts)


def test_what_is_related_is_found():
    pictures, texts = related(400, 0.3)
    made = TextProjection.fit(pictures[:300], texts[:300])
    assert made.hits > 4 * made.chance
    told = made.apply(pictures[300:])
    np.testing.assert_allclose(np.linalg.norm(told, axis=1), 1, atol=1e-5)
    likeness = told @ texts[300:].T
    rank = (likeness > np.diagonal(likeness)[:, None]).sum(1)
    assert np.mean(rank < 5) > 0.6  # by chance: .05


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_what_is_not_related_is_left_alone(seed):
    rng = np.random.default_rng(seed)
    assert TextProjection.fit(unit(rng.normal(size=(200, 20))), unit(rng.normal(size=(200, 12)))) is None


def test_few_pairs_teach_nothing():
    assert TextProjection.fit(*related(LEAST_PAIRS - 1, 0.1)) is None


def test_texts_that_are_all_alike_teach_nothing():
    pictures, _ = related(200, 0.1)
    assert TextProjection.fit(pictures, unit(np.ones((200, 12)))) is None


def test_no_picture_no_text():
    made = TextProjection.fit(*related(300, 0.2))
    assert not np.any(made.apply(np.zeros((2, 20), np.float32)))


@pytest.mark.parametrize("n", [5, 300])
def test_equals_the_solution_of_the_normal_equations(n):
    from occasion.pictures.projection import _Ridge

    pictures, texts = (part.astype(np.float64) for part in related(n, 0.5))
    x, y = pictures - pictures.mean(0), texts - texts.mean(0)
    expected = np.linalg.solve(x.T @ x + 0.3 * np.eye(20), x.T @ y)
    np.testing.assert_allclose(_Ridge(pictures, texts).weights(0.3), expected, atol=1e-8)


def test_a_space_keeps_neighbours_with_a_fifth_of_the_numbers(tmp_path):
    rng = np.random.default_rng(1)
    vectors = unit(rng.normal(size=(1500, 30)) @ rng.normal(size=(30, 600)) + 5)
    space = PictureSpace.fit(vectors)
    assert space.dim == 256
    full = PictureSpace(space.mean, space.basis[:, :0], 1500).place(vectors)
    np.testing.assert_allclose(space.place(vectors[:50]) @ space.place(vectors[50:60]).T, full[:50] @ full[50:60].T, atol=1e-3)
    space.save(tmp_path / "space.npz")
    again = PictureSpace.load(tmp_path / "space.npz", 600)
    assert again.id == space.id
    assert PictureSpace.load(tmp_path / "space.npz", 601) is None
    assert PictureSpace.load(tmp_path / "none.npz", 600) is None


def test_the_space_of_a_handful_keeps_what_they_have_in_common():
    vectors = unit(np.random.default_rng(0).normal(size=(3, 40)) + 2)
    space = PictureSpace.fit(vectors)
    assert space.dim == 40
    assert (space.place(vectors) @ space.place(vectors).T).min() > 0.3
