import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from occasion.encoders.centring import center
from occasion.encoders.texts import unit

VECTORS = arrays(np.float32, st.tuples(st.integers(0, 8), st.just(5)), elements=st.floats(-1, 1, width=32)).map(unit)


@given(VECTORS)
def test_unit_or_zero_and_finite(vectors):
    mean, centred = center(vectors)
    norms = np.linalg.norm(centred, axis=1)
    assert mean.shape == (5,)
    assert np.all((np.abs(norms - 1) < 1e-4) | (norms == 0))


@given(VECTORS)
def test_a_mean_given_is_used_as_it_is(vectors):
    mean, centred = center(vectors)
    again, same = center(vectors, mean)
    assert again is mean
    assert np.array_equal(centred, same)


def test_what_all_have_in_common_goes_away():
    rng = np.random.default_rng(1)
    own = rng.normal(size=(50, 8))
    shared = unit(own + 10 * np.eye(8)[0])
    _, centred = center(shared)
    assert np.abs((shared @ shared.T).mean()) > 0.8
    assert np.abs((centred @ centred.T).mean()) < 0.05


def test_zero_vectors_stay_zero_and_do_not_count():
    vectors = unit(np.array([[1, 0, 1], [0, 1, 1]], np.float32))
    mean, _ = center(vectors)
    padded, centred = center(np.concatenate([vectors, np.zeros((3, 3), np.float32)]))
    assert np.allclose(mean, padded)
    assert not centred[2:].any()


def test_one_vector_is_its_own_mean():
    _, centred = center(unit(np.array([[1, 2, 3]], np.float32)))
    assert not centred.any()
