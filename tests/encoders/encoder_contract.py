"""What every encoder must do. A test module makes a fixture ``encoder`` and inherits `EncoderContract`."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from occasion.errors import EncoderError
from occasion.protocols import Encoder

TEXTS = [
    "Friday night, at home, raining",
    "a",
    "一款高性能的手机，具有强大的处理器和高清摄像头。",
    "",
    "wireless noise cancelling headphones with a very long battery life and a case that nobody asked for " * 4,
    "🎉🎉 party 👨‍👩‍👧‍👦",
    "tab\tnew\nline\x00zero\x07bell",
    "café",
    "café",
]

# One contract runs in several classes, so examples are not kept: those of one class say nothing about another.
SETTINGS = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
}


class EncoderContract:
    def test_is_an_encoder(self, encoder):
        assert isinstance(encoder, Encoder)
        assert encoder.version
        assert encoder.dim > 0

    def test_vectors_are_unit_length_float32(self, encoder):
        vectors = encoder.encode(TEXTS)
        assert vectors.shape == (len(TEXTS), encoder.dim)
        assert vectors.dtype == np.float32
        expected = [0.0 if not t else 1.0 for t in TEXTS]
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(expected, abs=1e-5)

    def test_no_texts(self, encoder):
        assert encoder.encode([]).shape == (0, encoder.dim)

    @pytest.mark.parametrize("empty", ["", "  \n\t", "\x00\x01", "​"])
    def test_a_text_that_says_nothing_is_zero(self, encoder, empty):
        assert not encoder.encode([empty, "cat"])[0].any()

    def test_order_and_batch_change_nothing(self, encoder):
        texts = [*TEXTS, *(f"{t} {n}" for n, t in enumerate(TEXTS) if t)]
        whole = encoder.encode(texts)
        alone = np.concatenate([encoder.encode([t]) for t in texts])
        back = encoder.encode(texts[::-1])[::-1]
        assert np.abs(whole - alone).max() < 1e-5
        assert np.abs(whole - back).max() < 1e-5

    @settings(max_examples=15, **SETTINGS)
    @given(st.lists(st.text(max_size=40), max_size=4))
    def test_any_text_encodes(self, encoder, texts):
        vectors = encoder.encode(texts)
        assert vectors.shape == (len(texts), encoder.dim)
        assert np.isfinite(vectors).all()

    def test_half_a_surrogate_pair_encodes(self, encoder):
        assert np.isfinite(encoder.encode(["\ud83d broken"])).all()

    def test_a_huge_text_is_cut(self, encoder):
        start = "many words make a text "
        vectors = encoder.encode([start * 50_000, start * 49_000])
        assert np.abs(vectors[0] - vectors[1]).max() < 1e-5

    @pytest.mark.parametrize("texts", ["one string", [None], ["fine", 3], [b"bytes"]])
    def test_what_is_no_text_is_refused(self, encoder, texts):
        with pytest.raises(EncoderError, match="Cure"):
            encoder.encode(texts)

    def test_progress_ends_at_the_total(self, encoder):
        seen = []
        encoder.encode(TEXTS, progress=lambda done, total: seen.append((done, total)))
        assert seen[-1] == (len(TEXTS), len(TEXTS))
        assert seen == sorted(seen)

    def test_different_texts_differ(self, encoder):
        one, other = encoder.encode(["hot soup on a cold day", "a fast graphics card"])
        assert np.abs(one - other).max() > 1e-3
